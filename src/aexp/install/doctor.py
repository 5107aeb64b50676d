"""``aexp doctor``: is the installation sound, and what mends it (INS-10).

A check is a function of the facts; it looks at nothing else, and changes nothing.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from aexp.install.attributes import PROBE
from aexp.install.facts import Facts, gather
from aexp.ledger.merge_driver import DRIVER_COMMAND, DRIVER_NAME
from aexp.repo import DEFAULT_RUN_STORE, Layout

NEEDED_GIT = (2, 31)
"""The first git that prints absolute paths when asked to."""

_INSTALL = "aexp install --yes"
Level: TypeAlias = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer of one check.

    Attributes:
        check: its name.
        level: ``fail`` needs mending; ``warn`` works, with a loss that the message names.
        message: one line.
        remedy: the command that mends it; empty when there is none.
    """

    check: str
    level: Level
    message: str
    remedy: str = ""


def examine(layout: Layout) -> tuple[Finding, ...]:
    """Return what the checks say about the installation in ``layout.root``, in order.

    Raises:
        GitError: git cannot answer.
        StorageError: a file cannot be read.
    """
    return diagnose(gather(layout))


def diagnose(facts: Facts) -> tuple[Finding, ...]:
    """Return what every check says about ``facts``; one that finds nothing wrong says ok once."""
    findings: list[Finding] = []
    for name, (check, fine) in CHECKS.items():
        found = list(check(facts))
        findings += [Finding(name, level, message, remedy) for level, message, remedy in found]
        if not found:
            findings.append(Finding(name, "ok", fine(facts)))
    return tuple(findings)


_Found: TypeAlias = Iterator[tuple[Level, str, str]]


def _git(facts: Facts) -> _Found:
    if facts.git_version < NEEDED_GIT:
        needed = ".".join(map(str, NEEDED_GIT))
        yield "fail", f"git {_dotted(facts)} is too old, {needed} or later is needed", ""


def _marker(facts: Facts) -> _Found:
    if facts.marker_problem:
        yield "fail", facts.marker_problem, _INSTALL
    elif not facts.installed:
        yield "fail", "aexp is not installed here", _INSTALL


def _gitignore(facts: Facts) -> _Found:
    if not facts.ignore_block:
        yield "fail", ".gitignore lacks aexp's block, or has an old one", _INSTALL
    if facts.hiding is not None:
        rule = facts.hiding
        where = f"{rule.source}, line {rule.line}, `{rule.pattern}`"
        yield "fail", f"a rule hides the ledger from git: {where}", f"git check-ignore -v {PROBE}"
    if facts.store.visible:
        yield "fail", f"git does not ignore the runs in {facts.store.shown}", _INSTALL


def _gitattributes(facts: Facts) -> _Found:
    if not facts.attributes_block:
        message = ".gitattributes lacks aexp's block, so records that conflict are merged as text"
        yield "warn", message, _INSTALL
    elif facts.merge != DRIVER_NAME and facts.overriding is not None:
        rule = facts.overriding
        message = f"{rule.source}, line {rule.line}, `{rule.rule}`, gives the ledger another merge"
        yield "warn", message, f"git check-attr merge -- {PROBE}"


def _driver(facts: Facts) -> _Found:
    if facts.driver is None:
        message = "this clone has no merge driver, so records that conflict are merged as text"
        yield "warn", message, _INSTALL
    elif facts.driver != DRIVER_COMMAND:
        yield "warn", "the merge driver is not aexp's of this version", f"{_INSTALL} --force"
    elif facts.program is None:
        remedy = f"export PATH={shlex.quote(facts.program_folder)}:$PATH"
        message = "git finds no program aexp on PATH, so records that conflict are merged as text"
        yield "warn", message, remedy if facts.program_folder else ""


def _commands(facts: Facts) -> _Found:
    if facts.commands_missing:
        yield "warn", f"{_count(facts.commands_missing, 'slash command')} not there", _INSTALL
    if facts.commands_differ:
        message = f"{_count(facts.commands_differ, 'slash command')} edited or of another version"
        yield "warn", message, f"{_INSTALL} --force"


def _old_hooks(facts: Facts) -> _Found:
    for name, numbers in facts.old_hooks.items():
        lines = f"line{'' if len(numbers) == 1 else 's'} {', '.join(map(str, numbers))}"
        message = f"{name}, {lines}: hooks of 0.6, which fail when it is gone; delete them"
        yield "warn", message, f"grep -n aexp.hooks {name}"


def _run_store(facts: Facts) -> _Found:
    store = facts.store
    if store.gone:
        message = f"{store.shown} is not there; is its disk mounted?"
        yield "fail", message, "aexp install --run-store PATH"
    elif not store.exists:
        yield "warn", f"there is no run store {store.shown} yet", _INSTALL
    elif not store.writable:
        yield "fail", f"{store.shown} cannot be written", f"ls -ld {shlex.quote(store.shown)}"
    elif not store.schema:
        yield "warn", f"{store.shown} is no signac project", _INSTALL
    elif store.schema != "2":
        message = f"{store.shown} is a signac project of schema {store.schema}, not 2"
        yield "fail", message, "signac migrate"
    if store.left_behind:
        left = _count(store.left_behind, "run")
        message = f"{left} left in {DEFAULT_RUN_STORE}, which is not the run store; move or go back"
        yield "warn", message, f"{_INSTALL} --run-store {DEFAULT_RUN_STORE}"


def _leftovers(facts: Facts) -> _Found:
    if facts.temporary:
        message = f"{_count(facts.temporary, 'temporary file')} of processes that were killed"
        yield "warn", message, "aexp ledger backfill"
    if facts.unfinished:
        message = f"{_count(facts.unfinished, 'run folder')} whose creation was cut off"
        yield "warn", message, "aexp recover"


def _runs(facts: Facts) -> _Found:
    seen = facts.overview
    if seen is None:
        yield "fail", facts.unreadable, "aexp status"
        return
    if seen.lost:
        message = f"{_count(len(seen.lost), 'run')} said to be running, with no process"
        yield "warn", message, "aexp recover"
    if seen.damaged:
        yield "fail", f"{_count(len(seen.damaged), 'run')} damaged", "aexp status"
    if seen.cut_off:
        yield "warn", f"{_count(len(seen.cut_off), 'promotion')} cut off", "aexp recover"
    if seen.failed:
        yield "warn", f"{_count(len(seen.failed), 'promotion')} failed", "aexp ledger backfill"


def _ledger(facts: Facts) -> _Found:
    if not facts.ledger_writable:
        yield "fail", "the ledger cannot be written", "ls -ld .aexp .aexp/ledger"
    if facts.overview is not None and (problems := facts.overview.problems):
        yield "fail", f"{_count(problems, 'ledger file')} with errors", "aexp validate"


def _identity(facts: Facts) -> _Found:
    if not facts.identity:
        message = "git does not know who you are, so nothing can be committed"
        yield "warn", message, "git config user.name NAME && git config user.email MAIL"


def _sharing(facts: Facts) -> _Found:
    seen = facts.overview
    if seen is None:
        return
    if not seen.has_remote:
        yield "warn", "there is no remote to share the ledger through", "git remote add origin URL"
    elif not seen.upstream:
        yield "warn", "the branch has no upstream to push to", "git push -u origin HEAD"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _dotted(facts: Facts) -> str:
    return ".".join(map(str, facts.git_version)) or "of unknown version"


def _entries(facts: Facts) -> str:
    number = facts.overview.in_ledger if facts.overview else 0
    return f"{number} usable {'entry' if number == 1 else 'entries'}"


def _label(facts: Facts) -> str:
    return facts.label + (", from the main work tree" if facts.inherited else "")


Check: TypeAlias = tuple[Callable[[Facts], _Found], Callable[[Facts], str]]
CHECKS: dict[str, Check] = {
    "git": (_git, _dotted),
    "installation": (_marker, _label),
    "gitignore": (_gitignore, lambda _: "hides what is local, shows the ledger"),
    "gitattributes": (_gitattributes, lambda _: "gives the ledger to the merge driver"),
    "merge driver": (_driver, lambda facts: facts.program or ""),
    "slash commands": (_commands, lambda _: "as shipped"),
    "agent hooks": (_old_hooks, lambda _: "none of 0.6"),
    "run store": (_run_store, lambda facts: facts.store.shown),
    "leftovers": (_leftovers, lambda _: "none"),
    "runs": (_runs, lambda facts: _count(_all_runs(facts), "run")),
    "ledger": (_ledger, _entries),
    "identity": (_identity, lambda _: "git knows who commits"),
    "sharing": (_sharing, lambda facts: facts.overview.upstream if facts.overview else ""),
}
"""Each check by its name, with what it says when nothing is wrong."""


def _all_runs(facts: Facts) -> int:
    return sum(facts.overview.here.values()) if facts.overview else 0
