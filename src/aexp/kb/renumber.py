"""Give one of two files with the same id an id of its own (VAL-07, trap 21).

Two clones each took the next free id; after the merge ``F002-a.md`` and ``F002-b.md`` are both
F002. Which of them a reference means is clear when it carries the file's name, and often when
one knows who links to whom; the rest is listed for a person and left as it is.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from aexp.errors import AmbiguousIdError, CorruptDataError, NotFoundError, UsageError
from aexp.kb import markdown
from aexp.kb.allocate import next_id, used_numbers
from aexp.kb.artifacts import Artifact, near_ids, read_artifacts
from aexp.kb.create import lock_path, with_backlink
from aexp.kb.names import PARENTS, check_id
from aexp.repo import KB_DIR_REL, Layout
from aexp.storage.atomic import write_atomic, write_new
from aexp.storage.lock import file_lock
from aexp.tree import WorkTree

SEARCHED: Final = "kb"
"""The folder whose markdown files are looked through for references."""


@dataclass(frozen=True, slots=True)
class Unclear:
    """A reference that may mean either file.

    Attributes:
        path: the file it stands in, relative to the root.
        line: counted from 1.
        text: the line, without blanks around it.
    """

    path: str
    line: int
    text: str


@dataclass(frozen=True)
class Renumbering:
    """What is done, or would be.

    Attributes:
        kind: of the artifact.
        old_id: the id it shares.
        new_id: the id it gets.
        old_path: its file before, relative to the root.
        new_path: its file after.
        content: the whole new file.
        references: the new content of every other file that changes, by path.
        unclear: references that were left, for a person to decide.
        twins: the files that keep the old id.
    """

    kind: str
    old_id: str
    new_id: str
    old_path: str
    new_path: str
    content: bytes
    references: dict[str, bytes]
    unclear: tuple[Unclear, ...]
    twins: tuple[str, ...]


def renumber(
    layout: Layout, artifact: str, *, to: str | None = None, dry_run: bool = False
) -> Renumbering:
    """Give an artifact another id, in its name, its text and what refers to it.

    The new file is written first, then the references, and the old file is removed last: after an
    interruption the same call goes on with the same id.

    Args:
        layout: the repository.
        artifact: its path relative to the root, its file name with or without ``.md``, or its id
            when no other file has it.
        to: the new id; the next free one, on every branch that git knows of, when None.
        dry_run: work it out, and change nothing.

    Raises:
        NotFoundError: there is no such artifact; AmbiguousIdError: there are several.
        UsageError: ``to`` is malformed or in use.
        CorruptDataError: the file cannot be read, or is in conflict.
        StorageError: the disk refused.
    """
    with file_lock(lock_path(layout)):
        plan = _Renumber(layout, artifact, to).plan()
        if not dry_run:
            _apply(layout, plan)
    return plan


def _apply(layout: Layout, plan: Renumbering) -> None:
    target = layout.root / plan.new_path
    made = write_new(target, plan.content, tmp_dir=layout.tmp_dir)
    if not made and target.read_bytes() != plan.content:
        raise UsageError(f"{plan.new_path} is there already", hint="leave --to out")
    for path, data in plan.references.items():
        write_atomic(layout.root / path, data, tmp_dir=layout.tmp_dir)
    (layout.root / plan.old_path).unlink()


class _Meaning(enum.Enum):
    """Whom the plain id means in one file."""

    OURS = enum.auto()
    THEIRS = enum.auto()
    UNCLEAR = enum.auto()


class _Renumber:
    """Works out one renumbering."""

    def __init__(self, layout: Layout, wanted: str, to: str | None) -> None:
        self._layout = layout
        self._tree = WorkTree(layout.root, has_git=layout.git_dir is not None)
        self._artifacts = read_artifacts(self._tree)
        self._target = find_by_name(self._artifacts, wanted)
        _check_usable(self._target)
        self._old = self._target.id
        same = [a for a in self._artifacts if a.id == self._old and a is not self._target]
        self._unfinished = self._resumable(same, to)
        self._twins = same
        self._new = self._unfinished or self._take(to)
        self._pattern = _references(self._old, self._target, self._twins)

    def plan(self) -> Renumbering:
        """Return what is to be done."""
        target, references = self._target, dict[str, bytes]()
        unclear: list[Unclear] = []
        for path, data in self._tree.read_many(self._markdown_files()):
            if path == target.path or path == self._new_path():
                continue
            text = _text_of(path, data)
            meaning = self._meaning(path)
            changed, left = self._rewrite(text, meaning)
            if path in self._parents_of(target):
                changed, left = self._with_backlink(changed, left)
            unclear += [Unclear(path, line, shown) for line, shown in left]
            if changed != text:
                references[path] = changed.encode("utf-8")
        return Renumbering(
            target.kind,
            self._old,
            self._new,
            target.path,
            self._new_path(),
            self._content(self._new),
            references,
            tuple(unclear),
            tuple(twin.path for twin in self._twins),
        )

    def _take(self, to: str | None) -> str:
        kind = self._target.kind
        if to is None:
            return next_id(self._layout, kind)
        check_id(to, kind)
        if int(to[1:]) in used_numbers(self._layout, kind):
            raise UsageError(
                f"{to} is in use, here or on another branch",
                hint=f"leave --to out, and it will be {next_id(self._layout, kind)}",
            )
        return to

    def _resumable(self, twins: Sequence[Artifact], to: str | None) -> str | None:
        """Return the id of a copy that an interrupted renumbering left beside the old file."""
        self._twins = list(twins)
        self._pattern = _references(self._old, self._target, self._twins)
        for other in self._artifacts:
            if other.kind != self._target.kind or other.id in ("", self._old):
                continue
            if other.path != _renamed(self._target, other.id) or to not in (None, other.id):
                continue
            if (self._layout.root / other.path).read_bytes() == self._content(other.id):
                return other.id
        return None

    def _new_path(self) -> str:
        return _renamed(self._target, self._new)

    def _content(self, new_id: str) -> bytes:
        text = (self._layout.root / self._target.path).read_bytes().decode("utf-8")
        self._new = new_id
        return self._rewrite(text, _Meaning.OURS)[0].encode("utf-8")

    def _markdown_files(self) -> list[str]:
        return [path for path in self._tree.files(SEARCHED) if path.lower().endswith(".md")]

    def _rewrite(self, text: str, meaning: _Meaning) -> tuple[str, list[tuple[int, str]]]:
        """Return the text with its references rewritten, and the lines of those that are not."""
        left: list[tuple[int, str]] = []

        def replace(match: re.Match[str]) -> str:
            found = match.group()
            if match.lastgroup == "twin":
                return found
            if match.lastgroup == "target" or meaning is _Meaning.OURS:
                return self._new + found.removeprefix(self._old)
            if meaning is _Meaning.UNCLEAR:
                number = text.count("\n", 0, match.start())
                left.append((number + 1, text.split("\n")[number].strip()))
            return found

        return self._pattern.sub(replace, text), left

    def _meaning(self, path: str) -> _Meaning:
        """Tell whom the plain id means in a file, from who links to whom."""
        if not self._twins:
            return _Meaning.OURS
        if path in {twin.path for twin in self._twins}:
            return _Meaning.THEIRS
        ours = self._is_kin(path, self._target)
        theirs = any(self._is_kin(path, twin) for twin in self._twins)
        if ours == theirs:
            return _Meaning.UNCLEAR
        return _Meaning.OURS if ours else _Meaning.THEIRS

    def _is_kin(self, path: str, artifact: Artifact) -> bool:
        """Tell whether a file is a parent of ``artifact``, or a child that it links to."""
        if path in self._parents_of(artifact):
            return True
        child = next((a for a in self._artifacts if a.path == path), None)
        if child is None or child.frontmatter.get(artifact.kind) != self._old:
            return False
        return child.id in artifact.links

    def _parents_of(self, artifact: Artifact) -> set[str]:
        """Return the files of the parents that ``artifact`` names; none that share their id."""
        found: set[str] = set()
        for kind in PARENTS[artifact.kind]:
            named = artifact.frontmatter.get(kind)
            paths = [a.path for a in self._artifacts if a.kind == kind and a.id == named]
            if len(paths) == 1:
                found.update(paths)
        return found

    def _with_backlink(
        self, text: str, left: list[tuple[int, str]]
    ) -> tuple[str, list[tuple[int, str]]]:
        """Let a parent link to the new id, too: one link stood for both files."""
        item = re.compile(rf"[-*+]\s+\[\[{self._old}\]\]")
        items = [line for line, shown in left if item.fullmatch(shown)]
        others = [(line, shown) for line, shown in left if line not in items]
        if len(items) > 1:
            lines = text.split("\n")
            lines[items[-1] - 1] = lines[items[-1] - 1].replace(self._old, self._new)
            return "\n".join(lines), others
        if self._new in markdown.links(text):
            return text, others
        try:
            return with_backlink(text, self._new), others
        except CorruptDataError:  # the link would be inside a comment: the validator asks for it
            return text, others


def find_by_name(artifacts: Sequence[Artifact], wanted: str) -> Artifact:
    """Return the artifact that a path, a file name with or without ``.md``, or an id names.

    Raises:
        AmbiguousIdError: several have the name.
        NotFoundError: none has; names that look alike are named.
    """
    tests: tuple[Callable[[Artifact], bool], ...] = (
        lambda a: a.path == wanted,
        lambda a: wanted in (PurePosixPath(a.path).stem, PurePosixPath(a.path).name),
        lambda a: a.id == wanted,
    )
    for matches in tests:
        found = [artifact for artifact in artifacts if matches(artifact)]
        if len(found) > 1:
            raise AmbiguousIdError(
                f"{wanted} is {len(found)} files: {', '.join(a.path for a in found)}",
                hint="name one of them by its path",
            )
        if found:
            return found[0]
    near = near_ids(wanted, [PurePosixPath(a.path).stem for a in artifacts])
    hint = f"did you mean {', '.join(near)}?" if near else "give its path, or its file name"
    raise NotFoundError(f"there is no artifact {wanted} in {KB_DIR_REL}", hint=hint)


def _check_usable(target: Artifact) -> None:
    if not target.id:
        raise UsageError(
            f"{target.path} has no id in its name",
            hint="rename the file to an id and some words, such as F001-some-words.md",
        )
    unread = next((p for p in target.problems if p.code != "kb.bad_filename"), None)
    if unread is not None:
        raise CorruptDataError(unread.message, hint="mend that file, then try again")


def _renamed(target: Artifact, new_id: str) -> str:
    path = PurePosixPath(target.path)
    return str(path.with_name(new_id + path.name.removeprefix(target.id)))


def _text_of(path: str, data: bytes | OSError) -> str:
    if isinstance(data, OSError):
        raise CorruptDataError(f"{path} cannot be read: {data.strerror}")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise CorruptDataError(
            f"{path} is not UTF-8", hint="it may refer to the artifact; mend it, then try again"
        ) from None


def _references(old_id: str, target: Artifact, twins: Sequence[Artifact]) -> re.Pattern[str]:
    """Return a pattern whose last group says whom a reference names: target, twin, or neither."""
    stems = {PurePosixPath(twin.path).stem for twin in twins}
    own = PurePosixPath(target.path).stem
    groups = {"twin": stems - {own}, "target": {own} - stems}
    parts = [
        f"(?P<{name}>{'|'.join(sorted(_named(names, old_id), key=len, reverse=True))})"
        for name, names in groups.items()
        if names
    ]
    # Last: the plain id, and the id with words that are no file's (an old title).
    parts.append(rf"{old_id}(?:-\w[\w-]*)?(?!\w)")
    return re.compile(rf"(?<![\w-])(?:{'|'.join(parts)})")


def _named(stems: set[str], old_id: str) -> Iterator[str]:
    """Yield patterns of file names; one without words is told from the plain id by its ending."""
    for stem in stems:
        yield re.escape(stem) + (r"\.md(?!\w)" if stem == old_id else r"(?![\w-])")
