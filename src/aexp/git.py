"""The one door to git.

Every call runs the ``git`` program with ``--no-optional-locks`` (so that recording never breaks
another process's ``git add``: model.md 11, trap 71), with the repository-selecting ``GIT_*``
variables of a surrounding hook removed, and reads NUL-separated output only.

The program is started directly and not through GitPython: importing that library costs about
90 ms, starting git about 2 ms (``docs/adr/0002-git-door.md``).
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from aexp import settings
from aexp.errors import GitError

TIMEOUT_S = 600.0
OLDEST = (2, 26)
"""The first git that takes paths from a file (``--pathspec-from-file``) in all that we run."""
OBJECTS_AT_ONCE = 5_000
"""How many objects are in memory at once."""


@dataclass(frozen=True, slots=True)
class GitResult:
    """What a git command answered."""

    returncode: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        """Standard output as text, without its last newline."""
        return os.fsdecode(self.stdout).removesuffix("\n")


class Git:
    """Git in one folder.

    Args:
        folder: any folder of the work tree.
        index_file: an index to use instead of the repository's own (inside a hook).
    """

    def __init__(self, folder: Path, *, index_file: str | None = None) -> None:
        self.folder = folder
        self._env = settings.git_environment(index_file)

    def run(
        self,
        *args: str,
        stdin: bytes | None = None,
        check: bool = True,
        config: Sequence[str] = (),
        timeout: float = TIMEOUT_S,
    ) -> GitResult:
        """Run ``git *args`` and return what it answered.

        Args:
            args: the subcommand and its arguments.
            stdin: bytes to feed, else nothing is connected.
            check: raise when git exits non-zero.
            config: ``name=value`` settings for this call only.
            timeout: seconds.

        Raises:
            GitError: git is missing, timed out, or (with ``check``) failed.
        """
        command = ["git", "--no-optional-locks"]
        for item in config:
            command += ["-c", item]
        command += args
        try:
            done = subprocess.run(
                command,
                cwd=self.folder,
                env=self._env,
                input=b"" if stdin is None else stdin,
                capture_output=True,
                timeout=timeout,
                check=False,
            )
        except OSError as error:
            raise _cannot_start(self.folder, error) from None
        except subprocess.TimeoutExpired:
            raise GitError(
                f"git {args[0]} did not finish within {timeout:g} s",
                hint="see whether `git status` ends here, and whether the disk is well",
            ) from None
        result = GitResult(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))
        if check and result.returncode != 0:
            reason = _reason(result)
            raise GitError(f"git {args[0]} failed: {reason}", hint=self._hint(reason))
        return result

    def _hint(self, reason: str) -> str:
        """Return what helps against a refusal of git's."""
        if "dubious ownership" in reason:
            return _trust_hint(reason)
        found = self.run("--version", check=False).text
        version = re.search(r"(\d+)\.(\d+)", found)
        if version and (int(version[1]), int(version[2])) < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            return f"this is {found}; aexp needs git {oldest} or newer"
        return "see what `git status` says here"

    def nul_fields(self, *args: str, stdin: bytes | None = None) -> Iterator[str]:
        """Run a command with ``-z`` among its arguments and yield its NUL-separated fields."""
        for field in self.run(*args, stdin=stdin).stdout.split(b"\0"):
            if field:
                yield os.fsdecode(field)

    def read_objects(self, ids: Iterable[str]) -> Iterator[bytes]:
        """Yield the content of each object id, in order, through ``cat-file --batch``.

        Raises:
            GitError: an object is missing.
        """
        wanted = list(ids)
        for start in range(0, len(wanted), OBJECTS_AT_ONCE):
            yield from self._read_some(wanted[start : start + OBJECTS_AT_ONCE])

    def _read_some(self, wanted: Sequence[str]) -> Iterator[bytes]:
        out = self.run("cat-file", "--batch", stdin="\n".join(wanted).encode() + b"\n").stdout
        position = 0
        for oid in wanted:
            end = out.index(b"\n", position)
            header = out[position:end].split(b" ")
            if len(header) != 3:
                raise GitError(f"git has no object {oid}", hint="see what `git fsck` says")
            size = int(header[2])
            yield out[end + 1 : end + 1 + size]
            position = end + 1 + size + 1


def _cannot_start(folder: Path, error: OSError) -> GitError:
    if shutil.which("git") is None:
        return GitError("git is not installed", hint="install git, then run the command again")
    if not folder.is_dir():
        return GitError(f"the folder {folder} does not exist", hint="go to one that does")
    return GitError(
        f"git cannot be started in {folder}: {error.strerror}",
        hint="see whether `git status` works there",
    )


def _trust_hint(reason: str) -> str:
    folder = reason.partition(" at ")[2].strip("'") or "FOLDER"
    return (
        "it belongs to another user; if you trust it: "
        f"git config --global --add safe.directory {shlex.quote(folder)}"
    )


def _reason(result: GitResult) -> str:
    """Return the line of git's complaint that says most; hints and usage follow it."""
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    for prefix in ("fatal: ", "error: "):
        for line in lines:
            if line.startswith(prefix):
                return line.removeprefix(prefix)
    plain = [line for line in lines if not line.startswith("hint:")]
    return plain[-1].strip() if plain else f"exit status {result.returncode}"
