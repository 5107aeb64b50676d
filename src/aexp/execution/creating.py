"""Creating executions (EXE-10)."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from aexp.errors import UsageError
from aexp.execution.configuration import ExecutionConfiguration
from aexp.execution.dirty import refuse_dirty
from aexp.execution.execution import Execution
from aexp.execution.provenance import capture, keep
from aexp.execution.state import State
from aexp.execution.status import clipped
from aexp.execution.workflow import Workflow, add_workflow
from aexp.model.canonical import Json, compact_bytes
from aexp.model.execution import KEY
from aexp.runs.code_state import code_state
from aexp.runs.create import plan_run
from aexp.runs.heal import heal_pending
from aexp.workspace.store import RunStore

if TYPE_CHECKING:
    from aexp.execution.repository import Repository

_RANDOM_BYTES: Final = 8
_LONGEST: Final = 4_000
"""Characters of a description, and bytes of the other parts of a configuration, that an entry can
take; the whole is in the attachment ``configuration.json``."""


def create_execution(
    repo: Repository,
    configuration: ExecutionConfiguration,
    workflow: Workflow | None = None,
    *,
    experiment_id: str | None = None,
) -> Execution:
    """Create an execution; each call makes a new one.

    Order of writes: the workflow's record, the run (whole, or not at all), the database of what is
    staged, then what the run is known to depend on. A kill in between leaves nothing, or a Created
    execution that can be resumed.

    Args:
        repo: the repository.
        configuration: what it is to be.
        workflow: its workflow, when the configuration has none, or another.
        experiment_id: the experiment that its run belongs to.

    Raises:
        UsageError: there is no workflow; nothing was made.
        NotFoundError: an input or the experiment does not exist; nothing was made.
        DirtyTreeError: there are uncommitted changes, and ``aexp.yaml`` refuses them.
        GitError: the state of the code cannot be read.
        StorageError: the disk refused.
    """
    layout = repo.layout
    chosen = configuration.workflow if workflow is None else workflow
    if chosen is None:
        raise UsageError(
            "an execution needs a workflow, and there is none",
            hint="make one with repo.create_workflow(), for the configuration or for workflow=",
        )
    if not isinstance(chosen, Workflow):
        raise UsageError("a workflow is what repo.create_workflow() returns")
    given = configuration.model_copy(update={"workflow": chosen})
    inputs = resolve_inputs(repo, given)
    code = None if layout.git_dir is None else code_state(layout)
    refuse_dirty(layout, code)
    planned = plan_run(
        layout,
        experiment_id,
        {KEY: secrets.token_hex(_RANDOM_BYTES)},
        include_commit=code is not None,
        code=code,
    )
    given = given.model_copy(update={"workflow": add_workflow(layout, chosen, stacklevel=3)})
    declared = given.to_json()
    document = {
        **planned.document,
        "workflow": {k: v for k, v in declared["workflow"].items() if v not in (None, "")},
        KEY: {**_described(declared), "publication": "none"},
    }
    if inputs:
        document["inputs"] = inputs
    parts = capture(layout, declared, inputs, code)
    heal_pending(layout)
    store = RunStore(layout)
    store.create(planned.statepoint, document, durable=True)
    folder = store.folder(planned.job_id)
    state = State.create(folder, declared)
    keep(folder, parts)
    return Execution(repo, planned.job_id, state, given)


def resolve_inputs(repo: Repository, configuration: ExecutionConfiguration) -> list[Json]:
    """Return the inputs with versions and digests, as the document has them.

    Raises:
        NotFoundError: one does not exist.
    """
    if not configuration.datasets and not configuration.assets:
        return []
    from aexp.data.inputs import prepare
    from aexp.registry import open_registry

    registry = open_registry(repo.layout)
    return prepare(repo.layout, registry, configuration.datasets, configuration.assets)


def _described(declared: dict[str, Json]) -> dict[str, Json]:
    """Return what the document says of a configuration: an entry must have room for it."""
    described = {"description": clipped(declared["description"], _LONGEST)}
    for key in ("argv", "config_choices"):
        if len(compact_bytes(declared[key])) <= _LONGEST:
            described[key] = declared[key]
    return {key: value for key, value in described.items() if value}
