"""Recording calls (REC-06): what went in, with which options, what came out, how it ended.

A call is an attachment ``calls/<n>``, a JSON text (``docs/format/call.md``); what went in and what
came out are ``calls/<n>/input`` and ``calls/<n>/output``. What goes in is stored before the call,
so that it is there whatever the call does to it.
"""

from __future__ import annotations

import copy
import inspect
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aexp import clock
from aexp.errors import AexpError, AttachmentWarning, MissingExtraError, UsageError
from aexp.model.attachment import Attachment
from aexp.model.canonical import Json, canonical_bytes
from aexp.model.credentials import redact_secrets
from aexp.model.times import format_time
from aexp.recording.codecs import (
    CODEC,
    AnyCodec,
    JsonCodec,
    codec_for_value,
    codec_name,
    encode_with,
    usable,
)
from aexp.recording.options import portable_options
from aexp.runs.lifecycle import how_it_ended

if TYPE_CHECKING:
    from aexp.recording.attaching import Attaching

CALL = "application/vnd.aexp.call.v1+json"
VERSION = 1
LONGEST_ERROR = 512
"""Characters of an error's text that are kept (REC-08)."""


@dataclass(frozen=True, slots=True)
class Work:
    """A call to be made.

    Attributes:
        function: what is called.
        args: what goes in.
        options: its keyword arguments.
        codec: how ``args`` are stored; found by their types when None.
        output_codec: how the result is stored; found by its type when None.
        adapter: the name of the class whose ``solve`` it is, None for another call.
    """

    function: Callable[..., Any]
    args: Sequence[object]
    options: dict[str, Any]
    codec: AnyCodec = None
    output_codec: AnyCodec = None
    adapter: str | None = None


def solve_work(adapter: Any, instance: object, options: dict[str, Any]) -> Work:
    """Return the call ``adapter.solve(copy of instance, **options)``.

    Raises:
        UsageError: the adapter has no ``solve``, or the instance cannot be copied.
    """
    solve = getattr(adapter, "solve", None)
    kind = adapter if isinstance(adapter, type) else type(adapter)
    if not callable(solve):
        raise UsageError(
            f"{kind.__name__} has no solve(…)", hint="give an adapter, or use log_call"
        )
    try:
        own = copy.deepcopy(instance)
    except (TypeError, copy.Error) as error:
        raise UsageError(
            f"a {type(instance).__name__} cannot be copied: {error}",
            hint="log_call(function, instance, codec=…) needs no copy",
        ) from error
    return Work(solve, (own,), options, adapter=f"{kind.__module__}.{kind.__qualname__}")


def record_call(target: Attaching, work: Work) -> Any:
    """Make the call, record it, and return what it returned.

    Raises:
        UsageError: an argument cannot be stored, or the function is asynchronous; the call was
            not made.
        RunClosedError: the run or session is closed; the call was not made.
        StorageError: the disk refused.
        BaseException: whatever the call raised, recorded as failed.
    """
    target._check_open()
    if inspect.iscoroutinefunction(work.function):
        raise UsageError(
            f"{function_name(work.function)} is asynchronous, and would only begin to run",
            hint="record a function that awaits it, for example with asyncio.run",
        )
    inputs = [_encoded(value, work.codec) for value in work.args]
    options, redacted = portable_options(work.options)
    number = target._claim_call()
    name = f"calls/{number}"
    recorder = _Recorder(target, name)
    record: dict[str, Json] = {
        "version": VERSION,
        "number": number,
        "function": function_name(work.function),
        "options": options,
        "library": library_of(work.function),
        "inputs": [
            recorder.attach(f"{name}/input" + (f"/{i}" if i else ""), stored)
            for i, stored in enumerate(inputs)
        ],
    }
    if work.adapter is not None:
        record["adapter"] = work.adapter
    if redacted:
        record["redacted"] = redacted
    return _called(recorder, work, record)


def _called(recorder: _Recorder, work: Work, record: dict[str, Json]) -> Any:
    record["started_at"] = format_time(clock.utc_now())
    begun = clock.monotonic()
    try:
        result = work.function(*work.args, **work.options)
    except BaseException as error:
        record["duration_s"] = round(clock.monotonic() - begun, 6)
        record["status"] = how_it_ended(error)[0]
        if record["status"] != "complete":  # SystemExit(0) is a normal end (RUN-02, trap 43)
            record["error"] = error_text(error)
        try:
            recorder.finish(record)
        except AexpError as second:  # must not hide what the call raised
            error.add_note(f"aexp could not record this call: {second.message}")
        raise
    record["duration_s"] = round(clock.monotonic() - begun, 6)
    record["status"] = "complete"
    if result is not None:
        try:
            stored = _encoded(result, work.output_codec, otherwise=work.codec)
        except (UsageError, MissingExtraError) as error:
            # The work is done, and perhaps took hours: the caller gets its result all the same.
            record["output_problem"] = error.message
            warnings.warn(
                f"the result of {record['function']} is not stored: {error.message}",
                AttachmentWarning,
                stacklevel=4,
            )
        else:
            record["output"] = recorder.attach(f"{recorder.name}/output", stored)
    recorder.finish(record)
    return result


class _Recorder:
    """Writes the attachments of one call."""

    def __init__(self, target: Attaching, name: str) -> None:
        self._target = target
        self.name = name

    def attach(self, name: str, stored: _Stored) -> Json:
        return self._put(name, stored.media_type, stored.data, stored.annotations).to_json()

    def finish(self, record: dict[str, Json]) -> None:
        self._put(self.name, CALL, canonical_bytes(record), {})

    def _put(self, name: str, media_type: str, data: bytes, note: Mapping[str, str]) -> Attachment:
        blob = self._target._registry().put(data)
        attachment = Attachment(name, media_type, blob.digest, blob.size, None, note)
        self._target._record_attachment(attachment)
        return attachment


@dataclass(frozen=True, slots=True)
class _Stored:
    """A value as it is to be stored."""

    media_type: str
    data: bytes
    annotations: Mapping[str, str]


def _encoded(value: object, codec: AnyCodec, *, otherwise: AnyCodec = None) -> _Stored:
    """Return ``value`` as the codec makes it that is given, or found for it.

    Raises:
        UsageError: there is none that takes it.
    """
    if codec is not None:
        chosen = usable(codec)
    else:
        found = codec_for_value(value)
        chosen = usable(JsonCodec if found is None and otherwise is None else found or otherwise)
    try:
        data = encode_with(chosen, value)
    except UsageError as error:
        if chosen is not JsonCodec:
            raise
        raise UsageError(
            f"a {type(value).__name__} cannot be stored: {error.message}",
            hint="give codec=… (output_codec=… for the result), or install one: see REC-05",
        ) from error
    return _Stored(chosen.media_type, data, {CODEC: codec_name(chosen)})


def error_text(error: BaseException) -> str:
    """Return ``Type: message``, without secrets and not longer than allowed (REC-08)."""
    text = f"{type(error).__name__}: {error}".removesuffix(": ")
    text = redact_secrets(text.encode("utf-8", "replace").decode("utf-8"), lambda kind: None)
    return text if len(text) <= LONGEST_ERROR else text[: LONGEST_ERROR - 1] + "…"


def function_name(function: object) -> str:
    """Return ``module.name`` of a function, or of the class of a callable object."""
    named = getattr(function, "func", function)  # functools.partial
    if not hasattr(named, "__qualname__"):
        named = type(named)
    owner = getattr(function, "__self__", None)
    kind = owner if isinstance(owner, type) else type(owner)
    name = named.__qualname__
    if owner is not None and "." in name:  # a method: of the class it is called on
        name = f"{kind.__qualname__}.{name.rpartition('.')[2]}"
        return f"{kind.__module__}.{name}"
    return f"{getattr(named, '__module__', None) or 'builtins'}.{name}"


def library_of(function: object) -> Json:
    """Return the name and version of the package a function comes from, None when unknown."""
    from importlib import metadata

    package = function_name(function).partition(".")[0]
    if package in ("builtins", "__main__"):
        return None
    if package in sys.stdlib_module_names:
        return {"name": "python", "version": ".".join(map(str, sys.version_info[:3]))}
    try:
        return {"name": package, "version": metadata.version(package)}
    except metadata.PackageNotFoundError:
        # Asked without __getattr__, which some packages use to warn about their __version__.
        module = sys.modules.get(package)
        version = None if module is None else vars(module).get("__version__")
        return None if version is None else {"name": package, "version": str(version)}
