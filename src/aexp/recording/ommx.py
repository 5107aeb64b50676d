"""Codecs for OMMX's messages (the extra ``ommx``, REC-07).

OMMX is imported when one of its objects is logged, which is when it is there already, or when one
is read.
"""

from __future__ import annotations

from typing import Any

from aexp.errors import CorruptDataError, UsageError
from aexp.recording.formats import is_instance_of, require

_KINDS = {
    "Instance": "application/org.ommx.v1.instance",
    "ParametricInstance": "application/org.ommx.v1.parametric-instance",
    "Solution": "application/org.ommx.v1.solution",
    "SampleSet": "application/org.ommx.v1.sample-set",
}


class OmmxCodec:
    """The codec of one of OMMX's message classes.

    Args:
        kind: the name of the class in ``ommx.v1``.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.media_type = _KINDS[kind]

    def accepts(self, value: object) -> bool:
        """Tell whether ``value`` is of this class, without importing OMMX."""
        return is_instance_of(value, "ommx.v1", self.kind)

    def encode(self, value: Any) -> bytes:
        """Return the message's bytes.

        Raises:
            UsageError: the value is of another class.
            MissingExtraError: OMMX is not installed.
        """
        if not isinstance(value, self._class()):
            raise UsageError(f"an ommx.v1.{self.kind} is needed, not a {type(value).__name__}")
        return bytes(value.to_bytes())

    def decode(self, data: bytes) -> object:
        """Return the message.

        Raises:
            CorruptDataError: the bytes are no such message.
            MissingExtraError: OMMX is not installed.
        """
        kind = self._class()
        try:
            return kind.from_bytes(data)
        except (ValueError, RuntimeError, TypeError) as error:
            raise CorruptDataError(f"no ommx.v1.{self.kind}: {error}") from error

    def _class(self) -> Any:
        return getattr(require("ommx.v1", "ommx", f"an OMMX {self.kind}"), self.kind)


INSTANCE = OmmxCodec("Instance")
PARAMETRIC_INSTANCE = OmmxCodec("ParametricInstance")
SOLUTION = OmmxCodec("Solution")
SAMPLE_SET = OmmxCodec("SampleSet")
CODECS = (INSTANCE, PARAMETRIC_INSTANCE, SOLUTION, SAMPLE_SET)


def codec_of_media_type(media_type: str) -> OmmxCodec | None:
    """Return the codec of a media type of OMMX's, None for another one."""
    return next((codec for codec in CODECS if codec.media_type == media_type), None)
