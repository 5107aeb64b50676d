"""``aexp dataset``, as people type it, in one clone and in the next (EXE-06)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from aexp.model.oci import sha256_digest
from aexp.registry import open_registry
from aexp.repo import open_layout
from tests.data.datasets import FILES, damage, folder_of, published
from tests.support.machines import Machine, TwoMachines

SIZE = sum(map(len, FILES.values()))


@pytest.fixture
def machine(installed_repo: Machine, tmp_path: Path) -> Machine:
    """A repository beside the folder ``digits``."""
    folder_of(tmp_path / "digits")
    return installed_repo


def add(machine: Machine, *more: str, path: str = "../digits") -> Any:
    """Add ``digits`` and return what the command said as JSON."""
    return json.loads(
        machine.aexp_fast("dataset", "add", "digits", path, *more, "--format", "json").stdout
    )


def test_add_says_what_there_is(machine: Machine) -> None:
    """EXE-06: new, the same again, and other content."""
    first = machine.aexp_fast("dataset", "add", "digits", "../digits", "--version", "1.0.0")
    assert first.stdout.startswith(f"digits@1.0.0: {len(FILES)} files, 3.0 kB, sha256:")
    again = machine.aexp_fast(
        *("dataset", "add", "digits", "../digits", "--version", "1.0.0", "-d", "late")
    )
    assert "nothing to do" in again.stdout
    assert "the description of digits@1.0.0 stays" in again.stderr
    (machine.path.parent / "digits/new.txt").write_text("new")
    other = machine.aexp_fast(
        *("dataset", "add", "digits", "../digits", "--version", "1.0.0"), check=False
    ).require(2)
    assert other.stderr.splitlines() == [
        "error: the dataset digits@1.0.0 is there already with other content, and versions never"
        " change",
        "hint: add this content as another version: --version 1.1.0",
    ]


def test_add_as_json(machine: Machine) -> None:
    """EXE-06: a stable shape."""
    done = add(machine, "--description", "Digits")
    assert done.pop("digest").startswith("sha256:")
    assert done.pop("manifest").startswith("sha256:")
    assert done == {
        "name": "digits",
        "version": "1.0.0",
        "description": "Digits",
        "count": len(FILES),
        "size": SIZE,
        "created": True,
    }
    assert add(machine)["created"] is False


def test_a_mistake_is_a_line_and_a_hint(machine: Machine, tmp_path: Path) -> None:
    """Trap 32: no tracebacks; a name is shown as it is, brackets included (trap 31)."""
    (tmp_path / "digits/[link]").symlink_to("README.md")
    for arguments, code, words in (
        (["add", "digits", "../digits"], 2, "'[link]' is a symbolic link"),
        (["add", "digits", "../nowhere"], 4, "../nowhere does not exist"),
        (["add", "../digits", "../digits"], 2, "cannot name a dataset"),
        (["add", "digits"], 2, "nothing to add"),
        (["add", "digits", "../digits/README.md", "--version", "1"], 2, "no version"),
        (["show", "digits"], 4, "there is no dataset digits"),
        (["download", "digits"], 4, "there is no dataset digits"),
        (["verify", "digits@1.0.0"], 4, "there is no dataset digits"),
    ):
        done = machine.aexp_fast("dataset", *arguments, check=False).require(code)
        lines = done.stderr.splitlines()
        assert words in lines[0]
        assert [line.split(":")[0] for line in lines] == ["error", "hint"]
    assert machine.aexp_fast("dataset", "list").stdout.startswith("no datasets")
    assert not open_registry(open_layout(machine.path)).exists()


def test_list_and_show(machine: Machine, tmp_path: Path) -> None:
    """EXE-06: one line a dataset with its current version; show has versions and members."""
    for version in ("1.9.0", "1.10.0"):
        (tmp_path / "digits/README.md").write_text(version)
        add(machine, "--version", version, "-d", f"Version *{version}*")
    folder_of(tmp_path / "more", {"x.txt": b"x"})
    machine.aexp_fast("dataset", "add", "more", "../more")
    listed = machine.aexp_fast("dataset", "list").stdout.splitlines()
    assert [line.split() for line in listed] == [
        ["DATASET", "CURRENT", "VERSIONS", "FILES", "SIZE", "BYTES"],
        ["digits", "1.10.0", "2", "5", "3.0", "kB", "here"],
        ["more", "1.0.0", "1", "1", "1", "B", "here"],
    ]
    values = json.loads(machine.aexp_fast("dataset", "list", "--format", "json").stdout)
    assert [(v["name"], v["version"], v["current"]) for v in values] == [
        ("digits", "1.9.0", False),
        ("digits", "1.10.0", True),
        ("more", "1.0.0", True),
    ]

    shown = machine.aexp_fast("dataset", "show", "digits").stdout
    assert "dataset        digits@1.10.0 (current)" in shown
    assert "versions       1.9.0, 1.10.0" in shown
    assert "Version *1.10.0*" in shown
    assert ["Image", "2", "3.0", "kB"] in [line.split() for line in shown.splitlines()]
    older = machine.aexp_fast("dataset", "show", "digits@1.9.0", "--files").stdout
    assert "(current)" not in older
    assert {line.split()[0] for line in older.splitlines() if "sha256:" in line} >= set(FILES)
    value = json.loads(
        machine.aexp_fast("dataset", "show", "digits@1.9.0", "--format", "json").stdout
    )
    assert value["versions"] == ["1.9.0", "1.10.0"]
    assert {file["path"]: file["size"] for file in value["files"]}["Image/b.png"] == 2000


def test_verify_reads_everything(machine: Machine) -> None:
    """EXE-06: whole, damaged and missing, each with its exit code."""
    add(machine)
    whole = machine.aexp_fast("dataset", "verify")
    assert whole.stdout == f"digits@1.0.0: {len(FILES)} files, 3.0 kB, whole\n"
    root = open_registry(open_layout(machine.path)).root
    damage(root, sha256_digest(FILES["Image/a.png"]))
    done = machine.aexp_fast("dataset", "verify", "digits", check=False).require(7)
    assert "damaged: Image/a.png" in done.stderr
    (root / "blobs/sha256" / sha256_digest(FILES["Image/a.png"])[7:]).unlink()
    done = machine.aexp_fast("dataset", "verify", "--format", "json", check=False).require(4)
    assert json.loads(done.stdout) == [
        {
            "name": "digits",
            "version": "1.0.0",
            "ok": False,
            "missing": ["Image/a.png"],
            "damaged": [],
            "read": SIZE - 1000,
        }
    ]


def test_download(machine: Machine, tmp_path: Path) -> None:
    """EXE-06: into a folder of the user's, or out of git's sight."""
    add(machine)
    done = machine.aexp_fast("dataset", "download", "digits", "-o", "../out")
    assert done.stdout.splitlines() == [
        f"digits@1.0.0: {len(FILES)} files verified, 3.0 kB",
        str(tmp_path / "out"),
    ]
    assert {n: (tmp_path / "out/data" / n).read_bytes() for n in FILES} == FILES
    value = json.loads(
        machine.aexp_fast("dataset", "download", "digits", "--format", "json").stdout
    )
    assert value["members"]["Image"] == ["Image/a.png", "Image/b.png"]
    assert Path(value["path"]).is_relative_to(machine.path / ".aexp/bags")
    listed = machine.aexp_fast("dataset", "download", "digits", "--metadata-only", "-o", "../list")
    assert "5 files listed" in listed.stdout
    assert not (tmp_path / "list/data").exists()
    again = machine.aexp_fast("dataset", "download", "digits", "-o", "../digits", check=False)
    assert "holds something else" in again.require(2).stderr


def test_bags_are_out_of_gits_sight(repo: Machine, tmp_path: Path) -> None:
    """Decision 3: also in a repository that has never seen `aexp install`."""
    folder_of(tmp_path / "digits")
    add(repo)
    repo.aexp_fast("dataset", "download", "digits")
    seen = repo.git("status", "--porcelain", "--untracked-files=all").stdout
    assert "bags" not in seen


def test_assets_of_executions(machine: Machine) -> None:
    """EXE-06: `--execution` and `--asset` choose what executions have published."""
    layout = open_layout(machine.path)
    execution = published(layout, 1, {"Execution_Metadata/metrics.jsonl": b'{"epoch": 0}\n'})
    done = machine.aexp_fast("dataset", "add", "metrics", "--execution", execution)
    assert done.stdout.startswith("metrics@1.0.0: 1 file")
    shown = json.loads(machine.aexp_fast("dataset", "show", "metrics", "--format", "json").stdout)
    (file,) = shown["files"]
    assert file["path"] == f"assets/Execution_Metadata/{execution}/metrics.jsonl"
    by_id = machine.aexp_fast("dataset", "add", "metrics", "--asset", file["asset"])
    assert "nothing to do" in by_id.stdout


def test_no_pydantic_and_no_damage_to_the_start(machine: Machine, tmp_path: Path) -> None:
    """The CLI of datasets works without the extra."""
    (tmp_path / "blocked/pydantic").mkdir(parents=True)
    (tmp_path / "blocked/pydantic/__init__.py").write_text("raise ImportError('blocked')\n")
    env = {"PYTHONPATH": str(tmp_path / "blocked")}
    machine.aexp("dataset", "add", "digits", "../digits", env=env)
    assert "whole" in machine.aexp("dataset", "verify", env=env).stdout


# --- a second clone ------------------------------------------------------------------------


@pytest.fixture
def two(two_machines: TwoMachines, tmp_path: Path) -> TwoMachines:
    """Two machines that share bytes through a folder beside them."""
    two_machines.cluster.write("aexp.yaml", "remotes:\n  lab: ../bytes\n")
    two_machines.cluster.commit_all("Settings")
    two_machines.cluster.push()
    two_machines.laptop.pull()
    folder_of(tmp_path / "digits")
    folder_of(tmp_path / "many", {f"part/{n}.txt": b"%d" % n for n in range(250)})
    return two_machines


def test_another_clone_has_all_of_it(two: TwoMachines, tmp_path: Path) -> None:
    """EXE-06: the ledger tells what there is, and the remote alone gives the bytes, verified.

    `backfill` and `sync` carry the records.
    """
    cluster, laptop = two.cluster, two.laptop
    add(cluster, "-d", "Digits of the lab")
    cluster.aexp_fast("dataset", "add", "many", "../many")
    cluster.aexp_fast("push", "digits", "many@1.0.0")
    committed = cluster.aexp_fast("ledger", "backfill").stdout
    assert "committed 2 ledger files" in committed
    assert cluster.status() == ""
    cluster.aexp_fast("sync")
    for name in ("digits", "many"):
        shutil.rmtree(tmp_path / name)
    shutil.rmtree(open_registry(open_layout(cluster.path)).root)
    laptop.aexp_fast("sync")

    listed = laptop.aexp_fast("dataset", "list").stdout.splitlines()
    assert [line.split() for line in listed[1:]] == [
        ["digits", "1.0.0", "1", "5", "3.0", "kB", "-"],
        ["many", "1.0.0", "1", "250", "640", "B", "-"],
    ]
    assert "Digits of the lab" in laptop.aexp_fast("dataset", "show", "digits").stdout
    assert "0 problems" in laptop.aexp_fast("ledger", "verify").stdout
    laptop.aexp_fast("validate")
    before = laptop.aexp_fast("dataset", "verify", check=False).require(4)
    assert "aexp pull digits@1.0.0" in before.stderr
    only_list = laptop.aexp_fast("dataset", "download", "many", "--metadata-only", "-o", "../list")
    assert "250 files listed" in only_list.stdout

    done = laptop.aexp_fast("dataset", "download", "digits", "-o", "../out")
    assert done.stdout.startswith("digits@1.0.0: 5 files verified")
    assert {n: (tmp_path / "out/data" / n).read_bytes() for n in FILES} == FILES
    laptop.aexp_fast("dataset", "verify", "digits")
    pulled = laptop.aexp_fast("pull", "many")
    assert "pulled dataset many@1.0.0" in pulled.stdout
    laptop.aexp_fast("registry", "gc", "--delete", "--grace-period", "0s")
    laptop.aexp_fast("dataset", "verify")


def test_damage_on_the_remote_is_told_and_mended(two: TwoMachines, tmp_path: Path) -> None:
    """EXE-07: the bytes are verified here, whoever says that they are right."""
    cluster, laptop = two.cluster, two.laptop
    add(cluster)
    cluster.aexp_fast("push", "--all")
    cluster.aexp_fast("sync")
    laptop.aexp_fast("sync")
    (file,) = (tmp_path / "bytes").rglob(sha256_digest(FILES["Image/a.png"])[7:])
    file.chmod(0o644)
    file.write_bytes(b"A" * 1000)
    failed = laptop.aexp_fast("dataset", "download", "digits", "-o", "../out", check=False)
    assert "is damaged" in failed.require(4).stderr
    assert not (tmp_path / "out/bagit.txt").exists()
    cluster.aexp_fast("push", "digits", "--verify")
    laptop.aexp_fast("dataset", "download", "digits", "-o", "../out")
    assert (tmp_path / "out/data/Image/a.png").read_bytes() == FILES["Image/a.png"]


def test_two_clones_that_give_one_version_to_other_content(
    two: TwoMachines, tmp_path: Path
) -> None:
    """ADR 10: git says so; neither side is lost, and nothing is taken for the other."""
    cluster, laptop = two.cluster, two.laptop
    add(cluster)
    cluster.aexp_fast("sync")
    folder_of(tmp_path / "mine", {"x.txt": b"mine"})
    add(laptop, path="../mine")
    done = laptop.aexp_fast("sync", check=False)
    assert done.returncode != 0
    assert "datasets/digits/1.0.0.json" in done.stderr
    shown = json.loads(laptop.aexp_fast("dataset", "show", "digits", "--format", "json").stdout)
    assert [file["path"] for file in shown["files"]] == ["x.txt"]


def test_the_same_content_in_two_clones_merges(two: TwoMachines) -> None:
    """ADR 10: two who add the same content agree to the byte, so there is nothing to merge."""
    for machine in (two.cluster, two.laptop):
        add(machine)
        machine.aexp_fast("sync")
    assert "1.0.0" in two.laptop.aexp_fast("dataset", "list").stdout
