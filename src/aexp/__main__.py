"""``python -m aexp``."""

from aexp.cli import main

main()
