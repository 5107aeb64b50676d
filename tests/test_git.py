"""The one door to git."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from aexp import settings
from aexp.errors import GitError
from aexp.git import Git, GitResult
from tests.support.machines import Machine, clone_repo, make_repo


@pytest.fixture
def elsewhere(tmp_path: Path) -> Machine:
    """Another repository, which must stay untouched."""
    return make_repo(tmp_path / "elsewhere")


def test_it_answers_bytes_text_and_status(repo: Machine) -> None:
    """Output is exact; ``text`` lacks the last newline only."""
    git = Git(repo.path)
    assert git.run("rev-parse", "HEAD").text == repo.head()
    assert git.run("cat-file", "blob", "HEAD:train.py").stdout == b'print("training")\n'
    assert GitResult(0, b"a \n\n", "").text == "a \n"
    assert git.run("diff", "--quiet", "HEAD~7", check=False).returncode != 0


def test_a_hooks_variables_do_not_redirect_git(
    repo: Machine, elsewhere: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LED-07, style "one door": inside a hook, git works on the folder it is told."""
    for name, value in {
        "GIT_DIR": str(elsewhere / ".git"),
        "GIT_WORK_TREE": str(elsewhere.path),
        "GIT_INDEX_FILE": str(elsewhere / ".git" / "index"),
        "GIT_PREFIX": "sub/",
        "GIT_OBJECT_DIRECTORY": "/nowhere",
        "GIT_COMMON_DIR": "/nowhere",
        "GIT_NAMESPACE": "x",
        "GIT_CEILING_DIRECTORIES": str(repo.path.parent),
        "GIT_LITERAL_PATHSPECS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    (repo / "new").write_text("x")
    (repo / "sub").mkdir()
    Git(repo / "sub").run("add", "../new")
    assert Git(repo.path).run("diff", "--cached", "--name-only").text == "new"
    assert Git(elsewhere.path).run("diff", "--cached", "--name-only").text == ""


def test_a_given_index_is_used(repo: Machine, tmp_path: Path) -> None:
    """VAL-10: the index a hook was given is read when asked for, and only then."""
    index = str(tmp_path / "other-index")
    Git(repo.path, index_file=index).run("read-tree", "--empty")
    assert Git(repo.path, index_file=index).run("ls-files").text == ""
    assert "train.py" in Git(repo.path).run("ls-files").text


def test_the_hooks_index_is_absolute(monkeypatch: pytest.MonkeyPatch) -> None:
    """VAL-10: git names it relative to the top; we may be asked from elsewhere later."""
    assert settings.hook_index_file() is None
    monkeypatch.setenv("GIT_INDEX_FILE", ".git/index")
    assert settings.hook_index_file() == str(Path.cwd() / ".git" / "index")
    monkeypatch.setenv("GIT_INDEX_FILE", "")
    assert settings.hook_index_file() is None


def test_who_and_how_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Identity and network settings of the user's environment are kept."""
    kept = {
        "GIT_AUTHOR_NAME": "A",
        "GIT_COMMITTER_EMAIL": "a@b",
        "GIT_SSH_COMMAND": "ssh -i key",
        "GIT_SSL_CAINFO": "/ca",
        "GIT_EXEC_PATH": "/x",
        "GIT_CONFIG_COUNT": "0",
    }
    for name, value in {**kept, "LANGUAGE": "de", "LC_ALL": "de_DE.UTF-8"}.items():
        monkeypatch.setenv(name, value)
    environ = settings.git_environment()
    assert {name: environ[name] for name in kept} == kept
    assert "LANGUAGE" not in environ
    assert (environ["LC_ALL"], environ["GIT_TERMINAL_PROMPT"]) == ("C.UTF-8", "0")


def test_errors_are_one_line_that_says_why(repo: Machine, tmp_path: Path) -> None:
    """Trap 32: the reason, not the hint that git prints below it."""
    with pytest.raises(GitError) as caught:
        Git(repo.path).run("cat-file", "-p", "nonsense")
    assert caught.value.message == "git cat-file failed: Not a valid object name nonsense"
    other = clone_repo(repo, tmp_path / "other")
    repo.git("config", "receive.denyCurrentBranch", "ignore")
    repo.commit_all("ahead")
    other.commit_all("also ahead")
    with pytest.raises(GitError) as caught:
        Git(other.path).run("push", "origin", "main")
    assert "failed to push" in caught.value.message
    assert "hint" not in caught.value.message
    (repo / "train.py").write_text("changed")
    with pytest.raises(GitError, match=r"(?m)^git diff failed: exit status 1$"):
        Git(repo.path).run("diff", "--quiet")


def test_outside_a_repository(tmp_path: Path) -> None:
    """Trap 32: git's own words, one line."""
    with pytest.raises(GitError, match="not a git repository"):
        Git(tmp_path).run("status")


def test_missing_git_is_told_as_such(repo: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trap 32: without git the error names it."""
    git = Git(repo.path)
    monkeypatch.setenv("PATH", "/nowhere")
    git = Git(repo.path)
    with pytest.raises(GitError, match="git is not installed") as caught:
        git.run("status")
    assert "install git" in (caught.value.hint or "")


def test_a_missing_folder_is_told_as_such(tmp_path: Path) -> None:
    """Trap 32: a folder that is gone, or is a file, is not taken for a missing git."""
    (tmp_path / "file").write_text("x")
    for name in ("gone", "file"):
        with pytest.raises(GitError, match=f"the folder .*{name} does not exist"):
            Git(tmp_path / name).run("status")


def test_a_hanging_git_is_ended(repo: Machine) -> None:
    """Trap 15: a timeout is an error, never an empty answer."""
    repo.git("config", "alias.hang", "!sleep 5")
    with pytest.raises(GitError, match=r"git hang did not finish within 0\.2 s"):
        Git(repo.path).run("hang", timeout=0.2)


def test_objects_are_read_in_order(repo: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content comes back byte for byte, in the order asked for, in any number of portions."""
    contents = [b"", b"\n", b"a\0b\n\n", bytes(range(256)) * 50, b"deadbeef missing\n", b"last"]
    git = Git(repo.path)
    ids = [git.run("hash-object", "-w", "--stdin", stdin=c).text for c in contents]
    for portion in (1, 4, 5_000):
        monkeypatch.setattr("aexp.git.OBJECTS_AT_ONCE", portion)
        assert list(git.read_objects([*ids, ids[0]])) == [*contents, contents[0]]
    assert list(git.read_objects([])) == []
    with pytest.raises(GitError, match="git has no object " + "0" * 39 + "1"):
        list(git.read_objects([ids[0], "0" * 39 + "1"]))


def test_names_come_back_as_they_are(repo: Machine, weird_name: str) -> None:
    """Weird names are neither quoted nor cut."""
    (repo / weird_name).write_text("x")
    git = Git(repo.path)
    git.run("add", "-A")
    names = list(git.nul_fields("diff", "--cached", "--name-only", "-z"))
    assert names == [weird_name]


def test_names_that_are_no_utf8(repo: Machine) -> None:
    """A name in an older encoding comes back as Python names that file."""
    raw = os.fsencode(repo.path) + b"/caf\xe9"
    try:
        os.close(os.open(raw, os.O_CREAT | os.O_WRONLY))
    except OSError as error:
        pytest.skip(f"this file system wants UTF-8: {error}")
    names = list(Git(repo.path).nul_fields("ls-files", "-o", "-z"))
    assert names == [os.fsdecode(b"caf\xe9")]
    assert names[0] in os.listdir(repo.path)


def test_config_holds_for_one_call(repo: Machine) -> None:
    """Settings given to a call are not stored."""
    git = Git(repo.path)
    assert git.run("config", "x.y", config=["x.y=1"]).text == "1"
    assert git.run("config", "x.y", check=False).returncode == 1


def test_it_never_takes_the_index_lock_for_reading(repo: Machine) -> None:
    """Trap 71: status beside a concurrent ``git add`` does not break it."""
    os.utime(repo / "train.py", (1, 1))
    before = (repo / ".git" / "index").stat()
    Git(repo.path).run("status", "--porcelain")
    after = (repo / ".git" / "index").stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)
    subprocess.run(["git", "status", "--porcelain"], cwd=repo.path, check=True, capture_output=True)
    assert (repo / ".git" / "index").stat().st_ino != before.st_ino
