"""Typed records of features: pydantic classes that are made from a definition (EXE-25)."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal

from aexp.errors import MissingExtraError
from aexp.model.canonical import to_json
from aexp.model.feature import Column, FeatureDefinition

try:
    from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, create_model
except ImportError:
    raise MissingExtraError(
        "records of features need pydantic", hint="pip install 'aexp[execution]'"
    ) from None

_LARGEST = 2**63


class FeatureRecord(BaseModel):
    """One value of a feature, of one thing. Each feature has a class of its own.

    Values are checked when a record is made, and not converted: ``"3"`` is no number. Scalars of
    numpy count as what they hold.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    _definition: ClassVar[FeatureDefinition]

    def __reduce__(self) -> tuple[Any, ...]:
        """Let records travel between processes: their class is made anew there."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return _remade, (type(self)._definition, values)


@lru_cache(maxsize=256)
def record_class(definition: FeatureDefinition) -> type[FeatureRecord]:
    """Return the class of the records of a feature; the same definition gives the same class."""
    fields: dict[str, Any] = {definition.target: (_TARGET, ...)}
    for column in definition.columns:
        kind = _type_of(column)
        fields[column.name] = (kind | None, None) if column.optional else (kind, ...)
    made = create_model(
        f"{definition.target}_{definition.name}",
        __base__=FeatureRecord,
        __module__=__name__,
        __doc__=definition.description or f"A record of {definition.key}.",
        **fields,
    )
    made._definition = definition
    return made


def _remade(definition: FeatureDefinition, values: dict[str, Any]) -> FeatureRecord:
    return record_class(definition)(**values)


def _plain(value: object) -> object:
    """Give pydantic what a scalar of numpy, or a kind of text, holds."""
    if isinstance(value, str):
        return _text(value)
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        return to_json(value)
    return value


def _text(value: str) -> str:
    text = str.__str__(value)
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("half a character (a surrogate) cannot be kept in a file")
    return text


def _asset(value: object) -> object:
    """Accept a path, or the id of a published asset."""
    if isinstance(value, os.PathLike) and isinstance(os.fspath(value), str):
        return value
    if isinstance(value, str) and value and "\0" not in value:
        return _text(value)
    raise ValueError("an asset is given as the path of a file, or by its id")


def _type_of(column: Column) -> Any:
    if column.kind == "term":
        return Annotated[Literal[column.terms], BeforeValidator(_plain)]
    return _TYPES[column.kind]


_TARGET = Annotated[str, BeforeValidator(_plain), Field(min_length=1)]
_TYPES: dict[str, Any] = {
    "str": Annotated[str, BeforeValidator(_plain)],
    "int": Annotated[int, BeforeValidator(_plain), Field(ge=-_LARGEST, lt=_LARGEST)],
    "float": Annotated[float, BeforeValidator(_plain)],
    "bool": Annotated[bool, BeforeValidator(_plain)],
    "asset": Annotated[Any, PlainValidator(_asset)],
}
