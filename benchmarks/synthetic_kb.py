"""The artifacts of a synthetic repository; they satisfy aexp and agentic-experiments 0.6."""

from __future__ import annotations

from pathlib import Path

from synthetic_runs import CONDITIONS, Run, Shape, artifact_id, file_stem

CITED_RUNS = 3
"""How many runs a finding with job citations cites."""

ARTIFACT = """\
---
id: "{id}"
aliases: ["{id}"]
type: {type}
{fields}created: "2026-01-05"
tags: []
---

# {id} — {title}

{sections}
## Links

{links}
"""

# The headings that either tool asks for.
SECTIONS = {
    "hypothesis": (
        "Statement", "Mechanism", "Why This Might Generalize", "Shortcut Risks", "Test Plan",
        "Evidence", "Conclusion",
    ),
    "experiment": (
        "Intent", "Objective", "Setup", "Procedure", "Progress", "Results", "Outcome Summary",
        "Caveats", "Decision",
    ),
    "finding": (
        "Finding", "Evidence", "Caveats", "What Improved For Real", "Remaining Debt", "Next Move",
    ),
}  # fmt: skip
FOLDERS = {"hypothesis": "hypotheses", "experiment": "experiments", "finding": "findings"}

ACTIVE = """\
---
aliases: ["ACTIVE"]
type: active-state
---

# Active State

## Current Objective

Measure how long the commands take.

## Next Step

Read the results.

## Blocker

None.

## Links

- [[CHALLENGE]]
"""
CHALLENGE = """\
---
aliases: ["CHALLENGE"]
type: mission
---

# Challenge

## Objective

Time the commands on a repository whose every run is made up.

## Context

Nothing was trained for it.

## Success Criteria

The targets are met.

## Constraints

None.

## Links

- [[ACTIVE]]
- [[DASHBOARD]]
"""
DASHBOARD = """\
---
aliases: ["DASHBOARD"]
type: dashboard
---

# Dashboard

## Entry Points

The findings.

## Links

- [[ACTIVE]]
- [[CHALLENGE]]
"""


def write_kb(kb: Path, shape: Shape, runs: list[Run]) -> None:
    """Write the folder ``kb`` of a repository of ``shape`` that has ``runs``."""
    for folder in FOLDERS.values():
        (kb / "research" / folder).mkdir(parents=True)
    (kb / "mission").mkdir()
    (kb / "ACTIVE.md").write_text(ACTIVE)
    (kb / "DASHBOARD.md").write_text(DASHBOARD)
    (kb / "mission" / "CHALLENGE.md").write_text(CHALLENGE)

    experiments = [artifact_id("E", n + 1) for n in range(shape.spread)]
    about = {artifact_id("F", n + 1): n % shape.spread for n in range(shape.findings)}
    _write_artifact(kb, "hypothesis", 1, "status: TESTING\n", [*experiments, *about])
    for number in range(shape.spread):
        found = [finding for finding, place in about.items() if place == number]
        fields = 'status: COMPLETED\nhypothesis: "H001"\n'
        _write_artifact(kb, "experiment", number + 1, fields, ["H001", *found])
    by_experiment: dict[str, list[Run]] = {name: [] for name in experiments}
    for run in runs:
        by_experiment[run.experiment_id].append(run)
    for number, place in enumerate(about.values()):
        experiment = experiments[place]
        fields = (
            f'hypothesis: "H001"\nexperiment: "{experiment}"\nimpact: "MEDIUM"\n'
            f"supporting_runs:\n{_citations(number, by_experiment[experiment])}"
        )
        _write_artifact(kb, "finding", number + 1, fields, ["H001", experiment])


def _citations(number: int, runs: list[Run]) -> str:
    """Return the citations of finding ``number``: single runs and batches in turns."""
    turn = number // 2
    if number % 2 == 0:
        first = [run for run in runs if run.document["status"] == "complete"]
        cited = [first[(turn + step) % len(first)] for step in range(CITED_RUNS)]
        return "".join(
            f"  - {{type: job, id: {run_id}}}\n"
            for run_id in dict.fromkeys(r.job_id for r in cited)
        )
    condition = CONDITIONS[turn % (len(CONDITIONS) - 1)]
    experiment = runs[0].experiment_id
    return (
        f"  - {{type: batch, experiment_id: {experiment}, selector: {{condition: {condition}}}}}\n"
    )


def _write_artifact(kb: Path, kind: str, number: int, fields: str, links: list[str]) -> None:
    prefix = kind[0].upper()
    sections = "".join(
        f"## {heading}\n\nWhat was thought, done and seen about it.\n\n"
        for heading in SECTIONS[kind]
    )
    text = ARTIFACT.format(
        id=artifact_id(prefix, number),
        type=kind,
        fields=fields,
        title=f"Synthetic {kind} {number}",
        sections=sections.removesuffix("\n"),
        links="\n".join(f"- [[{name}]]" for name in [*links, "ACTIVE", "CHALLENGE"]),
    )
    path = kb / "research" / FOLDERS[kind] / f"{file_stem(prefix, number)}.md"
    path.write_text(text, "utf-8")
