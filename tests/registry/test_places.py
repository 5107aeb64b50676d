"""Which registry is used, and what may become one (REG-05, trap 41)."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from aexp.errors import CorruptDataError, StorageError, UsageError
from aexp.registry import Registry, open_registry, repository_id, run_ref
from aexp.repo import open_layout
from tests.registry.holding import put_artifact
from tests.support.machines import Machine
from tests.support.race import run_together


def test_the_usual_place(repo: Machine) -> None:
    """REG-05: in the git folder, which all worktrees share; git sees nothing of it."""
    repo.git("worktree", "add", "../other")
    main, other = open_layout(repo.path), open_layout(repo.path.parent / "other")
    registry = open_registry(main)
    assert registry.root == repo / ".git/aexp/registry"
    assert open_registry(other).root == registry.root
    assert repository_id(main) == repository_id(other)
    registry.put(b"x")
    assert repo.status() == ""
    repo.git("clean", "-fdxq")
    assert registry.exists()


def test_which_place_counts(repo: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """REG-05: --root, then AEXP_REGISTRY_ROOT, then installed.json, then the usual place."""
    repo.aexp_fast("install", "--yes", "--registry-root", str(tmp_path / "shared"))
    assert json.loads(repo.read(".aexp/installed.json"))["registry_root"] == str(
        tmp_path / "shared"
    )
    layout = open_layout(repo.path)
    assert open_registry(layout).root == tmp_path / "shared"
    monkeypatch.setenv("AEXP_REGISTRY_ROOT", "../named")
    assert open_registry(layout).root == repo.path.parent / "named"
    monkeypatch.setenv("AEXP_REGISTRY_ROOT", "~/mine")
    assert open_registry(layout).root == Path.home() / "mine"
    monkeypatch.chdir(tmp_path)
    assert open_registry(layout, "here").root == tmp_path / "here"
    monkeypatch.setenv("AEXP_REGISTRY_ROOT", "")
    assert open_registry(layout).root == tmp_path / "shared"
    repo.aexp_fast("install", "--yes")
    assert open_registry(open_layout(repo.path)).root == tmp_path / "shared"
    repo.aexp_fast("install", "--yes", "--registry-root", "")
    assert open_registry(open_layout(repo.path)).root == repo / ".git/aexp/registry"


def test_two_repositories_share_a_registry(
    repo: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REG-05: runs of one id in two repositories have refs of their own."""
    other = tmp_path / "second"
    other.mkdir()
    second = Machine(other)
    second.git("init", "-q")
    first_ref = run_ref(open_layout(repo.path), "a" * 32)
    second_ref = run_ref(open_layout(other), "a" * 32)
    assert first_ref != second_ref
    assert first_ref.startswith("run/")
    assert first_ref.endswith("/" + "a" * 32)


def _id_of(path: str) -> str:
    return repository_id(open_layout(path))


def test_one_id_however_many_ask(repo: Machine) -> None:
    """REG-05: of processes that ask at once for the first time, all get the same id."""
    assert len(set(run_together(_id_of, [(str(repo.path),)] * 4))) == 1


def test_a_damaged_id(repo: Machine) -> None:
    """Trap 3: a damaged file is told in words, not replaced by another identity."""
    layout = open_layout(repo.path)
    path = repo / ".git/aexp/repository-id"
    assert len(repository_id(layout)) == 16
    for content in (b"", b"xyz", b"\xff" * 16, b"A" * 16):
        path.write_bytes(content)
        with pytest.raises(CorruptDataError, match="no repository id"):
            repository_id(layout)


@pytest.mark.parametrize("value", [3, ["x"], {"a": 1}, True])
def test_an_odd_setting(repo: Machine, value: object) -> None:
    """Trap 32: a registry_root that is no path is told in words."""
    repo.install()
    settings = json.loads(repo.read(".aexp/installed.json")) | {"registry_root": value}
    repo.write(".aexp/installed.json", json.dumps(settings))
    with pytest.raises(CorruptDataError, match="registry_root"):
        open_registry(open_layout(repo.path))


def test_a_shared_registry_that_is_not_mounted(repo: Machine, tmp_path: Path) -> None:
    """REG-05: no empty registry is made in place of one whose disk is missing."""
    repo.aexp_fast("install", "--yes", "--registry-root", str(tmp_path / "shared"))
    (tmp_path / "shared").rmdir()
    registry = open_registry(open_layout(repo.path))
    with pytest.raises(StorageError, match="is not there"):
        registry.put(b"x")
    assert not registry.root.exists()


@pytest.mark.parametrize("place", [".", "reg", ".git/reg", "{abs}/reg"])
def test_a_registry_in_the_work_tree(repo: Machine, place: str) -> None:
    """Trap 24: bytes do not go where `git add -A` finds them."""
    chosen = place.format(abs=repo.path)
    done = repo.aexp_fast("install", "--yes", "--registry-root", chosen, check=False)
    assert done.returncode == 2
    assert "in the work tree" in done.stderr
    assert not (repo / ".aexp/installed.json").exists()


def test_a_folder_that_holds_something_else(tmp_path: Path) -> None:
    """Trap 41: a mistyped root is not filled with blobs, and nobody's layout is overwritten."""
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(UsageError, match="not empty"):
        Registry(tmp_path).put(b"x")
    assert os.listdir(tmp_path) == ["thesis.tex"]
    foreign = tmp_path / "layout"
    (foreign / "blobs" / "sha256").mkdir(parents=True)
    (foreign / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (foreign / "index.json").write_text("{}")
    with pytest.raises(UsageError, match="another tool"):
        Registry(foreign).put(b"x")
    assert (foreign / "index.json").read_text() == "{}"
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError):
        Registry(tmp_path / "file").put(b"x")


def test_a_registry_whose_maker_was_killed(tmp_path: Path) -> None:
    """REG-05: a registry that was begun is completed by the next writer."""
    for begun in (["tmp"], ["tmp", "leases", "blobs/sha256"]):
        root = tmp_path / f"r{len(begun)}"
        for folder in begun:
            (root / folder).mkdir(parents=True)
        registry = Registry(root)
        assert not registry.exists()
        put_artifact(registry, b"a", name="a")
        assert registry.exists()
        assert [ref.name for ref in registry.refs()] == ["a"]


def test_weird_roots(weird_path: Path) -> None:
    """REG-05: blanks, quotes, '?' and '#' in the root's name are no trouble for SQLite's URIs."""
    registry = Registry(weird_path / "a?b#c%20d")
    put_artifact(registry, b"a", name="a")
    assert [ref.name for ref in Registry(registry.root).refs()] == ["a"]
    assert (registry.root / "registry.sqlite").is_file()
