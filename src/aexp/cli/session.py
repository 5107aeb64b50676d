"""``aexp session``: recording sessions, committed ones and those that were cut off."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from aexp.cli.declare import Argument, Group, Option
from aexp.cli.opening import open_for_reading
from aexp.cli.options import TableFormat, TextFormat
from aexp.cli.output import count, say, say_json, table
from aexp.repo import open_layout

if TYPE_CHECKING:
    from aexp.model.canonical import Json
    from aexp.model.session import RunFacts
    from aexp.recording.listing import CommittedSession, SavedSession, SessionContent

_SHORT = 12
_Checkpoint = Annotated[
    str, Argument(help="The id of a checkpoint, or a session's name.", metavar="CHECKPOINT")
]


def register(app: Group) -> None:
    """Add this group's commands to ``app``."""
    group = Group(
        "session", "Recording sessions: committed ones, and checkpoints of those that were cut off."
    )
    group.command("list")(list_sessions)
    group.command("show")(show)
    group.command("restore")(restore)
    group.command("commit")(commit)
    group.command("discard")(discard)
    app.add(group)


def list_sessions(
    checkpoints: Annotated[
        bool, Option("--checkpoints", help="List the sessions that are not committed.")
    ] = False,
    format: TableFormat = "table",
) -> None:
    """List the committed sessions that this clone knows of, or the checkpoints of others."""
    from aexp.recording.listing import committed_sessions, saved_sessions
    from aexp.registry import open_registry

    layout = open_for_reading()
    registry = open_registry(layout)
    if checkpoints:
        _show_saved(saved_sessions(registry), format)
    else:
        _show_committed(committed_sessions(layout, registry), format)


def _show_committed(found: list[CommittedSession], format: str) -> None:
    if format == "json":
        say_json([{**_fields(session), "digest": session.digest} for session in found])
        return
    if not found:
        say("no committed sessions")
        return
    rows = [
        [
            _name(session),
            _digits(session.digest),
            str(session.runs),
            session.committed_at[:16].replace("T", " "),
            session.where,
            session.machine,
        ]
        for session in found
    ]
    table(["NAME", "DIGEST", "RUNS", "COMMITTED", "WHERE", "MACHINE"], rows)


def _name(session: CommittedSession) -> str:
    is_past = session.where != "ledger" and not session.is_current
    return (session.name or "-") + (" (before)" if is_past else "")


def _fields(session: CommittedSession) -> dict[str, Json]:
    return {
        "name": session.name,
        "current": session.is_current,
        "runs": session.runs,
        "committed_at": session.committed_at,
        "machine": session.machine,
        "experiment_id": session.experiment_id,
        "session": session.session_id,
        "where": session.where,
    }


def _show_saved(found: list[SavedSession], format: str) -> None:
    if format == "json":
        say_json([_saved_json(saved) for saved in found])
        return
    if not found:
        say("no checkpoints")
        return
    rows = [
        [
            saved.checkpoint_id,
            saved.name or "-",
            "damaged" if saved.facts is None else saved.facts.status,
            "?" if saved.facts is None else str(saved.facts.runs),
            _moment(saved.saved_at),
            "-" if saved.owner is None else saved.owner.describe(),
        ]
        for saved in found
    ]
    table(["CHECKPOINT", "NAME", "STATUS", "RUNS", "SAVED", "OWNER"], rows)


def _saved_json(saved: SavedSession) -> dict[str, Json]:
    return {
        "checkpoint": saved.checkpoint_id,
        "name": saved.name,
        "status": None if saved.facts is None else saved.facts.status,
        "reason": None if saved.facts is None else saved.facts.reason or None,
        "runs": None if saved.facts is None else saved.facts.runs,
        "next_run": None if saved.facts is None else saved.facts.next_run,
        "saved_at": datetime.fromtimestamp(saved.saved_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "owner": None if saved.owner is None else saved.owner.describe(),
        "problem": saved.problem,
    }


def show(
    session: Annotated[
        str,
        Argument(
            help="A name, a digest or the beginning of one, or the id of a checkpoint.",
            metavar="SESSION",
        ),
    ],
    format: TextFormat = "text",
) -> None:
    """Show what a session holds: its runs with their parameters, and its attachments."""
    from aexp.recording.listing import look_up
    from aexp.registry import open_registry

    layout = open_for_reading()
    content = look_up(layout, open_registry(layout), session)
    if format == "json":
        say_json(_content_json(content))
        return
    for name, value in _head(content).items():
        if value is not None:
            say(f"{name + ':':<12} {value}")
    if content.record is not None and content.session is None:
        say(f"its bytes are not here; `aexp pull {session}` brings them")
        table(["RUN", "ID"], [[str(n), j] for n, j in sorted(content.record.runs.items())])
        return
    if content.runs:
        rows = [[str(run.number), run.job_id[:8], run.status, _params(run)] for run in content.runs]
        table(["RUN", "ID", "STATUS", "PARAMETERS"], rows)
    if content.session is not None and content.session.attachments:
        say("attachments:")
        rows = [[a.name, a.media_type, str(a.size)] for a in content.session.attachments]
        table(["NAME", "MEDIA TYPE", "BYTES"], rows, indent="  ")


def _head(content: SessionContent) -> dict[str, Json]:
    session, record, saved = content.session, content.record, content.checkpoint
    known: Any = session if session is not None else record
    return {
        "name": known.name or "-",
        "session": known.session_id,
        "status": content.status + ("" if saved is None else " (not committed)"),
        "reason": None if saved is None else saved.reason or None,
        "digest": content.digest,
        "experiment": known.experiment_id,
        "machine": known.machine,
        "ledger": None if saved is not None else "recorded" if record else "not recorded",
    }


def _content_json(content: SessionContent) -> dict[str, Json]:
    head = _head(content)
    runs = [
        {
            "run": run.number,
            "job_id": run.job_id,
            "status": run.status,
            "parameters": run.parameters,
            "attachments": [item.to_json() for item in run.attachments],
        }
        for run in content.runs
    ]
    if content.record is not None and content.session is None:
        runs = [{"run": n, "job_id": j} for n, j in sorted(content.record.runs.items())]
    session = content.session
    return {
        "kind": content.kind,
        "name": None if head["name"] == "-" else head["name"],
        "session": head["session"],
        "status": content.status,
        "reason": head["reason"],
        "digest": content.digest,
        "experiment_id": head["experiment"],
        "machine": head["machine"],
        "recorded": content.record is not None,
        "runs": runs,
        "attachments": [a.to_json() for a in session.attachments] if session else [],
    }


def restore(checkpoint: _Checkpoint) -> None:
    """Free a session whose process is gone, and say how to go on with it in Python."""
    from aexp.recording.restore import release
    from aexp.registry import open_registry

    layout = open_layout()
    stored = release(layout, open_registry(layout), checkpoint)
    name = stored.session.name or "anonymous"
    say(f"session {stored.session_id} ({name}) is whole: {count(stored.facts.runs, 'closed run')}")
    if stored.facts.reason:
        say(f"  it {stored.facts.status}: {stored.facts.reason}")
    say("go on with it in Python:")
    say("  from aexp.experiment import Experiment")
    say(f"  experiment = Experiment.restore_from_checkpoint({stored.session_id!r})")
    say(f"or seal it as it is: aexp session commit {stored.session_id}")


def commit(
    checkpoint: _Checkpoint,
    name: Annotated[
        str | None, Option("--name", metavar="NAME", help="Another name than its own.")
    ] = None,
    replace: Annotated[
        bool, Option("--replace", help="Take the name from what it stands for by now.")
    ] = False,
) -> None:
    """Seal a session that was cut off, with the runs that its checkpoint holds."""
    from aexp.recording.restore import commit_checkpoint
    from aexp.registry import open_registry

    layout = open_layout()
    sealed = commit_checkpoint(
        layout, open_registry(layout), checkpoint, name, replace_name=replace
    )
    say(f"committed {sealed.name or 'without a name'}: {count(len(sealed.facts.runs), 'run')}")
    say(f"  {sealed.descriptor.digest}")


def discard(
    checkpoint: _Checkpoint,
    delete: Annotated[
        bool, Option("--delete", help="Do it; without it nothing is changed.")
    ] = False,
) -> None:
    """Give a session up: its checkpoint goes, its runs stay in the ledger."""
    from aexp.recording import listing
    from aexp.registry import open_registry

    registry = open_registry(open_layout())
    ref = listing.one_checkpoint(registry, checkpoint)
    saved = listing.saved_session(registry, ref)
    runs = "an unknown number of runs" if saved.facts is None else count(saved.facts.runs, "run")
    say(f"checkpoint {saved.checkpoint_id} ({saved.name or 'anonymous'}): {runs}")
    if not delete:
        say("Dry Run: nothing was changed; pass --delete to apply")
        return
    listing.discard(registry, ref)
    say("removed; the runs stay as they are, and what only the session held goes with the next gc")


def _digits(digest: str) -> str:
    return digest.removeprefix("sha256:")[:_SHORT]


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def _params(run: RunFacts) -> str:
    shown = (
        f"{key}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for key, value in run.parameters.items()
    )
    return " ".join(shown)
