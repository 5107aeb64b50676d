"""Whether the process of a run is gone, as Slurm says of its job (RUN-06, SWP-13)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from aexp.errors import RunBusyError
from aexp.model.owner import Owner
from aexp.repo import open_layout
from aexp.runs import slurm as runs_slurm
from aexp.runs.create import create
from aexp.runs.slurm import NoAnswerError, job_is_gone
from aexp.runs.transition import begin_attempt
from aexp.workspace.store import RunStore
from tests.support.machines import Machine
from tests.support.slurm import Slurm

OWNER = Owner("gpu023", "b", 4711, "n", "1", "99", 1, "aexp")
CONFIG = "Configuration data\nClusterName             = aexp\nSlurmUser = root\n"
JOB = "JobId=99 JobName=x UserId=a JobState={state} Reason=None Restarts={restarts} Comment=c\n"


def answering(
    monkeypatch: pytest.MonkeyPatch, job: str | Exception, config: str | Exception = CONFIG
) -> list[str]:
    """Let Slurm answer; return what it is asked."""
    asked: list[str] = []

    def ask(*command: str, **options: object) -> str:
        asked.append(" ".join(command))
        answer = config if command[-1] == "config" else job
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(runs_slurm, "ask", ask)
    runs_slurm._answers.clear()
    return asked


@pytest.mark.parametrize(
    ("state", "restarts", "gone"),
    [
        ("RUNNING", 1, False), ("COMPLETING", 1, False), ("PENDING", 1, False),
        ("COMPLETED", 1, True), ("CANCELLED", 1, True), ("NODE_FAIL", 1, True),
        ("RUNNING", 2, True), ("PENDING", 2, True),
    ],
)  # fmt: skip
def test_what_slurm_says_of_the_job_counts(
    monkeypatch: pytest.MonkeyPatch, state: str, restarts: int, gone: bool
) -> None:
    """RUN-06: an ended job, or a later start of it, has no process of the owner's any more."""
    asked = answering(monkeypatch, JOB.format(state=state, restarts=restarts))
    assert job_is_gone(OWNER) is gone
    assert job_is_gone(OWNER) is gone
    assert len(asked) == 2, "the answer counts for several runs of the job"


@pytest.mark.parametrize(
    ("job", "config", "gone"),
    [
        (NoAnswerError("slurm_load_jobs error: Invalid job id specified"), CONFIG, True),
        (NoAnswerError("Unable to contact slurm controller"), CONFIG, False),
        (JOB.format(state="COMPLETED", restarts=0), NoAnswerError("away"), False),
        (JOB.format(state="COMPLETED", restarts=0), "ClusterName = other\n", False),
        (JOB.format(state="COMPLETED", restarts=0), "", False),
    ],
)
def test_what_nobody_can_say_is_not_concluded(
    monkeypatch: pytest.MonkeyPatch, job: str | Exception, config: str | Exception, gone: bool
) -> None:
    """RUN-06: a forgotten job is gone; no answer, or another cluster's, says nothing."""
    answering(monkeypatch, job, config)
    assert job_is_gone(OWNER) is gone


@pytest.mark.parametrize("owner", [replace(OWNER, scheduler_job=""),
                                   replace(OWNER, scheduler_cluster="")])  # fmt: skip
def test_slurm_is_not_asked_where_it_cannot_know(
    monkeypatch: pytest.MonkeyPatch, owner: Owner
) -> None:
    """RUN-06: outside Slurm, and for records that do not name their cluster."""
    asked = answering(monkeypatch, JOB.format(state="COMPLETED", restarts=0))
    assert job_is_gone(owner) is False and asked == []


def test_a_machine_without_slurm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """RUN-06: then the heartbeat decides."""
    monkeypatch.setenv("PATH", str(tmp_path))
    runs_slurm._answers.clear()
    assert job_is_gone(OWNER) is False


@pytest.mark.service
def test_a_run_is_free_when_its_job_is_gone(
    slurm: Slurm, installed_repo: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RUN-06: of a process on another node, at once, and not after ten minutes without a sign."""
    monkeypatch.setattr(runs_slurm, "_BELIEVED_S", 0.0)
    log = slurm.folder / "named.log"
    job = slurm.run(
        *("sbatch", "--parsable", f"--output={log}"),
        "--wrap=echo $SLURM_CLUSTER_NAME; sleep 120",
    )
    slurm.wait(job, "RUNNING")
    layout = open_layout(installed_repo.path)
    store = RunStore(layout)
    made = create(layout, None, {"x": 1})
    first = begin_attempt(store, made.job_id)
    there = replace(OWNER, scheduler_job=job, scheduler_restart=0)
    store.update(made.job_id, _owned_by(there))
    with pytest.raises(RunBusyError, match="gave a sign of life"):
        begin_attempt(store, made.job_id)
    slurm.run("scancel", job)
    slurm.wait(job, "CANCELLED")
    assert log.read_text().strip().splitlines()[0] == "aexp"
    assert begin_attempt(store, made.job_id) != first
    (past,) = store.read_sound(made.job_id).document["attempts"]
    assert (past["status"], past["ended_by"]) == ("abandoned", "lost")


def _owned_by(owner: Owner) -> Callable[[dict[str, object]], dict[str, object]]:
    return lambda document: {**document, "owner": owner.to_json()}
