"""The ledger's own files (VAL-08), and cited entries that are not committed (VAL-05)."""

from __future__ import annotations

from aexp.model.citation import BatchCitation
from aexp.model.issue import Issue
from aexp.validate.batches import Batches
from aexp.validate.codes import issue
from aexp.validate.facts import Facts


def check_ledger(facts: Facts) -> list[Issue]:
    """Report every file of the ledger that is not what an entry must be (trap 3)."""
    return [
        issue(
            problem.code,
            problem.message,
            path=problem.path,
            severity=problem.severity,
            detail={"job_id": problem.job_id} if problem.job_id else None,
        )
        for problem in facts.ledger.problems
    ]


def check_committed(facts: Facts) -> list[Issue]:
    """Report entries that a finding rests on and that no commit holds, or that is to be made."""
    if not facts.uncommitted:
        return []
    done = "staged" if facts.staged else "committed"
    cited = _cited(facts, facts.batches)
    paths = {job_id: facts.runs[job_id].entry_path for job_id in cited if job_id in facts.runs}
    return [
        issue(
            "ledger.uncommitted",
            f"the entry of run {job_id[:8]} is cited and not {done}",
            path=path,
            detail={"job_id": job_id},
        )
        for job_id, path in paths.items()
        if path in facts.uncommitted
    ]


def check_lost(facts: Facts) -> list[Issue]:
    """Report entries that a finding rests on and that this work tree, or the index, has lost."""
    if not facts.lost:
        return []
    where = "what is staged" if facts.staged else "here"
    cited = _cited(facts, Batches(facts.lost.values()))
    return [
        issue(
            "ledger.deleted",
            f"the entry of run {run.job_id[:8]} is cited, and gone from {where}; HEAD still has it",
            path=path,
            detail={"job_id": run.job_id},
        )
        for path, run in facts.lost.items()
        if run.job_id in cited
    ]


def _cited(facts: Facts, batches: Batches) -> set[str]:
    """Return the ids of all runs that are cited by id, or, among ``batches``, as a batch."""
    cited = set(facts.cited_jobs())
    for finding in facts.findings:
        for citation in finding.citations:
            if isinstance(citation, BatchCitation):
                cited |= batches.matching(citation.experiment_id, citation.selector)
    for target in facts.number_targets():
        if target.experiment_id:
            cited |= batches.matching(target.experiment_id, target.selector)
    return cited
