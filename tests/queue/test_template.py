"""The command of a run, made from ``runner_command`` (QUE-02)."""

from __future__ import annotations

import json
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aexp.queue.template import render

POINT = {
    "experiment_id": "E001", "code_commit": "abc", "code_dirty": False,
    "lr": 0.1, "on": True, "name": "it's a \"b\" $HOME `x`", "layers": [64, 32], "none": None,
    "opt": {"lr": 0.5, "kind": "adam"},
}  # fmt: skip
ID = "0123456789abcdef0123456789abcdef"


def shell(command: str) -> list[str]:
    """Return what a shell hands to ``printf``, as parted by NULs."""
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=True)
    return done.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1]


@pytest.mark.parametrize(
    ("template", "command"),
    [
        ("train --lr {lr} --on {on}", "train --lr 0.1 --on true"),
        ("{opt.kind}:{opt.lr} {none}", "adam:0.5 null"),
        ("{experiment_id} {job_id}", f"E001 {ID}"),
        ("{nope} ${lr} {} { lr } {lr!s} {a,b}", "{nope} ${lr} {} { lr } {lr!s} {a,b}"),
        ("--layers {layers}", "--layers '[64,32]'"),
        ("{layers!raw} {opt.kind!raw}", "[64,32] adam"),
        ("", ""),
    ],
)
def test_what_a_template_becomes(template: str, command: str) -> None:
    """QUE-02: parameters by name, the run's id; unknown names and shell variables stay."""
    assert render(template, POINT, ID) == command


def test_a_value_arrives_as_it_is() -> None:
    """QUE-02: in quotes of either kind or without, the program gets the very value."""
    template = "printf '%s\\0' {name} '{name}' \"{name}\" --n={name} \"a'{name}'b\" '{opt.kind}'"
    name = POINT["name"]
    assert shell(render(template, POINT, ID)) == [
        name, name, name, f"--n={name}", f"a'{name}'b", "adam",
    ]  # fmt: skip


def test_all_parameters_as_json() -> None:
    """QUE-02: {sp_json} is all parameters, without what aexp adds, in quotes or without."""
    command = render(
        "printf '%s\\0' {sp_json} '{sp_json}' \"{sp_json}\" {sp_json_shell}", POINT, ID
    )
    wanted = {k: v for k, v in POINT.items() if not k.startswith(("code_", "experiment_"))}
    assert [json.loads(text) for text in shell(command)] == [wanted] * 4


def test_raw_opts_out() -> None:
    """QUE-02: {key!raw} is put in as it is, for a value that is several words."""
    command = render("printf '%s\\0' {flags!raw}", {"flags": "--a --b"}, ID)
    assert shell(command) == ["--a", "--b"]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12))
@settings(max_examples=40)
def test_no_value_leaves_its_word(value: str) -> None:
    """QUE-02: whatever a value holds, a shell takes it as one word."""
    template = "printf '%s\\0' {v} '{v}' \"{v}\" \\'{v} {sp_json_shell}"
    *plain, escaped, found = shell(render(template, {"v": value}, ID))
    assert plain == [value] * 3
    assert escaped == f"'{value}"
    assert json.loads(found) == {"v": value}
