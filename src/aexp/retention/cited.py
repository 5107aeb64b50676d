"""What must stay though no ref reaches it: what findings cite, down to the digests (GC-06).

Whatever is doubtful counts as cited: an entry that is malformed or in conflict, a finding whose
frontmatter cannot be read, an entry that the work tree has lost and the last commit has. Findings
of every work tree of the repository count, since they share one registry.

The bytes of a run that ended while the registry refused to seal them stay, too: `aexp recover`
will need them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aexp.errors import AexpError
from aexp.git import Git
from aexp.kb import read_artifacts
from aexp.kb.allocate import work_trees
from aexp.kb.artifacts import Artifact
from aexp.kb.numbers import all_citations
from aexp.ledger.experiments import EXPERIMENTS_DIR
from aexp.ledger.judge import entry_job_id
from aexp.ledger.store import Ledger, read_ledger
from aexp.model.canonical import decode_json
from aexp.model.citation import BadCitation, BatchCitation, JobCitation, selector_matches
from aexp.model.oci import is_digest
from aexp.model.outputs import manifest_in
from aexp.repo import LEDGER_DIR_REL, Layout, open_layout
from aexp.runs.lookup import all_runs
from aexp.runs.recover import unsealed
from aexp.runs.view import RunView
from aexp.tree import GitTree, WorkTree
from aexp.workspace.store import RunStore
from aexp.workspace.streams import summarize_attempt

_ANY_DIGEST: Final = re.compile(rb"sha256:[0-9a-f]{64}")
_ANY_RUN: Final = re.compile(r"(?<![0-9a-fA-F])[0-9a-f]{32}(?![0-9a-fA-F])")
_ANY_EXPERIMENT: Final = re.compile(r"\bE[0-9]{3,}\b")


@dataclass(frozen=True, slots=True, order=True)
class Citing:
    """Why one digest is cited.

    Attributes:
        finding: the finding's id or file name; empty when it is kept for another reason.
        path: its file, relative to its work tree, or what else keeps it.
        what: the run or the artifact through which it is cited, and as what, for people.
    """

    finding: str
    path: str
    what: str


@dataclass
class Cited:
    """What findings cite.

    Attributes:
        digests: why each digest is cited.
        manifests: those of them that are manifests for sure.
        runs: the findings that cite a run, by job id.
    """

    digests: dict[str, set[Citing]] = field(default_factory=lambda: defaultdict(set))
    manifests: set[str] = field(default_factory=set)
    runs: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def findings(self, digest: str) -> tuple[str, ...]:
        """Return the findings that cite a digest, sorted."""
        return tuple(sorted({why.finding or why.path for why in self.digests.get(digest, ())}))


def read_cited(layout: Layout) -> Cited:
    """Return what the findings of a repository cite, in all of its work trees."""
    found = Cited()
    layouts = [_layout_of(layout, root) for root in sorted({layout.root, *_roots(layout)})]
    for one in layouts:
        _add_work_tree(found, one)
    for one in {one.run_store: one for one in layouts}.values():
        _add_unsealed(found, one)
    return found


def _roots(layout: Layout) -> Iterator[Path]:
    for root in work_trees(layout):
        if root.is_dir():
            yield root.resolve()


def _layout_of(layout: Layout, root: Path) -> Layout:
    if root == layout.root:
        return layout
    try:
        return open_layout(root)
    except AexpError:  # damaged settings there are no reason to forget what is cited there
        return dataclasses.replace(layout, root=root)


@dataclass
class _Wanted:
    """What the findings of one work tree ask for."""

    runs: dict[str, set[tuple[str, str]]] = field(default_factory=lambda: defaultdict(set))
    batches: list[tuple[BatchCitation, tuple[str, str]]] = field(default_factory=list)
    experiments: dict[str, set[tuple[str, str]]] = field(default_factory=lambda: defaultdict(set))


def _add_work_tree(found: Cited, layout: Layout) -> None:
    tree = WorkTree(layout.root, has_git=layout.git_dir is not None)
    wanted = _Wanted()
    for artifact in read_artifacts(tree, layout=layout):
        if artifact.kind == "finding":
            _add_finding(wanted, layout, artifact)
    ledger = read_ledger(tree, find_leaks=False, layout=layout)
    _add_runs(found, layout, wanted, ledger)
    lost = {job_id: who for job_id, who in wanted.runs.items() if job_id not in ledger.heads}
    _add_lost(found, layout, lost)
    _add_unusable(found, layout, ledger)
    _add_records(found, tree, wanted)


def _add_finding(wanted: _Wanted, layout: Layout, artifact: Artifact) -> None:
    name = artifact.id or artifact.path.rpartition("/")[2]
    who = (name, artifact.path)
    cited = all_citations(artifact)
    for citation in cited:
        if isinstance(citation, JobCitation):
            wanted.runs[citation.id].add(who)
        elif isinstance(citation, BatchCitation):
            wanted.batches.append((citation, who))
            wanted.experiments[citation.experiment_id].add(who)
    about = artifact.frontmatter.get("experiment")
    if isinstance(about, str):
        wanted.experiments[about.strip()].add(who)
    if not artifact.is_readable or any(isinstance(c, BadCitation) for c in cited):
        _add_guesses(wanted, layout.root / artifact.path, who)


def _add_guesses(wanted: _Wanted, path: Path, who: tuple[str, str]) -> None:
    """Take every id in a finding that cannot be understood for a citation."""
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return
    for job_id in _ANY_RUN.findall(text):
        wanted.runs[job_id].add(who)
    for experiment in _ANY_EXPERIMENT.findall(text):
        wanted.batches.append((BatchCitation(experiment, {}, 0), who))
        wanted.experiments[experiment].add(who)


def _add_runs(found: Cited, layout: Layout, wanted: _Wanted, ledger: Ledger) -> None:
    """Add the cited runs that are here or in the ledger."""
    batches: dict[str, list[tuple[BatchCitation, tuple[str, str]]]] = defaultdict(list)
    for citation, who in wanted.batches:
        batches[citation.experiment_id].append((citation, who))
    if not wanted.runs and not batches:
        return
    for view in all_runs(layout, ledger):
        for citation, who in batches.get(view.experiment_id, ()):
            if selector_matches(citation.selector, view.statepoint, view.link):
                wanted.runs[view.job_id].add(who)
        if view.job_id in wanted.runs:
            _add_run(found, view.job_id, _facts_of(view), wanted.runs[view.job_id])


def _facts_of(view: RunView) -> list[Any]:
    return [view.entry, view.record.document if view.record is not None else None]


def _add_run(found: Cited, job_id: str, facts: Any, who: Iterable[tuple[str, str]]) -> None:
    cited_by = list(who)
    found.runs[job_id].update(finding for finding, _ in cited_by)
    # What it published is named by a manifest: the entry has no room for a long list.
    attempts = [attempt for each in facts if each for attempt in (each, *_others(each))]
    found.manifests.update(filter(None, map(manifest_in, attempts)))
    for digest, name in _digests_in(facts):
        part = f"{name!r} of run {job_id[:8]}" if name else f"run {job_id[:8]}"
        found.digests[digest].update(Citing(*finding, part) for finding in cited_by)


def _others(facts: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the other attempts in an entry or a document."""
    for key in ("replicates", "attempts"):
        listed = facts.get(key)
        yield from (o for o in listed if isinstance(o, Mapping)) if isinstance(listed, list) else ()


def _digests_in(value: Any) -> Iterator[tuple[str, str]]:
    """Yield the digests in JSON data, each with the name of what it is the digest of."""
    stack = [(value, "")]
    while stack:
        item, name = stack.pop()
        if isinstance(item, str) and is_digest(item):
            yield item, name
        elif isinstance(item, Mapping):
            named = item.get("name")
            own = named if isinstance(named, str) else name
            stack += [(part, own) for key, part in item.items() if key != "record_digest"]
        elif isinstance(item, list | tuple):
            stack += [(part, name) for part in item]


def _add_lost(found: Cited, layout: Layout, missing: Mapping[str, set[tuple[str, str]]]) -> None:
    """Add cited runs whose entry the work tree lacks, as the last commit has them (trap 23)."""
    for job_id, who in missing.items():
        found.runs[job_id].update(finding for finding, _ in who)
    if not missing or layout.git_dir is None:
        return
    if Git(layout.root).run("rev-parse", "-q", "--verify", "HEAD", check=False).returncode:
        return  # before the first commit
    head = GitTree(layout.root, commit="HEAD")
    paths = [path for path in head.files(LEDGER_DIR_REL) if entry_job_id(path) in missing]
    for path, data in head.read_many(paths):
        job_id = entry_job_id(path) or ""
        if not isinstance(data, OSError):
            _add_bytes(found, data, missing[job_id], f"run {job_id[:8]}")


def _add_unusable(found: Cited, layout: Layout, ledger: Ledger) -> None:
    """Add what stands in entries that nobody can use: which finding means them is not known."""
    paths = {p.path for p in ledger.problems if p.severity == "error" and p.job_id is not None}
    for path in sorted(paths):
        with contextlib.suppress(OSError):
            data = (layout.root / path).read_bytes()
            _add_bytes(found, data, {("", path)}, "an entry that cannot be used")


def _add_unsealed(found: Cited, layout: Layout) -> None:
    """Add the bytes of ended runs that no manifest names yet, because the registry refused."""
    for record in RunStore(layout).records():
        if record.problem is not None or unsealed(record) is None:
            continue
        summary = summarize_attempt(record.folder, str(record.document.get("attempt_id")))
        for attachment in summary.attachments:
            why = Citing("", f"run {record.job_id}", "its bytes are not sealed: see `aexp recover`")
            found.digests[attachment.digest].add(why)


def _add_bytes(found: Cited, data: bytes, who: Iterable[tuple[str, str]], what: str) -> None:
    cited_by = list(who)
    for match in _ANY_DIGEST.findall(data):
        found.digests[match.decode()].update(Citing(*finding, what) for finding in cited_by)


# --- sealed sessions -----------------------------------------------------------------------------


def _add_records(found: Cited, tree: WorkTree, wanted: _Wanted) -> None:
    """Add the artifacts of sessions that are cited, or of which a run is (SES-07)."""
    paths = [path for path in tree.files(EXPERIMENTS_DIR) if path.endswith(".json")]
    for path, data in tree.read_many(paths):
        digest = f"sha256:{path.rpartition('/')[2].removesuffix('.json')}"
        if isinstance(data, OSError) or not is_digest(digest):
            continue
        try:
            record = decode_json(data)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            found.digests[digest].add(Citing("", path, "a session's record that cannot be used"))
            found.manifests.add(digest)
            continue
        name = str(record.get("name") or "")
        who = {w for job_id in _runs_in(record) for w in wanted.runs.get(job_id, ())}
        for key in (record.get("experiment_id"), name):
            who |= wanted.experiments.get(key, set()) if isinstance(key, str) else set()
        if who:
            what = f"the session {name}" if name else "a session without a name"
            found.digests[digest].update(Citing(*finding, what) for finding in who)
            found.manifests.add(digest)


def _runs_in(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield every run id in a session's record, wherever it stands."""
    stack: list[Any] = [record]
    while stack:
        item = stack.pop()
        if isinstance(item, str) and _ANY_RUN.fullmatch(item):
            yield item
        elif isinstance(item, Mapping):
            stack += item.values()
        elif isinstance(item, list | tuple):
            stack += item
