"""The command line: parse, call one library function, render what it returned.

The application is loaded when it is first used, so that ``aexp --version`` needs no typer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aexp.cli.boundary import main, program

if TYPE_CHECKING:
    from aexp.cli.application import app

__all__ = ["app", "main", "program"]


def __getattr__(name: str) -> Any:
    """Load the application on first use (PEP 562)."""
    if name != "app":
        raise AttributeError(f"module 'aexp.cli' has no attribute {name!r}")
    from aexp.cli.application import app

    globals()["app"] = app
    return app
