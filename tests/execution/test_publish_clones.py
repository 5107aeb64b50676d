"""What another clone gets of a publication: by the ledger alone, from any remote (EXE-31)."""

from __future__ import annotations

import json
import secrets
import shutil
from pathlib import Path

import pytest

from aexp.errors import NotFoundError
from aexp.execution import Execution, ExecutionStatus
from aexp.model.canonical import canonical_bytes
from aexp.model.outputs import SPILLED, FeatureOutput, manifest_in
from aexp.registry import DropRef
from aexp.registry.remotes.places import blob_path
from aexp.runs.lookup import view_of
from aexp.runs.outputs import outputs_of
from tests.execution.publishing import (
    digest,
    ended_execution,
    entry_of,
    layout_of,
    new_execution,
    published,
    registry_of,
    stage,
    use_remote,
)
from tests.execution.test_publish import machine_feature
from tests.registry.remote_services import S3Server, SshServer, s3_server, ssh_server, use_aws
from tests.support.machines import Machine, TwoMachines, make_two_machines

__all__ = ["s3_server", "ssh_server"]

S = ExecutionStatus
TWO = {"Model/a.pt": b"weights" * 1000, "Image/b.png": b"pixels" * 100}
LONG = "picture-" * 20
MANY = {f"Image/{LONG}{n:02}.png": f"picture {n}".encode() for n in range(70)}
"""So many, and of such names, that their list does not fit into an entry."""
SEVENTH = MANY[f"Image/{LONG}07.png"]


@pytest.fixture(scope="module")
def _template(tmp_path_factory: pytest.TempPathFactory, sealed_home: Path) -> Path:
    folder = tmp_path_factory.mktemp("two")
    make_two_machines(folder)
    return folder


@pytest.fixture
def two(_template: Path, tmp_path: Path) -> TwoMachines:
    """Two machines without a remote for bytes."""
    for name in ("remote.git", "cluster", "laptop"):
        shutil.copytree(_template / name, tmp_path / name, symlinks=True)
    machines = [Machine(tmp_path / name, name) for name in ("cluster", "laptop")]
    for machine in machines:
        machine.git("remote", "set-url", "origin", str(tmp_path / "remote.git"))
    return TwoMachines(tmp_path / "remote.git", *machines)


@pytest.fixture
def shared(two: TwoMachines) -> Path:
    """A folder that both machines have as their remote."""
    for machine in (two.cluster, two.laptop):
        folder = use_remote(machine)
    return folder


def arrive(two: TwoMachines, execution: Execution) -> str:
    """Sync both machines and pull an execution on the laptop; return what was said."""
    two.cluster.aexp_fast("sync")
    two.laptop.aexp_fast("sync")
    return two.laptop.aexp_fast("pull", execution.execution_rid[:10]).stdout


def check_bytes(machine: Machine, execution: Execution, files: dict[str, bytes]) -> None:
    """Check that a machine has what was published, keeps it, and can tell what it is."""
    machine.aexp_fast("registry", "gc", "--delete", "--grace-period", "0s")
    registry, layout = registry_of(machine), layout_of(machine)
    outputs = outputs_of(layout, registry, view_of(layout, execution.execution_rid))
    found = {f"{o.asset}/{o.name}": registry.read(o.digest) for o in outputs if o.kind == "asset"}
    assert found == files
    machine.aexp_fast("registry", "verify")
    machine.aexp_fast("ledger", "verify")
    machine.aexp_fast("validate")


def test_a_clone_pulls_what_the_ledger_names(two: TwoMachines, shared: Path) -> None:
    """EXE-31, SHR-01: outputs, values what the run recorded; a collection spares it."""
    record = machine_feature(two.cluster)
    with new_execution(two.cluster) as execution:
        stage(execution, TWO)
        execution.log_metric("loss", 0.5)
        execution.add_features([record(Image="one", Grade="Mild")])
    execution.upload_execution_outputs()
    said = arrive(two, execution)
    assert f"pulled run {execution.execution_rid}" in said
    assert f"pulled outputs of run {execution.execution_rid}" in said
    check_bytes(two.laptop, execution, TWO)
    layout, registry = layout_of(two.laptop), registry_of(two.laptop)
    outputs = outputs_of(layout, registry, view_of(layout, execution.execution_rid))
    (values,) = [output for output in outputs if isinstance(output, FeatureOutput)]
    assert registry.read(values.digest) == b'{"Grade":"Mild","Image":"one"}\n'
    said = two.laptop.aexp_fast("pull", execution.execution_rid).stdout
    assert "nothing to fetch" in said
    names = [ref.name for ref in registry.refs()]
    assert sorted(name.split("/")[0] for name in names) == ["outputs", "run"]
    said = two.laptop.aexp_fast("registry", "ls", "--runs").stdout
    assert f"{execution.execution_rid}  outputs" in said


def test_a_list_that_the_entry_has_no_room_for(two: TwoMachines, shared: Path) -> None:
    """EXE-31, LED-01: many outputs are named by a digest, whose bytes were published with them."""
    execution = ended_execution(two.cluster, MANY)
    execution.upload_execution_outputs()
    facts = entry_of(two.cluster, execution)
    assert "outputs" not in facts
    (part,) = [a for a in facts["attachments"] if a["name"] == SPILLED]
    data = (shared / blob_path(part["digest"])).read_bytes()
    assert data == canonical_bytes(execution.document["outputs"])
    two.cluster.aexp_fast("sync")
    two.laptop.aexp_fast("sync")
    layout, registry = layout_of(two.laptop), registry_of(two.laptop)
    with pytest.raises(NotFoundError, match="is not here") as caught:
        outputs_of(layout, registry, view_of(layout, execution.execution_rid))
    assert caught.value.hint == f"fetch it with `aexp pull {execution.execution_rid[:8]}`"
    two.laptop.aexp_fast("pull", execution.execution_rid)
    check_bytes(two.laptop, execution, MANY)
    check_bytes(two.cluster, execution, MANY)


def test_a_remote_without_the_manifest(two: TwoMachines, shared: Path) -> None:
    """SHR-01: the ledger's own list is enough: one is made here of it."""
    for files in (TWO, MANY):
        execution = ended_execution(two.cluster, files)
        execution.upload_execution_outputs()
        manifest = manifest_in(execution.document)
        assert manifest is not None
        (shared / blob_path(manifest)).unlink()
        said = arrive(two, execution)
        assert f"pulled outputs of run {execution.execution_rid}" in said
        check_bytes(two.laptop, execution, files)
        assert "nothing to fetch" in two.laptop.aexp_fast("pull", execution.execution_rid).stdout


def test_what_was_published_to_the_registry_is_pushed_later(
    two: TwoMachines, tmp_path: Path
) -> None:
    """EXE-42, SHR-01: published without a remote, pushed by name, pulled elsewhere."""
    execution = ended_execution(two.cluster, MANY)
    execution.upload_execution_outputs()
    for machine in (two.cluster, two.laptop):
        use_remote(machine)
    said = two.cluster.aexp_fast("push", execution.execution_rid).stdout
    assert f"pushed outputs of run {execution.execution_rid}" in said
    arrive(two, execution)
    check_bytes(two.laptop, execution, MANY)
    assert "nothing to send" in two.laptop.aexp_fast("push", "--all").stdout
    (tmp_path / "bytes").rename(tmp_path / "before")
    said = two.laptop.aexp_fast("push", execution.execution_rid).stdout
    assert f"pushed outputs of run {execution.execution_rid}" in said, "any clone that has it can"


def test_more_is_published_and_pulled(two: TwoMachines, shared: Path) -> None:
    """EXE-41: a clone that had the first publication pulls the second, and keeps both."""
    execution = ended_execution(two.cluster, TWO)
    execution.upload_execution_outputs()
    arrive(two, execution)
    stage(execution, {"Figure/c.svg": b"<svg/>"})
    execution.upload_execution_outputs()
    arrive(two, execution)
    check_bytes(two.laptop, execution, {**TWO, "Figure/c.svg": b"<svg/>"})


def test_what_the_remote_has_lost(two: TwoMachines, shared: Path) -> None:
    """SHR-01: a lost output is named, nothing is claimed, and another push mends it."""
    execution = ended_execution(two.cluster, TWO)
    execution.upload_execution_outputs()
    (shared / blob_path(digest(TWO["Model/a.pt"]))).unlink()
    two.cluster.aexp_fast("sync")
    two.laptop.aexp_fast("sync")
    done = two.laptop.aexp_fast("pull", execution.execution_rid, check=False).require(12)
    assert digest(TWO["Model/a.pt"]) in done.stderr
    assert not registry_of(two.laptop).refs(kind="outputs")
    two.cluster.aexp_fast("push", execution.execution_rid)
    two.laptop.aexp_fast("pull", execution.execution_rid)
    check_bytes(two.laptop, execution, TWO)


def test_proof_of_published_outputs(two: TwoMachines) -> None:
    """EXE-31, LED-12: an entry whose list is forged, or cut, is told by `ledger verify`."""
    execution = ended_execution(two.cluster, TWO)
    execution.upload_execution_outputs()
    path = two.cluster / ".aexp/ledger" / f"{execution.execution_rid}.json"
    two.cluster.aexp_fast("ledger", "verify")
    facts = json.loads(path.read_bytes())
    facts["outputs"][0]["name"] = "other.pt"
    del facts["outputs"][1]["digest"]
    del facts["record_digest"]
    path.write_bytes(canonical_bytes(facts))
    report = json.loads(
        two.cluster.aexp_fast("ledger", "verify", "--format", "json", check=False).stdout
    )
    said = [p["message"] for p in report["problems"] if p["code"] == "ledger.outputs_wrong"]
    assert said, report


def test_pruning_a_run_and_what_it_published(two: TwoMachines) -> None:
    """GC-06: what a finding cites is refused; else both refs go, and the bytes with them."""
    execution = ended_execution(two.cluster, MANY)
    execution.upload_execution_outputs()
    rid, registry = execution.execution_rid, registry_of(two.cluster)
    one = digest(SEVENTH)
    said = two.cluster.aexp_fast("registry", "gc", "--explain", one).stdout
    assert f"outputs of run {rid[:8]}" in said
    two.cluster.aexp_fast("registry", "prune", rid, "--delete")
    assert registry.refs() == []
    two.cluster.aexp_fast("registry", "gc", "--delete", "--grace-period", "0s")
    assert not registry.has(one)


def test_what_a_cited_run_published_stays(two: TwoMachines) -> None:
    """GC-06: a finding keeps the outputs of its runs, though the entry names none of them."""
    execution = ended_execution(two.cluster, MANY)
    execution.upload_execution_outputs()
    rid, registry = execution.execution_rid, registry_of(two.cluster)
    two.cluster.write(
        "kb/research/findings/F001-x.md",
        f"---\nid: F001\ntitle: x\nsupporting_runs: [{rid}]\n---\n",
    )
    done = two.cluster.aexp_fast("registry", "prune", rid, "--delete", check=False)
    assert done.returncode != 0
    assert "cited by F001" in done.stderr
    registry.publish(*(DropRef(ref.name) for ref in registry.refs()))  # as after a disaster
    two.cluster.aexp_fast("registry", "gc", "--delete", "--grace-period", "0s")
    assert registry.read(digest(SEVENTH)) == SEVENTH
    # What a damaged manifest names nobody knows: then nothing at all is deleted.
    loose = registry.put(b"loose")
    manifest = registry.path(manifest_in(execution.document) or "")
    manifest.chmod(0o600)
    manifest.write_bytes(b"damaged")
    two.cluster.aexp_fast("registry", "gc", "--delete", "--grace-period", "0s", check=False)
    assert registry.has(digest(SEVENTH))
    assert registry.has(loose.digest)


KINDS = [
    "folder",
    pytest.param("sftp", marks=pytest.mark.service),
    pytest.param("s3", marks=pytest.mark.service),
]


@pytest.fixture(params=KINDS)
def place(
    request: pytest.FixtureRequest,
    two: TwoMachines,
    tmp_path: Path,
    sealed_environment: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """Give both machines a remote of each kind, and say which."""
    settings = f"remotes:\n  lab: {tmp_path}/bytes\n"
    if request.param == "sftp":
        server: SshServer = request.getfixturevalue("ssh_server")
        server.enrol(sealed_environment)
        settings = f"remotes:\n  lab: sftp://lab{tmp_path}/bytes\n"
    elif request.param == "s3":
        store: S3Server = request.getfixturevalue("s3_server")
        use_aws(monkeypatch)
        bucket = f"bucket-{secrets.token_hex(6)}"
        store.make_bucket(bucket)
        settings = (
            f"remotes:\n  lab:\n    url: s3://{bucket}/place\n    endpoint_url: {store.endpoint}\n"
        )
    for machine in (two.cluster, two.laptop):
        machine.write("aexp.yaml", settings)
    return str(request.param)


def test_every_kind_of_remote(two: TwoMachines, place: str) -> None:
    """EXE-30, EXE-31: published with small chunks, pulled by another clone, and read there."""
    files = {**TWO, "Model/large.pt": secrets.token_bytes(6 << 20)}
    execution = ended_execution(two.cluster, files)
    told = []
    execution.upload_execution_outputs(
        timeout=(20, 60), chunk_size=1 << 20, progress_callback=told.append
    )
    last = [each for each in told if each.phase == "uploading"][-1]
    assert last.bytes_done == last.bytes_total == sum(map(len, files.values()))
    assert execution.status is S.Uploaded
    arrive(two, execution)
    check_bytes(two.laptop, execution, files)
    assert published(entry_of(two.laptop, execution)) == {n: digest(d) for n, d in files.items()}
