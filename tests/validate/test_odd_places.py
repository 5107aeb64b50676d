"""Folders where files should be, files where folders should be, and things that are neither."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.validate.test_fuzz import ENTRY, JOB, check_report, sound

RUN = f".runs/workspace/{JOB}"
UNSHARED = {"finding.unshared_run"}
BYTES = os.fsdecode(b"\xff\xfe")


def as_file(root: Path, path: str) -> None:
    """Put a file where a folder is."""
    shutil.rmtree(root / path)
    (root / path).write_text("words")


def as_folder(root: Path, path: str) -> None:
    """Put a folder where a file is."""
    (root / path).unlink()
    (root / path).mkdir()


def odd_runs(root: Path) -> None:
    """Leave what is no run among the runs."""
    workspace = root / ".runs/workspace"
    (workspace / "folder").mkdir()
    (workspace / "file").write_text("x")
    (workspace / ("c" * 32)).write_text("x")
    (workspace / ("d" * 32)).symlink_to("nowhere")


def pipes(root: Path) -> None:
    """Leave named pipes, which a reader would wait at for ever."""
    for path in ("kb/research/findings/F009.md", f".aexp/ledger/{'e' * 32}.json"):
        os.mkfifo(root / path)


def odd_names(root: Path) -> None:
    """Give files names that are no text."""
    for path in ("kb/research/findings/F010-{}.md", ".aexp/ledger/{}", ".aexp/runs-index/{}.json"):
        (root / path.format(BYTES)).write_bytes(b"x")


PLACES: dict[str, tuple[Callable[[Path], None], set[str]]] = {
    "signac's configuration is garbage": (
        lambda r: (r / ".runs/.signac/config").write_bytes(b"\xff\0=") and None,
        set(),
    ),
    "the runs are a file": (lambda r: as_file(r, ".runs"), set()),
    "the workspace is a file": (lambda r: as_file(r, ".runs/workspace"), set()),
    "the ledger is a file": (lambda r: as_file(r, ".aexp/ledger"), UNSHARED),
    "an entry is a folder": (lambda r: as_folder(r, ENTRY), {*UNSHARED, "ledger.malformed"}),
    "a folder is named like an entry": (
        lambda r: (r / f".aexp/ledger/{'e' * 32}.json").mkdir(),
        {"ledger.malformed"},
    ),
    "the indexes are a file": (lambda r: as_file(r, ".aexp/runs-index"), set()),
    "everything shared is a file": (lambda r: as_file(r, ".aexp"), UNSHARED),
    "a document is a folder": (
        lambda r: as_folder(r, f"{RUN}/signac_job_document.json"),
        {"run.unreadable"},
    ),
    "artifacts are a file": (
        lambda r: as_file(r, "kb/research"),
        {"run.broken_experiment_link"},
    ),
    "odd runs": (odd_runs, set()),
    "pipes": (pipes, set()),
    "names that are no text": (
        odd_names,
        {"ledger.stray", "index.malformed", "kb.missing_frontmatter", "kb.missing_heading"},
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_odd_places(tmp_path: Path, place: str) -> None:
    """Traps 2, 3: each is told or passed over, none is a crash, and no evidence appears."""
    spoil, codes = PLACES[place]
    world = sound(tmp_path / "repo")
    spoil(world.root)
    for mode in ("full", "kb", "runs"):
        result = world.validate(mode=mode)
        check_report(result)
    assert {issue.code for issue in world.validate().issues} == codes
