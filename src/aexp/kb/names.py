"""Names of artifacts: kinds, ids, file names, slugs."""

from __future__ import annotations

import re
import unicodedata
from typing import Final, Literal

from aexp.errors import UsageError
from aexp.repo import KB_DIR_REL

Kind = Literal["hypothesis", "experiment", "finding"]

KINDS: Final[tuple[Kind, ...]] = ("hypothesis", "experiment", "finding")
FOLDERS: Final[dict[Kind, str]] = {
    "hypothesis": f"{KB_DIR_REL}/hypotheses",
    "experiment": f"{KB_DIR_REL}/experiments",
    "finding": f"{KB_DIR_REL}/findings",
}
LETTERS: Final[dict[Kind, str]] = {"hypothesis": "H", "experiment": "E", "finding": "F"}
PARENTS: Final[dict[Kind, tuple[Kind, ...]]] = {
    "hypothesis": (),
    "experiment": ("hypothesis",),
    "finding": ("hypothesis", "experiment"),
}
"""The frontmatter keys of an artifact that name its parents; each key is the parent's kind."""

_ID: Final = re.compile(r"[HEF]\d{3,}")
_FILE_NAME: Final = re.compile(r"([HEF]\d{3,})(?:-[^/]+)?\.md")
_LINK: Final = re.compile(r"(?:.*/)?([HEF]\d{3,})(?:-[^/]*)?(?:\.md)?")

SLUG_LENGTH: Final = 60


def is_id(text: object, kind: Kind | None = None) -> bool:
    """Return whether ``text`` is an artifact's id (of ``kind``, when given)."""
    if not isinstance(text, str) or not _ID.fullmatch(text) or not text.isascii():
        return False
    return kind is None or text[0] == LETTERS[kind]


def check_id(text: str, kind: Kind) -> str:
    """Return ``text`` when it is an id of ``kind``.

    Raises:
        UsageError: it is not.
    """
    if not is_id(text, kind):
        letter = LETTERS[kind]
        raise UsageError(
            f"{text!r} is no {kind} id",
            hint=f"an id is {letter} and at least three digits: {letter}001",
        )
    return text


def id_of_file(name: str) -> str | None:
    """Return the id in a file name, ``F001.md`` or ``F001-slug.md``; None for other names."""
    match = _FILE_NAME.fullmatch(name)
    return match[1] if match and match[1].isascii() else None


def id_of_link(target: str) -> str | None:
    """Return the id that a wikilink's target names, None when it names something else."""
    match = _LINK.fullmatch(target)
    return match[1] if match and match[1].isascii() else None


def format_id(kind: Kind, number: int) -> str:
    """Return an id: at least three digits, more when needed (KB-01)."""
    return f"{LETTERS[kind]}{number:03d}"


def clean_title(title: str) -> str:
    """Return ``title`` as one line without control characters.

    Raises:
        UsageError: nothing is left.
    """
    kept = (" " if char.isspace() else char for char in title if _is_kept(char))
    result = " ".join("".join(kept).split())
    if not result:
        raise UsageError("the title is empty", hint="say in a few words what it is about")
    return result


def _is_kept(char: str) -> bool:
    code = ord(char)
    if char.isspace():
        return True
    if unicodedata.category(char) in ("Cc", "Cs") or char == "\ufeff":
        return False
    return not (code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF)


def slug_of(title: str) -> str:
    """Return ``title`` as lowercase ASCII words joined by dashes; empty when none can be made."""
    ascii_text = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_text.replace("'", "")).strip("-")
    if len(slug) > SLUG_LENGTH:
        head, dash, _ = slug[: SLUG_LENGTH + 1].rpartition("-")
        slug = head if dash else slug[:SLUG_LENGTH]
    return slug.strip("-")


def file_name(artifact_id: str, title: str) -> str:
    """Return the file name of a new artifact."""
    slug = slug_of(title)
    return f"{artifact_id}-{slug}.md" if slug else f"{artifact_id}.md"
