"""Tests of ``aexp.workspace``."""
