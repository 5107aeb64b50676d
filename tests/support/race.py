"""Start several real processes at the same instant."""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable, Sequence
from contextlib import closing
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from tests.support.machines import Completed, run_in_process


def run_together(
    function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]], *, timeout: float = 60.0
) -> list[Any]:
    """Call ``function`` in one new process per tuple of arguments, all released at once.

    Args:
        function: a function at the top of a module of the tests.
        arguments: one tuple for each process.
        timeout: seconds for all of them together.

    Returns:
        what each returned, in the order of ``arguments``.

    Raises:
        AssertionError: one of them raised or died; its traceback is in the message.
    """
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(len(arguments))
    running = []
    for item in arguments:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_child, args=(barrier, theirs, function, item))
        process.start()
        theirs.close()
        running.append((process, ours))
    answers = [_answer(pipe, timeout) for _, pipe in running]
    for process, _ in running:
        process.join(timeout=5)
        if process.is_alive():
            process.kill()
            process.join()
        process.close()
    failures = [text for ok, text in answers if not ok]
    if failures:
        raise AssertionError(f"{len(failures)} of {len(answers)} failed:\n" + "\n".join(failures))
    return [value for _, value in answers]


def run_aexp_together(
    commands: Sequence[tuple[str | os.PathLike[str], Sequence[str]]], *, timeout: float = 120.0
) -> list[Completed]:
    """Run ``aexp`` commands in processes of their own, released at once.

    Args:
        commands: pairs of the folder to be in and the arguments.

    Returns:
        how each ended; exit codes are not judged here.
    """
    arguments = [(os.fspath(folder), tuple(args)) for folder, args in commands]
    return run_together(_aexp, arguments, timeout=timeout)


def _aexp(folder: str, args: tuple[str, ...]) -> Completed:
    return run_in_process(args, cwd=Path(folder), check=False)


def _child(
    barrier: Barrier, pipe: Connection, function: Callable[..., Any], item: tuple[Any, ...]
) -> None:
    try:
        barrier.wait(timeout=60)
        pipe.send((True, function(*item)))
    except BaseException:  # noqa: BLE001  (told to the parent, which raises)
        pipe.send((False, traceback.format_exc()))


def _answer(pipe: Connection, timeout: float) -> tuple[bool, Any]:
    with closing(pipe):
        if not pipe.poll(timeout):
            return False, f"no answer within {timeout:g} s"
        try:
            return pipe.recv()  # type: ignore[no-any-return]
        except EOFError:
            return False, "died without an answer"
