"""What people name to push or pull: runs, experiments, artifacts, datasets (SHR-01, EXE-06).

The ledger says what belongs to a run and which artifact a name stands for; a remote is asked only
for what it does not say. So a fresh clone, with no ref at all, can pull what it reads of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from aexp.clock import utc_now
from aexp.errors import (
    AmbiguousIdError,
    NotFoundError,
    NotTerminalError,
    RefConflictError,
    UsageError,
)
from aexp.ledger.dataset_bytes import parcel_to_pull, parcel_to_push
from aexp.ledger.datasets import DatasetRecord, find_dataset, list_datasets
from aexp.ledger.experiments import ExperimentRecord, find_records, list_experiments
from aexp.model.ids import is_experiment_id
from aexp.model.oci import is_digest
from aexp.model.status import RETRACTED, is_terminal
from aexp.recording.run_bytes import (
    Source,
    parcels_to_pull,
    parcels_to_push,
    recorded_bytes,
)
from aexp.registry.lookup import find_artifact, listed_refs
from aexp.registry.refs import ANONYMOUS, ARTIFACT, RUN, RefChange, SetRef
from aexp.registry.remotes.base import Remote
from aexp.registry.remotes.places import RemoteRef
from aexp.registry.store import Registry
from aexp.registry.transfer import Options, Parcel, find_refs
from aexp.repo import Layout
from aexp.runs.lookup import all_runs, resolve_run_id, view_of
from aexp.runs.view import RunView

_CREATED: Final = "org.opencontainers.image.created"
_TITLE: Final = "org.opencontainers.image.title"


@dataclass
class Selection:
    """What was asked for.

    Attributes:
        parcels: what goes.
        without_bytes: runs that recorded no bytes: the ledger has all there is.
        left_out: why something that belongs to an experiment does not go, by its name.
    """

    parcels: list[Parcel] = field(default_factory=list)
    without_bytes: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    def add(self, parcel: Parcel) -> None:
        """Add what goes, once."""
        if all(known.name != parcel.name for known in self.parcels):
            self.parcels.append(parcel)


# --- push ----------------------------------------------------------------------------------


def select_to_push(layout: Layout, registry: Registry, targets: Sequence[str]) -> Selection:
    """Return what ``targets`` are here: names, digests, experiments (``E001``) and runs.

    A dataset is named ``digits``, which is its current version, or ``digits@1.0.0``.

    Raises:
        NotFoundError: something is not here.
        NotTerminalError: a run has not ended: its bytes are not all there yet.
    """
    source = _Source(layout, registry)
    for target in targets:
        source.add(target)
    return source.selection


def select_all(layout: Layout, registry: Registry) -> Selection:
    """Return every named artifact, dataset and ended run of this repository that is here.

    A registry that several repositories share holds other people's artifacts too; of those only
    the ones go that the ledger here lists.
    """
    source = _Source(layout, registry)
    mine = layout.common_dir is not None and registry.root.is_relative_to(layout.common_dir)
    listed = {record.digest for record in list_experiments(layout)}
    for ref in registry.refs(kind=ARTIFACT):
        if mine or ref.digest in listed:
            source.add_artifact(ref.digest, ref.name)
        else:
            source.selection.left_out[ref.name] = (
                "the ledger here does not list it; name it to push"
            )
    for record in list_datasets(layout):
        source.add_dataset(record, by_name=False)
    for view in all_runs(layout):
        source.add_run(view, by_name=False)
    return source.selection


class _Source:
    """Finds parcels in the registry of this clone."""

    def __init__(self, layout: Layout, registry: Registry) -> None:
        self._layout = layout
        self._registry = registry
        self._now = utc_now().isoformat(timespec="seconds")
        self.selection = Selection()

    def add(self, target: str) -> None:
        found = False
        if is_experiment_id(target):
            found = self._add_experiment(target)
        if (dataset := find_dataset(self._layout, target)) is not None:
            self.add_dataset(dataset, by_name=True)
            found = True
        if self._registry.ref(target) is not None or is_digest(target):
            digest, name = find_artifact(self._registry, target)
            self.add_artifact(digest, name)
            found = True
        if not found:
            self._add_by_id(target)

    def _add_experiment(self, experiment_id: str) -> bool:
        views = [v for v in all_runs(self._layout) if v.experiment_id == experiment_id]
        for view in views:
            self.add_run(view, by_name=False)
        kept = {ref.digest: ref.name for ref in listed_refs(self._registry)}
        records = [r for r in list_experiments(self._layout) if r.experiment_id == experiment_id]
        for record in records:
            if record.digest in kept:
                self.add_artifact(record.digest, kept[record.digest])
        return bool(views or records)

    def _add_by_id(self, target: str) -> None:
        try:
            job_id = resolve_run_id(self._layout, target)
        except AmbiguousIdError:
            raise
        except (UsageError, NotFoundError):
            digest, name = find_artifact(self._registry, target)
            self.add_artifact(digest, name)
            return
        self.add_run(view_of(self._layout, job_id), by_name=True)

    def add_artifact(self, digest: str, name: str | None) -> None:
        manifest = self._registry.manifest(digest)
        facts = {"committed_at": manifest.annotations.get(_CREATED, "")}
        named = name if name is not None and not name.startswith(f"{ANONYMOUS}/") else None
        shown = named or manifest.annotations.get(_TITLE) or digest
        ref = self._ref(ARTIFACT, shown, digest, facts)
        self.selection.add(Parcel(f"{shown} ({digest[:19]})", (digest,), refs=(ref,)))

    def add_dataset(self, record: DatasetRecord, *, by_name: bool) -> None:
        if self._registry.has(record.manifest):
            self.selection.add(parcel_to_push(self._layout, record))
            return
        reason = "its bytes are not in the registry of this clone"
        if by_name:
            add = f"`aexp dataset add {record.name} PATH --version {record.version}`"
            hint = f"push it where it was added, or add its files here: {add}"
            raise NotFoundError(f"dataset {record.label}: {reason}", hint=hint)
        self.selection.left_out[f"dataset {record.label}"] = reason

    def add_run(self, view: RunView, *, by_name: bool) -> None:
        if not (is_terminal(view.status) or view.status == RETRACTED):
            if by_name:
                raise NotTerminalError(
                    f"run {view.job_id} is {view.status}, so its bytes are not all there yet",
                    hint="push it when it has ended",
                )
            self.selection.left_out[f"run {view.job_id}"] = f"it is {view.status}"
            return
        parcels = parcels_to_push(self._layout, self._registry, view)
        if not parcels and not recorded_bytes(view):
            self.selection.without_bytes.append(view.job_id)
            return
        for parcel in parcels:
            self.selection.add(parcel)
        if not parcels:
            reason = "its bytes are not in the registry of this clone"
            if by_name:
                hint = f"push it where it ran: {view.machine or 'another machine'}"
                raise NotFoundError(f"run {view.job_id}: {reason}", hint=hint)
            self.selection.left_out[f"run {view.job_id}"] = reason

    def _ref(self, kind: str, name: str, digest: str, facts: Mapping[str, str]) -> RemoteRef:
        known = {key: value for key, value in facts.items() if value}
        return RemoteRef(kind, name, digest, self._now, self._layout.machine_label, known)


# --- pull ----------------------------------------------------------------------------------


def select_to_pull(
    layout: Layout,
    registry: Registry,
    remote: Remote,
    targets: Sequence[str],
    options: Options,
    *,
    replace_names: bool = False,
) -> Selection:
    """Return what ``targets`` are in the ledger, or else on the remote.

    Args:
        layout: the repository.
        registry: where the bytes are to go.
        remote: where they come from.
        targets: names, digests, experiments (``E001``), runs and datasets (``digits@1.0.0``).
        options: how to ask the remote.
        replace_names: let a name stand for the pulled artifact, whatever it stood for here.

    Raises:
        NotFoundError: neither the ledger nor the remote knows one of them.
        RefConflictError: a name stands here for another artifact, which the remote does not have.
    """
    wanted = _Wanted(layout, registry, remote, options, replace_names)
    for target in targets:
        wanted.add(target)
    wanted.add_runs()
    return wanted.selection


class _Wanted:
    """Finds parcels in the ledger, and on a remote."""

    def __init__(
        self,
        layout: Layout,
        registry: Registry,
        remote: Remote,
        options: Options,
        replace_names: bool,
    ) -> None:
        self._layout = layout
        self._registry = registry
        self._remote = remote
        self._options = replace(options, dry_run=False)
        self._replace_names = replace_names
        self._source = Source(layout, registry, remote, self._options)
        self._runs: dict[str, RunView] = {}
        self.selection = Selection()

    @cached_property
    def _views(self) -> list[RunView]:
        return list(all_runs(self._layout))

    def add(self, target: str) -> None:
        found = False
        if is_experiment_id(target):
            for view in self._views:
                if view.experiment_id == target:
                    self._runs[view.job_id] = view
                    found = True
        if (dataset := find_dataset(self._layout, target)) is not None:
            self.selection.add(parcel_to_pull(self._layout, dataset))
            found = True
        records = self._records(target)
        for record in records:
            self._add_artifact(record.digest, record.name, record.committed_at)
        if not records and not found and not is_digest(target):
            found = self._add_by_id(target)
        if not records and not self._add_from_remote(target, needed=not found) and not found:
            raise NotFoundError(
                f"neither the ledger nor {self._remote.shown} knows {target!r}",
                hint="run `aexp sync`; see `aexp session list`, `dataset list` and `list-runs`",
            )

    def _records(self, target: str) -> list[ExperimentRecord]:
        """Return the artifacts that a name stands for last, or that belong to an experiment."""
        named = find_records(self._layout, target)
        if is_experiment_id(target):
            of_it = [r for r in list_experiments(self._layout) if r.experiment_id == target]
            named = [*named, *(r for r in of_it if r.name is not None)]
        latest = {record.name or record.digest: record for record in named}
        if len(latest) > 1 and not is_experiment_id(target):
            raise AmbiguousIdError(f"{target!r} begins several digests", hint="give more digits")
        return list(latest.values())

    def _add_by_id(self, target: str) -> bool:
        try:
            job_id = resolve_run_id(self._layout, target)
        except AmbiguousIdError:
            raise
        except (UsageError, NotFoundError):
            return False
        self._runs[job_id] = view_of(self._layout, job_id)
        return True

    def _add_from_remote(self, target: str, *, needed: bool) -> bool:
        """Add an artifact that the ledger does not know, by what the remote says of the name."""
        if not needed and not is_experiment_id(target):
            return False
        if is_digest(target):
            self._add_artifact(target, None, "")
            return True
        refs = find_refs(self._remote, ARTIFACT, [target], self._options)[target]
        if not refs:
            return False
        latest = max(refs, key=lambda ref: (ref.facts.get("committed_at", ""), ref.pushed_at))
        self._add_artifact(latest.digest, target, latest.facts.get("committed_at", ""))
        return True

    def _add_artifact(self, digest: str, name: str | None, committed_at: str) -> None:
        changes = self._named(name, digest)
        shown = f"{name or 'artifact'} ({digest[:19]})"
        self.selection.add(Parcel(shown, (digest,), finish=lambda registry: changes))

    def _named(self, name: str | None, digest: str) -> list[RefChange]:
        """Return the changes of refs by which an artifact has its name here.

        What the name stood for stays reachable, as when a session is committed (SES-05).
        """
        if name is None:
            return [SetRef(_anonymous(digest), ANONYMOUS, digest)]
        current = self._registry.ref(name)
        if current is None:
            return [SetRef(name, ARTIFACT, digest, expect=None)]
        if current.digest == digest:
            return []
        if not self._replace_names and not self._source.has(current.digest):
            raise RefConflictError(
                f"{name!r} stands here for another artifact ({current.digest[:19]}), which"
                f" {self._remote.shown} does not have",
                hint="push it first, or pull with --replace: then it stays here without a name",
            )
        before = SetRef(_anonymous(current.digest), ANONYMOUS, current.digest, session=name)
        return [SetRef(name, ARTIFACT, digest, expect=current.digest), before]

    def add_runs(self) -> None:
        """Add the runs that were found, all asked of the remote at once."""
        refs = find_refs(self._remote, RUN, list(self._runs), self._options)
        for job_id, view in self._runs.items():
            self._add_run(view, refs[job_id])

    def _add_run(self, view: RunView, refs: Sequence[RemoteRef]) -> None:
        parcels = parcels_to_pull(self._source, view, refs)
        if not parcels:
            self.selection.without_bytes.append(view.job_id)
        for parcel in parcels:
            self.selection.add(parcel)


def _anonymous(digest: str) -> str:
    return f"{ANONYMOUS}/{digest.removeprefix('sha256:')[:16]}"
