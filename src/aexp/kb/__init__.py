"""Hypotheses, experiments and findings: markdown artifacts under ``kb/research/``.

The names are loaded when they are first used: a check of findings needs nothing of what makes them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aexp.kb.artifacts import Artifact as Artifact
    from aexp.kb.artifacts import find_artifact as find_artifact
    from aexp.kb.artifacts import find_experiment as find_experiment
    from aexp.kb.artifacts import near_ids as near_ids
    from aexp.kb.artifacts import parse_artifact as parse_artifact
    from aexp.kb.artifacts import read_artifacts as read_artifacts
    from aexp.kb.artifacts import require_artifact as require_artifact
    from aexp.kb.create import Created as Created
    from aexp.kb.create import create_experiment as create_experiment
    from aexp.kb.create import create_finding as create_finding
    from aexp.kb.create import create_hypothesis as create_hypothesis
    from aexp.kb.names import FOLDERS as FOLDERS
    from aexp.kb.names import KINDS as KINDS
    from aexp.kb.names import PARENTS as PARENTS
    from aexp.kb.names import Kind as Kind

_PLACES = {
    "artifacts": (
        "Artifact",
        "find_artifact",
        "find_experiment",
        "near_ids",
        "parse_artifact",
        "read_artifacts",
        "require_artifact",
    ),
    "create": ("Created", "create_experiment", "create_finding", "create_hypothesis"),
    "names": ("FOLDERS", "KINDS", "PARENTS", "Kind"),
}
_MODULES = {name: module for module, names in _PLACES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a name on first use (PEP 562)."""
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module 'aexp.kb' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"aexp.kb.{module}"), name)
    globals()[name] = value
    return value
