"""How the published schema and the reader of entries relate, and what projection writes."""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from aexp.errors import AexpError
from aexp.model.canonical import decode_json, signac_id
from aexp.model.entry import (
    ATTEMPT_FIELDS,
    IDENTITY_FIELDS,
    LINK_FIELDS,
    RUN_FIELDS,
    TRACKER_FIELDS,
    Attempt,
    LedgerEntry,
    RunLink,
    Tracker,
    check_entry,
    encode_entry,
    put_together,
    take_apart,
)
from aexp.model.project import project, stamp
from aexp.model.stream import Summary
from tests.model.test_entry import JOB, POINT, entry, moment
from tests.model.test_project import NOW
from tests.support.sealed import CHECKOUT

SCHEMA = CHECKOUT / "docs" / "format" / "ledger-entry.schema.json"
thorough = settings(deadline=None, max_examples=400)


@cache
def validator() -> Draft202012Validator:
    """Return the validator of the published schema."""
    return Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))


def is_accepted(value: Any) -> bool:
    """Return whether the reader takes ``value`` for an entry."""
    try:
        check_entry(value)
    except AexpError:
        return False
    return True


FULL = entry(
    attempt_id="a1",
    ended_by="exit",
    code_commit=None,
    code_dirty=False,
    run_link={"experiment_id": "E001", "hypothesis_id": None, "linked_at": moment(1)},
    tracker={"backend": "wandb", "run_id": "r"},
    metrics={"acc": {"value": 0.5, "count": 2, "min": 0.25, "max": "Infinity", "step": 1}},
    attachments=[{"name": "x", "digest": "sha256:" + "0" * 64, "size": 1}],
    redacted=["/params/key"],
    params={"key": "<redacted>"},
    tags=["a"],
    replicates=[
        {
            "attempt_id": "a2",
            "status": "failed",
            "error": {"type": "ValueError", "message": "no"},
            "promoted_at": moment(3),
            "registered_machine": "cluster",
        }
    ],
)
TOMBSTONE = {
    "schema_version": 1,
    "job_id": JOB,
    "statepoint": POINT,
    "status": "retracted",
    "promoted_at": moment(1),
    "registered_machine": "laptop",
    "retracted": {"reason": "wrong data", "at": moment(1), "machine": "laptop"},
}
STATUSES = ["complete", "failed", "stopped", "abandoned", "retracted", "running", "created", ""]
WORDS = st.sampled_from([*STATUSES, JOB, JOB.upper(), JOB + "\n", "E001", "sha256:", "NaN", "x"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-1, 3)
    | WORDS
    | st.floats(allow_nan=False, allow_infinity=False)
)
KEYS = st.sampled_from(
    [*ATTEMPT_FIELDS, *IDENTITY_FIELDS, *RUN_FIELDS, *LINK_FIELDS, "replicates", "future"]
)
VALUES = st.recursive(
    SCALARS | st.sampled_from([FULL["replicates"][0], TOMBSTONE["retracted"], POINT]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=2),
    max_leaves=4,
)


@st.composite
def mutants(draw: st.DrawFn) -> Any:
    """An entry with a few members replaced, removed or added, at any depth."""
    value: Any = copy.deepcopy(draw(st.sampled_from([FULL, TOMBSTONE, entry()])))
    for _ in range(draw(st.integers(0, 3))):
        place = value
        while inner := [v for v in _members(place) if isinstance(v, dict | list) and v]:
            if draw(st.booleans()):
                break
            place = draw(st.sampled_from(inner))
        if isinstance(place, list):
            place[draw(st.integers(0, len(place) - 1))] = copy.deepcopy(draw(VALUES))
            continue
        key = draw(st.sampled_from(sorted(place)) | KEYS)
        if draw(st.integers(0, 3)) == 0:
            place.pop(key, None)
        else:
            place[key] = copy.deepcopy(draw(VALUES))
    return value


def _members(place: Any) -> list[Any]:
    return list(place.values()) if isinstance(place, dict) else list(place)


@thorough
@given(mutants())
@example(FULL)
@example(TOMBSTONE)
@example({**TOMBSTONE, "retracted": {}})
@example({**FULL, "run_link": None})
@example({**FULL, "job_id": JOB + "\n"})
@example({**FULL, "replicates": [{**FULL["replicates"][0], "status": "retracted"}]})
@example({**FULL, "retracted": TOMBSTONE["retracted"]})
def test_what_the_schema_allows_the_reader_accepts(value: Any) -> None:
    """LED-01: the schema is the stricter of the two.

    Every value that the schema allows is read as an entry, and survives being taken apart and
    put together. The reverse does not hold, on purpose: the reader looks at the fields it relies
    on alone, and takes a null link, a tombstone without facts or a field of another type beside
    them as it comes, while the schema says what is written. One value is allowed that is not
    read: a schema version of 1.0, which JSON Schema cannot tell from 1.
    """
    if not isinstance(value.get("schema_version"), int) or not validator().is_valid(value):
        return
    assert is_accepted(value)
    again = decode_json(encode_entry(put_together(take_apart(value))))
    assert [error.message for error in validator().iter_errors(again)] == []


@thorough
@given(mutants())
def test_what_both_judge_they_judge_alike(value: Any) -> None:
    """LED-01: types of the fields that the reader relies on; where it refuses, so does the schema.

    Fields that only the schema judges are taken out first, and what it asks beyond the reader
    (whole tombstones, links and replicates) is put in.
    """
    relied = {
        *("schema_version", "job_id", "statepoint", "status", "promoted_at"),
        *("registered_machine", "attempt_id", "params", "record_digest"),
    }
    value = {key: item for key, item in value.items() if key in relied}
    if value.get("status") == "retracted":
        value["retracted"] = TOMBSTONE["retracted"]
    if isinstance(value.get("record_digest"), str):
        value["record_digest"] = "sha256:" + "0" * 64
    if value.get("attempt_id") == "":
        del value["attempt_id"]
    if isinstance(value.get("schema_version"), float):
        return
    assert validator().is_valid(value) == is_accepted(value)


def test_both_have_accepted_and_refused_something() -> None:
    """The two properties above are not vacuous."""
    assert validator().is_valid(FULL)
    assert validator().is_valid(TOMBSTONE)
    assert is_accepted(FULL)
    assert not validator().is_valid({**FULL, "status": "running"})
    assert not validator().is_valid({**TOMBSTONE, "replicates": []})
    assert not validator().is_valid({**FULL, "tracker": {"config": {}}})
    assert not validator().is_valid({**FULL, "metrics": {"acc": {"value": "0.5"}}})


def test_the_types_have_the_fields_that_are_projected() -> None:
    """LED-02: the types, from which the schema is made, and the allowlist name the same fields."""
    derived = {"replicates", "record_digest"}
    assert {*ATTEMPT_FIELDS} == Attempt.__annotations__.keys()
    wanted = {*ATTEMPT_FIELDS, *IDENTITY_FIELDS, *RUN_FIELDS} | derived
    assert wanted == LedgerEntry.__annotations__.keys()
    assert {*LINK_FIELDS} == RunLink.__annotations__.keys()
    assert {*TRACKER_FIELDS} == Tracker.__annotations__.keys()


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
ODD_FIELDS = [
    *("ended_by", "started_at", "ended_at", "wallclock_s", "tracker", "params", "tags", "note"),
    *("inputs", "outputs", "workflow", "environment", "sweep", "attachments", "error", "aexp"),
    *("attempt_id", "redacted", "record_digest", "replicates", "metrics", "events"),
]


@thorough
@given(
    st.dictionaries(st.sampled_from(ODD_FIELDS), ANYTHING, max_size=4),
    st.dictionaries(st.sampled_from([*LINK_FIELDS, "more"]), ANYTHING),
    st.dictionaries(st.sampled_from(["code_commit", "code_dirty", "lr"]), ANYTHING),
)
def test_whatever_a_document_holds_its_entry_is_as_the_schema_says(
    odd: dict[str, Any], link: dict[str, Any], point: dict[str, Any]
) -> None:
    """LED-02: the document is the user's too; what is not of its kind never leaves the machine."""
    document = {"status": "complete", "aexp": link, **odd}
    made = project(
        signac_id({"lr": 0}), point, document, summary_of=lambda _: Summary(), machine="laptop"
    )
    parts, _ = stamp(made, stamps={}, known=None, now=NOW, machine="laptop")
    value = decode_json(encode_entry(put_together(parts)))
    assert [f"{error.json_path}: {error.message}" for error in validator().iter_errors(value)] == []
    assert is_accepted(value)
