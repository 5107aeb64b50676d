"""Real servers for remotes, each on this machine and of its own: sshd, and moto's S3."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.sealed import CHECKOUT

SSHD = "/usr/sbin/sshd"
_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
PidFile {folder}/sshd.pid
AuthorizedKeysFile {folder}/user_key.pub
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
Subsystem sftp internal-sftp
"""
_CLIENT = """\
Host lab
  HostName 127.0.0.1
  Port {port}
  IdentityFile {folder}/user_key
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known_hosts
"""


def need(what: str, there: bool) -> None:
    """Skip the test without a service, or fail where services are required."""
    if there:
        return
    if _REQUIRED:
        pytest.fail(f"{what} is not on this machine, and AEXP_REQUIRE_SERVICES=1")
    pytest.skip(f"{what} is not on this machine")


_REQUIRED = os.environ.get("AEXP_REQUIRE_SERVICES") == "1"
"""As it was outside; a test's own environment is sealed."""


def free_port() -> int:
    """Return a port of the loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a server answers."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise AssertionError(f"the server did not start (exit code {process.poll()})")


@contextmanager
def running(args: list[str], port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server as long as the block."""
    with log.open("ab") as output:
        process = subprocess.Popen(args, stdout=output, stderr=output, cwd=CHECKOUT)
    try:
        wait_for(port, process)
        yield process
    finally:
        process.terminate()
        process.wait(20)


@dataclass(frozen=True)
class SshServer:
    """A real sshd.

    Attributes:
        port: where it listens.
        folder: with its keys and settings.
    """

    port: int
    folder: Path

    def enrol(self, home: Path) -> None:
        """Let the user whose home this is reach it as ``lab``."""
        ssh = home / ".ssh"
        ssh.mkdir(parents=True, exist_ok=True)
        (ssh / "config").write_text(_CLIENT.format(port=self.port, folder=self.folder))


@pytest.fixture(scope="session")
def ssh_server(tmp_path_factory: pytest.TempPathFactory, sealed_home: Path) -> Iterator[SshServer]:
    """An sshd on the loopback, with a host key and a user's key of its own."""
    need("sshd (Debian: openssh-server)", Path(SSHD).exists() and bool(shutil.which("ssh-keygen")))
    folder = tmp_path_factory.mktemp("sshd")
    for name in ("host_key", "user_key"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True
        )
    port = free_port()
    public = (folder / "host_key.pub").read_text().split()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {public[0]} {public[1]}\n")
    (folder / "sshd_config").write_text(_CONFIG.format(port=port, folder=folder))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    args = [SSHD, "-D", "-e", "-f", str(folder / "sshd_config")]
    with running(args, port, folder / "log"):
        yield SshServer(port, folder)


@dataclass(frozen=True)
class S3Server:
    """Moto's stand-in for S3.

    Attributes:
        endpoint: its URL.
    """

    endpoint: str

    def make_bucket(self, name: str) -> None:
        """Make a bucket."""
        request = urllib.request.Request(f"{self.endpoint}/{name}", method="PUT")
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.status == 200


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory, sealed_home: Path) -> Iterator[S3Server]:
    """Moto's S3 server in a process of its own; it is no real S3."""
    import importlib.util

    there = all(importlib.util.find_spec(name) for name in ("moto", "s3fs", "flask"))
    need("moto's server with s3fs", there)
    port = free_port()
    args = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with running(args, port, tmp_path_factory.mktemp("moto") / "log"):
        yield S3Server(f"http://127.0.0.1:{port}")


def use_aws(patch: pytest.MonkeyPatch) -> None:
    """Put credentials where S3's clients look for them."""
    patch.setenv("AWS_ACCESS_KEY_ID", "testing")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "testing-too")
    patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
