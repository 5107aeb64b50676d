"""Publishing over a line that breaks off, to remotes that refuse, and what is told (EXE-40)."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import aexp
from aexp.errors import RemoteUnavailableError, TransferError
from aexp.execution import Execution, ExecutionStatus, publish
from aexp.execution.status import change
from aexp.model.remote import parse_remote
from aexp.registry.remotes import Limits, open_remote
from aexp.registry.remotes.base import CHUNK, Remote
from aexp.registry.remotes.places import blob_path
from tests.execution.publishing import (
    Watched,
    again,
    digest,
    ended_execution,
    entry_of,
    layout_of,
    new_execution,
    published,
    stage,
    use_remote,
    wrapped_remote,
)
from tests.execution.test_publish import machine_feature
from tests.registry.remote_help import FlakyRemote, blob_names
from tests.registry.remote_services import use_aws
from tests.support.machines import Machine

S = ExecutionStatus
BIG = bytes(range(256)) * 4096 * 5
"""Five mebibytes, four of which arrive before the line breaks off."""
TWO = {"Model/a.pt": BIG, "Image/b.png": b"pixels" * 100}


@pytest.fixture
def shared(installed_repo: Machine) -> Path:
    """The folder of a remote that the repository has."""
    return use_remote(installed_repo)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were waited for, without waiting."""
    slept: list[float] = []
    monkeypatch.setattr(publish, "sleep", slept.append)
    return slept


def flaky(**how: Any) -> Callable[[Remote], FlakyRemote]:
    """Return what makes a remote flaky."""
    return lambda remote: FlakyRemote(remote, **how)


def test_retries_are_counted_and_wait_twice_as_long_each(
    installed_repo: Machine, shared: Path, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """EXE-40, trap 53: three tries after the first, 5, 10 and 20 s apart; bytes count once."""
    execution = ended_execution(installed_repo, {"Model/a.pt": BIG})
    watched = Watched()
    with wrapped_remote(monkeypatch, flaky(fail={"put": 3}, after=CHUNK)):
        execution.upload_execution_outputs(progress_callback=watched)
    assert waits == [5.0, 10.0, 20.0]
    uploading = watched.of("uploading")
    assert uploading[-1].retries == 3
    assert [u.message for u in uploading if u.message] == [
        f"lab: the line went dead; retry {n} in {s} s" for n, s in ((1, 5), (2, 10), (3, 20))
    ]
    assert max(u.bytes_done for u in uploading) == len(BIG) == uploading[-1].bytes_done
    assert {u.bytes_total for u in uploading} == {len(BIG)}
    assert execution.status is S.Uploaded
    assert digest(BIG) in blob_names(shared)


def test_the_tries_are_used_up(
    installed_repo: Machine, shared: Path, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """EXE-40: Failed; the last error is kept and shown; the next call publishes everything."""
    execution = ended_execution(installed_repo, TWO)
    with (
        wrapped_remote(monkeypatch, flaky(fail={"put": 99}, after=CHUNK)),
        pytest.raises(RemoteUnavailableError, match=r"went dead \(tried 3 times\)"),
    ):
        execution.upload_execution_outputs(max_retries=2, retry_delay=0.5)
    assert waits[:2] == [0.5, 1.0]
    assert execution.status is S.Failed
    assert execution.error is not None
    assert execution.error["type"] == "RemoteUnavailableError"
    assert "went dead (tried 3 times)" in str(execution.error["message"])
    assert "went dead" in execution.message
    assert {"went dead" in str(row.error) for row in execution.state.assets()} == {True}
    facts = entry_of(installed_repo, execution)
    assert (facts["status"], facts["execution"]["publication"]) == ("complete", "upload_failed")
    assert published(facts) == {}
    shown = installed_repo.aexp_fast("show-run", execution.execution_rid).stdout
    assert "went dead" in shown
    seen: list[ExecutionStatus] = []
    later = again(execution)
    later.upload_execution_outputs(progress_callback=lambda _: seen.append(execution.status))
    assert seen[0] is S.Pending_Upload
    assert execution.status is S.Uploaded
    assert (execution.error, execution.message) == (None, "")
    assert {row.error for row in execution.state.assets()} == {None}
    assert published(entry_of(installed_repo, execution)) == {n: digest(d) for n, d in TWO.items()}
    assert list((shared / "tmp").glob(f"{digest(BIG)[7:]}*")) == [], "what had come was continued"


def test_what_is_not_transient_is_not_tried_again(
    installed_repo: Machine, shared: Path, waits: list[float]
) -> None:
    """EXE-40: a refusal is an answer, at once; mended, the next call goes through."""
    execution = ended_execution(installed_repo, TWO)
    shared.write_bytes(b"a file where the folder should be")
    with pytest.raises(TransferError) as caught:
        execution.upload_execution_outputs()
    assert not isinstance(caught.value, RemoteUnavailableError)
    assert waits == []
    assert execution.status is S.Failed
    shared.unlink()
    execution.upload_execution_outputs()
    assert execution.status is S.Uploaded


def test_publishing_work_that_failed(
    installed_repo: Machine, shared: Path, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """EXE-51, trap 46: from Failed too; a second failure is the transfer's, of no transition."""
    execution = new_execution(installed_repo)
    stage(execution, TWO)
    with pytest.raises(ZeroDivisionError), execution:
        raise ZeroDivisionError("of the model")
    for _ in range(2):
        with (
            wrapped_remote(monkeypatch, flaky(fail={"put": 99})),
            pytest.raises(RemoteUnavailableError, match="went dead"),
        ):
            again(execution).upload_execution_outputs(max_retries=0)
        assert execution.status is S.Failed
    again(execution).upload_execution_outputs()
    assert execution.status is S.Uploaded
    facts = entry_of(installed_repo, execution)
    assert facts["status"] == "failed", "what became of the work is not hidden by it"
    assert facts["error"] == {"type": "ZeroDivisionError", "message": "of the model"}
    assert published(facts) == {n: digest(d) for n, d in TWO.items()}


def test_failed_values_are_retried_with_the_rest(
    installed_repo: Machine, shared: Path, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """EXE-40, trap 47: values whose upload failed are published by the next call, once."""
    record = machine_feature(installed_repo)
    with new_execution(installed_repo) as execution:
        stage(execution, TWO)
        execution.add_features([record(Image="one", Grade="Mild")])

    class NoValues(FlakyRemote):
        def put(self, path: str, source: Any, size: int, *rest: Any) -> None:
            if path not in map(blob_path, map(digest, TWO.values())):
                raise RemoteUnavailableError("lab: no values today")
            super().put(path, source, size, *rest)

    with wrapped_remote(monkeypatch, NoValues), pytest.raises(RemoteUnavailableError):
        execution.upload_execution_outputs(max_retries=1)
    assert {row.state for row in execution.state.assets()} == {"uploaded"}
    assert published(entry_of(installed_repo, execution)) == {}
    with wrapped_remote(monkeypatch, FlakyRemote) as made:
        execution.upload_execution_outputs()
    put = [path for name, path in made[0].calls if name == "put"]
    assert not set(put) & {blob_path(digest(data)) for data in TWO.values()}
    assert list(published(entry_of(installed_repo, execution))) == [*TWO, "Image/Grade"]
    assert [row.state for row in execution.state.features()] == ["published"]


def test_what_the_remote_has_is_not_sent(
    installed_repo: Machine, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EXE-31, trap 53: a digest that is there is skipped, and its bytes count at once."""
    ended_execution(installed_repo, TWO).upload_execution_outputs()
    other = ended_execution(installed_repo, {**TWO, "Model/new.pt": b"new"})
    watched = Watched()
    with wrapped_remote(monkeypatch, FlakyRemote) as made:
        other.upload_execution_outputs(progress_callback=watched)
    put = {path for name, path in made[0].calls if name == "put"}
    assert blob_path(digest(b"new")) in put
    assert not put & {blob_path(digest(data)) for data in TWO.values()}
    last = watched.of("uploading")[-1]
    assert (last.files_done, last.files_total) == (3, 3)
    assert last.bytes_done == last.bytes_total == sum(map(len, TWO.values())) + 3


def test_progress_is_in_true_bytes(installed_repo: Machine, shared: Path) -> None:
    """EXE-40, trap 53: bytes and files of every phase add up, and each file is named."""
    files = {**TWO, "Model/same.pt": TWO["Image/b.png"], "Model/empty.pt": b""}
    execution = ended_execution(installed_repo, files)
    watched = Watched()
    execution.upload_execution_outputs(progress_callback=watched)
    size = sum(map(len, files.values()))
    for phase, total in (("storing", size), ("uploading", size - 600), ("done", size)):
        last = watched.of(phase)[-1]
        assert (last.files_done, last.files_total) == (4, 4), phase
        assert (last.bytes_done, last.bytes_total, last.fraction) == (total, total, 1.0), phase
    done = [u.bytes_done for u in watched.of("uploading")]
    assert done == sorted(done)
    assert {(u.asset, u.file_name) for u in watched.of("storing")} - {("", "")} == {
        ("Model", "a.pt"),
        ("Image", "b.png"),
        ("Model", "same.pt"),
        ("Model", "empty.pt"),
    }
    phases = list(dict.fromkeys(u.phase for u in watched.told))
    assert phases == ["storing", "uploading", "publishing", "done"]


def test_half_a_file_that_claims_to_have_arrived(
    installed_repo: Machine, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EXE-31, EXE-40: what is sent is looked at; what has not arrived whole is sent once more."""
    execution = ended_execution(installed_repo, {"Model/a.pt": BIG})
    watched = Watched()
    with wrapped_remote(monkeypatch, flaky(truncate_puts=1)):
        execution.upload_execution_outputs(progress_callback=watched)
    assert watched.of("uploading")[-1].bytes_done == len(BIG)
    assert digest(BIG) in blob_names(shared)


def test_an_interrupted_publication(installed_repo: Machine, shared: Path) -> None:
    """EXE-40: Ctrl-C is no failure: it is Pending_Upload, nobody holds it, and it can go on."""
    execution = ended_execution(installed_repo, TWO)

    def interrupt(progress: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execution.upload_execution_outputs(progress_callback=interrupt)
    assert execution.status is S.Pending_Upload
    assert execution.state.publisher() is None
    again(execution).upload_execution_outputs()
    assert execution.status is S.Uploaded


def test_a_callback_that_fails(installed_repo: Machine, shared: Path) -> None:
    """EXE-40: its error is raised as it is, and kept; nothing is visible."""
    execution = ended_execution(installed_repo, TWO)

    def fail(progress: Any) -> None:
        if progress.phase == "uploading" and progress.bytes_done:
            raise ZeroDivisionError("in the bar")

    with pytest.raises(ZeroDivisionError, match="in the bar"):
        execution.upload_execution_outputs(progress_callback=fail)
    assert execution.status is S.Failed
    assert published(entry_of(installed_repo, execution)) == {}
    execution.upload_execution_outputs()
    assert execution.status is S.Uploaded


def test_the_real_error_is_raised_when_it_cannot_be_noted(
    installed_repo: Machine, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap 46: another process changed the state meanwhile, or the disk is full: no matter."""
    execution = ended_execution(installed_repo, TWO)

    class Elsewhere(FlakyRemote):
        def put(self, *args: Any) -> None:
            change(execution.store, execution.execution_rid, S.Failed)
            raise TransferError("lab: the disk is full")

    with (
        wrapped_remote(monkeypatch, Elsewhere),
        pytest.raises(TransferError, match="the disk is full") as caught,
    ):
        execution.upload_execution_outputs()
    assert "nor could that be noted" in caught.value.__notes__[0]
    execution.upload_execution_outputs()
    assert execution.status is S.Uploaded


def test_another_remote_after_a_failure(
    installed_repo: Machine, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EXE-31: marks are of what was seen; a remote that is new gets everything all the same."""
    execution = ended_execution(installed_repo, TWO)

    class NoRefs(FlakyRemote):
        def write(self, path: str, data: bytes) -> None:
            if path.startswith("refs/"):
                raise TransferError("lab: no refs")
            super().write(path, data)

    with wrapped_remote(monkeypatch, NoRefs), pytest.raises(TransferError):
        execution.upload_execution_outputs()
    assert {row.state for row in execution.state.assets()} == {"uploaded"}
    other = use_remote(installed_repo, "../elsewhere")
    execution.upload_execution_outputs()
    assert blob_names(other) >= {digest(data) for data in TWO.values()}


# --- what reaches the transports -----------------------------------------------------------


def test_limits_reach_the_remote(installed_repo: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """EXE-30: timeout and chunk_size go to whatever remote there is."""
    use_remote(installed_repo)
    execution = ended_execution(installed_repo, TWO)
    seen: list[Limits] = []
    real = aexp.registry.remotes.open_remote

    def look(layout: Any, address: Any, limits: Limits) -> Remote:
        seen.append(limits)
        return real(layout, address, limits)

    monkeypatch.setattr(aexp.registry.remotes, "open_remote", look)
    execution.upload_execution_outputs(timeout=(7, 1800), chunk_size=25 * CHUNK)
    assert seen == [Limits(7.0, 1800.0, 25 * CHUNK)]


def test_limits_of_sftp(installed_repo: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """EXE-30: of SSH, each step of connecting has its time, and each answer; chunks are sent."""
    paramiko = pytest.importorskip("paramiko")
    seen: dict[str, Any] = {}

    def connect(self: Any, host: str, **options: Any) -> None:
        seen.update(options)
        raise OSError("nobody there")

    monkeypatch.setattr(paramiko.SSHClient, "connect", connect)
    address = parse_remote("sftp://nowhere.invalid/place", name="lab")
    remote: Any = open_remote(layout_of(installed_repo), address, Limits(7.0, 9.0, 3 * CHUNK))
    with pytest.raises(RemoteUnavailableError):
        remote.size("x")
    waits = {seen[f"{step}timeout"] for step in ("", "banner_", "auth_", "channel_")}
    assert waits == {7.0}
    assert remote._piece == 3 * CHUNK


def test_limits_of_s3(installed_repo: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """EXE-30: of S3, time-outs go into the client's settings, and chunks are parts."""
    pytest.importorskip("s3fs")
    address = parse_remote("s3://bucket/place", name="lab")
    remote: Any = open_remote(layout_of(installed_repo), address, Limits(7.0, 9.0, 25 * CHUNK))
    settings = remote._system.config_kwargs
    assert (settings["connect_timeout"], settings["read_timeout"]) == (7.0, 9.0)
    assert remote._request == 25 * CHUNK
    small: Any = open_remote(layout_of(installed_repo), address, Limits(7.0, 9.0, 1))
    assert small._request == 5 * CHUNK, "S3 takes no smaller parts"


@pytest.fixture
def silent() -> Iterator[list[socket.socket]]:
    """A server that takes connections and never answers: itself, then each connection."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        known = [server]

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    known.append(stack.enter_context(server.accept()[0]))

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield known
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize("scheme", ["sftp", "s3"])
def test_a_server_that_never_answers(
    installed_repo: Machine,
    waits: list[float],
    silent: list[socket.socket],
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
) -> None:
    """EXE-40: the time-out ends each try, and there are as many tries as were asked for."""
    pytest.importorskip({"sftp": "paramiko", "s3": "s3fs"}[scheme])
    use_aws(monkeypatch)
    port = silent[0].getsockname()[1]
    url = {"sftp": f"sftp://user@127.0.0.1:{port}/place", "s3": "s3://bucket/place"}[scheme]
    endpoint = f"\n    endpoint_url: http://127.0.0.1:{port}" if scheme == "s3" else ""
    installed_repo.write("aexp.yaml", f"remotes:\n  lab:\n    url: {url}{endpoint}\n")
    execution = ended_execution(installed_repo, {"Image/b.png": b"b"})
    with pytest.raises(RemoteUnavailableError, match=r"tried 3 times"):
        execution.upload_execution_outputs(timeout=(0.2, 0.2), max_retries=2, retry_delay=4)
    assert waits == [4.0, 8.0]
    assert len(silent) - 1 == 3, "nobody else tries again"
    assert execution.status is S.Failed


def test_a_second_execution_is_not_kept_waiting(
    installed_repo: Machine, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EXE-50: what one execution publishes does not stand in the way of another."""
    first, second = (ended_execution(installed_repo, TWO) for _ in range(2))
    ended: list[Execution] = []

    def meanwhile(progress: Any) -> None:
        if progress.phase == "uploading" and not ended:
            ended.append(second)
            second.upload_execution_outputs()

    first.upload_execution_outputs(progress_callback=meanwhile)
    assert (first.status, second.status) == (S.Uploaded, S.Uploaded)
