"""Which runs a batch citation means, found without walking all runs for each one (trap 33)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from aexp.model.citation import MISSING, look_up, value_key, values_of


class Candidate(NamedTuple):
    """A run that a batch may mean."""

    job_id: str
    statepoint: Mapping[str, object]
    link: Mapping[str, object]


Column: TypeAlias = Callable[[str], list[object]]
"""Gives what each of some runs has under a selector's key, in their order."""


class Batches:
    """Runs by experiment, and within it by the value at each path that was ever asked for.

    A path is looked up in every run of an experiment once; each citation then costs as much as the
    runs it matches. The answers are those of :func:`aexp.model.citation.selector_matches`.

    Args:
        candidates: the runs; one whose link names no experiment is in no batch.
    """

    def __init__(self, candidates: Iterable[Candidate] = ()) -> None:
        known = {candidate.job_id: candidate for candidate in candidates}
        self._members: dict[str, list[str]] = {}
        self._look: Callable[[Sequence[str]], Column] = lambda ids: _column(map(known.get, ids))
        self._columns: dict[str, Column] = {}
        self._by_value: dict[tuple[str, tuple[str, ...]], Mapping[Hashable, set[str]]] = {}
        for candidate in known.values():
            experiment = candidate.link.get("experiment_id")
            if isinstance(experiment, str) and experiment:
                self._members.setdefault(experiment, []).append(candidate.job_id)

    @classmethod
    def of(cls, members: dict[str, list[str]], look: Callable[[Sequence[str]], Column]) -> Batches:
        """Return the batches of runs that are looked at only when somebody asks for a value.

        Args:
            members: the ids of the runs of each experiment.
            look: gives what runs of these ids have.
        """
        batches = cls()
        batches._members, batches._look = members, look
        return batches

    def matching(self, experiment_id: str, selector: Mapping[str, object]) -> frozenset[str]:
        """Return the ids of the runs that a batch citation means (VAL-04)."""
        found: set[str] | None = None
        for path, wanted in _leaves((), selector):
            matched = self._matching_leaf(experiment_id, path, wanted)
            found = matched if found is None else found & matched
            if not found:
                return frozenset()
        if found is None:
            return frozenset(self._members.get(experiment_id, ()))
        return frozenset(found)

    def _matching_leaf(self, experiment_id: str, path: tuple[str, ...], wanted: object) -> set[str]:
        by_value = self._values(experiment_id, path)
        if isinstance(wanted, list | tuple):
            keys = {value_key(wanted), *map(value_key, wanted)}
            return set().union(*(by_value.get(k, ()) for k in keys))
        return by_value.get(value_key(wanted), set())

    def _values(self, experiment_id: str, path: tuple[str, ...]) -> Mapping[Hashable, set[str]]:
        """Return the runs of an experiment by what they have at ``path``."""
        known = self._by_value.get((experiment_id, path))
        if known is None:
            ids = self._members.get(experiment_id, [])
            column = self._columns.get(experiment_id)
            if column is None:
                column = self._columns[experiment_id] = self._look(ids)
            values = column(path[0])
            for step in path[1:]:
                values = [look_up(v, step) if isinstance(v, Mapping) else MISSING for v in values]
            by_value: defaultdict[Hashable, set[str]] = defaultdict(set)
            for key, job_id in zip(_keys(values), ids, strict=True):
                by_value[key].add(job_id)
            known = self._by_value[experiment_id, path] = by_value
        return known


_PLAIN: Final = frozenset({str, int, float})
"""Types whose values are their own keys; of many runs nearly all values at a path are of these."""


def _keys(values: list[object]) -> Iterable[Hashable]:
    """Return the :func:`aexp.model.citation.value_key` of each value."""
    return values if set(map(type, values)) <= _PLAIN else map(value_key, values)


def _column(candidates: Iterable[Candidate | None]) -> Column:
    runs = [candidate for candidate in candidates if candidate is not None]
    points, links = [c.statepoint for c in runs], [c.link for c in runs]
    return lambda key: values_of(key, points, links)


def _leaves(
    path: tuple[str, ...], wanted: Mapping[str, object]
) -> Iterator[tuple[tuple[str, ...], object]]:
    """Yield what a selector wants at each path of keys; nested mappings are taken apart."""
    for key, inner in wanted.items():
        if isinstance(inner, Mapping) and inner:
            yield from _leaves((*path, key), inner)
        else:
            yield (*path, key), inner
