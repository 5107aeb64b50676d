"""The result of ``validate`` as SARIF 2.1.0, which code scanning services read (VAL-01).

Source of the form: the OASIS standard, and what GitHub's documentation asks of an upload: rules
with descriptions and help, a location for every result, and a ``primaryLocationLineHash`` that
stays when lines move.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from aexp.model.issue import Issue
from aexp.validate.codes import CodeInfo
from aexp.validate.engine import ValidationResult
from aexp.validate.render import place_of, printable

SCHEMA: Final = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
ANYWHERE: Final = "kb/research"
"""Where a result stands that is about no single file; a result without a place is refused."""

_WHAT: Final = (
    "job_id", "experiment_id", "selector", "id", "field", "heading", "target", "named", "stated"
)  # fmt: skip
"""What of an issue's detail tells it from others of its code and file, wherever it stands."""


def as_sarif(
    result: ValidationResult, codes: Mapping[str, CodeInfo], *, version: str
) -> dict[str, Any]:
    """Return the result as one SARIF log.

    Args:
        result: what was found.
        codes: the table that the rules come from; all of them are listed.
        version: of this program.
    """
    rules = sorted(codes)
    driver = {
        "name": "aexp",
        "semanticVersion": version,
        "rules": [_rule(code, codes[code]) for code in rules],
    }
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"aexp-validate/{result.mode}/"},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": True, "exitCode": 0 if result.ok else 1}],
        "results": list(_results(result, {code: i for i, code in enumerate(rules)})),
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str, info: CodeInfo) -> dict[str, Any]:
    family = code.partition(".")[0]
    return {
        "id": code,
        "shortDescription": {"text": info.meaning},
        "fullDescription": {"text": info.meaning},
        "help": {
            "text": f"{info.meaning} To mend it: {info.mend}.",
            "markdown": f"{info.meaning}\n\nTo mend it: {info.mend}.",
        },
        "defaultConfiguration": {"level": info.severity},
        "properties": {"tags": [family], "problem.severity": info.severity},
    }


def _results(result: ValidationResult, index: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    seen: Counter[str] = Counter()
    for issue in result.issues:
        print_ = fingerprint(issue)
        seen[print_] += 1
        yield {
            "ruleId": issue.code,
            **({"ruleIndex": index[issue.code]} if issue.code in index else {}),
            "level": issue.severity,
            "message": {"text": _message(issue)},
            "locations": [{"physicalLocation": _location(issue)}],
            "partialFingerprints": {"primaryLocationLineHash": f"{print_}:{seen[print_]}"},
        }


def fingerprint(issue: Issue) -> str:
    """Return what an issue keeps when lines move and words change: a hash of what it is about."""
    about = [f"{key}={issue.detail[key]}" for key in _WHAT if key in issue.detail]
    parts = (issue.code, issue.path, *(about or [issue.message]))
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:16]


def _message(issue: Issue) -> str:
    """Return the message such that no part of it is taken for a link: ``[text](target)``."""
    return printable(issue.message).replace("](", "] (")


def _location(issue: Issue) -> dict[str, Any]:
    artifact = {"uri": uri_of(issue.path or ANYWHERE), "uriBaseId": "%SRCROOT%"}
    line, column = place_of(issue)
    region = {"startLine": line or 1}
    if line and column:
        region["startColumn"] = column
    return {"artifactLocation": artifact, "region": region}


def uri_of(path: str) -> str:
    """Return a path below the root as a relative URI; any byte but the plainest is escaped."""
    return quote(os.fsencode(path), safe="/")
