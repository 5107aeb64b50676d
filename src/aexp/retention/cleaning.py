"""Garbage collection and pruning as commands and Python offer them (GC-01, GC-06, GC-07)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from aexp import settings
from aexp.errors import AmbiguousIdError, CitedError, NotARepositoryError, NotFoundError, UsageError
from aexp.model.duration import parse_duration
from aexp.model.ids import resolve_prefix
from aexp.registry.collect import collect
from aexp.registry.lookup import LISTED, find_artifact
from aexp.registry.places import known_repository_id, open_registry
from aexp.registry.prune import prune_refs
from aexp.registry.refs import ANONYMOUS, CHECKPOINT, DATASET, OUTPUTS, OWNED, RUN, Ref
from aexp.registry.report import GcReport, PruneReport
from aexp.registry.store import Registry
from aexp.registry.survey import Protected
from aexp.repo import Layout, open_layout
from aexp.retention.cited import Cited, read_cited

GRACE_PERIOD = "24h"
"""How old an unreachable blob must be, unless told otherwise (GC-04)."""


@dataclass(frozen=True)
class Place:
    """A registry, and the repository whose findings count.

    Attributes:
        registry: the registry.
        layout: the repository, None outside one.
    """

    registry: Registry
    layout: Layout | None

    @cached_property
    def cited(self) -> Cited:
        """What the repository's findings cite."""
        return Cited() if self.layout is None else read_cited(self.layout)

    @cached_property
    def repository(self) -> str | None:
        """The repository's id, None when it has none yet."""
        return None if self.layout is None else known_repository_id(self.layout)

    def protected(self) -> Protected:
        """Return what a collection must keep besides the refs."""
        return Protected(
            frozenset(self.cited.digests), frozenset(self.cited.manifests), self.repository
        )

    def citers(self, ref: Ref) -> tuple[str, ...]:
        """Return the findings that cite what a ref names: its run, or its artifact."""
        found = set(self.cited.findings(ref.digest))
        if ref.kind in (RUN, OUTPUTS) and self.repository is not None:
            prefix = f"{ref.kind}/{self.repository}/"
            if ref.name.startswith(prefix):
                found |= self.cited.runs.get(ref.name.removeprefix(prefix), set())
        return tuple(sorted(found))


def open_place(root: str | Path | None, repo_root: str | Path | None) -> Place:
    """Return the registry at ``root``, or the one of the repository around ``repo_root``.

    Raises:
        NotARepositoryError: outside a repository, ``root`` must be given.
    """
    try:
        layout = open_layout(repo_root)
    except NotARepositoryError:
        root = root or settings.registry_root()
        if not root:
            raise
        return Place(Registry(Path(os.path.abspath(root))), None)
    return Place(open_registry(layout, root), layout)


def gc(
    delete: bool = False,
    root: str | Path | None = None,
    grace_period: str = GRACE_PERIOD,
    *,
    repo_root: str | Path | None = None,
) -> GcReport:
    """Report what nothing in the registry reaches, and delete it with ``delete`` (GC-01).

    What a ref reaches, what a finding cites and what a live process writes is never deleted.

    Args:
        delete: unlink the orphan candidates; else nothing is changed.
        root: the registry's folder, when it is not the repository's own.
        grace_period: how old an unreachable blob must be: a whole number and s, m, h or d.
        repo_root: a folder of the repository; the working directory's when None.

    Raises:
        UsageError: ``grace_period`` is no duration.
        NotARepositoryError: outside a repository, ``root`` must be given.
        CorruptDataError: the refs cannot be read.
    """
    grace_s = parse_duration(grace_period)
    place = open_place(root, repo_root)
    if not place.registry.exists():
        return collect(place.registry, delete=delete, grace_s=grace_s)
    return collect(place.registry, delete=delete, grace_s=grace_s, protected=place.protected())


def prune_anonymous(
    delete: bool = False, root: str | Path | None = None, *, repo_root: str | Path | None = None
) -> PruneReport:
    """Remove the refs of sessions and imports without a name, and no blob (GC-07).

    Those that findings cite stay, and are named in the report.

    Args:
        delete: remove them; else nothing is changed.
        root: the registry's folder, when it is not the repository's own.
        repo_root: a folder of the repository; the working directory's when None.

    Raises:
        NotARepositoryError: outside a repository, ``root`` must be given.
    """
    place = open_place(root, repo_root)
    return prune_refs(
        place.registry,
        lambda: place.registry.refs(kind=ANONYMOUS),
        place.citers,
        delete=delete,
    )


def prune(
    names: Sequence[str],
    delete: bool = False,
    root: str | Path | None = None,
    *,
    repo_root: str | Path | None = None,
) -> PruneReport:
    """Remove the refs of artifacts or runs, and no blob; what is cited is refused (GC-06).

    A run's are those of what it recorded and of what it published.

    Args:
        names: names of artifacts, beginnings of their digests or of run ids.
        delete: remove them; else nothing is changed.
        root: the registry's folder, when it is not the repository's own.
        repo_root: a folder of the repository; the working directory's when None.

    Raises:
        NotFoundError: one of them is no ref; nothing was removed.
        CitedError: a finding cites one of them; nothing was removed.
        UsageError: one is a checkpoint, or a run of another repository.
    """
    place = open_place(root, repo_root)
    chosen = {ref.name: ref for name in names for ref in _find_refs(place, name)}
    for ref in chosen.values():
        if citers := place.citers(ref):
            raise CitedError(
                f"{_shown(ref)} is cited by {_listed(citers)}",
                hint=f"take the citation out of {citers[0]} first, or keep it",
            )

    def current() -> list[Ref]:
        found = (place.registry.ref(name) for name in chosen)
        return [ref for ref in found if ref is not None]

    return prune_refs(place.registry, current, place.citers, delete=delete)


def _find_refs(place: Place, text: str) -> list[Ref]:
    named = place.registry.ref(text)
    found = _find_run(place, text) if named is None else [named]
    found = found or [_find_artifact(place, text)]
    for ref in found:
        _check_ours(place, text, ref)
    return found


def _find_run(place: Place, text: str) -> list[Ref]:
    """Return the refs of the run of this repository that ``text`` begins."""
    refs: dict[str, list[Ref]] = {}
    for kind in (RUN, OUTPUTS):
        prefix = f"{kind}/{place.repository}/"
        for ref in place.registry.refs(kind=kind):
            if ref.name.startswith(prefix):
                refs.setdefault(ref.name.removeprefix(prefix), []).append(ref)
    try:
        return refs[resolve_prefix(text, refs)]
    except AmbiguousIdError:
        raise
    except (UsageError, NotFoundError):  # a name, or a digest
        return []


def _find_artifact(place: Place, text: str) -> Ref:
    digest, _ = find_artifact(place.registry, text)
    named = [ref for kind in LISTED for ref in place.registry.refs(kind=kind)]
    found = next((ref for ref in named if ref.digest == digest), None)
    if found is None:
        raise NotFoundError(f"no ref names {text}", hint="see `aexp registry ls`")
    return found


def _check_ours(place: Place, text: str, ref: Ref) -> None:
    if ref.kind == CHECKPOINT:
        raise UsageError(
            f"{text} is a checkpoint of a session", hint="remove it with `aexp session discard`"
        )
    if ref.kind in OWNED and not ref.name.startswith(f"{ref.kind}/{place.repository}/"):
        what = "a dataset" if ref.kind == DATASET else "a run"
        raise UsageError(
            f"{text} is {what} of another repository, whose findings are not known here",
            hint="prune it there",
        )


def _shown(ref: Ref) -> str:
    job_id = ref.name.rpartition("/")[2][:8]
    shown = {RUN: f"run {job_id}", OUTPUTS: f"what run {job_id} has published"}
    return shown.get(ref.kind, f"{ref.name!r}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
