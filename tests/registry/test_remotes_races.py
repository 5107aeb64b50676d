"""Many pushes and pulls at once, and what a person sees meanwhile (SHR-01, trap 53)."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from aexp.cli import progress, transfer
from aexp.registry import open_registry
from aexp.registry.refs import SetRef
from aexp.registry.remotes.base import CHUNK
from aexp.registry.store import Registry
from aexp.repo import open_layout
from tests.registry.remote_help import blob_names, seal
from tests.support.machines import Machine, copy_repo
from tests.support.race import run_aexp_together


def registry_of(machine: Machine) -> Registry:
    """Return the registry of a machine."""
    return open_registry(open_layout(machine))


def test_pushes_and_pulls_at_once(repo: Machine, tmp_path: Path) -> None:
    """SHR-01: two pushes from one clone, one of the same name from another, then four pulls."""
    first, second = (copy_repo(repo.path, tmp_path / name) for name in ("first", "second"))
    content = os.urandom(9 * CHUNK)
    digests = []
    for number, machine in enumerate((first, second)):
        machine.write("aexp.yaml", "remotes: {lab: ../bytes}\n")
        registry = registry_of(machine)
        whole = seal(registry, content, b"one", f"{number}".encode())
        registry.publish(SetRef("study", "artifact", whole.digest))
        digests.append(whole.digest)
    pushes = [(m.path, ["push", "study"]) for m in (first, first, second)]
    for done in run_aexp_together(pushes):
        done.require()
    # three layers of each, two of them shared, one empty config, two manifests
    assert len(blob_names(tmp_path / "bytes")) == 7
    assert len(list((tmp_path / "bytes").glob("refs/artifact/*/*.json"))) == 2
    assert not list((tmp_path / "bytes" / "tmp").iterdir())

    third = copy_repo(repo.path, tmp_path / "third")
    third.write("aexp.yaml", "remotes: {lab: ../bytes}\n")
    for done in run_aexp_together([(third.path, ["pull", digest]) for digest in 2 * digests]):
        done.require()
    registry = registry_of(third)
    assert {ref.digest for ref in registry.refs()} == set(digests)
    assert {d for d, _ in registry.blobs()} == blob_names(tmp_path / "bytes")
    assert all(registry.read(digest) for digest, _ in registry.blobs())
    assert registry.live_leases() == []
    assert not list((registry.root / "tmp").iterdir())


class Terminal(io.StringIO):
    """A standard error that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("is_terminal", [True, False])
def test_what_a_person_sees(monkeypatch: pytest.MonkeyPatch, is_terminal: bool) -> None:
    """SHR-01, trap 53: true bytes on a terminal, gone at the end; elsewhere only what failed."""
    shown = Terminal() if is_terminal else io.StringIO()
    monkeypatch.setattr("sys.stderr", shown)
    monkeypatch.setattr(progress, "SHOWN_AFTER_S", 0.0)
    monkeypatch.setattr(progress, "_REFRESH_S", 0.0)
    reporter = transfer.Reporter()
    reporter.advance(5)
    reporter.begin("push", 2, 4_000_000)
    reporter.advance(1_000_000)
    reporter.retrying("lab: the line went dead", 1, 2.0)
    reporter.advance(-1_000_000)
    reporter.advance(3_000_000)
    reporter.end()
    reporter.end()
    text = shown.getvalue()
    assert "lab: the line went dead; retry 1 in 2 s\n" in text
    assert ("1.0 MB of 4.0 MB" in text) is is_terminal
    assert ("75%, 3.0 MB of 4.0 MB" in text) is is_terminal
    assert text.endswith("\r\x1b[K") is is_terminal
