"""What the ledger's other records have in common: each proves itself (model.md, decision 2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol, TypeVar

from aexp.errors import AexpError, CorruptDataError, NewerSchemaError
from aexp.ledger.judge import LedgerProblem
from aexp.model.canonical import Json, decode_json
from aexp.model.entry import record_digest
from aexp.model.sanitize import find_secrets
from aexp.repo import Layout
from aexp.tree import Tree

SCHEMA_VERSION: Final = 1
_MARKER = re.compile(rb"^(?:<<<<<<<|>>>>>>>) ", re.MULTILINE)


def open_record(data: bytes, *, kind: str, what: str, key: str, named: str) -> dict[str, Json]:
    """Return the record in ``data``, proved to be the one it is named for, and unchanged.

    Args:
        data: the file's bytes.
        kind: the record's ``kind``.
        what: what such a record is of, in words, for messages.
        key: the member that names it.
        named: what that member must hold.

    Raises:
        CorruptDataError: it is not.
        NewerSchemaError: a newer aexp wrote it.
    """
    if _MARKER.search(data):
        raise CorruptDataError("it holds git's conflict markers")
    try:
        value = decode_json(data)
    except ValueError as error:
        raise CorruptDataError(f"it is no JSON: {error}") from None
    if not isinstance(value, dict) or value.get("kind") != kind:
        raise CorruptDataError(f"it is no record of {what}")
    version = value.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise NewerSchemaError(f"it has schema version {version}")
    if value.get(key) != named:
        raise CorruptDataError(f"it is the record of {value.get(key)}")
    if value.get("record_digest") != record_digest(value):
        raise CorruptDataError("its content does not match its record_digest")
    return value


class Record(Protocol):
    """A record that proved itself."""

    @property
    def raw(self) -> Mapping[str, Json]:
        """Everything that its file says."""


R = TypeVar("R", bound=Record)


def read_one(layout: Layout, path: Path, decode: Callable[[bytes], R]) -> R:
    """Return the record in one file.

    Args:
        layout: its repository.
        path: the file.
        decode: returns the record in its bytes; raises CorruptDataError.

    Raises:
        FileNotFoundError, NotADirectoryError: there is no such file.
        CorruptDataError: it cannot be read, or is damaged; the message names it.
    """
    try:
        return decode(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise CorruptDataError(f"{layout.relative(path)} cannot be read: {reason}") from None
    except CorruptDataError as error:
        raise type(error)(
            f"{layout.relative(path)}: {error.message}",
            hint="restore it from git: it never changes (`git checkout -- FILE`)",
        ) from None


def read_all(
    tree: Tree,
    paths: Iterable[str],
    name: re.Pattern[str],
    unnamed: str,
    decode: Callable[[str, bytes], R],
) -> tuple[list[R], list[LedgerProblem]]:
    """Return the records at ``paths`` that are sound, and what is wrong with the others.

    Args:
        tree: the files.
        paths: where records of one kind stand.
        name: what their paths look like; its group is what names the record.
        unnamed: what is wrong with a path that does not.
        decode: returns the record of a name from its bytes; raises CorruptDataError.
    """
    records: list[R] = []
    problems: list[LedgerProblem] = []
    for path, data in tree.read_many(paths):
        found = name.fullmatch(path)
        try:
            if found is None:
                raise CorruptDataError(unnamed)
            if isinstance(data, OSError):
                raise CorruptDataError(f"it cannot be read: {data.strerror or data}")
            record = decode(found[1], data)
        except CorruptDataError as error:
            newer = isinstance(error, NewerSchemaError)
            code = "ledger.newer_schema" if newer else "ledger.malformed"
            problems.append(LedgerProblem(code, path, error.message, None))
            continue
        records.append(record)
        problems += _leaks(path, record)
    return records, problems


def _leaks(path: str, record: Record) -> Iterator[LedgerProblem]:
    try:
        leaks = find_secrets(dict(record.raw))
    except AexpError as error:
        yield LedgerProblem("ledger.malformed", path, error.message, None)
        return
    if leaks:
        message = f"{leaks[0].pointer} looks like a secret"
        yield LedgerProblem("ledger.unsanitized", path, message, None)
