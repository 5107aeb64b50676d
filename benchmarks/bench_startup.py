"""Starting up is a feature: the command line and the import, against bare Python."""

from __future__ import annotations

import sys
from pathlib import Path

from harness import Report, Row, median_seconds

BARE = "python -c pass"
VERSION = "aexp --version"
HELP = "aexp --help"
IMPORT = "import aexp"

VERSION_TARGET_S = 0.12
HELP_TARGET_S = 0.20
IMPORT_TARGET_S = 0.030
"""Above bare Python."""


def measure(repeats: int = 20) -> Report:
    """Measure starting up, taking turns with a bare interpreter."""
    aexp = str(Path(sys.executable).parent / "aexp")
    found = median_seconds(
        {
            BARE: [sys.executable, "-c", "pass"],
            IMPORT: [sys.executable, "-c", "import aexp"],
            VERSION: [aexp, "--version"],
            HELP: [aexp, "--help"],
        },
        repeats=repeats,
    )
    bare = found[BARE]

    def row(name: str, target: str, met: bool) -> Row:
        return Row(f"`{name}`", found[name], found[name] / bare, target, met)

    return Report(
        "Start-up",
        (
            Row(f"`{BARE}`", bare, 1.0),
            row(IMPORT, "≤ 30 ms above bare Python", found[IMPORT] - bare <= IMPORT_TARGET_S),
            row(VERSION, "≤ 120 ms", found[VERSION] <= VERSION_TARGET_S),
            row(HELP, "≤ 200 ms", found[HELP] <= HELP_TARGET_S),
        ),
        f"Median wall time of {repeats} starts each, in turns.",
    )


if __name__ == "__main__":
    print(measure().markdown())
