"""The table of operations and events of the recovery guide, row by row (SES-01 to SES-04)."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from aexp.errors import NotFoundError, RunClosedError, SessionClosedError
from aexp.experiment import Experiment
from tests.recording.sessions import (
    HEAD,
    blobs,
    entry,
    records,
    refs,
    registry_of,
    run_python,
    saved,
    statuses,
)
from tests.support.machines import Machine, checkout_environ


@pytest.fixture(autouse=True)
def here(repo: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in the repository, as a script does."""
    monkeypatch.chdir(repo.path)


def test_run_exits_normally(repo: Machine) -> None:
    """SES-02, REC-08: the run is complete, in the session, and a draft checkpoint holds it."""
    experiment = Experiment("name")
    with experiment.run(lr=0.1) as run:
        assert run.status == "running"
    assert [(r.run_id, r.status) for r in experiment.runs] == [(0, "complete")]
    assert entry(repo, run.job_id)["status"] == "complete"
    (checkpoint,) = saved(repo)
    assert checkpoint.name == "name" and checkpoint.facts is not None
    assert (checkpoint.facts.status, checkpoint.facts.runs) == ("running", 1)
    assert experiment.status == "running" and experiment.last_checkpoint_error is None
    assert refs(repo, "artifact") == [] == records(repo)


@pytest.mark.parametrize(
    ("error", "status", "ended_by", "reason"),
    [
        (ValueError("not good"), "failed", "exception", "ValueError: not good"),
        (KeyboardInterrupt(), "stopped", "interrupt", ""),
        (SystemExit(0), "complete", "exit", ""),
        (SystemExit(None), "complete", "exit", ""),
        (SystemExit(3), "failed", "exit", "SystemExit: 3"),
    ],
)
def test_run_exits_with_an_exception(
    repo: Machine, error: BaseException, status: str, ended_by: str, reason: str
) -> None:
    """REC-08, trap 43: its partial state is kept with a reason; the exception goes on."""
    experiment = Experiment()
    with pytest.raises(type(error)) as caught, experiment.run() as run:  # noqa: PT012
        run.log_parameter("reached", 1)
        raise error
    assert caught.value is error
    (ended,) = experiment.runs
    assert (ended.status, ended.parameters) == (status, {"reached": 1})
    assert ended.error == reason  # type: ignore[union-attr]
    filed = entry(repo, run.job_id)
    assert (filed["status"], filed["ended_by"], filed["params"]) == (
        status,
        ended_by,
        {"reached": 1},
    )
    (checkpoint,) = saved(repo)
    assert checkpoint.facts is not None and checkpoint.facts.runs == 1


def test_a_reason_is_cut(repo: Machine) -> None:
    """REC-08: a reason has at most 512 characters."""
    experiment = Experiment()
    with pytest.raises(RuntimeError), experiment.run() as run:
        raise RuntimeError("x" * 5000)
    assert entry(repo, run.job_id)["error"]["message"] == "x" * 512


def test_commit_succeeds(repo: Machine) -> None:
    """SES-07: the name is published, the checkpoint removed, the ledger told."""
    experiment = Experiment("name")
    experiment.log_json("dataset", {"rows": 3})
    with experiment.run():
        pass
    artifact = experiment.commit()
    assert experiment.status == "complete" and experiment.artifact == artifact
    assert saved(repo) == []
    (ref,) = refs(repo, "artifact")
    assert (ref.name, ref.digest) == ("name", artifact.digest)
    assert [path.stem for path in records(repo)] == [artifact.digest.removeprefix("sha256:")]
    with pytest.raises(SessionClosedError):
        experiment.run()
    with pytest.raises(SessionClosedError):
        experiment.commit()
    with pytest.raises(SessionClosedError):
        experiment.log_json("late", 1)
    assert experiment.get_attachment("dataset") == {"rows": 3}


def test_the_block_exits_normally(repo: Machine) -> None:
    """SES-01: the end of a `with` block commits."""
    with Experiment("name") as experiment, experiment.run(x=1):
        pass
    assert experiment.artifact is not None
    assert Experiment.load("name").runs[0].parameters == {"x": 1}


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [(ValueError("bad"), "failed", "ValueError: bad"), (KeyboardInterrupt(), "stopped", "")],
)
def test_the_block_exits_with_an_exception(
    repo: Machine, error: BaseException, status: str, reason: str
) -> None:
    """SES-01: the name is not advanced; a checkpoint says how it ended, and can be restored."""
    with Experiment("name") as first:
        first.log_json("which", 1)
    with pytest.raises(type(error)), Experiment("name") as experiment:  # noqa: PT012
        with experiment.run(x=1):
            pass
        experiment.log_json("after", "the run")
        raise error
    assert experiment.status == status
    (ref,) = refs(repo, "artifact")
    assert first.artifact is not None and ref.digest == first.artifact.digest
    (checkpoint,) = saved(repo)
    assert checkpoint.facts is not None and checkpoint.owner is None
    assert (checkpoint.facts.status, checkpoint.facts.reason) == (status, reason)
    with pytest.raises(SessionClosedError):
        experiment.run()

    again = Experiment.restore_from_checkpoint("name")
    assert again.session_id == experiment.session_id and again.status == "running"
    assert again.get_attachment("after") == "the run"
    # Failing again publishes a new checkpoint.
    with pytest.raises(OSError), again:  # noqa: PT012
        with again.run(x=2):
            pass
        raise OSError("again")
    (checkpoint,) = saved(repo)
    assert checkpoint.facts is not None
    assert (checkpoint.facts.runs, checkpoint.facts.reason) == (2, "OSError: again")
    last = Experiment.restore_from_checkpoint("name")
    artifact = last.commit()
    assert saved(repo) == []
    assert [r.parameters for r in Experiment.load("name").runs] == [{"x": 1}, {"x": 2}]
    assert Experiment.load("name").artifact == artifact


def test_death_after_a_run_has_closed(repo: Machine) -> None:
    """SES-03, SES-04: recovery starts from the checkpoint written when the last run closed."""
    run_python(repo, "e = Experiment('n')\nwith e.run(x=1): pass\nos._exit(0)")
    experiment = Experiment.restore_from_checkpoint("n")
    assert [(r.run_id, r.status, r.parameters) for r in experiment.runs] == [
        (0, "complete", {"x": 1})
    ]
    with experiment.run(x=2) as run:
        assert run.run_id == 1
    experiment.commit()
    assert len(Experiment.load("n").runs) == 2


def test_death_in_an_open_run(repo: Machine) -> None:
    """SES-04, RUN-06, trap 42: its bytes exist, the session is as before it; it counts as lost."""
    code = (
        "e = Experiment('n')\nwith e.run(x=1): pass\n"
        "r = e.run(x=2)\nr.log_json('big', list(range(100)))\nprint(r.job_id)\n"
        "print(r.attachments['big'].digest)\nsys.stdout.flush()\nos._exit(0)"
    )
    job_id, digest = run_python(repo, code).stdout.split()
    experiment = Experiment.restore_from_checkpoint("n")
    assert [r.run_id for r in experiment.runs] == [0]
    assert digest in blobs(repo)
    with experiment.run(x=3) as run:
        assert run.run_id == 2, "the number of the lost run is never given again"
    repo.aexp_fast("recover", "--apply")
    assert statuses(repo) == ["complete", "abandoned", "complete"]
    lost = entry(repo, job_id)
    assert (lost["status"], lost["ended_by"]) == ("abandoned", "lost")
    experiment.commit()
    assert [r.run_id for r in Experiment.load("n").runs] == [0, 2]


def test_death_without_a_closed_run(repo: Machine) -> None:
    """SES-04: before the first run has closed there is no checkpoint."""
    run_python(repo, "e = Experiment('n')\ne.log_json('a', 1)\nr = e.run()\nos._exit(0)")
    with pytest.raises(NotFoundError):
        Experiment.restore_from_checkpoint("n")
    assert saved(repo) == []


def test_attachments_after_the_last_run(repo: Machine) -> None:
    """SES-02: they are in the next checkpoint; `checkpoint()` forces one."""
    code = (
        "e = Experiment('n')\nwith e.run(): pass\ne.log_json('forced', 1)\ne.checkpoint()\n"
        "e.log_json('lost', 2)\nos._exit(0)"
    )
    run_python(repo, code)
    assert Experiment.restore_from_checkpoint("n").attachment_names == ["forced"]


def test_a_closed_session_can_be_restored_in_the_same_process(repo: Machine) -> None:
    """SES-03: a notebook lets a session go and takes it up again; so does one that lost it."""
    experiment = Experiment("n")
    with experiment.run(x=1):
        pass
    experiment.log_json("note", "kept")
    experiment.close()
    with pytest.raises(SessionClosedError):
        experiment.run()
    again = Experiment.restore_from_checkpoint("n")
    assert again.get_attachment("note") == "kept"
    with again.run(x=2):
        pass
    session_id = again.session_id
    del again  # the variable was assigned to something else
    third = Experiment.restore_from_checkpoint(session_id)
    assert [r.parameters for r in third.runs] == [{"x": 1}, {"x": 2}]


def test_sigterm_in_a_run_and_in_the_block(repo: Machine) -> None:
    """RUN-02, REC-08: SIGTERM stops the run, keeps a checkpoint, and exits with 143."""
    code = HEAD + (
        "with Experiment('n') as e:\n"
        "    with e.run(x=1): pass\n"
        "    with e.run(x=2) as r:\n"
        "        r.log_parameter('reached', True)\n"
        "        print('ready', flush=True)\n"
        "        time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        cwd=repo.path,
        env=checkout_environ(),
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert statuses(repo) == ["complete", "stopped"]
    (checkpoint,) = saved(repo)
    assert checkpoint.facts is not None
    assert (checkpoint.facts.status, checkpoint.facts.runs) == ("stopped", 2)
    restored = Experiment.restore_from_checkpoint("n")
    assert restored.runs[1].parameters == {"x": 2, "reached": True}


def test_sigterm_in_a_run_without_a_block(repo: Machine) -> None:
    """RUN-02: the run that put the handler in place turns the signal into an exit."""
    code = (
        "e = Experiment('n')\n"
        "try:\n"
        "    with e.run(x=1):\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        time.sleep(30)\n"
        "except SystemExit as stop:\n"
        "    print(stop.code, e.runs[0].status, signal.getsignal(signal.SIGTERM).name)\n"
    )
    assert run_python(repo, code).stdout.split() == ["143", "stopped", "SIG_DFL"]


def test_a_dropped_run_stays_open(repo: Machine) -> None:
    """REC-08, trap 56: no finaliser closes it; commit names it, `recover` finds it lost."""
    code = (
        "import gc\nfrom aexp.errors import OpenRunsError\n"
        "e = Experiment('n')\nwith e.run(): pass\ne.run(x=1)\ngc.collect()\n"
        "try:\n    e.commit()\n"
        "except OpenRunsError as error:\n    print(error)\n"
    )
    told = run_python(repo, code).stdout
    assert "run 1 (" in told
    assert statuses(repo) == ["complete", "running"]
    assert "lost" in repo.aexp_fast("recover").stdout
    repo.aexp_fast("recover", "--apply")
    assert statuses(repo) == ["complete", "abandoned"]


def test_an_interrupt_while_a_run_is_being_closed(
    repo: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REC-08: Ctrl-C in the middle of closing does not leave half a run behind."""
    import aexp.recording.run as module

    real, calls = module.close_attempt, []

    def interrupted(*args: object, **options: object) -> object:
        calls.append(1)
        if len(calls) == 1:
            real(*args, **options)  # type: ignore[arg-type]
            raise KeyboardInterrupt
        return real(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "close_attempt", interrupted)
    experiment = Experiment("n")
    with pytest.raises(KeyboardInterrupt), experiment.run(x=1) as run:
        run.log_metric("loss", 0.5)
    (ended,) = experiment.runs
    assert (ended.status, ended.metrics("loss")[0].number) == ("complete", 0.5)
    with pytest.raises(RunClosedError):
        run.finish()
    experiment.commit()


def test_a_forked_child_closes_nothing(repo: Machine) -> None:
    """REC-08: a child that leaves the blocks of its parent ends neither run nor session."""
    code = (
        "import warnings\nwarnings.simplefilter('ignore')  # 3.12 warns of fork beside threads\n"
        "with Experiment('n') as e:\n"
        "    with e.run(x=1) as run:\n"
        "        pid = os.fork()\n"
        "        if pid == 0:\n"
        "            run.log_metric('of the child', 2.0)\n"
        "            sys.exit(7)\n"
        "        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
        "        run.log_metric('of the parent', 1.0)\n"
    )
    assert run_python(repo, code).stdout.split() == ["7"]
    (run,) = Experiment.load("n").runs
    assert run.metric_names == ["of the child", "of the parent"]


def test_the_session_is_protected_while_it_is_open(repo: Machine) -> None:
    """GC-02: an open session holds a lease, and lets it go at its end."""
    experiment = Experiment("n")
    registry = registry_of(repo)
    assert [lease.what for lease in registry.live_leases()] == [f"session {experiment.session_id}"]
    experiment.commit()
    assert registry.live_leases() == []


def test_collecting_garbage_beside_an_open_session(repo: Machine) -> None:
    """GC-03, trap 36: with no grace at all, nothing that an open session wrote is taken."""
    experiment = Experiment("n")
    experiment.log_json("early", [1, 2, 3])
    with experiment.run(x=1) as run:
        run.log_json("closed", "a")
    run = experiment.run(x=2)
    run.log_json("open", "b")
    repo.aexp("registry", "gc", "--delete", "--grace-period", "0s")
    run.log_json("after", "c")
    run.finish()
    experiment.close()
    repo.aexp("registry", "gc", "--delete", "--grace-period", "0s")
    again = Experiment.restore_from_checkpoint("n")
    again.commit()
    repo.aexp("registry", "gc", "--delete", "--grace-period", "0s")
    loaded = Experiment.load("n")
    assert loaded.get_attachment("early") == [1, 2, 3]
    assert [loaded.runs[1].get_attachment(name) for name in ("open", "after")] == ["b", "c"]
    assert loaded.runs[0].get_attachment("closed") == "a"
    repo.aexp_fast("registry", "verify")
