"""kill -9 at each durable step of adding a dataset, and of making a bag (EXE-06)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from aexp.data.datasets import list_all, lookup, verify
from aexp.ledger.datasets import read_dataset
from aexp.ledger.verify import verify_ledger
from aexp.registry import gc
from aexp.repo import open_layout
from tests.data.datasets import folder_of
from tests.support.killed import KillPoint, kill_everywhere
from tests.support.machines import Machine, copy_repo

FILES = {"Image/a.png": b"a" * 100, "Image/b.png": b"b" * 400_000, "empty": b""}


@pytest.fixture
def make(installed_repo: Machine, tmp_path: Path) -> Callable[[int], Path]:
    """Return a maker of repositories, each with a folder of data."""

    def make(number: int) -> Path:
        place = copy_repo(installed_repo.path, tmp_path / str(number)).path
        folder_of(place / "data", FILES)
        return place

    return make


def heal(place: Path, point: KillPoint) -> None:
    """See that nothing is half there; add again, and see that all is there."""
    layout = open_layout(place)
    assert not verify_ledger(layout).problems, point
    for dataset in list_all(layout):
        assert verify(layout, dataset.record()).ok, point
    Machine(place).aexp_fast("dataset", "add", "digits", "data", "--version", "1.0.0")
    gc(True, grace_period="0s", repo_root=place)
    record = read_dataset(layout, "digits")
    assert verify(layout, record).ok, point
    bag = lookup(layout, "digits").download_dataset_bag()
    assert {name: (bag.path / "data" / name).read_bytes() for name in FILES} == FILES


ADD = ["aexp", "dataset", "add", "digits", "data", "--version", "1.0.0"]


def test_a_kill_before_the_record_leaves_no_dataset(make: Callable[[int], Path]) -> None:
    """EXE-06: the record is written last: without it there is no dataset, with it there is all."""
    steps: list[str] = []
    points = kill_everywhere(
        ADD, make, under=lambda place: place / ".aexp/ledger", phases=("before",)
    )
    for point, place in points:
        steps.append(point.step)
        heal(place, point)
    assert len(steps) > 3


@pytest.mark.slow
def test_a_kill_at_any_step(make: Callable[[int], Path]) -> None:
    """EXE-06: whatever was stored until then, the same command again completes it."""
    for point, place in kill_everywhere(ADD, make, phases=("torn", "after")):
        heal(place, point)


@pytest.mark.slow
def test_a_kill_while_a_bag_is_made(make: Callable[[int], Path]) -> None:
    """EXE-07: a bag that says it is complete is; the same command again completes any other."""

    def added(number: int) -> Path:
        place = make(number)
        Machine(place).aexp_fast("dataset", "add", "digits", "data")
        return place

    command = ["aexp", "dataset", "download", "digits"]
    for point, place in kill_everywhere(command, added, phases=("torn", "after")):
        bag = place / ".aexp/bags/digits@1.0.0"
        if (bag / "bagit.txt").exists():
            assert {n: (bag / "data" / n).read_bytes() for n in FILES} == FILES, point
        heal(place, point)
