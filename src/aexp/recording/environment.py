"""The environment of a run (REC-09, ``docs/format/environment.md``).

It holds no time, no process id and no random seed, so that runs in one environment share one
blob.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path

import aexp
from aexp.errors import CorruptDataError, StorageError
from aexp.ledger.promote import roots_of
from aexp.model.canonical import Json, canonical_bytes
from aexp.model.sanitize import sanitize
from aexp.recording import machine
from aexp.recording.attaching import Attaching
from aexp.recording.code_diff import CodeDiff, code_diff
from aexp.repo import SETTINGS_REL, Layout, read_policy
from aexp.runs.code_state import CodeState, code_state

ENVIRONMENT = "environment.json"
DIFF = "code.diff"
DIFF_TYPE = "text/x-diff"
VERSION = 1

_diffs: dict[tuple[Path, CodeState], CodeDiff] = {}
"""The last diff of each work tree; many runs are made of one state of the code."""


def record_environment(
    target: Attaching, layout: Layout, *, diff: bool | None = None, code: CodeState | None = None
) -> None:
    """Attach ``environment.json``, and ``code.diff`` when there are uncommitted changes.

    A run that has them already keeps them.

    Args:
        target: the run or session.
        layout: its repository.
        diff: whether to keep uncommitted changes themselves; as ``policy.record_diff`` in
            ``aexp.yaml`` says when None. That there are some is recorded in any case, and their
            digest.
        code: the state of the code, when the caller has just asked for it.

    Raises:
        GitError: git failed.
        CorruptDataError: ``aexp.yaml`` is damaged.
        RunClosedError: the run or session is closed.
        StorageError: the disk refused.
    """
    if ENVIRONMENT in target.attachments:
        return
    for name, (media_type, data) in environment_parts(layout, diff=diff, code=code).items():
        if name not in target.attachments:
            target.log_attachment(name, media_type, data)


def environment_parts(
    layout: Layout, *, diff: bool | None = None, code: CodeState | None = None
) -> dict[str, tuple[str, bytes]]:
    """Return what :func:`record_environment` attaches: media type and bytes by name.

    Raises:
        GitError: git failed.
        CorruptDataError: ``aexp.yaml`` is damaged.
        StorageError: it cannot be read.
    """
    if code is None and layout.git_dir is not None:
        code = code_state(layout)
    changes = None
    if code is not None and code.dirty and (_is_wanted(layout) if diff is None else diff):
        changes = _changes(layout, code)
    described = canonical_bytes(describe_environment(layout, code, changes))
    parts = {} if changes is None else {DIFF: (DIFF_TYPE, changes.data)}
    return {**parts, ENVIRONMENT: ("application/json", described)}


def describe_environment(
    layout: Layout, code: CodeState | None, changes: CodeDiff | None = None
) -> Json:
    """Return the environment of this process as JSON, without secrets and paths of this machine.

    Args:
        layout: the repository; paths below it are written relative to it.
        code: the state of the code, None outside git.
        changes: the uncommitted changes that are kept beside it.
    """
    value: dict[str, Json] = {
        "version": VERSION,
        "aexp": aexp.__version__,
        "argv": [_text(argument) for argument in sys.argv],
        "code": None if code is None else _code(code, changes),
        "python": machine.python(),
        **machine.hardware(),
    }
    clean, redacted = sanitize(value, roots=roots_of(layout))
    if redacted:
        clean["redacted"] = redacted
    # Names and versions only: nothing to hide, and much to look through.
    clean["packages"] = machine.packages()
    return clean


def _code(code: CodeState, changes: CodeDiff | None) -> dict[str, Json]:
    facts: dict[str, Json] = {"commit": code.commit, "dirty": code.dirty, "tree": code.tree}
    if code.diff is not None:
        facts["diff"] = code.diff
    if changes is not None:
        facts["changes"] = {
            "attachment": DIFF,
            "truncated": changes.truncated,
            "redacted": changes.redacted,
            "left_out": [_text(path) for path in changes.left_out],
        }
    return facts


def _text(argument: str) -> str:
    return argument.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _is_wanted(layout: Layout) -> bool:
    try:
        data = (layout.root / SETTINGS_REL).read_bytes()
    except FileNotFoundError:
        return True
    except OSError as error:
        raise StorageError(f"cannot read {SETTINGS_REL}: {error.strerror or error}") from error
    try:
        return _record_diff(data)
    except CorruptDataError as error:
        raise CorruptDataError(f"{SETTINGS_REL}: {error.message}") from None


@lru_cache(maxsize=4)
def _record_diff(data: bytes) -> bool:
    return read_policy(data).record_diff


def _changes(layout: Layout, code: CodeState) -> CodeDiff:
    key = (layout.root, code)
    if key not in _diffs:
        found = code_diff(layout)
        _diffs.clear()
        _diffs[key] = found
    return _diffs[key]
