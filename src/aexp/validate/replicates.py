"""Attempts of one run that do not say the same (LED-10)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from aexp.model.canonical import decode_number
from aexp.model.entry import LedgerEntry
from aexp.model.issue import Issue
from aexp.repo import SETTINGS_REL
from aexp.validate.codes import issue
from aexp.validate.facts import Facts

ABSOLUTE: Final = 1e-9
"""What two values may differ by whatever their size: the noise of adding in another order."""


class Reading(NamedTuple):
    """The final value of a metric in one attempt, and the machine that says so."""

    value: float
    machine: str


class Disagreement(NamedTuple):
    """The two values of one metric that lie furthest apart.

    Attributes:
        metric: its name.
        low: the lesser value; NaN comes last.
        high: the greater value.
        distance: how far apart they are, as a fraction of the larger; infinite for a value that
            is no finite number.
    """

    metric: str
    low: Reading
    high: Reading
    distance: float


def check_replicates(facts: Facts) -> list[Issue]:
    """Report each run whose complete attempts ended with different results, once."""
    tolerance = facts.policy.replicate_tolerance
    issues = []
    for job_id, head in facts.ledger.heads.items():
        if not head.has_replicates:
            continue
        entry = facts.ledger.entries[job_id]
        found = sorted(disagreements(entry, tolerance), key=lambda d: (-d.distance, d.metric))
        if found:
            issues.append(_issue(facts, job_id, found, tolerance))
    return issues


def check_settings(facts: Facts) -> list[Issue]:
    """Report settings that cannot be read, so that the usual ones were used."""
    if not facts.policy_problem:
        return []
    return [issue("settings.malformed", facts.policy_problem, path=SETTINGS_REL)]


def disagreements(entry: LedgerEntry, tolerance: float) -> Iterator[Disagreement]:
    """Yield the metrics in which complete attempts of a run differ by more than is allowed.

    Only the final value counts, and only of attempts that have the metric. NaN agrees with NaN
    and with nothing else.

    Args:
        entry: a usable entry.
        tolerance: the allowed difference, as a fraction of the larger of two values.
    """
    others = entry.get("replicates")
    if not others:
        return
    attempts: list[Mapping[str, Any]] = [entry, *others]
    readings: dict[str, list[Reading]] = {}
    for attempt in attempts:
        metrics = attempt.get("metrics")
        if attempt.get("status") != "complete" or not isinstance(metrics, Mapping):
            continue
        for name, metric in metrics.items():
            value = decode_number(metric.get("value")) if isinstance(metric, Mapping) else None
            if value is not None:
                machine = str(attempt.get("registered_machine") or "")
                readings.setdefault(name, []).append(Reading(value, machine))
    for name, values in readings.items():
        low, *_, high = sorted([*values, values[0]], key=_order)
        distance = _distance(low.value, high.value)
        if distance > tolerance * _ROUNDING:
            yield Disagreement(name, low, high, distance)


_ROUNDING: Final = 1 + 1e-12  # 1.0 and 0.95 are exactly a twentieth apart, for people


def _order(reading: Reading) -> tuple[bool, float]:
    return (reading.value != reading.value, reading.value)  # NaN last


def _distance(low: float, high: float) -> float:
    """Return the difference as a fraction of the larger value, 0 when there is none."""
    if low == high or (low != low and high != high):  # NaN agrees with NaN
        return 0.0
    try:
        difference = float(abs(high - low))
        size = float(max(abs(low), abs(high)))
    except OverflowError:  # integers beyond what a float holds
        return abs(high - low) / max(abs(low), abs(high))
    if not (math.isfinite(difference) and math.isfinite(size)):
        return math.inf
    return 0.0 if difference <= ABSOLUTE else difference / size


def _issue(facts: Facts, job_id: str, found: list[Disagreement], tolerance: float) -> Issue:
    metric, low, high, distance = found[0]
    more = f" (and {len(found) - 1} more metrics)" if len(found) > 2 else ""
    more = " (and another metric)" if len(found) == 2 else more
    apart = f"{distance:.3g} of the larger apart" if math.isfinite(distance) else "not comparable"
    message = (
        f"attempts of run {job_id[:8]} disagree on {metric}: {_shown(low)}, {_shown(high)};"
        f" {apart}, {tolerance:g} is allowed{more}"
    )
    detail = {
        "job_id": job_id,
        "metrics": {
            d.metric: [{"value": r.value, "machine": r.machine} for r in (d.low, d.high)]
            for d in found
        },
    }
    path = facts.ledger.paths.get(job_id, "")
    return issue("ledger.replicate_disagreement", message, path=path, detail=detail)


def _shown(reading: Reading) -> str:
    where = f" on {reading.machine}" if reading.machine else ""
    return f"{reading.value!r}{where}"
