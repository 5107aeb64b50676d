"""What is said of executions to whoever watches them (EXE-60, EXE-61)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from aexp.errors import AexpError, ExecutionFailedError
from aexp.model.canonical import Json

if TYPE_CHECKING:
    from aexp.execution.execution import Execution
    from aexp.execution.progress import UploadProgress
    from aexp.execution.workflow import Workflow

LONGEST_MESSAGE: Final = 500
"""Characters of an error's message that are shown."""


class Reporter(Protocol):
    """Whoever watches what is executed."""

    def created(self, execution: Execution) -> None:
        """An execution begins."""

    def uploading(self, progress: UploadProgress) -> None:
        """Its outputs are being published."""

    def ended(self, done: Done) -> None:
        """It has ended, well or not."""

    def checked(self, dry: DryRun) -> None:
        """A dry run has ended."""

    def printed(self, text: str, *, error: bool) -> None:
        """A cell of a notebook has printed something, to standard error perhaps."""


@dataclass(frozen=True)
class Done:
    """An execution that has ended.

    Attributes:
        execution_rid: its id.
        status: its state.
        outputs: the names of what was published, by kind of asset.
        error: what went wrong, or None.
        left: a folder of Hydra's with files that nobody registered, or None.
    """

    execution_rid: str
    status: str
    outputs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    error: AexpError | None = None
    left: Path | None = None


@dataclass(frozen=True)
class DryRun:
    """What an execution would have been.

    Attributes:
        workflow: what it would run.
        inputs: its inputs, with versions and digests; they have been fetched and verified.
        config_choices: the chosen option of each group.
    """

    workflow: Workflow
    inputs: Sequence[Json]
    config_choices: Mapping[str, str]


def failed(execution: Execution, what: str, error: BaseException) -> ExecutionFailedError:
    """Return the one line that says how an execution failed, and what to do with what it staged."""
    rid = execution.execution_rid[:8]
    said = one_line(error)[:LONGEST_MESSAGE]
    if not isinstance(error, ExecutionFailedError):
        said = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return ExecutionFailedError(
        f"{what} failed: {said}",
        hint=f"what it staged is kept: see `aexp execution show {rid}`, and publish it with"
        f" `aexp execution publish {rid}`",
    )


def one_line(error: BaseException) -> str:
    """Return the message of an error on one line."""
    return " ".join(str(error).split())
