"""Write `draws.json`: what every sampler drew when it was added.

    python tests/golden/sweep/make_golden.py

A sweep reads its points and never draws them again, so another version of a library cannot change
one. But it would make the same spec and seed another sweep, and that should be seen: by
`tests/sweep/test_golden_draws.py`. A file that was committed is not written again; when draws do
change, another file is added beside it, and the changelog says so.
"""

from __future__ import annotations

import json
from pathlib import Path

from aexp.sweep.samplers import draw
from aexp.sweep.spec import spec_from

DISTRIBUTIONS = {
    "choice": {"choice": ["a", "b", 3, None, [1, 2]]},
    "integer": {"integer": [-5, 1_000_000_000_000_000_000]},
    "lognormal": {"lognormal": [0, 2.5]},
    "loguniform": {"loguniform": [1e-4, 1e-1]},
    "normal": {"normal": [10, 0.5]},
    "opt.uniform": {"uniform": [0, 1]},
}
METHODS = ("monte_carlo", "latin_hypercube", "sobol", "halton")
SEEDS = (0, 7, 2**64 - 1)


def cases() -> list[dict]:
    """Return each method with each seed, and a product with all that a spec can add."""
    sampled = [
        (seed, {"parameters": {method: {"n": 6, "parameters": DISTRIBUTIONS}}})
        for method in METHODS
        for seed in SEEDS
    ]
    blocks = [
        {"grid": {"model": ["a", "b"], "depth": [1, 2.0]}},
        {"monte_carlo": {"n": 2, "seed": 3, "parameters": {"lr": {"uniform": [0, 1]}}}},
        {"explicit": [{"data": "x"}, {"data": "y", "opt.y": 1}]},
    ]
    crossed = {"parameters": {"product": blocks}, "fixed": {"opt": {"x": 0}}, "repeat": 2}
    # Many points: the second part of what is drawn in parts, by its first and last.
    far = {"parameters": {"sobol": {"n": 1026, "parameters": {"lr": {"uniform": [0, 1]}}}}}
    return [
        {"spec": spec, "seed": seed, "points": list(draw(spec_from(spec), seed)[1])}
        for seed, spec in [*sampled, (None, crossed)]
    ] + [{"spec": far, "seed": 5, "last": list(draw(spec_from(far), 5)[1])[-3:]}]


if __name__ == "__main__":
    text = "[\n" + ",\n".join(json.dumps(case) for case in cases()) + "\n]\n"
    with (Path(__file__).parent / "draws.json").open("x", encoding="utf-8") as stream:
        stream.write(text)
