"""aexp: a git-native experiment ledger.

The public names are loaded when they are first used, so that ``import aexp`` costs next to
nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from aexp.execution.repository import open_repo as open_repo
    from aexp.linking import link_to_experiment as link_to_experiment
    from aexp.linking import list_batches as list_batches
    from aexp.queries import query as query
    from aexp.recording.current import current_run as current_run
    from aexp.recording.experiment import Experiment as Experiment
    from aexp.recording.single import load_run as load_run
    from aexp.runs import create_run as create_run
    from aexp.runs import find_runs as find_runs
    from aexp.runs import get_run_store as get_run_store
    from aexp.runs import mark_status as mark_status
    from aexp.runs import open_run as open_run
    from aexp.runs import run_lifecycle as run_lifecycle
    from aexp.runs.annotate import bind_tracker as bind_tracker
    from aexp.validate import validate_repo as validate_repo

_PUBLIC = {
    "Experiment": "aexp.recording.experiment",
    "bind_tracker": "aexp.runs.annotate",
    "create_run": "aexp.runs",
    "current_run": "aexp.recording.current",
    "find_runs": "aexp.runs",
    "get_run_store": "aexp.runs",
    "link_to_experiment": "aexp.linking",
    "list_batches": "aexp.linking",
    "load_run": "aexp.recording.single",
    "mark_status": "aexp.runs",
    "open_repo": "aexp.execution.repository",
    "open_run": "aexp.runs",
    "query": "aexp.queries",
    "run_lifecycle": "aexp.runs",
    "validate_repo": "aexp.validate",
}

__all__ = ["__version__", *sorted(_PUBLIC)]


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562)."""
    module = _PUBLIC.get(name)
    if module is None:
        raise AttributeError(f"module 'aexp' has no attribute {name!r}")
    value = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
