"""Runs and what they are linked to, here and in the ledger (VAL-06)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from operator import attrgetter, eq
from typing import Any

from aexp.model.issue import Issue
from aexp.model.status import RETRACTED, STATUSES
from aexp.runs.links import Links
from aexp.validate.codes import issue
from aexp.validate.facts import Facts
from aexp.workspace.heads import RunHead

_CHECKED = ("experiment_id", "hypothesis_id", "sub_hypothesis_id")


def check_runs(facts: Facts) -> list[Issue]:
    """Report local runs that are damaged, orphaned, wrongly linked or of no known status.

    Of what is staged only those that a finding cites: the others are no part of the commit.
    """
    cited = facts.cited_jobs()
    links = Links()
    issues: list[Issue] = []
    sound: set[tuple[str | None, bytes]] = set()
    for head in facts.local.values():
        key = (head.written, head.link)
        if (key in sound and head.problem is None) or (facts.staged and head.name not in cited):
            continue
        link = links[head.link] if head.link else None
        found = list(_check_local(facts, head, link, cited))
        issues += found
        if not found and link and link.get("experiment_id"):
            sound.add(key)  # many runs have the same link
    return issues


def check_entry_links(facts: Facts) -> list[Issue]:
    """Report the links of ledger entries; an entry that says what the local run says is skipped."""
    heads, local = facts.ledger.heads, facts.local
    here_of = dict(zip(local, map(_link, local.values()), strict=True))
    links = Links()
    filed = list(map(_link, heads.values()))
    here = list(map(here_of.get, heads))
    if all(map(eq, filed, here)) and all(here) and not any(map(_problem, local.values())):
        return []  # each says what it says here
    # Many runs have the same two links.
    pairs = set(zip(filed, here, strict=True))
    same = {(a, b): a == b or _same(links[a], links[b]) for a, b in pairs if b}
    cited = facts.cited_jobs()
    issues: list[Issue] = []
    sound: set[bytes] = set()
    for job_id, head in facts.ledger.heads.items():
        if head.link in sound or head.status == RETRACTED:
            continue
        run = facts.local.get(job_id)
        own = run.link if run is not None and run.problem is None else b""
        if own and same[head.link, own]:
            continue
        link = links[head.link]
        found = list(_check_link(facts, job_id, link, facts.ledger.paths[job_id], job_id in cited))
        issues += found
        if not found and link.get("experiment_id"):
            sound.add(head.link)
    return issues


def check_promotions(facts: Facts) -> list[Issue]:
    """Report runs that ended and whose way into the ledger was cut short (RUN-04)."""
    message = "the run has ended, and writing its ledger entry was not finished"
    cited = facts.cited_jobs() if facts.staged else ()
    return [
        _about("run.unpromoted", job_id, message, facts.local_path(job_id))
        for job_id in facts.unpromoted
        if job_id in cited or not facts.staged
    ]


def _check_local(
    facts: Facts, head: RunHead, link: Mapping[str, Any] | None, cited: frozenset[str]
) -> Iterator[Issue]:
    path = facts.local_path(head.job_id)
    if head.problem is not None:
        message = f"the run is damaged: {' '.join(head.problem.split())}"
        yield _about("run.unreadable", head.job_id, message, path)
        return
    status = head.written
    if status is not None and status not in STATUSES:
        message = f"its status is {status[:40]!r}, none of: {', '.join(STATUSES)}"
        yield _about("run.status_invalid", head.job_id, message, path)
    if link is not None:
        yield from _check_link(facts, head.job_id, link, path, head.job_id in cited)
    else:
        message = "its document has no `aexp` block, so nothing says what it belongs to"
        yield _about("run.orphan", head.job_id, message, path)


def _check_link(
    facts: Facts, job_id: str, link: Mapping[str, Any], path: str, is_cited: bool
) -> Iterator[Issue]:
    experiment_id = link.get("experiment_id")
    if experiment_id is None or experiment_id == "":
        if is_cited:
            message = f"run {job_id[:8]} is cited and belongs to no experiment"
            yield _about("run.unlinked", job_id, message, path)
        return
    experiment = facts.experiments.get(experiment_id) if isinstance(experiment_id, str) else None
    if experiment is None:
        message = f"run {job_id[:8]} is linked to {experiment_id}, which has no file in kb/"
        yield _about("run.broken_experiment_link", job_id, message, path)
        return
    if not experiment.readable:
        return
    listed = experiment.hypotheses | experiment.sub_hypotheses
    hypothesis = link.get("hypothesis_id")
    if hypothesis and experiment.hypotheses and hypothesis not in listed:
        own = ", ".join(sorted(experiment.hypotheses))
        message = f"run {job_id[:8]} names {hypothesis}, its experiment {experiment_id} {own}"
        yield _about("run.hypothesis_mismatch", job_id, message, path)
    sub = link.get("sub_hypothesis_id")
    if sub and sub not in experiment.sub_hypotheses:
        message = f"run {job_id[:8]} names {sub}, which {experiment_id} does not list"
        yield _about("run.sub_hypothesis_unlisted", job_id, message, path)


_link = attrgetter("link")
_problem = attrgetter("problem")


def _same(link: Mapping[str, Any], local: Mapping[str, Any] | None) -> bool:
    return local is not None and all(link.get(key) == local.get(key) for key in _CHECKED)


def _about(code: str, job_id: str, message: str, path: str) -> Issue:
    return issue(code, message, path=path, detail={"job_id": job_id})
