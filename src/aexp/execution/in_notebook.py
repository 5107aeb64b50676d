"""What a notebook calls to have its execution (EXE-61)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aexp import settings
from aexp.errors import UsageError

if TYPE_CHECKING:
    from aexp.execution.configuration import ExecutionConfiguration
    from aexp.execution.execution import Execution


def notebook_execution(configuration: ExecutionConfiguration | None = None) -> Execution:
    """Return the execution of this notebook.

    Under ``aexp exec-notebook`` it is the one that the runner has made; in a notebook that a
    person has opened, a new one. The notebook begins and ends it, and may publish it; the runner
    adds the executed notebook to it afterwards.

    Args:
        configuration: of the new one. The runner's has its own, from the command line.

    Raises:
        UsageError: there is no runner and no configuration.
        NotFoundError: the runner's execution is not in this repository.
        AexpError: what ``repo.create_execution()`` raises.
    """
    from aexp.execution.repository import Repository
    from aexp.repo import open_layout

    told = settings.notebook_environment()
    if told is not None:
        return Repository(open_layout(told.repo_root)).resume_execution(told.execution_rid)
    if configuration is None:
        raise UsageError(
            "no runner has made an execution for this notebook, and there is no configuration",
            hint="give an ExecutionConfiguration, or run it with `aexp exec-notebook`",
        )
    return Repository(open_layout()).create_execution(configuration)
