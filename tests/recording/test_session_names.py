"""Names, owners and collisions of sessions (SES-03, SES-05, SES-06)."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import pytest

from aexp.clock import use_clock
from aexp.errors import (
    CheckpointWarning,
    NotFoundError,
    OpenRunsError,
    RefConflictError,
    SessionBusyError,
    SessionClosedError,
    UsageError,
)
from aexp.experiment import Experiment
from aexp.model.owner import Owner
from aexp.process import this_process
from aexp.recording.checkpoints import checkpoint_ref, live_sessions
from aexp.registry import SetRef
from tests.recording.sessions import refs, registry_of, run_python, saved
from tests.support.clock import FakeClock
from tests.support.machines import Machine
from tests.support.race import run_together


@pytest.fixture(autouse=True)
def here(repo: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in the repository, as a script does."""
    monkeypatch.chdir(repo.path)


def session_in_process(repo: str, number: int, folder: str) -> tuple[str, str]:
    """Record a run of session ``n`` while another process does too, and try to commit."""
    done = Path(folder) / f"ready-{number}"
    experiment = Experiment("n", repo_root=repo)
    with experiment.run(mine=number):
        pass
    done.touch()
    while len(list(Path(folder).glob("ready-*"))) < 2:
        threading.Event().wait(0.01)
    told = ""
    try:
        experiment.commit()
    except RefConflictError as error:
        told = str(error)
        with experiment.run(mine=number):  # the session stays usable (trap 35)
            pass
        experiment.commit(name=f"n-{number}")
    return experiment.session_id, told


def test_two_live_sessions_of_one_name(repo: Machine, tmp_path: Path) -> None:
    """SES-05, trap 35: a checkpoint each; the second commit is refused, and finds a way out."""
    first = Experiment("n")
    with first.run(mine=0):
        pass
    folder = tmp_path / "ready"
    folder.mkdir()
    arguments = [(str(repo.path), number, str(folder)) for number in (1, 2)]
    answers = run_together(session_in_process, arguments)
    assert len({session_id for session_id, _ in answers}) == 2
    refused = [number for number, (_, told) in enumerate(answers, start=1) if told]
    assert len(refused) == 1, "exactly one of the two got the name"
    other = Experiment.load(f"n-{refused[0]}")
    assert [run.parameters for run in other.runs] == [{"mine": refused[0]}] * 2
    assert [run.parameters["mine"] for run in Experiment.load("n").runs] == [3 - refused[0]]
    assert [s.checkpoint_id for s in saved(repo)] == [first.session_id], "ours is still there"
    with pytest.raises(RefConflictError):
        first.commit()
    first.commit(name="mine")


def test_a_name_that_was_advanced(repo: Machine) -> None:
    """SES-05: refused with a way out; `replace=True` takes it, and keeps what it stood for."""
    slow, quick = Experiment("n"), Experiment("n")
    with quick.run(who="quick"):
        pass
    with slow.run(who="slow"):
        pass
    first = quick.commit()
    with pytest.raises(RefConflictError) as caught:
        slow.commit()
    assert "replace=True" in str(caught.value.hint)
    assert slow.status == "running"
    assert [s.checkpoint_id for s in saved(repo)] == [slow.session_id]
    with pytest.raises(RefConflictError):
        slow.commit(name="n")
    second = slow.commit(replace=True)
    assert Experiment.load("n").artifact == second
    assert Experiment.load(first.digest).runs[0].parameters == {"who": "quick"}
    assert [ref.digest for ref in refs(repo, "anonymous")] == [first.digest]


def test_a_refused_commit_at_the_end_of_the_block(repo: Machine) -> None:
    """SES-01, SES-05: the session is saved and stays usable; another name is the way out."""
    experiment = Experiment("n")
    with pytest.raises(RefConflictError), experiment:  # noqa: PT012
        with Experiment("n"):
            pass
        experiment.log_json("mine", 1)
    assert experiment.status == "running"
    (checkpoint,) = saved(repo)
    assert checkpoint.checkpoint_id == experiment.session_id
    with experiment.run(x=1):
        pass
    assert experiment.commit(name="mine").name == "mine"
    assert Experiment.load("mine").get_attachment("mine") == 1


def test_open_runs_at_the_end_of_the_block(repo: Machine) -> None:
    """SES-06: the end of the block does not commit over an open run, and loses nothing."""
    with pytest.raises(OpenRunsError, match="run 0"), Experiment("n") as experiment:
        run = experiment.run(x=1)
    run.finish()
    experiment.commit()
    assert Experiment.load("n").runs[0].parameters == {"x": 1}


def test_a_session_that_was_dropped_with_an_open_run(repo: Machine) -> None:
    """SES-03, REC-08: the same process can restore it; the run stays open, and beats."""
    experiment = Experiment("n")
    with experiment.run(x=1):
        pass
    lost = experiment.run(x=2).job_id
    del experiment
    again = Experiment.restore_from_checkpoint("n")
    assert [run.run_id for run in again.runs] == [0]
    with again.run(x=3) as run:
        assert run.run_id == 2
    again.commit()
    document = json.loads(
        (repo / f".runs/workspace/{lost}/signac_job_document.json").read_text("utf-8")
    )
    assert document["status"] == "running"
    assert "nothing to recover" in repo.aexp_fast("recover").stdout, "its process is alive"


def test_the_next_session_of_a_name_moves_it(repo: Machine) -> None:
    """SES-05: who opens a name after it was committed may advance it; the old one stays."""
    artifacts = []
    for number in range(3):
        with Experiment("n") as experiment:
            experiment.log_json("number", number)
        artifacts.append(experiment.artifact)
    assert Experiment.load("n").get_attachment("number") == 2
    for number, artifact in enumerate(artifacts):
        assert artifact is not None
        assert Experiment.load(artifact.digest).get_attachment("number") == number


def test_another_name_that_exists(repo: Machine) -> None:
    """SES-05: `commit(name=…)` never takes a name that stands for something."""
    with Experiment("taken"):
        pass
    experiment = Experiment("n")
    with pytest.raises(RefConflictError):
        experiment.commit(name="taken")
    assert experiment.commit(name="free").name == "free"
    assert experiment.name == "free"


def test_a_restored_session_keeps_the_condition(repo: Machine) -> None:
    """SES-05: the name advanced between the crash and the restoring, so it is refused too."""
    run_python(repo, "e = Experiment('n')\nwith e.run(): pass\nos._exit(0)")
    with Experiment("n"):
        pass
    experiment = Experiment.restore_from_checkpoint("n")
    with pytest.raises(RefConflictError):
        experiment.commit()
    experiment.commit(replace=True)


def test_the_newest_free_checkpoint(repo: Machine) -> None:
    """SES-03: several of one name: the newest that no live process owns; all owned: listed."""
    clock = FakeClock()
    ids = []
    with use_clock(clock):
        for number in range(3):
            clock.advance(60)
            experiment = Experiment("n")
            with experiment.run(number=number):
                pass
            ids.append(experiment.session_id)
            if number < 2:
                experiment.close()
        assert live_sessions[ids[2]] is not None
        second = Experiment.restore_from_checkpoint("n")
        assert second.session_id == ids[1], "the newest is owned"
        first = Experiment.restore_from_checkpoint("n")
        assert first.session_id == ids[0]
        with pytest.raises(SessionBusyError) as caught:
            Experiment.restore_from_checkpoint("n")
        assert all(session_id in str(caught.value) for session_id in ids)
        with pytest.raises(SessionBusyError):
            Experiment.restore_from_checkpoint(ids[0])
        first.close()
        again = Experiment.restore_from_checkpoint(ids[0])
        assert again.runs[0].parameters == {"number": 0}


def restore_in_process(repo: str) -> str:
    """Restore session ``n`` and say which it was."""
    try:
        experiment = Experiment.restore_from_checkpoint("n", repo_root=repo)
    except SessionBusyError:
        return "busy"
    except NotFoundError:
        return "gone"
    threading.Event().wait(1.5)  # hold it while the others try
    return experiment.session_id


def test_processes_that_restore_at_once(repo: Machine) -> None:
    """SES-03: of several that race for two checkpoints, two get one each."""
    for _ in range(2):
        experiment = Experiment("n")
        with experiment.run():
            pass
        experiment.close()
    ids = {s.checkpoint_id for s in saved(repo)}
    answers = run_together(restore_in_process, [(str(repo.path),)] * 3)
    assert sorted(answers) == sorted([*ids, "busy"])


def elsewhere(**changes: object) -> Owner:
    """Return a process that cannot be judged from here."""
    ours = this_process().to_json() | {"host": "gpu023", "boot_id": "other", "pid": 7} | changes
    owner = Owner.from_json(ours)
    assert owner is not None
    return owner


def give_to(repo: Machine, session_id: str, owner: Owner) -> None:
    """Make another process the owner of a checkpoint."""
    registry = registry_of(repo)
    ref = registry.ref(checkpoint_ref(session_id))
    assert ref is not None
    registry.publish(SetRef(ref.name, ref.kind, ref.digest, ref.session, owner))


def test_the_owner_on_another_host(repo: Machine) -> None:
    """SES-03, RUN-06: it counts as live while there are signs of life, and then no more."""
    experiment = Experiment("n")
    with experiment.run():
        pass
    experiment.close()
    give_to(repo, experiment.session_id, elsewhere())
    with pytest.raises(SessionBusyError, match="process 7 on gpu023"):
        Experiment.restore_from_checkpoint("n")
    clock = FakeClock()  # the checkpoint is of long ago, and nobody holds a lease for it
    with use_clock(clock):
        give_to(repo, experiment.session_id, elsewhere())
    assert Experiment.restore_from_checkpoint("n").session_id == experiment.session_id


def test_an_owner_that_comes_back(repo: Machine) -> None:
    """SES-05: who was taken for dead goes on as a session of its own; nothing of either is lost."""
    suspended = Experiment("n")
    with suspended.run(who="first"):
        pass
    clock = FakeClock()
    with use_clock(clock):
        give_to(repo, suspended.session_id, elsewhere(host="moved"))
    registry = registry_of(repo)
    for lease in registry.live_leases():
        lease.path.unlink()
    taken = Experiment.restore_from_checkpoint("n")
    assert taken.session_id == suspended.session_id
    before = suspended.session_id
    with pytest.warns(CheckpointWarning, match="goes on as"), suspended.run(who="first again"):
        pass
    assert suspended.session_id != before == taken.session_id
    assert len(saved(repo)) == 2
    with taken.run(who="second") as run:
        assert run.run_id == 1 or run.run_id == 2
    taken.commit()
    assert [r.parameters["who"] for r in Experiment.load("n").runs] == ["first", "second"]
    suspended.commit(name="other")
    who = [r.parameters["who"] for r in Experiment.load("other").runs]
    assert who == ["first", "first again"]


def test_committing_does_not_take_a_foreign_checkpoint(repo: Machine) -> None:
    """SES-05: whose session was taken over may commit; the checkpoint stays with the other."""
    suspended = Experiment("n")
    with suspended.run(x=1):
        pass
    with use_clock(FakeClock()):
        give_to(repo, suspended.session_id, elsewhere())
    for lease in registry_of(repo).live_leases():
        lease.path.unlink()
    taken = Experiment.restore_from_checkpoint("n")
    suspended.commit()
    assert [s.checkpoint_id for s in saved(repo)] == [taken.session_id]
    with pytest.raises(RefConflictError):
        taken.commit()


def test_anonymous_sessions(repo: Machine) -> None:
    """SES-01, GC-07: one without a name is committed without one, and restored by its id."""
    first, second = Experiment(), Experiment()
    with first.run(x=1):
        pass
    first.close()
    again = Experiment.restore_from_checkpoint(first.session_id)
    artifact = again.commit()
    assert artifact.name is None
    assert [ref.digest for ref in refs(repo, "anonymous")] == [artifact.digest]
    assert Experiment.load(artifact.digest).runs[0].parameters == {"x": 1}
    assert Experiment.load(artifact.digest[7:19]).artifact == artifact
    assert second.commit(name="named").name == "named"


def test_checkpoints_are_internal(repo: Machine) -> None:
    """SES-07: `load` and the listings do not show them; `--checkpoints` does."""
    experiment = Experiment("n")
    with experiment.run() as run:
        pass
    for text in ("n", experiment.session_id, f"checkpoint/{experiment.session_id}"):
        with pytest.raises(NotFoundError):
            Experiment.load(text)
    (ref,) = refs(repo, "run")
    with pytest.raises(NotFoundError):
        Experiment.load(ref.name)
    assert repo.aexp_fast("session", "list").stdout == "no committed sessions\n"
    assert experiment.session_id not in repo.aexp_fast("registry", "ls").stdout
    assert experiment.session_id in repo.aexp_fast("session", "list", "--checkpoints").stdout
    assert run.status == "complete"


def test_loading_never_asks_the_network(repo: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """SES-06, trap 44: a name that looks like a registry's is looked up here, and only here."""
    name = "ghcr.io/example/team/experiment:baseline"
    with Experiment(name):
        pass

    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert Experiment.load(name).name == name
    with pytest.raises(NotFoundError):
        Experiment.load("ghcr.io/example/team/experiment:other")
    with pytest.raises(NotFoundError):
        Experiment.restore_from_checkpoint("ghcr.io/example/team/experiment:other")


@pytest.mark.parametrize(
    "name", ["", " ", " x", "a\nb", "x" * 257, "run/1", "checkpoint/x", "sha256:ab", "0" * 16, 7]
)
def test_what_is_no_name(repo: Machine, name: str) -> None:
    """SES-06: a name that nobody could use later is refused before anything is written."""
    with pytest.raises(UsageError):
        Experiment(name)
    with pytest.raises(UsageError):
        Experiment().commit(name=name)


def test_names_of_every_kind(repo: Machine, weird_name: str) -> None:
    """REG-01: a name need not be a legal OCI name."""
    try:
        experiment = Experiment(weird_name)
    except UsageError:
        assert weird_name != weird_name.strip() or any(ord(c) < 32 for c in weird_name)
        return
    with experiment:
        pass
    assert Experiment.load(weird_name).name == weird_name
    (listed,) = json.loads(repo.aexp_fast("session", "list", "--format", "json").stdout)
    assert listed["name"] == weird_name


def test_a_loaded_session_is_for_reading(repo: Machine) -> None:
    """SES-06: what was loaded records nothing; what is not committed cannot be forked."""
    with Experiment("n") as experiment:
        pass
    loaded = Experiment.load("n")
    for call in (loaded.run, loaded.commit, loaded.checkpoint, loaded.close, loaded.__enter__):
        with pytest.raises(SessionClosedError):
            call()
    with pytest.raises(SessionClosedError):
        loaded.log_json("a", 1)
    fresh = Experiment("m")
    with pytest.raises(SessionClosedError):
        fresh.fork("x")
    with pytest.raises(SessionClosedError):
        fresh.export("x.tar")
    assert experiment.status == loaded.status == "complete"
    assert loaded.last_checkpoint_error is None and loaded.open_runs == []
