"""Kinds and types of assets, and what may be said of them: ``assets`` of ``aexp.yaml`` (EXE-21)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from aexp.errors import CorruptDataError, UnsafeValueError, UsageError
from aexp.model.canonical import Json, compact_bytes, to_json
from aexp.repo import SETTINGS_REL, Layout
from aexp.storage.state import file_state
from aexp.workspace.locate import layout_of


class MLAsset(StrEnum):
    """The kind of asset that executions themselves need; it always exists."""

    execution_metadata = "Execution_Metadata"


class ExecMetadataType(StrEnum):
    """The types of ``Execution_Metadata`` that always exist."""

    execution_config = "Execution_Config"
    runtime_env = "Runtime_Env"
    hydra_config = "Hydra_Config"
    notebook_output = "Notebook_Output"
    execution_log = "Execution_Log"
    metrics_file = "Metrics_File"


USUAL: Final = ("Model", "Image", "Table", "Figure", MLAsset.execution_metadata.value)
"""The kinds that exist without being declared."""

_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9_-])?")


def _is_a(parse: Callable[[str], object]) -> Callable[[object], bool]:
    def check(value: object) -> bool:
        if not isinstance(value, str):
            return False
        try:
            parse(value)
        except ValueError:
            return False
        return True

    return check


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


COLUMN_TYPES: Final[Mapping[str, Callable[[object], bool]]] = {
    "str": lambda value: isinstance(value, str),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": _is_number,
    "bool": lambda value: isinstance(value, bool),
    "date": _is_a(date.fromisoformat),
    "time": _is_a(time.fromisoformat),
    "datetime": _is_a(datetime.fromisoformat),
}
"""What a column of metadata may hold; dates and times are text as ISO 8601 writes them."""


@dataclass(frozen=True, slots=True)
class Column:
    """One thing that may be said of an asset.

    Attributes:
        type: one of :data:`COLUMN_TYPES`.
        optional: whether it may be left out.
    """

    type: str
    optional: bool


@dataclass(frozen=True, slots=True)
class Kinds:
    """The declared kinds and types of assets.

    Attributes:
        columns: of each kind, what may be said of one; None where anything may.
        declared: the types of ``asset_types``.
    """

    columns: Mapping[str, Mapping[str, Column] | None] = field(
        default_factory=lambda: dict.fromkeys(USUAL)
    )
    declared: tuple[str, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """The kinds there are."""
        return frozenset(self.columns)

    @property
    def types(self) -> frozenset[str]:
        """The types there are: those declared, those of execution metadata, and each kind."""
        return frozenset((*self.declared, *ExecMetadataType, *self.columns))

    def check(self, asset: object) -> str:
        """Return ``asset`` when it is a declared kind.

        Raises:
            UsageError: it is not; the hint has the lines to add to ``aexp.yaml``.
        """
        name = check_kind_name(asset)
        if name not in self.columns:
            raise UsageError(
                f"there is no kind of asset {name!r}",
                hint=f"declare it: add to {SETTINGS_REL}\n\nassets:\n  {name}: {{}}\n",
            )
        return name

    def check_types(self, types: Iterable[object]) -> tuple[str, ...]:
        """Return the types, each once, when all are declared.

        Raises:
            UsageError: one is not; the hint has the line to have in ``aexp.yaml``.
        """
        names = tuple(dict.fromkeys(check_kind_name(each) for each in types))
        known = self.types
        missing = [name for name in names if name not in known]
        if missing:
            line = ", ".join((*self.declared, *missing))
            shown = ", ".join(map(repr, missing))
            raise UsageError(
                f"there is no asset type {shown}",
                hint=f"declare it: have in {SETTINGS_REL}\n\nasset_types: [{line}]\n",
            )
        return names

    def problems(self, asset: str, metadata: Mapping[str, Json]) -> list[str]:
        """Return what is wrong with what is said of an asset of a kind, all of it."""
        if asset not in self.columns:
            return [f"there is no kind of asset {asset!r}"]
        columns = self.columns[asset]
        if columns is None:
            return []
        missing = [
            f"metadata {name} is missing"
            for name, column in columns.items()
            if not column.optional and metadata.get(name) is None
        ]
        return missing + [
            problem for name, value in metadata.items() if (problem := _wrong(columns, name, value))
        ]


def _wrong(columns: Mapping[str, Column], name: str, value: Json) -> str | None:
    column = columns.get(name)
    if column is None:
        return f"metadata {name} is not declared (there is {', '.join(columns) or 'none'})"
    if value is None or COLUMN_TYPES[column.type](value):
        return None
    return f"metadata {name} is {value!r}, which is no {column.type}"


def check_kind_name(name: object) -> str:
    """Return ``name`` when it can be the name of a kind or type, and of a folder (trap 18).

    Raises:
        UsageError: it is not.
    """
    text = str.__str__(name) if isinstance(name, str) else ""
    if not _NAME.fullmatch(text):
        raise UsageError(
            f"{name!r} cannot be the kind or type of an asset",
            hint="use letters, digits, '_', '-' and '.', for example: Segmentation_Mask",
        )
    return text


def metadata_value(key: object, value: object) -> Json:
    """Return what is said of an asset under ``key`` as JSON; dates and times become ISO 8601 text.

    Raises:
        UsageError: the key is no text, or the value has no JSON form (NaN has none).
    """
    if not isinstance(key, str) or not key.strip() or len(key) > 256:
        raise UsageError(f"{key!r} cannot name metadata", hint="use 1 to 256 characters")
    if isinstance(value, date | time):
        return value.isoformat()
    plain = to_json(value, where=f"metadata {key}")
    try:
        compact_bytes(plain)
    except ValueError as error:
        raise UnsafeValueError(f"metadata {key} has no JSON form: {error}") from None
    return plain


def description_text(description: object) -> str | None:
    """Return a description when it is text that can be kept.

    Raises:
        UsageError: it is not.
    """
    if description is None:
        return None
    if not isinstance(description, str) or description != description.encode(
        "utf-8", "replace"
    ).decode("utf-8"):
        raise UsageError(f"a description is text, not {description!r}")
    return description


_cache: dict[Path, tuple[object, Kinds]] = {}


def load_kinds(layout: Layout) -> Kinds:
    """Return the kinds and types that this work tree's ``aexp.yaml`` declares, and the usual ones.

    Raises:
        CorruptDataError: the file is no YAML, or a declaration is not what it must be.
    """
    path = layout.root / SETTINGS_REL
    now = file_state(path)
    cached = _cache.get(path)
    if cached is not None and cached[0] == now:
        return cached[1]
    try:
        kinds = read_kinds(path.read_bytes())
    except FileNotFoundError:
        kinds = Kinds()
    except CorruptDataError as error:
        if error.message.startswith(SETTINGS_REL):
            raise
        message = f"{SETTINGS_REL}: {error.message}"
        raise CorruptDataError(message, hint=error.hint or "correct it by hand") from None
    except OSError as error:
        raise CorruptDataError(f"{SETTINGS_REL} cannot be read: {error.strerror}") from None
    _cache[path] = (now, kinds)
    return kinds


def kinds_of(folder: Path) -> Kinds:
    """Return the kinds and types of the repository that the run ``folder`` belongs to."""
    return load_kinds(layout_of(folder))


def read_kinds(data: bytes) -> Kinds:
    """Return the ``assets`` and ``asset_types`` of ``aexp.yaml``.

    Args:
        data: the file's bytes.

    Raises:
        CorruptDataError: the file is no YAML, or a declaration is not what it must be.
    """
    from aexp.repo import read_settings

    settings = read_settings(data)
    columns: dict[str, Mapping[str, Column] | None] = dict.fromkeys(USUAL)
    for name, value in _mapping(settings.get("assets"), "assets").items():
        columns[_declared(name, "assets")] = _columns(name, value)
    types = settings.get("asset_types") or []
    if not isinstance(types, list):
        raise _malformed("asset_types is no list of names")
    return Kinds(columns, tuple(_declared(each, "asset_types") for each in types))


def _columns(kind: str, value: Any) -> Mapping[str, Column] | None:
    what = f"assets.{kind}"
    block = _mapping(value, what)
    for key in sorted(set(block) - {"metadata"}):
        raise _malformed(f"{what} has {key!r}, and may have metadata alone")
    if block.get("metadata") is None:
        return None
    return {
        name: _column(f"{what}.metadata.{name}", of)
        for name, of in _mapping(block["metadata"], f"{what}.metadata").items()
    }


def _column(what: str, value: Any) -> Column:
    text = value if isinstance(value, str) else ""
    kind, optional = text.removesuffix("?"), text.endswith("?")
    if kind not in COLUMN_TYPES:
        known = ", ".join(COLUMN_TYPES)
        raise _malformed(f"{what} is {value!r}: it is one of {known}, with ? when optional")
    return Column(kind, optional)


def _declared(name: object, where: str) -> str:
    try:
        return check_kind_name(name)
    except UsageError as error:
        raise _malformed(f"{where}: {error.message}") from None


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _malformed(f"{what} is no mapping")
    return value


def _malformed(message: str) -> CorruptDataError:
    return CorruptDataError(f"{SETTINGS_REL}: {message}", hint="see docs/format/settings.md")
