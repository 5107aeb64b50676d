"""``aexp.current_run()``: the run this process is part of."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aexp.errors import RunClosedError, UsageError
from aexp.model.attachment import Attachment
from aexp.model.canonical import encode_number
from aexp.model.curves import METRICS_NAME, OUTPUT_NAME
from aexp.model.owner import Owner
from aexp.model.stream import AttachmentRecord, Metric, Parameter, check_name
from aexp.recording.attaching import Attaching, Claims
from aexp.workspace.active import ActiveAttempt, active_attempt
from aexp.workspace.store import DOCUMENT_FILE, read_document

if TYPE_CHECKING:
    from aexp.registry.store import Registry


class ActiveRun(Attaching):
    """The run that is going on around the caller.

    What is logged goes to a stream of this process alone (``docs/format/stream.md``); the owner
    of the run folds it into the ledger entry when the run ends. Any process of the run may log,
    in any number of threads.

    Args:
        attempt: the attempt to record into.
    """

    def __init__(self, attempt: ActiveAttempt) -> None:
        self._attempt = attempt

    @property
    def job_id(self) -> str:
        """The run's id: 32 hex digits."""
        return self._attempt.job_id

    @property
    def attempt_id(self) -> str:
        """The id of this attempt."""
        return self._attempt.attempt_id

    @property
    def workspace(self) -> Path:
        """The run's folder; files put here stay on this machine."""
        return self._attempt.folder

    def log_metric(self, name: str, value: float, step: int | None = None) -> None:
        """Record one value of a metric.

        Args:
            name: which metric.
            value: a number; NaN and infinities are kept. numpy scalars are accepted.
            step: the caller's own counter, for curves.

        Raises:
            UsageError: the name, value or step is of the wrong kind.
            StorageError: the disk refused.
        """
        # Called thousands of times a second with what needs no looking at twice.
        if type(value) is not float:
            value = _number(value, name)
        if step is not None and (type(step) is not int or abs(step) >= 2**63):
            step = _step(step, name)
        if name not in _known_names:
            _check_once(name)
        self._attempt.writer().append(Metric(name, value, time.time(), step))

    def log_metrics(self, values: dict[str, float], step: int | None = None) -> None:
        """Record one value of each of several metrics; see :meth:`log_metric`."""
        for name, value in values.items():
            self.log_metric(name, value, step)

    def log_parameter(self, name: str, value: bool | int | float | str) -> None:
        """Record a parameter that was learned while running.

        Args:
            name: which parameter; logging it again replaces the value.
            value: a scalar; numpy scalars are accepted.

        Raises:
            UsageError: the name or value is of the wrong kind.
            StorageError: the disk refused.
        """
        record = Parameter(name, plain_parameter(name, value), time.time())
        self._attempt.writer().append(record)

    def flush(self) -> None:
        """Hand everything logged so far to the operating system now."""
        self._attempt.writer().flush()

    def _attachments(self) -> Mapping[str, Attachment]:
        """Return what this process attached; other processes of the run have their own."""
        return dict(self._attempt.attachments)

    @contextmanager
    def _claim(self, name: object) -> Iterator[str]:
        if name in (METRICS_NAME, OUTPUT_NAME):
            raise UsageError(
                f"{name} is the name of what a run gets when it is closed",
                hint="use another name",
            )
        with super()._claim(name) as checked:
            yield checked

    def _claims(self) -> Claims:
        return self._attempt.keep(_new_claims)

    def _registry(self) -> Registry:
        return self._attempt.keep(protected_registry)

    def _record_attachment(self, attachment: Attachment) -> None:
        writer = self._attempt.writer()
        writer.append(AttachmentRecord.of(attachment, time.time()))
        writer.flush()
        self._attempt.attachments[attachment.name] = attachment

    def _check_open(self) -> None:
        if self._attempt.closed or self._was_closed():
            raise RunClosedError(f"run {self.job_id} is closed")

    def _was_closed(self) -> bool:
        """Return whether the run's owner, another process perhaps, has closed the attempt."""
        try:
            document = read_document(self._attempt.folder / DOCUMENT_FILE)
        except FileNotFoundError:
            return True
        return document.get("attempt_id") != self.attempt_id or "sealed" in document


def _new_claims(attempt: ActiveAttempt) -> Claims:
    return Claims()


def protected_registry(attempt: ActiveAttempt) -> Registry:
    """Return the registry for an attempt's bytes, and keep collections away from them (GC-03).

    The lease depends on the life of the run's owner, which seals the bytes: a child process may
    end long before.
    """
    from aexp.registry import open_registry
    from aexp.workspace.locate import layout_of

    registry = open_registry(layout_of(attempt.folder))
    owner = Owner.from_json(read_document(attempt.folder / DOCUMENT_FILE).get("owner"))
    attempt.hold(registry.lease(f"run {attempt.job_id}", owner))
    return registry


def current_run() -> ActiveRun | None:
    """Return the run this process is part of, or None outside a run.

    Inside ``aexp run -- …`` it is the run named in the environment; inside ``run_lifecycle`` the
    innermost one.
    """
    attempt = active_attempt()
    return None if attempt is None else ActiveRun(attempt)


def plain_parameter(name: str, value: object) -> bool | int | float | str:
    """Return a parameter's value as it is recorded; one that is not finite as text (LED-02).

    Raises:
        UsageError: the name or value is of the wrong kind.
    """
    scalar = _scalar(value, "parameter", check_name(name, "parameter"))
    if isinstance(scalar, str):
        return scalar.encode("utf-8", "replace").decode("utf-8")
    if isinstance(scalar, float):
        return encode_number(float(scalar))
    return scalar


_known_names: set[str] = set()
_MANY_NAMES: Final = 10_000


def _check_once(name: str) -> None:
    """Check the name of a metric, and remember that it is one."""
    check_name(name, "metric")
    if len(_known_names) >= _MANY_NAMES:
        _known_names.clear()
    _known_names.add(name)


def _number(value: object, name: str) -> float:
    number = _scalar(value, "metric", name)
    if isinstance(number, bool | str):
        raise UsageError(f"metric {name} needs a number, not {number!r}")
    return float(number)


def _scalar(value: object, what: str, name: str) -> bool | int | float | str:
    item = getattr(value, "item", None)
    if not isinstance(value, bool | int | float | str) and callable(item):
        try:
            value = item()
        except (TypeError, ValueError):
            raise UsageError(f"{what} {name} needs one value, not an array") from None
    if isinstance(value, bool | int | float | str):
        return value
    raise UsageError(f"{what} {name} needs a scalar, not a {type(value).__name__}")


def _step(step: object, name: str) -> int:
    whole = _scalar(step, "step of", name)
    if isinstance(whole, bool) or not isinstance(whole, int) or abs(whole) >= 2**63:
        raise UsageError(f"the step of metric {name} must be a whole number, not {step!r}")
    return whole
