"""Runs of a session: numbers, parameters, metrics, threads (REC-01 to REC-03)."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import aexp
from aexp.errors import (
    CheckpointWarning,
    MissingExperimentWarning,
    MissingExtraError,
    OpenRunsError,
    RunBusyError,
    RunClosedError,
    SessionClosedError,
    UnsafeValueError,
    UsageError,
)
from aexp.experiment import Experiment, Run, SealedRun
from aexp.model.parameters import columns, widest
from tests.recording.optional import need
from tests.recording.sessions import entry, statuses
from tests.support.machines import Machine


@pytest.fixture(autouse=True)
def here(repo: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in the repository, as a script does."""
    monkeypatch.chdir(repo.path)


def point(repo: Machine, run: Run | SealedRun) -> dict[str, Any]:
    """Return the state point of a run as its folder has it."""
    path = repo / f".runs/workspace/{run.job_id}/signac_statepoint.json"
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def test_each_call_is_a_new_run(repo: Machine) -> None:
    """REC-01: the state point holds the session's id and the run's number, from 0."""
    experiment = Experiment()
    runs = []
    for _ in range(3):
        with experiment.run(lr=0.1) as run:
            runs.append(run)
    assert [run.run_id for run in runs] == [0, 1, 2]
    assert len({run.job_id for run in runs}) == 3
    assert point(repo, runs[2]) == {
        "lr": 0.1,
        "session": experiment.session_id,
        "session_run": 2,
        "code_commit": repo.head(),
        "code_dirty": False,
    }


def test_reuse_is_signacs_plain_identity(repo: Machine) -> None:
    """REC-01: with `reuse` the same keys are the same run, with an attempt for each call."""
    first, second = Experiment(), Experiment()
    with first.run(reuse=True, lr=0.1) as one:
        one.log_parameter("n", 1)
    with second.run(lr=0.1):
        pass
    with second.run(reuse=True, lr=0.1) as two:
        two.log_parameter("n", 2)
    assert one.job_id == two.job_id and (one.run_id, two.run_id) == (0, 1)
    assert "session" not in point(repo, one)
    filed = entry(repo, one.job_id)
    assert len(filed["replicates"]) == 1
    assert [run.parameters for run in second.runs] == [{"lr": 0.1}, {"lr": 0.1, "n": 2}]
    with second.run(reuse=True, lr=0.1), pytest.raises(RunBusyError):
        second.run(reuse=True, lr=0.1)
    second.commit()  # the run that did not come about keeps nobody from it


def test_the_number_of_a_reused_run_is_not_given_again(repo: Machine) -> None:
    """REC-01, trap 42: not even when the process died in it, and another session reused it."""
    from tests.recording.sessions import run_python

    code = "e = Experiment('n')\nwith e.run(): pass\nr = e.run(reuse=True, x=1)\nos._exit(0)"
    run_python(repo, code)
    with Experiment().run(reuse=True, x=1):
        pass
    with Experiment.restore_from_checkpoint("n").run() as run:
        assert run.run_id == 2


def test_an_experiment_id_as_the_name(repo: Machine) -> None:
    """REC-01: a name like E001 is both; one without a file is told once."""
    with pytest.warns(MissingExperimentWarning) as told:
        experiment = Experiment("E001")
    assert told[0].filename == __file__
    with experiment.run(x=1) as run:
        pass
    assert entry(repo, run.job_id)["run_link"]["experiment_id"] == "E001"
    assert experiment.commit().name == "E001" == experiment.experiment_id
    with pytest.raises(UsageError):
        Experiment("a name", experiment_id="no id")


def test_dotted_and_odd_keys(repo: Machine) -> None:
    """REC-01: keys that are no Python names go into a mapping; dots nest; both are parameters."""
    with Experiment().run({"optimizer.lr": 0.1, "with blank": 1}, depth=2) as run:
        assert run.parameters == {"optimizer.lr": 0.1, "with blank": 1, "depth": 2}
    assert point(repo, run)["optimizer"] == {"lr": 0.1}


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ({"session": "x"}, UsageError),
        ({"session_run": 3}, UsageError),
        ({"code_commit": "x"}, UsageError),
        ({"lr": math.nan}, UnsafeValueError),
        ({"api_key": "sk-proj-Zq8bYt2WmNx4Lk7Jd1Rf6Hs3"}, UnsafeValueError),
        ({"a.b": 1, "a": 2}, UsageError),
    ],
)
def test_what_may_not_be_recorded(
    repo: Machine, keys: dict[str, Any], error: type[Exception]
) -> None:
    """REC-01: a refused state point makes no run, and costs no number."""
    experiment = Experiment()
    with pytest.raises(error):
        experiment.run(keys)
    with pytest.raises(UsageError, match="twice"):
        experiment.run({"a": 1}, a=1)
    with experiment.run() as run:
        assert run.run_id == 0
    assert statuses(repo) == ["complete"]


def test_a_closed_run_is_immutable(repo: Machine) -> None:
    """REC-01: any later call raises and changes nothing."""
    experiment = Experiment()
    run = experiment.run()
    run.log_metric("loss", 1.0)
    run.finish()
    before = entry(repo, run.job_id)
    calls: list[Callable[[], object]] = [
        run.finish,
        lambda: run.log_parameter("a", 1),
        lambda: run.log_metric("loss", 2.0),
        lambda: run.log_metrics({"loss": 2.0}),
        lambda: run.log_json("a", 1),
        lambda: run.log_attachment("a", "text/plain", b""),
        lambda: run.log_file("a", __file__),
        run.__enter__,
    ]
    for call in calls:
        with pytest.raises(RunClosedError):
            call()
    assert entry(repo, run.job_id) == before
    assert [p.number for p in run.metrics("loss")] == [1.0]
    assert run.status == "complete"


def test_several_open_runs(repo: Machine) -> None:
    """REC-01: runs may overlap; each keeps what was logged to it; commit waits for all."""
    experiment = Experiment()
    runs = [experiment.run(i=i) for i in range(3)]
    for run in runs:
        run.log_parameter("mine", run.run_id)
    assert [r.status for r in experiment.runs] == ["running"] * 3
    runs[1].finish()
    with pytest.raises(OpenRunsError, match=r"run 0 .*, run 2 .* are open"):
        experiment.commit()
    for run in experiment.open_runs:
        run.finish()
    assert [r.parameters for r in experiment.runs] == [{"i": i, "mine": i} for i in range(3)]
    assert experiment.commit().digest


def test_eight_threads_and_eight_runs(repo: Machine) -> None:
    """REC-01, REC-03: nothing of one thread gets into the run of another, and nothing is lost."""
    experiment = Experiment("threads")
    go = threading.Barrier(8)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            go.wait()
            with experiment.run(worker=number) as run:
                for step in range(200):
                    run.log_metric("value", number * 1000 + step, step=step)
                run.log_parameter("own", number)
                run.log_json("result", {"worker": number})
                assert aexp.current_run() is None
        except Exception as error:  # noqa: BLE001  shown below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    experiment.commit()
    runs = Experiment.load("threads").runs
    assert sorted(run.run_id for run in runs) == list(range(8))
    for run in runs:
        worker = run.parameters["worker"]
        assert run.parameters["own"] == worker
        assert run.get_attachment("result") == {"worker": worker}
        assert [p.number for p in run.metrics("value")] == [worker * 1000 + s for s in range(200)]


def test_committing_while_threads_record(repo: Machine) -> None:
    """SES-06: a run or an attachment is in the artifact, or its caller is told; nothing between."""
    experiment = Experiment("n")
    begun: list[int] = []
    attached: list[str] = []
    told: list[BaseException] = []

    def runs() -> None:
        try:
            while True:
                with experiment.run() as run:
                    pass
                begun.append(run.run_id)
                time.sleep(0.02)  # a moment in which a commit may come in between
        except SessionClosedError as error:
            told.append(error)

    def attachments() -> None:
        try:
            for number in range(100_000):
                experiment.log_json(str(number), number)
                attached.append(str(number))
        except SessionClosedError as error:
            told.append(error)

    threads = [threading.Thread(target=work) for work in (runs, runs, attachments)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 30
    while experiment.status == "running":
        assert time.monotonic() < deadline
        with contextlib.suppress(OpenRunsError):
            experiment.commit()
    for thread in threads:
        thread.join()
    assert len(told) == 3
    loaded = Experiment.load("n")
    assert [run.run_id for run in loaded.runs] == sorted(begun)
    assert loaded.attachment_names == attached
    assert set(statuses(repo)) <= {"complete"}


def test_eight_threads_in_one_run(repo: Machine) -> None:
    """REC-03: any number of threads may log into one run, and a late one is told."""
    experiment = Experiment()
    run = experiment.run()
    refused: list[BaseException] = []
    logged: list[int] = []

    def work() -> None:
        count = 0
        try:
            while count < 100_000:
                run.log_metric("value", count)
                count += 1
        except Exception as error:  # noqa: BLE001  shown below
            refused.append(error)
        logged.append(count)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    run.finish()
    for thread in threads:
        thread.join()
    assert [type(error) for error in refused] == [RunClosedError] * 4
    # A value that was taken is there; one that came in the same moment may be, too.
    assert abs(len(experiment.runs[0].metrics("value")) - sum(logged)) <= 4


def test_current_run_is_the_run_of_the_block(repo: Machine) -> None:
    """RUN-02: code that records into the current run works within a session as well."""
    with Experiment().run() as run:
        current = aexp.current_run()
        assert current is not None and current.job_id == run.job_id
        current.log_metric("loss", 0.25)
        assert [p.number for p in run.metrics("loss")] == [0.25]
    assert aexp.current_run() is None


def test_parameters(repo: Machine) -> None:
    """REC-02: scalars, those of numpy too; the same value twice is nothing, another an error."""
    numpy = need("numpy")
    experiment = Experiment()
    with experiment.run(lr=0.1) as run:
        run.log_parameter("flag", numpy.bool_(True))
        run.log_parameter("count", numpy.int64(3))
        run.log_parameter("count", 3)
        run.log_parameter("rate", numpy.float32(0.5))
        run.log_parameter("word", "a b")
        run.log_parameter("nothing", math.nan)
        run.log_parameter("nothing", math.nan)
        run.log_parameter("lr", 0.1)
        for name, other in (("count", 4), ("flag", 1)):
            with pytest.raises(UsageError, match="already") as caught:
                run.log_parameter(name, other)
            assert "overwrite=True" in caught.value.__notes__[0], "a traceback says the way out"
        run.log_parameter("count", 5, overwrite=True)
        with pytest.raises(UsageError, match="part of what this run is"):
            run.log_parameter("lr", 0.2, overwrite=True)
        for bad in ([1], {"a": 1}, None, numpy.zeros(3), object()):
            with pytest.raises(UsageError):
                run.log_parameter("bad", bad)  # type: ignore[arg-type]
        with pytest.raises(UsageError):
            run.log_parameter("", 1)
        live = run.parameters
    (ended,) = experiment.runs
    assert math.isnan(ended.parameters.pop("nothing")) and math.isnan(live.pop("nothing"))
    shown = {k: v for k, v in ended.parameters.items() if k != "nothing"}
    assert shown == live
    assert live == {"lr": 0.1, "flag": True, "count": 5, "rate": 0.5, "word": "a b"}
    assert type(live["flag"]) is bool and type(live["rate"]) is float
    assert entry(repo, run.job_id)["params"]["count"] == 5


def test_mixed_types_of_one_name(repo: Machine) -> None:
    """REC-02, trap 34: the table widens; storing and committing never fail."""
    pandas = need("pandas")
    experiment = Experiment("mixed")
    values: list[bool | int | float | str] = [1, 2.5, "three", True, 2**70, math.nan, ""]
    for value in values:
        with experiment.run() as run:
            run.log_parameter("value", value)
            run.log_parameter("always", len(str(value)))
            if run.run_id == 0:
                run.log_parameter("once", 7)
                run.log_parameter("flag", True)
    for frame in (experiment.run_parameters_df(), None):
        if frame is None:
            experiment.commit()
            frame = Experiment.load("mixed").run_parameters_df()
        kept = list(frame["value"])
        assert math.isnan(kept.pop(5))
        assert kept == [1, 2.5, "three", True, 2**70, ""]
        assert [type(v) for v in kept] == [int, float, str, bool, int, str]
        assert frame.index.name == "run_id" and list(frame.index) == list(range(7))
        assert str(frame["once"].dtype) == "Int64" and frame["once"][0] == 7
        assert frame["once"].isna().sum() == 6
        assert str(frame["flag"].dtype) == "boolean" and str(frame["always"].dtype) == "int64"
    assert isinstance(frame, pandas.DataFrame)


def test_widening() -> None:
    """REC-02: a column is of the narrowest kind that changes none of its values."""
    assert widest([1, 2.5]) == "float"
    assert widest([2**60, 2.5]) == "mixed", "as a float it would be another number"
    assert widest([True, 1]) == "mixed"
    assert widest([1, "1"]) == "mixed"
    assert widest([2**63]) == "mixed" and widest([-(2**63)]) == "int"
    assert widest([[1], [2]]) == "mixed"
    assert [(c.name, c.kind, c.values) for c in columns([{"b": 1}, {"a": "x", "b": 2}])] == [
        ("b", "int", (1, 2)),
        ("a", "text", (None, "x")),
    ]
    assert columns([]) == []


def test_an_empty_table(repo: Machine) -> None:
    """SES-06: a session without runs has an empty table."""
    need("pandas")
    assert Experiment().run_parameters_df().empty


def test_pandas_is_not_needed_otherwise(repo: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The frame extra: one line says how to install it."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    experiment = Experiment()
    with experiment.run(x=1):
        pass
    with pytest.raises(MissingExtraError) as caught:
        experiment.run_parameters_df()
    assert "pip install" in str(caught.value.hint)


def test_metrics_read_back(repo: Machine) -> None:
    """REC-03: while the run is open, and after; NaN and infinities kept; final, min, max filed."""
    experiment = Experiment()
    with experiment.run() as run:
        assert run.metrics("loss") == [] == run.metric_names
        for step in (2, 0, 1):
            run.log_metric("loss", 1.0 / (step + 1), step=step)
        run.log_metrics({"odd": math.inf, "acc": 0.5})
        run.log_metric("odd", math.nan)
        live = run.metrics("loss")
        assert [(p.step, p.number) for p in live] == [(0, 1.0), (1, 0.5), (2, 1 / 3)]
        assert run.metric_names == ["acc", "loss", "odd"]
    (ended,) = experiment.runs
    assert isinstance(ended, SealedRun)
    assert ended.metrics("loss") == live
    odd = [p.number for p in ended.metrics("odd")]
    assert odd[0] == math.inf and math.isnan(odd[1])
    assert ended.metrics("none") == []
    assert ended.final_metrics["loss"] == 1 / 3
    filed = entry(repo, run.job_id)["metrics"]["loss"]
    assert (filed["value"], filed["min"], filed["max"]) == (1 / 3, 1 / 3, 1.0)


def test_an_unreadable_environment_is_no_reason_not_to_run(
    repo: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REC-09: what cannot be told is a warning where the caller's code is."""
    import aexp.recording.run as module

    def refuse(*args: object, **options: object) -> None:
        raise UsageError("no environment today")

    monkeypatch.setattr(module, "record_environment", refuse)
    with pytest.warns(CheckpointWarning, match="no environment today") as told:
        run = Experiment().run()
    assert told[0].filename == __file__
    run.finish()


def test_heartbeats(repo: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """RUN-06: one thread beats for all open runs of this process, and for no closed one."""
    import aexp.recording.pulse as module

    monkeypatch.setattr(module, "HEARTBEAT_S", 0.02)
    experiment = Experiment()
    runs = [experiment.run(i=i) for i in range(3)]
    assert [t.name for t in threading.enumerate()].count("aexp-ticker") == 1

    def beats() -> list[int]:
        folder = repo / ".runs/workspace"
        return [(folder / run.job_id / "aexp.heartbeat").stat().st_mtime_ns for run in runs]

    runs[0].finish()
    before = beats()
    deadline = time.monotonic() + 10
    after = beats()
    while not (after[1] > before[1] and after[2] > before[2]) and time.monotonic() < deadline:
        time.sleep(0.02)
        after = beats()
    assert after[0] == before[0] and after[1] > before[1] and after[2] > before[2]
    for run in experiment.open_runs:
        run.finish()
