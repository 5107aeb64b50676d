"""What commands there are and what they take, said without typer.

Most commands are done sooner than typer is imported. So their modules say with these few light
words what they take; :mod:`aexp.cli.application` makes typer's of them when a help text or a
mistake needs it, and :mod:`aexp.cli.plain` takes apart the calls that need neither
(docs/adr/0011).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., object])


class Parameter:
    """What the user gives a command; it stands in an ``Annotated`` type."""

    __slots__ = ("names", "settings")

    def __init__(self, names: tuple[str, ...], settings: dict[str, Any]) -> None:
        self.names = names
        self.settings = {name: value for name, value in settings.items() if value is not None}


class Option(Parameter):
    """An option.

    Args:
        names: as typer takes them: ``--long``, ``-s``, ``--yes/--no``; from the parameter when
            none is given.
        help: what it does.
        metavar: what its value is called.
        min: the smallest number it takes.
        max: the largest.
    """

    __slots__ = ()

    def __init__(
        self,
        *names: str,
        help: str,
        metavar: str | None = None,
        min: float | None = None,
        max: float | None = None,
    ) -> None:
        super().__init__(names, {"help": help, "metavar": metavar, "min": min, "max": max})


class Argument(Parameter):
    """An argument, which has no name on the command line.

    Args:
        help: what it is.
        metavar: what it is called.
    """

    __slots__ = ()

    def __init__(self, *, help: str, metavar: str | None = None) -> None:
        super().__init__((), {"help": help, "metavar": metavar})


class Command:
    """A command.

    Args:
        name: what it is called.
        function: what does it; its parameters are the command's.
        settings: what typer is told besides.
        kind: returns the class that typer is to make of it, where that is a special one.
    """

    __slots__ = ("function", "kind", "name", "settings")

    def __init__(
        self,
        name: str,
        function: Callable[..., object],
        settings: dict[str, Any],
        kind: Callable[[], type] | None = None,
    ) -> None:
        self.name = name
        self.function = function
        self.settings = settings
        self.kind = kind


class Group:
    """Commands under one name.

    Args:
        name: the name; the program's own commands have none.
        help: what they are about.

    Attributes:
        commands: the commands, by name, in the order of the help.
        groups: the groups in it, by name.
        callback: what stands for the group itself, if anything.
    """

    __slots__ = ("callback", "commands", "groups", "help", "name")

    def __init__(self, name: str = "", help: str = "") -> None:
        self.name = name
        self.help = help
        self.commands: dict[str, Command] = {}
        self.groups: dict[str, Group] = {}
        self.callback: Callable[..., object] | None = None

    def command(
        self, name: str, *, kind: Callable[[], type] | None = None, **settings: Any
    ) -> Callable[[F], F]:
        """Return what makes a function the command ``name``; see :class:`Command`."""

        def register(function: F) -> F:
            self.commands[name] = Command(name, function, settings, kind)
            return function

        return register

    def add(self, group: Group) -> None:
        """Make ``group`` a part of this one."""
        self.groups[group.name] = group
