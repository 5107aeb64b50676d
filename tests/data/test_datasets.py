"""Datasets: added whole or not at all, and never changed (EXE-06)."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import aexp.model.dataset
from aexp.data.datasets import add, list_all, lookup, verify
from aexp.data.files import Source, scan, store_files
from aexp.errors import (
    AexpError,
    CorruptDataError,
    NotFoundError,
    RefConflictError,
    StorageError,
    UnsafeValueError,
    UsageError,
)
from aexp.ledger.dataset_bytes import keep_bytes, ref_changes
from aexp.ledger.datasets import DatasetRecord, dataset_path, read_dataset
from aexp.ledger.verify import verify_ledger
from aexp.model.canonical import canonical_bytes, compact_bytes
from aexp.model.dataset import (
    FileFacts,
    Version,
    check_dataset_name,
    decode_list,
    encode_list,
    path_problem,
)
from aexp.model.entry import record_digest
from aexp.model.oci import Index
from aexp.registry import DropRef, dataset_ref, gc, open_registry
from aexp.repo import Layout, open_layout
from tests.data.datasets import FILES, folder_of
from tests.support.machines import Machine
from tests.support.race import run_together


@pytest.fixture
def layout(installed_repo: Machine) -> Layout:
    return open_layout(installed_repo.path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "digits")


def everything(layout: Layout) -> set[str]:
    """Return what there is of datasets: records, and blobs of the registry."""
    records = (layout.root / ".aexp/ledger").rglob("*.json")
    blobs = (digest for digest, _ in open_registry(layout).blobs())
    return {*map(str, records), *blobs}


# --- adding --------------------------------------------------------------------------------


def test_a_folder_becomes_a_dataset(layout: Layout, data: Path) -> None:
    """EXE-06: a content-addressed, versioned file list; its bytes are in the registry."""
    done = add(layout, "digits", data, "1.0.0", description="Handwritten *digits*")

    assert done.created
    record = read_dataset(layout, "digits")
    assert (record.name, str(record.version)) == ("digits", "1.0.0")
    assert record.description == "Handwritten *digits*"
    assert (record.count, record.size) == (len(FILES), sum(map(len, FILES.values())))
    assert record.files is not None
    assert [file.path for file in record.files] == sorted(FILES)
    for file in record.files:
        content = FILES[file.path]
        assert file.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
        assert file.md5 == hashlib.md5(content).hexdigest()
        assert file.size == len(content)
        assert open_registry(layout).read(file.digest) == content
    assert dataset_path(layout, "digits", record.version).is_file()
    assert verify(layout, record).ok


def test_git_is_left_alone(installed_repo: Machine, layout: Layout, data: Path) -> None:
    """Decision 3: no function writes to git; what is shared is one file of the ledger."""
    head = installed_repo.head()
    add(layout, "digits", data, "1.0.0")
    lookup(layout, "digits").download_dataset_bag()
    assert installed_repo.head() == head
    seen = installed_repo.git("status", "--porcelain", "--untracked-files=all").stdout
    assert seen.splitlines() == ["?? .aexp/ledger/datasets/digits/1.0.0.json"]


def test_the_same_content_again_is_nothing_to_do(layout: Layout, data: Path) -> None:
    """EXE-06: versions are immutable; the record's bytes stay, with another description too."""
    path = dataset_path(layout, "digits", Version(1, 0, 0))
    add(layout, "digits", data, "1.0.0", description="first")
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    again = add(layout, "digits", data, "1.0.0", description="second")
    assert not again.created
    assert again.record.description == "first"
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_other_content_of_a_version_is_refused(layout: Layout, data: Path) -> None:
    """EXE-06: versions are immutable; the hint has the next one, and nothing was stored."""
    add(layout, "digits", data, "1.0.0")
    before = everything(layout)
    (data / "Image/c.png").write_bytes(b"one more")
    with pytest.raises(UsageError) as refused:
        add(layout, "digits", data, "1.0.0")
    assert "digits@1.0.0 is there already with other content" in refused.value.message
    assert "--version 1.1.0" in (refused.value.hint or "")
    assert everything(layout) == before
    assert add(layout, "digits", data, "1.1.0").created


def test_a_version_that_is_left_out(layout: Layout, data: Path) -> None:
    """EXE-06: the first one, then the current one for its content, then the next one."""
    assert add(layout, "digits", data, None).version == "1.0.0"
    again = add(layout, "digits", data, None)
    assert (again.version, again.created) == ("1.0.0", False)
    (data / "README.md").write_bytes(b"# More digits\n")
    new = add(layout, "digits", data, None)
    assert (new.version, new.created) == ("1.1.0", True)


def test_versions_are_ordered_by_their_numbers(layout: Layout, data: Path) -> None:
    """EXE-05: None is the current one, which is not the one that sorts last as text."""
    for version in ("1.9.0", "1.10.0", "1.2.0", "0.9.9"):
        (data / "README.md").write_text(version)
        add(layout, "digits", data, version)
    found = lookup(layout, "digits")
    assert found.versions == ("0.9.9", "1.2.0", "1.9.0", "1.10.0")
    assert found.current == "1.10.0"
    assert (found.download_dataset_bag().path / "data/README.md").read_text() == "1.10.0"
    assert (found.download_dataset_bag("1.2.0").path / "data/README.md").read_text() == "1.2.0"


def test_one_file_is_a_dataset_too(layout: Layout, data: Path) -> None:
    """EXE-06: a CSV file needs no folder."""
    record = add(layout, "labels", data / "Label/labels.csv", "1.0.0").record
    assert record.files is not None
    assert [file.path for file in record.files] == ["labels.csv"]


def test_two_clones_write_the_same_record(
    layout: Layout, data: Path, tmp_path: Path, clone: Callable[..., Machine]
) -> None:
    """ADR 10: a record holds nothing that two machines would write differently."""
    other = clone(layout.root, tmp_path / "other")
    folder_of(tmp_path / "copy")
    os.utime(tmp_path / "copy/README.md", (0, 0))
    there = open_layout(other.path)
    for here, place in ((layout, data), (there, tmp_path / "copy")):
        add(here, "digits", place, "1.0.0", description=f"of {here.root}")
    paths = [dataset_path(here, "digits", Version(1, 0, 0)) for here in (layout, there)]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert b"of ." in paths[0].read_bytes()


def test_content_that_is_there_keeps_its_bytes_here(
    layout: Layout, data: Path, tmp_path: Path, clone: Callable[..., Machine]
) -> None:
    """EXE-06: who has the files needs no remote: adding them again brings the bytes here."""
    add(layout, "digits", data, "1.0.0")
    there = open_layout(clone(layout.root, tmp_path / "other").path)
    ledger = ".aexp/ledger/datasets/digits/1.0.0.json"
    (there.root / ledger).parent.mkdir(parents=True)
    (there.root / ledger).write_bytes((layout.root / ledger).read_bytes())
    assert verify(there, read_dataset(there, "digits")).missing
    assert not add(there, "digits", data, "1.0.0").created
    assert verify(there, read_dataset(there, "digits")).ok
    assert not gc(True, grace_period="0s", repo_root=there.root).deleted_blobs.count


# --- what cannot be part of a dataset ------------------------------------------------------


def test_everything_wrong_with_a_folder_is_told_at_once(layout: Layout, data: Path) -> None:
    """EXE-06: clear errors, nothing half-added: links, pipes and names that no list can hold."""
    before = everything(layout)
    (data / "link").symlink_to("README.md")
    (data / "broken").symlink_to("nowhere")
    os.mkfifo(data / "pipe")
    with pytest.raises(UsageError) as refused:
        add(layout, "digits", data, "1.0.0")
    assert "'broken' is a symbolic link" in refused.value.message
    assert "'link' is a symbolic link" in refused.value.message
    assert "'pipe' is no file" in refused.value.message
    assert everything(layout) == before
    assert not (layout.root / ".aexp/ledger/datasets").exists()


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (b"two\nlines", "control character"),
        (b"tab\there", "control character"),
        (b"bell\x07", "control character"),
        (b"back\\slash", "backslash"),
        (b"latin-\xe9", "not UTF-8"),
        (b"C:drive", "not relative"),
    ],
)
def test_names_that_some_machine_cannot_have(
    layout: Layout, data: Path, name: bytes, problem: str
) -> None:
    """EXE-06, trap 18: refused with the reason, the name shown on one line."""
    path = os.fsencode(data) + b"/" + name
    try:
        with open(path, "wb") as stream:
            stream.write(b"x")
    except OSError:
        pytest.skip("this file system refuses the name")
    with pytest.raises(UsageError, match=problem) as refused:
        add(layout, "digits", data, "1.0.0")
    assert "\n" not in refused.value.message
    assert not list_all(layout)


def test_a_file_of_any_other_name_comes_back(
    layout: Layout, tmp_path: Path, weird_name: str
) -> None:
    """EXE-06: spaces, quotes, brackets, accents and leading dashes are names like any other."""
    data = tmp_path / "data"
    (data / "in here").mkdir(parents=True)
    file = data / "in here" / weird_name
    try:
        file.write_bytes(b"content")
    except (OSError, ValueError):
        pytest.skip("this file system refuses the name")
    if path_problem(f"in here/{weird_name}") is not None:
        with pytest.raises(UsageError):
            add(layout, "odd", data, "1.0.0")
        return
    add(layout, "odd", data, "1.0.0")
    (member,) = lookup(layout, "odd").download_dataset_bag().list_dataset_members()["in here"]
    assert member.name == weird_name
    assert Path(member).read_bytes() == b"content"


def test_links_are_followed_when_somebody_says_so(
    layout: Layout, data: Path, tmp_path: Path
) -> None:
    """EXE-06: what links lead to is taken then; a loop or a link to nowhere never is."""
    folder_of(tmp_path / "elsewhere", {"deep/x.bin": b"x"})
    (data / "more").symlink_to(tmp_path / "elsewhere")
    (data / "file").symlink_to(tmp_path / "elsewhere/deep/x.bin")
    with pytest.raises(UsageError) as refused:
        add(layout, "digits", data, "1.0.0")
    assert "--follow-links" in (refused.value.hint or "")
    record = add(layout, "digits", data, "1.0.0", follow_links=True).record
    assert record.files is not None
    assert {"more/deep/x.bin", "file"} <= {file.path for file in record.files}

    (data / "loop").symlink_to(data)
    (data / "gone").symlink_to("nowhere")
    with pytest.raises(UsageError) as refused:
        add(layout, "digits", data, "1.1.0", follow_links=True)
    assert "'loop' is a link to a folder that it is in" in refused.value.message
    assert "'gone' is a link that leads nowhere" in refused.value.message


def test_a_file_that_cannot_be_read(
    layout: Layout, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EXE-06: told before anything is stored."""
    real = os.access

    def access(path: Path, mode: int) -> bool:
        return path.name != "b.png" and real(path, mode)

    monkeypatch.setattr(os, "access", access)
    before = everything(layout)
    with pytest.raises(UsageError, match=r"'Image/b\.png' cannot be read"):
        add(layout, "digits", data, "1.0.0")
    assert everything(layout) == before


def test_a_disk_that_fails_while_it_is_read(
    layout: Layout, data: Path, failing_storage: Callable[..., Any]
) -> None:
    """EXE-06: an error of the disk names the file; there is no dataset, not even half of one."""
    (data / "large.bin").write_bytes(os.urandom(3 << 20))
    with failing_storage("fsync", nth=1), pytest.raises(StorageError):
        add(layout, "digits", data, "1.0.0")
    assert not list_all(layout)
    assert not open_registry(layout).refs()
    assert add(layout, "digits", data, "1.0.0").created
    assert verify(layout, read_dataset(layout, "digits")).ok


@pytest.mark.parametrize("size", [10, 3 << 20])
def test_a_file_that_changes_while_it_is_read(layout: Layout, tmp_path: Path, size: int) -> None:
    """EXE-06: half of the old and half of the new content would be nobody's."""
    (tmp_path / "file").write_bytes(b"x" * size)
    (source,) = scan(tmp_path / "file")
    stale = Source(source.file, source.path, source.size, source.changed_ns - 1)
    with pytest.raises(UsageError, match="was changed while it was read"):
        store_files(open_registry(layout), [stale])


def test_nothing_to_add(layout: Layout, tmp_path: Path) -> None:
    """EXE-06: no folder, no file in it, or no content at all."""
    (tmp_path / "empty/deeper").mkdir(parents=True)
    listener = socket.socket(socket.AF_UNIX)
    with pytest.raises(UsageError, match="there is no file in"):
        add(layout, "digits", tmp_path / "empty", "1.0.0")
    with pytest.raises(NotFoundError, match="does not exist"):
        add(layout, "digits", tmp_path / "missing", "1.0.0")
    with pytest.raises(UsageError, match="nothing to add"):
        add(layout, "digits", None, "1.0.0")
    listener.close()
    assert not open_registry(layout).exists()


def test_the_repository_is_no_dataset(layout: Layout) -> None:
    """EXE-06: the registry would read itself, for ever."""
    for path in (layout.root, layout.root / ".git", layout.aexp_dir / "ledger"):
        with pytest.raises(UsageError, match="keeps for itself"):
            add(layout, "digits", path, "1.0.0")


def test_a_name_that_looks_like_a_secret(layout: Layout, tmp_path: Path) -> None:
    """LED-02: names of files are published, so a key in one is refused, and not repeated."""
    secret = "sk-proj-" + hashlib.sha256(b"x").hexdigest()[:40] + "AbC9"
    folder_of(tmp_path / "data", {"a.txt": b"a", f"logs/{secret}.txt": b"b"})
    with pytest.raises(UnsafeValueError) as refused:
        add(layout, "digits", tmp_path / "data", "1.0.0")
    assert secret not in str(refused.value)
    assert not open_registry(layout).exists()


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "a/b", "../up", "-x", "a b", "ä", "x" * 65, "a.", "f" * 16, "0" * 32),
        *("nul", "com1.x"),
    ],
)
def test_names_that_no_dataset_can_have(layout: Layout, data: Path, name: str) -> None:
    """EXE-06, trap 18: a name is an id and a folder, and is never taken for another id."""
    with pytest.raises(UsageError, match="cannot name a dataset"):
        add(layout, name, data, "1.0.0")


@pytest.mark.parametrize("version", ["1", "1.0", "v1.0.0", "1.0.0.0", "01.0.0", "1.0.-1", "1.0.0 "])
def test_versions_that_are_none(layout: Layout, data: Path, version: str) -> None:
    """EXE-06: three numbers, so that 1.0 and 1.0.0 are never two versions."""
    with pytest.raises(UsageError, match="is no version"):
        add(layout, "digits", data, version)


def test_names_that_differ_by_case_only(layout: Layout, data: Path) -> None:
    """EXE-06: on a laptop's disk they would be one folder."""
    add(layout, "digits", data, "1.0.0")
    with pytest.raises(UsageError, match="there is a dataset digits"):
        add(layout, "Digits", data, "1.0.0")


# --- many files ----------------------------------------------------------------------------


def many(place: Path, count: int) -> Path:
    """Make a folder of so many small files, and one large one."""
    for number in range(count - 1):
        folder = place / f"part{number % 10}"
        if number < 10:
            folder.mkdir(parents=True)
        (folder / f"{number:05}.txt").write_bytes(f"file {number}\n".encode())
    (place / "large.bin").write_bytes(os.urandom(1 << 20))
    return place


def test_a_dataset_of_two_thousand_files(layout: Layout, tmp_path: Path) -> None:
    """EXE-06: the record names the list's digest then, and stays small; every byte comes back."""
    place = many(tmp_path / "many", 2000)
    record = add(layout, "many", place, "1.0.0").record
    assert (record.count, record.files) == (2000, None)
    assert dataset_path(layout, "many", record.version).stat().st_size < 1000
    assert verify(layout, record).ok

    bag = lookup(layout, "many").download_dataset_bag()
    members = bag.list_dataset_members()
    assert sorted(members) == [".", *(f"part{number}" for number in range(10))]
    assert sum(map(len, members.values())) == 2000
    for found in members.values():
        for member in found:
            assert Path(member).read_bytes() == (place / member.file).read_bytes()
    assert not add(layout, "many", place, "1.0.0").created


def test_more_files_than_a_manifest_holds(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ADR 10: an index of manifests keeps all of them from a collection."""
    monkeypatch.setattr(aexp.model.dataset, "MOST_LAYERS", 7)
    record = add(layout, "many", many(tmp_path / "many", 300), "1.0.0").record
    registry = open_registry(layout)
    index = registry.manifest(record.manifest)
    assert isinstance(index, Index)
    assert len(index.manifests) == 43
    assert gc(True, grace_period="0s", repo_root=layout.root).deleted_blobs.count == 0
    assert verify(layout, record).ok


# --- what the ledger holds -----------------------------------------------------------------


def changed(layout: Layout, record: DatasetRecord, **members: Any) -> Path:
    """Write a record with other members, and a digest that fits them."""
    value = {**record.raw, **members}
    value["record_digest"] = record_digest(value)
    path = dataset_path(layout, record.name, record.version)
    path.write_bytes(canonical_bytes(value))
    return path


@pytest.mark.parametrize(
    "path", ["../../escape", "/etc/passwd", "a/../../b", "a//b", "", ".", "a\\b", "C:/x", "a\nb"]
)
def test_a_record_cannot_lead_out_of_the_folder(layout: Layout, data: Path, path: str) -> None:
    """Trap 18: whoever can push a record could else write anywhere on a colleague's machine."""
    record = add(layout, "digits", data, "1.0.0").record
    assert record.files is not None
    files = [{**file.to_json(), "path": path} for file in record.files[:1]]
    listed = b"".join(compact_bytes(file) + b"\n" for file in files)
    changed(
        layout,
        record,
        files=files,
        count=1,
        size=record.files[0].size,
        digest=f"sha256:{hashlib.sha256(listed).hexdigest()}",
    )
    with pytest.raises(CorruptDataError, match="the path"):
        lookup(layout, "digits")
    with pytest.raises(CorruptDataError):
        decode_list(listed)


def test_a_damaged_record_is_one_problem_and_never_an_older_version(
    layout: Layout, data: Path
) -> None:
    """Decision 6: `aexp ledger verify` tells of it; nobody gets another version unasked."""
    add(layout, "digits", data, "1.0.0")
    (data / "README.md").write_bytes(b"# 2\n")
    path = dataset_path(layout, "digits", add(layout, "digits", data, "2.0.0").record.version)
    path.write_bytes(path.read_bytes().replace(b"README", b"readme"))

    report = verify_ledger(layout)
    assert [(p.path, p.code) for p in report.problems] == [
        (".aexp/ledger/datasets/digits/2.0.0.json", "ledger.malformed")
    ]
    with pytest.raises(CorruptDataError, match=r"2\.0\.0\.json"):
        read_dataset(layout, "digits")
    assert str(read_dataset(layout, "digits", "1.0.0").version) == "1.0.0"
    found = lookup(layout, "digits", "1.0.0")
    assert (found.version, found.current, found.versions) == ("1.0.0", "2.0.0", ("1.0.0", "2.0.0"))
    assert found.download_dataset_bag().version == "1.0.0"


@pytest.mark.parametrize(
    "members",
    [
        {"files": [], "count": 5},
        {"files": "none"},
        {"digest": "md5:x"},
        {"manifest": None},
        {"size": -1},
        {"version": "1.0.1"},
        {"name": "other"},
        {"schema_version": 99},
    ],
)
def test_a_record_that_says_something_else(
    layout: Layout, data: Path, members: dict[str, Any]
) -> None:
    """Decision 6: a record proves itself; what does not is refused, with its path."""
    changed(layout, add(layout, "digits", data, "1.0.0").record, **members)
    with pytest.raises(CorruptDataError, match=r"datasets/digits/1\.0\.0\.json"):
        read_dataset(layout, "digits")
    assert len(verify_ledger(layout).problems) == 1


def test_stray_files_among_the_records(layout: Layout, data: Path) -> None:
    """Decision 6: they are told of, and harm nobody."""
    add(layout, "digits", data, "1.0.0")
    folder = layout.root / ".aexp/ledger/datasets"
    (folder / "notes.json").write_text("{}")
    (folder / "digits/latest.json").write_text("{}")
    assert [p.code for p in verify_ledger(layout).problems] == ["ledger.malformed"] * 2
    assert [dataset.versions for dataset in list_all(layout)] == [("1.0.0",)]


def test_what_is_not_there(layout: Layout, data: Path) -> None:
    """EXE-05: the error names what there is."""
    add(layout, "digits", data, "1.0.0")
    with pytest.raises(NotFoundError, match="no dataset digit\n") as missing:
        lookup(layout, "digit")
    assert "did you mean digits?" in (missing.value.hint or "")
    with pytest.raises(NotFoundError, match=r"no version 2\.0\.0") as missing:
        lookup(layout, "digits", "2.0.0")
    assert "it has 1.0.0" in (missing.value.hint or "")


# --- together ------------------------------------------------------------------------------


def _add_at_once(root: str, place: str) -> str:
    try:
        return "new" if add(open_layout(root), "digits", Path(place), "1.0.0").created else "there"
    except AexpError as error:
        return error.message


def test_two_add_one_version_at_once(layout: Layout, tmp_path: Path) -> None:
    """EXE-06: of other content one wins, and the other is told; the winner's bytes are kept."""
    places = [folder_of(tmp_path / name, {"x.txt": name.encode()}) for name in "ab"]
    answers = run_together(_add_at_once, [(str(layout.root), str(place)) for place in places])
    assert answers.count("new") == 1
    assert sum("is there already with other content" in answer for answer in answers) == 1
    gc(True, grace_period="0s", repo_root=layout.root)
    record = read_dataset(layout, "digits")
    assert verify(layout, record).ok
    assert record.files is not None
    assert open_registry(layout).read(record.files[0].digest) == b"ab"[answers.index("new") :][:1]


def test_a_ref_that_another_process_has_set_meanwhile_stays(layout: Layout, tmp_path: Path) -> None:
    """EXE-06: what was looked up before it was set is not believed."""
    first = add(layout, "digits", folder_of(tmp_path / "a", {"x": b"a"}), "1.0.0").record
    registry = open_registry(layout)
    name = dataset_ref(layout, "digits", "1.0.0")
    registry.publish(DropRef(name))
    stale = ref_changes(layout, first, registry)
    keep_bytes(layout, first, registry)
    with pytest.raises(RefConflictError):
        registry.publish(*stale)
    ref = registry.ref(name)
    assert ref is not None and ref.digest == first.manifest


def test_two_add_the_same_at_once(layout: Layout, data: Path) -> None:
    """EXE-06: the same content twice is one version."""
    answers = run_together(_add_at_once, [(str(layout.root), str(data))] * 2)
    assert set(answers) <= {"new", "there"}
    assert answers.count("new") == 1
    assert verify(layout, read_dataset(layout, "digits")).ok


def test_one_version_of_two_branches(layout: Layout, tmp_path: Path) -> None:
    """ADR 10: until somebody merges them, the bytes of both are kept."""
    record = add(layout, "digits", folder_of(tmp_path / "a", {"x": b"a"}), "1.0.0").record
    path = dataset_path(layout, "digits", record.version)
    path.rename(tmp_path / "of the first branch")
    other = add(layout, "digits", folder_of(tmp_path / "b", {"x": b"b"}), "1.0.0").record
    gc(True, grace_period="0s", repo_root=layout.root)
    assert verify(layout, record).ok
    assert verify(layout, other).ok


# --- values --------------------------------------------------------------------------------

_numbers = st.integers(0, 10**9 - 1)
_versions = st.builds(Version, _numbers, _numbers, _numbers)
_parts = st.text(min_size=1, max_size=30)
_paths = st.lists(_parts, min_size=1, max_size=5).map("/".join)


@given(_versions, _versions)
def test_a_version_is_its_text(one: Version, other: Version) -> None:
    """EXE-06: text and numbers say the same, and order is that of the numbers."""
    assert Version.parse(str(one)) == one
    assert (one < other) == (
        (one.major, one.minor, one.patch) < (other.major, other.minor, other.patch)
    )
    assert one < one.next()


@given(_paths)
def test_a_path_that_is_accepted_stays_below(path: str) -> None:
    """Trap 18: whatever the text, what is accepted is below the folder, and is a name in JSON."""
    if path_problem(path) is None:
        assert os.path.normpath(f"/bag/data/{path}") == f"/bag/data/{path}"
        assert json.loads(json.dumps(path).encode()) == path


@given(st.dictionaries(st.sampled_from(["a", "b/c", "b/d", "é/ü", "z%20 x"]), st.binary()))
def test_a_list_is_its_bytes(contents: dict[str, bytes]) -> None:
    """EXE-06: reading a list gives what was written, in whatever order it was found."""
    files = [
        FileFacts(
            path,
            f"sha256:{hashlib.sha256(data).hexdigest()}",
            hashlib.md5(data).hexdigest(),
            len(data),
        )
        for path, data in contents.items()
    ]
    data = encode_list(files)
    assert encode_list(reversed(files)) == data
    assert decode_list(data) == tuple(sorted(files, key=lambda file: file.path))


@pytest.mark.parametrize("paths", [["a", "a"], ["a", "a/b"], ["a/b", "a/b/c/d"]])
def test_a_list_that_no_folder_can_hold(paths: list[str]) -> None:
    """EXE-06: a path stands once, and is a file or a folder."""
    facts = FileFacts("", "sha256:" + "0" * 64, "0" * 32, 0)
    listed = b"".join(
        json.dumps({**facts.to_json(), "path": path}).encode() + b"\n" for path in paths
    )
    with pytest.raises(CorruptDataError, match="listed"):
        decode_list(listed)


@given(st.text())
def test_names_are_judged_alike(name: str) -> None:
    """EXE-06: whatever the text, it is a name that any disk can hold, or a usage error."""
    try:
        check_dataset_name(name)
    except UsageError:
        return
    assert path_problem(name) is None
    assert name.isascii()
