"""The one thread that does this process's regular work."""

from __future__ import annotations

import os
import threading
import time
import warnings
from itertools import pairwise

import pytest

from aexp.storage.ticker import Ticker, ticker
from tests.runs.world import until


def test_tasks_are_called_until_they_are_cancelled() -> None:
    """REC-03: each at its own interval; one that is cancelled is not called again."""
    mine = Ticker()
    fast: list[float] = []
    slow: list[float] = []
    stop_fast = mine.add(0.02, lambda: fast.append(time.monotonic()))
    stop_slow = mine.add(0.2, lambda: slow.append(time.monotonic()))
    until(lambda: len(slow) >= 2)
    stop_fast()
    stop_slow()
    counts = len(fast), len(slow)
    assert counts[0] > counts[1]
    assert all(later - sooner >= 0.015 for sooner, later in pairwise(fast))
    time.sleep(0.3)
    assert len(fast) <= counts[0] + 1  # the one that was just being called
    assert len(slow) <= counts[1] + 1


def test_a_sooner_task_does_not_wait_for_a_later_one() -> None:
    """REC-03: a stream opened while a heartbeat is 15 s away is flushed within its second."""
    mine = Ticker()
    mine.add(60.0, lambda: None)
    time.sleep(0.05)  # the thread is waiting for the heartbeat now
    called = threading.Event()
    mine.add(0.05, called.set)
    assert called.wait(5.0)


def test_after_a_pause_it_goes_on() -> None:
    """A thread that has gone to sleep is woken by the next task."""
    mine = Ticker()
    first = threading.Event()
    mine.add(0.01, first.set)()
    assert mine._wakes_at is None or mine._wakes_at > 0
    mine._was_idle = True
    with mine._wake:
        mine._wake.notify()
    until(lambda: mine._wakes_at is None)
    second = threading.Event()
    mine.add(0.01, second.set)
    assert second.wait(5.0)
    assert not first.is_set()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_starts_without_tasks() -> None:
    """RUN-05: the child neither writes its parent's records nor beats for it."""
    called = threading.Event()
    stop = ticker.add(0.01, called.set)
    assert called.wait(5.0)
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads
        child = os.fork()
    if child == 0:
        alone = not ticker._tasks
        worked = threading.Event()
        ticker.add(0.01, worked.set)
        os.write(write, bytes([alone, worked.wait(5.0)]))
        os._exit(0)
    os.waitpid(child, 0)
    stop()
    assert os.read(read, 2) == bytes([True, True])
    os.close(read)
    os.close(write)
