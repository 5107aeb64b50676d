"""The page of the sweep's formats names every member that is written, and no other (SWP-05)."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest

from aexp.model.sweep import BACKENDS, METHODS
from aexp.sweep.manifest import Entry, Header
from aexp.sweep.outcome import Outcome, OutputFile, Problem
from aexp.sweep.points import PointsHeader
from aexp.sweep.spec import KEYS
from tests.docs.blocks import blocks
from tests.support.machines import Machine
from tests.support.sealed import CHECKOUT
from tests.sweep import held

PAGE = (CHECKOUT / "docs/format/sweep.md").read_text("utf-8")


def section(title: str) -> str:
    """Return the text under a heading."""
    (found,) = (part for part in PAGE.split("\n## ") if part.startswith(f"{title}\n"))
    return found


def tables(text: str) -> list[list[str]]:
    """Return the names in the first column of each table."""
    found: list[list[str]] = []
    before = ""
    for line in text.splitlines():
        if re.match(r"\|-", line):
            found.append([])
        elif line.startswith("|") and found and before.startswith("|"):
            found[-1] += re.findall(r"`([^`]+)`", line.split("|")[1])
        before = line
    return found


def fields(struct: type[msgspec.Struct]) -> set[str]:
    """Return what a record has, as it is written."""
    return set(struct.__struct_encode_fields__)


def test_members_of_the_spec() -> None:
    """SWP-16: every key has its row, and every method and backend is named."""
    (keys,) = tables(section("The spec"))
    assert sorted(keys) == sorted(KEYS)
    for name in (*METHODS, *BACKENDS, "grid", "explicit", "product"):
        assert f"`{name}`" in section("The spec"), name


def test_members_of_the_points() -> None:
    """SWP-04: the header's members are those of the page, a point's those of its example."""
    text = section("`points.jsonl`")
    (members,) = tables(text)
    assert set(members) == fields(PointsHeader) and len(members) == len(set(members))
    (example,) = blocks(text)
    assert set(json.loads(example.text)) == {"run_id", "point_id", "values"}


def test_members_of_the_manifest() -> None:
    """SWP-05: header and lines, and what the file of a point is described by."""
    text = section("`manifest.jsonl`")
    header, entry = tables(text)
    assert set(header) == fields(Header) and len(header) == len(set(header))
    assert set(entry) == fields(Entry) and len(entry) == len(set(entry))
    for name in fields(OutputFile):
        assert f"`{name}`" in text, name


def test_members_of_an_outcome() -> None:
    """SWP-13: a line's members without two, and the problem."""
    text = section("Outcomes")
    assert "without `overrides` and `script_sha256`, and `error`" in text
    assert fields(Outcome) == fields(Entry) - {"overrides", "script_sha256"} | {"error"}
    for name in fields(Problem):
        assert f"`{name}`" in text, name


@pytest.fixture
def made(installed_repo: Machine) -> Any:
    """A sweep that has ended, with a failure in it."""
    repo = held.make(installed_repo)
    held.hold(repo, 1, name="break")
    return held.new_sweep(repo).run()


def test_what_is_written_is_what_the_page_says(made: Any) -> None:
    """SWP-05, SWP-11: the files themselves have these members, and the folder these names."""
    written = (made.folder / "manifest.jsonl").read_bytes().splitlines()
    header, *lines = map(json.loads, written)
    assert set(header) == fields(Header)
    assert all(set(line) == fields(Entry) for line in lines)
    assert header["points_digest"].startswith("sha256:")
    outcomes = [json.loads(path.read_bytes()) for path in made.folder.glob("outcomes/*.json")]
    assert len(outcomes) == held.COUNT
    assert all(set(outcome) == fields(Outcome) for outcome in outcomes)
    points = (made.folder / "points.jsonl").read_bytes().splitlines()
    assert set(json.loads(points[0])) == fields(PointsHeader)
    assert points[0][-1:] == b" " and len(points[0]) == 511
    (plan,) = (made.layout.root / ".aexp/ledger/sweeps").glob("*.json")
    record = json.loads(plan.read_bytes())
    (members,) = tables(section("The plan in the ledger"))
    assert set(record) <= set(members)
    assert set(members) - set(record) <= {"experiment_id"}
    assert record["header"] == header
    (names,) = tables(section("The folder"))
    patterns = {name.replace("<run_id>", "1").replace("<attempt>", "1") for name in names}
    assert all((made.folder / name).exists() for name in patterns - {"sweep.lock"})
