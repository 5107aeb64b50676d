"""Sweeps in Python: the seed's own snippet, and what a point finds around it (SWP-01, SWP-02)."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import aexp
from aexp.errors import CorruptDataError, SweepConfigError
from aexp.sweep import Manifest, Sweep, sweep
from aexp.sweep.backends.joblib import LocalJoblibPool
from aexp.sweep.backends.local import LocalProcessPool
from aexp.workspace.store import RunStore
from tests.support.machines import Machine
from tests.sweep import held

MISSION = """\
import json, os, sys, aexp
run = aexp.current_run()
sma = float(sys.argv[1])
run.log_metric("energy", -398600.4418 / (2 * sma))
open(os.path.join(os.environ["AEXP_SWEEP_OUT"], "states.csv"), "w").write(f"time,x\\n0,{sma}\\n")
json.dump({k: v for k, v in os.environ.items() if k.startswith("AEXP_")}, open(sys.argv[2], "w"))
"""


def mission(repo: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a repository like the one that the seed has in mind, and go there."""
    repo.write("mission.script", MISSION)
    command = f"{shlex.quote(sys.executable)} mission.script {{sma}} env-{{run_id}}.txt"
    repo.write("sweep.yaml", f"command: {json.dumps(command)}\n"
               "parameters: {monte_carlo: {n: 3, parameters: {sma: {uniform: [7000, 8000]}}}}\n"
               "outputs: {table: states.csv}\n")  # fmt: skip
    repo.commit_all("Mission")
    monkeypatch.chdir(repo.path)


def test_the_snippet_of_the_seed(installed_repo: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """SWP-01: as it is typed there, with only imports and names changed."""
    mission(installed_repo, monkeypatch)
    with LocalJoblibPool(workers=2) as pool:
        first = Sweep("sweep.yaml", "mission.script", backend=pool, out="./sweep").run()

    with LocalJoblibPool(workers=4) as pool:
        df = (
            Sweep.from_manifest(
                "./sweep/manifest.jsonl",
                "mission.script",
                backend=pool,
            )
            .resume()
            .to_dataframe()
        )

    pd.testing.assert_frame_equal(df, first.to_dataframe(), check_exact=True)
    assert df.index.names[0] == "run_id" and list(df["__status"]) == ["ok"] * 3
    manifest = Manifest.load("./sweep/manifest.jsonl")
    assert [e.run_id for e in manifest.entries] and manifest.find_failed() == []
    assert manifest.find_missing(range(4)) == [3]


def test_the_short_form(installed_repo: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """SWP-01: `sweep(…)` runs a sweep and returns its table; a seed gives the same again."""
    mission(installed_repo, monkeypatch)
    with LocalProcessPool(workers=2) as pool:
        first = sweep("sweep.yaml", "mission.script", backend=pool, out="one", seed=3)
        second = sweep("sweep.yaml", "mission.script", backend=pool, out="two", seed=3)
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    # The same points are the same runs: nothing was run for the second (SWP-02).
    assert len(RunStore(Sweep.from_manifest("one").layout).ids()) == 3


def test_a_command_finds_its_run(installed_repo: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """SWP-02, RUN-05: the usual variables; the values are the run's state point."""
    mission(installed_repo, monkeypatch)
    made = Sweep("sweep.yaml", out="sweep", seed=1).run()
    for entry in made.manifest.entries:
        env = json.loads((installed_repo / f"env-{entry.run_id}.txt").read_text())
        assert env["AEXP_JOB_ID"] == entry.job_id and env["AEXP_ATTEMPT_ID"]
        assert env["AEXP_SWEEP_OUT"] == str(made.folder / "out" / str(entry.run_id))
        record = RunStore(made.layout).read(str(entry.job_id))
        assert record.statepoint["sma"] == made.points[entry.run_id].values["sma"]
        assert record.document["sweep"] == {
            "sweep_id": made.sweep_id, "run_id": entry.run_id, "attempt": 1,
        }  # fmt: skip
        assert (installed_repo / f".aexp/ledger/{entry.job_id}.json").is_file()


def test_a_value_is_one_word(installed_repo: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """SWP-16: whatever a value holds, it never becomes a second argument, and no shell sees it."""
    installed_repo.write("say.py", "import json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    installed_repo.commit_all("Say")
    monkeypatch.chdir(installed_repo.path)
    words = ["a b", "$(touch pwned)", '"; rm x', "", "{n}"]
    made = Sweep(
        {
            "command": "python3 say.py {w} --opt={o.p} {flag} '{w} again' {{w}}",
            "parameters": {"grid": {"w": words}},
            "fixed": {"o": {"p": [1, 2.5]}, "flag": True},
        },
        out="sweep",
    ).run()
    for entry in made.manifest.entries:
        word = made.points[entry.run_id].values["w"]
        said = json.loads((made.folder / str(entry.log_path)).read_text())
        assert said == [word, "--opt=[1,2.5]", "true", f"{word} again", "{w}"]
    assert not (installed_repo / "pwned").exists()


def test_a_callable(installed_repo: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """SWP-02: it gets the values by name, is in its run, and the numbers it returns are metrics."""
    installed_repo.write("work/__init__.py", "")
    installed_repo.write(
        "work/train.py",
        "import aexp\n"
        "def main(lr, opt, seed=0):\n"
        "    aexp.current_run().log_metric('seen', lr)\n"
        "    print('hello', opt['name'])\n"
        "    return {'loss': lr * 2, 'note': 'no number'}\n",
    )
    installed_repo.commit_all("Work")
    monkeypatch.chdir(installed_repo.path)
    made = Sweep(
        {
            "callable": "work.train:main",
            "parameters": {"explicit": [{"lr": 1, "opt.name": "adam"}, {"lr": 2, "opt.name": "x"}]},
        },
        out="sweep",
    ).run()
    frame = made.to_dataframe()
    assert list(frame["loss"]) == [2.0, 4.0] and list(frame["seen"]) == [1.0, 2.0]
    assert (made.folder / "logs/0.1.log").read_text() == "hello adam\n"
    # Trap 64: an explicit whole number stays one.
    assert [type(e.overrides["lr"]) for e in made.manifest.entries] == [int, int]


def test_a_point_that_fails_or_skips(installed_repo: Machine) -> None:
    """SWP-08: SkipPoint is `skipped`, with its reason; any exception is `failed`, with its end."""
    repo = held.make(installed_repo)
    held.hold(repo, 1, name="skip")
    held.hold(repo, 2, name="break")
    made = held.new_sweep(repo).run()
    entries = {e.run_id: e for e in made.manifest.entries}
    assert [entries[n].status for n in range(held.COUNT)] == ["ok", "skipped", "failed", "ok", "ok"]
    assert "not worth it" in entries[1].stderr
    assert entries[2].stderr.rstrip().endswith("OSError: [Errno 28] No space left on device")
    store = RunStore(made.layout)
    skipped, failed = (store.read(str(entries[n].job_id)) for n in (1, 2))
    assert (skipped.status, failed.status) == ("abandoned", "failed")
    assert skipped.document["error"] == {"type": "SkipPoint", "message": "not worth it"}
    frame = made.to_dataframe()
    assert frame.loc[1, "__status"].tolist() == ["skipped"]
    # A resume leaves the skipped one alone.
    held.hold(repo, name="skip")
    held.hold(repo, name="break")
    again = held.resumed(repo)
    assert [len(held.begun(repo, n)) for n in range(held.COUNT)] == [1, 1, 2, 1, 1]
    assert again.manifest.find_failed() == []


@pytest.mark.parametrize(
    ("code", "status"),
    [("raise SystemExit(0)", "ok"), ("raise SystemExit(3)", "failed"), ("import nothing", "failed"),
     ("import os; os._exit(5)", "failed"), ("import os; os.kill(os.getpid(), 15)", "failed")],
)  # fmt: skip
def test_how_a_callable_may_end(
    installed_repo: Machine, monkeypatch: pytest.MonkeyPatch, code: str, status: str
) -> None:
    """SWP-13: a worker never raises; whatever its point does, there is an entry for it."""
    installed_repo.write("work.py", f"def main(n):\n    {code}\n")
    installed_repo.commit_all("Work")
    monkeypatch.chdir(installed_repo.path)
    spec = {"callable": "work:main", "parameters": {"grid": {"n": [1]}}}
    made = Sweep(spec, out="sweep").run()
    (entry,) = made.manifest.entries
    assert entry.status == status
    assert bool(entry.stderr) == (status == "failed")


def test_no_absolute_path_is_recorded(installed_repo: Machine) -> None:
    """SWP-11, trap 63: not in points, manifest, outcomes or the plan."""
    repo = held.make(installed_repo)
    made = held.new_sweep(repo).run()
    files = [p for p in made.folder.rglob("*.json*") if p.is_file()]
    files += list((repo / ".aexp/ledger").rglob("*.json"))
    assert len(files) >= 8
    for path in files:
        assert str(repo.path) not in path.read_text(), path
    assert repo.git("status", "--porcelain", "--", "sweep").stdout == ""


def test_the_header_says_what_it_came_from(installed_repo: Machine) -> None:
    """SWP-04, SWP-05: the seed is resolved and recorded, and the versions, code and backend."""
    repo = held.make(installed_repo)
    spec = {**held.spec(), "script": str(repo / "work.py")}
    made = Sweep({**spec, "command": "true", "callable": None}, out=repo / "s", repo_root=repo)
    header = made.plan().manifest.header
    assert header.seed >= 0 and header.run_count == held.COUNT and header.backend == "local"
    assert header.versions["aexp"] == aexp.__version__ and "python" in header.versions
    assert header.code["code_commit"] == repo.head()
    assert len(Manifest.load(repo / "s")) == 0


def test_what_is_no_sweep(installed_repo: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """SWP-09: nothing to run, run twice, resumed unplanned: each is said, and nothing done."""
    monkeypatch.chdir(installed_repo.path)
    grid: dict[str, Any] = {"parameters": {"grid": {"n": [1]}}}
    with pytest.raises(SweepConfigError, match="neither a command nor a callable"):
        Sweep(grid, out="one").run()
    made = Sweep({**grid, "command": "true"}, out="two")
    with pytest.raises(SweepConfigError, match="not planned yet"):
        made.resume()
    made.run()
    with pytest.raises(SweepConfigError, match="planned already"):
        made.run()
    (installed_repo / "three").mkdir()
    (installed_repo / "three/mine.txt").write_text("mine")
    with pytest.raises(SweepConfigError, match=r"holds other files, such as mine\.txt"):
        Sweep({**grid, "command": "true"}, out="three").run()
    Path("one/points.jsonl").write_bytes(b"left by a kill")
    Sweep({**grid, "command": "true"}, out="one").run()


def test_points_of_another_sweep(installed_repo: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """SWP-04: files that were mixed up are told, not run."""
    monkeypatch.chdir(installed_repo.path)
    for name, n in (("one", 1), ("two", 2)):
        Sweep({"command": "true", "parameters": {"grid": {"n": [n]}}}, out=name).plan()
    Path("two/points.jsonl").replace("one/points.jsonl")
    with pytest.raises(CorruptDataError, match="other points"):
        Sweep.from_manifest("one").resume()
