"""The queue as a script (QUE-01)."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.queue.world import NOTE, queue, record, statuses, times_run, with_command
from tests.support.machines import Machine, run_command
from tests.support.slurm import Slurm, wait_until


def script(machine: Machine, *options: str) -> str:
    """Return a materialized script, which bash must be able to read."""
    text = machine.aexp_fast("queue", "materialize", *options).stdout
    run_command(["bash", "-n"], cwd=machine.path, input=text)
    return text


def test_a_shell_script(installed_repo: Machine, tmp_path: Path) -> None:
    """QUE-01: it runs what waited, from any folder; started again it repeats nothing."""
    with_command(installed_repo, f"{NOTE}; test {{seed}} != 1")
    ids = queue(installed_repo, "--sweep", "seed=0..2")
    target = tmp_path / "run it.sh"
    options = ["queue", "materialize", "--output", str(target)]
    done = installed_repo.aexp_fast(*options)
    assert "3 runs" in done.stdout
    subprocess.run(["bash", "-n", str(target)], check=True)
    for _ in range(2):
        ended = run_command(["bash", str(target)], cwd=tmp_path, check=False)
        ended.require(10)
    assert statuses(installed_repo, ids) == ["complete", "failed", "complete"]
    assert times_run(installed_repo) == {ids[0]: 1, ids[1]: 2, ids[2]: 1}
    queue(installed_repo, "--sp", "seed=5")
    refused = installed_repo.aexp_fast(*options, check=False).require(2)
    assert "--force" in refused.stderr
    installed_repo.aexp_fast(*options, "--force")
    assert ids[0] not in target.read_text("utf-8")


def test_lines_for_a_person(installed_repo: Machine) -> None:
    """QUE-01: each run with its parameters and command; what is odd stays a comment."""
    with_command(installed_repo, "python train.py\necho {name}")
    (job_id,) = queue(installed_repo, "--sp", 'name="a\\n$(touch evil.txt)"')
    text = script(installed_repo, "--runner", "manual")
    lines = text.splitlines()
    assert f"aexp run-queued {job_id}" in lines
    assert [line for line in lines if line and not line.startswith("#")] == [lines[-1]]
    shell = script(installed_repo)
    assert [line for line in shell.splitlines() if "evil" in line and "#" not in line] == []


SBATCH = """\
#!/usr/bin/env bash
# Does what Slurm does with an array: the script once for each task, from a copy of its own.
set -eu
cp "$1" "$1.spooled"
range=$(sed -n 's/^#SBATCH --array=\\([0-9]*\\)-\\([0-9]*\\).*/\\1 \\2/p' "$1")
set -- "$1" $range
for task in $(seq "$2" "$3"); do
  (cd / && SLURM_ARRAY_TASK_ID=$task SLURM_JOB_ID=$((100 + task)) bash "$1.spooled")
done
"""


def test_a_slurm_array(installed_repo: Machine, tmp_path: Path) -> None:
    """QUE-01: one task for each run, with the options that were asked for."""
    with_command(installed_repo, NOTE)
    ids = queue(installed_repo, "--sweep", "seed=0..2")
    options = ["--slurm-option", "--time=00:10:00", "--slurm-option", "--mem=1G", "--at-once", "2"]
    text = script(installed_repo, "--runner", "slurm", *options)
    directives = [line for line in text.splitlines() if line.startswith("#SBATCH")]
    assert directives == [
        "#SBATCH --job-name=aexp-queue", "#SBATCH --array=0-2%2",
        "#SBATCH --time=00:10:00", "#SBATCH --mem=1G",
    ]  # fmt: skip
    assert text.index("#SBATCH --mem") < text.index("\ncd ")  # Slurm reads up to the first command
    (tmp_path / "q.sbatch").write_text(text, "utf-8")
    (tmp_path / "sbatch").write_text(SBATCH, "utf-8")
    run_command(["bash", str(tmp_path / "sbatch"), str(tmp_path / "q.sbatch")], cwd=tmp_path)
    assert times_run(installed_repo) == dict.fromkeys(ids, 1)
    assert statuses(installed_repo, ids) == ["complete"] * 3


def test_an_array_of_many(installed_repo: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """QUE-01: more runs than an array may have tasks are several to a task, each in one."""
    monkeypatch.setattr("aexp.queue.scripts.MAX_ARRAY", 3)
    with_command(installed_repo, "true {seed}")
    ids = queue(installed_repo, "--sweep", "seed=0..6", "--no-commit")
    text = script(installed_repo, "--runner", "slurm")
    assert "#SBATCH --array=0-2\n" in text
    echo = re.sub(r"^exec .+? -m aexp run-queued", "echo", text, flags=re.MULTILINE)
    found = [
        run_command(
            ["bash"], cwd=tmp, input=echo, env={"SLURM_ARRAY_TASK_ID": str(task)}
        ).stdout.split()
        for task, tmp in enumerate([installed_repo.path] * 3)
    ]
    assert [len(each) for each in found] == [3, 3, 1]
    assert [job_id for each in found for job_id in each] == ids


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ([], 4),
        (["--runner", "pbs"], 2),
        (["--slurm-option", "--time=1"], 2),
    ],
)
def test_mistakes(installed_repo: Machine, options: list[str], code: int) -> None:
    """QUE-01: an empty queue and options that do not fit are said in words."""
    installed_repo.aexp_fast("queue", "materialize", *options, check=False).require(code)


def test_an_option_that_is_none(installed_repo: Machine) -> None:
    """QUE-01: an option is one word of sbatch's, and no line of its own."""
    with_command(installed_repo, "true")
    queue(installed_repo, "--sp", "seed=0")
    for option in ("time=1", "--time=1\nrm -rf /"):
        done = installed_repo.aexp_fast(
            "queue", "materialize", "--runner", "slurm", "--slurm-option", option, check=False
        )
        assert "is no Slurm option" in done.require(2).stderr


@pytest.mark.service
def test_a_real_slurm(installed_repo: Machine, slurm: Slurm, tmp_path: Path) -> None:
    """QUE-01, RUN-05: Slurm runs the array; a task that it starts again goes on with its run."""
    hold = "if [ ! -e go.txt ]; then touch held.txt; sleep 300; fi"
    with_command(installed_repo, f"if [ {{seed}} = 0 ]; then {hold}; fi; {NOTE}")
    ids = queue(installed_repo, "--sweep", "seed=0..1")
    target = tmp_path / "q.sbatch"
    installed_repo.aexp_fast(
        "queue", "materialize", "--runner", "slurm", "--output", str(target),
        "--slurm-option", f"--output={tmp_path}/%a.log", "--slurm-option", "--mem=50M",
    )  # fmt: skip
    job = slurm.run("sbatch", "--parsable", str(target), cwd=tmp_path)
    wait_until((installed_repo / "held.txt").exists, "the first run to begin", 60)
    wait_until(lambda: statuses(installed_repo, ids) == ["running", "complete"], "the second", 60)
    assert record(installed_repo, ids[0]).document["owner"]["scheduler_job"]
    installed_repo.write("go.txt", "")  # what holds looks for it only when it begins
    slurm.requeue(f"{job}_0")
    slurm.wait(f"{job}_0", "COMPLETED")
    assert statuses(installed_repo, ids) == ["complete", "complete"]
    assert times_run(installed_repo) == dict.fromkeys(ids, 1)
    (past,) = record(installed_repo, ids[0]).document["attempts"]
    assert (past["status"], past["ended_by"]) in [("stopped", "signal"), ("abandoned", "lost")]
