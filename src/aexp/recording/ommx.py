"""Codecs for OMMX's messages (the extra ``ommx``, REC-07), of OMMX 2 and of OMMX 3.

OMMX is imported when one of its objects is logged, which is when it is there already, or when one
is read. OMMX 3 writes a second version of its formats, under media types of their own, and reads
both; OMMX 2 knows the first one only.
"""

from __future__ import annotations

from typing import Any

from aexp.errors import CorruptDataError, MissingExtraError, UsageError
from aexp.recording.formats import is_instance_of, require

_NAMES = {
    "Instance": "instance",
    "ParametricInstance": "parametric-instance",
    "Solution": "solution",
    "SampleSet": "sample-set",
}


class OmmxCodec:
    """The codec of one of OMMX's message classes.

    Args:
        kind: the name of the class.
        version: of OMMX's format, 1 or 2.
    """

    def __init__(self, kind: str, version: int) -> None:
        self.kind, self.version = kind, version
        self.media_type = f"application/org.ommx.v{version}.{_NAMES[kind]}"

    def accepts(self, value: object) -> bool:
        """Tell whether this is how to write ``value``, without importing OMMX."""
        homes = ("ommx", "ommx.v1")
        if not any(is_instance_of(value, home, self.kind) for home in homes):
            return False
        return hasattr(value, "to_v2_bytes") is (self.version == 2)

    def encode(self, value: Any) -> bytes:
        """Return the message's bytes.

        Raises:
            UsageError: the value is of another class.
            MissingExtraError: OMMX is not installed.
        """
        if not isinstance(value, self._class()):
            raise UsageError(f"an OMMX {self.kind} is needed, not a {type(value).__name__}")
        return bytes(self._method(value, "to")())

    def decode(self, data: bytes) -> object:
        """Return the message.

        Raises:
            CorruptDataError: the bytes are no such message.
            MissingExtraError: OMMX is not installed, or too old for this format.
        """
        read = self._method(self._class(), "from")
        try:
            return read(data)
        except (ValueError, RuntimeError, TypeError) as error:
            raise CorruptDataError(f"no OMMX {self.kind}: {error}") from error

    def _class(self) -> Any:
        what = f"an OMMX {self.kind}"
        newer = getattr(require("ommx", "ommx", what), self.kind, None)
        return newer or getattr(require("ommx.v1", "ommx", what), self.kind)

    def _method(self, owner: Any, direction: str) -> Any:
        """Return ``to_v1_bytes``, ``from_v2_bytes`` and so on; OMMX 2 says ``to_bytes``."""
        found = getattr(owner, f"{direction}_v{self.version}_bytes", None)
        if found is None and self.version == 1:
            found = getattr(owner, f"{direction}_bytes", None)
        if found is None:
            raise MissingExtraError(
                f"this OMMX does not know version {self.version} of its format",
                hint="pip install --upgrade --pre ommx",
            )
        return found


CODECS = tuple(OmmxCodec(kind, version) for version in (2, 1) for kind in _NAMES)
INSTANCE, PARAMETRIC_INSTANCE, SOLUTION, SAMPLE_SET = CODECS[4:]
"""The codecs of the first version, which every OMMX reads."""


def codec_of_media_type(media_type: str) -> OmmxCodec | None:
    """Return the codec of a media type of OMMX's, None for another one."""
    return next((codec for codec in CODECS if codec.media_type == media_type), None)


def codec_for(kind: str, value: object) -> OmmxCodec:
    """Return the codec for a message of a kind, in the version that its OMMX writes."""
    version = 2 if hasattr(value, "to_v2_bytes") else 1
    return next(codec for codec in CODECS if (codec.kind, codec.version) == (kind, version))
