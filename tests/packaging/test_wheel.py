"""What is built from the checkout is what a user needs, and works on its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import aexp
from tests.support.sealed import CHECKOUT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from the checkout with the build tool that is installed here."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"),
            *("--no-build-isolation", "--disable-pip-version-check"),
            *("--wheel-dir", str(folder), str(CHECKOUT)),
        ],
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_code_templates_and_slash_commands(wheel: Path) -> None:
    """INS-07: slash commands ship in the wheel; so do types, license and every data file."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    commands = {p.name for p in (CHECKOUT / "slash_commands").glob("*.md")}
    assert commands
    assert {f"aexp/slash_commands/{name}" for name in commands} <= names
    source = CHECKOUT / "src"
    package = {
        p.relative_to(source).as_posix()
        for p in (source / "aexp").rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }
    assert package <= names
    assert "aexp/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [n for n in names if n.startswith("tests") or n.endswith((".pyc", ".lock"))]


def test_the_installed_wheel_works_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """The command line and the slash commands come from the wheel alone."""
    site = tmp_path / "site packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    repo = tmp_path / "repo"
    subprocess.run(["git", "init", "--quiet", str(repo)], check=True)
    env = {**os.environ, "PYTHONPATH": str(site)}

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command], cwd=repo, env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert Path(run("-c", "import aexp; print(aexp.__file__)")).is_relative_to(site)
    assert run("-m", "aexp", "--version") == f"aexp {aexp.__version__}"
    run("-m", "aexp", "install", "--yes", "--machine-label", "laptop")
    installed = {p.name for p in (repo / ".claude" / "commands").rglob("*.md")}
    assert installed == {p.name for p in (CHECKOUT / "slash_commands").glob("*.md")}


def test_the_metadata_offers_the_console_script_and_extras(wheel: Path) -> None:
    """`aexp` is a command, and the extras of the make targets exist."""
    with zipfile.ZipFile(wheel) as archive:
        info = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = archive.read(info).decode()
        scripts = archive.read(info.replace("METADATA", "entry_points.txt")).decode()
    assert "aexp = aexp.cli:program" in scripts
    assert f"Version: {aexp.__version__}\n" in metadata
    assert "Requires-Python: >=3.11\n" in metadata
    assert {"Provides-Extra: demo", "Provides-Extra: dev"} <= set(metadata.splitlines())


def test_no_file_names_a_registry_or_pins_a_lock() -> None:
    """What installs this project says names and lower bounds, never an address."""
    for name in ("pyproject.toml", "Makefile", ".ci/run"):
        text = (CHECKOUT / name).read_text("utf-8")
        assert "://" not in text, name
        assert "index-url" not in text, name
    tracked = subprocess.run(
        ["git", "-C", str(CHECKOUT), "ls-files"], capture_output=True, text=True, check=True
    ).stdout.split("\n")
    assert not [n for n in tracked if n.endswith((".lock", "requirements.txt"))]


def test_the_runtime_dependencies_are_the_few_that_were_chosen() -> None:
    """The base install stays light: a new dependency is a decision, made here as well."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
    names = {d.split(">")[0] for d in project["dependencies"]}
    assert names == {"typer", "signac", "filelock", "ruamel.yaml", "msgspec"}
