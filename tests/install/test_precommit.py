"""The hook in ``.pre-commit-config.yaml`` (INS-08)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexp.errors import CorruptDataError, StorageError, UsageError
from aexp.install import install_scaffold
from aexp.install.precommit import (
    COMMAND,
    CONFIG_REL,
    OLDER_COMMANDS,
    add_hook,
    remove_hook,
)
from aexp.yaml import load
from tests.support.machines import Machine

FILES = {
    "usual": 'repos:\n  - repo: x\n    rev: "v1"  # pinned\n    hooks:\n      - id: a\n',
    "odd": (
        "# top\nrepos:\n- repo: https://x\n  rev: 'v1'   # pinned\n  hooks:\n    - id:   a\n"
        "      args: [ \"--x\",  'y' ]\n\n    # middle\n    - id: b\n# tail\n\n"
        "ci:\n    autofix: true\n"
    ),
    "wide": "default_stages: [commit]\nrepos:\n-   repo: x\n    hooks:\n    -   id: a\n",
    "no newline": "repos:\n  - repo: x\n    hooks:\n      - id: a",
    "crlf": "repos:\r\n  - repo: x\r\n    hooks:\r\n      - id: a\r\n",
    "comment": "# nothing yet\n",
    "no repos": "ci:\n  autofix: true\n",
    "block scalar": (
        "repos:\n  - repo: local\n    hooks:\n      - id: z\n        entry: |\n          a]\n"
        "          b\n\nci: {}\n"
    ),
    "flow item": 'repos:\n  - "repo": x\n    hooks: [{id: a,\n  b: "c"}\n  ]\n',
    "folded": "repos:\n  - repo: x\n    hooks:\n      - id: a\n        entry: b\n          c # d\n",
    "marked": "---\nrepos:\n  - repo: x\n    hooks:\n      - id: a\n...\n",
    "blank tail": "repos:\n  - repo: meta\n    hooks:\n    - id: identity   \n\n\n",
}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_only_the_entry_is_added_and_taking_it_out_restores_the_bytes(text: str) -> None:
    """INS-08, INS-10: comments, order, quoting, indentation and line ends stay."""
    once = add_hook(text)
    assert add_hook(once) == once
    before, after = load(text) or {}, load(once)
    assert after["repos"][:-1] == (before.get("repos") or [])
    assert after["repos"][-1]["hooks"][0]["id"] == "aexp-validate"
    assert {k: v for k, v in after.items() if k != "repos"} == {
        k: v for k, v in before.items() if k != "repos"
    }
    lines = iter(once.splitlines())
    assert all(line in lines for line in text.splitlines())  # in this order
    assert once.endswith("\n") == text.endswith("\n")
    assert ("\r\n" in once) == ("\r\n" in text)
    assert remove_hook(once) == text


@pytest.mark.parametrize("text", ["repos: []\n", "repos: [{repo: x, hooks: [{id: a}]}]\n"])
def test_a_file_in_flow_style_keeps_its_data(text: str) -> None:
    """INS-08: where no line can be added, ruamel's round trip does it."""
    once = add_hook(text)
    assert add_hook(once) == once
    assert load(once)["repos"][:-1] == load(text)["repos"]
    left = remove_hook(once)
    assert left is not None
    assert load(left) == load(text)


_value = st.sampled_from(["x", '"x y"', "'it'", "[a, b]", "{k: v}", "1.0", "|\n{}  text"])


@given(
    st.lists(st.tuples(_value, st.sampled_from(["", "  # why", "\n\n# next"])), max_size=4),
    st.sampled_from([0, 2, 4]),
    st.sampled_from(["", "ci: {}\n", "# end\n", "exclude: '^a'\n# end"]),
)
def test_generated_files_are_restored(items: list[tuple[str, str]], margin: int, tail: str) -> None:
    """INS-08, INS-10: whatever the entries look like."""
    pad = " " * margin
    entries = "".join(
        f"{pad}- repo: r{number}\n{pad}  rev: {value.replace('{}', pad + '  ')}"
        f"{'' if '|' in value else remark}\n"
        for number, (value, remark) in enumerate(items)
    )
    text = (f"repos:\n{entries}" if items else "") + tail
    once = add_hook(text)
    assert len(load(once)["repos"]) == len(items) + 1
    assert remove_hook(once) == (text or None)


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_the_hook_of_an_earlier_version_is_brought_up_to_date(text: str) -> None:
    """INS-08, INS-10: its command alone changes, and uninstall knows both forms."""
    today = add_hook(text)
    (older,) = OLDER_COMMANDS
    before = today.replace(COMMAND, older)
    assert add_hook(before) == today
    assert remove_hook(before) == text
    edited = before.replace("always_run: true", "always_run: false")
    assert add_hook(edited) == edited


def test_the_hook_is_refreshed_by_install_and_says_so(repo: Machine) -> None:
    """INS-02, INS-08: the plan names what changes; nothing else of the file does."""
    repo.write(CONFIG_REL, add_hook(FILES["odd"]).replace(COMMAND, OLDER_COMMANDS[0]))
    told = repo.aexp_fast("install", "--yes", "--pre-commit").stdout
    assert f"refreshed {CONFIG_REL}" in " ".join(told.split())
    assert repo.read(CONFIG_REL) == add_hook(FILES["odd"])


def test_a_hook_from_the_projects_own_repository_is_recognised() -> None:
    """INS-08: whoever uses the shipped hook gets no second one."""
    text = "repos:\n  - repo: https://example.org/aexp\n    hooks:\n      - id: aexp-validate\n"
    assert add_hook(text) == text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("- repo: x\n", 1),
        ("a: 1\nrepos: {a: 1}\n", 2),
        ("repos:\n  - a: [\n", 3),
        ("repos: []\nrepos: []\n", 2),
        ("\tx: 1\n", 1),
    ],
)
def test_a_file_that_is_no_configuration_is_refused_with_its_line(
    repo: Machine, text: str, line: int
) -> None:
    """INS-08, trap 32: one line, the file and the line in it, and nothing is written."""
    repo.write(CONFIG_REL, text)
    done = repo.aexp_fast("install", "--yes", "--pre-commit", check=False)
    assert done.returncode == CorruptDataError.exit_code
    assert done.stderr.startswith(f"error: {CONFIG_REL}: line {line}")
    assert repo.read(CONFIG_REL) == text
    assert not (repo / ".aexp").exists()


def test_a_file_that_is_no_text_is_refused(repo: Machine) -> None:
    """INS-08, trap 32."""
    (repo / CONFIG_REL).write_bytes(b"repos: []\n\xff\n")
    done = repo.aexp_fast("install", "--yes", "--pre-commit", check=False)
    assert done.returncode == CorruptDataError.exit_code
    assert "line 2" in done.stderr


def test_a_link_is_refused_and_stays_a_link(repo: Machine) -> None:
    """INS-08, trap 49: another repository's configuration is not ours to change."""
    repo.write("shared.yaml", FILES["usual"])
    (repo / CONFIG_REL).symlink_to("shared.yaml")
    done = repo.aexp_fast("install", "--yes", "--pre-commit", check=False)
    assert done.returncode == StorageError.exit_code
    assert (repo / CONFIG_REL).is_symlink()
    assert repo.read("shared.yaml") == FILES["usual"]
    repo.aexp_fast("install", "--yes")
    repo.aexp_fast("uninstall", "--yes")
    assert (repo / CONFIG_REL).is_symlink()


@pytest.mark.parametrize("options", [["--pre-commit"], ["--with", "pre-commit"]])
def test_the_option_writes_a_hook_that_works_today(repo: Machine, options: list[str]) -> None:
    """INS-08, INS-09: both spellings; a second run changes no byte; the command exists."""
    repo.aexp_fast("install", "--yes", *options)
    (entry,) = load(repo.read(CONFIG_REL))["repos"]
    (hook,) = entry["hooks"]
    assert (entry["repo"], hook["language"]) == ("local", "system")
    assert repo.aexp_fast("install", "--yes", *options).stdout.count("nothing to change") == 1
    assert hook["entry"] == "aexp validate --staged --strict-runs=warn"
    program, *words = hook["entry"].split()
    assert program == "aexp"
    repo.aexp_fast(*words)


def test_without_the_option_nothing_is_written(repo: Machine) -> None:
    """INS-09: minimal by default."""
    repo.aexp_fast("install", "--yes")
    assert not (repo / CONFIG_REL).exists()
    assert not (repo / ".github").exists()


# --- other parts ---------------------------------------------------------------------------------

WORKFLOW = ".github/workflows/aexp-validate.yml"


def test_the_workflow_runs_commands_that_exist(repo: Machine) -> None:
    """INS-09: `--with ci`; a second run changes no byte."""
    repo.aexp_fast("install", "--yes", "--with", "ci")
    workflow = load(repo.read(WORKFLOW))
    steps = workflow["jobs"]["validate"]["steps"]
    runs = [step["run"] for step in steps if "run" in step]
    assert runs[-1] == "aexp validate --strict-runs=warn --format github"
    assert "pip install" in runs[0]
    repo.aexp_fast(*runs[-1].split()[1:])
    assert repo.aexp_fast("install", "--yes", "--with", "ci").stdout.count("nothing to") == 1
    assert not (repo / CONFIG_REL).exists()


def test_an_edited_workflow_is_kept_without_force(repo: Machine) -> None:
    """INS-02, INS-09."""
    repo.write(WORKFLOW, "name: mine\n")
    (kept,) = [a for a in install_scaffold(repo.path, parts=["ci"]) if a.path == WORKFLOW]
    assert kept.kind == "kept"
    assert repo.read(WORKFLOW) == "name: mine\n"
    install_scaffold(repo.path, parts=["ci"], force=True)
    assert repo.read(WORKFLOW) != "name: mine\n"


def test_parts_may_be_repeated(repo: Machine) -> None:
    """INS-09: --with is repeatable, and so is each name."""
    repo.aexp_fast("install", "-y", "--with", "pre-commit", "--with", "ci", "--with", "ci")
    assert (repo / CONFIG_REL).exists()
    assert (repo / WORKFLOW).exists()


def test_an_unknown_part_is_a_usage_error_that_lists_the_names(repo: Machine) -> None:
    """INS-09: exit 2, nothing written."""
    done = repo.aexp_fast("install", "--yes", "--with", "everything", check=False)
    assert done.returncode == UsageError.exit_code
    assert "'everything'" in done.stderr
    assert "ci, pre-commit" in done.stderr
    assert not (repo / ".aexp").exists()
