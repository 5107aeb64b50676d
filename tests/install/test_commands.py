"""The slash commands that are shipped and installed (INS-07)."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from aexp.cli import app
from aexp.errors import StorageError
from aexp.install.commands import shipped_commands
from aexp.validate import CODES
from tests.support.machines import Machine
from tests.support.sealed import CHECKOUT

FILES = sorted((Path(CHECKOUT) / "slash_commands").glob("*.md"))
NAMES = {
    "aexp-new-hypothesis", "aexp-new-experiment", "aexp-new-finding", "aexp-finding-from-run",
    "aexp-finding-from-batch", "aexp-new-run", "aexp-run", "aexp-list-runs", "aexp-show-run",
    "aexp-ledger-backfill", "aexp-status", "aexp-recover", "aexp-validate", "aexp-sync",
    "aexp-annotate", "aexp-numbers", "aexp-doctor", "aexp-ledger-resolve", "aexp-kb-renumber",
    "aexp-ledger-retract", "aexp-query", "aexp-session", "aexp-push", "aexp-pull",
    "aexp-registry", "aexp-registry-gc", "aexp-sweep", "aexp-queue",
    "aexp-execution", "aexp-dataset", "aexp-feature", "aexp-exec",
}  # fmt: skip
PERSONS_OWN = {
    "install-slash-commands": "whoever reads these texts has them already",
    "uninstall": "a decision of the user",
    "runs-export-index": "replaced by the ledger; aexp-validate names it for index.malformed",
}
"""Commands that no agent needs, with the reason; they may be named all the same."""
_CODE = re.compile(r"`(aexp [^`]*)`")


@cache
def whole() -> Any:
    """Return the whole application as commands; to build it takes half a second."""
    return typer.main.get_command(app)


def invocations(text: str) -> list[list[str]]:
    """Return every `aexp ...` written as code, as words; what a command wraps is left out."""
    found = []
    for code in _CODE.findall(text):
        words = shlex.split(code.replace("$ARGUMENTS", "X"))[1:]
        found.append(words[: words.index("--")] if "--" in words else words)
    return found


def resolve(words: list[str]) -> tuple[Any, list[str]]:
    """Return the command of the application that ``words`` call, and its arguments."""
    command: Any = whole()
    rest = list(words)
    while hasattr(command, "commands"):
        assert rest, f"{words}: a group without a command"
        assert rest[0] in command.commands, f"there is no command {' '.join(words)}"
        command = command.commands[rest.pop(0)]
    return command, rest


def test_the_commands_are_those_that_are_promised() -> None:
    """INS-07: one file for each verb, found from a checkout as from a wheel."""
    assert {path.stem for path in FILES} == NAMES
    assert list(shipped_commands()) == [path.name for path in FILES]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_command_file_says_what_it_is_for(path: Path) -> None:
    """INS-07: frontmatter with a description, then instructions."""
    lines = path.read_text("utf-8").split("\n")
    assert lines[0] == "---"
    header = lines[1 : lines.index("---", 1)]
    assert any(re.fullmatch(r"description: \S.{10,}", line) for line in header)
    assert len("\n".join(lines[lines.index("---", 1) + 1 :]).split()) > 20


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_command_file_helps_before_and_after(path: Path) -> None:
    """INS-07: when to use it, what to do, how to read the result, failures, what never to do."""
    text = path.read_text("utf-8")
    assert "\n**When:** " in text
    for heading in ("Do", "Read the result", "Never"):
        assert f"\n## {heading}\n" in text, heading
    failures = "\n## When it fails\n" in text
    assert failures or path.stem in ("aexp-validate", "aexp-finding-from-batch")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_command_and_option_that_is_named_exists(path: Path) -> None:
    """INS-07: an agent that follows the text meets no unknown command, option or missing value."""
    calls = invocations(path.read_text("utf-8"))
    assert calls, "names no command"
    for words in calls:
        command, rest = resolve(words)
        options = {name: p for p in command.params for name in (*p.opts, *p.secondary_opts)}
        given = iter(rest)
        for word in given:
            if not word.startswith("-"):
                continue
            name, equals, _ = word.partition("=")
            assert name in options, f"aexp {' '.join(words)}: {word}"
            if not options[name].is_flag and not equals:
                value = next(given, None)
                named = value is not None and value not in options
                assert named, f"aexp {' '.join(words)}: {word} has no value"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_choices_that_are_named_exist(path: Path) -> None:
    """INS-07: the value of an option with fixed choices is one of them."""
    for words in invocations(path.read_text("utf-8")):
        command, rest = resolve(words)
        choices = {
            name: parameter.type.choices
            for parameter in command.params
            if hasattr(parameter.type, "choices")
            for name in parameter.opts
        }
        for number, word in enumerate(rest):
            name, equals, value = word.partition("=")
            if name in choices:
                assert (value if equals else rest[number + 1]) in choices[name], words


def test_exit_codes_that_are_explained_exist() -> None:
    """INS-07: a status in a table of failures is one of those in the reference."""
    page = (Path(CHECKOUT) / "docs/reference/exit-codes.md").read_text("utf-8")
    known = set(re.findall(r"^\| \*\*(\d+)\*\* ", page, re.M))
    for path in FILES:
        table = path.read_text("utf-8").partition("\n## When it fails\n")[2].partition("\n## ")[0]
        cells = re.findall(r"^\| ([\d, ]+)", table, re.M)
        assert {code for cell in cells for code in re.findall(r"\d+", cell)} <= known, path.name


def test_every_command_that_an_agent_needs_is_in_some_file() -> None:
    """INS-07: no verb of the application is forgotten; each is shown in use somewhere."""
    shown = set()
    for path in FILES:
        for words in invocations(path.read_text("utf-8")):
            shown.add(" ".join(words[: len(words) - len(resolve(words)[1])]))
    assert visible(whole()) - shown - PERSONS_OWN.keys() == set()


def visible(command: Any, name: str = "") -> set[str]:
    """Return the commands that are not hidden, groups by their members."""
    if not hasattr(command, "commands"):
        return {name}
    members = [(key, member) for key, member in command.commands.items() if not member.hidden]
    return set().union(*(visible(member, f"{name} {key}".strip()) for key, member in members))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_options_alone_and_other_slash_commands_exist(path: Path) -> None:
    """INS-07: an `--option` in running text belongs to some command; so does a `/command`."""
    text = path.read_text("utf-8")
    assert set(re.findall(r"`/(aexp-[a-z-]+)`", text)) <= NAMES
    assert set(re.findall(r"`(--[a-z][a-z-]*)", text)) <= options_of(whole())


def options_of(command: Any) -> set[str]:
    """Return every option of a command and of those below it."""
    own = {name for p in command.params for name in (*p.opts, *p.secondary_opts)}
    return own.union(*map(options_of, getattr(command, "commands", {}).values()))


def test_the_validate_command_explains_every_code_and_no_other() -> None:
    """INS-07: the table and the validator cannot drift apart."""
    text = (Path(CHECKOUT) / "slash_commands/aexp-validate.md").read_text("utf-8")
    explained = re.findall(r"^\| `([a-z]+\.[a-z0-9_]+)` \| \S[^|]+ \| \S[^|]+ \|$", text, re.M)
    assert sorted(explained) == sorted(CODES)


def test_the_validate_command_has_the_escape_hatch() -> None:
    """INS-07: the section, and the flag that it is about."""
    text = (Path(CHECKOUT) / "slash_commands/aexp-validate.md").read_text("utf-8")
    section = text.split("## Cross-machine escape hatch\n")[1].split("\n## ")[0]
    assert "--strict-runs=warn" in section
    assert "aexp ledger backfill" in section


def test_installed_texts_are_the_shipped_ones(repo: Machine) -> None:
    """INS-07: byte for byte, in .claude/commands/."""
    repo.aexp_fast("install", "--yes")
    installed = {p.name: p.read_bytes() for p in (repo / ".claude/commands").iterdir()}
    assert installed == shipped_commands()


def test_install_slash_commands_to_a_folder(tmp_path: Path) -> None:
    """INS-07: `--target DIR`, relative or absolute, outside git too; edits are kept."""
    here = Machine(tmp_path)
    here.aexp("install-slash-commands", "--target", "tools/commands")
    folder = tmp_path / "tools/commands"
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == shipped_commands()
    again = here.aexp_fast("install-slash-commands", "--target", str(folder))
    assert "up to date" in again.stdout
    (folder / "aexp-run.md").write_text("mine\n")
    assert (
        "kept_command" in here.aexp_fast("install-slash-commands", "--target", str(folder)).stdout
    )
    assert (folder / "aexp-run.md").read_text() == "mine\n"
    here.aexp_fast("install-slash-commands", "--target", str(folder), "--force")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == shipped_commands()


def test_install_slash_commands_goes_to_the_repository_by_default(repo: Machine) -> None:
    """INS-07: .claude/commands of the root, from any folder."""
    (repo / "sub").mkdir()
    repo.aexp_fast("install-slash-commands", cwd=repo / "sub")
    assert (repo / ".claude/commands/aexp-run.md").exists()
    assert list((repo / "sub").iterdir()) == []


def test_a_target_that_is_a_file_is_a_clear_error(tmp_path: Path) -> None:
    """Trap 32: no traceback."""
    (tmp_path / "x").write_text("")
    done = Machine(tmp_path).aexp_fast("install-slash-commands", "--target", "x", check=False)
    assert done.returncode == StorageError.exit_code
