"""Record runs with MLflow on SQLite in this process, when asked; see ``worker.py``.

python record_mlflow.py serve FOLDER
python record_mlflow.py only FOLDER RUNS      just records
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from pathlib import Path

from worker import serve

mlflow = importlib.import_module("mlflow")  # has its own environment, ours lacks it

METRICS = 200
ATTACHED = 10_000
"""Bytes of an attachment."""


class Recorder:
    """Runs of one experiment in a new database.

    Args:
        folder: where the database and the attachments go.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.sqlite'}")
        where = mlflow.create_experiment("bench", artifact_location=str(folder / "artifacts"))
        mlflow.set_experiment(experiment_id=where)
        self._file = folder / "data.bin"
        self._value = 0

    def empty(self) -> float:
        """Return the seconds of a run with one parameter."""
        self._value += 1
        start = time.perf_counter()
        with mlflow.start_run():
            mlflow.log_param("value", self._value)
        return time.perf_counter() - start

    def attach(self) -> float:
        """Return the seconds of a run with one parameter and one attachment, a file."""
        self._value += 1
        self._file.write_bytes(os.urandom(ATTACHED))
        start = time.perf_counter()
        with mlflow.start_run():
            mlflow.log_param("value", self._value)
            mlflow.log_artifact(str(self._file))
        return time.perf_counter() - start

    def metrics(self) -> float:
        """Return the seconds per metric of logging many into one run."""
        with mlflow.start_run():
            start = time.perf_counter()
            for step in range(METRICS):
                mlflow.log_metric("loss", 0.5, step)
            return (time.perf_counter() - start) / METRICS


if __name__ == "__main__":
    recorder = Recorder(Path(sys.argv[2]))
    if sys.argv[1] == "serve":
        serve({name: getattr(recorder, name) for name in ("empty", "attach", "metrics")})
    else:
        for _ in range(int(sys.argv[3])):
            recorder.empty()
