"""Recording sessions: the public names (``from aexp.experiment import Experiment``)."""

from aexp.recording.experiment import Artifact, Experiment, Run, SealedRun

__all__ = ["Artifact", "Experiment", "Run", "SealedRun"]
