"""Git's merge driver for the ledger: two versions of one record become one, or a conflict.

Git is told of it twice: ``.gitattributes`` (committed) names the driver, and the repository's
configuration (per clone) names the command. ``docs/format/merging.md`` is the page.
"""

from __future__ import annotations

import shlex
import sys

DRIVER_NAME = "aexp-ledger"
DRIVER_TITLE = "merge of the experiment ledger"


def driver_command(program: str = "aexp") -> str:
    """Return the shell line that git runs to merge one file of the ledger.

    The program answers 0 (merged) or 1 (conflict, both sides in the file). In every other case
    (it is missing, cannot start, is too old to know the command, crashed before it wrote) the two
    sides are left to git's own text merge, never to one side (trap 72). That merge gets an empty
    base, so that every difference is a conflict: with the real base it would take distant edits of
    one record together into a mixture of two results (trap 73).

    Args:
        program: the command that starts aexp, as the shell reads it.
    """
    # Git quotes %P itself; the other three are names it made, without a special character.
    started = program.replace("%", "%%")
    return (
        f"{started} ledger merge-driver %O %A %B %P"
        ' || { grep -q "^<<<<<<< " %A && exit 1; }'
        " || git merge-file -L ours -L base -L theirs %A /dev/null %B"
    )


DRIVER_COMMAND = driver_command()
"""What ``git config merge.aexp-ledger.driver`` holds; it names no path of this machine (INS-11)."""


def driver_arguments() -> tuple[str, ...]:
    """Return arguments that give one git command the driver, whatever is configured (LED-14).

    They are never stored, so this very Python is the program.
    """
    command = driver_command(f"{shlex.quote(sys.executable)} -m aexp")
    return (
        *("-c", f"merge.{DRIVER_NAME}.name={DRIVER_TITLE}"),
        *("-c", f"merge.{DRIVER_NAME}.driver={command}"),
    )
