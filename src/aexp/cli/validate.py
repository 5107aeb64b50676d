"""``aexp validate`` and ``aexp runs-export-index``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from aexp.cli.declare import Group, Option
from aexp.cli.output import note, say, say_json
from aexp.errors import UsageError

if TYPE_CHECKING:
    from aexp.validate import Mode, ValidationResult


def register(app: Group) -> None:
    """Add this group's commands to ``app``."""
    app.command("validate")(validate)
    app.command("runs-export-index")(runs_export_index)


def validate(
    kb_only: Annotated[
        bool, Option("--kb-only", help="Check artifacts and the shape of citations only.")
    ] = False,
    runs_only: Annotated[
        bool, Option("--runs-only", help="Check runs, ledger and indexes only.")
    ] = False,
    strict_runs: Annotated[
        Literal["error", "warn", "off"],
        Option("--strict-runs", help="What a citation of a run that nobody knows is."),
    ] = "error",
    staged: Annotated[
        bool,
        Option("--staged", help="Check what is staged; inside a commit hook that is the default."),
    ] = False,
    worktree: Annotated[
        bool, Option("--worktree", help="Check the files on disk, inside a commit hook too.")
    ] = False,
    output: Annotated[
        Literal["text", "json", "sarif", "github"],
        Option(
            "--format",
            help="How to show the result: for people, for programs, for code scanning, or as "
            "annotations of a GitHub workflow.",
        ),
    ] = "text",
) -> None:
    """Check what the findings claim against the runs that are known.

    Exits 0 when there is no error (warnings are allowed), 1 when there is one, 2 on wrong usage.
    """
    from aexp.settings import hook_index_file
    from aexp.validate import validate_repo

    if staged and worktree:
        raise UsageError("--staged and --worktree exclude each other", hint="leave one of them out")
    if kb_only and runs_only:
        raise UsageError(
            "--kb-only and --runs-only exclude each other", hint="leave both out to check all"
        )
    mode: Mode = "kb" if kb_only else "runs" if runs_only else "full"
    staged = staged or (hook_index_file() is not None and not worktree)
    result = validate_repo(mode=mode, strict_runs=strict_runs, staged=staged)
    _show(result, output)
    if not result.ok:
        raise SystemExit(1)


def _show(result: ValidationResult, output: str) -> None:
    """Print the result in one of the formats; all of them say the same."""
    from aexp.validate import CODES

    if output == "json":
        from aexp.validate.render import as_json

        say_json(as_json(result))
    elif output == "sarif":
        from aexp import __version__
        from aexp.validate.sarif import as_sarif

        say_json(as_sarif(result, CODES, version=__version__))
    elif output == "github":
        from aexp.validate.github import as_github

        for line in as_github(result, CODES):
            say(line)
    else:
        from aexp.validate.render import as_text

        for line in as_text(result, CODES, width=_width()):
            say(line)


def runs_export_index(
    label: Annotated[
        str | None,
        Option(
            "--as", "--machine-label", metavar="LABEL", help="Use this label, not the machine's."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        Option("--out", metavar="PATH", help="The file to write, inside the repository."),
    ] = None,
) -> None:
    """Write which terminal runs this machine has (`aexp ledger backfill` replaces this)."""
    from aexp.repo import open_layout
    from aexp.runs_index import write_index

    layout = open_layout()
    export = write_index(layout.root, out=out, machine_label=label)
    entries = len(export.index["entries"])
    say(f"wrote {layout.relative(export.path)}: {entries} {'run' if entries == 1 else 'runs'}")
    if export.kept:
        note(f"kept {export.kept} of them, which this machine's run store does not have")
    note("note: indexes are deprecated; `aexp ledger backfill` shares whole runs instead")


def _width() -> int | None:
    """Return the terminal's width; None when the output goes elsewhere, one line per issue."""
    shown = sys.stdout is not None and sys.stdout.isatty()
    if not shown:
        return None
    import shutil  # slow to import

    return shutil.get_terminal_size().columns
