"""Work tree, index and commit, read by one interface."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from aexp.errors import GitError, NotFoundError, StorageError
from aexp.tree import GitTree, Tree, WorkTree
from tests.support.machines import Machine, clone_repo
from tests.support.paths import WEIRD_NAMES

LEDGER = ".aexp/ledger"


def views(root: Path) -> dict[str, Tree]:
    """Return the three views of one repository."""
    return {
        "work tree": WorkTree(root),
        "index": GitTree(root),
        "commit": GitTree(root, commit="HEAD"),
    }


@pytest.fixture
def full(repo: Machine) -> Machine:
    """A repository with files at several depths, of weird names, all committed."""
    for name in ("a.json", "sub/b.json", "sub/deeper/c.json", "empty.json", "binary.json"):
        repo.write(f"{LEDGER}/{name}", "" if name == "empty.json" else name)
    (repo / LEDGER / "binary.json").write_bytes(bytes(range(256)) + b"\r\n\n")
    for number, name in enumerate(WEIRD_NAMES.values()):
        repo.write(f"{LEDGER}/weird/{name}/{name}", str(number))
    repo.write("kb/x.md", "x")
    repo.write(".aexp/ledgerish/no.json", "x")
    repo.write(".aexp/other.json", "x")
    repo.commit_all()
    return repo


def test_the_three_views_agree(full: Machine) -> None:
    """VAL-10: what is on disk, staged and committed is read alike, byte for byte."""
    on_disk = {
        p.relative_to(full.path).as_posix(): p.read_bytes()
        for p in (full / LEDGER).rglob("*")
        if p.is_file()
    }
    assert len(on_disk) == 5 + len(WEIRD_NAMES)
    for name, tree in views(full.path).items():
        assert tree.label == ("HEAD" if name == "commit" else name)
        paths = tree.files(LEDGER)
        assert paths == sorted(on_disk), name
        assert tree.files(LEDGER + "/") == paths
        assert dict(tree.read_many(paths)) == on_disk, name
        assert {path: tree.read(path) for path in paths} == on_disk
        assert tree.conflicted(LEDGER) == []


def test_the_root_itself(full: Machine) -> None:
    """``.`` is the root in every view, with the same paths."""
    expected = full.git("ls-files", "-z").stdout.split("\0")[:-1]
    for name, tree in views(full.path).items():
        files = [p for p in tree.files(".") if not p.startswith(".git/")]
        assert files == sorted(expected), name


def test_each_view_shows_its_own_state(repo: Machine) -> None:
    """VAL-10: three versions of one file, and each view reads its own."""
    repo.write("kb/f.md", "committed")
    repo.commit_all()
    repo.write("kb/f.md", "staged")
    repo.git("add", "kb/f.md")
    repo.write("kb/f.md", "edited")
    repo.write("kb/untracked.md", "new")
    trees = views(repo.path)
    assert {n: t.read("kb/f.md") for n, t in trees.items()} == {
        "work tree": b"edited",
        "index": b"staged",
        "commit": b"committed",
    }
    assert trees["work tree"].files("kb") == ["kb/f.md", "kb/untracked.md"]
    assert trees["index"].files("kb") == trees["commit"].files("kb") == ["kb/f.md"]


def test_a_hooks_index_is_read(repo: Machine, tmp_path: Path) -> None:
    """VAL-10: ``git commit FILE`` gives its hook an index of its own."""
    index = str(tmp_path / "index")
    repo.write("kb/f.md", "x")
    for args in (["read-tree", "HEAD"], ["add", "kb/f.md"]):
        subprocess.run(
            ["git", *args], cwd=repo.path, check=True, env={**os.environ, "GIT_INDEX_FILE": index}
        )
    assert GitTree(repo.path, index_file=index).files("kb") == ["kb/f.md"]
    assert GitTree(repo.path).files("kb") == []


@pytest.mark.parametrize("folder", ["missing", "missing/deeper", "train.py", "train.py/x", "tra"])
def test_what_is_no_folder_has_no_files(repo: Machine, folder: str) -> None:
    """A missing folder, a file and the beginning of a name have no files below them."""
    for tree in views(repo.path).values():
        assert tree.files(folder) == []
        assert tree.conflicted(folder) == []


@pytest.mark.parametrize("path", ["missing", "kb", "kb/", "kb/missing.md", "train.py/x", "k*"])
def test_reading_what_is_no_file(repo: Machine, path: str) -> None:
    """Trap 2: a folder or a missing file is NotFoundError in every view."""
    repo.write("kb/f.md", "x")
    repo.commit_all()
    for tree in views(repo.path).values():
        with pytest.raises(NotFoundError, match="there is no file"):
            tree.read(path)


def test_reading_many_tells_what_is_missing(repo: Machine) -> None:
    """Trap 3: one bad path does not keep the others from being read, and the order is kept."""
    wanted = ["missing.json", "train.py", "README.md", "train.py"]
    for tree in views(repo.path).values():
        got = list(tree.read_many(wanted))
        assert [path for path, _ in got] == wanted
        assert isinstance(got[0][1], FileNotFoundError)
        assert got[1][1] == got[3][1] == b'print("training")\n'
        assert list(tree.read_many([])) == []


def test_a_folder_named_like_an_entry_is_no_entry(repo: Machine) -> None:
    """Trap 2: a directory ``<hex>.json`` is not a file; what is in it is deeper."""
    name = "0" * 32 + ".json"
    repo.write(f"{LEDGER}/{name}/inner.json", "{}")
    repo.commit_all()
    for tree in views(repo.path).values():
        assert tree.files(LEDGER) == [f"{LEDGER}/{name}/inner.json"]
        [(_, content)] = tree.read_many([f"{LEDGER}/{name}"])
        assert isinstance(content, OSError)


def test_links_and_special_files_are_no_files(repo: Machine, tmp_path: Path) -> None:
    """Trap 2: git shares where a link points, not what is there; nothing waits for a pipe."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x.json").write_text("x")
    repo.write(f"{LEDGER}/real.json", "{}")
    ledger = repo / LEDGER
    (ledger / "file-link.json").symlink_to(tmp_path / "outside" / "x.json")
    (ledger / "broken-link.json").symlink_to("nowhere")
    (ledger / "folder-link").symlink_to(tmp_path / "outside")
    (ledger / "loop").symlink_to(".")
    os.mkfifo(ledger / "pipe.json")
    repo.commit_all()
    for tree in views(repo.path).values():
        assert tree.files(LEDGER) == [f"{LEDGER}/real.json"]


def test_names_are_not_patterns(repo: Machine) -> None:
    """A folder called ``k*`` or ``:x`` means itself, not what git's patterns would match."""
    for name in ("k*", "kb", "[k]b", ":x", "?b", ":(top)y"):
        repo.write(f"{name}/f", name)
    repo.commit_all()
    for tree in views(repo.path).values():
        for name in ("k*", "[k]b", ":x", "?b", ":(top)y"):
            assert tree.files(name) == [f"{name}/f"]
            assert tree.read(f"{name}/f") == name.encode()


def test_unmerged_paths_are_listed_and_not_read(two_clones: tuple[Machine, Machine]) -> None:
    """VAL-08: conflicts come from the index stages; an unmerged path is no staged file."""
    ours, theirs = two_clones
    for machine, text in ((ours, "ours\n"), (theirs, "theirs\n")):
        machine.write(f"{LEDGER}/ä b.json", text)
        machine.write(f"{LEDGER}/{machine.label}.json", text)
        machine.write("kb/f.md", text)
        machine.commit_all()
    theirs.push()
    assert ours.pull(check=False).returncode != 0
    trees = views(ours.path)
    both = [f"{LEDGER}/{n}.json" for n in ("ours", "theirs")]
    for name in ("work tree", "index"):
        assert trees[name].conflicted(LEDGER) == [f"{LEDGER}/ä b.json"]
        assert trees[name].conflicted(".") == [f"{LEDGER}/ä b.json", "kb/f.md"]
    assert trees["commit"].conflicted(".") == []
    assert trees["index"].files(LEDGER) == both
    assert trees["work tree"].files(LEDGER) == [*both, f"{LEDGER}/ä b.json"]
    assert trees["commit"].files(LEDGER) == [both[0], f"{LEDGER}/ä b.json"]


@pytest.fixture
def two_clones(repo: Machine, tmp_path: Path) -> tuple[Machine, Machine]:
    """Two clones of one bare repository."""
    subprocess.run(["git", "clone", "-q", "--bare", repo.path, tmp_path / "r.git"], check=True)
    one, two = (
        clone_repo(tmp_path / "r.git", tmp_path / name, label=name) for name in ("ours", "theirs")
    )
    return one, two


def test_outside_git_the_work_tree_is_read(tmp_path: Path) -> None:
    """VAL-01: a folder without git has files, and nothing conflicted."""
    (tmp_path / "kb").mkdir()
    (tmp_path / "kb" / "f.md").write_text("x")
    tree = WorkTree(tmp_path, has_git=False)
    assert tree.files("kb") == ["kb/f.md"]
    assert tree.conflicted("kb") == []


def test_no_commit_yet(tmp_path: Path) -> None:
    """A repository before its first commit has an index, and no such commit."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    assert GitTree(tmp_path).files(".") == []
    with pytest.raises(GitError, match="git ls-tree failed"):
        GitTree(tmp_path, commit="HEAD").files(".")


def test_a_folder_that_cannot_be_read(repo: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trap 32: an unreadable folder is named, relative to the root."""
    repo.write("kb/f.md", "x")

    def scandir(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(StorageError, match=r"(?m)^cannot read kb: Permission denied$"):
        WorkTree(repo.path).files("kb")


def test_the_sparse_and_the_deleted(repo: Machine) -> None:
    """A file deleted on disk is still in the index and the commit."""
    (repo / "train.py").unlink()
    trees = views(repo.path)
    assert "train.py" not in trees["work tree"].files(".")
    assert trees["index"].read("train.py") == trees["commit"].read("train.py")


@pytest.mark.parametrize("view", ["work tree", "index", "commit"])
def test_ten_thousand_files(big: Path, view: str) -> None:
    """Trap 33: one listing and one pass read ten thousand files, each with its own content."""
    tree = views(big)[view]
    paths = tree.files(LEDGER)
    total = sum(len(content) for _, content in tree.read_many(paths) if isinstance(content, bytes))
    assert len(paths) == 10_000
    assert total == sum(len(str(n)) for n in range(10_000))


@pytest.fixture(scope="session")
def big(tmp_path_factory: pytest.TempPathFactory, sealed_home: Path) -> Path:
    """A repository with 10,000 small files in its ledger."""
    root = tmp_path_factory.mktemp("big")
    run: Callable[..., object] = lambda *a, **k: subprocess.run(  # noqa: E731
        ["git", *a], cwd=root, check=True, capture_output=True, **k
    )
    run("init", "-q", "-b", "main")
    stream = ["commit refs/heads/main\ncommitter A <a@b> 0 +0000\ndata 1\nx\n"]
    for number in range(10_000):
        text = str(number)
        stream.append(f"M 644 inline {LEDGER}/{number:032x}.json\ndata {len(text)}\n{text}\n")
    run("fast-import", "--quiet", input="".join(stream).encode())
    run("reset", "-q", "--hard")
    return root


def test_what_is_only_announced_is_not_in_the_index(repo: Machine) -> None:
    """VAL-10: of an empty file and one that ``git add -N`` announced, only the first counts."""
    for name in ("empty.json", "announced.json", "gone.json"):
        repo.write(f"{LEDGER}/{name}", "")
    repo.git("add", f"{LEDGER}/empty.json", f"{LEDGER}/gone.json")
    repo.git("add", "-N", f"{LEDGER}/announced.json")
    (repo / LEDGER / "gone.json").unlink()
    tree = GitTree(repo.path)
    assert tree.files(LEDGER) == [f"{LEDGER}/empty.json", f"{LEDGER}/gone.json"]
    assert GitTree(repo.path).read(f"{LEDGER}/empty.json") == b""
    with pytest.raises(NotFoundError):
        GitTree(repo.path).read(f"{LEDGER}/announced.json")


def test_links_are_listed_in_every_view(repo: Machine) -> None:
    """Trap 29: links at, below and above a folder; what they lead to is not looked at."""
    repo.write("kb/sub/f.md", "x")
    repo.write("away/deep/f.md", "x")
    (repo / "kb/sub/link.md").symlink_to("f.md")
    (repo / "kb/folder").symlink_to("../away")
    (repo / "kb/nowhere").symlink_to("nothing")
    repo.commit_all()
    for tree in views(repo.path).values():
        inside = ["kb/folder", "kb/nowhere", "kb/sub/link.md"]
        assert tree.links("kb") == tree.links("kb/") == tree.links(".") == inside
        assert tree.links("kb/sub") == ["kb/sub/link.md"]
        assert tree.links("kb/folder/deep") == ["kb/folder"]
        assert tree.links("away") == tree.links("missing/folder") == []
