"""The commands that there are, as typer builds them."""

from __future__ import annotations

from typing import Any

import typer

from aexp.cli import app


def every_command() -> dict[str, Any]:
    """Return every command and group that is not hidden, by its whole name."""
    found: dict[str, Any] = {}
    stack: list[tuple[str, Any]] = [("aexp", typer.main.get_command(app))]
    while stack:
        name, command = stack.pop()
        found[name] = command
        for key, member in getattr(command, "commands", {}).items():
            if not member.hidden:
                stack.append((f"{name} {key}", member))
    return found
