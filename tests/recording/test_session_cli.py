"""``aexp session`` (SES-03, SES-05, SES-07)."""

from __future__ import annotations

import json

import pytest

from aexp.experiment import Experiment
from tests.recording.sessions import entry, run_python, saved
from tests.support.machines import Machine

CUT_OFF = (
    "e = Experiment('study')\ne.log_json('note', 1)\n"
    "with e.run(x=1, word='a b') as r: r.log_parameter('y', 2.5)\n"
    "try:\n    with e.run(x=2): raise ValueError('no')\nexcept ValueError: pass\n"
    "e.run(x=3)\nprint(e.session_id, r.job_id)\nsys.stdout.flush()\nos._exit(0)"
)


@pytest.fixture
def cut_off(repo: Machine, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """The id of a session that was cut off in its third run, and of its first run."""
    monkeypatch.chdir(repo.path)
    session_id, job_id = run_python(repo, CUT_OFF).stdout.split()
    return session_id, job_id


def test_an_empty_repository(repo: Machine) -> None:
    """SES-07, trap 41: listings and look-ups make nothing."""
    assert repo.aexp_fast("session", "list").stdout == "no committed sessions\n"
    assert repo.aexp_fast("session", "list", "--checkpoints").stdout == "no checkpoints\n"
    for command in ("show", "restore", "commit", "discard"):
        done = repo.aexp_fast("session", command, "none", check=False).require(4)
        assert done.stderr.startswith("error: there is no ") and "hint: " in done.stderr
    assert not (repo / ".git/aexp").exists()
    assert json.loads(repo.aexp_fast("session", "list", "--format", "json").stdout) == []


def test_listing_checkpoints(repo: Machine, cut_off: tuple[str, str]) -> None:
    """SES-07: `--checkpoints` shows them, with status and owner."""
    session_id, _ = cut_off
    text = repo.aexp_fast("session", "list", "--checkpoints").stdout.splitlines()
    assert text[0].split() == ["CHECKPOINT", "NAME", "STATUS", "RUNS", "SAVED", "OWNER"]
    assert text[1].split()[:4] == [session_id, "study", "running", "2"]
    assert text[1].split()[-1] == "-", "nobody owns it: its process is gone"
    (found,) = json.loads(
        repo.aexp_fast("session", "list", "--checkpoints", "--format", "json").stdout
    )
    assert (found["checkpoint"], found["name"], found["runs"]) == (session_id, "study", 2)
    assert (found["status"], found["owner"], found["problem"]) == ("running", None, None)
    mine = Experiment("mine")
    mine.checkpoint()
    listed = json.loads(
        repo.aexp_fast("session", "list", "--checkpoints", "--format", "json").stdout
    )
    (owned,) = [item for item in listed if item["name"] == "mine"]
    assert owned["owner"].startswith("process ")


def test_showing_a_checkpoint(repo: Machine, cut_off: tuple[str, str]) -> None:
    """SES-06: by its id or name; runs with status and parameters, attachments."""
    session_id, job_id = cut_off
    shown = repo.aexp_fast("session", "show", "study").stdout
    assert shown == repo.aexp_fast("session", "show", session_id).stdout
    assert "running (not committed)" in shown
    assert f"0    {job_id[:8]}  complete  word=a b x=1 y=2.5" in shown
    assert "note  application/json" in shown
    found = json.loads(repo.aexp_fast("session", "show", "study", "--format", "json").stdout)
    assert (found["kind"], found["session"], found["recorded"]) == ("checkpoint", session_id, False)
    assert [(run["run"], run["status"]) for run in found["runs"]] == [
        (0, "complete"),
        (1, "failed"),
    ]
    assert found["runs"][0]["parameters"] == {"x": 1, "word": "a b", "y": 2.5}
    assert [item["name"] for item in found["attachments"]] == ["note"]


def test_restoring(repo: Machine, cut_off: tuple[str, str]) -> None:
    """SES-03: it says how to go on in Python, and that works as it is printed."""
    session_id, _ = cut_off
    done = repo.aexp_fast("session", "restore", "study")
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert "is whole: 2 closed runs" in lines[0]
    code = "\n".join(line for line in lines if line.startswith(("from ", "experiment = ")))
    more = "\nwith experiment.run(x=4) as r: print(r.run_id)\nexperiment.commit()"
    assert run_python(repo, code + more).stdout.split() == ["3"]
    assert [run.parameters["x"] for run in Experiment.load("study").runs] == [1, 2, 4]
    repo.aexp_fast("session", "restore", session_id, check=False).require(4)


def test_a_restored_one_keeps_saying_how_it_ended(repo: Machine) -> None:
    """SES-01, SES-03: a failed session is still failed after `restore`."""
    code = "with Experiment('n') as e:\n    with e.run(): pass\n    raise ValueError('why')"
    run_python(repo, code, check=False)
    done = repo.aexp_fast("session", "restore", "n")
    assert "it failed: ValueError: why" in done.stdout
    (found,) = json.loads(
        repo.aexp_fast("session", "list", "--checkpoints", "--format", "json").stdout
    )
    assert (found["status"], found["reason"]) == ("failed", "ValueError: why")


def test_a_live_owner(repo: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """SES-03, SES-05: nothing is taken from a live process (exit code 6)."""
    monkeypatch.chdir(repo.path)
    experiment = Experiment("n")
    with experiment.run():
        pass
    for command in (["restore", "n"], ["commit", "n"], ["discard", "n", "--delete"]):
        done = repo.aexp_fast("session", *command, check=False).require(6)
        assert "process " in done.stderr
    assert len(saved(repo)) == 1
    experiment.commit()


def test_committing(repo: Machine, cut_off: tuple[str, str]) -> None:
    """SES-03, SES-05: sealed as it is; a name that was advanced is refused (exit code 5)."""
    session_id, job_id = cut_off
    with Experiment("study"):
        pass
    done = repo.aexp_fast("session", "commit", "study", check=False).require(5)
    assert "hint: " in done.stderr
    assert [s.checkpoint_id for s in saved(repo)] == [session_id]
    done = repo.aexp_fast("session", "commit", session_id, "--name", "other")
    assert done.stdout.startswith("committed other: 2 runs\n  sha256:")
    assert saved(repo) == []
    loaded = Experiment.load("other")
    assert [run.status for run in loaded.runs] == ["complete", "failed"]
    assert loaded.runs[0].job_id == job_id and entry(repo, job_id)["status"] == "complete"
    text = repo.aexp_fast("session", "list").stdout.splitlines()
    assert text[0].split() == ["NAME", "DIGEST", "RUNS", "COMMITTED", "WHERE", "MACHINE"]
    assert [line.split()[0] for line in text[1:]] == ["study", "other"]


def test_committing_in_place_of_another(repo: Machine, cut_off: tuple[str, str]) -> None:
    """SES-05: `--replace` takes the name; the one before is listed as such."""
    with Experiment("study"):
        pass
    repo.aexp_fast("session", "commit", "study", "--replace")
    lines = repo.aexp_fast("session", "list").stdout.splitlines()[1:]
    assert [line.split("  ")[0].strip() for line in lines] == ["study (before)", "study"]
    found = json.loads(repo.aexp_fast("session", "list", "--format", "json").stdout)
    assert [item["current"] for item in found] == [False, True]
    shown = repo.aexp_fast("session", "show", found[0]["digest"][7:19]).stdout
    assert found[0]["digest"] in shown


def test_discarding(repo: Machine, cut_off: tuple[str, str]) -> None:
    """SES-05: reported first, done with --delete; the runs stay in the ledger."""
    session_id, job_id = cut_off
    told = repo.aexp_fast("session", "discard", "study").stdout
    assert "2 runs" in told and "Dry Run" in told and len(saved(repo)) == 1
    repo.aexp_fast("session", "discard", session_id, "--delete")
    assert saved(repo) == [] and entry(repo, job_id)["status"] == "complete"
    repo.aexp_fast("registry", "gc", "--delete", "--grace-period", "0s")
    assert repo.aexp_fast("ledger", "verify").returncode == 0


def test_several_of_one_name(repo: Machine, cut_off: tuple[str, str]) -> None:
    """SES-05: discarding needs the id; the others take the newest that is free."""
    run_python(repo, CUT_OFF)
    done = repo.aexp_fast("session", "discard", "study", "--delete", check=False).require(4)
    assert cut_off[0] in done.stderr and len(saved(repo)) == 2
    newest = saved(repo)[0].checkpoint_id
    assert newest != cut_off[0]
    repo.aexp_fast("session", "commit", "study")
    assert [s.checkpoint_id for s in saved(repo)] == [cut_off[0]]


def test_outside_a_repository(repo: Machine) -> None:
    """One line, a hint and the right exit code."""
    done = repo.aexp("session", "list", check=False, cwd=repo.path.parent).require(3)
    assert done.stderr.startswith("error: ")
