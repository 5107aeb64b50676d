"""Refs: rows that change in one transaction, under conditions (REG-03, REG-05)."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from aexp.errors import (
    CorruptDataError,
    NewerSchemaError,
    NotFoundError,
    RefConflictError,
    StorageError,
    UsageError,
)
from aexp.process import this_process
from aexp.registry import DropRef, Registry, SetRef
from aexp.registry.projection import listed, name_in
from aexp.registry.refs import ANY, KINDS, LONGEST_NAME, Ref, RefTable
from tests.registry.holding import put_artifact
from tests.support.clock import FakeClock

GONE = "sha256:" + "0" * 64
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30).filter(
    lambda text: bool(text.strip())
)


@pytest.fixture
def digest(registry: Registry) -> str:
    """A manifest that refs can name."""
    return put_artifact(registry, b"a").digest


def names(registry: Registry) -> list[str]:
    """Return what ``index.json`` lists."""
    return [name_in(entry) or "" for entry in listed(registry.root / "index.json")]


def test_a_ref_comes_back_as_it_was_set(
    registry: Registry, digest: str, fake_clock: FakeClock
) -> None:
    """REG-01: name, kind, digest, session, owner and times."""
    owner = this_process()
    began = fake_clock.now().timestamp()
    registry.publish(SetRef("checkpoint/1", "checkpoint", digest, "E001", owner))
    assert registry.ref("checkpoint/1") == Ref(
        "checkpoint/1", "checkpoint", digest, "E001", owner, began, began
    )
    fake_clock.advance(5)
    registry.publish(SetRef("checkpoint/1", "checkpoint", digest, "E001"))
    found = registry.ref("checkpoint/1")
    assert found is not None
    assert (found.created_at, found.updated_at, found.owner) == (began, began + 5, None)


@given(chosen=st.lists(NAMES, min_size=1, max_size=30, unique=True))
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_name(registry: Registry, chosen: list[str]) -> None:
    """REG-01: a ref name need not be a legal OCI name; it comes back as it is, everywhere."""
    digest = put_artifact(registry, b"a").digest
    registry.publish(
        *(DropRef(ref.name) for ref in registry.refs()),
        *(SetRef(name, "artifact", digest) for name in chosen),
    )
    assert all(registry.ref(name) is not None for name in chosen)
    assert sorted(ref.name for ref in registry.refs()) == sorted(chosen)
    assert sorted(names(registry)) == sorted(chosen)


@pytest.mark.parametrize(
    "name", ["", " ", "a\nb", "a\0b", "\ud800", "\x7f", "x" * (LONGEST_NAME + 1)]
)
def test_what_cannot_be_a_name(registry: Registry, digest: str, name: str) -> None:
    """Trap 32: a name that no listing could show is refused in words."""
    with pytest.raises(UsageError, match="cannot name"):
        registry.publish(SetRef(name, "artifact", digest))
    assert registry.refs() == []


def test_conditions(registry: Registry, digest: str) -> None:
    """SES-05: a ref moves only from where it was expected; of many changes all happen or none."""
    other = put_artifact(registry, b"b").digest
    registry.publish(SetRef("a", "artifact", digest, expect=None))
    for bad in (
        SetRef("a", "artifact", other, expect=None),
        SetRef("a", "artifact", other, expect=other),
        DropRef("a", expect=other),
        DropRef("b", expect=digest),
    ):
        with pytest.raises(RefConflictError) as caught:
            registry.publish(SetRef("new", "artifact", other), DropRef("x"), bad)
        assert caught.value.exit_code == 5
    assert [ref.name for ref in registry.refs()] == ["a"]
    assert names(registry) == ["a"]
    registry.publish(SetRef("a", "artifact", other, expect=digest), DropRef("none", expect=None))
    registry.publish(DropRef("a", expect=other), SetRef("b", "artifact", digest))
    assert [(ref.name, ref.digest) for ref in registry.refs()] == [("b", digest)]
    assert names(registry) == ["b"]


def test_a_ref_needs_its_manifest(registry: Registry, digest: str) -> None:
    """REG-03: a ref is published after its manifest, never before."""
    with pytest.raises(NotFoundError):
        registry.publish(SetRef("a", "artifact", digest), SetRef("b", "artifact", GONE))
    with pytest.raises(UsageError, match="no kind of ref"):
        registry.publish(SetRef("a", "tag", digest))
    assert registry.refs() == []


def test_refs_by_kind_and_session(registry: Registry, digest: str) -> None:
    """SES-03: listings by kind and by session name."""
    for number, kind in enumerate(KINDS):
        session = "E001" if number % 2 else "E002"
        registry.publish(SetRef(f"{kind}/1", kind, digest, session))
    assert [ref.name for ref in registry.refs(kind="run")] == ["run/1"]
    of_session = ["anonymous/1", "dataset/1", "run/1"]
    assert [ref.name for ref in registry.refs(session="E001")] == of_session
    assert registry.refs(kind="run", session="E002") == []
    assert len(registry.refs()) == len(KINDS) == 6
    assert names(registry) == ["artifact/1"]  # REG-01: named artifacts and nothing else


def test_readers_create_nothing(registry: Registry) -> None:
    """Trap 41: asking a mistyped root makes no folder and no database."""
    assert registry.ref("a") is None
    assert registry.refs() == []
    assert registry.live_leases() == []
    assert not registry.exists()
    assert not registry.root.exists()


def test_the_database_is_safe_on_network_disks(registry: Registry, digest: str) -> None:
    """REG-05, trap 52: a rollback journal, never WAL, and full synchronisation."""
    from aexp.storage.sqlite import connect

    registry.publish(SetRef("a", "artifact", digest))
    with connect(registry.root / "registry.sqlite") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("truncate",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert not list(registry.root.glob("*-wal"))


def test_a_database_of_a_newer_aexp(registry: Registry, digest: str) -> None:
    """REG-05: a format from the future stops with the advice to upgrade, in reading and writing."""
    with sqlite3.connect(registry.root / "registry.sqlite") as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    for ask in (
        registry.refs,
        lambda: registry.ref("a"),
        lambda: registry.publish(SetRef("a", "run", digest)),
    ):
        with pytest.raises(NewerSchemaError, match="newer aexp"):
            ask()


@pytest.mark.parametrize(
    "content", [b"no database at all" * 100, b"SQLite format 3\0" + b"\1" * 5000]
)
def test_a_damaged_database(registry: Registry, digest: str, content: bytes) -> None:
    """Trap 3: a damaged database is told in words, with its path, and is not replaced."""
    path = registry.root / "registry.sqlite"
    path.write_bytes(content)
    with pytest.raises((CorruptDataError, StorageError), match=r"registry\.sqlite"):
        registry.refs()
    with pytest.raises((CorruptDataError, StorageError), match=r"registry\.sqlite"):
        registry.publish(SetRef("a", "artifact", digest))
    assert path.read_bytes() == content


def test_an_empty_database(tmp_path: Path) -> None:
    """REG-05: what a maker killed before its first transaction left is a registry without refs."""
    path = tmp_path / "registry.sqlite"
    path.touch()
    table = RefTable(path)
    assert (table.get("a"), table.find(None, None)) == (None, [])
    table.create()
    table.create()
    table.apply([SetRef("a", "run", GONE)])
    assert [ref.name for ref in table.find("run", None)] == ["a"]


def test_odd_rows(registry: Registry, digest: str) -> None:
    """Trap 3: a row that no aexp wrote is corrupt data; an owner that cannot be read is none."""
    registry.publish(SetRef("a", "run", digest))
    with sqlite3.connect(registry.root / "registry.sqlite") as connection:
        connection.execute("UPDATE refs SET owner = '{', created_at = 'long ago'")
    connection.close()
    found = registry.ref("a")
    assert found is not None
    assert (found.owner, found.created_at) == (None, 0.0)
    with sqlite3.connect(registry.root / "registry.sqlite") as connection:
        connection.execute("UPDATE refs SET digest = '../../etc/passwd'")
    connection.close()
    with pytest.raises(CorruptDataError, match="without a digest"):
        registry.refs()


def test_a_watcher_sees_changes(registry: Registry, digest: str) -> None:
    """GC-03: a collection can tell that any ref has changed since it marked."""
    with registry.watched_refs() as version:
        before = version()
        assert version() == before
        registry.publish(SetRef("a", "run", digest))
        assert version() != before


class RefMachine(RuleBasedStateMachine):
    """Refs behave as a dictionary does, under conditions and across new objects."""

    root: Path

    @initialize()
    def begin(self) -> None:
        self.model: dict[str, tuple[str, str]] = {}
        self.root.mkdir(parents=True, exist_ok=True)
        self.path = self.root / f"{len(list(self.root.iterdir()))}.sqlite"
        RefTable(self.path).create()

    @rule(
        changes=st.lists(
            st.one_of(
                st.builds(
                    SetRef,
                    name=st.sampled_from("abc"),
                    kind=st.sampled_from(KINDS),
                    digest=st.sampled_from("123").map(lambda d: "sha256:" + d * 64),
                    expect=st.sampled_from([ANY, ANY, None, "now", "sha256:" + "1" * 64]),
                ),
                st.builds(
                    DropRef,
                    name=st.sampled_from("abc"),
                    expect=st.sampled_from([ANY, None, "now", "sha256:" + "2" * 64]),
                ),
            ),
            min_size=1,
            max_size=4,
        )
    )
    def change(self, changes: list[SetRef | DropRef]) -> None:
        after = dict(self.model)
        fits = True
        given = []
        for change in changes:
            current = after.get(change.name, (None, None))[0]
            if change.expect == "now":
                change = replace(change, expect=current)
            given.append(change)
            fits = fits and (change.expect is ANY or change.expect == current)
            if isinstance(change, SetRef):
                after[change.name] = (change.digest, change.kind)
            else:
                after.pop(change.name, None)
        if fits:
            RefTable(self.path).apply(given)
            self.model = after
        else:
            with pytest.raises(RefConflictError):
                RefTable(self.path).apply(given)

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "path"):
            found = RefTable(self.path).find(None, None)
            assert {ref.name: (ref.digest, ref.kind) for ref in found} == self.model


def test_refs_are_a_dictionary(tmp_path: Path) -> None:
    """REG-03: any sequence of conditional changes leaves what a dictionary would hold."""
    machine = type("Here", (RefMachine,), {"root": tmp_path / "machines"})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=10, stateful_step_count=6, deadline=None)
    )
