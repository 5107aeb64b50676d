"""What the samplers drew once, they draw still: a library that draws otherwise is noticed."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import pytest

from aexp.sweep.samplers import draw
from aexp.sweep.spec import spec_from

DRAWS = Path(__file__).parent.parent / "golden" / "sweep" / "draws.json"
CASES = json.loads(DRAWS.read_text("utf-8"))
THROUGH_LIBM = ("lognormal", "loguniform", "normal")
"""``exp`` and ``log`` may differ in their last bit from one C library to the next."""


def split(points: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[float]]:
    """Return what must be equal bit by bit, and what went through the C library's functions."""
    exact = [{k: v for k, v in point.items() if k not in THROUGH_LIBM} for point in points]
    return exact, [point[key] for point in points for key in THROUGH_LIBM if key in point]


def name_of(case: dict[str, Any]) -> str:
    """Return the name of a case."""
    return f"{next(iter(case['spec']['parameters']))}-{case['seed']}"


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_draws_are_as_they_were(case: dict[str, Any]) -> None:
    """SWP-04, trap 68: the same spec and seed give the same points, in every version of ours."""
    points = list(draw(spec_from(case["spec"]), case["seed"])[1])
    found, wanted = points[-3:] if "last" in case else points, case.get("points") or case["last"]
    (exact, near), (wanted_exact, wanted_near) = split(found), split(wanted)
    assert json.dumps(exact) == json.dumps(wanted_exact)
    assert len(near) == len(wanted_near)
    assert all(math.isclose(a, b, rel_tol=1e-14) for a, b in zip(near, wanted_near, strict=True))


def test_golden_data_is_never_edited() -> None:
    """The file has the digest it was added with."""
    wanted = dict(
        reversed(line.split("  ./"))
        for line in (DRAWS.parent / "SHA256SUMS").read_text("utf-8").splitlines()
    )
    assert wanted == {"draws.json": hashlib.sha256(DRAWS.read_bytes()).hexdigest()}


def test_every_method_is_there() -> None:
    """The cases leave out no sampler."""
    kinds = {next(iter(case["spec"]["parameters"])) for case in CASES}
    assert kinds == {"monte_carlo", "latin_hypercube", "sobol", "halton", "product"}
