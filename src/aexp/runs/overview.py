"""``aexp status``: what is here, what is shared, what is not (INS-10). Reads only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from aexp.errors import GitError
from aexp.git import Git
from aexp.kb import read_artifacts
from aexp.ledger.commit import is_record, ledger_changes
from aexp.ledger.judge import entry_job_id
from aexp.ledger.lost import lost_entries
from aexp.ledger.pending import pending
from aexp.ledger.promote import home_layout
from aexp.ledger.store import Ledger
from aexp.model.canonical import Json
from aexp.model.execution import KEY, ExecutionStatus, execution_status, is_execution
from aexp.model.owner import Liveness
from aexp.model.status import is_terminal
from aexp.repo import LEDGER_DIR_REL, Layout
from aexp.runs.cited import CitedGap, Known, Lost, Run, cited_gaps
from aexp.runs.lookup import read_beside
from aexp.runs.recover import unsealed
from aexp.runs.transition import is_lost, owner_state
from aexp.runs_index import read_indexes
from aexp.tree import Tree, WorkTree
from aexp.workspace.heads import Heads
from aexp.workspace.store import RunRecord, RunStore

_BOTH = "-SW "
"""What ``git restore`` must be told when the removal is staged: index and work tree."""


@dataclass
class Overview:
    """The state of a repository.

    Attributes:
        machine: this installation's label.
        installed: whether ``aexp install`` was run.
        branch: the current branch; empty when HEAD is detached, or outside git.
        upstream: the branch it is shared as, such as ``origin/main``; empty without one.
        has_remote: whether the repository has a remote.
        here: number of runs here by status.
        in_ledger: number of usable ledger entries.
        machines: number of usable ledger entries by machine label.
        problems: number of ledger files with errors.
        unpromoted: terminal runs here that have no usable entry.
        failed: promotions that failed, with the reason, by run.
        unsealed: ended runs whose bytes the registry refused, with the reason.
        cut_off: promotions that a kill cut off.
        lost: runs that say they are running, and whose process is gone.
        uncommitted: usable ledger files that are not committed.
        uncommitted_indexes: per-machine indexes that are not committed.
        unpushed: commits that the upstream lacks, or every remote when there is no upstream; None
            without a remote.
        behind: commits of the upstream, as last fetched, that the branch lacks.
        damaged: runs here whose files are damaged, with the reason.
        executions: the executions here that are neither Uploaded nor Aborted: of each its
            ``state``, ``message``, ``message_at``, and whether it is ``lost``.
        cited: what findings cite and nobody else can see.
    """

    machine: str
    installed: bool
    branch: str = ""
    upstream: str = ""
    has_remote: bool = False
    here: dict[str, int] = field(default_factory=dict)
    in_ledger: int = 0
    machines: dict[str, int] = field(default_factory=dict)
    problems: int = 0
    unpromoted: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    unsealed: dict[str, str] = field(default_factory=dict)
    cut_off: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    uncommitted: list[str] = field(default_factory=list)
    uncommitted_indexes: list[str] = field(default_factory=list)
    unpushed: int | None = None
    behind: int = 0
    damaged: dict[str, str] = field(default_factory=dict)
    executions: dict[str, dict[str, Json]] = field(default_factory=dict)
    cited: list[CitedGap] = field(default_factory=list)


def overview(layout: Layout) -> Overview:
    """Return the state of the repository. Each file is read once, and git starts a few times.

    Args:
        layout: the repository.
    """
    result = Overview(layout.machine_label, layout.is_installed)
    has_git = layout.git_dir is not None
    tree = WorkTree(layout.root, has_git=has_git)
    store = RunStore(layout)
    heads = store.heads(bodies=False)
    # Leaks too: the commit leaves an entry with one out.
    ledger = read_beside(layout, heads, find_leaks=True)
    _count_entries(result, ledger)
    runs = _look_at_runs(result, layout, store, heads, ledger)
    differs = _look_at_git(result, layout, ledger) if has_git else _Differs()
    findings = [a for a in read_artifacts(tree, layout=layout) if a.kind == "finding"]
    result.cited = cited_gaps(findings, _known(tree, ledger, runs, result.uncommitted, differs))
    return result


def _count_entries(result: Overview, ledger: Ledger) -> None:
    result.in_ledger = len(ledger.heads)
    labels = Counter(head.machine for head in ledger.heads.values())
    result.machines = dict(sorted(labels.items()))
    result.problems = len({p.path for p in ledger.problems if p.severity == "error"})


def _look_at_runs(
    result: Overview, layout: Layout, store: RunStore, heads: Heads, ledger: Ledger
) -> dict[str, Run]:
    """Count the runs here; return those that the ledger does not have."""
    statuses: Counter[str] = Counter()
    unshared: dict[str, Run] = {}
    for head in heads:
        if head.problem is not None:
            result.damaged[head.name] = head.problem
            unshared[head.name] = Run(head.name, "damaged", {}, {})
            continue
        status = head.status
        statuses[status] += 1
        is_shared = head.name in ledger.heads
        if is_shared and not head.needs_a_look and status != "running":
            continue  # as nearly all are
        record = heads.record(head)
        if not is_shared:
            unshared[record.job_id] = Run(record.job_id, status, record.statepoint, record.link)
            if is_terminal(status) and _is_ours(layout, record):
                result.unpromoted.append(record.job_id)
        remembered = record.document.get("ledger_error")
        if isinstance(remembered, Mapping):
            result.failed[record.job_id] = str(remembered.get("reason", ""))
        if (reason := unsealed(record)) is not None:
            result.unsealed[record.job_id] = reason
        if status == "running" and owner_state(store, record)[0] is Liveness.DEAD:
            result.lost.append(record.job_id)
        if (open_one := _open_execution(record, record.job_id in result.lost)) is not None:
            result.executions[record.job_id] = open_one
    result.here = dict(sorted(statuses.items()))
    result.cut_off = [job_id for job_id in pending(layout) if job_id not in result.failed]
    return unshared


def _open_execution(record: RunRecord, lost: bool) -> dict[str, Json] | None:
    """Return how an execution stands that is not over, None when it is, or when it is none."""
    if not is_execution(record.statepoint, record.document):
        return None
    state = execution_status(record.document)
    if state in (ExecutionStatus.Uploaded, ExecutionStatus.Aborted):
        return None
    known = record.document.get(KEY)
    facts = known if isinstance(known, Mapping) else {}
    return {
        "state": state.value,
        "message": facts.get("message"),
        "message_at": facts.get("message_at"),
        "lost": lost or is_lost(record),
    }


def _is_ours(layout: Layout, record: RunRecord) -> bool:
    """Return whether the run's entry goes to this work tree (RUN-04)."""
    return home_layout(layout, record).root == layout.root


def _known(
    tree: Tree,
    ledger: Ledger,
    unshared: Mapping[str, Run],
    uncommitted: Iterable[str],
    differs: _Differs,
) -> Known:
    return Known(
        heads=ledger.heads,
        entries=ledger.entries,
        uncommitted=_runs_of(uncommitted, ledger),
        left_out=_runs_of(differs.left_out, ledger),
        lost=differs.lost,
        here=unshared,
        unusable=frozenset(p.job_id for p in ledger.problems if p.job_id is not None),
        elsewhere=lambda: {
            job_id: ", ".join(known.machines)
            for job_id, known in read_indexes(tree).known_runs().items()
        },
    )


def _runs_of(paths: Iterable[str], ledger: Ledger) -> frozenset[str]:
    """Return the runs among ``paths`` that have a usable entry."""
    ids = {job_id for path in paths if (job_id := entry_job_id(path)) is not None}
    return frozenset(ids & ledger.heads.keys())


# --- git -----------------------------------------------------------------------------------------


class _Differs(NamedTuple):
    """What else differs from HEAD: files the commit leaves out, entries that are gone, by run."""

    left_out: Sequence[str] = ()
    lost: Mapping[str, Lost] = {}


def _look_at_git(result: Overview, layout: Layout, ledger: Ledger) -> _Differs:
    # What the commit leaves out, `aexp validate` explains.
    bad = {p.path for p in ledger.problems if p.severity == "error" or p.code == "ledger.stray"}
    changes, left_out = ledger_changes(layout), []
    for path in changes.present:
        if not path.startswith(f"{LEDGER_DIR_REL}/"):
            result.uncommitted_indexes.append(path)
        elif path not in bad and (entry_job_id(path) is not None or is_record(path)):
            result.uncommitted.append(path)
        else:
            left_out.append(path)
    git = Git(layout.root)
    result.branch = _ask(git, "symbolic-ref", "-q", "--short", "HEAD") or ""
    result.has_remote = bool(_ask(git, "remote"))
    counted = _ask(git, "rev-list", "--left-right", "--count", "@{upstream}...HEAD")
    if counted is not None:
        result.behind, result.unpushed = map(int, counted.split())
        result.upstream = _ask(git, "rev-parse", "--abbrev-ref", "@{upstream}") or ""
    elif result.has_remote:
        alone = _ask(git, "rev-list", "--count", "HEAD", "--not", "--remotes")
        result.unpushed = int(alone) if alone is not None else None
    lost = lost_entries(layout, changes.gone, ledger)
    return _Differs(
        left_out,
        {
            entry["job_id"]: Lost(entry, f"git restore {_BOTH if changes.gone[path] else ''}{path}")
            for path, entry in lost.items()
        },
    )


def _ask(git: Git, *args: str) -> str | None:
    """Return what git answers, None when it has no answer."""
    try:
        asked = git.run(*args, check=False)
    except GitError:
        return None
    return asked.text if asked.returncode == 0 else None
