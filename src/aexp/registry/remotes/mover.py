"""Asking a remote many things at once, with retries and one count of the bytes (EXE-40)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Final, Protocol, TypeVar

from aexp.registry.remotes.base import Progress, Remote
from aexp.registry.remotes.places import blob_folder, blob_path
from aexp.registry.remotes.retry import Retry, Tries

T = TypeVar("T")
A = TypeVar("A")

WORKERS: Final = 4
"""Transfers at a time: enough to hide the way to a remote, few enough for any server."""
_LIST_FROM: Final = 4
_NAMES_PER_ANSWER: Final = 100
"""Listing a folder takes three questions and, over SFTP, one more for each hundred names."""


class Reporter(Protocol):
    """Who is told how a transfer goes; its methods may be called from any thread, one at a time."""

    def begin(self, what: str, count: int, size: int) -> None:
        """Take note that ``count`` things of ``size`` bytes in all are about to go."""

    def advance(self, size: int) -> None:
        """Take note of bytes that have gone; of fewer when some must go again."""

    def retrying(self, problem: str, number: int, delay_s: float) -> None:
        """Take note of a problem, and that try ``number`` follows in so many seconds."""

    def end(self) -> None:
        """Take note that it is over, one way or the other."""


class Silent:
    """A reporter that says nothing."""

    def begin(self, what: str, count: int, size: int) -> None:
        """Do nothing."""

    def advance(self, size: int) -> None:
        """Do nothing."""

    def retrying(self, problem: str, number: int, delay_s: float) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""


class StoppedError(Exception):
    """Another part of the transfer failed, so that this one was given up; nobody is told."""


class Mover:
    """One transfer: the remote, how often to try, whom to tell, and how many at a time.

    Attributes:
        remote: the remote.
        retries: how often something was tried again.

    Args:
        remote: the remote.
        retry: how often and how late to try again.
        reporter: whom to tell.
        workers: threads.
    """

    def __init__(self, remote: Remote, retry: Retry, reporter: Reporter, workers: int) -> None:
        self.remote = remote
        self.retries = 0
        self._retry = retry
        self._reporter = reporter
        self._workers = workers
        self._guard = threading.Lock()
        self._stop = threading.Event()

    def begin(self, what: str, count: int, size: int) -> None:
        """Tell what is about to go."""
        self._reporter.begin(what, count, size)

    def ask(self, action: Callable[[], T]) -> T:
        """Return what ``action`` returns, tried again when the remote breaks off."""
        return self._retry.run(action, self._on_retry)

    def tries(self) -> Tries:
        """Begin to count the tries of one thing that continues where it broke off."""
        return self._retry.tries(self._on_retry)

    def carry(self, action: Callable[[Progress], T]) -> T:
        """Do what moves bytes; those of a try that failed are not counted twice."""
        done = 0

        def progress(size: int) -> None:
            nonlocal done
            done += size
            self.advance(size)

        def attempt() -> T:
            nonlocal done
            if done:
                self.advance(-done)
                done = 0
            return action(progress)

        return self.ask(attempt)

    def advance(self, size: int) -> None:
        """Count bytes that have gone.

        Raises:
            StoppedError: the transfer is being given up.
        """
        if self._stop.is_set():
            raise StoppedError("the transfer was given up")
        with self._guard:
            self._reporter.advance(size)

    def _on_retry(self, problem: str, number: int, delay_s: float) -> None:
        if self._stop.is_set():
            raise StoppedError("the transfer was given up")
        with self._guard:
            self.retries += 1
            self._reporter.retrying(problem, number, delay_s)

    def each(self, function: Callable[[A], T], items: Sequence[A]) -> Iterator[T]:
        """Yield what ``function`` makes of each item, in the order in which it is done.

        The first error ends all the others, and is raised.
        """
        if len(items) < 2:
            yield from map(function, items)
            return
        pool = ThreadPoolExecutor(min(self._workers, len(items)), thread_name_prefix="aexp-remote")
        try:
            yield from _as_done(pool, function, items, 4 * self._workers)
        except BaseException:
            self._stop.set()
            # A thread may wait for an answer that takes minutes to fail.
            self.remote.close()
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def existing(self, digests: Iterable[str]) -> dict[str, int]:
        """Return the sizes of those blobs that the remote has.

        Few of one folder are asked for one by one. Of more, the folder is listed, unless it holds
        so many others that this takes longer: how many shows the first one, since digests spread
        evenly.
        """
        folders: dict[str, list[str]] = {}
        for digest in digests:
            folders.setdefault(blob_folder(digest), []).append(digest)
        most = sorted(folders.items(), key=lambda item: -len(item[1]))
        found: dict[str, int] = {}
        list_from = _LIST_FROM
        if most and len(most[0][1]) >= _LIST_FROM:
            folder, members = most.pop(0)
            listed = self.ask(lambda: self.remote.list(folder))
            found.update({d: listed[d[7:]] for d in members if d[7:] in listed})
            list_from += len(listed) // _NAMES_PER_ANSWER
        questions: list[tuple[str, list[str]]] = []
        for folder, members in most:
            if len(members) >= list_from:
                questions.append((folder, members))
            else:
                questions += [("", [digest]) for digest in members]
        for answer in self.each(self._look, questions):
            found.update(answer)
        return found

    def _look(self, question: tuple[str, list[str]]) -> dict[str, int]:
        folder, members = question
        if folder:
            listed = self.ask(lambda: self.remote.list(folder))
            return {d: listed[d[7:]] for d in members if d[7:] in listed}
        (digest,) = members
        size = self.ask(lambda: self.remote.size(blob_path(digest)))
        return {} if size is None else {digest: size}


def _as_done(
    pool: ThreadPoolExecutor, function: Callable[[A], T], items: Sequence[A], ahead: int
) -> Iterator[T]:
    """Keep a few items waiting, however many there are."""
    waiting: set[Future[T]] = set()
    rest = iter(items)
    try:
        while True:
            for item in rest:
                waiting.add(pool.submit(function, item))
                if len(waiting) >= ahead:
                    break
            if not waiting:
                return
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    finally:
        for future in waiting:
            future.cancel()
