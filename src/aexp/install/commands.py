"""The slash commands that are shipped with aexp (INS-07)."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import aexp
from aexp.errors import NotFoundError, StorageError
from aexp.install.changes import Change, read_or_none

COMMANDS_REL = ".claude/commands"


def shipped_commands() -> dict[str, bytes]:
    """Return the shipped files, name to content, by name.

    They are in the package when it was installed from a wheel, and beside ``src/`` in a checkout.

    Raises:
        NotFoundError: they are in neither place.
    """
    places: tuple[Traversable, ...] = (
        resources.files("aexp") / "slash_commands",
        Path(aexp.__file__).parents[2] / "slash_commands",
    )
    for folder in places:
        if folder.is_dir():
            files = {item.name: item.read_bytes() for item in folder.iterdir()}
            return {name: files[name] for name in sorted(files) if name.endswith(".md")}
    raise NotFoundError(
        "this installation of aexp lacks its slash commands", hint="install the package again"
    )


def plan_commands(folder: Path, *, shown_as: str, force: bool = False) -> tuple[Change, ...]:
    """Return what it takes to have the shipped commands in ``folder``.

    A file that differs is a user's own edit, or an older version: it is kept, and reported,
    unless ``force`` (INS-02).

    Args:
        folder: where they go.
        shown_as: that folder in messages and changes.
        force: replace files that differ.

    Raises:
        StorageError: a file cannot be read.
    """
    if folder.exists() and not folder.is_dir():
        raise StorageError(f"{shown_as} is not a folder", hint="name a folder, or move it away")
    changes: list[Change] = []
    for name, content in shipped_commands().items():
        present = read_or_none(folder / name)
        path = f"{shown_as}/{name}"
        if present is None:
            changes.append(Change("installed_command", path, "", content))
        elif present.replace(b"\r\n", b"\n") == content:
            continue
        elif force:
            changes.append(Change("refreshed_command", path, "", content))
        else:
            changes.append(Change("kept_command", path, "differs; --force replaces it"))
    return tuple(changes)
