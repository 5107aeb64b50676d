"""Which runs a batch citation means, found without walking all runs for each one (trap 33)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import NamedTuple

from aexp.model.citation import MISSING, look_up, value_key, value_of


class Candidate(NamedTuple):
    """A run that a batch may mean."""

    job_id: str
    statepoint: Mapping[str, object]
    link: Mapping[str, object]


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
        self._look: Callable[[str], Candidate] = known.__getitem__
        self._candidates: dict[str, list[Candidate]] = {}
        self._by_value: dict[tuple[str, tuple[str, ...]], dict[Hashable, set[str]]] = {}
        for candidate in known.values():
            experiment = candidate.link.get("experiment_id")
            if isinstance(experiment, str) and experiment:
                self._members.setdefault(experiment, []).append(candidate.job_id)

    @classmethod
    def of(cls, members: dict[str, list[str]], look: Callable[[str], Candidate]) -> Batches:
        """Return the batches of runs that are looked at only when somebody asks for a value.

        Args:
            members: the ids of the runs of each experiment.
            look: gives a run.
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

    def _values(self, experiment_id: str, path: tuple[str, ...]) -> dict[Hashable, set[str]]:
        """Return the runs of an experiment by what they have at ``path``."""
        known = self._by_value.get((experiment_id, path))
        if known is None:
            known = self._by_value[experiment_id, path] = {}
            for c in self._runs_of(experiment_id):
                value = value_of(path[0], c.statepoint, c.link)
                for step in path[1:]:
                    value = look_up(value, step) if isinstance(value, Mapping) else MISSING
                known.setdefault(value_key(value), set()).add(c.job_id)
        return known

    def _runs_of(self, experiment_id: str) -> list[Candidate]:
        known = self._candidates.get(experiment_id)
        if known is None:
            ids = self._members.get(experiment_id, ())
            known = self._candidates[experiment_id] = [self._look(job_id) for job_id in ids]
        return known


def _leaves(
    path: tuple[str, ...], wanted: Mapping[str, object]
) -> Iterator[tuple[tuple[str, ...], object]]:
    """Yield what a selector wants at each path of keys; nested mappings are taken apart."""
    for key, inner in wanted.items():
        if isinstance(inner, Mapping) and inner:
            yield from _leaves((*path, key), inner)
        else:
            yield (*path, key), inner
