"""``aexp.load_run``: reading back what any run recorded."""

from __future__ import annotations

import shutil
import sys

import pytest

import aexp
from aexp.errors import NotFoundError
from tests.support.machines import Machine

SCRIPT = """
import aexp
run = aexp.current_run()
for step in range(3):
    run.log_metric("loss", 1 / (step + 1), step=step)
run.log_json("plan", {"kind": "constant"})
run.log_parameter("width", 8)
"""


@pytest.fixture
def recorded(installed_repo: Machine) -> tuple[Machine, str]:
    """A repository with one run outside any session."""
    installed_repo.write("train.py", SCRIPT)
    installed_repo.aexp("run", "--sp", "lr=0.5", "--", sys.executable, "train.py")
    (folder,) = (installed_repo / ".runs/workspace").iterdir()
    return installed_repo, folder.name


def test_a_run_outside_a_session_is_read_back(recorded: tuple[Machine, str]) -> None:
    """REC-10, SES-06: curves, attachments, parameters and status, by the beginning of its id."""
    machine, job_id = recorded
    run = aexp.load_run(job_id[:8], repo_root=machine.path)
    assert (run.job_id, run.status, run.run_id) == (job_id, "complete", -1)
    assert run.parameters["width"] == 8
    assert run.statepoint["lr"] == 0.5
    assert [point.number for point in run.metrics("loss")] == [1, 1 / 2, 1 / 3]
    assert run.final_metrics == {"loss": 1 / 3}
    assert run.get_attachment("plan") == {"kind": "constant"}


def test_a_clone_has_the_facts_before_the_bytes(recorded: tuple[Machine, str]) -> None:
    """SHR-01: without the run's artifact the ledger speaks, and a byte that is not here says so."""
    machine, job_id = recorded
    shutil.rmtree(machine / ".git/aexp/registry")
    run = aexp.load_run(job_id, repo_root=machine.path)
    assert run.final_metrics == {"loss": 1 / 3}
    assert "plan" in run.attachment_names
    with pytest.raises(NotFoundError):
        run.get_attachment("plan")


def test_a_run_that_has_not_ended(installed_repo: Machine) -> None:
    """SES-04: what is not sealed is not read as if it were."""
    installed_repo.aexp("new-run", "-e", "E001", "--allow-missing", "--sp", "lr=1")
    (folder,) = (installed_repo / ".runs/workspace").iterdir()
    with pytest.raises(NotFoundError, match="nothing was sealed"):
        aexp.load_run(folder.name, repo_root=installed_repo.path)
