"""Watch the calls that change a disk: record them, make them fail, or die at one of them.

The functions of ``os`` and ``open`` are replaced within a block. Only calls on paths below a
given folder are seen; a file descriptor counts as the path it was opened on. What C code writes
by itself (SQLite, git) is not seen here; the starts of git commands that change a repository are.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from unittest import mock

_BY_PATH = ("mkdir", "rmdir", "unlink", "remove", "truncate")
_BY_PAIR = ("replace", "rename", "link", "symlink")
_BY_FD = ("write", "fsync", "fdatasync", "ftruncate")
_CREATING = os.O_CREAT | os.O_TRUNC
_GIT_CHANGES = {
    "add", "am", "branch", "checkout", "cherry-pick", "clone", "commit", "commit-tree", "config",
    "fetch", "hash-object", "merge", "mktree", "pull", "push", "read-tree", "rebase", "reset",
    "rm", "update-index", "update-ref", "write-tree",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class OsCall:
    """One call that changes the disk.

    Attributes:
        name: ``open``, ``write``, ``fsync``, ``replace``, ``mkdir``, ``syncfs``, ``git commit`` …
        path: what it acts on, relative to the watched folder, POSIX.
        target: the second path of a rename or link, else empty.
        size: the bytes of a write, else 0.
    """

    name: str
    path: str
    target: str = ""
    size: int = 0

    def __str__(self) -> str:
        return f"{self.name} {self.path}" + (f" -> {self.target}" if self.target else "")


class Watcher(Protocol):
    """What is told of every call."""

    def before(self, call: OsCall) -> int | None:
        """Act before a call: raise, or return to let it happen.

        For a write, a number makes the call write only so many bytes, as a kernel may.
        """

    def after(self, call: OsCall) -> None:
        """Act after a call that succeeded."""


class Recorder:
    """A watcher that keeps a list of the calls that succeeded."""

    def __init__(self) -> None:
        self.calls: list[OsCall] = []

    def before(self, call: OsCall) -> int | None:
        """Do nothing."""

    def after(self, call: OsCall) -> None:
        """Keep the call."""
        self.calls.append(call)

    def names(self) -> list[str]:
        """Return the names of the calls, in order."""
        return [call.name for call in self.calls]


@contextmanager
def watch_os_calls(watcher: Watcher, under: Path) -> Iterator[None]:
    """Tell ``watcher`` of every disk-changing call on paths below ``under``."""
    with contextlib.ExitStack() as stack:
        for place, name, function in _wrapped(watcher, os.path.realpath(under)):
            stack.enter_context(mock.patch.object(place, name, function))
        yield


@contextmanager
def recorded_os_calls(under: Path) -> Iterator[Recorder]:
    """Record the disk-changing calls on paths below ``under``, in order."""
    recorder = Recorder()
    with watch_os_calls(recorder, under):
        yield recorder


def _wrapped(watcher: Watcher, root: str) -> Iterator[tuple[Any, str, Callable[..., Any]]]:
    def tell(call: OsCall | None, function: Callable[[], Any]) -> Any:
        if call is None:
            return function()
        watcher.before(call)
        result = function()
        watcher.after(call)
        return result

    def by_path(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(path: Any, *args: Any, **kwargs: Any) -> Any:
            return tell(_call(name, path, root), lambda: real(path, *args, **kwargs))

        return wrapper

    def by_pair(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(source: Any, target: Any, *args: Any, **kwargs: Any) -> Any:
            call = _call(name, source, root, target)
            return tell(call, lambda: real(source, target, *args, **kwargs))

        return wrapper

    def write(fd: int, data: Any, /) -> int:
        call = _call("write", fd, root, size=len(data))
        if call is None:
            return real_write(fd, data)
        limit = watcher.before(call)
        written = real_write(fd, data if limit is None else data[:limit])
        watcher.after(call)
        return written

    def os_open(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        call = _call("open", path, root) if flags & _CREATING else None
        return tell(call, lambda: real_os_open(path, flags, *args, **kwargs))  # type: ignore[no-any-return]

    def any_open(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        writes = set(mode) & set("wax+") and not isinstance(file, int)
        call = _call("open", file, root) if writes else None
        return tell(call, lambda: real_open(file, mode, *args, **kwargs))

    def run(command: Any, *args: Any, **kwargs: Any) -> Any:
        verb = _git_verb(command)
        call = None if verb is None else OsCall(f"git {verb}", ".")
        return tell(call, lambda: real_run(command, *args, **kwargs))

    real_write, real_os_open, real_open, real_run = os.write, os.open, io.open, subprocess.run
    for name in _BY_PATH + tuple(n for n in _BY_FD if n != "write"):
        if hasattr(os, name):
            yield os, name, by_path(name, getattr(os, name))
    for name in _BY_PAIR:
        yield os, name, by_pair(name, getattr(os, name))
    yield os, "write", write
    yield os, "open", os_open
    yield builtins, "open", any_open
    yield io, "open", any_open
    yield subprocess, "run", run
    import aexp.storage.atomic as atomic

    real_sync = atomic.sync_file_systems

    def sync_file_systems(folders: Any) -> None:
        wanted = list(folders)
        call = next((c for f in wanted if (c := _call("syncfs", f, root))), None)
        tell(call, lambda: real_sync(wanted))

    yield atomic, "sync_file_systems", sync_file_systems


def _git_verb(command: Any) -> str | None:
    if not isinstance(command, list | tuple) or not command or command[0] != "git":
        return None
    return next((str(word) for word in command[1:] if word in _GIT_CHANGES), None)


def _call(name: str, path: Any, root: str, target: Any = None, size: int = 0) -> OsCall | None:
    """Return the call, or None when it is not about anything below ``root``."""
    first = _relative(path, root)
    second = None if target is None else _relative(target, root)
    if first is None and second is None:
        return None
    return OsCall(name, first or os.fsdecode(path), second or "", size)


def _relative(path: Any, root: str) -> str | None:
    if isinstance(path, int):
        if path <= 2 or not sys.platform.startswith("linux"):
            return None if path <= 2 else "?"
        with contextlib.suppress(OSError):
            return _below(os.readlink(f"/proc/self/fd/{path}").removesuffix(" (deleted)"), root)
        return None
    folder, name = os.path.split(os.path.abspath(os.fsdecode(path)))
    return _below(os.path.join(os.path.realpath(folder), name), root)


def _below(path: str, root: str) -> str | None:
    if path == root:
        return "."
    prefix = root.rstrip(os.sep) + os.sep
    return path.removeprefix(prefix).replace(os.sep, "/") if path.startswith(prefix) else None
