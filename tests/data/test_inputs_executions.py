"""Datasets, bags and cached inputs through real executions (EXE-05, EXE-06, EXE-07)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import aexp
from aexp.dataset import AssetSpec, DatasetSpec
from aexp.errors import CorruptDataError
from aexp.execution import ExecutionConfiguration, ExecutionStatus
from aexp.execution.kinds import MLAsset
from aexp.execution.repository import Repository
from aexp.registry import open_registry
from tests.data.datasets import FILES, damage, folder_of
from tests.support.machines import Machine
from tests.support.race import run_together

MODEL = b"weights" * 3000
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture
def repo(installed_repo: Machine, tmp_path: Path) -> Repository:
    """A repository with a remote, the dataset ``digits`` and a published model."""
    installed_repo.write("aexp.yaml", "remotes:\n  lab: ../bytes\n")
    installed_repo.commit_all()
    repo = aexp.open_repo(installed_repo.path)
    repo.create_dataset("digits", folder_of(tmp_path / "digits"), "1.0.0")
    with repo.create_execution(configuration(repo)) as exe:
        exe.asset_file_path("Model", "pretrained.pt").write_bytes(MODEL)
        exe.metrics_file().write_text('{"epoch": 0, "loss": 0.5}\n')
    exe.upload_execution_outputs()
    assert exe.status is ExecutionStatus.Uploaded
    return repo


def configuration(repo: Repository, **inputs: object) -> ExecutionConfiguration:
    """Return a configuration with these inputs."""
    workflow = repo.create_workflow("Training", "Training", script="train.py")
    return ExecutionConfiguration(workflow=workflow, description="a test", **inputs)


def model_rid(repo: Repository) -> str:
    """Return the id of the published model."""
    (asset,) = repo.list_assets(asset="Model")
    return str(asset.rid)


def test_an_execution_reads_what_it_declared(repo: Repository) -> None:
    """EXE-07: inputs are whole before the work starts; the record names version and digest."""
    config = configuration(repo, datasets=[DatasetSpec(rid="digits")], assets=[model_rid(repo)])
    with repo.create_execution(config) as exe:
        images = exe.download_dataset_bag(exe.datasets[0]).list_dataset_members()["Image"]
        assert [Path(image).read_bytes() for image in images] == [
            FILES["Image/a.png"],
            FILES["Image/b.png"],
        ]
        (path,) = exe.asset_paths["Model"]
        assert path.read_bytes() == MODEL
    assert [spec.version for spec in exe.datasets] == ["1.0.0"]
    record = repo.lookup_dataset("digits").record()
    assert exe.inputs[0]["digest"] == record.digest


def test_no_work_on_damaged_inputs(repo: Repository) -> None:
    """EXE-07: one flipped bit, and no line of the model's code runs."""
    layout = repo.layout
    shutil.rmtree(layout.root.parent / "bytes")  # nothing to mend it from
    record = repo.lookup_dataset("digits").record()
    assert record.files is not None
    damage(open_registry(layout).root, record.files[0].digest)
    exe = repo.create_execution(configuration(repo, datasets=[DatasetSpec(rid="digits")]))
    began = False
    with pytest.raises(CorruptDataError), exe:
        began = True
    assert not began


def test_metrics_of_executions_become_a_dataset(repo: Repository) -> None:
    """EXE-06: `--execution` of a real one, and the seed's recipe on it."""
    (execution,) = {asset.execution for asset in repo.list_assets()}
    repo.create_dataset("metrics", None, "1.0.0", executions=[execution])
    bag = repo.lookup_dataset("metrics").download_dataset_bag(version="1.0.0")
    metadata_dir = bag.path / "data" / "assets" / MLAsset.execution_metadata.value
    records = [
        {"execution_rid": path.parent.name, **json.loads(line)}
        for path in metadata_dir.rglob("metrics.jsonl")
        for line in path.read_text().splitlines()
    ]
    assert records == [{"execution_rid": execution, "epoch": 0, "loss": 0.5}]


def _run_with_cached_model(root: str, rid: str) -> tuple[str, bytes]:
    import warnings

    warnings.simplefilter("ignore")
    repo = aexp.open_repo(root)
    with repo.create_execution(configuration(repo, assets=[AssetSpec(rid=rid, cache=True)])) as exe:
        (path,) = exe.asset_paths["Model"]
        return str(Path(path).resolve()), path.read_bytes()


def test_two_executions_share_one_cached_input(repo: Repository) -> None:
    """EXE-07, trap 51: two real executions at once, and none of the bytes in the registry."""
    rid = model_rid(repo)
    shutil.rmtree(open_registry(repo.layout).root / "blobs")
    (open_registry(repo.layout).root / "blobs/sha256").mkdir(parents=True)
    root = str(repo.layout.root)
    answers = run_together(_run_with_cached_model, [(root, rid)] * 2, timeout=120)
    assert answers[0] == answers[1]
    copy, content = answers[0]
    assert content == MODEL
    Path(copy).chmod(0o644)
    Path(copy).write_bytes(MODEL[:1000])
    assert _run_with_cached_model(root, rid) == (copy, MODEL)
