"""agentic-experiments 0.6.1 reads what we write, run for real (docs/howto/migrating.md)."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aexp.runs import create_run, find_runs, open_run
from tests.compat.golden import GOLDEN, digests, entry, golden_repo, place, validated
from tests.compat.ours import Ours, our_repo
from tests.compat.peer import Peer
from tests.support.machines import Machine, clone_repo, make_repo

pytestmark = pytest.mark.service

Ask = Callable[..., Any]
VALIDATE = """
def issues(mode):
    result = aexp.validate_repo('.', mode=mode)
    return [[i.code for i in result.errors], [i.code for i in result.warnings]]
answer = {mode: issues(mode) for mode in ('full', 'kb-only', 'runs-only')}
"""


@pytest.fixture
def ask(peer: Peer, tmp_path: Path) -> Ask:
    """``ask(machine, code)``: what ``answer`` is after 0.6.1 ran ``code`` there."""
    return lambda machine, code: peer.ask(machine, code, tmp_path / "answer.json")


@pytest.fixture(scope="module")
def _shared(peer: Peer, tmp_path_factory: pytest.TempPathFactory, sealed_home: Path) -> Ours:
    """A repository in which both tools are installed, and all runs and findings are ours."""
    machine = make_repo(tmp_path_factory.mktemp("shared") / "repo")
    machine.label = "cluster"
    peer.aexp(machine, "install", "--yes", "--machine-label", "cluster")
    machine.install()
    machine.commit_all("Install both")
    return our_repo(machine)


@pytest.fixture
def shared(_shared: Ours, tmp_path: Path) -> Ours:
    """A copy of that repository."""
    shutil.copytree(_shared.machine.path, tmp_path / "repo", symlinks=True)
    return Ours(Machine(tmp_path / "repo", "cluster"), _shared.runs)


def statuses(machine: Machine) -> dict[str, str]:
    """Return the status of every ledger entry."""
    paths = (machine / ".aexp/ledger").glob("*.json")
    return {p.stem: json.loads(p.read_text("utf-8"))["status"] for p in paths}


def test_golden_data_comes_from_0_6_1(peer: Peer, tmp_path: Path) -> None:
    """Provenance: the script makes the same data again, but for durations and the day."""
    from tests.support.machines import run_command

    script = GOLDEN / "make_golden.py"
    run_command([str(peer.python), str(script), str(tmp_path / "out")], cwd=tmp_path)
    volatile = re.compile(
        r'"wallclock_s": [0-9.e-]+|"installed_at": "[^"]+"|(created|last_updated): "[0-9-]+"'
    )

    def texts(root: Path) -> dict[str, str]:
        names = (p for p in root.rglob("*") if p.is_file())
        skip = {"make_golden.py", "SHA256SUMS"}
        return {
            p.relative_to(root).as_posix(): volatile.sub("", p.read_text("utf-8"))
            for p in names
            if p.name not in skip
        }

    assert texts(tmp_path / "out") == texts(GOLDEN)


def test_its_validator_finds_no_fault(shared: Ours, ask: Ask) -> None:
    """Item 4: with its templates in place, all of ours passes all of its rules."""
    assert ask(shared.machine, VALIDATE) == {m: [[], []] for m in ("full", "kb-only", "runs-only")}


def test_its_validator_without_its_templates(installed_repo: Machine, peer: Peer, ask: Ask) -> None:
    """Born with ours: runs and citations pass; it misses its own headings and standing pages."""
    ours = our_repo(installed_repo)
    found = ask(ours.machine, VALIDATE)
    assert found["runs-only"] == [[], []]
    assert set(found["full"][0]) == {"aexp.validation_failed"}
    code = "answer = [i.message for i in aexp.validate_repo('.', mode='kb-only').errors]"
    complaints = "\n".join(ask(ours.machine, code)).splitlines()[1:]
    assert complaints
    wanted = re.compile(r"missing required template header|must link to \[\[|Missing kb/")
    assert [line for line in complaints if not wanted.search(line)] == []


def test_it_validates_a_clone_without_our_runs(shared: Ours, ask: Ask, tmp_path: Path) -> None:
    """LED-09 with its reader: our ledger alone satisfies the citations."""
    clone = clone_repo(shared.machine.path, tmp_path / "clone")
    assert not (clone / ".runs").exists()
    assert ask(clone, VALIDATE)["full"] == [[], []]
    for path in (clone / ".aexp/ledger").glob("*.json"):
        path.unlink()
    shutil.rmtree(clone / ".aexp/runs-index")
    found = ask(clone, VALIDATE)["full"]
    assert found != [[], []]  # it was the ledger


def test_its_loaders_read_every_entry(shared: Ours, ask: Ask) -> None:
    """LED-01: all statuses, replicates, redactions, text for NaN, and a tombstone."""
    machine, runs = shared.machine, shared.runs
    ended = statuses(machine)
    assert set(ended.values()) == {"complete", "failed", "stopped", "abandoned", "retracted"}
    best = entry(machine, runs["complete"])
    assert best["replicates"][0]["tags"] == ["best", "größe"]  # of the last attempt
    assert best["metrics"]["loss"]["value"] == "NaN"
    assert entry(machine, runs["redacted"])["redacted"] == ["/statepoint/data"]
    code = """
    from aexp.ledger import list_ledger_job_ids, load_ledger_entry
    answer = {i: load_ledger_entry('.', i) for i in sorted(list_ledger_job_ids('.'))}
    """
    loaded = ask(machine, code)
    assert set(loaded) == set(ended)
    for job_id, read in loaded.items():
        assert read == entry(machine, job_id)


def test_its_loaders_read_our_index(shared: Ours, ask: Ask) -> None:
    """IDX-01: the index we export is one of its indexes."""
    code = """
    from aexp.runs_index import collect_known_elsewhere, load_all_indexes
    answer = [load_all_indexes('.'), sorted(collect_known_elsewhere('.'))]
    """
    indexes, known = ask(shared.machine, code)
    path = shared.machine / ".aexp/runs-index/cluster.json"
    assert indexes == {"cluster": json.loads(path.read_text("utf-8"))}
    ended = set(shared.runs.values()) - {shared.runs["created"]}
    assert set(known) == ended


def test_its_loaders_read_our_artifacts(shared: Ours, ask: Ask) -> None:
    """KB-01, VAL-02: its reader loads each, with the citations that we wrote."""
    code = """
    from pathlib import Path
    kb = Path('kb')
    refs = [aexp.load_hypothesis('H001', kb_root=kb), aexp.load_experiment('E001', kb_root=kb)]
    refs += [aexp.load_finding(f, kb_root=kb) for f in ('F001', 'F002', 'F003')]
    answer = {r.id: [r.title, r.metadata] for r in refs}
    """
    loaded = ask(shared.machine, code)
    assert loaded["H001"][0].endswith("Width helps")
    assert loaded["E001"][1]["conditions"] == {"full": {"width": 64, "tools": ["a", "b"]}}
    cited = [c["id"] for c in loaded["F001"][1]["supporting_runs"]]
    assert cited == [shared.runs["complete"], shared.runs["nested"]]


def test_its_commands_show_our_runs(shared: Ours, peer: Peer, ask: Ask) -> None:
    """Both tools in one run store: it lists, shows and summarizes what we made."""
    machine = shared.machine
    code = """
    jobs = aexp.find_runs()
    answer = {j.id: [aexp.summarize_run(j).status, j.statepoint()] for j in jobs}
    """
    seen = ask(machine, code)
    assert set(seen) == set(shared.runs.values())
    for job in find_runs(repo_root=machine):
        assert seen[job.id] == [job.doc.status, job.statepoint()]
    for job_id in (shared.runs["complete"], shared.runs["nested"], shared.runs["created"]):
        assert job_id[:8] in peer.aexp(machine, "show-run", job_id).output
    code = "answer = {b.experiment_id: [b.selector, b.count] for b in aexp.list_batches()}"
    batches = ask(machine, code)
    assert batches["E001"] == [{"condition": "full"}, 5]


def test_both_record_into_one_run_store(shared: Ours, peer: Peer, ask: Ask) -> None:
    """Runs of both in one ``.runs``: each lists the other's, both validate, all are promoted."""
    machine = shared.machine
    code = """
    with aexp.run_lifecycle(aexp.create_run(experiment_id='E001', statepoint={
            'condition': 'full', 'by': 'the other'})) as job:
        job.doc['acc'] = 0.5
    theirs = job.id
    ours = aexp.open_run(sys.argv[2] if len(sys.argv) > 2 else OURS)
    with aexp.run_lifecycle(ours):
        pass
    answer = theirs
    """.replace("sys.argv[2] if len(sys.argv) > 2 else OURS", repr(shared.runs["created"]))
    theirs = ask(machine, code)
    listed = {
        r["job_id"]: r for r in json.loads(machine.aexp("list-runs", "--format", "json").stdout)
    }
    assert set(listed) == {*shared.runs.values(), theirs}
    assert listed[theirs]["status"] == listed[shared.runs["created"]]["status"] == "complete"
    # It promoted both before their end was known (trap 1); ours completes them.
    assert "wallclock_s" not in entry(machine, theirs)
    machine.aexp("ledger", "backfill")
    for job_id in (theirs, shared.runs["created"]):
        assert entry(machine, job_id)["wallclock_s"] is not None
    assert validated(machine)[0] == 0
    assert ask(machine, VALIDATE)["full"] == [[], []]
    assert open_run(theirs, repo_root=machine).doc.acc == 0.5


@pytest.mark.parametrize(
    "command",
    [
        ("ledger", "promote", "RUN"),
        ("ledger", "backfill", "--overwrite"),
        ("link", "RUN", "--experiment", "E001", "--hypothesis", "H001"),
    ],
    ids=lambda c: " ".join(c[:2]),
)
def test_what_it_rewrites_comes_back(shared: Ours, peer: Peer, command: tuple[str, ...]) -> None:
    """Its ``--overwrite`` and ``link`` know nothing of metrics; our backfill restores them."""
    machine, job_id = shared.machine, shared.runs["complete"]
    before = entry(machine, job_id)
    kept = digests(machine / ".aexp/ledger")
    peer.aexp(machine, "ledger", "backfill")
    assert digests(machine / ".aexp/ledger") == kept  # without --overwrite it leaves entries alone
    peer.aexp(machine, *(job_id if word == "RUN" else word for word in command))
    poor = entry(machine, job_id)
    assert "metrics" not in poor and "replicates" not in poor
    machine.aexp("ledger", "backfill", "--no-commit")
    after = entry(machine, job_id)
    volatile = {"promoted_at", "record_digest"}
    if command[0] == "link":
        volatile.add("run_link")  # this is the change that was asked for

    def attempts(read: dict[str, Any]) -> list[dict[str, Any]]:
        found = [{k: v for k, v in read.items() if k != "replicates"}, *read["replicates"]]
        return [{k: v for k, v in a.items() if k not in volatile} for a in found]

    assert attempts(after) == attempts(before)
    machine.aexp("ledger", "backfill", "--no-commit")
    assert entry(machine, job_id) == after
    assert validated(machine)[0] == 0


def test_installing_it_again(shared: Ours, peer: Peer) -> None:
    """Its install drops ``.runs/`` from the block and writes its marker; ours mends both."""
    machine = shared.machine
    before = machine.read(".gitignore")
    peer.aexp(machine, "install", "--yes")
    # Hooks that name its interpreter; they are the user's to remove.
    hooks = machine.read(".claude/settings.json")
    assert re.search(
        re.escape(str(peer.python.parent)) + r'/python[\d.]*\\" -m aexp\.hooks\.', hooks
    )
    assert ".runs/" not in machine.read(".gitignore").splitlines()
    machine.aexp("install", "--yes")
    assert machine.read(".gitignore") == before
    assert machine.read(".claude/settings.json") == hooks
    marker = json.loads(machine.read(".aexp/installed.json"))
    assert marker["machine_label"] == "cluster" and "python_exe" not in marker


def test_it_reads_golden_data_after_we_did(peer: Peer, ask: Ask, tmp_path: Path) -> None:
    """A mixed team: what our backfill made of its entries, its loaders still read."""
    machine = golden_repo(tmp_path / "repo")
    place("laptop", machine.path)
    machine.aexp("ledger", "backfill")
    code = """
    from aexp.ledger import list_ledger_job_ids, load_ledger_entry
    answer = {i: load_ledger_entry('.', i) for i in sorted(list_ledger_job_ids('.'))}
    """
    for job_id, read in ask(machine, code).items():
        assert read == entry(machine, job_id)
    code = "answer = [i.message for i in aexp.validate_repo('.', mode='kb-only').errors]"
    assert ask(machine, code) == []


def test_it_keeps_one_result_of_a_run(shared: Ours, ask: Ask) -> None:
    """LED-10: 0.6.1 replaces the result of a run that is run again; we keep both."""
    code = """
    job = aexp.create_run(experiment_id='E002', statepoint={'again': 1}, include_commit=False)
    ends = []
    for second in ('00', '01'):
        aexp.runs.iso_utc_now = lambda s=second: f'2025-06-01T08:00:{s}Z'
        with aexp.run_lifecycle(job):
            pass
        ends.append(job.doc.ended_at)
    aexp.ledger.promote_to_ledger(job)
    answer = [job.id, ends]
    """
    job_id, ends = ask(shared.machine, code)
    assert ends == ["2025-06-01T08:00:00Z", "2025-06-01T08:00:01Z"]
    again = entry(shared.machine, job_id)
    assert again["ended_at"] == ends[1] and "replicates" not in again


def test_it_takes_a_tombstone_for_a_run(shared: Ours, ask: Ask) -> None:
    """LED-12: 0.6.1 has no retraction, so only ours warns of a finding that cites such a run."""
    machine = shared.machine
    shutil.rmtree(machine / ".runs/workspace" / shared.runs["retracted"])
    (finding,) = (machine / "kb/research/findings").glob("F002-*.md")
    text = finding.read_text("utf-8")
    finding.write_text(text.replace(shared.runs["complete"], shared.runs["retracted"]), "utf-8")
    assert ask(machine, VALIDATE)["full"] == [[], []]
    assert any(code.startswith("finding.") for _, code in validated(machine)[1])


def test_it_reads_longer_ids(shared: Ours, ask: Ask) -> None:
    """KB-01: ids may grow to four digits; its loaders show runs that are linked to one."""
    job = create_run("E002", {"digits": 4}, hypothesis_id="H1000", repo_root=shared.machine)
    code = f"answer = aexp.summarize_run(aexp.open_run('{job.id}')).hypothesis_id"
    assert ask(shared.machine, code) == "H1000"


# --- identity --------------------------------------------------------------------------------


def test_python_gives_one_state_point_one_id(shared: Ours, ask: Ask) -> None:
    """RUN-01: the same values from Python, with the code committed, are the same run."""
    point = {"condition": "full", "o": {"lr": 0.1}, "l": [1, 2.5, "ü", None, True], "n": 7}
    code = f"""
    make = lambda **more: aexp.create_run(experiment_id='E001', statepoint={point!r}, **more)
    answer = [make(include_commit=False).id, make().id, make(resolve_conditions=False).id]
    """
    ours = [
        create_run("E001", point, include_commit=False, repo_root=shared.machine).id,
        create_run("E001", point, repo_root=shared.machine).id,
        create_run("E001", point, resolve_conditions=False, repo_root=shared.machine).id,
    ]
    assert len(set(ours)) == 3
    theirs = ask(shared.machine, code)
    assert theirs[0] == ours[0]
    # Its code_commit is HEAD, ours the last commit that touched code; here that is another one.
    assert theirs[1:] != ours[1:]
    shared.machine.write("train.py", "print('new code')\n")
    shared.machine.commit_all("Code")
    assert ask(shared.machine, code) == [
        create_run("E001", point, include_commit=False, repo_root=shared.machine).id,
        create_run("E001", point, repo_root=shared.machine).id,
        create_run("E001", point, resolve_conditions=False, repo_root=shared.machine).id,
    ]


def test_the_command_lines_type_values_differently(shared: Ours, peer: Peer) -> None:
    """Trap 16, decision 10: its ``--sp`` makes strings of everything; ``:=`` gives its run."""
    machine = shared.machine

    def made(*args: str) -> str:
        out = machine.aexp_fast("new-run", "-e", "E002", "--no-commit", *args).stdout
        found = re.search(r"[0-9a-f]{32}", out)
        assert found is not None
        return found[0]

    before = {p.name for p in (machine / ".runs/workspace").iterdir()}
    peer.aexp(machine, "new-run", "--experiment", "E002", "--no-commit", "--sp", "seed=0,lr=1e-3")
    (theirs,) = {p.name for p in (machine / ".runs/workspace").iterdir()} - before
    assert made("--sp", "seed=0,lr=1e-3") != theirs
    assert made("--sp", "seed:=0,lr:=1e-3") == theirs
    assert open_run(theirs, repo_root=machine).statepoint()["seed"] == "0"


def test_a_hypothesis_is_part_of_its_state_point(shared: Ours, ask: Ask) -> None:
    """It puts ``hypothesis_id`` into the state point, we only into the link."""
    code = """
    answer = aexp.create_run(experiment_id='E002', statepoint={'x': 1}, hypothesis_id='H001',
                             include_commit=False).id
    """
    theirs = ask(shared.machine, code)
    new = ("E002", {"x": 1})
    root = shared.machine
    assert create_run(*new, hypothesis_id="H001", include_commit=False, repo_root=root).id != theirs
    named = {"x": 1, "hypothesis_id": "H001"}
    assert create_run("E002", named, include_commit=False, repo_root=root).id == theirs


def test_the_interpreter_is_another(peer: Peer) -> None:
    """The two packages share the name ``aexp``, so each needs an environment of its own."""
    assert Path(sys.executable).parent != peer.python.parent
