"""Executions: declared inputs, staged outputs, publication that survives a crash (EXE-01 … EXE-61).

The names are loaded when they are first used.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from aexp.errors import MissingExtraError
from aexp.late import load

if find_spec("pydantic") is None:
    raise MissingExtraError(
        "executions need pydantic, which is not installed", hint="pip install 'aexp[execution]'"
    )

if TYPE_CHECKING:
    from aexp.errors import InvalidTransitionError as InvalidTransitionError
    from aexp.execution.asset_path import AssetFilePath as AssetFilePath
    from aexp.execution.configuration import ExecutionConfiguration as ExecutionConfiguration
    from aexp.execution.execution import Execution as Execution
    from aexp.execution.hydra_configs import create_model_config as create_model_config
    from aexp.execution.in_notebook import notebook_execution as notebook_execution
    from aexp.execution.kinds import ExecMetadataType as ExecMetadataType
    from aexp.execution.kinds import MLAsset as MLAsset
    from aexp.execution.multirun import multirun_config as multirun_config
    from aexp.execution.progress import UploadProgress as UploadProgress
    from aexp.execution.records import ExecutionRecord as ExecutionRecord
    from aexp.execution.repository import Repository as Repository
    from aexp.execution.workflow import Workflow as Workflow
    from aexp.model.execution import ExecutionStatus as ExecutionStatus

_PUBLIC = {
    "AssetFilePath": "aexp.execution.asset_path",
    "ExecMetadataType": "aexp.execution.kinds",
    "Execution": "aexp.execution.execution",
    "ExecutionConfiguration": "aexp.execution.configuration",
    "ExecutionRecord": "aexp.execution.records",
    "ExecutionStatus": "aexp.model.execution",
    "InvalidTransitionError": "aexp.errors",
    "MLAsset": "aexp.execution.kinds",
    "Repository": "aexp.execution.repository",
    "UploadProgress": "aexp.execution.progress",
    "Workflow": "aexp.execution.workflow",
    "create_model_config": "aexp.execution.hydra_configs",
    "multirun_config": "aexp.execution.multirun",
    "notebook_execution": "aexp.execution.in_notebook",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562)."""
    return load(__name__, _PUBLIC, name)


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
