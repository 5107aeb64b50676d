"""A sweep as Python sees it: plan, run, resume, and the table of its results (SWP-01).

``docs/format/sweep.md`` describes the folder that it leaves.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from aexp.errors import (
    CorruptDataError,
    MissingOutputWarning,
    NotARepositoryError,
    SweepConfigError,
)
from aexp.model.duration import parse_duration
from aexp.model.statepoint import job_id as job_id_of
from aexp.model.sweep import SweepSpec
from aexp.repo import Layout, open_layout
from aexp.runs.code_state import code_state
from aexp.runs.lifecycle import Terminated, sigterm_as_exception
from aexp.sweep.backends.base import Pool, open_pool
from aexp.sweep.driving import Driver, Reporter
from aexp.sweep.lock import SweepLock
from aexp.sweep.manifest import Entry, Manifest
from aexp.sweep.outcome import MANIFEST_FILE, POINTS_FILE
from aexp.sweep.outputs import damaged_outputs, restore_outputs
from aexp.sweep.planning import (
    SWEEPS_DIR,
    base_of,
    check_free,
    new_sweep_id,
    plan_sweep,
    prepare_folder,
    with_script,
)
from aexp.sweep.points import Points
from aexp.sweep.script import canonical_script_sha256, check_drift, digest_if_there
from aexp.sweep.sharing import in_shard, note_place
from aexp.sweep.spec import spec_from

if TYPE_CHECKING:
    import pandas as pd


_Choose: TypeAlias = Callable[[Driver], tuple[Iterable[int], frozenset[int]]]
"""Given a driver that has harvested, says which points to run, and which of them again."""


@dataclass(frozen=True)
class DamagedOutput:
    """An output file of a finished point that is not what it was (SWP-08).

    Attributes:
        run_id: the point.
        path: the file, relative to the sweep's folder.
        why: ``is missing``, ``has changed``, ….
    """

    run_id: int
    path: str
    why: str


class Sweep:
    """A plan of points, each a run, that finishes whatever happens to it.

    Args:
        spec: a YAML file, what such a file says as a mapping, or a spec (SWP-16).
        script: the script whose digest guards a resume; the spec's own when None.
        backend: where points are run, a pool within its ``with`` block; what the spec asks for
            when None.
        out: the sweep's folder, new or empty; ``.aexp/sweeps/<sweep_id>`` when None.
        repo_root: any folder of the repository; the working directory when None.
        seed: the sweep's seed; the spec's own, or a fresh one, when None.
        allow_script_drift: go on although the script has changed, with a warning (SWP-09).
        reporter: is told how far it is.

    Attributes:
        layout: the repository.
        sweep_id: 16 hex digits.
        folder: the sweep's folder, absolute.
        damaged: what the last resume found wrong with the outputs of finished points.

    Raises:
        SweepConfigError: the spec says something that is not understood.
        NotARepositoryError: there is no git repository.
    """

    def __init__(
        self,
        spec: Mapping[str, object] | SweepSpec | str | Path,
        script: str | Path | None = None,
        *,
        backend: Pool | None = None,
        out: str | Path | None = None,
        repo_root: str | Path | None = None,
        seed: int | None = None,
        allow_script_drift: bool = False,
        reporter: Reporter | None = None,
    ) -> None:
        self.layout = open_layout(repo_root)
        known = spec_from(spec)
        self.__dict__["spec"] = with_script(known, script, base_of(self.layout, known))
        self.sweep_id = new_sweep_id()
        self.folder = (
            Path(out).absolute()
            if out is not None
            else self.layout.aexp_dir / SWEEPS_DIR / self.sweep_id
        )
        self.damaged: list[DamagedOutput] = []
        self._backend = backend
        self._seed = seed
        self._allow_drift = allow_script_drift
        self._reporter = reporter
        self._manifest: Manifest | None = None
        self._script_sha256: str | None = None

    @classmethod
    def from_manifest(
        cls,
        path: str | Path,
        script: str | Path | None = None,
        *,
        backend: Pool | None = None,
        allow_script_drift: bool = False,
        repo_root: str | Path | None = None,
        reporter: Reporter | None = None,
    ) -> Sweep:
        """Open a sweep that was planned before, wherever its folder is now.

        Args:
            path: its ``manifest.jsonl``, or the folder that holds it.
            script: its script; where its spec says when None.
            backend: where points are run, a pool within its ``with`` block.
            allow_script_drift: warn of another script instead of refusing it.
            repo_root: any folder of the repository; by default the one that holds the sweep's
                folder, or else the working directory.
            reporter: is told how far it is.

        Raises:
            NotFoundError: there is no manifest.
            SweepConfigError: the script is not the one that the sweep began with (SWP-09).
            ManifestCorruptError, NewerSchemaError: the manifest cannot be used.
        """
        manifest = Manifest.load(path)
        header = manifest.header
        self = cls.__new__(cls)
        self.folder = manifest.path.parent.absolute()
        self.layout = _layout_of(self.folder, repo_root)
        base = self.layout.root / header.base
        self.sweep_id = header.sweep_id
        self.damaged = []
        self._backend = backend
        self._seed = header.seed
        self._allow_drift = allow_script_drift
        self._reporter = reporter
        self._manifest = manifest
        if script is not None:
            self._script_sha256 = canonical_script_sha256(script)
        else:
            self._script_sha256 = digest_if_there(base, header.spec.get("script"))
        watch = {path: digest_if_there(base, path) for path in header.watch}
        check_drift(header, self._script_sha256, watch, allow=allow_script_drift, stacklevel=2)
        return self

    @cached_property
    def spec(self) -> SweepSpec:
        """What the sweep is to be, as it was written when it was planned.

        Raises:
            SweepConfigError: a file that it names is not there any more.
        """
        header = self.manifest.header
        return spec_from(header.spec, folder=self.layout.root / header.base)

    @property
    def manifest(self) -> Manifest:
        """What is known of the points.

        Raises:
            SweepConfigError: the sweep is not planned yet.
        """
        if self._manifest is None:
            raise SweepConfigError("the sweep is not planned yet", hint="run it first")
        return self._manifest

    @cached_property
    def points(self) -> Points:
        """The points with their values, read from disk one at a time."""
        points = Points(self.folder / POINTS_FILE)
        header = self.manifest.header
        if (points.header.sweep_id, points.header.digest) != (self.sweep_id, header.points_digest):
            points.close()
            raise CorruptDataError(
                f"{POINTS_FILE} holds other points than the manifest was written for",
                hint="take both files from one sweep",
            )
        return points

    def close(self) -> None:
        """Close the file of points; it is opened again when it is needed."""
        points = self.__dict__.pop("points", None)
        if points is not None:
            points.close()

    def __del__(self) -> None:
        self.close()

    def plan(self) -> Sweep:
        """Write the sweep's folder with all its points, and its record in the ledger.

        Raises:
            SweepConfigError: it is planned already, or its folder is not free (trap 60).
            StorageError: the disk refused.
        """
        if self._manifest is not None:
            raise SweepConfigError("the sweep is planned already", hint="go on with resume()")
        check_free(self.folder)
        prepare_folder(self.folder)
        with SweepLock(self.folder):
            check_free(self.folder)
            note_place(self.layout, self.sweep_id, self.folder)
            self._manifest = plan_sweep(
                self.layout,
                self.spec,
                folder=self.folder,
                sweep_id=self.sweep_id,
                seed=self._seed,
                backend=str(self._backend.name if self._backend else self.spec.backend["kind"]),
            )
        self._script_sha256 = self._manifest.header.script_sha256
        return self

    def run(self) -> Sweep:
        """Plan the sweep and run all its points; a point that fails does not stop the others.

        Raises:
            SweepConfigError: it is planned already, or its folder is not free.
            SweepBusyError: another process drives it.
            StorageError: the disk refused.
        """
        self.plan()
        return self._go_on(lambda driver: (range(self.manifest.header.run_count), frozenset()))

    def resume(
        self,
        *,
        repair: bool = False,
        fresh: bool = False,
        shard: tuple[int, int] | None = None,
    ) -> Sweep:
        """Run the points that have failed or were never recorded, and no other (SWP-08).

        A point that was finished elsewhere, as the run store or the ledger shows, is recorded and
        not run again (SWP-11). The outputs of finished points are checked; what is wrong with
        them is in ``damaged`` and is a warning.

        Args:
            repair: bring damaged outputs back from the registry, or run their points again.
            fresh: run those points again, too, that other code has run.
            shard: ``(1, 2)`` takes the first of two shares of the points.

        Raises:
            SweepConfigError: the sweep was never planned.
            SweepBusyError: another process drives it; the message names it.
            CorruptDataError, StorageError: its files cannot be used.
        """
        _ = self.manifest
        return self._go_on(lambda driver: self._unfinished(driver, repair, fresh, shard))

    def to_dataframe(self, **options: Any) -> pd.DataFrame:
        """Return the table of the sweep; see :func:`aexp.sweep.frames.to_dataframe`."""
        from aexp.sweep.frames import to_dataframe

        return to_dataframe(self, **options)

    def iter_frames(self, **options: Any) -> Iterator[pd.DataFrame]:
        """Yield the table in parts; see :func:`aexp.sweep.frames.iter_frames`."""
        from aexp.sweep.frames import iter_frames

        return iter_frames(self, **options)

    def write_dataset(self, folder: str | Path, **options: Any) -> Path:
        """Write the table as Parquet files; see :func:`aexp.sweep.frames.write_dataset`."""
        from aexp.sweep.frames import write_dataset

        return write_dataset(self, folder, **options)

    # --- driving ----------------------------------------------------------------------------

    def _go_on(self, choose: _Choose) -> Sweep:
        """Drive the sweep under its lock; ``choose`` gives the points once all is harvested."""
        try:
            with sigterm_as_exception(), SweepLock(self.folder) as lock:
                # What another driver has recorded since is known from here on.
                self._manifest = Manifest.load(self.folder / MANIFEST_FILE)
                self._drive(lock, choose)
        except Terminated:
            raise SystemExit(143) from None
        finally:
            if self._manifest is not None:
                self._manifest.close()
            self.close()
        return self

    def _drive(self, lock: SweepLock, choose: _Choose) -> None:
        driver = Driver(
            folder=self.folder,
            root=self.layout.root,
            manifest=self.manifest,
            points=self.points,
            lock=lock,
            script_sha256=self._script_sha256,
            timeout_s=self._timeout_s(),
            reporter=self._reporter,
        )
        driver.harvest()
        todo, again = choose(driver)
        if self._reporter is not None:
            counts: Counter[str] = Counter(entry.status for entry in self.manifest.entries)
            self._reporter.begin(self.manifest.header.run_count, counts)
        try:
            with ExitStack() as stack:
                pool = self._backend
                if pool is None:
                    pool = stack.enter_context(open_pool(self._settings, self.layout))
                driver.drive(pool, todo, again)
        finally:
            driver.hear_the_rest()

    @property
    def _settings(self) -> Mapping[str, Any]:
        """The settings of the backend; a resume needs no other part of the spec to be readable."""
        return self.manifest.header.spec.get("backend") or {}

    def _timeout_s(self) -> float | None:
        wanted = self._settings.get("timeout")
        return None if wanted is None else float(parse_duration(wanted))

    def _unfinished(
        self, driver: Driver, repair: bool, fresh: bool, shard: tuple[int, int] | None
    ) -> tuple[Iterable[int], frozenset[int]]:
        manifest = self.manifest
        count = manifest.header.run_count
        self._check_draws()
        mine = [run_id for run_id in range(count) if in_shard(run_id, shard)]
        wanted = {*manifest.find_failed(), *manifest.find_missing(mine)}.intersection(mine)
        if not fresh:
            self._believe_finished(driver, wanted)
        again = self._check_outputs(mine, repair)
        if fresh:
            wanted |= self._run_by_other_code(mine)
        still = {
            run_id
            for run_id in wanted
            if fresh or (entry := manifest.get(run_id)) is None or entry.status == "failed"
        }
        return sorted(still | again), again

    def _check_draws(self) -> None:
        """Warn when the plan would be drawn differently now; its values stay (SWP-04)."""
        from aexp.sweep.redraw import redraw_problem

        values = (point.values for point in self.points)
        problem = redraw_problem(self.layout, self.manifest.header, values, thorough=True)
        if problem:
            warnings.warn(problem, RuntimeWarning, stacklevel=7)

    def _believe_finished(self, driver: Driver, wanted: Iterable[int]) -> None:
        """Record the points that were finished elsewhere, by their point ids (SWP-11)."""
        from aexp.sweep.known import finished_points

        values = [(run_id, self.points[run_id].values) for run_id in sorted(wanted)]
        found = finished_points(self.layout, self.manifest.header, values)
        for run_id in sorted(found):
            if found[run_id].status == "failed":
                continue
            attempt = driver.attempts.get(run_id, 0)
            entry = msgspec.structs.replace(found[run_id], attempt=attempt)
            restore_outputs(self.layout, self.folder, entry.output_paths)
            driver.append(entry)

    def _check_outputs(self, mine: Iterable[int], repair: bool) -> frozenset[int]:
        """Check the outputs of finished points; return the points to run again for them."""
        self.damaged = []
        again: set[int] = set()
        for run_id in mine:
            entry = self.manifest.get(run_id)
            if entry is None or entry.status != "ok":
                continue
            found = list(damaged_outputs(self.folder, entry.output_paths))
            if not repair and entry.log_path is None:
                # It ran elsewhere: what was never here is not missing.
                found = [(file, why) for file, why in found if (self.folder / file.path).exists()]
            if found and not (
                repair and restore_outputs(self.layout, self.folder, [file for file, _ in found])
            ):
                self.damaged += [DamagedOutput(run_id, file.path, why) for file, why in found]
                again.add(run_id)
        if self.damaged and not repair:
            first = self.damaged[0]
            warnings.warn(
                f"the output of {len(again)} finished points is not what it was:"
                f" {first.path} {first.why}; resume(repair=True) mends that",
                MissingOutputWarning,
                stacklevel=6,
            )
        return frozenset(again if repair else ())

    def _run_by_other_code(self, mine: Iterable[int]) -> set[int]:
        """Return the finished points whose run is of other code than is here now."""
        code = code_state(self.layout).statepoint_keys()
        experiment = self.manifest.header.spec.get("experiment")
        link = {} if experiment is None else {"experiment_id": experiment}

        def differs(entry: Entry | None) -> bool:
            if entry is None or entry.status != "ok":
                return False
            return entry.job_id != job_id_of({**link, **code, **self.points[entry.run_id].values})

        return {run_id for run_id in mine if differs(self.manifest.get(run_id))}


def sweep(
    spec: Mapping[str, object] | SweepSpec | str | Path,
    script: str | Path | None = None,
    *,
    backend: Pool | None = None,
    out: str | Path | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Run a new sweep and return its table: ``Sweep(…).run().to_dataframe()``.

    Args:
        spec: as for :class:`Sweep`.
        script: as for :class:`Sweep`.
        backend: as for :class:`Sweep`.
        out: as for :class:`Sweep`.
        options: more arguments of :class:`Sweep`.
    """
    return Sweep(spec, script, backend=backend, out=out, **options).run().to_dataframe()


def _layout_of(folder: Path, repo_root: str | Path | None) -> Layout:
    """Return the repository of a sweep's folder, or else the one of the working directory."""
    if repo_root is not None:
        return open_layout(repo_root)
    try:
        return open_layout(folder)
    except NotARepositoryError:
        return open_layout()
