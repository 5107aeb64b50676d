"""Any sequence of registrations and writes, against a model of what is staged (EXE-20, EXE-22)."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aexp.errors import ReplacedAssetWarning, UsageError
from aexp.execution.placing import Said, stage
from aexp.execution.state import State

NAMES = ("a.png", "b.png")
CONTENTS = (b"", b"x", b"y", b"zz")

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("edit"), st.sampled_from(NAMES), st.sampled_from(CONTENTS)),
        st.tuples(st.just("link"), st.sampled_from(NAMES), st.sampled_from(NAMES)),
        st.tuples(st.just("copy"), st.sampled_from(NAMES), st.sampled_from(NAMES)),
        st.tuples(st.just("new"), st.sampled_from(NAMES), st.just("")),
        st.tuples(st.just("write"), st.sampled_from(NAMES), st.sampled_from(CONTENTS)),
        st.tuples(st.just("own"), st.sampled_from(NAMES), st.just("")),
        st.tuples(st.just("say"), st.sampled_from(NAMES), st.integers(0, 2)),
    ),
    max_size=14,
)


class Model:
    """What is to be staged: of each name its kind, source, content and metadata."""

    def __init__(self) -> None:
        self.files = dict.fromkeys(NAMES, b"first")
        self.staged: dict[str, dict[str, Any]] = {}

    def register(self, kind: str, name: str, source: str | None) -> bool:
        """Note a registration; return whether it is to be refused."""
        there = self.staged.get(name)
        said = {} if there is None else there["said"]
        if kind == "new":
            if there is None or there["kind"] == "link":
                there = {"kind": "new", "source": None, "content": None}
            self.staged[name] = {**there, "said": said}
            return False
        assert source is not None
        content = self.files[source]
        is_new = there is not None and there["kind"] == "new"
        if there is not None and is_new and there["content"] not in (None, b"", content):
            return True
        self.staged[name] = {"kind": kind, "source": source, "content": content, "said": said}
        return False

    def content(self, name: str) -> bytes | None:
        """Return what a staged file holds, None before it is written."""
        facts = self.staged[name]
        if facts["kind"] == "link":
            return self.files[facts["source"]]
        found: bytes | None = facts["content"]
        return found


class Real:
    """The staging of one execution."""

    def __init__(self, place: Path) -> None:
        self.mine = place / "mine"
        self.mine.mkdir()
        for name in NAMES:
            (self.mine / name).write_bytes(b"first")
        folder = place / ("0123456789abcdef" * 2)
        folder.mkdir()
        self.state = State.create(folder, {})

    def path(self, name: str) -> Path:
        return self.state.assets_dir / "Image" / name

    def stage(self, given: Path | str, name: str, **options: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ReplacedAssetWarning)
            return stage(self.state, "Image", given, Said(), rename_file=name, **options)


def act(real: Real, model: Model, what: str, first: str, second: Any) -> None:
    """Do one step to both."""
    if what == "edit":
        (real.mine / first).write_bytes(second)
        model.files[first] = second
    elif what in ("link", "copy"):
        source = real.mine / first
        if model.register(what, second, first):
            with pytest.raises(UsageError, match="written already"):
                real.stage(source, second, copy_file=what == "copy")
        else:
            real.stage(source, second, copy_file=what == "copy")
    elif what == "new":
        model.register("new", first, None)
        real.stage(first, first)
    elif first not in model.staged:
        return
    elif what == "own":
        real.stage(real.path(first), first)
    elif what == "say":
        facts = model.staged[first]
        facts["said"] = {**facts["said"], f"k{second}": second}
        real.stage(real.path(first), first).set_metadata(f"k{second}", second)
    elif model.staged[first]["kind"] == "link":
        with pytest.raises(UsageError, match="is a link"):
            real.stage(real.path(first), first).write_bytes(second)
    else:
        real.stage(real.path(first), first).write_bytes(second)
        model.staged[first]["content"] = second


def check(real: Real, model: Model) -> None:
    """Compare the two."""
    for name, content in model.files.items():
        assert (real.mine / name).read_bytes() == content, "a user's file was changed (trap 49)"
    rows = {row.name: row for row in State.open(real.state.folder).assets()}
    assert set(rows) == set(model.staged)
    for name, facts in model.staged.items():
        row = rows[name]
        source = facts["source"] and str((real.mine / facts["source"]).resolve())
        assert (row.kind, row.source, row.metadata) == (facts["kind"], source, facts["said"])
        content = model.content(name)
        path = real.path(name)
        assert (path.read_bytes() if path.exists() else None) == content
        assert path.is_symlink() == (row.kind == "link")
    listed = json.loads((real.state.working_dir / "asset-manifest.json").read_bytes())["assets"]
    assert {a["file_name"]: (a["kind"], a["metadata"]) for a in listed} == {
        name: (facts["kind"], facts["said"]) for name, facts in model.staged.items()
    }


@settings(max_examples=40)
@given(STEPS)
def test_any_sequence(tmp_path_factory: pytest.TempPathFactory, steps: list[Any]) -> None:
    """EXE-20, EXE-22, EXE-23, trap 49: one row a name, its content, no user's file touched."""
    real, model = Real(tmp_path_factory.mktemp("sequence")), Model()
    for step in steps:
        act(real, model, *step)
        check(real, model)
