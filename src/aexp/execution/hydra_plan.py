"""What a composed configuration says: of the execution, and of the model function (EXE-60)."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from aexp.errors import UsageError
from aexp.execution.configuration import ExecutionConfiguration
from aexp.execution.hydra_configs import told_plainly
from aexp.execution.reporting import DryRun
from aexp.execution.repository import Repository
from aexp.execution.workflow import Workflow
from aexp.model.canonical import compact_bytes, to_json
from aexp.recording.current import plain_parameter
from aexp.repo import Layout
from aexp.storage.atomic import make_folder

LONGEST_PARAMETER: Final = 1_000
"""Bytes of a parameter that is no scalar; a longer one is in the staged configuration alone."""
_WORKFLOW_KEYS: Final = ("name", "workflow_type", "description", "url", "checksum", "script")
_SEE: Final = "`--cfg job` shows the whole configuration"


@dataclass(frozen=True)
class JobPlan:
    """A composed configuration, made into what an execution needs.

    Attributes:
        configuration: of the execution.
        model: what is called; it is given the execution when it takes one.
        parameters: what the model function is configured with, by dotted names.
        dry_run: whether only the inputs are looked at.
    """

    configuration: ExecutionConfiguration
    model: Callable[..., Any]
    parameters: Mapping[str, bool | int | float | str]
    dry_run: bool


def plan_job(
    layout: Layout, config: Any, hydra: Any, argv: Sequence[str], choices: Mapping[str, str]
) -> JobPlan:
    """Return what a composed configuration says.

    Args:
        layout: the repository.
        config: what Hydra composed.
        hydra: Hydra's own configuration.
        argv: the command line of this job.
        choices: what else was chosen than options of groups.

    Raises:
        UsageError: it is not what an execution needs.
    """
    with told_plainly():
        model = built(config, "model_config")
        if not callable(model):
            raise UsageError(
                "the configuration has no model function: model_config builds"
                f" {'nothing' if model is None else 'a ' + type(model).__name__}",
                hint="build it with builds(function, …, zen_partial=True), or `_partial_: true`",
            )
        configuration = configured(
            layout, config, {**group_choices(hydra), **choices}, argv, script=_file_of(model)
        )
        return JobPlan(configuration, model, parameters_of(config), bool(built(config, "dry_run")))


def built(config: Any, key: str) -> Any:
    """Return a member of a composed configuration, instantiated; None where there is none."""
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    if key not in config or OmegaConf.is_missing(config, key):
        return None
    node = config[key]
    return instantiate(node, _convert_="all") if OmegaConf.is_config(node) else node


def configured(
    layout: Layout,
    config: Any,
    choices: Mapping[str, str],
    argv: Sequence[str],
    *,
    script: Path | None,
) -> ExecutionConfiguration:
    """Return the configuration of an execution that a composed configuration describes.

    Args:
        layout: the repository.
        config: what Hydra composed.
        choices: the chosen option of each group.
        argv: how it was called.
        script: the code that runs, when the configuration names no other.

    Raises:
        UsageError: a part of it is not what it must be.
    """
    workflow = workflow_of(layout, built(config, "workflow"), script)
    try:
        return ExecutionConfiguration(
            workflow=workflow,
            description=built(config, "description") or "",
            datasets=built(config, "datasets") or [],
            assets=built(config, "assets") or [],
            argv=list(argv),
            config_choices=dict(choices),
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"the configuration's {where}: {first['msg']}", hint=_SEE) from error


def workflow_of(layout: Layout, node: Any, script: Path | None) -> Workflow:
    """Return the workflow that a configuration names.

    Args:
        layout: the repository.
        node: a :class:`Workflow`, or a mapping of what ``repo.create_workflow()`` takes.
        script: the code that runs, when ``node`` names no other.

    Raises:
        UsageError: it is neither.
    """
    if isinstance(node, Workflow):
        return node
    if not isinstance(node, Mapping) or not {"name", "workflow_type"} <= node.keys():
        raise UsageError(
            "the configuration names no workflow",
            hint="write workflow: {name: …, workflow_type: …}, or a group of such options",
        )
    unknown = sorted(set(node) - set(_WORKFLOW_KEYS))
    if unknown:
        raise UsageError(
            f"a workflow has no {unknown[0]!r}", hint=f"it has: {', '.join(_WORKFLOW_KEYS)}"
        )
    given = {key: value for key, value in node.items() if value is not None}
    given.setdefault("script", script)
    return Repository(layout).create_workflow(**given)


def group_choices(hydra: Any) -> dict[str, str]:
    """Return the chosen option of each group, without Hydra's own."""
    chosen = dict(hydra.runtime.choices)
    return {
        group: str(option)
        for group, option in chosen.items()
        if option is not None and group.split("/")[0] != "hydra"
    }


def parameters_of(config: Any) -> dict[str, bool | int | float | str]:
    """Return what the model function is configured with; see :func:`flat_parameters`."""
    from omegaconf import OmegaConf

    if "model_config" not in config or not OmegaConf.is_dict(config.model_config):
        return {}
    plain = OmegaConf.to_container(config.model_config, resolve=True, enum_to_str=True)
    assert isinstance(plain, dict)
    return flat_parameters(plain)


def flat_parameters(values: Mapping[Any, Any]) -> dict[str, bool | int | float | str]:
    """Return values as parameters of a run: dotted names, lists as JSON text.

    Names that begin with an underscore are Hydra's own, and what is longer than
    :data:`LONGEST_PARAMETER` bytes is in the staged configuration alone.
    """
    found: dict[str, bool | int | float | str] = {}

    def add(prefix: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, item in value.items():
                if not str(key).startswith("_"):
                    add(f"{prefix}.{key}" if prefix else str(key), item)
        elif isinstance(value, bool | int | float | str):
            found[prefix] = plain_parameter(prefix, value)
        elif value is not None and (text := _listed(value)) is not None:
            found[prefix] = text

    add("", values)
    return found


def _listed(value: Any) -> str | None:
    """Return a list as JSON text; None when it is long, or has no such form."""
    try:
        text = compact_bytes(to_json(value)).decode("utf-8")
    except ValueError:
        return None
    return text if len(text) <= LONGEST_PARAMETER else None


def _file_of(model: Any) -> Path | None:
    """Return the file that defines a model function."""
    while isinstance(model, partial):
        model = model.func
    if not (inspect.isroutine(model) or inspect.isclass(model)):
        model = type(model)
    try:
        found = inspect.getsourcefile(inspect.unwrap(model))
    except TypeError:
        return None
    return None if found is None else Path(found)


def dry_run(layout: Layout, configuration: ExecutionConfiguration) -> DryRun:
    """Fetch and verify the inputs, and write nothing to the ledger or to a remote (EXE-60).

    Raises:
        NotFoundError: an input does not exist, or its bytes are nowhere.
        CorruptDataError: an input is damaged.
        TransferError: the remote cannot be reached.
    """
    from aexp.data.inputs import fetch, prepare
    from aexp.registry import open_registry

    registry = open_registry(layout)
    inputs = prepare(layout, registry, configuration.datasets, configuration.assets)
    if inputs:
        make_folder(layout.tmp_dir)
        with tempfile.TemporaryDirectory(dir=layout.tmp_dir, prefix="dry-run-") as folder:
            fetch(layout, registry, inputs, Path(folder))
    return DryRun(configuration.workflow, inputs, configuration.config_choices)


def takes_execution(model: Callable[..., Any]) -> bool:
    """Return whether a function has a parameter called ``execution``, or takes any."""
    try:
        known = inspect.signature(model).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.name == "execution" or p.kind is p.VAR_KEYWORD for p in known)
