"""Declared inputs: resolved with digests, verified before the work starts (EXE-05, EXE-07)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from aexp.data.assets import list_assets
from aexp.data.cache import cache_folder
from aexp.data.datasets import add
from aexp.data.fetching import Supply, bring
from aexp.data.inputs import fetch, input_bag, prepare
from aexp.dataset import AssetSpec, DatasetSpec
from aexp.errors import (
    CorruptDataError,
    NotFoundError,
    TransferError,
    UsageError,
)
from aexp.ledger.datasets import dataset_path, read_dataset
from aexp.recording.sharing import select_all, select_to_push
from aexp.registry import gc, open_registry
from aexp.registry.blobs import Blob
from aexp.registry.remotes import open_remote
from aexp.registry.transfer import Parcel, push
from aexp.repo import Layout, choose_remote, open_layout
from tests.data.datasets import FILES, damage, drop, folder_of, published
from tests.registry.remote_help import Told
from tests.support.machines import Machine
from tests.support.race import run_together

MODEL = b"weights of a network" * 500


@pytest.fixture
def layout(installed_repo: Machine) -> Layout:
    installed_repo.write("aexp.yaml", "remotes:\n  lab: ../bytes\n")
    return open_layout(installed_repo.path)


@pytest.fixture
def stocked(layout: Layout, tmp_path: Path) -> Layout:
    """A repository with a dataset of two versions, and an execution with a model."""
    data = folder_of(tmp_path / "digits")
    add(layout, "digits", data, "1.0.0")
    (data / "README.md").write_bytes(b"# Digits, again\n")
    add(layout, "digits", data, "2.1.0")
    published(layout, 1, {"Model/best.pt": MODEL, "Table/scores.csv": b"a,b\n"})
    return layout


def asset_ids(layout: Layout) -> dict[str, str]:
    """Return the ids of all published assets by file name."""
    return {asset.name: asset.rid for asset in list_assets(layout)}


def prepared(
    layout: Layout, datasets: list[DatasetSpec], assets: list[AssetSpec] | None = None
) -> list[dict[str, Any]]:
    """Return what the document says of these inputs."""
    return prepare(layout, open_registry(layout), datasets, assets or [])


def pushed(layout: Layout) -> Path:
    """Push everything to the remote, empty the registry, and return the remote's folder."""
    registry = open_registry(layout)
    with_remote = open_remote(layout, choose_remote(layout))
    report = push(layout, registry, with_remote, select_all(layout, registry).parcels)
    assert report.done
    # What E3's publication does: the blobs of assets go to the remote, too.
    for asset in list_assets(layout):
        push_blob(layout, asset.digest, asset.size)
    for digest, _ in list(registry.blobs()):
        drop(registry.root, digest)
    return layout.root.parent / "bytes"


def push_blob(layout: Layout, digest: str, size: int) -> None:
    """Push one blob."""
    remote = open_remote(layout, choose_remote(layout))
    push(layout, open_registry(layout), remote, [Parcel("asset", blobs=(Blob(digest, size),))])


# --- declared ------------------------------------------------------------------------------


def test_specifications() -> None:
    """EXE-04, EXE-05: defaults, bare ids, and nothing else."""
    spec = DatasetSpec(rid="digits")
    assert (spec.version, spec.materialize) == (None, True)
    assert TypeAdapter(AssetSpec).validate_python("2-GHI") == AssetSpec(rid="2-GHI", cache=False)
    listed = TypeAdapter(list[AssetSpec]).validate_python(["a" * 16, {"rid": "b", "cache": True}])
    assert [(each.rid, each.cache) for each in listed] == [("a" * 16, False), ("b", True)]
    assert DatasetSpec.model_validate_json(spec.model_dump_json()) == spec
    for wrong in ({}, {"rid": ""}, {"rid": 3}, {"rid": "x", "vesion": "1.0.0"}):
        with pytest.raises(ValidationError):
            DatasetSpec(**wrong)
    with pytest.raises(ValidationError):
        spec.rid = "other"


def test_versions_are_resolved_with_their_digests(stocked: Layout) -> None:
    """EXE-05: None is the current version, recorded with its digest (ADR 10)."""
    assets = asset_ids(stocked)
    listed = prepared(
        stocked,
        [DatasetSpec(rid="digits"), DatasetSpec(rid="digits", version="1.0.0", materialize=False)],
        [AssetSpec(rid=assets["best.pt"], cache=True), AssetSpec(rid=assets["scores.csv"])],
    )
    current, first = (read_dataset(stocked, "digits", version) for version in (None, "1.0.0"))
    (model,) = (asset for asset in list_assets(stocked) if asset.name == "best.pt")
    assert listed[:3] == [
        {
            "kind": "dataset",
            "rid": "digits",
            "version": "2.1.0",
            "digest": current.digest,
            "size": current.size,
            "files": len(FILES),
            "materialize": True,
        },
        {
            "kind": "dataset",
            "rid": "digits",
            "version": "1.0.0",
            "digest": first.digest,
            "size": first.size,
            "files": len(FILES),
            "materialize": False,
        },
        {
            "kind": "asset",
            "rid": model.rid,
            "asset": "Model",
            "name": "best.pt",
            "digest": model.digest,
            "md5": model.md5,
            "size": len(MODEL),
            "execution": model.execution,
            "cache": True,
        },
    ]
    assert "cache" not in listed[3]


def test_what_is_declared_twice_is_listed_once(stocked: Layout) -> None:
    """EXE-05: two ways to say one version are one input, with all that either asks for."""
    model = asset_ids(stocked)["best.pt"]
    listed = prepared(
        stocked,
        [
            DatasetSpec(rid="digits", materialize=False),
            DatasetSpec(rid="digits", version="2.1.0"),
        ],
        [AssetSpec(rid=model), AssetSpec(rid=model[:8], cache=True)],
    )
    assert [one["rid"] for one in listed] == ["digits", model]
    assert listed[0]["materialize"] is True
    assert listed[1]["cache"] is True


def test_what_is_not_there(stocked: Layout) -> None:
    """EXE-05: told when the execution is created, not when it needs it."""
    with pytest.raises(NotFoundError, match="no dataset other"):
        prepared(stocked, [DatasetSpec(rid="other")])
    with pytest.raises(NotFoundError, match=r"no version 3\.0\.0"):
        prepared(stocked, [DatasetSpec(rid="digits", version="3.0.0")])
    with pytest.raises(UsageError, match="is no version"):
        prepared(stocked, [DatasetSpec(rid="digits", version="new")])
    with pytest.raises(NotFoundError, match=r"names no asset 'README\.md'"):
        prepared(stocked, [], [AssetSpec(rid="README.md")])  # never sniffed as a path


def test_the_beginning_of_an_id(layout: Layout) -> None:
    """EXE-05: an id may be cut where no other begins like that, and never to a digit or two."""
    published(layout, 1, {"Model/best.pt": MODEL})
    (rid,) = asset_ids(layout).values()
    (one,) = prepared(layout, [], [AssetSpec(rid=rid[:6])])
    assert one["rid"] == rid
    with pytest.raises(NotFoundError, match="names no asset"):
        prepared(layout, [], [AssetSpec(rid=rid[:5])])


# --- fetched -------------------------------------------------------------------------------


def test_inputs_in_the_working_folder(stocked: Layout, tmp_path: Path) -> None:
    """EXE-07, ADR 10: bags and assets where the work finds them, whole."""
    assets = asset_ids(stocked)
    listed = prepared(
        stocked,
        [DatasetSpec(rid="digits", version="1.0.0")],
        [AssetSpec(rid=assets["best.pt"]), AssetSpec(rid=assets["scores.csv"])],
    )
    paths = fetch(stocked, open_registry(stocked), listed, tmp_path / "work")
    execution = listed[1]["execution"]
    assert paths == {
        "Model": [tmp_path / f"work/inputs/assets/Model/{execution}/best.pt"],
        "Table": [tmp_path / f"work/inputs/assets/Table/{execution}/scores.csv"],
    }
    assert paths["Model"][0].read_bytes() == MODEL
    bag = tmp_path / "work/inputs/datasets/digits@1.0.0"
    assert {name: (bag / "data" / name).read_bytes() for name in FILES} == FILES


def test_a_later_version_changes_nothing(stocked: Layout, tmp_path: Path) -> None:
    """EXE-05: what was resolved at create is what is read, however late."""
    listed = prepared(stocked, [DatasetSpec(rid="digits")])
    add(stocked, "digits", folder_of(tmp_path / "new", {"x": b"new"}), "3.0.0")
    fetch(stocked, open_registry(stocked), listed, tmp_path / "work")
    spec = DatasetSpec(rid="digits")
    bag = input_bag(stocked, open_registry(stocked), listed, tmp_path / "work", spec)
    assert bag.version == "2.1.0"


def test_inputs_are_verified_each_time(stocked: Layout, tmp_path: Path) -> None:
    """EXE-07: also what an earlier attempt has left there, changed or cut off."""
    model = AssetSpec(rid=asset_ids(stocked)["best.pt"])
    listed = prepared(stocked, [DatasetSpec(rid="digits", version="1.0.0")], [model])
    registry = open_registry(stocked)
    (path,) = fetch(stocked, registry, listed, tmp_path / "work")["Model"]
    file = tmp_path / "work/inputs/datasets/digits@1.0.0/data/Image/a.png"
    path.write_bytes(MODEL[:100])
    file.write_bytes(b"b" * 1000)
    fetch(stocked, registry, listed, tmp_path / "work")
    assert path.read_bytes() == MODEL
    assert file.read_bytes() == FILES["Image/a.png"]


def test_the_bag_of_a_declared_dataset(stocked: Layout, tmp_path: Path) -> None:
    """EXE-06: ``exe.download_dataset_bag(spec)``; what was not declared is refused."""
    registry, work = open_registry(stocked), tmp_path / "work"
    first, second = (DatasetSpec(rid="digits", version=version) for version in ("1.0.0", "2.1.0"))
    listed = prepared(stocked, [first.model_copy(update={"materialize": False})])
    fetch(stocked, registry, listed, work)
    anyone = DatasetSpec(rid="digits")
    without_files = DatasetSpec(rid="digits", materialize=False)
    only_list = input_bag(stocked, registry, listed, work, without_files)
    assert (only_list.version, only_list.materialized) == ("1.0.0", False)
    assert input_bag(stocked, registry, listed, work, anyone).materialized
    with pytest.raises(UsageError, match=r"not declared the dataset digits@2\.1\.0"):
        input_bag(stocked, registry, listed, work, second)
    both = prepared(stocked, [first, second])
    with pytest.raises(UsageError, match=r"several versions of digits: 1\.0\.0, 2\.1\.0"):
        input_bag(stocked, registry, both, work, anyone)
    assert input_bag(stocked, registry, both, work, second).version == "2.1.0"


def test_a_version_that_became_another(stocked: Layout, tmp_path: Path) -> None:
    """EXE-07: after a switch of branches, other content under that version is not taken for it."""
    listed = prepared(stocked, [DatasetSpec(rid="digits", version="1.0.0")])
    record = read_dataset(stocked, "digits", "1.0.0")
    dataset_path(stocked, "digits", record.version).unlink()
    add(stocked, "digits", folder_of(tmp_path / "x", {"x": b"x"}), "1.0.0")
    with pytest.raises(CorruptDataError, match="is not what it was when the execution was created"):
        fetch(stocked, open_registry(stocked), listed, tmp_path / "work")


@pytest.mark.parametrize("name", ["../../../evil", "/etc/passwd", "a/b", "a\\b", ".."])
def test_an_asset_cannot_lead_out_of_the_folder(stocked: Layout, tmp_path: Path, name: str) -> None:
    """Trap 18: an entry that somebody pushed names the file."""
    (one,) = prepared(stocked, [], [AssetSpec(rid=asset_ids(stocked)["best.pt"])])
    with pytest.raises(CorruptDataError, match="the name of the asset"):
        fetch(stocked, open_registry(stocked), [{**one, "name": name}], tmp_path / "work")
    assert not (tmp_path / "work").exists()


# --- from a remote -------------------------------------------------------------------------


class Sum(Told):
    """A reporter that adds up several transfers."""

    def __init__(self) -> None:
        super().__init__()
        self.announced: list[int] = []
        self.total = 0

    def begin(self, what: str, count: int, size: int) -> None:
        self.announced.append(size)

    def advance(self, size: int) -> None:
        self.total += size


def test_inputs_come_from_the_remote(stocked: Layout, tmp_path: Path) -> None:
    """EXE-07: what is not here is fetched, verified, and told of in true bytes."""
    assets = asset_ids(stocked)
    pushed(stocked)
    registry = open_registry(stocked)
    listed = prepared(
        stocked, [DatasetSpec(rid="digits", version="1.0.0")], [AssetSpec(rid=assets["best.pt"])]
    )
    told = Sum()
    paths = fetch(stocked, registry, listed, tmp_path / "work", told)
    assert paths["Model"][0].read_bytes() == MODEL
    bag = tmp_path / "work/inputs/datasets/digits@1.0.0"
    assert {name: (bag / "data" / name).read_bytes() for name in FILES} == FILES
    assert told.total == sum(told.announced) >= len(MODEL) + sum(map(len, FILES.values()))
    # A dataset that was fetched is kept: the next execution needs no remote.
    gc(True, grace_period="0s", repo_root=stocked.root)
    record = read_dataset(stocked, "digits", "1.0.0")
    assert record.files is not None
    assert all(registry.has(file.digest) for file in record.files)


def test_a_dataset_of_assets_that_are_elsewhere(stocked: Layout) -> None:
    """EXE-06: what another clone has published becomes part of a dataset here, bytes and all."""
    pushed(stocked)
    registry = open_registry(stocked)
    (execution,) = {asset.execution for asset in list_assets(stocked)}
    record = add(stocked, "models", None, "1.0.0", executions=[execution]).record
    gc(True, grace_period="0s", repo_root=stocked.root)
    assert record.files is not None
    contents = {file.path.rpartition("/")[2]: registry.read(file.digest) for file in record.files}
    assert contents == {"best.pt": MODEL, "scores.csv": b"a,b\n"}


def test_damaged_bytes_are_fetched_anew(stocked: Layout, tmp_path: Path) -> None:
    """EXE-07: a flipped bit in the registry is mended from the remote."""
    model = asset_ids(stocked)["best.pt"]
    listed = prepared(stocked, [DatasetSpec(rid="digits", version="1.0.0")], [AssetSpec(rid=model)])
    pushed(stocked)
    registry = open_registry(stocked)
    fetch(stocked, registry, listed, tmp_path / "first")
    record = read_dataset(stocked, "digits", "1.0.0")
    assert record.files is not None
    for digest in (listed[1]["digest"], record.files[0].digest):
        damage(registry.root, digest)
    paths = fetch(stocked, registry, listed, tmp_path / "second")
    assert paths["Model"][0].read_bytes() == MODEL
    assert (tmp_path / "second/inputs/datasets/digits@1.0.0/data/Image/a.png").read_bytes() == (
        FILES["Image/a.png"]
    )


def test_a_remote_that_lies(stocked: Layout, tmp_path: Path) -> None:
    """EXE-07: what a remote gives in place of an input is not taken."""
    model = AssetSpec(rid=asset_ids(stocked)["best.pt"])
    (one,) = listed = prepared(stocked, [], [model])
    remote = pushed(stocked)
    (file,) = remote.rglob(one["digest"].removeprefix("sha256:"))
    file.chmod(0o644)
    file.write_bytes(b"x" + MODEL[1:])
    with pytest.raises(NotFoundError, match="could not be fetched from") as failed:
        fetch(stocked, open_registry(stocked), listed, tmp_path / "work")
    assert "is damaged" in failed.value.message
    assert not (tmp_path / "work/inputs/assets").is_dir() or not list(
        (tmp_path / "work").rglob("best.pt")
    )


def test_a_remote_that_is_named(stocked: Layout, tmp_path: Path) -> None:
    """SHR-01: another remote than the default one can be asked."""
    (asset,) = (asset for asset in list_assets(stocked) if asset.name == "best.pt")
    pushed(stocked).rename(tmp_path / "moved")
    registry, blobs = open_registry(stocked), [Blob(asset.digest, asset.size)]
    with pytest.raises((NotFoundError, TransferError)):
        bring(stocked, registry, "it", blobs)
    bring(stocked, registry, "it", blobs, supply=Supply(str(tmp_path / "moved")))
    assert registry.read(asset.digest) == MODEL


def test_push_names_datasets(stocked: Layout) -> None:
    """EXE-06: a name is its current version; what is not here is an error, or left out of all."""
    registry = open_registry(stocked)
    (parcel,) = select_to_push(stocked, registry, ["digits"]).parcels
    assert parcel.name == "dataset digits@2.1.0"
    (parcel,) = select_to_push(stocked, registry, ["digits@1.0.0"]).parcels
    drop(registry.root, read_dataset(stocked, "digits", "1.0.0").manifest)
    with pytest.raises(NotFoundError, match=r"digits@1\.0\.0: its bytes are not in the registry"):
        select_to_push(stocked, registry, ["digits@1.0.0"])
    chosen = select_all(stocked, registry)
    assert "dataset digits@2.1.0" in [parcel.name for parcel in chosen.parcels]
    assert "dataset digits@1.0.0" in chosen.left_out
    with pytest.raises(NotFoundError, match=r"no version 9\.0\.0"):
        select_to_push(stocked, registry, ["digits@9.0.0"])


# --- the shared cache ----------------------------------------------------------------------


def test_a_cached_input_is_one_file_for_all(stocked: Layout, tmp_path: Path) -> None:
    """EXE-07: two executions share one copy; each has a link of the right name to it."""
    listed = prepared(stocked, [], [AssetSpec(rid=asset_ids(stocked)["best.pt"], cache=True)])
    registry = open_registry(stocked)
    paths = [fetch(stocked, registry, listed, tmp_path / name)["Model"][0] for name in "ab"]
    assert paths[0] != paths[1]
    assert paths[0].name == "best.pt"
    assert paths[0].resolve() == paths[1].resolve()
    assert paths[0].resolve().is_relative_to(cache_folder(stocked).resolve())
    assert paths[0].read_bytes() == MODEL


def test_a_truncated_cached_input(stocked: Layout, tmp_path: Path) -> None:
    """Trap 51: the next execution finds out, and gets the whole; the first one's link does too."""
    listed = prepared(stocked, [], [AssetSpec(rid=asset_ids(stocked)["best.pt"], cache=True)])
    registry = open_registry(stocked)
    (first,) = fetch(stocked, registry, listed, tmp_path / "a")["Model"]
    first.resolve().chmod(0o644)
    first.resolve().write_bytes(MODEL[:7])
    (second,) = fetch(stocked, registry, listed, tmp_path / "b")["Model"]
    assert second.read_bytes() == first.read_bytes() == MODEL


def test_a_cached_input_outlives_a_collection(stocked: Layout, tmp_path: Path) -> None:
    """EXE-07: with the copy here, neither registry nor remote is asked."""
    listed = prepared(stocked, [], [AssetSpec(rid=asset_ids(stocked)["best.pt"], cache=True)])
    registry = open_registry(stocked)
    fetch(stocked, registry, listed, tmp_path / "a")
    drop(registry.root, listed[0]["digest"])
    assert fetch(stocked, registry, listed, tmp_path / "b")["Model"][0].read_bytes() == MODEL


def _fetch_cached(root: str, work: str, one: dict[str, Any]) -> tuple[bytes, int]:
    layout = open_layout(root)
    told = Told()
    paths = fetch(layout, open_registry(layout), [one], Path(work), told)
    return paths["Model"][0].read_bytes(), told.sizes.get("pull", 0)


def test_two_executions_race_for_one_cached_input(stocked: Layout, tmp_path: Path) -> None:
    """EXE-07: of two processes one fetches it from the remote; both work with the whole."""
    (one,) = prepared(stocked, [], [AssetSpec(rid=asset_ids(stocked)["best.pt"], cache=True)])
    pushed(stocked)
    arguments = [(str(stocked.root), str(tmp_path / name), one) for name in "ab"]
    answers = run_together(_fetch_cached, arguments)
    assert [content for content, _ in answers] == [MODEL, MODEL]
    assert sorted(size for _, size in answers) == [0, len(MODEL)]


# --- without pydantic ----------------------------------------------------------------------


def test_pydantic_is_for_specifications_alone(stocked: Layout, tmp_path: Path) -> None:
    """The CLI of datasets needs no pydantic; a specification says how to get it."""
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked/pydantic.py").write_text("raise ImportError('no pydantic here')\n")
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from aexp.data.datasets import lookup\n"
        "from aexp.repo import open_layout\n"
        "print(lookup(open_layout('.'), 'digits').download_dataset_bag().version)\n"
        "import aexp.cli.dataset\n"
        "from aexp.errors import MissingExtraError\n"
        "import aexp.dataset\n"
        "try:\n"
        "    aexp.dataset.DatasetSpec\n"
        "except MissingExtraError as error:\n"
        "    print(error.hint)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "blocked")],
        cwd=stocked.root,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == ["2.1.0", "pip install 'aexp[execution]'"], done.stderr
