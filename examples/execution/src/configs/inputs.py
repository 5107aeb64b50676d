"""The groups of inputs: lists of what an execution reads."""

from __future__ import annotations

from hydra_zen import store

store([{"rid": "digits", "version": "1.0.0"}], group="datasets", name="digits")
store([{"rid": "digits"}], group="datasets", name="digits_current")
