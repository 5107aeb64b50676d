"""Bags: a version of a dataset as a folder, every file verified (EXE-06, EXE-07)."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from aexp.data.bags import DatasetBag, make_bag
from aexp.data.datasets import add, lookup, verify
from aexp.errors import CorruptDataError, NotFoundError, UsageError
from aexp.ledger.datasets import read_dataset
from aexp.registry import gc, open_registry
from aexp.repo import Layout, open_layout
from tests.data.datasets import FILES, damage, drop, folder_of, published
from tests.support.machines import Machine


@pytest.fixture
def layout(installed_repo: Machine) -> Layout:
    return open_layout(installed_repo.path)


@pytest.fixture
def digits(layout: Layout, tmp_path: Path) -> Layout:
    """A repository with the dataset ``digits``."""
    add(layout, "digits", folder_of(tmp_path / "digits"), "1.0.0")
    return layout


def bag_of(layout: Layout, folder: Path, *, materialize: bool = True) -> DatasetBag:
    """Make the bag of ``digits`` in a folder."""
    record = read_dataset(layout, "digits")
    return make_bag(layout, open_registry(layout), record, folder, materialize=materialize)


def test_members_are_keyed_by_their_top_folder(digits: Layout) -> None:
    """EXE-06: ``bag.list_dataset_members()["Image"]`` is what a model is trained on."""
    bag = lookup(digits, "digits").download_dataset_bag(version="1.0.0")
    members = bag.list_dataset_members()
    assert list(members) == [".", "Image", "Label"]
    images = members["Image"]
    assert [image.name for image in images] == ["a.png", "b.png"]
    with open(images[1], "rb") as stream:
        assert stream.read() == FILES["Image/b.png"]
    assert images[0].path == bag.path / "data/Image/a.png"
    assert (images[0].file, images[0].size) == ("Image/a.png", 1000)
    assert (bag.rid, bag.version, bag.materialized) == ("digits", "1.0.0", True)


@pytest.mark.parametrize("program", ["sha256sum", "md5sum"])
def test_other_programs_can_verify_a_bag(digits: Layout, program: str) -> None:
    """EXE-06: a bag is one by RFC 8493, with the digests in files that coreutils understand."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not here")
    bag = lookup(digits, "digits").download_dataset_bag()
    manifest = f"manifest-{program.removesuffix('sum')}.txt"
    command = [program, "--check", "--strict", "--quiet", manifest]
    assert subprocess.run(command, cwd=bag.path).returncode == 0
    assert len((bag.path / manifest).read_text().splitlines()) == len(FILES)
    assert (bag.path / "bagit.txt").read_text().startswith("BagIt-Version: 1.0\n")
    size = sum(map(len, FILES.values()))
    assert f"Payload-Oxum: {size}.{len(FILES)}" in (bag.path / "bag-info.txt").read_text()


def test_the_list_alone(digits: Layout, tmp_path: Path) -> None:
    """EXE-05: ``materialize=False`` is metadata only, for a dataset whose bytes are nowhere too."""
    shutil.rmtree(open_registry(digits).root)
    bag = bag_of(digits, tmp_path / "bag", materialize=False)
    members = bag.list_dataset_members()
    assert [member.file for member in members["Image"]] == ["Image/a.png", "Image/b.png"]
    assert not bag.materialized
    assert not (bag.path / "data").exists()
    assert not (bag.path / "bagit.txt").exists()


def test_files_after_the_list(digits: Layout, tmp_path: Path) -> None:
    """EXE-05: the same folder can be completed later."""
    bag_of(digits, tmp_path / "bag", materialize=False)
    bag = bag_of(digits, tmp_path / "bag")
    assert bag.materialized
    assert all(Path(m).is_file() for found in bag.list_dataset_members().values() for m in found)


def test_a_bag_is_read_again_and_mended(digits: Layout, tmp_path: Path) -> None:
    """EXE-07: every digest is verified, of a file that is there already too."""
    bag = bag_of(digits, tmp_path / "bag")
    names = ("Image/a.png", "README.md", "empty.txt")
    changed, gone, link = (bag.path / "data" / name for name in names)
    changed.write_bytes(b"x" * 1000)
    gone.unlink()
    link.unlink()
    link.symlink_to(bag.path / "data/Image/b.png")
    bag_of(digits, tmp_path / "bag")
    for name, data in FILES.items():
        path = bag.path / "data" / name
        assert path.read_bytes() == data
        assert not path.is_symlink()


def test_a_folder_with_something_else_is_left_alone(digits: Layout, tmp_path: Path) -> None:
    """EXE-06: nobody's files are mixed with those of a dataset, nor two versions."""
    mine = folder_of(tmp_path / "mine", {"thesis.tex": b"years of work"})
    with pytest.raises(UsageError, match="holds something else"):
        bag_of(digits, mine)
    assert [path.name for path in mine.iterdir()] == ["thesis.tex"]
    bag_of(digits, tmp_path / "bag")
    add(digits, "digits", mine, "2.0.0")
    with pytest.raises(UsageError, match="holds something else"):
        bag_of(digits, tmp_path / "bag")
    with pytest.raises(UsageError, match="is no folder"):
        bag_of(digits, mine / "thesis.tex")


def test_damaged_bytes_are_not_handed_out(digits: Layout, tmp_path: Path) -> None:
    """EXE-07: a flipped bit in the registry, and no remote to mend it from, is an error."""
    record = read_dataset(digits, "digits")
    assert record.files is not None
    damage(open_registry(digits).root, record.files[0].digest)
    with pytest.raises(CorruptDataError, match="is damaged here"):
        bag_of(digits, tmp_path / "bag")
    assert not (tmp_path / "bag/data/Image/a.png").exists()
    assert not (tmp_path / "bag/bagit.txt").exists()
    assert verify(digits, record).damaged == ("Image/a.png",)


def test_bytes_that_are_nowhere(digits: Layout, tmp_path: Path) -> None:
    """EXE-07: the error says that no remote is set up, and how to set one up."""
    record = read_dataset(digits, "digits")
    assert record.files is not None
    drop(open_registry(digits).root, record.files[0].digest)
    with pytest.raises(NotFoundError, match="no remote is set up") as missing:
        bag_of(digits, tmp_path / "bag")
    assert "aexp.yaml" in (missing.value.hint or "")
    assert verify(digits, record).missing == ("Image/a.png",)


def test_a_percent_sign_is_escaped_in_the_manifests_alone(layout: Layout, tmp_path: Path) -> None:
    """EXE-06: as RFC 8493 wants it; the file itself is called what it is called."""
    add(layout, "digits", folder_of(tmp_path / "x", {"50%.txt": b"x"}), "1.0.0")
    bag = bag_of(layout, tmp_path / "bag")
    assert (bag.path / "data/50%.txt").read_bytes() == b"x"
    assert (bag.path / "manifest-md5.txt").read_text().endswith("  data/50%25.txt\n")


# --- of published assets -------------------------------------------------------------------


def test_the_seeds_way_to_read_metrics_back(layout: Layout) -> None:
    """EXE-06: the recipe of the seed runs on a dataset that was made of executions."""
    losses = {}
    for number in (1, 2):
        lines = b"".join(
            json.dumps({"epoch": epoch, "train_loss": 1 / (number + epoch)}).encode() + b"\n\n"
            for epoch in range(3)
        )
        files = {"Execution_Metadata/metrics.jsonl": lines, "Model/best.pt": b"weights"}
        losses[published(layout, number, files)] = 1 / (number + 2)
    add(layout, "training-metrics", None, "1.0.0", executions=list(losses))
    dataset = lookup(layout, "training-metrics")
    MLAsset = pytest.importorskip("aexp.execution.kinds").MLAsset

    bag = dataset.download_dataset_bag(version="1.0.0")
    # Find the metrics file in the bag's Execution_Metadata assets
    metadata_dir = bag.path / "data" / "assets" / MLAsset.execution_metadata.value
    metric_files = list(metadata_dir.rglob("metrics.jsonl"))
    records = []
    for path in metric_files:
        for line in path.read_text().splitlines():
            if line.strip():
                records.append({"execution_rid": path.parent.name, **json.loads(line)})

    assert len(records) == 6
    last = {r["execution_rid"]: r["train_loss"] for r in records if r["epoch"] == 2}
    assert last == losses


def test_a_folder_called_assets_is_a_folder(layout: Layout, tmp_path: Path) -> None:
    """EXE-06: files are listed under a kind of asset when they are published assets, only."""
    add(layout, "x", folder_of(tmp_path / "x", {"assets/Model/1/a.pt": b"a"}), "1.0.0")
    bag = lookup(layout, "x").download_dataset_bag()
    assert list(bag.list_dataset_members()) == ["assets"]


def test_which_assets_are_taken(layout: Layout, tmp_path: Path) -> None:
    """EXE-06: all of an execution, or single ones, beside files of a folder, each with its id."""
    first = published(layout, 1, {"Model/a.pt": b"a", "Table/t.csv": b"t"})
    second = published(layout, 2, {"Model/b.pt": b"b", "Figure/f.png": b"f"})
    everything = add(layout, "all", None, "1.0.0", executions=[first[:8], second]).record
    assert everything.files is not None
    assert {file.path for file in everything.files} == {
        f"assets/Model/{first}/a.pt",
        f"assets/Table/{first}/t.csv",
        f"assets/Model/{second}/b.pt",
        f"assets/Figure/{second}/f.png",
    }
    (model,) = (f for f in everything.files if f.path.endswith("b.pt"))
    folder = folder_of(tmp_path / "more", {"notes.txt": b"n"})
    some = add(layout, "some", folder, "1.0.0", assets=[model.asset or ""] * 2).record
    assert some.files is not None
    assert [file.path for file in some.files] == [model.path, "notes.txt"]

    members = lookup(layout, "some").download_dataset_bag().list_dataset_members()
    assert {key: [m.name for m in found] for key, found in members.items()} == {
        ".": ["notes.txt"],
        "Model": ["b.pt"],
    }
    assert members["Model"][0].asset == model.asset
    gc(True, grace_period="0s", repo_root=layout.root)
    assert verify(layout, some).ok


def test_assets_that_are_not_there(layout: Layout, tmp_path: Path) -> None:
    """EXE-06: an id that no entry names, and an execution that published nothing."""
    empty = published(layout, 1, {})
    with pytest.raises(NotFoundError, match="names no asset"):
        add(layout, "x", None, "1.0.0", assets=["0" * 16])
    with pytest.raises(NotFoundError, match="has published no assets"):
        add(layout, "x", None, "1.0.0", executions=[empty])
    with pytest.raises(NotFoundError, match="there is no run"):
        add(layout, "x", None, "1.0.0", executions=["0" * 32])
    hidden = published(layout, 2, {"Model/a.pt": b"a"}, promote=False)
    with pytest.raises(NotFoundError, match="has published no assets"):
        add(layout, "x", None, "1.0.0", executions=[hidden])


def test_a_folder_where_an_asset_goes(layout: Layout, tmp_path: Path) -> None:
    """EXE-06: two files for one path are refused before anything is stored."""
    execution = published(layout, 1, {"Model/a.pt": b"a"})
    folder = folder_of(tmp_path / "x", {f"assets/Model/{execution}/a.pt": b"other"})
    with pytest.raises(UsageError, match="listed twice"):
        add(layout, "x", folder, "1.0.0", executions=[execution])
