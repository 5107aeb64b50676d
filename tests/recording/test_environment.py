"""The environment of a run, and its uncommitted changes (REC-09)."""

from __future__ import annotations

import json
import os
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import aexp
from aexp.errors import CorruptDataError, GitError, RunClosedError
from aexp.recording import machine
from aexp.recording.code_diff import LARGEST
from aexp.recording.environment import record_environment
from aexp.repo import open_layout
from aexp.runs.code_state import code_state
from tests.recording.attachable import Holder
from tests.support.machines import Machine, run_command
from tests.support.sealed import CHECKOUT

KEY = "sk-ant-REDACTED" + "aB3dE6gH9jK2mN5pQ8sT"


def recorded(repo: Machine, holder: Holder, **options: Any) -> dict[str, Any]:
    """Record the environment and return it."""
    record_environment(holder, open_layout(repo.path), **options)
    value: Any = holder.get_attachment("environment.json")
    assert isinstance(value, dict)
    return value


def everything(holder: Holder) -> bytes:
    """Return all bytes that were recorded."""
    return b"".join(holder.get_attachment_bytes(name) for name in holder.attachment_names)


def test_what_is_recorded(repo: Machine, holder: Holder, monkeypatch: pytest.MonkeyPatch) -> None:
    """REC-09: commit, dirty flag, argv, Python and package versions, platform, CPU and GPU."""
    repo.write("kb/research/notes.md", "not code")
    monkeypatch.setattr(sys, "argv", [str(repo.path / "train.py"), "--lr", "0.1"])
    found = recorded(repo, holder)
    assert found["code"]["commit"] == repo.head()
    assert found["code"]["dirty"] is False
    assert "code.diff" not in holder.attachments
    assert found["argv"] == ["train.py", "--lr", "0.1"]
    assert found["aexp"] == aexp.__version__
    assert found["python"]["version"] == ".".join(map(str, sys.version_info[:3]))
    assert found["packages"]["msgspec"] == metadata.version("msgspec")
    assert found["platform"]["system"] == os.uname().sysname
    assert found["cpu"]["count"] == os.cpu_count()
    assert found["cpu"]["usable"] >= 1
    assert found["memory"] > 2**20
    assert isinstance(found["gpus"], list)
    assert holder.attachment_media_type("environment.json") == "application/json"


def test_the_packages_are_those_of_the_metadata() -> None:
    """REC-09: the quick look at the folders' names says what ``importlib.metadata`` says."""
    machine.packages.cache_clear()
    assert machine.packages() == dict(sorted(machine._packages_read().items()))


def test_a_package_whose_folder_does_not_say_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REC-09: such as one that is developed in place; the first on the path counts."""
    (tmp_path / "odd_one.egg-info").mkdir()
    (tmp_path / "odd_one.egg-info" / "PKG-INFO").write_text("Name: Odd.One\nVersion: 7.1\n")
    (tmp_path / "msgspec-0.0.1.dist-info").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    machine.packages.cache_clear()
    try:
        assert machine.packages()["odd-one"] == "7.1"
        assert machine.packages()["msgspec"] == "0.0.1"
    finally:
        machine.packages.cache_clear()


def test_the_same_environment_is_one_blob(repo: Machine, tmp_path: Path) -> None:
    """REC-09: also of two processes: no time, no process id, no seed of anything."""
    repo.write("train.py", "changed\n")
    code = f"""
import sys, random
sys.path.insert(0, {str(CHECKOUT)!r})
from pathlib import Path
from tests.recording.attachable import Holder
from aexp.recording.environment import record_environment
from aexp.repo import open_layout
random.seed()
holder = Holder(Path({str(tmp_path / "registry")!r}))
record_environment(holder, open_layout())
print(sorted(item.digest for item in holder.attachments.values()))
"""
    script = tmp_path / "script.py"
    script.write_text(code)
    command = [sys.executable, str(script)]
    first, second = (run_command(command, cwd=repo.path).stdout for _ in range(2))
    assert first == second
    assert len(list((tmp_path / "registry/blobs/sha256").iterdir())) == 2


def test_once_per_run(repo: Machine, holder: Holder) -> None:
    """REC-09: a run that is continued keeps what it has; a closed one takes nothing."""
    first = recorded(repo, holder)
    repo.write("train.py", "changed\n")
    assert recorded(repo, holder) == first
    assert holder.attachment_names == ["environment.json"]
    closed = Holder(holder.registry.root)
    closed.closed = True
    with pytest.raises(RunClosedError):
        record_environment(closed, open_layout(repo.path))


# --- uncommitted changes -------------------------------------------------------------------------


def change(repo: Machine) -> None:
    """Change, add and delete code, with names and ends that are awkward."""
    repo.write("gone.py", "gone\n")
    repo.write("lib/größe.py", "a\nb\n\nc\n")
    repo.write("long.py", "\n".join(map(str, range(40))))
    repo.write("run.sh", "#!/bin/sh\n")
    repo.commit_all("More")
    repo.write("train.py", 'print("changed")\n')
    repo.write("lib/größe.py", "a\nb\n\nchanged without an end")
    repo.write("long.py", "\n".join(map(str, range(40))).replace("5\n", "five\n"))
    repo.write("new model.py", "new\n")
    repo.write('lib/quo"ted.py', "no newline at the end")
    repo.write("empty.py", "")
    repo.write("staged.py", "staged\n")
    repo.git("add", "staged.py")
    (repo / "gone.py").unlink()
    (repo / "run.sh").chmod(0o755)
    repo.write("results.csv", "untracked data is no code\n")
    repo.write("kb/research/notes.md", "not code")


def test_the_diff_rebuilds_the_code(repo: Machine, holder: Holder, tmp_path: Path) -> None:
    """REC-09: applied to the recorded commit it gives the code that ran, untracked sources too."""
    change(repo)
    found = recorded(repo, holder)
    assert found["code"]["dirty"] is True
    assert found["code"]["diff"] == code_state(open_layout(repo.path)).diff
    assert found["code"]["changes"] == {
        "attachment": "code.diff", "truncated": False, "redacted": False, "left_out": [],
    }  # fmt: skip
    copy = tmp_path / "copy"
    run_command(["git", "clone", "-q", str(repo.path), str(copy)], cwd=tmp_path)
    holder.write_attachment("code.diff", tmp_path / "code.diff")
    run_command(["git", "checkout", "-q", found["code"]["commit"]], cwd=copy)
    run_command(["git", "apply", str(tmp_path / "code.diff")], cwd=copy)
    (repo / "results.csv").unlink()
    assert files(copy) == files(repo.path)
    assert code_state(open_layout(copy)).diff == found["code"]["diff"]


def files(root: Path) -> dict[str, tuple[str, bool]]:
    """Return what is in a work tree, aexp's folders aside."""
    paths = [path for path in root.rglob("*") if path.is_file()]
    inside = {path.relative_to(root).as_posix(): path for path in paths}
    return {
        name: (path.read_text("utf-8"), os.access(path, os.X_OK))
        for name, path in inside.items()
        if not name.startswith((".git/", "kb/", ".aexp/"))
    }


def test_the_settings_of_the_user_change_nothing(
    repo: Machine, holder: Holder, tmp_path: Path
) -> None:
    """Trap 77: the same changes give the same bytes, whatever git is told to do with diffs."""
    change(repo)
    recorded(repo, holder)
    settings = {
        "diff.noprefix": "true", "diff.mnemonicPrefix": "true", "color.ui": "always",
        "diff.external": "false", "diff.algorithm": "patience", "diff.renames": "copies",
        "core.quotePath": "true", "diff.suppressBlankEmpty": "true",
        "diff.interHunkContext": "5", "diff.context": "9", "diff.upper.textconv": "tr a-z A-Z <",
        "diff.submodule": "log", "diff.orderFile": str(tmp_path / "order"),
    }  # fmt: skip
    (tmp_path / "order").write_text("*.sh\n*.py\n")
    for name, value in settings.items():
        repo.git("config", name, value)
    (repo / ".git/info").mkdir(exist_ok=True)
    (repo / ".git/info/attributes").write_text("*.py diff=upper\n")
    other = Holder(holder.registry.root)
    from aexp.recording import environment

    environment._diffs.clear()
    recorded(repo, other)
    assert other.get_attachment("code.diff") == holder.get_attachment("code.diff")


def test_before_the_first_commit(tmp_path: Path, holder: Holder) -> None:
    """REC-09: there is no commit, and all code is in the diff."""
    run_command(["git", "init", "-q", str(tmp_path / "repo")], cwd=tmp_path)
    repo = Machine(tmp_path / "repo")
    repo.write("train.py", "print(1)\n")
    repo.write("staged.py", "print(2)\n")
    repo.git("add", "staged.py")
    found = recorded(repo, holder)
    assert (found["code"]["commit"], found["code"]["dirty"]) == (None, True)
    text = str(holder.get_attachment("code.diff"))
    assert "+print(1)" in text
    assert "+print(2)" in text


def test_outside_git(tmp_path: Path, holder: Holder) -> None:
    """REC-09: everything else is still recorded."""
    record_environment(holder, open_layout(tmp_path, require_git=False))
    found: Any = holder.get_attachment("environment.json")
    assert found["code"] is None
    assert found["packages"]


def test_a_git_that_fails_is_no_clean_tree(repo: Machine, holder: Holder) -> None:
    """Trap 15: the error reaches the caller."""
    (repo / ".git/index").write_bytes(b"damaged")
    with pytest.raises(GitError):
        record_environment(holder, open_layout(repo.path))


def test_the_diff_can_be_left_out(repo: Machine, holder: Holder) -> None:
    """REC-09: opted out, the digest of the changes stays, and nothing of what they say."""
    repo.write("train.py", "private idea\n")
    found = recorded(repo, holder, diff=False)
    assert found["code"]["dirty"] is True
    assert found["code"]["diff"]
    assert holder.attachment_names == ["environment.json"]
    assert b"private idea" not in everything(holder)


def test_a_repository_can_leave_diffs_out(repo: Machine, holder: Holder, tmp_path: Path) -> None:
    """REC-09: opted out for all clones in ``aexp.yaml``; a damaged file is no consent."""
    repo.write("aexp.yaml", "policy:\n  record_diff: false\n")
    repo.write("train.py", "private idea\n")
    recorded(repo, holder)
    assert holder.attachment_names == ["environment.json"]
    for wrong in ("policy:\n  record_diff: 1\n", "policy: [\n"):
        repo.write("aexp.yaml", wrong)
        with pytest.raises(CorruptDataError, match=r"aexp\.yaml"):
            record_environment(Holder(tmp_path / "other"), open_layout(repo.path))
    assert recorded(repo, Holder(tmp_path / "asked"), diff=True)["code"]["changes"]


def test_the_diff_is_bounded(repo: Machine, holder: Holder) -> None:
    """REC-09: large and binary files are named and left out; a long diff is cut between lines."""
    repo.write("shrunk.py", "x\n" * LARGEST)
    repo.write("deleted.py", "x\n" * LARGEST)
    (repo / "weights.bin").write_bytes(b"\0" * 100)
    repo.commit_all("Large")
    repo.write("shrunk.py", "small\n")
    (repo / "deleted.py").unlink()
    (repo / "weights.bin").write_bytes(b"\1\0" * 50)
    repo.write("large.py", "y\n" * LARGEST)
    (repo / "binary.py").write_bytes(b"\0\1")
    for number in range(5):
        repo.write(f"part{number}.py", "0123456789\n" * (LARGEST // 40))
    found = recorded(repo, holder)["code"]["changes"]
    assert found["left_out"] == [
        "binary.py", "deleted.py", "large.py", "shrunk.py", "weights.bin",
    ]  # fmt: skip
    assert found["truncated"] is True
    data = holder.get_attachment_bytes("code.diff")
    assert LARGEST * 0.99 < len(data) <= LARGEST
    assert data.endswith(b"\n")


# --- secrets -------------------------------------------------------------------------------------


def test_no_secrets(
    repo: Machine, holder: Holder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """REC-09: none of the environment's variables, none in argv, none in the diff."""
    for name in (".env", "config/credentials.json", "deploy/id_rsa", "my_secrets.py"):
        repo.write(name, "old\n")
    repo.commit_all("Should not be here")
    for name in (".env", "config/credentials.json", "deploy/id_rsa", "my_secrets.py"):
        repo.write(name, "hunter2isnotsecret\n")
    repo.write("tokenizer.py", "vocabulary = 7\n")
    repo.write("train.py", f'client = connect(api_key="{KEY}")\nurl = "https://me:pw@host/x"\n')
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef0123456789abcdef01234567")
    monkeypatch.setenv("MY_VARIABLE", "value of a variable")
    home = str(Path.home() / "data")
    monkeypatch.setattr(sys, "argv", ["train.py", "--api-key", KEY, f"--token={KEY}", home])
    found = recorded(repo, holder)
    data = everything(holder)
    for secret in (KEY, "0123456789abcdef01234567", "value of a variable", "hunter2", "me:pw"):
        assert secret.encode() not in data
    assert home.encode() not in data
    assert b"vocabulary = 7" in data
    changes = found["code"]["changes"]
    assert changes["redacted"] is True
    assert changes["left_out"] == [
        ".env", "config/credentials.json", "deploy/id_rsa", "my_secrets.py",
    ]  # fmt: skip
    assert found["redacted"] == ["/argv/2", "/argv/3", "/argv/4"]


# --- graphics cards ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (
            "echo 'NVIDIA A100-SXM4-40GB, 40960, 535.104.05'; echo 'NVIDIA L4, [N/A], 535.1'",
            [
                {"name": "NVIDIA A100-SXM4-40GB", "memory_mib": 40960, "driver": "535.104.05"},
                {"name": "NVIDIA L4", "memory_mib": None, "driver": "535.1"},
            ],
        ),
        ("echo 'NVIDIA-SMI has failed, the driver is not loaded'; exit 9", []),
        ("echo garbage", []),
        ("printf '\\377\\376'", []),
        ("sleep 20", []),
    ],
)
def test_graphics_cards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, expected: list[object]
) -> None:
    """REC-09: what nvidia-smi says; one that fails, hangs or talks nonsense does no harm."""
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script.replace('sleep', 'exec sleep')}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(machine, "_PATIENCE_S", 0.5)
    assert machine.gpus() == expected


def test_no_graphics_cards(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """REC-09: without nvidia-smi there are none; a program that cannot start is none."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.gpus() == []
    (tmp_path / "nvidia-smi").write_text("no program")
    (tmp_path / "nvidia-smi").chmod(0o755)
    assert machine.gpus() == []


def test_the_environment_is_canonical(repo: Machine, holder: Holder) -> None:
    """REC-09: sorted keys, so that equal environments have equal bytes."""
    found = recorded(repo, holder)
    data = holder.get_attachment_bytes("environment.json")
    assert json.dumps(found, sort_keys=True, indent=2, ensure_ascii=False).encode() + b"\n" == data
