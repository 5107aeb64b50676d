"""A sweep on another machine: its folder from the committed plan, and a share of it (SWP-11)."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Final

import msgspec

from aexp.errors import AexpError, CorruptDataError, NotFoundError, StorageError, UsageError
from aexp.ledger.sweeps import SweepPlan, artifact_name, is_sweep_id
from aexp.model.sweep import Explicit, SweepSpec
from aexp.repo import Layout
from aexp.storage.atomic import write_atomic
from aexp.sweep.manifest import Header, Manifest, read_header
from aexp.sweep.outcome import MANIFEST_FILE, POINTS_FILE
from aexp.sweep.planning import prepare_folder
from aexp.sweep.points import write_points
from aexp.sweep.spec import spec_from

SWEEPS_DIR: Final = ".aexp/sweeps"
"""Where the folders of sweeps are; git ignores it."""

_PLACE: Final = "place"
"""Names the folder of a sweep that is elsewhere on this machine."""

_NEEDED: Final = tuple(
    f"/header/{name}" for name in ("spec/command", "spec/callable", "spec/script", "base", "watch")
)
"""What a point cannot be run without."""

_SHARD: Final = re.compile(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,5})")


def sweep_folder(layout: Layout, sweep_id: str) -> Path:
    """Return where the folder of a sweep is, unless another was named for it."""
    return layout.root / SWEEPS_DIR / sweep_id


def note_place(layout: Layout, sweep_id: str, folder: Path) -> None:
    """Remember where the folder of a sweep is that was named for it, so that its id finds it.

    Raises:
        StorageError: the disk refused.
    """
    usual = sweep_folder(layout, sweep_id)
    if folder != usual:
        prepare_folder(usual)
        write_atomic(usual / _PLACE, os.fsencode(folder) + b"\n")


def local_folder(layout: Layout, sweep_id: str) -> Path | None:
    """Return the folder of a sweep when it is on this machine, None when it is not."""
    usual = sweep_folder(layout, sweep_id)
    if (usual / MANIFEST_FILE).is_file():
        return usual
    with contextlib.suppress(OSError, AexpError):
        noted = Path(os.fsdecode((usual / _PLACE).read_bytes().rstrip(b"\n")))
        if read_header(noted / MANIFEST_FILE).sweep_id == sweep_id:
            return noted
    return None


def local_ids(layout: Layout) -> list[str]:
    """Return the ids of the sweeps whose folder is on this machine, sorted."""
    place = layout.root / SWEEPS_DIR
    names = [path.name for path in place.iterdir()] if place.is_dir() else []
    return sorted(name for name in names if is_sweep_id(name) and local_folder(layout, name))


def header_of(plan: SweepPlan) -> Header:
    """Return the header of the manifest of a planned sweep.

    Raises:
        CorruptDataError: the plan does not hold one.
    """
    try:
        return msgspec.convert(dict(plan.header), Header)
    except msgspec.ValidationError as error:
        raise CorruptDataError(f"the plan of sweep {plan.sweep_id}: {error}") from None


def rebuild(layout: Layout, plan: SweepPlan) -> Path:
    """Make the folder of a sweep that was planned on another machine, and return it.

    It holds the points and an empty manifest; a resume then finds what the ledger says of them.
    Made already, or by another process meanwhile, it is left as it is.

    Args:
        layout: the repository.
        plan: the sweep's record.

    Raises:
        CorruptDataError: part of the plan belongs to the machine that it was made on.
        NotFoundError: see :func:`restore_points`.
        StorageError: the disk refused.
    """
    folder = sweep_folder(layout, plan.sweep_id)
    if (folder / MANIFEST_FILE).exists():
        return folder
    if any(pointer.startswith(_NEEDED) for pointer in plan.redacted):
        raise _of_one_machine(plan)
    prepare_folder(folder)
    if not (folder / POINTS_FILE).exists():
        restore_points(layout, plan, folder / POINTS_FILE)
    try:
        Manifest.create(folder / MANIFEST_FILE, header_of(plan))
    except StorageError:
        if not (folder / MANIFEST_FILE).exists():
            raise
    return folder


def restore_points(layout: Layout, plan: SweepPlan, path: Path) -> None:
    """Write the ``points.jsonl`` of a planned sweep, with the bytes it had where it was planned.

    Args:
        layout: the repository.
        plan: the sweep's record.
        path: the file.

    Raises:
        CorruptDataError: the plan is not that of the points that were drawn: part of it belongs
            to one machine.
        NotFoundError: there are too many points for the record, they cannot be derived again
            here, and the registry does not have them.
        StorageError: the disk refused.
    """
    seed = int(plan.header["sweep_seed"])
    if plan.points is not None:
        rows = tuple(dict(values) for values in plan.points)
        exact = SweepSpec(parameters=Explicit(rows=rows), experiment=plan.experiment_id)
        if not _is(plan, write_points(path, plan.sweep_id, exact, seed).digest):
            raise _of_one_machine(plan)
        return
    with contextlib.suppress(AexpError):  # an extra that is missing, a CSV file that changed
        spec = spec_from(dict(plan.spec), folder=layout.root / header_of(plan).base)
        if _is(plan, write_points(path, plan.sweep_id, spec, seed).digest):
            return
    _from_registry(layout, plan, path)


def _is(plan: SweepPlan, digest: str) -> bool:
    return digest.removeprefix("sha256:") == plan.points_digest.removeprefix("sha256:")


def _of_one_machine(plan: SweepPlan) -> CorruptDataError:
    where = f" ({plan.redacted[0]})" if plan.redacted else ""
    return CorruptDataError(
        f"the plan of sweep {plan.sweep_id} does not give the points that were drawn: it holds"
        f" paths or secrets of {plan.machine}, which are not shared{where}",
        hint=f"go on with it on {plan.machine}; give paths relative to the repository next time",
    )


def _from_registry(layout: Layout, plan: SweepPlan, path: Path) -> None:
    """Copy the points of a large sweep out of the registry."""
    from aexp.registry import open_registry
    from aexp.sweep.points import Points

    registry = open_registry(layout)
    assert plan.artifact is not None  # a record without points names an artifact
    try:
        manifest = registry.manifest(plan.artifact)
        (layer,) = (child for child in manifest.children() if child.annotations)
        registry.copy_to(layer.digest, path)
    except NotFoundError:
        raise NotFoundError(
            f"the {plan.count} points of sweep {plan.sweep_id} are not here, and cannot be drawn"
            " again with the libraries of this machine",
            hint=f"run `aexp push {artifact_name(plan.sweep_id)}` on {plan.machine}, and"
            f" `aexp pull {artifact_name(plan.sweep_id)}` here",
        ) from None
    with Points(path) as points:
        if not _is(plan, points.header.digest):
            raise CorruptDataError(f"the points of sweep {plan.sweep_id} are those of another")


def parse_shard(text: str) -> tuple[int, int]:
    """Return ``(1, 2)`` for ``1/2``: the first of two shares.

    Raises:
        UsageError: it is no share.
    """
    found = _SHARD.fullmatch(text.strip())
    if found is None or int(found[1]) > int(found[2]):
        raise UsageError(
            f"{text!r} is no share of a sweep", hint="write 1/2 on one machine and 2/2 on the other"
        )
    return int(found[1]), int(found[2])


def in_shard(run_id: int, shard: tuple[int, int] | None) -> bool:
    """Return whether a point belongs to a share; every point is in exactly one of them."""
    return shard is None or run_id % shard[1] == shard[0] - 1
