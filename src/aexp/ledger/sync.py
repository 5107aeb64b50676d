"""``aexp sync``: one command that shares the ledger and fetches the others' (LED-14).

Backfill, commit, fetch, merge, push; again from the commit on when somebody else's push came
first. Everything before the push happens here alone, and a merge changes nothing unless it
succeeds as a whole (:mod:`aexp.ledger.sync_merge`).
"""

from __future__ import annotations

import secrets
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from aexp.errors import AexpError, GitError, LockTimeoutError
from aexp.git import Git
from aexp.ledger.backfill import BackfillReport, Progress, backfill, silent
from aexp.ledger.commit import commit_ledger, uncommitted_entries
from aexp.ledger.promote import Outcome, home_layout, prepare
from aexp.ledger.sync_merge import Blocked, Joined, join
from aexp.ledger.sync_remote import Target, fetch, find_target, push
from aexp.model.status import is_terminal
from aexp.repo import LEDGER_DIR_REL, Layout
from aexp.storage.lock import file_lock
from aexp.workspace.store import RunStore

ATTEMPTS: Final = 5
"""How often a push is tried before the others are declared too busy."""

_PAUSE_MS: Final = 150
_LOCK_S: Final = 60.0


@dataclass
class SyncReport:
    """What a synchronization has done so far; it is filled in as it happens.

    Attributes:
        target: with what.
        backfill: what was promoted.
        committed: the ledger files that were committed.
        left_out: uncommitted ledger files that are no usable entries, with the reason.
        other: other shared files that are not committed.
        merged: what came from the others, one item for each merge.
        pushed: how many commits were pushed; None when none had to be, or none was to be.
        new_branch: whether the branch is new at the remote.
        rounds: how often it was tried.
    """

    target: Target | None = None
    backfill: BackfillReport = field(default_factory=BackfillReport)
    committed: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    other: tuple[str, ...] = ()
    merged: list[Joined] = field(default_factory=list)
    pushed: int | None = None
    new_branch: bool = False
    rounds: int = 0


@dataclass(frozen=True)
class SyncPlan:
    """What a synchronization would do, as far as this clone can know without asking the remote.

    Attributes:
        target: with what.
        promote: runs that would get their entry.
        refresh: runs whose entry would be completed or repaired.
        failing: runs that could not be promoted, with the reason.
        commit: ledger files that would be committed.
        behind: commits known from the last fetch that would be merged; None when unknown.
        ahead: commits that would be pushed, the ledger's new one aside; None when unknown.
    """

    target: Target
    promote: tuple[str, ...]
    refresh: tuple[str, ...]
    failing: dict[str, str]
    commit: tuple[str, ...]
    behind: int | None
    ahead: int | None


def sync(
    layout: Layout,
    *,
    remote: str | None = None,
    with_push: bool = True,
    attempts: int = ATTEMPTS,
    report: SyncReport | None = None,
    progress: Progress = silent,
) -> SyncReport:
    """Share the ledger, and fetch what the others shared.

    Args:
        layout: the repository.
        remote: the remote to use; the branch's own when None.
        with_push: False stops after the merge.
        attempts: how often to try when others push at the same time.
        report: filled in as things happen, for a caller that wants to know what was done before
            an error.
        progress: is told what is being done.

    Raises:
        GitError: a person must decide, or the remote refused. What was committed stays committed,
            and what is staged, changed or untracked is as it was.
        NotFoundError: there is no such remote.
        LockTimeoutError: another synchronization is going on in this work tree.
    """
    report = report if report is not None else SyncReport()
    assert attempts > 0
    report.target = target = find_target(layout, remote)
    assert layout.git_dir is not None
    with ExitStack() as stack:
        try:
            stack.enter_context(file_lock(layout.git_dir / "aexp-sync.lock", timeout=_LOCK_S))
        except LockTimeoutError:
            raise LockTimeoutError(
                "another `aexp sync` is going on in this work tree", hint="wait until it has ended"
            ) from None
        report.backfill = backfill(layout, progress=progress)
        reason = ""
        for report.rounds in range(1, attempts + 1):
            if report.rounds > 1:
                _pause(report.rounds)
            refused = _round(layout, target, with_push, report, progress)
            if refused is None:
                return report
            reason = refused
    who = "another git works in this clone" if ".lock'" in reason else "others push meanwhile"
    raise GitError(
        f"not synchronized after {attempts} {'try' if attempts == 1 else 'tries'}: {reason}",
        hint=f"{who}; nothing is lost, run `aexp sync` again",
    )


def _round(
    layout: Layout, target: Target, with_push: bool, report: SyncReport, progress: Progress
) -> str | None:
    """Commit, fetch, merge and push once; return why it must be tried again, or None."""
    git = Git(layout.root)
    # In each round: a run that ended meanwhile must not block the merge (trap 70).
    done = commit_ledger(layout)
    report.committed += [path for path in done.paths if path not in report.committed]
    report.left_out, report.other = done.skipped_files, done.other
    progress(f"fetching from {target.remote}", waits=True)
    tip = fetch(git, target)
    if tip is not None:
        _check_linked(target)
        progress(f"merging {target.name}")
        joined = join(layout, git, tip, target)
        if isinstance(joined, Blocked):
            return _try_again(joined, report)
        if joined is not None:
            report.merged.append(joined)
    if not with_push:
        return None
    since = f"{tip}..HEAD" if tip else "HEAD"
    others = [] if tip else ["--not", f"--remotes={target.remote}"]
    count = int(git.run("rev-list", "--count", since, *others).text)
    if tip is not None and not count:
        return None
    progress(f"pushing to {target.remote}", waits=True)
    refused = push(git, target)
    if refused is None:
        report.pushed, report.new_branch = count, tip is None
    return refused


def _check_linked(target: Target) -> None:
    if target.has_upstream or target.chosen:
        return
    raise GitError(
        f"the branch {target.branch} has no upstream, and {target.remote} has a branch"
        f" {target.remote_branch} already",
        hint=f"if they belong together: `git branch --set-upstream-to={target.name}`,"
        " then `aexp sync`",
    )


def _try_again(blocked: Blocked, report: SyncReport) -> str:
    """Return why another round may succeed.

    Raises:
        GitError: it cannot, before a person has decided about some files.
    """
    ours = [path for path in blocked.paths if not path.startswith(LEDGER_DIR_REL)]
    ours += [path for path in blocked.paths if path in report.left_out]
    if not ours:
        return blocked.reason
    named = ", ".join(ours[:3]) + (f" and {len(ours) - 3} more" if len(ours) > 3 else "")
    why = [report.left_out[path] for path in ours if path in report.left_out]
    raise GitError(
        f"the merge would overwrite {named}" + (f" ({why[0]})" if why else ""),
        hint="nothing was merged; commit your version or move it away, then run `aexp sync`",
    )


def _pause(number: int) -> None:
    """Wait a little, by chance: those who collided must not do it again in step."""
    time.sleep((_PAUSE_MS / 3 + secrets.randbelow(_PAUSE_MS * number)) / 1000)


def plan_sync(layout: Layout, *, remote: str | None = None) -> SyncPlan:
    """Return what :func:`sync` would do. Reads this clone only, and changes nothing.

    Raises:
        GitError, NotFoundError: as :func:`sync`, where that is known before asking the remote.
    """
    target = find_target(layout, remote)
    git = Git(layout.root)
    promote: list[str] = []
    refresh: list[str] = []
    failing: dict[str, str] = {}
    paths = {path for path in uncommitted_entries(layout) if path.startswith(LEDGER_DIR_REL)}
    for record in RunStore(layout).records():
        if record.problem is None and not is_terminal(record.status):
            continue
        try:
            if record.problem is not None:
                failing[record.job_id] = record.problem
            elif home_layout(layout, record).root == layout.root:
                promotion = prepare(layout, record).promotion
                if promotion.outcome is not Outcome.UNCHANGED:
                    paths.add(layout.relative(promotion.path))
                    new = promotion.outcome is Outcome.PROMOTED
                    (promote if new else refresh).append(record.job_id)
        except (AexpError, ValueError, TypeError, KeyError) as error:
            failing[record.job_id] = str(error)
    there = f"refs/remotes/{target.name}"
    known = git.run("rev-list", "--left-right", "--count", f"{there}...HEAD", check=False)
    behind, ahead = map(int, known.text.split()) if known.returncode == 0 else (None, None)
    return SyncPlan(
        target, tuple(promote), tuple(refresh), failing, tuple(sorted(paths)), behind, ahead
    )
