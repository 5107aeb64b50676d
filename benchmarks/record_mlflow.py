"""Record runs with MLflow on SQLite in this process; prints the seconds as JSON.

python record_mlflow.py FOLDER RUNS
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path

mlflow = importlib.import_module("mlflow")  # has its own environment, ours lacks it

METRICS = 200


def main(folder: Path, runs: int) -> dict[str, list[float]]:
    """Return the seconds of empty runs with one parameter, and per metric."""
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.sqlite'}")
    mlflow.set_experiment("bench")
    found: dict[str, list[float]] = {"run": [], "metric": []}
    for value in range(-1, runs):
        start = time.perf_counter()
        with mlflow.start_run():
            mlflow.log_param("value", value)
        if value >= 0:
            found["run"].append(time.perf_counter() - start)
    for _ in range(3):
        with mlflow.start_run():
            start = time.perf_counter()
            for step in range(METRICS):
                mlflow.log_metric("loss", 0.5, step)
            found["metric"].append((time.perf_counter() - start) / METRICS)
    return found


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))))
