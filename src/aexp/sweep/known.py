"""What this clone knows of a sweep: its folder where it is here, its committed plan, the ledger.

A point that was finished anywhere is finished here as soon as git has brought its ledger entry:
it is matched by its point id, whatever the code was (SWP-11). Nothing here writes.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from aexp.errors import CorruptDataError, NotFoundError
from aexp.ledger.store import read_ledger
from aexp.ledger.sweeps import plan_ids, read_plan, resolve_sweep_id
from aexp.model.attachment import Attachment
from aexp.model.canonical import Json
from aexp.model.packed import unpack
from aexp.model.statepoint import point_id
from aexp.model.sweep import point_id_of
from aexp.repo import Layout
from aexp.runs.lookup import all_runs, view_of
from aexp.runs.view import RunView
from aexp.sweep.manifest import Entry, Header, Manifest
from aexp.sweep.outcome import MANIFEST_FILE, POINTS_FILE
from aexp.sweep.outputs import outputs_of
from aexp.sweep.points import Points
from aexp.sweep.sharing import header_of, local_folder, local_ids, rebuild, restore_points
from aexp.tree import WorkTree

if TYPE_CHECKING:
    from aexp.ledger.sweeps import SweepPlan
    from aexp.sweep.engine import Sweep


@dataclass(frozen=True)
class KnownSweep:
    """A sweep as far as this clone knows it.

    Attributes:
        layout: the repository.
        header: what it is.
        folder: its folder here, or None.
        plan: its record in the ledger here, or None.
        entries: one for each point that has ended, sorted by number.
    """

    layout: Layout
    header: Header
    folder: Path | None
    plan: SweepPlan | None
    entries: Sequence[Entry]

    @property
    def sweep_id(self) -> str:
        """The sweep's id."""
        return self.header.sweep_id


def known_ids(layout: Layout) -> list[str]:
    """Return the ids of the sweeps that have a folder here or a plan in the ledger, sorted."""
    return sorted({*plan_ids(layout), *local_ids(layout)})


def find_sweep(layout: Layout, text: str, *, runs: Sequence[RunView] | None = None) -> KnownSweep:
    """Return the sweep that ``text`` means.

    Args:
        layout: the repository.
        text: an id or its beginning, or the path of a sweep's folder or manifest.
        runs: what :func:`aexp.runs.lookup.all_runs` gives, when the caller has it already.

    Raises:
        NotFoundError, AmbiguousIdError: there is no such sweep, or several.
        CorruptDataError: its manifest, its points or its plan are damaged.
    """
    sweep_id, folder = _meant(layout, text)
    if folder is not None:
        return known_in(layout, folder, runs=runs)
    plan = read_plan(layout, sweep_id)
    header = header_of(plan)
    entries = finished_points(layout, header, points_of(layout, None, plan), runs=runs)
    return KnownSweep(layout, header, None, plan, _sorted(entries))


def open_folder(layout: Layout, text: str) -> Path:
    """Return the folder of the sweep that ``text`` means, made of its plan if it is not here.

    Args:
        layout: the repository.
        text: an id or its beginning, or the path of a sweep's folder or manifest.

    Raises:
        NotFoundError, AmbiguousIdError: there is no such sweep, or several.
        CorruptDataError: its plan is damaged, or is not shared whole.
        StorageError: the disk refused.
    """
    sweep_id, folder = _meant(layout, text)
    return folder or rebuild(layout, read_plan(layout, sweep_id))


def _meant(layout: Layout, text: str) -> tuple[str, Path | None]:
    """Return the id of the sweep that ``text`` means, empty for a path, and its folder here."""
    path = Path(text)
    if path.name == MANIFEST_FILE or (path / MANIFEST_FILE).is_file():
        return "", path if path.is_dir() else path.parent
    sweep_id = resolve_sweep_id(text, known_ids(layout))
    return sweep_id, local_folder(layout, sweep_id)


def known_of(sweep: Sweep) -> KnownSweep:
    """Return what is known of a sweep that is open here."""
    return known_in(sweep.layout, sweep.folder, sweep.manifest)


def known_in(
    layout: Layout,
    folder: Path,
    manifest: Manifest | None = None,
    *,
    runs: Sequence[RunView] | None = None,
) -> KnownSweep:
    """Return what is known of the sweep in a folder.

    Raises:
        NotFoundError: there is no manifest in it.
        CorruptDataError: its manifest or its points are damaged.
    """
    manifest = manifest or Manifest.load(folder / MANIFEST_FILE)
    header = manifest.header
    plan = None
    with contextlib.suppress(NotFoundError, CorruptDataError):
        plan = read_plan(layout, header.sweep_id)
    entries = {entry.run_id: entry for entry in manifest.entries}
    open_ = {n for n in range(header.run_count) if n not in entries or _may_differ(entries[n])}
    if open_:
        points = (p for p in points_of(layout, folder, plan) if p[0] in open_)
        for run_id, entry in finished_points(layout, header, points, runs=runs).items():
            if entry.status != "failed" or run_id not in entries:
                entries[run_id] = entry
    return KnownSweep(layout, header, folder, plan, _sorted(entries))


def _may_differ(entry: Entry) -> bool:
    """Return whether another machine may have finished the point since."""
    return entry.status == "failed"


def _sorted(entries: Mapping[int, Entry]) -> list[Entry]:
    return [entries[run_id] for run_id in sorted(entries)]


def points_of(
    layout: Layout, folder: Path | None, plan: SweepPlan | None
) -> Iterator[tuple[int, Mapping[str, Json]]]:
    """Yield number and values of each point, wherever they are.

    Args:
        layout: the repository.
        folder: the sweep's folder here, or None.
        plan: its record in the ledger here, or None.

    Raises:
        CorruptDataError, NotFoundError: they are damaged, or not here.
    """
    if folder is not None and (folder / POINTS_FILE).is_file():
        with Points(folder / POINTS_FILE) as points:
            for point in points:
                yield point.run_id, point.values
    elif plan is not None and plan.points is not None:
        yield from enumerate(plan.points)
    elif plan is not None:
        with tempfile.TemporaryDirectory(prefix="aexp-sweep-") as place:
            path = Path(place) / POINTS_FILE
            restore_points(layout, plan, path)
            yield from points_of(layout, path.parent, plan)


# --- what was finished anywhere --------------------------------------------------------------


def finished_points(
    layout: Layout,
    header: Header,
    points: Iterable[tuple[int, Mapping[str, Json]]],
    *,
    runs: Iterable[RunView] | None = None,
) -> dict[int, Entry]:
    """Return an entry for each point of which a run has ended, here or on another machine.

    A run is a point's when their point ids are the same, and this sweep made it, whatever the
    code was, or it is of the code that the sweep was planned with: what other code gave for an
    earlier sweep is no result of this one. Of several runs a complete one counts, then one of the
    code that the sweep was planned with, then the one that began first.

    Args:
        layout: the repository.
        header: the sweep.
        points: number and values of the points to look for.
        runs: what :func:`aexp.runs.lookup.all_runs` gives, when the caller has it already.
    """
    experiment = header.spec.get("experiment")
    wanted: dict[str, list[tuple[int, Mapping[str, Json]]]] = {}
    for run_id, values in points:
        wanted.setdefault(point_id_of(values, experiment), []).append((run_id, values))
    found: dict[str, RunView] = {}
    if not wanted:
        return {}
    for view in all_runs(layout) if runs is None else runs:
        statepoint = view.statepoint
        if view.status not in _ENDED or statepoint.get("experiment_id") != experiment:
            continue
        name = point_id(statepoint)
        counts = view.status != "abandoned" or _is_skipped(view)
        if name in wanted and counts and _belongs(view, header):
            known = found.get(name)
            if known is None or _rank(view, header) < _rank(known, header):
                found[name] = view
    return {
        run_id: _entry(view, run_id, values)
        for name, view in found.items()
        for run_id, values in wanted[name]
    }


_ENDED: Final[Mapping[str, Literal["ok", "failed", "skipped"]]] = {
    "complete": "ok",
    "abandoned": "skipped",
    "failed": "failed",
}
"""How a point ended whose run ended like that; of several runs the first kind counts."""


def _belongs(view: RunView, header: Header) -> bool:
    """Return whether a run's result is one that the sweep would have given."""
    mark = view.field("sweep")
    if isinstance(mark, Mapping) and mark.get("sweep_id") == header.sweep_id:
        return True
    code = {key: item for key, item in view.statepoint.items() if key.startswith("code_")}
    return code == header.code


def _is_skipped(view: RunView) -> bool:
    """Return whether a point said that it is not worth running (SWP-08)."""
    error = view.field("error")
    return isinstance(error, Mapping) and error.get("type") == "SkipPoint"


def _rank(view: RunView, header: Header) -> tuple[int, bool, str, str]:
    code = header.code.get("code_commit")
    return (
        list(_ENDED).index(view.status),
        view.statepoint.get("code_commit") != code,
        view.began,
        view.job_id,
    )


def _entry(view: RunView, run_id: int, values: Mapping[str, Json]) -> Entry:
    seconds, attachments = view.field("wallclock_s"), view.field("attachments") or ()
    return Entry(
        run_id=run_id,
        job_id=view.job_id,
        overrides=dict(values),
        status=_ENDED[view.status],
        output_paths=outputs_of(map(Attachment.from_json, attachments), run_id),
        started_at=view.began,
        ended_at=str(view.field("ended_at") or ""),
        duration_s=float(seconds) if isinstance(seconds, int | float) else 0.0,
        attempt=0,
    )


def final_metrics(
    layout: Layout, job_ids: Iterable[str]
) -> Callable[[str], dict[str, Json] | None]:
    """Return a function that gives the final metrics of a run, None when it is nowhere.

    The ledger is read once for all; runs that it does not have are looked for here.
    """
    tree = WorkTree(layout.root, has_git=layout.git_dir is not None)
    heads = read_ledger(tree, find_leaks=False, layout=layout).heads

    def metrics_of(job_id: str) -> dict[str, Json] | None:
        head = heads.get(job_id)
        if head is not None and head.status == "complete":
            return unpack(head.metrics) or {}
        try:
            view = view_of(layout, job_id)
        except NotFoundError:
            return None
        return view.metrics if view.status == "complete" else None

    return metrics_of
