"""Trying again, later and later, where that may help (EXE-40)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from aexp.errors import RemoteUnavailableError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how late to try again.

    Attributes:
        max_retries: tries after the first one.
        delay_s: seconds before the first of them; each further wait is twice as long.
        sleep: waits so many seconds.
    """

    max_retries: int = 3
    delay_s: float = 1.0
    sleep: Callable[[float], None] = time.sleep

    def tries(self, on_retry: Callable[[str, int, float], None]) -> Tries:
        """Begin to count the tries of one thing."""
        return Tries(self, on_retry)

    def run(self, action: Callable[[], T], on_retry: Callable[[str, int, float], None]) -> T:
        """Return what ``action`` returns, tried again when the remote breaks off.

        Args:
            action: what to do; it must bear being done again.
            on_retry: told of the error, the number of the try to come (from 1), and the seconds
                until then.

        Raises:
            RemoteUnavailableError: the last error, when all tries are used up.
        """
        tries = self.tries(on_retry)
        while True:
            try:
                return action()
            except RemoteUnavailableError as error:
                tries.failed(error)


class Tries:
    """The tries of one thing.

    Args:
        rule: how often and how late.
        on_retry: see :meth:`Retry.run`.
    """

    def __init__(self, rule: Retry, on_retry: Callable[[str, int, float], None]) -> None:
        self._rule = rule
        self._on_retry = on_retry
        self.count = 0

    def failed(self, error: RemoteUnavailableError) -> None:
        """Wait before the next try.

        Raises:
            RemoteUnavailableError: ``error``, when there is none left.
        """
        if self.count >= self._rule.max_retries:
            tried = f" (tried {self.count + 1} times)" if self.count else ""
            raise RemoteUnavailableError(f"{error.message}{tried}", hint=error.hint) from error
        delay = self._rule.delay_s * 2**self.count
        self.count += 1
        self._on_retry(error.message, self.count, delay)
        self._rule.sleep(delay)
