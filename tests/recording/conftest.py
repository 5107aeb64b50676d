"""Fixtures for the tests of recording."""

from tests.recording.attachable import holder

__all__ = ["holder"]
