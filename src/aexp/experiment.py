"""Recording sessions: the public names (``from aexp.experiment import Experiment``)."""

from aexp.recording.codecs import ArrayCodec, BytesCodec, Codec, FrameCodec, JsonCodec, TextCodec
from aexp.recording.experiment import Artifact, Experiment, Run, SealedRun
from aexp.recording.single import load_run

__all__ = [
    "ArrayCodec",
    "Artifact",
    "BytesCodec",
    "Codec",
    "Experiment",
    "FrameCodec",
    "JsonCodec",
    "Run",
    "SealedRun",
    "TextCodec",
    "load_run",
]
