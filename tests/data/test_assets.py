"""Published assets: listed from the ledger alone, downloaded and verified from anywhere."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from aexp.data.assets import download, find_assets, list_assets, lookup_asset, used_by
from aexp.errors import AmbiguousIdError, CorruptDataError, NotFoundError, UsageError
from aexp.model.execution import asset_rid
from aexp.registry import open_registry
from aexp.registry.blobs import Blob
from aexp.registry.remotes import open_remote
from aexp.registry.transfer import Parcel, push
from aexp.repo import Layout, choose_remote, open_layout
from aexp.runs.retract import retract
from tests.data.published import execution_rid, file_output, put_execution
from tests.support.machines import Machine


@pytest.fixture
def layout(installed_repo: Machine) -> Layout:
    installed_repo.write("aexp.yaml", "remotes: {lab: ../bytes}\n")
    return open_layout(installed_repo.path)


def put_assets(
    layout: Layout, number: int, *names: str, kind: str = "Model", **facts: Any
) -> list[str]:
    """Publish an asset of each name, and return the ids."""
    execution = execution_rid(number)
    outputs = [
        file_output(layout, execution, f"{name} of {number}".encode(), name, kind, **facts)
        for name in names
    ]
    put_execution(layout, number, outputs)
    return [output["rid"] for output in outputs]


def share(layout: Layout) -> None:
    """Push the bytes of all assets to the default remote, and forget them here."""
    registry = open_registry(layout)
    blobs = [Blob(asset.digest, asset.size) for asset in list_assets(layout)]
    with contextlib.closing(open_remote(layout, choose_remote(layout))) as remote:
        push(layout, registry, remote, [Parcel("all", blobs=tuple(blobs))])
    shutil.rmtree(registry.root)


# --- finding -------------------------------------------------------------------------------


def test_what_the_ledger_says_of_an_asset(layout: Layout) -> None:
    """EXE-31: all facts of an asset stand in the entry; its bytes need not be here."""
    facts = {
        "types": ["Model", "Derived"],
        "metadata": {"Subject": "S1"},
        "description": "The best.",
    }
    (rid,) = put_assets(layout, 1, "best.pt", **facts)
    shutil.rmtree(open_registry(layout).root)
    asset = lookup_asset(layout, rid[:6])
    data = b"best.pt of 1"
    assert (asset.rid, asset.asset, asset.name, asset.size) == (rid, "Model", "best.pt", len(data))
    assert asset.execution == execution_rid(1) and asset.machine == "laptop"
    assert asset.made_at == "2026-01-02T01:00:00Z"
    assert asset.asset_types == ("Model", "Derived") and asset.description == "The best."
    assert asset.metadata == {"Subject": "S1"} and len(asset.md5) == 32
    assert asset.media_type == "application/octet-stream"


def test_listing_and_choosing(layout: Layout) -> None:
    """EXE-53: the oldest execution's first; by kind, by type, by execution."""
    first, second = put_assets(layout, 2, "a.pt", "b.pt")
    (third,) = put_assets(layout, 1, "a.pt", types=["Derived"], kind="Image")
    assert third == asset_rid(execution_rid(1), "Image", "a.pt")
    assert [asset.rid for asset in list_assets(layout)] == [third, first, second]
    assert [a.rid for a in list_assets(layout, asset="Model")] == [first, second]
    assert [a.rid for a in list_assets(layout, asset_type="Derived")] == [third]
    assert [a.rid for a in list_assets(layout, execution=execution_rid(2)[:9])] == [first, second]
    assert list_assets(layout, asset="Figure") == []
    with pytest.raises(NotFoundError):
        list_assets(layout, execution="f" * 32)


def test_ids_that_are_none(layout: Layout) -> None:
    """LED-04: an id, or the beginning of one; anything else is said to be none."""
    rids = put_assets(layout, 1, *(f"{n}.pt" for n in range(20)))
    assert len({rid[0] for rid in rids}) < len(rids)
    double = next(rid[0] for rid in rids if sum(other[0] == rid[0] for other in rids) > 1)
    with pytest.raises(AmbiguousIdError, match="is the beginning of"):
        lookup_asset(layout, double)
    for text in ("", "model.pt", "0" * 17, "../x"):
        with pytest.raises(UsageError):
            lookup_asset(layout, text)
    missing = next(f"{n:016x}" for n in range(9) if f"{n:016x}" not in rids)
    with pytest.raises(NotFoundError, match="names no asset"):
        lookup_asset(layout, missing)


def test_an_id_that_is_of_another_file_does_not_count(layout: Layout) -> None:
    """Model.md 6: an entry proves itself; nobody's entry can take another's id."""
    (mine,) = put_assets(layout, 1, "a.pt")
    forged = file_output(layout, execution_rid(2), b"evil", "b.pt", rid=mine)
    put_execution(layout, 2, [forged])
    assert lookup_asset(layout, mine).execution == execution_rid(1)
    assert [asset.rid for asset in list_assets(layout)] == [mine]


def test_what_was_taken_back_or_never_published(layout: Layout) -> None:
    """EXE-31, model.md 5: only what an entry names counts."""
    (gone,) = put_assets(layout, 1, "a.pt")
    hidden = file_output(layout, execution_rid(2), b"x", "b.pt")
    put_execution(layout, 2, [hidden], promote=False)
    retract(layout, execution_rid(1), "wrong data")
    assert list_assets(layout) == []
    for rid in (gone, hidden["rid"]):
        with pytest.raises(NotFoundError):
            lookup_asset(layout, rid)


def test_a_list_that_is_not_here(layout: Layout) -> None:
    """EXE-31: of an entry without room for its outputs, the list is pulled like its bytes."""
    put_assets(layout, 1, *(f"{n}.pt" for n in range(120)))
    (here,) = put_assets(layout, 2, "a.pt")
    assert len(list_assets(layout)) == 121
    for part in (layout.workspace / execution_rid(1) / "attachments").iterdir():
        part.unlink()
    found = find_assets(layout, open_registry(layout))
    assert ([a.rid for a in found.assets], found.unlisted) == ([here], [execution_rid(1)])
    assert lookup_asset(layout, here).name == "a.pt"
    with pytest.raises(NotFoundError) as error:
        list_assets(layout)
    assert f"aexp pull {execution_rid(1)[:8]}" in str(error.value.hint)


def test_who_has_read_it(layout: Layout) -> None:
    """EXE-01: provenance in both directions."""
    (rid,) = put_assets(layout, 1, "a.pt")
    reads = {"kind": "asset", "rid": rid, "asset": "Model", "name": "a.pt"}
    reader = put_execution(layout, 2, [], inputs=[reads, {"kind": "dataset", "rid": rid}])
    put_execution(layout, 3, [])
    assert used_by(layout, rid) == [reader]


# --- the bytes -----------------------------------------------------------------------------


def test_one_asset_becomes_a_file_of_its_name(layout: Layout, tmp_path: Path) -> None:
    """Issue 7, part 5: from the registry when it is here, else from the remote, verified."""
    (rid,) = put_assets(layout, 1, "best.pt")
    asset = lookup_asset(layout, rid)
    assert asset.download(tmp_path / "here").read_bytes() == b"best.pt of 1"
    share(layout)
    report = download(layout, [asset], tmp_path / "there" / "deep")
    assert report.files == [tmp_path / "there" / "deep" / "best.pt"]
    assert report.files[0].read_bytes() == b"best.pt of 1"
    assert (report.fetched, report.there) == (asset.size, [])
    again = download(layout, [asset], tmp_path / "there" / "deep")
    assert (again.fetched, again.there) == (0, report.files)


def test_several_assets_stand_as_in_a_bag(layout: Layout, tmp_path: Path) -> None:
    """EXE-06: `<asset>/<execution>/<file>`, so that equal names do not meet."""
    put_assets(layout, 1, "a.pt", "b.pt")
    put_assets(layout, 2, "a.pt")
    share(layout)
    report = download(layout, list_assets(layout), tmp_path / "all")
    found = {path.relative_to(tmp_path / "all").as_posix() for path in report.files}
    assert found == {
        f"Model/{execution_rid(1)}/a.pt",
        f"Model/{execution_rid(1)}/b.pt",
        f"Model/{execution_rid(2)}/a.pt",
    }
    texts = {path.read_text() for path in (tmp_path / "all").rglob("*.pt")}
    assert texts == {"a.pt of 1", "b.pt of 1", "a.pt of 2"}


def test_a_file_that_is_there_is_never_replaced(layout: Layout, tmp_path: Path) -> None:
    """Trap 49: a user's file stays; nothing else is written either."""
    put_assets(layout, 1, "a.pt", "b.pt")
    assets = list_assets(layout)
    place = tmp_path / "Model" / execution_rid(1)
    place.mkdir(parents=True)
    (place / "b.pt").write_text("mine")
    with pytest.raises(UsageError, match=r"b\.pt is there, and is not asset"):
        download(layout, assets, tmp_path)
    assert sorted(os.listdir(place)) == ["b.pt"] and (place / "b.pt").read_text() == "mine"
    (place / "b.pt").unlink()
    (place / "b.pt").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError):
        download(layout, assets, tmp_path)


@pytest.mark.parametrize("name", ["../a.pt", "x/../../a.pt", "a\0b"])
def test_no_name_leads_out_of_the_folder(layout: Layout, tmp_path: Path, name: str) -> None:
    """Trap 18: names come from entries that other people wrote."""
    put_assets(layout, 1, name, "b.pt")
    with pytest.raises(CorruptDataError, match="leads somewhere else"):
        download(layout, list_assets(layout), tmp_path / "out")
    assert not (tmp_path / "out").exists() and not (tmp_path / "a.pt").exists()


def test_damaged_bytes_are_not_taken(layout: Layout, tmp_path: Path) -> None:
    """REG-02, trap 51: damage here is mended from the remote; damage there is reported."""
    (rid,) = put_assets(layout, 1, "a.pt")
    asset = lookup_asset(layout, rid)
    share(layout)
    stored = next(path for path in (layout.root.parent / "bytes").rglob(asset.digest[7:]))
    good = stored.read_bytes()
    stored.write_bytes(good[::-1])
    with pytest.raises(NotFoundError, match="damaged"):
        asset.download(tmp_path)
    assert not (tmp_path / "a.pt").exists()
    stored.write_bytes(good)
    open_registry(layout).put(good)
    blob = open_registry(layout).path(asset.digest)
    blob.chmod(0o600)
    blob.write_bytes(good[::-1])
    assert asset.download(tmp_path).read_bytes() == good


def test_bytes_that_are_nowhere(layout: Layout, installed_repo: Machine, tmp_path: Path) -> None:
    """Trap 32: one line and a hint, with a remote and without."""
    (rid,) = put_assets(layout, 1, "a.pt")
    shutil.rmtree(open_registry(layout).root)
    done = installed_repo.aexp_fast("asset", "download", rid, "-o", str(tmp_path), check=False)
    assert done.returncode == 4 and len(done.stderr.strip().splitlines()) == 2
    installed_repo.write("aexp.yaml", "{}\n")
    done = installed_repo.aexp_fast("asset", "download", rid, "-o", str(tmp_path), check=False)
    assert done.returncode == 4 and "remotes:" in done.stderr
    assert not (tmp_path / "a.pt").exists()


# --- the command line ----------------------------------------------------------------------


def test_list_show_and_download(layout: Layout, installed_repo: Machine, tmp_path: Path) -> None:
    """Issue 7, part 5: the whole way on the command line."""
    (rid,) = put_assets(layout, 1, "best.pt", metadata={"Subject": "S1"})
    put_assets(layout, 2, "best.pt", "more.pt")
    reads = {"kind": "asset", "rid": rid, "asset": "Model", "name": "best.pt"}
    reader = put_execution(layout, 3, [], inputs=[reads])
    listed = installed_repo.aexp_fast("asset", "list").stdout.splitlines()
    assert listed[1].split() == [rid, "Model", "best.pt", "12", "B", execution_rid(1)[:8], "yes"]
    assert len(listed) == 4
    share(layout)
    rows = json.loads(installed_repo.aexp_fast("asset", "list", "--format", "json").stdout)
    assert [row["here"] for row in rows] == [False] * 3 and rows[0]["rid"] == rid
    assert rows[0]["metadata"] == {"Subject": "S1"} and rows[0]["execution"] == execution_rid(1)
    shown = installed_repo.aexp_fast("asset", "show", rid[:8]).stdout
    assert "Subject = S1" in shown and reader in shown and "asset download" in shown
    told = json.loads(installed_repo.aexp_fast("asset", "show", rid, "--format", "json").stdout)
    assert told["used_by"] == [reader] and told["digest"] == rows[0]["digest"]

    one = installed_repo.aexp_fast("asset", "download", rid[:10], "-o", str(tmp_path / "one"))
    assert (tmp_path / "one" / "best.pt").read_text() == "best.pt of 1"
    assert "1 file verified, 12 B fetched" in one.stdout
    two = installed_repo.aexp_fast(
        "asset", "download", "--execution", execution_rid(2)[:8], "-o", str(tmp_path / "two"),
        "--format", "json",
    )  # fmt: skip
    files = json.loads(two.stdout)["files"]
    assert [Path(file["path"]).read_text() for file in files] == ["best.pt of 2", "more.pt of 2"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("show", "zz"), 2, "no id of an asset"),
        (("show", "0" * 16), 4, "names no asset"),
        (("download",), 2, "name either"),
        (("download", "00", "--execution", "00"), 2, "name either"),
        (("list", "--execution", "0" * 32), 4, "0" * 32),
    ],
)
def test_mistakes(
    layout: Layout, installed_repo: Machine, arguments: tuple[str, ...], code: int, said: str
) -> None:
    """Trap 32: one line and a hint."""
    done = installed_repo.aexp_fast("asset", *arguments, check=False).require(code)
    error, hint = done.stderr.strip().split("\n")
    assert error.startswith("error: ") and said in error and hint.startswith("hint: ")
    assert installed_repo.aexp_fast("asset", "list").stdout == "no assets\n"
