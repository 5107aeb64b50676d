"""Recording from inside a run."""
