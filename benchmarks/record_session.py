"""Record a session in this process, when asked; see ``worker.py``.

    python record_session.py serve ROOT
    python record_session.py only ROOT RUNS      just records, and prints what it counted itself

ROOT is a repository with an experiment E001.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from aexp.experiment import Experiment
from record import METRICS, counting_syncs
from worker import bytes_written, serve

ATTACHED = 10_000
"""Bytes of an attachment."""


class Recorder:
    """A session in a repository.

    Args:
        root: the repository.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._value = 0
        self._experiment: Experiment
        self.open()

    def open(self) -> None:
        """Begin another session."""
        self._experiment = Experiment(experiment_id="E001", repo_root=self._root)

    def empty(self) -> float:
        """Return the seconds of a run with one parameter."""
        self._value += 1
        start = time.perf_counter()
        with self._experiment.run() as run:
            run.log_parameter("value", self._value)
        return time.perf_counter() - start

    def attach(self) -> float:
        """Return the seconds of a run with one parameter and one attachment."""
        self._value += 1
        data = os.urandom(ATTACHED)
        start = time.perf_counter()
        with self._experiment.run() as run:
            run.log_parameter("value", self._value)
            run.log_attachment("data", "application/octet-stream", data)
        return time.perf_counter() - start

    def metrics(self) -> float:
        """Return the seconds per metric of logging many into one run, flushed."""
        with self._experiment.run() as run:
            start = time.perf_counter()
            for step in range(METRICS):
                run.log_metric("loss", 0.5, step)
            run.flush()
            return (time.perf_counter() - start) / METRICS

    def many(self, count: int) -> list[tuple[float, int | None]]:
        """Return the seconds, and the bytes written, of each of ``count`` runs."""
        found: list[tuple[float, int | None]] = []
        for _ in range(count):
            before = bytes_written()
            seconds = self.empty()
            after = bytes_written()
            found.append((seconds, None if before is None or after is None else after - before))
        return found

    def restore(self) -> float:
        """Return the seconds of taking the session up again from its checkpoint."""
        session_id = self._experiment.session_id
        self._experiment.close()
        start = time.perf_counter()
        self._experiment = Experiment.restore_from_checkpoint(session_id, repo_root=self._root)
        return time.perf_counter() - start

    def commit(self) -> float:
        """Return the seconds of sealing the session."""
        start = time.perf_counter()
        self._experiment.commit()
        return time.perf_counter() - start


VERBS = ("open", "empty", "attach", "metrics", "many", "restore", "commit")


def main(arguments: Sequence[str]) -> None:
    """Do what the arguments say."""
    verb, root, *rest = arguments
    if verb == "serve":
        recorder = Recorder(Path(root))
        verbs: dict[str, Callable[..., object]] = {name: getattr(recorder, name) for name in VERBS}
        serve(verbs)
        return
    with counting_syncs() as seen:
        Recorder(Path(root)).many(int(rest[0]))
    print(json.dumps(seen))


if __name__ == "__main__":
    main(sys.argv[1:])
