"""Every code that ``validate`` can report, what it means and how to mend it.

Codes are public: scripts match on them, and ``aexp-validate`` explains them. An issue is made by
:func:`issue`, which refuses a code that is not in the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from aexp.model.issue import Issue, Severity


class CodeInfo(Struct, frozen=True):
    """What a code stands for.

    Attributes:
        severity: the usual severity; ``--strict-runs`` changes that of some ``finding`` codes.
        meaning: one sentence.
        mend: what to do about it, as one clause.
    """

    severity: Severity
    meaning: str
    mend: str


def _error(meaning: str, mend: str) -> CodeInfo:
    return CodeInfo("error", meaning, mend)


def _warning(meaning: str, mend: str) -> CodeInfo:
    return CodeInfo("warning", meaning, mend)


_BACKFILL = "`aexp ledger backfill && git push` on the machine that has the run"

CODES: Final[Mapping[str, CodeInfo]] = {
    # The structure of kb/ (VAL-07)
    "kb.alias_missing": _error(
        "The frontmatter's aliases do not hold the artifact's id, so links lead nowhere in an "
        "editor.",
        'add it: `aliases: ["F001"]`',
    ),
    "kb.bad_conditions": _error(
        "An experiment's conditions are no mapping of names to parameters.",
        "write `conditions: {full: {lr: 0.1}}`, or `conditions: {}` for none",
    ),
    "kb.bad_filename": _error(
        "A file among the artifacts has no name that aexp reads.",
        "rename it to `F001.md` or `F001-some-words.md` (H, E or F as its folder wants), or move "
        "it elsewhere",
    ),
    "kb.broken_link": _error(
        "A [[link]] names a hypothesis, experiment or finding that does not exist.",
        "correct the id, or take the link out",
    ),
    "kb.conflict": _error(
        "A merge conflict in the file is not resolved.", "edit it, then `git add` it"
    ),
    "kb.duplicate_id": _error(
        "Two files carry one id, most often after a merge of two branches.",
        "run `aexp kb renumber` with one of the two files, and commit what it changes",
    ),
    "kb.id_mismatch": _error(
        "The frontmatter's id is not the one in the file's name.", "make them agree"
    ),
    "kb.missing_backlink": _error(
        "A child names its parent, and one of the two does not link to the other.",
        "add the `[[id]]` under `## Links`",
    ),
    "kb.missing_field": _error("The frontmatter lacks a field that is needed.", "add it"),
    "kb.missing_frontmatter": _error(
        "The file does not begin with frontmatter between two --- lines, or it is never closed.",
        "add what is missing",
    ),
    "kb.missing_heading": _error(
        "A section without which the claim cannot be checked is missing.",
        "add the heading, and say under it what there is to say",
    ),
    "kb.missing_parent": _error(
        "The frontmatter names a hypothesis or experiment that does not exist.",
        "correct the id, or make the parent",
    ),
    "kb.not_utf8": _error("The file is not UTF-8 text.", "save it as UTF-8"),
    "kb.symlink": _error(
        "An artifact is a symbolic link, which is not followed; a folder of them is a warning.",
        "put the file itself there: git shares only where a link points",
    ),
    "kb.type_mismatch": _error(
        "The frontmatter's type is not what the folder holds.",
        "correct the type, or move the file",
    ),
    "kb.unreadable": _error(
        "The operating system refuses to read the file.", "check its permissions"
    ),
    "kb.yaml_error": _error(
        "The frontmatter is broken YAML.", "go to the line and column that are named"
    ),
    # Citations (VAL-02 to VAL-05)
    "finding.broken_run_citation": _error(
        "A citation is malformed, or cites a run that nobody knows.",
        f"correct the citation; if another machine has the run: {_BACKFILL}",
    ),
    "finding.empty_batch": _error(
        "A batch citation matches no ended run.",
        f"correct the selector; if another machine has the runs: {_BACKFILL}",
    ),
    "finding.absent_run_citation": _warning(
        "A cited run is known only from another machine's index.", _BACKFILL
    ),
    "finding.absent_batch_runs": _warning(
        "A batch's runs are known only from another machine's index.", _BACKFILL
    ),
    "finding.no_run_store": _warning(
        "Runs are cited, and there is no ledger, run store or index to look them up in.",
        f"pull the ledger, after {_BACKFILL}",
    ),
    "finding.unfinished_run": _error(
        "A cited run has not ended, so no other clone can see it.",
        "let it end, or see `aexp recover` when its process is gone",
    ),
    "finding.failed_run_cited": _warning(
        "A cited run failed or was abandoned.",
        "cite a complete run, or put `allow_failed: true` into the citation",
    ),
    "finding.other_experiment": _warning(
        "A cited run belongs to another experiment than the finding.",
        "cite this experiment's run, or put `role: baseline` into the citation",
    ),
    "finding.unshared_run": _warning(
        "A cited run has ended here and is not in the ledger.",
        "`aexp ledger backfill && git push`",
    ),
    "finding.retracted_run": _error(
        "A cited run was retracted from the ledger.", "cite another run, or withdraw the finding"
    ),
    # Numbers in the prose (VAL-09)
    "finding.number_mismatch": _error(
        "A cited number is not what the ledger has, at the precision shown.",
        "`aexp kb numbers F###` shows both, and `--fix` writes the ledger's",
    ),
    "finding.number_unresolved": _error(
        "A cited number cannot be looked up: a malformed link, or no such run or metric.",
        f"correct the link, or take it out; if another machine has the run: {_BACKFILL}",
    ),
    "finding.batch_changed": _warning(
        "The batch behind a cited number has not as many runs as when the number was written.",
        "look at the runs; `aexp kb numbers F### --fix` writes the number of today",
    ),
    # Runs (VAL-06)
    "run.orphan": _error(
        "A run has no `aexp` block in its document.", "`aexp link <id> --experiment E###`"
    ),
    "run.unlinked": _warning(
        "A cited run belongs to no experiment.", "`aexp link <id> --experiment E###`"
    ),
    "run.unreadable": _error(
        "A run's own files are damaged.",
        "restore them from a backup, or remove the run's folder if it is not needed",
    ),
    "run.broken_experiment_link": _error(
        "A run is linked to an experiment that has no file.",
        "`aexp link <id> --experiment E###`, or restore the experiment's file",
    ),
    "run.hypothesis_mismatch": _error(
        "A run's hypothesis is not its experiment's.",
        "`aexp link <id> --experiment E###`, or correct the experiment's hypothesis",
    ),
    "run.sub_hypothesis_unlisted": _error(
        "A run's sub-hypothesis is not among its experiment's `sub_hypotheses`.",
        "add it to the experiment, or link the run again",
    ),
    "run.status_invalid": _error(
        "A run's status is none that exists.", "correct the `status` in the run's document"
    ),
    "run.unpromoted": _warning(
        "A run has ended and was kept from entering the ledger.", "`aexp ledger backfill`"
    ),
    # Ledger (VAL-08)
    "ledger.malformed": _error(
        "A ledger file cannot be read as an entry.",
        "`aexp ledger backfill` on the machine that has the run, or restore it with git",
    ),
    "ledger.id_mismatch": _error(
        "An entry's id, its file name and its state point do not agree.",
        "restore it with git, or `aexp ledger backfill` on the machine that has the run",
    ),
    "ledger.digest_mismatch": _error(
        "An entry is not what was written: edited by hand, or a mixture of two versions.",
        "restore it with git, or `aexp ledger backfill` on the machine that has the run",
    ),
    "ledger.conflict": _error(
        "An entry is in an unfinished merge.",
        "run `aexp ledger resolve`, which makes one entry of both sides",
    ),
    "ledger.duplicate": _warning(
        "A run has more than one entry file; they are read as one.",
        "`aexp ledger reshard --to flat` (or `sharded`) makes one file of them",
    ),
    "ledger.replicate_disagreement": _warning(
        "Complete attempts of one run ended with different values of a metric.",
        "find out what differs (a seed, the data, a version) and record it in the state point; "
        "`policy: {replicate_tolerance: 0.1}` in aexp.yaml allows more",
    ),
    "ledger.attachment_damaged": _error(
        "A part of an entry that was too large for it is here and is not what the entry says.",
        "bring the file back from a backup; `aexp ledger verify` reports this",
    ),
    "ledger.outputs_wrong": _error(
        "What an entry lists as published by an execution is not whole, or proves something else.",
        "`aexp ledger backfill` on the machine that has the run; `aexp ledger verify` reports this",
    ),
    "ledger.stray": _warning(
        "A file stands among the entries and is none.", "move it out of the ledger"
    ),
    "ledger.unsanitized": _error(
        "An entry holds a secret or a path of one machine.",
        "`aexp ledger backfill` on the machine that has the run; a pushed secret must be revoked",
    ),
    "ledger.newer_schema": _error("An entry was written by a newer aexp.", "upgrade aexp here"),
    "ledger.unprovable": _warning(
        "An entry's state point is redacted, so its id cannot be proven.",
        "nothing, or record the run again without the redacted value",
    ),
    "ledger.deleted": _error(
        "A finding rests on an entry that the last commit has and the work tree has lost.",
        "`git restore` the file; to take a run back for good, cite another one first",
    ),
    "ledger.uncommitted": _warning(
        "A cited entry is not committed, so no other clone has it.",
        "`aexp ledger backfill && git push`, or `git add` it to the commit that cites it",
    ),
    # Settings (model.md, decision 9)
    "settings.malformed": _warning(
        "`aexp.yaml` cannot be used, so the usual settings were.", "correct the file"
    ),
    # Indexes (IDX-02)
    "index.malformed": _warning(
        "A runs index, or part of it, cannot be used.",
        "`aexp ledger backfill` replaces it; or `aexp runs-export-index` on its machine",
    ),
}


"""Every code there is, by family."""

STRICT_CODES: Final = frozenset(
    (
        "finding.broken_run_citation",
        "finding.empty_batch",
        "finding.unfinished_run",
        "finding.number_unresolved",
    )
)
"""What ``--strict-runs`` makes a warning or silent, malformed citations aside (VAL-02, VAL-03)."""


def issue(
    code: str,
    message: str,
    *,
    path: str = "",
    severity: Severity | None = None,
    detail: Mapping[str, Any] | None = None,
) -> Issue:
    """Return an issue with the table's severity, or with ``severity`` when given.

    Raises:
        KeyError: ``code`` is not in the table.
    """
    usual = CODES[code].severity
    return Issue(code, severity or usual, message, path, dict(detail or {}))
