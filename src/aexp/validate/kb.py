"""Rules about the structure of ``kb/`` (VAL-07)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from aexp.errors import CorruptDataError
from aexp.kb.artifacts import Artifact, near_ids
from aexp.kb.conditions import conditions
from aexp.kb.frontmatter import key_line
from aexp.kb.names import LETTERS, PARENTS, Kind, is_id
from aexp.model.issue import Issue
from aexp.validate.codes import issue

HEADINGS: Final[dict[Kind, tuple[str, ...]]] = {
    "hypothesis": ("Statement", "Test Plan", "Links"),
    "experiment": ("Objective", "Procedure", "Links"),
    "finding": ("Finding", "Evidence", "Links"),
}
"""The sections without which a claim cannot be checked; a file may have any others."""

_BODILESS: Final = {"kb.conflict", "kb.not_utf8", "kb.symlink", "kb.unreadable"}
"""Problems of files whose text nobody has read."""


def check_artifacts(artifacts: Sequence[Artifact]) -> list[Issue]:
    """Return everything that is wrong with the structure of ``kb/``, one issue each, sorted."""
    known: dict[str, list[Artifact]] = defaultdict(list)
    for artifact in artifacts:
        if artifact.id:
            known[artifact.id].append(artifact)
    issues: list[Issue] = [*_duplicates(known)]
    for artifact in artifacts:
        if stray := _stray_note(artifact):
            issues.append(stray)
            continue
        issues += artifact.problems
        issues += _check_one(artifact)
        issues += _links(artifact, known)
        issues += _parents(artifact, known)
    return sorted(issues, key=Issue.sort_key)


def _stray_note(artifact: Artifact) -> Issue | None:
    """Return the one issue of a file that neither by name nor by content is an artifact."""
    codes = {problem.code for problem in artifact.problems}
    if codes != {"kb.bad_filename", "kb.missing_frontmatter"}:
        return None
    return next(problem for problem in artifact.problems if problem.code == "kb.bad_filename")


def _duplicates(known: Mapping[str, Sequence[Artifact]]) -> Iterator[Issue]:
    for artifact_id, group in known.items():
        for artifact in group if len(group) > 1 else ():
            others = sorted(other.path for other in group if other is not artifact)
            yield _issue(
                "kb.duplicate_id",
                artifact,
                f"{artifact.path} has the id {artifact_id}, as has {', '.join(others)}",
                id=artifact_id,
                others=others,
            )


def _check_one(artifact: Artifact) -> Iterator[Issue]:
    """Check what an artifact says of itself; a part that could not be read is passed over."""
    codes = {problem.code for problem in artifact.problems}
    if not codes & _BODILESS:
        yield from _headings(artifact)
    if not codes - {"kb.bad_filename"}:
        yield from _identity(artifact)
        yield from _conditions(artifact)


def _headings(artifact: Artifact) -> Iterator[Issue]:
    present = {heading.casefold() for heading in artifact.headings}
    for heading in HEADINGS[artifact.kind]:
        if heading.casefold() not in present:
            message = f"{artifact.path} has no section ## {heading}"
            yield _issue("kb.missing_heading", artifact, message, heading=heading)


def _identity(artifact: Artifact) -> Iterator[Issue]:
    data, path = artifact.frontmatter, artifact.path
    for name in ("id", "type", "aliases", *PARENTS[artifact.kind]):
        if data.get(name) in (None, "") and not (name == "aliases" and "aliases" in data):
            yield _missing_field(artifact, name)
    stated = data.get("id")
    if artifact.id and stated not in (None, "") and stated != artifact.id:
        message = f"{path} says its id is {_shown(stated)}, its name says {artifact.id}"
        yield _issue(
            "kb.id_mismatch",
            artifact,
            message,
            stated=_shown(stated),
            id=artifact.id,
            key="id",
        )
    kind = data.get("type")
    if kind not in (None, "") and kind != artifact.kind:
        message = f"{path} says its type is {_shown(kind)}, its folder holds {artifact.kind} files"
        yield _issue("kb.type_mismatch", artifact, message, stated=_shown(kind), key="type")
    if artifact.id and "aliases" in data and not _has_alias(data["aliases"], artifact.id):
        message = f"{path} has no alias {artifact.id}"
        yield _issue("kb.alias_missing", artifact, message, id=artifact.id, key="aliases")


def _missing_field(artifact: Artifact, name: str) -> Issue:
    message = f"{artifact.path} has no {name} in its frontmatter"
    code = "kb.alias_missing" if name == "aliases" else "kb.missing_field"
    return _issue(code, artifact, message, field=name, key=name)


def _has_alias(aliases: Any, artifact_id: str) -> bool:
    return aliases == artifact_id or (isinstance(aliases, list) and artifact_id in aliases)


def _conditions(artifact: Artifact) -> Iterator[Issue]:
    if artifact.kind != "experiment":
        return
    try:
        conditions(artifact)
    except CorruptDataError as error:
        yield _issue("kb.bad_conditions", artifact, error.message, key="conditions")


def _links(artifact: Artifact, known: Mapping[str, Sequence[Artifact]]) -> Iterator[Issue]:
    for target, line in artifact.link_lines.items():
        if is_id(target) and target not in known:
            message = f"{artifact.path} links to [[{target}]] in line {line}, which does not exist"
            yield _issue("kb.broken_link", artifact, message, line=line, target=target)


def _parents(artifact: Artifact, known: Mapping[str, Sequence[Artifact]]) -> Iterator[Issue]:
    for kind in PARENTS[artifact.kind]:
        named = artifact.frontmatter.get(kind)
        if named in (None, ""):
            continue
        if not is_id(named, kind) or named not in known:
            yield _missing_parent(artifact, kind, named, known)
            continue
        yield from _backlinks(artifact, known[named])


def _missing_parent(artifact: Artifact, kind: Kind, named: Any, known: Iterable[str]) -> Issue:
    of_kind = sorted(name for name in known if name[0] == LETTERS[kind])
    near = near_ids(named, of_kind) if isinstance(named, str) else []
    hint = f" (did you mean {', '.join(near)}?)" if near else ""
    message = f"{artifact.path} names the {kind} {_shown(named)}, which does not exist{hint}"
    return _issue(
        "kb.missing_parent",
        artifact,
        message,
        field=kind,
        named=_shown(named),
        key=kind,
    )


def _backlinks(child: Artifact, parents: Sequence[Artifact]) -> Iterator[Issue]:
    """Check that child and parent link to each other (one of several files of one id will do)."""
    parent = parents[0]
    if parent.id not in child.links:
        yield _no_link(child, parent)
    readable = [p for p in parents if not {i.code for i in p.problems} & _BODILESS]
    if child.id and readable and not any(child.id in p.links for p in readable):
        yield _no_link(readable[0], child)


def _no_link(source: Artifact, target: Artifact) -> Issue:
    message = f"{source.path} does not link to [[{target.id}]]"
    return _issue("kb.missing_backlink", source, message, target=target.id)


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    text = " ".join(text.split())
    return text if len(text) <= 40 else text[:39] + "…"


def _issue(code: str, artifact: Artifact, message: str, *, key: str = "", **detail: Any) -> Issue:
    """Return an issue about an artifact, at the line of a ``key`` of its frontmatter."""
    line = key_line(artifact.head, key) if key else None
    where = {} if line is None else {"line": line}
    return issue(code, message, path=artifact.path, detail={**detail, **where})
