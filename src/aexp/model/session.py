"""Recording sessions and what they are sealed as, as pure values (``docs/format/session.md``)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from aexp.errors import CorruptDataError, NewerSchemaError, UsageError
from aexp.model.attachment import Attachment
from aexp.model.canonical import Json, compact_bytes, decode_json
from aexp.model.ids import is_job_id
from aexp.model.oci import EMPTY, EMPTY_CONFIG, Descriptor, Manifest
from aexp.model.parameters import flatten, read_back

SESSION_TYPE: Final = "application/vnd.aexp.session.v1+json"
SESSION_CONFIG: Final = "application/vnd.aexp.session.config.v1+json"
EXPERIMENT_TYPE: Final = "application/vnd.aexp.experiment.v1+json"
EXPERIMENT_CONFIG: Final = "application/vnd.aexp.experiment.config.v1+json"
RUN_ANNOTATION: Final = "dev.aexp.run"
"""The annotation of a layer that belongs to a run: the run's number in its session."""

SESSION_FORMAT: Final = "aexp.session"
EXPERIMENT_FORMAT: Final = "aexp.experiment"
VERSION: Final = 1
RUN_NUMBER: Final = "session_run"
"""The member of a run's config that holds its number in its session."""

_SESSION_ID = re.compile(r"[0-9a-f]{16}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_OURS = ("checkpoint/", "run/", "anonymous/", "sha256:")


def is_session_id(text: object) -> bool:
    """Return whether ``text`` is the id of a session: 16 lower-case hex digits."""
    return isinstance(text, str) and _SESSION_ID.fullmatch(text) is not None


def check_session_name(name: object) -> str:
    """Return ``name`` when a session can be committed under it.

    An OCI name such as ``ghcr.io/team/study:baseline`` is one, and so is any other short text.

    Raises:
        UsageError: it is none.
    """
    if not isinstance(name, str) or not name.strip() or name != name.strip():
        raise UsageError(f"a session needs a name, not {name!r}", hint="or no name at all")
    if len(name) > 256 or _CONTROL.search(name):
        raise UsageError(
            f"{name[:40]!r} cannot name a session",
            hint="use at most 256 characters, none of them a control character",
        )
    if name.startswith(_OURS) or is_session_id(name):
        raise UsageError(f"{name!r} is how aexp itself names things", hint="choose another name")
    return name


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What stays the same of a session from checkpoint to checkpoint, and its attachments.

    Attributes:
        session_id: 16 hex digits.
        name: what it is to be committed as, or None.
        experiment_id: such as ``E001``, or None.
        created_at: when it was opened.
        machine: the label of the machine that opened it.
        base: the digest that the name stood for when the session was opened, or None.
        attachments: those of the session itself.
    """

    session_id: str
    name: str | None
    experiment_id: str | None
    created_at: str
    machine: str
    base: str | None = None
    attachments: tuple[Attachment, ...] = ()

    def config(self) -> bytes:
        """Return the config of the session's own manifest."""
        value = {
            "format": SESSION_FORMAT,
            "version": VERSION,
            "session": self.session_id,
            "name": self.name,
            "experiment_id": self.experiment_id,
            "created_at": self.created_at,
            "machine": self.machine,
            "base": self.base,
            "attachments": [item.to_json() for item in self.attachments],
        }
        return compact_bytes({key: item for key, item in value.items() if item is not None})

    def manifest(self) -> Manifest:
        """Return the session's own manifest, the first that a checkpoint lists."""
        return Manifest(
            config=Descriptor.of(SESSION_CONFIG, self.config()),
            layers=_at_least_one(item.layer() for item in self.attachments),
            artifact_type=SESSION_TYPE,
        )

    @classmethod
    def from_config(cls, data: bytes) -> SessionFacts:
        """Return what :meth:`config` wrote.

        Raises:
            CorruptDataError: it is no config of a session.
            NewerSchemaError: a newer aexp wrote it.
        """
        value = _opened(data, SESSION_FORMAT)
        return cls(
            session_id=_text(value, "session"),
            name=_text_or_none(value, "name"),
            experiment_id=_text_or_none(value, "experiment_id"),
            created_at=_text(value, "created_at"),
            machine=_text(value, "machine"),
            base=_text_or_none(value, "base"),
            attachments=_attachments(value.get("attachments")),
        )


@dataclass(frozen=True, slots=True)
class RunFacts:
    """An ended run of a session, as its config tells it.

    Attributes:
        number: its number in the session, from 0.
        config: everything that was sealed of it (ADR 7).
    """

    number: int
    config: Mapping[str, Json] = field(repr=False)

    @property
    def job_id(self) -> str:
        """Its id in the ledger."""
        return str(self.config.get("job_id", ""))

    @property
    def status(self) -> str:
        """How it ended: complete, failed or stopped (model.md)."""
        return str(self.config.get("status", ""))

    @property
    def statepoint(self) -> Mapping[str, Json]:
        """Its identity."""
        return _mapping(self.config.get("statepoint"))

    @property
    def parameters(self) -> dict[str, Json]:
        """The caller's part of the state point, nested keys with dots, and what was logged."""
        logged = _mapping(self.config.get("params"))
        return {**flatten(self.statepoint), **{k: read_back(v) for k, v in logged.items()}}

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """Its attachments, curves and output included."""
        return _attachments(self.config.get("attachments"))

    @classmethod
    def from_config(cls, value: object) -> RunFacts:
        """Return the run in a decoded config.

        Raises:
            CorruptDataError: it is no config of a run of a session.
        """
        config = _mapping(value)
        number = config.get(RUN_NUMBER)
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            raise CorruptDataError("a run of a session has no number")
        if not is_job_id(config.get("job_id")):
            raise CorruptDataError("a run of a session has no job id")
        return cls(number, config)


@dataclass(frozen=True, slots=True)
class ExperimentFacts:
    """A committed session: everything its config says.

    Attributes:
        session: the session as it was.
        committed_at: when it was committed.
        aexp: the version that wrote it.
        runs: by number, those of a fork's parent included.
        parent: the digest of the artifact it is a fork of, or None.
    """

    session: SessionFacts
    committed_at: str
    aexp: str
    runs: tuple[RunFacts, ...]
    parent: str | None = None

    def config(self) -> bytes:
        """Return the config of the artifact."""
        value = {
            "format": EXPERIMENT_FORMAT,
            "version": VERSION,
            "session": self.session.session_id,
            "name": self.session.name,
            "experiment_id": self.session.experiment_id,
            "status": "complete",
            "created_at": self.session.created_at,
            "committed_at": self.committed_at,
            "machine": self.session.machine,
            "aexp": self.aexp,
            "parent": self.parent,
            "attachments": [item.to_json() for item in self.session.attachments],
            "runs": [{**run.config, RUN_NUMBER: run.number} for run in self.runs],
        }
        return compact_bytes({key: item for key, item in value.items() if item is not None})

    def manifest(self, subject: Descriptor | None) -> Manifest:
        """Return the artifact: an OCI image manifest with all attachments as layers.

        Args:
            subject: the manifest of ``parent``.
        """
        annotations = {
            "org.opencontainers.image.created": self.committed_at,
            "dev.aexp.session.id": self.session.session_id,
            **({"org.opencontainers.image.title": self.session.name} if self.session.name else {}),
        }
        return Manifest(
            config=Descriptor.of(EXPERIMENT_CONFIG, self.config()),
            layers=_at_least_one(self._layers()),
            artifact_type=EXPERIMENT_TYPE,
            subject=subject,
            annotations=annotations,
        )

    def _layers(self) -> Iterator[Descriptor]:
        yield from (item.layer() for item in self.session.attachments)
        for run in self.runs:
            for item in run.attachments:
                layer = item.layer()
                annotations = {**layer.annotations, RUN_ANNOTATION: str(run.number)}
                yield Descriptor(layer.media_type, layer.digest, layer.size, annotations)

    @classmethod
    def from_config(cls, data: bytes) -> ExperimentFacts:
        """Return what :meth:`config` wrote.

        Raises:
            CorruptDataError: it is no config of a committed session.
            NewerSchemaError: a newer aexp wrote it.
        """
        value = _opened(data, EXPERIMENT_FORMAT)
        runs = value.get("runs")
        if not isinstance(runs, list):
            raise CorruptDataError("it lists no runs")
        session = SessionFacts(
            session_id=_text(value, "session"),
            name=_text_or_none(value, "name"),
            experiment_id=_text_or_none(value, "experiment_id"),
            created_at=_text(value, "created_at"),
            machine=_text(value, "machine"),
            attachments=_attachments(value.get("attachments")),
        )
        return cls(
            session=session,
            committed_at=_text(value, "committed_at"),
            aexp=_text(value, "aexp"),
            runs=tuple(RunFacts.from_config(run) for run in runs),
            parent=_text_or_none(value, "parent"),
        )


def _at_least_one(layers: Iterator[Descriptor]) -> tuple[Descriptor, ...]:
    """Return ``layers``, or the empty one that OCI wants where there is none."""
    return tuple(layers) or (Descriptor.of(EMPTY, EMPTY_CONFIG),)


def _opened(data: bytes, wanted: str) -> Mapping[str, Json]:
    try:
        value = decode_json(data)
    except ValueError as error:
        raise CorruptDataError(f"it is no JSON: {error}") from None
    if not isinstance(value, dict) or value.get("format") != wanted:
        raise CorruptDataError(f"it is no {wanted}")
    version = value.get("version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise CorruptDataError("it has no format version")
    if version > VERSION:
        raise NewerSchemaError(f"it has version {version} of {wanted}")
    return value


def _text(value: Mapping[str, Json], key: str) -> str:
    found = value.get(key)
    if not isinstance(found, str):
        raise CorruptDataError(f"it does not say its {key}")
    return found


def _text_or_none(value: Mapping[str, Json], key: str) -> str | None:
    found = value.get(key)
    if found is not None and not isinstance(found, str):
        raise CorruptDataError(f"its {key} is no text")
    return found


def _mapping(value: object) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _attachments(value: object) -> tuple[Attachment, ...]:
    items: Sequence[object] = value if isinstance(value, list) else ()
    found = [Attachment.from_json(item) for item in items]
    if None in found:
        raise CorruptDataError("it lists something that is no attachment")
    return tuple(item for item in found if item is not None)
