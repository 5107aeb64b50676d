"""Tests of ``aexp.recording``."""
