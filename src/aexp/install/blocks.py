"""The blocks of aexp in git's own files; all other lines are the user's (INS-03, INS-06).

Taking a block out restores the bytes from before it was put in: a blank line separates it from
lines above it, an empty file is told from none by that blank line alone, and where the last line
had no newline the end marker has none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from aexp.errors import UsageError
from aexp.ledger.merge_driver import DRIVER_NAME
from aexp.repo import LEDGER_DIR_REL

BEGIN = "# agentic-experiments:begin"
END = "# agentic-experiments:end"
RULES = (".aexp/*", "!.aexp/runs-index/", "!.aexp/ledger/", ".runs/")

_LINE = re.compile(r"[^\n]*\n|[^\n]+")  # not str.splitlines, which also cuts at form feeds
_RUN_STORE_RULE = re.compile(r"/(?!\.aexp(?:/|$))\S.*")


@dataclass(frozen=True, slots=True)
class Block:
    """What stands between the markers of one file.

    Attributes:
        note: a remark, the first line.
        rules: the lines, in the order git needs.
        carried: which other lines in a block that is there already are kept; None for none.
    """

    note: str
    rules: tuple[str, ...]
    carried: re.Pattern[str] | None = None


GITIGNORE = Block(
    "# Shared through git: the ledger and the runs indexes. The rest stays on this machine.",
    RULES,
    _RUN_STORE_RULE,
)
GITATTRIBUTES = Block(
    "# Records of the ledger are merged by aexp; `aexp install` tells each clone how.",
    (f"{LEDGER_DIR_REL}/** merge={DRIVER_NAME} text eol=lf",),
)


def block_merge_gitignore(existing: str, *, run_store_rule: str | None = None) -> str:
    """Return a ``.gitignore`` whose aexp block is there once and up to date (INS-03).

    See :func:`merge_block`; an empty text stands for no file.

    Args:
        existing: the file's text with its line ends as they are.
        run_store_rule: a rule for a run store that is not ``.runs`` (:func:`run_store_rule`).
            Those of other machines, which stand in the block already, are kept.
    """
    extra = [] if run_store_rule is None else [run_store_rule]
    return merge_block(existing or None, GITIGNORE, extra)


def merge_block(existing: str | None, block: Block, extra: Sequence[str] = ()) -> str:
    """Return a text in which ``block`` stands once and is up to date.

    Lines outside it stay byte for byte, and CRLF files get a CRLF block. Half a block, as a bad
    merge leaves it, loses its marker and the rules that are aexp's, and nothing else. Merging
    twice changes nothing.

    Args:
        existing: the file's text with its line ends as they are; None when there is no file.
        block: the block.
        extra: rules to add to those of the block.
    """
    text = existing or ""
    newline = "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"
    lines = _LINE.findall(text)
    kept, place, carried = _take_block_out(lines, block)
    rules = sorted({*carried, *extra})
    body = [BEGIN, block.note, *block.rules, *rules, END]
    before, after = "".join(kept[:place]), "".join(kept[place:])
    in_place = any(line.strip() == BEGIN for line in lines)
    if before and not before.endswith("\n"):
        before += newline
    if not in_place and (before or existing == ""):
        before += newline
    result = before + "".join(line + newline for line in body) + after
    if not after and text and not text.endswith("\n"):
        result = result.removesuffix(newline)
    return result


def remove_block(existing: str, block: Block) -> str | None:
    """Return ``existing`` without ``block``; None when aexp made the file and nothing is left."""
    lines = _LINE.findall(existing)
    if not any(line.strip() in (BEGIN, END) for line in lines):
        return existing
    kept, place, _ = _take_block_out(lines, block)
    had_blank = place > 0 and kept[place - 1] in ("\n", "\r\n")
    if had_blank:
        del kept[place - 1]
        place -= 1
    if not kept:
        return "" if had_blank else None
    if place == len(kept) and not existing.endswith("\n"):
        begin = next(line for line in lines if line.strip() in (BEGIN, END))
        kept[-1] = kept[-1].removesuffix("\r\n" if begin.endswith("\r\n") else "\n")
    return "".join(kept)


def run_store_rule(folder: str) -> str:
    """Return the ignore rule for a run store at ``folder``, POSIX and relative to the root.

    Raises:
        UsageError: git has no way to write that name.
    """
    if "\n" in folder or "\r" in folder:
        raise UsageError("a run store with a line break in its name cannot be ignored by git")
    escaped = re.sub(r"([\\*?\[\]])", r"\\\1", folder.strip("/"))
    return f"/{escaped}/"


def _take_block_out(lines: Sequence[str], block: Block) -> tuple[list[str], int, list[str]]:
    """Return the user's lines, where the block belongs among them, and its carried rules."""
    kept: list[str] = []
    place: int | None = None
    carried: list[str] = []
    index = 0
    while index < len(lines):
        text = lines[index].strip()
        if text == BEGIN:
            place = len(kept) if place is None else place
            index = _skip_block(lines, index + 1, block, kept, carried)
        else:
            if text != END:
                kept.append(lines[index])
            index += 1
    return kept, len(kept) if place is None else place, carried


def _skip_block(
    lines: Sequence[str], start: int, block: Block, kept: list[str], carried: list[str]
) -> int:
    """Read one block from after its begin marker and return the index of what follows it."""
    for stop in range(start, len(lines)):
        text = lines[stop].strip()
        if text == BEGIN:
            break
        if text == END:
            inside = (line.strip("\r\n") for line in lines[start:stop])
            if block.carried is not None:
                carried += [rule for rule in inside if block.carried.fullmatch(rule)]
            return stop + 1
    # No end marker: only the rules that are certainly ours go.
    index = start
    while index < len(lines) and (text := lines[index].strip()) not in ("", BEGIN):
        if text in block.rules or text == block.note:
            index += 1
        elif text.startswith("#"):
            kept.append(lines[index])
            index += 1
        else:
            break
    return index
