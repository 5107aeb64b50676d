"""Sweeps: a plan of points, each a run, that finishes whatever happens to it (SWP-01 … SWP-16).

The names are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aexp.late import load

if TYPE_CHECKING:
    from aexp.errors import ManifestCorruptError as ManifestCorruptError
    from aexp.errors import SweepConfigError as SweepConfigError
    from aexp.sweep.engine import Sweep as Sweep
    from aexp.sweep.engine import sweep as sweep
    from aexp.sweep.manifest import Manifest as Manifest
    from aexp.sweep.point import SkipPoint as SkipPoint
    from aexp.sweep.point import output_folder as output_folder
    from aexp.sweep.script import canonical_script_sha256 as canonical_script_sha256

_PUBLIC = {
    "Manifest": "aexp.sweep.manifest",
    "ManifestCorruptError": "aexp.errors",
    "SkipPoint": "aexp.sweep.point",
    "Sweep": "aexp.sweep.engine",
    "SweepConfigError": "aexp.errors",
    "canonical_script_sha256": "aexp.sweep.script",
    "output_folder": "aexp.sweep.point",
    "sweep": "aexp.sweep.engine",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562)."""
    return load(__name__, _PUBLIC, name)


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
