"""The groups of workflows and of model functions."""

from __future__ import annotations

from digits_model import train
from hydra_zen import builds, store

store(
    {
        "name": "Digits",
        "workflow_type": "Training",
        "description": "Trains a linear classifier of handwritten digits.",
    },
    group="workflow",
    name="digits",
)
store({"name": "Explore digits", "workflow_type": "Exploration"}, group="workflow", name="explore")

# `zen_partial`: the runner calls it, and gives it the execution.
Train = builds(train, alpha=1e-4, passes=5, seed=0, zen_partial=True)
store(Train, group="model_config", name="usual")
store(Train(passes=1), group="model_config", name="quick")
