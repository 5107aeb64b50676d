"""Numbers in findings against the ledger, by ``validate`` and ``kb numbers`` (VAL-09)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from aexp.kb import numbers as kb_numbers
from aexp.kb.numbers import number_links
from aexp.ledger.store import Ledger
from aexp.model.number import parse_written
from aexp.tree import GitTree
from aexp.validate.facts import Facts
from aexp.validate.known import Runs
from aexp.validate.numbers import compare
from tests.support.machines import Completed
from tests.validate.world import UNKNOWN, World, batch, indexed, job, link_to, point

FINDING = "kb/research/findings/F001-words.md"
MISMATCH = ("finding.number_mismatch", "error")
UNRESOLVED = ("finding.number_unresolved", "error")
CHANGED = ("finding.batch_changed", "warning")


def metric(value: Any, **more: Any) -> dict[str, Any]:
    """Return a metric as entries have it."""
    return {"value": value, "count": 1, **more}


def run(world: World, seed: int = 0, acc: Any = 0.9127, **more: Any) -> str:
    """Write the entry of a run of E001, condition full."""
    metrics = {"val_acc": metric(acc), **more.pop("metrics", {})}
    return world.entry(point(condition="full", seed=seed), metrics=metrics, **more)


def claim(world: World, *lines: str, cited: Any = None) -> int:
    """Write a finding that says this, and commit; return the line of the first."""
    world.store()
    world.artifacts([] if cited is None else cited)
    text = world.machine.read(FINDING)
    world.machine.write(FINDING, text.replace("Words.\n", "\n".join(lines) + "\n", 1))
    world.commit()
    return text[: text.index("Words.\n")].count("\n") + 1


def numbers(world: World, *options: str) -> Completed:
    """Run ``aexp kb numbers F001``."""
    return world.machine.aexp_fast("kb", "numbers", "F001", *options, check=False)


# --- one run -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "right"),
    [("0.913", True), ("0.9127", True), ("91.3 %", True), ("9.127e-1", True), ("0.9", True),
     ("0.912", False), ("0.914", False), ("91.2%", False), ("−0.913", False), ("NaN", False)],
)  # fmt: skip
def test_a_number_is_compared_at_the_precision_shown(world: World, text: str, right: bool) -> None:
    """VAL-09: a rounding of the ledger's value is right, anything else an error."""
    job_id = run(world)
    claim(world, f"It reached [{text}](run:{job_id}#val_acc).")
    assert world.codes() == ([] if right else [MISMATCH])


def test_a_mismatch_prints_both_and_its_place(world: World) -> None:
    """VAL-09: the text's number, the ledger's at that precision and in full, file and line."""
    job_id = run(world)
    line = claim(world, "Words.", f"It reached [0.95](run:{job_id}#val_acc).")
    [issue] = world.issues("finding.number_mismatch")
    assert issue.path == FINDING
    assert issue.message == f"line {line + 1}: the text says 0.95, the ledger 0.91 (0.9127)"
    assert issue.detail == {
        "finding": "F001",
        "line": line + 1,
        "column": 12,
        "text": "0.95",
        "target": f"run:{job_id}#val_acc",
        "ledger": "0.9127",
        "job_id": job_id,
    }
    shown = world.machine.aexp_fast("validate", "--format", "github", check=False).stdout
    assert f"file={FINDING},line={line + 1}," in shown


def test_fields_of_a_metric_and_names_with_dots(world: World) -> None:
    """VAL-09: ``.min``, ``.max`` and ``.step`` where recorded; a metric's own name goes first."""
    series = metric(0.5, count=9, min=0.25, max=0.75, step=100)
    odd = {"loss": series, "loss.max": metric(7.0), "top-1 acc": metric(0.125), "a:b": metric(3)}
    job_id = run(world, metrics={**odd, "bad": metric("NaN"), "huge": metric("Infinity")})
    right = ["0.5](L#loss)", "0.25](L#loss.min)", "100](L#loss.step)", "7](L#loss.max)",
             "0.125](L#top-1%20acc)", "0.5](L#loss.value)", "3](L#a:b)", "NaN](L#bad)",
             "∞](L#huge)", "0.91](L#val_acc.min)", "9](L#loss.count)"]  # fmt: skip
    claim(world, *(f"- [{item}".replace("L#", f"run:{job_id}#") for item in right))
    assert world.codes() == []
    wrong = ["0.75](L#loss.max)", "1](L#val_acc.step)", "0.5](L#loss.mean)", "0.5](L#lossy)"]
    claim(world, *(f"- [{item}".replace("L#", f"run:{job_id}#") for item in wrong))
    assert sorted(world.codes()) == [MISMATCH, *[UNRESOLVED] * 3]


@pytest.mark.parametrize(
    ("text", "target", "words"),
    [
        ("0.9", f"run:{UNKNOWN}#val_acc", "is neither in the ledger nor here"),
        ("0.9", "run:RUN8#val_acc", "not whole: 32 lowercase hex digits"),
        ("0.9", "run:RUN#test_acc", "no metric test_acc; it has val_acc"),
        ("0.9", "run:RUN#val_acc:mean", "a single run has no mean"),
        ("0.9 ± 0.1", "run:RUN#val_acc", "a single run has no spread"),
        ("about 0.9", "run:RUN#val_acc", "is no number"),
        ("0.9", "batch:E001?condition=none#val_acc", "matches no ended run"),
        ("0.9", "batch:E001?condition#val_acc", "no key=value"),
        ("0.9", "batch:E001#test_acc", "no run has a metric test_acc"),
        ("0.9 ± 0.1", "batch:E001#val_acc:median", "not about median"),
        ("0.9 ± 0.1", "batch:E001#val_acc", "one run has no standard deviation"),
    ],
)
def test_what_cannot_be_looked_up(world: World, text: str, target: str, words: str) -> None:
    """VAL-09: an error, a warning or nothing as VAL-03 has it; the message says why."""
    job_id = run(world)
    target = target.replace("RUN8", job_id[:8]).replace("RUN", job_id)
    line = claim(world, f"[{text}]({target})")
    [issue] = world.issues("finding.number_unresolved")
    assert words in issue.message
    assert (issue.severity, issue.detail["line"]) == ("error", line)
    assert world.codes("warn") == [("finding.number_unresolved", "warning")]
    assert world.codes("off") == []
    assert numbers(world).require(1).stderr.startswith(f"line {line}: ")


def test_a_run_that_is_not_shared_a_retracted_one_and_one_of_another_machine(world: World) -> None:
    """VAL-09: the ledger's number is what counts, and each reason is named."""
    local = world.local(point(seed=1))
    running = world.local(point(seed=2), status="running")
    retracted = world.entry(point(seed=3), status="retracted")
    damaged = world.entry(point(seed=4), status="odd")
    world.index("cluster", indexed(UNKNOWN))
    ids = (local, running, retracted, damaged, UNKNOWN)
    claim(world, *(f"[0.9](run:{job_id}#val_acc)" for job_id in ids))
    found = {i.detail["job_id"]: i for i in world.validate().issues if "line" in i.detail}
    assert "not in the ledger yet" in found[local].message
    assert "has not ended here (it is running)" in found[running].message
    assert found[retracted].code == "finding.retracted_run"
    assert "cannot be used (ledger.malformed)" in found[damaged].message
    assert "cluster has it" in found[UNKNOWN].message


def test_links_in_code_and_numbers_elsewhere_cost_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """VAL-09: examples are not judged, other artifacts neither, and prose is not taken apart."""
    claim(world, f"`[9](run:{UNKNOWN}#a)`", "```", f"[9](run:{UNKNOWN}#a)", "```")
    path = "kb/research/experiments/E001-words.md"
    text = world.machine.read(path)
    world.machine.write(path, text.replace("Words.\n", f"[9](run:{UNKNOWN}#a)\n", 1))
    assert world.codes() == []
    claim(world, "No number at all.", f"[a run](runs/{UNKNOWN})")
    monkeypatch.setattr(kb_numbers.markdown, "without_code", None)
    assert world.codes() == []


def test_without_any_source_there_is_one_warning(world: World) -> None:
    """VAL-03, VAL-09: a number is a citation too."""
    world.artifacts([])
    text = world.machine.read(FINDING)
    world.machine.write(FINDING, text.replace("Words.\n", f"[1](run:{UNKNOWN}#a)\n"))
    assert world.codes() == [("finding.no_run_store", "warning")]
    assert world.codes("off") == world.codes(mode="kb") == world.codes(mode="runs") == []


def test_the_entry_of_a_cited_number_must_be_committed(world: World) -> None:
    """VAL-05, VAL-09, trap 23: a number rests on its entry as a citation does."""
    claim(world, "nothing yet")
    job_id = run(world)
    text = world.machine.read(FINDING)
    target = f"[0.91](run:{job_id}#val_acc) [1](batch:E001?condition=full#val_acc:n)"
    world.machine.write(FINDING, text.replace("nothing yet", target))
    assert world.codes() == [("ledger.uncommitted", "warning")]
    world.machine.git("add", "kb")
    assert world.codes(staged=True) == [("ledger.uncommitted", "warning")]
    missing = world.codes(tree=GitTree(world.root))
    assert missing == [UNRESOLVED, UNRESOLVED]
    world.machine.commit_all()
    assert world.codes() == world.codes(staged=True) == []
    world.machine.git("rm", "-q", f".aexp/ledger/{job_id}.json")
    assert ("ledger.deleted", "error") in world.codes()
    assert ("ledger.deleted", "error") in world.codes(staged=True)


# --- batches -------------------------------------------------------------------------------------


@pytest.fixture
def three(world: World) -> World:
    """Three runs with val_acc 0.90, 0.91 and 0.95: mean 0.92, std 0.02646, median 0.91."""
    for seed, acc in enumerate((0.90, 0.91, 0.95)):
        run(world, seed, acc)
    world.entry(point(condition="none", seed=9), metrics={"val_acc": metric(0.1)})
    return world


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("0.92 ± 0.03", "batch:E001?condition=full#val_acc:mean"),
        ("92.0 ± 2.6 %", "batch:E001?condition=full#val_acc"),
        ("0.92", "batch:E001?condition=full#val_acc"),
        ("0.92", "batch:E001?condition=full&n=3#val_acc:mean"),
        ("0.0265", "batch:E001?condition=full#val_acc:std"),
        ("0.9", "batch:E001?condition=full#val_acc:min"),
        ("0.95", "batch:E001?condition=full#val_acc:max"),
        ("0.910", "batch:E001?condition=full#val_acc:median"),
        ("3", "batch:E001?condition=full#val_acc:n"),
        ("0.93", "batch:E001?condition=full&seed=[1,2]#val_acc:mean"),
        ("0.95", "batch:E001?seed=2#val_acc:mean"),
        ("0.715", "batch:E001#val_acc:mean"),
        ("0.92", "batch:E001?condition=full#val_acc.max:mean"),
    ],
)
def test_aggregates_of_a_batch(three: World, text: str, target: str) -> None:
    """VAL-09: selectors as on the command line; the spread is a sample's; the last digit counts."""
    claim(three, f"[{text}]({target})")
    assert three.codes() == []
    place = max(i for i, c in enumerate(text) if c.isdigit())
    other = text[:place] + str((int(text[place]) + 2) % 10) + text[place + 1 :]
    claim(three, f"[{other}]({target})")
    assert three.codes() == [MISMATCH]


def test_a_batch_that_has_grown_is_no_mismatch(three: World) -> None:
    """VAL-09: a pinned number says of how many runs it is; without the pin it is just wrong."""
    pinned = "[0.92](batch:E001?condition=full&n=3#val_acc:mean)"
    claim(three, pinned)
    run(three, 7, 0.5)
    three.commit()
    [issue] = three.validate().issues
    assert (issue.code, issue.severity) == CHANGED
    assert "of 3 runs" in issue.message and "has 4 now" in issue.message
    claim(three, pinned.replace("&n=3", ""))
    assert three.codes() == [MISMATCH]
    claim(three, pinned.replace("0.92", "0.99").replace("n=3", "n=4"))
    assert three.codes() == [MISMATCH]
    claim(three, pinned.replace("n=3", "n=5"))
    assert three.codes() == [CHANGED]


def test_failed_runs_are_left_out_and_missing_metrics_are_not_passed_over(three: World) -> None:
    """VAL-09: no mean over the runs that happen to have a value."""
    three.entry(point(condition="full", seed=5), status="failed", metrics={})
    claim(three, "[0.92](batch:E001?condition=full&n=3#val_acc:mean)")
    assert three.codes() == []
    three.entry(point(condition="full", seed=6), metrics={"loss": metric(1.0)})
    claim(three, "[0.92](batch:E001?condition=full#val_acc:mean)")
    [issue] = three.validate().issues
    assert "without value of val_acc: 1 of 4 runs" in issue.message
    three.local(point(condition="full", seed=8))
    [issue] = [i for i in three.validate().issues if i.code == "finding.number_unresolved"]
    assert "not in the ledger yet: 1 of 5 runs" in issue.message


def test_odd_metrics_are_no_traceback(world: World) -> None:
    """Trap 3: whatever an entry holds where a metric should be."""
    for seed, odd in enumerate([None, "x", [], {}, {"value": []}, {"value": True}, {"value": {}}]):
        world.entry(point(condition="full", seed=seed), metrics={"a": odd})
    world.entry(point(condition="huge"), metrics={"a": {"value": 10**400}})
    world.entry(point(condition="bare"), metrics={"a": 0.5})
    claim(
        world,
        "[1](batch:E001?condition=full#a:mean)",
        "[∞](batch:E001?condition=huge#a:max)",
        "[0.5](batch:E001?condition=bare#a:max)",
    )
    assert world.codes() == [UNRESOLVED]


_ID = "a" * 32
_pieces = ["run:", "batch:", _ID, "E001", "?", "#", "&", "=", "n=", "n", "acc", ".min", ":mean",
           "%", "%41", "[0,1]", "seed", "1", "nan", "1e999", ":=", "é", "x" * 33]  # fmt: skip
_good = [
    f"run:{_ID}#acc",
    f"run:{_ID}#acc.min",
    "batch:E001?n=1#acc.step:max",
    *(f"batch:E001#acc:{how}" for how in ("mean", "std", "min", "max", "median", "n")),
]
_target = st.sampled_from(_good) | st.lists(st.sampled_from(_pieces), max_size=9).map("".join)
_text = st.text(st.sampled_from("0123456789.eE+-−±%×10⁻³() *NaN∞"), max_size=12)
_metric = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["NaN", "x", "Infinity"]),
    lambda inner: st.dictionaries(st.sampled_from(["value", "min", "count", "step"]), inner),
    max_leaves=4,
)


@given(_target, _text, st.lists(_metric, min_size=1, max_size=3))
@example(f"run:{_ID}#acc", "1", [{"value": 1}])
@example("batch:E001?n=1#acc:mean", "1 ± 2", [{"value": 1}])
def test_no_link_is_a_traceback(target: str, text: str, metrics: list[Any]) -> None:
    """Trap 3: whatever is written and whatever entries hold, a number has a verdict."""
    entries: dict[str, Any] = {}
    for number, found in enumerate(metrics):
        job_id = "abc"[number] * 32
        entry = {"job_id": job_id, "statepoint": {"seed": number}, "metrics": {"acc": found}}
        link = {"run_link": {"experiment_id": "E001"}, "registered_machine": "laptop"}
        entries[job_id] = {**entry, "status": "complete", **link}
    facts = Facts(
        "full",
        "error",
        ledger=(ledger := Ledger.of(entries, dict.fromkeys(entries, "x"))),
        evidence=Runs([ledger]).evidence(),
    )
    for link in number_links(f"[{text}]({target})"):
        found = compare(facts, link)
        known = found.main is not None
        assert (found.verdict in ("agrees", "mismatch")) <= known
        assert (found.verdict == "unresolved") <= bool(found.reason)
        assert isinstance(found.as_text, str) and isinstance(found.exact, str)
        if known and parse_written(found.as_text) is not None:
            fixed = replace(link, text=found.as_text)
            assert compare(facts, fixed).verdict in ("agrees", "batch changed")


# --- aexp kb numbers -----------------------------------------------------------------------------


def test_the_table_shows_both_numbers(three: World) -> None:
    """VAL-09: line, text, the ledger's in the same style and in full, verdict; exit 1."""
    line = claim(
        three,
        "[92.0 ± 2.6 %](batch:E001?condition=full#val_acc)",
        "[**0.95**](batch:E001?condition=full&n=2#val_acc:mean)",
        "[0.95](batch:E001?condition=full#val_acc:mean)",
        f"[0.95](run:{UNKNOWN}#val_acc)",
    )
    done = numbers(three).require(1)
    path, head, *rows = done.stdout.splitlines()
    assert path == FINDING
    assert head.split() == ["LINE", "TEXT", "LEDGER", "EXACT", "VERDICT"]
    assert [row.split()[0] for row in rows] == [str(line + i) for i in range(4)]
    assert rows[0].split()[1:9] == ["92.0", "±", "2.6", "%", "92.0", "±", "2.6", "%"]
    assert [row.split("  ")[-1].strip() for row in rows] == [
        "agrees", "batch changed", "mismatch", "unresolved",
    ]  # fmt: skip
    assert f"line {line + 1}: of 2 runs when written, 3 now" in done.stderr
    value = json.loads(numbers(three, "--format", "json").require(1).stdout)
    assert (value["finding"], value["path"], value["fixed"]) == ("F001", FINDING, False)
    third = value["numbers"][2]
    assert (third["text"], third["ledger"], third["verdict"]) == ("0.95", "0.92", "mismatch")
    assert (third["runs"], third["line"], third["std"]) == (3, line + 2, None)
    assert third["new_target"] == "batch:E001?condition=full&n=3#val_acc:mean"
    assert abs(third["value"] - 0.92) < 1e-12


def test_fix_writes_numbers_and_sizes_and_nothing_else(three: World) -> None:
    """VAL-09: then everything agrees; CRLF and every other byte stay."""
    [job_id] = [i.stem for i in (three.root / ".aexp/ledger").iterdir() if "0.95" in i.read_text()]
    claim(
        three,
        "[92.0 ± 2.6 %](batch:E001?condition=full#val_acc)  ",
        "[**0.95**](batch:E001?condition=full&n=2#val_acc:mean) and `[1](run:x#y)`",
        f"[0.90](run:{job_id}#val_acc), [9.00e-1](run:{job_id}#val_acc)",
    )
    path = three.root / FINDING
    before = path.read_bytes().replace(b"\n", b"\r\n")
    path.write_bytes(before)
    numbers(three, "--fix", "--dry-run").require(1)
    assert path.read_bytes() == before
    done = numbers(three, "--fix").require()
    assert done.stdout.count("wrote [") == 4
    wanted = before
    for old, new in [
        ("?condition=full#val_acc)", "?condition=full&n=3#val_acc)"),
        ("[**0.95**](batch:E001?condition=full&n=2", "[**0.92**](batch:E001?condition=full&n=3"),
        ("[0.90](run", "[0.95](run"),
        ("[9.00e-1](run", "[9.50e-1](run"),
    ]:
        assert wanted.count(old.encode()) == 1
        wanted = wanted.replace(old.encode(), new.encode())
    assert path.read_bytes() == wanted
    assert three.codes() == []
    assert "wrote" not in numbers(three, "--fix").require().stdout
    assert path.read_bytes() == wanted


def test_fix_leaves_what_cannot_be_looked_up_and_says_so(three: World) -> None:
    """VAL-09: the rest is mended, and the exit status tells that something is left."""
    claim(
        three,
        "[0.95](batch:E001?condition=full#val_acc:mean)",
        f"[0.95](run:{UNKNOWN}#val_acc)",
    )
    done = numbers(three, "--fix").require(1)
    assert "is neither in the ledger" in done.stderr
    text = three.machine.read(FINDING)
    assert "[0.92](batch:E001?condition=full&n=3#val_acc:mean)" in text
    assert f"[0.95](run:{UNKNOWN}#val_acc)" in text


def test_a_finding_is_named_by_id_file_or_path(three: World) -> None:
    """VAL-09, trap 32: and a wrong name is one line."""
    claim(three, "[0.92](batch:E001?condition=full#val_acc)")
    fast = three.machine.aexp_fast
    answers = {fast("kb", "numbers", n).stdout for n in ("F001", "F001-words", FINDING)}
    assert len(answers) == 1
    claim(three, "Nothing.")
    assert "cites no number" in fast("kb", "numbers", "F001").stdout
    done = fast("kb", "numbers", "F009", check=False).require(4)
    assert done.stderr.startswith("error: there is no artifact F009")
    fast("kb", "numbers", "E001", check=False).require(4)
    three.machine.write(FINDING, "---\nid: [\n---\n")
    fast("kb", "numbers", "F001", check=False).require(7)


def test_both_kinds_of_citation_in_one_finding(three: World) -> None:
    """VAL-03, VAL-09: frontmatter and prose are judged side by side."""
    [job_id] = [i.stem for i in (three.root / ".aexp/ledger").iterdir() if "0.95" in i.read_text()]
    cited = [job(job_id), batch({"condition": "full"})]
    claim(three, f"[0.95](run:{job_id}#val_acc)", cited=cited)
    assert three.codes() == []
    other = three.entry(point(seed=77), link=link_to(None), metrics={"val_acc": metric(0.5)})
    claim(three, f"[0.5](run:{other}#val_acc)", cited=cited)
    assert three.codes() == [("run.unlinked", "warning")]


@pytest.mark.parametrize("target", ["run:RUN#val_acc", "batch:E001?condition=full#val_acc:mean"])
def test_a_run_behind_a_number_is_a_cited_run(world: World, target: str) -> None:
    """LED-12, INS-10: it is not retracted unasked, and ``status`` says when nobody else sees it."""
    job_id = run(world)
    claim(world, f"[0.91]({target.replace('RUN', job_id)})")
    fast = world.machine.aexp_fast
    refused = fast("ledger", "retract", job_id, "--reason", "wrong data", check=False)
    assert "is cited by F001" in refused.require(5).stderr
    fast("ledger", "retract", job_id, "--reason", "wrong data", "--force")
    codes = [code for code, _ in world.codes()]
    assert ("finding.retracted_run" if "run:" in target else "finding.number_unresolved") in codes
    claim(world, f"[0.91](run:{UNKNOWN}#val_acc)")
    assert UNKNOWN[:8] in fast("status").stdout
