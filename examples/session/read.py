"""Read a sealed session: which run was the best, and what does it know?"""

from __future__ import annotations

from typing import Any

from study import NAME

from aexp.experiment import Experiment

experiment = Experiment.load(NAME)
dataset: Any = experiment.get_attachment("dataset")
print(f"{len(experiment.runs)} runs on {dataset['sizes']['train']} wines")

best = min(experiment.runs, key=lambda run: run.metrics("loss")[-1].number)
weights: Any = best.get_attachment("weights")
print(f"best: alpha {best.parameters['alpha']:g}, loss {best.metrics('loss')[-1].number:.3f}")
print(f"what tells most of grower 0: {weights['grower 0'].idxmax()}")
print("written:", best.write_attachment("curve", "best-curve.png", overwrite=True))
