"""Every kind of citation, in every state of the sources, at every strictness (VAL-02 to VAL-05)."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from aexp.model.canonical import signac_id
from aexp.model.entry import encode_entry, record_digest
from aexp.validate import CODES, StrictRuns
from aexp.validate.codes import STRICT_CODES
from tests.validate.world import Codes, World, batch, indexed, job, link_to, point

FULL = point(condition="full")
OTHER = point(condition="other", seed=9)
ERROR, WARNING = "error", "warning"

BROKEN = "finding.broken_run_citation"
ABSENT = "finding.absent_run_citation"
UNFINISHED = "finding.unfinished_run"
UNSHARED = "finding.unshared_run"
FAILED = "finding.failed_run_cited"
FOREIGN = "finding.other_experiment"
RETRACTED = "finding.retracted_run"
EMPTY = "finding.empty_batch"
ABSENT_BATCH = "finding.absent_batch_runs"
NO_STORE = "finding.no_run_store"
MISMATCH = "ledger.id_mismatch"


def tamper(world: World) -> None:
    """Change a parameter in the cited run's entry, as a hand might."""
    job_id = world.entry(FULL)
    path = world.root / f".aexp/ledger/{job_id}.json"
    path.write_text(path.read_text("utf-8").replace('"full"', '"best"'), "utf-8")


def empty(world: World) -> None:
    """Leave an empty file where the entry should be (trap 2)."""
    path = world.root / f".aexp/ledger/{world.entry(FULL)}.json"
    path.write_bytes(b"")


def folder(world: World) -> None:
    """Put a folder where the entry should be (trap 2)."""
    world.store()
    path = world.root / f".aexp/ledger/{world.entry(FULL)}.json"
    path.unlink()
    path.mkdir()


def with_digest(world: World, **changes: object) -> None:
    """Write the cited run's entry with a digest, then change it behind the digest's back."""
    path = world.root / f".aexp/ledger/{world.entry(FULL)}.json"
    entry = json.loads(path.read_text("utf-8"))
    entry["record_digest"] = record_digest(entry)
    path.write_bytes(encode_entry({**entry, **changes}))


def redacted(world: World) -> None:
    """Write an entry whose state point is redacted, so that its id cannot be proved."""
    path = world.root / f".aexp/ledger/{world.entry(FULL)}.json"
    entry = json.loads(path.read_text("utf-8"))
    entry["statepoint"]["user"] = "<redacted>"
    entry["redacted"] = ["/statepoint/user"]
    path.write_bytes(encode_entry(entry))


def conflict(world: World) -> None:
    """Leave git's markers in the entry."""
    path = world.root / f".aexp/ledger/{world.entry(FULL)}.json"
    half = path.read_text("utf-8")
    path.write_text(f"<<<<<<< ours\n{half}=======\n{half}>>>>>>> theirs\n", "utf-8")


def sharded(world: World) -> None:
    """Put the entry into its sharded place."""
    job_id = world.entry(FULL)
    path = world.root / f".aexp/ledger/{job_id}.json"
    path.rename(world.machine.write(f".aexp/ledger/{job_id[:2]}/{job_id}.json", ""))


def damaged(world: World) -> None:
    """Damage the document of the cited local run."""
    path = f".runs/workspace/{world.local(FULL)}/signac_job_document.json"
    world.machine.write(path, "{")


def both(*parts: Callable[[World], object]) -> Callable[[World], None]:
    """Return the state of several states together."""

    def build(world: World) -> None:
        for part in parts:
            part(world)

    return build


ENTRY = lambda w: w.entry(FULL)  # noqa: E731
LOCAL = lambda w: w.local(FULL)  # noqa: E731
RUNNING = lambda w: w.local(FULL, "running")  # noqa: E731
INDEX = lambda w: w.index("cluster", indexed(w.entry_id))  # noqa: E731
STORE = lambda w: w.store()  # noqa: E731
TOMBSTONE = lambda w: w.entry(FULL, "retracted")  # noqa: E731

# state: what a job citation gives, what a batch citation gives. A severity of None is the one of
# --strict-runs; `extra` is what the state itself is reported for.
STATES: dict[str, tuple[Callable[[World], object], list, list, list]] = {  # type: ignore[type-arg]
    "none": (lambda w: None, [], [], [(NO_STORE, "once")]),
    "store": (STORE, [(BROKEN, None)], [(EMPTY, None)], []),
    "another entry": (
        lambda w: w.entry(OTHER), [(BROKEN, None)], [(EMPTY, None)], [],
    ),
    "another index": (
        lambda w: w.index("c", indexed("a" * 32, condition="x")),
        [(BROKEN, None)], [(EMPTY, None)], [],
    ),
    "ledger": (ENTRY, [], [], []),
    "ledger and index": (both(ENTRY, INDEX), [], [], []),
    "ledger and local": (both(ENTRY, LOCAL), [], [], []),
    "ledger, running again here": (both(ENTRY, RUNNING), [], [], []),
    "ledger, failed": (
        lambda w: w.entry(FULL, "failed"), [(FAILED, WARNING)], [(FAILED, WARNING)], [],
    ),
    "ledger, abandoned": (
        lambda w: w.entry(FULL, "abandoned"), [(FAILED, WARNING)], [(FAILED, WARNING)], [],
    ),
    "ledger, stopped": (lambda w: w.entry(FULL, "stopped"), [], [], []),
    "ledger, of E002": (
        lambda w: w.entry(FULL, link=link_to("E002")), [(FOREIGN, WARNING)], [(EMPTY, None)], [],
    ),
    "local": (LOCAL, [(UNSHARED, WARNING)], [(UNSHARED, WARNING)], []),
    "local and index": (both(LOCAL, INDEX), [(UNSHARED, WARNING)], [(UNSHARED, WARNING)], []),
    "local, failed": (
        lambda w: w.local(FULL, "failed"),
        [(FAILED, WARNING), (UNSHARED, WARNING)],
        [(FAILED, WARNING), (UNSHARED, WARNING)],
        [],
    ),
    "local, created": (lambda w: w.local(FULL, None), [(UNFINISHED, None)], [(EMPTY, None)], []),
    "local, queued": (
        lambda w: w.local(FULL, "queued"), [(UNFINISHED, None)], [(EMPTY, None)], [],
    ),
    "local, running": (RUNNING, [(UNFINISHED, None)], [(EMPTY, None)], []),
    "local, running; index": (
        both(RUNNING, INDEX), [(ABSENT, "known")], [(ABSENT_BATCH, "known")], [],
    ),
    "index": (INDEX, [(ABSENT, "known")], [(ABSENT_BATCH, "known")], []),
    "index, of a running run": (
        lambda w: (w.store(), w.index("c", indexed(w.entry_id, status="running"))),
        [(BROKEN, None)], [(EMPTY, None)], [("index.malformed", WARNING)],
    ),
    "tampered": (tamper, [(BROKEN, None)], [(EMPTY, None)], [(MISMATCH, ERROR)]),
    "tampered; index": (
        both(tamper, INDEX), [(BROKEN, None)], [(EMPTY, None)], [(MISMATCH, ERROR)],
    ),
    "tampered; local": (
        both(tamper, LOCAL), [(UNSHARED, WARNING)], [(UNSHARED, WARNING)], [(MISMATCH, ERROR)],
    ),
    "emptied": (empty, [(BROKEN, None)], [(EMPTY, None)], [("ledger.malformed", ERROR)]),
    "a folder": (folder, [(BROKEN, None)], [(EMPTY, None)], [("ledger.malformed", ERROR)]),
    "ledger with digest": (with_digest, [], [], []),
    "digest does not hold": (
        lambda w: with_digest(w, status="stopped"),
        [(BROKEN, None)], [(EMPTY, None)], [("ledger.digest_mismatch", ERROR)],
    ),
    "written by a newer aexp": (
        lambda w: w.entry(FULL, schema_version=2),
        [(BROKEN, None)], [(EMPTY, None)], [("ledger.newer_schema", ERROR)],
    ),
    "in conflict": (conflict, [(BROKEN, None)], [(EMPTY, None)], [("ledger.conflict", ERROR)]),
    "in conflict; index": (
        both(conflict, INDEX), [(BROKEN, None)], [(EMPTY, None)], [("ledger.conflict", ERROR)],
    ),
    "unprovable": (redacted, [], [], [("ledger.unprovable", WARNING)]),
    "with a secret": (
        lambda w: w.entry(FULL, note="https://me:hunter2pass@example.org/"),
        [], [], [("ledger.unsanitized", ERROR)],
    ),
    "sharded": (sharded, [], [], []),
    "sharded and flat": (both(sharded, ENTRY), [], [], [("ledger.duplicate", WARNING)]),
    "unlinked": (
        lambda w: w.entry(FULL, link=link_to(None)),
        [("run.unlinked", WARNING)], [(EMPTY, None)], [],
    ),
    "local, damaged": (
        damaged, [(UNFINISHED, None)], [(EMPTY, None)], [("run.unreadable", ERROR)],
    ),
    "local, damaged; ledger": (both(damaged, ENTRY), [], [], [("run.unreadable", ERROR)]),
    "local, orphan": (
        lambda w: w.local(FULL, link={}),
        [(UNSHARED, WARNING)], [(EMPTY, None)], [("run.orphan", ERROR)],
    ),
    "retracted": (TOMBSTONE, [(RETRACTED, ERROR)], [(EMPTY, None)], []),
    "retracted; local": (both(TOMBSTONE, LOCAL), [(RETRACTED, ERROR)], [(EMPTY, None)], []),
    "retracted; index": (both(TOMBSTONE, INDEX), [(RETRACTED, ERROR)], [(EMPTY, None)], []),
}  # fmt: skip

SEVERITY: dict[StrictRuns, str | None] = {"error": "error", "warn": "warning", "off": None}


def expected(strict: StrictRuns, codes: list[tuple[str, str | None]]) -> Codes:
    """Return the codes of a state at a strictness: ``off`` says nothing of what is unknown."""
    result: Codes = []
    for code, severity in codes:
        if severity is None:
            severity = SEVERITY[strict]
        elif severity in ("known", "once"):
            severity = None if strict == "off" else "warning"
        if severity is not None:
            result.append((code, severity))
    return sorted(result)


@pytest.mark.parametrize("strict", ["error", "warn", "off"])
@pytest.mark.parametrize("state", STATES)
def test_citation_in_state(world: World, state: str, strict: StrictRuns) -> None:
    """VAL-03, VAL-04, VAL-05, trap 2, trap 23: exactly these codes, at exactly this severity."""
    cited = signac_id(FULL)
    world.entry_id = cited  # type: ignore[attr-defined]
    build, of_job, of_batch, extra = STATES[state]
    build(world)
    for citation, codes in (
        (job(cited), of_job),
        (batch({"condition": "full"}), of_batch),
    ):
        world.artifacts([citation])
        world.commit()
        result = world.validate(strict)
        assert sorted((i.code, i.severity) for i in result.issues) == expected(
            strict, [*codes, *extra]
        ), result.issues
        assert result.ok == ("error" not in {i.severity for i in result.issues})


def test_strictness_decides_about_these_codes_alone() -> None:
    """VAL-03: what the documentation says of ``--strict-runs`` is what the table above tries."""
    tried = [pair for _, *lists in STATES.values() for pairs in lists for pair in pairs]
    silent = {code for code, severity in tried if severity is None}
    assert silent == STRICT_CODES - {"finding.number_unresolved"}  # tests/validate/test_numbers.py
    assert {code for code, severity in tried if severity in ("known", "once")} == {
        ABSENT, ABSENT_BATCH, NO_STORE
    }  # fmt: skip
    assert all(CODES[code].severity == "error" for code in STRICT_CODES)
    always = {(code, severity) for code, severity in tried if severity in (ERROR, WARNING)}
    assert always == {(code, CODES[code].severity) for code, _ in always}


def test_no_source_is_said_once_and_only_when_something_is_cited(world: World) -> None:
    """VAL-03: many citations, one warning; no citation, none."""
    world.artifacts([], None)
    assert world.codes() == []
    world.artifacts([job("a" * 32), batch({})], [job("b" * 32)])
    assert world.codes() == [(NO_STORE, WARNING)]
    assert world.codes("off") == []


@pytest.mark.parametrize("strict", ["error", "warn", "off"])
@pytest.mark.parametrize(
    "bad",
    [
        "a scalar",
        7,
        True,
        ["text"],
        [7],
        [None],
        [[]],
        [{}],
        [{"type": "job"}],
        [{"type": "job", "id": "77e4"}],
        [{"type": "job", "id": "A" * 32}],
        [{"type": "job", "id": 12345678901234567890123456789012}],
        [{"type": "run", "id": "a" * 32}],
        [{"id": "a" * 32}],
        [{"type": "batch", "selector": {}}],
        [{"type": "batch", "experiment_id": 1, "selector": {}}],
        [{"type": "batch", "experiment_id": "E001", "selector": ["condition"]}],
        [{"type": "batch", "experiment_id": "E001", "selector": "condition"}],
    ],
    ids=repr,
)
def test_malformed_citation_is_an_error(world: World, bad: object, strict: StrictRuns) -> None:
    """VAL-02, trap 29: whatever is no citation is an error, with or without any source."""
    world.artifacts(bad)
    assert world.codes(strict) == [(BROKEN, ERROR)]
    assert world.codes(strict, mode="kb") == [(BROKEN, ERROR)]


def test_single_mapping_is_a_list_of_one(world: World) -> None:
    """VAL-02: a lone mapping is checked like a list of it."""
    world.entry(FULL)
    world.artifacts(job("b" * 32))
    world.commit()
    assert world.codes() == [(BROKEN, ERROR)]


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ({}, True),
        (None, True),
        ({"condition": "full"}, True),
        ({"condition": "full", "seed": 0}, True),
        ({"condition": "full", "seed": 999}, False),
        ({"condition": "full", "sed": 0}, False),
        ({"seed": 0.0}, True),
        ({"seed": False}, False),
        ({"seed": "0"}, False),
        ({"seed": [0, 1]}, True),
        ({"seed": [1, 2]}, False),
        ({"seed": []}, False),
        ({"optimizer.lr": 0.1}, True),
        ({"optimizer": {"lr": 0.1}}, True),
        ({"optimizer": {"lr": [0.1, 0.2]}}, True),
        ({"optimizer": {"lr": 0.2}}, False),
        ({"optimizer.momentum": None}, False),
        ({"layers": [64, 32]}, True),
        ({"layers": [[64, 32], [8]]}, True),
        ({"layers": 64}, False),
        ({"hypothesis_id": "H001"}, True),
        ({"hypothesis_id": "H002"}, False),
        ({"experiment_id": "E001"}, True),
        ({"sub_hypothesis_id": None}, True),
    ],
    ids=str,
)
def test_batch_selector(world: World, selector: object, matches: bool) -> None:
    """VAL-04, trap 27: every key must match; nested keys, scalars, and lists as any of them."""
    statepoint = point(condition="full", optimizer={"lr": 0.1}, layers=[64, 32])
    world.entry(statepoint, link=link_to(hypothesis_id="H001"))
    world.artifacts([batch(selector)])  # type: ignore[arg-type]
    world.commit()
    assert world.codes() == ([] if matches else [(EMPTY, ERROR)])


def test_index_knows_experiment_and_condition_only(world: World) -> None:
    """VAL-04, trap 27: an index never vouches for a key that it does not hold."""
    world.index("cluster", indexed("a" * 32), indexed("b" * 32, condition=3))
    for selector, code in (
        ({"condition": "full"}, ABSENT_BATCH),
        ({"condition": 3}, ABSENT_BATCH),
        ({}, ABSENT_BATCH),
        ({"condition": "full", "seed": 999}, EMPTY),
        ({"condition": "half"}, EMPTY),
    ):
        world.artifacts([batch(selector)])
        assert [c for c, _ in world.codes()] == [code], selector
    world.artifacts([batch({}, "E002", role="baseline")])
    assert [c for c, _ in world.codes()] == [EMPTY]


def test_absent_names_every_machine(world: World) -> None:
    """VAL-03: the message and the detail say who has the run."""
    world.index("gpu-box", indexed("a" * 32))
    world.index("cluster", indexed("a" * 32))
    world.artifacts([job("a" * 32), batch({})])
    for issue in world.validate().issues:
        assert issue.detail["machines"] == ["cluster", "gpu-box"]
        assert "cluster, gpu-box" in issue.message


def test_current_link_decides(world: World) -> None:
    """VAL-04: a run that was linked anew belongs to its new experiment, and counts once."""
    world.entry(FULL, link=link_to("E001"))
    world.local(FULL, link=link_to("E002"))
    world.artifacts([batch({"condition": "full"}), batch({}, "E002", role="baseline")])
    world.commit()
    found = world.issues(EMPTY)
    assert [i.detail["index"] for i in found] == [0]


def test_silenced_evidence_warnings(world: World) -> None:
    """VAL-05: ``allow_failed: true`` and ``role: baseline`` say that it is meant."""
    failed = world.entry(FULL, "failed")
    foreign = world.entry(OTHER, link=link_to("E002"))
    world.artifacts(
        [
            job(failed, allow_failed=True),
            job(foreign, role="baseline"),
            batch({}, allow_failed=True),
            batch({}, "E002", role="baseline"),
        ]
    )
    world.commit()
    assert world.codes() == []
    world.artifacts(
        [job(failed, allow_failed="yes"), job(foreign, role="other"), batch({}, "E002")]
    )
    world.commit()
    assert sorted(world.codes()) == [(FAILED, WARNING), (FOREIGN, WARNING), (FOREIGN, WARNING)]


def test_batch_counts_its_doubtful_runs(world: World) -> None:
    """VAL-05: one issue per batch and doubt, with all the runs in its detail."""
    world.entry(point(seed=1))
    failed = [world.entry(point(seed=seed), "failed") for seed in range(2, 7)]
    unshared = world.local(point(seed=8))
    world.artifacts([batch({})])
    world.commit()
    [first], [second] = world.issues(FAILED), world.issues(UNSHARED)
    assert "5 of 7 runs" in first.message
    assert first.detail["job_ids"] == sorted(failed)
    assert second.detail["job_ids"] == [unshared]
