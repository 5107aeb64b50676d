"""Planning a sweep: its folder with all points in it, before the first one starts (SWP-04)."""

from __future__ import annotations

import os
import platform
import secrets
import sys
import warnings
from pathlib import Path
from typing import Final

import msgspec

import aexp
from aexp.clock import utc_now
from aexp.errors import MissingExperimentWarning, StorageError, SweepConfigError
from aexp.ledger.sweeps import write_plan
from aexp.model.sweep import SweepSpec
from aexp.model.times import format_time
from aexp.repo import Layout
from aexp.runs.code_state import code_state
from aexp.storage.atomic import TEMP_SUFFIX, make_folder, storage_error, write_atomic
from aexp.sweep.lock import GUARD_FILE, LOCK_FILE
from aexp.sweep.manifest import Header, Manifest
from aexp.sweep.outcome import MANIFEST_FILE, POINTS_FILE
from aexp.sweep.points import write_points
from aexp.sweep.script import canonical_script_sha256

SWEEPS_DIR: Final = "sweeps"
_IGNORE: Final = ".gitignore"
_OURS: Final = frozenset({POINTS_FILE, LOCK_FILE, GUARD_FILE, _IGNORE})
"""What a sweep that was never planned to the end leaves in its folder."""
_DRAWN_BY: Final = ("numpy", "scipy")


def new_sweep_id() -> str:
    """Return a new random sweep id."""
    return secrets.token_hex(8)


def base_of(layout: Layout, spec: SweepSpec) -> Path:
    """Return the folder that a spec's relative paths start from: its own, inside the repository."""
    folder = Path(os.path.realpath(spec.folder or layout.root))
    return folder if folder.is_relative_to(layout.root) else layout.root


def with_script(spec: SweepSpec, script: str | Path | None, base: Path) -> SweepSpec:
    """Return a spec that names ``script``, relative to ``base``, when one is given."""
    if script is None:
        return spec
    place = Path(os.path.abspath(script))
    return msgspec.structs.replace(spec, script=Path(os.path.relpath(place, base)).as_posix())


def script_digest(base: Path, script: str | None) -> str | None:
    """Return the canonical digest of a sweep's script, None when it has none."""
    return None if script is None else canonical_script_sha256(base / script)


def watch_digests(base: Path, watch: tuple[str, ...] | list[str]) -> dict[str, str]:
    """Return the canonical digest of each watched file."""
    return {path: canonical_script_sha256(base / path) for path in watch}


def check_free(folder: Path) -> None:
    """Check that a new sweep may have ``folder`` (trap 60).

    Raises:
        SweepConfigError: there is something in it.
    """
    try:
        found = sorted(path.name for path in folder.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise SweepConfigError(f"{folder} is no folder for a sweep: {error.strerror}") from None
    if MANIFEST_FILE in found:
        raise SweepConfigError(
            f"{folder} holds a sweep already",
            hint="go on with it (`aexp sweep resume`, Sweep.from_manifest), or choose another"
            " folder",
        )
    strange = [name for name in found if name not in _OURS and not name.endswith(TEMP_SUFFIX)]
    if strange:
        raise SweepConfigError(
            f"{folder} holds other files, such as {strange[0]}",
            hint="choose an empty or a new folder for the sweep",
        )


def prepare_folder(folder: Path) -> None:
    """Make a sweep's folder, out of git's sight: it belongs to this machine.

    Raises:
        StorageError: the disk refused.
    """
    try:
        make_folder(folder)
    except OSError as error:
        raise storage_error(error, folder) from error
    write_atomic(folder / _IGNORE, b"*\n")


def plan_sweep(
    layout: Layout,
    spec: SweepSpec,
    *,
    folder: Path,
    sweep_id: str,
    seed: int | None,
    backend: str,
) -> Manifest:
    """Write points, record and manifest of a new sweep; the caller holds its lock.

    Args:
        layout: the repository.
        spec: what to run.
        folder: the sweep's folder, made already.
        sweep_id: the new id.
        seed: its seed; None takes the spec's own, or a fresh one.
        backend: the name of the pool that it begins with.

    Raises:
        SweepConfigError: the script or a watched file is not there, or nothing is to be run.
        StorageError: the disk refused.
    """
    if spec.command is None and spec.callable is None:
        raise SweepConfigError(
            "the sweep has neither a command nor a callable",
            hint="say what a point runs, for example command: python train.py --lr {lr}",
        )
    _warn_of_missing(layout, spec.experiment)
    base = base_of(layout, spec)
    digest, watch = script_digest(base, spec.script), watch_digests(base, spec.watch)
    points = write_points(folder / POINTS_FILE, sweep_id, spec, seed)
    header = Header(
        sweep_id=sweep_id,
        sweep_seed=points.seed if abs(points.seed) < 2**53 else str(points.seed),
        run_count=points.count,
        points_digest=points.digest,
        spec=spec.to_json(),
        base=base.relative_to(layout.root).as_posix(),
        script_sha256=digest,
        watch=watch,
        backend=backend,
        versions=_versions(),
        code=code_state(layout).statepoint_keys(),
        created_at=format_time(utc_now()),
    )
    write_plan(layout, msgspec.to_builtins(header), folder / POINTS_FILE)
    try:
        return Manifest.create(folder / MANIFEST_FILE, header)
    except StorageError:
        check_free(folder)
        raise


def _warn_of_missing(layout: Layout, experiment: str | None) -> None:
    from aexp.errors import NotFoundError
    from aexp.kb import require_artifact
    from aexp.tree import WorkTree

    if experiment is None:
        return
    try:
        require_artifact(WorkTree(layout.root, has_git=False), "experiment", experiment)
    except NotFoundError:
        warnings.warn(
            f"experiment {experiment} has no file in kb/research/experiments yet",
            MissingExperimentWarning,
            stacklevel=5,
        )


def _versions() -> dict[str, str]:
    """Return the versions of what drew the points, among them what was imported for it."""
    from importlib.metadata import version

    found = {"aexp": aexp.__version__, "python": platform.python_version()}
    return found | {name: version(name) for name in _DRAWN_BY if name in sys.modules}
