"""What the code of a point may use: skip it, and know where its files go.

Nothing here needs the engine; a program imports it as ``from aexp.sweep import SkipPoint``.
"""

from __future__ import annotations

from pathlib import Path

from aexp import settings


class SkipPoint(Exception):
    """Raised within a point that is not worth running: it is recorded as ``skipped`` (SWP-08).

    A resume leaves it alone. Its run is abandoned, with what the exception says as the reason.
    """


def output_folder() -> Path | None:
    """Return the folder for this point's output files; None outside a sweep.

    It is empty when an attempt begins, and what is in it at the end is kept with the run. A
    command finds it in ``AEXP_SWEEP_OUT``, or has it filled in for ``{out}``.
    """
    told = settings.sweep_out()
    return None if told is None else Path(told)
