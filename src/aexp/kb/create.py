"""Make a hypothesis, an experiment or a finding (KB-01).

All of it happens under one lock of the repository, so that of two processes each gets an id of
its own and no parent loses a backlink. Parents are looked at before anything is written; the new
file comes first and the backlinks after, so that an interruption leaves at most a backlink that
``aexp validate`` asks for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aexp.clock import utc_now
from aexp.errors import CorruptDataError, StorageError, UsageError
from aexp.kb import frontmatter, markdown
from aexp.kb.allocate import next_id, used_numbers
from aexp.kb.artifacts import Artifact, require_artifact
from aexp.kb.citing import RunResolver, citations, whole_run_id
from aexp.kb.names import FOLDERS, PARENTS, Kind, check_id, clean_title, file_name
from aexp.kb.templating import fill, read_template
from aexp.repo import Layout
from aexp.storage.atomic import write_atomic, write_new
from aexp.storage.lock import file_lock
from aexp.tree import WorkTree

IMPACTS: Final = ("CRITICAL", "HIGH", "MEDIUM", "LOW")

_STANDING: Final = {"ACTIVE": "kb/ACTIVE.md", "CHALLENGE": "kb/mission/CHALLENGE.md"}
"""Pages of 0.6.x; its validator wants each artifact to link to them, so ours do where they are."""

_UNUSABLE: Final = ("kb.conflict", "kb.not_utf8", "kb.unreadable")


@dataclass(frozen=True, slots=True)
class Created:
    """What was made.

    Attributes:
        id: the new artifact's id.
        path: its file, absolute.
        patched: the parents' files that were given a backlink, absolute.
    """

    id: str
    path: Path
    patched: tuple[Path, ...]


def create_hypothesis(layout: Layout, *, title: str, artifact_id: str | None = None) -> Created:
    """Make a hypothesis from its template.

    Args:
        layout: the repository.
        title: one line in words; other whitespace becomes spaces.
        artifact_id: the id to use instead of the next free one.

    Raises:
        UsageError: the title is empty, or the id is malformed or in use.
        CorruptDataError: the template is broken.
        StorageError: the disk refused.
    """
    return _create(layout, "hypothesis", title, {}, artifact_id)


def create_experiment(
    layout: Layout, *, title: str, hypothesis: str, artifact_id: str | None = None
) -> Created:
    """Make an experiment that tests ``hypothesis``, and link it from there.

    Raises:
        NotFoundError: there is no such hypothesis.
        UsageError, CorruptDataError, StorageError: as :func:`create_hypothesis`; also when the
            hypothesis is in conflict or unreadable.
    """
    return _create(layout, "experiment", title, {"hypothesis": hypothesis}, artifact_id)


def create_finding(
    layout: Layout,
    *,
    title: str,
    hypothesis: str,
    experiment: str,
    impact: str = "MEDIUM",
    runs: Sequence[str] = (),
    batches: Sequence[str] = (),
    resolve_run: RunResolver = whole_run_id,
    artifact_id: str | None = None,
) -> Created:
    """Make a finding about ``hypothesis`` from ``experiment``, and link it from both.

    Args:
        layout: the repository.
        title: one line in words.
        hypothesis: id of the parent hypothesis.
        experiment: id of the parent experiment.
        impact: one of :data:`IMPACTS`, in any case.
        runs: ids of cited runs, as ``resolve_run`` understands them.
        batches: cited batches, each ``E001?condition=full&seed=0``.
        resolve_run: turns what a user typed into a whole run id.
        artifact_id: the id to use instead of the next free one.

    Raises:
        NotFoundError: a parent or a batch's experiment does not exist.
        UsageError, CorruptDataError, StorageError: as :func:`create_experiment`; also for a
            malformed impact or batch. What ``resolve_run`` raises passes through.
    """
    level = impact.strip().upper()
    if level not in IMPACTS:
        raise UsageError(f"{impact!r} is no impact", hint=f"use one of {', '.join(IMPACTS)}")
    cited = citations(runs, batches, resolve_run)
    tree = _tree(layout)
    for citation in cited:
        if citation["type"] == "batch":
            require_artifact(tree, "experiment", citation["experiment_id"])
    parents = {"hypothesis": hypothesis, "experiment": experiment}
    extra = {"supporting_runs": cited} if cited else {}
    return _create(layout, "finding", title, parents, artifact_id, {"IMPACT": level}, extra)


def _create(
    layout: Layout,
    kind: Kind,
    title: str,
    parents: Mapping[str, str],
    artifact_id: str | None,
    values: Mapping[str, str] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Created:
    one_line = clean_title(title)
    if artifact_id is not None:
        check_id(artifact_id, kind)
    for parent in PARENTS[kind]:
        check_id(parents[parent], parent)
    with file_lock(lock_path(layout)):
        tree = _tree(layout)
        found = [require_artifact(tree, parent, parents[parent]) for parent in PARENTS[kind]]
        while True:
            new_id = _take(layout, kind, artifact_id)
            patches = _patches(layout, found, new_id)
            text = _text(layout, kind, new_id, one_line, parents, values or {}, extra or {})
            path = layout.root / FOLDERS[kind] / file_name(new_id, one_line)
            if write_new(path, text.encode("utf-8"), tmp_dir=layout.tmp_dir):
                break
        for parent_path, data in patches.items():
            _patch(layout, parent_path, data, new_id)
    return Created(new_id, path, tuple(patches))


def _patch(layout: Layout, path: Path, data: bytes, new_id: str) -> None:
    try:
        write_atomic(path, data, tmp_dir=layout.tmp_dir)
    except StorageError as error:
        raise StorageError(
            f"{new_id} was made, but not linked: {error.message}",
            hint=f"add [[{new_id}]] under ## Links of {layout.relative(path)}",
        ) from error


def _tree(layout: Layout) -> WorkTree:
    return WorkTree(layout.root, has_git=layout.git_dir is not None)


def lock_path(layout: Layout) -> Path:
    """Return the lock that all work trees of the repository share, as they share its ids."""
    if layout.common_dir is None:
        return layout.locks_dir / "kb.lock"
    return layout.common_dir / "aexp" / "locks" / "kb.lock"


def _take(layout: Layout, kind: Kind, wanted: str | None) -> str:
    if wanted is None:
        return next_id(layout, kind)
    if int(wanted[1:]) in used_numbers(layout, kind):
        raise UsageError(
            f"{wanted} is in use, here or on another branch",
            hint=f"leave --id out, and it will be {next_id(layout, kind)}",
        )
    return wanted


def _patches(layout: Layout, parents: Sequence[Artifact], new_id: str) -> dict[Path, bytes]:
    """Return the parents' new contents, by path, where they do not link to ``new_id`` yet."""
    result: dict[Path, bytes] = {}
    for parent in parents:
        broken = next((x for x in parent.problems if x.code in _UNUSABLE), None)
        if broken is not None:
            raise CorruptDataError(broken.message, hint="mend that file, then try again")
        if new_id in parent.links:
            continue
        path = layout.root / parent.path
        result[path] = with_backlink(path.read_bytes().decode("utf-8"), new_id).encode("utf-8")
    return result


def with_backlink(text: str, target: str) -> str:
    """Return a whole artifact's text with a link to ``target`` under ``## Links``.

    Raises:
        CorruptDataError: an unclosed code block or comment would swallow the link.
    """
    parts = frontmatter.split(text)
    body = markdown.add_link(parts.body, target)
    if target not in markdown.links(body):
        raise CorruptDataError(
            f"the link [[{target}]] would not count: a code block or comment is never closed",
            hint="close it, then try again",
        )
    return text[: len(text) - len(parts.body)] + body


def _text(
    layout: Layout,
    kind: Kind,
    new_id: str,
    title: str,
    parents: Mapping[str, str],
    values: Mapping[str, str],
    extra: Mapping[str, Any],
) -> str:
    template, name = read_template(layout.root, kind)
    standing = (page for page, path in _STANDING.items() if (layout.root / path).is_file())
    links = [*(parents[parent] for parent in PARENTS[kind]), *standing]
    known = {
        "ARTIFACT_ID": new_id,
        "TITLE": title,
        "DATE": utc_now().date().isoformat(),
        "HYPOTHESIS_ID": parents.get("hypothesis", ""),
        "EXPERIMENT_ID": parents.get("experiment", ""),
        "LINKS_BLOCK": "\n".join(f"- [[{target}]]" for target in links),
        **values,
    }
    fields = {"id": new_id, "aliases": [new_id], "type": kind, **parents, **extra}
    return fill(template, name, kind, known, fields)
