"""Tests of ``aexp.runs``."""
