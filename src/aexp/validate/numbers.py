"""Numbers that findings cite: do they say what the ledger has (VAL-09).

A number is looked up among the facts that are gathered anyway. Where no finding cites a number,
none of this costs anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from aexp.errors import UsageError
from aexp.kb.numbers import NumberLink, Target, parse_target
from aexp.model.aggregate import STATISTICS, Number, number_of
from aexp.model.canonical import Json, decode_number
from aexp.model.citation import describe_selector
from aexp.model.entry import LedgerEntry
from aexp.model.issue import Issue, Severity
from aexp.model.number import Written, agrees, parse_written
from aexp.validate.codes import issue
from aexp.validate.facts import Facts, Finding

Verdict = Literal["agrees", "mismatch", "unresolved", "retracted", "batch changed"]

_NAMED: Final = 5
_NO_TEXT: Final = "its text is no number that can be compared, such as 0.91, 91 % or 0.91 ± 0.02"


@dataclass(frozen=True, slots=True)
class CitedNumber:
    """One number of a finding beside the ledger's.

    Attributes:
        link: where it stands, and what is written there.
        verdict: how the two compare.
        reason: one clause for what keeps them from being compared; empty when nothing does.
        written: the number as read from the text; None when it is none.
        main: the ledger's value.
        spread: the standard deviation that belongs to it, when the text has one.
        size: how many runs the batch has; None for a run.
        target: what the link means; None when that is malformed.
    """

    link: NumberLink
    verdict: Verdict
    reason: str = ""
    written: Written | None = None
    main: Number | None = None
    spread: Number | None = None
    size: int | None = None
    target: Target | None = None

    @property
    def as_text(self) -> str:
        """The ledger's number as the text would have it; empty when it is not known."""
        if self.written is None or self.main is None:
            return ""
        return self.written.with_numbers(self.main, self.spread)

    @property
    def exact(self) -> str:
        """The ledger's number with all its digits; empty when it is not known."""
        if self.main is None:
            return ""
        return f"{self.main!r}" + (f" ± {self.spread!r}" if self.spread is not None else "")


class _Unresolved(Exception):
    """Says why a number cannot be looked up."""


@dataclass(frozen=True, slots=True)
class _Found:
    """The ledger's answer."""

    main: Number
    spread: Number | None = None


def check_numbers(facts: Facts) -> list[Issue]:
    """Report cited numbers that differ from the ledger's, or that cannot be looked up."""
    if not facts.has_source:
        return []
    return [
        found
        for finding in facts.findings
        for link in finding.numbers
        for found in _issues(facts, finding, compare(facts, link))
    ]


def compare(facts: Facts, link: NumberLink) -> CitedNumber:
    """Return a cited number beside the ledger's."""
    written = parse_written(link.text)
    try:
        target = parse_target(link.target)
    except UsageError as error:
        return CitedNumber(link, "unresolved", error.message, written)
    if written is None:
        return CitedNumber(link, "unresolved", _NO_TEXT, target=target)
    if target.job_id:
        return _compare_run(facts, link, target, written)
    return _compare_batch(facts, link, target, written)


def _compare_run(facts: Facts, link: NumberLink, target: Target, written: Written) -> CitedNumber:
    run = facts.runs.get(target.job_id)
    if run is not None and run.is_retracted:
        reason = f"run {target.job_id[:8]} was retracted"
        return CitedNumber(link, "retracted", reason, written, target=target)
    try:
        entry = _entry(facts, target.job_id)
        found = _Found(_of_run(entry, target))
        if written.spread is not None:
            raise _Unresolved("a single run has no spread")
    except _Unresolved as problem:
        return CitedNumber(link, "unresolved", str(problem), written, target=target)
    return _judged(link, target, written, found, None)


def _compare_batch(facts: Facts, link: NumberLink, target: Target, written: Written) -> CitedNumber:
    matched = facts.batches.matching(target.experiment_id, target.selector)
    usable = sorted(matched - facts.failed)
    size = len(usable)
    changed = target.size is not None and target.size != size and size > 0
    try:
        if not usable:
            raise _Unresolved(_why_empty(facts, target, len(matched)))
        found = _of_batch(facts, usable, target, written)
    except _Unresolved as problem:
        verdict: Verdict = "batch changed" if changed else "unresolved"
        return CitedNumber(link, verdict, str(problem), written, None, None, size, target)
    if changed:
        return CitedNumber(
            link, "batch changed", "", written, found.main, found.spread, size, target
        )
    return _judged(link, target, written, found, size)


def _judged(
    link: NumberLink, target: Target, written: Written, found: _Found, size: int | None
) -> CitedNumber:
    same = agrees(written.main, found.main)
    if written.spread is not None and found.spread is not None:
        same = same and agrees(written.spread, found.spread)
    verdict: Verdict = "agrees" if same else "mismatch"
    return CitedNumber(link, verdict, "", written, found.main, found.spread, size, target)


# --- looking up ------------------------------------------------------------------------------


def _entry(facts: Facts, job_id: str) -> LedgerEntry:
    """Return a run's entry, or say why it has none."""
    entry = facts.entry(job_id)
    if entry is not None:
        return entry
    run, named = facts.runs.get(job_id), f"run {job_id[:8]}"
    if (problem := facts.unusable.get(job_id)) is not None:
        raise _Unresolved(f"the ledger entry of {named} cannot be used ({problem.code})")
    if (known := facts.elsewhere.get(job_id)) is not None:
        raise _Unresolved(f"{named} is not in the ledger; {', '.join(known.machines)} has it")
    if run is None:
        raise _Unresolved(f"{named} is neither in the ledger nor here nor in an index")
    if run.is_evidence:
        raise _Unresolved(f"{named} is not in the ledger yet")
    raise _Unresolved(f"{named} has not ended here (it is {run.status})")


def _of_run(entry: LedgerEntry, target: Target) -> Number:
    metrics = _metrics(entry)
    for metric, field, aggregate in target.readings():
        if metric in metrics:
            if aggregate:
                raise _Unresolved(f"a single run has no {aggregate}: cite a batch, or leave it out")
            value = _value(metrics[metric], field)
            if value is None:
                raise _Unresolved(f"no {field} of {metric} was recorded")
            return value
    raise _Unresolved(f"the run has no metric {target.metric}; it has {_listed(metrics)}")


def _of_batch(facts: Facts, job_ids: Iterable[str], target: Target, written: Written) -> _Found:
    entries = {job_id: facts.entry(job_id) for job_id in job_ids}
    if unshared := [job_id for job_id, entry in entries.items() if entry is None]:
        raise _Unresolved(f"not in the ledger yet: {_some(unshared, len(entries))}")
    metrics = {job_id: _metrics(entry) for job_id, entry in entries.items() if entry is not None}
    metric, field, aggregate = _reading(metrics, target)
    if aggregate == "n" and written.spread is None:
        return _Found(len(metrics))
    values = {job_id: _value(found.get(metric), field) for job_id, found in metrics.items()}
    if lacking := [job_id for job_id, value in values.items() if value is None]:
        raise _Unresolved(f"without {field} of {metric}: {_some(lacking, len(values))}")
    numbers = [value for value in values.values() if value is not None]
    main = STATISTICS[aggregate or "mean"](numbers)
    spread = STATISTICS["std"](numbers) if written.spread is not None else None
    if written.spread is not None and aggregate not in ("", "mean"):
        raise _Unresolved(f"± is the standard deviation about a mean, not about {aggregate}")
    if main is None or (written.spread is not None and spread is None):
        raise _Unresolved("one run has no standard deviation")
    return _Found(main, spread)


def _reading(metrics: Mapping[str, Mapping[str, Json]], target: Target) -> tuple[str, str, str]:
    """Return metric, field and aggregate that a target names, by what the runs have."""
    for reading in target.readings():
        if any(reading[0] in found for found in metrics.values()):
            return reading
    known = {name: None for found in metrics.values() for name in found}
    raise _Unresolved(f"no run has a metric {target.metric}; they have {_listed(known)}")


def _metrics(entry: LedgerEntry) -> Mapping[str, Json]:
    return entry.get("metrics") or {}


def _value(metric: Json, field: str) -> Number | None:
    """Return a field of a metric; of a series of one value, that value is its bounds too."""
    if not isinstance(metric, Mapping):
        metric = {"value": metric}
    value = metric.get(field)
    if value is None and field in ("min", "max") and metric.get("count") == 1:
        value = metric.get("value")
    return number_of(decode_number(value))


def _why_empty(facts: Facts, target: Target, failed: int) -> str:
    if failed:
        return f"its {failed} runs failed or were abandoned" if failed > 1 else "its one run failed"
    indexed = facts.batches_elsewhere.matching(target.experiment_id, target.selector)
    if indexed:
        machines = sorted({m for job_id in indexed for m in facts.elsewhere[job_id].machines})
        return f"its runs are not in the ledger; {', '.join(machines)} has {len(indexed)}"
    return "its batch matches no ended run"


def _listed(names: Iterable[str]) -> str:
    found = sorted(names)
    more = ", …" if len(found) > _NAMED else ""
    return (", ".join(found[:_NAMED]) + more) if found else "none"


def _some(job_ids: list[str], total: int) -> str:
    return f"{len(job_ids)} of {total} runs ({_listed(job_id[:8] for job_id in job_ids)})"


# --- words -----------------------------------------------------------------------------------


def _issues(facts: Facts, finding: Finding, number: CitedNumber) -> Iterable[Issue]:
    text = " ".join(number.link.text.split())
    if number.verdict == "mismatch":
        exact = number.exact
        shown = number.as_text if number.as_text == exact else f"{number.as_text} ({exact})"
        message = f"the text says {text}, the ledger {shown}"
        yield _about(finding, number, "finding.number_mismatch", message)
    elif number.verdict == "batch changed":
        assert number.target is not None
        message = f"{text} is of {number.target.size} runs, and the batch has {number.size} now"
        yield _about(finding, number, "finding.batch_changed", message)
    elif number.verdict == "retracted":
        message = f"{text} cannot be relied upon: {number.reason}"
        yield _about(finding, number, "finding.retracted_run", message)
    elif number.verdict == "unresolved":
        severities: dict[str, Severity | None] = {"error": "error", "warn": "warning", "off": None}
        severity = severities[facts.strict_runs]
        if severity is not None:
            message = f"{text} cannot be looked up: {number.reason}"
            yield _about(finding, number, "finding.number_unresolved", message, severity)


def _about(
    finding: Finding,
    number: CitedNumber,
    code: str,
    message: str,
    severity: Severity | None = None,
) -> Issue:
    link, target = number.link, number.target
    detail: dict[str, Any] = {
        "finding": finding.name,
        "line": link.line,
        "column": link.column,
        "text": link.text,
        "target": link.target,
    }
    if number.main is not None:
        detail["ledger"] = number.exact
    if target is not None and target.job_id:
        detail["job_id"] = target.job_id
    elif target is not None:
        detail["experiment_id"] = target.experiment_id
        detail["selector"] = describe_selector(target.selector)
    message = f"line {link.line}: {message}"
    return issue(code, message, path=finding.path, severity=severity, detail=detail)
