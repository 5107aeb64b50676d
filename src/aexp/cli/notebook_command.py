"""How the command line of ``aexp exec-notebook`` is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typer.core import TyperCommand


class NotebookCommand(TyperCommand):
    """A command with an option that takes two values: ``-p KEY VALUE``, of which typer knows none.

    The two are made one text, ``KEY=VALUE``, which may be typed as well.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse a command line."""
        return super().parse_args(ctx, list(_joined(args)))


def _joined(args: list[str]) -> Iterator[str]:
    rest = iter(args)
    for text in rest:
        yield text
        if text == "--":
            yield from rest
        elif text in ("-p", "--parameter"):
            key = next(rest, None)
            value = None if key is None or "=" in key else next(rest, None)
            yield from () if key is None else (key if value is None else f"{key}={value}",)
