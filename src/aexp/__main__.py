"""``python -m aexp``."""

from aexp.cli import program

if __name__ == "__main__":
    program()
