"""Pushing to a remote and pulling from one (SHR-01).

What is written in which order: blobs, then manifests, each behind what it names, then refs. So
whoever sees a ref finds everything it needs, whenever a transfer was killed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

from aexp.errors import (
    CorruptDataError,
    LockTimeoutError,
    NotFoundError,
    TransferError,
)
from aexp.model.oci import sha256_digest
from aexp.registry.blobs import Blob
from aexp.registry.places import repository_id
from aexp.registry.refs import RefChange
from aexp.registry.remotes.base import CHUNK, Progress, Remote
from aexp.registry.remotes.closure import Closure, as_blobs, find_closure
from aexp.registry.remotes.incoming import fetch, wrong
from aexp.registry.remotes.mover import WORKERS, Mover, Reporter, Silent
from aexp.registry.remotes.places import (
    MARKER,
    RemoteRef,
    blob_path,
    check_marker,
    decode_ref,
    marker_bytes,
    ref_folder,
)
from aexp.registry.remotes.retry import Retry
from aexp.registry.store import LARGEST_MANIFEST, Registry
from aexp.repo import Layout
from aexp.storage.lock import file_lock

_LARGEST_REF = 1 << 16
_FORGOTTEN_S = 7 * 24 * 3600.0
"""A part that has not grown for so long, in seconds, is of a push that nobody repeats."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One thing that is pushed or pulled.

    Attributes:
        name: what people call it.
        manifests: digests of the manifests that it consists of, with all that they name.
        blobs: content that belongs to it besides.
        refs: what the remote is to say of it (push).
        finish: given the registry, returns the local refs to set when all of it is here (pull).
    """

    name: str
    manifests: tuple[str, ...] = ()
    blobs: tuple[Blob, ...] = ()
    refs: tuple[RemoteRef, ...] = ()
    finish: Callable[[Registry], Sequence[RefChange]] | None = None


@dataclass
class TransferReport:
    """What a push or a pull did, or would do.

    Attributes:
        remote: how messages name it.
        copied: what went, or with ``dry_run`` would go.
        there: what the other side had already.
        mended: digests of what was there, but wrong, and was replaced.
        done: names of the parcels that are whole on the other side.
        refs: how many refs were written.
        retries: how often something was tried again.
        problems: by digest, why a blob could not be copied.
        dry_run: whether nothing was changed.
    """

    remote: str
    copied: list[Blob] = field(default_factory=list)
    there: list[Blob] = field(default_factory=list)
    mended: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    refs: int = 0
    retries: int = 0
    problems: dict[str, str] = field(default_factory=dict)
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Options:
    """How a transfer goes about it.

    Attributes:
        retry: how often and how late to try again.
        reporter: whom to tell.
        workers: how many transfers at a time.
        dry_run: whether to change nothing.
        verify: read what the other side has already, and copy anew what is damaged there.
        seen: sizes by digest of blobs that were seen on the remote just now (push).
    """

    retry: Retry = field(default_factory=Retry)
    reporter: Reporter = field(default_factory=Silent)
    workers: int = WORKERS
    dry_run: bool = False
    verify: bool = False
    seen: Mapping[str, int] = field(default_factory=dict)


Parcels: TypeAlias = Sequence[Parcel]


def push(
    layout: Layout,
    registry: Registry,
    remote: Remote,
    parcels: Parcels,
    options: Options | None = None,
) -> TransferReport:
    """Copy parcels to a remote.

    What the remote has in the right size is not sent again. A push that was interrupted, even
    killed, continues when it is made again.

    Raises:
        NotFoundError: something that a parcel needs is not in the registry.
        CorruptDataError: a blob of the registry is damaged; it does not appear on the remote.
        TransferError: the remote refuses, or was unavailable until the tries were used up.
    """
    options = options or Options()
    mover = Mover(remote, options.retry, options.reporter, options.workers)
    report = TransferReport(remote.shown, dry_run=options.dry_run)
    closure = find_closure(
        _roots(parcels), lambda digests: ((d, registry.read(d)) for d in digests)
    )
    sizes = _all_sizes(closure, parcels)
    try:
        is_new = _check_remote(mover) is None
        seen = {d: s for d, s in options.seen.items() if d in sizes}
        existing = {} if is_new else {**mover.existing([d for d in sizes if d not in seen]), **seen}
        missing = {d: s for d, s in sizes.items() if existing.get(d) != s}
        report.mended += [digest for digest in missing if digest in existing]
        if options.verify:
            present = [blob for blob in as_blobs(sizes) if blob.digest not in missing]
            wrong_ones = _find_wrong(mover, present)
            missing.update({digest: sizes[digest] for digest in wrong_ones})
            report.mended += wrong_ones
        report.there = [blob for blob in as_blobs(sizes) if blob.digest not in missing]
        report.copied = as_blobs(missing)
        _check_local(registry, report.copied)
        if not options.dry_run:
            mover.begin("push", len(missing), sum(missing.values()))
            if is_new:
                mover.ask(lambda: remote.write(MARKER, marker_bytes()))
            with _token(layout) as token:
                _send_all(mover, registry, closure, missing, token)
            if options.verify:
                _check_sent(mover, report.copied)
            report.refs = _write_refs(mover, parcels)
            report.done = [parcel.name for parcel in parcels]
            mover.ask(partial(remote.tidy, _FORGOTTEN_S))
    finally:
        report.retries = mover.retries
        options.reporter.end()
    return report


def _send_all(
    mover: Mover, registry: Registry, closure: Closure, missing: dict[str, int], token: str
) -> None:
    """Send what is missing, level by level; each is seen to have arrived before the next."""
    plain = {d: s for d, s in missing.items() if d not in closure.manifests}
    levels = [plain, *({d: missing[d] for d in lv if d in missing} for lv in closure.levels)]
    for level in levels:
        send = partial(_send, mover, registry, token)
        for _ in mover.each(send, as_blobs(level)):
            pass
        arrived = mover.existing(level)
        late = {d: s for d, s in level.items() if arrived.get(d) != s}
        for _ in mover.each(send, as_blobs(late)):
            pass
        arrived.update(mover.existing(late))
        for digest, size in late.items():
            if arrived.get(digest) != size:
                raise TransferError(
                    f"{mover.remote.shown} took {digest}, but has {arrived.get(digest, 0)} of its"
                    f" {size} bytes",
                    hint="see whether its disk is full",
                )


def _send(mover: Mover, registry: Registry, token: str, blob: Blob) -> None:
    def send(progress: Progress) -> None:
        source = partial(registry.open, blob.digest)
        mover.remote.put(blob_path(blob.digest), source, blob.size, token, progress)

    mover.carry(send)


def _check_local(registry: Registry, blobs: Iterable[Blob]) -> None:
    for blob in blobs:
        size = registry.size(blob.digest)
        if size is None:
            registry.read(blob.digest)  # raises, and says how to get it
        elif size != blob.size:
            raise CorruptDataError(
                f"{blob.digest} has {size} bytes here, where a manifest says {blob.size}",
                hint="see `aexp registry verify`",
            )


def _find_wrong(mover: Mover, blobs: Sequence[Blob]) -> list[str]:
    """Read blobs of the remote back, and return the digests of those that are damaged."""

    def read(blob: Blob) -> str | None:
        def hash_all(progress: Progress) -> str:
            hashed = hashlib.sha256()
            for chunk in mover.remote.chunks(blob_path(blob.digest), 0, blob.size):
                hashed.update(chunk)
                progress(len(chunk))
            return f"sha256:{hashed.hexdigest()}"

        return None if mover.carry(hash_all) == blob.digest else blob.digest

    mover.begin("verify", len(blobs), sum(blob.size for blob in blobs))
    return [digest for digest in mover.each(read, blobs) if digest is not None]


def _check_sent(mover: Mover, blobs: Sequence[Blob]) -> None:
    for digest in _find_wrong(mover, blobs):
        raise CorruptDataError(
            f"{mover.remote.shown} took {digest}, but gives back other bytes",
            hint="its disk or what is on the way to it is not to be trusted",
        )


def _write_refs(mover: Mover, parcels: Parcels) -> int:
    """Write the refs that the remote does not have; return how many."""

    def write(ref: RemoteRef) -> bool:
        if mover.ask(lambda: mover.remote.size(ref.path)) is not None:
            return False
        mover.ask(lambda: mover.remote.write(ref.path, ref.encode()))
        return True

    return sum(mover.each(write, [ref for parcel in parcels for ref in parcel.refs]))


def pull(
    registry: Registry,
    remote: Remote,
    parcels: Parcels,
    options: Options | None = None,
) -> TransferReport:
    """Copy parcels from a remote into the registry, and set their refs.

    What is here already is not fetched again, and what was interrupted continues. What is
    missing or damaged on the remote is reported; the parcels that need it get no ref, and the
    others are completed.

    Raises:
        NotFoundError: the remote has nothing at all.
        CorruptDataError: something that was named is no manifest.
        TransferError: the remote refuses, or was unavailable until the tries were used up.
        RefConflictError: a local ref was changed meanwhile.
    """
    options = options or Options()
    mover = Mover(remote, options.retry, options.reporter, options.workers)
    report = TransferReport(remote.shown, dry_run=options.dry_run)
    with contextlib.ExitStack() as stack:
        stack.callback(options.reporter.end)
        if _check_remote(mover) is None:
            raise NotFoundError(
                f"nothing has been pushed to {remote.shown} yet",
                hint="run `aexp push` in the clone that has the bytes",
            )
        if not options.dry_run:
            # Before anything is looked at: what is found here now may not go before it is named.
            stack.enter_context(registry.lease(f"pull from {remote.shown}"))
        closure = find_closure(_roots(parcels), partial(_load, mover, registry, report.problems))
        sizes = _all_sizes(closure, parcels)
        needed = {d: s for d, s in sizes.items() if not _keep(registry, d, s, options)}
        report.there = [blob for blob in as_blobs(sizes) if blob.digest not in needed]
        report.copied = as_blobs(_on_remote(mover, needed, closure, report))
        if not options.dry_run:
            mover.begin("pull", len(report.copied), sum(blob.size for blob in report.copied))
            _fetch_all(mover, registry, closure, report)
            _publish(registry, parcels, closure, report)
        report.retries = mover.retries
    return report


def _on_remote(
    mover: Mover, needed: dict[str, int], closure: Closure, report: TransferReport
) -> dict[str, int]:
    """Return what the remote has of what is needed; the rest becomes a problem."""
    found: dict[str, int] = {}
    existing = mover.existing([d for d in needed if d not in closure.manifests])
    for digest, size in needed.items():
        if digest in closure.manifests or existing.get(digest) == size:
            found[digest] = size
        elif digest not in existing:
            report.problems[digest] = f"{digest} is not on {mover.remote.shown}"
        else:
            report.problems[digest] = wrong(mover, digest).message
    return found


def _fetch_all(mover: Mover, registry: Registry, closure: Closure, report: TransferReport) -> None:
    def get(blob: Blob) -> tuple[str, str] | None:
        try:
            fetch(mover, registry, blob)
        except (NotFoundError, CorruptDataError) as error:
            return blob.digest, error.message
        return None

    plain = [blob for blob in report.copied if blob.digest not in closure.manifests]
    report.problems.update(filter(None, mover.each(get, plain)))
    wanted = {blob.digest for blob in report.copied}
    for level in closure.levels:
        whole = [d for d in level if d in wanted and not closure.reach([d]) & set(report.problems)]
        registry.put_many([closure.manifests[digest] for digest in whole])
        mover.advance(sum(len(closure.manifests[digest]) for digest in whole))
    report.copied = [blob for blob in report.copied if blob.digest not in report.problems]


def _publish(
    registry: Registry, parcels: Parcels, closure: Closure, report: TransferReport
) -> None:
    changes: list[RefChange] = []
    for parcel in parcels:
        reached = closure.reach([*parcel.manifests, *(blob.digest for blob in parcel.blobs)])
        if reached & set(report.problems):
            continue
        if parcel.finish is not None:
            changes += parcel.finish(registry)
        report.done.append(parcel.name)
    registry.publish(*changes)
    report.refs = len(changes)


def _keep(registry: Registry, digest: str, size: int, options: Options) -> bool:
    """Return whether a blob is here; unless it is only asked, renew its time against gc."""
    if registry.size(digest) != size:
        return False
    if options.verify:
        try:
            with registry.open(digest) as stream:
                while stream.read(CHUNK):
                    pass
        except (NotFoundError, CorruptDataError):
            return False
    if not options.dry_run:
        try:
            with registry.writing():
                os.utime(registry.path(digest))
        except OSError:  # gone just now, or another user's: then it is fetched
            return False
    return True


def _load(
    mover: Mover, registry: Registry, problems: dict[str, str], digests: Iterable[str]
) -> Iterator[tuple[str, bytes]]:
    """Yield the bytes of manifests, from here where they are here; note those there are not."""

    def load(digest: str) -> tuple[str, bytes | str]:
        if registry.has(digest):
            with contextlib.suppress(NotFoundError, CorruptDataError):
                return digest, registry.read(digest)
        path = blob_path(digest)
        try:
            data = mover.ask(lambda: mover.remote.read(path, LARGEST_MANIFEST))
        except NotFoundError:
            return digest, f"{digest} is not on {mover.remote.shown}"
        return digest, data if sha256_digest(data) == digest else wrong(mover, digest).message

    for digest, found in mover.each(load, list(digests)):
        if isinstance(found, str):
            problems[digest] = found
        else:
            yield digest, found


def find_refs(
    remote: Remote, kind: str, names: Sequence[str], options: Options | None = None
) -> dict[str, list[RemoteRef]]:
    """Return by name what a remote says of artifacts or runs, the oldest first.

    Raises:
        CorruptDataError: a ref on the remote is damaged.
        TransferError: the remote refuses, or was unavailable until the tries were used up.
    """
    options = options or Options()
    mover = Mover(remote, options.retry, options.reporter, options.workers)

    def look(name: str) -> tuple[str, list[RemoteRef]]:
        folder = ref_folder(kind, name)
        files = mover.ask(lambda: remote.list(folder))
        found = [read(f"{folder}/{file}") for file in sorted(files) if file.endswith(".json")]
        mine = (ref for ref in found if ref.name == name)
        return name, sorted(mine, key=lambda ref: (ref.pushed_at, ref.digest))

    def read(path: str) -> RemoteRef:
        return decode_ref(mover.ask(lambda: remote.read(path, _LARGEST_REF)), path)

    return dict(mover.each(look, names))


def _check_remote(mover: Mover) -> bytes | None:
    """Return the remote's marker, None when the remote is new.

    Raises:
        NewerSchemaError: a newer aexp made it.
    """
    try:
        data = mover.ask(lambda: mover.remote.read(MARKER, _LARGEST_REF))
    except NotFoundError:
        return None
    check_marker(data)
    return data


def _roots(parcels: Parcels) -> list[str]:
    return [digest for parcel in parcels for digest in parcel.manifests]


def _all_sizes(closure: Closure, parcels: Parcels) -> dict[str, int]:
    sizes = {blob.digest: blob.size for parcel in parcels for blob in parcel.blobs}
    sizes.update(closure.blobs)
    sizes.update({digest: len(data) for digest, data in closure.manifests.items()})
    return sizes


@contextlib.contextmanager
def _token(layout: Layout) -> Iterator[str]:
    """Hold what tells this sender from others, so that it may continue what it began.

    Of two pushes from one clone at once, the second begins everything anew.
    """
    place = (layout.common_dir or layout.home / ".aexp") / "aexp"
    host = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(file_lock(place / "push.lock", timeout=0))
            token = f"{repository_id(layout)}-{host}"
        except LockTimeoutError:
            token = os.urandom(8).hex()
        yield token
