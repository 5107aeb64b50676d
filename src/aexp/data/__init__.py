"""Datasets, assets and features: what executions read, and what they have published."""
