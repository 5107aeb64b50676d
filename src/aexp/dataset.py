"""Datasets: the public names (``from aexp.dataset import DatasetSpec``)."""
