"""Run a command and print the most memory it had at once, in bytes.

    python -I -S peak.py ARGV…

A process that is started from a large one seems to have been as large; this one is small. Of a
command with several processes it is the largest one's.
"""

import os
import sys


def main(argv: list[str]) -> int:
    """Run the command with its output thrown away; return its exit code."""
    child = os.fork()
    if child == 0:
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        os.execvp(argv[0], argv)
    _, status, usage = os.wait4(child, 0)
    print(usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
