"""The same training as a function, at points that a Latin hypercube draws: ``python search.py``."""

from __future__ import annotations

from pathlib import Path

import aexp
from aexp.sweep import SkipPoint, sweep

HERE = Path(__file__).parent
SPEC = {
    "callable": "search:point",
    "script": str(HERE / "digits.py"),
    "parameters": {
        "latin_hypercube": {
            "n": 6,
            "seed": 7,
            "parameters": {"lr": {"loguniform": [3e-4, 0.3]}, "width": {"integer": [2, 48]}},
        }
    },
    "fixed": {"passes": 5},
    "backend": {"kind": "local", "workers": 2},
}


def point(lr: float, width: int, passes: int) -> dict[str, float]:
    """Train at one point; what is returned by name is recorded as its metrics."""
    from digits import train

    if width < 3:
        raise SkipPoint("three neurons are the least that is worth a try")
    run = aexp.current_run()
    accuracy = 0.0
    for number, accuracy, _ in train(lr, width, seed=0, passes=passes):
        if run is not None:
            run.log_metric("accuracy", accuracy, step=number)
    return {"best": accuracy}


if __name__ == "__main__":
    table = sweep(SPEC)
    print(table.sort_values("best", ascending=False).to_string())
