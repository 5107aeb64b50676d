"""Tests of ``aexp.retention``."""
