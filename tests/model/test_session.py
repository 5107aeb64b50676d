"""Configs of sessions and artifacts, and records of commits, as bytes (SES-06, SES-07)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexp.errors import CorruptDataError, NewerSchemaError
from aexp.ledger.experiments import decode_record, encode_record
from aexp.model.attachment import Attachment
from aexp.model.canonical import compact_bytes
from aexp.model.oci import Descriptor, Manifest, decode_manifest, sha256_digest
from aexp.model.session import (
    ExperimentFacts,
    RunFacts,
    SessionFacts,
    check_session_name,
    is_session_id,
)
from aexp.repo import Layout

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
digests = st.binary(max_size=4).map(sha256_digest)
attachments = st.builds(
    Attachment,
    name=texts,
    media_type=st.sampled_from(["text/plain", "application/json"]),
    digest=digests,
    size=st.integers(0, 2**40),
    filename=st.none() | texts,
    annotations=st.dictionaries(texts, texts, max_size=2),
)
sessions = st.builds(
    SessionFacts,
    session_id=st.from_regex(r"[0-9a-f]{16}", fullmatch=True),
    name=st.none() | texts,
    experiment_id=st.none() | st.just("E001"),
    created_at=texts,
    machine=texts,
    base=st.none() | digests,
    attachments=st.lists(attachments, max_size=3).map(tuple),
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
runs = st.builds(
    lambda number, job, params, listed: RunFacts(
        number,
        {
            "job_id": job,
            "session_run": number,
            "status": "complete",
            "params": params,
            "attachments": [item.to_json() for item in listed],
        },
    ),
    st.integers(0, 10**6),
    st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
    st.dictionaries(texts, st.integers(-5, 5), max_size=2),
    st.lists(attachments, max_size=2),
)
artifacts = st.builds(
    ExperimentFacts,
    session=sessions,
    committed_at=texts,
    aexp=texts,
    runs=st.lists(runs, max_size=3).map(tuple),
    parent=st.none() | digests,
)


@given(sessions)
def test_the_config_of_a_session(facts: SessionFacts) -> None:
    """SES-03: a session is read as it was written, and has a manifest with its attachments."""
    assert SessionFacts.from_config(facts.config()) == facts
    manifest = decode_manifest(facts.manifest().encode())
    assert manifest == facts.manifest()
    assert len(facts.manifest().layers) == max(1, len(facts.attachments)), "OCI wants a layer"


@given(artifacts, st.none() | st.just(Descriptor("a/b", sha256_digest(b""), 1)))
def test_the_config_of_an_artifact(facts: ExperimentFacts, subject: Descriptor | None) -> None:
    """SES-06: so is what it is sealed as; only `base`, which is over, is left out."""
    found = ExperimentFacts.from_config(facts.config())
    assert found.runs == facts.runs and found.parent == facts.parent
    assert found.session.attachments == facts.session.attachments
    assert (found.session.name, found.session.base) == (facts.session.name, None)
    manifest = facts.manifest(subject)
    assert isinstance(manifest, Manifest) and manifest.subject == subject
    expected = len(facts.session.attachments) + sum(len(run.attachments) for run in facts.runs)
    assert len(manifest.layers) == max(1, expected)


json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()))
def test_anything_else_is_corrupt(data: bytes) -> None:
    """SES-03: other bytes are one kind of error, and never another exception."""
    for read in (SessionFacts.from_config, ExperimentFacts.from_config):
        with pytest.raises(CorruptDataError):
            read(data)
    with pytest.raises(CorruptDataError):
        decode_record(sha256_digest(data), data)


@given(artifacts, st.data())
def test_a_config_with_one_member_changed(facts: ExperimentFacts, data: st.DataObject) -> None:
    """SES-06: whatever stands in a member, reading gives facts or says that it is corrupt."""
    value: dict[str, Any] = json.loads(facts.config())
    key = data.draw(st.sampled_from(sorted(value)))
    value[key] = data.draw(json_values)
    try:
        ExperimentFacts.from_config(compact_bytes(value))
    except CorruptDataError:
        return
    assert key not in ("format", "session") or isinstance(value[key], str)


def test_newer_versions() -> None:
    """A newer format stops with a hint to upgrade."""
    facts = SessionFacts("0" * 16, None, None, "now", "laptop")
    newer = {**json.loads(facts.config()), "version": 2}
    with pytest.raises(NewerSchemaError):
        SessionFacts.from_config(compact_bytes(newer))


@given(artifacts, digests)
def test_a_record(facts: ExperimentFacts, digest: str) -> None:
    """SES-07: a record is the same bytes each time, reads back, and tells any change of it."""
    root = Path("/repository")
    layout = Layout(root, root / ".git", root / ".git", root, root / ".runs", "laptop", {})
    data = encode_record(layout, digest, 7, facts)
    assert data == encode_record(layout, digest, 7, facts)
    record = decode_record(digest, data)
    assert record.runs == {run.number: run.job_id for run in facts.runs}
    assert (record.size, record.session_id) == (7, facts.session.session_id)
    with pytest.raises(CorruptDataError):
        decode_record(digest, data.replace(b'"size": 7', b'"size": 8'))
    with pytest.raises(CorruptDataError):
        decode_record(sha256_digest(b"another"), data)


def test_names() -> None:
    """SES-06: what can be a name, and what is an id."""
    for good in ("E001", "a b", "ghcr.io/x/y:z", "ä", "0" * 15):
        assert check_session_name(good) == good
    assert is_session_id("0123456789abcdef") and not is_session_id("0123456789ABCDEF")
