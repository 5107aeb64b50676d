"""Is the owner of a run still alive?"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aexp import process
from aexp.model.owner import Liveness, Owner
from aexp.process import describe_process, liveness, process_start_time, this_process
from tests.support.machines import checkout_environ


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that sleeps."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as running:
        yield running
        if running.poll() is None:
            running.kill()


def test_this_process_is_alive() -> None:
    """RUN-06: a process says of itself that it lives."""
    me = this_process()
    assert (me.pid, me.host) == (os.getpid(), socket.gethostname())
    assert me.start_time
    assert liveness(me) is Liveness.ALIVE


def test_another_process_lives_and_dies(child: subprocess.Popen[bytes]) -> None:
    """RUN-06: alive, then a zombie (ended, not yet reaped), then gone: the last two are dead."""
    owner = describe_process(child.pid)
    assert liveness(owner) is Liveness.ALIVE
    child.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert Path(f"/proc/{child.pid}").exists() or sys.platform != "linux"
    assert liveness(owner) is Liveness.DEAD
    child.wait()
    assert liveness(owner) is Liveness.DEAD
    assert process_start_time(child.pid) == ""


def test_a_stopped_process_is_alive(child: subprocess.Popen[bytes]) -> None:
    """RUN-06: a suspended job is not lost."""
    owner = describe_process(child.pid)
    child.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
    assert liveness(owner) is Liveness.ALIVE


def test_a_reused_pid_is_not_the_owner(child: subprocess.Popen[bytes]) -> None:
    """RUN-06: the same number, started at another time, is another process."""
    owner = replace(describe_process(child.pid), start_time="1")
    assert liveness(owner) is Liveness.DEAD


def test_processes_that_start_in_turn_differ() -> None:
    """RUN-06: start times tell successive processes apart."""
    seen = set()
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", "from aexp.process import *; print(this_process().start_time)"],
            capture_output=True,
            text=True,
            check=True,
        )
        seen.add(done.stdout)
        time.sleep(0.02)
    assert len(seen) == 2


@pytest.mark.parametrize(
    "change", [{"host": "elsewhere"}, {"boot_id": "another"}, {"pid_namespace": "pid:[1]"}]
)
def test_what_cannot_be_seen_from_here_is_unknown(change: dict[str, Any]) -> None:
    """RUN-06: another host, another boot, another container: the heartbeat decides."""
    for pid in (os.getpid(), 2**22 + 1):
        assert liveness(replace(this_process(), pid=pid, **change)) is Liveness.UNKNOWN


def test_a_process_that_hides_is_unknown(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """RUN-06: with ``hidepid`` the /proc of other users is invisible; they are not dead."""
    owner = describe_process(child.pid)
    monkeypatch.setattr(process, "_stat_fields", lambda pid: [])
    assert liveness(owner) is Liveness.UNKNOWN
    monkeypatch.setattr(os, "kill", _refuse)
    assert liveness(owner) is Liveness.UNKNOWN
    monkeypatch.undo()
    child.kill()
    child.wait()
    monkeypatch.setattr(process, "_stat_fields", lambda pid: [])
    assert liveness(owner) is Liveness.DEAD


def _refuse(pid: int, number: int) -> None:
    raise PermissionError(1, "Operation not permitted")


def test_an_owner_without_a_start_time(child: subprocess.Popen[bytes]) -> None:
    """RUN-06: a record that never knew the start time cannot prove a live number another's."""
    owner = replace(describe_process(child.pid), start_time="")
    assert liveness(owner) is Liveness.UNKNOWN
    child.kill()
    child.wait()
    assert liveness(owner) is Liveness.DEAD


@pytest.mark.parametrize("pid", [0, -1, -4711, 2**31, 2**70])
def test_impossible_numbers_are_dead(pid: int) -> None:
    """Trap 3: a damaged record harms nobody: no signal goes to a group."""
    assert liveness(replace(this_process(), pid=pid)) is Liveness.DEAD


def test_where_ps_is_asked(child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """RUN-06: without /proc (macOS) ``ps`` tells, the same in every time zone and language."""
    monkeypatch.setattr(process, "_HAS_PROC", False)
    answers = {"Asia/Tokyo": "", "UTC": ""}
    for zone in answers:
        monkeypatch.setenv("TZ", zone)
        answers[zone] = process_start_time(child.pid)
    if not answers["UTC"]:
        pytest.skip("there is no ps")
    assert len(set(answers.values())) == 1
    owner = describe_process(child.pid)
    assert liveness(owner) is Liveness.ALIVE
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert liveness(owner) is Liveness.DEAD
    child.wait()
    assert liveness(owner) is Liveness.DEAD


def test_slurm_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """RUN-05: the job and its restart count are part of the owner."""
    monkeypatch.setenv("SLURM_JOB_ID", "99")
    assert (this_process().scheduler_job, this_process().scheduler_restart) == ("99", 0)
    monkeypatch.setenv("SLURM_RESTART_COUNT", "2")
    assert this_process().scheduler_restart == 2
    monkeypatch.setenv("SLURM_RESTART_COUNT", "many")
    assert this_process().scheduler_restart == 0


def test_a_child_describes_itself_as_its_parent_sees_it(tmp_path: Path) -> None:
    """RUN-06: two processes agree about one of them."""
    code = (
        "import json, sys; from aexp.process import this_process\n"
        "print(json.dumps(this_process().to_json()), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **checkout_environ()},
    ) as other:
        assert other.stdout is not None
        told = Owner.from_json(json.loads(other.stdout.readline()))
        assert told == describe_process(other.pid)
        other.communicate("")
