"""Artifacts in the shapes that tests need."""

from __future__ import annotations

from pathlib import Path

from aexp.kb import Artifact, read_artifacts
from aexp.tree import WorkTree
from aexp.validate.kb import check_artifacts

HYPOTHESES = "kb/research/hypotheses"
EXPERIMENTS = "kb/research/experiments"
FINDINGS = "kb/research/findings"

OLD_HEADINGS = {
    "hypothesis": (
        "Statement",
        "Mechanism",
        "Why This Might Generalize",
        "Shortcut Risks",
        "Test Plan",
        "Evidence",
        "Conclusion",
    ),
    "experiment": (
        "Objective",
        "Setup",
        "Procedure",
        "Caveats",
        "Intent",
        "Progress",
        "Results",
        "Outcome Summary",
        "Decision",
    ),
    "finding": (
        "Finding",
        "Evidence",
        "Caveats",
        "What Improved For Real",
        "Remaining Debt",
        "Next Move",
    ),
}
"""The sections that agentic-experiments 0.6.x demands, besides Links."""

HYPOTHESIS = """\
---
id: "H001"
aliases: ["H001"]
type: hypothesis
---

# H001

## Statement

Wider is better.

## Test Plan

Try it.

## Links

- [[E001]]
- [[F001]]
"""

EXPERIMENT = """\
---
id: E001
aliases: [E001]
type: experiment
hypothesis: H001
conditions:
  full: {lr: 0.1, net: {width: 64, depth: 2}}
  small: {lr: 0.2}
---

## Objective

Which?

## Procedure

Run it.

## Links

- [[H001]]
- [[F001]]
"""

FINDING = """\
---
id: F001
aliases:
  - F001
type: finding
hypothesis: H001
experiment: E001
supporting_runs:
  - {type: batch, experiment_id: E001, selector: {condition: full}}
---

## Finding

It is.

## Evidence

See.

## Links

- [[H001]]
- [[E001]]
"""

CLEAN = {
    f"{HYPOTHESES}/H001-wider.md": HYPOTHESIS,
    f"{EXPERIMENTS}/E001.md": EXPERIMENT,
    f"{FINDINGS}/F001.md": FINDING,
}
"""Three artifacts without a fault."""


def write_all(root: Path, files: dict[str, str | bytes]) -> None:
    """Write files below ``root``, text with the line endings it has."""
    for path, content in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)


def artifacts_of(root: Path) -> list[Artifact]:
    """Return the artifacts on disk, git aside."""
    return read_artifacts(WorkTree(root, has_git=False))


def codes_of(root: Path) -> list[tuple[str, str]]:
    """Return (code, file name) of every issue on disk."""
    return [(i.code, i.path.rpartition("/")[2]) for i in check_artifacts(artifacts_of(root))]


def old_template(kind: str) -> str:
    """Return a template with the placeholders and sections that 0.6.x repositories have."""
    fields = {
        "hypothesis": 'status: PROPOSED\nthread: "{THREAD_ID}"\nlast_updated: "{DATE}"\n',
        "experiment": 'status: DESIGNED\nhypothesis: "{HYPOTHESIS_ID}"\ncompleted: ""\n'
        '# {key} and {sp_json} are not for us\nrunner_command: ""\nconditions: {}\n',
        "finding": 'hypothesis: "{HYPOTHESIS_ID}"\nexperiment: "{EXPERIMENT_ID}"\n'
        'impact: "{IMPACT}"\n',
    }[kind]
    sections = "".join(f"## {heading}\n\n_{{words}}_\n\n" for heading in OLD_HEADINGS[kind])
    return (
        f'---\nid: "{{ARTIFACT_ID}}"\naliases: ["{{ARTIFACT_ID}}"]\ntype: {kind}\n{fields}'
        f'created: "{{DATE}}"\ntags: []\n---\n\n# {{ARTIFACT_ID}} — {{TITLE}}\n\n'
        f"> **Hypothesis**: {{HYPOTHESIS_ID}} on {{DATE}}\n\n{sections}## Links\n\n"
        "{LINKS_BLOCK}\n"
    )
