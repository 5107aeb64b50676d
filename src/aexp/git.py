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
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from aexp import settings
from aexp.errors import GitError

TIMEOUT_S = 600.0
OLDEST = (2, 26)
"""The first git that takes paths from a file (``--pathspec-from-file``) in all that we run."""
OBJECTS_AT_ONCE = 5_000
"""How many objects are in memory at once."""


class GitResult(Struct, frozen=True):
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
            raise _too_slow(args, timeout) from None
        result = _result(done.returncode, done.stdout, done.stderr)
        return self.judged(result, args) if check else result

    def begin(self, *args: str) -> Running:
        """Start ``git *args`` and go on; its answer is waited for when it is asked for.

        Raises:
            GitError: git cannot be started.
        """
        try:
            process = subprocess.Popen(
                ["git", "--no-optional-locks", *args],
                cwd=self.folder,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            raise _cannot_start(self.folder, error) from None
        return Running(self, args, process)

    def judged(self, result: GitResult, args: Sequence[str]) -> GitResult:
        """Return ``result``, that of ``git *args``.

        Raises:
            GitError: git refused.
        """
        if result.returncode != 0:
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


_OID = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_PER_WORKTREE = (b"refs/bisect/", b"refs/worktree/", b"refs/rewritten/")


def read_head(git_dir: Path, common_dir: Path) -> str | None:
    """Return the commit that HEAD is, read without starting git.

    Args:
        git_dir: the work tree's git folder.
        common_dir: the git folder that its worktrees share.

    Returns:
        The id, or None where only git can tell: before the first commit, or when refs are kept
        in another form (reftable).
    """
    try:
        content = _ref_content(git_dir / "HEAD")
        for _ in range(5):
            if _OID.fullmatch(content):
                return content.decode()
            if not content.startswith(b"ref: refs/"):
                return None
            name = content.removeprefix(b"ref: ").strip()
            folder = git_dir if name.startswith(_PER_WORKTREE) else common_dir
            content = _loose_or_packed(folder, name)
    except OSError:
        pass
    return None


def _loose_or_packed(folder: Path, name: bytes) -> bytes:
    try:
        return _ref_content(folder / os.fsdecode(name))
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        # Packing writes this file before it removes the loose one.
        packed = b"\n" + (folder / "packed-refs").read_bytes()
    end = packed.find(b" " + name + b"\n")
    return packed[packed.rfind(b"\n", 0, end) + 1 : end] if end > 0 else b""


def _ref_content(path: Path) -> bytes:
    if path.is_symlink():  # how the oldest gits wrote HEAD
        return b"ref: " + os.fsencode(path.readlink())
    return path.read_bytes().strip()


class Running:
    """A git that has been started.

    Args:
        git: where it runs.
        args: the subcommand and its arguments.
        process: its process.
    """

    def __init__(self, git: Git, args: Sequence[str], process: subprocess.Popen[bytes]) -> None:
        self._git = git
        self._args = args
        self._process = process

    def result(self, *, check: bool = True, timeout: float = TIMEOUT_S) -> GitResult:
        """Wait for the answer; to be called once.

        Args:
            check: raise when git exits non-zero.
            timeout: seconds.

        Raises:
            GitError: git timed out, or (with ``check``) failed.
        """
        try:
            out, err = self._process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.stop()
            raise _too_slow(self._args, timeout) from None
        result = _result(self._process.returncode, out, err)
        return self._git.judged(result, self._args) if check else result

    def stop(self) -> None:
        """End it, when nobody wants the answer any more."""
        if self._process.returncode is None:
            self._process.kill()
            self._process.communicate()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()


def _result(returncode: int, out: bytes, err: bytes) -> GitResult:
    return GitResult(returncode, out, err.decode("utf-8", "replace"))


def _too_slow(args: Sequence[str], timeout: float) -> GitError:
    return GitError(
        f"git {args[0]} did not finish within {timeout:g} s",
        hint="see whether `git status` ends here, and whether the disk is well",
    )


def _cannot_start(folder: Path, error: OSError) -> GitError:
    import shutil  # slow to import

    if shutil.which("git") is None:
        return GitError("git is not installed", hint="install git, then run the command again")
    if not folder.is_dir():
        return GitError(f"the folder {folder} does not exist", hint="go to one that does")
    return GitError(
        f"git cannot be started in {folder}: {error.strerror}",
        hint="see whether `git status` works there",
    )


def _trust_hint(reason: str) -> str:
    import shlex  # slow to import

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
