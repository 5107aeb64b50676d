"""Features: named values of the things a data set is about, with typed columns (EXE-25).

A feature has a *target* (``Image``), which names the kind of thing it describes and the column
that holds which one, a name (``Glaucoma_Grade``) and further columns. The text of a column's type
is the same in Python, on the command line and in the ledger's record of the feature.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from keyword import kwlist
from types import NoneType, UnionType
from typing import Any, Final, Literal, TypeAlias, Union, get_args, get_origin

from aexp.errors import CorruptDataError, FeatureError
from aexp.model.canonical import Json

ColumnKind: TypeAlias = Literal["str", "int", "float", "bool", "term", "asset"]
KINDS: Final[tuple[ColumnKind, ...]] = get_args(ColumnKind)
MOST_COLUMNS: Final = 100
MOST_TERMS: Final = 1_000
LONGEST_NAME: Final = 64
LONGEST_TERM: Final = 256

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_TYPE: Final = re.compile(r"(str|int|float|bool|term|asset)(\?)?(?::(.*))?", re.DOTALL)
_ASSET: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9_-])?")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_PYTHON: Final[Mapping[type, ColumnKind]] = {str: "str", int: "int", float: "float", bool: "bool"}

RESERVED: Final = frozenset(kwlist) | {
    *("construct", "copy", "dict", "from_orm", "json", "parse_file", "parse_obj", "parse_raw"),
    *("schema", "schema_json", "update_forward_refs", "validate"),
}
"""What no column may be called: words of Python, and what every record class has already."""
_DEVICES: Final = frozenset(
    ["aux", "con", "nul", "prn", *(f"{name}{n}" for name in ("com", "lpt") for n in range(10))]
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a feature.

    Attributes:
        name: as it is called in records.
        kind: what it holds; ``term`` is one of ``terms``, ``asset`` a published file.
        optional: whether a record may leave it out.
        terms: the vocabulary, in its order.
        asset: the kind of asset, such as ``Image``.
    """

    name: str
    kind: ColumnKind
    optional: bool = False
    terms: tuple[str, ...] = ()
    asset: str | None = None

    @property
    def type_text(self) -> str:
        """The type as text: ``float?``, ``term:Mild,Severe``, ``asset?:Mask``."""
        rest = ",".join(self.terms) if self.kind == "term" else self.asset or ""
        return f"{self.kind}{'?' if self.optional else ''}{':' if rest else ''}{rest}"

    def to_json(self) -> dict[str, Json]:
        """Return the column as it stands in the feature's record."""
        value: dict[str, Json] = {"name": self.name, "type": self.kind}
        if self.optional:
            value["optional"] = True
        if self.terms:
            value["terms"] = list(self.terms)
        if self.asset is not None:
            value["asset"] = self.asset
        return value


@dataclass(frozen=True, slots=True)
class FeatureDefinition:
    """What a feature is.

    Attributes:
        target: the kind of thing that it describes, and the column that says which one.
        name: the feature's name.
        columns: the other columns.
        description: what it means.
    """

    target: str
    name: str
    columns: tuple[Column, ...]
    description: str = ""

    @property
    def key(self) -> str:
        """Target and name: ``Image/Glaucoma_Grade``."""
        return f"{self.target}/{self.name}"

    @property
    def asset_columns(self) -> tuple[str, ...]:
        """The names of the columns that hold assets."""
        return tuple(column.name for column in self.columns if column.kind == "asset")

    def column(self, name: str) -> Column | None:
        """Return the column of that name, None when there is none."""
        return next((column for column in self.columns if column.name == name), None)

    def to_json(self) -> dict[str, Json]:
        """Return the definition as it stands in the feature's record."""
        value: dict[str, Json] = {
            "target": self.target,
            "name": self.name,
            "columns": [column.to_json() for column in self.columns],
        }
        if self.description:
            value["description"] = self.description
        return value


def define(
    target: str,
    name: str,
    columns: object,
    *,
    description: str = "",
) -> FeatureDefinition:
    """Return a checked definition.

    Args:
        target: such as ``Image``.
        name: such as ``Glaucoma_Grade``.
        columns: a mapping of names to types, or one type for a single column that is called like
            the feature. A type is ``str``, ``int``, ``float`` or ``bool``, also ``float | None``;
            a list of terms, where None among them makes the column optional; or a text such as
            ``"float?"``, ``"term:Mild,Severe"`` or ``"asset:Mask"``.
        description: what it means.

    Raises:
        FeatureError: something in it cannot be; nothing is made of it.
    """
    _check_name("the target", target)
    _check_name("the feature", name)
    if not isinstance(description, str):
        raise FeatureError(f"the description of feature {name} is no text")
    given = columns if isinstance(columns, Mapping) else {name: columns}
    made = tuple(_column(key, value) for key, value in given.items())
    return _checked(FeatureDefinition(target, name, made, description.strip()))


def parse_type(name: str, text: str) -> Column:
    """Return the column ``name`` of the type that ``text`` says.

    Raises:
        FeatureError: it says none.
    """
    found = _TYPE.fullmatch(text.strip())
    kind, rest = (found[1], found[3]) if found else ("", None)
    needs_more = kind in ("term", "asset")
    if not found or needs_more != bool(rest and rest.strip()):
        raise FeatureError(
            f"column {name}: {text!r} is no type",
            hint="a type is str, int, float, bool, term:Mild,Severe or asset:Mask;"
            " with ? behind the first word, the column may be left out: float?, term?:a,b",
        )
    rest = rest or ""
    optional = found[2] is not None
    if kind == "term":
        return Column(name, "term", optional, tuple(term.strip() for term in rest.split(",")))
    if kind == "asset":
        return Column(name, "asset", optional, asset=rest.strip())
    return Column(name, next(k for k in KINDS if k == kind), optional)


def from_json(value: Json) -> FeatureDefinition:
    """Return the definition that a record holds.

    Raises:
        CorruptDataError: it holds none.
    """
    try:
        columns = tuple(_column_from_json(item) for item in value["columns"])
        made = FeatureDefinition(
            value["target"], value["name"], columns, value.get("description", "")
        )
        _check_name("the target", made.target)
        _check_name("the feature", made.name)
        if not isinstance(made.description, str):
            raise TypeError
        return _checked(made)
    except FeatureError as error:
        raise CorruptDataError(error.message) from None
    except (KeyError, TypeError, AttributeError):
        raise CorruptDataError("it lacks what the record of a feature must say") from None


def difference(old: FeatureDefinition, new: FeatureDefinition) -> str | None:
    """Return in words how ``new`` differs from ``old``, None when it is the same feature.

    The order of columns does not matter; that of terms does: a scale has a direction. Nothing
    said of its meaning is no other meaning.
    """
    before = {column.name: column for column in old.columns}
    after = {column.name: column for column in new.columns}
    if gone := [name for name in before if name not in after]:
        return f"it has the column {gone[0]}"
    if more := [name for name in after if name not in before]:
        return f"it has no column {more[0]}"
    for name, column in before.items():
        if column != after[name]:
            return f"its column {name} is {column.type_text}, not {after[name].type_text}"
    if new.description and new.description != old.description:
        return "its description is another"
    return None


# --- columns -------------------------------------------------------------------------------


def _column(name: object, given: object) -> Column:
    if not isinstance(name, str):
        raise FeatureError(f"{name!r} is no name of a column")
    if isinstance(given, Column):
        return Column(name, given.kind, given.optional, given.terms, given.asset)
    if isinstance(given, str):
        return parse_type(name, given)
    if isinstance(given, type) and given in _PYTHON:
        return Column(name, _PYTHON[given])
    if get_origin(given) in (Union, UnionType):
        parts = [part for part in get_args(given) if part is not NoneType]
        if len(parts) == 1 and parts[0] in _PYTHON and NoneType in get_args(given):
            return Column(name, _PYTHON[parts[0]], optional=True)
    if isinstance(given, set | frozenset):
        # A set has another order in each process, and a record must be the same everywhere.
        given = sorted(given, key=lambda term: (term is None, str(term)))
    if isinstance(given, Sequence) and not isinstance(given, bytes):
        return _vocabulary(name, given)
    raise FeatureError(
        f"column {name}: {_shown(given)} is no type",
        hint="use str, int, float, bool, float | None, a list of terms, or 'asset:Mask'",
    )


def _vocabulary(name: str, given: Iterable[Any]) -> Column:
    terms = list(given)
    words = tuple(str.__str__(term) for term in terms if isinstance(term, str))
    nothing = sum(term is None for term in terms)
    if len(words) + nothing != len(terms):
        raise FeatureError(f"column {name}: a vocabulary is a list of texts")
    return Column(name, "term", nothing > 0, words)


def _column_from_json(value: Json) -> Column:
    name, kind, asset = value["name"], value["type"], value.get("asset")
    optional, terms = value.get("optional", False), value.get("terms", [])
    sound = (
        isinstance(name, str)
        and isinstance(kind, str)
        and kind in KINDS
        and isinstance(optional, bool)
        and isinstance(terms, list)
        and all(isinstance(term, str) for term in terms)
        and isinstance(asset, str | None)
    )
    if not sound:
        raise TypeError
    return Column(name, kind, optional, tuple(terms), asset)


def _checked(made: FeatureDefinition) -> FeatureDefinition:
    if not made.columns:
        raise FeatureError(
            f"feature {made.key} has no column", hint="name at least one, such as score=float"
        )
    if len(made.columns) > MOST_COLUMNS:
        raise FeatureError(f"feature {made.key} has more than {MOST_COLUMNS} columns")
    seen: set[str] = {made.target.casefold()}
    for column in made.columns:
        _check_name("a column", column.name, is_file=False)
        if column.name.casefold() in seen:
            raise FeatureError(
                f"feature {made.key} has two columns {column.name}",
                hint="the target is a column, too; capitals make no difference",
            )
        seen.add(column.name.casefold())
        _check_column(column)
    return made


def _check_column(column: Column) -> None:
    if (column.kind == "term") != bool(column.terms):
        raise FeatureError(f"column {column.name}: a vocabulary needs terms, and no other type")
    if (column.kind == "asset") != (column.asset is not None):
        raise FeatureError(f"column {column.name}: an asset needs its kind, and no other type")
    if column.asset is not None and not _ASSET.fullmatch(column.asset):
        raise FeatureError(f"column {column.name}: {column.asset!r} is no kind of asset")
    if len(column.terms) > MOST_TERMS:
        raise FeatureError(f"column {column.name} has more than {MOST_TERMS} terms")
    if len(set(column.terms)) != len(column.terms):
        raise FeatureError(f"column {column.name} has a term twice")
    for term in column.terms:
        if not term or term != term.strip() or len(term) > LONGEST_TERM or _CONTROL.search(term):
            raise FeatureError(
                f"column {column.name}: {_shown(term)} is no term",
                hint=f"a term is a text of 1 to {LONGEST_TERM} characters on one line",
            )


def is_name(name: object) -> bool:
    """Return whether ``name`` has the form of the name of a target, a feature or a column."""
    return isinstance(name, str) and bool(_NAME.fullmatch(name)) and len(name) <= LONGEST_NAME


def _check_name(what: str, name: object, *, is_file: bool = True) -> None:
    if not isinstance(name, str) or not is_name(name):
        raise FeatureError(
            f"{what} cannot be called {_shown(name)}",
            hint=f"use letters, digits and _, a letter first, at most {LONGEST_NAME}",
        )
    if name in RESERVED or name.startswith("model_"):
        raise FeatureError(
            f"{what} cannot be called {name}: records use that word",
            hint=f"call it {name.capitalize()}_ or something longer",
        )
    if is_file and name.casefold() in _DEVICES:
        raise FeatureError(f"{what} cannot be called {name}: no file can, on some systems")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
