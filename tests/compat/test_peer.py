"""Finding 0.6.1, before a skipped test is taken for a passed one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.compat import conftest, peer


@pytest.mark.parametrize("python", ["missing", sys.executable], ids=["missing", "without it"])
def test_an_interpreter_without_it_is_named(
    python: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The reason says what is missing; where services are required it is a failure."""
    monkeypatch.setattr(peer, "NAMED", str(tmp_path / python))  # an absolute one stays itself
    monkeypatch.setattr(conftest, "find_peer", peer.find_peer.__wrapped__)
    assert isinstance(peer.find_peer.__wrapped__(), str)
    fixture = conftest.peer.__wrapped__
    monkeypatch.setattr(conftest, "REQUIRED", False)
    with pytest.raises(pytest.skip.Exception, match="agentic-experiments"):
        fixture(tmp_path)
    monkeypatch.setattr(conftest, "REQUIRED", True)
    with pytest.raises(pytest.fail.Exception, match=r"0\.6\.1"):
        fixture(tmp_path)
