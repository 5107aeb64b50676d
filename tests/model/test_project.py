"""Projection of a run to what the ledger says of it, and the stamping of what is new."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from synced_collections.backends.collection_json import JSONDict

from aexp.errors import NotTerminalError
from aexp.model.canonical import decode_json, digest_of, signac_id
from aexp.model.entry import (
    ATTEMPT_FIELDS,
    check_entry,
    encode_entry,
    merge,
    put_together,
    take_apart,
)
from aexp.model.project import Projection, Stamp, project, read_stamps, stamp
from aexp.model.sanitize import Root
from aexp.model.stream import Metric, Summary, summarize

POINT = {"lr": 0.1, "seed": 0, "code_commit": "c" * 40, "code_dirty": False}
JOB = signac_id(POINT)
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
REPO = "/home/someone/project"
ROOTS = [Root(REPO, ".")]


def document(**changes: Any) -> dict[str, Any]:
    """The document of a completed run."""
    return {
        "status": "complete",
        "ended_by": "exit",
        "attempt_id": "attempt-one",
        "started_at": "2026-11-21T11:00:00.000000Z",
        "ended_at": "2026-11-21T11:30:00.000000Z",
        "wallclock_s": 1800.0,
        "aexp": {"experiment_id": "E001", "linked_at": "2026-11-21T11:00:00.000000Z"},
        **changes,
    }


def made(doc: Any = None, summary: Summary | None = None, **options: Any) -> Projection:
    options = {"machine": "laptop", "roots": ROOTS, **options}
    return project(
        JOB,
        options.pop("statepoint", POINT),
        document() if doc is None else doc,
        summary_of=lambda attempt_id: summary or Summary(),
        **options,
    )


def written(projection: Projection, **options: Any) -> bytes:
    options = {"stamps": {}, "known": None, "now": NOW, "machine": "laptop", **options}
    data = encode_entry(put_together(stamp(projection, **options)[0]))
    check_entry(decode_json(data))
    return data


# --- what may leave the machine -----------------------------------------------------------------


def test_only_allowed_fields_are_projected() -> None:
    """LED-02: tracker configuration, events, owners and arbitrary keys stay on the machine."""
    doc = document(
        events=[{"kind": "MARK1"}],
        owner={"host": "MARK2"},
        anything="MARK3",
        tracker={
            "backend": "wandb",
            "run_id": "r1",
            "config": {"x": "MARK4"},
            "init_kwargs": {"dir": "MARK5"},
        },
        aexp={"experiment_id": "E001", "job_title": "MARK6"},
        error={"type": "ValueError", "message": "bad", "traceback": "MARK7"},
        params={"width": 3},
        tags=["b", "a", "b"],
        note="fine",
    )
    data = written(made(doc))
    assert b"MARK" not in data
    result = json.loads(data)
    allowed = {"schema_version", "job_id", "statepoint", "code_commit", "code_dirty", "run_link"}
    assert set(result) <= allowed | set(ATTEMPT_FIELDS) | {"record_digest"}
    assert result["tracker"] == {"backend": "wandb", "run_id": "r1"}
    assert result["error"] == {"type": "ValueError", "message": "bad"}
    assert result["tags"] == ["a", "b"]
    assert result["params"] == {"width": 3}
    assert result["run_link"] == {"experiment_id": "E001"}


def test_the_place_of_the_repository_is_never_written() -> None:
    """LED-02, trap 17: whatever field names the repository's place, the entry does not."""
    doc = document(
        error={"type": "OSError", "message": f"no such file: '{REPO}/data/x.csv'"},
        note=f"see {REPO}/notes.txt",
        params={"config": f"{REPO}/conf.yaml"},
        inputs=[{"path": f"{REPO}/in.csv"}],
        environment={"argv": ["python", f"{REPO}/train.py"]},
        tracker={"backend": "mlflow", "run_id": "r", "url": f"file://{REPO}/mlruns"},
        aexp={"experiment_id": "E001", "experiment_path": f"{REPO}/kb/experiments/E001.md"},
        attempts=[{**document(), "attempt_id": "before", "note": REPO}],
    )
    data = written(made(doc, statepoint={**POINT, "data": f"{REPO}/data"}))
    assert REPO.encode() not in data
    assert b"someone" not in data


def test_a_secret_on_the_cut_of_an_error_message_is_removed() -> None:
    """LED-02, trap 17: cutting a message to size leaves no unrecognizable half of a secret."""
    secret = "https://user:hunter2secret@example.org/db"
    for start in range(470, 512, 3):
        doc = document(
            status="failed", error={"type": "E", "message": "x " * (start // 2) + secret}
        )
        assert b"hunter2" not in written(made(doc))


def test_error_messages_are_cut() -> None:
    """LED-01: an error message has at most 512 characters."""
    doc = document(status="failed", error={"type": "E", "message": "ab " * 1000})
    message = json.loads(written(made(doc)))["error"]["message"]
    assert message == ("ab " * 1000)[:512]


@pytest.mark.parametrize("status", ["created", "queued", "running", None, "finished", 3])
def test_a_run_that_has_not_ended_is_refused(status: Any) -> None:
    """LED-04: a ValueError says that the run is not terminal."""
    with pytest.raises(ValueError, match="not terminal") as caught:
        made(document(status=status))
    assert isinstance(caught.value, NotTerminalError)


def test_nonfinite_numbers_are_strings() -> None:
    """Trap 11: NaN and infinities are written as strings, in every part of an attempt."""
    metrics = [Metric(name="loss", value=v, time=float(i)) for i, v in enumerate([1.0, math.nan])]
    doc = document(
        params={"a": math.inf, "b": [math.nan]},
        environment={"load": -math.inf},
        wallclock_s=math.nan,
    )
    data = written(made(doc, summarize(metrics)))
    result = json.loads(data, parse_constant=lambda text: pytest.fail(f"bare {text}"))
    assert result["metrics"]["loss"] == {"value": "NaN", "count": 2, "min": 1.0, "max": 1.0}
    assert result["params"] == {"a": "Infinity", "b": ["NaN"]}
    assert result["environment"] == {"load": "-Infinity"}
    assert result["wallclock_s"] == "NaN"


def test_synced_documents_project_like_plain_ones(tmp_path: Any) -> None:
    """LED-03: a document of synced collections gives the same bytes as plain mappings."""
    plain = document(
        params={"a": {"b": [1, 2]}},
        tags=["x"],
        tracker={"backend": "b", "run_id": "r"},
        error={"type": "T", "message": "m"},
        environment={"argv": ["a"]},
        attempts=[{**document(), "attempt_id": "before", "status": "failed"}],
    )
    synced = JSONDict(str(tmp_path / "document.json"), write_concern=False)
    synced.update(plain)
    assert written(made(synced)) == written(made(plain))


def test_earlier_attempts_are_replicates() -> None:
    """LED-10: ended earlier attempts of this machine are in the entry, unfinished ones are not."""
    past = [
        {**document(), "attempt_id": "p1", "status": "failed"},
        {**document(), "attempt_id": "p2", "status": "running"},
        "damaged",
    ]
    result = json.loads(written(made(document(attempts=past))))
    assert [r["attempt_id"] for r in result["replicates"]] == ["p1"]


def test_an_unlinked_run_has_no_link() -> None:
    """LED-01: a run without an experiment has no run_link."""
    for link in (None, {}, {"experiment_id": None}, "E001"):
        assert "run_link" not in json.loads(written(made(document(aexp=link))))


def test_large_parts_become_attachments() -> None:
    """LED-01: an attempt over the limit spills whole parts, which can be read back."""
    metrics = {f"metric/{i}": {"value": i} for i in range(6000)}
    doc = document(environment=metrics, params={"small": 1}, note="stays")
    projection = made(doc)
    data = written(projection)
    assert len(data) < 64 * 1024
    result = json.loads(data)
    assert "environment" not in result
    assert result["params"] == {"small": 1}
    assert result["note"] == "stays"
    (attachment,) = result["attachments"]
    stored = projection.spilled[attachment["digest"]]
    assert attachment["name"] == "aexp.environment.json"
    assert attachment["size"] == len(stored)
    assert digest_of(stored) == attachment["digest"]
    assert decode_json(stored) == metrics


# --- stamps -------------------------------------------------------------------------------------


def test_nothing_new_changes_nothing() -> None:
    """LED-06, trap 12: a later promotion under another label writes the same bytes."""
    parts, stamps = stamp(made(), stamps={}, known=None, now=NOW, machine="laptop")
    later: dict[str, Any] = {"now": NOW + timedelta(days=1), "machine": "cluster"}
    before = encode_entry(put_together(parts))
    assert written(made(), stamps=stamps, **later) == before
    assert written(made(), stamps=stamps, known=parts, **later) == before


def test_nothing_new_without_stamps() -> None:
    """LED-06: when the run's stamps are lost, the entry itself tells what was promoted when."""
    doc = document(note=f"{REPO}/x /etc/passwd", metrics={"a": 1})
    before = written(made(doc))
    known = take_apart(decode_json(before))
    later = NOW + timedelta(days=1)
    assert written(made(doc), known=known, now=later, machine="cluster") == before


def test_only_relabel_changes_the_machine() -> None:
    """Trap 12: a new label goes on old entries only when that is asked for."""
    parts, stamps = stamp(made(), stamps={}, known=None, now=NOW, machine="laptop")
    for doc in (document(), document(note="new")):
        again = json.loads(written(made(doc), stamps=stamps, known=parts, machine="cluster"))
        assert again["registered_machine"] == "laptop"
    options: dict[str, Any] = {"stamps": stamps, "known": parts, "relabel": True}
    moved = json.loads(written(made(), machine="cluster", **options))
    assert moved["registered_machine"] == "cluster"
    assert moved["promoted_at"] > "2026-11-21T12:00:00.000000Z"
    assert json.loads(written(made(), machine="laptop", **options)) == json.loads(
        encode_entry(put_together(parts))
    )


def test_promotion_times_strictly_increase() -> None:
    """LED-10: new content is newer even when the clock stands still or goes back."""
    stamps: dict[str, Stamp] = {}
    known = None
    times: list[str] = []
    for step in range(6):
        now = NOW - timedelta(hours=step // 3)
        projection = made(document(note=f"version {step}"))
        fresh, stamps = stamp(projection, stamps=stamps, known=known, now=now, machine="laptop")
        known = fresh if known is None else merge(known, fresh)
        assert known.attempts[0]["note"] == f"version {step}"
        times.append(known.attempts[0]["promoted_at"])
    assert times == sorted(set(times))


def test_changed_content_beats_a_later_entry_on_file() -> None:
    """LED-10: an entry promoted by a fast clock is still replaced by newer content."""
    fast = NOW + timedelta(hours=3)
    known, _ = stamp(made(), stamps={}, known=None, now=fast, machine="laptop")
    newer = made(document(note="corrected"))
    fresh, _ = stamp(newer, stamps={}, known=known, now=NOW, machine="laptop")
    assert merge(known, fresh).attempts[0]["note"] == "corrected"


def test_stamps_survive_in_the_document() -> None:
    """LED-06: stamps read back from a document are those that were kept; junk is no stamp."""
    _, stamps = stamp(made(), stamps={}, known=None, now=NOW, machine="laptop")
    stored = {key: value.to_json() for key, value in stamps.items()}
    assert read_stamps({"ledger": stored}) == stamps
    for junk in (None, "x", {"a": "x"}, {"a": {"digest": "d"}}):
        assert read_stamps({"ledger": junk}) == {}


def test_a_legacy_run_keeps_the_attempt_of_its_entry() -> None:
    """LED-01: a 0.6.x run promoted again under a new label is no second attempt."""
    doc = document()
    del doc["attempt_id"]
    first = take_apart(decode_json(written(made(doc))))
    again, _ = stamp(
        made(doc, machine="cluster"), stamps={}, known=first, now=NOW, machine="cluster"
    )
    assert len(merge(first, again).attempts) == 1
    assert encode_entry(put_together(merge(first, again))) == encode_entry(put_together(first))
