"""Records of features: ``.aexp/ledger/features/<target>/<name>.json`` (EXE-25).

A record holds the columns of a feature, and nothing that two machines would write differently: the
same definition made in two clones is the same file. It never changes, so there is nothing to
merge; the values are outputs of executions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Final

from aexp.errors import CorruptDataError, FeatureError, NotFoundError, UnsafeValueError
from aexp.ledger.judge import LedgerProblem
from aexp.ledger.promote import roots_of
from aexp.ledger.records import SCHEMA_VERSION, open_record, read_all, read_one
from aexp.model.canonical import Json, canonical_bytes
from aexp.model.entry import record_digest
from aexp.model.feature import FeatureDefinition, difference, from_json, is_name
from aexp.model.sanitize import sanitize
from aexp.repo import LEDGER_DIR_REL, Layout
from aexp.storage.atomic import write_new
from aexp.tree import Tree, WorkTree

FEATURES_DIR: Final = f"{LEDGER_DIR_REL}/features"
KIND: Final = "feature"

_FILE = re.compile(re.escape(FEATURES_DIR) + r"/([^/]+/[^/]+)\.json")


@dataclass(frozen=True)
class FeatureFile:
    """What the ledger says of a feature.

    Attributes:
        definition: its target, name and columns.
        raw: everything the file holds.
    """

    definition: FeatureDefinition
    raw: Mapping[str, Json]


def feature_path(layout: Layout, target: str, name: str) -> Path:
    """Return the file of the record of a feature."""
    return layout.root / FEATURES_DIR / target / f"{name}.json"


def write_feature(layout: Layout, definition: FeatureDefinition) -> FeatureDefinition:
    """Write the record of a feature, and return the feature as it stands in the ledger.

    Written again unchanged, it stays as it is.

    Raises:
        FeatureError: there is one of that name, and it is another one.
        UnsafeValueError: something in it must not be published.
        CorruptDataError: there is a file of that name that is no record of it.
        StorageError: the disk refused.
    """
    data = _encoded(layout, definition)
    _check_capitals(layout, definition)
    path = feature_path(layout, definition.target, definition.name)
    if write_new(path, data, tmp_dir=layout.tmp_dir):
        return definition
    known = read_feature(layout, definition.target, definition.name)
    if (how := difference(known, definition)) is not None:
        raise FeatureError(
            f"there is a feature {definition.key} already, and {how}",
            hint="a feature never changes, because its values are published: take another name",
        )
    return known


def _encoded(layout: Layout, definition: FeatureDefinition) -> bytes:
    value: dict[str, Json] = {
        "schema_version": SCHEMA_VERSION,
        "kind": KIND,
        **definition.to_json(),
    }
    if sanitize(value, roots=roots_of(layout))[0] != value:
        raise UnsafeValueError(
            f"feature {definition.key} holds a secret or a path of this machine",
            hint="its terms and its description are published: leave that out",
        )
    value["record_digest"] = record_digest(value)
    return canonical_bytes(value)


def _check_capitals(layout: Layout, definition: FeatureDefinition) -> None:
    """Refuse names that differ in capitals alone: some file systems do not tell them apart."""
    for path in _paths(_work_tree(layout)):
        key = path.removeprefix(f"{FEATURES_DIR}/").removesuffix(".json")
        for mine, theirs in ((definition.target, key.partition("/")[0]), (definition.key, key)):
            if mine != theirs and mine.casefold() == theirs.casefold():
                raise FeatureError(
                    f"there is {theirs} already, which differs from {mine} in capitals alone",
                    hint="write it the same way",
                )


def decode_feature(key: str, data: bytes) -> FeatureFile:
    """Return the record in ``data``, which must be that of ``key`` and unchanged.

    Args:
        key: target and name, such as ``Image/Glaucoma_Grade``.
        data: the file's bytes.

    Raises:
        CorruptDataError: it is not.
        NewerSchemaError: a newer aexp wrote it.
    """
    target, _, name = key.partition("/")
    value = open_record(data, kind=KIND, what="a feature", key="name", named=name)
    if value.get("target") != target:
        raise CorruptDataError(f"it is the record of a feature of {value.get('target')}")
    return FeatureFile(from_json(value), value)


def read_features(tree: Tree) -> tuple[list[FeatureFile], list[LedgerProblem]]:
    """Return the features of a tree, sorted, and what is wrong with the other files."""
    unnamed = "its path is not that of a feature, <target>/<name>.json"
    found, problems = read_all(tree, _paths(tree), _FILE, unnamed, decode_feature)
    return sorted(found, key=lambda file: file.definition.key), problems


def list_definitions(layout: Layout) -> list[FeatureDefinition]:
    """Return the sound features of the work tree, sorted by target and name."""
    return [file.definition for file in read_features(_work_tree(layout))[0]]


def read_feature(layout: Layout, target: str, name: str) -> FeatureDefinition:
    """Return one feature.

    Raises:
        NotFoundError: the ledger has none of that name.
        CorruptDataError: its record is damaged.
    """
    path = feature_path(layout, target, name)
    try:
        if not (is_name(target) and is_name(name)):  # it would be a path somewhere else
            raise FileNotFoundError
        key = f"{target}/{name}"
        return read_one(layout, path, partial(decode_feature, key)).definition
    except (FileNotFoundError, NotADirectoryError):
        near = _near(layout, f"{target}/{name}")
        guess = f"did you mean {near}? " if near else ""
        raise NotFoundError(
            f"there is no feature {target}/{name}",
            hint=f"{guess}see `aexp feature list`; `aexp sync` fetches those of other machines",
        ) from None


def _near(layout: Layout, key: str) -> str | None:
    """Return the feature that somebody may have meant, None when none is like it."""
    known = {one.key.casefold(): one.key for one in list_definitions(layout)}
    found = get_close_matches(key.casefold(), known, n=1, cutoff=0.8)
    return known[found[0]] if found else None


def _paths(tree: Tree) -> list[str]:
    return [path for path in tree.files(FEATURES_DIR) if path.endswith(".json")]


def _work_tree(layout: Layout) -> WorkTree:
    return WorkTree(layout.root, has_git=layout.git_dir is not None)
