"""``aexp.open_repo()``: a repository with its workflows, datasets, features and executions."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aexp.repo import Layout, open_layout

if TYPE_CHECKING:
    from aexp.data.assets import Asset
    from aexp.data.datasets import Dataset, DatasetVersion
    from aexp.data.features import Feature
    from aexp.execution.configuration import ExecutionConfiguration
    from aexp.execution.execution import Execution
    from aexp.execution.records import ExecutionRecord
    from aexp.execution.workflow import Workflow
    from aexp.model.execution import ExecutionStatus


class Repository:
    """A repository. What it gives is read anew from its files each time.

    Args:
        layout: its paths and settings.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def __repr__(self) -> str:
        return f"<Repository {self.layout.root}>"

    @property
    def root(self) -> Path:
        """Its folder."""
        return self.layout.root

    # --- workflows -----------------------------------------------------------------------

    def create_workflow(
        self,
        name: str,
        workflow_type: str,
        description: str = "",
        *,
        url: str | None = None,
        checksum: str | None = None,
        script: str | os.PathLike[str] | None = None,
    ) -> Workflow:
        """Describe the code that runs: the calling script, as it stands in git (EXE-02).

        Args:
            name: what it is called.
            workflow_type: such as ``Training``.
            description: what it does, in Markdown.
            url: where it can be had, instead of the remote's.
            checksum: instead of the script's.
            script: the file, when it is not the calling script.

        Raises:
            UsageError: the name or the type is empty, or the checksum is none.
            NotFoundError: the script cannot be read.
            DirtyTreeError: there are uncommitted changes, and the repository refuses them.
            GitError: git failed.
        """
        from aexp.execution.workflow import create_workflow

        return create_workflow(
            self.layout,
            name,
            workflow_type,
            description,
            url=url,
            checksum=checksum,
            script=None if script is None else Path(script),
            stacklevel=2,
        )

    def add_workflow(self, workflow: Workflow) -> Workflow:
        """Register a workflow; one of its checksum that is known already is returned (EXE-02).

        Raises:
            StorageError: the disk refused.
        """
        from aexp.execution.workflow import add_workflow

        return add_workflow(self.layout, workflow, stacklevel=2)

    # --- executions ----------------------------------------------------------------------

    def create_execution(
        self,
        configuration: ExecutionConfiguration,
        *,
        workflow: Workflow | None = None,
        experiment_id: str | None = None,
    ) -> Execution:
        """Create an execution: a new run each time, durable before anything else happens (EXE-10).

        Args:
            configuration: what it is to be.
            workflow: its workflow, when the configuration has none, or another.
            experiment_id: the experiment that its run belongs to, such as ``E001``.

        Raises:
            UsageError: there is no workflow; nothing was made.
            NotFoundError: an input or the experiment does not exist; nothing was made.
            GitError: the state of the code cannot be read.
            StorageError: the disk refused.
        """
        from aexp.execution.creating import create_execution

        return create_execution(self, configuration, workflow, experiment_id=experiment_id)

    def resume_execution(self, execution_rid: str, *, force: bool = False) -> Execution:
        """Return an execution of this machine, with what is staged of it (EXE-50).

        Its state is not changed by that.

        Args:
            execution_rid: its id, or the beginning of it.
            force: also when another live process runs or publishes it.

        Raises:
            NotFoundError, AmbiguousIdError: none, or several, begin like that.
            RunBusyError: another live process runs or publishes it.
            CorruptDataError: its files are damaged.
        """
        from aexp.execution.resume import resume_execution

        return resume_execution(self, execution_rid, force=force)

    def lookup_execution(self, execution_rid: str) -> ExecutionRecord:
        """Return what is known of an execution, of this machine or from the ledger.

        Args:
            execution_rid: its id, or the beginning of it.

        Raises:
            NotFoundError, AmbiguousIdError: none, or several, begin like that.
        """
        from aexp.execution.records import lookup_execution

        return lookup_execution(self.layout, execution_rid)

    def list_executions(self, status: ExecutionStatus | str | None = None) -> list[ExecutionRecord]:
        """Return the executions of this machine and of the ledger, oldest first (EXE-53).

        Args:
            status: only those in this state.

        Raises:
            UsageError: there is no such state.
        """
        from aexp.execution.records import list_executions

        return list_executions(self.layout, status)

    def find_incomplete_executions(self) -> list[ExecutionRecord]:
        """Return the executions of this machine that are neither Uploaded nor Aborted (EXE-53)."""
        from aexp.execution.records import incomplete_executions

        return incomplete_executions(self.layout)

    def read_metrics(self, execution_rid: str, name: str | None = None) -> list[dict[str, Any]]:
        """Return what an execution wrote into its metrics files, line by line (EXE-24).

        Args:
            execution_rid: its id, or the beginning of it.
            name: one file; all when None.

        Raises:
            NotFoundError: there is no such execution or file, or its bytes are not here.
        """
        from aexp.execution.metrics import read_metrics

        return read_metrics(self, execution_rid, name)

    # --- datasets ------------------------------------------------------------------------

    def create_dataset(
        self,
        name: str,
        path: str | os.PathLike[str] | None = None,
        version: str | None = None,
        **options: Any,
    ) -> DatasetVersion:
        """Make a version of a dataset; see :func:`aexp.data.datasets.add`."""
        from aexp.data.datasets import add

        return add(self.layout, name, None if path is None else Path(path), version, **options)

    def lookup_dataset(self, rid: str, version: str | None = None) -> Dataset:
        """Return a dataset by its name, at its current version or another (EXE-06).

        Raises:
            NotFoundError: there is no such dataset or version.
        """
        from aexp.data.datasets import lookup

        return lookup(self.layout, rid, version)

    def list_datasets(self) -> list[Dataset]:
        """Return all datasets, sorted by name."""
        from aexp.data.datasets import list_all

        return list_all(self.layout)

    # --- features and assets -------------------------------------------------------------

    def create_feature(
        self,
        target: str,
        name: str,
        columns: Any = None,
        *,
        description: str = "",
        **more: Any,
    ) -> Feature:
        """Define a feature: columns by name, given as a mapping or as keywords (EXE-25).

        Raises:
            FeatureError: the definition is not usable, or differs from the one there is.
        """
        from aexp.data.features import create_feature

        named = {**columns, **more} if isinstance(columns, Mapping) else (more or columns)
        return create_feature(self.layout, target, name, named, description=description)

    def lookup_feature(self, target: str, name: str) -> Feature:
        """Return a feature.

        Raises:
            NotFoundError: there is none of that name.
        """
        from aexp.data.features import lookup_feature

        return lookup_feature(self.layout, target, name)

    def list_features(self) -> list[Feature]:
        """Return all features, sorted by target and name."""
        from aexp.data.features import list_features

        return list_features(self.layout)

    def list_feature_values(self, target: str, name: str, **options: Any) -> Any:
        """Return the published values of a feature, of all executions that the ledger knows.

        Raises:
            NotFoundError: there is no such feature, or the bytes of its values are not here.
        """
        from aexp.data.feature_values import list_feature_values

        return list_feature_values(self.layout, target, name, **options)

    def lookup_asset(self, rid: str) -> Asset:
        """Return a published asset by its id.

        Raises:
            NotFoundError: no execution that the ledger knows published it.
        """
        from aexp.data.assets import lookup_asset

        return lookup_asset(self.layout, rid)

    def list_assets(self, **options: Any) -> list[Asset]:
        """Return the published assets that the ledger knows."""
        from aexp.data.assets import list_assets

        return list_assets(self.layout, **options)


def open_repo(path: str | os.PathLike[str] | None = None) -> Repository:
    """Return the repository around a folder: where executions begin.

    Args:
        path: any folder of the repository; the working directory when None.

    Raises:
        NotARepositoryError: there is no git repository.
        MissingExtraError: pydantic is not installed.
    """
    return Repository(open_layout(None if path is None else Path(path)))
