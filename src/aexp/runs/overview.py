"""``aexp status``: what is here, what is shared, what is not (INS-10). Reads only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from aexp.errors import GitError
from aexp.git import Git
from aexp.ledger.commit import uncommitted_entries
from aexp.ledger.promote import pending
from aexp.ledger.store import read_ledger
from aexp.model.status import is_terminal
from aexp.repo import Layout
from aexp.tree import WorkTree
from aexp.workspace.store import RunStore


@dataclass
class Overview:
    """The state of a repository.

    Attributes:
        machine: this installation's label.
        installed: whether ``aexp install`` was run.
        here: number of runs here by status.
        in_ledger: number of usable ledger entries.
        machines: number of usable ledger entries by machine label.
        problems: number of ledger files with errors.
        unpromoted: terminal runs here that have no usable entry.
        failed: promotions that failed, with the reason, by run.
        cut_off: promotions that a kill cut off.
        uncommitted: ledger files that are not committed.
        unpushed: commits the upstream lacks; None without an upstream.
        damaged: runs here whose files are damaged, with the reason.
    """

    machine: str
    installed: bool
    here: dict[str, int] = field(default_factory=dict)
    in_ledger: int = 0
    machines: dict[str, int] = field(default_factory=dict)
    problems: int = 0
    unpromoted: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    cut_off: list[str] = field(default_factory=list)
    uncommitted: list[str] = field(default_factory=list)
    unpushed: int | None = None
    damaged: dict[str, str] = field(default_factory=dict)


def overview(layout: Layout) -> Overview:
    """Return the state of the repository."""
    result = Overview(layout.machine_label, layout.is_installed)
    has_git = layout.git_dir is not None
    ledger = read_ledger(WorkTree(layout.root, has_git=has_git))
    result.in_ledger = len(ledger.entries)
    result.machines = dict(
        sorted(Counter(e["registered_machine"] for e in ledger.entries.values()).items())
    )
    result.problems = len({p.path for p in ledger.problems if p.severity == "error"})
    statuses: Counter[str] = Counter()
    for record in RunStore(layout).records():
        if record.problem is not None:
            result.damaged[record.job_id] = record.problem
            continue
        statuses[record.status] += 1
        if is_terminal(record.status) and record.job_id not in ledger.entries:
            result.unpromoted.append(record.job_id)
        remembered = record.document.get("ledger_error")
        if isinstance(remembered, dict):
            result.failed[record.job_id] = str(remembered.get("reason", ""))
    result.here = dict(sorted(statuses.items()))
    result.cut_off = [job_id for job_id in pending(layout) if job_id not in result.failed]
    if has_git:
        result.uncommitted = uncommitted_entries(layout)
        result.unpushed = _unpushed(layout)
    return result


def _unpushed(layout: Layout) -> int | None:
    try:
        counted = Git(layout.root).run("rev-list", "--count", "@{upstream}..HEAD", check=False)
    except GitError:
        return None
    return int(counted.text) if counted.returncode == 0 else None
