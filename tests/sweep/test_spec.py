"""Reading a sweep's spec (SWP-16)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aexp.errors import SweepConfigError
from aexp.model.distributions import Distribution
from aexp.model.sweep import Explicit, Grid, Product, Sampled, SweepSpec, fill, placeholders
from aexp.model.values import parse_assignments
from aexp.sweep.samplers import draw
from aexp.sweep.spec import load_spec, spec_from

FULL = """\
experiment: E001
script: train.py                      # hashed
command: python train.py --lr {lr} --seed {repeat}
parameters:
  grid: {lr: [0.1, 0.01], model: [a, b]}
fixed: {data: digits}
repeat: 3
watch: [model.py]
backend: {kind: local, workers: 4, timeout: 2h}
outputs: {table: results.csv}
"""
GRID: dict[str, Any] = {"grid": {"lr": [0.1]}}


@pytest.fixture
def load(tmp_path: Path) -> Any:
    """Return a function that reads a text as a spec."""

    def read(text: str) -> SweepSpec:
        (tmp_path / "spec.yaml").write_text(text, "utf-8")
        return load_spec(tmp_path / "spec.yaml")

    return read


def test_the_spec_of_the_promise(load: Any, tmp_path: Path) -> None:
    """SWP-16: every key of it, as the promise types it."""
    spec = load(FULL)
    assert spec == SweepSpec(
        experiment="E001",
        script="train.py",
        command="python train.py --lr {lr} --seed {repeat}",
        parameters=Grid({"lr": (0.1, 0.01), "model": ("a", "b")}),
        fixed={"data": "digits"},
        repeat=3,
        watch=("model.py",),
        backend={"kind": "local", "workers": 4, "timeout": "2h"},
        outputs={"table": "results.csv"},
        folder=str(tmp_path),
    )


@pytest.mark.parametrize("method", ["monte_carlo", "latin_hypercube", "sobol", "halton"])
def test_the_sampled_kinds(load: Any, method: str) -> None:
    """SWP-03, SWP-16: as the promise types them; 1.0e-4 is a number."""
    inside = (
        "{n: 100, seed: 7, parameters:"
        " {lr: {loguniform: [1.0e-4, 1e-1]}, width: {integer: [8, 64]}}}"
    )
    assert load(f"parameters:\n  {method}: {inside}\n").parameters == Sampled(
        method,  # type: ignore[arg-type]
        100,
        {
            "lr": Distribution("loguniform", (0.0001, 0.1)),
            "width": Distribution("integer", (8, 64)),
        },
        7,
    )


def test_a_product_of_several_kinds(load: Any) -> None:
    """SWP-03, SWP-16: a list in its order; a mapping by the names of the kinds."""
    listed = load(
        "parameters:\n  product:\n  - sobol: {n: 4, parameters: {x: {uniform: [0, 1]}}}\n"
        "  - grid: {a: [1]}\n  - explicit: [{b: 1}]\n"
    ).parameters
    assert isinstance(listed, Product)
    assert [type(block) for block in listed.blocks] == [Sampled, Grid, Explicit]
    mapped = spec_from(
        {
            "parameters": {
                "product": {
                    "sobol": {"n": 4, "parameters": {"x": {"uniform": [0, 1]}}},
                    "grid": {"a": [1]},
                    "explicit": [{"b": 1}],
                }
            }
        }
    ).parameters
    assert isinstance(mapped, Product)
    assert [type(block) for block in mapped.blocks] == [Explicit, Grid, Sampled]


def test_what_is_recorded_reads_back(load: Any, tmp_path: Path) -> None:
    """SWP-05, SWP-11: `to_json` is the YAML form, without a folder of this machine."""
    spec = load(FULL)
    assert str(tmp_path) not in str(spec.to_json())
    assert spec_from(spec.to_json(), folder=tmp_path) == spec
    assert list(spec.to_json()) == [
        *("experiment", "script", "command", "parameters", "fixed", "repeat", "watch"),
        *("backend", "outputs"),
    ]


def test_a_spec_may_be_given_in_any_form(tmp_path: Path) -> None:
    """SWP-01: a path, its text, a mapping with numpy's numbers, or a spec."""
    (tmp_path / "spec.yaml").write_text("parameters: {grid: {lr: [0.5, 1]}}\n", "utf-8")
    spec = spec_from(tmp_path / "spec.yaml")
    assert spec_from(str(tmp_path / "spec.yaml")) == spec
    assert spec_from(spec) is spec
    axis = np.array([0.5, 1.0])
    made = spec_from({"parameters": {"grid": {"lr": axis, "n": (np.int64(3),)}}})
    assert made.parameters == Grid({"lr": (0.5, 1.0), "n": (3,)})


@pytest.mark.parametrize(
    "text",
    ["0", "-3", "0.1", "1e-3", ".5", "5.", "+1", "007", "1_000", "2024-01-31", "a", "true",
     "[64,32]", "0x10", "1.0", "1e5", "-0.0"],
)  # fmt: skip
def test_one_rule_for_values(load: Any, tmp_path: Path, text: str) -> None:
    """Trap 16, model.md 10: YAML, a CSV cell and `--sp` give one value, hence one run."""
    wanted = parse_assignments([f"k={text}"])["k"]
    grid = load(f"parameters: {{grid: {{k: [{text}]}}}}\n").parameters
    assert isinstance(grid, Grid)
    cell = '"[64,32]"' if text.startswith("[") else text
    (tmp_path / "points.csv").write_text(f"k\n{cell}\n", "utf-8")
    (row,) = draw(load("parameters: {explicit: points.csv}\n"), 0)[1]
    for found in (grid.axes["k"][0], row["k"]):
        assert (type(found), repr(found)) == (type(wanted), repr(wanted))


def test_an_axis_may_be_written_as_for_the_queue(load: Any) -> None:
    """Trap 16, QUE-01: `0..3` and `a|b` mean in a grid what they mean in `--sweep`."""
    grid = load("parameters: {grid: {seed: 0..3, condition: full|cls, k: 1|1.0|true}}\n").parameters
    assert repr(grid.axes) == repr(
        {"seed": (0, 1, 2, 3), "condition": ("full", "cls"), "k": (1, 1.0, True)}
    )


def test_values_that_only_look_alike_are_not_the_same() -> None:
    """Trap 16: a number, its text, a float and a boolean are four points of an axis."""
    values = [1, "1", 1.0, True, "True", None, "None"]
    assert len(list(draw(spec_from({"parameters": {"grid": {"a": values}}}))[1])) == 7


@pytest.mark.parametrize(
    ("text", "line", "message", "hint"),
    [
        ("paramters: {grid: {a: [1]}}\n", 1, "unknown key 'paramters'", "did you mean parameters?"),
        ("# spec\n\nrepat: 3\nparameters: {}\n", 3, "unknown key 'repat'", "did you mean repeat?"),
        ("parameters:\n  gird: {a: [1]}\n", 2, "unknown key 'gird' in parameters", "grid"),
        ("parameters:\n  grid: {a: 1}\n", 2, "a is no list of values", "fixed"),
        ("parameters:\n  grid: {a: full}\n", 2, "a is no list of values", "fixed"),
        ("parameters:\n  grid: {a: 'x|y,b=1|2'}\n", 2, "a is no list of values", "fixed"),
        ("parameters:\n  grid: {a: 0..9999999}\n", 2, "a has more than 100000 values", "range"),
        ("parameters:\n  grid:\n    b: [1]\n    a: []\n", 4, "a is no list of values", "fixed"),
        ("parameters:\n  grid:\n    a: [1, 2, 1]\n", 3, "a has 1 twice", "repeat"),
        ("parameters:\n  grid: {a: [.nan]}\n", 2, "a is nan", "string"),
        ("parameters:\n  grid: {code_commit: [a]}\n", 2, "code_commit is set by aexp", "name"),
        ("parameters:\n  grid: {a: [1], a.b: [1]}\n", 2, "'a.b' needs 'a'", "nest"),
        ("parameters:\n  sobol: {m: 3}\n", 2, "unknown key 'm' in parameters.sobol", "use one of"),
        ("parameters:\n  sobol:\n    n: 0\n", 3, "n is a whole number", "write sobol"),
        ("parameters:\n  sobol:\n    n: 2000000000\n", 3, "n is a whole number", "write sobol"),
        ("parameters:\n  sobol:\n    n: 2.0\n", 3, "n is a whole number", "write sobol"),
        ("parameters:\n  sobol:\n    n: 4\n    seed: -1\n", 4, "seed is a whole number", None),
        ("parameters:\n  sobol:\n    n: 4\n    seed: true\n", 4, "seed is a whole number", None),
        (
            "parameters:\n  sobol:\n    n: 4\n    parameters:\n      lr: {unifrom: [0, 1]}\n",
            5, "unknown key 'unifrom'", "did you mean uniform",
        ),
        (
            "parameters:\n  sobol:\n    n: 4\n    parameters:\n      lr:\n"
            "        uniform: [1, 0]\n",
            6, "lr: uniform [1, 0]: the lower end", None,
        ),
        ("parameters:\n  sobol: {n: 4, parameters: {lr: [0, 1]}}\n", 2, "lr is no distr", "write"),
        ("parameters:\n  grid: {a: [1]}\n  sobol: {n: 2}\n", 1, "parameters has 2 kinds", "produc"),
        ("parameters:\n  product: 3\n", 2, "product is a list", "write"),
        ("parameters:\n  product:\n  - product: []\n", 2, "unknown key 'product'", "use one of"),
        ("parameters:\n  explicit: 3\n", 2, "explicit is a CSV file or a list", "write"),
        ("parameters:\n  explicit: [{a: 1}, 2]\n", 2, "point 2 is no mapping", None),
        ("parameters:\n  explicit: none.csv\n", 2, "there is no file none.csv", None),
        ("parameters:\n  explicit: {file: a.csv, sha: x}\n", 2, "unknown key 'sha'", "sha256?"),
        ("experiment: H001\nparameters: {grid: {a: [1]}}\n", 1, "'H001' is no experiment id", "E0"),
        ("parameters: {grid: {a: [1]}}\nrepeat: 0\n", 2, "repeat is a whole number", None),
        ("parameters: {grid: {a: [1]}}\nrepeat: 1.5\n", 2, "repeat is a whole number", None),
        ("parameters: {grid: {a: [1]}}\nfixed: 3\n", 2, "fixed is no mapping", None),
        ("parameters: {grid: {a: [1]}}\nfixed: {a: 2}\n", 1, "a is given in fixed as well", None),
        (
            "parameters: {grid: {a.b: [1]}}\nfixed: {a: {b: 2}}\n",
            1, "a.b is given in fixed as well", None,
        ),
        (
            "parameters: {grid: {repeat: [1]}}\nrepeat: 2\n",
            1, "repeat is given in repeat as well", None,
        ),
        ("parameters: {grid: {a: [1]}}\nwatch: a.py\n", 2, "watch is a list of files", None),
        (
            "parameters: {grid: {a: [1]}}\nbackend: {kind: slrum}\n",
            2, "no backend 'slrum'", "did you mean slurm",
        ),
        (
            "parameters: {grid: {a: [1]}}\nbackend:\n  workes: 4\n",
            3, "unknown key 'workes' in backend", "did you mean workers?",
        ),
        ("parameters: {grid: {a: [1]}}\nbackend: {workers: 0}\n", 2, "workers is a whole", None),
        ("parameters: {grid: {a: [1]}}\nbackend: {timeout: 2}\n", 2, "2 is no duration", "30m"),
        (
            "parameters: {grid: {a: [1]}}\noutputs: {table: /tmp/x.csv}\n",
            2, "leaves the folder", "relative",
        ),
        (
            "parameters: {grid: {a: [1]}}\noutputs: {table: ../x.csv}\n",
            2, "leaves the folder", "relative",
        ),
        ("parameters: {grid: {a: [1]}}\ncallable: main\n", 2, "names no function", "module:func"),
        (
            "parameters: {grid: {a: [1]}}\ncommand: x\ncallable: m:f\n",
            3, "a command or a callable", None,
        ),
        (
            "parameters: {grid: {lr: [1]}}\ncommand: x {lrr}\n",
            2, "the command names {lrr}, which no point has", "did you mean lr",
        ),
        (
            "parameters: {grid: {lr: [1]}}\ncommand: awk '{print $1}'\n",
            2, "the command names {print $1}", "{{ and }}",
        ),
        ("parameters: {grid: {lr: [1]}}\ncommand: x {repeat}\n", 2, "names {repeat}", None),
        ("parameters: {grid: {lr: [1]}}\nscript: ''\n", 2, "script is no text", None),
    ],
)  # fmt: skip
def test_mistakes_are_named_with_their_line(
    load: Any, text: str, line: int, message: str, hint: str | None
) -> None:
    """SWP-16: one line that says where; an unknown key with a near match."""
    with pytest.raises(SweepConfigError) as caught:
        load(text)
    assert caught.value.message.startswith(f"spec.yaml, line {line}: ")
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert hint is None or hint in (caught.value.hint or "")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is a mapping"),
        ("- a\n", "is a mapping"),
        ("repeat: 3\n", "there are no parameters"),
        ("a: [\n", "spec.yaml, line 2"),
        ("a: 1\na: 2\n", "stands here twice"),
    ],
)
def test_what_is_no_spec_at_all(load: Any, text: str, message: str) -> None:
    """SWP-16, trap 32: an ordinary mistake is one line."""
    with pytest.raises(SweepConfigError, match=message):
        load(text)


def test_a_file_that_is_not_there_or_is_no_text(tmp_path: Path) -> None:
    """Trap 32: as one line."""
    with pytest.raises(SweepConfigError, match="there is no file"):
        load_spec(tmp_path / "none.yaml")
    (tmp_path / "bin.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SweepConfigError, match="cannot be read"):
        load_spec(tmp_path / "bin.yaml")
    with pytest.raises(SweepConfigError, match="has no JSON form"):
        spec_from({"parameters": {"grid": {"a": [object()]}}})


def test_two_seeds_are_refused() -> None:
    """SWP-04: a sweep has one seed, which resume finds in its header."""
    block = {"n": 2, "parameters": {"x": {"uniform": [0, 1]}}}
    other = {"n": 2, "parameters": {"y": {"uniform": [0, 1]}}, "seed": 8}
    product = [{"sobol": {**block, "seed": 7}}, {"monte_carlo": other}]
    with pytest.raises(SweepConfigError, match="different seeds"):
        spec_from({"parameters": {"product": product}})
    other["seed"] = 7
    assert draw(spec_from({"parameters": {"product": product}}))[0] == 7


def test_one_name_in_two_blocks_is_refused() -> None:
    """SWP-03: a parameter varies in one place."""
    for second in ("a", "a.b"):
        product = [{"grid": {"a": [1]}}, {"grid": {second: [2]}}]
        with pytest.raises(SweepConfigError, match=f"{second} is given in block 1"):
            spec_from({"parameters": {"product": product}})


def test_a_secret_is_refused_before_anything_runs() -> None:
    """Trap 17: wherever in the spec it stands."""
    token = "ghp_" + "a1B2" * 9
    for spec in (
        {"parameters": {"grid": {"key": [token]}}},
        {"parameters": GRID, "fixed": {"key": token}},
        {"parameters": {"explicit": [{"key": token}]}},
        {"parameters": {"sobol": {"n": 1, "parameters": {"key": {"choice": [token]}}}}},
    ):
        with pytest.raises(SweepConfigError, match="secret"):
            spec_from(spec)


def test_placeholders_of_a_command() -> None:
    """SWP-16: doubled braces are braces; dots reach into nested values."""
    command = "run {lr} {opt.lr} {{x}} {out} '{{{lr}}}'"
    assert list(placeholders(command)) == ["lr", "opt.lr", "out", "lr"]
    filled = fill(command, {"lr": "1", "opt.lr": "2", "out": "o"}.__getitem__)
    assert filled == "run 1 2 {x} o '{1}'"
    axes = {"lr": [1], "opt": [{"lr": 2}]}
    spec_from({"parameters": {"grid": axes}, "command": command})
    spec_from({"parameters": {"grid": {"lr": [1], "opt.lr": [1]}}, "command": command})


def test_a_placeholder_that_only_some_points_have_is_refused() -> None:
    """SWP-16: not when half of the sweep has run."""
    rows = [{"lr": 1, "a": 1}, {"lr": 2}]
    spec = spec_from({"parameters": {"explicit": rows}, "command": "x {lr} {a}"})
    with pytest.raises(SweepConfigError, match=r"\{a\}, which point 2 does not have"):
        list(draw(spec, 0)[1])


def test_the_settings_of_a_backend_are_those_that_its_pool_takes() -> None:
    """SWP-13, SWP-16: what the spec takes, the pool does, and the other way round."""
    import inspect
    from importlib import import_module

    from aexp.model.sweep import BACKENDS
    from aexp.sweep.backends.base import KINDS

    assert tuple(BACKENDS) == KINDS
    pools = {
        "local": "LocalProcessPool",
        "joblib": "LocalJoblibPool",
        "dask": "DaskPool",
        "slurm": "SlurmPool",
        "srun": "SrunPool",
    }
    for kind, settings in BACKENDS.items():
        module = import_module(f"aexp.sweep.backends.{kind}")
        taken = inspect.signature(getattr(module, pools[kind])).parameters
        assert {*settings} == {*taken, "timeout"} - {"client"}, kind
