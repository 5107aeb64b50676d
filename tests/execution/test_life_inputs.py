"""What an execution gives its user of the inputs it declared (EXE-11; EXE-05, EXE-07)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from aexp.dataset import AssetSpec, DatasetSpec
from aexp.errors import AexpError, NotFoundError, UsageError
from aexp.execution import AssetFilePath, Execution, Repository
from aexp.registry import open_registry
from tests.execution.held import S, configured, created, document_of, entry_of, opened
from tests.support.machines import Machine


@pytest.fixture
def repo(installed_repo: Machine) -> Repository:
    """A repository with a dataset in two versions."""
    repo = opened(installed_repo)
    for version in ("1.0.0", "1.1.0"):
        _add(repo, version)
    return repo


def _add(repo: Repository, version: str) -> None:
    folder = Path.cwd() / "scans"
    (folder / "Image").mkdir(parents=True, exist_ok=True)
    (folder / "Image" / f"{version}.png").write_bytes(version.encode())
    repo.create_dataset("fundus", folder, version)


def _published(repo: Repository, kind: str, name: str, data: bytes) -> str:
    execution = created(repo)
    with execution:
        path = execution.asset_file_path(kind, name)
        path.write_bytes(data)
    execution.upload_execution_outputs()
    return path.asset_rid


def _reading(repo: Repository, *assets: str, cache: bool = False) -> Execution:
    specs = [AssetSpec(rid=rid, cache=cache) for rid in assets]
    datasets = [DatasetSpec(rid="fundus"), DatasetSpec(rid="fundus", version="1.0.0")]
    return repo.create_execution(configured(repo, datasets=datasets, assets=specs))


@pytest.mark.parametrize("cache", [False, True])
def test_inputs_are_there_when_the_work_starts(repo: Repository, cache: bool) -> None:
    """EXE-11: datasets with their versions, assets by kind with their paths, all downloaded."""
    weights = _published(repo, "Model", "best.bin", b"weights")
    other = _published(repo, "Model", "other.bin", b"other")
    table = _published(repo, "Table", "t.csv", b"a,b\n")
    execution = _reading(repo, weights, other, table, cache=cache)
    _add(repo, "2.0.0")  # what is current later does not matter any more
    with execution:
        assert [(each.rid, each.version) for each in execution.datasets] == [
            ("fundus", "1.1.0"),
            ("fundus", "1.0.0"),
        ]
        paths = execution.asset_paths
        assert set(paths) == {"Model", "Table"}
        assert [path.read_bytes() for path in paths["Model"]] == [b"weights", b"other"]
        assert all(isinstance(path, AssetFilePath) for path in paths["Model"])
        first = paths["Model"][0]
        assert (first.asset_rid, first.asset_name) == (weights, "Model")
        assert first.file_name == first.name == "best.bin"
        with pytest.raises(UsageError):
            first.set_metadata("epoch", 3)
        bag = execution.download_dataset_bag(execution.datasets[0])
        assert sorted(each.name for each in bag.list_dataset_members()["Image"]) == [
            "1.0.0.png",
            "1.1.0.png",
        ]
        with pytest.raises(UsageError, match="several versions"):
            execution.download_dataset_bag("fundus")
        with pytest.raises(UsageError, match="has not declared"):
            execution.download_dataset_bag(DatasetSpec(rid="fundus", version="2.0.0"))
    assert execution.working_dir in bag.path.parents
    inputs = entry_of(execution)["inputs"]
    assert [each["rid"] for each in inputs] == ["fundus", "fundus", weights, other, table]
    assert all(each["digest"].startswith("sha256:") for each in inputs)


def test_nothing_is_downloaded_before_it_begins(repo: Repository) -> None:
    """EXE-10: creating is quick; what the work needs comes when the work begins."""
    execution = _reading(repo, _published(repo, "Model", "best.bin", b"weights"))
    assert not (execution.working_dir / "inputs").exists()
    execution.execution_start()
    assert (execution.working_dir / "inputs").is_dir()
    execution.execution_stop()


def test_what_cannot_be_had_starts_no_work(repo: Repository) -> None:
    """EXE-07: an input that is gone is said before the work, and the execution is Created still."""
    rid = _published(repo, "Model", "best.bin", b"weights")
    execution = _reading(repo, rid)
    digest = execution.inputs[-1]["digest"]
    registry = open_registry(repo.layout)
    place = registry.root / "blobs"
    (blob,) = [path for path in place.rglob("*") if path.name == digest.removeprefix("sha256:")]
    aside = Path.cwd() / "aside"
    shutil.move(blob, aside)
    before = document_of(execution)
    with pytest.raises(AexpError) as refused, execution:
        pytest.fail("the work began")
    assert isinstance(refused.value, NotFoundError)
    assert (execution.status, document_of(execution)) == (S.Created, before)
    shutil.move(aside, blob)
    with execution:
        assert execution.asset_paths["Model"][0].read_bytes() == b"weights"
    assert execution.status is S.Stopped


def test_inputs_of_a_resumed_execution(repo: Repository) -> None:
    """EXE-50: whoever takes it up has the same inputs, verified anew."""
    execution = _reading(repo, _published(repo, "Model", "best.bin", b"weights"))
    with execution:
        path = execution.asset_paths["Model"][0]
    path.chmod(0o644)
    path.write_bytes(b"changed")
    again = repo.resume_execution(execution.execution_rid)
    assert again.datasets == execution.datasets
    assert [each.rid for each in again.configuration.datasets] == ["fundus", "fundus"]
    assert again.asset_paths["Model"][0].read_bytes() == b"weights"
