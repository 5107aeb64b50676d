"""What an execution is declared to be (EXE-01, EXE-04)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

import aexp
from aexp.dataset import AssetSpec, DatasetSpec
from aexp.errors import NotARepositoryError, NotFoundError, UsageError
from aexp.execution import ExecutionConfiguration
from aexp.execution.provenance import kept
from aexp.registry import open_registry
from tests.execution.held import configured, created, document_of, entry_of, opened
from tests.support.machines import Machine, checkout_environ, run_command


def test_bare_texts_are_assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EXE-04: bare texts become specifications, also when a file is called like that."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "2-GHI").write_text("no asset")
    config = ExecutionConfiguration(assets=["2-GHI", AssetSpec(rid="3-JKL", cache=True)])
    assert [each.rid for each in config.assets] == ["2-GHI", "3-JKL"]
    assert [each.cache for each in config.assets] == [False, True]
    config.assets = ["./4"]  # type: ignore[list-item]
    assert config.assets == [AssetSpec(rid="./4")]


def test_what_is_left_out() -> None:
    """EXE-04: the arguments of the process are recorded unless others are given."""
    config = ExecutionConfiguration()
    assert (config.workflow, config.description, config.datasets, config.assets) == (
        None,
        "",
        [],
        [],
    )
    assert config.argv == sys.argv
    assert ExecutionConfiguration(argv=["a"]).argv == ["a"]


@pytest.mark.parametrize(
    "given",
    [
        {"dataset": []},
        {"datasets": ["1-ABC", 3]},
        {"assets": "2-GHI"},
        {"assets": [""]},
        {"workflow": "ResNet50"},
        {"config_choices": {"model": 3}},
    ],
)
def test_what_is_none_is_refused_at_once(given: dict[str, object]) -> None:
    """EXE-04: a configuration with a mistake in it cannot be made."""
    with pytest.raises(ValidationError):
        ExecutionConfiguration(**given)


def test_a_configuration_is_rebuilt_as_it_was(installed_repo: Machine) -> None:
    """EXE-50: what is stored of a configuration is all of it."""
    config = configured(
        opened(installed_repo),
        description="# What\nfor",
        datasets=[DatasetSpec(rid="1-DEF", version="2.1.0", materialize=False)],
        assets=["2-GHI"],
        argv=["train.py", "--lr", "1e-3"],
        config_choices={"model": "quick"},
    )
    stored = json.loads(json.dumps(config.to_json()))
    assert ExecutionConfiguration.from_json(stored) == config


def test_a_workflow_is_needed_when_it_is_created(installed_repo: Machine) -> None:
    """EXE-04: missing in both places, the error comes at create_execution, and nothing is made."""
    repo = opened(installed_repo)
    config = ExecutionConfiguration(description="no workflow yet")
    with pytest.raises(UsageError, match="needs a workflow"):
        repo.create_execution(config)
    assert repo.list_executions() == []
    workflow = repo.create_workflow("Trial", "Training", script="train.py")
    given = repo.create_execution(config, workflow=workflow)
    assert document_of(given)["workflow"]["name"] == "Trial"
    assert config.workflow is None
    assert given.configuration.workflow.checksum == workflow.checksum


def test_an_input_that_is_none_makes_nothing(installed_repo: Machine) -> None:
    """EXE-10: what cannot be had is said before anything exists."""
    repo = opened(installed_repo)
    with pytest.raises(NotFoundError):
        repo.create_execution(configured(repo, datasets=[DatasetSpec(rid="nowhere")]))
    with pytest.raises(NotFoundError):
        repo.create_execution(configured(repo, assets=["0" * 16]))
    with pytest.raises(NotFoundError):
        repo.create_execution(configured(repo), experiment_id="E099")
    assert repo.list_executions() == []


def test_what_it_depends_on_is_captured_when_it_is_created(installed_repo: Machine) -> None:
    """EXE-10: configuration, environment, changes and lock files, before anything can fail."""
    secret = "ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"
    installed_repo.write("uv.lock", "version = 1\n")
    installed_repo.write("requirements-dev.txt", f"--index-url https://u:{secret}@host/simple\n")
    installed_repo.write("environment.yml", "name: trial\n")
    installed_repo.write("sub/poetry.lock", "elsewhere\n")
    installed_repo.write("notes.txt", "none\n")
    installed_repo.commit_all("Lock files")
    installed_repo.write("train.py", "print('changed')\n")
    repo = opened(installed_repo)
    with pytest.warns(UserWarning, match="train.py"):
        execution = created(repo, argv=["train.py", f"--token={secret}"], description="Why")
    parts = kept(execution.folder)
    assert parts is not None
    assert set(parts) == {
        *("configuration.json", "environment.json", "code.diff"),
        *("uv.lock", "requirements-dev.txt", "environment.yml"),
    }
    assert parts["uv.lock"] == ("text/plain", b"version = 1\n")
    assert b"print('changed')" in parts["code.diff"][1]
    assert json.loads(parts["configuration.json"][1])["description"] == "Why"
    assert not any(secret.encode() in data for _, data in parts.values())


def test_provenance_survives_a_failing_run(installed_repo: Machine) -> None:
    """EXE-10: what a run that failed depended on is sealed with it, byte for byte."""
    installed_repo.write("uv.lock", "version = 1\n")
    installed_repo.commit_all("Lock file")
    execution = created(opened(installed_repo), description="Why")
    with pytest.raises(ZeroDivisionError), execution:
        raise ZeroDivisionError("at once")
    entry = entry_of(execution)
    sealed = {each["name"]: each["digest"] for each in entry["attachments"]}
    parts = kept(execution.folder)
    assert parts is not None
    assert set(parts) <= set(sealed)
    registry = open_registry(execution.layout)
    assert {name: registry.read(sealed[name]) for name in parts} == {
        name: data for name, (_, data) in parts.items()
    }
    assert registry.manifest(document_of(execution)["sealed"]["manifest"])


def test_an_endless_configuration_leaves_room_for_the_state(installed_repo: Machine) -> None:
    """EXE-13: what an entry has no room for is in the attachment, and the state in the entry."""
    execution = created(opened(installed_repo), description="d" * 50_000, argv=["a" * 30_000, "b"])
    with execution:
        execution.update_status(execution.status, "m" * 5_000)
    entry = entry_of(execution)
    assert entry["execution"]["publication"] == "none"
    assert len(entry["execution"]["description"]) == 4_000
    assert "argv" not in entry["execution"]
    parts = kept(execution.folder)
    assert parts is not None
    assert len(json.loads(parts["configuration.json"][1])["description"]) == 50_000


WITHOUT_PYDANTIC = """
import sys
sys.modules["pydantic"] = None
from aexp.errors import MissingExtraError
import aexp
for use in (lambda: aexp.open_repo, lambda: __import__("aexp.execution")):
    try:
        use()
    except MissingExtraError as error:
        print(error.hint)
from aexp.cli.boundary import main
main(["status"])
"""


def test_without_pydantic(installed_repo: Machine) -> None:
    """A missing extra is one line that names what to install; other commands do not need it."""
    done = run_command(
        [sys.executable, "-c", WITHOUT_PYDANTIC], cwd=installed_repo.path, env=checkout_environ()
    )
    assert done.stdout.splitlines()[:2] == ["pip install 'aexp[execution]'"] * 2
    assert "runs here" in done.stdout


def test_the_repository_is_opened_from_anywhere_in_it(
    installed_repo: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EXE-01: `repo = aexp.open_repo()` in any folder of a repository, and nowhere else."""
    (installed_repo / "deep/er").mkdir(parents=True)
    monkeypatch.chdir(installed_repo / "deep/er")
    assert aexp.open_repo().root == installed_repo.path.resolve()
    with pytest.raises(NotARepositoryError):
        aexp.open_repo(installed_repo.path.parent)
