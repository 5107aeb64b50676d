"""The code blocks of the chapter that executions were created from, run as they stand there.

Only imports, ids and entity names are ours; ``torch.save`` and the training calls are a small real
model (logistic regression, by gradient descent on numpy arrays).
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import aexp
from aexp.execution import (
    AssetFilePath,
    ExecMetadataType,
    ExecutionConfiguration,
    ExecutionStatus,
    InvalidTransitionError,
    MLAsset,
)
from tests.recording.optional import need
from tests.support.machines import Machine

Block = Callable[..., dict[str, Any]]

TRAIN = """
from pathlib import Path
import numpy as np

class Model:
    def __init__(self, width):
        self.weights = np.zeros(width)
    def state_dict(self):
        return {"weights": self.weights.tolist()}

def data(images):
    rows = np.array([np.frombuffer(Path(p).read_bytes()[:16], dtype=np.uint8) for p in images])
    return rows / 255.0, (rows.mean(axis=1) > 100).astype(float)

def train_epoch(model, batch):
    x, y = batch
    guess = 1 / (1 + np.exp(-x @ model.weights))
    model.weights -= 0.5 * x.T @ (guess - y) / len(y)
    return float(np.mean((guess - y) ** 2))

def train(images, epochs=20):
    model = Model(16)
    for _ in range(epochs):
        train_epoch(model, data(images))
    return model
"""


@pytest.fixture
def seed(installed_repo: Machine, monkeypatch: pytest.MonkeyPatch) -> Block:
    """A repository with two datasets and an asset; runs a block with the chapter's names in it."""
    numpy = need("numpy")
    need("pydantic")
    folder = installed_repo / "scans"
    (folder / "Image").mkdir(parents=True)
    random = numpy.random.default_rng(7)
    for number in range(12):
        pixels = random.integers(0, 256, 64, dtype=numpy.uint8).tobytes()
        (folder / "Image" / f"{number}.png").write_bytes(pixels)
    installed_repo.write(".gitignore", installed_repo.read(".gitignore") + "scans/\n")
    installed_repo.write("train.py", TRAIN)
    installed_repo.commit_all("Train")
    monkeypatch.chdir(installed_repo.path)
    script = str(installed_repo / "train.py")
    names: dict[str, Any] = {"__name__": "seed", "__file__": script}
    exec(compile(TRAIN, script, "exec"), names)
    repo = aexp.open_repo()
    for version in ("1.0.0", "1.1.0"):
        repo.create_dataset("fundus", folder, version)
        (folder / "Image" / f"more-{version}.png").write_bytes(version.encode() * 16)
    repo.create_dataset("graded", folder, "2.1.0")
    repo.create_dataset("graded", folder, "2.2.0")
    names.update(
        repo=repo,
        torch=SimpleNamespace(save=lambda state, path: Path(path).write_bytes(pickle.dumps(state))),
    )

    def run(source: str, **more: Any) -> dict[str, Any]:
        names.update(more)
        exec(compile(textwrap.dedent(source), script, "exec"), names)
        return names

    weights = repo.create_execution(
        ExecutionConfiguration(
            workflow=repo.create_workflow(
                name="Pretrain", workflow_type="Training", checksum="1" * 40
            )
        )
    )
    with weights:
        weights.asset_file_path("Model", "pretrained.pt").write_bytes(b"weights")
    (asset,) = weights.upload_execution_outputs()["Model"]
    names["weights_rid"] = asset.asset_rid
    return run


CONFIG = """
from aexp.execution import ExecutionConfiguration
from aexp.dataset import DatasetSpec
workflow = repo.create_workflow(
    name="ResNet50 Training",
    workflow_type="Training",
    description="Fine-tune ResNet50 on retinal images",
)
config = ExecutionConfiguration(
    workflow=workflow,
    description="Training run — learning rate 0.001",
    datasets=[
        DatasetSpec(rid="fundus"),  # current version
        DatasetSpec(rid="graded", version="2.1.0"),  # pinned version
    ],
    assets=[weights_rid],  # bare RID strings are coerced to AssetSpec
)
"""

RUN = """
from aexp.execution import ExecutionConfiguration
from aexp.dataset import DatasetSpec
with repo.create_execution(config) as exe:
    print(f"Execution RID: {exe.execution_rid}")
    # Input datasets are declared in the config; download them here.
    bag = exe.download_dataset_bag(DatasetSpec(rid="fundus"))
    # Access members from the downloaded bag.
    images = bag.list_dataset_members()["Image"]
    # Run your model.
    model = train(images)
    # Register output files (do NOT write directly to working_dir).
    model_path = exe.asset_file_path("Model", "best_model.pt")
    torch.save(model.state_dict(), model_path)
# IMPORTANT: upload is OUTSIDE the context manager.
exe.upload_execution_outputs()
"""


def entry_of(repo: Any, rid: str) -> dict[str, Any]:
    """Return the ledger entry of an execution."""
    path = repo.layout.ledger_dir / f"{rid}.json"
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def test_configuring_and_running(seed: Block) -> None:
    """EXE-01, EXE-04, EXE-05, EXE-10, EXE-30: configure, enter, work, publish."""
    names = seed(CONFIG)
    assert [a.rid for a in names["config"].assets] == [names["weights_rid"]]
    exe = seed(RUN)["exe"]
    assert exe.status is ExecutionStatus.Uploaded
    entry = entry_of(names["repo"], exe.execution_rid)
    assert entry["status"] == "complete"
    versions = {i["rid"]: i["version"] for i in entry["inputs"] if i["kind"] == "dataset"}
    assert versions == {"fundus": "1.1.0", "graded": "2.1.0"}
    assert [i["rid"] for i in entry["inputs"] if i["kind"] == "asset"] == [names["weights_rid"]]
    outputs = [(o["asset"], o["name"]) for o in entry["outputs"] if o["kind"] == "asset"]
    assert ("Model", "best_model.pt") in outputs
    assert len(names["images"]) == 13
    (pretrained,) = exe.asset_paths["Model"]
    assert pretrained.read_bytes() == b"weights"


def test_writing_asset_files(seed: Block, tmp_path: Path) -> None:
    """EXE-20, EXE-21: the five ways to register a file."""
    for name in ("processed.png", "temp_scan.png"):
        (tmp_path / name).write_bytes(name.encode())
    Path("aexp.yaml").write_text("asset_types: [Segmentation_Mask, Derived]\n")
    names = seed(CONFIG)
    names = seed(
        f"""
        classifier = train(sorted(Path("scans/Image").iterdir()))
        subject_rid = "S-17"
        with repo.create_execution(config) as exe:
            # 1. Get a path for a new file — write to the returned path.
            model_path = exe.asset_file_path("Model", "classifier.pt")
            torch.save(classifier.state_dict(), model_path)
            # 2. Register an existing file (copied into staging).
            exe.asset_file_path("Image", {str(tmp_path / "processed.png")!r}, copy_file=True)
            # 3. Rename during staging.
            exe.asset_file_path("Image", {str(tmp_path / "temp_scan.png")!r},
                                rename_file="scan_001.png")
            # 4. Tag with asset type vocabulary terms.
            mask = exe.asset_file_path("Image", "mask.png",
                                       asset_types=["Segmentation_Mask", "Derived"])
            mask.write_bytes(b"mask")
            # 5. Supply domain metadata columns and/or a description.
            path = exe.asset_file_path(
                "Image", "scan.jpg",
                description="Preprocessed fundus image",
                metadata={{"Subject": subject_rid, "Acquisition_Date": "2026-01-15"}},
            )
            path.set_metadata("Acquisition_Time", "14:30:00")  # update after registration
            path.write_bytes(b"scan")
        published = exe.upload_execution_outputs()
        """
    )
    outputs = {o["name"]: o for o in entry_of(names["repo"], names["exe"].execution_rid)["outputs"]}
    images = {"processed.png", "scan_001.png", "mask.png", "scan.jpg"}
    assert {path.file_name for path in names["published"]["Image"]} == images
    assert images | {"classifier.pt"} <= set(outputs)
    assert outputs["mask.png"]["types"] == ["Segmentation_Mask", "Derived"]
    assert outputs["classifier.pt"]["types"] == ["Model"]
    assert outputs["scan.jpg"]["metadata"] == {
        "Subject": "S-17",
        "Acquisition_Date": "2026-01-15",
        "Acquisition_Time": "14:30:00",
    }
    assert outputs["scan.jpg"]["description"] == "Preprocessed fundus image"
    assert (tmp_path / "temp_scan.png").read_bytes() == b"temp_scan.png"


def test_writing_feature_values(seed: Block) -> None:
    """EXE-25: records are typed, staged, and there only after publication."""
    repo = seed(CONFIG)["repo"]
    repo.create_feature("Image", "Glaucoma_Grade", {"Glaucoma_Grade": ["Normal", "Mild", "Severe"]})
    names = seed(
        """
        feature = repo.lookup_feature("Image", "Glaucoma_Grade")
        RecordClass = feature.feature_record_class()
        records = [
            RecordClass(Image="1-IMG1", Glaucoma_Grade="Mild"),
            RecordClass(Image="1-IMG2", Glaucoma_Grade="Severe"),
        ]
        with repo.create_execution(config) as exe:
            n = exe.add_features(records)
            print(f"Staged {n} records")
            # Records are NOT in the ledger at this point.
            before = list(repo.list_feature_values("Image", "Glaucoma_Grade"))
        # Records appear there only after this call:
        exe.upload_execution_outputs()
        after = list(repo.list_feature_values("Image", "Glaucoma_Grade"))
        """
    )
    assert names["n"] == 2 and names["before"] == []
    graded = {value.target: value["Glaucoma_Grade"] for value in names["after"]}
    assert graded == {"1-IMG1": "Mild", "1-IMG2": "Severe"}


METRICS = """
import json
num_epochs = 3
train_loader = data(sorted(Path("scans/Image").iterdir()))
with repo.create_execution(config) as exe:
    model = Model(16)
    for epoch in range(num_epochs):
        train_loss = train_epoch(model, train_loader)
        val_loss = train_loss / 2
        with exe.metrics_file().open("a") as f:
            json.dump(
                {"epoch": epoch, "train_loss": train_loss, "val_loss": val_loss},
                f,
            )
            f.write("\\n")
exe.upload_execution_outputs()
"""


def test_recording_metrics_and_reading_them_from_a_bag(seed: Block) -> None:
    """EXE-24, EXE-06: one file for all epochs, run metrics made of it, and the readback recipe."""
    seed(CONFIG)
    names = seed(METRICS)
    exe, repo = names["exe"], names["repo"]
    entry = entry_of(repo, exe.execution_rid)
    assert entry["metrics"]["val_loss"]["count"] == 3
    (output,) = [o for o in entry["outputs"] if o["name"] == "metrics.jsonl"]
    assert output["types"] == [ExecMetadataType.metrics_file.value] == ["Metrics_File"]
    assert [r["epoch"] for r in repo.read_metrics(exe.execution_rid)] == [0, 1, 2]
    repo.create_dataset("trained", version="1.0.0", executions=[exe.execution_rid])
    names = seed(
        """
        import json
        from aexp.execution import MLAsset
        dataset = repo.lookup_dataset("trained")
        bag = dataset.download_dataset_bag(version="1.0.0")
        # Find the metrics file in the bag's Execution_Metadata assets
        metadata_dir = bag.path / "data" / "assets" / MLAsset.execution_metadata.value
        metric_files = list(metadata_dir.rglob("metrics.jsonl"))
        records = []
        for path in metric_files:
            for line in path.read_text().splitlines():
                if line.strip():
                    records.append({"execution_rid": path.parent.name, **json.loads(line)})
        """
    )
    assert [(r["execution_rid"], r["epoch"]) for r in names["records"]] == [
        (exe.execution_rid, epoch) for epoch in range(3)
    ]
    assert MLAsset.execution_metadata.value == "Execution_Metadata"


def test_the_long_form_of_metrics_file(seed: Block) -> None:
    """EXE-24: it is sugar for a call that anybody can make."""
    names = seed(CONFIG)
    with names["repo"].create_execution(names["config"]) as exe:
        long = exe.asset_file_path(
            MLAsset.execution_metadata,
            "metrics.jsonl",
            asset_types=ExecMetadataType.metrics_file.value,
        )
        assert exe.metrics_file() == long
        long.write_text('{"loss": 1}\n')


def test_uploading_is_a_call_of_its_own(seed: Block) -> None:
    """EXE-30: Stopped at the end of the block, Uploaded after the call, with its parameters."""
    names = seed(CONFIG)
    names = seed(
        """
        states = []
        model = train(sorted(Path("scans/Image").iterdir()))
        with repo.create_execution(config) as exe:
            # ... your work ...
            model_path = exe.asset_file_path("Model", "best_model.pt")
            torch.save(model.state_dict(), model_path)
        # Context exits here: status → Stopped. Upload is NOT triggered.
        states.append(exe.status)
        exe.upload_execution_outputs(
            timeout=(1800, 1800),  # 30 min per chunk (connect and read)
            chunk_size=25 * 1024 * 1024,  # 25 MB chunks
            max_retries=5,
            retry_delay=10.0,  # seconds; doubles each retry
        )
        # Status: Stopped → Pending_Upload → Uploaded
        states.append(exe.status)
        """
    )
    assert names["states"] == [ExecutionStatus.Stopped, ExecutionStatus.Uploaded]
    assert names["exe"].upload_execution_outputs() == {}


def test_updating_the_status_during_a_run(seed: Block) -> None:
    """EXE-12: a message per epoch, visible at once from another process."""
    names = seed(CONFIG)
    seen: list[str] = []
    machine = Machine(Path.cwd())

    def look() -> None:
        rid = names["exe"].execution_rid
        seen.append(machine.aexp("show-run", rid).stdout)

    names = seed(
        """
        from aexp.execution import ExecutionStatus
        num_epochs = 2
        load_data = lambda: data(sorted(Path("scans/Image").iterdir()))
        model = Model(16)
        with repo.create_execution(config) as exe:
            exe.update_status(ExecutionStatus.Running, "Loading dataset...")
            batch = load_data()
            for epoch in range(num_epochs):
                loss = train_epoch(model, batch)
                exe.update_status(
                    ExecutionStatus.Running,
                    f"Epoch {epoch + 1}/{num_epochs} — loss={loss:.4f}"
                )
                look()
            exe.update_status(ExecutionStatus.Running, "Saving checkpoint...")
            model_path = exe.asset_file_path("Model", "model_final.pt")
            torch.save(model.state_dict(), model_path)
        exe.upload_execution_outputs()
        """,
        look=look,
    )
    assert ["Epoch 1/2" in text and "Running" in text for text in seen] == [True, False]
    assert "Epoch 2/2" in seen[1]
    assert names["exe"].status is ExecutionStatus.Uploaded


CRASHING = """
import os, signal, sys
import aexp
from aexp.execution import ExecutionConfiguration
repo = aexp.open_repo()
config = ExecutionConfiguration(
    workflow=repo.create_workflow(name="Grade", workflow_type="Training")
)
build_feature_records = lambda: [
    repo.lookup_feature("Image", "Grade").feature_record_class()(Image="1-IMG1", Grade="Mild")
]
# Original run — process crashes after add_features() but before upload.
with repo.create_execution(config) as exe:
    rid = exe.execution_rid
    records = build_feature_records()
    exe.add_features(records)  # staged to SQLite; process dies here
    print(rid, flush=True)
    if sys.argv[1] == "B":
        os.kill(os.getpid(), signal.SIGKILL)
    raise RuntimeError("out of luck")
"""


def crashed(repo: Any, how: str) -> str:
    """Run the chapter's crashing program in a process of its own; return the execution's rid."""
    repo.create_feature("Image", "Grade", {"Grade": ["Normal", "Mild"]})
    Path("crash.py").write_text(CRASHING)
    done = subprocess.run(
        [sys.executable, "crash.py", how], capture_output=True, text=True, check=False
    )
    assert done.returncode == (1 if how == "A" else -9), done.stderr
    return done.stdout.split()[-1]


def test_scenario_a_an_exception(seed: Block) -> None:
    """EXE-51: Failed; resuming and publishing flushes what was staged, without running again."""
    repo = seed(CONFIG)["repo"]
    rid = crashed(repo, "A")
    assert repo.lookup_execution(rid).status is ExecutionStatus.Failed
    names = seed(
        """
        # Later — resume the execution by RID.
        exe = repo.resume_execution(rid)
        # Upload flushes the still-pending rows from SQLite.
        exe.upload_execution_outputs()
        """,
        rid=rid,
    )
    assert names["exe"].status is ExecutionStatus.Uploaded
    assert [v["Grade"] for v in repo.list_feature_values("Image", "Grade")] == ["Mild"]
    entry = entry_of(repo, rid)
    assert entry["status"] == "failed"
    assert entry["error"] == {"type": "RuntimeError", "message": "out of luck"}


def test_scenario_b_a_killed_process(seed: Block) -> None:
    """EXE-51: still Running; advanced by hand, then published; nobody says that it failed."""
    repo = seed(CONFIG)["repo"]
    rid = crashed(repo, "B")
    names = seed(
        """
        exe = repo.resume_execution(rid)
        before = exe.status
        # Execution is in Running state — advance directly to Pending_Upload
        # to signal "the owning process died; please upload what I staged."
        exe.update_status(ExecutionStatus.Pending_Upload)
        exe.upload_execution_outputs()  # Pending_Upload → Uploaded
        """,
        rid=rid,
        ExecutionStatus=ExecutionStatus,
    )
    assert names["before"] is ExecutionStatus.Running
    assert names["exe"].status is ExecutionStatus.Uploaded
    assert [v["Grade"] for v in repo.list_feature_values("Image", "Grade")] == ["Mild"]
    entry = entry_of(repo, rid)
    assert (entry["status"], entry["ended_by"]) == ("abandoned", "lost")
    assert entry["error"]["type"] == "Lost"


def test_the_words_of_the_pitfalls(seed: Block, capfd: pytest.CaptureFixture[str]) -> None:
    """EXE-22, EXE-13: strays are not published but listed; Stopped cannot become Failed."""
    names = seed(CONFIG)
    repo = names["repo"]
    with repo.create_execution(names["config"]) as exe:
        stray = exe.working_dir / "Execution_Metadata" / "my-metrics.json"
        stray.parent.mkdir(exist_ok=True)
        stray.write_text("{}")
        kept = exe.asset_file_path("Model", "model.pt")
        assert isinstance(kept, AssetFilePath)
        kept.write_bytes(b"x")
    assert "my-metrics.json" in capfd.readouterr().err
    with pytest.raises(InvalidTransitionError):
        exe.update_status(ExecutionStatus.Failed, "no")
    published = exe.upload_execution_outputs()
    names_of = [path.file_name for paths in published.values() for path in paths]
    assert "model.pt" in names_of and "my-metrics.json" not in names_of


def test_a_workflow_is_there_once(seed: Block) -> None:
    """EXE-02: the same script twice is one workflow; another checksum is another one."""
    repo = seed(CONFIG)["repo"]
    folder = repo.layout.ledger_dir / "workflows"
    again = "repo.add_workflow(repo.create_workflow('ResNet50 Training', 'Training'))"
    seed(again)
    before = len(list(folder.iterdir()))
    seed(again)
    assert len(list(folder.iterdir())) == before
    other = repo.create_workflow(
        name="Test", workflow_type="Test", url="https://example.org/x.py", checksum="0" * 40
    )
    repo.add_workflow(other)
    assert len(list(folder.iterdir())) == before + 1


def test_no_workflow_is_said_when_it_is_created(seed: Block) -> None:
    """EXE-04: a configuration may lack a workflow; creating an execution of it may not."""
    repo = seed(CONFIG)["repo"]
    config = ExecutionConfiguration(description="none yet")
    with pytest.raises(ValueError, match="workflow"):
        repo.create_execution(config)
    workflow = seed("late = repo.create_workflow('ResNet50 Training', 'Training')")["late"]
    assert repo.create_execution(config, workflow=workflow).status is ExecutionStatus.Created
