"""The published JSON Schema of a spec says what its reader takes (SWP-16)."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from aexp.errors import SweepConfigError
from aexp.model.distributions import KINDS
from aexp.model.sweep import BACKENDS, METHODS
from aexp.sweep.spec import spec_from

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs/format/sweep.schema.json").read_text("utf-8")
)
VALIDATOR = Draft202012Validator(SCHEMA)

quick = settings(deadline=None, max_examples=120)
PLAIN = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text("xyz")
PAIRS: dict[str, st.SearchStrategy[Any]] = {
    "uniform": st.tuples(st.floats(-9, 0), st.integers(1, 9)),
    "loguniform": st.tuples(st.floats(0.1, 1), st.floats(1, 9)),
    "normal": st.tuples(st.floats(-9, 9), st.floats(0, 9)),
    "lognormal": st.tuples(st.floats(-9, 9), st.floats(0, 9)),
    "integer": st.tuples(st.integers(-9, 0), st.integers(1, 9)),
    "choice": st.lists(PLAIN, min_size=1, max_size=4),
}
DISTRIBUTIONS = st.one_of(
    *(st.builds(lambda v, k=kind: {k: list(v)}, values) for kind, values in PAIRS.items())
)


def names(prefix: str) -> st.SearchStrategy[str]:
    """Return names of parameters that no other block uses."""
    return st.text("abc", min_size=1, max_size=3).map(lambda name: f"{prefix}_{name}")


def blocks(prefix: str) -> st.SearchStrategy[Any]:
    """Return blocks of all kinds but the product."""
    axis = st.lists(PLAIN, min_size=1, max_size=4, unique_by=repr)
    drawn = st.fixed_dictionaries(
        {
            "n": st.integers(1, 5),
            "parameters": st.dictionaries(names(prefix), DISTRIBUTIONS, min_size=1, max_size=3),
        }
    )
    rows = st.lists(st.dictionaries(names(prefix), PLAIN, max_size=3), min_size=1, max_size=3)
    return st.one_of(
        st.builds(lambda v: {"grid": v}, st.dictionaries(names(prefix), axis, min_size=1)),
        st.builds(lambda v: {"explicit": v}, rows),
        *(st.builds(lambda v, m=method: {m: v}, drawn) for method in METHODS),
    )


PARAMETERS = blocks("a") | st.builds(
    lambda *parts: {"product": list(parts)}, blocks("a"), blocks("b")
)
BACKEND = st.sampled_from([
    *BACKENDS,
    {"kind": "local", "workers": 2, "timeout": "2h"},
    {"workers": 1},
    {"kind": "dask", "address": "tcp://host:8786"},
    {"kind": "slurm", "workers": 9, "sbatch": {"partition": "gpu"}, "setup": ["module load x"]},
])  # fmt: skip
SPECS = st.fixed_dictionaries(
    {"parameters": PARAMETERS},
    optional={
        "experiment": st.just("E001"),
        "script": st.just("train.py"),
        "command": st.just("python train.py {run_id}"),
        "fixed": st.dictionaries(names("f"), PLAIN, max_size=2),
        "repeat": st.integers(1, 3),
        "watch": st.lists(st.just("model.py"), max_size=2),
        "backend": BACKEND,
        "outputs": st.just({"table": "results.csv"}),
    },
)


def mappings(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every mapping of a spec that has keys of its own (not those of parameters)."""
    yield value
    parameters = value["parameters"]
    yield parameters
    for block in parameters.get("product", [parameters]):
        yield block
        for method in METHODS:
            if method in block:
                yield block[method]
                yield from block[method]["parameters"].values()
    if isinstance(value.get("backend"), dict):
        yield value["backend"]


def is_taken(value: Any) -> bool:
    """Return whether the reader takes a spec."""
    try:
        spec_from(value)
    except SweepConfigError:
        return False
    return True


@quick
@given(SPECS)
def test_what_one_takes_the_other_takes(value: Any) -> None:
    """SWP-16: specs of every kind, and what is recorded of them."""
    VALIDATOR.validate(value)
    VALIDATOR.validate(spec_from(value).to_json())


@quick
@given(SPECS, st.integers(0, 50), st.sampled_from(["seeed", "workrs", "grids", "x"]))
def test_both_refuse_a_key_that_is_not_known(value: Any, place: int, key: str) -> None:
    """SWP-16: wherever it stands."""
    changed = copy.deepcopy(value)
    places = list(mappings(changed))
    places[place % len(places)][key] = 1
    assert not is_taken(changed)
    assert not VALIDATOR.is_valid(changed)


@pytest.mark.parametrize(
    ("change", "keys"),
    [
        ({}, ["parameters"]),
        ({"parameters": {}}, []),
        ({"parameters": {"grid": {}}}, []),
        ({"parameters": {"grid": {"a": []}}}, []),
        ({"parameters": {"grid": {"a": [1, 1]}}}, []),
        ({"parameters": {"grid": {"a": [1]}, "explicit": "a.csv"}}, []),
        ({"parameters": {"explicit": []}}, []),
        ({"parameters": {"product": []}}, []),
        ({"parameters": {"sobol": {"n": 3}}}, []),
        ({"parameters": {"sobol": {"n": 0, "parameters": {"a": {"uniform": [0, 1]}}}}}, []),
        ({"parameters": {"sobol": {"n": 1, "parameters": {"a": {"uniform": [0]}}}}}, []),
        ({"parameters": {"sobol": {"n": 1, "parameters": {"a": {"integer": [0, 1.5]}}}}}, []),
        ({"parameters": {"sobol": {"n": 1, "parameters": {"a": {"choice": []}}}}}, []),
        ({"experiment": "H001"}, []),
        ({"repeat": 0}, []),
        ({"command": "x", "callable": "m:f"}, []),
        ({"command": " "}, []),
        ({"callable": "m"}, []),
        ({"watch": "a.py"}, []),
        ({"backend": {"kind": "cloud"}}, []),
        ({"backend": {"workers": 0}}, []),
        ({"backend": {"timeout": 5}}, []),
        ({"backend": {"kind": "local", "address": "x"}}, []),
        ({"outputs": {"table": 3}}, []),
    ],
)
def test_both_refuse_what_makes_no_sense(change: dict[str, Any], keys: list[str]) -> None:
    """SWP-16: the schema is not more generous than the reader in what it can say."""
    value = {"parameters": {"grid": {"a": [1]}}, **change}
    for key in keys:
        del value[key]
    assert not is_taken(value)
    assert not VALIDATOR.is_valid(value)


def test_the_schema_is_one_and_explains_every_key() -> None:
    """SWP-16: of the dialect that it names; nothing is left without a description."""
    Draft202012Validator.check_schema(SCHEMA)

    def look(part: Any) -> None:
        if not isinstance(part, dict):
            return
        for name, facts in part.get("properties", {}).items():
            assert "$ref" in facts or facts.get("description"), name
        for inside in part.values():
            for child in inside if isinstance(inside, list) else [inside]:
                look(child)

    look(SCHEMA)
    drawn = SCHEMA["$defs"]["Distribution"]["properties"]
    assert set(drawn) == set(KINDS)
