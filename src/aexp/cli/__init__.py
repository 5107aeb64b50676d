"""The command line: parse, call one library function, render what it returned."""

from __future__ import annotations

from aexp.cli.app import app, main

__all__ = ["app", "main"]
