"""Citations as a new finding writes them (VAL-02)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote

from aexp.errors import UsageError
from aexp.kb.names import check_id
from aexp.model.ids import is_job_id
from aexp.model.values import parse_value

RunResolver = Callable[[str], str]
"""Turns the beginning of a run id into the id."""

_BATCH_HINT = "write it as E001?condition=full&seed=0"


def whole_run_id(text: str) -> str:
    """Return ``text`` when it is a whole run id (the resolver where no store can be asked).

    Raises:
        UsageError: it is not.
    """
    if not is_job_id(text):
        raise UsageError(f"{text!r} is no run id", hint="a run id is 32 lowercase hex digits")
    return text


def job_citation(run_id: str) -> dict[str, Any]:
    """Return the citation of one run."""
    return {"type": "job", "id": run_id}


def batch_citation(text: str) -> dict[str, Any]:
    """Return the citation that ``E001?condition=full&seed=0`` spells.

    Values follow the rule of the command line: ``seed=0`` is a number, ``tag:=0`` is text,
    ``seed=[0,1]`` is any of them. Dots in keys reach into nested values. What would part the
    text is written as in a URL: ``%26`` for ``&``. Without a ``?`` it is every run of the
    experiment.

    Raises:
        UsageError: it is not of that form.
    """
    experiment, _, query = text.strip().partition("?")
    check_id(experiment, "experiment")
    selector: dict[str, Any] = {}
    for pair in filter(None, query.split("&")):
        key, equals, value = pair.partition("=")
        is_text = key.endswith(":")
        key = unquote(key.removesuffix(":").strip())
        value = unquote(value)
        if not equals or not key:
            raise UsageError(f"{pair!r} in the batch {text!r} is no key=value", hint=_BATCH_HINT)
        if key in selector:
            hint = f"for any of several values write {key}=[a,b]"
            raise UsageError(f"the batch {text!r} gives {key} twice", hint=hint)
        selector[key] = value if is_text else parse_value(value)
    return {"type": "batch", "experiment_id": experiment, "selector": selector}


def citations(
    runs: Iterable[str], batches: Iterable[str], resolve_run: RunResolver
) -> list[dict[str, Any]]:
    """Return what stands in ``supporting_runs``, each citation once, in the order given.

    Raises:
        UsageError: a batch is malformed, or ``resolve_run`` says so of a run.
    """
    found = [job_citation(resolve_run(run)) for run in runs]
    found += [batch_citation(batch) for batch in batches]
    return [item for index, item in enumerate(found) if item not in found[:index]]
