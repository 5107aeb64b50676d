"""kill -9 in the middle of a push and of a pull: the same command again ends right (SHR-01)."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from aexp.registry import open_registry
from aexp.registry.refs import SetRef
from aexp.registry.remotes.base import CHUNK
from aexp.registry.store import Registry
from aexp.repo import open_layout
from tests.registry.remote_help import blob_names, seal
from tests.registry.remote_services import SshServer, ssh_server
from tests.support.killed import kill_points, run_killed_at
from tests.support.machines import Machine, copy_repo

__all__ = ["ssh_server"]


def registry_of(machine: Machine) -> Registry:
    """Return the registry of a machine."""
    return open_registry(open_layout(machine))


def make_place(template: Machine, folder: Path, *, pushed: bool) -> tuple[Machine, Machine]:
    """Make a clone with an artifact, another without, and a remote, which may have it too."""
    folder.mkdir()
    first = copy_repo(template.path, folder / "first")
    second = copy_repo(template.path, folder / "second")
    for machine in (first, second):
        machine.write("aexp.yaml", "remotes: {lab: ../bytes}\n")
    registry = registry_of(first)
    whole = seal(registry, b"one", b"two", subject=seal(registry, b"older"))
    registry.publish(SetRef("study", "artifact", whole.digest))
    if pushed:
        first.aexp_fast("push", "study")
    return first, second


def is_whole_if_named(registry: Registry) -> None:
    """A ref never names what is not all there, and no blob is torn."""
    for digest, _ in registry.blobs():
        registry.read(digest)
    for ref in registry.refs():
        for child in registry.manifest(ref.digest).children():
            registry.read(child.digest)


@pytest.mark.parametrize("verb", ["push", "pull"])
def test_killed_anywhere(repo: Machine, tmp_path: Path, verb: str) -> None:
    """SHR-01, traps 8, 51: at some of the disk's steps; nothing torn, nothing lost."""
    walk(repo, tmp_path, verb, every=17)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["push", "pull"])
def test_killed_everywhere(repo: Machine, tmp_path: Path, verb: str) -> None:
    """SHR-01, traps 8, 51: the same at every step."""
    walk(repo, tmp_path, verb, every=1)


def walk(repo: Machine, tmp_path: Path, verb: str, *, every: int) -> None:
    """Kill a push or pull at every n-th step, look, and do it again."""
    command = ["aexp", verb, "study"]

    def prepare(number: int) -> tuple[Path, Machine, Machine]:
        folder = tmp_path / f"place-{number}"
        first, second = make_place(repo, folder, pushed=verb == "pull")
        return folder, first, second

    folder, first, second = prepare(-1)
    who = first if verb == "push" else second
    points = [p for p in kill_points(command, cwd=who.path, under=folder) if p.phase != "after"]
    shutil.rmtree(folder)
    assert len(points) > 30
    for point in points[::every]:
        folder, first, second = prepare(point.number)
        who = first if verb == "push" else second
        killed = run_killed_at(point.number, command, cwd=who.path, under=folder)
        refs = list((folder / "bytes").glob("refs/**/*.json"))
        if refs:
            assert len(blob_names(folder / "bytes")) == 6, killed
        else:
            blob_names(folder / "bytes")
        is_whole_if_named(registry_of(second))
        who.aexp_fast(verb, "study")
        if verb == "push":
            second.aexp_fast("pull", "study")
        is_whole_if_named(registry_of(second))
        wanted = registry_of(first).ref("study")
        found = registry_of(second).ref("study")
        assert wanted is not None
        assert found is not None
        assert found.digest == wanted.digest, killed
        assert {d for d, _ in registry_of(second).blobs()} == blob_names(folder / "bytes")
        shutil.rmtree(folder)


def kill_when(command: list[str], machine: Machine, is_time: Callable[[], bool]) -> None:
    """Start a command and kill it as soon as something is so."""
    process = subprocess.Popen(
        [sys.executable, "-m", "aexp", *command],
        cwd=machine.path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    try:
        while not is_time():
            assert process.poll() is None, "it was over before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.002)
    finally:
        process.kill()
        process.wait()


def large(folder: Path) -> list[Path]:
    """Return the parts in a folder that have grown to some megabytes."""
    found = []
    for path in folder.glob("*"):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_size > 4 * CHUNK:
                found.append(path)
    return found


@pytest.mark.service
def test_large_transfers_continue(
    repo: Machine, tmp_path: Path, ssh_server: SshServer, sealed_environment: Path
) -> None:
    """SHR-01: over a real SSH connection; what had arrived is kept, byte for byte the same file."""
    ssh_server.enrol(sealed_environment)
    first, second = make_place(repo, tmp_path / "place", pushed=False)
    there = tmp_path / "there"
    for machine in (first, second):
        machine.write("aexp.yaml", f"remotes: {{lab: 'sftp://lab{there}'}}\n")
    registry = registry_of(first)
    content = os.urandom(96 * CHUNK)
    whole = seal(registry, content)
    registry.publish(SetRef("study", "artifact", whole.digest))
    (big,) = (d for d, s in registry.blobs() if s.st_size == len(content))
    name = big.removeprefix("sha256:")

    kill_when(["push", "study"], first, lambda: bool(large(there / "tmp")))
    (part,) = large(there / "tmp")
    before = part.stat()
    assert before.st_size < len(content)
    assert not list(there.glob("refs/**/*.json"))
    first.aexp("push", "study")
    after = (there / "blobs" / "sha256" / name[:2] / name).stat()
    assert after.st_ino == before.st_ino
    assert not list((there / "tmp").iterdir())

    mine = registry_of(second)
    kill_when(["pull", "study"], second, lambda: bool(large(mine.root / "tmp")))
    (part,) = large(mine.root / "tmp")
    before = part.stat()
    assert before.st_size < len(content)
    assert mine.refs() == []
    second.aexp("pull", "study")
    assert mine.path(big).stat().st_ino == before.st_ino
    assert mine.read(big) == content
    assert mine.live_leases() == []
