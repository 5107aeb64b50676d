"""Fixtures for every test. ``tests/support/README.md`` explains them in a page."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from aexp.clock import use_clock
from aexp.workspace import active
from tests.support import failing
from tests.support.clock import FakeClock
from tests.support.homeguard import HomeGuard
from tests.support.machines import (
    Machine,
    TwoMachines,
    clone_repo,
    copy_repo,
    make_repo,
    make_two_machines,
)
from tests.support.paths import WEIRD_NAMES
from tests.support.sealed import sealed_environ
from tests.support.slurm import slurm as slurm
from tests.support.slurm import slurm_of_session as slurm_of_session

# A busy machine is no fault of the property that is tested.
settings.register_profile(
    "suite", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("suite")

REAL_HOME = Path.home()
_guard: HomeGuard | None = None


def pytest_configure(config: pytest.Config) -> None:
    """Make every warning an error, wherever the tests are started from.

    In the background of a script, or below ``nohup``, a program starts deaf to some signals, and
    so does all that it starts: what the tests send would never arrive.
    """
    config.addinivalue_line("filterwarnings", "error")
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            is_python = number == signal.SIGINT
            signal.signal(number, signal.default_int_handler if is_python else signal.SIG_DFL)


@pytest.fixture(scope="session")
def sealed_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty home for fixtures that live as long as the session; its environment is set too."""
    home = tmp_path_factory.mktemp("session-home")
    with pytest.MonkeyPatch.context() as patch:
        _seal(patch, home)
        yield home


@pytest.fixture(scope="session")
def _home_guard_of_session(tmp_path_factory: pytest.TempPathFactory) -> HomeGuard:
    global _guard
    if _guard is None:
        _guard = HomeGuard(REAL_HOME)
    _guard.allow(tmp_path_factory.getbasetemp())
    return _guard


@pytest.fixture(autouse=True)
def sealed_environment(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    sealed_home: Path,
    _home_guard_of_session: HomeGuard,
) -> Iterator[Path]:
    """Give each test an empty home, an empty working directory and a clean environment.

    Touching the real home, or writing into the checkout, raises, and fails the test even when
    the exception is swallowed. The value is the test's home.
    """
    place = tmp_path_factory.mktemp("sealed")
    home = place / "home"
    _seal(monkeypatch, home)
    (place / "cwd").mkdir()
    monkeypatch.chdir(place / "cwd")
    guard = _home_guard_of_session
    guard.forget()
    with guard.active():
        yield home
    active._stack.clear()  # an execution that the test left running is no other test's run
    if violations := guard.forget():
        pytest.fail("the test left its sandbox: " + "; ".join(violations))


def _seal(patch: pytest.MonkeyPatch, home: Path) -> None:
    wanted = sealed_environ(home)
    for name in set(os.environ) - set(wanted):
        patch.delenv(name)
    for name, value in wanted.items():
        patch.setenv(name, value)
    if hasattr(time, "tzset"):
        time.tzset()


@pytest.fixture
def home_guard(_home_guard_of_session: HomeGuard) -> HomeGuard:
    """The guard of the real home, to pause it or to look at what it saw."""
    return _home_guard_of_session


@pytest.fixture
def fake_clock() -> Iterator[FakeClock]:
    """A clock at 2026-01-01 00:00 UTC that stands still until the test moves it."""
    clock = FakeClock()
    with use_clock(clock):
        yield clock


@pytest.fixture(scope="session")
def _repo_template(tmp_path_factory: pytest.TempPathFactory, sealed_home: Path) -> Path:
    return make_repo(tmp_path_factory.mktemp("template") / "repo").path


@pytest.fixture
def repo(tmp_path: Path, _repo_template: Path) -> Machine:
    """A git repository at ``tmp_path/repo`` with one commit, an identity, and no aexp in it."""
    return copy_repo(_repo_template, tmp_path / "repo")


@pytest.fixture
def clone() -> Callable[..., Machine]:
    """``clone(source, path, label="")``: clone a repository to a new path."""
    return clone_repo


@pytest.fixture(scope="session")
def _installed_template(tmp_path_factory: pytest.TempPathFactory, _repo_template: Path) -> Path:
    machine = copy_repo(_repo_template, tmp_path_factory.mktemp("installed") / "repo")
    machine.label = "laptop"
    machine.install()
    machine.commit_all("Install aexp")
    return machine.path


@pytest.fixture
def installed_repo(tmp_path: Path, _installed_template: Path) -> Machine:
    """A repository at ``tmp_path/repo`` with aexp installed as ``laptop``, and committed."""
    machine = copy_repo(_installed_template, tmp_path / "repo")
    machine.label = "laptop"
    return machine


@pytest.fixture
def two_machines(tmp_path: Path) -> TwoMachines:
    """A bare remote and two installed clones, ``.cluster`` and ``.laptop``, all up to date."""
    return make_two_machines(tmp_path)


@pytest.fixture(params=list(WEIRD_NAMES.values()), ids=list(WEIRD_NAMES))
def weird_name(request: pytest.FixtureRequest) -> str:
    """Each of the names that have broken tools before."""
    name: str = request.param
    return name


@pytest.fixture
def weird_path(tmp_path: Path, weird_name: str) -> Path:
    """An empty folder of a weird name, where the file system allows it."""
    folder = tmp_path / weird_name
    try:
        folder.mkdir()
    except (OSError, ValueError) as error:
        pytest.skip(f"this file system refuses the name {weird_name!r}: {error}")
    return folder


@pytest.fixture
def failing_storage(
    tmp_path: Path,
) -> Callable[..., AbstractContextManager[failing.FailingDisk]]:
    """``with failing_storage("fsync", nth=2, error=errno.EIO):`` for all below ``tmp_path``."""
    return partial(failing.failing_storage, tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte that can really be full (:func:`tests.support.failing.fill_disk`)."""
    with failing.small_disk(tmp_path / "small-disk") as folder:
        if folder is None:
            pytest.skip("mounting a small disk needs root")
        yield folder
