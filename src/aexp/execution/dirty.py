"""Uncommitted changes under an execution: named, recorded, or refused (EXE-03)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Final

from aexp import settings
from aexp.errors import CorruptDataError, DirtyTreeError, DirtyTreeWarning
from aexp.repo import SETTINGS_REL, Layout, load_settings
from aexp.runs.code_state import CodeState, code_state

SHOWN: Final = 5
"""So many files a message names; all of them are in the digest."""


@dataclass(frozen=True, slots=True)
class DirtyFacts:
    """What of the code is not committed.

    Attributes:
        dirty: whether anything is not.
        files: the changed and the new source files, relative to the root, sorted.
        diff: the digest of those changes, or None.
    """

    dirty: bool = False
    files: tuple[str, ...] = ()
    diff: str | None = None


def check_dirty(
    layout: Layout, *, code: CodeState | None = None, stacklevel: int = 1
) -> DirtyFacts:
    """Return what is not committed, and warn of it, unless the user or the settings say otherwise.

    ``AEXP_ALLOW_DIRTY=true`` silences the warning; what is found is returned all the same.
    ``executions: {dirty: refuse}`` in ``aexp.yaml`` makes an error of it, which the variable does
    not silence.

    Args:
        layout: the repository.
        code: the state of the code, when the caller has just asked for it.
        stacklevel: 1 when the warning shall name the line that called this function.

    Raises:
        DirtyTreeError: the settings refuse such code.
        CorruptDataError: ``aexp.yaml`` says something else of ``executions.dirty``.
        GitError: git failed.
    """
    if layout.git_dir is None:
        return DirtyFacts()
    code = code or code_state(layout)
    refuse_dirty(layout, code)
    if code.dirty and not settings.dirty_is_allowed():
        warnings.warn(
            f"uncommitted changes: {_named(code)}; that there are some is recorded, but the last"
            " commit is not the code that runs",
            DirtyTreeWarning,
            stacklevel=stacklevel + 1,
        )
    return DirtyFacts(code.dirty, code.paths, code.diff)


def refuse_dirty(layout: Layout, code: CodeState | None) -> None:
    """Refuse code that is not committed, where the settings say so (EXE-03).

    Args:
        layout: the repository.
        code: the state of the code; None outside git.

    Raises:
        DirtyTreeError: there are uncommitted changes, and ``aexp.yaml`` refuses them.
        CorruptDataError: ``aexp.yaml`` says something else of ``executions.dirty``.
    """
    if _refuses(layout) and code is not None and code.dirty:
        raise DirtyTreeError(f"uncommitted changes: {_named(code)}; {SETTINGS_REL} refuses them")


def _named(code: CodeState) -> str:
    more = f" and {len(code.paths) - SHOWN} more" if len(code.paths) > SHOWN else ""
    return ", ".join(code.paths[:SHOWN]) + more


def _refuses(layout: Layout) -> bool:
    block = load_settings(layout).get("executions")
    wish = "warn" if block is None else None
    if isinstance(block, dict):
        wish = block.get("dirty", "warn")
    if wish not in ("warn", "refuse"):
        raise CorruptDataError(
            f"{SETTINGS_REL}: executions.dirty is neither warn nor refuse",
            hint="write executions: {dirty: refuse}, or leave it out",
        )
    return wish == "refuse"
