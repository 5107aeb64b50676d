"""An execution: a run with declared inputs and published outputs (EXE-01)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aexp.data.specs import DatasetSpec
from aexp.errors import InvalidTransitionError, NotFoundError, UsageError
from aexp.execution.life import Life
from aexp.model.execution import ExecutionStatus, check_execution_step

if TYPE_CHECKING:
    from aexp.data.bags import DatasetBag
    from aexp.execution.asset_path import AssetFilePath
    from aexp.execution.progress import UploadProgress

_S = ExecutionStatus


class Execution(Life):
    """One execution. Made by ``repo.create_execution()`` and ``repo.resume_execution()``.

    A context manager: entering sets it Running; leaving sets it Stopped, or Failed when an
    exception ends the block, which goes on. Nothing is published by that:
    :meth:`upload_execution_outputs` does it, after the block.
    """

    # --- recording -----------------------------------------------------------------------

    def log_metric(self, name: str, value: float, step: int | None = None) -> None:
        """Record one value of a metric of its run; see :meth:`ActiveRun.log_metric`."""
        self.run.log_metric(name, value, step)

    def log_parameter(self, name: str, value: bool | int | float | str) -> None:
        """Record a parameter of its run; see :meth:`ActiveRun.log_parameter`."""
        self.run.log_parameter(name, value)

    # --- inputs and outputs --------------------------------------------------------------

    def download_dataset_bag(self, dataset: DatasetSpec | str) -> DatasetBag:
        """Return a dataset's files, downloaded and verified (EXE-06).

        Args:
            dataset: which; without a version, the one that was resolved when this was created.

        Raises:
            NotFoundError: there is no such dataset or version.
            TransferError, CorruptDataError, StorageError: its bytes cannot be had.
        """
        from aexp.execution.inputs import dataset_bag

        return dataset_bag(self, dataset)

    def asset_file_path(
        self,
        asset_name: str,
        file_name: str | os.PathLike[str],
        *,
        asset_types: str | Sequence[str] | None = None,
        copy_file: bool = False,
        rename_file: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        description: str | None = None,
    ) -> AssetFilePath:
        """Register an output file, durably, and return where it is or is to be written (EXE-20).

        Args:
            asset_name: the kind of asset, such as ``Model``.
            file_name: a new file's name, or an existing file, which is linked.
            asset_types: types of it; the kind's name when None.
            copy_file: copy an existing file instead of linking it.
            rename_file: the name it is staged under.
            metadata: facts of it.
            description: what it is, in Markdown.

        Raises:
            UsageError: the kind, a type or the name is not usable; nothing was registered.
            InvalidTransitionError: the execution is Aborted.
            StorageError: the disk refused.
        """
        from aexp.execution.staging import asset_file_path

        self._refuse_aborted()
        return asset_file_path(
            self,
            asset_name,
            file_name,
            asset_types=asset_types,
            copy_file=copy_file,
            rename_file=rename_file,
            metadata=metadata,
            description=description,
        )

    def withdraw_asset(self, asset_name: str, file_name: str) -> None:
        """Take back the registration of an output that is not published (EXE-22).

        For a file that was registered and never written, because the process was killed in
        between: it would keep all the others from being published. The user's own file is not
        touched.

        Args:
            asset_name: its kind.
            file_name: its name among those of its kind.

        Raises:
            NotFoundError: nothing of that name is registered.
            UsageError: it is published.
            InvalidTransitionError: the execution is Aborted.
            StorageError: the disk refused.
        """
        self._refuse_aborted()
        row = self.state.find(asset_name, file_name)
        if row is None:
            known = ", ".join(found.label for found in self.state.assets()[:10]) or "nothing"
            raise NotFoundError(
                f"{asset_name}/{file_name} is not registered", hint=f"registered: {known}"
            )
        self.state.withdraw(row.rid)

    def metrics_file(self, name: str = "metrics.jsonl") -> AssetFilePath:
        """Return the path of a metrics file, registered once and never reset (EXE-24).

        Raises:
            UsageError: the name is not usable.
            InvalidTransitionError: the execution is Aborted.
            StorageError: the disk refused.
        """
        from aexp.execution.metrics import metrics_file

        self._refuse_aborted()
        return metrics_file(self, name)

    def add_features(self, features: Iterable[Any]) -> int:
        """Stage feature values, durably, and return how many (EXE-25).

        Args:
            features: records of one feature, made with its ``feature_record_class()``.

        Raises:
            FeatureError: they are not of one feature, or not what it says; nothing was staged.
            InvalidTransitionError: the execution is Aborted.
            StorageError: the disk refused.
        """
        from aexp.data.feature_staging import staged_rows
        from aexp.execution.kinds import load_kinds

        self._refuse_aborted()
        kinds = load_kinds(self.layout)
        rows = staged_rows(features, kinds, layout=self.layout, state=self.state)
        return self.state.add_features(rows)

    def _refuse_aborted(self) -> None:
        if self._opened is None and self.status is _S.Aborted:
            raise InvalidTransitionError(
                f"execution {self.execution_rid} is Aborted: nothing of it will be published",
                hint="create another with repo.create_execution()",
            )

    def upload_execution_outputs(
        self,
        timeout: tuple[float, float] = (600, 600),
        chunk_size: int = 50 * 1024 * 1024,
        max_retries: int = 3,
        retry_delay: float = 5.0,
        progress_callback: Callable[[UploadProgress], None] | None = None,
    ) -> dict[str, list[AssetFilePath]]:
        """Publish everything that is staged, in one visible step (EXE-30, EXE-31).

        What was published before, or has arrived already, is not sent again.

        Args:
            timeout: seconds to wait for a connection, and for each chunk.
            chunk_size: bytes sent at once.
            max_retries: tries after the first, of what may go better the next time.
            retry_delay: seconds before the first of them; it doubles with each.
            progress_callback: called with an :class:`UploadProgress`.

        Returns:
            What was published, by kind of asset; empty when nothing was pending.

        Raises:
            InvalidTransitionError: it is Created, Running or Aborted.
            UsageError: it is called within the block; or what is staged is not as it must be.
            RunBusyError: another live process publishes it.
            TransferError: the tries were used up; it is Failed, and can be published again.
            StorageError: the disk refused.
        """
        from aexp.execution.publish import upload
        from aexp.execution.resume import seal

        self._refuse_unended()
        seal(self)
        return upload(
            self,
            timeout=timeout,
            chunk_size=chunk_size,
            max_retries=max_retries,
            retry_delay=retry_delay,
            progress_callback=progress_callback,
        )

    def _refuse_unended(self) -> None:
        if self.is_open:
            raise UsageError(
                f"execution {self.execution_rid} is still open",
                hint="publish after the with block, or after execution_stop()",
            )
        current = self.status
        if current is _S.Running:
            raise InvalidTransitionError(
                f"execution {self.execution_rid} is Running: its process never ended it",
                hint="if it is gone: update_status(ExecutionStatus.Pending_Upload), then publish",
            )
        if current is not _S.Uploaded:
            check_execution_step(current, _S.Pending_Upload)
