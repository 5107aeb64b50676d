"""Recording sessions: ``aexp.experiment.Experiment`` (SES-01 to SES-07)."""

from __future__ import annotations

import signal
import threading
import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal

from aexp.clock import utc_now
from aexp.errors import (
    AexpError,
    MissingExperimentWarning,
    NotFoundError,
    SessionClosedError,
    UsageError,
)
from aexp.kb import find_experiment
from aexp.ledger.experiments import find_records, heal_records
from aexp.model.attachment import Attachment
from aexp.model.ids import is_experiment_id
from aexp.model.session import SessionFacts, check_session_name
from aexp.model.times import format_time
from aexp.recording.attaching import Attaching
from aexp.recording.commit import Artifact, commit
from aexp.recording.restore import fork, restore
from aexp.recording.run import Run, open_run
from aexp.recording.sealed import Sealed, SealedRun, find_sealed, read_sealed
from aexp.recording.session import RUNNING, Session, new_session_id
from aexp.recording.table import parameters_frame
from aexp.registry import open_registry
from aexp.registry.refs import ARTIFACT
from aexp.repo import KB_DIR_REL, Layout, open_layout
from aexp.runs.lifecycle import Terminated, how_it_ended, sigterm_as_exception
from aexp.tree import WorkTree

if TYPE_CHECKING:
    import pandas

    from aexp.registry.store import Registry

__all__ = ["Artifact", "Experiment", "Run", "SealedRun"]


class Experiment(Attaching):
    """A recording session: runs and attachments that belong together.

    It is saved after each run, and sealed as one immutable artifact by :meth:`commit`. In a
    notebook, open it once, record runs in any number of cells, and commit when done. As a context
    manager it commits at the end of the block; an exception keeps a checkpoint instead.

    Args:
        name: what it is to be committed as; without one it is anonymous. A name like ``E001`` is
            the experiment of its runs too.
        experiment_id: the experiment that its runs belong to, such as ``E001``.
        repo_root: any folder of the repository; the working directory when None.

    Raises:
        UsageError: the name or the experiment id is none.
        NotARepositoryError: there is no git repository.
        StorageError: the disk refused.
    """

    def __init__(
        self,
        name: str | None = None,
        experiment_id: str | None = None,
        repo_root: str | Path | None = None,
    ) -> None:
        if name is not None:
            check_session_name(name)
        if experiment_id is None and is_experiment_id(name):
            experiment_id = name
        layout = open_layout(repo_root)
        _check_experiment(layout, experiment_id)
        registry = open_registry(layout)
        facts = SessionFacts(
            session_id=new_session_id(),
            name=name,
            experiment_id=experiment_id,
            created_at=format_time(utc_now()),
            machine=layout.machine_label,
            base=_digest_of(registry, name),
        )
        self._open(layout, registry, Session(layout, registry, facts))

    def _open(
        self,
        layout: Layout,
        registry: Registry,
        session: Session | None,
        sealed: Sealed | None = None,
    ) -> None:
        self._layout = layout
        self._where = registry
        self._session = session
        self._sealed = sealed
        self._status = RUNNING if sealed is None else "complete"
        self._entered = ExitStack()
        self._is_signal_ours = False
        if session is not None:
            heal_records(layout)

    @classmethod
    def _of(
        cls,
        layout: Layout,
        registry: Registry,
        session: Session | None,
        sealed: Sealed | None = None,
    ) -> Experiment:
        experiment = cls.__new__(cls)
        experiment._open(layout, registry, session, sealed)
        return experiment

    def __repr__(self) -> str:
        return f"<Experiment {self.name or 'anonymous'} {self.session_id} {self.status}>"

    # --- other ways to get one -----------------------------------------------------------

    @classmethod
    def load(cls, name: str, repo_root: str | Path | None = None) -> Experiment:
        """Return a committed session, to read and to fork. Never asks the network (SES-06).

        Args:
            name: what it was committed as, its digest, or the beginning of that.
            repo_root: any folder of the repository; the working directory when None.

        Raises:
            NotFoundError: it is not here; the hint says so when the ledger knows it.
            CorruptDataError: it is no committed session, or damaged.
        """
        layout = open_layout(repo_root)
        registry = open_registry(layout)
        try:
            return cls._of(layout, registry, None, find_sealed(registry, name))
        except NotFoundError:
            if not find_records(layout, name):
                raise
            raise NotFoundError(
                f"session {name!r} is known to the ledger, but its bytes are not here",
                hint=f"`aexp pull {name}` brings them",
            ) from None

    @classmethod
    def restore_from_checkpoint(cls, name: str, repo_root: str | Path | None = None) -> Experiment:
        """Return a session that was not committed, as its last checkpoint has it (SES-03).

        It goes on recording, and :meth:`commit` publishes its name.

        Args:
            name: the name of the session, or the id that ``aexp session list --checkpoints``
                shows. Of several of one name, the newest that no live process owns.
            repo_root: any folder of the repository; the working directory when None.

        Raises:
            NotFoundError: there is no such checkpoint.
            SessionBusyError: a live process owns each; they are listed.
            CorruptDataError: the checkpoint is damaged.
            StorageError: the disk refused.
        """
        layout = open_layout(repo_root)
        registry = open_registry(layout)
        return cls._of(layout, registry, restore(layout, registry, name))

    @classmethod
    def import_file(
        cls,
        path: str | PathLike[str],
        name: str | None = None,
        replace: bool = False,
        repo_root: str | Path | None = None,
    ) -> Experiment:
        """Take a session from a file that :meth:`export` wrote, and return it.

        Args:
            path: the file.
            name: what to call it here; its own name when None.
            replace: take that name even if it stands for another artifact here.
            repo_root: any folder of the repository; the working directory when None.

        Raises:
            NotFoundError, CorruptDataError: there is no such file, or it holds no whole session.
            RefConflictError: the name stands for another artifact.
            StorageError: the disk refused.
        """
        from aexp.registry.archive import import_archive

        layout = open_layout(repo_root)
        registry = open_registry(layout)
        done = import_archive(registry, Path(path), name=name, replace=replace)
        if len(done) != 1:
            raise UsageError(f"{path} holds {len(done)} artifacts, of which one can be loaded")
        called = done[0].name if done[0].kind == ARTIFACT else None
        return cls._of(layout, registry, None, read_sealed(registry, done[0].digest, called))

    def export(self, path: str | PathLike[str], replace: bool = False) -> Path:
        """Write the committed session and all its bytes to one file; return its path.

        Args:
            path: the file: a tar of an OCI layout.
            replace: replace a file that is there.

        Raises:
            SessionClosedError: it is not committed yet.
            UsageError: the file is there already.
            CorruptDataError: a part of it is missing or damaged.
            StorageError: the disk refused.
        """
        from aexp.registry.archive import export_artifact

        sealed = self._committed("exported")
        target = Path(path)
        export_artifact(
            self._where, sealed.descriptor.digest, target, name=sealed.name, replace=replace
        )
        return target

    def fork(self, name: str | None = None) -> Experiment:
        """Return a new session that begins with everything this committed one holds.

        The parent stays as it is, and reachable as long as the fork is (OCI ``subject``).

        Args:
            name: what the fork is to be committed as; without one it is anonymous.

        Raises:
            SessionClosedError: it is not committed yet.
            UsageError: the name is none.
        """
        sealed = self._committed("forked")
        if name is not None:
            check_session_name(name)
        base = _digest_of(self._where, name)
        session = fork(self._layout, self._where, sealed, name, base)
        return Experiment._of(self._layout, self._where, session)

    # --- what it is ----------------------------------------------------------------------

    @property
    def _facts(self) -> SessionFacts:
        if self._sealed is not None:
            return self._sealed.facts.session
        assert self._session is not None
        return self._session.facts

    @property
    def name(self) -> str | None:
        """What it is to be committed as, or was; None for an anonymous one."""
        return self._facts.name if self._sealed is None else self._sealed.name

    @property
    def experiment_id(self) -> str | None:
        """The experiment that its runs belong to, such as ``E001``, or None."""
        return self._facts.experiment_id

    @property
    def session_id(self) -> str:
        """The random id of the session, by which its checkpoint is called; restoring keeps it."""
        return self._facts.session_id

    @property
    def status(self) -> str:
        """``running``; ``complete`` when committed; ``failed`` or ``stopped`` by an exception."""
        return self._status

    @property
    def artifact(self) -> Artifact | None:
        """What it was committed as, or None while it is not."""
        if self._sealed is None:
            return None
        return Artifact(self._sealed.name, self._sealed.descriptor.digest)

    @property
    def runs(self) -> list[SealedRun | Run]:
        """Its runs by number: closed ones, and those that are open (SES-06)."""
        if self._sealed is not None:
            return [SealedRun(self._where, facts) for facts in self._sealed.facts.runs]
        assert self._session is not None
        found: list[SealedRun | Run] = list(self.open_runs)
        found += [SealedRun(self._where, facts) for facts in self._session.runs]
        return sorted(found, key=lambda run: run.run_id)

    @property
    def open_runs(self) -> list[Run]:
        """Its runs that are not closed yet, by number."""
        if self._sealed is not None or self._session is None:
            return []
        with self._session.lock:
            found = dict(self._session.open_runs)
        return [run for _, run in sorted(found.items()) if isinstance(run, Run)]

    @property
    def last_checkpoint_error(self) -> Exception | None:
        """Why the last checkpoint could not be written, or None when it could (SES-02)."""
        return None if self._session is None else self._session.last_error

    def run_parameters_df(self) -> pandas.DataFrame:
        """Return the parameters of all runs as a pandas DataFrame, with ``run_id`` as its index.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        return parameters_frame([(run.run_id, run.parameters) for run in self.runs])

    # --- recording -----------------------------------------------------------------------

    def run(
        self,
        statepoint: Mapping[str, object] | None = None,
        /,
        *,
        reuse: bool = False,
        **state_point: object,
    ) -> Run:
        """Begin a run; use it in a ``with`` block, or call its ``finish()`` (REC-01).

        Each call is a new run, also with the same keys.

        Args:
            statepoint: identity parameters whose names are no Python names (``optimizer.lr``).
            reuse: take the run that has just these keys (and this code), and record a new attempt
                of it when it has ended already.
            state_point: identity parameters.

        Raises:
            SessionClosedError: the session was committed or closed.
            UsageError, UnsafeValueError: a key or value may not be recorded; no run was begun.
            RunBusyError: with ``reuse``, a live process works on that run.
            GitError: the state of the code cannot be read.
            StorageError: the disk refused.
        """
        both = sorted(set(statepoint or {}) & set(state_point))
        if both:
            raise UsageError(f"{both[0]} is given twice", hint="give each key once")
        return open_run(self._recording(), {**(statepoint or {}), **state_point}, reuse=reuse)

    def checkpoint(self) -> str:
        """Save the session now, and return the id by which it can be restored (SES-02).

        Raises:
            SessionClosedError: the session was committed or closed.
            StorageError: the disk refused; the checkpoint before stands.
        """
        session = self._recording()
        session.save()
        return session.session_id

    def commit(self, name: str | None = None, replace: bool = False) -> Artifact:
        """Seal the session as one immutable artifact under its name (SES-07).

        Its checkpoint is removed, and the commit recorded in the ledger. When this fails, the
        session is as it was before.

        Args:
            name: another name than its own.
            replace: take the name even if another session was committed under it meanwhile. What
                the name stood for stays in the registry, without a name.

        Raises:
            OpenRunsError: runs are open; they are named (SES-06).
            RefConflictError: another session has advanced the name (SES-05).
            SessionClosedError: it was committed or closed already.
            StorageError: the disk refused.
        """
        session = self._recording()
        try:
            sealed = commit(session, name, replace_name=replace)
        finally:
            if session.sealed is not None:
                self._sealed, self._status = session.sealed, "complete"
        return Artifact(sealed.name, sealed.descriptor.digest)

    def close(self) -> None:
        """Save the session and let it go, for :meth:`restore_from_checkpoint` to go on with.

        Runs that are open stay so, and can still be closed; they are not part of the checkpoint.

        Raises:
            SessionClosedError: the session was committed or closed already.
            StorageError: the disk refused; the session is open still.
        """
        session = self._recording()
        session.save(owned=False)
        session.end("closed")

    # --- as a context manager ------------------------------------------------------------

    def __enter__(self) -> Experiment:
        self._check_open()
        if threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGTERM)
            self._entered.enter_context(sigterm_as_exception())
            self._is_signal_ours = signal.getsignal(signal.SIGTERM) is not before
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Literal[False]:
        session = self._session
        try:
            if session is not None and session.is_usable:
                status, _, problem = _ended_by(error)
                if status == "complete":
                    self._commit_at_end(session)
                else:
                    self._give_up(session, status, problem)
        finally:
            self._entered.close()
        if isinstance(error, Terminated) and self._is_signal_ours:
            raise SystemExit(128 + signal.SIGTERM) from None
        return False

    def _commit_at_end(self, session: Session) -> None:
        try:
            self.commit()
        except (AexpError, OSError):
            session.autosave()
            raise

    def _give_up(self, session: Session, status: str, problem: dict[str, str] | None) -> None:
        """Keep a checkpoint that says how the block ended; the name stays where it is."""
        reason = f"{problem['type']}: {problem['message']}"[:512] if problem else ""
        try:
            session.save(status, reason, owned=False)
        except (AexpError, OSError) as failure:
            session.last_error = failure
            session.warn(f"the checkpoint of the session could not be written: {failure}")
        session.end(status)
        self._status = status

    # --- what attaching needs ------------------------------------------------------------

    def _recording(self) -> Session:
        if self._session is None:
            raise SessionClosedError("this session is committed, and was loaded to be read")
        self._session.check_open()
        return self._session

    def _committed(self, what: str) -> Sealed:
        if self._sealed is None:
            raise SessionClosedError(
                f"this session is not committed, so it cannot be {what}",
                hint="call commit() first",
            )
        return self._sealed

    def _check_open(self) -> None:
        self._recording()

    def _attachments(self) -> Mapping[str, Attachment]:
        return {item.name: item for item in self._facts.attachments}

    def _registry(self) -> Registry:
        return self._where

    def _record_attachment(self, attachment: Attachment) -> None:
        session = self._recording()
        with session.lock:
            session.check_open()
            session.attachments[attachment.name] = attachment


def _ended_by(error: BaseException | None) -> tuple[str, str, dict[str, str] | None]:
    return ("complete", "exit", None) if error is None else how_it_ended(error)


def _digest_of(registry: Registry, name: str | None) -> str | None:
    """Return what a name stands for now, or None."""
    ref = None if name is None else registry.ref(name)
    return None if ref is None else ref.digest


def _check_experiment(layout: Layout, experiment_id: str | None) -> None:
    if experiment_id is None:
        return
    if not is_experiment_id(experiment_id):
        raise UsageError(
            f"{experiment_id!r} is no experiment id", hint="experiments are named like E001"
        )
    tree = WorkTree(layout.root, has_git=layout.git_dir is not None)
    if find_experiment(tree, experiment_id) is None:
        warnings.warn(
            f"experiment {experiment_id} has no file in {KB_DIR_REL}/experiments yet",
            MissingExperimentWarning,
            stacklevel=3,
        )
