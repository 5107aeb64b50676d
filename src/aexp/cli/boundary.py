"""The one error boundary: every command line ends here, in a line, a hint and an exit code."""

from __future__ import annotations

import atexit
import contextlib
import errno
import gc
import os
import re
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import aexp
from aexp.cli.output import (
    be_lenient,
    discard_output,
    fail,
    flush,
    note,
    one_line,
    say,
    within,
)
from aexp.errors import AexpError, NotARepositoryError, StorageError

INTERRUPTED = 130
BROKEN_PIPE = 141
UNEXPECTED = 70
_REFUSALS = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO),
    *(errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.ENAMETOOLONG, errno.ELOOP),
)
"""What a machine answers that has a problem of its own, and no fault of ours."""


def program() -> None:
    """Run the command line as a program of its own (the console script).

    Python takes a while to take apart what a command has read of a large repository, object by
    object, only to end. Where nothing else is going on, the process ends at once instead.
    """
    code = 0
    try:
        main()
    except SystemExit as stop:
        if threading.active_count() > 1 or not isinstance(stop.code, int):
            raise
        code = stop.code
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # told already, or closed
            stream.flush()
    os._exit(code)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its status (the console script).

    Every :class:`AexpError` ends in one line, a hint and its exit code (trap 32), and so does
    what the disk refuses. Anything unexpected goes to a log file that the one line names.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    be_lenient()
    # What a command reads, it keeps until it ends: looking for garbage in it only takes time.
    gc.set_threshold(1_000_000, 50, 100)
    try:
        try:
            code = _run(arguments)
        finally:
            flush()
    except KeyboardInterrupt:  # while the commands were loaded, or at the last flush
        code = INTERRUPTED
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        discard_output()
        code = BROKEN_PIPE
    except OSError as error:  # our own output goes to a full disk
        discard_output()
        hint = "check the disk that the output goes to"
        code = fail(f"cannot write the output: {error.strerror}", hint, StorageError.exit_code)
    raise SystemExit(code)


def _run(arguments: list[str]) -> int:
    if arguments in (["--version"], ["-V"]):
        say(f"aexp {aexp.__version__}")
        return 0
    from aexp.cli.plain import plain_call

    streams = sys.stdout, sys.stderr
    try:
        plain = plain_call(arguments)
        code = _typed(arguments) if plain is None else plain[0](**plain[1])
        return code if isinstance(code, int) else 0
    except AexpError as error:
        hint = error.hint or error.usual_hint
        return fail(_from_root(error.message), hint, error.exit_code)
    except KeyboardInterrupt:
        return fail("interrupted", None, INTERRUPTED)
    except SystemExit as stop:
        # typer meets a broken pipe before we do, and makes an ordinary exit of it.
        sys.stdout, sys.stderr = streams
        if isinstance(stop.__context__, BrokenPipeError):
            raise stop.__context__ from None
        raise
    except OSError as error:
        if error.filename is None and error.errno in (errno.EPIPE, errno.ENOSPC, errno.EIO):
            raise  # our own output
        if _is_nowhere():
            gone = NotARepositoryError("the working directory does not exist any more")
            return fail(gone.message, "go to one that does: cd …", gone.exit_code)
        if error.errno not in _REFUSALS:
            return fail(*_unexpected(error, arguments))
        where = os.fsdecode(error.filename or "the disk")
        hint = "check the permissions, and that the disk works and has room"
        return fail(_from_root(f"{where}: {error.strerror}"), hint, StorageError.exit_code)
    except Exception as error:
        return fail(*_unexpected(error, arguments))


def _typed(arguments: list[str]) -> object:
    """Run what takes typer to understand: help, mistakes, and whatever is not plain."""
    import typer
    from typer.exceptions import TyperException

    from aexp.cli.application import application_for

    try:
        application = application_for(arguments)
        return application(args=arguments, prog_name="aexp", standalone_mode=False)
    except TyperException as error:
        context = getattr(error, "ctx", None)
        where = context.command_path if context is not None else _command_path(arguments)
        message = error.format_message()
        if message.startswith("Usage: "):  # no arguments, which asks for the help
            note(message)
            return error.exit_code
        return fail(*_told(one_line(message), where), error.exit_code)
    except typer.Abort:
        raise KeyboardInterrupt from None


def _is_nowhere() -> bool:
    """Return whether the working directory has been removed."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False


def _from_root(message: str) -> str:
    """Return a message with the paths of this repository relative to its root."""
    from aexp.repo import open_layout

    try:
        return within(open_layout(require_git=False).root, message)
    except (AexpError, OSError):
        return message


def _command_path(arguments: Sequence[str]) -> str:
    """Return the command that a command line names, for complaints that do not know it."""
    from aexp.cli.commands import PANELS

    names = {name for modules in PANELS.values() for known in modules.values() for name in known}
    return f"aexp {arguments[0]}" if arguments and arguments[0] in names else "aexp"


_SUGGESTION = re.compile(r"(.*?)(?: Did you mean (.*)\?| \(Possible options: (.*)\))")


def _told(message: str, where: str) -> tuple[str, str]:
    """Return a complaint of typer's as an error and a hint: what it suggests goes to the hint."""
    message = message.replace(": Value error, ", ": ")
    if found := _SUGGESTION.fullmatch(message):
        near = found[2] or found[3]
        return found[1], f"did you mean {near}? See `{where} --help`"
    return message, f"see `{where} --help`"


def _unexpected(error: Exception, arguments: Sequence[str]) -> tuple[str, str, int]:
    """Write the traceback to a file and return the line, the hint and the exit code."""
    import tempfile
    import traceback

    from aexp.clock import utc_now

    message = f"unexpected {type(error).__name__}: {one_line(str(error))}"
    trace = "".join(traceback.format_exception(error))
    stamp = utc_now().strftime("%Y%m%dT%H%M%SZ")
    try:
        with tempfile.NamedTemporaryFile(
            "w",
            prefix=f"aexp-{stamp}-",
            suffix=".log",
            delete=False,
            encoding="utf-8",
            errors="backslashreplace",
        ) as log:
            log.write(f"aexp {aexp.__version__}, Python {sys.version}\n")
            log.write(f"arguments: {list(arguments)}\n\n{trace}")
    except OSError:
        note(trace)
        return message, "this is a fault in aexp; no log file could be written", UNEXPECTED
    return message, f"this is a fault in aexp; the details are in {log.name}", UNEXPECTED
