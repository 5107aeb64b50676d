"""How far a sweep is: from another terminal by its folder, from another machine by the ledger.

Nothing is asked of the driver: what it wrote is read, whether it lives or not (SWP-14).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aexp.clock import utc_now
from aexp.errors import AexpError, NotFoundError
from aexp.ledger.sweeps import list_plans
from aexp.model.canonical import Json
from aexp.model.owner import Owner
from aexp.model.times import parse_time
from aexp.repo import Layout
from aexp.runs.lookup import all_runs
from aexp.sweep.known import KnownSweep, find_sweep, known_ids
from aexp.sweep.lock import lock_owner
from aexp.sweep.manifest import Entry, read_header
from aexp.sweep.outcome import MANIFEST_FILE, attempts_in, outcome_file
from aexp.sweep.sharing import local_folder, local_ids

_RECENT: Final = 200
"""So many points that ended last tell how fast the sweep is."""


@dataclass(frozen=True)
class SweepStatus:
    """How far a sweep is.

    Attributes:
        known: the sweep.
        counts: how many points ended, by status.
        running: points that have begun and not ended; of a driver that was killed, those it left.
        driver: the process that drives it, None when nobody does here.
        eta_s: seconds until the last point ends, as the last ones went; None when unknown.
    """

    known: KnownSweep
    counts: Counter[str]
    running: Sequence[int]
    driver: Owner | None
    eta_s: float | None

    @property
    def total(self) -> int:
        """How many points there are."""
        return self.known.header.run_count

    @property
    def missing(self) -> int:
        """How many points have not ended."""
        return self.total - self.counts.total()

    @property
    def elsewhere(self) -> int:
        """How many points were finished before, or on another machine."""
        return sum(e.log_path is None and e.status == "ok" for e in self.known.entries)

    @property
    def failures(self) -> list[Entry]:
        """The points that failed."""
        return [entry for entry in self.known.entries if entry.status == "failed"]

    def to_json(self) -> dict[str, Json]:
        """Return it as ``aexp sweep status --format json`` shows it."""
        known, header = self.known, self.known.header
        return {
            "sweep_id": header.sweep_id,
            "experiment_id": header.spec.get("experiment"),
            "created_at": header.created_at or None,
            "machine": known.plan.machine if known.plan else None,
            "folder": None if known.folder is None else known.layout.relative(known.folder),
            "points": {
                "total": self.total,
                "ok": self.counts["ok"],
                "failed": self.counts["failed"],
                "skipped": self.counts["skipped"],
                "missing": self.missing,
                "running": len(self.running),
                "elsewhere": self.elsewhere,
            },
            "driver": None if self.driver is None else self.driver.describe(),
            "eta_s": None if self.eta_s is None else round(self.eta_s, 1),
            "failures": [
                {
                    "run_id": entry.run_id,
                    "job_id": entry.job_id,
                    "attempt": entry.attempt,
                    "log": entry.log_path,
                    "message": last_line(entry.stderr),
                }
                for entry in self.failures
            ],
        }


def status_of(layout: Layout, text: str) -> SweepStatus:
    """Return how far the sweep is that ``text`` means.

    Args:
        layout: the repository.
        text: an id or its beginning, or the path of a sweep's folder or manifest.

    Raises:
        NotFoundError, AmbiguousIdError: there is no such sweep, or several.
        CorruptDataError: its manifest, its points or its plan are damaged.
    """
    return status_of_known(find_sweep(layout, text))


def newest_id(layout: Layout) -> str:
    """Return the id of the sweep that was planned last.

    Raises:
        NotFoundError: there is none.
    """
    planned = {plan.sweep_id: plan.created_at for plan in list_plans(layout)}
    for sweep_id in local_ids(layout):
        folder = local_folder(layout, sweep_id)
        if folder is not None and sweep_id not in planned:
            planned[sweep_id] = read_header(folder / MANIFEST_FILE).created_at
    if not planned:
        raise NotFoundError("there is no sweep yet", hint="begin one: aexp sweep run SPEC.yaml")
    return max(planned, key=lambda sweep_id: (planned[sweep_id], sweep_id))


def all_statuses(layout: Layout) -> tuple[list[SweepStatus], dict[str, str]]:
    """Return how far every known sweep is, newest first, and why others cannot be read, by id."""
    statuses: list[SweepStatus] = []
    broken: dict[str, str] = {}
    runs = list(all_runs(layout))
    for sweep_id in known_ids(layout):
        try:
            statuses.append(status_of_known(find_sweep(layout, sweep_id, runs=runs)))
        except AexpError as error:
            broken[sweep_id] = error.message
    statuses.sort(key=lambda s: (s.known.header.created_at, s.known.sweep_id), reverse=True)
    return statuses, broken


def status_of_known(known: KnownSweep) -> SweepStatus:
    """Return how far a sweep is."""
    counts: Counter[str] = Counter(entry.status for entry in known.entries)
    owner = None if known.folder is None else lock_owner(known.folder)
    missing = known.header.run_count - counts.total()
    eta = None if owner is None else _time_left(known.entries, missing)
    return SweepStatus(known, counts, _begun(known), owner, eta)


def _begun(known: KnownSweep) -> list[int]:
    """Return the points with an attempt that neither its worker nor the manifest has ended."""
    if known.folder is None:
        return []
    ended = {entry.run_id: entry.attempt for entry in known.entries}
    return sorted(
        {
            run_id
            for run_id, attempt in attempts_in(known.folder)
            if attempt > ended.get(run_id, -1)
            and ended.get(run_id) != 0
            and not outcome_file(known.folder, run_id, attempt).exists()
        }
    )


def _time_left(entries: Sequence[Entry], missing: int) -> float | None:
    """Return the seconds that are left if it goes on as it went with the last points."""
    times = sorted(
        moment
        for entry in entries
        if entry.log_path is not None and (moment := parse_time(entry.ended_at)) is not None
    )[-_RECENT:]
    if len(times) < 2 or missing <= 0:
        return None
    passed = (max(utc_now(), times[-1]) - times[0]).total_seconds()
    return missing * passed / (len(times) - 1)


def last_line(text: str) -> str:
    """Return the last line of a point's output that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
