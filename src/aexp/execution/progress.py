"""How a publication goes, for whoever watches (EXE-40)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from aexp.registry.remotes.base import Progress, Remote, Source
from aexp.registry.remotes.places import blob_path

Phase: TypeAlias = Literal["storing", "uploading", "features", "publishing", "done"]
Label: TypeAlias = tuple[str, str]
"""A kind of asset and a file name."""


@dataclass(frozen=True, slots=True)
class UploadProgress:
    """One look at a publication.

    Attributes:
        phase: ``storing`` in the registry here, ``uploading`` to the remote, ``features``,
            ``publishing`` the facts, ``done``.
        asset: the kind of the file that moves just now, or empty.
        file_name: its name, or empty.
        files_done: files that are whole in the place of this phase.
        files_total: files there are.
        bytes_done: bytes of files that are there: what a try that failed had sent is taken
            back, and what was there before counts at once (trap 53).
        bytes_total: bytes of all files.
        retries: how often something was tried again so far.
        message: what is to be said, such as why something is tried again; else empty.
    """

    phase: Phase
    asset: str = ""
    file_name: str = ""
    files_done: int = 0
    files_total: int = 0
    bytes_done: int = 0
    bytes_total: int = 0
    retries: int = 0
    message: str = ""

    @property
    def fraction(self) -> float:
        """The share of the bytes that is done, from 0 to 1."""
        return self.bytes_done / self.bytes_total if self.bytes_total else 1.0


Callback: TypeAlias = Callable[[UploadProgress], None]
"""May be called from several threads, by one at a time."""


class Watch:
    """Counts files and bytes, and tells the callback.

    It is also what transfers report to; they count bytes of everything, and here those of outputs
    alone count, so that only their retries are taken from there.

    Args:
        callback: whom to tell, or None.
    """

    def __init__(self, callback: Callback | None) -> None:
        self._callback = callback
        self._guard = threading.Lock()
        self._now = UploadProgress("storing")

    def phase(self, phase: Phase, files: int = 0, size: int = 0) -> None:
        """Take note that ``files`` of ``size`` bytes in all are about to go."""
        self._tell(
            lambda now: UploadProgress(
                phase, files_total=files, bytes_total=size, retries=now.retries
            )
        )

    def moved(self, label: Label, size: int) -> None:
        """Take note of bytes of a file that are there now; fewer than none if they are not."""
        if size:
            self._tell(
                lambda now: replace(
                    now, asset=label[0], file_name=label[1], bytes_done=now.bytes_done + size
                )
            )

    def whole(self, label: Label, size: int = 0, files: int = 1) -> None:
        """Take note that files are whole; of ``size`` bytes that nobody has counted yet."""
        self._tell(
            lambda now: replace(
                now,
                asset=label[0],
                file_name=label[1],
                files_done=now.files_done + files,
                bytes_done=now.bytes_done + size,
            )
        )

    def arrived(self, phase: Phase, files: int, size: int) -> None:
        """Take note that all files are there, and what comes now."""
        self._tell(lambda now: UploadProgress(phase, "", "", files, files, size, size, now.retries))

    def _tell(self, change: Callable[[UploadProgress], UploadProgress]) -> None:
        with self._guard:
            self._now = change(self._now)
            if self._callback is not None:
                self._callback(self._now)

    # --- as the reporter of a transfer ---------------------------------------------------

    def begin(self, what: str, count: int, size: int) -> None:
        """Do nothing."""

    def advance(self, size: int) -> None:
        """Do nothing."""

    def retrying(self, problem: str, number: int, delay_s: float) -> None:
        """Say what failed, and when it is tried again."""
        with self._guard:
            self._now = replace(self._now, retries=self._now.retries + 1)
            if self._callback is not None:
                said = f"{problem}; retry {number} in {delay_s:g} s"
                self._callback(replace(self._now, message=said))

    def end(self) -> None:
        """Do nothing."""


class WatchedRemote:
    """A remote that tells which files arrive there, and how many bytes of them.

    What is sent once more, after it had broken off or had not arrived, is not counted twice.

    Args:
        inner: the remote.
        watch: whom to tell.
    """

    def __init__(self, inner: Remote, watch: Watch) -> None:
        self.shown = inner.shown
        self._inner = inner
        self._watch = watch
        self._labels: dict[str, tuple[Label, int]] = {}
        self._counted: Counter[str] = Counter()
        self._whole: set[str] = set()

    def expect(self, labels: Mapping[str, tuple[Label, int]]) -> None:
        """Say what digests stand for: a label, and how many files have that content."""
        self._labels = {blob_path(digest): found for digest, found in labels.items()}

    def there(self, digest: str, size: int) -> None:
        """Take note of what was on the remote before."""
        self._finish(blob_path(digest), size)

    def put(self, path: str, source: Source, size: int, token: str, progress: Progress) -> None:
        """Make a file of what ``source`` opens; see :meth:`Remote.put`."""
        if path not in self._labels:
            self._inner.put(path, source, size, token, progress)
            return
        label, _ = self._labels[path]
        self._watch.moved(label, -self._counted.pop(path, 0))

        def counted(done: int) -> None:
            progress(done)
            self._counted[path] += done
            self._watch.moved(label, done)

        self._inner.put(path, source, size, token, counted)
        self._finish(path, 0)

    def _finish(self, path: str, size: int) -> None:
        if path in self._labels and path not in self._whole:
            self._whole.add(path)
            label, files = self._labels[path]
            self._watch.whole(label, size, files)

    def size(self, path: str) -> int | None:
        """Return the size of a file in bytes, None when there is none."""
        return self._inner.size(path)

    def list(self, folder: str) -> dict[str, int]:
        """Return the names and sizes of the files in a folder."""
        return self._inner.list(folder)

    def read(self, path: str, limit: int) -> bytes:
        """Return a small file."""
        return self._inner.read(path, limit)

    def chunks(self, path: str, offset: int, size: int) -> Iterator[bytes]:
        """Yield a file's bytes from ``offset`` to ``size``."""
        return self._inner.chunks(path, offset, size)

    def write(self, path: str, data: bytes) -> None:
        """Make a small file, or replace one, at once."""
        self._inner.write(path, data)

    def tidy(self, age_s: float) -> None:
        """Remove what began to arrive and has not grown for so many seconds."""
        self._inner.tidy(age_s)

    def close(self) -> None:
        """End all connections."""
        self._inner.close()
