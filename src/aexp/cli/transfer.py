"""Commands that share bytes: push, pull, and the remotes there are."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from aexp.cli.declare import Argument, Group, Option
from aexp.cli.options import DryRun, RegistryRoot, TableFormat, TextFormat
from aexp.cli.output import count, note, say, say_json, size_text, table
from aexp.cli.progress import ByteProgress
from aexp.errors import TransferError, UsageError
from aexp.repo import open_layout

if TYPE_CHECKING:
    from aexp.recording.sharing import Selection
    from aexp.registry.blobs import Blob
    from aexp.registry.remotes import Remote
    from aexp.registry.transfer import TransferReport
    from aexp.repo import Layout

_WHAT = (
    "Run ids or their beginnings, experiments (E001), names or digests of artifacts, datasets"
    " (digits or digits@1.0.0)."
)
_Targets = Annotated[
    list[str],
    Argument(
        help=_WHAT,
        metavar="RUN|EXPERIMENT|NAME",
    ),
]
_Remote = Annotated[
    str | None,
    Option(
        "--remote", "-r", metavar="NAME", help="A remote of aexp.yaml, or a URL; else the default."
    ),
]
_LISTED = 10
"""So many names are said; of more, their number."""


def register(app: Group) -> None:
    """Add the commands to ``app``, which is the whole application or the group ``registry``."""
    app.command("push")(push)
    app.command("pull")(pull)


def push(
    targets: Annotated[
        list[str] | None,
        Argument(
            help=_WHAT,
            metavar="RUN|EXPERIMENT|NAME",
        ),
    ] = None,
    remote: _Remote = None,
    everything: Annotated[
        bool,
        Option("--all", help="Every named artifact, dataset and ended run of this clone."),
    ] = False,
    verify: Annotated[
        bool,
        Option("--verify", help="Read back what the remote has, and replace what is wrong."),
    ] = False,
    dry_run: DryRun = False,
    root: RegistryRoot = None,
    format: TextFormat = "text",
) -> None:
    """Copy the bytes of runs, sessions and datasets to a remote, for other clones to pull.

    What the remote has already is not sent again, and a push that was interrupted continues. The
    facts travel by git: `aexp sync`.
    """
    from aexp.recording.sharing import select_all, select_to_push
    from aexp.registry import open_registry
    from aexp.registry.transfer import Options
    from aexp.registry.transfer import push as run_push

    if everything == bool(targets):
        raise UsageError("name what to push, or give --all", hint="for example: aexp push E001")
    layout = open_layout()
    registry = open_registry(layout, root)
    reporter = Reporter()
    with _open(layout, remote) as there:
        chosen = (
            select_all(layout, registry)
            if everything
            else select_to_push(layout, registry, targets or [])
        )
        options = Options(reporter=reporter, dry_run=dry_run, verify=verify)
        report = run_push(layout, registry, there, chosen.parcels, options)
    _say_report("push", report, chosen, format)


def pull(
    targets: _Targets,
    remote: _Remote = None,
    replace: Annotated[
        bool,
        Option("--replace", help="Let a name that stands for something else here move."),
    ] = False,
    verify: Annotated[
        bool,
        Option("--verify", help="Read what is here already, and fetch anew what is damaged."),
    ] = False,
    dry_run: DryRun = False,
    root: RegistryRoot = None,
    format: TextFormat = "text",
) -> None:
    """Copy the bytes of runs, sessions and datasets from a remote into the registry here.

    The ledger says what belongs to them, so that it works in a fresh clone: `aexp sync` first.
    Every byte is verified; what is damaged on the remote is reported, and not taken.
    """
    from aexp.recording.sharing import select_to_pull
    from aexp.registry import open_registry
    from aexp.registry.transfer import Options
    from aexp.registry.transfer import pull as run_pull

    layout = open_layout()
    registry = open_registry(layout, root)
    options = Options(reporter=Reporter(), dry_run=dry_run, verify=verify)
    with _open(layout, remote) as there:
        chosen = select_to_pull(layout, registry, there, targets, options, replace_names=replace)
        report = run_pull(registry, there, chosen.parcels, options)
    _say_report("pull", report, chosen, format)
    if report.problems:
        raise TransferError(
            f"{count(len(report.problems), 'blob')} could not be pulled from {report.remote}",
            hint="push them again, with --verify, where they are; then pull again",
        )


def remotes(format: TableFormat = "table") -> None:
    """List the remotes that aexp.yaml names."""
    from aexp.repo import load_remotes

    known = load_remotes(open_layout())
    if format == "json":
        say_json(
            [
                {
                    "name": name,
                    "url": address.url,
                    "endpoint_url": address.endpoint,
                    "default": name == known.default,
                }
                for name, address in known.addresses.items()
            ]
        )
        return
    if not known.addresses:
        say("no remotes: write remotes: {lab: sftp://host/path} into aexp.yaml")
        return
    rows = [
        (name, address.url, "default" if name == known.default else "")
        for name, address in known.addresses.items()
    ]
    table(("NAME", "URL", ""), rows)


def _open(layout: Layout, name: str | None) -> contextlib.closing[Remote]:
    from aexp.registry.remotes import open_remote
    from aexp.repo import choose_remote

    return contextlib.closing(open_remote(layout, choose_remote(layout, name)))


class Reporter:
    """Shows how a transfer goes: a bar on a terminal, and each try that failed."""

    def __init__(self) -> None:
        self._bar: ByteProgress | None = None

    def begin(self, what: str, count: int, size: int) -> None:
        """Show a new bar."""
        self.end()
        self._bar = ByteProgress(what, size)

    def advance(self, size: int) -> None:
        """Move the bar by so many bytes."""
        if self._bar is not None:
            self._bar.add(size)

    def retrying(self, problem: str, number: int, delay_s: float) -> None:
        """Say what failed, and when it is tried again."""
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
        note(f"{problem}; retry {number} in {delay_s:g} s")

    def end(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
        self._bar = None


_WORDS = {"push": ("pushed", "sent", "send"), "pull": ("pulled", "fetched", "fetch")}


def _say_report(verb: str, report: TransferReport, chosen: Selection, format: str) -> None:
    if format == "json":
        say_json(_as_json(report, chosen))
        return
    past, moved, move = _WORDS[verb]
    for job_id in chosen.without_bytes:
        say(f"run {job_id} recorded no bytes: the ledger has all there is of it")
    for name, reason in chosen.left_out.items():
        note(f"left out: {name}: {reason}")
    if report.dry_run:
        if report.copied:
            table(("BLOB", "SIZE"), [(b.digest, size_text(b.size)) for b in report.copied])
        there = f"; {_amount(report.there)} there already" if report.there else ""
        say(f"would {move} {_amount(report.copied)}{there}")
        _say_problems(report)
        say("nothing was changed")
        return
    for name in report.done[:_LISTED]:
        say(f"{past} {name}")
    if len(report.done) > _LISTED:
        say(f"{past} {len(report.done) - _LISTED} more")
    for digest in report.mended:
        say(f"replaced {digest}, which was wrong on {report.remote}")
    where = f"to {report.remote}" if verb == "push" else f"from {report.remote}"
    if report.copied:
        there = f"; {_amount(report.there)} there already" if report.there else ""
        say(f"{_amount(report.copied)} {moved} {where}{there}")
    elif report.there:
        say(f"nothing to {move}: {_amount(report.there)} there already")
    _say_problems(report)


def _say_problems(report: TransferReport) -> None:
    for problem in report.problems.values():
        note(f"not pulled: {problem}")


def _amount(blobs: Sequence[Blob]) -> str:
    return f"{count(len(blobs), 'blob')} ({size_text(sum(blob.size for blob in blobs))})"


def _as_json(report: TransferReport, chosen: Selection) -> dict[str, Any]:
    return {
        "remote": report.remote,
        "dry_run": report.dry_run,
        "copied": [{"digest": blob.digest, "size": blob.size} for blob in report.copied],
        "there": {"blobs": len(report.there), "size": sum(blob.size for blob in report.there)},
        "done": list(report.done),
        "refs": report.refs,
        "retries": report.retries,
        "mended": list(report.mended),
        "problems": dict(report.problems),
        "without_bytes": list(chosen.without_bytes),
        "left_out": dict(chosen.left_out),
    }
