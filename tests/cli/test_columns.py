"""What listings look like in a terminal of 80 columns, with values as people have them."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from unicodedata import combining, east_asian_width

import pytest

from aexp.cli import output
from tests.support.machines import Machine, copy_repo

LOGS = (
    "import aexp; run = aexp.current_run();"
    "run.log_metric('validation_accuracy', 0.9134512345);"
    "run.log_metric('train/loss', 1.25e-7)"
)
POINT = (
    "optimizer.name=adamw,optimizer.lr=0.000{},dataset=imagenet-21k-winter-2021-processed,"
    "layers=[64,32,16,8],note=größe-実験-実験,seed={}"
)


def columns(text: str) -> int:
    """Return how many columns a terminal needs for a line."""
    return sum(
        0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text
    )


def in_a_terminal(machine: Machine, *args: str) -> list[str]:
    """Return the lines a command shows in a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "aexp", *args],
        cwd=machine.path,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "COLUMNS": "80"},
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            block = os.read(ours, 65536)
        except OSError:  # what Linux says when the other side is closed
            break
        if not block:
            break
        shown += block
    os.close(ours)
    child.wait(60)
    return shown.decode().replace("\r\n", "\n").splitlines()


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory, _installed_template: Path) -> Machine:
    machine = copy_repo(_installed_template, tmp_path_factory.mktemp("crowded") / "repo")
    machine.aexp_fast("install", "--yes", "--machine-label", "cluster-gpu-partition-a100-node07")
    machine.aexp_fast("new-hypothesis", "--title", "A title that goes on and on " * 4)
    machine.aexp_fast("new-experiment", "--title", "Another one", "--hypothesis", "H001")
    for seed in range(2):
        point = POINT.format(seed, seed)
        program = [sys.executable, "-c", LOGS]
        machine.aexp("run", "-e", "E001", "--sp", point, "--", *program)
    machine.aexp_fast("run", "--sp", "seed=7", "--", "sh", "-c", "exit 3", check=False)
    return machine


@pytest.mark.parametrize(
    "line", ["list-runs", "list-batches", "ledger list", "status", "list-runs --limit 1", "recover"]
)
def test_no_line_of_a_listing_wraps(crowded: Machine, line: str) -> None:
    """LED-11: the widest columns are cut, and marked; wide characters count twice."""
    lines = in_a_terminal(crowded, *line.split())
    assert lines
    assert max(map(columns, lines)) <= 80


def test_columns_stand_under_their_heads(crowded: Machine) -> None:
    """LED-11: also below cells of wide characters."""
    lines = in_a_terminal(crowded, "list-runs")
    where = columns(lines[0].partition("WHERE")[0])
    for line in lines[1:]:
        assert columns(re.sub(r"\S+$", "", line)) == where


def test_a_run_is_shown_whole(crowded: Machine) -> None:
    """LED-11: show-run cuts nothing; text stands as it is, not as escapes."""
    runs = json.loads(crowded.aexp_fast("list-runs", "--format", "json").stdout)
    run = next(run for run in runs if run["metrics"])
    lines = in_a_terminal(crowded, "show-run", run["job_id"][:10])
    assert f"run {run['job_id']}" in lines
    assert "  note = größe-実験-実験" in lines
    assert "  layers = [64, 32, 16, 8]" in lines
    assert "  validation_accuracy = 0.9134512345" in lines
    assert not any("\\u" in line or "…" in line for line in lines)


def test_nested_parameters_are_listed_as_they_are_given(crowded: Machine) -> None:
    """Model.md 10: with dots, as ``--sp`` takes them; a pipe gets them whole."""
    shown = crowded.aexp_fast("list-runs", "-e", "E001").stdout
    assert "optimizer.lr=0.0001" in shown
    assert "optimizer.name" not in shown, "the same everywhere"
    assert "…" not in shown


def test_a_wide_character_is_cut_whole() -> None:
    """LED-11: never half of one, and never wider than the room."""
    for width in range(2, 9):
        cut = output._fit("実験実験実験", width)
        assert columns(cut) <= width
        assert cut.endswith("…")
