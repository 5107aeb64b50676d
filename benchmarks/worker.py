"""Processes that do one thing at a time when asked, so that several tools can take turns.

The scripts named ``record_*.py`` call :func:`serve` in the interpreter of their tool, which may
have nothing but the standard library and that tool; a benchmark asks them through a
:class:`Worker`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from harness import CommandFailedError

HERE = Path(__file__).resolve().parent
Verbs = Mapping[str, Callable[..., object]]


class Worker:
    """A process that answers requests, one line of JSON each.

    A context manager; leaving the block ends the process.

    Args:
        python: the interpreter.
        script: a file of this folder whose ``serve`` verb answers.
        folder: where it records.
        log: where its standard error goes.
    """

    def __init__(self, python: str | Path, script: str, folder: Path, log: Path) -> None:
        self._name = script
        self._log = log
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [str(python), str(HERE / script), "serve", str(folder)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
            )  # fmt: skip

    def ask(self, verb: str, *arguments: object) -> Any:
        """Have it do something, and return what it answers.

        Raises:
            CommandFailedError: it ended without an answer.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps([verb, *arguments]) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            said = self._log.read_text("utf-8", "replace")[-2000:]
            raise CommandFailedError(f"{self._name} ended at {verb!r}:\n{said}")
        return json.loads(line)

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._process.kill()
        self._process.communicate()  # closes its standard input, at which it ends


def serve(verbs: Verbs) -> None:
    """Answer the requests on standard input until it ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a tool prints is no answer
    for line in sys.stdin:
        verb, *arguments = json.loads(line)
        print(json.dumps(verbs[verb](*arguments)), file=answers, flush=True)


def bytes_written() -> int | None:
    """Return how many bytes this process has passed to the system to write so far, if known."""
    try:
        text = Path("/proc/self/io").read_text()
    except OSError:
        return None
    return next(int(line[7:]) for line in text.splitlines() if line.startswith("wchar: "))
