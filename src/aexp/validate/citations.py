"""What findings cite: does it exist, and is it good evidence (VAL-02 to VAL-05)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from aexp.model.citation import (
    BadCitation,
    BatchCitation,
    JobCitation,
    allows_failed,
    describe_selector,
    is_baseline,
)
from aexp.model.issue import Issue, Severity
from aexp.validate.codes import issue
from aexp.validate.facts import Facts, Finding
from aexp.validate.known import Run
from aexp.validate.lines import with_lines

_NAMED = 3
"""How many runs of a batch a message names."""


def check_shapes(facts: Facts) -> list[Issue]:
    """Report what stands among citations and is none: an error whatever the strictness (VAL-02)."""
    issues = (
        issue(
            "finding.broken_run_citation",
            f"{_where(citation)}: {citation.reason}",
            path=finding.path,
            detail={"finding": finding.name, "index": citation.index},
        )
        for finding in facts.findings
        for citation in finding.citations
        if isinstance(citation, BadCitation)
    )
    return with_lines(facts, issues)


def check_citations(facts: Facts) -> list[Issue]:
    """Report citations of runs that nobody knows or that are doubtful evidence (VAL-03 to 05)."""
    issues: list[Issue] = []
    for finding in facts.findings:
        for citation in finding.citations:
            if isinstance(citation, JobCitation):
                issues += _check_job(facts, finding, citation)
            elif isinstance(citation, BatchCitation):
                issues += _check_batch(facts, finding, citation)
    return with_lines(facts, issues)


def check_sources(facts: Facts) -> list[Issue]:
    """Report, once, that there is nothing to look citations up in (VAL-03)."""
    cited = any(
        isinstance(citation, JobCitation | BatchCitation)
        for finding in facts.findings
        for citation in finding.citations
    )
    cited = cited or any(finding.numbers for finding in facts.findings)
    if facts.has_source or not cited or facts.strict_runs == "off":
        return []
    message = (
        "findings cite runs, and there is no ledger entry, no run store and no index here, "
        "so nobody can say whether the runs exist"
    )
    return [issue("finding.no_run_store", message)]


# --- one run ---------------------------------------------------------------------------------


def _check_job(facts: Facts, finding: Finding, citation: JobCitation) -> Iterator[Issue]:
    run = facts.runs.get(citation.id)
    if run is not None and run.is_retracted:
        message = f"{_where(citation)} cites run {_short(citation.id)}, which was retracted"
        yield _about(finding, citation, "finding.retracted_run", message)
    elif run is not None and run.is_evidence:
        yield from _judge_run(facts, finding, citation, run)
    else:
        yield from _missing_job(facts, finding, citation, run)


def _missing_job(
    facts: Facts, finding: Finding, citation: JobCitation, run: Run | None
) -> Iterator[Issue]:
    """Say why a run is no evidence. Nothing is said with ``off``, or without any source."""
    severity = _severity(facts)
    if severity is None or not facts.has_source:
        return
    cites = f"{_where(citation)} cites run {_short(citation.id)}"
    if (problem := facts.unusable.get(citation.id)) is not None:
        message = f"{cites}, whose ledger entry cannot be used ({problem.code})"
        yield _about(finding, citation, "finding.broken_run_citation", message, severity)
    elif (known := facts.elsewhere.get(citation.id)) is not None:
        machines = ", ".join(known.machines)
        message = f"{cites}, which is not in the ledger; {machines} has it"
        where = {"machines": [*known.machines]}
        yield _about(finding, citation, "finding.absent_run_citation", message, None, where)
    elif run is not None:
        message = f"{cites}, which has not ended here (it is {run.status})"
        status = {"status": run.status}
        yield _about(finding, citation, "finding.unfinished_run", message, severity, status)
    else:
        message = f"{cites}, which is neither in the ledger nor here nor in an index"
        yield _about(finding, citation, "finding.broken_run_citation", message, severity)


def _judge_run(facts: Facts, finding: Finding, citation: JobCitation, run: Run) -> Iterator[Issue]:
    """Report doubts about a run that exists and has ended (VAL-05)."""
    cites = f"{_where(citation)} cites run {_short(run.job_id)}"
    if run.status in ("failed", "abandoned") and not allows_failed(citation.options):
        message = f"{cites}, which is {run.status}"
        yield _about(
            finding, citation, "finding.failed_run_cited", message, None, {"status": run.status}
        )
    if _is_foreign(finding, run.experiment_id) and not is_baseline(citation.options):
        message = f"{cites} of {run.experiment_id}, the finding is about {_own(finding)}"
        yield _about(finding, citation, "finding.other_experiment", message)
    if not run.is_shared:
        message = f"{cites}, which no other clone can see: it is not in the ledger"
        yield _about(finding, citation, "finding.unshared_run", message)


# --- batches ---------------------------------------------------------------------------------


def _check_batch(facts: Facts, finding: Finding, citation: BatchCitation) -> Iterator[Issue]:
    batch = facts.evidence.batch(citation.experiment_id, citation.selector)
    matched, failed, unshared = batch.runs, batch.failed, batch.unshared
    if not matched:
        yield from _missing_batch(facts, finding, citation)
        return
    cites = f"{_where(citation)} cites {_batch(citation)}"
    if _is_foreign(finding, citation.experiment_id) and not is_baseline(citation.options):
        message = f"{cites}, the finding is about {_own(finding)}"
        yield _about(finding, citation, "finding.other_experiment", message)
    if failed and not allows_failed(citation.options):
        message = f"{cites}: {len(failed)} of {_count(matched)} failed or abandoned"
        yield _about_runs(finding, citation, "finding.failed_run_cited", message, failed)
    if unshared:
        message = f"{cites}: {len(unshared)} of {_count(matched)} not in the ledger"
        yield _about_runs(finding, citation, "finding.unshared_run", message, unshared)


def _missing_batch(facts: Facts, finding: Finding, citation: BatchCitation) -> Iterator[Issue]:
    severity = _severity(facts)
    if severity is None or not facts.has_source:
        return
    cites = f"{_where(citation)} cites {_batch(citation)}"
    indexed = facts.batches_elsewhere.matching(citation.experiment_id, citation.selector)
    if indexed:
        machines = sorted({m for job_id in indexed for m in facts.elsewhere[job_id].machines})
        message = f"{cites}: not in the ledger; {', '.join(machines)} has {_count(indexed)}"
        detail = {"machines": machines, "runs": len(indexed)}
        yield _about(finding, citation, "finding.absent_batch_runs", message, None, detail)
    else:
        message = f"{cites}, which matches no ended run"
        yield _about(finding, citation, "finding.empty_batch", message, severity)


# --- words -----------------------------------------------------------------------------------


def _severity(facts: Facts) -> Severity | None:
    """Return how grave a citation of an unknown run is; None when it is not even mentioned."""
    severities: dict[str, Severity | None] = {"error": "error", "warn": "warning", "off": None}
    return severities[facts.strict_runs]


def _is_foreign(finding: Finding, experiment_id: str) -> bool:
    return bool(experiment_id and finding.experiments and experiment_id not in finding.experiments)


def _own(finding: Finding) -> str:
    return ", ".join(sorted(finding.experiments))


def _where(citation: JobCitation | BatchCitation | BadCitation) -> str:
    return f"supporting_runs[{citation.index}]"


def _short(job_id: str) -> str:
    return job_id[:8]


def _batch(citation: BatchCitation) -> str:
    return f"batch {citation.experiment_id} ({describe_selector(citation.selector)})"


def _count(runs: Collection[str]) -> str:
    return "1 run" if len(runs) == 1 else f"{len(runs)} runs"


def _about(
    finding: Finding,
    citation: JobCitation | BatchCitation,
    code: str,
    message: str,
    severity: Severity | None = None,
    detail: Mapping[str, Any] | None = None,
) -> Issue:
    facts: dict[str, Any] = {"finding": finding.name, "index": citation.index}
    if isinstance(citation, JobCitation):
        facts["job_id"] = citation.id
    else:
        facts["experiment_id"] = citation.experiment_id
        facts["selector"] = describe_selector(citation.selector)
    facts.update(detail or {})
    return issue(code, message, path=finding.path, severity=severity, detail=facts)


def _about_runs(
    finding: Finding, citation: BatchCitation, code: str, message: str, runs: Collection[str]
) -> Issue:
    ids = sorted(runs)
    more = ", …" if len(ids) > _NAMED else ""
    named = ", ".join(map(_short, ids[:_NAMED])) + more
    return _about(finding, citation, code, f"{message} ({named})", None, {"job_ids": ids})
