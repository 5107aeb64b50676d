"""Numbers that a finding cites: where they stand in its prose, and rewriting them (VAL-09).

A number citation is a Markdown link whose target names a run or a batch, and a metric::

    [0.913](run:77e4588d8d8e3ea5fef5a507bdde91dd#val_acc)
    [0.91 ± 0.02](batch:E001?condition=full&n=3#val_acc:mean)

Links in fenced code, in inline code and in comments are examples and no citations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import unquote

from msgspec import Struct, field

from aexp.errors import CorruptDataError, UsageError
from aexp.kb import frontmatter, markdown
from aexp.kb.artifacts import Artifact
from aexp.kb.citing import batch_citation
from aexp.model.aggregate import STATISTICS
from aexp.model.citation import BatchCitation, Citation, JobCitation, parse_citations
from aexp.model.ids import is_job_id
from aexp.repo import Layout
from aexp.storage.atomic import write_atomic

FIELDS: Final = ("value", "min", "max", "step", "count")
"""What of a metric may be cited behind a dot; ``value``, the final one, without."""

_LINK: Final = re.compile(
    r"(?<![\\!])\[(?P<text>[^\[\]]*)\]"
    r"\(\s*(?:<(?P<quoted>(?:run|batch):[^<>\n\0]*)>|(?P<plain>(?:run|batch):[^\s()<>\0]*))"
    r"(?:\s+(?:\"[^\"\n]*\"|'[^'\n]*'))?\s*\)"
)
_SIGNS: Final = ("](run:", "](batch:", "](<", "]( ", "](\n", "](\r", "](\t")
_PIN: Final = re.compile(r"(?:^|(?<=&))n=(?P<size>[^&]*)")


class NumberLink(Struct, frozen=True):
    """One link that cites a number, as it is written.

    Attributes:
        text: what the reader sees.
        target: what it leads to.
        line: of the file, from 1.
        column: of the line, from 1.
        text_at: where in the body the text begins.
        target_at: where in the body the target begins.
    """

    text: str
    target: str
    line: int
    column: int
    text_at: int
    target_at: int


class Target(Struct, frozen=True):
    """What a link's target means.

    Attributes:
        metric: the whole name behind ``#``, decoded; a field or an aggregate may be part of it.
        job_id: the run, empty for a batch.
        experiment_id: the batch's experiment, empty for a run.
        selector: what the runs of the batch have.
        size: how many runs the batch had when the number was written; None when it is not said.
    """

    metric: str
    job_id: str = ""
    experiment_id: str = ""
    selector: Mapping[str, object] = field(default_factory=dict)
    size: int | None = None

    def readings(self) -> Iterator[tuple[str, str, str]]:
        """Yield metric, field and aggregate for each way to read :attr:`metric`, best first.

        A metric's own name may have dots and colons in it, so the whole of it comes first.
        """
        head, colon, last = self.metric.rpartition(":")
        pairs = [(self.metric, "")]
        if colon and last in STATISTICS:
            pairs.append((head, last))
        for name, aggregate in pairs:
            yield name, "value", aggregate
        for name, aggregate in pairs:
            metric, dot, last = name.rpartition(".")
            if dot and last in FIELDS:
                yield metric, last, aggregate


def number_links(body: str, first_line: int = 1) -> tuple[NumberLink, ...]:
    """Return the links of a body that cite a number, in order.

    Args:
        body: the text behind the frontmatter, as it is in the file.
        first_line: the line of the file on which it begins.
    """
    if not any(sign in body for sign in _SIGNS):
        return ()
    return tuple(_found(body, markdown.without_code(body), first_line))


def _found(body: str, prose: str, first_line: int) -> Iterator[NumberLink]:
    for match in _LINK.finditer(prose):
        group = "plain" if match["plain"] is not None else "quoted"
        text = body[match.start("text") : match.end("text")]
        if re.search(r"\n[ \t\r]*\n", text) or "#" not in match[group]:
            continue  # a link ends with its paragraph; without a metric it cites no number
        begin = body.rfind("\n", 0, match.start()) + 1
        yield NumberLink(
            text,
            match[group],
            first_line + body.count("\n", 0, match.start()),
            match.start() - begin + 1,
            match.start("text"),
            match.start(group),
        )


def all_citations(artifact: Artifact) -> list[Citation]:
    """Return all that a finding rests on: ``supporting_runs``, then what its numbers are of."""
    found = parse_citations(artifact.frontmatter.get("supporting_runs"))
    links = number_links(artifact.body, artifact.body_line)
    for target in filter(None, map(read_target, links)):
        if target.job_id:
            found.append(JobCitation(target.job_id, len(found)))
        else:
            found.append(BatchCitation(target.experiment_id, target.selector, len(found)))
    return found


def parse_target(target: str) -> Target:
    """Return what the target of a number link means.

    Raises:
        UsageError: it is malformed; the message says how in one clause.
    """
    place, _, fragment = target.partition("#")
    metric = unquote(fragment)
    if not metric:
        raise UsageError("it names no metric behind the #")
    kind, _, rest = place.partition(":")
    if kind == "run":
        if not is_job_id(rest):
            raise UsageError("its run id is not whole: 32 lowercase hex digits")
        return Target(metric, job_id=rest)
    experiment, _, query = rest.partition("?")
    size = _size(query)
    pairs = "&".join(pair for pair in query.split("&") if not pair.startswith("n="))
    citation = batch_citation(f"{experiment}?{pairs}")
    return Target(metric, "", citation["experiment_id"], citation["selector"], size)


def read_target(link: NumberLink) -> Target | None:
    """Return what a link means, None when its target is malformed."""
    try:
        return parse_target(link.target)
    except UsageError:
        return None


def _size(query: str) -> int | None:
    pins = _PIN.findall(query)
    if not pins:
        return None
    if len(pins) > 1 or not re.fullmatch(r"[0-9]{1,9}", pins[0]):
        raise UsageError("n= does not say how many runs the batch has")
    return int(pins[0])


def pinned(target: str, size: int) -> str:
    """Return a batch link's target such that it says how many runs the batch has."""
    place, hash_, metric = target.partition("#")
    head, _, query = place.partition("?")
    if _PIN.search(query):
        query = _PIN.sub(f"n={size}", query, count=1)
    else:
        query = f"{query}&n={size}" if query else f"n={size}"
    return f"{head}?{query}{hash_}{metric}"


class Rewriting(Struct, frozen=True):
    """What becomes of one link; what stays as it is, is the same in both."""

    link: NumberLink
    text: str
    target: str


def rewrite(layout: Layout, path: str, body: str, changes: Iterable[Rewriting]) -> None:
    """Rewrite number links of one file, and nothing else of it. The caller holds the kb lock.

    Args:
        layout: the repository.
        path: the file, relative to the root.
        body: its body as it was when the links were found.
        changes: what to write.

    Raises:
        CorruptDataError: the file has another body by now; nothing was written.
        StorageError: the disk refused; the file is as it was.
    """
    file = layout.root / path
    text = file.read_bytes().decode("utf-8")
    parts = frontmatter.split(text)
    if parts.body != body:
        raise CorruptDataError(f"{path} has just been changed", hint="run the command again")
    for change in sorted(changes, key=lambda c: -c.link.text_at):
        link = change.link
        for at, old, new in (
            (link.target_at, link.target, change.target),
            (link.text_at, link.text, change.text),
        ):
            body = body[:at] + new + body[at + len(old) :]
    data = (parts.opening + parts.yaml + parts.closing + body).encode("utf-8")
    write_atomic(file, data, tmp_dir=layout.tmp_dir)
