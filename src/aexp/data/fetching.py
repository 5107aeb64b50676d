"""Bytes that are needed here, brought from the remote when they are not here (EXE-07)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aexp.errors import (
    CorruptDataError,
    NotFoundError,
    StorageError,
    TransferError,
)
from aexp.registry.blobs import Blob
from aexp.registry.ingest import SourceFailedError, copy_hashed
from aexp.registry.refs import RefChange
from aexp.registry.remotes.mover import Reporter, Silent
from aexp.registry.store import Registry
from aexp.registry.transfer import Options, Parcel, pull
from aexp.repo import Layout, choose_remote
from aexp.storage.atomic import TEMP_SUFFIX, storage_error

_SHOWN: Final = 2


@dataclass(frozen=True, slots=True)
class Supply:
    """Where bytes come from that are not here, and who is told.

    Attributes:
        remote: a remote of ``aexp.yaml`` or a URL; None for the default one.
        reporter: is told how fetching goes.
    """

    remote: str | None = None
    reporter: Reporter = field(default_factory=Silent)


USUAL: Final = Supply()
"""From the default remote, and nobody is told."""


def missing(registry: Registry, blobs: Iterable[Blob]) -> list[Blob]:
    """Return those blobs that the registry does not have in their size, each once."""
    wanted = {blob.digest: blob for blob in blobs}
    return [blob for blob in wanted.values() if registry.size(blob.digest) != blob.size]


def bring(
    layout: Layout,
    registry: Registry,
    what: str,
    blobs: Sequence[Blob],
    *,
    manifests: Sequence[str] = (),
    finish: Callable[[Registry], Sequence[RefChange]] | None = None,
    verify: bool = False,
    supply: Supply = USUAL,
) -> None:
    """See to it that blobs are in the registry: what is not comes from the remote.

    Args:
        layout: the repository.
        registry: where they are to be.
        what: what they belong to, in words.
        blobs: what is needed.
        manifests: digests of manifests that are needed with all that they name.
        finish: returns the refs to set when all of it is here.
        verify: read what is here already, and fetch anew what is damaged.
        supply: where they come from.

    Raises:
        NotFoundError: something is not here, and no remote has it.
        TransferError: the remote refused, or was unavailable until the tries were used up.
    """
    needed = missing(registry, blobs)
    if not needed and not verify and all(registry.has(digest) for digest in manifests):
        return
    from aexp.registry.remotes import open_remote  # most inputs are here

    try:
        address = choose_remote(layout, supply.remote)
    except NotFoundError as error:
        raise NotFoundError(
            f"the bytes of {what} are not in the registry here, and {error.message}",
            hint=error.hint,
        ) from None
    with contextlib.closing(open_remote(layout, address)) as there:
        options = Options(reporter=supply.reporter, verify=verify)
        asked = blobs if verify else needed
        parcel = Parcel(what, tuple(manifests), tuple(asked), finish=finish)
        report = pull(registry, there, [parcel], options)
    if report.problems:
        count = len(report.problems)
        told = "; ".join(list(report.problems.values())[:_SHOWN])
        more = f"; and {count - _SHOWN} more" if count > _SHOWN else ""
        raise NotFoundError(
            f"{what} could not be fetched from {report.remote}: {told}{more}",
            hint="push it where it is (with --verify when it is damaged), then try again",
        )


def place(registry: Registry, blob: Blob, target: Path) -> None:
    """Write a blob to ``target``, verified on the way; a file that is there is replaced.

    Unlike :meth:`Registry.copy_to` it waits for no disk: what is lost with the power is put there
    again from the registry.

    Raises:
        NotFoundError: the registry does not have it.
        CorruptDataError: its bytes there have another digest; ``target`` is as it was.
        StorageError: the disk refused.
    """
    temp = target.with_name(f"{target.name[:40]}.{os.urandom(6).hex()}{TEMP_SUFFIX}")
    try:
        with registry.path(blob.digest).open("rb", buffering=0) as source:
            try:
                with temp.open("x+b", buffering=0) as copy:
                    found, size = copy_hashed(source, copy.fileno(), None)
                if (found, size) != (blob.digest, blob.size):
                    raise CorruptDataError(
                        f"the blob {blob.digest} is damaged here",
                        hint="see `aexp registry verify`",
                    )
                temp.replace(target)
            except BaseException:
                temp.unlink(missing_ok=True)
                raise
    except FileNotFoundError as error:
        if error.filename == os.fspath(registry.path(blob.digest)):
            raise NotFoundError(f"the registry does not hold {blob.digest}") from None
        raise storage_error(error, target) from error
    except SourceFailedError as failed:
        raise StorageError(f"cannot read {blob.digest}: {failed.error}") from failed.error
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise storage_error(error, target) from error


def place_sound(
    layout: Layout,
    registry: Registry,
    what: str,
    blob: Blob,
    target: Path,
    supply: Supply = USUAL,
) -> None:
    """Write a blob to ``target``, fetched anew from the remote when it is damaged here.

    Raises:
        NotFoundError, CorruptDataError, StorageError, TransferError: see :func:`place` and
            :func:`bring`; of a blob that cannot be mended the first error is raised.
    """
    try:
        place(registry, blob, target)
    except (CorruptDataError, NotFoundError) as damaged:
        try:
            bring(layout, registry, what, [blob], verify=True, supply=supply)
        except (NotFoundError, TransferError):
            raise damaged from None
        place(registry, blob, target)
