"""SlurmPool on a real Slurm of one node, without accounting (SWP-13)."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aexp.errors import MissingExtraError, SweepConfigError
from aexp.repo import open_layout
from aexp.runs import slurm as runs_slurm
from aexp.sweep.backends import slurm_queue
from aexp.sweep.backends.base import open_pool
from aexp.sweep.backends.slurm import SlurmPool, _seconds
from aexp.sweep.backends.slurm_batches import batches_in
from aexp.sweep.outcome import Outcome
from tests.support.machines import Machine, copy_repo
from tests.support.sealed import CHECKOUT
from tests.support.slurm import Slurm, slurm_cluster, wait_until
from tests.sweep.pools import (
    all_gone,
    begun,
    has_begun,
    outcomes,
    plan,
    submit_all,
    task_of,
    told,
)

pytestmark = pytest.mark.service
POLL_S = 0.2


def runs_of(repo: Machine) -> dict[str, dict[str, Any]]:
    """Return the documents of all runs by what they do."""
    found = {}
    for path in (repo / ".runs").glob("**/signac_job_document.json"):
        point = json.loads(path.with_name("signac_statepoint.json").read_bytes())
        found[str(point["do"])] = json.loads(path.read_bytes())
    return found


def job_ids(slurm: Slurm, sweep: Any) -> list[str]:
    """Return the jobs of a sweep that wait or run, elements of arrays one by one."""
    said = slurm.run("squeue", "--noheader", "--array", "--format=%i %Z")
    lines = [line.split(maxsplit=1) for line in said.splitlines()]
    return [job for job, folder in lines if folder == str(sweep.layout.root)]


@dataclass
class Late:
    """A sweep whose jobs' time is up."""

    repo: Machine
    outcomes: list[Future[Outcome]]


@pytest.fixture(scope="module")
def late(
    slurm_of_session: Slurm, tmp_path_factory: pytest.TempPathFactory, _installed_template: Path
) -> Iterator[Late]:
    """Two points beyond their time limit: one closes its run when told to, one is deaf.

    Slurm looks at time limits twice a minute, so this begins with the module's first test, and the
    last one waits for the rest.
    """
    repo = copy_repo(_installed_template, tmp_path_factory.mktemp("late") / "repo")
    repo.label = "laptop"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in slurm_of_session.environ.items():
            patch.setenv(name, value)
        sweep = plan(repo, "hang", "deaf")
        with SlurmPool(poll=POLL_S) as pool:
            futures = submit_all(pool, sweep)
            for run_id in (0, 1):
                wait_until(has_begun(sweep, run_id), "the points to begin")
            (batch,) = batches_in(sweep.folder)
            for run_id in (0, 1):
                slurm_of_session.let_time_be_up(f"{batch.job}_{run_id}")
            yield Late(repo, futures)


def test_points_are_an_array_of_jobs(slurm: Slurm, installed_repo: Machine, late: Late) -> None:
    """SWP-13: what comes at once is one array; a failure, a killed worker cost their own point."""
    sweep = plan(installed_repo, "ok", "fail", "die", "ok")
    with SlurmPool(workers=10, time="10m", poll=POLL_S) as pool:
        futures = submit_all(pool, sweep)
        wait_until(lambda: [b for b in batches_in(sweep.folder) if b.job], "the submission")
        (batch,) = batches_in(sweep.folder)
        assert [run_id for run_id, _ in batch.tasks] == [0, 1, 2, 3]
        ended = outcomes(futures)
    assert [told(outcome) for outcome in ended] == [
        ("ok", ""),
        ("failed", "Exit"),
        ("failed", "Signal"),
        ("ok", ""),
    ]
    assert not list(batches_in(sweep.folder))  # nothing is left to remember
    document = runs_of(installed_repo)["ok"]
    assert document["environment"]["slurm_job"]


def test_ends_that_slurm_made(slurm: Slurm, installed_repo: Machine, late: Late) -> None:
    """SWP-13: `scancel` is told from a failure, and a requeued point begins again."""
    sweep = plan(installed_repo, "fail", "hang", "once")
    with SlurmPool(workers=10, poll=POLL_S) as pool:
        futures = submit_all(pool, sweep)
        for run_id in (1, 2):
            wait_until(has_begun(sweep, run_id), "the points to begin")
        (batch,) = batches_in(sweep.folder)
        slurm.run("scancel", f"{batch.job}_1")
        slurm.requeue(f"{batch.job}_2")
        assert [told(outcome) for outcome in outcomes(futures)] == [
            ("failed", "Exit"),
            ("failed", "Cancelled"),
            ("ok", ""),
        ]
    assert len(begun(sweep, 2)) == 2
    documents = runs_of(installed_repo)
    assert documents["fail"]["status"] == "failed"
    assert documents["hang"]["status"] == "stopped"  # it could close its run
    assert documents["once"]["status"] == "complete"
    assert len(documents["once"]["attempts"]) == 1


DRIVER = """\
import sys
from pathlib import Path
from aexp.sweep.backends.base import Task
from aexp.sweep.backends.slurm import SlurmPool
folder, root, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
with SlurmPool(poll=0.2) as pool:
    futures = [pool.submit(Task(folder, n, 1, root=root)) for n in range(count)]
    for future in futures:
        future.result()
"""


def start_driver(sweep: Any) -> subprocess.Popen[bytes]:
    """Submit all points from another process, which waits for them."""
    args = [str(sweep.folder), str(sweep.layout.root), str(len(sweep.rows))]
    return subprocess.Popen([sys.executable, "-c", DRIVER, *args], cwd=CHECKOUT)


def test_jobs_of_a_driver_that_was_killed_are_found_again(
    slurm: Slurm, installed_repo: Machine
) -> None:
    """SWP-13: after `kill -9` of the driver its jobs go on; the next waits for them."""
    sweep = plan(installed_repo, "ok", "hang", "hang")
    driver = start_driver(sweep)
    for run_id in (1, 2):
        wait_until(has_begun(sweep, run_id), "the points to begin")
    driver.kill()
    driver.wait(20)
    wait_until((sweep.folder / "outcomes/0.1.json").exists, "the first to end")
    with SlurmPool(poll=POLL_S) as pool:
        live = pool.live(sweep.folder)
        assert sorted(task.run_id for task in live) == [1, 2]
        assert {task.attempt for task in live} == {1}
        (job,) = (job for job in job_ids(slurm, sweep) if job.endswith("_2"))
        slurm.run("scancel", job)
        (second,) = (future for task, future in live.items() if task.run_id == 2)
        assert told(second.result(30)) == ("failed", "Cancelled")
    # Leaving the pool ended the other, too, for it was not told to detach.
    (first,) = (future for task, future in live.items() if task.run_id == 1)
    assert told(first.result(0))[0] == "stopped"
    assert all_gone(sweep, 1)
    assert len(begun(sweep, 1)) == 1
    assert not job_ids(slurm, sweep)


def test_a_driver_killed_within_the_submission(slurm: Slurm, installed_repo: Machine) -> None:
    """SWP-13: jobs that Slurm took, whose number no driver lived to write down, are found."""
    sweep = plan(installed_repo, "hang", "hang")
    with SlurmPool(poll=POLL_S, detach=True) as pool:
        submit_all(pool, sweep)
        for run_id in (0, 1):
            wait_until(has_begun(sweep, run_id), "the points to begin")
    (record,) = (sweep.folder / "slurm").glob("*.json")
    written = json.loads(record.read_bytes())
    assert written.pop("job")
    record.write_text(json.dumps(written))
    with SlurmPool(poll=POLL_S) as pool:
        assert sorted(task.run_id for task in pool.live(sweep.folder)) == [0, 1]


def test_leaving_the_pool_ends_jobs_that_wait_and_run(
    slurm: Slurm, installed_repo: Machine
) -> None:
    """Trap 66: nothing of a sweep stays in the queue, unless it was told to detach."""
    sweep = plan(installed_repo, "hang", "hang")
    with SlurmPool(poll=POLL_S) as pool:
        first = pool.submit(task_of(sweep, 0))
        wait_until(has_begun(sweep, 0), "the point to begin")
    assert told(first.result(0))[0] == "stopped"
    assert all_gone(sweep, 0)
    assert not job_ids(slurm, sweep)
    assert runs_of(installed_repo)["hang"]["status"] == "stopped"
    with SlurmPool(poll=POLL_S, detach=True) as pool:
        second = pool.submit(task_of(sweep, 1))
        wait_until(has_begun(sweep, 1), "the point to begin")
    assert not second.done() or second.cancelled()
    assert job_ids(slurm, sweep)
    assert not all_gone(sweep, 1)


def test_a_sweep_killed_and_resumed_through_the_queue(
    slurm: Slurm, installed_repo: Machine
) -> None:
    """SWP-10, SWP-13: `aexp sweep run`, `kill -9`, `aexp sweep resume`; nothing runs twice."""
    installed_repo.write(
        "work.py",
        "import sys, time\n"
        "open(f'begun-{sys.argv[1]}', 'a').write('x')\n"
        "time.sleep(4 if sys.argv[1] == '3' else 0)\n",
    )
    installed_repo.write(".gitignore", installed_repo.read(".gitignore") + "begun-*\n")
    installed_repo.write(
        "sweep.yaml",
        "command: python3 work.py {n}\n"
        "parameters: {grid: {n: [0, 1, 2, 3]}}\n"
        "backend: {kind: slurm, workers: 8, time: 5m, poll: 0.2}\n",
    )
    installed_repo.commit_all("Sweep")
    command = [sys.executable, "-m", "aexp", "sweep", "run", "sweep.yaml"]
    with (installed_repo.path.parent / "said").open("wb") as said:
        driver = subprocess.Popen(command, cwd=installed_repo.path, stdout=said, stderr=said)
    wait_until((installed_repo / "begun-3").exists, "the last point to begin")
    driver.kill()
    driver.wait(20)
    (folder,) = (installed_repo / ".aexp/sweeps").iterdir()
    installed_repo.aexp("sweep", "resume", folder.name)
    lines = (folder / "manifest.jsonl").read_text().splitlines()[1:]
    entries = [json.loads(line) for line in lines]
    assert sorted(entry["run_id"] for entry in entries) == [0, 1, 2, 3]
    assert {entry["status"] for entry in entries} == {"ok"}
    assert [(installed_repo / f"begun-{n}").read_text() for n in range(4)] == ["x"] * 4


def test_steps_of_an_allocation(slurm: Slurm, installed_repo: Machine) -> None:
    """SWP-13: ``{kind: srun}`` within a job runs points as steps, and stops them with itself."""
    sweep = plan(installed_repo, "ok", "fail", "hang")
    code = STEPS.format(folder=str(sweep.folder), root=str(sweep.layout.root))
    script = slurm.folder / "steps.sh"
    script.write_text(f"#!/bin/bash\nexec {shlex.quote(sys.executable)} - <<'END'\n{code}\nEND\n")
    log = slurm.folder / "steps.log"
    job = slurm.run(
        *("sbatch", "--parsable", "--ntasks=3", f"--output={log}", str(script)), cwd=CHECKOUT
    )
    assert slurm.wait(job, "COMPLETED", "FAILED", timeout=60) == "COMPLETED", log.read_text()
    assert log.read_text().split() == ["3", "ok", "failed", "stopped"]
    documents = runs_of(installed_repo)
    assert {document["environment"]["slurm_job"] for document in documents.values()} == {job}
    assert len({document["environment"]["slurm_step"] for document in documents.values()}) == 3
    assert all_gone(sweep, 2)


STEPS = """\
import time
from pathlib import Path
from aexp.sweep.backends.base import Task
from aexp.sweep.backends.srun import SrunPool
folder, root = Path({folder!r}), Path({root!r})
with SrunPool() as pool:
    futures = [pool.submit(Task(folder, n, 1, root=root)) for n in range(3)]
    print(pool.workers, futures[0].result().status, futures[1].result().status)
    while not (root / "begun-2").exists():
        time.sleep(0.1)
print(futures[2].result().status)
"""


def test_what_slurm_refuses_is_said(slurm: Slurm, installed_repo: Machine) -> None:
    """SWP-13: an unknown partition ends the sweep in a line with Slurm's own words."""
    sweep = plan(installed_repo, "ok")
    with (
        SlurmPool(sbatch={"partition": "gone"}, poll=POLL_S) as pool,
        pytest.raises(SweepConfigError, match=r"(?i)Slurm takes no job: .*partition"),
    ):
        pool.submit(task_of(sweep, 0)).result(30)
    assert not list(batches_in(sweep.folder))


def test_a_time_limit_is_told_from_a_failure(slurm: Slurm, late: Late) -> None:
    """SWP-13: for a point that could close its run, and for one that Slurm had to kill."""
    for outcome in outcomes(late.outcomes):
        assert told(outcome) == ("failed", "Walltime")
        assert outcome.error is not None
        assert outcome.error.message.startswith("Slurm ended the job at its time limit")
    assert runs_of(late.repo)["hang"]["status"] == "stopped"


def processes_of_job(pid: int) -> list[int]:
    """Return a process of a job and those above it up to Slurm's own, which stands first."""
    found = [pid]
    while Path(f"/proc/{found[0]}/comm").read_text().strip() != "slurmstepd":
        stat = Path(f"/proc/{found[0]}/stat").read_text().rpartition(")")[2].split()
        found.insert(0, int(stat[1]))
        assert found[0] > 1
    return found


@pytest.mark.slow
def test_a_controller_and_a_node_that_restart(installed_repo: Machine, monkeypatch: Any) -> None:
    """SWP-13: while Slurm does not answer nothing is concluded; jobs outlive both daemons."""
    with slurm_cluster() as slurm:
        for name, value in slurm.environ.items():
            monkeypatch.setenv(name, value)
        sweep = plan(installed_repo, "hang", "hang")
        with SlurmPool(poll=POLL_S) as pool:
            futures = submit_all(pool, sweep)
            for run_id in (0, 1):
                wait_until(has_begun(sweep, run_id), "the points to begin")
            slurm.stop("slurmctld")
            time.sleep(10 * POLL_S)
            assert not any(future.done() for future in futures)
            slurm.start("slurmctld")
            slurm.wait_ready()
            slurm.stop("slurmd", kill=True)
            slurm.start("slurmd")
            slurm.wait_ready()
            time.sleep(10 * POLL_S)
            assert not any(future.done() for future in futures)
            os.kill(begun(sweep, 0)[0][1], signal.SIGKILL)
            assert told(futures[0].result(60)) == ("failed", "Signal")
            slurm.end_jobs()
            assert told(futures[1].result(60)) == ("failed", "Cancelled")


@pytest.mark.slow
def test_a_node_that_fails_lets_its_points_begin_again(
    installed_repo: Machine, monkeypatch: Any
) -> None:
    """SWP-13: Slurm requeues what a dead node ran; the point's run gets a second attempt."""
    with slurm_cluster() as slurm:
        for name, value in slurm.environ.items():
            monkeypatch.setenv(name, value)
        sweep = plan(installed_repo, "once")
        with SlurmPool(poll=POLL_S) as pool:
            (future,) = submit_all(pool, sweep)
            wait_until(has_begun(sweep, 0), "the point to begin")
            (job,) = job_ids(slurm, sweep)
            slurm.stop("slurmd", kill=True)
            for pid in processes_of_job(begun(sweep, 0)[0][0]):
                os.kill(pid, signal.SIGKILL)
            slurm.run("scontrol", "update", "NodeName=localhost", "State=DOWN", "Reason=test")
            slurm.start("slurmd")
            time.sleep(5)  # the node ends what it finds of the job, and must not find it anew
            slurm.wait_ready()
            slurm.wait(job, "PENDING", "RUNNING")
            slurm.run("scontrol", "update", f"JobId={job}", "StartTime=now")
            assert told(future.result(120)) == ("ok", "")
        assert len(begun(sweep, 0)) == 2


@pytest.mark.parametrize(
    ("limit", "seconds"),
    [
        ("2h", 7200),
        ("90m", 5400),
        (30, 1800),
        ("30", 1800),
        ("2:30", 150),
        ("02:00:00", 7200),
        ("1-12", 129600),
        ("1-00:30", 88200),
        (None, None),
    ],
)
def test_time_limits(limit: object, seconds: int | None) -> None:
    """SWP-16: a duration, or any form that `sbatch --time` takes."""
    assert _seconds(limit) == seconds


@pytest.mark.parametrize("limit", ["soon", "", 0, True, "1:2:3:4"])
def test_time_limits_that_are_none(limit: object) -> None:
    """SWP-16: anything else is refused before a job is submitted."""
    with pytest.raises(SweepConfigError, match=r"backend\.time"):
        _seconds(limit)


def test_what_settings_say(installed_repo: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """SWP-16: what the sweep sets itself is refused; one line says what is missing."""
    layout = open_layout(installed_repo)
    pool = open_pool(
        {"kind": "slurm", "workers": 7, "sbatch": {"mem": "8G"}, "setup": ["module load x"]}, layout
    )
    assert (pool.name, pool.workers) == ("slurm", 7)
    with pytest.raises(SweepConfigError, match="may not have 'job_name'"):
        SlurmPool(sbatch={"job_name": "x"})
    with pytest.raises(SweepConfigError, match="whole number from 1"):
        SlurmPool(workers=0)
    with pytest.raises(SweepConfigError, match="within an allocation"):
        open_pool({"kind": "srun"}, layout)
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(MissingExtraError) as caught:
        SlurmPool()
    assert caught.value.hint == 'pip install "aexp[slurm]"'


def test_a_machine_without_slurm(installed_repo: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """SWP-13: the sweep ends in one line where there is no `sbatch`."""
    sweep = plan(installed_repo, "ok")
    git = Path(shutil.which("git") or "git").parent
    only_git = installed_repo.path.parent / "bin"
    only_git.mkdir()
    (only_git / "git").symlink_to(git / "git")
    monkeypatch.setenv("PATH", str(only_git))
    monkeypatch.setattr("aexp.sweep.backends.slurm.ANSWER_S", 0.0)
    with (
        SlurmPool(poll=POLL_S) as pool,
        pytest.raises(SweepConfigError, match="Slurm takes no job"),
    ):
        pool.submit(task_of(sweep, 0)).result(30)


def test_what_slurm_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """SWP-13: lines of `squeue`, ids of arrays, an answer that does not come."""
    said = "12_0|RUNNING|None|ab\n12_1|PENDING|Resources|ab\n13|TIMEOUT|TimeLimit|(null)\n\n"
    monkeypatch.setattr(slurm_queue, "ask", _answering(said))
    states = slurm_queue.jobs_named({"aexp-x"})
    assert [(s.job, s.active, s.comment) for s in states.values()] == [
        ("12_0", True, "ab"),
        ("12_1", True, "ab"),
        ("13", False, "(null)"),
    ]
    assert states["13"].ending() == ("Walltime", "Slurm ended the job at its time limit (13)")
    assert slurm_queue.jobs_named(set()) == {}
    shown = "JobId=15 ArrayJobId=12 ArrayTaskId=1 JobName=a JobState=COMPLETING Reason=TimeLimit\n"
    monkeypatch.setattr(runs_slurm, "ask", _answering(shown))
    for name in ("15", "12_1"):
        state = slurm_queue.one_job(name)
        assert state is not None and state.active
        assert state.ending() == ("Walltime", f"Slurm ended the job at its time limit ({name})")
    assert slurm_queue.one_job("16") is None


def _answering(text: str) -> Callable[..., str]:
    return lambda *command, **options: text
