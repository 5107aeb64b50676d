"""Values of features, read back from what executions have published (EXE-25).

The ledger says which values there are, in every clone; their bytes are pulled as those of any run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from aexp.data.publications import Publication, publications
from aexp.errors import CorruptDataError, NotFoundError
from aexp.ledger.features import read_feature
from aexp.model.canonical import Json, decode_json, decode_number
from aexp.model.feature import FeatureDefinition
from aexp.model.ids import SHORT
from aexp.model.outputs import FeatureOutput
from aexp.registry.store import Registry
from aexp.repo import Layout

_NAMED: Final = 5
"""So many executions are named in one hint."""


@dataclass(frozen=True, slots=True)
class FeatureValue:
    """One value of a feature.

    Attributes:
        target: which thing it is of.
        values: by column; a column that was left out is None. An asset is its id.
        execution: the id of the execution that gave it.
        made_at: when the work of that execution ended.
    """

    target: str
    values: Mapping[str, Json]
    execution: str
    made_at: str

    def __getitem__(self, column: str) -> Json:
        """Return the value in a column."""
        return self.values[column]

    def to_json(self) -> dict[str, Json]:
        """Return it as JSON data; numbers that are not finite stay what they are."""
        return {
            "target": self.target,
            "values": dict(self.values),
            "execution": self.execution,
            "made_at": self.made_at,
        }


@dataclass(frozen=True, slots=True)
class AbsentValues:
    """Values that the ledger names, and whose bytes are not here.

    Attributes:
        execution: the id of the execution that gave them.
        count: how many there are; None when the list of what it has published is not here either,
            so that it may have none of this feature.
    """

    execution: str
    count: int | None


@dataclass(slots=True)
class FoundValues:
    """The values of a feature, as far as they are here.

    Attributes:
        definition: the feature.
        values: the oldest execution's first, each execution's in the order they were added.
        absent: those that are not here.
    """

    definition: FeatureDefinition
    values: list[FeatureValue] = field(default_factory=list)
    absent: list[AbsentValues] = field(default_factory=list)

    def latest(self) -> list[FeatureValue]:
        """Return the newest value of each thing, in the order in which things first appear."""
        return list({value.target: value for value in self.values}.values())

    def check_whole(self) -> None:
        """See that all values are here.

        Raises:
            NotFoundError: some are not; the hint says how to fetch them.
        """
        if not self.absent:
            return
        known = sum(absent.count or 0 for absent in self.absent)
        what = f"{known} values" if known else "values"
        raise NotFoundError(
            f"{what} of {self.definition.key} are not here: they are of"
            f" {_executions([absent.execution for absent in self.absent])}",
            hint=how_to_pull(absent.execution for absent in self.absent),
        )


def list_feature_values(
    layout: Layout, target: str, name: str, *, latest: bool = False
) -> list[FeatureValue]:
    """Return all published values of a feature, the newest last.

    Args:
        layout: the repository.
        target: the kind of thing that the feature describes.
        name: the feature's name.
        latest: only the newest value of each thing.

    Raises:
        NotFoundError: there is no such feature, or some of its values are not here.
        CorruptDataError: values are damaged.
    """
    from aexp.registry import open_registry

    found = find_values(layout, open_registry(layout), target, name)
    found.check_whole()
    return found.latest() if latest else found.values


def find_values(
    layout: Layout, registry: Registry, target: str, name: str, execution: str | None = None
) -> FoundValues:
    """Return what is here of the published values of a feature, and what is not.

    Args:
        layout: the repository.
        registry: where their bytes are.
        target: the kind of thing that the feature describes.
        name: the feature's name.
        execution: the id of the only execution whose values count, or None.

    Raises:
        NotFoundError: there is no such feature.
        CorruptDataError: values are damaged.
    """
    definition = read_feature(layout, target, name)
    found = FoundValues(definition)
    for publication in publications(layout, registry, execution):
        if publication.outputs is None:
            found.absent.append(AbsentValues(publication.execution, None))
            continue
        for output in _of_feature(publication, definition):
            try:
                data = registry.read(output.digest)
            except NotFoundError:
                found.absent.append(AbsentValues(publication.execution, output.count))
                continue
            found.values += _decoded(definition, output, data, publication)
    return found


@dataclass(slots=True)
class Tally:
    """How many values of a feature the ledger names.

    Attributes:
        values: how many.
        executions: the ids of those that gave them, the oldest first.
    """

    values: int = 0
    executions: list[str] = field(default_factory=list)


def tallies(layout: Layout, registry: Registry) -> dict[str, Tally]:
    """Return by feature (``Image/Glaucoma_Grade``) how many values the ledger names.

    The bytes need not be here.
    """
    found: dict[str, Tally] = {}
    for publication in publications(layout, registry):
        for output in publication.outputs or ():
            if isinstance(output, FeatureOutput):
                tally = found.setdefault(f"{output.target}/{output.feature}", Tally())
                tally.values += output.count
                if publication.execution not in tally.executions:
                    tally.executions.append(publication.execution)
    return found


def how_to_pull(executions: Iterable[str]) -> str:
    """Return what to do about bytes of executions that are not here."""
    ids = list(dict.fromkeys(job_id[:SHORT] for job_id in executions))
    more = f" (and {len(ids) - _NAMED} more)" if len(ids) > _NAMED else ""
    return f"fetch them with `aexp pull {' '.join(ids[:_NAMED])}`{more}"


def _executions(ids: Sequence[str]) -> str:
    known = list(dict.fromkeys(ids))
    one = f"execution {known[0][:SHORT]}"
    return one if len(known) == 1 else f"{len(known)} executions"


def _of_feature(publication: Publication, definition: FeatureDefinition) -> Iterator[FeatureOutput]:
    wanted = (definition.target, definition.name)
    for output in publication.outputs or ():
        if isinstance(output, FeatureOutput) and (output.target, output.feature) == wanted:
            yield output


def _decoded(
    definition: FeatureDefinition, output: FeatureOutput, data: bytes, publication: Publication
) -> Iterator[FeatureValue]:
    """Yield the values in a blob.

    Raises:
        CorruptDataError: it holds something else, although its bytes have the right digest.
    """
    lines = data.splitlines()
    if len(lines) != output.count:
        raise _wrong(output, f"it has {len(lines)} lines, where the ledger says {output.count}")
    floats = [column.name for column in definition.columns if column.kind == "float"]
    nothing: dict[str, Json] = {column.name: None for column in definition.columns}
    for number, line in enumerate(lines, 1):
        try:
            values = nothing | decode_json(line)
            target = values.pop(definition.target)
            for name in floats:
                values[name] = decode_number(values[name])
        except (ValueError, TypeError, KeyError):
            raise _wrong(output, f"its line {number} is no value") from None
        yield FeatureValue(str(target), values, publication.execution, publication.made_at)


def _wrong(output: FeatureOutput, problem: str) -> CorruptDataError:
    return CorruptDataError(
        f"the values {output.digest[:19]} of {output.target}/{output.feature}: {problem}",
        hint="the execution that published them wrote them so: look at its code",
    )
