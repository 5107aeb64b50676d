"""Any sequence of what can be done with a session, against a model of a page (REC, SES).

A crash is played within one process: the session's objects are dropped, and what only they knew
is gone. Crashes of real processes are in ``tests/crash/test_session_killed.py``.
"""

from __future__ import annotations

import gc
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from aexp.errors import (
    NotFoundError,
    OpenRunsError,
    RefConflictError,
    RunClosedError,
    SessionClosedError,
    UsageError,
)
from aexp.experiment import Experiment, Run
from tests.support.machines import make_repo

Scalars = st.booleans() | st.integers(-5, 5) | st.floats(-1, 1) | st.sampled_from(["", "a", "NaN?"])
Names = st.sampled_from(["alpha", "beta", "gamma"])


@dataclass(frozen=True)
class Content:
    """What a session must hold: attachments; by number, parameters, attachments and status."""

    attachments: frozenset[str] = frozenset()
    runs: dict[int, tuple[dict[str, object], frozenset[str], str]] = field(default_factory=dict)


def content_of(experiment: Experiment) -> Content:
    """Return what a session holds."""
    runs = {
        run.run_id: (
            run.parameters,
            frozenset(run.attachment_names) - {"environment.json", "code.diff"},
            run.status,
        )
        for run in experiment.runs
        if not isinstance(run, Run)
    }
    return Content(frozenset(experiment.attachment_names), runs)


class Sessions(RuleBasedStateMachine):
    """One session of one name at a time, which is recorded, lost, restored, sealed and forked."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.repo = make_repo(Path(self.folder.name) / "repo")
        self.session: Experiment | None = None
        self.open: dict[int, tuple[Run, dict[str, object], set[str]]] = {}
        self.now = Content()
        self.saved: Content | None = None
        self.sealed: list[tuple[str, Content]] = []
        self.used: set[int] = set()

    def teardown(self) -> None:
        self.session = None
        self.open.clear()
        self.folder.cleanup()

    def opened(self, session: Experiment, content: Content) -> None:
        self.session, self.now, self.saved = session, content, None
        self.used = set(content.runs)

    # --- beginning -----------------------------------------------------------------------

    @precondition(lambda self: self.session is None and self.saved is None)
    @rule()
    def begin(self) -> None:
        self.opened(Experiment("n", repo_root=self.repo.path), Content())

    @precondition(lambda self: self.session is None and self.saved is None and self.sealed)
    @rule(data=st.data())
    def fork(self, data: st.DataObject) -> None:
        digest, content = data.draw(st.sampled_from(self.sealed))
        loaded = Experiment.load(digest, repo_root=self.repo.path)
        self.opened(loaded.fork("n"), content)

    @precondition(lambda self: self.session is None and self.saved is not None)
    @rule()
    def restore(self) -> None:
        assert self.saved is not None
        self.session = Experiment.restore_from_checkpoint("n", repo_root=self.repo.path)
        self.now = self.saved

    @precondition(lambda self: self.session is None and self.saved is None)
    @rule()
    def nothing_to_restore(self) -> None:
        try:
            Experiment.restore_from_checkpoint("n", repo_root=self.repo.path)
        except NotFoundError:
            return
        raise AssertionError("a checkpoint that nobody knows of")

    # --- recording -----------------------------------------------------------------------

    @precondition(lambda self: self.session is not None and len(self.open) < 3)
    @rule(keys=st.dictionaries(Names, st.integers(0, 3), max_size=2))
    def run(self, keys: dict[str, int]) -> None:
        assert self.session is not None
        run = self.session.run(keys)
        assert run.run_id not in self.used, "a number is never given twice"
        self.used.add(run.run_id)
        self.open[run.run_id] = (run, dict(keys), set())

    @precondition(lambda self: self.open)
    @rule(data=st.data(), name=Names, value=Scalars)
    def parameter(self, data: st.DataObject, name: str, value: bool | int | float | str) -> None:
        run, params, _ = self.open[data.draw(st.sampled_from(sorted(self.open)))]
        known = params.get(name)
        same = name not in params or (
            known == value and isinstance(known, bool) == isinstance(value, bool)
        )
        try:
            run.log_parameter(name, value)
        except UsageError:
            assert not same
        else:
            assert same
            params.setdefault(name, value)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), name=Names)
    def attachment(self, data: st.DataObject, name: str) -> None:
        run, _, attached = self.open[data.draw(st.sampled_from(sorted(self.open)))]
        try:
            run.log_json(name, name)
        except UsageError:
            assert name in attached
        else:
            assert name not in attached
            attached.add(name)

    @precondition(lambda self: self.session is not None)
    @rule(name=Names)
    def attachment_of_the_session(self, name: str) -> None:
        assert self.session is not None
        try:
            self.session.log_json(name, name)
        except UsageError:
            assert name in self.now.attachments
        else:
            assert name not in self.now.attachments
            self.now = replace(self.now, attachments=self.now.attachments | {name})

    @precondition(lambda self: self.open)
    @rule(data=st.data(), fails=st.booleans())
    def close_run(self, data: st.DataObject, fails: bool) -> None:
        number = data.draw(st.sampled_from(sorted(self.open)))
        run, params, attached = self.open.pop(number)
        if fails:
            error = ValueError("no")
            assert run.__exit__(ValueError, error, None) is False
        else:
            run.finish()
        status = "failed" if fails else "complete"
        runs = {**self.now.runs, number: (params, frozenset(attached), status)}
        self.now = self.saved = replace(self.now, runs=runs)
        try:
            run.log_parameter("late", 1)
        except RunClosedError:
            return
        raise AssertionError("a closed run took a parameter")

    # --- the end -------------------------------------------------------------------------

    @precondition(lambda self: self.session is not None)
    @rule()
    def checkpoint(self) -> None:
        assert self.session is not None
        self.session.checkpoint()
        self.saved = self.now

    @precondition(lambda self: self.session is not None)
    @rule()
    def crash(self) -> None:
        """Lose the session: what is open, and what came after the last checkpoint."""
        self.session = None
        self.open.clear()
        gc.collect()
        if self.saved is None:
            self.used = set()

    @precondition(lambda self: self.session is not None)
    @rule(fails=st.booleans())
    def leave(self, fails: bool) -> None:
        """Close the session, or let an exception end its block."""
        assert self.session is not None
        if fails:
            self.session.__exit__(ValueError, ValueError("no"), None)
        else:
            self.session.close()
        self.saved = self.now
        session, self.session = self.session, None
        self.open.clear()
        try:
            session.run()
        except SessionClosedError:
            return
        raise AssertionError("a closed session began a run")

    @precondition(lambda self: self.session is not None)
    @rule()
    def commit(self) -> None:
        assert self.session is not None
        try:
            artifact = self.session.commit()
        except OpenRunsError:
            assert self.open
            return
        assert not self.open
        self.sealed.append((artifact.digest, self.now))
        self.session, self.saved = None, None

    @precondition(lambda self: self.session is not None and not self.open)
    @rule()
    def lose_the_name(self) -> None:
        """Let another session advance the name: the commit is refused and nothing is lost."""
        assert self.session is not None
        other = Experiment("n", repo_root=self.repo.path)
        artifact = other.commit(replace=True)
        self.sealed.append((artifact.digest, Content()))
        try:
            self.session.commit()
        except RefConflictError:
            pass
        else:
            raise AssertionError("a name was taken from another session")
        self.sealed.append((self.session.commit(replace=True).digest, self.now))
        self.session, self.saved = None, None

    # --- what holds ----------------------------------------------------------------------

    @invariant()
    def the_session_holds_what_it_must(self) -> None:
        if self.session is not None:
            assert content_of(self.session) == self.now
            assert {run.run_id for run in self.session.open_runs} == set(self.open)

    @invariant()
    def what_was_sealed_does_not_change(self) -> None:
        for digest, content in self.sealed[-2:]:
            loaded = Experiment.load(digest, repo_root=self.repo.path)
            assert content_of(loaded) == content


@pytest.mark.parametrize(
    ("examples", "steps"), [(12, 14), pytest.param(80, 50, marks=pytest.mark.slow)]
)
def test_any_sequence(examples: int, steps: int) -> None:
    """REC-01, REC-02, SES-01 to SES-06, trap 42: what a session holds is what the model says."""
    run_state_machine_as_test(
        Sessions,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
