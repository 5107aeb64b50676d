"""Hypotheses, experiments and findings, as they stand in a tree.

Nothing is skipped in silence (traps 29, 30): a file that cannot be understood is an artifact
with a problem.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import PurePosixPath
from typing import Any

import msgspec
from msgspec import Struct, field

from aexp import yaml
from aexp.cache import Head, grouped, shelf
from aexp.errors import NotFoundError
from aexp.kb import frontmatter, markdown
from aexp.kb.names import FOLDERS, KINDS, LETTERS, Kind, id_of_file
from aexp.model.issue import Issue
from aexp.repo import KB_DIR_REL, Layout
from aexp.tree import Tree


class Artifact(Struct, frozen=True):
    """One markdown artifact.

    Attributes:
        kind: by its folder.
        id: by its file name; empty when the name holds none.
        path: POSIX, relative to the root.
        frontmatter: plain data; empty when there is none that can be read.
        head: the YAML it was read from, as written; it begins on the file's second line.
        body: the text behind the frontmatter.
        body_line: the line of the file on which the body begins.
        headings: the text of the headings of level 2 and deeper, in order.
        links: the targets of the wikilinks in the body, ids without slug.
        link_lines: the line of the file each target first stands on.
        problems: why it could not be read as it should.
    """

    kind: Kind
    id: str
    path: str
    frontmatter: dict[str, Any] = field(default_factory=dict)
    head: str = ""
    body: str = ""
    body_line: int = 1
    headings: tuple[str, ...] = ()
    links: frozenset[str] = frozenset()
    link_lines: dict[str, int] = field(default_factory=dict)
    problems: tuple[Issue, ...] = ()

    @property
    def is_readable(self) -> bool:
        """Whether frontmatter and body are what they should be."""
        return not any(issue.code != "kb.bad_filename" for issue in self.problems)


def read_artifacts(
    tree: Tree, *, layout: Layout | None = None, large: bool = False
) -> list[Artifact]:
    """Return all artifacts of ``tree``, sorted by path (VAL-07).

    Files named ``README.md`` are notes to people and left out, as is what is no markdown. A
    symbolic link is an artifact with a problem: git shares where it points, not what is there.

    Args:
        tree: the files.
        layout: the repository that ``tree`` is a view of; what its cache remembers of unchanged
            files is not read again. None reads every file.
        large: the repository has so many runs that few artifacts are worth remembering too.
    """
    conflicted = set(tree.conflicted(KB_DIR_REL))
    kinds = {path: kind for kind in KINDS for path in _paths(tree, kind, conflicted)}
    readable = [path for path in kinds if path not in conflicted]
    found = [_conflicted(kinds[path], path) for path in kinds if path in conflicted]
    found += _parse_all(tree, {path: kinds[path] for path in readable}, layout, large)
    found += _linked(tree)
    return sorted(found, key=lambda artifact: artifact.path)


class _Remembered(Head, array_like=True, frozen=True, gc=False):
    """An artifact in the cache: its name is its path, and all of it stands in its head."""

    packed: bytes


def _parse_all(
    tree: Tree, kinds: Mapping[str, Kind], layout: Layout | None, large: bool
) -> Iterator[Artifact]:
    """Yield the artifacts at the paths of ``kinds``, those that are remembered unread."""
    kept = shelf(
        layout, f"artifact {tree.label}", _Remembered, len(kinds), large=large, bodies=False
    )
    if not kept.is_kept:
        for path, data in tree.read_many(kinds):
            yield parse_artifact(kinds[path], path, data)
        return
    # A few dozen are written anew when one of them has changed.
    groups = grouped(kinds, lambda path: f"{zlib.crc32(path.encode()) % (len(kinds) // 50 + 1)}")
    for group, paths in groups.items():
        seen = tree.states(paths)
        known = dict(zip(paths, kept.recall(group, paths, seen), strict=True))
        fresh: dict[str, bytes | None] = {}
        for path, data in tree.read_many([path for path in paths if known[path] is None]):
            artifact = parse_artifact(kinds[path], path, data)
            packed = b"" if isinstance(data, OSError) else _pack(artifact)
            known[path] = _Remembered(path, packed)
            fresh[path] = packed or None
            yield artifact
        for path, head in known.items():
            if head is not None and path not in fresh:
                yield _decoder().decode(head.packed)
        if fresh:
            kept.keep(group, [head for head in known.values() if head is not None], seen, fresh)
    kept.save(groups, len(kinds))


def _pack(artifact: Artifact) -> bytes:
    try:
        return msgspec.msgpack.encode(artifact)
    except (OverflowError, ValueError, TypeError):  # a huge integer
        return b""


@cache
def _decoder() -> msgspec.msgpack.Decoder[Artifact]:
    return msgspec.msgpack.Decoder(Artifact)


def find_artifact(tree: Tree, kind: Kind, artifact_id: str) -> Artifact | None:
    """Return the artifact of that id, reading nothing else; None when there is none."""
    paths = [p for p in tree.files(FOLDERS[kind]) if id_of_file(_name(p)) == artifact_id]
    for path, data in tree.read_many(paths[:1]):
        return parse_artifact(kind, path, data)
    return None


def find_experiment(tree: Tree, experiment_id: str) -> Artifact | None:
    """Return the experiment ``E001``, None when there is none."""
    return find_artifact(tree, "experiment", experiment_id)


def require_artifact(tree: Tree, kind: Kind, artifact_id: str) -> Artifact:
    """Return the artifact of that id.

    Raises:
        NotFoundError: there is none; ids that look alike are named.
    """
    found = find_artifact(tree, kind, artifact_id)
    if found is not None:
        return found
    names = map(id_of_file, map(_name, tree.files(FOLDERS[kind])))
    known = sorted({name for name in names if name and name[0] == LETTERS[kind]})
    near = near_ids(artifact_id, known)
    article = "an" if kind == "experiment" else "a"
    parent = " --hypothesis H001" if kind == "experiment" else ""
    hint = f'make {article} {kind} first: `aexp new-{kind} --title "…"{parent}`'
    if near:
        hint = f"did you mean {', '.join(near)}?"
    raise NotFoundError(f"there is no {kind} {artifact_id} in {FOLDERS[kind]}", hint=hint)


def near_ids(wanted: str, known: Sequence[str]) -> list[str]:
    """Return the few ``known`` names that look like ``wanted``, case aside."""
    from difflib import get_close_matches

    by_fold = {name.casefold(): name for name in known}
    close = get_close_matches(wanted.casefold(), list(by_fold), n=3, cutoff=0.6)
    return [by_fold[name] for name in close]


def parse_artifact(kind: Kind, path: str, data: bytes | OSError) -> Artifact:
    """Return the artifact that a file holds; whatever is wrong with it is among its problems."""
    problems = list(_name_problems(kind, path))
    artifact_id = "" if problems else id_of_file(_name(path)) or ""
    if isinstance(data, OSError):
        reason = data.strerror or type(data).__name__
        problems.append(_issue("kb.unreadable", path, f"{path} cannot be read: {reason}"))
        return Artifact(kind, artifact_id, path, problems=tuple(problems))
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        problems.append(_not_utf8(path, data, error))
        return Artifact(kind, artifact_id, path, problems=tuple(problems))
    line = markdown.conflict_line(text)
    if line is not None:
        problems.append(_conflict_issue(path, line))
        return Artifact(kind, artifact_id, path, body=text, problems=tuple(problems))
    return _parse_text(kind, artifact_id, path, text, problems)


def _parse_text(
    kind: Kind, artifact_id: str, path: str, text: str, problems: list[Issue]
) -> Artifact:
    parts = frontmatter.split(text)
    data: dict[str, Any] = {}
    if parts.problem is not None:
        problems.append(_no_frontmatter(path, parts.problem))
    else:
        data = _load_frontmatter(path, parts.yaml, problems)
    lines = {k: v + parts.body_line for k, v in markdown.links(parts.body).items()}
    return Artifact(
        kind,
        artifact_id,
        path,
        frontmatter=data,
        head=parts.yaml,
        body=parts.body,
        body_line=parts.body_line,
        headings=tuple(text for _, level, text in markdown.headings(parts.body) if level > 1),
        links=frozenset(lines),
        link_lines=lines,
        problems=tuple(problems),
    )


def _load_frontmatter(path: str, text: str, problems: list[Issue]) -> dict[str, Any]:
    try:
        data = yaml.load(text, first_line=frontmatter.FIRST_LINE)
    except yaml.YamlError as error:
        message = f"{path}: broken YAML at {error.message}"
        detail = {"line": error.line, "column": error.column}
        problems.append(Issue("kb.yaml_error", "error", message, path, detail))
        return {}
    if data is None:
        data = {}
    if not isinstance(data, dict):
        message = f"{path}: the frontmatter is no mapping of keys to values"
        detail = {"line": frontmatter.FIRST_LINE, "column": 1}
        problems.append(Issue("kb.yaml_error", "error", message, path, detail))
        return {}
    return data


def _paths(tree: Tree, kind: Kind, conflicted: set[str]) -> Iterator[str]:
    folder = FOLDERS[kind]
    unmerged = {path for path in conflicted if path.startswith(folder + "/")}
    for path in sorted({*tree.files(folder), *unmerged}):
        name = _name(path)
        if not name.lower().endswith(".md") or name.lower() == "readme.md":
            continue
        nested = str(PurePosixPath(path).parent) != folder
        if not nested or name[:1].upper() == LETTERS[kind] or id_of_file(name):
            yield path


def _linked(tree: Tree) -> Iterator[Artifact]:
    """Yield a problem for each link that hides artifacts: a file, one of our folders, one above.

    A file behind a link is not read. A folder is, here, so that it is only a warning.
    """
    for path in tree.links(KB_DIR_REL):
        kind = _kind_at(path)
        if kind is None:
            continue
        message = f"{path} is a symbolic link, and git shares only where it points"
        artifact_id = id_of_file(_name(path)) or ""
        known = artifact_id if artifact_id[:1] == LETTERS[kind] else ""
        is_folder = any(f"{folder}/".startswith(f"{path}/") for folder in FOLDERS.values())
        issue = Issue("kb.symlink", "warning" if is_folder else "error", message, path)
        yield Artifact(kind, known, path, problems=(issue,))


def _kind_at(path: str) -> Kind | None:
    """Return whose place ``path`` is; None for links among which no artifact can be."""
    for kind, folder in FOLDERS.items():
        if f"{folder}/".startswith(f"{path}/"):
            return kind
        if path.startswith(f"{folder}/"):
            looks_like_one = id_of_file(_name(path)) or path.lower().endswith(".md")
            return kind if looks_like_one and _name(path).lower() != "readme.md" else None
    return None


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _name_problems(kind: Kind, path: str) -> Iterator[Issue]:
    found = id_of_file(_name(path))
    letter = LETTERS[kind]
    if found is None or found[0] != letter:
        message = f"{path} is not named {letter}001.md or {letter}001-some-words.md"
        yield _issue("kb.bad_filename", path, message)


def _issue(code: str, path: str, message: str, **detail: Any) -> Issue:
    return Issue(code, "error", message, path, detail)


def _no_frontmatter(path: str, problem: frontmatter.Problem) -> Issue:
    what = "does not begin with frontmatter"
    if problem == "unterminated":
        what = "has frontmatter that is never closed"
    return _issue("kb.missing_frontmatter", path, f"{path} {what} (---)", line=1, column=1)


def _not_utf8(path: str, data: bytes, error: UnicodeDecodeError) -> Issue:
    line = data.count(b"\n", 0, error.start) + 1
    column = error.start - data.rfind(b"\n", 0, error.start)
    message = f"{path} is not UTF-8: byte {data[error.start]:#04x} in line {line}, column {column}"
    return _issue("kb.not_utf8", path, message, line=line, column=column)


def _conflict_issue(path: str, line: int) -> Issue:
    message = f"{path} holds an unresolved merge conflict in line {line}"
    return _issue("kb.conflict", path, message, line=line, column=1)


def _conflicted(kind: Kind, path: str) -> Artifact:
    name_problems = tuple(_name_problems(kind, path))
    artifact_id = "" if name_problems else id_of_file(_name(path)) or ""
    issue = _issue("kb.conflict", path, f"{path} is unmerged in git's index")
    return Artifact(kind, artifact_id, path, problems=(*name_problems, issue))
