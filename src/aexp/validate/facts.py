"""Everything the rules judge, gathered once (architecture: a rule is a function of facts).

Gathering reads and writes nothing (model.md, decision 13). It starts git at most twice: to see
what is unmerged, and, when a finding cites something, what is not committed; when that shows an
entry to be lost, it is read from the last commit. What is staged is read from git's index, and
the local runs and the entries that are in the work tree alone are then facts about this machine.
"""

from __future__ import annotations

import contextlib
import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from msgspec import Struct, field

from aexp.beside import can_work_beside, working_beside
from aexp.errors import CorruptDataError, NotFoundError
from aexp.git import Git, Running
from aexp.kb import Artifact, read_artifacts
from aexp.kb.numbers import NumberLink, Target, number_links, read_target
from aexp.ledger.judge import LedgerProblem
from aexp.ledger.pending import pending
from aexp.ledger.store import NO_LEDGER, Ledger, read_ledger
from aexp.model.citation import BadCitation, Citation, JobCitation, parse_citations
from aexp.model.entry import LedgerEntry
from aexp.model.status import TERMINAL_STATUSES
from aexp.repo import KB_DIR_REL, LEDGER_DIR_REL, SETTINGS_REL, Layout, Policy, read_policy
from aexp.runs_index import Indexes, KnownRun, read_indexes
from aexp.tree import UNMERGED, GitTree, Tree, WorkTree, unmerged_in
from aexp.validate.batches import Batches, Candidate
from aexp.validate.differs import Differs, Later, ask_status, uncommitted_files
from aexp.validate.known import Evidence, Run, Runs
from aexp.validate.lost import lost_entries
from aexp.validate.staged import ask_removed, removed_entries, waiting_entries
from aexp.workspace.heads import RunHead, Sent, head_of
from aexp.workspace.store import RunStore

Mode = Literal["full", "kb", "runs"]
StrictRuns = Literal["error", "warn", "off"]

_EXPERIMENT = re.compile(r"E\d{3,}")
_HYPOTHESIS = re.compile(r"H\d{3,}[A-Za-z0-9.-]*")


class Finding(Struct, frozen=True):
    """A finding and what it cites.

    Attributes:
        name: its id, or its file's name when that holds none.
        path: its file.
        experiments: the experiments it is about.
        citations: its ``supporting_runs``.
        numbers: the links in its prose that cite a number.
    """

    name: str
    path: str
    experiments: frozenset[str]
    citations: tuple[Citation, ...]
    numbers: tuple[NumberLink, ...] = ()


class ExperimentFacts(Struct, frozen=True):
    """What a run link is checked against.

    Attributes:
        hypotheses: the experiment's hypothesis, empty when it names none.
        sub_hypotheses: those it lists.
        readable: False when its frontmatter could not be read, so that nothing is concluded.
    """

    hypotheses: frozenset[str]
    sub_hypotheses: frozenset[str]
    readable: bool


class Facts(Struct, frozen=True):
    """All that the rules may look at.

    Attributes:
        mode: which families are asked for.
        strict_runs: how grave a citation of an unknown run is (VAL-03).
        artifacts: everything below ``kb/research``.
        findings: the findings, with their citations parsed.
        experiments: the experiments by id.
        ledger: the ledger of the tree.
        local: the local runs as their folders have them, by id.
        workspace: the folder with the folders of those, for messages.
        runs: ledger and local store as one, by id.
        indexes: the per-machine indexes.
        elsewhere: indexed runs that are no evidence here, by id.
        has_source: whether there is any store, entry or index to look a run up in.
        differs: what differs from HEAD.
        evidence: the runs that satisfy a citation.
        batches_elsewhere: the indexed ones, which are known by experiment and condition only.
        unusable: a problem of each run whose only entries in the ledger cannot be used.
        unpromoted: ended local runs whose promotion was begun and not finished (RUN-04).
        staged: whether the tree is git's index (VAL-10); only what it holds is judged then.
        waiting: the entries that are in the work tree and not in the index, when it is.
        policy: what the committed settings say of how strict to be.
        policy_problem: why those could not be read, empty when they were.
    """

    mode: Mode
    strict_runs: StrictRuns
    artifacts: Sequence[Artifact] = ()
    findings: tuple[Finding, ...] = ()
    experiments: Mapping[str, ExperimentFacts] = field(default_factory=dict)
    ledger: Ledger = NO_LEDGER
    local: Mapping[str, RunHead] = field(default_factory=dict)
    workspace: str = ""
    runs: Mapping[str, Run] = field(default_factory=dict)
    indexes: Indexes = field(default_factory=Indexes)
    elsewhere: Mapping[str, KnownRun] = field(default_factory=dict)
    has_source: bool = False
    differs: Differs = field(default_factory=Differs)
    evidence: Evidence = field(default_factory=Evidence)
    batches_elsewhere: Batches = field(default_factory=lambda: Batches(()))
    unusable: Mapping[str, LedgerProblem] = field(default_factory=dict)
    unpromoted: tuple[str, ...] = ()
    staged: bool = False
    waiting: Ledger = NO_LEDGER
    policy: Policy = field(default_factory=Policy)
    policy_problem: str = ""

    @property
    def uncommitted(self) -> frozenset[str]:
        """Files of the ledger that differ from HEAD, or that HEAD has not."""
        return self.differs.uncommitted

    @property
    def lost(self) -> Mapping[str, Candidate]:
        """Runs whose entry HEAD has and the work tree has lost, by the entry's path."""
        return self.differs.lost

    @property
    def batches(self) -> Batches:
        """The runs that are evidence, by experiment."""
        return self.evidence.batches

    @property
    def failed(self) -> frozenset[str]:
        """The ids of those that failed or were abandoned."""
        return self.evidence.failed

    @property
    def shared(self) -> frozenset[str]:
        """The ids of those that the ledger has."""
        return self.evidence.shared

    def local_path(self, job_id: str) -> str:
        """Return where a local run is, for messages."""
        return f"{self.workspace}/{job_id}"

    def cited_jobs(self) -> frozenset[str]:
        """Return the ids of all runs that a finding cites one by one, for a number or whole."""
        cited = [c for finding in self.findings for c in finding.citations]
        targets = self.number_targets()
        return frozenset(
            (
                *(c.id for c in cited if isinstance(c, JobCitation)),
                *(target.job_id for target in targets if target.job_id),
            )
        )

    def number_targets(self) -> list[Target]:
        """Return what the number links of all findings mean, malformed ones aside."""
        links = (link for finding in self.findings for link in finding.numbers)
        return [target for target in map(read_target, links) if target is not None]

    def entry(self, job_id: str) -> LedgerEntry | None:
        """Return a run's usable entry: the tree's, else one that waits in the work tree."""
        return self.ledger.entries.get(job_id) or self.waiting.entries.get(job_id)


@contextlib.contextmanager
def gathered(
    layout: Layout,
    tree: Tree | None,
    mode: Mode,
    strict_runs: StrictRuns,
    staged: GitTree | None = None,
) -> Iterator[Facts]:
    """Read what the rules of ``mode`` need, once. Of much, half is read in a second process.

    Within the block git may still be at work.

    Args:
        layout: the repository.
        tree: where ledger, indexes and ``kb/`` are read from; the work tree when None. Local runs
            are always those of this machine.
        mode: ``kb`` reads no run.
        strict_runs: kept for the rules.
        staged: git's index, when it is to be judged instead of ``tree``.
    """
    on_disk = staged is None and (tree is None or isinstance(tree, WorkTree))
    has_git = layout.git_dir is not None
    unmerged = None
    asked = Later()
    with contextlib.ExitStack() as stack:
        if on_disk and has_git:
            git = Git(layout.root)
            stack.callback((unmerged := git.begin(*UNMERGED)).stop)
            if mode == "full":
                asked = Later(lambda: ask_status(git))
        elif staged is not None:
            stack.callback(staged.stop)
            staged.begin(*(folder.partition("/")[0] for folder in (KB_DIR_REL, LEDGER_DIR_REL)))
            if mode == "full" and has_git:
                asked = Later(lambda: ask_removed(layout))
        stack.callback(asked.stop)
        yield _gather(layout, tree, mode, strict_runs, staged, on_disk, unmerged, asked)


def _gather(
    layout: Layout,
    tree: Tree | None,
    mode: Mode,
    strict_runs: StrictRuns,
    staged: GitTree | None,
    on_disk: bool,
    unmerged: Running | None,
    asked: Later,
) -> Facts:
    looked = tree or WorkTree(layout.root, has_git=layout.git_dir is not None)
    seen = staged or _OneLook(looked, unmerged)
    cached = layout if on_disk or staged else None
    store = RunStore(layout)
    artifacts, ledger, local = _read(seen, looked, cached, store, mode, staged, asked)
    findings = tuple(_finding(a) for a in artifacts if a.kind == "finding")
    experiments = {a.id: _experiment(a) for a in artifacts if a.kind == "experiment" and a.id}
    if mode == "kb":
        return Facts(mode, strict_runs, artifacts, findings, experiments, staged=bool(staged))

    look_at_git = layout.git_dir is not None and mode == "full" and _cites_anything(findings)
    waiting = waiting_entries(layout, staged, ledger) if staged and look_at_git else NO_LEDGER
    if staged:  # the entry is the word that every clone will have; what has none is looked up here
        filed = {*ledger.entries, *waiting.entries}
        ids = [job_id for job_id in store.ids() if job_id not in filed]
        local = {job_id: head_of(store.read(job_id)) for job_id in ids}
    workspace = layout.relative(store.workspace)
    runs = Runs((ledger, waiting), local, lambda job_id: f"{workspace}/{job_id}")
    indexes = read_indexes(seen)
    unusable = {p.job_id: p for p in ledger.problems if p.job_id and p.job_id not in ledger.entries}
    elsewhere = {
        job_id: known
        for job_id, known in indexes.known_runs().items()
        if job_id not in unusable and not _is_settled(runs.get(job_id))
    }
    policy, policy_problem = _policy(seen)

    def differs() -> tuple[frozenset[str], Mapping[str, Candidate]]:
        uncommitted = frozenset(waiting.paths.values())
        gone: Iterable[str] = ()
        if look_at_git and staged:
            gone = removed_entries(asked.begin())
        elif look_at_git and on_disk:
            gone = uncommitted = uncommitted_files(asked.begin())
        return uncommitted, lost_entries(layout, gone, ledger)

    return Facts(
        mode,
        strict_runs,
        artifacts,
        findings,
        experiments,
        ledger=ledger,
        local=local,
        workspace=workspace,
        runs=runs,
        indexes=indexes,
        elsewhere=elsewhere,
        has_source=bool(
            store.exists() or ledger.entries or unusable or elsewhere or waiting.entries
        ),
        differs=Differs(differs),
        evidence=runs.evidence(),
        batches_elsewhere=Batches(_indexed(elsewhere)),
        unusable=unusable,
        unpromoted=tuple(
            job_id
            for job_id in pending(layout)
            if job_id in runs and runs[job_id].local_status in TERMINAL_STATUSES
        ),
        staged=bool(staged),
        waiting=waiting,
        policy=policy,
        policy_problem=policy_problem,
    )


def _read(
    seen: Tree,
    looked: Tree,
    cached: Layout | None,
    store: RunStore,
    mode: Mode,
    staged: GitTree | None,
    asked: Later,
) -> tuple[Sequence[Artifact], Ledger, dict[str, RunHead]]:
    """Return the artifacts, the ledger and, unless git's index is judged, the local runs.

    Git, which looks at every file as well, begins with that at once; where two processes are at
    work already, as soon as one of them is done.
    """
    if mode == "kb":
        return read_artifacts(seen, layout=cached), NO_LEDGER, {}
    heads = store.heads(None if staged is None else (), bodies=False)
    if staged is not None or not heads.are_worth_a_process or not can_work_beside():
        asked.begin()
        artifacts = read_artifacts(seen, layout=cached)
        ledger = read_ledger(seen, layout=cached, bodies=False)
        return artifacts, ledger, heads.by_id()

    def others() -> tuple[Sequence[Artifact], Sent]:
        return read_artifacts(looked, layout=cached, large=True), heads.send()

    heads.share()
    with working_beside(others) as result:
        ledger = read_ledger(seen, layout=cached, bodies=False)
        heads.expect()
        asked.begin()
        theirs = result()
    if theirs is None:  # it was killed
        return read_artifacts(seen, layout=cached), ledger, heads.by_id()
    heads.receive(theirs[1])
    return theirs[0], ledger, heads.by_id()


def _policy(tree: Tree) -> tuple[Policy, str]:
    """Return the committed policy, or the usual one and why that cannot be read."""
    try:
        return read_policy(tree.read(SETTINGS_REL)), ""
    except NotFoundError:
        return Policy(), ""
    except CorruptDataError as error:
        return Policy(), error.message
    except OSError as error:
        return Policy(), f"it cannot be read: {error.strerror or error}"


def _cites_anything(findings: Iterable[Finding]) -> bool:
    return any(
        finding.numbers or any(not isinstance(c, BadCitation) for c in finding.citations)
        for finding in findings
    )


def _is_settled(run: Run | None) -> bool:
    """Return whether ledger or local store has the last word on a run, so that no index counts."""
    return run is not None and (run.is_evidence or run.is_retracted)


def _indexed(elsewhere: Mapping[str, KnownRun]) -> Iterator[Candidate]:
    for job_id, known in elsewhere.items():
        entry = known.entry
        condition = {"condition": entry["condition"]} if "condition" in entry else {}
        yield Candidate(job_id, condition, {"experiment_id": entry.get("experiment_id")})


# --- findings and experiments ----------------------------------------------------------------


def _finding(artifact: Artifact) -> Finding:
    return Finding(
        artifact.id or artifact.path.rpartition("/")[2],
        artifact.path,
        _ids(_EXPERIMENT, artifact.frontmatter.get("experiment")),
        tuple(parse_citations(artifact.frontmatter.get("supporting_runs"))),
        number_links(artifact.body, artifact.body_line),
    )


def _experiment(artifact: Artifact) -> ExperimentFacts:
    front = artifact.frontmatter
    return ExperimentFacts(
        hypotheses=_ids(_HYPOTHESIS, front.get("hypothesis")),
        sub_hypotheses=_texts(front.get("sub_hypotheses")),
        readable=artifact.is_readable,
    )


def _ids(pattern: re.Pattern[str], value: object) -> frozenset[str]:
    """Return the ids in a text or a list of texts, wikilinks (``[[E001]]``) included."""
    return frozenset(found for text in _texts(value) for found in pattern.findall(text))


def _texts(value: object) -> frozenset[str]:
    items = value if isinstance(value, list) else [value]
    return frozenset(item.strip("[] ") for item in items if isinstance(item, str))


# --- git -------------------------------------------------------------------------------------


class _OneLook:
    """A tree that asks git once for everything that is unmerged, however many folders ask.

    Args:
        tree: the tree.
        asked: the question, when it has been asked already.
    """

    def __init__(self, tree: Tree, asked: Running | None = None) -> None:
        self._tree = tree
        self._asked = asked
        self._conflicted: list[str] | None = None

    @property
    def label(self) -> str:
        return self._tree.label

    def files(self, folder: str) -> list[str]:
        return self._tree.files(folder)

    def read(self, path: str) -> bytes:
        return self._tree.read(path)

    def read_many(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes | OSError]]:
        return self._tree.read_many(paths)

    def links(self, folder: str) -> list[str]:
        return self._tree.links(folder)

    def folders(self, folder: str) -> list[str]:
        return self._tree.folders(folder)

    def states(self, paths: Iterable[str], folder: str = "") -> array[int]:
        return self._tree.states(paths, folder)

    def conflicted(self, folder: str) -> list[str]:
        if self._conflicted is None:
            asked = self._asked
            self._conflicted = (
                self._tree.conflicted(".") if asked is None else unmerged_in(asked.result())
            )
        prefix = folder.rstrip("/") + "/"
        return [path for path in self._conflicted if path.startswith(prefix)]
