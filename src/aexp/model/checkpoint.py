"""Checkpoints of a recording session as pure values (``docs/format/session.md``; SES-02).

A checkpoint lists all runs of a session that have ended. Writing that list anew after each run
would cost the square of their number (trap 40), so it is kept in segments that are merged like the
digits of a binary number: n checkpoints write O(n log n) bytes in all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aexp.errors import CorruptDataError, NewerSchemaError
from aexp.model.oci import INDEX, Descriptor, Index

CHECKPOINT_TYPE: Final = "application/vnd.aexp.checkpoint.v1+json"
SEGMENT_TYPE: Final = "application/vnd.aexp.segment.v1+json"
CHECKPOINT_VERSION: Final = 1

SMALLEST_SEGMENT: Final = 8
"""Fewer runs than this stand in the checkpoint itself: a file of their own would cost a flush."""

_PREFIX = "dev.aexp.session."


@dataclass(frozen=True, slots=True)
class Segment:
    """Some consecutive runs of a session.

    Attributes:
        runs: the descriptors of their manifests.
        apart: the index that lists them, as a blob of its own; None for a short segment, whose
            runs stand in the checkpoint's own list.
    """

    runs: tuple[Descriptor, ...]
    apart: Descriptor | None = None

    @classmethod
    def of(cls, runs: tuple[Descriptor, ...]) -> Segment:
        """Return the segment of ``runs``."""
        if len(runs) < SMALLEST_SEGMENT:
            return cls(runs)
        return cls(runs, Descriptor.of(INDEX, cls(runs).index().encode()))

    def index(self) -> Index:
        """Return the OCI index that stands for the segment."""
        return Index(self.runs, artifact_type=SEGMENT_TYPE)

    def listed(self) -> tuple[Descriptor, ...]:
        """Return what stands for the segment in the checkpoint's list."""
        return self.runs if self.apart is None else (self.apart,)


def append_run(segments: Sequence[Segment], run: Descriptor) -> tuple[Segment, ...]:
    """Return ``segments`` with one more run, equal neighbours merged.

    The lengths are distinct powers of two, largest first, so there are at most log2(n) + 1 of
    them, and a run is written into at most that many segments.
    """
    result = [*segments]
    runs: tuple[Descriptor, ...] = (run,)
    while result and len(result[-1].runs) == len(runs):
        runs = result.pop().runs + runs
    return (*result, Segment.of(runs))


def segments_of(runs: Iterable[Descriptor]) -> tuple[Segment, ...]:
    """Return the segments that appending ``runs`` one by one comes to."""
    left = list(runs)
    result: list[Segment] = []
    while left:
        size = 1 << (len(left).bit_length() - 1)
        result.append(Segment.of(tuple(left[:size])))
        left = left[size:]
    return tuple(result)


@dataclass(frozen=True, slots=True)
class CheckpointFacts:
    """What a checkpoint says of the session at that moment, beside what it lists.

    Attributes:
        session_id: 16 hex digits.
        status: ``running`` (a draft), ``failed`` or ``stopped`` (model.md).
        next_run: the number that the next run gets.
        runs: how many ended runs it lists; those of a fork's parent are not counted.
        updated_at: when it was written.
        turn: how many processes have worked on the session so far. A process that takes a session
            over counts on, so that of two that try, one finds the checkpoint changed.
        reason: why the session failed, as ``Type: message``, or empty.
    """

    session_id: str
    status: str
    next_run: int
    runs: int
    updated_at: str
    turn: int = 1
    reason: str = ""

    def annotations(self) -> dict[str, str]:
        """Return them as annotations of the index."""
        result = {
            "id": self.session_id,
            "status": self.status,
            "next-run": str(self.next_run),
            "runs": str(self.runs),
            "updated-at": self.updated_at,
            "turn": str(self.turn),
            "version": str(CHECKPOINT_VERSION),
        }
        if self.reason:
            result["reason"] = self.reason
        return {_PREFIX + key: value for key, value in result.items()}

    @classmethod
    def from_annotations(cls, annotations: Mapping[str, str]) -> CheckpointFacts:
        """Return what :meth:`annotations` wrote.

        Raises:
            CorruptDataError: they are not those of a checkpoint.
            NewerSchemaError: a newer aexp wrote them.
        """
        try:
            version = int(annotations[_PREFIX + "version"])
            if version > CHECKPOINT_VERSION:
                raise NewerSchemaError(f"the checkpoint has format version {version}")
            return cls(
                session_id=annotations[_PREFIX + "id"],
                status=annotations[_PREFIX + "status"],
                next_run=int(annotations[_PREFIX + "next-run"]),
                runs=int(annotations[_PREFIX + "runs"]),
                updated_at=annotations[_PREFIX + "updated-at"],
                turn=int(annotations[_PREFIX + "turn"]),
                reason=annotations.get(_PREFIX + "reason", ""),
            )
        except NewerSchemaError:
            raise
        except (KeyError, ValueError):
            raise CorruptDataError("it is no checkpoint of a session") from None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint: what it says, the session's own manifest, and its runs.

    Attributes:
        facts: what it says of the session.
        session: the descriptor of the session's own manifest.
        segments: its runs.
        parent: the artifact that the session is a fork of, or None.
    """

    facts: CheckpointFacts
    session: Descriptor
    segments: tuple[Segment, ...] = ()
    parent: Descriptor | None = None

    def index(self) -> Index:
        """Return the OCI index that stands for the checkpoint."""
        return Index(
            (self.session, *(item for segment in self.segments for item in segment.listed())),
            artifact_type=CHECKPOINT_TYPE,
            subject=self.parent,
            annotations=self.facts.annotations(),
        )


def open_checkpoint(index: object) -> tuple[CheckpointFacts, Descriptor, tuple[Descriptor, ...]]:
    """Return what a checkpoint says, its session's manifest, and the list of runs and segments.

    Raises:
        CorruptDataError: it is no checkpoint.
        NewerSchemaError: a newer aexp wrote it.
    """
    if not isinstance(index, Index) or not index.manifests:
        raise CorruptDataError("it is no checkpoint of a session")
    if index.artifact_type != CHECKPOINT_TYPE:
        raise CorruptDataError(f"it is a {index.artifact_type}, not a checkpoint of a session")
    facts = CheckpointFacts.from_annotations(index.annotations)
    return facts, index.manifests[0], index.manifests[1:]
