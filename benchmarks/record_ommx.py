"""Record runs with the experiments of OMMX 3 in this process, when asked; see ``worker.py``.

python record_ommx.py serve FOLDER
python record_ommx.py only FOLDER RUNS      just records
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from pathlib import Path
from typing import Any

from worker import bytes_written, serve

ATTACHED = 10_000
"""Bytes of an attachment."""


class Recorder:
    """An experiment in a new local registry.

    Args:
        folder: where the registry goes.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        os.environ["OMMX_LOCAL_REGISTRY_ROOT"] = str(folder / "registry")  # before the import
        self._api = importlib.import_module("ommx.experiment")
        self._value = self._opened = 0
        self._experiment: Any = None
        self.open()

    def open(self) -> None:
        """Begin another experiment."""
        self._opened += 1
        self._experiment = self._api.Experiment(self._name())

    def _name(self) -> str:
        return f"local/bench:{self._opened}"

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
        """Return the seconds of taking the experiment up again from its checkpoint."""
        self._experiment = None
        start = time.perf_counter()
        self._experiment = self._api.Experiment.restore_from_checkpoint(self._name())
        return time.perf_counter() - start

    def commit(self) -> float:
        """Return the seconds of sealing the experiment."""
        start = time.perf_counter()
        self._experiment.commit()
        return time.perf_counter() - start


VERBS = ("open", "empty", "attach", "many", "restore", "commit")

if __name__ == "__main__":
    recorder = Recorder(Path(sys.argv[2]))
    if sys.argv[1] == "serve":
        serve({name: getattr(recorder, name) for name in VERBS})
    else:
        recorder.many(int(sys.argv[3]))
