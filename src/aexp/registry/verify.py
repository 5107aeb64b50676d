"""Whether everything that the refs reach is there and unchanged (REG-04, GC-05)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from aexp.errors import CorruptDataError, NotFoundError
from aexp.model.canonical import Json
from aexp.registry.marking import UNKNOWN, Marks
from aexp.registry.store import Registry

Reporter: TypeAlias = Callable[[int, int], None]
"""Called with the bytes done so far, and with all there are to do."""

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one blob.

    Attributes:
        digest: of the blob.
        what: the fault, in words.
        refs: the names that need it, sorted.
    """

    digest: str
    what: str
    refs: tuple[str, ...]

    def to_json(self) -> dict[str, Json]:
        """Return it as JSON."""
        return {"digest": self.digest, "problem": self.what, "refs": list(self.refs)}


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What a verification found.

    Attributes:
        root: the registry.
        exists: whether there is one.
        refs: how many refs were followed.
        blobs: how many blobs were hashed.
        size: bytes that were hashed.
        problems: the faults, by digest.
    """

    root: Path
    exists: bool
    refs: int
    blobs: int
    size: int
    problems: tuple[Problem, ...]

    def to_json(self) -> dict[str, Json]:
        """Return it as JSON."""
        return {
            "root": str(self.root),
            "exists": self.exists,
            "refs": self.refs,
            "blobs": self.blobs,
            "size": self.size,
            "problems": [problem.to_json() for problem in self.problems],
        }


def verify(
    registry: Registry,
    names: Iterable[str] | None = None,
    *,
    reporter: Reporter | None = None,
) -> VerifyReport:
    """Hash everything that is reachable, and tell what is missing or damaged.

    Nothing is changed, and nothing is created (trap 41).

    Args:
        registry: what to look at.
        names: the refs to follow; all when None.
        reporter: told of the progress.

    Raises:
        NotFoundError: there is no ref of a name.
    """
    roots = _roots(registry, names)
    marks = Marks(registry.manifest, with_edges=True)
    marks.add(roots.values())
    faults = dict.fromkeys(marks.missing, "missing") | marks.invalid
    sizes = {digest: registry.size(digest) for digest in marks.reached}
    total = sum(size or 0 for size in sizes.values())
    done = 0
    report = reporter or _silent

    def progress(count: int) -> None:
        nonlocal done
        done += count
        report(done, total)

    for digest in sorted(marks.reached):
        found = _check(registry, digest, sizes[digest], marks.reached[digest], progress)
        if found is not None:
            faults.setdefault(digest, found)
    return VerifyReport(
        root=registry.root,
        exists=registry.exists(),
        refs=len(roots),
        blobs=sum(size is not None for size in sizes.values()),
        size=done,
        problems=tuple(
            Problem(digest, faults[digest], _needed_by(digest, marks.parents, roots))
            for digest in sorted(faults)
        ),
    )


def _roots(registry: Registry, names: Iterable[str] | None) -> dict[str, str]:
    if names is None:
        return {ref.name: ref.digest for ref in registry.refs()}
    result = {}
    for name in names:
        ref = registry.ref(name)
        if ref is None:
            raise NotFoundError(
                f"there is no {name!r} in the registry {registry.root}",
                hint="see `aexp registry ls` for what there is",
            )
        result[name] = ref.digest
    return result


def _check(
    registry: Registry,
    digest: str,
    size: int | None,
    stated: int,
    progress: Callable[[int], None],
) -> str | None:
    """Return what is wrong with one blob, None when nothing is."""
    if size is None:
        return "missing"
    if stated not in (UNKNOWN, size):
        return f"it has {size} bytes, and what names it says {stated}"
    hashed = hashlib.sha256()
    try:
        with registry.path(digest).open("rb", buffering=0) as stream:
            while chunk := stream.read(_CHUNK):
                hashed.update(chunk)
                progress(len(chunk))
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    return None if f"sha256:{hashed.hexdigest()}" == digest else "damaged"


def _needed_by(digest: str, parents: dict[str, set[str]], roots: dict[str, str]) -> tuple[str, ...]:
    """Return the names of the refs that reach ``digest``."""
    seen = {digest}
    stack = [digest]
    while stack:
        above = parents.get(stack.pop(), set()) - seen
        seen |= above
        stack += above
    return tuple(sorted(name for name, root in roots.items() if root in seen))


def _silent(done: int, total: int) -> None:
    """Report nothing."""


def check_whole(registry: Registry, digest: str) -> Marks:
    """Return the marks of everything an artifact needs.

    Raises:
        CorruptDataError: something is missing, or a manifest cannot be understood.
    """
    marks = Marks(registry.manifest)
    marks.add([digest])
    absent = sorted(d for d in marks.reached if not registry.has(d))
    if absent or not marks.are_whole:
        faults = [*absent, *sorted(marks.invalid)]
        raise CorruptDataError(
            f"{digest} is not whole: {faults[0]} is"
            f" {'missing' if absent else marks.invalid[faults[0]]}"
            + (f", and {len(faults) - 1} more" if len(faults) > 1 else ""),
            hint="see `aexp registry verify`; `aexp pull` may fetch what is missing",
        )
    return marks
