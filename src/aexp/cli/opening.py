"""Opening the repository for commands that read the run store."""

from __future__ import annotations

from aexp.cli.output import note
from aexp.repo import Layout, open_layout, run_store_is_gone


def open_for_reading() -> Layout:
    """Return the layout around the working directory, and say when its run store is gone.

    The ledger is read without it, so that the command goes on (model.md).
    """
    layout = open_layout()
    if run_store_is_gone(layout):
        shown = layout.relative(layout.run_store)
        note(f"note: the run store {shown} is not there; see `aexp doctor`")
    return layout
