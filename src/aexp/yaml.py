"""The one door to YAML (the only importer of ruamel.yaml, and only when it is needed).

Values are plain Python data: dict with text keys, list, str, int, float, bool, None. A date stays
the text it is. Bare scalars follow the rule of the command line (model.md, decision 10), so that
``seed: 0`` in a file and ``--sp seed=0`` are one intent with one id; besides, YAML's other
spellings of booleans, null, NaN and infinity are understood.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, Final

from msgspec import Struct

from aexp.errors import AexpError, CorruptDataError
from aexp.model.values import parse_value

MAX_DEPTH: Final = 64
"""How deep collections may nest."""

MAX_COPIES: Final = 10_000
"""How many values aliases may repeat in all: a few lines can otherwise stand for billions."""

_WORDS: Final[dict[str, Any]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_CORE_TAG: Final = "tag:yaml.org,2002:"
_SAFE_TAGS: Final = frozenset(
    _CORE_TAG + name for name in ("str", "int", "float", "bool", "null", "map", "seq")
)


class YamlError(CorruptDataError):
    """A text is no YAML, or YAML that aexp does not accept.

    Args:
        problem: what is wrong, one line.
        line: counted from 1, in the whole file.
        column: counted from 1.
    """

    code = "yaml"
    summary = "A file holds broken YAML."

    def __init__(self, problem: str, *, line: int, column: int, hint: str | None = None) -> None:
        super().__init__(f"line {line}, column {column}: {problem}", hint=hint)
        self.problem = problem
        self.line = line
        self.column = column


class Scalar(Struct, frozen=True):
    """A scalar and the place of its source text.

    Attributes:
        start: offset of its first character.
        end: offset behind its last character.
        value: what it says, as text.
        plain: whether it stands without quotes.
        block: whether it is a ``|`` or ``>`` block, which ends with its line.
    """

    start: int
    end: int
    value: str
    plain: bool
    block: bool


def load(text: str, *, first_line: int = 1) -> Any:
    """Return the value of the one document in ``text``; None when it is empty.

    Keys are always text, as written. Repeated keys, tags beyond YAML's core and aliases that
    repeat too much are refused.

    Args:
        text: the YAML.
        first_line: the line of the file on which ``text`` begins.

    Raises:
        YamlError: with line and column in the whole file (VAL-07).
    """
    return _Builder(text, first_line).document()


def scalars(text: str, *, first_line: int = 1) -> list[Scalar]:
    """Return every scalar of ``text``, keys included, in order.

    Raises:
        YamlError: the text is no YAML.
    """
    return [
        Scalar(
            event.start_mark.index,
            event.end_mark.index,
            event.value,
            plain=event.style is None,
            block=event.style in ("|", ">"),
        )
        for event in _events(text, first_line)
        if type(event).__name__ == "ScalarEvent"
    ]


def key_lines(text: str) -> dict[tuple[str, ...], int]:
    """Return the line, counted from 1, of every key in nested mappings, by the path of keys to it.

    What stands in a list is left out.

    Raises:
        YamlError: the text is no YAML.
    """
    lines: dict[tuple[str, ...], int] = {}
    # Of each open collection: its path, and the key that waits for its value. None is a list.
    stack: list[list[Any]] = []
    for event in _events(text, 1):
        kind = type(event).__name__
        if kind in ("MappingStartEvent", "SequenceStartEvent"):
            above = stack[-1] if stack else [(), None]
            inside = None if above[0] is None or (stack and above[1] is None) else above[0]
            path = inside if inside is None or above[1] is None else (*inside, above[1])
            stack.append([path if kind == "MappingStartEvent" else None, None])
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            stack.pop()
            if stack:
                stack[-1][1] = None
        elif kind in ("ScalarEvent", "AliasEvent") and stack and stack[-1][0] is not None:
            if stack[-1][1] is None and kind == "ScalarEvent":
                stack[-1][1] = event.value
                lines[(*stack[-1][0], event.value)] = event.start_mark.line + 1
            else:
                stack[-1][1] = None
    return lines


def _events(text: str, first_line: int) -> Iterator[Any]:
    """Yield ruamel's events; whatever it raises becomes a :class:`YamlError`."""
    from ruamel.yaml import YAML

    try:
        yield from YAML(typ="safe", pure=True).parse(text)
    except Exception as error:  # noqa: BLE001 - on odd input it raises ValueError, TypeError, …
        raise _located(text, first_line, error) from None


def _located(text: str, first_line: int, error: Exception) -> YamlError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    index: int = getattr(mark, "index", getattr(error, "position", 0))
    problem = getattr(error, "problem", None) or getattr(error, "reason", None)
    problem = problem or str(error) or type(error).__name__
    return _error_at(text, first_line, index, " ".join(str(problem).split()))


def _error_at(text: str, first_line: int, index: int, problem: str) -> YamlError:
    line = text.count("\n", 0, index)
    column = index - (text.rfind("\n", 0, index) + 1) + 1
    return YamlError(problem, line=line + first_line, column=column)


class _Builder:
    """Makes the value from ruamel's events."""

    def __init__(self, text: str, first_line: int) -> None:
        self._text = text
        self._first_line = first_line
        self._events = _events(text, first_line)
        self._anchors: dict[str, Any] = {}
        self._copies = 0

    def document(self) -> Any:
        value: Any = None
        documents = 0
        for event in self._events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent":
                documents += 1
                if documents > 1:
                    raise self._error(event, "there is more than one document")
                value = self._value(next(self._events), 0)
        return value

    def _value(self, event: Any, depth: int) -> Any:
        kind = type(event).__name__
        if kind == "AliasEvent":
            if event.anchor not in self._anchors:
                raise self._error(event, f"undefined alias *{event.anchor}")
            return self._copy(event, self._anchors[event.anchor])
        if depth > MAX_DEPTH:
            raise self._error(event, f"nested more than {MAX_DEPTH} deep")
        tag = self._tag(event)
        if kind == "ScalarEvent":
            value = self._scalar(event, tag)
        elif kind == "SequenceStartEvent":
            value = self._sequence(depth)
        else:
            value = self._mapping(depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = value
        return value

    def _tag(self, event: Any) -> str | None:
        tag = event.tag
        if tag is None or str(tag) == "!":
            return None
        if str(tag) not in _SAFE_TAGS:
            raise self._error(event, f"the tag {tag} is not understood")
        return str(tag).removeprefix(_CORE_TAG)

    def _scalar(self, event: Any, tag: str | None) -> Any:
        if tag == "str" or (tag is None and event.style is not None):
            return event.value
        try:
            return resolve_plain(event.value)
        except AexpError as error:
            raise self._error(event, error.message) from None

    def _sequence(self, depth: int) -> list[Any]:
        result: list[Any] = []
        for event in self._events:
            if type(event).__name__ == "SequenceEndEvent":
                break
            result.append(self._value(event, depth + 1))
        return result

    def _mapping(self, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        merged: list[dict[str, Any]] = []
        for event in self._events:
            if type(event).__name__ == "MappingEndEvent":
                break
            if type(event).__name__ != "ScalarEvent":
                raise self._error(event, "a key must be plain text")
            key = event.value
            value = self._value(next(self._events), depth + 1)
            if key == "<<" and event.style is None:
                merged += self._merge_sources(event, value)
            elif key in result:
                raise self._error(event, f"the key {key!r} stands here twice")
            else:
                result[key] = value
        for source in merged:
            for key, value in source.items():
                result.setdefault(key, value)
        return result

    def _merge_sources(self, event: Any, value: Any) -> list[dict[str, Any]]:
        sources = value if isinstance(value, list) else [value]
        if not all(isinstance(source, dict) for source in sources):
            raise self._error(event, "'<<' needs a mapping")
        return sources

    def _copy(self, event: Any, value: Any) -> Any:
        self._copies += 1
        if self._copies > MAX_COPIES:
            raise self._error(event, f"aliases repeat more than {MAX_COPIES} values")
        if isinstance(value, dict):
            return {key: self._copy(event, item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._copy(event, item) for item in value]
        return value

    def _error(self, event: Any, problem: str) -> YamlError:
        return _error_at(self._text, self._first_line, event.start_mark.index, problem)


def resolve_plain(text: str) -> Any:
    """Return the value of a bare scalar (model.md, decision 10).

    Raises:
        UnsafeValueError: a number too large for a float.
    """
    if text in _WORDS:
        return _WORDS[text]
    return parse_value(text) if text[0] in "+-.0123456789" else text


_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@cache
def _unquotable() -> re.Pattern[str]:
    """Return what matches a character that a double-quoted scalar cannot hold as it is."""
    return re.compile(
        '[\\\\"]|[^ -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]'
    )


def quote(text: str) -> str:
    """Return ``text`` as a double-quoted scalar on one line."""
    return '"' + _unquotable().sub(_escape, text) + '"'


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    code = ord(char)
    if char in _ESCAPES:
        return _ESCAPES[char]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


_BARE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def flow(value: Any) -> str:
    """Return ``value`` (plain data) as YAML on one line, which :func:`load` reads back.

    Raises:
        TypeError: it holds something that is not plain data.
    """
    if isinstance(value, dict):
        items = (f"{_flow_text(str(key))}: {flow(item)}" for key, item in value.items())
        return "{" + ", ".join(items) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str):
        return _flow_text(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return _flow_number(value)
    raise TypeError(f"{type(value).__name__} is no plain data")


def _flow_number(value: int | float) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else (".inf" if value > 0 else "-.inf")
    return repr(value)


def _flow_text(text: str) -> str:
    return text if _BARE.fullmatch(text) and text not in _WORDS else quote(text)


def edit_round_trip(text: str, change: Callable[[Any], Any], *, first_line: int = 1) -> str:
    """Return ``text`` with ``change`` applied to its data, everything else kept.

    Comments, order, quoting, indentation and line endings stay. ``change`` gets the document as
    mutable mappings and sequences (None when the text is empty) and alters it in place, or
    returns another document to put in its place.

    Raises:
        YamlError: the text is no YAML.
    """
    load(text, first_line=first_line)
    newline = "\r\n" if "\r\n" in text else "\n"
    plain = text.replace("\r\n", "\n")
    indent = _best_indent(plain)
    editor = _editor(indent)
    data = editor.load(plain)
    changed = change(data)
    result = _dump(editor, data if changed is None else changed)
    return result.replace("\n", newline)


_INDENTS: Final[Sequence[tuple[int, int, int]]] = (
    (2, 2, 0), (2, 4, 2), (4, 4, 0), (4, 4, 2), (4, 2, 0), (4, 6, 4), (2, 3, 1), (3, 3, 0),
)  # fmt: skip
"""(mapping, sequence, offset of the dash), the customary ones first."""


def _best_indent(text: str) -> tuple[int, int, int]:
    """Return the indentation with which writing ``text`` unchanged alters the fewest lines."""
    lines = text.split("\n")

    def altered(indent: tuple[int, int, int]) -> int:
        editor = _editor(indent)
        written = _dump(editor, editor.load(text)).split("\n")
        pairs = sum(a != b for a, b in zip(lines, written, strict=False))
        return pairs + abs(len(lines) - len(written))

    best, fewest = _INDENTS[0], -1
    for indent in _INDENTS:
        count = altered(indent)
        if fewest < 0 or count < fewest:
            best, fewest = indent, count
        if count == 0:
            break
    return best


def _editor(indent: tuple[int, int, int]) -> Any:
    from ruamel.yaml import YAML

    editor = YAML(typ="rt", pure=True)
    editor.preserve_quotes = True
    editor.width = 1_000_000
    editor.indent(mapping=indent[0], sequence=indent[1], offset=indent[2])
    return editor


def _dump(editor: Any, data: Any) -> str:
    import io

    stream = io.StringIO()
    if data is not None:
        editor.dump(data, stream)
    return stream.getvalue()
