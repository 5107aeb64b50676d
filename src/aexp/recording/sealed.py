"""Reading what a session holds: closed runs, and whole sessions that were committed (SES-06)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aexp.errors import CorruptDataError, NotFoundError
from aexp.model.attachment import Attachment
from aexp.model.canonical import Json, decode_number
from aexp.model.curves import METRICS_NAME, Point, decode_points, join
from aexp.model.oci import MANIFEST, Descriptor, Manifest
from aexp.model.session import EXPERIMENT_TYPE, ExperimentFacts, RunFacts
from aexp.recording.reading import Readable
from aexp.registry.lookup import LISTED, find_artifact
from aexp.registry.refs import ARTIFACT

if TYPE_CHECKING:
    from aexp.registry.store import Registry


class SealedRun(Readable):
    """A closed run. It does not change any more.

    Args:
        registry: where its bytes are.
        facts: what is known of it.
    """

    def __init__(self, registry: Registry, facts: RunFacts) -> None:
        self._where = registry
        self._facts = facts

    def __repr__(self) -> str:
        return f"<SealedRun {self.run_id} {self.job_id[:8]} {self.status}>"

    @property
    def run_id(self) -> int:
        """Its number within the session; -1 outside one."""
        return self._facts.number

    @property
    def job_id(self) -> str:
        """Its id in the ledger."""
        return self._facts.job_id

    @property
    def status(self) -> str:
        """How it ended (model.md)."""
        return self._facts.status

    @property
    def error(self) -> str:
        """Why it failed, as ``Type: message``; empty when it did not (REC-08)."""
        error = self._facts.config.get("error")
        if not isinstance(error, Mapping):
            return ""
        return f"{error.get('type')}: {error.get('message')}"

    @property
    def statepoint(self) -> Mapping[str, Json]:
        """Its identity."""
        return dict(self._facts.statepoint)

    @property
    def parameters(self) -> dict[str, Json]:
        """The keys of its state point, nested ones with dots, and what was logged (REC-02)."""
        return self._facts.parameters

    @property
    def metric_names(self) -> list[str]:
        """The names of its metrics, sorted."""
        return sorted(self._summaries)

    @property
    def final_metrics(self) -> dict[str, float | None]:
        """The final value of each metric."""
        found = self._summaries.items()
        return {
            name: decode_number(item.get("value"))
            for name, item in found
            if isinstance(item, Mapping)
        }

    def metrics(self, name: str) -> list[Point]:
        """Return all values of a metric (REC-03).

        Returns:
            Points with ``step``, ``number`` (the value) and ``time``, in order of step; none when
            nothing was recorded under that name.

        Raises:
            NotFoundError: its curves are not here.
            CorruptDataError: they are damaged.
        """
        if METRICS_NAME not in self._attachments():
            return []
        with self._where.open(self._attachment(METRICS_NAME).digest) as lines:
            points = list(decode_points(lines))
            lines.read()  # to the end, so that the digest is checked
        return join(points, name)

    @property
    def _summaries(self) -> Mapping[str, Json]:
        found = self._facts.config.get("metrics")
        return found if isinstance(found, Mapping) else {}

    def _attachments(self) -> Mapping[str, Attachment]:
        return {item.name: item for item in self._facts.attachments}

    def _registry(self) -> Registry:
        return self._where


@dataclass(frozen=True)
class Sealed:
    """A committed session in the registry.

    Attributes:
        name: what it was found under, else what it was committed as; None without a name.
        descriptor: of its manifest.
        facts: what its config says.
    """

    name: str | None
    descriptor: Descriptor
    facts: ExperimentFacts


def read_sealed(registry: Registry, digest: str, name: str | None = None) -> Sealed:
    """Return a committed session by the digest of its manifest.

    Raises:
        NotFoundError: it is not in the registry.
        CorruptDataError: it is no committed session, or damaged.
    """
    manifest = registry.manifest(digest)
    if not isinstance(manifest, Manifest) or manifest.artifact_type != EXPERIMENT_TYPE:
        raise CorruptDataError(
            f"{name or digest} is no committed session",
            hint="`aexp registry inspect` shows what it is",
        )
    size = registry.size(digest) or 0
    facts = ExperimentFacts.from_config(registry.read(manifest.config.digest))
    described = Descriptor(MANIFEST, digest, size, artifact_type=EXPERIMENT_TYPE)
    return Sealed(name or facts.session.name, described, facts)


def find_sealed(registry: Registry, text: str) -> Sealed:
    """Return a committed session by its name or digest; nothing is fetched (SES-06, trap 44).

    Raises:
        NotFoundError: there is none of that name here.
        CorruptDataError: it is no committed session, or damaged.
    """
    ref = registry.ref(text) if registry.exists() else None
    if not registry.exists() or (ref is not None and ref.kind not in LISTED):
        raise NotFoundError(f"there is no session {text!r} here", hint="see `aexp session list`")
    digest, name = find_artifact(registry, text)
    return read_sealed(registry, digest, None if ref is None or ref.kind != ARTIFACT else name)
