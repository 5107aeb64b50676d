"""What every kind of remote does alike: folder, memory, a real sshd, moto's S3 (SHR-01)."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aexp.errors import CorruptDataError, NotFoundError, RemoteUnavailableError, TransferError
from aexp.model.remote import parse_remote
from aexp.registry.remotes import Remote, open_remote
from aexp.registry.remotes.base import CHUNK
from aexp.registry.store import Registry
from aexp.registry.transfer import Options, pull, push
from aexp.repo import open_layout
from tests.registry.remote_help import collect, opened, parcel, seal
from tests.registry.remote_services import (
    S3Server,
    SshServer,
    s3_server,
    ssh_server,
    use_aws,
)
from tests.support.machines import Machine

__all__ = ["s3_server", "ssh_server"]

Opener = Callable[[], Remote]
KINDS = [
    "folder",
    "memory",
    pytest.param("sftp", marks=pytest.mark.service),
    pytest.param("s3", marks=pytest.mark.service),
]


@pytest.fixture(params=KINDS)
def open_it(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    repo: Machine,
    sealed_environment: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Opener]:
    """Return what opens one remote of each kind, each time a new connection to the same place."""
    layout = open_layout(repo)
    made: list[Remote] = []
    url, endpoint = str(tmp_path / "remote"), None
    if request.param == "memory":
        pytest.importorskip("fsspec")
        url = f"memory://{secrets.token_hex(6)}/remote"
    elif request.param == "sftp":
        server: SshServer = request.getfixturevalue("ssh_server")
        server.enrol(sealed_environment)
        url = f"sftp://lab{tmp_path}/remote"
    elif request.param == "s3":
        store: S3Server = request.getfixturevalue("s3_server")
        use_aws(monkeypatch)
        bucket = f"bucket-{secrets.token_hex(6)}"
        store.make_bucket(bucket)
        url, endpoint = f"s3://{bucket}/some/prefix", store.endpoint

    def open_again() -> Remote:
        made.append(open_remote(layout, parse_remote(url, name="lab", endpoint=endpoint)))
        return made[-1]

    yield open_again
    for remote in made:
        remote.close()
        remote.close()


def count() -> tuple[list[int], Callable[[int], None]]:
    """Return a list, and what appends to it."""
    seen: list[int] = []
    return seen, seen.append


def test_files_come_back_as_they_went(open_it: Opener) -> None:
    """SHR-01: put, size, list, chunks from any place, read, write; nothing before, all after."""
    remote = open_it()
    data = os.urandom(3 * CHUNK + 17)
    path = "blobs/sha256/ab/" + "ab" * 32
    assert remote.size(path) is None
    assert remote.list("blobs/sha256/ab") == {}
    seen, progress = count()
    remote.put(path, opened(data), len(data), "me", progress)
    assert sum(seen) == len(data)
    assert remote.size(path) == len(data)
    assert remote.list("blobs/sha256/ab") == {"ab" * 32: len(data)}
    for offset in (0, 1, CHUNK, len(data) - 1, len(data)):
        assert b"".join(remote.chunks(path, offset, len(data))) == data[offset:]
    assert b"".join(remote.chunks(path, 5, CHUNK)) == data[5:CHUNK]
    assert b"".join(remote.chunks(path, 5, len(data) + 3 * CHUNK)) == data[5:]
    remote.write("refs/a.json", b"first")
    remote.write("refs/a.json", b"second")
    assert open_it().read("refs/a.json", 100) == b"second"
    with pytest.raises(CorruptDataError, match="larger"):
        remote.read("refs/a.json", 3)


def test_what_is_not_there(open_it: Opener) -> None:
    """SHR-01: a missing file is told from an unreachable remote."""
    remote = open_it()
    with pytest.raises(NotFoundError):
        remote.read("refs/none.json", 100)
    with pytest.raises(NotFoundError):
        list(remote.chunks("blobs/none", 0, 1))


@pytest.mark.parametrize("size", [0, 1, 9 * CHUNK])
def test_any_size(open_it: Opener, size: int) -> None:
    """SHR-01: an empty blob, and one that goes in several parts."""
    remote = open_it()
    data = os.urandom(size)
    remote.put("blobs/x", opened(data), size, "me", lambda _: None)
    assert remote.size("blobs/x") == size
    assert b"".join(remote.chunks("blobs/x", 0, size)) == data


@pytest.mark.parametrize("size", [1000, 9 * CHUNK])
def test_a_source_of_another_size_never_appears(open_it: Opener, size: int) -> None:
    """SHR-01: what is shorter or longer than promised is not published, not even later."""
    remote = open_it()
    for data in (os.urandom(size - 1), os.urandom(size + 1)):
        with pytest.raises(CorruptDataError):
            remote.put("blobs/x", opened(data), size, "me", lambda _: None)
    del data
    assert remote.size("blobs/x") is None
    assert open_it().list("blobs") == {}


@pytest.mark.parametrize("size", [1000, 9 * CHUNK])
def test_a_transfer_that_breaks_off_never_appears(open_it: Opener, size: int) -> None:
    """SHR-01, trap 51: half a blob is not there; the next try makes it whole."""
    remote = open_it()
    data = os.urandom(size)

    class Stopped(Exception):
        pass

    moved = 0

    def progress(count: int) -> None:
        nonlocal moved
        moved += count
        if moved > size // 2:
            raise Stopped

    with pytest.raises(Stopped):
        remote.put("blobs/x", opened(data), size, "me", progress)
    if size > CHUNK:
        assert open_it().size("blobs/x") is None
    remote.put("blobs/x", opened(data), size, "me", lambda _: None)
    assert b"".join(open_it().chunks("blobs/x", 0, size)) == data


def test_push_and_pull(open_it: Opener, repo: Machine, tmp_path: Path) -> None:
    """SHR-01: everything that a manifest needs arrives, verified, and nothing is sent twice."""
    first, second = Registry(tmp_path / "first"), Registry(tmp_path / "second")
    big = os.urandom(9 * CHUNK + 5)
    older = seal(first, b"old", b"")
    runs = [seal(first, f"curve {n}".encode(), big, subject=older) for n in range(5)]
    whole = collect(first, *runs)
    layout = open_layout(repo)
    report = push(layout, first, open_it(), [parcel(whole)])
    assert (len(report.copied), report.there) == (16, [])
    again = push(layout, first, open_it(), [parcel(whole)], Options(verify=True))
    assert (again.copied, len(again.there), again.mended) == ([], 16, [])
    back = pull(second, open_it(), [parcel(whole)])
    assert {b.digest for b in back.copied} == {b.digest for b in report.copied}
    assert {d for d, _ in second.blobs()} == {d for d, _ in first.blobs()}
    assert all(second.read(d) for d in [whole.digest, *(r.digest for r in runs)])
    assert pull(second, open_it(), [parcel(whole)]).copied == []


@pytest.mark.service
def test_a_host_that_is_not_known_is_refused(
    ssh_server: SshServer, sealed_environment: Path, repo: Machine, tmp_path: Path
) -> None:
    """SHR-01: nobody in between is taken for the host, and the hint says what to do."""
    ssh_server.enrol(sealed_environment)
    config = sealed_environment / ".ssh" / "config"
    config.write_text(config.read_text().replace("known_hosts", "no_such_file"))
    remote = open_remote(open_layout(repo), parse_remote(f"sftp://lab{tmp_path}/r", name="lab"))
    with pytest.raises(TransferError, match="not in known_hosts") as caught:
        remote.size("x")
    assert "`ssh lab`" in str(caught.value.hint)
    other = (ssh_server.folder / "user_key.pub").read_text().split()
    wrong = sealed_environment / "wrong"
    wrong.write_text(f"[127.0.0.1]:{ssh_server.port} {other[0]} {other[1]}\n")
    config.write_text(config.read_text().replace(f"{ssh_server.folder}/no_such_file", str(wrong)))
    with pytest.raises(TransferError, match="not the one in known_hosts"):
        remote.size("x")


@pytest.mark.service
def test_a_host_that_does_not_let_us_in(
    ssh_server: SshServer, sealed_environment: Path, repo: Machine, tmp_path: Path
) -> None:
    """SHR-01: a wrong key, a dead port and an unknown host each say what is wrong."""
    ssh_server.enrol(sealed_environment)
    config = sealed_environment / ".ssh" / "config"
    good = config.read_text()
    layout = open_layout(repo)
    remote = open_remote(layout, parse_remote(f"sftp://lab{tmp_path}/r", name="lab"))
    config.write_text(good.replace("user_key", "host_key"))
    with pytest.raises(TransferError, match="does not let us in"):
        remote.size("x")
    config.write_text(good.replace(f"Port {ssh_server.port}", "Port 1"))
    with pytest.raises(RemoteUnavailableError, match="no connection"):
        remote.size("x")


@pytest.mark.service
def test_what_ssh_understands(
    ssh_server: SshServer, sealed_environment: Path, repo: Machine, tmp_path: Path
) -> None:
    """SHR-01: a key file that is missing is passed over; ``/~/`` is the home on the host."""
    ssh_server.enrol(sealed_environment)
    config = sealed_environment / ".ssh" / "config"
    config.write_text(config.read_text() + "  IdentityFile ~/.ssh/none\n  ConnectTimeout 9\n")
    layout = open_layout(repo)
    for path in (f"{tmp_path}/r", "/~/no-such-folder-of-aexp", "/~"):
        remote = open_remote(layout, parse_remote(f"ssh://lab{path}", name="lab"))
        assert remote.size("no-such-file-of-aexp") is None
        remote.close()
    config.write_text("Host [\nPort x\nbroken\n")
    with pytest.raises(TransferError, match="config is not understood"):
        open_remote(layout, parse_remote(f"sftp://lab{tmp_path}/r", name="lab")).size("x")


@pytest.mark.service
def test_a_folder_above_that_is_missing(
    ssh_server: SshServer, sealed_environment: Path, repo: Machine, tmp_path: Path
) -> None:
    """SHR-01: a mistyped path on the host makes no folders."""
    ssh_server.enrol(sealed_environment)
    remote = open_remote(open_layout(repo), parse_remote(f"sftp://lab{tmp_path}/no/r", name="lab"))
    with pytest.raises(TransferError, match="above it is not there"):
        remote.write("a", b"x")
    assert not (tmp_path / "no").exists()


@pytest.mark.service
def test_a_connection_that_breaks_is_made_anew(
    ssh_server: SshServer, sealed_environment: Path, repo: Machine, tmp_path: Path
) -> None:
    """EXE-40: after the line went dead the next call works again."""
    ssh_server.enrol(sealed_environment)
    remote = open_remote(open_layout(repo), parse_remote(f"sftp://lab{tmp_path}/r", name="lab"))
    remote.write("a", b"x")
    transport = remote._client.get_transport()  # type: ignore[attr-defined]
    transport.sock.close()
    # Whether this call meets the dead line or a new one depends on who notices first.
    with contextlib.suppress(RemoteUnavailableError):
        remote.size("a")
    assert remote.size("a") == 1
    assert not transport.is_active()
    remote.close()


@pytest.mark.service
def test_s3_without_credentials_or_bucket(
    s3_server: S3Server, repo: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SHR-01: both say what is wrong, and where credentials belong."""
    layout = open_layout(repo)
    address = parse_remote("s3://no-such-bucket-here/x", name="cloud", endpoint=s3_server.endpoint)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(TransferError, match="no credentials") as caught:
        open_remote(layout, address).size("a")
    assert "AWS_PROFILE" in str(caught.value.hint)
    use_aws(monkeypatch)
    with pytest.raises(TransferError, match="bucket"):
        open_remote(layout, address).write("a", b"x")
