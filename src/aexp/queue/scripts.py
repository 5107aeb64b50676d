"""The queue as a script for whoever starts the runs: a shell, Slurm, or a person (QUE-01)."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

from aexp.errors import NotFoundError, UsageError
from aexp.queue.records import Choice, Queued, queue_block, read_queue
from aexp.repo import Layout
from aexp.storage.atomic import write_atomic

Runner = Literal["shell", "slurm", "manual"]
RUNNERS: Final[tuple[Runner, ...]] = get_args(Runner)
MAX_ARRAY: Final = 1000
"""Tasks of one Slurm array: its own limit is 1,001 unless a site says otherwise."""
_SHOWN: Final = 100


@dataclass(frozen=True)
class Materialized:
    """A script.

    Attributes:
        text: the script.
        job_ids: the runs it starts, in order.
    """

    text: str
    job_ids: tuple[str, ...]


def materialize(
    layout: Layout,
    runner: Runner,
    choice: Choice | None = None,
    *,
    slurm_options: Sequence[str] = (),
    at_once: int | None = None,
) -> Materialized:
    """Return a script that runs what waits now; runs that others take meanwhile are passed over.

    The script holds paths of this machine, and is not for committing.

    Args:
        layout: the repository.
        runner: ``shell``: one after the other; ``slurm``: an array, one task a run; ``manual``:
            a line for each run, with its command, for a person.
        choice: which runs; all that wait when None.
        slurm_options: lines for ``#SBATCH``, such as ``--time=01:00:00``.
        at_once: how many tasks of the array may run at the same time.

    Raises:
        NotFoundError: nothing waits.
        UsageError: an option is malformed.
    """
    if runner not in RUNNERS:
        raise UsageError(f"there is no runner {runner!r}", hint="one of: " + ", ".join(RUNNERS))
    if runner != "slurm" and (slurm_options or at_once):
        raise UsageError("Slurm options need --runner slurm")
    runs = [each for each in read_queue(layout, choice) if each.waits]
    if not runs:
        raise NotFoundError("nothing waits in the queue", hint="see `aexp queue list`")
    if runner == "slurm":
        text = _slurm(layout, runs, [_checked(option) for option in slurm_options], at_once)
    else:
        text = _shell(layout, runs) if runner == "shell" else _manual(layout, runs)
    return Materialized(text, tuple(each.job_id for each in runs))


def write_script(path: Path, script: Materialized, *, force: bool = False) -> None:
    """Write a script to a file.

    Raises:
        UsageError: another file stands there, and ``force`` was not given.
        StorageError: the disk refused.
    """
    data = script.text.encode()
    if path.is_dir() or (path.exists() and not force and path.read_bytes() != data):
        raise UsageError(f"{path} exists", hint="choose another name, or replace it with --force")
    write_atomic(path, data)


def _program() -> str:
    return f"{shlex.quote(sys.executable)} -m aexp"


def _shell(layout: Layout, runs: Sequence[Queued]) -> str:
    return "\n".join(
        [
            "#!/usr/bin/env bash",
            f"# {_count(runs)} from the queue, one after the other.",
            "set -u",
            f"cd {shlex.quote(str(layout.root))} || exit 1",
            *_array(runs),
            f'exec {_program()} run-queued "${{runs[@]}}"',
            "",
        ]
    )


def _slurm(
    layout: Layout, runs: Sequence[Queued], options: Sequence[str], at_once: int | None
) -> str:
    per_task = -(-len(runs) // MAX_ARRAY)
    tasks = -(-len(runs) // per_task)
    most = f"%{at_once}" if at_once else ""
    each = "one run a task" if per_task == 1 else f"{per_task} runs a task"
    mine = f'"${{runs[@]:SLURM_ARRAY_TASK_ID*{per_task}:{per_task}}}"'
    return "\n".join(
        [
            "#!/usr/bin/env bash",
            "#SBATCH --job-name=aexp-queue",
            f"#SBATCH --array=0-{tasks - 1}{most}",
            *(f"#SBATCH {option}" for option in options),
            f"# {_count(runs)} from the queue, {each}. A task that Slurm starts again goes on",
            "# with what is not complete.",
            "set -u",
            f"cd {shlex.quote(str(layout.root))} || exit 1",
            *_array(runs),
            f"exec {_program()} run-queued {mine}",
            "",
        ]
    )


def _array(runs: Sequence[Queued]) -> list[str]:
    lines = [f"  {each.job_id}  # {describe(each)}" for each in runs]
    return ["runs=(", *lines, ")"]


def _manual(layout: Layout, runs: Sequence[Queued]) -> str:
    lines = [f"# {_count(runs)} from the queue; start them from {_plain(str(layout.root))}"]
    for each in runs:
        command = queue_block(each.record.document).get("command")
        lines += ["", f"# {describe(each)}"]
        if isinstance(command, str):
            lines += [f"#   {_plain(line)}" for line in command.splitlines()]
        lines.append(f"aexp run-queued {each.job_id}")
    return "\n".join([*lines, ""])


def _checked(option: str) -> str:
    text = option.strip()
    if not text.startswith("-") or any(ord(char) < 32 for char in text):
        raise UsageError(
            f"{option!r} is no Slurm option", hint="write it as for sbatch: --time=01:00:00"
        )
    return text


def describe(run: Queued) -> str:
    """Return a run's parameters on one short line."""
    pairs = [f"{key}={_text(value)}" for key, value in sorted(run.parameters.items())]
    line = _plain(" ".join([run.record.experiment_id or "", *pairs]).strip())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _plain(text: str) -> str:
    """Return ``text`` on one line, without characters that a terminal or a shell would obey."""
    return "".join(char if char.isprintable() else " " for char in text)


def _count(runs: Sequence[Queued]) -> str:
    return "1 run" if len(runs) == 1 else f"{len(runs)} runs"
