"""``aexp registry`` as a user types it (REG-01, REG-04, SES-06, trap 32)."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from aexp.model.oci import sha256_digest
from aexp.registry import Registry, open_registry
from aexp.repo import open_layout
from tests.registry.holding import lose, put_artifact, spoil
from tests.support.machines import Machine

HASH_OF_A = sha256_digest(b"a")


@pytest.fixture
def filled(installed_repo: Machine) -> Registry:
    """The registry of a repository, with an artifact of each kind."""
    registry = open_registry(open_layout(installed_repo.path))
    parent = put_artifact(registry, b"old", name="E000")
    put_artifact(registry, b"a", b"b", name="my run", subject=parent)
    put_artifact(registry, b"tmp", name="anonymous/1", kind="anonymous")
    put_artifact(registry, b"open", name="checkpoint/1", kind="checkpoint")
    put_artifact(registry, b"run", name="run/0123/4567", kind="run")
    return registry


def test_ls(filled: Registry, installed_repo: Machine) -> None:
    """SES-07: artifacts are listed, checkpoints never; runs when they are asked for."""
    lines = installed_repo.aexp_fast("registry", "ls").stdout.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["NAME", "E000", "my run", "anonymous/1"]
    assert all(len(line) <= 80 for line in lines)
    assert "run/0123/4567" in installed_repo.aexp_fast("registry", "ls", "--runs").stdout
    found = json.loads(installed_repo.aexp_fast("registry", "ls", "--format", "json").stdout)
    assert [item["name"] for item in found] == ["E000", "my run", "anonymous/1"]
    assert set(found[0]) == {
        *("name", "kind", "digest", "session", "created_at", "updated_at", "present"),
    }
    assert found[0]["present"] is True
    ref = filled.ref("E000")
    assert ref is not None
    lose(filled, ref.digest)
    assert "(missing)" in installed_repo.aexp_fast("registry", "ls").stdout


def test_inspect(filled: Registry, installed_repo: Machine) -> None:
    """REG-01: what an artifact is made of, under its name or the beginning of its digest."""
    ref = filled.ref("my run")
    assert ref is not None
    shown = installed_repo.aexp_fast("registry", "inspect", "my run").stdout
    assert ref.digest in shown
    assert "part 1" in shown
    for name in (ref.digest, ref.digest[:20], ref.digest[7:17]):
        assert installed_repo.aexp_fast("registry", "inspect", name).stdout == shown
    found = json.loads(
        installed_repo.aexp_fast("registry", "inspect", "my run", "--format", "json").stdout
    )
    assert found["digest"] == ref.digest
    assert [part["digest"] for part in found["parts"]][1] == HASH_OF_A
    assert found["subject"] == filled.ref("E000").digest  # type: ignore[union-attr]
    lose(filled, HASH_OF_A)
    assert "(missing)" in installed_repo.aexp_fast("registry", "inspect", "my run").stdout
    internal = filled.ref("checkpoint/1")
    assert internal is not None
    short = internal.digest[:20]
    installed_repo.aexp_fast("registry", "inspect", short, check=False).require(4)  # SES-07


def test_inspect_a_run(filled: Registry, installed_repo: Machine) -> None:
    """LED-04: a run outside a session is found by the beginning of its id, as everywhere."""
    job_id = "0123456789abcdef" * 2
    put_artifact(filled, b"curve", name=f"run/0123/{job_id}", kind="run")
    shown = installed_repo.aexp_fast("registry", "inspect", job_id).stdout
    assert sha256_digest(b"curve")[:19] in shown
    assert installed_repo.aexp_fast("registry", "inspect", job_id[:8]).stdout == shown
    as_digest = f"sha256:{job_id[:8]}"
    installed_repo.aexp_fast("registry", "inspect", as_digest, check=False).require(4)


@pytest.mark.parametrize("verb", ["inspect", "export"])
def test_what_is_not_there(filled: Registry, installed_repo: Machine, verb: str) -> None:
    """Trap 32: an unknown name is one line and a hint, exit code 4."""
    for name in ("nobody", "sha256:" + "0" * 64, "000000", ""):
        done = installed_repo.aexp_fast("registry", verb, name, check=False)
        done.require(4)
        assert done.stderr.startswith("error: ")
        assert "hint: " in done.stderr
    assert installed_repo.status() == ""


def test_an_ambiguous_beginning(filled: Registry, installed_repo: Machine) -> None:
    """Trap 32: of two artifacts with one beginning none is guessed."""
    ref = filled.ref("my run")
    assert ref is not None
    twin = ref.digest[:30] + "0" * 41
    with sqlite3.connect(filled.root / "registry.sqlite") as connection:
        connection.execute("UPDATE refs SET digest = ? WHERE name = 'E000'", (twin,))
    connection.close()
    done = installed_repo.aexp_fast("registry", "inspect", ref.digest[:30], check=False)
    done.require(4)
    assert "2 digests" in done.stderr
    installed_repo.aexp_fast("registry", "inspect", ref.digest)


def test_verify(filled: Registry, installed_repo: Machine) -> None:
    """REG-04: a whole registry passes; damage is named with its refs, and the exit code tells."""
    done = installed_repo.aexp_fast("registry", "verify")
    assert "5 refs" in done.stdout
    spoil(filled, HASH_OF_A)
    done = installed_repo.aexp_fast("registry", "verify", check=False).require(7)
    assert f"{HASH_OF_A}: damaged" in done.stderr
    assert "needed by my run" in done.stderr
    lose(filled, HASH_OF_A)
    done = installed_repo.aexp_fast("registry", "verify", "--format", "json", check=False)
    done.require(7)
    assert json.loads(done.stdout)["problems"] == [
        {"digest": HASH_OF_A, "problem": "missing", "refs": ["my run"]}
    ]
    installed_repo.aexp_fast("registry", "verify", "E000")
    installed_repo.aexp_fast("registry", "verify", "nobody", check=False).require(4)


def test_export_and_import(filled: Registry, installed_repo: Machine, tmp_path: Path) -> None:
    """SES-06: an artifact goes from one repository to another as a file."""
    done = installed_repo.aexp_fast("registry", "export", "my run")
    assert done.stdout.startswith("my-run.tar: ")
    again = installed_repo.aexp_fast("registry", "export", "my run", check=False)
    again.require(2)
    assert "exists already" in again.stderr
    other = str(tmp_path / "other")
    done = installed_repo.aexp_fast("registry", "import", "my-run.tar", "--root", other)
    assert done.stdout.startswith("my run  artifact  sha256:")
    ref, origin = Registry(Path(other)).ref("my run"), filled.ref("my run")
    assert ref is not None
    assert origin is not None
    assert ref.digest == origin.digest
    installed_repo.aexp_fast("registry", "export", "anonymous/1", "-o", "x.tar")
    found = json.loads(
        installed_repo.aexp_fast(
            "registry", "import", "x.tar", "--root", other, "--format", "json"
        ).stdout
    )
    assert [(item["kind"], item["name"][:10]) for item in found] == [("anonymous", "anonymous/")]
    put_artifact(Registry(Path(other)), b"mine", name="taken")
    clash = ["registry", "import", "x.tar", "--root", other, "--name", "taken"]
    installed_repo.aexp_fast(*clash, check=False).require(5)
    installed_repo.aexp_fast(*clash, "--replace")
    assert "taken" in installed_repo.aexp_fast("registry", "ls", "--root", other).stdout


def test_a_mistyped_root(installed_repo: Machine, tmp_path: Path) -> None:
    """Trap 41: no reading command makes a registry; outside a repository --root is enough."""
    nowhere = tmp_path / "nowhere"
    for args in (["ls"], ["verify"], ["ls", "--runs", "--format", "json"]):
        done = installed_repo.aexp_fast("registry", *args, "--root", str(nowhere))
        assert "no registry" in done.stdout or done.stdout == "[]\n"
    installed_repo.aexp_fast(
        "registry", "inspect", "x", "--root", str(nowhere), check=False
    ).require(4)
    installed_repo.aexp_fast(
        "registry", "import", "missing.tar", "--root", str(nowhere), check=False
    ).require(4)
    assert not nowhere.exists()
    outside = Machine(tmp_path)
    outside.aexp_fast("registry", "ls", "--root", str(nowhere))
    outside.aexp_fast("registry", "ls", check=False).require(3)
    installed_repo.aexp_fast("registry", "ls")
    installed_repo.aexp_fast("registry", "verify")
    assert not (installed_repo / ".git/aexp").exists()
