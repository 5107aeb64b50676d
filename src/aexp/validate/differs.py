"""What differs from HEAD: git is asked early, and waited for when a rule needs the answer."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cached_property

from aexp.git import Git, Running
from aexp.repo import LEDGER_DIR_REL
from aexp.validate.batches import Candidate


class Differs:
    """What differs from HEAD, found out when a rule asks: git is at work meanwhile.

    Args:
        find: gives what is uncommitted and what is lost.
    """

    def __init__(
        self, find: Callable[[], tuple[frozenset[str], Mapping[str, Candidate]]] | None = None
    ) -> None:
        self._find = find

    @cached_property
    def _found(self) -> tuple[frozenset[str], Mapping[str, Candidate]]:
        return (frozenset(), {}) if self._find is None else self._find()

    @property
    def uncommitted(self) -> frozenset[str]:
        """See :class:`aexp.validate.facts.Facts`."""
        return self._found[0]

    @property
    def lost(self) -> Mapping[str, Candidate]:
        """See :class:`aexp.validate.facts.Facts`."""
        return self._found[1]


class Later:
    """A question to git that is asked when somebody says so, once.

    Args:
        ask: asks it; None when there is nothing to ask.
    """

    def __init__(self, ask: Callable[[], Running] | None = None) -> None:
        self._ask = ask
        self._running: Running | None = None

    def begin(self) -> Running | None:
        """Ask, unless that was done; return the git that is at work."""
        if self._running is None and self._ask is not None:
            self._running = self._ask()
        return self._running

    def stop(self) -> None:
        """End git when nobody has waited for it."""
        if self._running is not None:
            self._running.stop()


def ask_status(git: Git) -> Running:
    """Ask git which ledger files HEAD lacks or has otherwise, ignored ones included.

    An ignore rule that hides the ledger (INS-04) keeps an entry from being committed as surely as
    forgetting to; before the first commit everything is uncommitted.
    """
    return git.begin(
        "status", "--porcelain", "-z", "-uall", "--ignored=traditional", "--no-renames",
        "--", LEDGER_DIR_REL,
    )  # fmt: skip


def uncommitted_files(asked: Running | None) -> frozenset[str]:
    """Return git's answer to :func:`ask_status`; nothing without a question."""
    if asked is None:
        return frozenset()
    fields = asked.result().stdout.split(b"\0")
    return frozenset(os.fsdecode(field[3:]) for field in fields if field[3:])
