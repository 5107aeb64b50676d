"""Every error aexp raises on purpose, with its code, exit code and hint.

A surface catches :class:`AexpError` once, prints one line and the hint, and exits with
``exit_code``. Nothing else in the package is allowed to print or exit. The exit-code table in
the documentation is generated from the classes below. This module imports nothing of ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar


class AexpError(Exception):
    """Base of all errors a user can meet.

    Args:
        message: one line, without a trailing period being required, naming what is wrong.
        hint: what to do about it, or None when there is nothing sensible to suggest.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1
    summary: ClassVar[str] = "The command could not do what was asked."
    usual_hint: ClassVar[str] = "see what `aexp doctor` says"
    """What a surface shows when the error has no hint of its own."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if hint:
            self.add_note(f"hint: {hint}")  # a traceback shows it to those who call from Python


class UsageError(AexpError, ValueError):
    """The command line or an argument is wrong; nothing was changed."""

    code = "usage"
    exit_code = 2
    summary = "Wrong usage: an option, an argument or a value is malformed."
    usual_hint = "see the command's --help"


class NotARepositoryError(AexpError):
    """The command needs a git repository and there is none here."""

    code = "no-repository"
    exit_code = 3
    summary = "Not inside a git repository."


class NotInstalledError(AexpError):
    """The command needs something that ``aexp install`` sets up."""

    code = "not-installed"
    exit_code = 3
    summary = "The repository has no aexp installation that the command needs."


class NotFoundError(AexpError, LookupError):
    """Something that was named does not exist."""

    code = "not-found"
    exit_code = 4
    summary = "A run, experiment, hypothesis, finding or file that was named does not exist."
    usual_hint = "see `aexp list-runs` and kb/research for what there is"


class CommandNotFoundError(NotFoundError):
    """The program of ``aexp run`` does not exist; the shell's own status for it (RUN-05)."""

    code = "command-not-found"
    exit_code = 127
    summary = "The program that `aexp run` was given does not exist."


class CommandNotExecutableError(NotFoundError):
    """The program of ``aexp run`` cannot be executed; the shell's own status for it (RUN-05)."""

    code = "command-not-executable"
    exit_code = 126
    summary = "What `aexp run` was given is no program that can be executed."


class AmbiguousIdError(NotFoundError):
    """An id prefix names more than one thing."""

    code = "ambiguous-id"
    summary = "An id prefix names more than one run."


class InvalidTransitionError(AexpError, ValueError):
    """The status table does not allow this change; nothing was changed (model.md)."""

    code = "invalid-transition"
    exit_code = 5
    summary = "The status table does not allow this change of a run."
    usual_hint = "see `aexp show-run` for how the run stands"


class NotTerminalError(InvalidTransitionError):
    """Only a terminal run can be projected into the ledger (LED-04)."""

    code = "not-terminal"
    summary = "The run is not terminal, so it cannot be promoted."


class RefConflictError(AexpError):
    """A name in the registry is not as a change expected; nothing was changed (SES-05)."""

    code = "ref-conflict"
    exit_code = 5
    summary = "A name in the registry exists already, or another process has changed it."
    usual_hint = "see `aexp registry ls`, and choose another name"


class RunBusyError(AexpError):
    """Another live process owns the run."""

    code = "run-busy"
    exit_code = 6
    summary = "Another live process owns the run."
    usual_hint = "wait for it to end, or stop it"


class LockTimeoutError(AexpError, TimeoutError):
    """A lock was not obtained in time."""

    code = "lock-timeout"
    exit_code = 6
    summary = "A lock was held by another process for too long."
    usual_hint = "wait for the other process, or stop it, and try again"


class CorruptDataError(AexpError, ValueError):
    """A file that aexp wrote or reads does not hold what it must."""

    code = "corrupt-data"
    exit_code = 7
    summary = "A file holds something other than its format allows."
    usual_hint = "see `aexp validate` for the file and what is wrong with it"


class NewerSchemaError(CorruptDataError):
    """A file was written by a newer aexp."""

    code = "newer-schema"
    summary = "A file was written by a newer version of aexp."
    usual_hint = "install the newest aexp"


class StorageError(AexpError, OSError):
    """The disk refused: full, read-only, no permission."""

    code = "storage"
    exit_code = 8
    summary = "A file could not be written or read (full disk, read-only folder, permission)."
    usual_hint = "check the permissions, and that the disk works and has room"

    def __str__(self) -> str:
        return self.message


class GitError(AexpError):
    """Git refused or failed."""

    code = "git"
    exit_code = 9
    summary = "A git command failed."
    usual_hint = "see what `git status` says here"


class CommitSkippedError(GitError):
    """Files were written, but not committed, for the stated reason (LED-07)."""

    code = "commit-skipped"
    summary = "Ledger files were written, but the commit was skipped."


class PartialFailureError(AexpError):
    """Some of several items failed; the others were done."""

    code = "partial-failure"
    exit_code = 10
    summary = "Some of several items failed; the rest was done."
    usual_hint = "see the lines above"


class UnsafeValueError(UsageError):
    """A value may not be recorded: a secret, NaN, an unusable key (model.md 8, 10)."""

    code = "unsafe-value"
    summary = "A value may not be recorded (a secret, NaN or infinity, an unusable key)."


class MissingExtraError(AexpError, ImportError):
    """An optional dependency is not installed."""

    code = "missing-extra"
    exit_code = 11
    summary = "An optional dependency is not installed."


class TransferError(AexpError):
    """Bytes could not be copied to or from a remote (SHR-01)."""

    code = "transfer"
    exit_code = 12
    summary = "Bytes could not be copied to or from a remote."
    usual_hint = "run the same command again: what has arrived is not copied again"


class RemoteUnavailableError(TransferError):
    """A remote could not be reached, or broke off; trying again may help (EXE-40)."""

    code = "remote-unavailable"
    summary = "A remote could not be reached or broke off, and the tries were used up."


class RunClosedError(AexpError):
    """A closed run is immutable (REC-01)."""

    code = "run-closed"
    exit_code = 5
    summary = "A closed run was asked to record something."
    usual_hint = "begin another run with `experiment.run()`"


class SessionClosedError(AexpError):
    """A session that was committed or closed records nothing more (SES-01)."""

    code = "session-closed"
    exit_code = 5
    summary = "A recording session that was committed or closed was asked to record something."
    usual_hint = "go on with `experiment.fork(name)` or `Experiment.restore_from_checkpoint(name)`"


class OpenRunsError(AexpError):
    """A session with open runs cannot be committed (SES-06)."""

    code = "open-runs"
    exit_code = 5
    summary = "A recording session was to be committed while runs of it are open."
    usual_hint = "close each with `run.finish()`, or use it in a `with` block"


class SessionBusyError(AexpError):
    """A live process owns the recording session (SES-03)."""

    code = "session-busy"
    exit_code = 6
    summary = "Another live process owns the recording session."
    usual_hint = "wait for it to end, or stop it; `aexp session list --checkpoints` shows it"


class CitedError(AexpError):
    """What was to be removed is cited by a finding; nothing was removed (GC-06)."""

    code = "cited"
    exit_code = 5
    summary = "Something that a finding cites was to be removed."
    usual_hint = "take the citation out of the finding first, or keep it"


class SweepConfigError(UsageError):
    """A sweep is not what its spec, its script or its folder must be; nothing was run (SWP-09)."""

    code = "sweep-config"
    summary = "A sweep's spec is wrong, or its script or folder is not the one it began with."
    usual_hint = "see docs/format/sweep.md for what a spec may say"


class ManifestCorruptError(CorruptDataError):
    """A line of a sweep's manifest that is not the torn last one is damaged (SWP-07)."""

    code = "manifest-corrupt"
    summary = "A sweep's manifest is damaged elsewhere than in a torn last line."
    usual_hint = "take the file from a backup, or move the line away and resume the sweep"


class SweepBusyError(RunBusyError):
    """Another live process drives the sweep (SWP-10)."""

    code = "sweep-busy"
    summary = "Another live process drives the sweep."
    usual_hint = "wait for it to end, or stop it; `aexp sweep status` shows how far it is"


class CodeDriftError(AexpError):
    """The code here is not the code that a queued run was registered with (QUE-01)."""

    code = "code-drift"
    exit_code = 5
    summary = "The code differs from the code that a queued run was registered with."
    usual_hint = "check that code out, or record the other: `aexp queue run --allow-code-drift`"


class NoCommandError(AexpError):
    """A queued run has no command that a worker could run (QUE-02)."""

    code = "no-command"
    exit_code = 5
    summary = "A queued run has no command: its experiment has no runner_command."
    usual_hint = "write runner_command into the experiment's file"


class TooOftenLostError(InvalidTransitionError):
    """The workers of a queued run died again and again; no further worker takes it (QUE-03)."""

    code = "too-often-lost"
    summary = "The workers of a queued run died again and again, so that it was given up."
    usual_hint = "see its log, then try it alone: `aexp run-queued RUN`"


class FeatureError(UsageError):
    """A feature, or a record of its values, is not what it must be; nothing was kept (EXE-25)."""

    code = "feature"
    summary = "A feature's definition, or a record of its values, is not what it must be."
    usual_hint = "see `aexp feature show TARGET NAME` and docs/format/feature.md"


class StagedOutputError(AexpError):
    """Staged outputs cannot be published as they are; nothing was uploaded (EXE-21, EXE-22).

    Attributes:
        problems: all that is wrong, a line each.
    """

    code = "staged-output"
    exit_code = 5
    summary = "Staged outputs cannot be published: not written, changed, or with bad metadata."
    usual_hint = "correct them, or register them again, and publish again"

    def __init__(self, message: str, *, hint: str | None = None, problems: tuple[str, ...] = ()):
        super().__init__(message, hint=hint)
        self.problems = problems


class DirtyTreeError(AexpError):
    """The repository's settings refuse executions of code that is not committed (EXE-03)."""

    code = "dirty-tree"
    exit_code = 5
    summary = "There are uncommitted changes, and aexp.yaml refuses executions of such code."
    usual_hint = "commit the changes, then run it again"


class ExecutionFailedError(AexpError):
    """The model function or the notebook of an execution failed (EXE-60, EXE-61)."""

    code = "execution-failed"
    exit_code = 1
    summary = "The model function or the notebook of an execution failed."
    usual_hint = "see `aexp execution list --status Failed`; what was staged is kept"


class CheckpointWarning(UserWarning):
    """A session's checkpoint could not be written; its runs are recorded (SES-02)."""


class MissingExperimentWarning(UserWarning):
    """A run names an experiment that has no file in ``kb/`` yet (RUN-01)."""


class LedgerPromotionWarning(UserWarning):
    """A promotion failed; the run itself is recorded and the ledger heals later (RUN-04)."""


class MissingOutputWarning(UserWarning):
    """A finished point's output is not here, or is damaged: its row is empty (SWP-12)."""


class AttachmentWarning(UserWarning):
    """The result of a recorded call has no form in which it could be stored (REC-06)."""


class ReplacedAssetWarning(UserWarning):
    """A file was registered under the name of another one, which is published no more (EXE-22)."""


class DirtyTreeWarning(UserWarning):
    """An execution's code has uncommitted changes; which, is recorded (EXE-03)."""


class WorkflowWarning(UserWarning):
    """A workflow is recorded otherwise than it was described (EXE-02)."""


def error_classes() -> Iterator[type[AexpError]]:
    """Yield every error class, parents before children, in a stable order (for the docs)."""
    stack: list[type[AexpError]] = [AexpError]
    while stack:
        cls = stack.pop(0)
        yield cls
        stack.extend(cls.__subclasses__())
