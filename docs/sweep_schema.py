"""The JSON Schema of a sweep's spec (SWP-16).

A spec is written by people, in YAML: what it may say is said here by hand, from the same tables
that its reader has. ``tests/sweep/test_spec_schema.py`` holds the two against each other.
"""

from __future__ import annotations

from typing import Any, Final

from aexp.model.distributions import KINDS as DISTRIBUTIONS
from aexp.model.sweep import BACKENDS, METHODS

Schema = dict[str, Any]

NUMBERS: Final = {
    "uniform": "Every number from the first to the second is as likely.",
    "loguniform": "The logarithm is uniform; both ends are greater than 0.",
    "normal": "Mean and standard deviation.",
    "lognormal": "Mean and standard deviation of the logarithm.",
    "integer": "Every integer from the first to the second, both included.",
    "choice": "One of the values.",
}
METHOD_TEXTS: Final = {
    "monte_carlo": "Independent points.",
    "latin_hypercube": "Each of n equal parts of every parameter holds one point.",
    "sobol": "The points of a scrambled Sobol sequence; n is best a power of two.",
    "halton": "The points of a scrambled Halton sequence.",
}
SETTINGS: Final[dict[str, Schema]] = {
    "workers": {"description": "How many points run at once.", "type": "integer", "minimum": 1},
    "timeout": {
        "description": "How long one attempt of a point may take: 90s, 30m, 2h, 1d.",
        "type": "string",
        "pattern": "^[0-9]+[smhd]$",
    },
    "address": {"description": "The scheduler of a Dask cluster.", "type": "string"},
    "time": {"description": "The time limit of a Slurm job: 90m, 2h, 1d, or as sbatch takes it."},
    "sbatch": {"description": "More options of sbatch, by name.", "type": "object"},
    "setup": {
        "description": "Shell commands before the worker.",
        "type": "array",
        "items": {"type": "string"},
    },
    "requeue": {"description": "Queue a job again that was preempted.", "type": "boolean"},
    "poll": {
        "description": "Seconds between two looks at the queue.",
        "type": "number",
        "exclusiveMinimum": 0,
    },
    "srun": {
        "description": "More options of srun, as it takes them: --mem=4G.",
        "type": "array",
        "items": {"type": "string"},
    },
    "detach": {"description": "Leave the jobs running when the driver ends.", "type": "boolean"},
}


def _object(description: str, properties: Schema, required: tuple[str, ...] = ()) -> Schema:
    closed: Schema = {"description": description, "type": "object", "properties": properties}
    return {**closed, "required": list(required), "additionalProperties": False}


def _one_of(description: str, kinds: Schema) -> Schema:
    """Return the schema of a mapping with exactly one of some keys."""
    return {**_object(description, kinds), "minProperties": 1, "maxProperties": 1}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _named(description: str, values: Schema) -> Schema:
    """Return the schema of a mapping from names of parameters."""
    keys = {"pattern": "^[^\\u0000-\\u001f\\u007f]{1,256}$"}
    return {
        "description": description,
        "type": "object",
        "propertyNames": keys,
        "additionalProperties": values,
        "minProperties": 1,
    }


def _sampled(description: str) -> Schema:
    facts = {
        "n": {"description": "How many points.", "type": "integer", "minimum": 1, "maximum": 2**30},
        "seed": {
            "description": "The seed of the sweep; a fresh one is taken and recorded without it.",
            "type": "integer",
            "minimum": 0,
            "maximum": 2**64 - 1,
        },
        "parameters": _named("The distribution of each parameter.", _ref("Distribution")),
    }
    return _object(description, facts, ("n", "parameters"))


def _blocks() -> Schema:
    rows = {"type": "array", "items": {"type": "object"}, "minItems": 1}
    file = {
        "file": {"description": "The CSV file.", "type": "string", "minLength": 1},
        "sha256": {
            "description": "Its digest.",
            "type": "string",
            "pattern": "^sha256:[0-9a-f]{64}$",
        },
    }
    values = {
        "anyOf": [
            {"type": "array", "minItems": 1, "uniqueItems": True},
            {"type": "string", "pattern": r"\||\.\."},
        ]
    }
    return {
        "grid": _named(
            "All combinations of the values of each parameter: a list, a|b or 0..3.", values
        ),
        "explicit": {
            "description": "The points one by one: a CSV file, relative to the spec, or a list.",
            "anyOf": [
                {"type": "string", "minLength": 1},
                _object("A CSV file and its digest.", file, ("file",)),
                rows,
            ],
        },
        **{method: _sampled(METHOD_TEXTS[method]) for method in METHODS},
    }


def _distributions() -> Schema:
    pair = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
    whole = {**pair, "items": {"type": "integer"}}
    forms = dict.fromkeys(DISTRIBUTIONS, pair)
    forms |= {"integer": whole, "choice": {"type": "array", "minItems": 1}}
    return {kind: {"description": NUMBERS[kind], **form} for kind, form in forms.items()}


def _backend() -> Schema:
    kinds: list[Schema] = []
    for kind, settings in BACKENDS.items():
        facts: Schema = {"kind": {"description": "Where points are run.", "const": kind}}
        facts |= {name: SETTINGS[name] for name in settings}
        required = () if kind == "local" else ("kind",)
        kinds.append(_object(f"Points are run by the {kind} backend.", facts, required))
    names = {"description": "The kind alone.", "enum": list(BACKENDS)}
    return {"description": "Where points are run.", "anyOf": [names, *kinds]}


def _product() -> Schema:
    either = [
        {"type": "array", "items": _ref("Block"), "minItems": 1},
        {**_object("One block of each kind, in the order of their names.", _blocks()),
         "minProperties": 1},
    ]  # fmt: skip
    text = "Every combination of the points of several blocks; the last varies fastest."
    return {"description": text, "anyOf": either}


def sweep_schema(dialect: str) -> Schema:
    """Return the schema of a spec."""
    text = {"type": "string", "pattern": "\\S"}
    either = {"not": {"required": ["command", "callable"]}}
    root = _object(
        "What a sweep runs, over which parameters, and where.",
        {
            "experiment": {
                "description": "The experiment of the runs.",
                "type": "string",
                "pattern": "^E[0-9]{3,}$",
            },
            "script": {"description": "The file whose digest guards a resume.", **text},
            "command": {
                "description": "A command with {parameter} placeholders; {{ and }} are braces.",
                **text,
            },
            "callable": {
                "description": "A Python function instead of a command: module:function.",
                "type": "string",
                "pattern": "^[^:]+:[^:]+$",
            },
            "parameters": _ref("Parameters"),
            "fixed": {"description": "Values of every point.", "type": "object"},
            "repeat": {
                "description": "How often each point is run, with repeat: 0, 1, … in its state"
                " point.",
                "type": "integer",
                "minimum": 1,
            },
            "watch": {
                "description": "More files whose digests guard a resume.",
                "type": "array",
                "items": {"type": "string", "minLength": 1},
            },
            "backend": _backend(),
            "outputs": {
                "description": "Files of a point that the table gathers, by role; relative to"
                " its output folder.",
                "type": "object",
                "additionalProperties": {"type": "string", "minLength": 1},
            },
        },
        ("parameters",),
    )
    parameters = {**_blocks(), "product": _product()}
    parts = {
        "Parameters": _one_of("What varies: one kind.", parameters),
        "Block": _one_of("One part of a product.", _blocks()),
        "Distribution": _one_of("What a parameter is drawn from.", _distributions()),
    }
    return {"$schema": dialect, "title": "Sweep spec, version 1", **root, **either, "$defs": parts}
