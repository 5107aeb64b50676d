"""Presets: experiments choose options and values, multiruns sweep over some."""

from __future__ import annotations

from hydra_zen import store

from aexp.execution import multirun_config

store(
    {
        "defaults": [{"override /model_config": "quick"}, "_self_"],
        "description": "Does it run at all?",
    },
    group="experiment",
    package="_global_",
    name="smoke",
)

multirun_config(
    "alphas",
    ["model_config=quick", "model_config.alpha=0.0001,0.01"],
    description="How strongly should the weights be held down?",
)
