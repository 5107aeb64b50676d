"""Templates of artifacts, and how they are filled.

A template is a markdown file with ``{PLACEHOLDER}`` words. Those that aexp knows are replaced,
inside frontmatter in such a way that the YAML stays what it was whatever a title holds; other
words in braces are left to their reader. ``templates/<kind>.md`` of the repository wins over the
packaged one (KB-01).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from aexp import yaml
from aexp.errors import CorruptDataError, StorageError
from aexp.kb import frontmatter, markdown
from aexp.kb.names import PARENTS, Kind

TEMPLATES_REL: Final = "templates"
PLACEHOLDERS: Final = (
    "ARTIFACT_ID",
    "TITLE",
    "DATE",
    "HYPOTHESIS_ID",
    "EXPERIMENT_ID",
    "THREAD_ID",
    "IMPACT",
    "LINKS_BLOCK",
)

_PLACEHOLDER: Final = re.compile(r"\{(" + "|".join(PLACEHOLDERS) + r")\}")
_LINKS_LINE: Final = re.compile(r"^[ \t]*\{LINKS_BLOCK\}[ \t]*(?:\r?\n|\Z)", re.MULTILINE)
_SIMPLE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_BODY_ESCAPES: Final = (("[[", r"\[\["), ("<!--", r"\<!--"))
_MEND: Final = "mend the template, or delete it to use the one that comes with aexp"


def read_template(root: Path, kind: Kind) -> tuple[str, str]:
    """Return the template's text and its name for messages.

    Raises:
        CorruptDataError: the repository's own template is not UTF-8.
        StorageError: it cannot be read.
    """
    name = f"{TEMPLATES_REL}/{kind}.md"
    try:
        data = (root / TEMPLATES_REL / f"{kind}.md").read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        packaged = Path(__file__).with_name("templates") / f"{kind}.md"
        return packaged.read_bytes().decode("utf-8"), f"the packaged {name}"
    except OSError as error:
        raise StorageError(f"{name} cannot be read: {error.strerror}", hint=_MEND) from error
    try:
        return data.decode("utf-8"), name
    except UnicodeDecodeError:
        raise CorruptDataError(f"{name} is not UTF-8", hint=_MEND) from None


def fill(
    template: str, name: str, kind: Kind, values: Mapping[str, str], fields: Mapping[str, Any]
) -> str:
    """Return a new artifact's text.

    Args:
        template: the template's text.
        name: the template's name, for messages.
        kind: what is being made.
        values: what placeholders stand for; those not given stand for nothing.
        fields: frontmatter that must be there (id, type, aliases, parents, citations); it is
            added where the template has something else.

    Raises:
        CorruptDataError: the template's frontmatter is broken.
    """
    parts = frontmatter.split(template)
    if parts.problem == "unterminated":
        raise CorruptDataError(f"{name} has frontmatter that is never closed", hint=_MEND)
    newline = "\r\n" if "\r\n" in template else "\n"
    known = {key: values.get(key, "") for key in PLACEHOLDERS}
    try:
        head = _fill_yaml(parts.yaml, known)
        head = _with_fields(head, fields, newline)
    except yaml.YamlError as error:
        raise CorruptDataError(f"{name}, {error.message}", hint=_MEND) from None
    opening, closing = parts.opening, parts.closing
    if parts.problem == "missing":
        opening, closing = f"---{newline}", f"---{newline}{newline}"
    if not closing.endswith("\n"):
        closing += newline
    body = _fill_body(parts.body, known, newline)
    return opening + head + closing + _with_links(body, kind, fields, newline)


def _fill_body(body: str, values: Mapping[str, str], newline: str) -> str:
    shown = dict(values)
    for plain, escaped in _BODY_ESCAPES:
        shown["TITLE"] = shown["TITLE"].replace(plain, escaped)
    block = shown["LINKS_BLOCK"] = shown["LINKS_BLOCK"].replace("\n", newline)
    if not block:
        body = _LINKS_LINE.sub("", body)
    return _PLACEHOLDER.sub(lambda match: shown[match[1]], body)


def _with_links(body: str, kind: Kind, fields: Mapping[str, Any], newline: str) -> str:
    """Return ``body`` with a ``## Links`` section that names every parent."""
    for parent in PARENTS[kind]:
        if fields[parent] not in markdown.links(body):
            body = markdown.add_link(body, fields[parent])
    titles = {text for _, level, text in markdown.headings(body) if level == 2}
    if markdown.LINKS_HEADING not in titles:
        body += f"{'' if body.endswith(newline) else newline}{newline}## Links{newline}"
    return body


def _fill_yaml(text: str, values: Mapping[str, str]) -> str:
    """Replace the placeholders in YAML, each where a harmless word was parsed in its place."""
    mark = "Zq"
    while mark in text:
        mark += "q"
    marked = _PLACEHOLDER.sub(lambda match: f"{mark}{match[1]}{mark}", text)
    word = re.compile(f"{mark}({'|'.join(PLACEHOLDERS)}){mark}")

    def put(source: str) -> str:
        return word.sub(lambda match: values[match[1]].replace("\n", " "), source)

    result, position = "", 0
    for scalar in yaml.scalars(marked, first_line=frontmatter.FIRST_LINE):
        names = word.findall(scalar.value)
        if not names:
            continue
        source = marked[scalar.start : scalar.end]
        result += put(marked[position : scalar.start])
        if all(_is_harmless(values[name], scalar.plain) for name in names):
            result += put(source)
        else:
            result += yaml.quote(word.sub(lambda match: values[match[1]], scalar.value))
            result += "\n" if scalar.block and source.endswith("\n") else ""
        position = scalar.end
    return result + put(marked[position:])


def _is_harmless(value: str, plain: bool) -> bool:
    """Return whether a value means itself in any scalar, and stays text in a bare one."""
    if not _SIMPLE.fullmatch(value):
        return False
    return not plain or isinstance(yaml.resolve_plain(value), str)


def _with_fields(text: str, fields: Mapping[str, Any], newline: str) -> str:
    data = yaml.load(text, first_line=frontmatter.FIRST_LINE)
    for key, value in fields.items():
        if not isinstance(data, dict) or not _agrees(key, data.get(key), value):
            text = _set_field(text, key, value, newline)
    data = yaml.load(text, first_line=frontmatter.FIRST_LINE)
    wrong = [key for key, value in fields.items() if not _agrees(key, data.get(key), value)]
    if wrong:
        raise yaml.YamlError(f"{wrong[0]} cannot be set", line=frontmatter.FIRST_LINE, column=1)
    return text


def _agrees(key: str, present: Any, wanted: Any) -> bool:
    if key == "aliases":
        return isinstance(present, list) and all(item in present for item in wanted)
    return bool(present == wanted) and type(present) is type(wanted)


def _set_field(text: str, key: str, value: Any, newline: str) -> str:
    """Replace a top-level key's lines, or add them at the end."""
    lines = text.splitlines(keepends=True)
    new = _field_lines(key, value, newline)
    start = next((i for i, x in enumerate(lines) if re.match(rf"{key}[ \t]*:(?:\s|$)", x)), None)
    if start is None:
        return text + "".join(new)
    end = start + 1
    while end < len(lines) and re.match(r"[ \t]+\S|-[ \t]", lines[end]):
        end += 1
    return "".join([*lines[:start], *new, *lines[end:]])


def _field_lines(key: str, value: Any, newline: str) -> list[str]:
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return [f"{key}:{newline}", *(f"  - {yaml.flow(item)}{newline}" for item in value)]
    if isinstance(value, str):
        return [f"{key}: {yaml.quote(value)}{newline}"]
    return [f"{key}: {yaml.flow(value)}{newline}"]
