"""agentic-experiments 0.6.1, run for real in an environment of its own (``.venv/peer``)."""

from __future__ import annotations

import json
import os
import subprocess
import textwrap
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.machines import Completed, Machine, run_command
from tests.support.sealed import CHECKOUT

VERSION = "0.6.1"
# Read before the environment of the tests is sealed.
NAMED = os.environ.get("AEXP_PEER_PYTHON", "")
REQUIRED = os.environ.get("AEXP_REQUIRE_SERVICES") == "1"

_PRELUDE = """\
import json, sys, warnings
warnings.simplefilter("ignore")
import aexp
answer = None
"""
_EPILOGUE = "\njson.dump(answer, open(sys.argv[1], 'w'), default=str)\n"


@dataclass(frozen=True)
class Peer:
    """An installation of 0.6.1.

    Attributes:
        python: its interpreter.
    """

    python: Path

    def aexp(self, machine: Machine, *args: str, check: bool = True) -> Completed:
        """Run its command line in a repository."""
        command = [str(self.python.parent / "aexp"), *args]
        return run_command(command, cwd=machine.path, check=check)

    def ask(self, machine: Machine, code: str, answer: Path) -> Any:
        """Run Python code with its package, in a repository, and return what ``answer`` is then.

        Args:
            machine: the repository.
            code: may use ``aexp``; sets ``answer`` to something that JSON can hold.
            answer: a file to pass it in, outside the repository.
        """
        script = _PRELUDE + textwrap.dedent(code) + _EPILOGUE
        run_command([str(self.python), "-c", script, str(answer)], cwd=machine.path)
        return json.loads(answer.read_text("utf-8"))


@cache
def find_peer() -> Peer | str:
    """Return the installation, or why there is none.

    ``AEXP_PEER_PYTHON`` names its interpreter; else it is where ``make test`` puts it.
    """
    python = Path(NAMED) if NAMED else CHECKOUT / ".venv" / "peer" / "bin" / "python"
    if not python.is_file():
        return f"agentic-experiments {VERSION} is not installed; `make test` puts it in .venv/peer"
    code = "import importlib.metadata as m; print(m.version('agentic-experiments'))"
    done = subprocess.run(
        [str(python), "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    if done.stdout.strip() != VERSION:
        return f"{python} has no agentic-experiments {VERSION}"
    return Peer(python)
