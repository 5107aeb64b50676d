"""Tests of ``aexp.queries``."""
