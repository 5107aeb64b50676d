"""A plan that would now be drawn differently is told, and kept (SWP-04, trap 59, trap 68)."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from aexp.model.sweep import SweepSpec
from aexp.repo import open_layout
from aexp.sweep import Manifest, Sweep, samplers
from aexp.sweep.points import Points, write_points
from aexp.sweep.redraw import redraw_problem
from aexp.sweep.spec import spec_from
from tests.support.machines import Machine
from tests.sweep import held

DRAWN = {
    "monte_carlo": {"n": 6, "parameters": {"n": {"integer": [0, 3]}, "lr": {"uniform": [0, 1]}}}
}


@pytest.fixture
def work(installed_repo: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A repository with the work of the points in it, as the working directory."""
    monkeypatch.chdir(installed_repo.path)
    return held.make(installed_repo)


def planned(repo: Machine, parameters: Any = DRAWN, **options: Any) -> Sweep:
    """Plan a sweep."""
    spec = {**held.spec(), "parameters": parameters}
    return Sweep(spec, out=repo / "sweep", repo_root=repo, **options).plan()


def values(sweep: Sweep) -> list[dict[str, Any]]:
    """Return the values of all points."""
    with Points(sweep.folder / "points.jsonl") as points:
        return [point.values for point in points]


def test_a_seed_that_nobody_chose_stays(work: Machine, tmp_path: Path) -> None:
    """Trap 59: with seed=None one is chosen once, recorded, and kept by a resume, bit by bit."""
    held.hold(work, 3, name="break")
    first = planned(work, seed=None)
    before, header = values(first), first.manifest.header
    first.resume()
    assert first.manifest.find_failed() or all(v["n"] != 3 for v in before)
    held.hold(work, name="break")
    resumed = Sweep.from_manifest(work / "sweep").resume()
    assert resumed.manifest.header == header
    assert [resumed.manifest.get(n).overrides for n in range(6)] == before  # type: ignore[union-attr]
    # The seed that was recorded gives the same points: nothing else was random.
    spec: SweepSpec = spec_from({**held.spec(), "parameters": DRAWN})
    again = write_points(tmp_path / "again.jsonl", first.sweep_id, spec, header.seed)
    assert again.digest == header.points_digest
    other = Sweep({**held.spec(), "parameters": DRAWN}, out=work / "other").plan()
    assert other.manifest.header.seed != header.seed and values(other) != before


def test_another_sampler_changes_no_value(work: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """SWP-04, trap 68: the resume says that it would draw others, and runs those of the plan."""
    sweep = planned(work, seed=held.SEED)
    before = values(sweep)
    real = samplers._bits
    monkeypatch.setattr(samplers, "_bits", lambda seed, name: real(seed + 1, name))
    with pytest.warns(RuntimeWarning, match="point 0 would be drawn differently now;") as caught:
        resumed = Sweep.from_manifest(work / "sweep").resume()
    assert caught[0].filename == __file__
    assert [resumed.manifest.get(n).overrides for n in range(6)] == before  # type: ignore[union-attr]
    assert values(resumed) == before
    monkeypatch.setattr(samplers, "_bits", real)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Sweep.from_manifest(work / "sweep").resume()


def test_a_table_that_was_edited(work: Machine) -> None:
    """SWP-04: `aexp sweep status` says it as well, on standard error; its JSON stays JSON."""
    work.write("rows.csv", "n,lr\n0,0.5\n1,0.25\n")
    sweep = planned(work, {"explicit": "rows.csv"})
    assert "differently" not in work.aexp_fast("sweep", "status", sweep.sweep_id).stderr
    work.write("rows.csv", "n,lr\n0,0.5\n1,0.75\n")
    for options in ([], ["--format", "json"]):
        done = work.aexp_fast("sweep", "status", sweep.sweep_id, *options)
        assert "warning: point 1 would be drawn differently now" in done.stderr
        assert "differently" not in done.stdout
    work.write("rows.csv", "n,lr\n0,0.5\n1,0.25\n2,1.0\n")
    done = work.aexp_fast("sweep", "resume", sweep.sweep_id)
    assert "warning: point 2 would be drawn differently now" in done.stderr
    entries = Manifest.load(work / "sweep").entries
    assert {entry.run_id: entry.overrides["lr"] for entry in entries} == {0: 0.5, 1: 0.25}


def test_versions_are_named(work: Machine) -> None:
    """SWP-04: what is another version now is said; the same ones are believed by `status`."""
    import msgspec

    sweep = planned(work, seed=held.SEED)
    layout, header = open_layout(work), sweep.manifest.header
    others = [{**point, "lr": 0.5} for point in values(sweep)]
    assert redraw_problem(layout, header, others, thorough=False) == ""
    assert "point 0" in redraw_problem(layout, header, others, thorough=True)
    then = {**header.versions, "numpy": "1.26.0", "gone": "3"}
    older = msgspec.structs.replace(header, versions=then)
    problem = redraw_problem(layout, older, others, thorough=False)
    assert "(gone 3 then, none now; numpy 1.26.0 then, " in problem
    assert redraw_problem(layout, older, values(sweep), thorough=False) == ""
