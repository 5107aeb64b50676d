"""Named blocks of parameters in an experiment (KB-02)."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from aexp.errors import CorruptDataError, NotFoundError, UnsafeValueError
from aexp.kb.artifacts import Artifact, near_ids
from aexp.model.citation import same_value
from aexp.model.statepoint import nest_keys
from aexp.model.values import parse_value

CONDITION_KEY = "condition"


def conditions(artifact: Artifact) -> dict[str, dict[str, Any]]:
    """Return the experiment's ``conditions:`` blocks by name; empty when it has none.

    Raises:
        CorruptDataError: ``conditions`` is no mapping of names to mappings.
    """
    blocks = artifact.frontmatter.get("conditions")
    if blocks is None:
        return {}
    if not isinstance(blocks, dict):
        raise _malformed(artifact, "conditions is no mapping of names to parameters")
    result: dict[str, dict[str, Any]] = {}
    for name, block in blocks.items():
        if not isinstance(block, dict | None):
            raise _malformed(artifact, f"the condition {name!r} is no mapping of parameters")
        result[name] = deepcopy(block or {})
    return result


def resolve_conditions(artifact: Artifact, statepoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``statepoint`` with the block that its ``condition`` names merged in.

    What the user gave wins, key by key, in nested mappings too. Without a ``condition``, or
    where the experiment declares none, the state point is returned as it is (a copy).

    Args:
        artifact: the experiment.
        statepoint: the parameters the user gave.

    Raises:
        NotFoundError: the experiment has conditions, but not this one.
        CorruptDataError: its ``conditions`` are malformed.
        UnsafeValueError: a block has a key that cannot stand in a state point.
    """
    blocks = conditions(artifact)
    given = deepcopy(dict(statepoint))
    if not blocks or CONDITION_KEY not in given:
        return given
    wanted = given[CONDITION_KEY]
    name = next((name for name in blocks if _is_named(name, wanted)), None)
    if name is None:
        near = near_ids(str(wanted), list(blocks))
        raise NotFoundError(
            f"{artifact.id} has no condition {wanted!r}",
            hint=f"did you mean {', '.join(near)}?"
            if near
            else f"its conditions are {', '.join(sorted(blocks))}",
        )
    return _merged(nest_keys(blocks[name]), nest_keys(given))


def _is_named(name: str, wanted: Any) -> bool:
    """Return whether a block's name, text in YAML, is what was wanted: ``0.1`` and 0.1 are."""
    if isinstance(wanted, str):
        return name == wanted
    try:
        return same_value(parse_value(name), wanted)
    except UnsafeValueError:
        return False


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            result[key] = _merged(below, value)
        else:
            result[key] = value
    return result


def _malformed(artifact: Artifact, what: str) -> CorruptDataError:
    return CorruptDataError(
        f"{artifact.path}: {what}",
        hint="write conditions: {full: {lr: 0.1}}, or conditions: {} for none",
    )
