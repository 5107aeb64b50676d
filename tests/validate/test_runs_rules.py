"""Local runs and the links of runs, here and in the ledger (VAL-06, RUN-04)."""

from __future__ import annotations

from typing import Any

import pytest

from aexp.model.status import STATUSES
from tests.validate.world import World, batch, job, link_to, point

UNLINKED = link_to(None)


@pytest.mark.parametrize("status", [*STATUSES, None])
def test_every_status_of_the_table_is_valid(world: World, status: str | None) -> None:
    """VAL-06, trap 26: queued and a run without status are valid too."""
    world.artifacts()
    world.local(point(), status)
    assert world.codes() == []


@pytest.mark.parametrize("status", ["finished", "Complete", "retracted", 7, True, [], {}, ""])
def test_unknown_status(world: World, status: Any) -> None:
    """VAL-06: anything else is an error at the run, whatever its type."""
    world.artifacts()
    job_id = world.local(point(), "x")
    world.write_json(
        f".runs/workspace/{job_id}/signac_job_document.json", {"aexp": link_to(), "status": status}
    )
    [issue] = world.validate().issues
    assert (issue.code, issue.severity) == ("run.status_invalid", "error")
    assert issue.path == f".runs/workspace/{job_id}"


def test_orphan(world: World) -> None:
    """VAL-06: a signac job that aexp never linked is an error, with ``--runs-only`` too."""
    world.artifacts()
    world.local(point(), None, link={})
    assert world.codes() == [("run.orphan", "error")]
    assert world.codes(mode="runs") == [("run.orphan", "error")]
    assert world.codes(mode="kb") == []


def test_unlinked_run_matters_only_when_cited(world: World) -> None:
    """VAL-06: a run of no experiment is fine until a finding rests on it; local or not."""
    here = world.local(point(seed=1), link=UNLINKED)
    there = world.entry(point(seed=2), link=UNLINKED)
    nolink = world.entry(point(seed=3), link={})
    world.artifacts([])
    world.commit()
    assert world.codes() == []
    world.artifacts([job(here), job(there), job(nolink)], [job(there)])
    world.commit()
    assert sorted(i.detail["job_id"] for i in world.issues("run.unlinked")) == sorted(
        [here, there, nolink]
    )
    assert world.validate().ok


LINKS = {
    "run.broken_experiment_link": link_to("E009"),
    "run.hypothesis_mismatch": link_to(hypothesis_id="H002"),
    "run.sub_hypothesis_unlisted": link_to(sub_hypothesis_id="H001b"),
}


@pytest.mark.parametrize("code", LINKS)
def test_link_checks_here_and_in_the_ledger(world: World, code: str) -> None:
    """VAL-06: the same link is checked wherever it stands, and reported once."""
    world.artifacts()
    here = world.local(point(seed=1), link=LINKS[code])
    there = world.entry(point(seed=2), link=LINKS[code])
    both = world.local(point(seed=3), link=LINKS[code])
    world.entry(point(seed=3), link=LINKS[code])
    assert [(i.code, i.severity, i.path) for i in world.validate().issues] == sorted(
        [
            (code, "error", f".runs/workspace/{here}"),
            (code, "error", f".runs/workspace/{both}"),
            (code, "error", f".aexp/ledger/{there}.json"),
        ],
        key=lambda item: item[2],
    )


def test_correct_links_are_clean(world: World) -> None:
    """VAL-06: the experiment's hypothesis and a listed sub-hypothesis."""
    world.artifacts()
    world.local(point(), link=link_to(hypothesis_id="H001", sub_hypothesis_id="H001a"))
    assert world.codes() == []


def test_stale_link_in_the_ledger_is_seen_where_the_run_is(world: World) -> None:
    """VAL-06: an entry that still has the wrong link is wrong on every other clone."""
    world.artifacts()
    world.local(point(), link=link_to("E001"))
    job_id = world.entry(point(), link=link_to("E009"))
    [issue] = world.validate().issues
    assert issue.code == "run.broken_experiment_link"
    assert issue.path == f".aexp/ledger/{job_id}.json"


@pytest.mark.parametrize("link", [{"experiment_id": 7}, {"experiment_id": ["E001"]}])
def test_odd_link_is_an_issue_and_no_crash(world: World, link: dict[str, Any]) -> None:
    """Trap 3: a link of the wrong type is a broken link."""
    world.artifacts([batch({})])
    world.local(point(seed=1), link=link)
    assert ("run.broken_experiment_link", "error") in world.codes()


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
@pytest.mark.parametrize("name", ["signac_statepoint.json", "signac_job_document.json"])
def test_damaged_run_is_one_issue(world: World, name: str, data: bytes) -> None:
    """Trap 3: a run whose files are damaged does not hide the others."""
    damaged = world.local(point(seed=1))
    world.machine.write(f".runs/workspace/{damaged}/aexp.heartbeat", "")  # it has begun
    (world.root / f".runs/workspace/{damaged}/{name}").write_bytes(data)
    orphan = world.local(point(seed=2), link={})
    world.artifacts([job(damaged)])
    found = world.validate().issues
    assert {(i.code, i.path) for i in found} == {
        ("run.unreadable", f".runs/workspace/{damaged}"),
        ("run.orphan", f".runs/workspace/{orphan}"),
        ("finding.unfinished_run", "kb/research/findings/F001-words.md"),
    }


def test_damaged_run_is_still_evidence_through_the_ledger(world: World) -> None:
    """Model 6: what the ledger proves does not depend on this machine's copy."""
    job_id = world.local(point())
    world.entry(point())
    (world.root / f".runs/workspace/{job_id}/signac_job_document.json").write_bytes(b"{")
    world.artifacts([job(job_id)])
    world.commit()
    assert world.codes() == [("run.unreadable", "error")]


def test_unreadable_experiment_concludes_nothing(world: World) -> None:
    """Trap 29: of an experiment with broken YAML only that is said."""
    world.artifacts()
    world.local(point(), link=link_to(hypothesis_id="H002", sub_hypothesis_id="x"))
    path = world.root / "kb/research/experiments/E001-words.md"
    path.write_text(path.read_text("utf-8").replace("tags: []", "tags: ["), "utf-8")
    assert {c for c, _ in world.codes(mode="runs")} == {"kb.yaml_error"}


def test_begun_promotion_is_reported_and_left_alone(world: World) -> None:
    """RUN-04, model 13: an ended run whose promotion was cut short; validate mends nothing."""
    from aexp.ledger.pending import mark_pending
    from aexp.repo import open_layout

    world.artifacts()
    ended, running = world.local(point(seed=1)), world.local(point(seed=2), "running")
    layout = open_layout(world.root)
    for job_id in (ended, running):
        mark_pending(layout, job_id)
    for _ in range(2):
        [issue] = world.validate().issues
        assert (issue.code, issue.severity) == ("run.unpromoted", "warning")
        assert issue.detail["job_id"] == ended
