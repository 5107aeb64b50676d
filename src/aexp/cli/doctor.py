"""``aexp doctor``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aexp.cli.declare import Group
from aexp.cli.options import TextFormat
from aexp.cli.output import say, say_json

if TYPE_CHECKING:
    from aexp.install.doctor import Finding


def register(app: Group) -> None:
    """Add this group's commands to ``app``."""
    app.command("doctor")(doctor)


def doctor(output: TextFormat = "text") -> None:
    """Check the installation and say what mends it; changes nothing.

    Exits 0 when it is sound (warnings are allowed), 1 when something needs mending.
    """
    from aexp.install.access import open_for_install
    from aexp.install.doctor import examine

    findings = examine(open_for_install())
    failed = [finding for finding in findings if finding.level == "fail"]
    if output == "json":
        say_json({"ok": not failed, "findings": [_as_json(finding) for finding in findings]})
    else:
        _show(findings)
    if failed:
        raise SystemExit(1)


def _as_json(finding: Finding) -> dict[str, str | None]:
    return {
        "check": finding.check,
        "level": finding.level,
        "message": finding.message,
        "remedy": finding.remedy or None,
    }


def _show(findings: Sequence[Finding]) -> None:
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        line = f"{finding.level:<4}  {finding.check:<{width}}  {finding.message}"
        say(line + (f"; run `{finding.remedy}`" if finding.remedy else ""))
    counts = {level: sum(f.level == level for f in findings) for level in ("fail", "warn")}
    if counts["fail"]:
        say(f"{counts['fail']} to mend, {counts['warn']} to know about.")
    elif counts["warn"]:
        say(f"Sound, with {counts['warn']} to know about.")
    else:
        say("Sound.")
