"""Plain calls, taken apart without typer.

A plain call names a command, and then options in full, each with a value that is one, and
arguments. Everything else is typer's, which explains and completes and refuses: help, mistakes,
abbreviations, values that begin with a dash. So this may give up at any time, and must never
understand a line differently (tests/cli/test_plain.py compares the two).
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter as Slot
from inspect import signature
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args, get_origin, get_type_hints

from aexp.cli.commands import find
from aexp.cli.declare import Argument, Option, Parameter

Call: TypeAlias = tuple[Callable[..., object], dict[str, Any]]
"""A command's function, and what to call it with."""


class _NotPlain(Exception):
    """The line, or what it calls, needs typer."""


def plain_call(words: list[str]) -> Call | None:
    """Return what a command line calls, or None when it takes typer to tell."""
    found = find(words)
    if found is None:
        return None
    command, rest = found
    if command.kind is not None or command.settings.keys() - {"hidden"}:
        return None
    try:
        return command.function, _Taker(command.function).take(rest)
    except _NotPlain:
        return None


class _Kind:
    """What a parameter takes.

    Args:
        name: the parameter.
        declared: what was declared of it.
        hint: its type.
        default: what it is when not given.
    """

    __slots__ = ("choices", "declared", "default", "is_many", "name", "type")

    def __init__(self, name: str, declared: Parameter, hint: Any, default: object) -> None:
        self.name = name
        self.declared = declared
        self.default = default
        self.choices: tuple[object, ...] = ()
        if isinstance(hint, UnionType):
            kinds = [kind for kind in get_args(hint) if kind is not NoneType]
            if len(kinds) != 1:
                raise _NotPlain
            hint = kinds[0]
        self.is_many = get_origin(hint) is list
        if self.is_many:
            (hint,) = get_args(hint)
        if get_origin(hint) is Literal:
            self.choices, hint = get_args(hint), str
        if hint not in _TYPES:
            raise _NotPlain
        self.type = hint

    def read(self, text: str) -> object:
        """Return the value that ``text`` stands for."""
        if not text or text.startswith("-") or (self.choices and text not in self.choices):
            raise _NotPlain
        if self.type is str:
            return text
        if self.type is Path:
            return Path(text)
        if not (text.isascii() and text.isdecimal()):
            raise _NotPlain
        number = int(text)
        low, high = self.declared.settings.get("min"), self.declared.settings.get("max")
        if (low is not None and number < low) or (high is not None and number > high):
            raise _NotPlain
        return number


_TYPES: Final = (bool, str, int, Path)


class _Taker:
    """The parameters of one command.

    Args:
        function: the command's.
    """

    def __init__(self, function: Callable[..., object]) -> None:
        self._options: dict[str, tuple[_Kind, bool]] = {}
        self._arguments: list[_Kind] = []
        self._kinds: list[_Kind] = []
        hints = get_type_hints(function, include_extras=True)
        for name, slot in signature(function).parameters.items():
            if get_origin(hints[name]) is not Annotated:
                raise _NotPlain
            hint, *notes = get_args(hints[name])
            declared = notes[0]
            if len(notes) != 1 or not isinstance(declared, Parameter):
                raise _NotPlain
            kind = _Kind(name, declared, hint, slot.default)
            self._kinds.append(kind)
            if isinstance(declared, Argument):
                self._arguments.append(kind)
            else:
                assert isinstance(declared, Option)
                self._declare(kind)

    def _declare(self, kind: _Kind) -> None:
        for name in kind.declared.names or (f"--{kind.name.replace('_', '-')}",):
            on, _, off = name.partition("/")
            self._options[on] = kind, True
            if off:
                self._options[off] = kind, False

    def take(self, words: list[str]) -> dict[str, Any]:
        """Return the value of each parameter."""
        given: dict[str, Any] = {}
        loose: list[str] = []
        rest = iter(words)
        for word in rest:
            if not word.startswith("-"):
                loose.append(word)
                continue
            name, equals, text = word.partition("=")
            known = self._options.get(name)
            if known is None or (equals and not name.startswith("--")):
                raise _NotPlain
            kind, is_on = known
            if kind.type is bool:
                if equals:
                    raise _NotPlain
                self._give(given, kind, is_on)
            else:
                self._give(given, kind, kind.read(text if equals else next(rest, "")))
        self._give_arguments(given, loose)
        for kind in self._kinds:
            if kind.name not in given:
                if kind.default is Slot.empty:
                    raise _NotPlain
                given[kind.name] = kind.default
        return given

    def _give(self, given: dict[str, Any], kind: _Kind, value: object) -> None:
        if kind.is_many:
            given.setdefault(kind.name, []).append(value)
        elif kind.name in given:
            raise _NotPlain
        else:
            given[kind.name] = value

    def _give_arguments(self, given: dict[str, Any], words: list[str]) -> None:
        """Share out what stands alone: one for each argument, all for the last if it is a list."""
        for position, kind in enumerate(self._arguments):
            is_last = position == len(self._arguments) - 1
            if kind.is_many and not is_last:
                raise _NotPlain
            mine, words = (words, []) if kind.is_many else (words[:1], words[1:])
            for word in mine:
                self._give(given, kind, kind.read(word))
        if words:
            raise _NotPlain
