"""The hook that ``--pre-commit`` adds to ``.pre-commit-config.yaml`` (INS-08).

The entry is put in as lines of text, so that every other byte of the file stays, and the result
is read back: it must be the old data with one entry more. Where the file is written in a way
that lines cannot be added to (``repos: []``), a round trip through ruamel.yaml does it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

from aexp.errors import CorruptDataError, StorageError
from aexp.install.changes import Change, read_or_none
from aexp.repo import Layout
from aexp.yaml import YamlError, edit_round_trip, load, scalars

CONFIG_REL = ".pre-commit-config.yaml"
HOOK_ID = "aexp-validate"
COMMAND = "aexp validate --staged --strict-runs=warn"
OLDER_COMMANDS = ("aexp validate --strict-runs=warn",)
"""What earlier versions wrote; a hook that is otherwise as aexp writes it is brought up to date."""


def _repo(command: str = COMMAND) -> dict[str, Any]:
    """Return the entry as data."""
    hook = {
        "id": HOOK_ID,
        "name": "aexp validate",
        "entry": command,
        "language": "system",
        "pass_filenames": False,
        "always_run": True,
    }
    return {"repo": "local", "hooks": [hook]}


def _entry(margin: int, newline: str, command: str = COMMAND) -> str:
    """Return the entry as lines, without a newline at the end."""
    lines = (
        "- repo: local",
        "  hooks:",
        f"    - id: {HOOK_ID}",
        "      name: aexp validate",
        f"      entry: {command}",
        "      language: system",
        "      pass_filenames: false",
        "      always_run: true",
    )
    return newline.join(" " * margin + line for line in lines)


def plan_hook(layout: Layout) -> tuple[Change, ...]:
    """Return what it takes to have pre-commit run ``aexp validate``; nothing when it does.

    Raises:
        CorruptDataError: the file is there and is no configuration of pre-commit, with the line.
        StorageError: it cannot be read, or is a symbolic link, which writing would replace.
    """
    if (layout.root / CONFIG_REL).is_symlink():
        hint = "add the hook to the file it leads to, or put a copy in its place"
        raise StorageError(f"{CONFIG_REL} is a symbolic link", hint=hint)
    data = read_or_none(layout.root / CONFIG_REL)
    text = _decoded(data or b"")
    changed = add_hook(text)
    if changed == text:
        return ()
    if _has_hook(_checked(text)):
        return (Change("refreshed", CONFIG_REL, f"its hook {HOOK_ID}", changed.encode()),)
    detail = "validates each commit, after `pre-commit install`"
    return (Change("added_hook", CONFIG_REL, detail, changed.encode()),)


def plan_hook_removal(layout: Layout) -> tuple[Change, ...]:
    """Return what takes aexp's hook out again; an entry that was edited is kept and reported.

    Raises:
        StorageError: the file cannot be read.
    """
    data = read_or_none(layout.root / CONFIG_REL)
    if data is None or (layout.root / CONFIG_REL).is_symlink():
        return ()
    try:
        text = _decoded(data)
        changed = remove_hook(text)
        kept = changed == text and _has_hook(_checked(text))
    except CorruptDataError as error:
        return (Change("kept", CONFIG_REL, error.message),)
    if kept:
        return (Change("kept", CONFIG_REL, f"its hook {HOOK_ID} is not as aexp writes it"),)
    if changed == text:
        return ()
    if changed is None:
        return (Change("removed", CONFIG_REL),)
    return (Change("removed_hook", CONFIG_REL, HOOK_ID, changed.encode()),)


def add_hook(text: str) -> str:
    """Return a configuration with aexp's hook; the same text when it has one that is up to date.

    Raises:
        CorruptDataError: it is no configuration of pre-commit.
    """
    before = _checked(text)
    if _has_hook(before):
        return _refreshed(text, before)
    wanted = {**before, "repos": [*(before.get("repos") or []), _repo()]}
    for candidate in chain(_inserted(text, before), _appended(text, before)):
        if _loads_as(candidate, wanted):
            return candidate
    return edit_round_trip(text, _add_to)


def _refreshed(text: str, before: dict[str, Any]) -> str:
    """Return the configuration with the command of today in a hook that an earlier aexp wrote."""
    repos = before["repos"]
    for older in OLDER_COMMANDS:
        if _repo(older) not in repos:
            continue
        index = repos.index(_repo(older))
        wanted = {**before, "repos": [*repos[:index], _repo(), *repos[index + 1 :]]}
        for place in re.finditer(re.escape(older), text):
            candidate = text[: place.start()] + COMMAND + text[place.end() :]
            if _loads_as(candidate, wanted):
                return candidate
    return text


def remove_hook(text: str) -> str | None:
    """Return the configuration without aexp's hook; None when nothing else is left.

    The text comes back unchanged when the hook is not as aexp writes it.

    Raises:
        CorruptDataError: it is no configuration of pre-commit.
    """
    before = _checked(text)
    for command in (COMMAND, *OLDER_COMMANDS):
        if _repo(command) in (before.get("repos") or []):
            return _without_hook(text, before, command)
    return text


def _without_hook(text: str, before: dict[str, Any], command: str) -> str | None:
    repos = [repo for repo in before["repos"] if repo != _repo(command)]
    newline = _newline(text)
    if text.replace("\r\n", "\n") == _fresh("\n", command):
        return None
    for margin in range(9):
        entry = newline + _entry(margin, newline, command)
        for header in ("", f"{newline}repos:"):
            candidate = text.replace(header + entry, "", 1)
            wanted = {**before, "repos": repos} if not header else _without_repos(before)
            if candidate != text and _loads_as(candidate, wanted):
                return candidate
    return edit_round_trip(text, lambda data: data["repos"].remove(_repo(command)))


def _inserted(text: str, before: dict[str, Any]) -> Iterator[str]:
    """Yield the text with the entry behind the last repository, where that may be."""
    found = scalars(text)
    starts = [i for i, s in enumerate(found) if _column(text, s.start) == 0]
    here = next((i for i in starts if found[i].value == "repos" and found[i].plain), None)
    if here is None or not before.get("repos"):
        return
    behind = next((i for i in starts if i > here), len(found))
    last = found[behind - 1]
    end = len(text[: last.end].rstrip("\r\n")) if last.block else last.end
    first = found[here + 1].start
    margin = text.rfind("-", 0, first) - (text.rfind("\n", 0, first) + 1)
    yield _behind_line(text, end, margin)
    # A flow collection may close on a later line than its last scalar.
    closing = max(
        text.rfind(char, 0, found[behind].start if behind < len(found) else None) for char in "]}"
    )
    if closing > end:
        yield _behind_line(text, closing, margin)


def _behind_line(text: str, index: int, margin: int) -> str:
    stop = text.find("\n", index)
    stop = len(text) if stop < 0 else stop
    if text[:stop].endswith("\r"):
        stop -= 1
    newline = _newline(text)
    return text[:stop] + newline + _entry(max(margin, 0), newline) + text[stop:]


def _appended(text: str, before: dict[str, Any]) -> Iterator[str]:
    """Yield the text with ``repos`` behind everything else, for a file that has none."""
    newline = _newline(text)
    if not text:
        yield _fresh(newline)
    elif "repos" not in before:
        added = f"{newline}repos:{newline}" + _entry(2, newline)
        body, end = (text[: -len(newline)], newline) if text.endswith(newline) else (text, "")
        yield body + added + end


def _fresh(newline: str, command: str = COMMAND) -> str:
    return f"repos:{newline}{_entry(2, newline, command)}{newline}"


def _add_to(data: Any) -> Any:
    if not data.get("repos"):
        data["repos"] = []
    data["repos"].append(_repo())


def _without_repos(value: dict[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key != "repos"}


def _loads_as(text: str, wanted: dict[str, Any]) -> bool:
    try:
        return (load(text) or {}) == wanted
    except YamlError:
        return False


def _checked(text: str) -> dict[str, Any]:
    try:
        value = load(text)
    except YamlError as error:
        raise CorruptDataError(f"{CONFIG_REL}: {error.message}", hint="mend that line") from None
    if value is None:
        return {}
    hint = "see https://pre-commit.com for what it holds"
    if not isinstance(value, dict):
        raise CorruptDataError(f"{CONFIG_REL}: line 1: it is no mapping", hint=hint)
    if not isinstance(value.get("repos") or [], list):
        line = next(text.count("\n", 0, s.start) + 1 for s in scalars(text) if s.value == "repos")
        raise CorruptDataError(f"{CONFIG_REL}: line {line}: repos is no list", hint=hint)
    return value


def _has_hook(config: dict[str, Any]) -> bool:
    """Tell whether any repository of the file has the hook, the shipped one included."""
    repos = [repo for repo in config.get("repos") or [] if isinstance(repo, dict)]
    hooks = [hook for repo in repos for hook in _list(repo.get("hooks"))]
    return any(isinstance(hook, dict) and hook.get("id") == HOOK_ID for hook in hooks)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise CorruptDataError(f"{CONFIG_REL}: line {line}: it is no UTF-8 text") from None


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _column(text: str, index: int) -> int:
    return index - (text.rfind("\n", 0, index) + 1)
