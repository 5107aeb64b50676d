"""Registering outputs: ``exe.asset_file_path()`` (EXE-20 … EXE-22, traps 49 and 50)."""

from __future__ import annotations

import json
import os
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import aexp
from aexp.errors import (
    AexpError,
    NotFoundError,
    ReplacedAssetWarning,
    StagedOutputError,
    StorageError,
    UsageError,
)
from tests.execution.staged import SETTINGS, contents, new_execution
from tests.recording.optional import need
from tests.support.machines import Machine


@pytest.fixture
def exe(installed_repo: Machine, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An execution, created."""
    need("pydantic")
    installed_repo.write("aexp.yaml", SETTINGS)
    installed_repo.commit_all("Settings")
    monkeypatch.chdir(installed_repo.path)
    return new_execution(installed_repo)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A folder of the user's with three files, written a minute ago."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("scan.png", "other.png", "third.png"):
        write_aged(folder / name, f"content of {name}")
    return folder


def write_aged(path: Path, text: str) -> Path:
    """Write a file whose modification lies a minute back."""
    path.write_text(text)
    then = time.time() - 60
    os.utime(path, (then, then))
    return path


def staged(exe: Any) -> dict[str, tuple[str, str]]:
    """Return kind and content of what is staged."""
    return {row.label: (row.kind, exe.state.path_of(row).read_text()) for row in exe.state.assets()}


def problems(exe: Any) -> tuple[str, ...]:
    """Return what keeps an execution's outputs from being published."""
    from aexp.execution.checking import check_staged

    try:
        check_staged(exe.state, exe.working_dir)
    except StagedOutputError as error:
        found = error
    else:
        return ()
    assert all(problem in found.message for problem in found.problems[:20])
    return found.problems


def strays(exe: Any) -> list[str]:
    """Return the files that will not be published."""
    from aexp.execution.checking import strays

    found = strays(exe.working_dir, exe.state)
    return [path.relative_to(exe.working_dir).as_posix() for path in found]


# --- the ways to register ----------------------------------------------------------------


def test_a_new_file(exe: Any) -> None:
    """EXE-20: a name that is no file gives a path to write to, which is a Path in every way."""
    path = exe.asset_file_path("Model", "best.pt")
    assert isinstance(path, Path) and not path.exists() and path.parent.is_dir()
    assert path == exe.working_dir / "assets" / "Model" / "best.pt"
    with open(path, "wb") as stream:
        stream.write(b"weights")
    assert path.read_bytes() == b"weights"
    assert (path.asset_name, path.file_name, path.asset_types) == ("Model", "best.pt", ["Model"])
    assert path.asset_rid == exe.state.find("Model", "best.pt").rid
    assert path.metadata == {}
    assert type(path.parent.parent / "x").__name__ in ("PosixPath", "WindowsPath", "AssetFilePath")
    with pytest.raises(AttributeError, match="no asset"):
        _ = path.with_suffix(".x").asset_rid  # type: ignore[attr-defined]
    assert exe.asset_file_path("Model", "best.pt").read_bytes() == b"weights"
    assert exe.asset_file_path("Model", "raw.bin", rename_file="named.bin").name == "named.bin"


def test_a_link(exe: Any, mine: Path) -> None:
    """EXE-20: a file that exists is linked into staging under its name."""
    path = exe.asset_file_path("Image", str(mine / "scan.png"))
    assert path.is_symlink() and path.read_text() == "content of scan.png"
    assert path.name == "scan.png" and path.asset_types == ["Image"]
    renamed = exe.asset_file_path("Image", mine / "scan.png", rename_file="scan_001.png")
    assert renamed.name == "scan_001.png" and renamed.is_symlink()
    assert renamed.asset_rid != path.asset_rid
    assert problems(exe) == ()


def test_a_link_to_a_link(exe: Any, mine: Path) -> None:
    """EXE-22: what was seen is published, whatever ``latest`` leads to later."""
    (mine / "latest.png").symlink_to("scan.png")
    path = exe.asset_file_path("Image", mine / "latest.png")
    (mine / "latest.png").unlink()
    (mine / "latest.png").symlink_to("other.png")
    assert path.name == "latest.png" and path.read_text() == "content of scan.png"
    assert problems(exe) == ()


def test_a_copy(exe: Any, mine: Path) -> None:
    """EXE-20: a copy is a file of its own: both may change afterwards."""
    path = exe.asset_file_path("Image", mine / "scan.png", copy_file=True)
    (mine / "scan.png").write_text("later")
    assert not path.is_symlink() and path.read_text() == "content of scan.png"
    with path.open("a") as stream:
        stream.write("!")
    (mine / "scan.png").unlink()
    assert problems(exe) == ()
    assert staged(exe) == {"Image/scan.png": ("copy", "content of scan.png!")}


def test_a_file_of_the_working_directory(exe: Any, installed_repo: Machine) -> None:
    """EXE-20: a bare name that is a file here is that file."""
    path = exe.asset_file_path("Table", "train.py")
    assert path.is_symlink() and os.path.samefile(path, installed_repo / "train.py")


def test_where_links_cannot_be_made(exe: Any, mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EXE-20: a file system without links gets copies."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "symlink", refuse)
    path = exe.asset_file_path("Image", mine / "scan.png")
    assert not path.is_symlink() and path.read_text() == "content of scan.png"
    assert exe.state.asset(path.asset_rid).kind == "copy"


def test_what_is_said_of_it(exe: Any) -> None:
    """EXE-20: metadata, types and description are durable at once, and read by everybody."""
    import datetime

    path = exe.asset_file_path(
        "Image",
        "scan.jpg",
        description="Preprocessed fundus image",
        metadata={"Subject": "S-17", "Acquisition_Date": datetime.date(2026, 1, 15)},
        asset_types="Derived",
    )
    path.set_metadata("Acquisition_Time", "14:30:00")
    path.set_asset_types(["Segmentation_Mask", "Derived", "Derived"])
    again = aexp.open_repo().resume_execution(exe.execution_rid).state.asset(path.asset_rid)
    wanted = {"Subject": "S-17", "Acquisition_Date": "2026-01-15", "Acquisition_Time": "14:30:00"}
    assert again.metadata == wanted and again.description == "Preprocessed fundus image"
    assert again.types == ("Segmentation_Mask", "Derived")
    other = exe.asset_file_path("Image", "scan.jpg")
    assert (other.metadata, other.asset_types) == (wanted, ["Segmentation_Mask", "Derived"])
    other.set_metadata("Subject", "S-18")
    assert path.metadata["Subject"] == "S-18"
    listed = json.loads((exe.working_dir / "asset-manifest.json").read_bytes())["assets"]
    assert listed[0]["metadata"]["Subject"] == "S-18"


def test_the_manifest_at_the_end(exe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """EXE-23: after many registrations it may lag behind; when the execution ends it does not."""
    from aexp.execution import manifest

    monkeypatch.setattr(manifest, "ALWAYS", 5)
    monkeypatch.setattr(manifest, "PAUSE", 1e9)
    path = exe.working_dir / "asset-manifest.json"

    def listed() -> int:
        return len(json.loads(path.read_bytes())["assets"])

    with exe:
        for number in range(20):
            exe.asset_file_path("Model", f"{number}.pt").write_text("w")
        assert 5 <= listed() < 20
    assert listed() == 20
    path.unlink()
    aexp.open_repo().resume_execution(exe.execution_rid)
    assert listed() == 20


def test_a_path_in_another_process(exe: Any) -> None:
    """EXE-20: a path that a worker gets knows its asset, and what it says is durable."""
    path = pickle.loads(pickle.dumps(exe.asset_file_path("Model", "m.pt")))
    path.set_metadata("fold", 3)
    assert exe.state.asset(path.asset_rid).metadata == {"fold": 3}
    assert pickle.loads(pickle.dumps(path.parent)) == path.parent


def test_the_staged_path_itself(exe: Any, mine: Path) -> None:
    """EXE-20: what is staged may be registered again by its own path; no link leads to itself."""
    path = exe.asset_file_path("Model", "m.pt")
    assert exe.asset_file_path("Model", path) == path
    path.write_text("weights")
    again = exe.asset_file_path("Model", path, asset_types=["Derived"])
    assert again.read_text() == "weights" and not again.is_symlink()
    link = exe.asset_file_path("Image", mine / "scan.png")
    exe.asset_file_path("Image", str(link), description="d")
    assert staged(exe)["Image/scan.png"] == ("link", "content of scan.png")
    assert len(exe.state.assets()) == 2


# --- trap 49 -----------------------------------------------------------------------------


def test_a_second_file_of_one_name(exe: Any, mine: Path) -> None:
    """EXE-22, trap 49: no way to register a second file of one name touches the user's first."""
    (mine / "b").mkdir()
    second = write_aged(mine / "b" / "scan.png", "the second")
    before = contents(mine)
    first = exe.asset_file_path("Image", mine / "scan.png")
    for options in ({"copy_file": True}, {}):
        with pytest.warns(ReplacedAssetWarning, match=r"mine/.*rename_file"):
            path = exe.asset_file_path("Image", second, **options)
        assert path.read_text() == "the second" and path.asset_rid == first.asset_rid
        with pytest.warns(ReplacedAssetWarning):
            exe.asset_file_path("Image", mine / "scan.png")
    assert contents(mine) == before and second.read_text() == "the second"
    assert staged(exe) == {"Image/scan.png": ("link", "content of scan.png")}
    assert len(exe.state.assets()) == 1


def test_writing_to_a_name_that_was_a_link(exe: Any, mine: Path) -> None:
    """EXE-22, trap 49: a path that is given to be written to never leads to a user's file."""
    before = contents(mine)
    exe.asset_file_path("Image", mine / "scan.png")
    with pytest.warns(ReplacedAssetWarning, match="a new file"):
        path = exe.asset_file_path("Image", "scan.png")
    with open(path, "w") as stream:
        stream.write("mine now")
    assert contents(mine) == before
    assert staged(exe) == {"Image/scan.png": ("new", "mine now")}


def test_writing_through_the_path_of_a_link(exe: Any, mine: Path) -> None:
    """EXE-22, trap 49: the path's own ways to write refuse; a write past them is found."""
    path = exe.asset_file_path("Image", mine / "scan.png")
    for write in (
        lambda: path.write_text("x"),
        lambda: path.write_bytes(b"x"),
        lambda: path.open("a"),
        lambda: path.open("r+b"),
    ):
        with pytest.raises(UsageError, match="copy_file=True"):
            write()
    assert (mine / "scan.png").read_text() == "content of scan.png"
    with path.open() as stream:
        assert stream.read() == "content of scan.png"
    with open(path, "w") as stream:
        stream.write("past them")
    assert problems(exe) == (
        f"Image/scan.png was changed after it was registered, at {mine / 'scan.png'}",
    )


def test_a_metrics_file_of_the_working_directory(exe: Any, installed_repo: Machine) -> None:
    """EXE-24, trap 49: appending metrics never goes to a file of that name that was here before."""
    installed_repo.write("metrics.jsonl", "old\n")
    with exe.metrics_file().open("a") as stream:
        stream.write("{}\n")
    assert installed_repo.read("metrics.jsonl") == "old\n"


def test_what_was_written_is_not_replaced(exe: Any, mine: Path) -> None:
    """EXE-22: the only copy of an output does not go for a file of its name."""
    path = exe.asset_file_path("Model", "scan.png")
    path.write_text("two days of training")
    for options in ({}, {"copy_file": True}):
        with pytest.raises(UsageError, match="written already"):
            exe.asset_file_path("Model", mine / "scan.png", **options)
    assert staged(exe) == {"Model/scan.png": ("new", "two days of training")}
    stray = exe.working_dir / "assets" / "Model" / "other.png"
    stray.write_text("by hand")
    with pytest.raises(UsageError, match="written already"):
        exe.asset_file_path("Model", mine / "other.png")
    assert exe.asset_file_path("Model", "other.png").read_text() == "by hand"


def test_a_source_that_changes_while_it_is_copied(
    exe: Any, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EXE-20: no mixture of two contents is registered."""
    import shutil

    real = shutil.copyfileobj

    def copy(source: Any, target: Any, length: int) -> None:
        real(source, target, length)
        (mine / "scan.png").write_text("another")

    monkeypatch.setattr(shutil, "copyfileobj", copy)
    with pytest.raises(StorageError, match="changed while"):
        exe.asset_file_path("Image", mine / "scan.png", copy_file=True)
    assert exe.state.assets() == [] and strays(exe) == []


def test_a_disk_that_fails_while_copying(
    exe: Any, mine: Path, failing_storage: Callable[..., Any]
) -> None:
    """EXE-20: a copy is there whole and registered, or not at all."""
    exe.asset_file_path("Image", mine / "other.png", copy_file=True)
    with failing_storage("fsync"), pytest.raises(StorageError):
        exe.asset_file_path("Image", mine / "scan.png", copy_file=True)
    assert [row.name for row in exe.state.assets()] == ["other.png"]
    assert strays(exe) == []


# --- before it is published --------------------------------------------------------------


def test_what_cannot_be_published(exe: Any, mine: Path) -> None:
    """EXE-21, EXE-22, trap 50: everything that is wrong is in one error, before any upload."""
    exe.asset_file_path("Model", "never.pt")
    exe.asset_file_path("Model", "folder.pt").mkdir()
    exe.asset_file_path("Image", mine / "scan.png")
    write_aged(mine / "scan.png", "content of SCAN.png")
    exe.asset_file_path("Image", mine / "other.png")
    (mine / "other.png").unlink()
    exe.asset_file_path("Image", mine / "third.png", copy_file=True).unlink()
    exe.asset_file_path("Scan", "s.png", metadata={"Age": "old", "Eye": "left"}).write_text("s")
    assert problems(exe) == (
        "Model/never.pt was registered, and never written",
        "Model/folder.pt is a folder",
        f"Image/scan.png was changed after it was registered, at {mine / 'scan.png'}",
        f"Image/other.png is gone from {mine / 'other.png'}",
        "Image/third.png was removed from staging",
        "Scan/s.png metadata Subject is missing",
        "Scan/s.png metadata Age is 'old', which is no int",
        "Scan/s.png metadata Eye is not declared"
        " (there is Subject, Acquisition_Date, Age, Score, Seen)",
    )
    assert {row.state for row in exe.state.assets()} == {"pending"}
    with exe:
        pass
    with pytest.raises(StagedOutputError, match="never written"):
        exe.upload_execution_outputs()
    assert {row.state for row in exe.state.assets()} == {"pending"}


def test_many_problems_are_one_message_of_a_sensible_length(exe: Any) -> None:
    """EXE-21: all are in the error, twenty in its message."""
    for number in range(30):
        exe.asset_file_path("Model", f"{number}.pt")
    assert len(problems(exe)) == 30


def test_touched_and_registered_again(exe: Any, mine: Path) -> None:
    """EXE-22: another time is no change; a changed file is registered again, and then is fine."""
    exe.asset_file_path("Image", mine / "scan.png")
    (mine / "scan.png").touch()
    assert problems(exe) == ()
    write_aged(mine / "scan.png", "changed")
    assert len(problems(exe)) == 1
    exe.asset_file_path("Image", mine / "scan.png")
    assert problems(exe) == ()


def test_a_rewritten_file_of_the_same_instant(exe: Any, mine: Path) -> None:
    """EXE-22: two writes within the clock's resolution are told apart."""
    fresh = mine / "fresh.png"
    fresh.write_text("one")
    found = fresh.stat()
    exe.asset_file_path("Image", fresh)
    fresh.write_text("two")
    os.utime(fresh, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert len(problems(exe)) == 1


def test_a_link_that_was_lost_or_replaced(exe: Any, mine: Path) -> None:
    """EXE-22, EXE-23: the database is the truth: a missing link is made again."""
    path = exe.asset_file_path("Image", mine / "scan.png")
    path.unlink()
    assert problems(exe) == () and path.read_text() == "content of scan.png"
    path.unlink()
    path.symlink_to(mine / "other.png")
    assert problems(exe) == () and path.read_text() == "content of scan.png"
    path.unlink()
    path.write_text("another")
    assert problems(exe) == (
        "Image/scan.png was written to staging in the place of the link to what was registered",
    )


def test_after_bytes_were_stored(exe: Any, mine: Path) -> None:
    """EXE-41: stored bytes need their file no more; a file written on since is stored again."""
    kept = exe.asset_file_path("Model", "kept.pt")
    grown = exe.asset_file_path("Model", "grown.pt")
    link = exe.asset_file_path("Image", mine / "scan.png")
    from aexp.storage.seen import sha256_of

    for path in (kept, grown, link):
        if path is not link:
            path.write_text("first")
        digest = f"sha256:{sha256_of(path)}"
        exe.state.stored([(path.asset_rid, digest, "0" * 32, path.stat().st_size)])
    kept.unlink()
    grown.write_text("first and more")
    (mine / "scan.png").unlink()
    assert problems(exe) == ()
    states = {row.name: (row.state, row.digest is None) for row in exe.state.assets()}
    assert states == {
        "kept.pt": ("stored", False),
        "grown.pt": ("pending", True),
        "scan.png": ("stored", False),
    }


def test_a_change_between_the_check_and_the_storing(
    exe: Any, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EXE-22: what is published is what was registered, whenever it was changed."""
    from aexp.execution import publish

    def check_then_change(state: Any, working_dir: Path) -> None:
        check_staged(state, working_dir)
        write_aged(mine / "scan.png", "content of SCAN.png")

    with exe:
        exe.asset_file_path("Image", mine / "scan.png")
    check_staged = publish.check_staged
    monkeypatch.setattr(publish, "check_staged", check_then_change)
    with pytest.raises(StagedOutputError, match="was changed after it was registered"):
        exe.upload_execution_outputs()
    assert [row.state for row in exe.state.assets()] == ["pending"]
    exe.asset_file_path("Image", mine / "scan.png")
    exe.upload_execution_outputs()
    assert [row.state for row in exe.state.assets()] == ["published"]


def test_an_asset_that_is_published(exe: Any, mine: Path) -> None:
    """ADR 10: it is never published twice under one name; the same again is no error."""
    with exe:
        exe.asset_file_path("Model", "m.pt").write_text("weights")
        exe.asset_file_path("Image", mine / "scan.png")
        exe.asset_file_path("Image", mine / "other.png", copy_file=True)
        exe.metrics_file()
    assert set(exe.upload_execution_outputs()) == {"Model", "Image", "Execution_Metadata"}
    published = exe.state.find("Model", "m.pt")
    assert exe.asset_file_path("Model", exe.state.path_of(published)).read_text() == "weights"
    assert exe.asset_file_path("Image", mine / "scan.png").is_symlink()
    assert exe.asset_file_path("Image", mine / "other.png", copy_file=True).is_file()
    assert exe.metrics_file().is_file()
    assert {row.state for row in exe.state.assets()} == {"published"}
    write_aged(mine / "scan.png", "changed")
    write_aged(mine / "other.png", "changed")
    for again in (
        lambda: exe.asset_file_path("Model", "m.pt"),
        lambda: exe.asset_file_path("Image", mine / "scan.png"),
        lambda: exe.asset_file_path("Image", mine / "other.png", copy_file=True),
        lambda: exe.asset_file_path("Image", mine / "scan.png", description="new"),
    ):
        with pytest.raises(UsageError, match="published"):
            again()
    assert exe.upload_execution_outputs() == {}


def test_strays(exe: Any, mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """EXE-22: files beside staging are a hint at the end, and are not published."""
    with exe:
        exe.asset_file_path("Model", "m.pt").write_text("weights")
        (exe.working_dir / "notes.txt").write_text("n")
        (exe.working_dir / "assets" / "Model" / "by-hand.pt").write_text("n")
        (exe.working_dir / "linked.png").write_text("n")
        exe.asset_file_path("Image", exe.working_dir / "linked.png")
    assert strays(exe) == ["assets/Model/by-hand.pt", "notes.txt"]
    assert "notes.txt" in capsys.readouterr().err
    published = exe.upload_execution_outputs()
    assert [path.name for path in published["Model"]] == ["m.pt"]
    (exe.working_dir / "assets" / "Model" / "m.pt").write_text("other weights")
    assert "assets/Model/m.pt" in strays(exe)


# --- names -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("../x", "../../etc/x", "/nowhere/x.pt", "a/b.pt", "..", ".", "", " ", "a\0b", "a\nb"),
        *("a\x1bb", "a\x7fb", "a\x85b", "a\\b", "x" * 256, "\udcff.pt", "x.aexp-tmp"),
    ],
)
def test_unsafe_names(exe: Any, name: str, mine: Path) -> None:
    """EXE-20, trap 18: nothing is staged outside its folder, or under a name that is none."""
    with pytest.raises(AexpError):
        exe.asset_file_path("Model", name)
    with pytest.raises(UsageError):
        exe.asset_file_path("Model", mine / "scan.png", rename_file=name)
    with pytest.raises(UsageError):
        exe.metrics_file(name)
    with pytest.raises(AexpError):
        exe.asset_file_path("Model", f"{exe.working_dir}/assets/Model/{name}")
    assert exe.state.assets() == []
    assert list((exe.working_dir / "assets").rglob("*")) == []


def test_odd_names_that_are_fine(exe: Any, weird_name: str, mine: Path) -> None:
    """EXE-20: blanks, quotes, brackets and other scripts are fine; control characters are not."""
    source = write_aged(mine / weird_name, "odd")
    if set(weird_name) & set("\n\t\\"):
        with pytest.raises(UsageError, match="cannot name"):
            exe.asset_file_path("Image", source)
        weird_name = "plain.png"
    path = exe.asset_file_path("Image", source, rename_file=weird_name)
    assert path.name == weird_name and path.read_text() == "odd"
    assert problems(exe) == ()


def test_what_is_no_file(exe: Any, mine: Path) -> None:
    """EXE-20: folders, pipes and links that lead nowhere are refused by name."""
    (mine / "dangling").symlink_to("nowhere")
    os.mkfifo(mine / "pipe")
    for path, error, text in (
        (mine, UsageError, "is a folder"),
        (mine / "pipe", UsageError, "no regular file"),
        (mine / "dangling", NotFoundError, "does not exist"),
    ):
        with pytest.raises(error, match=text):
            exe.asset_file_path("Image", path)
    assert exe.state.assets() == []


# --- kinds and types ---------------------------------------------------------------------


def test_usual_kinds(exe: Any) -> None:
    """EXE-21: five kinds exist without being declared; the declared ones too."""
    for asset in ("Model", "Image", "Table", "Figure", "Execution_Metadata", "Scan"):
        assert exe.asset_file_path(asset, "x").asset_types == [asset]


def test_an_undeclared_kind_or_type(exe: Any, installed_repo: Machine) -> None:
    """EXE-21: the error has the lines to add to aexp.yaml, which work as they are."""
    with pytest.raises(UsageError) as kind:
        exe.asset_file_path("Slide", "x")
    with pytest.raises(UsageError) as types:
        exe.asset_file_path("Image", "x", asset_types=["Derived", "Raw", "Noisy"])
    assert "asset_types: [Segmentation_Mask, Derived, Raw, Noisy]" in str(types.value.hint)
    path = exe.asset_file_path("Image", "x")
    with pytest.raises(UsageError, match="'Raw'"):
        path.set_asset_types("Raw")
    assert path.asset_types == ["Image"]
    lines = [error.value.hint.split("\n\n")[1] for error in (kind, types)]
    installed_repo.write("aexp.yaml", "\n".join(lines))
    exe.asset_file_path("Slide", "x", asset_types=["Raw"])
    path.set_asset_types(["Noisy", "Slide", "Metrics_File"])
    assert path.asset_types == ["Noisy", "Slide", "Metrics_File"]


@pytest.mark.parametrize("asset", ["", "../Model", "a/b", ".hidden", "a b", "x" * 65, 7, None])
def test_what_cannot_be_a_kind(exe: Any, asset: Any) -> None:
    """EXE-21, trap 18: a kind is the name of a folder."""
    with pytest.raises(UsageError, match="cannot be the kind"):
        exe.asset_file_path(asset, "x")


def test_metadata_of_the_wrong_form(exe: Any) -> None:
    """EXE-21: what has no JSON form is refused when it is said."""
    path = exe.asset_file_path("Image", "x")
    for value in (object(), float("nan"), "\udcff", {1: 2}):
        with pytest.raises(UsageError):
            path.set_metadata("k", value)
        with pytest.raises(UsageError):
            exe.asset_file_path("Image", "y", metadata={"k": value})
    with pytest.raises(UsageError):
        path.set_metadata("", 1)
    with pytest.raises(UsageError):
        exe.asset_file_path("Image", "y", description="\udcff")
    assert path.metadata == {} and len(exe.state.assets()) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("assets: [Model]", "assets is no mapping"),
        ("assets: {Model: 3}", "assets.Model is no mapping"),
        ("assets: {Model: {columns: {}}}", "may have metadata alone"),
        ("assets: {Model: {metadata: {A: text}}}", "it is one of str, int"),
        ("assets: {../x: {}}", "cannot be the kind"),
        ("asset_types: Derived", "no list"),
        ("asset_types: [1]", "cannot be the kind"),
        ("assets: {", "aexp.yaml"),
    ],
)
def test_damaged_settings(exe: Any, installed_repo: Machine, settings: str, message: str) -> None:
    """EXE-21: a declaration that cannot be what it says stops the registration, and is named."""
    installed_repo.write("aexp.yaml", settings)
    with pytest.raises(AexpError, match=message):
        exe.asset_file_path("Model", "x")


def test_each_column_type(exe: Any, installed_repo: Machine) -> None:
    """EXE-21: what each type of column takes."""
    good: dict[str, list[Any]] = {
        "str": ["x", ""],
        "int": [3],
        "float": [3, 0.5],
        "bool": [True],
        "date": ["2026-01-15"],
        "time": ["14:30:00"],
        "datetime": ["2026-01-15T14:30:00"],
    }
    bad: dict[str, list[Any]] = {
        "str": [3],
        "int": [3.5, True, "3"],
        "float": ["x", True],
        "bool": [1],
        "date": ["2026-13-15", 3, "2026-01-15T14:30:00"],
        "time": ["noon"],
        "datetime": ["now"],
    }
    columns = ", ".join(f"{kind}: {kind}?" for kind in good)
    installed_repo.write("aexp.yaml", f"assets: {{Scan: {{metadata: {{{columns}}}}}}}\n")
    path = exe.asset_file_path("Scan", "s")
    path.write_text("s")
    for kind, values in good.items():
        for value in [*values, None]:
            path.set_metadata(kind, value)
            assert problems(exe) == (), (kind, value)
    for kind, values in bad.items():
        for value in values:
            path.set_metadata(kind, value)
            assert len(problems(exe)) == 1, (kind, value)
        path.set_metadata(kind, None)


def test_reading_settings_once(exe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """EXE-20: ten thousand registrations do not parse YAML ten thousand times."""
    from aexp.execution import kinds

    exe.asset_file_path("Model", "a")
    monkeypatch.setattr(kinds, "read_kinds", forbidden)
    exe.asset_file_path("Model", "b")


forbidden: Callable[..., Any] | None = None
