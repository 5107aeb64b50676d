"""aexp.install.blocks: the block in .gitignore (INS-03)."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aexp.errors import UsageError
from aexp.install import block_merge_gitignore
from aexp.install.blocks import (
    BEGIN,
    END,
    GITATTRIBUTES,
    GITIGNORE,
    RULES,
    Block,
    merge_block,
    remove_block,
    run_store_rule,
)

BLOCK_OF_061 = f"{BEGIN}\n# an older remark\n.aexp/*\n!.aexp/runs-index/\n!.aexp/ledger/\n{END}\n"


def rules_of(text: str) -> list[str]:
    """Return the rules between the markers."""
    lines = text.replace("\r\n", "\n").split("\n")
    inside = lines[lines.index(BEGIN) + 1 : lines.index(END)]
    return [line for line in inside if not line.startswith("#")]


def outside(text: str) -> list[str]:
    lines = text.replace("\r\n", "\n").split("\n")
    return lines[: lines.index(BEGIN)] + lines[lines.index(END) + 1 :]


def test_an_empty_file_becomes_the_block() -> None:
    """INS-03: the four rules, in the order that git needs, between the markers."""
    text = block_merge_gitignore("")
    assert text.startswith(f"{BEGIN}\n")
    assert text.endswith(f"\n{END}\n")
    assert rules_of(text) == [".aexp/*", "!.aexp/runs-index/", "!.aexp/ledger/", ".runs/"]


def test_the_block_follows_the_users_lines() -> None:
    """INS-03: lines outside are never touched; one blank line stands between."""
    text = block_merge_gitignore("*.pyc\n\n# mine\n")
    assert text.startswith(f"*.pyc\n\n# mine\n\n{BEGIN}\n")


def test_an_older_block_is_replaced_where_it_stands() -> None:
    """INS-03: a block of 0.6.1 gains `.runs/`; what is around it stays."""
    text = block_merge_gitignore(f"a\n{BLOCK_OF_061}b\n")
    assert text.startswith(f"a\n{BEGIN}\n")
    assert text.endswith(f"{END}\nb\n")
    assert rules_of(text) == list(RULES)


def test_crlf_stays_crlf() -> None:
    """INS-03: no line of the result ends in a bare newline."""
    text = block_merge_gitignore("*.pyc\r\ndata/\r\n")
    assert text.startswith("*.pyc\r\ndata/\r\n\r\n")
    assert text.count("\n") == text.count("\r\n")
    assert block_merge_gitignore(text) == text


def test_a_last_line_without_newline_is_not_glued_to_the_block() -> None:
    """INS-03: `data` must not become `data# agentic-experiments:begin`."""
    assert block_merge_gitignore("data").startswith(f"data\n\n{BEGIN}\n")
    assert block_merge_gitignore("a\r\ndata").startswith(f"a\r\ndata\r\n\r\n{BEGIN}\r\n")


def test_a_file_without_a_final_newline_stays_without_one() -> None:
    """INS-03, INS-10: so that taking the block out restores the bytes from before."""
    assert block_merge_gitignore("data").endswith(f"\n{END}")
    assert block_merge_gitignore(BLOCK_OF_061.rstrip("\n")) + "\n" == block_merge_gitignore("")


def test_half_a_block_loses_only_what_is_ours() -> None:
    """INS-03: begin without end, as a bad merge leaves it: the user's lines survive."""
    text = block_merge_gitignore(f"a\n{BEGIN}\n.aexp/*\n!.aexp/ledger/\nsecret.env\n.runs/x\n")
    assert rules_of(text) == list(RULES)
    assert [line for line in outside(text) if line] == ["a", "secret.env", ".runs/x"]


def test_an_end_marker_alone_is_removed() -> None:
    """INS-03: the marker is ours, the lines around it are not."""
    text = block_merge_gitignore(f"a\n{END}\nb\n")
    assert [line for line in outside(text) if line] == ["a", "b"]
    assert text.count(END) == 1


def test_two_blocks_become_one() -> None:
    """INS-11: a merge of two installations leaves one block, in the first one's place."""
    text = block_merge_gitignore(f"a\n{BLOCK_OF_061}b\n{BLOCK_OF_061}c\n")
    assert text.count(BEGIN) == text.count(END) == 1
    assert outside(text) == ["a", "b", "c", ""]


def test_an_own_run_store_is_ignored_and_those_of_other_machines_stay() -> None:
    """INS-11, trap 24: installing on machines with different run stores converges."""
    first = block_merge_gitignore("", run_store_rule=run_store_rule("out/runs"))
    assert rules_of(first) == [*RULES, "/out/runs/"]
    assert block_merge_gitignore(first) == first
    both = block_merge_gitignore(first, run_store_rule=run_store_rule("b"))
    assert rules_of(both) == [*RULES, "/b/", "/out/runs/"]
    assert block_merge_gitignore(both, run_store_rule=run_store_rule("out/runs")) == both


def test_a_rule_inside_the_block_that_hides_the_ledger_is_not_kept() -> None:
    """INS-04: only run stores of other machines are carried over."""
    hidden = f"{BEGIN}\n.aexp/*\n/.aexp/\n/.aexp\n/.aexp/ledger/\n{END}\n"
    assert rules_of(block_merge_gitignore(hidden)) == list(RULES)


def test_names_that_are_patterns_are_escaped() -> None:
    """Trap 24: a run store called `a*[b]` hides itself and nothing else."""
    assert run_store_rule("a*[b]?") == "/a\\*\\[b\\]\\?/"
    with pytest.raises(UsageError):
        run_store_rule("a\nb")


_lines = st.sampled_from(
    [BEGIN, END, *RULES, "a", "", "# mine", " " + BEGIN + " ", "/out/", "x\x0cy", "é", "!b", "\t"]
)
_files = st.tuples(
    st.lists(_lines, max_size=12), st.sampled_from(["\n", "\r\n"]), st.booleans()
).map(lambda t: t[1].join(t[0]) + (t[1] if t[2] else ""))


@given(st.one_of(_files, st.text(max_size=40)))
@example(f"{BEGIN}\n{BEGIN}\n{END}")
@example(f"{END}\n{BEGIN}")
def test_merging_twice_changes_nothing_and_keeps_every_line(existing: str) -> None:
    """INS-02, INS-03: idempotent, exactly one block, no line of the user's lost."""
    once = block_merge_gitignore(existing)
    assert block_merge_gitignore(once) == once
    stripped = [line.strip() for line in once.split("\n")]
    assert stripped.count(BEGIN) == stripped.count(END) == 1
    if BEGIN not in existing and END not in existing:
        assert once.startswith(existing)


@pytest.mark.parametrize("block", [GITIGNORE, GITATTRIBUTES])
@given(existing=st.one_of(st.none(), _files, st.text(max_size=40)))
@example(existing="")
@example(existing="\n")
@example(existing="x")
@example(existing="x\r\n\r\n")
@example(existing="x\r")
def test_taking_the_block_out_restores_the_bytes(block: Block, existing: str | None) -> None:
    """INS-10: whatever stood there, no file and an empty file included."""
    if existing is not None and any(m in existing for m in (BEGIN, END)):
        return
    merged = merge_block(existing, block)
    assert merge_block(merged, block) == merged
    assert remove_block(merged, block) == existing


@given(_files)
def test_taking_out_leaves_no_marker_and_every_line_of_the_users(existing: str) -> None:
    """INS-10: half blocks and doubled ones too; a file without a block stays as it is."""
    left = remove_block(existing, GITIGNORE)
    lines = [line.strip() for line in (left or "").split("\n")]
    assert BEGIN not in lines
    assert END not in lines
    if BEGIN not in existing and END not in existing:
        assert left == existing


def test_lines_added_around_the_block_stay() -> None:
    """INS-10: a user's lines behind the block, with and without a newline before it."""
    assert remove_block(merge_block("a", GITIGNORE) + "\nb\n", GITIGNORE) == "a\nb\n"
    assert remove_block(merge_block("a\n", GITIGNORE) + "b", GITIGNORE) == "a\nb"
    assert remove_block(merge_block(None, GITIGNORE) + "b\n", GITIGNORE) == "b\n"


def test_the_attributes_block_holds_one_rule() -> None:
    """INS-06: the line of the promise, with a CRLF file's line ends."""
    text = merge_block("*.bin binary\r\n", GITATTRIBUTES)
    assert rules_of(text) == [".aexp/ledger/** merge=aexp-ledger text eol=lf"]
    assert text.count("\n") == text.count("\r\n")
