"""Real git repositories, and the machines of a two-machine story."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from tests.support.sealed import CHECKOUT

TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Completed:
    """How a command ended, as text."""

    args: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """Standard output, then standard error."""
        return self.stdout + self.stderr

    def require(self, *codes: int) -> Completed:
        """Return self when the exit code is one of ``codes`` (0 by default)."""
        if self.returncode not in (codes or (0,)):
            raise AssertionError(
                f"{' '.join(self.args)} exited {self.returncode}\n"
                f"--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"
            )
        return self


@dataclass(slots=True)
class Machine:
    """A clone, with the tools to work in it; usable wherever a path is.

    Attributes:
        path: the work tree.
        label: the machine label it is installed with, or empty.
    """

    path: Path
    label: str = ""
    env: dict[str, str] = field(default_factory=dict)

    def __fspath__(self) -> str:
        return str(self.path)

    def __truediv__(self, other: str) -> Path:
        return self.path / other

    def git(self, *args: str, check: bool = True, input: str | None = None) -> Completed:
        """Run git here and return what it answered."""
        return run_command(["git", *args], cwd=self.path, check=check, input=input, env=self.env)

    def aexp(
        self,
        *args: str,
        check: bool = True,
        input: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Completed:
        """Run ``python -m aexp`` here, as a user does.

        Args:
            check: fail the test when it does not exit 0.
            input: its standard input; empty, and no terminal, when None.
            env: variables on top of the sealed environment.
            cwd: a folder other than the root.
        """
        return run_command(
            [sys.executable, "-m", "aexp", *args],
            cwd=cwd or self.path,
            check=check,
            input=input,
            env={**self.env, **(env or {})},
        )

    def aexp_fast(
        self,
        *args: str,
        check: bool = True,
        input: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Completed:
        """Do the same inside this process: some 100 ms faster, for tables of many cases."""
        return run_in_process(
            args, cwd=cwd or self.path, check=check, input=input, env={**self.env, **(env or {})}
        )

    def write(self, path: str, text: str) -> Path:
        """Write a file of the work tree and return its path."""
        target = self.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")
        return target

    def read(self, path: str) -> str:
        """Return a file of the work tree."""
        return (self.path / path).read_text("utf-8")

    def commit_all(self, message: str = "work") -> str:
        """Commit everything that git does not ignore and return the commit id."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.head()

    def head(self) -> str:
        """Return the id of the current commit."""
        return self.git("rev-parse", "HEAD").stdout.strip()

    def status(self) -> str:
        """Return ``git status --porcelain``."""
        return self.git("status", "--porcelain").stdout

    def push(self) -> Completed:
        """Push the current branch, setting its upstream."""
        return self.git("push", "-q", "-u", "origin", "HEAD")

    def pull(self, *, check: bool = True) -> Completed:
        """Pull with a merge."""
        return self.git("pull", "-q", "--no-rebase", "--no-edit", check=check)

    def install(self, *args: str) -> Completed:
        """Run ``aexp install`` with this machine's label."""
        label = ["--machine-label", self.label] if self.label else []
        return self.aexp("install", "--yes", *label, *args)


@dataclass(frozen=True, slots=True)
class TwoMachines:
    """A bare remote and two installed clones of it."""

    remote: Path
    cluster: Machine
    laptop: Machine


def run_command(
    command: list[str],
    *,
    cwd: Path,
    check: bool = True,
    input: str | None = None,
    env: Mapping[str, str] | None = None,
) -> Completed:
    """Run a command with nothing on its standard input and return how it ended."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        input=(input or "").encode(),
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    result = Completed(
        tuple(command),
        done.returncode,
        done.stdout.decode("utf-8", "surrogateescape"),
        done.stderr.decode("utf-8", "surrogateescape"),
    )
    return result.require() if check else result


def run_in_process(
    args: tuple[str, ...],
    *,
    cwd: Path,
    check: bool = True,
    input: str | None = None,
    env: Mapping[str, str] | None = None,
) -> Completed:
    """Run the command line inside this process, with its own standard streams."""
    from aexp.cli import main

    out, err = _stream(), _stream()
    code: object = 0
    with (
        contextlib.chdir(cwd),
        mock.patch.dict(os.environ, env or {}),
        mock.patch.object(sys, "stdin", io.StringIO(input or "")),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main(list(args))
        except SystemExit as stop:
            code = stop.code
    number = code if isinstance(code, int) else 0 if code is None else 1
    result = Completed(("aexp", *args), number, _text(out), _text(err))
    return result.require() if check else result


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="surrogateescape", newline="\n")


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode("utf-8", "surrogateescape")


def set_identity(path: Path, name: str) -> None:
    """Give the repository at ``path`` a committer of its own."""
    for key, value in (("user.name", name), ("user.email", f"{name}@example.org")):
        run_command(["git", "config", key, value], cwd=path)


def make_repo(path: Path, *, name: str = "dev") -> Machine:
    """Make a repository with one commit that holds ``train.py`` and ``README.md``."""
    path.mkdir(parents=True, exist_ok=True)
    run_command(["git", "init", "-q", "--template=", "-b", "main", "."], cwd=path)
    set_identity(path, name)
    machine = Machine(path)
    machine.write("train.py", 'print("training")\n')
    machine.write("README.md", "# A project\n")
    machine.commit_all("Start")
    return machine


def copy_repo(template: Path, path: Path) -> Machine:
    """Copy a repository, with its modification times, so that git need not read the files again."""
    shutil.copytree(template, path, symlinks=True)
    return Machine(path)


def clone_repo(source: str | os.PathLike[str], path: Path, *, label: str = "") -> Machine:
    """Clone ``source`` to ``path``, with an identity of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    url = os.path.abspath(source)
    run_command(["git", "clone", "-q", "--template=", "--", url, str(path)], cwd=path.parent)
    set_identity(path, label or "dev")
    return Machine(path, label)


def make_two_machines(folder: Path) -> TwoMachines:
    """Build a bare remote and two installed, labelled clones of it under ``folder``."""
    remote = folder / "remote.git"
    first = make_repo(folder / "origin-of-all")
    run_command(
        ["git", "clone", "-q", "--bare", "--template=", str(first.path), str(remote)], cwd=folder
    )
    cluster = clone_repo(remote, folder / "cluster", label="cluster")
    cluster.install()
    cluster.commit_all("Install aexp")
    cluster.push()
    laptop = clone_repo(remote, folder / "laptop", label="laptop")
    laptop.install()
    return TwoMachines(remote, cluster, laptop)


def checkout_environ() -> dict[str, str]:
    """Return what a child needs to import ``tests.support`` from anywhere."""
    path = os.environ.get("PYTHONPATH", "")
    return {"PYTHONPATH": os.pathsep.join(p for p in (str(CHECKOUT), path) if p)}
