"""``aexp execution``: what executions there are, and what to do about those left half-way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self

from aexp.cli.declare import Argument, Group, Option
from aexp.cli.opening import open_for_reading
from aexp.cli.options import TableFormat, TextFormat
from aexp.cli.output import count, note, one_line, say, say_json, size_text, table, within
from aexp.cli.progress import ByteProgress
from aexp.errors import PartialFailureError
from aexp.repo import open_layout

if TYPE_CHECKING:
    from aexp.execution.cleaning import Cleaning
    from aexp.execution.progress import UploadProgress
    from aexp.execution.records import ExecutionRecord

_Which = Annotated[
    str, Argument(help="An execution's id, or the beginning of it.", metavar="EXECUTION")
]
_Force = Annotated[
    bool,
    Option("--force", help="Also while another live process runs or publishes it."),
]


def register(app: Group) -> None:
    """Add this group's commands to ``app``."""
    group = Group("execution", "Executions: runs with declared inputs and published outputs.")
    group.command("list")(list_executions)
    group.command("show")(show)
    group.command("publish")(publish)
    group.command("abort")(abort)
    group.command("clean")(clean)
    app.add(group)
    runs = Group("runs", "Folders of runs.")
    runs.callback = _runs
    runs.command("clean")(clean)
    app.add(runs)


def _runs() -> None:
    """Folders of runs."""


def list_executions(
    status: Annotated[
        str | None,
        Option("--status", "-s", metavar="STATE", help="Only those in this state."),
    ] = None,
    incomplete: Annotated[
        bool,
        Option("--incomplete", help="Only those of this machine that are not Uploaded or Aborted."),
    ] = False,
    format: TableFormat = "table",
) -> None:
    """List the executions of this machine and of the ledger, oldest first."""
    from aexp.execution.repository import Repository
    from aexp.model.execution import check_state

    wanted = None if status is None else check_state(status)
    repo = Repository(open_for_reading())
    found = repo.find_incomplete_executions() if incomplete else repo.list_executions()
    found = [each for each in found if wanted in (None, each.status)]
    if format == "json":
        say_json([each.to_json() for each in found])
        return
    if not found:
        say("no executions")
        return
    table(["EXECUTION", "STATE", "WORKFLOW", "BEGAN", "WHERE", "MESSAGE"], [*map(_row, found)])


def _row(record: ExecutionRecord) -> list[str]:
    error = record.error
    said = record.message or (f"{error.get('type')}: {error.get('message')}" if error else "")
    return [
        record.execution_rid[:8],
        record.status.value,
        str(record.workflow.get("name") or "-"),
        (record.started_at or "-")[:16].replace("T", " "),
        record.where,
        one_line(said),
    ]


def show(execution: _Which, format: TextFormat = "text") -> None:
    """Show one execution: its state, workflow, inputs and outputs."""
    from aexp.cli.execution_output import execution_of, fact_lines
    from aexp.execution.repository import Repository

    record = Repository(open_for_reading()).lookup_execution(execution)
    outputs = [each.to_json() for each in record.outputs]
    facts = {**(execution_of(record.view) or {}), "outputs": outputs}
    if format == "json":
        say_json({**facts, **record.to_json()})
        return
    say(f"execution {record.execution_rid}")
    for name, value in fact_lines(facts):
        _fact(name, value)
    if record.error is not None and "error" not in facts:
        _fact("error", f"{record.error.get('type')}: {record.error.get('message')}")
    for name, moment in (("started", record.started_at), ("ended", record.ended_at)):
        if moment:
            _fact(name, moment)
    _fact("where", record.where + (f" (run on {record.machine})" if record.machine else ""))


def _fact(name: str, value: str) -> None:
    say(f"{name + ':':<13} {value}")


def publish(
    execution: _Which,
    max_retries: Annotated[
        int, Option("--max-retries", min=0, metavar="N", help="Tries after the first.")
    ] = 3,
    retry_delay: Annotated[
        float,
        Option("--retry-delay", min=0, metavar="S", help="Seconds before the first; it doubles."),
    ] = 5.0,
    without: Annotated[
        list[str] | None,
        Option("--without", metavar="KIND/NAME", help="Leave out this staged file; repeatable."),
    ] = None,
    force: _Force = False,
    format: TextFormat = "text",
) -> None:
    """Publish what an execution of this machine has staged, also one whose process was killed.

    What has arrived already is not sent again, and the work is not done again. A file that was
    registered and never written keeps the others back until it is left out.
    """
    from aexp.execution.repository import Repository
    from aexp.model.execution import ExecutionStatus

    resumed = Repository(open_layout()).resume_execution(execution, force=force)
    for label in without or ():
        resumed.withdraw_asset(*label.partition("/")[::2])
    if resumed.status is ExecutionStatus.Running:
        resumed.update_status(ExecutionStatus.Pending_Upload, resumed.message)
        note(f"execution {resumed.execution_rid[:8]} was never ended by its process, which is gone")
    with PublishBar() as bar:
        published = resumed.upload_execution_outputs(
            max_retries=max_retries, retry_delay=retry_delay, progress_callback=bar.show
        )
    files = {kind: [path.asset_rid for path in paths] for kind, paths in published.items()}
    if format == "json":
        say_json(
            {
                "execution_rid": resumed.execution_rid,
                "state": resumed.status.value,
                "published": files,
            }
        )
        return
    for kind, paths in sorted(published.items()):
        for path in paths:
            say(f"{path.asset_rid}  {kind}/{path.file_name}")
    number = sum(map(len, files.values()))
    what = f"{count(number, 'file')} published" if number else "no file to publish"
    say(f"execution {resumed.execution_rid[:8]} is {resumed.status.value}: {what}")


class PublishBar:
    """Shows how a publication goes: a bar on a terminal, and each try that failed."""

    def __init__(self) -> None:
        self._bar: ByteProgress | None = None
        self._phase = ""

    def show(self, progress: UploadProgress) -> None:
        """Show one look at it."""
        if progress.message:
            note(progress.message)
        if progress.phase != self._phase or self._bar is None:
            self.__exit__()
            self._phase = progress.phase
            self._bar = ByteProgress(progress.phase)
        self._bar.show(progress.bytes_done, progress.bytes_total)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
        self._bar = None


def abort(
    execution: _Which,
    message: Annotated[
        str, Option("--message", "-m", metavar="TEXT", help="Why, for those who read it.")
    ] = "",
    force: _Force = False,
) -> None:
    """Give an execution up: it is Aborted for ever, and nothing of it is published."""
    from aexp.execution.repository import Repository

    resumed = Repository(open_layout()).resume_execution(execution, force=force)
    resumed.abort(message or resumed.message)
    say(f"execution {resumed.execution_rid[:8]} is {resumed.status.value}")


def clean(
    execution: Annotated[
        list[str] | None,
        Argument(help="Ids, or their beginnings; else all.", metavar="EXECUTION"),
    ] = None,
    apply: Annotated[bool, Option("--apply", help="Remove what was found.")] = False,
    format: TextFormat = "text",
) -> None:
    """Remove the working folders of published executions; report them, or do it with --apply.

    Files that were never registered stay, and so does every execution that is not Uploaded.
    """
    from aexp.execution.cleaning import clean as run_clean
    from aexp.execution.cleaning import plan_cleaning
    from aexp.execution.repository import Repository

    layout = open_layout()
    records = Repository(layout).list_executions()
    plan = plan_cleaning(layout, records, execution or ())
    done, failed = run_clean(layout, plan) if apply else ([], {})
    if format == "json":
        say_json(
            {
                "apply": apply,
                "folders": [_cleaning_json(layout.relative(one.folder), one) for one in plan],
                "removed": [one.execution_rid for one in done],
                "failed": failed,
            }
        )
    else:
        _say_cleaning(plan, done, apply=apply)
    for rid, reason in failed.items():
        note(f"left: {rid[:8]}: {within(layout.root, reason)}")
    if failed:
        raise PartialFailureError(f"{count(len(failed), 'working folder')} could not be removed")


def _cleaning_json(folder: str, one: Cleaning) -> dict[str, Any]:
    return {
        "execution_rid": one.execution_rid,
        "folder": folder,
        "files": one.files,
        "size": one.size,
        "kept": [path.relative_to(one.folder).as_posix() for path in one.kept],
        "reason": one.reason,
    }


def _say_cleaning(plan: list[Cleaning], done: list[Cleaning], *, apply: bool) -> None:
    if not plan:
        say("nothing to remove")
        return
    for one in plan:
        if one.reason is not None:
            if not apply:
                note(f"left: {one.execution_rid[:8]}: {one.reason}")
            continue
        kept = f"; {count(len(one.kept), 'unregistered file')} stay" if one.kept else ""
        say(f"{one.execution_rid[:8]}  {count(one.files, 'file')}, {size_text(one.size)}{kept}")
    if apply:
        say(f"removed {count(len(done), 'working folder')}")
    else:
        say("nothing was changed; add --apply to remove them")
