"""How a queued run's command is run: its output, its code, its surroundings (QUE-01, QUE-04)."""

from __future__ import annotations

import json
import shlex
import time

import pytest

from aexp.queue.execute import read_tail
from tests.queue.world import listed, queue, record, statuses, with_command, worker
from tests.runs.world import PYTHON, start, until
from tests.support.machines import Machine


def test_the_end_of_a_failed_runs_output_is_kept(installed_repo: Machine) -> None:
    """QUE-04: its last 2 KB stand in its document, whole characters only; the log has all."""
    script = "import sys\nprint('é' * 3000 + 'boom', end='', file=sys.stderr)\nexit(3)\n"
    installed_repo.write("fail.py", script)
    with_command(installed_repo, f"{shlex.quote(PYTHON)} fail.py")
    (job_id,) = queue(installed_repo, "--sp", "seed=0")
    worker(installed_repo, check=False).require(10)
    document = record(installed_repo, job_id).document
    tail = document["output_tail"]
    assert tail.count("boom") == 1
    assert len(tail.encode()) in (2047, 2048)
    assert set(tail.replace("boom", "")) == {"é"}
    assert document["error"] == {"type": "Exit", "message": "sh exited with 3"}
    (log,) = (record(installed_repo, job_id).folder / "logs").iterdir()
    assert len(log.read_bytes()) == 6004
    assert listed(installed_repo, "--all")[0]["output_tail"] == tail
    # It is for this machine: output is not sanitized, and does not go into the ledger.
    assert "boom" not in (installed_repo / f".aexp/ledger/{job_id}.json").read_text()


def test_a_complete_run_keeps_no_tail(installed_repo: Machine) -> None:
    """QUE-04: and the tail of a failed attempt moves away with it."""
    with_command(installed_repo, "echo talk; test -e good.txt")
    (job_id,) = queue(installed_repo, "--sp", "seed=0")
    worker(installed_repo, check=False).require(10)
    installed_repo.write("good.txt", "")
    installed_repo.aexp_fast("run-queued", job_id)
    document = record(installed_repo, job_id).document
    assert "output_tail" not in document
    assert document["attempts"][0]["output_tail"] == "talk\n"


def test_the_tail_of_any_bytes(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """QUE-04: bytes that are no text, a short log, and none."""
    log = tmp_path / "log"
    assert read_tail(log) == ""
    log.write_bytes(b"\xff\xfeab")
    assert read_tail(log) == "��ab"
    log.write_bytes("€".encode() * 3)
    assert read_tail(log, 4) == "€"
    log.write_bytes(b"\x80" * 9)
    assert read_tail(log, 4) == ""


def test_output_streams_live(installed_repo: Machine) -> None:
    """QUE-04: what the command prints comes at once, on the stream it was printed to."""
    code = "import sys, time\nsys.stderr.write('too\\n')\nprint('now')\ntime.sleep(60)\n"
    installed_repo.write("slow.py", code)
    with_command(installed_repo, f"{shlex.quote(PYTHON)} slow.py")
    (job_id,) = queue(installed_repo, "--sp", "seed=0")
    process = start(installed_repo, PYTHON, "-m", "aexp", "queue", "run")
    assert process.stdout is not None
    began = time.monotonic()
    assert process.stdout.readline() == b"now\n"
    assert time.monotonic() - began < 30.0
    assert record(installed_repo, job_id).status == "running"
    process.terminate()
    _, err = process.communicate(timeout=30)
    assert b"too\n" in err


def test_what_the_command_finds(installed_repo: Machine) -> None:
    """QUE-01: it is the run, in the root of the work tree, whatever folder the worker is in."""
    installed_repo.write(
        "train.py",
        "import aexp, os, sys\nrun = aexp.current_run()\n"
        "run.log_parameter('cwd_is_root', os.path.exists('train.py'))\n"
        "run.log_metric('loss', 0.5)\nprint(run.job_id == os.environ['AEXP_JOB_ID'])\n"
        "assert sys.stdin.read() == ''\n",
    )
    with_command(installed_repo, f"{shlex.quote(PYTHON)} train.py")
    (job_id,) = queue(installed_repo, "--sp", "seed=0")
    folder = installed_repo / "kb"
    done = installed_repo.aexp_fast("queue", "worker", cwd=folder)
    assert "True\n" in done.stdout
    entry = json.loads((installed_repo / f".aexp/ledger/{job_id}.json").read_text())
    assert entry["params"] == {"cwd_is_root": True}
    assert entry["metrics"]["loss"]["value"] == 0.5
    assert [each["name"] for each in entry["attachments"]] == ["metrics.jsonl", "output.log"]


def test_each_attempt_records_its_code(installed_repo: Machine) -> None:
    """QUE-01: the commit, changes and tree that an attempt really ran, and its command."""
    with_command(installed_repo, "echo {seed}")
    (job_id,) = queue(installed_repo, "--sp", "seed=0")
    worker(installed_repo)
    entry = json.loads((installed_repo / f".aexp/ledger/{job_id}.json").read_text())
    point, told = entry["statepoint"], entry["environment"]
    assert told["code_commit"] == point["code_commit"]
    assert told["code_dirty"] is False
    assert told["command"] == ["sh", "-c", "echo 0"]
    assert len(told["code_tree"]) == 40
    assert "code_drift" not in told


@pytest.mark.parametrize("edit", ["commit", "change"])
def test_other_code_is_refused(installed_repo: Machine, edit: str) -> None:
    """QUE-01: a worker refuses code that is not what was registered, and the run stays queued."""
    with_command(installed_repo, "echo ran {seed}")
    ids = queue(installed_repo, "--sweep", "seed=0..1")
    old = record(installed_repo, ids[0]).statepoint["code_commit"]
    installed_repo.write("train.py", "print('other')\n")
    if edit == "commit":
        installed_repo.commit_all("other code")
    done = worker(installed_repo, check=False).require(5)
    assert f"was queued with commit {old[:12]}" in done.stderr
    assert "--allow-code-drift" in done.stderr
    assert "ran" not in done.stdout.split()
    installed_repo.aexp_fast("run-queued", ids[0], check=False).require(5)
    installed_repo.aexp_fast("queue", "run", "--index", "0", check=False).require(5)
    assert statuses(installed_repo, ids) == ["queued", "queued"]
    assert all("attempt_id" not in record(installed_repo, job_id).document for job_id in ids)

    done = worker(installed_repo, "--allow-code-drift")
    assert "with other code than was registered" in done.stderr
    entry = json.loads((installed_repo / f".aexp/ledger/{ids[0]}.json").read_text())
    told = entry["environment"]
    assert told["code_drift"] is True
    assert entry["statepoint"]["code_commit"] == old
    if edit == "commit":
        assert told["code_commit"] == installed_repo.head()
    else:
        assert (told["code_dirty"], len(told["code_diff"])) == (True, 32)


def test_what_aexp_itself_writes_is_no_drift(installed_repo: Machine) -> None:
    """QUE-01, trap 14: a committed ledger and a rewritten finding are not other code."""
    with_command(installed_repo, "echo {seed}")
    ids = queue(installed_repo, "--sweep", "seed=0..1")
    installed_repo.aexp_fast("run-queued", ids[0])
    installed_repo.aexp_fast("ledger", "backfill")
    installed_repo.write("kb/research/notes.md", "more\n")
    installed_repo.write("results.csv", "1\n")
    worker(installed_repo)
    assert statuses(installed_repo, ids) == ["complete", "complete"]


def test_without_registered_code_any_code_will_do(installed_repo: Machine) -> None:
    """QUE-01: --no-commit registers no code; the attempt still says what it ran."""
    with_command(installed_repo, "echo {seed}")
    (job_id,) = queue(installed_repo, "--sp", "seed=0", "--no-commit")
    installed_repo.write("train.py", "print('other')\n")
    installed_repo.commit_all("other code")
    worker(installed_repo)
    told = record(installed_repo, job_id).document["environment"]
    assert told["code_commit"] == installed_repo.head()
    assert record(installed_repo, job_id).statepoint == {"experiment_id": "E001", "seed": 0}


def test_a_terminal_is_not_needed(installed_repo: Machine) -> None:
    """QUE-01: a worker without standard streams works through the queue all the same."""
    with_command(installed_repo, 'echo {seed}; read x; test -z "$x"')
    (job_id,) = queue(installed_repo, "--sp", "seed=0")
    closed = f"exec {shlex.quote(PYTHON)} -m aexp queue worker <&- >&- 2>&-"
    process = start(installed_repo, "/bin/sh", "-c", closed)
    process.communicate(timeout=30)
    until(lambda: record(installed_repo, job_id).status != "running")
    assert statuses(installed_repo, [job_id]) == ["complete"]
