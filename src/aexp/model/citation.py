"""What a finding cites: single runs and batches, and which run a batch's selector means.

``supporting_runs`` in a finding's frontmatter is a list of mappings (VAL-02)::

    supporting_runs:
      - {type: job, id: 77e4588d8d8e3ea5fef5a507bdde91dd}
      - {type: batch, experiment_id: E001, selector: {condition: full}}

Everything here is total: any value a YAML file can hold gives citations or :class:`BadCitation`,
never an exception (traps 3, 29).
"""

from __future__ import annotations

import datetime
import reprlib
from collections.abc import Hashable, Mapping, Sequence
from typing import Final, TypeAlias

from msgspec import Struct, field

from aexp.model.ids import is_experiment_id, is_job_id

LINK_KEYS: Final = ("experiment_id", "hypothesis_id", "sub_hypothesis_id", "experiment_path")
"""What a selector may ask of a run link; the link is right about these, not the state point."""

BASELINE: Final = "baseline"
"""The ``role`` that makes citing another experiment's run intended (VAL-05)."""

Options: TypeAlias = Mapping[str, object]

_SHOWN: Final = 50
_MAX_PARTS: Final = 1000
# YAML aliases can make a value endless, or so wide that printing it fills the memory.
_REPR: Final = reprlib.Repr()
_REPR.maxlevel, _REPR.maxstring, _REPR.maxother = 3, _SHOWN, _SHOWN


class JobCitation(Struct, frozen=True):
    """One run, cited by its id.

    Attributes:
        id: the run's job id.
        index: its place in the list, from 0.
        options: the citation's other keys, such as ``role`` and ``allow_failed``.
    """

    id: str
    index: int
    options: Options = field(default_factory=dict)


class BatchCitation(Struct, frozen=True):
    """All terminal runs of one experiment that a selector matches.

    Attributes:
        experiment_id: the experiment, by the runs' current link.
        selector: what each run must have; empty means every run of the experiment.
        index: its place in the list, from 0.
        options: the citation's other keys.
    """

    experiment_id: str
    selector: Mapping[str, object]
    index: int
    options: Options = field(default_factory=dict)


class BadCitation(Struct, frozen=True):
    """Something that stands where a citation should and is none (VAL-02).

    Attributes:
        index: its place in the list, from 0.
        reason: one clause that says what is wrong with it.
    """

    index: int
    reason: str


Citation: TypeAlias = JobCitation | BatchCitation | BadCitation


def parse_citations(value: object) -> list[Citation]:
    """Return the citations that ``supporting_runs`` holds, in order.

    Args:
        value: the frontmatter's value: a list of mappings, one mapping, or None for no citation.

    The rule is VAL-02: whatever is neither a job nor a batch citation is a :class:`BadCitation`.
    """
    if value is None:
        return []
    if isinstance(value, Mapping):
        return [_parse(value, 0)]
    if isinstance(value, list | tuple):
        return [_parse(item, index) for index, item in enumerate(value)]
    return [BadCitation(0, f"supporting_runs is {_kind(value)}; it must be a list of mappings")]


def allows_failed(options: Options) -> bool:
    """Return whether a citation says that a failed run is meant (``allow_failed: true``)."""
    return options.get("allow_failed") is True


def is_baseline(options: Options) -> bool:
    """Return whether a citation says that another experiment is meant (``role: baseline``)."""
    return options.get("role") == BASELINE


def _parse(item: object, index: int) -> Citation:
    if not isinstance(item, Mapping):
        return BadCitation(index, f"it is {_kind(item)}; it must be a mapping with a type")
    kind = item.get("type")
    if kind == "job":
        return _job(item, index)
    if kind == "batch":
        return _batch(item, index)
    if "type" not in item:
        return BadCitation(index, "it has no type; it must be job or batch")
    return BadCitation(index, f"its type is {_show(kind)}; it must be job or batch")


def _job(item: Mapping[object, object], index: int) -> Citation:
    job_id = item.get("id")
    if isinstance(job_id, str) and is_job_id(job_id):
        return JobCitation(job_id, index, _options(item, {"type", "id"}))
    if "id" not in item:
        return BadCitation(index, "it has no id")
    if isinstance(job_id, int | float) and not isinstance(job_id, bool):
        return BadCitation(index, "its id reads as a number; put it in quotes")
    return BadCitation(index, f"its id is {_show(job_id)}; a run id is 32 lowercase hex digits")


def _batch(item: Mapping[object, object], index: int) -> Citation:
    experiment = item.get("experiment_id")
    if not isinstance(experiment, str) or not is_experiment_id(experiment):
        if "experiment_id" not in item:
            return BadCitation(index, "it has no experiment_id")
        return BadCitation(index, f"its experiment_id is {_show(experiment)}; write it like E001")
    selector = item.get("selector")
    if selector is None:
        selector = {}
    if not isinstance(selector, Mapping):
        return BadCitation(index, f"its selector is {_kind(selector)}; it must be a mapping")
    parts = _parts(selector)
    if len(parts) > _MAX_PARTS:
        return BadCitation(index, "its selector is too large")
    keys = [key for part in parts if isinstance(part, Mapping) for key in part]
    if odd := [key for key in keys if not isinstance(key, str)]:
        return BadCitation(index, f"its selector has the key {_show(odd[0])}; keys must be text")
    options = _options(item, {"type", "experiment_id", "selector"})
    return BatchCitation(experiment, {str(k): v for k, v in selector.items()}, index, options)


def _options(item: Mapping[object, object], known: set[str]) -> dict[str, object]:
    return {str(key): value for key, value in item.items() if key not in known}


def _parts(value: object) -> list[object]:
    """Return a value and all that is in it, or the first of it when that is more than allowed.

    A value made of YAML aliases may be endless.
    """
    found: list[object] = []
    stack = [value]
    while stack and len(found) <= _MAX_PARTS:
        part = stack.pop()
        found.append(part)
        if isinstance(part, Mapping):
            stack.extend(part.values())
        elif isinstance(part, list | tuple):
            stack.extend(part)
    return found


def _kind(value: object) -> str:
    """Return what a value is, in the words of a YAML file."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    return "empty" if value is None else f"the single value {_show(value)}"


def _show(value: object) -> str:
    """Return a value on one short line."""
    try:
        plain = isinstance(value, str) and value.isprintable() and value
        text = str(value) if plain else _REPR.repr(value)
    except ValueError:
        return "a huge number"  # Python refuses to print integers of thousands of digits
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def describe_selector(selector: Mapping[str, object]) -> str:
    """Return a selector on one line: ``condition=full, seed=1``, or ``every run``."""
    return ", ".join(f"{key}={_show(value)}" for key, value in selector.items()) or "every run"


# --- selectors -------------------------------------------------------------------------------

MISSING: Final = object()
"""What :func:`value_of` returns for a key that a run does not have."""


def selector_matches(
    selector: Mapping[str, object],
    statepoint: Mapping[str, object],
    run_link: Mapping[str, object] | None,
) -> bool:
    """Return whether a run is one that ``selector`` means: every key must match (VAL-04, trap 27).

    Args:
        selector: keys may reach into mappings with dots (``optimizer.lr``) or be nested
            themselves; a list means any of its values (or the list itself, for a parameter that is
            a list). ``True`` is not ``1``; ``1`` is ``1.0``.
        statepoint: the run's state point.
        run_link: the run's current link, which decides about :data:`LINK_KEYS`.
    """
    link = run_link or {}
    return all(
        value_matches(wanted, value_of(key, statepoint, link)) for key, wanted in selector.items()
    )


def value_of(key: str, statepoint: Mapping[str, object], run_link: Mapping[str, object]) -> object:
    """Return what a run has under a selector's key, :data:`MISSING` when it has nothing."""
    if key in LINK_KEYS and (run_link.get(key) is not None or key not in statepoint):
        return run_link.get(key)
    return look_up(statepoint, key)


def values_of(
    key: str, statepoints: Sequence[Mapping[str, object]], links: Sequence[Mapping[str, object]]
) -> list[object]:
    """Return what each of many runs has under a selector's key, as :func:`value_of` does."""
    if key in LINK_KEYS:
        pairs = zip(statepoints, links, strict=True)
        return [value_of(key, statepoint, link) for statepoint, link in pairs]
    return [point[key] if key in point else look_up(point, key) for point in statepoints]


def look_up(mapping: Mapping[str, object], key: str) -> object:
    """Return the value of a key, which may be a dotted path; ``MISSING`` when there is none."""
    if key in mapping:
        return mapping[key]
    head, dot, rest = key.partition(".")
    while dot:
        inner = mapping.get(head, MISSING)
        if isinstance(inner, Mapping):
            found = look_up(inner, rest)
            if found is not MISSING:
                return found
        step, dot, rest = rest.partition(".")
        head = f"{head}.{step}"
    return MISSING


def value_matches(wanted: object, actual: object) -> bool:
    """Return whether ``actual``, from :func:`value_of`, is what a selector wants."""
    if actual is MISSING:
        return False
    if isinstance(wanted, Mapping) and wanted:
        return isinstance(actual, Mapping) and all(
            isinstance(key, str) and value_matches(inner, look_up(actual, key))
            for key, inner in wanted.items()
        )
    if isinstance(wanted, list | tuple):
        return any(same_value(item, actual) for item in wanted) or same_value(wanted, actual)
    return same_value(wanted, actual)


def same_value(left: object, right: object) -> bool:
    """Return whether two values are one value in JSON: types count, but ``1`` is ``1.0``.

    A date, which YAML may make of ``2026-01-31``, is the text it is written as.
    """
    if isinstance(left, datetime.date):
        left = left.isoformat()
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, int | float) and isinstance(right, int | float):
        return left == right
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same_value, left, right))
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same_value(left[k], right[k]) for k in left)
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    return left is None and right is None


def value_key(value: object) -> Hashable:
    """Return a hashable such that two values have the same one exactly if they are the same value.

    :func:`same_value` is what "the same" means; ``MISSING`` is the same as nothing else.
    """
    kind = type(value)
    if kind is str or kind is int or kind is float:  # nearly always, and thousands of times
        return value
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, bool):
        return (bool, value)
    if isinstance(value, list | tuple):
        return (list, tuple(value_key(item) for item in value))
    if isinstance(value, Mapping):
        return (dict, frozenset((key, value_key(item)) for key, item in value.items()))
    if value is None or value is MISSING or isinstance(value, int | float | str):
        return value
    return (type(value), id(value))
