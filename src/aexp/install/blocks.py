"""The block that aexp owns in ``.gitignore``; all other lines are the user's (INS-03)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from aexp.errors import UsageError

BEGIN = "# agentic-experiments:begin"
END = "# agentic-experiments:end"
RULES = (".aexp/*", "!.aexp/runs-index/", "!.aexp/ledger/", ".runs/")
_NOTE = "# Shared through git: the ledger and the runs indexes. The rest stays on this machine."

_LINE = re.compile(r"[^\n]*\n|[^\n]+")  # not str.splitlines, which also cuts at form feeds
_RUN_STORE_RULE = re.compile(r"/(?!\.aexp(?:/|$))\S.*")


def block_merge_gitignore(existing: str, *, run_store_rule: str | None = None) -> str:
    """Return a ``.gitignore`` whose aexp block is there once and up to date.

    Lines outside the block stay byte for byte, CRLF files get a CRLF block, and a last line
    without its newline gets one only when the block follows it. Half a block, as a bad merge
    leaves it, loses its marker and the rules that are aexp's, and nothing else. Merging twice
    changes nothing.

    Args:
        existing: the file's text with its line ends as they are; empty when there is none.
        run_store_rule: a rule for a run store that is not ``.runs`` (:func:`run_store_rule`).
            Those of other machines, which stand in the block already, are kept.
    """
    newline = "\r\n" if existing.count("\r\n") * 2 > existing.count("\n") else "\n"
    kept, place, extra = _take_block_out(_LINE.findall(existing))
    if run_store_rule is not None and run_store_rule not in extra:
        extra.append(run_store_rule)
    body = [BEGIN, _NOTE, *RULES, *sorted(extra), END]
    block = "".join(line + newline for line in body)
    before, after = "".join(kept[:place]), "".join(kept[place:])
    if before and not before.endswith("\n"):
        before += newline
    if before and not after and not _was_in_place(existing) and not _ends_blank(before):
        before += newline
    return before + block + after


def run_store_rule(folder: str) -> str:
    """Return the ignore rule for a run store at ``folder``, POSIX and relative to the root.

    Raises:
        UsageError: git has no way to write that name.
    """
    if "\n" in folder or "\r" in folder:
        raise UsageError("a run store with a line break in its name cannot be ignored by git")
    escaped = re.sub(r"([\\*?\[\]])", r"\\\1", folder.strip("/"))
    return f"/{escaped}/"


def _take_block_out(lines: Sequence[str]) -> tuple[list[str], int, list[str]]:
    """Return the user's lines, where the block belongs among them, and its run store rules."""
    kept: list[str] = []
    place: int | None = None
    extra: list[str] = []
    index = 0
    while index < len(lines):
        text = lines[index].strip()
        if text == BEGIN:
            place = len(kept) if place is None else place
            index = _skip_block(lines, index + 1, kept, extra)
        else:
            if text != END:
                kept.append(lines[index])
            index += 1
    return kept, len(kept) if place is None else place, extra


def _skip_block(lines: Sequence[str], start: int, kept: list[str], extra: list[str]) -> int:
    """Read one block from after its begin marker and return the index of what follows it."""
    for stop in range(start, len(lines)):
        text = lines[stop].strip()
        if text == BEGIN:
            break
        if text == END:
            inside = (line.strip("\r\n") for line in lines[start:stop])
            extra += [
                rule for rule in inside if _RUN_STORE_RULE.fullmatch(rule) and rule not in extra
            ]
            return stop + 1
    # No end marker: only the rules that are certainly ours go.
    index = start
    while index < len(lines) and (text := lines[index].strip()) not in ("", BEGIN):
        if text in RULES or text == _NOTE:
            index += 1
        elif text.startswith("#"):
            kept.append(lines[index])
            index += 1
        else:
            break
    return index


def _was_in_place(existing: str) -> bool:
    return any(line.strip() == BEGIN for line in _LINE.findall(existing))


def _ends_blank(text: str) -> bool:
    return not _LINE.findall(text)[-1].strip()
