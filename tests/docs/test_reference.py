"""The generated reference pages are those of this code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from aexp.cli import app
from tests.support.sealed import CHECKOUT


def generate(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``docs/generate.py`` as ``make`` does."""
    return subprocess.run(
        [sys.executable, str(script), *arguments], capture_output=True, text=True, check=False
    )


def test_reference_pages_are_up_to_date() -> None:
    """`docs/reference/` says what the commands, errors and settings say."""
    done = generate(CHECKOUT / "docs" / "generate.py", "--check")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_check_notices_a_page_that_is_old(tmp_path: Path) -> None:
    """A page that differs by one word, or is missing, is named; writing mends it."""
    for name in ("generate.py", "schemas.py", "sweep_schema.py"):
        (tmp_path / name).write_bytes((CHECKOUT / "docs" / name).read_bytes())
    script = tmp_path / "generate.py"
    assert "cli.md is out of date" in generate(script, "--check").stderr
    assert generate(script).returncode == 0
    assert generate(script, "--check").returncode == 0
    page = tmp_path / "reference" / "exit-codes.md"
    page.write_text(page.read_text("utf-8").replace("usage", "usages", 1), "utf-8")
    done = generate(script, "--check")
    assert done.returncode == 1
    assert done.stderr == "docs/reference/exit-codes.md is out of date: run `make docs`\n"


def test_every_command_and_option_has_a_help_text() -> None:
    """No command, argument or option is left unexplained."""
    import typer

    silent = []
    stack = [("aexp", typer.main.get_command(app))]
    while stack:
        name, command = stack.pop()
        members = getattr(command, "commands", {})
        stack += [(f"{name} {key}", member) for key, member in members.items()]
        if not (command.help or "").strip():
            silent.append(name)
        for parameter in command.params:
            if not (getattr(parameter, "help", None) or "").strip():
                silent.append(f"{name} {parameter.opts[0]}")
    assert silent == []
