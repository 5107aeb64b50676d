"""Why a blob is kept, or that nothing keeps it: ``gc --explain DIGEST`` (GC-06)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from aexp.clock import utc_now
from aexp.errors import AexpError, AmbiguousIdError, NotFoundError, UsageError
from aexp.model.attachment import NAME
from aexp.model.canonical import Json
from aexp.model.duration import format_duration, parse_duration
from aexp.registry.refs import OUTPUTS, OWNED, RUN, Ref
from aexp.registry.survey import LEASE_MARGIN_S, Survey, survey
from aexp.retention.cleaning import GRACE_PERIOD, Place, open_place

State = Literal["kept", "deferred", "candidate", "absent"]

_SHORT = re.compile(r"(?:sha256:)?([0-9a-f]{6,64})")


@dataclass(frozen=True, slots=True)
class Keeper:
    """One reason why a blob stays.

    Attributes:
        kind: ``ref``, ``finding``, ``lease``, ``age`` or ``manifest``.
        name: the ref, the finding, or the process.
        detail: more, for people.
        via: the manifests from the ref to the blob, in that order.
    """

    kind: Literal["ref", "finding", "lease", "age", "manifest"]
    name: str
    detail: str = ""
    via: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """Return it as JSON."""
        via: list[Json] = list(self.via)
        return {"kind": self.kind, "name": self.name, "detail": self.detail, "via": via}


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a collection would do with one blob, and why.

    Attributes:
        digest: the blob.
        size: bytes, None when it is not here.
        state: ``kept``; ``deferred``, when it is too young or protected; ``candidate``, when
            nothing keeps it; ``absent``, when it is not here.
        keepers: who keeps it, or would.
        names: the names it has as an attachment.
    """

    digest: str
    size: int | None
    state: State
    keepers: tuple[Keeper, ...] = ()
    names: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Json]:
        """Return it as JSON."""
        keepers: list[Json] = [keeper.to_json() for keeper in self.keepers]
        names: list[Json] = list(self.names)
        return {
            "digest": self.digest,
            "size": self.size,
            "state": self.state,
            "keepers": keepers,
            "names": names,
        }


def explain(
    digest: str,
    root: str | Path | None = None,
    grace_period: str = GRACE_PERIOD,
    *,
    repo_root: str | Path | None = None,
) -> Explanation:
    """Say which refs, findings or processes keep a blob. Changes nothing.

    Args:
        digest: of the blob, or the first six or more of its hex digits.
        root: the registry's folder, when it is not the repository's own.
        grace_period: as of the collection.
        repo_root: a folder of the repository; the working directory's when None.

    Raises:
        UsageError: ``digest`` or ``grace_period`` is none.
        NotFoundError: no blob here, and nothing that is named, begins like this.
        AmbiguousIdError: several do.
    """
    grace_s = parse_duration(grace_period)
    short = _SHORT.fullmatch(digest.strip().lower())
    if short is None:
        raise UsageError(
            f"{digest!r} is no digest", hint="give sha256: and 64 hex digits, or the first six"
        )
    place = open_place(root, repo_root)
    if not place.registry.exists():
        raise NotFoundError(f"there is no registry at {place.registry.root}")
    seen = survey(place.registry, grace_s, place.protected(), with_edges=True)
    return _explained(place, seen, _whole(short[1], place, seen), grace_s)


def _whole(short: str, place: Place, seen: Survey) -> str:
    known = {*seen.present, *seen.marks.reached, *place.cited.digests}
    found = sorted(one for one in known if one[7:].startswith(short))
    if len(found) > 1:
        raise AmbiguousIdError(
            f"{short} is the beginning of {len(found)} digests", hint="give more digits"
        )
    if not found:
        raise NotFoundError(
            f"no blob here begins with {short}, and nothing names one that does",
            hint="`aexp registry gc --show-digests` lists what is unreachable",
        )
    return found[0]


def _explained(place: Place, seen: Survey, digest: str, grace_s: int) -> Explanation:
    ways = _ways_up(digest, seen)
    keepers = [*_refs(place, seen, ways), *_findings(place, ways)]
    state: State = "kept" if keepers else "candidate"
    if digest in seen.deferred:
        state = "deferred"
        keepers += _delays(seen, digest, grace_s)
    held = seen.present.get(digest)
    return Explanation(
        digest,
        held.size if held is not None else None,
        state if held is not None else "absent",
        tuple(keepers),
        tuple(sorted(set(_names(place, seen, digest)))),
    )


def _ways_up(digest: str, seen: Survey) -> dict[str, tuple[str, ...]]:
    """Return everything that names the blob, each with a shortest way from it to the blob."""
    ways: dict[str, tuple[str, ...]] = {digest: ()}
    near = [digest]
    while near:
        nearer, near = near, []
        for child in nearer:
            for parent in sorted(seen.marks.parents.get(child, ())):
                if parent not in ways:
                    ways[parent] = (parent, *ways[child])
                    near.append(parent)
    return ways


def _refs(place: Place, seen: Survey, ways: dict[str, tuple[str, ...]]) -> Iterator[Keeper]:
    for ref in seen.refs:
        if ref.digest in ways:
            yield Keeper("ref", ref.name, _describe(ref, place.repository), ways[ref.digest])


def _describe(ref: Ref, repository: str | None) -> str:
    if ref.kind not in OWNED:
        return ref.kind + (f" of session {ref.session}" if ref.session else "")
    _, owner, name = ref.name.split("/", 2)
    shown = {RUN: f"run {name[:8]}", OUTPUTS: f"outputs of run {name[:8]}"}
    where = "" if owner == repository else " of another repository"
    return shown.get(ref.kind, f"{ref.kind} {name}") + where


def _findings(place: Place, ways: dict[str, tuple[str, ...]]) -> Iterator[Keeper]:
    for digest, way in ways.items():
        for why in sorted(place.cited.digests.get(digest, ())):
            if why.finding:
                yield Keeper("finding", why.finding, f"cites {why.what} ({why.path})", way)
            else:
                yield Keeper("finding", why.path, why.what, way)


def _delays(seen: Survey, digest: str, grace_s: int) -> Iterator[Keeper]:
    mtime = seen.present[digest].mtime
    known = False
    for lease in seen.live:
        if mtime >= lease.since - LEASE_MARGIN_S:
            known = True
            owner = lease.owner.describe() if lease.owner else "a process that does not say who"
            yield Keeper("lease", owner, lease.what)
    age = max(0, int(utc_now().timestamp() - mtime))
    if age <= grace_s:
        known = True
        grace = format_duration(grace_s)
        yield Keeper("age", _rough(age), f"the grace period is {grace}")
    if not known and not seen.marks.are_whole:
        yield Keeper("manifest", "unknown", "a manifest is missing or cannot be read")
    elif not known:
        yield Keeper("manifest", "recent", "a manifest that was written lately names it")


def _rough(age: int) -> str:
    for unit, seconds in (("d", 86400), ("h", 3600), ("m", 60)):
        if age >= 2 * seconds:
            return f"{age // seconds}{unit} old"
    return f"{age}s old"


def _names(place: Place, seen: Survey, digest: str) -> Iterator[str]:
    """Yield the names that manifests give the blob as an attachment."""
    for parent in seen.marks.parents.get(digest, ()):
        try:
            manifest = place.registry.manifest(parent)
        except AexpError:  # it was collected meanwhile
            continue
        for child in manifest.children():
            if child.digest == digest and NAME in child.annotations:
                yield child.annotations[NAME]
