"""``aexp sweep``: plan, run and finish sweeps, here or where another machine left off."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from aexp.cli.declare import Argument, Group, Option
from aexp.cli.opening import open_for_reading
from aexp.cli.options import DryRun, TableFormat, TextFormat
from aexp.cli.output import note, say, say_json
from aexp.cli.sweep_progress import SweepProgress
from aexp.errors import PartialFailureError, UsageError
from aexp.repo import open_layout

if TYPE_CHECKING:
    from aexp.repo import Layout
    from aexp.sweep.backends.base import Pool
    from aexp.sweep.engine import Sweep

_Spec = Annotated[Path, Argument(help="The YAML file of the sweep.", metavar="SPEC")]
_Which = Annotated[
    str,
    Argument(help="A sweep's id, the beginning of it, or the path of its folder.", metavar="SWEEP"),
]
_Seed = Annotated[
    int | None,
    Option("--seed", metavar="N", help="The seed of all draws, instead of the spec's."),
]
_Out = Annotated[
    Path | None,
    Option("--out", metavar="DIR", help="A new folder for the sweep; else in .aexp/sweeps."),
]
_Backend = Annotated[
    str | None,
    Option(
        "--backend", metavar="KIND", help="Where points run: local, joblib, dask, slurm or srun."
    ),
]
_Workers = Annotated[
    int | None, Option("--workers", "-j", min=1, metavar="N", help="How many run at once.")
]
_Drift = Annotated[
    bool,
    Option("--allow-script-drift", help="Go on although the script or a watched file has changed."),
]
_Shard = Annotated[
    str | None,
    Option("--shard", metavar="I/N", help="Run only this share of the points, such as 1/2."),
]
_Fresh = Annotated[
    bool,
    Option("--fresh", help="Do not take points as finished that were run with other code."),
]


def register(app: Group) -> None:
    """Add this group's commands to ``app``."""
    group = Group(
        "sweep", "Sweeps: many points from one file, each a run, that finish whatever happens."
    )
    group.command("plan")(plan)
    group.command("run")(run)
    group.command("resume")(resume)
    group.command("status")(status)
    group.command("table")(table)
    group.command("repair")(repair)
    group.command("list")(list_sweeps)
    app.add(group)


def plan(
    spec: _Spec,
    seed: _Seed = None,
    out: _Out = None,
    dry_run: DryRun = False,
    format: TextFormat = "text",
) -> None:
    """Draw the points of a sweep and write them down, without running one.

    The plan goes into the ledger: after `aexp sync`, any clone can run it, or a share of it.
    """
    from aexp.cli.sweep_output import plan_json, say_plan
    from aexp.sweep.preview import preview

    layout = open_layout()
    if dry_run:
        seen = preview(spec, seed)
        if format == "json":
            say_json(seen.to_json())
        else:
            say_plan(seen)
            say("nothing was written")
        return
    with _warnings(note):
        sweep = _new(layout, spec, seed=seed, out=out).plan()
    if format == "json":
        say_json(plan_json(sweep))
        return
    say(f"sweep {sweep.sweep_id}: {len(sweep.points)} points, seed {sweep.manifest.header.seed}")
    say(f"run it with `aexp sweep resume {sweep.sweep_id}`, also on another machine after a sync")


def run(
    spec: _Spec,
    seed: _Seed = None,
    out: _Out = None,
    backend: _Backend = None,
    workers: _Workers = None,
    shard: _Shard = None,
    format: TextFormat = "text",
) -> None:
    """Plan a sweep and run its points.

    When it is interrupted or killed, `aexp sweep resume` goes on with it: nothing runs twice.
    """
    from aexp.sweep.sharing import parse_shard

    layout = open_layout()
    share = None if shard is None else parse_shard(shard)
    with _progress(format) as progress, _pool_of_spec(layout, spec, backend, workers) as pool:
        sweep = _new(layout, spec, seed=seed, out=out, backend=pool, reporter=progress)
        if share is None:
            _drive(sweep, sweep.run, format)
        else:
            sweep.plan()
            _drive(sweep, partial(sweep.resume, shard=share), format, shard=share)


def resume(
    sweep: _Which,
    backend: _Backend = None,
    workers: _Workers = None,
    shard: _Shard = None,
    repair: Annotated[
        bool,
        Option("--repair", help="Run finished points again whose output is gone or damaged."),
    ] = False,
    fresh: _Fresh = False,
    allow_script_drift: _Drift = False,
    format: TextFormat = "text",
) -> None:
    """Run the points of a sweep that failed or never ended, and no other.

    A sweep of another machine goes on from git alone: its plan and what was finished are in the
    ledger (`aexp sync` first).
    """
    from aexp.sweep.sharing import parse_shard

    share = None if shard is None else parse_shard(shard)
    with (
        _progress(format) as progress,
        _opened(
            sweep, backend, workers, allow_script_drift=allow_script_drift, reporter=progress
        ) as opened,
    ):
        go = partial(opened.resume, repair=repair, fresh=fresh, shard=share)
        _drive(opened, go, format, shard=share)


def repair(
    sweep: _Which,
    backend: _Backend = None,
    workers: _Workers = None,
    allow_script_drift: _Drift = False,
    format: TextFormat = "text",
) -> None:
    """Run finished points again whose output is gone or damaged, and the rest of the sweep."""
    with (
        _progress(format) as progress,
        _opened(
            sweep, backend, workers, allow_script_drift=allow_script_drift, reporter=progress
        ) as opened,
    ):
        _drive(opened, partial(opened.resume, repair=True), format)


def status(
    sweep: Annotated[
        str | None,
        Argument(
            help="A sweep's id, the beginning of it, or the path of its folder; the newest"
            " when left out.",
            metavar="SWEEP",
        ),
    ] = None,
    format: TextFormat = "text",
) -> None:
    """Show how far a sweep is; from any terminal, and from any machine that has its plan."""
    from aexp.cli.sweep_output import say_status
    from aexp.sweep.redraw import redraw_problem_of
    from aexp.sweep.status import newest_id, status_of

    layout = open_for_reading()
    found = status_of(layout, sweep or newest_id(layout))
    if problem := redraw_problem_of(found.known):
        note(f"warning: {problem}")
    if format == "json":
        say_json(found.to_json())
    else:
        say_status(found)


def list_sweeps(format: TableFormat = "table") -> None:
    """List the sweeps that this clone knows of, newest first."""
    from aexp.cli.sweep_output import say_statuses
    from aexp.sweep.status import all_statuses

    statuses, broken = all_statuses(open_for_reading())
    if format == "json":
        say_json([found.to_json() for found in statuses])
    else:
        say_statuses(statuses)
    for sweep_id, reason in broken.items():
        note(f"sweep {sweep_id} cannot be read: {reason}")


def table(
    sweep: _Which,
    output: Annotated[
        Path | None,
        Option(
            "--output", "-o", metavar="FILE", help="Write it to a .csv, .parquet or .jsonl file."
        ),
    ] = None,
    dataset: Annotated[
        Path | None,
        Option(
            "--dataset", metavar="DIR", help="Write it as Parquet files, in parts, to a new folder."
        ),
    ] = None,
    gather: Annotated[
        str | None,
        Option("--gather", metavar="NAME", help="Which of the spec's outputs; else `table`."),
    ] = None,
    metrics: Annotated[
        bool, Option("--metrics", help="The final metrics, although there are outputs.")
    ] = False,
    index: Annotated[
        str | None,
        Option("--index", metavar="COLUMN", help="The column that tells rows apart."),
    ] = None,
    no_parameters: Annotated[
        bool, Option("--no-parameters", help="Leave out the values of the points.")
    ] = False,
    format: TextFormat = "text",
) -> None:
    """Gather what the points measured into one table, under their numbers.

    Without `outputs` in the spec it holds the final metrics, which come with the ledger, so that
    it works on every machine.
    """
    from aexp.cli.sweep_output import say_table, write_table
    from aexp.sweep.frames import SweepTable
    from aexp.sweep.known import find_sweep

    if output is not None and dataset is not None:
        raise UsageError("give --output or --dataset, not both")
    gathered = SweepTable(
        find_sweep(open_for_reading(), sweep),
        output=gather,
        metrics=metrics,
        parameters=not no_parameters,
        index=index,
    )
    if dataset is not None:
        rows = gathered.write_dataset(dataset)
        say(f"{dataset}: {rows} rows of {len(gathered)} points")
    elif output is not None:
        rows = write_table(gathered, output)
        say(f"{output}: {rows} rows of {len(gathered)} points")
    else:
        say_table(gathered, format)
    if gathered.missing:
        note(f"note: {gathered.problem}; {gathered.remedy}")


# --- driving -------------------------------------------------------------------------------------


@contextmanager
def _progress(format: str) -> Iterator[SweepProgress | None]:
    """Show how far a sweep is, unless JSON is asked for, and its warnings as one line each."""
    progress = SweepProgress() if format == "text" else None
    with progress or nullcontext(), _warnings(note if progress is None else progress.tell):
        yield progress


@contextmanager
def _warnings(tell: Callable[[str], None]) -> Iterator[None]:
    """Say each warning in a line, once."""

    def show(message: Warning | str, *args: object, **options: object) -> None:
        tell(f"warning: {message}")

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.simplefilter("always", RuntimeWarning)
        warnings.showwarning = show
        yield


def _new(layout: Layout, spec: Path, **options: Any) -> Sweep:
    from aexp.sweep import Sweep

    return Sweep(spec, repo_root=layout.root, **options)


@contextmanager
def _opened(
    which: str, backend: str | None, workers: int | None, **options: Any
) -> Iterator[Sweep]:
    """Open a sweep that is here, or whose folder is made of its plan."""
    from aexp.sweep import Sweep
    from aexp.sweep.known import open_folder
    from aexp.sweep.manifest import read_header
    from aexp.sweep.outcome import MANIFEST_FILE

    layout = open_layout()
    folder = open_folder(layout, which)
    options |= {"repo_root": layout.root}
    if backend is None and workers is None:
        yield Sweep.from_manifest(folder, **options)
        return
    given = read_header(folder / MANIFEST_FILE).spec.get("backend") or {}
    with _pool(layout, given, backend, workers) as pool:
        yield Sweep.from_manifest(folder, backend=pool, **options)


def _pool_of_spec(
    layout: Layout, spec: Path, backend: str | None, workers: int | None
) -> AbstractContextManager[Pool | None]:
    from aexp.sweep.spec import load_spec

    if backend is None and workers is None:
        return nullcontext()
    return _pool(layout, load_spec(spec).backend, backend, workers)


def _pool(layout: Layout, given: dict[str, Any], backend: str | None, workers: int | None) -> Pool:
    """Return the pool of a spec's settings with those of the command line over them."""
    from aexp.sweep.backends.base import open_pool

    settings = dict(given)
    if backend is not None and backend != settings.get("kind", "local"):
        settings = {"kind": backend}  # the other kind's settings mean nothing to this one
    if workers is not None:
        settings["workers"] = workers
    return open_pool(settings, layout)


def _drive(
    sweep: Sweep, go: Callable[[], object], format: str, shard: tuple[int, int] | None = None
) -> None:
    """Run what is left of a sweep, and say how it ended."""
    from aexp.cli.sweep_output import say_end
    from aexp.sweep.known import known_of
    from aexp.sweep.status import status_of_known

    try:
        go()
    except (KeyboardInterrupt, SystemExit):
        note(f"the sweep is interrupted; go on with `aexp sweep resume {sweep.sweep_id}`")
        raise
    found = status_of_known(known_of(sweep))
    if format == "json":
        say_json(found.to_json())
    else:
        say_end(found, shard)
    if found.counts["failed"]:
        raise PartialFailureError(
            f"{found.counts['failed']} of {found.total} points failed",
            hint=f"see `aexp sweep status {sweep.sweep_id}`; `aexp sweep resume"
            f" {sweep.sweep_id}` runs them again",
        )
