"""Points of one sweep that are the same run (SWP-02, SWP-10)."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from aexp.sweep import Sweep
from aexp.sweep.turns import Turns
from tests.support.machines import Machine
from tests.sweep import held


@given(st.lists(st.sampled_from("abc"), max_size=12), st.integers(1, 5), st.randoms())
def test_each_point_has_its_turn_and_no_run_two_at_once(
    names: Sequence[str], room: int, chance: object
) -> None:
    """SWP-10: whichever ends first, every point begins once, and a run is at work once at most."""
    turns = Turns(iter(range(len(names))), lambda run_id: names[run_id])
    under_way: list[int] = []
    begun: list[int] = []
    while True:
        while len(under_way) < room and (found := turns.next()) is not None:
            run_id, has_waited = found
            assert has_waited == (names[run_id] in [names[n] for n in begun] and has_waited)
            under_way.append(run_id)
            begun.append(run_id)
        busy = [names[run_id] for run_id in under_way]
        assert len(set(busy)) == len(busy)
        if not under_way:
            break
        ended = under_way.pop(chance.randrange(len(under_way)))  # type: ignore[attr-defined]
        turns.ended(ended)
    assert sorted(begun) == list(range(len(names)))


def test_what_an_earlier_driver_left_at_work_is_waited_for() -> None:
    """SWP-13: of two points that are one run, and run both already, the third waits for both."""
    turns = Turns(iter([2]), lambda run_id: "a")
    turns.began(0)
    turns.began(1)
    assert turns.next() is None
    turns.ended(1)
    assert turns.next() is None
    turns.ended(0)
    assert turns.next() == (2, True)
    assert turns.next() is None


def sweep_of(repo: Machine, *rows: dict[str, object]) -> Sweep:
    """Return a sweep of rows, which may be equal."""
    spec = {**held.spec(workers=3), "parameters": {"explicit": list(rows)}}
    return Sweep(spec, out=repo / "sweep", repo_root=repo)


def test_equal_points_are_run_once(installed_repo: Machine) -> None:
    """SWP-02, SWP-10: the second waits for the first; both are ok, with the same outputs."""
    repo = held.make(installed_repo)
    same, other = {"n": 0, "lr": 0.5}, {"n": 1, "lr": 0.5}
    made = sweep_of(repo, same, other, same, same).run()
    entries = {entry.run_id: entry for entry in made.manifest.entries}
    assert [entries[n].status for n in range(4)] == ["ok"] * 4
    assert entries[0].job_id == entries[2].job_id == entries[3].job_id != entries[1].job_id
    assert (len(held.begun(repo, 0)), len(held.begun(repo, 1))) == (1, 1)
    frame = held.table(made)
    for n in (2, 3):
        assert frame.loc[n].equals(frame.loc[0])
        assert (made.folder / f"out/{n}/t.csv").is_file()


def test_the_second_is_tried_when_the_first_has_failed(installed_repo: Machine) -> None:
    """SWP-10: it is another attempt of the run, and neither has waited in vain."""
    repo = held.make(installed_repo)
    held.hold(repo, 0, name="break")
    same = {"n": 0, "lr": 0.5}
    made = sweep_of(repo, same, same).run()
    assert made.manifest.find_failed() == [0, 1]
    assert len(held.begun(repo, 0)) == 2
    held.hold(repo, name="break")
    again = held.resumed(repo)
    assert [entry.status for entry in again.manifest.entries] == ["ok", "ok"]
    assert len(held.begun(repo, 0)) == 3 and len(held.done(repo, 0)) == 1
