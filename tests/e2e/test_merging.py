"""Two clones record the same state point: both results live on, however git brings them together.

Every case is real: two clones of one remote, runs recorded by ``aexp``, commits made by
``ledger backfill``, and git's own merge, rebase and cherry-pick (LED-10, INS-06).
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from aexp import create_run, current_run, run_lifecycle
from aexp.ledger.merge_driver import DRIVER_NAME, driver_arguments
from tests.support.machines import (
    Completed,
    Machine,
    clone_repo,
    make_repo,
    run_command,
    set_identity,
)

TOOLS = ("driver", "no driver", "no program")
SECTION = f"merge.{DRIVER_NAME}"


@dataclass(frozen=True)
class Clones:
    """Two clones, each with a result of its own of one state point, committed and not pushed."""

    first: Machine
    second: Machine
    job_id: str

    def entry(self, machine: Machine) -> bytes:
        return (machine / f".aexp/ledger/{self.job_id}.json").read_bytes()

    def results(self, machine: Machine) -> list[float]:
        """Return the result of every attempt, sorted."""
        value: dict[str, Any] = json.loads(self.entry(machine))
        attempts = [value, *value.get("replicates", ())]
        return sorted(attempt["metrics"]["acc"]["value"] for attempt in attempts)


def record(machine: Machine, acc: float, *, again: bool = False) -> str:
    """Record a run of the one state point with a result, and commit the ledger."""
    with chdir(machine.path):
        job = create_run("E001", {"seed": 0})
        with run_lifecycle(job, again=again):
            run = current_run()
            assert run is not None
            run.log_metric("acc", acc)
    machine.aexp_fast("ledger", "backfill")
    return str(job.id)


def make_clones(folder: Path, labels: tuple[str, str]) -> None:
    """Build a remote and two clones that have recorded the same state point."""
    origin = make_repo(folder / "origin")
    origin.aexp_fast("install", "--yes")
    origin.aexp_fast("new-hypothesis", "--title", "It works")
    origin.aexp_fast("new-experiment", "--title", "Try it", "--hypothesis", "H001")
    origin.commit_all("Install aexp")
    run_command(
        ["git", "clone", "-q", "--bare", "--template=", str(origin.path), "remote.git"], cwd=folder
    )
    for name, label, acc in (("first", labels[0], 0.25), ("second", labels[1], 0.75)):
        machine = clone_repo(folder / "remote.git", folder / name, label=label)
        set_identity(machine.path, name)
        machine.aexp_fast("install", "--yes", "--machine-label", label)
        record(machine, acc)
        assert machine.status() == ""


DIFFERENT, EQUAL = ("cluster", "laptop"), ("cluster", "cluster")


@pytest.fixture(scope="module")
def templates(sealed_home: Path) -> dict[tuple[str, str], Path]:
    """The clones of each pair of labels, once they are made."""
    return {}


@pytest.fixture
def template(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    templates: dict[tuple[str, str], Path],
) -> Path:
    labels = getattr(request, "param", DIFFERENT)
    if labels not in templates:
        folder = tmp_path_factory.mktemp("clones")
        make_clones(folder, labels)
        templates[labels] = folder
    return templates[labels]


@pytest.fixture
def clones(template: Path, tmp_path: Path) -> Clones:
    for name in ("remote.git", "first", "second"):
        shutil.copytree(template / name, tmp_path / name, symlinks=True)
    first, second = Machine(tmp_path / "first"), Machine(tmp_path / "second")
    for machine in (first, second):
        machine.git("remote", "set-url", "origin", str(tmp_path / "remote.git"))
        # A search path that holds git, and no aexp that happens to be installed.
        machine.env["PATH"] = os.pathsep.join(without_aexp(os.environ["PATH"]))
    (path,) = (first / ".aexp/ledger").glob("*.json")
    return Clones(first, second, path.stem)


def without_aexp(search: str) -> list[str]:
    return [part for part in search.split(os.pathsep) if not (Path(part) / "aexp").exists()]


def give(machine: Machine, tool: str) -> None:
    """Leave a clone as ``aexp install`` did, with its program or without, or take it away."""
    if tool == "no driver":
        machine.git("config", "--remove-section", SECTION)
    elif tool == "driver":
        folder = machine.path.parent / "bin"
        folder.mkdir(exist_ok=True)
        program = folder / "aexp"
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m aexp "$@"\n')
        program.chmod(0o755)
        machine.env["PATH"] = os.pathsep.join([str(folder), machine.env["PATH"]])


def git(machine: Machine, *args: str) -> Completed:
    return machine.git("-c", "core.editor=true", *args, check=False)


def by_merge(machine: Machine) -> Completed:
    return git(machine, "pull", "-q", "--no-rebase", "--no-edit")


def by_rebase(machine: Machine) -> Completed:
    return git(machine, "pull", "-q", "--rebase")


def by_cherry_pick(machine: Machine) -> Completed:
    mine = machine.head()
    machine.git("fetch", "-q")
    machine.git("reset", "-q", "--hard", "origin/main")
    return git(machine, "cherry-pick", mine)


WAYS = {"merge": by_merge, "rebase": by_rebase, "cherry-pick": by_cherry_pick}


def bring_together(machine: Machine, way: str, tool: str) -> None:
    """Combine the pulled result with the own one, mending what git could not."""
    done = WAYS[way](machine)
    if tool == "driver":
        done.require(0)
        return
    assert done.returncode != 0, "git alone must not merge two results"
    mended = machine.aexp_fast("ledger", "resolve")
    (command,) = (x for x in mended.stdout.splitlines() if x.startswith("to go on: git "))
    git(machine, *command.removeprefix("to go on: git ").split()).require(0)


def check_same(clones: Clones, results: list[float]) -> None:
    """Both clones hold the same bytes and every result, and aexp finds nothing to mend."""
    assert clones.entry(clones.first) == clones.entry(clones.second)
    assert clones.results(clones.first) == results
    before = clones.entry(clones.first)
    for machine in (clones.first, clones.second):
        machine.aexp_fast("ledger", "backfill")
        assert clones.entry(machine) == before, "backfill has nothing to add"
        assert machine.status() == ""
        report = json.loads(machine.aexp_fast("validate", "--format", "json").stdout)
        assert {i["code"] for i in report["issues"] if i["severity"] == "error"} == set()


def cases() -> Iterator[Any]:
    """Every combination; the fast tests keep those that stand for the rest."""
    for labels, way, tool, turned in product((DIFFERENT, EQUAL), WAYS, TOOLS, (False, True)):
        core = not turned and (way == "merge" or (tool == "driver" and labels == DIFFERENT))
        order = "second pushes" if turned else "first pushes"
        name = f"{'equal' if labels == EQUAL else 'different'} labels, {way}, {tool}, {order}"
        marks = () if core else pytest.mark.slow
        yield pytest.param(labels, way, tool, turned, id=name, marks=marks)


@pytest.mark.parametrize(
    ("template", "way", "tool", "turned"), list(cases()), indirect=["template"]
)
def test_both_results_live_on(clones: Clones, way: str, tool: str, turned: bool) -> None:
    """LED-10, traps 20, 72: any labels, any order, any way, any tool: the same bytes in the end."""
    early, late = (clones.second, clones.first) if turned else (clones.first, clones.second)
    give(late, tool)
    early.push()
    bring_together(late, way, tool)
    late.push()
    early.pull()
    check_same(clones, [0.25, 0.75])


CORE_LATER = (("merge", "driver"), ("rebase", "no driver"))
LATER = [
    pytest.param(way, tool, marks=() if (way, tool) in CORE_LATER else pytest.mark.slow)
    for way, tool in product(WAYS, TOOLS)
]


@pytest.mark.parametrize(("way", "tool"), LATER)
def test_later_results_join_them(clones: Clones, way: str, tool: str) -> None:
    """LED-10, trap 73: with a common ancestor, edits far from each other never become one."""
    early, late = clones.first, clones.second
    for machine in (early, late):
        give(machine, tool)
    early.push()
    bring_together(late, "merge", tool)
    late.push()
    early.pull()
    record(early, 0.125, again=True)
    record(late, 0.875, again=True)
    early.push()
    bring_together(late, way, tool)
    late.push()
    early.pull()
    check_same(clones, [0.125, 0.25, 0.75, 0.875])


def test_conflict_markers_that_are_committed_are_seen_and_mended(clones: Clones) -> None:
    """Trap 72: without the program nothing is kept silently; ``git add`` of it is an error."""
    give(clones.second, "no program")
    clones.first.push()
    by_merge(clones.second).require(1)
    git(clones.second, "add", "-A")
    git(clones.second, "commit", "-q", "-m", "merged, they thought").require(0)
    done = clones.second.aexp_fast("validate", "--format", "json", check=False)
    codes = {issue["code"]: issue for issue in json.loads(done.stdout)["issues"]}
    assert codes["ledger.conflict"]["severity"] == "error"
    assert done.returncode == 1
    clones.second.aexp_fast("ledger", "resolve")
    clones.second.commit_all("mended")
    clones.second.push()
    clones.first.pull()
    check_same(clones, [0.25, 0.75])


@pytest.mark.parametrize("committed", [False, True], ids=["added", "committed"])
def test_backfill_of_added_markers_keeps_both_sides(clones: Clones, committed: bool) -> None:
    """Traps 4, 72: repairing a file with markers does not drop what the other clone recorded."""
    give(clones.second, "no program")
    clones.first.push()
    by_merge(clones.second).require(1)
    done = clones.second.aexp_fast("ledger", "backfill", "--no-commit", check=False)
    assert "is in the middle of a merge" in done.stderr
    git(clones.second, "add", "-A")
    if committed:
        git(clones.second, "commit", "-q", "-m", "merged, they thought").require(0)
    clones.second.aexp_fast("ledger", "backfill", "--no-commit")
    assert clones.results(clones.second) == [0.25, 0.75]
    clones.second.commit_all("repaired")
    clones.second.push()
    clones.first.pull()
    check_same(clones, [0.25, 0.75])


def test_one_git_command_with_the_driver(clones: Clones) -> None:
    """LED-14: an uninstalled clone merges with the driver given on the command line."""
    give(clones.second, "no driver")
    clones.first.push()
    git(clones.second, *driver_arguments(), "pull", "-q", "--no-rebase", "--no-edit").require(0)
    assert clones.results(clones.second) == [0.25, 0.75]
    assert git(clones.second, "config", f"{SECTION}.driver").returncode == 1


def test_a_clone_in_an_odd_place(clones: Clones, tmp_path: Path) -> None:
    """INS-06: blanks, quotes and percent signs in the clone's path are nothing to the driver."""
    odd = Machine(tmp_path / 'it\'s "the clone" $(of) 100%A', env=clones.second.env)
    shutil.copytree(clones.second.path, odd.path, symlinks=True)
    give(odd, "driver")
    clones.first.push()
    by_merge(odd).require(0)
    assert clones.results(odd) == [0.25, 0.75]


def test_three_branches(clones: Clones) -> None:
    """LED-10: an octopus merge does not ask the driver; its conflict is mended like any other."""
    third = clones.second
    clones.first.push()
    third.git("fetch", "-q")
    third.git("checkout", "-q", "-b", "empty", "HEAD~1")
    third.write("README.md", "# moved on\n")
    third.commit_all("elsewhere")
    give(third, "driver")
    git(third, "merge", "-q", "--no-edit", "main", "origin/main").require(1)
    third.aexp_fast("ledger", "resolve")
    git(third, "merge", "--continue").require(0)
    assert len(third.git("log", "-1", "--format=%P").stdout.split()) == 3
    assert clones.results(third) == [0.25, 0.75]
