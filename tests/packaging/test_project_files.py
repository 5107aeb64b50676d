"""The files that other programs read: make, CI, pre-commit."""

from __future__ import annotations

import os
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.support.sealed import CHECKOUT


def load_yaml(name: str) -> Any:
    """Return a YAML file of the checkout, decoded."""
    return YAML(typ="safe").load((CHECKOUT / name).read_text("utf-8"))


def test_the_hook_for_users_checks_the_whole_repository() -> None:
    """INS-08: the project ships the hook ``aexp-validate``, which takes no file names."""
    (hook,) = load_yaml(".pre-commit-hooks.yaml")
    assert hook["id"] == "aexp-validate"
    assert hook["entry"] == "aexp validate --staged --strict-runs=warn"
    assert hook["language"] == "python"
    assert hook["pass_filenames"] is False


def test_our_own_hooks_name_no_place_on_a_machine() -> None:
    """Trap 22: a committed hook that holds an absolute path works on one machine only."""
    for repo in load_yaml(".pre-commit-config.yaml")["repos"]:
        for hook in repo["hooks"]:
            assert not hook.get("entry", "").startswith(("/", "~", "."))


def test_ci_is_an_executable_script_that_ends_in_make_test() -> None:
    """`.ci/run` stops at the first failure and hands over to `make test`."""
    script = CHECKOUT / ".ci" / "run"
    assert script.stat().st_mode & stat.S_IXUSR
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
    lines = script.read_text("utf-8").splitlines()
    assert "set -euo pipefail" in lines
    assert "export AEXP_REQUIRE_SERVICES=1" in lines
    assert lines[-1] == "exec make test"


def test_make_survives_a_folder_with_spaces(tmp_path: Path) -> None:
    """The README's commands do not depend on where the checkout lies; tests come after linters."""
    folder = tmp_path / "a folder with spaces"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml"):
        (folder / name).write_bytes((CHECKOUT / name).read_bytes())
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    done = subprocess.run(
        ["make", "--dry-run", "test"],
        cwd=folder, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "pytest" in lines[-1]
    steps = ["ruff check", "ruff format --check", "mypy", "lint-imports", "generate.py --check"]
    positions = [next(i for i, line in enumerate(lines) if step in line) for step in steps]
    assert positions == sorted(positions)


def test_make_refuses_an_old_python_in_one_line(tmp_path: Path) -> None:
    """A wrong interpreter is named before anything is made."""
    old = tmp_path / "old-python"
    old.write_text("#!/bin/sh\necho 'aexp needs Python 3.11 or later' >&2\nexit 1\n")
    old.chmod(0o755)
    (tmp_path / "Makefile").write_bytes((CHECKOUT / "Makefile").read_bytes())
    (tmp_path / "pyproject.toml").touch()
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    done = subprocess.run(
        ["make", "demo", f"PYTHON={old}"],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "aexp needs Python 3.11 or later" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_contributors_are_told_the_layers_that_are_checked() -> None:
    """The import law in CONTRIBUTING.md is the one of the contract."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    (law,) = [contract for contract in contracts if contract["id"] == "law"]
    text = "\n".join(law["layers"])
    assert f"```text\n{text}\n```" in (CHECKOUT / "CONTRIBUTING.md").read_text("utf-8")
