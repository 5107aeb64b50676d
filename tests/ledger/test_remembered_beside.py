"""Two processes that look at the files together say what one alone says (trap 33, LED-13)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import pytest

from tests.ledger.test_backfill import edit_run, put_run
from tests.ledger.test_remembered import CHANGES, _running_again, job_ids, large
from tests.support.machines import Machine, checkout_environ

__all__ = ["large"]

_SCRIPT = """
import io, json, os, sys, threading, time
from contextlib import redirect_stdout
from aexp import beside, cache
from aexp.cli import main
from aexp.workspace.heads import Heads

cache.MANY = cache.WORTH_SAVING = 1
cache.LARGE = 0
os.sched_getaffinity = lambda pid: {{0, 1}}
original, looked, forks = os.getpid(), [], []
look, fork = Heads._look, os.fork
receive, expect = Heads.receive, Heads.expect

def counted(self, ids):
    ids = list(ids)
    looked.append(len(ids))
    return look(self, ids)

def forked():
    forks.append(1)
    return fork()

Heads._look, os.fork = counted, forked
{fault}
said = []
for verb in {verbs}:
    out = io.StringIO()
    with redirect_stdout(out):
        try:
            main(verb)
        except SystemExit:
            pass
    said.append(out.getvalue())
print(json.dumps([said, sum(looked), len(forks)]))
"""
_VERBS = [
    ["validate", "--format", "json"],
    ["list-runs", "--format", "json"],
    ["ledger", "query", "--format", "json"],
]

_COPY_LATE = """
def late(self, *args):
    if os.getpid() != original:
        time.sleep(0.3)
    return taken(self, *args)
taken, Heads._taken = Heads._taken, late
"""
_WE_LATE = _COPY_LATE.replace("!=", "==")
_COPY_KILLED = """
import signal
def killed(self):
    os.kill(os.getpid(), signal.SIGKILL)
Heads.send = killed
"""
_CACHE_CHANGED = """
def changed(self, sent):
    rows = self._shelf.rows
    for group, (state, facts) in list(rows.items()):
        rows[group] = bytes(len(state)), facts
        self._kept[group] = []
    return receive(self, sent)
Heads.receive = changed
"""
_READS_COUNTED = """
from aexp.workspace.store import RunStore
looked.clear()
Heads._look = look
def read(self, job_id, workspace):
    looked.append(1)
    return one(self, job_id, workspace)
one, RunStore._read = RunStore._read, read
"""
_NO_PIPE = """
def none(self, count):
    raise OSError("too many open files")
beside.Shares.__init__ = none
"""
FAULTS = {
    "none": "",
    "the copy is late": _COPY_LATE,
    "we are late": _WE_LATE,
    "the copy is killed": _COPY_KILLED,
    "the cache has changed": _CACHE_CHANGED,
    "no pipe": _NO_PIPE,
}


def together(
    machine: Machine, fault: str = "", verbs: Sequence[list[str]] = _VERBS
) -> tuple[list[str], int, int]:
    """Return what the verbs say in two processes, how many runs we looked at, and the forks."""
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT.format(fault=fault, verbs=verbs)],
        cwd=machine.path,
        env={**checkout_environ(), **machine.env},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    said, looked, forks = json.loads(done.stdout.splitlines()[-1])
    return said, looked, forks


def alone(machine: Machine) -> list[str]:
    """Return what they say without a cache, in one process."""
    (machine / ".aexp/index.sqlite").unlink(missing_ok=True)
    return [machine.aexp_fast(*verb, check=False).stdout for verb in _VERBS]


_CASES = [
    *((None, fault) for fault in FAULTS),
    *((change, fault) for change in CHANGES for fault in ("the copy is late", "we are late")),
    *((_running_again, fault) for fault in ("none", "the copy is killed", "the cache has changed")),
]


@pytest.mark.parametrize(("change", "fault"), _CASES)
def test_two_say_what_one_says(
    large: Machine, change: Callable[[Machine, str], None] | None, fault: str
) -> None:
    """LED-13: whatever happened to the files, and whoever looks at which of them."""
    if change is not None:
        change(large, job_ids(large)[2])
    said, _, forks = together(large, FAULTS[fault])
    assert forks >= len(_VERBS)
    assert said == alone(large)


def test_each_looks_at_what_the_other_has_not(large: Machine) -> None:
    """LED-13: who is early does the work of both, and nobody's is done twice."""
    runs = len(job_ids(large))
    together(large)
    assert together(large, _COPY_LATE)[1] == runs * len(_VERBS)
    assert together(large, _WE_LATE)[1] == 0


def test_what_the_copy_has_read_is_not_read_again(large: Machine) -> None:
    """LED-11: also by a verb that asks for whole runs; where nothing could be kept, it is."""
    for verb in _VERBS:
        (large / ".aexp/index.sqlite").write_bytes(b"")
        assert together(large, _READS_COUNTED, [verb])[1] == 0, verb
    # One run is read anew by the copy, and is not worth keeping.
    rarely = _WE_LATE + _READS_COUNTED + "\ncache.WORTH_SAVING = 100\n"
    edit_run(large, job_ids(large)[0], tags=["baseline"])
    tags = ["ledger", "query", "--columns", "id,tags", "--format", "json"]
    said, reads, _ = together(large, rarely, [tags])
    assert ("baseline" in said[0], reads) == (True, 1)
    together(large)
    job_id = job_ids(large)[0]
    document = large / ".runs/workspace" / job_id / "signac_job_document.json"
    ahead = time.time() + 1000  # nobody knows whether it will change at that time
    os.utime(document, (ahead, ahead))
    edit_run(large, job_ids(large)[1], tags=["another"])  # what is worth keeping
    assert together(large, _WE_LATE + _READS_COUNTED, _VERBS[2:])[1] == 1


def test_a_run_that_is_new_or_renamed_is_seen(large: Machine) -> None:
    """LED-13: a folder under another name has the same files, and is another run."""
    together(large)
    put_run(large, 77)
    for fault in FAULTS.values():
        assert together(large, fault)[0] == alone(large)
        together(large)
    first = job_ids(large)[0]
    store = large / ".runs/workspace"
    other = first[:2] + "0" * 30
    os.rename(store / first, store / other)
    for fault in FAULTS.values():
        assert together(large, fault)[0] == alone(large)
        together(large)
    shutil.rmtree(store)
    for fault in FAULTS.values():
        assert together(large, fault)[0] == alone(large)
        together(large)


def test_groups_of_what_every_run_tells_open_no_file(large: Machine) -> None:
    """LED-11: after `validate` has read the runs, and kept nothing but what it needs of each."""
    together(large, verbs=_VERBS[:1])
    ask = ["ledger", "query", "--group-by", "status,seed", "--stat"]
    assert together(large, _READS_COUNTED, [[*ask, "metrics.acc:mean"]])[1] == 0
    alone_too = "os.sched_getaffinity = lambda pid: {0}"
    reads = [
        together(large, f"{_READS_COUNTED}{alone_too}", [[*ask, f"{name}:mean"]])[1]
        for name in ("metrics.acc", "wallclock_s")
    ]
    assert reads == [0, len(job_ids(large))]
