"""What SARIF 2.1.0 and GitHub's code scanning ask of a log, as far as this program writes one.

The standard's schema forbids properties it does not know, so each kind of object is listed here
with all the properties that may stand in it, their types, and which of them must be there. Where
GitHub's documentation of code scanning asks for more than the standard, it is marked.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Check = Callable[[Any, str], None]


def text(value: Any, where: str) -> None:
    assert isinstance(value, str) and value, where
    value.encode("utf-8")


def whole(minimum: int) -> Check:
    def check(value: Any, where: str) -> None:
        assert isinstance(value, int) and not isinstance(value, bool) and value >= minimum, where

    return check


def flag(value: Any, where: str) -> None:
    assert isinstance(value, bool), where


def one_of(*allowed: str) -> Check:
    def check(value: Any, where: str) -> None:
        assert value in allowed, where

    return check


def like(pattern: str) -> Check:
    def check(value: Any, where: str) -> None:
        assert isinstance(value, str) and re.fullmatch(pattern, value), f"{where}: {value!r}"

    return check


def list_of(item: Check, *, least: int = 0, most: int = 25_000) -> Check:
    def check(value: Any, where: str) -> None:
        assert isinstance(value, list) and least <= len(value) <= most, where
        for index, inner in enumerate(value):
            item(inner, f"{where}[{index}]")

    return check


def shape(**properties: Check) -> Check:
    """Return a check of an object; ``name_`` stands for ``$name``, ``a__b`` for ``a.b``."""
    known = {spelled(name): check for name, check in properties.items()}
    needed = {spelled(name) for name in properties if name.endswith("_must")}

    def check(value: Any, where: str) -> None:
        assert isinstance(value, dict), where
        assert needed <= value.keys(), f"{where} lacks {needed - value.keys()}"
        assert value.keys() <= known.keys(), f"{where} has {value.keys() - known.keys()}"
        for name, inner in value.items():
            known[name](inner, f"{where}.{name}")

    return check


def spelled(name: str) -> str:
    name = name.removesuffix("_must")
    return {"schema": "$schema"}.get(name, name.replace("__", "."))


MESSAGE = shape(text_must=text, markdown=text)
RULE = shape(
    id_must=text,
    shortDescription_must=MESSAGE,  # GitHub
    fullDescription_must=MESSAGE,  # GitHub
    help_must=MESSAGE,  # GitHub
    defaultConfiguration=shape(level=one_of("none", "note", "warning", "error")),
    properties=shape(
        tags=list_of(text, most=20),  # GitHub
        problem__severity=one_of("error", "warning", "recommendation"),  # GitHub
    ),
)
LOCATION = shape(
    physicalLocation_must=shape(  # GitHub
        artifactLocation_must=shape(  # GitHub
            uri_must=like(r"(?!/)(?:[A-Za-z0-9._~/-]|%[0-9A-F]{2})+"), uriBaseId=text
        ),
        region_must=shape(startLine_must=whole(1), startColumn=whole(1)),  # GitHub
    )
)
RESULT = shape(
    ruleId_must=text,
    ruleIndex=whole(0),
    level=one_of("none", "note", "warning", "error"),
    message_must=shape(text_must=text),
    locations_must=list_of(LOCATION, least=1, most=10),  # GitHub
    partialFingerprints_must=shape(  # GitHub
        primaryLocationLineHash_must=like("[0-9a-f]{16}:[1-9][0-9]*")
    ),
)
RUN = shape(
    tool_must=shape(
        driver_must=shape(
            name_must=text,
            semanticVersion=text,
            rules_must=list_of(RULE),  # GitHub: rules
        )
    ),
    automationDetails=shape(id=text),
    columnKind=one_of("utf16CodeUnits", "unicodeCodePoints"),
    invocations=list_of(shape(executionSuccessful_must=flag, exitCode=whole(0))),
    results_must=list_of(RESULT),
)
LOG = shape(schema=like(r"https://.+/sarif-schema-2\.1\.0\.json"), version_must=one_of("2.1.0"),
            runs_must=list_of(RUN, least=1, most=20))  # fmt: skip


def check_log(value: Any) -> None:
    """Assert that a value is a SARIF log that code scanning takes."""
    LOG(value, "log")
    for run in value["runs"]:
        rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
        assert len(rules) == len(set(rules))
        prints = []
        for result in run["results"]:
            assert rules[result["ruleIndex"]] == result["ruleId"]
            assert not re.search(r"\[[^\]]*\]\(", result["message"]["text"])
            prints.append(result["partialFingerprints"]["primaryLocationLineHash"])
        assert len(prints) == len(set(prints))
