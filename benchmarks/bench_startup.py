"""Starting up is a feature: the command line and the import, against bare Python."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from harness import Command, Options, Report, Row, Target, side_by_side

FLOOR = "python -c pass"
TARGETS = {
    "aexp --version": Target(0.12),
    "aexp --help": Target(0.20),
    "import aexp": Target(0.030, above_floor=True),
}


def measure(options: Options) -> Iterator[Report]:
    """Measure starting up, taking turns with a bare interpreter."""
    ours, peer = options.ours, options.peer
    commands = {
        FLOOR: Command([sys.executable, "-c", "pass"]),
        "aexp --version": Command([ours.aexp, "--version"]),
        "aexp --help": Command([ours.aexp, "--help"]),
        "import aexp": Command([str(ours.python), "-c", "import aexp"]),
    }
    if peer is not None:
        commands |= {
            "peer aexp --version": Command([peer.aexp, "version"]),
            "peer aexp --help": Command([peer.aexp, "--help"]),
            "peer import aexp": Command([str(peer.python), "-c", "import aexp"]),
        }
    found = side_by_side(commands, repeats=options.starts, warmup=2)
    rows = tuple(
        Row(f"`{name}`", found[name], found.get(f"peer {name}"), found[FLOOR], target)
        for name, target in TARGETS.items()
    )
    note = f"{options.starts} starts each. The floor is `{FLOOR}`."
    if peer is not None:
        note += " The peer has no `--version`; its `aexp version` was measured."
    yield Report("Start-up", rows, note)
