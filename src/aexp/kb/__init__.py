"""Hypotheses, experiments and findings: markdown artifacts under ``kb/research/``."""

from aexp.kb.artifacts import (
    Artifact,
    find_artifact,
    find_experiment,
    near_ids,
    parse_artifact,
    read_artifacts,
    require_artifact,
)
from aexp.kb.conditions import conditions, resolve_conditions
from aexp.kb.create import Created, create_experiment, create_finding, create_hypothesis
from aexp.kb.names import FOLDERS, KINDS, PARENTS, Kind

__all__ = [
    "FOLDERS",
    "KINDS",
    "PARENTS",
    "Artifact",
    "Created",
    "Kind",
    "conditions",
    "create_experiment",
    "create_finding",
    "create_hypothesis",
    "find_artifact",
    "find_experiment",
    "near_ids",
    "parse_artifact",
    "read_artifacts",
    "require_artifact",
    "resolve_conditions",
]
