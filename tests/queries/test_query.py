"""``aexp ledger query`` and ``aexp.query``: which runs, which columns, which groups."""

from __future__ import annotations

import json
import shutil
import statistics
import warnings
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import aexp
from aexp import cache
from aexp.errors import UsageError
from aexp.queries.asking import USUAL
from tests.queries.world import attempt, column, entry, local, rows
from tests.runs.world import script
from tests.support.machines import Machine


@pytest.fixture
def machine(installed_repo: Machine) -> Machine:
    """A repository with five runs: four in the ledger, one of this machine alone."""
    for index, (lr, seed, acc) in enumerate(
        [(0.1, 0, 0.8), (0.1, 1, 0.9), (0.01, 0, 0.95), (0.01, 1, "NaN")]
    ):
        entry(
            installed_repo,
            {"lr": lr, "seed": seed, "net": {"width": 64, "layers": [64, 32]}},
            metrics={"acc": acc, "val.loss": {"value": 1, "min": 0.25, "max": 4, "count": 9}},
            params={"warm up": index, "opt.name": "adam"},
            tags=["baseline"] if index == 0 else [],
            registered_machine="cluster" if index else "laptop",
            started_at=f"2026-11-2{index}T10:00:00Z",
            status="failed" if index == 3 else "complete",
            environment={"python": "3.12.1", "packages": {"numpy": "2.1"}},
        )
    local(installed_repo, {"lr": "auto", "seed": 0, "status": "sp"}, note="diverged, I think")
    return installed_repo


@pytest.mark.parametrize(
    ("where", "seeds"),
    [
        ("lr < 0.05 and status = 'complete'", [(0.01, 0)]),
        ("lr < 1", [(0.1, 0), (0.1, 1), (0.01, 0), (0.01, 1)]),
        ("lr = 'auto'", [("auto", 0)]),
        ("not lr < 1", [("auto", 0)]),
        ("sp.status = 'sp'", [("auto", 0)]),
        ("status = 'running' or where = 'here'", [("auto", 0)]),
        ("metrics.acc > 0.85", [(0.1, 1), (0.01, 0)]),
        ("metrics.acc.value >= 0.95", [(0.01, 0)]),
        ("metrics.acc.min = 0.8", [(0.1, 0)]),
        ("metrics.acc is nan", [(0.01, 1)]),
        ("metrics.acc is null", [("auto", 0)]),
        ("metrics.val.loss.min < 0.5 and seed = 0", [(0.1, 0), (0.01, 0)]),
        ("metrics.val.loss = metrics.`val.loss`.value and seed = 1", [(0.1, 1), (0.01, 1)]),
        ("net.width = 64 and sp.net.layers contains 32 and lr < 0.05 and seed = 1", [(0.01, 1)]),
        ("net.layers = [64, 32] and params.`warm up` in (1, 2)", [(0.1, 1), (0.01, 0)]),
        ("params.opt.name = 'adam' and params.`warm up` = 3", [(0.01, 1)]),
        ("tags = 'baseline'", [(0.1, 0)]),
        ("exists tags", [(0.1, 0)]),
        ("machine = 'laptop'", [(0.1, 0)]),
        ("started_at >= '2026-11-22' and started_at < '2026-11-23'", [(0.01, 0)]),
        ("environment.packages.numpy like '2.?' and machine != 'cluster'", [(0.1, 0)]),
        ("note contains 'diverged'", [("auto", 0)]),
        ("experiment = 'E001' and hypothesis is null", [("auto", 0)]),
        ("wallclock_s > 59.5 and attempts = 1 and lr = 0.1 and seed = 0", [(0.1, 0)]),
        ("ended_by = 'exit' and registered_machine = 'laptop'", [(0.1, 0)]),
        ("status = 'queued'", []),
    ],
)
def test_filters(machine: Machine, where: str, seeds: list[tuple[Any, int]]) -> None:
    """LED-11: state point, parameters, metrics with bounds, tags, times, environment."""
    found = aexp.query(where, columns="lr,seed", repo_root=machine.path)
    assert [(row["lr"], row["seed"]) for row in found] == seeds


def test_where_a_run_lives(machine: Machine) -> None:
    """LED-11: ledger, here or both; nothing but the ledger is needed."""
    ids = column(machine, "job_id")
    assert sorted(column(machine, "where")) == ["here"] + ["ledger"] * 4
    shutil.rmtree(machine / ".runs")
    assert column(machine, "job_id") == ids[:4]
    assert column(machine, "run", "--where", f"job_id = '{ids[0]}'") == [ids[0]]


def test_the_usual_columns(machine: Machine) -> None:
    """LED-11: one flat shape: the usual facts, then all of state point, parameters, metrics."""
    found = rows(machine)
    assert all(row.keys() == found[0].keys() for row in found)
    assert set(found[0]) == {
        *USUAL,
        *("sp.lr", "sp.seed", "sp.net.width", "sp.net.layers", "sp.status"),
        *("params.`warm up`", "params.`opt.name`"),
        *("metrics.acc", "metrics.`val.loss`"),
    }
    assert found[0]["sp.net.layers"] == [64, 32]
    assert found[3]["metrics.acc"] == "NaN"
    assert found[4]["metrics.acc"] is None
    for name in found[0]:
        assert [row[name] for row in found] == column(machine, name), name
    assert aexp.query("metrics.acc is nan", repo_root=machine.path)[0]["metrics.acc"] != 0.0


def test_sorting(machine: Machine) -> None:
    """LED-11: several keys; numbers before text; NaN and missing values last in any direction."""
    assert column(machine, "metrics.acc", "--sort", "-metrics.acc") == [0.95, 0.9, 0.8, "NaN", None]
    assert column(machine, "metrics.acc", "--sort=metrics.acc") == [0.8, 0.9, 0.95, "NaN", None]
    assert column(machine, "lr", "--sort", "lr,-seed") == [0.01, 0.01, 0.1, 0.1, "auto"]
    assert column(machine, "seed", "--sort", "lr,-seed") == [1, 0, 1, 0, 0]
    assert column(machine, "seed", "--sort", "lr", "--sort=-seed", "--limit", "3") == [1, 0, 1]
    days = column(machine, "started_at", "--sort=-started_at")
    assert days[:4] == sorted(days[:4], reverse=True)


def test_an_empty_result_is_no_error(machine: Machine) -> None:
    """LED-11: exit 0; each format says so in its own way."""
    nothing = ["ledger", "query", "--where", "seed = 99", "--columns", "job_id,lr"]
    for format, wanted in (
        ("table", "no runs\n"),
        ("json", "[]\n"),
        ("jsonl", ""),
        ("csv", "job_id,lr\r\n"),
        ("markdown", "no runs\n"),
    ):
        assert machine.aexp_fast(*nothing, "--format", format).stdout == wanted


def test_no_runs_at_all(repo: Machine) -> None:
    """LED-11: neither ledger nor run store; names are not doubted then."""
    assert rows(repo, "--where", "lr < 1", "--sort", "lr") == []
    assert rows(repo, "--group-by", "lr", "--stat", "a:mean") == []
    assert rows(repo, "--stat", "a:mean,n") == [{"runs": 0, "a:mean": None, "a:n": 0}]


# --- groups ----------------------------------------------------------------------------------


def test_groups(machine: Machine) -> None:
    """LED-11: over seeds; runs without the value are left out of `n`, and NaN is never hidden."""
    found = rows(machine, "--group-by", "lr", "--stat", "metrics.acc:mean,std,min,max,n")
    mean, std = statistics.mean([0.8, 0.9]), statistics.stdev([0.8, 0.9])
    keys = ["runs", *(f"metrics.acc:{name}" for name in ("mean", "std", "min", "max", "n"))]
    assert [[row["lr"], *(row[key] for key in keys)] for row in found] == [
        [0.01, 2, "NaN", "NaN", "NaN", "NaN", 2],
        [0.1, 2, mean, std, 0.8, 0.9, 2],
        ["auto", 1, None, None, None, None, 0],
    ]
    (one,) = rows(machine, "--where", "seed = 0", "--stat", "metrics.acc:std,n", "--stat=lr:max")
    assert one == {
        "runs": 3,
        "metrics.acc:std": statistics.stdev([0.8, 0.95]),
        "metrics.acc:n": 2,
        "lr:max": 0.1,
    }


def test_groups_are_sorted_and_limited(machine: Machine) -> None:
    """LED-11: by their own columns; another name is a usage error that lists them."""
    args = ["--group-by", "lr,tags", "--stat", "wallclock_s:mean"]
    found = rows(machine, *args, "--sort=-runs,lr", "--limit", "2")
    assert [(row["lr"], row["tags"], row["runs"]) for row in found] == [
        (0.01, [], 2),
        (0.1, [], 1),
    ]
    done = machine.aexp_fast("ledger", "query", *args, "--sort", "seed", check=False).require(2)
    assert "one of: lr, tags, runs, wallclock_s:mean" in done.stderr


def test_attempts_are_rows(installed_repo: Machine) -> None:
    """LED-11, LED-10: replicates of one run are shown, and aggregated."""
    tries = [
        attempt(0, metrics={"acc": 0.5}),
        attempt(1, metrics={"acc": 0.7}, registered_machine="laptop"),
        attempt(2, status="failed", ended_by="exception"),
    ]
    entry(installed_repo, {"lr": 0.1}, *tries)
    local(installed_repo, {"lr": 0.2}, attempt_id="new")
    assert column(installed_repo, "attempts", "--sort", "lr") == [3, 1]
    found = rows(installed_repo, "--attempts", "--columns", "machine,status,metrics.acc,attempt_id")
    assert sorted(map(json.dumps, found)) == sorted(
        json.dumps(
            dict(sorted({"machine": m, "status": s, "metrics.acc": a, "attempt_id": i}.items()))
        )
        for m, s, a, i in [
            ("cluster", "complete", 0.5, "attempt-0"),
            ("laptop", "complete", 0.7, "attempt-1"),
            ("cluster", "failed", None, "attempt-2"),
            (None, "running", None, "new"),
        ]
    )
    found = rows(
        installed_repo, "--attempts", "--group-by", "job_id", "--stat", "metrics.acc:mean,n"
    )
    assert [(row["attempts"], row["metrics.acc:n"]) for row in found if row["metrics.acc:n"]] == [
        (3, 2)
    ]


values = st.sampled_from([0, 1, 1.0, 2.5, -3, 10**6, 0.1, 1e-9, True, "x", None])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from([1, 1.0, True, "1", None]), values), max_size=12))
def test_group_statistics_are_pythons_own(
    installed_repo: Machine, table: list[tuple[Any, Any]]
) -> None:
    """LED-11: against the module ``statistics``, grouped by hand with JSON's idea of the same."""
    shutil.rmtree(installed_repo / ".aexp/ledger", ignore_errors=True)
    wanted: dict[tuple[bool, Any], list[Any]] = {}
    for seed, (key, value) in enumerate(table):
        entry(installed_repo, {"key": key, "seed": seed}, params={"value": value})
        wanted.setdefault((isinstance(key, bool), key), []).append(value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no run may have a value
        found = aexp.query(
            group_by=["key"], stats="params.value:mean,std,median,n", repo_root=installed_repo.path
        )
    assert len(found) == len(wanted)
    for row in found:
        members = wanted[isinstance(row["key"], bool), row["key"]]
        numbers = [v for v in members if isinstance(v, int | float) and not isinstance(v, bool)]
        assert (row["runs"], row["params.value:n"]) == (len(members), len(numbers))
        assert row["params.value:mean"] == (statistics.mean(numbers) if numbers else None)
        assert row["params.value:median"] == (statistics.median(numbers) if numbers else None)
        deviation = statistics.stdev(numbers) if len(numbers) > 1 else None
        assert row["params.value:std"] == deviation


# --- mistakes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "warning"),
    [
        (["--where", "metrics.ac > 1"], "no run has a field metrics.ac; did you mean metrics.acc?"),
        (["--where", "acc > 1"], "no run has a field acc; did you mean metrics.acc?"),
        (["--sort", "sed"], "no run has a field sed; did you mean seed?"),
        (["--group-by", "xyzzy"], "no run has a field xyzzy"),
        (
            ["--where", "status = complete"],
            "no run has a field complete; text stands in quotes: 'complete'",
        ),
        (
            ["--where", "status = 'completed'"],
            "no run has the status 'completed'; did you mean 'complete'?",
        ),
    ],
)
def test_a_name_that_no_run_has_is_a_warning(
    machine: Machine, args: list[str], warning: str
) -> None:
    """LED-11: on standard error, exit 0, with what is near."""
    rows(machine, *args, warned=f"warning: {warning}\n")


def test_a_name_that_one_run_has_is_none(machine: Machine) -> None:
    """LED-11: most fields are those of some runs only; fields of aexp's own are never doubted."""
    rows(machine, "--where", "sp.status = 'x' or ended_by = 'signal' or problem is null")
    with pytest.warns(UserWarning, match="no run has a field nosuch"):
        aexp.query(sort="nosuch", repo_root=machine.path)


@pytest.mark.parametrize(
    "args",
    [
        ["--where", "lr <"],
        ["--where", "__import__('os').system('touch pwned')"],
        ["--where", "lr = 1; DROP TABLE runs"],
        ["--where", "(" * 10_000],
        ["--where", "job_id = '" + "a" * 50_000],
        ["--where", "started_at > 'yesterday'"],
        ["--sort", "lr:mean"],
        ["--columns", "lr", "--group-by", "lr"],
        ["--stat", "lr:mode"],
        ["--limit", "0"],
        ["--format", "xml"],
    ],
)
def test_mistakes_are_usage_errors(machine: Machine, args: list[str]) -> None:
    """LED-11, trap 32: exit 2, one line and a hint, nothing on standard output, nothing done."""
    done = machine.aexp_fast("ledger", "query", *args, check=False).require(2)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert not (machine / "pwned").exists()


def test_the_python_function_refuses_the_same(machine: Machine) -> None:
    """LED-11: with the same class, which is a ``ValueError``."""
    with pytest.raises(UsageError):
        aexp.query("lr <", repo_root=machine.path)
    with pytest.raises(ValueError, match="shows nothing"):
        aexp.query(limit=0, repo_root=machine.path)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["where", "sort", "columns", "group-by", "stat"]),
    st.text(alphabet="alr.`'\"()[]<>=!:,01- no in and like is null é\x1b\x00\n*?\\")
    | st.lists(st.sampled_from(["lr", "`a", "seed", ":", "mean", ",", "-", " "])).map("".join),
)
def test_hostile_text_is_answered_or_refused(machine: Machine, option: str, text: str) -> None:
    """LED-11: neither a traceback nor anything but exit 0 and 2."""
    done = machine.aexp_fast("ledger", "query", f"--{option}={text}", check=False).require(0, 2)
    assert "\x1b" not in done.output


def test_odd_entries_are_rows_like_others(installed_repo: Machine) -> None:
    """Trap 3: metrics, parameters or attachments that are none of it do not end the question."""
    entry(
        installed_repo,
        {"": 1, "a.b": 2, "a": {"b": 3, "": {}}, "x`y": 4},
        metrics={"acc": {"value": [1]}, "": 1, "odd": {}},
        attachments=["x", {"name": 5}, {"name": "model"}],
        tags={"no": "list"},
        note=7,
        error="text",
        tracker=None,
        environment=[1],
    )
    job_id = entry(installed_repo, {"b": 1})
    path = installed_repo / f".aexp/ledger/{job_id}.json"
    path.write_text(path.read_text().replace('"b": 1', '"b": 2'))
    (row,) = rows(installed_repo)
    assert (
        row["sp.`a.b`"] == 2 and row["sp.a.b"] == 3 and row["sp.``"] == 1 and row["sp.`x``y`"] == 4
    )
    assert row["metrics.acc"] == [1]
    for name in row:
        assert column(installed_repo, name) == [row[name]], name
    assert column(installed_repo, "attachments") == [["5", "model"]]
    for field in ("metrics.acc", "environment.x", "tracker.url", "error.type", "metrics.odd.min"):
        rows(installed_repo, "--where", f"{field} > 1", "--sort", field, warned=None)


def test_a_retracted_run_has_no_results(machine: Machine) -> None:
    """LED-12: its row says so, and its metrics are in no statistic."""
    (best,) = rows(machine, "--where", "metrics.acc = 0.95")
    machine.aexp_fast("ledger", "retract", best["job_id"], "--reason", "wrong data")
    assert column(machine, "status", "--where", f"job_id = '{best['job_id']}'") == ["retracted"]
    (row,) = rows(machine, "--where", "not metrics.acc is nan", "--stat", "metrics.acc:max")
    assert row["metrics.acc:max"] == 0.9


def test_the_cache_changes_no_answer(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """LED-11, model.md 13: the same through the cache; asking writes nothing but it."""
    before = rows(machine)
    files = sorted(path for path in machine.path.rglob("*") if ".git" not in path.parts)
    assert rows(machine, "--attempts") is not None
    assert sorted(p for p in machine.path.rglob("*") if ".git" not in p.parts) == files
    monkeypatch.setattr(cache, "MANY", 1)
    monkeypatch.setattr(cache, "WORTH_SAVING", 1)
    assert rows(machine) == before
    assert rows(machine) == before
    assert (machine / cache.CACHE_REL).exists()


def test_every_file_is_read_once(machine: Machine) -> None:
    """LED-11: however many fields, groups and columns are asked for."""
    machine.aexp_fast("run", "--sp", "lr=3", "--", "true")
    done = script(
        machine,
        """
        import sys
        from collections import Counter

        opened = Counter()
        sys.addaudithook(lambda event, args: event == "open" and opened.update([str(args[0])]))
        import aexp

        rows = aexp.query("metrics.acc > 0 or lr > 0 or params.x = 1 or nosuch = 1", sort="lr")
        aexp.query("metrics.acc > 0 or exists tags", group_by="lr", stats="metrics.acc")
        entries = {name: n for name, n in opened.items() if ".aexp/ledger/" in name}
        others = {name: n for name, n in opened.items() if "/.runs/" in name}
        print(len(rows), len(entries), {*entries.values(), *others.values()})
        """,
        check=True,
    )
    assert done.stdout.split(maxsplit=2) == ["5", "5", "{2}\n"]
