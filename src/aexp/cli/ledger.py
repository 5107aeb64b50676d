"""Commands of the ledger: promote, backfill, list, show."""

from __future__ import annotations

import json
from typing import Annotated

from aexp.cli import merging, proof, query
from aexp.cli.declare import Group, Option
from aexp.cli.options import MachineLabel, RunId, RunIds, TableFormat
from aexp.cli.output import count, note, say, say_json, table, within
from aexp.cli.progress import ProgressLine
from aexp.errors import CommitSkippedError, NotFoundError, PartialFailureError
from aexp.model.status import RETRACTED
from aexp.repo import check_machine_label, open_layout


def register(app: Group) -> None:
    """Add this group's commands to ``app``."""
    group = Group("ledger", "The committed facts: one small JSON file for each ended run.")
    group.command("promote")(promote)
    group.command("backfill")(backfill)
    group.command("list")(list_entries)
    group.command("show")(show)
    merging.register(group)
    proof.register(group)
    query.register_ledger(group)
    app.add(group)


def promote(
    run_ids: RunIds,
    machine_label: MachineLabel = None,
) -> None:
    """Write the ledger entries of ended runs, without committing them."""
    from aexp.ledger.promote import promote_record
    from aexp.runs.lookup import resolve_local_id
    from aexp.workspace.store import RunStore

    layout = open_layout()
    label = None if machine_label is None else check_machine_label(machine_label)
    ids = [resolve_local_id(layout, text) for text in run_ids]
    store = RunStore(layout)
    for job_id in dict.fromkeys(ids):
        done = promote_record(store, job_id, label=label, relabel=label is not None)
        say(f"{done.outcome:<10} {layout.relative(done.path)}")
        if done.entry["status"] == RETRACTED:
            note(f"run {job_id[:8]} is retracted: {done.entry.get('retracted', {}).get('reason')}")


def backfill(
    machine_label: MachineLabel = None,
    overwrite: Annotated[
        bool,
        Option(
            "--overwrite", help="Promote every ended run again; bytes change only with content."
        ),
    ] = False,
    commit: Annotated[
        bool, Option("--commit/--no-commit", help="Commit the ledger, and nothing else.")
    ] = True,
    hooks: Annotated[bool, Option("--hooks", help="Let git run its hooks for the commit.")] = False,
) -> None:
    """Bring every ended run of this machine into the ledger, and commit the ledger."""
    from aexp.ledger.backfill import backfill as run_backfill
    from aexp.ledger.commit import commit_ledger
    from aexp.workspace.store import RunStore

    layout = open_layout()
    label = None if machine_label is None else check_machine_label(machine_label)
    with ProgressLine() as progress:
        report = run_backfill(layout, label=label, overwrite=overwrite, progress=progress)
    say(
        f"{len(report.promoted)} promoted, {len(report.refreshed)} refreshed,"
        f" {len(report.skipped)} skipped, {len(report.failed)} failed"
    )
    for job_id, reason in report.failed.items():
        note(f"failed: {job_id}: {within(layout.root, reason)}")
    for path in report.replaced:
        note(f"a corrupt entry was replaced; what stood there is kept in {path}")
    if report.elsewhere:
        runs = count(len(report.elsewhere), "run belongs", "runs belong")
        note(f"{runs} to other work trees of this repository")
    skipped: CommitSkippedError | None = None
    if commit:
        try:
            _say_commit(commit_ledger(layout, hooks=hooks))
        except CommitSkippedError as error:
            skipped = error
    if report.failed:
        if skipped is not None:
            note(skipped.message)
        raise PartialFailureError(
            f"{len(report.failed)} of the ended runs could not be promoted",
            hint="see the lines above; the others are in the ledger",
        )
    if skipped is not None and RunStore(layout).exists():
        raise skipped
    if skipped is not None:
        note(skipped.message)


def _say_commit(done: object) -> None:
    from aexp.ledger.commit import LedgerCommit

    assert isinstance(done, LedgerCommit)
    for path, reason in done.skipped_files.items():
        note(f"left out of the commit: {path}: {reason}")
    if done.commit is None:
        say("nothing to commit: the ledger is committed")
    else:
        say(f"committed {count(len(done.paths), 'ledger file')} as {done.commit[:8]}")
    if done.other:
        more = f" and {len(done.other) - 3} more" if len(done.other) > 3 else ""
        note(f"not committed yet: {', '.join(done.other[:3])}{more} (other clones need them)")
    if done.push_command:
        say(f"to share: {done.push_command}")
    elif done.unpushed:
        say("to share: git push")


def list_entries(format: TableFormat = "table") -> None:
    """List the usable entries of the ledger."""
    from aexp.ledger.store import read_ledger
    from aexp.tree import WorkTree

    layout = open_layout()
    ledger = read_ledger(WorkTree(layout.root, has_git=layout.git_dir is not None))
    entries = [ledger.entries[job_id] for job_id in sorted(ledger.entries)]
    if format == "json":
        say_json(entries)
    elif not entries:
        say("the ledger is empty")
    else:
        table(
            ["RUN", "EXP", "STATUS", "MACHINE", "ENDED", "ATTEMPTS"],
            [
                [
                    entry["job_id"][:8],
                    str((entry.get("run_link") or {}).get("experiment_id") or "-"),
                    entry["status"],
                    entry["registered_machine"],
                    entry.get("ended_at", "-")[:19],
                    str(1 + len(entry.get("replicates") or ())),
                ]
                for entry in entries
            ],
        )
    bad = {p.path for p in ledger.problems if p.severity == "error"}
    if bad:
        note(f"{count(len(bad), 'file is', 'files are')} not usable; see `aexp validate`")


def show(run_id: RunId) -> None:
    """Print one ledger entry as it stands in its file."""
    from aexp.ledger.store import load_usable
    from aexp.runs.lookup import resolve_run_id

    layout = open_layout()
    job_id = resolve_run_id(layout, run_id)
    entry = load_usable(layout, job_id)
    if entry is None:
        raise NotFoundError(
            f"run {job_id} has no usable ledger entry",
            hint="run `aexp ledger backfill` on the machine that ran it, or see `aexp validate`",
        )
    say(json.dumps(entry, indent=2, sort_keys=True, ensure_ascii=False))
