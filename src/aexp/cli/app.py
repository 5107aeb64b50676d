"""The typer application and its one error boundary."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import typer
from typer.exceptions import TyperException

import aexp
from aexp.cli import artifacts, install, ledger, runs, validate
from aexp.cli.output import fail
from aexp.errors import AexpError

app = typer.Typer(
    name="aexp",
    help="A git-native experiment ledger: record runs, push, pull, and trust what a finding claims.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"aexp {aexp.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
    ),
) -> None:
    """Options that stand before the command."""


for module in (install, artifacts, runs, ledger, validate):
    module.register(app)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its status (the console script).

    Every :class:`AexpError` ends in one line, a hint and its exit code. Anything unexpected goes
    to a log file that the one line names.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments in (["--version"], ["-V"]):
        print(f"aexp {aexp.__version__}")
        raise SystemExit(0)
    raise SystemExit(_run(arguments))


def _run(arguments: list[str]) -> int:
    try:
        code = app(args=arguments, prog_name="aexp", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except AexpError as error:
        return fail(error.message, error.hint, error.exit_code)
    except TyperException as error:
        context = getattr(error, "ctx", None)
        where = context.command_path if context is not None else "aexp"
        return fail(_one_line(error.format_message()), f"see `{where} --help`", error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        return fail("interrupted", None, 130)
    except BrokenPipeError:
        sys.stderr.close()
        return 141
    except Exception as error:
        return fail(*_unexpected(error))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _unexpected(error: Exception) -> tuple[str, str, int]:
    """Write the traceback to a file and return the line, the hint and the exit code."""
    import tempfile

    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    with tempfile.NamedTemporaryFile(
        "w", prefix=f"aexp-{stamp}-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        log.write(f"aexp {aexp.__version__}, Python {sys.version}\narguments: {sys.argv}\n\n")
        log.write("".join(traceback.format_exception(error)))
    return (
        f"unexpected {type(error).__name__}: {_one_line(str(error))}",
        f"this is a fault in aexp; the details are in {Path(log.name)}",
        70,
    )
