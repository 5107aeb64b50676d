"""What executions have published; :mod:`aexp.runs.outputs` has the work, for rooms below this."""

from aexp.model.outputs import AssetOutput, FeatureOutput, Output
from aexp.runs.outputs import outputs_of

__all__ = ["AssetOutput", "FeatureOutput", "Output", "outputs_of"]
