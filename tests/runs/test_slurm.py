"""`aexp run` in jobs of a real Slurm (RUN-05)."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.machines import Machine
from tests.support.sealed import CHECKOUT
from tests.support.slurm import Slurm, wait_until

pytestmark = pytest.mark.service
PYTHON = shlex.quote(sys.executable)
AEXP = f"{PYTHON} -m aexp"


def runs_of(repo: Machine) -> list[dict[str, Any]]:
    """Return the documents of all runs."""
    return [
        json.loads(path.read_bytes())
        for path in sorted((repo / ".runs/workspace").glob("[0-9a-f]*/signac_job_document.json"))
    ]


def submit(slurm: Slurm, repo: Machine, script: str, *options: str) -> str:
    """Submit a script from the root of a repository and return the job's id."""
    path = slurm.folder / f"{len(list(slurm.folder.glob('*.sh')))}.sh"
    path.write_text(f"#!/bin/bash\n{script}\n")
    log = f"--output={slurm.folder}/%x-%j.log"
    return slurm.run("sbatch", "--parsable", "--time=5", log, *options, str(path), cwd=repo.path)


def test_of_two_ranks_of_a_job_step_the_first_owns_the_run(
    slurm: Slurm, installed_repo: Machine
) -> None:
    """RUN-05: ranks that `srun` starts are one run; each rank's command runs, with its own log."""
    code = "import os; print('rank', os.environ['SLURM_PROCID'], os.environ['AEXP_JOB_ID'])"
    job = submit(
        slurm,
        installed_repo,
        f'srun --ntasks=2 {AEXP} run --sp a=1 -- {PYTHON} -c "{code}"',
        "--ntasks=2",
    )
    assert slurm.wait(job, "COMPLETED", "FAILED") == "COMPLETED"
    (document,) = runs_of(installed_repo)
    assert document["status"] == "complete"
    logs = sorted((installed_repo / ".runs").glob("**/logs/*.log"))
    assert [log.name.endswith(".rank1.log") for log in logs] == [False, True] or [
        log.name.endswith(".rank1.log") for log in logs
    ] == [True, False]
    ranks = sorted(log.read_text().split()[1] for log in logs)
    assert ranks == ["0", "1"]
    assert len({log.read_text().split()[2] for log in logs}) == 1


def test_a_requeued_job_tries_its_run_again(slurm: Slurm, installed_repo: Machine) -> None:
    """RUN-05: after `scontrol requeue` the same run has a second attempt, the first one kept."""
    code = (
        "import os, time; time.sleep(0 if int(os.environ.get('SLURM_RESTART_COUNT', '0')) else 60)"
    )
    job = submit(
        slurm,
        installed_repo,
        f'srun {AEXP} run --sp a=1 -- {PYTHON} -c "{code}"',
        "--requeue",
    )

    def running() -> bool:
        return any(document.get("status") == "running" for document in runs_of(installed_repo))

    wait_until(running, "the run to begin")
    slurm.requeue(job)
    ended = slurm.wait(job, "COMPLETED", "FAILED")
    assert ended == "COMPLETED", "".join(log.read_text() for log in slurm.folder.glob("*.log"))
    (document,) = runs_of(installed_repo)
    assert document["status"] == "complete"
    (first,) = document["attempts"]
    assert first["status"] in ("stopped", "abandoned")
    assert first["ended_by"] in ("signal", "lost")


def test_the_script_of_the_page_on_clusters_runs(slurm: Slurm, installed_repo: Machine) -> None:
    """The `sbatch` script of docs/howto/laptop-and-cluster.md: ten runs; again, nothing more."""
    page = (CHECKOUT / "docs/howto/laptop-and-cluster.md").read_text("utf-8")
    script = re.findall(r"```bash\n(#!/bin/bash\n#SBATCH.*?)```", page, re.DOTALL)
    assert len(script) == 1
    installed_repo.write("job.sh", script[0])
    installed_repo.write("train.py", "print('trained')\n")
    installed_repo.aexp("new-hypothesis", "--title", "It can be trained")
    installed_repo.aexp("new-experiment", "--title", "Train it", "--hypothesis", "H001")
    installed_repo.commit_all("Plan")
    programs = str(Path(sys.executable).parent)
    for _ in range(2):
        path = {"PATH": f"{programs}:/usr/bin:/bin"}
        job = slurm.run(
            *("sbatch", "--parsable", f"--output={slurm.folder}/%A-%a.log", "job.sh"),
            cwd=installed_repo.path,
            env=path,
        )
        for element in range(10):
            assert slurm.wait(f"{job}_{element}", "COMPLETED", "FAILED") == "COMPLETED"
        documents = runs_of(installed_repo)
        assert [document["status"] for document in documents] == ["complete"] * 10
        assert all(not document.get("attempts") for document in documents)
