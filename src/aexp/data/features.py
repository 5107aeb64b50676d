"""Features of a repository: made, looked up, listed (EXE-25).

A definition is a record of the ledger; values are written by executions alone, and are published
as their outputs: one blob of JSON lines for each feature and publication.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aexp.ledger.features import list_definitions, read_feature, write_feature
from aexp.model.feature import Column, FeatureDefinition, define
from aexp.repo import Layout

if TYPE_CHECKING:
    from aexp.data.records import FeatureRecord


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature of a repository.

    Attributes:
        definition: what it is.
    """

    definition: FeatureDefinition

    @property
    def target(self) -> str:
        """The kind of thing that it describes; also the column that says which one."""
        return self.definition.target

    @property
    def name(self) -> str:
        """The feature's name."""
        return self.definition.name

    @property
    def columns(self) -> tuple[Column, ...]:
        """The other columns."""
        return self.definition.columns

    @property
    def description(self) -> str:
        """What it means."""
        return self.definition.description

    def feature_record_class(self) -> type[FeatureRecord]:
        """Return the class of its records: a field called like the target, and one per column.

        Raises:
            MissingExtraError: pydantic is not installed.
        """
        from aexp.data.records import record_class

        return record_class(self.definition)


def create_feature(
    layout: Layout, target: str, name: str, columns: object, *, description: str = ""
) -> Feature:
    """Define a feature; its record goes into the ledger (EXE-25).

    Defined again unchanged, it stays as it is.

    Args:
        layout: the repository.
        target: the kind of thing that it describes, such as ``Image``.
        name: such as ``Glaucoma_Grade``.
        columns: the types by name, or the one type of a column that is called like the feature:
            see :func:`aexp.model.feature.define`.
        description: what it means.

    Raises:
        FeatureError: the definition is none, or there is another one of that name.
        UnsafeValueError: something in it must not be published.
        StorageError: the disk refused.
    """
    return Feature(write_feature(layout, define(target, name, columns, description=description)))


def lookup_feature(layout: Layout, target: str, name: str) -> Feature:
    """Return a feature.

    Raises:
        NotFoundError: the ledger has none of that name.
        CorruptDataError: its record is damaged.
    """
    return Feature(read_feature(layout, target, name))


def list_features(layout: Layout) -> list[Feature]:
    """Return all features, sorted by target and name."""
    return [Feature(definition) for definition in list_definitions(layout)]
