"""The formats of ``aexp ledger query``; ``aexp diff``; ``aexp ledger stats``."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexp.cli import query_output
from aexp.queries import stats as ledger_stats
from aexp.queries.asking import Answer
from tests.queries.world import attempt, cells, csv_rows, entry, local
from tests.support.machines import Machine

ODD = {
    "formula": '=HYPERLINK("http://x")',
    "minus": -0.1,
    "at": "@x",
    "pipe": "a|b\\|c `x` *y* <b> & [z](u)",
    "lines": "one\r\ntwo, \"quoted\"",
    "tiny": 1e-300,
    "sum": 0.1 + 0.2,
    "whole": 10**20,
    "truth": True,
    "nothing": None,
    "list": [1, "x", {"a": None}],
    "escape": "\x1b[31m",
}  # fmt: skip


@pytest.fixture
def odd(installed_repo: Machine) -> Machine:
    """A repository with one run that holds all that could break a format."""
    entry(installed_repo, {}, params=ODD, metrics={"acc": "NaN", "low": "-Infinity"})
    return installed_repo


NAMES = [f"params.{name}" for name in ODD] + ["metrics.acc", "metrics.low"]


def shown(machine: Machine, format: str, *args: str) -> str:
    """Return what a query prints."""
    return machine.aexp_fast("ledger", "query", "--format", format, *args).stdout


def test_json_is_exact(odd: Machine) -> None:
    """LED-11: an array of objects; every value as it was recorded, NaN as in the ledger."""
    (row,) = json.loads(shown(odd, "json", "--columns", ",".join(NAMES)))
    assert row == {**{f"params.{k}": v for k, v in ODD.items()}, "metrics.acc": "NaN",
                   "metrics.low": "-Infinity"}  # fmt: skip


def test_json_lines(odd: Machine) -> None:
    """LED-11: the same objects, one on a line, keys in the order of the columns."""
    entry(odd, {"lr": 1})
    lines = shown(odd, "jsonl", "--columns", "lr,params.lines,job_id").splitlines()
    assert len(lines) == 2
    assert list(json.loads(lines[0])) == ["lr", "params.lines", "job_id"]
    assert [json.loads(line)["params.lines"] for line in lines].count(ODD["lines"]) == 1


def test_csv(odd: Machine) -> None:
    """LED-11: RFC 4180; numbers exact; text that a spreadsheet would run is made text."""
    text = shown(odd, "csv", "--columns", ",".join(NAMES))
    assert text.startswith("params.formula,params.minus,") and text.endswith("\r\n")
    header, row = csv_rows(text)
    assert header == NAMES
    assert row == [
        "'" + str(ODD["formula"]), "-0.1", "'@x", ODD["pipe"], ODD["lines"], "1e-300",
        "0.30000000000000004", "100000000000000000000", "true", "", '[1, "x", {"a": null}]',
        ODD["escape"], "NaN", "-Infinity",
    ]  # fmt: skip


def test_markdown(odd: Machine) -> None:
    """LED-11: a table with as many cells in each line, whatever the values hold."""
    text = shown(odd, "markdown", "--columns", "params.pipe,params.lines,params.formula")
    lines = text.splitlines()
    assert len(lines) == 3
    assert lines[1] == "| --- | --- | --- |"
    assert list(cells(lines[0])) == ["params.pipe", "params.lines", "params.formula"]
    pipe, both, formula = cells(lines[2])
    assert pipe.replace("&amp;", "&") == ODD["pipe"]
    assert both == 'one two, "quoted"'
    assert formula == ODD["formula"]
    assert "\\<b>" in lines[2] and "\\[z]" in lines[2]


cell_values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text())
)


@given(st.lists(st.tuples(cell_values, cell_values), max_size=4), st.text(min_size=1))
def test_any_value_keeps_its_cell(table: list[tuple[Any, Any]], name: str) -> None:
    """LED-11: formats that are lines of cells keep their shape for any text."""
    answer = Answer(["a", name + "b"], [{"a": a, name + "b": b} for a, b in table])
    found: dict[str, str] = {}
    for say in (query_output.say_csv, query_output.say_markdown, query_output.say_json_lines):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(query_output, "_write", lambda text: found.update(text=text))
            say(answer)
        if say is query_output.say_csv:
            parsed = csv_rows(found["text"])
            assert [len(row) for row in parsed] == [2] * (len(table) + 1)
            for row, values in zip(parsed[1:], table, strict=True):
                for cell, value in zip(row, values, strict=True):
                    assert isinstance(value, int | float) or cell[:1] not in ("=", "+", "-", "@")
                    if isinstance(value, float) and math.isfinite(value):
                        assert float(cell) == value
                    if isinstance(value, str):
                        assert cell in (value, f"'{value}")
        elif say is query_output.say_markdown:
            lines = found["text"].split("\n")[:-1]
            assert [len(cells(line)) for line in lines if line != "| --- | --- |"] == [2] * (
                len(table) + 1
            )
        else:
            assert len([json.loads(line) for line in found["text"].split("\n")[:-1]]) == len(table)


def test_the_table_fits_80_columns(installed_repo: Machine) -> None:
    """LED-11: what tells runs apart and what was asked about comes first; the rest is counted."""
    for seed in range(3):
        entry(
            installed_repo,
            {"seed": seed, "same": 1, "lr": 0.1 / (seed + 1)},
            metrics={f"a_rather_long_name_{index}": seed / 7 for index in range(5)},
        )
    done = installed_repo.aexp_fast("ledger", "query", "--where", "lr < 1", "--sort=-seed")
    lines = done.stdout.splitlines()
    assert lines[0].split()[:3] == ["run", "experiment", "status"]
    assert {"lr", "seed"} <= set(lines[0].split())
    assert "same" not in lines[0]
    assert all(len(line) <= 80 for line in lines)
    assert "do not fit; see --columns" in done.stderr
    wide = installed_repo.aexp_fast("ledger", "query", "--columns", "job_id,same").stdout
    assert wide.splitlines()[0].split() == ["run", "same"]


def test_a_table_of_odd_values_stays_a_table(odd: Machine) -> None:
    """Trap 31: one line for each row, nothing that a terminal would obey."""
    text = shown(odd, "table", "--columns", ",".join(NAMES))
    assert len(text.splitlines()) == 2
    assert "\x1b" not in text


def test_shipped_options_can_be_written_as_documented(odd: Machine) -> None:
    """LED-11: `--sort -field` needs no equals sign."""
    done = odd.aexp_fast("ledger", "query", "--sort", "-metrics.acc", "--format", "csv")
    assert done.stderr == ""


def test_asking_leaves_heavy_packages_alone(odd: Machine) -> None:
    """Start-up: neither signac nor ruamel nor statistics is loaded to filter runs."""
    text = (
        "import sys; from aexp.cli import main\n"
        "try: main(['ledger', 'query', '--where', 'lr < 1', '--format', 'json'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'signac', 'ruamel', 'statistics', 'rich', 'pandas'} & set(sys.modules)))"
    )
    from tests.runs.world import script

    assert script(odd, text, check=True).stdout.splitlines()[-1] == "[]"


# --- diff ------------------------------------------------------------------------------------


@pytest.fixture
def pair(installed_repo: Machine) -> tuple[Machine, str, str]:
    """Two runs that differ in a few things."""
    first = entry(
        installed_repo,
        {"lr": 0.1, "net": {"width": 64, "depth": 2}, "old": 1},
        metrics={"acc": 0.8, "loss": "NaN", "zero": 0, "same": 1},
        attachments=[{"name": "model", "digest": "sha256:1"}, {"name": "log", "digest": "x"}],
        environment={"python": "3.11", "host": "a"},
        tags=["x"],
    )
    second = entry(
        installed_repo,
        {"lr": 0.1, "net": {"width": 128, "depth": 2}, "new": None},
        experiment="E002",
        metrics={"acc": 0.6, "loss": "NaN", "zero": 2, "same": 1.0},
        attachments=[{"name": "model", "digest": "sha256:2"}, {"name": "log", "digest": "x"}],
        environment={"python": "3.12", "host": "a"},
        registered_machine="laptop",
        tags=["x"],
    )
    return installed_repo, first, second


def test_diff_as_json(pair: tuple[Machine, str, str]) -> None:
    """LED-11: by section; a run that lacks something has no value for it; equal parts counted."""
    machine, first, second = pair
    done = machine.aexp_fast("diff", first[:12], second[:12], "--format", "json")
    found = json.loads(done.stdout)
    assert (found["first"], found["second"]) == (first, second)
    sections = found["sections"]
    assert sections["statepoint"] == {
        "equal": 2,
        "differences": [
            {"name": "experiment_id", "first": "E001", "second": "E002"},
            {"name": "net.width", "first": 64, "second": 128, "absolute": 64.0, "relative": 1.0},
            {"name": "new", "second": None},
            {"name": "old", "first": 1},
        ],
    }
    acc, zero = sections["metrics"]["differences"]
    assert sections["metrics"]["equal"] == 2
    assert acc["absolute"] == pytest.approx(-0.2) and acc["relative"] == pytest.approx(-0.25)
    assert (zero["absolute"], zero["relative"]) == (2.0, None)
    assert sections["attachments"] == {
        "equal": 1,
        "differences": [{"name": "model", "first": "sha256:1", "second": "sha256:2"}],
    }
    assert [d["name"] for d in sections["environment"]["differences"]] == ["python"]
    assert [d["name"] for d in sections["run"]["differences"]] == ["experiment", "machine"]


def test_diff_as_text(pair: tuple[Machine, str, str]) -> None:
    """LED-11: the same for people."""
    machine, first, second = pair
    lines = machine.aexp_fast("diff", first, second).stdout.splitlines()
    assert lines[0] == f"first:   {first}  E001  complete  cluster"
    assert lines[1] == f"second:  {second}  E002  complete  laptop"
    assert "metrics: 2 differences, 2 equal" in lines
    assert any(line.split() == ["acc", "0.8", "0.6", "-0.2", "(-25", "%)"] for line in lines)
    assert any(line.split() == ["old", "1", "-"] for line in lines)
    assert all(len(line) <= 80 for line in lines)


def test_a_run_does_not_differ_from_itself(odd: Machine) -> None:
    """LED-11: NaN included; exit 0."""
    (row,) = json.loads(shown(odd, "json", "--columns", "job_id"))
    done = odd.aexp_fast("diff", row["job_id"], row["job_id"][:6])
    assert done.stdout.splitlines()[-1] == "nothing differs"


def test_a_run_here_is_compared_with_one_of_the_ledger(pair: tuple[Machine, str, str]) -> None:
    """LED-11: it need not have ended; unknown ids are exit 4."""
    machine, first, _ = pair
    here = local(machine, {"lr": 0.2}, started_at="2026-11-21T10:00:00Z")
    assert "status" in machine.aexp_fast("diff", first, here).stdout
    machine.aexp_fast("diff", first, "f" * 32, check=False).require(4)
    machine.aexp_fast("diff", first, "no id", check=False).require(2)


# --- stats -----------------------------------------------------------------------------------


def counted(machine: Machine) -> dict[str, Any]:
    """Return what ``ledger stats --format json`` says."""
    value: dict[str, Any] = json.loads(
        machine.aexp_fast("ledger", "stats", "--format", "json").stdout
    )
    return value


def test_stats(installed_repo: Machine) -> None:
    """LED-11: entries, attempts, bytes, the largest; files that hold no entry are counted."""
    assert counted(installed_repo)["layout"] == "empty"
    entry(installed_repo, {"lr": 1}, attempt(0), attempt(1, registered_machine="laptop"))
    entry(installed_repo, {"lr": 2}, status="failed", note="x" * 2_000)
    big = entry(installed_repo, {"lr": 3}, experiment="E002", note="x" * 4_000)
    machine = installed_repo
    machine.write(f".aexp/ledger/{'0' * 32}.json", "{}")
    machine.write(".aexp/ledger/sweeps/one.json", "{}")
    found = counted(machine)
    files = list((machine / ".aexp/ledger").glob("*.json"))
    assert found["bytes"] == sum(path.stat().st_size for path in files)
    assert (found["entries"], found["attempts"], found["unusable"]) == (3, 4, 1)
    assert found["by_status"] == {"complete": 2, "failed": 1}
    assert found["by_machine"] == {"cluster": 3}
    assert found["by_experiment"] == {"E001": 2, "E002": 1}
    assert (found["other_files"], found["other_bytes"]) == (1, 2)
    assert found["largest"][0]["path"] == f".aexp/ledger/{big}.json"
    assert (found["layout"], found["flat"], found["sharded"]) == ("flat", 4, 0)
    lines = machine.aexp_fast("ledger", "stats").stdout.splitlines()
    assert "entries:      3" in lines
    assert "status:       2 complete, 1 failed" in lines
    assert "not usable:   1 file; see `aexp ledger verify`" in lines


def test_stats_say_when_one_folder_is_too_small(
    installed_repo: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LED-13: at 3,000 files in one folder, naming the command; not once they are spread."""
    assert ledger_stats.FLAT_LIMIT == 3_000
    monkeypatch.setattr(ledger_stats, "FLAT_LIMIT", 2)
    for lr in range(2):
        entry(installed_repo, {"lr": lr})
    assert "reshard" not in installed_repo.aexp_fast("ledger", "stats").stdout
    last = entry(installed_repo, {"lr": 2})
    assert "`aexp ledger reshard`" in installed_repo.aexp_fast("ledger", "stats").stdout
    assert counted(installed_repo)["outgrown"] is True
    flat = Path(installed_repo / f".aexp/ledger/{last}.json")
    (flat.parent / last[:2]).mkdir()
    flat.rename(flat.parent / last[:2] / flat.name)
    found = counted(installed_repo)
    assert (found["layout"], found["flat"], found["sharded"]) == ("mixed", 2, 1)
    assert found["outgrown"] is False
    assert found["entries"] == 3


def test_stats_need_no_installation(repo: Machine) -> None:
    """LED-11: a repository without a ledger has an empty one."""
    assert counted(repo)["entries"] == 0
    assert "entries:      0" in repo.aexp_fast("ledger", "stats").stdout
