"""What an execution is to be: its workflow, its inputs, and how it was called (EXE-04)."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from aexp.data.specs import AssetSpec, DatasetSpec
from aexp.model.canonical import Json


class ExecutionConfiguration(BaseModel):
    """The declaration of an execution.

    Attributes:
        workflow: what ``repo.create_workflow()`` returned. It may be left out here and be given
            to ``repo.create_execution()`` instead; one of the two needs it.
        description: what it is for, in Markdown.
        datasets: the datasets it reads.
        assets: the published assets it reads; a bare id stands for an :class:`AssetSpec`, and is
            never taken for a path.
        argv: how it was called; the arguments of this process when left out.
        config_choices: which option was chosen of each group of a configuration.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    workflow: Any = None
    description: str = ""
    datasets: list[DatasetSpec] = Field(default_factory=list)
    assets: list[AssetSpec] = Field(default_factory=list)
    argv: list[str] = Field(default_factory=lambda: [_text(each) for each in sys.argv])
    config_choices: dict[str, str] = Field(default_factory=dict)

    @field_validator("workflow")
    @classmethod
    def _check_workflow(cls, value: Any) -> Any:
        if value is None or (hasattr(value, "checksum") and hasattr(value, "workflow_type")):
            return value
        raise ValueError("a workflow is what repo.create_workflow() returns")

    @field_validator("datasets", "assets", "argv", mode="before")
    @classmethod
    def _plain_list(cls, value: Any) -> Any:
        """Take the lists of other libraries, such as those of a Hydra configuration."""
        if isinstance(value, str | bytes | Mapping) or not hasattr(value, "__iter__"):
            return value
        return list(value)

    @field_validator("config_choices", mode="before")
    @classmethod
    def _plain_mapping(cls, value: Any) -> Any:
        return dict(value) if hasattr(value, "keys") else value

    def to_json(self) -> dict[str, Json]:
        """Return the configuration as JSON."""
        value: dict[str, Json] = self.model_dump(mode="json", exclude={"workflow"})
        return {"workflow": _workflow_json(self.workflow), **value}

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> ExecutionConfiguration:
        """Return the configuration that :meth:`to_json` gave.

        Raises:
            ValueError: it is none.
        """
        facts = dict(value)
        workflow = facts.pop("workflow", None)
        if isinstance(workflow, Mapping):
            from aexp.execution.workflow import Workflow

            facts["workflow"] = Workflow(**workflow)
        return cls(**facts)


def _workflow_json(workflow: Any) -> Json:
    if workflow is None:
        return None
    if is_dataclass(workflow) and not isinstance(workflow, type):
        return asdict(workflow)
    return dict(workflow.model_dump(mode="json"))


def _text(argument: str) -> str:
    return argument.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
