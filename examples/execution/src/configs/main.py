"""The main config: which option of each group is usual."""

from __future__ import annotations

from hydra_zen import store

from aexp.execution import create_model_config

store(
    create_model_config(
        workflow="digits",
        datasets="digits",
        model_config="usual",
        description="A linear classifier of handwritten digits",
    ),
    name="aexp_model",
)
