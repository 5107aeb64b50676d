"""Executions in two clones: git carries what was published, a folder carries the bytes (issue 7).

The second clone knows features, datasets and outputs by the ledger alone, downloads and verifies
the bytes from the remote, and gives values of its own.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

import aexp
from aexp.errors import NotFoundError
from aexp.registry import open_registry
from aexp.repo import open_layout
from tests.support.machines import Machine, TwoMachines, make_two_machines, run_command

SETTINGS = """\
remotes: {lab: ../bytes}
assets: {Mask: {metadata: {Reader: str?}}}
asset_types: [Checked]
"""

PREPARE = """\
import aexp

repo = aexp.open_repo()
repo.create_feature("Image", "Grade", ["Mild", "Severe"], description="By one reader.")
repo.create_feature("Image", "Region", {"mask": "asset:Mask", "area": float | None})
repo.create_dataset("eyes", "images", "1.0.0")
"""

SEGMENT = """\
import hashlib
import sys
from pathlib import Path

import aexp
from aexp.dataset import DatasetSpec
from aexp.execution import ExecutionConfiguration

repo = aexp.open_repo()
workflow = repo.create_workflow("Segment", "Segmentation", "Finds regions.")
config = ExecutionConfiguration(
    workflow=workflow, datasets=[DatasetSpec(rid="eyes")], assets=sys.argv[2:], description="x"
)
Grade = repo.lookup_feature("Image", "Grade").feature_record_class()
Region = repo.lookup_feature("Image", "Region").feature_record_class()
with repo.create_execution(config) as exe:
    bag = exe.download_dataset_bag(exe.datasets[0])
    grades, regions = [], []
    for path in sorted(bag.path.rglob("*.png")):
        data = Path(path).read_bytes()
        name = f"{path.stem}-mask.png"
        mask = exe.asset_file_path("Mask", name, metadata={"Reader": sys.argv[1]})
        mask.write_bytes(data[::-1])
        mask.set_asset_types(["Mask", "Checked"])
        regions.append(Region(Image=path.stem, mask=mask, area=float(len(data))))
        grades.append(Grade(Image=path.stem, Grade="Severe" if len(data) > 20 else "Mild"))
    model = exe.asset_file_path("Model", "rule.txt")
    model.write_text(f"20 by {sys.argv[1]}")
    if sys.argv[1] == "laptop":
        grades = grades[:1]
        (known,) = exe.asset_paths["Model"]
        assert known.read_text() == "20 by cluster"
    print(exe.add_features(grades), exe.add_features(regions))
exe.upload_execution_outputs()
print(exe.execution_rid)
"""


@pytest.fixture(scope="module")
def _template(tmp_path_factory: pytest.TempPathFactory, sealed_home: Path) -> Path:
    folder = tmp_path_factory.mktemp("two-clones")
    machines = make_two_machines(folder)
    cluster = machines.cluster
    cluster.write("aexp.yaml", SETTINGS)
    cluster.write("prepare.py", PREPARE)
    cluster.write("segment.py", SEGMENT)
    cluster.write(".gitignore", cluster.read(".gitignore") + "images/\n")
    for number, size in ((1, 10), (2, 30)):
        cluster.write(f"images/Image/{number}.png", "x" * size + str(number))
    cluster.commit_all("Code")
    python(cluster, "prepare.py")
    python(cluster, "segment.py", "cluster")
    cluster.aexp("ledger", "backfill")
    cluster.aexp("push", "--all")
    cluster.push()
    machines.laptop.pull()
    return folder


@pytest.fixture
def two(_template: Path, tmp_path: Path) -> TwoMachines:
    """A cluster that has published, and a laptop that has pulled with git alone."""
    for name in ("remote.git", "cluster", "laptop", "bytes"):
        shutil.copytree(_template / name, tmp_path / name, symlinks=True)
    machines = [Machine(tmp_path / name, name) for name in ("cluster", "laptop")]
    for machine in machines:
        machine.git("remote", "set-url", "origin", str(tmp_path / "remote.git"))
    return TwoMachines(tmp_path / "remote.git", *machines)


def python(machine: Machine, *arguments: str) -> list[str]:
    """Run a script with the interpreter of these tests, and return the words that it said last."""
    done = run_command([sys.executable, *arguments], cwd=machine.path)
    return done.stdout.splitlines()


def told(machine: Machine, *arguments: str) -> Any:
    """Return what a command says as JSON."""
    return json.loads(machine.aexp_fast(*arguments, "--format", "json").stdout)


def test_the_ledger_alone_says_what_there_is(two: TwoMachines) -> None:
    """Issue 7, part 5: after `git pull`, without one byte: features, datasets, outputs."""
    laptop = two.laptop
    shutil.rmtree(two.remote.parent / "bytes")
    assert not open_registry(open_layout(laptop.path)).exists()

    features = {row["name"]: row for row in told(laptop, "feature", "list")}
    assert features["Grade"]["columns"] == [
        {"name": "Grade", "type": "term", "terms": ["Mild", "Severe"]}
    ]
    assert {name: row["values"] for name, row in features.items()} == {"Grade": 2, "Region": 2}
    repo = aexp.open_repo(laptop.path)
    assert [feature.definition.key for feature in repo.list_features()] == [
        "Image/Grade", "Image/Region",
    ]  # fmt: skip

    assert [dataset.name for dataset in repo.list_datasets()] == ["eyes"]
    assert repo.lookup_dataset("eyes").current == "1.0.0"

    assets = {row["name"]: row for row in told(laptop, "asset", "list")}
    assert set(assets) >= {"1-mask.png", "2-mask.png", "rule.txt"}
    (execution,) = {row["execution"] for row in assets.values()}
    assert features["Grade"]["executions"] == [execution]
    mask = assets["1-mask.png"]
    assert (mask["asset"], mask["types"], mask["metadata"], mask["here"], mask["machine"]) == (
        "Mask", ["Mask", "Checked"], {"Reader": "cluster"}, False, "cluster",
    )  # fmt: skip
    assert not open_registry(open_layout(laptop.path)).exists(), "reading makes nothing"


def test_the_bytes_come_from_the_remote_and_are_verified(two: TwoMachines, tmp_path: Path) -> None:
    """Issue 7, part 5; EXE-25, EXE-26: values after `aexp pull`, files by `aexp asset download`."""
    laptop = two.laptop
    missing = laptop.aexp_fast("feature", "values", "Image", "Region", check=False).require(10)
    (execution,) = told(laptop, "feature", "show", "Image", "Region")["executions"]
    assert f"aexp pull {execution[:8]}" in missing.stderr
    repo = aexp.open_repo(laptop.path)
    with pytest.raises(NotFoundError):
        repo.list_feature_values("Image", "Region")

    laptop.aexp_fast("pull", execution[:8])
    regions = {value.target: value for value in repo.list_feature_values("Image", "Region")}
    assert {target: value["area"] for target, value in regions.items()} == {"1": 11.0, "2": 31.0}
    assert {value.execution for value in regions.values()} == {execution}
    for target, value in regions.items():
        asset = repo.lookup_asset(value["mask"])
        assert (asset.asset, asset.name) == ("Mask", f"{target}-mask.png")
        data = (two.cluster / f"images/Image/{target}.png").read_bytes()
        assert asset.download(tmp_path / "one").read_bytes() == data[::-1]

    shutil.rmtree(open_registry(open_layout(laptop.path)).root)
    laptop.aexp_fast("asset", "download", "--execution", execution, "-o", str(tmp_path / "all"))
    found = {path.name: path for path in (tmp_path / "all").rglob("*") if path.is_file()}
    assert found["rule.txt"].read_text() == "20 by cluster"
    assert found["1-mask.png"].parent.name == execution
    assert laptop.status() == ""


def test_damage_on_the_remote_is_not_taken(two: TwoMachines, tmp_path: Path) -> None:
    """Trap 51: what arrives is compared with the digest in the ledger."""
    laptop = two.laptop
    mask = next(row for row in told(laptop, "asset", "list") if row["name"] == "2-mask.png")
    stored = next((tmp_path / "bytes").rglob(mask["digest"][7:]))
    stored.chmod(0o600)
    stored.write_bytes(stored.read_bytes()[::-1])
    done = laptop.aexp_fast("asset", "download", mask["rid"], "-o", str(tmp_path), check=False)
    assert done.returncode != 0 and "damaged" in done.stderr
    assert not (tmp_path / "2-mask.png").exists()


def test_both_clones_give_values(two: TwoMachines) -> None:
    """EXE-25: all values are kept, each with its execution; the newest of each thing is last."""
    cluster, laptop = two.cluster, two.laptop
    model = next(row for row in told(laptop, "asset", "list") if row["name"] == "rule.txt")
    said = python(laptop, "segment.py", "laptop", model["rid"])
    assert said[-2] == "1 2"
    mine = said[-1]
    laptop.aexp_fast("sync")
    laptop.aexp_fast("push", mine)
    cluster.aexp_fast("sync")
    cluster.aexp_fast("pull", mine)

    grades = told(cluster, "feature", "values", "Image", "Grade")
    theirs = grades[0]["execution"]
    assert [(row["target"], row["execution"]) for row in grades] == [
        ("1", theirs), ("2", theirs), ("1", mine),
    ]  # fmt: skip
    latest = told(cluster, "feature", "values", "Image", "Grade", "--latest")
    assert {row["target"]: row["execution"] for row in latest} == {"1": mine, "2": theirs}
    assert told(cluster, "asset", "show", model["rid"])["used_by"] == [mine]
    for machine in (cluster, laptop):
        assert told(machine, "ledger", "verify")["ok"]
        assert told(machine, "validate")["issues"] == []


def test_a_feature_made_in_both_clones(two: TwoMachines) -> None:
    """EXE-25: the same definition is the same file; two definitions are a conflict for a person."""
    for machine in (two.cluster, two.laptop):
        aexp.open_repo(machine.path).create_feature("Eye", "Side", ["left", "right"])
        machine.aexp_fast("sync")
    assert [row["name"] for row in told(two.laptop, "feature", "list")] == [
        "Side", "Grade", "Region",
    ]  # fmt: skip

    aexp.open_repo(two.cluster.path).create_feature("Eye", "Pressure", float)
    two.cluster.aexp_fast("sync")
    aexp.open_repo(two.laptop.path).create_feature("Eye", "Pressure", int)
    before = two.laptop.read(".aexp/ledger/features/Eye/Pressure.json")
    done = two.laptop.aexp_fast("sync", check=False)
    assert done.returncode != 0 and "Pressure.json" in done.stderr
    assert two.laptop.read(".aexp/ledger/features/Eye/Pressure.json") == before
