"""Rules about the structure of ``kb/`` (VAL-07)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from aexp.errors import CorruptDataError
from aexp.kb import PARENTS, Artifact, Kind, conditions, near_ids
from aexp.kb.names import LETTERS, is_id
from aexp.model.issue import Issue

HEADINGS: Final[dict[Kind, tuple[str, ...]]] = {
    "hypothesis": ("Statement", "Test Plan", "Links"),
    "experiment": ("Objective", "Procedure", "Links"),
    "finding": ("Finding", "Evidence", "Links"),
}
"""The sections without which a claim cannot be checked; a file may have any others."""

KB_CODES: Final[dict[str, str]] = {
    "kb.alias_missing": "The frontmatter's aliases do not hold the artifact's id, so [[F001]] "
    'leads nowhere in an editor; add it: aliases: ["F001"].',
    "kb.bad_conditions": "An experiment's conditions are no mapping of names to parameters; write "
    "conditions: {full: {lr: 0.1}}, or conditions: {} for none.",
    "kb.bad_filename": "A file among the artifacts has no name that aexp reads; rename it to "
    "F001.md or F001-some-words.md (H, E or F as its folder wants), or move it elsewhere.",
    "kb.broken_link": "A [[link]] names a hypothesis, experiment or finding that does not exist; "
    "correct the id or take the link out.",
    "kb.conflict": "A merge conflict in the file is not resolved; edit it, then `git add` it.",
    "kb.duplicate_id": "Two files carry one id, most often after a merge of two branches; give "
    "one of them the next free id, in its name, its frontmatter and the links to it.",
    "kb.id_mismatch": "The frontmatter's id is not the one in the file's name; make them agree.",
    "kb.missing_backlink": "A child names its parent, and one of the two does not link to the "
    "other; add the [[id]] under ## Links.",
    "kb.missing_field": "The frontmatter lacks a field that is needed; add it.",
    "kb.missing_frontmatter": "The file does not begin with frontmatter between two --- lines, or "
    "it is never closed; add what is missing.",
    "kb.missing_heading": "A section without which the claim cannot be checked is missing; add "
    "the heading, and say under it what there is to say.",
    "kb.missing_parent": "The frontmatter names a hypothesis or experiment that does not exist; "
    "correct the id or make the parent.",
    "kb.not_utf8": "The file is not UTF-8 text; save it as UTF-8.",
    "kb.type_mismatch": "The frontmatter's type is not what the folder holds; correct the type or "
    "move the file.",
    "kb.unreadable": "The operating system refuses to read the file; check its permissions.",
    "kb.yaml_error": "The frontmatter is broken YAML; line and column say where.",
}
"""Every code of this family, with what it means and how to mend it."""


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
    codes = {issue.code for issue in artifact.problems}
    if codes != {"kb.bad_filename", "kb.missing_frontmatter"}:
        return None
    return next(issue for issue in artifact.problems if issue.code == "kb.bad_filename")


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
    codes = {issue.code for issue in artifact.problems}
    if not codes & {"kb.conflict", "kb.not_utf8", "kb.unreadable"}:
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
        yield _issue("kb.id_mismatch", artifact, message, stated=_shown(stated), id=artifact.id)
    kind = data.get("type")
    if kind not in (None, "") and kind != artifact.kind:
        message = f"{path} says its type is {_shown(kind)}, its folder holds {artifact.kind} files"
        yield _issue("kb.type_mismatch", artifact, message, stated=_shown(kind))
    if artifact.id and "aliases" in data and not _has_alias(data["aliases"], artifact.id):
        message = f"{path} has no alias {artifact.id}"
        yield _issue("kb.alias_missing", artifact, message, id=artifact.id)


def _missing_field(artifact: Artifact, name: str) -> Issue:
    message = f"{artifact.path} has no {name} in its frontmatter"
    code = "kb.alias_missing" if name == "aliases" else "kb.missing_field"
    return _issue(code, artifact, message, field=name)


def _has_alias(aliases: Any, artifact_id: str) -> bool:
    return aliases == artifact_id or (isinstance(aliases, list) and artifact_id in aliases)


def _conditions(artifact: Artifact) -> Iterator[Issue]:
    if artifact.kind != "experiment":
        return
    try:
        conditions(artifact)
    except CorruptDataError as error:
        yield _issue("kb.bad_conditions", artifact, error.message)


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
    return _issue("kb.missing_parent", artifact, message, field=kind, named=_shown(named))


def _backlinks(child: Artifact, parents: Sequence[Artifact]) -> Iterator[Issue]:
    """Check that child and parent link to each other (one of several files of one id will do)."""
    parent = parents[0]
    if parent.id not in child.links:
        yield _no_link(child, parent)
    readable = [p for p in parents if not {i.code for i in p.problems} & _BODILESS]
    if child.id and readable and not any(child.id in p.links for p in readable):
        yield _no_link(readable[0], child)


_BODILESS: Final = {"kb.conflict", "kb.not_utf8", "kb.unreadable"}


def _no_link(source: Artifact, target: Artifact) -> Issue:
    message = f"{source.path} does not link to [[{target.id}]]"
    return _issue("kb.missing_backlink", source, message, target=target.id)


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    text = " ".join(text.split())
    return text if len(text) <= 40 else text[:39] + "…"


def _issue(code: str, artifact: Artifact, message: str, **detail: Any) -> Issue:
    return Issue(code, "error", message, artifact.path, detail)
