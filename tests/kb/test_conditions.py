"""KB-02: condition blocks."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexp.errors import CorruptDataError, NotFoundError
from aexp.kb import Artifact, parse_artifact
from aexp.kb.conditions import conditions, resolve_conditions
from tests.kb.shapes import EXPERIMENT

_PATH = "kb/research/experiments/E001.md"
_KEYS = st.sampled_from(["lr", "net", "seed", "a"])
_TREES = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=6,
)
_POINTS = st.dictionaries(_KEYS, _TREES, max_size=4)


def _experiment(blocks: Any) -> Artifact:
    return Artifact("experiment", "E001", _PATH, frontmatter={"conditions": blocks})


def test_a_block_is_merged_and_the_user_wins() -> None:
    """KB-02: deep merge, user keys win, neither input changes."""
    artifact = parse_artifact("experiment", _PATH, EXPERIMENT.encode())
    given_point = {"condition": "full", "net": {"width": 32}, "seed": 0}
    before = deepcopy((artifact.frontmatter, given_point))
    assert resolve_conditions(artifact, given_point) == {
        "condition": "full",
        "lr": 0.1,
        "net": {"width": 32, "depth": 2},
        "seed": 0,
    }
    assert (artifact.frontmatter, given_point) == before


def test_dotted_keys_meet_nested_ones() -> None:
    """Model 10: ``net.width`` in a block or from the user is the nested key."""
    artifact = _experiment({"full": {"net.width": 64, "net.depth": 2}})
    point = resolve_conditions(artifact, {"condition": "full", "net": {"width": 32}})
    assert point == {"condition": "full", "net": {"width": 32, "depth": 2}}
    point = resolve_conditions(artifact, {"condition": "full", "net": "none"})
    assert point == {"condition": "full", "net": "none"}


@pytest.mark.parametrize("blocks", [None, {}])
def test_without_blocks_a_condition_is_a_parameter(blocks: Any) -> None:
    """KB-02: an experiment that declares no conditions leaves the name alone."""
    assert conditions(_experiment(blocks)) == {}
    assert resolve_conditions(_experiment(blocks), {"condition": "x"}) == {"condition": "x"}


def test_an_unknown_condition_is_an_error() -> None:
    """KB-02: with near matches, or all there are."""
    artifact = _experiment({"full": {"lr": 1}, "small": None})
    with pytest.raises(NotFoundError, match="E001 has no condition 'ful'") as caught:
        resolve_conditions(artifact, {"condition": "ful"})
    assert caught.value.hint == "did you mean full?"
    for wrong in ("zzzzz", 3, True, ["full"], None, {"full": 1}):
        with pytest.raises(NotFoundError) as caught:
            resolve_conditions(artifact, {"condition": wrong})
        assert "full" in (caught.value.hint or "")
    assert resolve_conditions(artifact, {"lr": 2}) == {"lr": 2}
    assert resolve_conditions(artifact, {"condition": "small"}) == {"condition": "small"}


@pytest.mark.parametrize(
    ("name", "given_value"),
    [("3", 3), ("0.1", 0.1), ("1e-3", 0.001), ("true", True), ("-1", -1), ("3", "3")],
)
def test_a_number_names_a_block(name: str, given_value: Any) -> None:
    """KB-02: ``--sp condition=3`` gives a number; the block's name in YAML is text."""
    artifact = _experiment({"nan": {}, name: {"lr": 1}})
    wanted = {"condition": given_value, "lr": 1}
    assert resolve_conditions(artifact, {"condition": given_value}) == wanted


def test_names_are_not_mixed_up() -> None:
    """KB-02: a truth value names no number's block, nor a number a text's."""
    for name, given_value in (
        ("1", True),
        ("true", 1),
        ("[1]", "x"),
        ("null", "None"),
        ("x", None),
    ):
        with pytest.raises(NotFoundError):
            resolve_conditions(_experiment({name: {}}), {"condition": given_value})


def test_deeply_nested_blocks_keep_what_the_user_gave() -> None:
    """KB-02: at any depth the user's key wins, and what neither overrides is there."""
    block = {"net": {"encoder": {"width": 64, "depth": 2}, "head.width": 8}, "lr": 0.1}
    given_point = {"condition": "full", "net.encoder.width": 32, "net": {"head": {"bias": True}}}
    assert resolve_conditions(_experiment({"full": block}), given_point) == {
        "condition": "full",
        "lr": 0.1,
        "net": {"encoder": {"width": 32, "depth": 2}, "head": {"width": 8, "bias": True}},
    }


@pytest.mark.parametrize("blocks", [["full"], "full", {"full": 3}, {"full": ["lr"]}])
def test_malformed_blocks(blocks: Any) -> None:
    """Trap 32: one line that names the file, not a traceback."""
    with pytest.raises(CorruptDataError, match=_PATH):
        conditions(_experiment(blocks))


@given(_POINTS, _POINTS)
def test_every_user_key_survives(block: dict[str, Any], point: dict[str, Any]) -> None:
    """KB-02: nothing the user gave is lost or changed, and resolving again changes nothing."""
    artifact = _experiment({"full": block})
    point = {**point, "condition": "full"}
    once = resolve_conditions(artifact, point)

    def covered(small: Any, large: Any) -> bool:
        if isinstance(small, dict) and isinstance(large, dict):
            return all(key in large and covered(small[key], large[key]) for key in small)
        return bool(small == large)

    assert covered(point, once)
    assert set(once) == {*block, *point}
    assert resolve_conditions(artifact, once) == once
