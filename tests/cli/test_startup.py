"""Start-up is a feature: what each command may load (architecture.md; docs/adr/0004)."""

from __future__ import annotations

import json
import re
import shlex
import sys

import pytest

from tests.cli.help_of import every_command
from tests.support.machines import Machine, checkout_environ, run_command

HEAVY = {
    *("signac", "synced_collections", "ruamel", "rich", "pydantic", "filelock", "numpy", "pandas"),
    *("git", "sklearn", "markdown_it", "asyncio", "multiprocessing", "http", "xml"),
}
PROGRAM = """
import sys, json
from aexp.cli import main
try:
    main(sys.argv[1:])
except SystemExit as stop:
    code = stop.code
loaded = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps([code, loaded]), file=sys.stderr)
"""


def loaded_by(machine: Machine, line: str) -> set[str]:
    """Return the top-level modules that a command leaves loaded."""
    done = run_command(
        [sys.executable, "-c", PROGRAM, *shlex.split(line)],
        cwd=machine.path,
        env=checkout_environ(),
    )
    code, loaded = json.loads(done.stderr.splitlines()[-1])
    assert code == 0, done.output
    return set(loaded)


def test_the_version_needs_no_typer(repo: Machine) -> None:
    """Architecture, start-up targets: the version is answered before anything is loaded."""
    loaded = loaded_by(repo, "--version")
    assert not loaded & {*HEAVY, "typer", "click", "msgspec", "inspect", "subprocess", "traceback"}


@pytest.mark.parametrize(
    "line",
    [
        "--help", "ledger --help", "status", "list-runs", "list-runs --format json",
        "show-run RUN", "list-batches", "ledger list", "ledger show RUN", "ledger backfill",
        "ledger promote RUN", "recover", "tag RUN", "run --sp seed=1 -- true",
        "new-run -e E001 --allow-missing --sp seed=2", "runs-export-index",
    ],
)  # fmt: skip
def test_a_command_loads_nothing_heavy(installed_repo: Machine, line: str) -> None:
    """Architecture, start-up targets: neither signac, ruamel.yaml, rich nor pydantic."""
    installed_repo.aexp_fast("run", "--sp", "seed=0", "--", "true")
    entry = next((installed_repo / ".aexp/ledger").glob("*.json"))
    loaded = loaded_by(installed_repo, line.replace("RUN", entry.stem))
    assert not loaded & HEAVY


def test_validate_loads_yaml_only_when_there_is_some(installed_repo: Machine) -> None:
    """Architecture, start-up targets: without artifacts there is no YAML to read."""
    assert not loaded_by(installed_repo, "validate") & HEAVY
    installed_repo.aexp_fast("new-hypothesis", "--title", "t")
    assert loaded_by(installed_repo, "validate --runs-only") & HEAVY <= {"ruamel"}
    assert loaded_by(installed_repo, "validate") & HEAVY <= {"ruamel"}


# --- help ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(every_command()))
def test_every_help_fits_and_explains(repo: Machine, name: str) -> None:
    """Style "docs under test": 80 columns, a sentence, and words for each option."""
    command = every_command()[name]
    shown = repo.aexp_fast(*name.split()[1:], "--help").stdout
    assert max(map(len, shown.splitlines())) <= 80
    assert shown.startswith(f"Usage: {name} ")
    assert re.match(r"[A-Z`].*\S", command.help or ""), "a sentence that says what it does"
    for parameter in command.params:
        if parameter.name not in ("help", "install_completion", "show_completion"):
            told = parameter.help or ""
            assert told[:1].isupper() and told.endswith((".", ")")), parameter.name


def test_the_help_lists_every_command_once_under_a_heading(repo: Machine) -> None:
    """Help of the whole: each command that is not hidden, none cut."""
    shown = repo.aexp_fast("--help").stdout
    listed = re.findall(r"^  ([a-z][\w-]*)  +\S", shown, re.M)
    top = [name.split()[1] for name in every_command() if name.count(" ") == 1]
    assert sorted(listed) == sorted(top)
    assert "..." not in shown.partition("\n\n")[2]
    assert not re.search(r"^Commands:$", shown, re.M), "every module has a heading"
