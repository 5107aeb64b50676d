"""A repository with a config folder of YAML files and a small model function, and a clean Hydra."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import aexp
from aexp.execution import ExecutionRecord
from tests.support.machines import Machine

MODEL = '''
"""A model function that writes a file, and does what it is told."""

import os
import sys
from pathlib import Path

CALLS = []


def train(execution, lr, layers=(), fail=""):
    CALLS.append(lr)
    execution.asset_file_path("Table", "out.csv").write_text(f"{lr}\\n")
    execution.log_metric("loss", lr)
    if fail == "interrupt":
        raise KeyboardInterrupt
    if fail.startswith("exit"):
        sys.exit(int(fail[4:]))
    if fail == "stray":
        from hydra.core.hydra_config import HydraConfig
        Path(HydraConfig.get().runtime.output_dir, "stray.txt").write_text("x")
    elif fail:
        raise ValueError(f"no luck\\nwith {fail}")
    return lr


def plain(lr):
    Path("plain.txt").write_text(str(lr))


class Machine:
    """A model function that is an object."""

    def __init__(self, lr):
        self.lr = lr

    def __call__(self, **told):
        told["execution"].asset_file_path("Table", "machine.csv").write_text(str(self.lr))
'''

CONFIGS = {
    "aexp_model.yaml": """
defaults:
  - _self_
  - workflow: fit
  - datasets: nothing
  - model_config: usual
description: A fit of **points**
assets: []
dry_run: false
""",
    "workflow/fit.yaml": "name: Fit\nworkflow_type: Training\n",
    "datasets/nothing.yaml": "[]\n",
    "datasets/points.yaml": "- rid: points\n",
    "model_config/usual.yaml": """
_target_: fit.train
_partial_: true
lr: 0.5
layers: [2, 3]
fail: ''
""",
    "model_config/quick.yaml": "_target_: fit.train\n_partial_: true\nlr: 9.0\nfail: ''\n",
    "model_config/plain.yaml": "_target_: fit.plain\n_partial_: true\nlr: 7\n",
    "model_config/machine.yaml": "_target_: fit.Machine\nlr: 8\n",
    "model_config/number.yaml": "_target_: builtins.int\n",
    "experiment/fast.yaml": """
# @package _global_
defaults:
  - override /model_config: quick
  - _self_
description: Quickly
""",
    "multirun/rates.yaml": """
overrides: ['model_config.lr=1,2', 'model_config.layers=[7]']
description: Which rate?
""",
    "multirun/empty.yaml": "overrides: []\n",
}


def add_configs(machine: Machine) -> Machine:
    """Write the model function and its config folder into a repository, and commit them."""
    machine.write("src/fit.py", MODEL)
    for name, text in CONFIGS.items():
        machine.write(f"src/configs/{name}", text)
    machine.commit_all("A config folder")
    return machine


@pytest.fixture
def project(installed_repo: Machine) -> Iterator[Machine]:
    """An installed repository with a config folder; Hydra is as it was, when the test ends."""
    pytest.importorskip("hydra")
    with clean_hydra(installed_repo.path):
        yield add_configs(installed_repo)


@contextmanager
def clean_hydra(folder: Path) -> Iterator[None]:
    """Take back what a program that uses Hydra leaves in its process."""
    from hydra.core.config_store import ConfigStore
    from hydra.core.global_hydra import GlobalHydra

    root = logging.getLogger()
    handlers, level, path = list(root.handlers), root.level, list(sys.path)
    repo = ConfigStore.instance().repo
    known = {*repo, "hydra"}  # its own, which its plugins give it once in a process
    try:
        yield
    finally:
        for name in set(repo) - known:
            del repo[name]
        GlobalHydra.instance().clear()
        for handler in [h for h in root.handlers if h not in handlers]:
            root.removeHandler(handler)
            handler.close()
        root.handlers[:], sys.path[:] = handlers, path
        root.setLevel(level)
        for name, module in list(sys.modules.items()):
            # Not by getattr: lazy modules import something when they are asked.
            names = vars(module)
            places = [names.get("__file__"), *(names.get("__path__") or ())]
            origin = next((place for place in places if isinstance(place, str)), None)
            if origin and Path(origin).is_relative_to(folder):
                del sys.modules[name]


def executions(machine: Machine) -> list[ExecutionRecord]:
    """Return the executions of a repository, oldest first."""
    return aexp.open_repo(machine.path).list_executions()


def outputs(record: ExecutionRecord) -> set[str]:
    """Return what an execution has published, as ``kind/name``."""
    return {f"{output.asset}/{output.name}" for output in record.outputs}


def ledger(machine: Machine) -> dict[str, bytes]:
    """Return every file of the ledger."""
    folder = machine / ".aexp/ledger"
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
