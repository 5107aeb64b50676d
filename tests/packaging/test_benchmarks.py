"""The benchmarks measure what they say: their repositories, their sums and their reports.

Nothing here asserts a time: a machine that runs tests is too busy to measure on.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.compat.peer import find_peer
from tests.support.benchmarks import BENCHMARKS, loaded
from tests.support.machines import Machine

RUNS, FINDINGS = 40, 8


@pytest.fixture(scope="module")
def bench() -> Iterator[dict[str, ModuleType]]:
    """The modules of the benchmarks, which live outside the package."""
    names = (
        "harness", "generate", "synthetic_runs", "synthetic_kb", "stage", "machine", "run",
        "costs", "worker", "bench_startup", "bench_ledger", "bench_recording",
    )  # fmt: skip
    with loaded(*names) as modules:
        yield modules


def generate(dest: Path, *arguments: str) -> Path:
    """Run the generator as a user does."""
    done = subprocess.run(
        [
            sys.executable, BENCHMARKS / "generate.py",
            *("--runs", str(RUNS), "--findings", str(FINDINGS), *arguments), dest,
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dest


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, sealed_home: Path) -> Path:
    return generate(tmp_path_factory.mktemp("synthetic") / "repo")


def files_of(root: Path) -> dict[str, bytes]:
    """Return what is in a folder, git's own files aside."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(root).parts
    }


def head_of(root: Path) -> str:
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


# --- the synthetic repositories --------------------------------------------------------------


def test_the_same_arguments_give_the_same_repository(tmp_path: Path, template: Path) -> None:
    """Every byte and git's commit are those of the first time; another seed gives others."""
    again, other = generate(tmp_path / "again"), generate(tmp_path / "other", "--seed", "1")
    assert files_of(again) == files_of(template)
    assert head_of(again) == head_of(template)
    assert head_of(other) != head_of(template)


def test_every_run_of_a_synthetic_repository_proves_itself(template: Path) -> None:
    """A folder's name is the MD5 of its state point as signac writes it (model.md, decision 6)."""
    folders = sorted((template / ".runs" / "workspace").iterdir())
    assert len(folders) == RUNS
    for folder in folders:
        point = json.loads((folder / "signac_statepoint.json").read_text())
        assert hashlib.md5(json.dumps(point, sort_keys=True).encode()).hexdigest() == folder.name
        assert json.loads((folder / "signac_job_document.json").read_text())["ended_at"]


def test_half_of_the_findings_cite_runs_and_half_a_batch(template: Path) -> None:
    findings = sorted((template / "kb" / "research" / "findings").glob("*.md"))
    kinds = ["type: batch" in path.read_text() for path in findings]
    assert kinds == [False, True] * (FINDINGS // 2)
    assert all("type: job" in path.read_text() for path in findings[::2])


@pytest.mark.parametrize("streams", [False, True], ids=["plain", "metrics"])
def test_a_synthetic_repository_is_valid(tmp_path: Path, streams: bool) -> None:
    """aexp finds no error before a backfill, and nothing at all after it."""
    root = generate(tmp_path / "repo", *(["--streams"] if streams else []))
    machine = Machine(root)
    assert "\n0 errors, " in "\n" + machine.aexp("validate").stdout.replace("\n\n", "\n")
    assert f"{RUNS} promoted" in machine.aexp("ledger", "backfill").stdout
    counted = f"0 errors, 0 warnings ({FINDINGS} findings, {RUNS} runs checked)"
    assert counted in machine.aexp("validate").stdout
    entry = next((root / ".aexp" / "ledger").glob("*.json"))
    assert ("metrics" in json.loads(entry.read_text())) is streams


def test_a_synthetic_repository_is_valid_for_the_peer(tmp_path: Path) -> None:
    """agentic-experiments 0.6.1 finds no error in it either, before and after its backfill."""
    peer = find_peer()
    if isinstance(peer, str):
        pytest.skip(peer)
    root = generate(tmp_path / "repo")
    for arguments in (["validate"], ["ledger", "backfill"], ["validate"]):
        peer.aexp(Machine(root), *arguments)
    assert len(list((root / ".aexp" / "ledger").glob("*.json"))) == RUNS


def test_the_generator_spares_a_folder_with_something_in_it(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "generate.py", tmp_path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "not empty" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_too_few_runs_for_the_findings_are_refused(bench: dict[str, ModuleType]) -> None:
    shape = bench["synthetic_runs"].Shape(runs=10, findings=2, experiments=5)
    with pytest.raises(ValueError, match="at least 20 runs"):
        bench["generate"].generate(Path("nowhere"), shape)
    assert not Path("nowhere").exists()


# --- sums and tables -------------------------------------------------------------------------


def test_medians_spreads_and_ratios(bench: dict[str, ModuleType]) -> None:
    """The median ignores one slow round; ratios are of medians."""
    harness = bench["harness"]
    ours = harness.Samples((0.2, 0.19, 9.0, 0.21, 0.2))
    assert ours.median == 0.2
    assert harness.Samples((1.0, 2.0)).median == 1.5
    assert harness.Samples((0.9, 1.0, 1.1)).spread == pytest.approx(0.1)
    assert harness.Samples((1.0,)).spread is None
    row = harness.Row("x", ours, harness.Samples((2.0,)), harness.Samples((0.1,)))
    assert row.ratio == pytest.approx(2.0)
    assert row.speedup == pytest.approx(10.0)
    assert harness.Row("x", ours).ratio is None
    assert harness.Row("x", ours).speedup is None


@pytest.mark.parametrize(
    ("limit", "kind", "met"),
    [
        (0.30, {}, True), (0.29, {}, False),
        (0.20, {"above_floor": True}, True), (0.19, {"above_floor": True}, False),
        (3.00, {"of_floor": True}, True), (2.99, {"of_floor": True}, False),
    ],
)  # fmt: skip
def test_a_target_is_judged_by_the_median(
    bench: dict[str, ModuleType], limit: float, kind: dict[str, bool], met: bool
) -> None:
    harness = bench["harness"]
    ours, floor = harness.Samples((0.1, 0.3, 0.5)), harness.Samples((0.1001,))
    target = harness.Target(limit, **kind)
    row = harness.Row("x", ours, floor=floor, target=target)
    assert row.met is met
    assert ("MISSED" in "".join(row.cells())) is not met
    assert harness.Row("x", ours, floor=floor).met is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(86.0, "86 s"), (123.4, "123 s"), (1.0, "1 s"), (0.1182, "118 ms"), (0.00406, "4.06 ms"),
     (4.07e-6, "4.07 µs"), (0.9999, "1 s")],
)  # fmt: skip
def test_durations_have_three_digits(
    bench: dict[str, ModuleType], seconds: float, text: str
) -> None:
    assert bench["harness"].human(seconds) == text


def test_a_report_is_an_aligned_table(bench: dict[str, ModuleType]) -> None:
    """All lines of a table are equally long, and a full one fits into 100 columns."""
    harness = bench["harness"]
    many = harness.Samples((1.11, 1.12, 1.63))
    rows = (
        harness.Row("`backfill, first`", many, many, many, harness.Target(2.0)),
        harness.Row("`list-runs`", many),
        harness.Row("syncs", harness.Samples((6.0,), ""), target=harness.Target(5)),
    )
    text = harness.Report("Title", rows, "A note. " * 30).markdown()
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(line) for line in table}) == 1
    assert len(table) == 5
    assert max(map(len, text.splitlines())) <= 100
    assert "| 1.12 s ±23% | 1.12 s ±23% | 1.12 s ±23% | 1.0×    | 1.0×   | ≤ 2 s  | met" in table[2]
    assert "| – " in table[3]
    assert "| 6 " in table[4]
    assert "MISSED" in table[4]


def test_the_verdict_names_what_was_missed(bench: dict[str, ModuleType]) -> None:
    harness, run = bench["harness"], bench["run"]
    fast, slow = harness.Samples((0.1,)), harness.Samples((0.3,))
    target = harness.Target(0.2)
    report = harness.Report("T", (harness.Row("a", fast, target=target), harness.Row("b", slow)))
    assert run.verdict(report.markdown()) == "1 of 1 targets met.\n\n"
    worse = harness.Report("W", (harness.Row("c", slow, target=target),))
    both = report.markdown() + worse.markdown()
    assert run.verdict(both) == "1 of 2 targets met; missed:\n\n- W: c\n\n"


def test_what_is_not_measured_anew_stays(bench: dict[str, ModuleType], tmp_path: Path) -> None:
    """Results of one machine are gathered; those of another are not mixed with them."""
    run, results = bench["run"], tmp_path / "results.md"
    chapters = {
        name: f"<!-- bench_{name} -->\n<!-- how -->\n\n## {name}\n\n| x | {verdict} |\n"
        for name, verdict in (("gc", "met"), ("startup", "MISSED"))
    }
    head = "# Results\n\naexp; to do it again: `make bench`.\nLinux, 2 cores.\n\n"
    whole = run.put_together(head, chapters)
    results.write_text(whole)
    assert whole.index("startup -->") < whole.index("gc -->")
    assert "1 of 2 targets met; missed:\n\n- startup: x\n" in whole
    kept = run.chapters_of(results, "Linux, 2 cores")
    assert kept == chapters
    assert run.put_together(head, kept) == whole
    assert run.chapters_of(results, "Linux, 4 cores") == {}
    assert run.chapters_of(tmp_path / "none.md", "Linux, 2 cores") == {}


# --- measuring -------------------------------------------------------------------------------


def test_commands_take_turns_and_each_is_prepared(
    bench: dict[str, ModuleType], tmp_path: Path
) -> None:
    """Rounds alternate; preparing precedes every start; a slow command runs once, never to warm."""
    harness = bench["harness"]
    log = tmp_path / "log"
    add = "import sys; open(sys.argv[1], 'a').write(sys.argv[2])"

    def command(name: str, **more: object) -> object:
        return harness.Command([sys.executable, "-c", add, str(log), name], **more)

    def prepare() -> None:
        with log.open("a") as stream:
            stream.write("<")

    commands = {"a": command("a", prepare=prepare), "b": command("b", most=1, warmup=False)}
    found = harness.side_by_side(commands, repeats=2, warmup=1)
    assert log.read_text() == "<a" + "<ab" + "<a"
    assert [len(found[name].values) for name in commands] == [2, 1]
    assert all(value > 0 for name in commands for value in found[name].values)


def test_a_command_that_fails_is_no_measurement(bench: dict[str, ModuleType]) -> None:
    harness = bench["harness"]
    script = "import sys; print('the reason'); sys.exit(3)"
    with pytest.raises(harness.CommandFailedError, match="exited with 3:\nthe reason"):
        harness.run_timed(harness.Command([sys.executable, "-c", script]))


def test_a_worker_that_ends_says_why(bench: dict[str, ModuleType], tmp_path: Path) -> None:
    """What it wrote on standard error is in the error; what it printed is no answer."""
    failed = bench["harness"].CommandFailedError
    script = BENCHMARKS / "record_session.py"
    log = tmp_path / "log"
    with (
        pytest.raises(failed, match=r"(?s)ended at 'empty'.*NotARepositoryError"),
        bench["worker"].Worker(sys.executable, script.name, tmp_path, log) as worker,
    ):
        worker.ask("empty")


def test_findings_grow_with_very_many_runs(bench: dict[str, ModuleType]) -> None:
    """50 findings, or one for a hundred runs where there are very many; what is asked for wins."""
    options = bench["harness"].Options(Path("work"), sizes=(1_000, 10_000, 100_000))
    assert [options.findings_at(size) for size in options.sizes] == [50, 50, 1_000]
    assert options.usual_sizes == (1_000, 10_000)
    assert options.huge_sizes == (100_000,)
    asked = bench["run"]._options(bench["run"]._parser().parse_args(["--findings", "4"]), Path())
    assert asked.findings_at(100_000) == 4


def test_a_copy_is_brought_back(bench: dict[str, ModuleType], tmp_path: Path) -> None:
    """What a command changed, removed or left behind in a copy is as before after `restore`."""
    base, copy = tmp_path / "base", tmp_path / "copy"
    (base / "runs" / "one").mkdir(parents=True)
    (base / "runs" / "one" / "doc").write_text("before")
    (base / "runs" / "two").write_text("kept")
    (base / "ledger").mkdir()
    restore = bench["stage"].restore
    restore(base, copy)
    assert files_of(copy) == files_of(base)
    (copy / "runs" / "one" / "doc").write_text("after!")
    os.utime(copy / "runs" / "one" / "doc", (1, 1))
    (copy / "runs" / "two").unlink()
    (copy / "runs" / "two").mkdir()
    (copy / "ledger" / "entry").write_text("{}")
    (copy / "left").mkdir()
    restore(base, copy)
    assert files_of(copy) == files_of(base)
    assert not (copy / "left").exists()


def test_the_floor_of_a_backfill_writes_what_the_backfill_wrote(
    bench: dict[str, ModuleType], tmp_path: Path
) -> None:
    """The same paths with the same sizes, and nothing else is touched."""
    base, ours, floor = (tmp_path / name for name in ("base", "ours", "floor"))
    generate(base)
    stage = bench["stage"]
    stage.fresh_copy(base, ours)
    stage.fresh_copy(base, floor)
    Machine(ours).aexp("ledger", "backfill", "--no-commit")
    manifest = tmp_path / "manifest"
    manifest.write_text(stage.written_manifest(base, ours))
    script = [sys.executable, BENCHMARKS / "floor.py"]
    subprocess.run([*script, "backfill", floor, manifest], check=True)
    subprocess.run([*script, "read", floor, "runs", "ledger", "kb"], check=True)
    wrote = {path: len(data) for path, data in files_of(ours).items() if data}
    assert {path: len(data) for path, data in files_of(floor).items() if data} == wrote
    ledger = [path for path in wrote if path.startswith(".aexp/ledger/")]
    assert len(ledger) == RUNS


def test_syncs_and_git_starts_are_read_from_a_trace(bench: dict[str, ModuleType]) -> None:
    """A failed attempt to start git, another program, and a resumed call are not counted."""
    trace = """\
12 execve("/opt/bin/git", ["git", "status"], 0x7 /* 9 vars */) = -1 ENOENT (No such file)
12 execve("/usr/bin/git", ["git", "status"], 0x7 /* 9 vars */) = 0
12 execve("/usr/bin/gitk", ["gitk"], 0x7 /* 9 vars */) = 0
11 fsync(3) = 0
11 fdatasync(4 <unfinished ...>
11 <... fdatasync resumed>) = 0
11 syncfs(5) = 0
11 +++ exited with 0 +++
"""
    assert bench["costs"].count_trace(trace) == {"syncs": 3, "gits": 1}


def test_opened_files_are_read_from_a_trace(bench: dict[str, ModuleType], tmp_path: Path) -> None:
    """A folder, a file elsewhere and a failed attempt are not counted; a resumed call is."""
    inside = tmp_path.resolve() / "kb"
    (inside / "folder").mkdir(parents=True)
    trace = f"""\
7 openat(AT_FDCWD</x>, "a.md", O_RDONLY|O_CLOEXEC) = 3<{inside}/a.md>
7 openat(AT_FDCWD</x>, "b.md", O_RDONLY <unfinished ...>
8 <... openat resumed>)             = 4<{inside}/b = <1>.md>
7 open("c.md", O_RDONLY) = -1 ENOENT (No such file or directory)
7 openat(AT_FDCWD</x>, "folder", O_RDONLY|O_DIRECTORY) = 5<{inside}/folder>
7 openat(AT_FDCWD</x>, "d.md", O_RDONLY) = 6<{inside}-not/d.md>
"""
    assert bench["costs"].count_opens(trace, [inside]) == 2


def test_memory_is_that_of_the_command_alone(bench: dict[str, ModuleType]) -> None:
    """A command that takes 64 MiB is seen to, and not what the measuring process takes itself."""
    peak = bench["costs"].peak_memory
    ballast = b"x" * (100 << 20)
    little, much = (peak([sys.executable, "-c", f"b'x' * ({size} << 20)"]) for size in (0, 64))
    assert len(ballast) > little * 2**20
    assert 60 < much - little < 70
    with pytest.raises(bench["harness"].CommandFailedError, match="exited with 3"):
        peak([sys.executable, "-c", "raise SystemExit(3)"])


def test_python_can_count_where_there_is_no_tracer(
    bench: dict[str, ModuleType], tmp_path: Path
) -> None:
    counts, how = bench["bench_recording"].count_per_run(tmp_path, None)
    assert how == "by Python itself"
    assert counts["syncs"] >= 1
    assert counts["gits"] >= 0


def test_the_file_system_is_that_of_the_innermost_mount(
    bench: dict[str, ModuleType], tmp_path: Path
) -> None:
    inner = tmp_path / "a b"
    inner.mkdir()
    escaped = str(inner.resolve()).replace(" ", "\\040")
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/x / ext4 rw 0 0\nserver:/y {escaped} nfs4 rw 0 0\n")
    file_system = bench["machine"].file_system
    assert file_system(inner, mounts) == "nfs4"
    assert file_system(tmp_path, mounts) == "ext4"
    assert file_system(tmp_path, tmp_path / "none") == "unknown"


FIRST = ("startup", "recording")
SMALL = ("--starts", "1", "--records", "2")


def test_a_quick_run_writes_the_results(tmp_path: Path) -> None:
    """`run.py --quick` measures once and leaves a report, and nothing beside it."""
    results, work = tmp_path / "results.md", tmp_path / "work"
    done = subprocess.run(
        [
            sys.executable, BENCHMARKS / "run.py", "--quick", "--only", *FIRST, *SMALL,
            "--peer", tmp_path / "no-peer", "--work", work, "--output", results,
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    text = results.read_text("utf-8")
    for name in ("aexp --version", "aexp --help", "import aexp", "log_metric"):
        assert f"| `{name}` " in text
    for title in ("Start-up", "Recording a run"):
        assert f"\n## {title}" in text
    assert "peer: not installed" in text
    options = " ".join(["--quick", "--only", *FIRST, *SMALL])
    assert f"`make bench BENCH_ARGS='{options}'`" in text
    assert str(tmp_path) not in text
    assert not list(work.iterdir())
