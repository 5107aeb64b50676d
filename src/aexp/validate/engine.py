"""Run the rules over the facts (VAL-01)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, Literal, TypeAlias, cast, get_args

from msgspec import Struct

from aexp.errors import UsageError
from aexp.model.issue import Issue
from aexp.repo import open_layout
from aexp.settings import hook_index_file
from aexp.tree import GitTree, Tree
from aexp.validate import citations, indexes, kb, ledger, replicates, runs
from aexp.validate.facts import Facts, Mode, StrictRuns, gathered

Rule: TypeAlias = Callable[[Facts], list[Issue]]


class ValidationResult(Struct, frozen=True):
    """What ``validate`` found.

    Attributes:
        issues: everything, in an order that does not depend on the file system.
        mode: what was looked at.
        strict_runs: how grave citations of unknown runs were taken.
        findings: how many findings there are.
        runs: how many runs ledger and local store hold together.
        staged: whether git's index was looked at instead of the work tree.
    """

    issues: tuple[Issue, ...]
    mode: Mode = "full"
    strict_runs: StrictRuns = "error"
    findings: int = 0
    runs: int = 0
    staged: bool = False

    @property
    def errors(self) -> list[Issue]:
        """The issues that make ``aexp validate`` exit 1."""
        return [issue for issue in self.issues if issue.severity == "error"]

    @property
    def warnings(self) -> list[Issue]:
        """The issues that do not."""
        return [issue for issue in self.issues if issue.severity == "warning"]

    @property
    def ok(self) -> bool:
        """Whether there is no error; there may be warnings."""
        return not self.errors


_NAMES_OF_0_6: dict[str, Mode] = {"kb-only": "kb", "runs-only": "runs"}


def validate_repo(
    repo_root: str | Path | None = None,
    *,
    mode: Mode | Literal["kb-only", "runs-only"] = "full",
    strict_runs: StrictRuns = "error",
    tree: Tree | None = None,
    staged: bool = False,
) -> ValidationResult:
    """Check what the repository claims against the runs that are known (VAL-01). Writes nothing.

    Args:
        repo_root: any folder of the repository; the working directory when None. A folder outside
            git is taken as it is.
        mode: ``kb`` checks the artifacts and the shape of citations, ``runs`` the runs, the
            ledger and the indexes, ``full`` all that and what the findings cite. The names that
            0.6.x has for them, ``kb-only`` and ``runs-only``, mean the same.
        strict_runs: a citation of an unknown run is an error, a warning (``warn``) or not
            mentioned (``off``).
        tree: where ``kb/`` and the ledger are read from instead of the work tree.
        staged: judge what git's index holds, of ``kb/``, ledger and indexes (VAL-10); inside a
            hook that is the index git gave to it. Local runs are still looked up.

    Raises:
        UsageError: ``mode`` or ``strict_runs`` is none of the above, or both ``tree`` and
            ``staged`` are given.
        NotARepositoryError: the working directory is in no repository.
        CorruptDataError: ``.aexp/installed.json`` is damaged.
    """
    mode = _NAMES_OF_0_6.get(mode) or cast(Mode, mode)
    _check_choice("mode", mode, get_args(Mode))
    _check_choice("strict_runs", strict_runs, get_args(StrictRuns))
    if staged and tree is not None:
        raise UsageError("a tree and what is staged exclude each other", hint="give one of them")
    layout = open_layout(repo_root, require_git=staged or repo_root is None)
    index = GitTree(layout.root, index_file=hook_index_file()) if staged else None
    with gathered(layout, tree, mode, strict_runs, index) as facts:
        found = [issue for rule in RULES[mode] for issue in rule(facts)]
        return ValidationResult(
            _in_order(found), mode, strict_runs, len(facts.findings), len(facts.runs), staged
        )


def _check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UsageError(f"{name} cannot be {value!r}", hint="one of: " + ", ".join(allowed))


def _in_order(issues: Iterable[Issue]) -> tuple[Issue, ...]:
    """Sort the issues, leaving out what two rules said in the same words."""
    unique = {(i.code, i.severity, i.path, i.message): i for i in issues}
    return tuple(sorted(unique.values(), key=lambda i: (i.sort_key(), i.severity)))


def _check_artifacts(facts: Facts) -> list[Issue]:
    return kb.check_artifacts(facts.artifacts)


def _check_readable_artifacts(facts: Facts) -> list[Issue]:
    """Report artifacts that links and citations could not be read from (trap 29)."""
    return [issue for artifact in facts.artifacts for issue in artifact.problems]


def _check_numbers(facts: Facts) -> list[Issue]:
    """Compare cited numbers; what that takes is loaded only where there are some (VAL-09)."""
    if not any(finding.numbers for finding in facts.findings):
        return []
    from aexp.validate.numbers import check_numbers

    return check_numbers(facts)


_RUN_RULES: Final[tuple[Rule, ...]] = (
    runs.check_runs,
    runs.check_entry_links,
    runs.check_promotions,
    ledger.check_ledger,
    replicates.check_replicates,
    replicates.check_settings,
    indexes.check_indexes,
)

RULES: Final[Mapping[Mode, tuple[Rule, ...]]] = {
    "kb": (_check_artifacts, _check_readable_artifacts, citations.check_shapes),
    "runs": (_check_readable_artifacts, *_RUN_RULES),
    "full": (
        _check_artifacts,
        _check_readable_artifacts,
        citations.check_shapes,
        citations.check_sources,
        citations.check_citations,
        _check_numbers,
        *_RUN_RULES,
        ledger.check_committed,
        ledger.check_lost,
    ),
}
"""Which rules each mode applies; those that wait for git come last."""
