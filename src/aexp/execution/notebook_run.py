"""``aexp exec-notebook``: a notebook, run by papermill, as an execution (EXE-61).

The runner makes the execution and tells the kernel of it; the notebook begins, ends and, if it
likes, publishes it. What only the runner can have, the executed notebook, it adds afterwards: to an
execution that is published already, as an addition (EXE-41). However the notebook ends, it is kept.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aexp import settings
from aexp.clock import utc_now
from aexp.errors import AexpError, ExecutionFailedError, UsageError
from aexp.execution.configuration import ExecutionConfiguration
from aexp.execution.hydra_configs import MAIN_CONFIG, composing, config_folder, load_configs
from aexp.execution.hydra_plan import (
    built,
    configured,
    dry_run,
    flat_parameters,
    group_choices,
    workflow_of,
)
from aexp.execution.hydra_run import stage_text
from aexp.execution.kernels import kernel_for, manager_logging_to
from aexp.execution.kinds import ExecMetadataType, MLAsset
from aexp.execution.parameters import Notebook, merged_parameters, read_notebook
from aexp.execution.reporting import Done, Reporter, failed, one_line
from aexp.execution.repository import Repository
from aexp.execution.resume import seal
from aexp.execution.status import begin, change
from aexp.model.canonical import Json
from aexp.model.execution import ExecutionStatus
from aexp.model.times import format_time
from aexp.recording.formats import require
from aexp.repo import Layout
from aexp.storage.atomic import make_folder

if TYPE_CHECKING:
    from aexp.execution.execution import Execution

_S = ExecutionStatus
RID_PARAMETER: Final = "execution_rid"
"""A parameter of this name gets the execution's id."""
FOLDER: Final = "notebook"
"""Where below the run's folder the notebook is while it runs."""
KERNEL_LOG: Final = "kernel.log"
"""What the kernel itself says, beside it: what cells print is in the notebook."""


@dataclass(frozen=True)
class NotebookRequest:
    """What is to be run, and how.

    Attributes:
        path: the notebook.
        file: a JSON or YAML file with parameters, or None.
        parameters: names and values, as they were typed.
        kernel: the name of a Jupyter kernel, or None for that of the active environment.
        log_output: show what the cells print.
        folder: the config folder, or None.
        config_name: the main config, or None.
        overrides: Hydra's overrides. With none of the last three no configuration is composed.
    """

    path: Path
    file: Path | None = None
    parameters: Sequence[tuple[str, str]] = ()
    kernel: str | None = None
    log_output: bool = False
    folder: Path | None = None
    config_name: str | None = None
    overrides: Sequence[str] = ()


@dataclass(frozen=True)
class _Composed:
    """What a configuration says of a notebook's execution.

    Attributes:
        configuration: of the execution.
        parameters: values of ``model_config``, for parameters of the same names.
        dry_run: whether only the inputs are looked at.
        text: the configuration as YAML, or None when there is none.
    """

    configuration: ExecutionConfiguration
    parameters: Mapping[str, Json]
    dry_run: bool = False
    text: str | None = None


class _CellFailed(Exception):
    """A cell raised, or the kernel died.

    Args:
        kind: the name of the exception.
        message: what it said.
        where: the cell, or an empty string.
    """

    def __init__(self, kind: str, message: str, where: str = "") -> None:
        super().__init__(f"{where}{kind}: {message}" if message else f"{where}{kind}")
        self.kind = kind
        self.message = message


def run_notebook(layout: Layout, request: NotebookRequest, reporter: Reporter) -> Done | None:
    """Run a notebook as an execution, and publish what it staged together with the notebook.

    Args:
        layout: the repository.
        request: what is to be run.
        reporter: is told of the execution.

    Returns:
        The execution; None after a dry run.

    Raises:
        ExecutionFailedError: a cell raised or the kernel died, or the notebook left its execution
            Failed. The executed notebook is staged, as is what the notebook staged.
        UsageError, NotFoundError, CorruptDataError: the notebook, a parameter, the configuration
            or the kernel is not usable; nothing was made.
        DirtyTreeError: there are uncommitted changes, and ``aexp.yaml`` refuses them.
        TransferError: the outputs could not be published; they are staged still.
        MissingExtraError: papermill or ipykernel is not installed.
    """
    papermill = require("papermill", "notebook", "`aexp exec-notebook`")
    notebook = read_notebook(request.path.absolute())
    composed = _compose(layout, request, notebook)
    parameters = merged_parameters(notebook, composed.parameters, request.file, request.parameters)
    with kernel_for(notebook, request.kernel) as kernel:
        if composed.dry_run:
            reporter.checked(dry_run(layout, composed.configuration))
            return None
        execution = Repository(layout).create_execution(composed.configuration)
        reporter.created(execution)
        _record_parameters(execution, parameters)
        if composed.text is not None:
            stage_text(execution, "hydra-config.yaml", composed.text)
        if notebook.has_parameter(RID_PARAMETER):
            parameters.setdefault(RID_PARAMETER, execution.execution_rid)
        output = execution.folder / FOLDER / notebook.path.name
        make_folder(output.parent)
        run = partial(
            papermill.execute_notebook,
            str(notebook.path),
            str(output),
            parameters=parameters,
            kernel_name=kernel,
            language=notebook.language,
            cwd=str(notebook.path.parent),
            progress_bar=False,
            **_shown(reporter, request.log_output),
        )
        with (output.parent / KERNEL_LOG).open("ab") as kernel_log:
            run = partial(run, kernel_manager_class=manager_logging_to(kernel_log))
            return _run_and_publish(execution, notebook, run, output, reporter)


def _run_and_publish(
    execution: Execution,
    notebook: Notebook,
    run: Callable[[], Any],
    output: Path,
    reporter: Reporter,
) -> Done:
    outputs: dict[str, list[str]] = {}
    problem: AexpError | None = None
    try:
        _run(execution, notebook, run, output, format_time(utc_now()))
        if execution.status is not _S.Aborted:
            published = execution.upload_execution_outputs(progress_callback=reporter.uploading)
            outputs = {kind: [path.name for path in paths] for kind, paths in published.items()}
    except AexpError as error:
        problem = error
        raise
    finally:
        done = Done(execution.execution_rid, execution.status.value, outputs, problem)
        reporter.ended(done)
    return done


class _Shown:
    """A file that shows what is written to it.

    Args:
        show: is given the text.
    """

    def __init__(self, show: Callable[[str], None]) -> None:
        self.write = show

    def flush(self) -> None:
        """Do nothing: it is shown at once."""


def _shown(reporter: Reporter, wanted: bool) -> dict[str, Any]:
    """Return the options with which papermill shows what cells print."""
    if not wanted:
        return {}
    return {
        "stdout_file": _Shown(partial(reporter.printed, error=False)),
        "stderr_file": _Shown(partial(reporter.printed, error=True)),
    }


def _run(
    execution: Execution, notebook: Notebook, run: Callable[[], Any], output: Path, begun: str
) -> None:
    """Run the notebook, and see to it that the execution says how it ended.

    Raises:
        ExecutionFailedError: it failed.
    """
    told = settings.NotebookEnvironment(
        execution.execution_rid, str(execution.layout.root), str(notebook.path)
    )
    message = f"running {notebook.path.name}"
    execution.update_status(_S.Created, message)
    try:
        with settings.environment_with(told.as_environ()), _cells_failing(execution.layout, output):
            run()
    except _CellFailed as problem:
        _set_failed(execution, problem, begun)
        _keep(execution, output)
        raise failed(execution, "the notebook", ExecutionFailedError(str(problem))) from problem
    except BaseException as error:  # an interruption: what there is of the notebook is kept
        _set_failed(execution, _CellFailed(type(error).__name__, one_line(error)), begun)
        _keep(execution, output)
        raise
    try:
        _set_stopped(execution, begun, message)
    finally:
        _keep(execution, output)


@contextlib.contextmanager
def _cells_failing(layout: Layout, output: Path) -> Iterator[None]:
    """Make one exception of what papermill and the kernel's client raise.

    Args:
        layout: the repository.
        output: the executed notebook, beside which the kernel's log is.

    Raises:
        _CellFailed: a cell raised, or the kernel is no more.
    """
    from nbclient.exceptions import CellControlSignal, DeadKernelError
    from papermill.exceptions import PapermillException, PapermillExecutionError

    try:
        yield
    except PapermillExecutionError as error:
        where = f"cell {error.exec_count}: " if error.exec_count else ""
        raise _CellFailed(error.ename, " ".join(str(error.evalue).split()), where) from error
    except DeadKernelError as error:
        log = output.with_name(KERNEL_LOG)
        told = f"; see {layout.relative(log)}" if log.is_file() and log.stat().st_size else ""
        raise _CellFailed("DeadKernelError", f"the kernel died{told}") from error
    except (PapermillException, CellControlSignal, RuntimeError, OSError) as error:
        raise _CellFailed(type(error).__name__, one_line(error)) from error


# --- the configuration -------------------------------------------------------------------------


def _compose(layout: Layout, request: NotebookRequest, notebook: Notebook) -> _Composed:
    argv = ["aexp", "exec-notebook", *sys.argv[2:]]
    if request.folder is None and request.config_name is None and not request.overrides:
        node = {"name": notebook.path.stem, "workflow_type": "Notebook"}
        workflow = workflow_of(layout, node, notebook.path)
        return _Composed(ExecutionConfiguration(workflow=workflow, argv=argv), {})
    refused = [text for text in request.overrides if text.startswith("-")]
    if refused:
        raise UsageError(
            f"{refused[0]} is no option of `aexp exec-notebook`",
            hint="what follows the notebook's own options are overrides: group=option, key=value",
        )
    folder = config_folder(layout, request.folder)
    load_configs(layout, folder)
    with composing(folder):
        from hydra import compose
        from hydra.core.hydra_config import HydraConfig
        from omegaconf import OmegaConf, open_dict

        config = compose(
            request.config_name or MAIN_CONFIG,
            overrides=list(request.overrides),
            return_hydra_config=True,
        )
        HydraConfig.instance().set_config(config)
        hydra = config.hydra
        with open_dict(config):
            del config["hydra"]
        known = built(config, "workflow")
        if isinstance(known, Mapping):
            with open_dict(config):
                config.workflow = {**known, "script": str(notebook.path)}
        configuration = configured(layout, config, group_choices(hydra), argv, script=notebook.path)
        values = OmegaConf.select(config, "model_config")
        plain = OmegaConf.to_container(values, resolve=True) if OmegaConf.is_dict(values) else {}
        assert isinstance(plain, dict)
        return _Composed(
            configuration,
            {str(name): value for name, value in plain.items()},
            bool(built(config, "dry_run")),
            OmegaConf.to_yaml(config),
        )


def _record_parameters(execution: Execution, parameters: Mapping[str, Json]) -> None:
    """Record what the notebook is set to: with these the run's parameters begin."""
    params = flat_parameters(parameters)
    if params:
        execution.store.update(
            execution.execution_rid, lambda document: {**document, "params": params}
        )


# --- how it ended ------------------------------------------------------------------------------


def _keep(execution: Execution, output: Path) -> None:
    """Stage the executed notebook, whatever became of it (trap 54)."""
    if output.is_file() and execution.status is not _S.Aborted:
        execution.asset_file_path(
            MLAsset.execution_metadata,
            output,
            asset_types=ExecMetadataType.notebook_output,
            copy_file=True,
            description="The notebook as it was executed",
        )


def _begin_late(execution: Execution, begun: str) -> None:
    """Begin an execution that its notebook did not touch, at the time when the notebook began.

    Its inputs are not downloaded any more: nobody reads them.
    """
    begin(execution.store, execution.execution_rid)
    execution.store.update(
        execution.execution_rid, lambda document: {**document, "started_at": begun}
    )


def _set_stopped(execution: Execution, begun: str, message: str) -> None:
    """End what a notebook that ran to its end left open.

    Raises:
        ExecutionFailedError: the notebook left its execution Failed.
    """
    status = execution.status
    if status is _S.Created:
        _begin_late(execution, begun)
    if status in (_S.Created, _S.Running):
        execution.update_status(_S.Stopped)
    elif status is _S.Failed:
        known = execution.error or {}
        told = f"{known.get('type', 'it')}: {known.get('message', 'its execution is Failed')}"
        raise failed(execution, "the work in the notebook", ExecutionFailedError(told))
    if execution.message == message:
        execution.update_status(execution.status, "")


def _set_failed(execution: Execution, problem: _CellFailed, begun: str) -> None:
    """Make an execution Failed whose notebook failed, by steps that the table allows.

    A notebook may fail behind the block of its execution, or behind its publication: what is
    staged is pending then, and fails to be published with it.
    """
    status, rid, store = execution.status, execution.execution_rid, execution.store
    if status is _S.Aborted:
        return
    if status is _S.Failed:
        execution.update_status(_S.Failed, str(problem))
        return
    if status is _S.Created:
        _begin_late(execution, begun)
    if status in (_S.Stopped, _S.Uploaded):
        change(store, rid, _S.Pending_Upload)
    told = {"type": problem.kind, "message": problem.message}
    change(store, rid, _S.Failed, message=str(problem), error=told)
    seal(execution)
