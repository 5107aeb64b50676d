"""The parts of a ledger entry, its digest and its merge."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from aexp.errors import CorruptDataError, NewerSchemaError
from aexp.model.canonical import decode_json, signac_id
from aexp.model.entry import (
    Parts,
    check_entry,
    encode_entry,
    is_unprovable,
    merge,
    prove_identity,
    put_together,
    record_digest,
    seal,
    take_apart,
)

POINT = {"lr": 0.1, "seed": 0}
JOB = signac_id(POINT)
quick = settings(deadline=None, max_examples=60)


def moment(second: int) -> str:
    return f"2026-11-21T12:00:{second:02d}.000000Z"


TIMES = st.integers(0, 5).map(moment)
EXTRA = st.dictionaries(
    st.sampled_from(["note", "metrics", "params", "future_field", "x-other"]),
    st.dictionaries(st.sampled_from("ab"), st.integers(0, 2) | st.floats(0, 1), max_size=2),
    max_size=3,
)
ATTEMPTS = st.builds(
    lambda extra, fixed: {**extra, **fixed},
    EXTRA,
    st.fixed_dictionaries(
        {
            "attempt_id": st.sampled_from(["a1", "a2", "a3"]),
            "status": st.sampled_from(["complete", "failed", "stopped", "abandoned"]),
            "promoted_at": TIMES,
            "registered_machine": st.sampled_from(["laptop", "cluster"]),
        },
        optional={"ended_at": TIMES, "redacted": st.just(["/note/a"])},
    ),
)
LINKS = st.fixed_dictionaries(
    {"experiment_id": st.sampled_from(["E001", "E002"])},
    optional={"linked_at": TIMES, "hypothesis_id": st.sampled_from(["H001", None])},
)
TOMBSTONES = st.fixed_dictionaries(
    {"at": TIMES, "machine": st.just("laptop"), "reason": st.sampled_from(["bug", "wrong data"])}
)
IDENTITIES = st.sampled_from(
    [
        ({"schema_version": 1, "job_id": JOB, "statepoint": POINT}, ()),
        ({"schema_version": 1, "job_id": JOB, "statepoint": POINT, "code_dirty": False}, ()),
        (
            {"schema_version": 1, "job_id": JOB, "statepoint": {"lr": 0.1, "seed": "x"}},
            ("/statepoint/seed",),
        ),
        (
            {"schema_version": 1, "job_id": JOB, "statepoint": {"lr": 0.1, "seed": "x"}},
            ("/statepoint/lr",),
        ),
    ]
)


@st.composite
def versions(draw: st.DrawFn, *, retractable: bool = True) -> Parts:
    """One version of the entry of the run ``JOB``, as it is read from a file."""
    identity, redacted = draw(IDENTITIES)
    tombstone = draw(st.none() | st.none() | TOMBSTONES) if retractable else None
    attempts = () if tombstone else tuple(draw(st.lists(ATTEMPTS, min_size=1, max_size=4)))
    made = Parts(identity, redacted, draw(st.none() | LINKS), (), tombstone)
    raw = Parts(identity, redacted, made.link, attempts, tombstone)
    return merge(made, raw)


def encoded(parts: Parts) -> bytes:
    return encode_entry(put_together(parts))


def entry(**changes: Any) -> dict[str, Any]:
    """A complete entry, as 0.6.x wrote it."""
    return {
        "schema_version": 1,
        "job_id": JOB,
        "statepoint": POINT,
        "status": "complete",
        "promoted_at": "2026-11-21T12:10:00Z",
        "registered_machine": "laptop",
        "started_at": "2026-11-21T12:00:00Z",
        "ended_at": "2026-11-21T12:05:00Z",
        "wallclock_s": 300.0,
        **changes,
    }


# --- the merge ----------------------------------------------------------------------------------


@quick
@given(versions(), versions(), versions())
def test_merge_laws(one: Parts, two: Parts, three: Parts) -> None:
    """LED-10: in any order, any grouping and any number of times, the bytes are the same."""
    assert encoded(merge(one, two)) == encoded(merge(two, one))
    assert encoded(merge(merge(one, two), three)) == encoded(merge(one, merge(two, three)))
    assert encoded(merge(one, one)) == encoded(one)
    assert encoded(merge(merge(one, two), two)) == encoded(merge(one, two))


@quick
@given(versions(), versions())
def test_merge_through_files(one: Parts, two: Parts) -> None:
    """LED-10: merging what was read from files gives what merging in memory gives."""
    read = [take_apart(decode_json(encoded(parts))) for parts in (one, two)]
    assert encoded(merge(*read)) == encoded(merge(one, two))


@quick
@given(versions(retractable=False), versions(retractable=False))
def test_replicates_are_kept(one: Parts, two: Parts) -> None:
    """LED-10: every attempt of either side is there, each once, in its latest version."""
    both = (*one.attempts, *two.attempts)
    result = merge(one, two).attempts
    assert len({a["attempt_id"] for a in result}) == len(result)
    assert {a["attempt_id"] for a in result} == {a["attempt_id"] for a in both}
    for attempt in result:
        assert attempt in both
        rivals = [a for a in both if a["attempt_id"] == attempt["attempt_id"]]
        assert attempt["promoted_at"] == max(a["promoted_at"] for a in rivals)


@quick
@given(versions(retractable=False), TOMBSTONES, versions())
def test_retraction_wins(one: Parts, tombstone: dict[str, str], other: Parts) -> None:
    """LED-12: a retraction wins over everything, whichever side it is on."""
    gone = Parts(one.identity, one.identity_redacted, one.link, (), tombstone)
    result = put_together(merge(one, merge(other, gone)))
    assert result["status"] == "retracted"
    assert "replicates" not in result
    assert result["retracted"]["at"] <= tombstone["at"]
    assert check_entry(decode_json(encode_entry(result)))


def test_the_latest_link_decides() -> None:
    """LED-10: a corrected link replaces the old one; a link without a time is oldest."""
    unlinked = take_apart(entry())
    old = take_apart(entry(run_link={"experiment_id": "E009"}))
    first = take_apart(entry(run_link={"experiment_id": "E003", "linked_at": moment(1)}))
    later = take_apart(entry(run_link={"experiment_id": "E001", "linked_at": moment(2)}))
    for one, two, expected in [
        (unlinked, old, "E009"),
        (old, first, "E003"),
        (later, first, "E001"),
        (first, later, "E001"),
    ]:
        assert put_together(merge(one, two))["run_link"]["experiment_id"] == expected


def test_later_promotion_wins_over_earlier_content() -> None:
    """LED-10: of two versions of one attempt the later stands, also across time formats."""
    old = entry(attempt_id="a", promoted_at="2026-11-21T13:00:00+01:00", note="old")
    new = entry(attempt_id="a", promoted_at="2026-11-21T12:00:00.000001Z", note="new")
    assert put_together(merge(take_apart(new), take_apart(old)))["note"] == "new"


def test_the_best_attempt_stands_on_top() -> None:
    """LED-10: complete before failed, then the earliest end; ties by id."""
    failed = entry(attempt_id="a", status="failed", ended_at=moment(0))
    second = entry(attempt_id="b", ended_at=moment(9))
    third = entry(attempt_id="c", ended_at=moment(5))
    endless = entry(attempt_id="d", ended_at=None)
    parts = [take_apart(e) for e in (failed, second, third, endless)]
    result = put_together(merge(merge(parts[0], parts[1]), merge(parts[2], parts[3])))
    assert result["attempt_id"] == "c"
    assert [r["attempt_id"] for r in result["replicates"]] == ["b", "d", "a"]


def test_entries_of_two_runs_are_refused() -> None:
    """LED-10: a merge never mixes runs."""
    other = take_apart(entry(statepoint={"lr": 1}, job_id=signac_id({"lr": 1})))
    with pytest.raises(CorruptDataError, match="two runs"):
        merge(take_apart(entry()), other)


# --- entries of 0.6.x ---------------------------------------------------------------------------


def test_a_legacy_entry_has_a_stable_attempt_id() -> None:
    """LED-01: reading an entry without attempt_id twice, or merging it again, adds no attempt."""
    first = put_together(take_apart(entry()))
    assert first["attempt_id"].startswith("legacy-")
    again = put_together(merge(take_apart(first), take_apart(entry())))
    assert encode_entry(again) == encode_entry(first)
    assert "replicates" not in again


def test_an_incomplete_legacy_entry_is_completed() -> None:
    """Trap 1: the entry without ended_at and wallclock_s is the same attempt as the full one."""
    early = entry(promoted_at="2026-11-21T12:04:00Z")
    del early["ended_at"], early["wallclock_s"]
    for one, two in [(early, entry()), (entry(), early)]:
        result = put_together(merge(take_apart(one), take_apart(two)))
        assert result["wallclock_s"] == 300.0
        assert "replicates" not in result


def test_legacy_runs_of_two_machines_are_replicates() -> None:
    """LED-10: the same state point on two machines is two attempts."""
    pair = [take_apart(entry(registered_machine=name)) for name in ("laptop", "cluster")]
    assert len(merge(*pair).attempts) == 2


# --- digest, round trip, unknown fields ---------------------------------------------------------


@quick
@given(versions(), versions(), st.data())
def test_a_mixture_of_two_versions_is_detected(one: Parts, two: Parts, data: st.DataObject) -> None:
    """LED-10: fields of one version among those of another do not go unnoticed."""
    first, second = put_together(one), put_together(two)
    mixed: dict[str, Any] = {}
    for key in sorted({*first, *second}):
        source = first if data.draw(st.booleans()) else second
        if key in source:
            mixed[key] = source[key]  # type: ignore[literal-required]
    assume(encode_entry(mixed) not in (encode_entry(first), encode_entry(second)))
    assert mixed.get("record_digest") != record_digest(mixed)


@quick
@given(versions())
def test_round_trip(parts: Parts) -> None:
    """LED-06: taken apart and put together again, an entry has the same bytes."""
    made = put_together(parts)
    assert made["record_digest"] == record_digest(made)
    read = check_entry(decode_json(encode_entry(made)))
    assert json.loads(encode_entry(made)) == read
    assert encoded(take_apart(read)) == encode_entry(made)
    assert is_unprovable(made) == bool(parts.identity_redacted)
    assert prove_identity(made) == (made["statepoint"] == POINT)


@given(versions())
def test_sealing_encodes_what_putting_together_gives(parts: Parts) -> None:
    """LED-06: the entry and its bytes are the same whether they are encoded once or twice."""
    entry, data = seal(parts)
    assert entry == put_together(parts)
    assert data == encode_entry(entry)
    assert record_digest(entry) == entry["record_digest"]


def test_unknown_fields_survive() -> None:
    """LED-10: facts of a newer aexp stay with their attempt through a merge made by this one."""
    newer = entry(attempt_id="n", ended_at=moment(50), novelty={"deep": [1, 2]})
    other = entry(attempt_id="o", ended_at=moment(1))
    result = put_together(merge(take_apart(newer), take_apart(other)))
    assert "novelty" not in result
    assert result["replicates"][0]["novelty"] == {"deep": [1, 2]}
    alone = put_together(merge(take_apart(newer), take_apart(newer)))
    assert alone["novelty"] == {"deep": [1, 2]}  # type: ignore[typeddict-item]


# --- the shape ----------------------------------------------------------------------------------


def test_a_newer_schema_is_refused() -> None:
    """LED-01: an entry of a newer aexp is named as such, with what to do."""
    with pytest.raises(NewerSchemaError, match="schema version 2") as caught:
        check_entry(entry(schema_version=2))
    assert "upgrade" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"schema_version": 0}, "schema_version"),
        ({"schema_version": True}, "schema_version"),
        ({"schema_version": "1"}, "schema_version"),
        ({"job_id": JOB.upper()}, "hex digits"),
        ({"job_id": None}, "hex digits"),
        ({"statepoint": []}, "statepoint"),
        ({"status": "running"}, "not terminal"),
        ({"status": "retracted"}, "not terminal"),
        ({"promoted_at": 5}, "promoted_at"),
        ({"run_link": "E001"}, "run_link"),
        ({"retracted": None}, "retracted"),
        ({"metrics": []}, "metrics"),
        ({"replicates": {}}, "replicates"),
        ({"replicates": ["x"]}, r"replicates\[0\]"),
        ({"replicates": [{"status": "complete"}]}, r"replicates\[0\]"),
        ({"replicates": [{"attempt_id": "a", "status": "created"}]}, "not terminal"),
    ],
)
def test_malformed_entries_are_named(changes: dict[str, Any], reason: str) -> None:
    """Trap 2: a file that merely exists is no entry; the message says what is wrong."""
    with pytest.raises(CorruptDataError, match=reason):
        check_entry(entry(**changes))


@pytest.mark.parametrize("missing", ["statepoint", "status", "promoted_at", "registered_machine"])
def test_missing_fields_are_named(missing: str) -> None:
    """LED-01: the fields that are always there are required."""
    value = entry()
    del value[missing]
    with pytest.raises(CorruptDataError, match=missing):
        check_entry(value)


@pytest.mark.parametrize("value", [None, [], "entry", 1, {}])
def test_other_json_is_no_entry(value: Any) -> None:
    """Trap 2: ``{}`` and other JSON are no entries."""
    with pytest.raises(CorruptDataError):
        check_entry(value)


def test_an_empty_tombstone_is_a_tombstone() -> None:
    """LED-12: a retraction without facts still wins and still has one form."""
    gone = take_apart(entry(status="retracted", retracted={}))
    for parts in (merge(gone, take_apart(entry())), merge(take_apart(entry()), gone)):
        assert put_together(parts)["status"] == "retracted"
        assert encoded(take_apart(decode_json(encoded(parts)))) == encoded(parts)


@pytest.mark.parametrize("name", ["statepoint", "job_id", "run_link", "record_digest"])
def test_a_replicate_cannot_bring_an_identity(name: str) -> None:
    """LED-10: what ranks best after a merge never overwrites what the run is."""
    other = {"attempt_id": "b", "status": "failed", name: {}}
    with pytest.raises(CorruptDataError, match=f"has a {name} of its own"):
        check_entry(entry(replicates=[other]))
