"""Whatever the files hold, validating ends in a report, and never in a wrong "clean" (trap 3)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aexp.model.canonical import signac_id
from aexp.model.entry import encode_entry, record_digest
from aexp.validate import CODES, ValidationResult, validate_repo
from aexp.validate.github import as_github
from aexp.validate.render import as_json, as_text
from aexp.validate.sarif import as_sarif
from tests.support.machines import Machine
from tests.validate.sarif_shape import check_log
from tests.validate.world import World, batch, job, link_to, point

POINT = point(condition="full")
JOB = signac_id(POINT)
ENTRY = f".aexp/ledger/{JOB}.json"
FINDING = "kb/research/findings/F001-words.md"
INDEX = ".aexp/runs-index/cluster.json"

FRAGMENTS = [
    *(b"---\n", b"id: F001\n", b"type: finding\n", b"experiment: E001\n", b"hypothesis: [\n"),
    *(b"supporting_runs:\n", b"  - {type: job, id: ", JOB.encode(), b"}\n", b"  - &a [*a]\n"),
    *(b"  - {type: batch, experiment_id: E001, selector: {a.b: [1, {}]}}\n", b"? {}\n", b"\t"),
    *(b"## Links\n", b"[[E001]]", b"```\n", b"<!--", b"<<<<<<< a\n=======\n>>>>>>> b\n"),
    *(b"{", b"}", b"[", b"]", b'"job_id": ', b'"schema_version": 1', b'"entries": [', b", ", b": "),
    *(b'"statepoint": ', b'"status": "complete"', b"null", b"1e999", b"NaN", b'"\\ud800"', b"\0"),
    *(b"\xff\xfe", b"\xef\xbb\xbf", b"\r\n", "é\u2028".encode()),
]
contents = st.binary(max_size=60) | st.lists(st.sampled_from(FRAGMENTS), max_size=14).map(b"".join)
places = st.sampled_from(
    [
        FINDING,
        "kb/research/findings/F002.md",
        "kb/research/experiments/E001-words.md",
        "kb/research/hypotheses/H001-words.md",
        ENTRY,
        f".aexp/ledger/{'a' * 32}.json",
        f".aexp/ledger/{JOB[:2]}/{JOB}.json",
        ".aexp/ledger/odd",
        INDEX,
        f".runs/workspace/{JOB}/signac_statepoint.json",
        f".runs/workspace/{JOB}/signac_job_document.json",
    ]
)


def sound(root: Path) -> World:
    """Return a folder outside git with a finding that cites one run in two ways, all sound."""
    root.mkdir(exist_ok=True)
    world = World(Machine(root))
    world.artifacts([job(JOB), batch({"condition": "full"})])
    world.local(POINT)
    world.index("cluster", {"job_id": "b" * 32, "status": "complete"})
    world.entry(POINT, metrics={"acc": {"value": 0.5, "count": 1}}, wallclock_s=1.5)
    entry = json.loads(world.machine.read(ENTRY))
    entry["record_digest"] = record_digest(entry)
    (root / ENTRY).write_bytes(encode_entry(entry))
    return world


def check_report(result: ValidationResult) -> None:
    """Assert that every format can show a result, and that each issue is well formed."""
    for issue in result.issues:
        assert issue.code in CODES
        assert not issue.path.startswith("/")
        assert "\n" not in issue.message
    json.dumps(as_json(result), allow_nan=False)
    check_log(json.loads(json.dumps(as_sarif(result, CODES, version="1"))))
    assert "\n" not in "".join([*as_text(result, CODES), *as_github(result, CODES)])


@settings(max_examples=60)
@given(files=st.dictionaries(places, contents, max_size=5))
def test_nothing_a_file_holds_is_raised(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    """Traps 2, 3, 29: any bytes in any place give a report, the same one twice."""
    world = sound(tmp_path_factory.mktemp("fuzz"))
    for path, data in files.items():
        world.machine.write(path, "")
        (world.root / path).write_bytes(data)
    for mode in ("full", "kb", "runs"):
        result = world.validate(mode=mode)
        check_report(result)
        assert world.validate(mode=mode).issues == result.issues


@st.composite
def damages(draw: st.DrawFn) -> Any:
    """Return a function that changes bytes in one place."""
    kind = draw(st.sampled_from(["cut", "take out", "put in", "flip", "repeat", "overwrite"]))
    where, length = draw(st.floats(0, 1)), draw(st.integers(1, 200))
    new = draw(st.sampled_from(FRAGMENTS) | st.binary(min_size=1, max_size=9))

    def damage(data: bytes) -> bytes:
        at = int(where * max(len(data) - 1, 0))
        head, tail = data[:at], data[at:]
        return {
            "cut": head,
            "take out": head + tail[length:],
            "put in": head + new + tail,
            "flip": head + bytes([tail[0] ^ (1 << length % 8)]) + tail[1:],
            "repeat": head + tail[:length] + tail,
            "overwrite": head + new + tail[len(new) :],
        }[kind]

    return damage


@settings(max_examples=80)
@given(damage=damages(), is_local=st.booleans())
def test_damaged_evidence_is_never_clean(
    tmp_path_factory: pytest.TempPathFactory, damage: Any, is_local: bool
) -> None:
    """Model 6, trap 2: an entry changed in one place is reported, or still says the same."""
    world = sound(tmp_path_factory.mktemp("fuzz"))
    if not is_local:
        for path in (world.root / f".runs/workspace/{JOB}").iterdir():
            path.unlink()
        (world.root / f".runs/workspace/{JOB}").rmdir()
    assert world.codes() == []
    original = (world.root / ENTRY).read_bytes()
    (world.root / ENTRY).write_bytes(damage(original))
    result = world.validate()
    check_report(result)
    if not result.issues:
        now, before = json.loads(damage(original)), json.loads(original)
        told = ("job_id", "statepoint", "status", "run_link", "metrics", "wallclock_s")
        assert {k: now.get(k) for k in told} == {k: before[k] for k in told}
    elif not is_local and any(i.path == ENTRY and i.severity == "error" for i in result.issues):
        codes = {i.code for i in result.issues}
        if "ledger.unsanitized" not in codes:
            assert {"finding.broken_run_citation", "finding.empty_batch"} <= codes


@pytest.mark.parametrize("link", [{"experiment_id": []}, {"experiment_id": {}}, link_to("E009")])
@pytest.mark.parametrize("where", ["entry", "local", "both"])
def test_odd_links_of_evidence_are_never_clean(
    tmp_path: Path, where: str, link: dict[str, Any]
) -> None:
    """VAL-06, trap 3: a link of any type is judged, here and in the ledger."""
    world = World(Machine(tmp_path))
    if where != "local":
        world.entry(POINT, link=link)
    if where != "entry":
        world.local(POINT, link=link)
    world.artifacts([job(JOB)])
    result = validate_repo(world.root)
    check_report(result)
    assert not result.ok
