"""Write the reference pages that follow from the code: commands, errors, environment, codes.

Run it without arguments to write ``docs/reference/`` and the schemas in ``docs/format/``; with
``--check`` it changes nothing and exits 1 when a page is out of date.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import typer

import aexp
from aexp import settings
from aexp.cli import app
from aexp.errors import error_classes
from aexp.validate import CODES
from aexp.validate.codes import STRICT_CODES

DOCS = Path(__file__).resolve().parent
NOTICE = "<!-- Written by docs/generate.py; run `make docs` after changing the code. -->"

VARIABLES = {
    "AEXP_JOB_ID": "The id of the run a process records into. Set by `aexp run` for its command.",
    "AEXP_JOB_WORKSPACE": "The folder of that run. Set by `aexp run` for its command.",
    "AEXP_ATTEMPT_ID": "The id of the current attempt of that run. Set by `aexp run`.",
    "AEXP_REGISTRY_ROOT": "The registry to use instead of the repository's own.",
    "AEXP_SWEEP_OUT": "The folder for the output files of a sweep's point. Set for its worker.",
    "AEXP_ALLOW_DIRTY": "`true` silences the warning that code is not committed. For tests.",
    "AEXP_EXECUTION_RID": "The execution of a notebook. Set by `aexp exec-notebook`.",
    "AEXP_REPO_ROOT": "The repository of that execution. Set by `aexp exec-notebook`.",
    "AEXP_NOTEBOOK": "The notebook's file. Set by `aexp exec-notebook`.",
    "JPY_SESSION_NAME": "The notebook's file, as a Jupyter server tells its kernels.",
    "SLURM_CLUSTER_NAME": "The cluster, as Slurm tells its jobs: whom to ask about one.",
    "JUPYTER_PATH": "Where kernels are looked for; `aexp exec-notebook` may add a folder.",
    "GIT_INDEX_FILE": "Set by git for its hooks: the index that holds what is being committed.",
    "SLURM_JOB_ID": "The batch job that owns a run.",
    "SLURM_RESTART_COUNT": "A higher count proves that the owner of the previous start is gone.",
    "SLURM_STEP_ID": "The step of that job; ranks of one step belong to one attempt.",
    "OMPI_COMM_WORLD_RANK": "Rank in an Open MPI job; of several ranks only 0 owns the run.",
    "OMPI_COMM_WORLD_SIZE": "Number of ranks in an Open MPI job.",
    "PMI_RANK": "The same under MPICH and its relatives.",
    "PMI_SIZE": "The same under MPICH and its relatives.",
    "SLURM_PROCID": "The same under `srun`.",
    "SLURM_NTASKS": "The same under `srun`.",
    "XDG_CONFIG_HOME": "Where the user's own `git/attributes` is; `aexp sync` keeps it in force.",
}
"""What each variable that :mod:`aexp.settings` reads is for."""

OTHER_EXIT_CODES = {
    0: [("", "Done. Warnings do not change this.")],
    1: [("", "`aexp validate` found errors, or `aexp kb numbers` a number that does not agree.")],
    70: [("", "A fault in aexp itself; the message names the file with the details.")],
    130: [("", "Interrupted.")],
    141: [("", "The reader of the output went away.")],
}


def commands() -> Iterator[tuple[str, Any]]:
    """Yield every command with its full name, groups before their members."""
    stack = [("aexp", typer.main.get_command(app))]
    while stack:
        name, command = stack.pop(0)
        if getattr(command, "hidden", False):
            continue
        yield name, command
        members = getattr(command, "commands", {})
        stack = [(f"{name} {key}", members[key]) for key in sorted(members)] + stack


def cli_page() -> str:
    """Return the reference of all commands."""
    parts = ["# Commands", NOTICE, "Every command shows its own help with `-h` or `--help`."]
    listed = [(name, command) for name, command in commands() if " " in name]
    rows = [
        (f"[`{name}`](#{name.replace(' ', '-')})", first_sentence(command.help))
        for name, command in listed
        if not hasattr(command, "commands")
    ]
    parts.append(markdown_table(("command", "what it does"), rows))
    parts += [command_section(name, command) for name, command in listed]
    return "\n\n".join(parts) + "\n"


def command_section(name: str, command: Any) -> str:
    """Return one command's usage, description, arguments and options."""
    usage = f"{name} COMMAND" if hasattr(command, "commands") else usage_line(name, command)
    parts = [f"## {name}", f"```text\n{usage}\n```", description(command.help)]
    rows = [parameter_row(parameter) for parameter in command.params if is_shown(parameter)]
    if rows:
        parts.append(markdown_table(("argument or option", "meaning"), rows))
    return "\n\n".join(part for part in parts if part)


def usage_line(name: str, command: Any) -> str:
    """Return how a command is called."""
    pieces = [name, "[OPTIONS]"]
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            spelling = argument_name(parameter)
            spelling += "..." if parameter.nargs == -1 and not spelling.endswith("…") else ""
            pieces.append(spelling if parameter.required else f"[{spelling}]")
    return " ".join(pieces)


def argument_name(parameter: Any) -> str:
    """Return what stands for an argument in a usage line."""
    return str(parameter.metavar or parameter.name.upper())


def description(text: str | None) -> str:
    """Return a help text as Markdown paragraphs."""
    return inspect.cleandoc(text or "").split("\f")[0].strip()


def first_sentence(text: str | None) -> str:
    """Return the first line of a help text."""
    return (description(text).splitlines() or [""])[0]


def is_shown(parameter: Any) -> bool:
    """Return whether a parameter is one of the command's own."""
    return not getattr(parameter, "hidden", False) and parameter.name not in (
        "help",
        "install_completion",
        "show_completion",
    )


def parameter_row(parameter: Any) -> tuple[str, str]:
    """Return how a parameter is written, and what it means."""
    if parameter.param_type_name == "argument":
        spelling = f"`{argument_name(parameter)}`"
    else:
        names = ", ".join(parameter.opts)
        if parameter.secondary_opts:
            names += " / " + ", ".join(parameter.secondary_opts)
        spelling = f"`{names}`"
    meaning = " ".join((getattr(parameter, "help", None) or "").split())
    notes = ["required"] if parameter.required else []
    if getattr(parameter, "multiple", False) and "repeated" not in meaning:
        notes.append("may be repeated")
    if choices := getattr(kind_of(parameter), "choices", None):
        notes.append("one of " + ", ".join(f"`{getattr(c, 'value', c)}`" for c in choices))
    if has_telling_default(parameter):
        notes.append(f"default: `{default_text(parameter)}`")
    return spelling, meaning + (f" ({'; '.join(notes)})" if notes else "")


def kind_of(parameter: Any) -> Any:
    """Return what describes a parameter's type; typer has renamed it between releases."""
    return getattr(parameter, "type_descriptor", None) or getattr(parameter, "type", None)


def has_telling_default(parameter: Any) -> bool:
    """Return whether a parameter's default says more than "off" or "none"."""
    default = parameter.default
    if isinstance(default, bool):
        return default and bool(parameter.secondary_opts)
    return isinstance(default, str | int | float) and default != ""


def default_text(parameter: Any) -> str:
    """Return a default as one types it."""
    if parameter.default is True:
        return str(parameter.opts[0])
    return str(getattr(parameter.default, "value", parameter.default))


def exit_codes_page() -> str:
    """Return the table of exit codes, from the error classes of all modules."""
    for module in pkgutil.walk_packages(aexp.__path__, "aexp."):
        if module.name != "aexp.__main__":
            importlib.import_module(module.name)
    rows: list[tuple[int, str, str]] = [
        (code, name, text) for code, entries in OTHER_EXIT_CODES.items() for name, text in entries
    ]
    rows += [(cls.exit_code, f"`{cls.code}`", cls.summary) for cls in error_classes()]
    rows.sort(key=lambda row: row[0])
    lines = []
    for code, group in groupby(rows, key=lambda row: row[0]):
        for index, (_, name, text) in enumerate(group):
            lines.append((f"**{code}**" if index == 0 else "", name, text))
    intro = (
        "An error is one line on standard error, mostly with a second one that says what to do.\n"
        "`aexp run` exits with the status of the command it ran."
    )
    table = markdown_table(("status", "error", "meaning"), lines)
    return "\n\n".join(["# Exit codes", NOTICE, intro, table]) + "\n"


def variables_read() -> set[str]:
    """Return the names of the variables that :mod:`aexp.settings` reads, from its source."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(inspect.getsource(settings))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            name = node.value
            is_name = name.isupper() and "_" in name and name.replace("_", "").isalnum()
            if is_name and not name.endswith("_"):
                names.add(name)
    # Of git's own, the others are handed on to git, not looked at.
    return {n for n in names if not n.startswith("GIT_") or n == "GIT_INDEX_FILE"} - {"LC_ALL"}


def environment_page() -> str:
    """Return the table of environment variables.

    Raises:
        SystemExit: a variable has no description here, or a description no variable.
    """
    read = variables_read()
    if read != set(VARIABLES):
        sys.exit(f"docs/generate.py: describe these variables: {sorted(read ^ set(VARIABLES))}")
    intro = (
        "These are all the variables aexp looks at. None has to be set by hand. For git, its own\n"
        "variables count, except those that choose a repository."
    )
    rows = [(f"`{name}`", text) for name, text in VARIABLES.items()]
    table = markdown_table(("variable", "meaning"), rows)
    return "\n\n".join(["# Environment variables", NOTICE, intro, table]) + "\n"


FAMILIES = {
    "finding": "Findings and what they cite",
    "run": "Runs",
    "ledger": "The ledger",
    "index": "Indexes",
    "kb": "Artifacts",
    "settings": "Settings",
}
"""The families of validator codes, in the order in which they are shown."""


def validator_codes_page() -> str:
    """Return the table of everything `aexp validate` can report.

    Raises:
        SystemExit: a family of codes has no heading here.
    """
    if unknown := {code.partition(".")[0] for code in CODES} ^ FAMILIES.keys():
        sys.exit(f"docs/generate.py: name these families of codes: {sorted(unknown)}")
    intro = (
        "What `aexp validate` can report. `--strict-runs=warn` makes an error with a star a\n"
        "warning; `--strict-runs=off` says nothing of what is marked so, nor of\n"
        "`finding.absent_run_citation`, `finding.absent_batch_runs` and `finding.no_run_store`.\n"
        "A malformed citation stays an error in both."
    )
    parts = ["# Validator codes", NOTICE, intro]
    for family, title in FAMILIES.items():
        rows = [
            (f"`{code}`", severity_text(code), info.meaning, sentence(info.mend))
            for code, info in CODES.items()
            if code.startswith(f"{family}.")
        ]
        parts += [f"## {title}", markdown_table(("code", "severity", "meaning", "to mend"), rows)]
    return "\n\n".join(parts) + "\n"


def severity_text(code: str) -> str:
    """Return a code's severity, marked where `--strict-runs` decides."""
    return CODES[code].severity + ("*" if code in STRICT_CODES else "")


def sentence(clause: str) -> str:
    """Return a clause as a sentence; one that begins with code keeps it as it is."""
    return clause[:1].upper() + clause[1:] + "."


def markdown_table(headers: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [headers, tuple("---" for _ in headers), *rows]
    escaped = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in escaped)


def pages() -> Mapping[str, str]:
    """Return every generated page by its path below ``docs/``."""
    schemas = importlib.import_module("schemas")  # beside this file, which is no package
    return {
        "reference/cli.md": cli_page(),
        "reference/exit-codes.md": exit_codes_page(),
        "reference/environment.md": environment_page(),
        "reference/validator-codes.md": validator_codes_page(),
        **{f"format/{name}": text for name, text in schemas.schemas().items()},
    }


def out_of_date() -> Mapping[str, str]:
    """Return the pages whose file differs from what the code says."""
    return {
        name: text
        for name, text in pages().items()
        if not (DOCS / name).is_file() or (DOCS / name).read_text("utf-8") != text
    }


def main() -> int:
    """Write the pages, or check them, and return the exit status."""
    stale = out_of_date()
    if "--check" in sys.argv[1:]:
        for name in stale:
            print(f"docs/{name} is out of date: run `make docs`", file=sys.stderr)
        return 1 if stale else 0
    for name, text in stale.items():
        (DOCS / name).parent.mkdir(exist_ok=True)
        (DOCS / name).write_text(text, "utf-8")
        print(f"wrote docs/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
