"""Closing an attempt: what is sealed, what stands in document and ledger, what a failure does."""

from __future__ import annotations

import json
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from aexp import create_run, current_run, mark_status, run_lifecycle
from aexp.model.curves import METRICS_TYPE, decode_points, join
from aexp.model.oci import Manifest, decode_manifest
from aexp.registry import Registry, open_registry, run_ref
from aexp.repo import open_layout
from aexp.runs import closing
from aexp.runs.closing import close_attempt
from aexp.runs.transition import begin_attempt
from aexp.workspace.active import ActiveAttempt
from aexp.workspace.store import RunStore
from tests.runs.world import PYTHON, document, entry, experiment, only_run, script, start, until
from tests.support.machines import Machine

OUTPUT = "import sys; print('out'); print('err', file=sys.stderr)"


@pytest.fixture
def machine(installed_repo: Machine) -> Machine:
    """An installed repository with the experiment E001."""
    experiment(installed_repo)
    return installed_repo


@pytest.fixture
def job(machine: Machine) -> Any:
    """A created run."""
    return create_run("E001", {"seed": 0}, repo_root=machine.path)


def registry_of(machine: Machine) -> Registry:
    """Return the repository's registry."""
    return open_registry(open_layout(machine.path))


def manifest_of(machine: Machine, job_id: str) -> Manifest | None:
    """Return what the ref of a run names."""
    registry = registry_of(machine)
    ref = registry.ref(run_ref(open_layout(machine.path), job_id))
    if ref is None:
        return None
    found = registry.manifest(ref.digest)
    assert isinstance(found, Manifest)
    return found


def config_of(machine: Machine, manifest: Manifest) -> dict[str, Any]:
    """Return the config of a run's manifest."""
    value: dict[str, Any] = json.loads(registry_of(machine).read(manifest.config.digest))
    return value


def curve(machine: Machine, name: str) -> list[tuple[int | None, float]]:
    """Return the joined curve in the newest ``metrics.jsonl`` of the only run."""
    manifest = manifest_of(machine, only_run(machine))
    assert manifest is not None
    (layer,) = [each for each in manifest.layers if each.media_type == METRICS_TYPE]
    lines = registry_of(machine).read(layer.digest).splitlines()
    return [(point.step, point.number) for point in join(decode_points(lines), name)]


def log(**values: float) -> None:
    """Log one value of each metric, with its step behind the name: ``acc_3``."""
    run = current_run()
    assert run is not None
    for key, value in values.items():
        name, step = key.rsplit("_", 1)
        run.log_metric(name, value, int(step))


def test_a_run_with_parameters_alone_has_no_bytes(machine: Machine, job: Any) -> None:
    """REC-10, REG-02: the registry is neither touched nor made; the facts are in document and
    ledger."""
    with run_lifecycle(job):
        run = current_run()
        assert run is not None
        run.log_parameter("batch", 32)
    assert not registry_of(machine).root.exists()
    assert not (machine / ".git/aexp").exists()
    assert document(machine)["params"] == entry(machine)["params"] == {"batch": 32}
    assert "attachments" not in entry(machine)


def test_curves_and_attachments_are_sealed(machine: Machine, job: Any) -> None:
    """REC-10, REG-03, GC-02: blobs, config, manifest and ref hold all of the run."""
    with run_lifecycle(job):
        run = current_run()
        assert run is not None
        run.log_parameter("batch", 32)
        run.log_metrics({"loss": float("nan"), "acc": 0.5}, 0)
        run.log_metrics({"loss": float("-inf"), "acc": 0.75}, 1)
        run.log_json("config", {"lr": 0.1})
    manifest = manifest_of(machine, job.id)
    assert manifest is not None
    assert manifest.artifact_type == "application/vnd.aexp.run.v1+json"
    assert manifest.subject is None
    layers = {layer.annotations["dev.aexp.attachment.name"]: layer for layer in manifest.layers}
    assert set(layers) == {"config", "metrics.jsonl"}
    filed = entry(machine)
    listed = [{k: v for k, v in a.items() if k != "filename"} for a in filed["attachments"]]
    assert listed == [
        {"name": n, "media_type": d.media_type, "digest": d.digest, "size": d.size}
        for n, d in layers.items()
    ]
    config = config_of(machine, manifest)
    for key in ("job_id", "attempt_id", "statepoint", "run_link", "status", "ended_by"):
        assert config[key] == filed[key], key
    for key in ("started_at", "ended_at", "wallclock_s", "params", "metrics", "environment"):
        assert config[key] == filed[key], key
    assert [a["digest"] for a in config["attachments"]] == [d.digest for d in manifest.layers]
    registry = registry_of(machine)
    lines = registry.read(layers["metrics.jsonl"].digest).splitlines()
    found = [(p.name, p.step, p.value, p.attempt_id) for p in decode_points(lines)]
    assert found == [
        ("loss", 0, "NaN", filed["attempt_id"]),
        ("acc", 0, 0.5, filed["attempt_id"]),
        ("loss", 1, "-Infinity", filed["attempt_id"]),
        ("acc", 1, 0.75, filed["attempt_id"]),
    ]
    assert registry.live_leases() == []


def test_captured_output_travels(machine: Machine) -> None:
    """REC-10, RUN-05: ``output.log`` holds both streams; a silent command has none."""
    machine.aexp("run", "--sp", "seed=0", "--", PYTHON, "-c", OUTPUT)
    (listed,) = entry(machine)["attachments"]
    assert (listed["name"], listed["media_type"]) == ("output.log", "text/plain")
    data = registry_of(machine).read(listed["digest"])
    assert (len(data), b"out" in data, b"err" in data) == (8, True, True)
    silent = machine.aexp("run", "--sp", "seed=1", "--", "true")
    other = next(
        d for d in (machine / ".aexp/ledger").glob("*.json") if only(machine) not in d.name
    )
    assert "attachments" not in json.loads(other.read_text("utf-8")), silent.output


def only(machine: Machine) -> str:
    """Return the id of the first run."""
    points = {p.parent.name: json.loads(p.read_text("utf-8")) for p in
              (machine / ".runs/workspace").glob("*/signac_statepoint.json")}  # fmt: skip
    return next(job_id for job_id, point in points.items() if point.get("seed") == 0)


def test_one_curve_over_several_allocations(machine: Machine, job: Any) -> None:
    """REC-10: a lost attempt's values are in the curve; a later attempt counts from its step."""
    lost = f"""
    import os, aexp
    with aexp.run_lifecycle(aexp.open_run("{job.id}")):
        run = aexp.current_run()
        for step in range(5):
            run.log_metric("acc", step, step)
        run.flush()
        os._exit(9)
    """
    assert script(machine, lost).returncode == 9
    with run_lifecycle(job):
        log(acc_3=30.0, acc_4=40.0, acc_5=50.0)
    assert curve(machine, "acc") == [(0, 0), (1, 1), (2, 2), (3, 30), (4, 40), (5, 50)]
    filed = entry(machine)
    assert filed["metrics"]["acc"]["count"] == 3
    manifest = manifest_of(machine, job.id)
    assert manifest is not None
    assert manifest.subject is None, "the lost attempt was not sealed"
    assert [other["status"] for other in filed["replicates"]] == ["abandoned"]
    assert "attachments" not in filed["replicates"][0]


def test_a_retry_builds_on_the_sealed_attempt(machine: Machine, job: Any) -> None:
    """ADR 7: the earlier manifest is the subject, and stays reachable."""

    def failing() -> None:
        with run_lifecycle(job):
            log(acc_0=1.0)
            raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        failing()
    first = manifest_of(machine, job.id)
    with run_lifecycle(job):
        log(acc_0=2.0)
    second = manifest_of(machine, job.id)
    assert first is not None
    assert second is not None
    assert second.subject is not None
    assert decode_manifest(registry_of(machine).read(second.subject.digest)) == first
    assert config_of(machine, first)["error"]["type"] == "ValueError"
    assert curve(machine, "acc") == [(0, 2.0)]


def test_the_bytes_do_not_depend_on_the_order_of_streams(machine: Machine, job: Any) -> None:
    """REC-10: several processes' values stand in order of time, alike at each closing."""
    store = RunStore(open_layout(machine.path))
    attempt_id = begin_attempt(store, job.id)
    code = f"""
    import os, time
    from pathlib import Path
    from aexp.model.stream import Metric
    from aexp.workspace.streams import StreamWriter
    for process in range(3):
        if os.fork() == 0:
            writer = StreamWriter(Path({job.path!r}), job_id="j", attempt_id={attempt_id!r})
            for step in range(50):
                writer.append(Metric(f"m{{process}}", float(step), 10.0 * step + process, step))
            writer.close()
            os._exit(0)
    for _ in range(3):
        os.wait()
    """
    script(machine, code, check=True)
    close_attempt(store, job.id, attempt_id, "complete", "exit", None)
    (listed,) = entry(machine)["attachments"]
    lines = registry_of(machine).read(listed["digest"]).splitlines()
    times = [point.time for point in decode_points(lines)]
    assert times == sorted(times)
    assert len(times) == 150


def test_long_curves_go_through_a_file(
    machine: Machine, job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REC-10: in memory that does not grow with them; the bytes are the same."""
    with run_lifecycle(job):
        log(**{f"acc_{step}": float(step) for step in range(2500)})
    small = curve(machine, "acc")
    monkeypatch.setattr(closing, "_WITH_CONFIG", 100)
    monkeypatch.setattr(closing, "_IN_MEMORY", 1000)
    with run_lifecycle(job, again=True):
        log(acc_2500=2500.0)
    assert small == [(step, float(step)) for step in range(2500)]
    assert curve(machine, "acc") == [*small, (2500, 2500.0)]
    assert {p.name for p in Path(job.path).iterdir()} == {
        *("signac_statepoint.json", "signac_job_document.json"),
        *("aexp.lock", "aexp.heartbeat", "streams"),
    }


def test_a_status_set_inside_is_kept_and_the_bytes_are_sealed(machine: Machine, job: Any) -> None:
    """RUN-03, trap 7, REC-10: what is logged around ``mark_status`` is not lost."""
    with run_lifecycle(job):
        log(acc_0=1.0)
        mark_status(job, "stopped")
        log(acc_1=2.0)
    filed = entry(machine)
    assert (filed["status"], filed["ended_by"]) == ("stopped", "operator")
    assert filed["metrics"]["acc"]["count"] == 2
    manifest = manifest_of(machine, job.id)
    assert manifest is not None
    assert config_of(machine, manifest)["status"] == "stopped"


def test_closing_twice_changes_nothing(machine: Machine, job: Any) -> None:
    """REC-01: a closed run is immutable."""
    store = RunStore(open_layout(machine.path))
    attempt_id = begin_attempt(store, job.id)
    attempt = ActiveAttempt(job.id, attempt_id, store.folder(job.id))
    close = (store, job.id, attempt_id, "complete", "exit", None)
    first = close_attempt(*close, attempt=attempt, always_manifest=True, facts={"session_run": 3})
    before = document(machine), machine.read(f".aexp/ledger/{job.id}.json")
    assert first.manifest is not None
    again = close_attempt(*close, always_manifest=True, facts={"session_run": 9})
    assert again.attachments == first.attachments == ()
    assert (document(machine), machine.read(f".aexp/ledger/{job.id}.json")) == before
    manifest = manifest_of(machine, job.id)
    assert manifest is not None
    assert config_of(machine, manifest)["session_run"] == 3


def test_what_is_recorded_after_the_end_changes_nothing(machine: Machine, job: Any) -> None:
    """REC-01, LED-06: a stream that somebody appends later does not change a sealed run."""
    with run_lifecycle(job):
        log(acc_0=1.0)
    before = machine.read(f".aexp/ledger/{job.id}.json")
    (stream,) = Path(job.path).glob("streams/*/*.jsonl")
    with stream.open("a") as file:
        file.write('{"kind":"metric","name":"acc","value":9.0,"time":9e9,"step":1}\n')
    machine.aexp_fast("ledger", "backfill", "--no-commit")
    assert machine.read(f".aexp/ledger/{job.id}.json") == before
    shutil.rmtree(stream.parent.parent)  # a power failure, or a cleaning
    machine.aexp_fast("ledger", "backfill", "--no-commit")
    assert machine.read(f".aexp/ledger/{job.id}.json") == before


def test_secrets_and_paths_stay_here(machine: Machine, job: Any) -> None:
    """LED-02: the config travels, so it says no more than the ledger."""
    with run_lifecycle(job):
        run = current_run()
        assert run is not None
        run.log_parameter("data", f"{Path.home()}/data")
        run.log_parameter("api_key", "sk-proj-Zx81kQ0vTn3LrB7yWm2HcJ5dPf9GaUeS")
        run.log_metric("acc", 1.0)
    manifest = manifest_of(machine, job.id)
    assert manifest is not None
    config = config_of(machine, manifest)
    text = json.dumps(config)
    assert "sk-proj" not in text
    assert str(Path.home()) not in text
    assert config["params"] == entry(machine)["params"]
    assert config["redacted"] == entry(machine)["redacted"]


def test_many_attachments_fit_the_entry(machine: Machine, job: Any) -> None:
    """LED-01: of hundreds of attachments the list itself is one; config and document have all."""
    with run_lifecycle(job):
        run = current_run()
        assert run is not None
        registry_of(machine).initialise()
        for number in range(400):
            run.log_attachment(f"plot {number}", "text/plain", b"the same bytes")
    path = machine / f".aexp/ledger/{job.id}.json"
    assert path.stat().st_size < 64 * 1024
    assert [a["name"] for a in entry(machine)["attachments"]] == ["aexp.attachments.json"]
    assert len(document(machine)["attachments"]) == 400
    manifest = manifest_of(machine, job.id)
    assert manifest is not None
    assert len(manifest.layers) == 400


def break_registry(machine: Machine) -> Path:
    """Put a file where the registry goes."""
    place: Path = machine / ".git/aexp"
    place.write_text("in the way", "utf-8")
    return place


def test_a_registry_that_fails_does_not_keep_a_run_from_ending(
    machine: Machine, job: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """ADR 7: one line, the reason in the document, in ``status`` and ``show-run``; ``recover``
    seals it when the registry is well again."""
    place = break_registry(machine)
    with run_lifecycle(job):
        log(acc_0=1.0, acc_1=2.0)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith(f"[aexp registry] run {job.id} was not sealed: ")
    filed = entry(machine)
    assert filed["status"] == "complete"
    assert filed["metrics"]["acc"]["count"] == 2
    assert document(machine)["registry_error"]["reason"] in said[0]
    state = json.loads(machine.aexp_fast("status", "--format", "json").stdout)
    assert list(state["unsealed"]) == [job.id]
    assert "not sealed" in machine.aexp_fast("status").stdout
    assert "not sealed" in machine.aexp_fast("show-run", job.id).stdout
    assert machine.aexp_fast("recover").stdout.startswith(f"unsealed    {job.id[:8]}")
    failed = machine.aexp_fast("recover", "--apply", check=False)
    assert (failed.returncode, "cannot be sealed yet" in failed.stderr) == (10, True)
    place.unlink()
    machine.aexp_fast("recover", "--apply")
    assert manifest_of(machine, job.id) is not None
    assert curve(machine, "acc") == [(0, 1.0), (1, 2.0)]
    assert "registry_error" not in document(machine)
    assert machine.aexp_fast("recover").stdout == "nothing to recover\n"


def test_the_log_is_sealed_later_too(machine: Machine) -> None:
    """REC-10: output that could not be sealed when the command ended."""
    place = break_registry(machine)
    done = machine.aexp("run", "--sp", "seed=0", "--", "echo", "hello")
    assert "[aexp registry]" in done.stderr
    place.unlink()
    machine.aexp_fast("recover", "--apply")
    (listed,) = entry(machine)["attachments"]
    assert registry_of(machine).read(listed["digest"]) == b"hello\n"


CLOSING = """
import os, sys, time, aexp
import aexp.runs.closing as closing
real = closing._seal
def slow(sealing):
    open("closing.dat", "w").close()
    while not os.path.exists("go.dat"):
        time.sleep(0.01)
    return real(sealing)
closing._seal = slow
with aexp.run_lifecycle(aexp.open_run(sys.argv[1])):
    aexp.current_run().log_metric("acc", 1.0)
open("after.dat", "w").close()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
def test_a_signal_while_a_run_is_closed(
    machine: Machine, job: Any, number: signal.Signals, times: int
) -> None:
    """RUN-02, trap 6: it waits until the run has ended, unless it is sent again."""
    machine.write("train.py", CLOSING)
    child = start(machine, PYTHON, "train.py", job.id)
    until((machine / "closing.dat").exists)
    for _ in range(times):
        child.send_signal(number)
        time.sleep(0.2)
    assert (child.poll() is None) == (times == 1)
    (machine / "go.dat").touch()
    child.communicate(timeout=20)
    assert child.returncode == -number
    assert not (machine / "after.dat").exists()
    assert document(machine)["status"] == ("complete" if times == 1 else "running")
    if times == 1:
        assert manifest_of(machine, job.id) is not None
        assert entry(machine)["metrics"]["acc"]["value"] == 1.0


def test_a_lost_run_is_not_sealed(machine: Machine) -> None:
    """RUN-06, ADR 7: what a killed process had published of an attempt is taken back."""
    code = """
import os, sys, aexp
import aexp.runs.closing as closing
aexp.current_run
job = aexp.create_run("E001", {"seed": 0})
def begun(*a, **k):
    os._exit(9)
if sys.argv[1] == "second":
    closing.finish_attempt = begun
with aexp.run_lifecycle(job, again=True):
    aexp.current_run().log_metric("acc", 1.0)
"""
    machine.write("train.py", code)
    first = start(machine, PYTHON, "-W", "ignore", "train.py", "first")
    first.communicate(timeout=20)
    sealed = manifest_of(machine, only_run(machine))
    second = start(machine, PYTHON, "-W", "ignore", "train.py", "second")
    second.communicate(timeout=20)
    assert (first.returncode, second.returncode) == (0, 9)
    assert manifest_of(machine, only_run(machine)) != sealed
    until(lambda: "lost" in machine.aexp_fast("recover").stdout)
    machine.aexp_fast("recover", "--apply")
    assert manifest_of(machine, only_run(machine)) == sealed
    assert document(machine)["status"] == "abandoned"
    assert "attachments" not in document(machine)
