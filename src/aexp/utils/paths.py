"""``read_machine_label(repo_root)``, kept importable from here (INS-05)."""

from aexp.repo import read_machine_label

__all__ = ["read_machine_label"]
