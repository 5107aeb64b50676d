"""Files of metrics: ``exe.metrics_file()`` and ``repo.read_metrics()`` (EXE-24)."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

import aexp
from aexp.errors import CorruptDataError, NotFoundError
from aexp.execution.metrics import parse_lines, parse_records
from tests.execution.staged import new_execution
from tests.recording.optional import need
from tests.support.machines import Machine


@pytest.fixture
def exe(installed_repo: Machine, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An execution, created."""
    need("pydantic")
    monkeypatch.chdir(installed_repo.path)
    return new_execution(installed_repo)


def metrics_of(machine: Machine, rid: str) -> dict[str, Any]:
    """Return the final metrics in the ledger entry of an execution."""
    entry = json.loads((machine / ".aexp" / "ledger" / f"{rid}.json").read_bytes())
    found: dict[str, Any] = entry["metrics"]
    return found


def curve(exe: Any, name: str) -> list[tuple[int | None, float]]:
    """Return the curve of a metric of an execution's run."""
    run = aexp.load_run(exe.execution_rid)
    return [(point.step, point.number) for point in run.metrics(name)]


def test_the_same_file_each_time(exe: Any) -> None:
    """EXE-24: registered once, never emptied, by its type a metrics file."""
    with exe:
        for epoch in range(3):
            with exe.metrics_file().open("a") as f:
                json.dump({"epoch": epoch, "train_loss": 1 / (epoch + 1), "val_loss": 2.0}, f)
                f.write("\n")
    path = exe.metrics_file()
    assert path == exe.metrics_file() == exe.working_dir / "assets/Execution_Metadata/metrics.jsonl"
    assert path.asset_types == ["Metrics_File"] and len(path.read_text().splitlines()) == 3
    assert [row.name for row in exe.state.assets()] == ["metrics.jsonl"]
    assert curve(exe, "train_loss") == [(0, 1.0), (1, 0.5), (2, 1 / 3)]
    assert curve(exe, "val_loss") == [(0, 2.0), (1, 2.0), (2, 2.0)]


def test_the_same_as_registering_it(exe: Any) -> None:
    """EXE-24: it is sugar for ``asset_file_path``; what that adds is kept."""
    from aexp.execution import ExecMetadataType, MLAsset

    path = exe.asset_file_path(
        MLAsset.execution_metadata,
        "metrics.jsonl",
        asset_types=ExecMetadataType.metrics_file.value,
        metadata={"every": "epoch"},
    )
    assert path.asset_rid == exe.metrics_file().asset_rid
    assert exe.metrics_file().metadata == {"every": "epoch"}


def test_a_file_that_nothing_was_written_to(exe: Any) -> None:
    """EXE-24: a loop of no epochs does not keep the outputs from being published."""
    with exe:
        exe.metrics_file()
    published = exe.upload_execution_outputs()
    assert [path.name for path in published["Execution_Metadata"]] == ["metrics.jsonl"]
    assert aexp.open_repo().read_metrics(exe.execution_rid) == []


def test_reading_back(exe: Any, installed_repo: Machine, tmp_path: Path, clone: Any) -> None:
    """EXE-24: while it is staged, when it is published, and in a clone that has pulled it."""
    installed_repo.write("aexp.yaml", f"remotes: {{disk: {tmp_path / 'remote'}}}\n")
    installed_repo.commit_all("Remote")
    repo = aexp.open_repo()
    wanted = [{"execution_rid": exe.execution_rid, "epoch": n, "loss": 1.0} for n in range(2)]
    with exe:
        with exe.metrics_file().open("a") as f:
            for record in wanted:
                f.write(json.dumps({k: record[k] for k in ("epoch", "loss")}) + "\n")
        exe.metrics_file("eval.jsonl").write_text('{"acc": 0.5}\n')
        assert len(repo.read_metrics(exe.execution_rid)) == 3
    evaluated = [{"execution_rid": exe.execution_rid, "acc": 0.5}]
    exe.upload_execution_outputs()
    assert repo.read_metrics(exe.execution_rid[:8], "metrics.jsonl") == wanted
    exe.metrics_file().write_text("changed afterwards")
    assert repo.read_metrics(exe.execution_rid) == wanted + evaluated
    exe.metrics_file().unlink()
    assert repo.read_metrics(exe.execution_rid) == wanted + evaluated
    with pytest.raises(NotFoundError, match="no metrics file"):
        repo.read_metrics(exe.execution_rid, "none.jsonl")
    installed_repo.aexp_fast("ledger", "backfill")
    other = clone(installed_repo.path, tmp_path / "clone")
    there = aexp.open_repo(other.path)
    with pytest.raises(NotFoundError, match="aexp pull"):
        there.read_metrics(exe.execution_rid)
    other.install()
    other.aexp("pull", exe.execution_rid)
    assert there.read_metrics(exe.execution_rid, "metrics.jsonl") == wanted
    assert there.read_metrics(exe.execution_rid) == wanted + evaluated


def test_what_becomes_a_metric(exe: Any, installed_repo: Machine) -> None:
    """EXE-24: numbers only, nested keys with dots, steps by their usual names, NaN as it is."""
    lines = [
        '{"step": 10, "epoch": 1, "loss": NaN, "lr": {"head": 0.1, "body": 0.01}, "note": "x"}',
        '{"step": 20, "epoch": 2, "loss": 0.5, "ok": true, "list": [1], "huge": 1'
        + "0" * 400
        + "}",
        '{"loss": 0.25, "epoch": 3, "": 1, "text\u2028": 7}',
        '{"loss": 0.1, "ste',
    ]
    with exe:
        exe.metrics_file().write_text("\n".join(lines), encoding="utf-8")
    loss = curve(exe, "loss")
    assert [step for step, _ in loss] == [3, 10, 20] and math.isnan(loss[1][1])
    assert curve(exe, "lr.head") == [(10, 0.1)]
    assert curve(exe, "epoch") == [(10, 1.0), (20, 2.0)]
    assert set(aexp.load_run(exe.execution_rid).metric_names) == {
        *("loss", "lr.head", "lr.body", "epoch", "text\u2028")
    }


def test_two_files_with_one_key(exe: Any) -> None:
    """EXE-24: curves of two files are not mixed."""
    with exe:
        exe.metrics_file("train_metrics.jsonl").write_text('{"loss": 1, "lr": 0.1}\n')
        exe.metrics_file("eval_metrics.jsonl").write_text('{"loss": 2}\n')
    assert set(aexp.load_run(exe.execution_rid).metric_names) == {
        *("train_metrics/loss", "eval_metrics/loss", "lr")
    }


def test_what_the_run_recorded_itself(exe: Any) -> None:
    """EXE-24: a metric that is logged and written to the file has each value once."""
    with exe:
        for step in range(3):
            exe.log_metric("loss", float(step), step)
        exe.metrics_file().write_text('{"step": 0, "loss": 0.0, "acc": 1.0}\n')
    assert curve(exe, "loss") == [(0, 0.0), (1, 1.0), (2, 2.0)]
    assert curve(exe, "acc") == [(0, 1.0)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("metrics.csv", "epoch,loss\n1,0.5\n"),
        ("metrics.yaml", "loss: 0.5\n"),
        ("metrics.json", '{\n  "loss": 0.5\n}\n'),
        ("list.json", '[{"loss": 0.5}]'),
        ("numbers.txt", "1\n2\n3\n"),
        ("mixed.jsonl", '{"loss": 1}\nno json\n{"loss": 2}\n'),
    ],
)
def test_other_formats_are_left_alone(exe: Any, name: str, text: str) -> None:
    """EXE-24: they are published as they are, and become no metrics."""
    with exe:
        exe.metrics_file(name).write_text(text)
    assert aexp.load_run(exe.execution_rid).metric_names == []
    (path,) = exe.upload_execution_outputs()["Execution_Metadata"]
    assert path.read_text() == text
    repo = aexp.open_repo()
    if name.endswith(".json"):
        assert repo.read_metrics(exe.execution_rid, name) == [
            {"execution_rid": exe.execution_rid, "loss": 0.5}
        ]
    else:
        assert repo.read_metrics(exe.execution_rid) == []
        with pytest.raises(CorruptDataError, match=name):
            repo.read_metrics(exe.execution_rid, name)


def test_a_run_that_failed_keeps_its_metrics(exe: Any, installed_repo: Machine) -> None:
    """EXE-24: what was written before the exception is recorded."""

    def work() -> None:
        with exe:
            exe.metrics_file().write_text('{"epoch": 0, "loss": 0.5}\n')
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert curve(exe, "loss") == [(0, 0.5)]
    assert "loss" in metrics_of(installed_repo, exe.execution_rid)


@pytest.mark.parametrize(
    ("text", "lines", "records"),
    [
        ("", [], []),
        ("\n \n", [], []),
        ('{"a": 1}', [{"a": 1}], [{"a": 1}]),
        ('{"a": "\u2028"}\r\n{"b": 2}\n', [{"a": "\u2028"}, {"b": 2}], [{"a": "\u2028"}, {"b": 2}]),
        ('{"a": 1}\n{"a', [{"a": 1}], [{"a": 1}]),
        ('{"a', None, None),
        ("[1, 2]", None, None),
        ("[" * 5000, None, None),
        ("null", None, None),
        ('[{"a": 1}, {"a": 2}]', None, [{"a": 1}, {"a": 2}]),
    ],
)
def test_parsing(text: str, lines: Any, records: Any) -> None:
    """EXE-24: which texts are lines of JSON objects, and which are read as records besides."""
    assert parse_lines(text) == lines
    assert parse_records(text) == records
