"""Filling templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexp import yaml
from aexp.errors import CorruptDataError, StorageError, UsageError
from aexp.kb import KINDS, Kind, parse_artifact
from aexp.kb.frontmatter import split
from aexp.kb.names import PARENTS, clean_title, file_name, slug_of
from aexp.kb.templating import PLACEHOLDERS, fill, read_template
from tests.kb.shapes import old_template

_TITLES = st.text(max_size=40) | st.text(
    st.sampled_from("\"'`{}[]<>!-#:%&*|\\ \n\té🧪TITLEDA\u2028\x85\x00\ud800"), max_size=20
)
_SPECIAL = ["null", "true", "1", "[[F999]]", "<!-- x", "{DATE}", "---", "# x", "a: b", "@x", "- x"]


def _filled(template: str, kind: Kind, title: str, **extra: Any) -> str:
    parents: dict[str, str] = {parent: f"{parent[0].upper()}001" for parent in PARENTS[kind]}
    values = {
        "ARTIFACT_ID": "F007",
        "TITLE": title,
        "DATE": "2026-01-02",
        "HYPOTHESIS_ID": parents.get("hypothesis", ""),
        "EXPERIMENT_ID": parents.get("experiment", ""),
        "IMPACT": "LOW",
        "LINKS_BLOCK": "\n".join(f"- [[{target}]]" for target in parents.values()),
    }
    fields: dict[str, Any] = {"id": "F007", "aliases": ["F007"], "type": kind, **parents, **extra}
    return fill(template, "templates/x.md", kind, values, fields)


def _front(text: str) -> Any:
    return yaml.load(split(text).yaml)


@pytest.mark.parametrize("kind", KINDS)
def test_packaged_templates_are_filled_to_the_last_word(tmp_path: Path, kind: Kind) -> None:
    """KB-01: no placeholder is left, and what experiments need is there (KB-02)."""
    template, name = read_template(tmp_path, kind)
    assert name == f"the packaged templates/{kind}.md"
    text = _filled(template, kind, "A title")
    assert not any(f"{{{word}}}" in text for word in PLACEHOLDERS)
    assert "# F007 — A title\n" in text
    assert text.endswith("\n")
    assert not text.endswith("\n\n\n")
    if kind == "experiment":
        front = _front(text)
        assert (front["conditions"], front["runner_command"]) == ({}, "")


@pytest.mark.parametrize("kind", KINDS)
@given(title=_TITLES | st.sampled_from(_SPECIAL), old=st.booleans())
def test_any_title_parses_and_breaks_nothing(kind: Kind, title: str, old: bool) -> None:
    """KB-01: titles with quotes, colons, unicode, brackets, newlines; old templates as well."""
    try:
        title = clean_title(title)
    except UsageError:
        return
    template = old_template(kind) if old else read_template(Path("/nowhere"), kind)[0]
    plain = parse_artifact(kind, f"kb/{kind}/F007.md", _filled(template, kind, "T").encode())
    text = _filled(template, kind, title)
    made = parse_artifact(kind, f"kb/{kind}/F007.md", text.encode())
    assert made.frontmatter == plain.frontmatter
    assert made.headings == plain.headings
    assert made.links == plain.links
    assert len(text.split("\n")) == len(_filled(template, kind, "T").split("\n"))


@given(_TITLES | st.sampled_from(_SPECIAL))
def test_a_title_is_itself_in_every_kind_of_scalar(title: str) -> None:
    """KB-01: a user's template may put the title wherever YAML takes a scalar."""
    try:
        title = clean_title(title)
    except UsageError:
        return
    template = (
        "---\r\na: \"{TITLE}\"\r\nb: '{TITLE}'\r\nc: {TITLE} # {TITLE}\r\nd: About {TITLE} here\r\n"
        "e: [x, {TITLE}, {ARTIFACT_ID}]\r\nf: |\r\n  {TITLE}\r\n  more\r\ng: {f: {TITLE}}\r\n"
        "h: {UNKNOWN}\r\n---\r\n{TITLE}\r\n"
    )
    front = _front(_filled(template, "hypothesis", title))
    assert [front[key] for key in "abcd"] == [title, title, title, f"About {title} here"]
    assert front["e"] == ["x", title, "F007"]
    assert front["f"] == f"{title}\nmore\n"
    assert front["g"] == {"f": title}
    assert front["h"] == {"UNKNOWN": None}


def test_what_the_validator_needs_is_added() -> None:
    """KB-01: a user's template may be as short as it likes."""
    for template in ("", "# {TITLE}", "---\n---\n", "---\nid: x\ntype: [a,\n  b]\n---\n## Links\n"):
        text = _filled(template, "finding", "T", supporting_runs=[{"type": "job", "id": "a" * 32}])
        made = parse_artifact("finding", "kb/F007.md", text.encode())
        assert made.problems == ()
        assert made.frontmatter == {
            "id": "F007",
            "aliases": ["F007"],
            "type": "finding",
            "hypothesis": "H001",
            "experiment": "E001",
            "supporting_runs": [{"type": "job", "id": "a" * 32}],
        }
        assert made.links == {"H001", "E001"}
        assert "Links" in made.headings


def test_citations_replace_what_the_template_has() -> None:
    """KB-01: supporting_runs is written where the template has it, comments stay."""
    cited = [{"type": "job", "id": "0" * 32}]
    wanted = f'# why\nsupporting_runs:\n  - {{type: job, id: "{"0" * 32}"}}\n# after\ntags: []\n'
    for present in ("[]\n", "\n  - {a: 1}\n  - b\n", "\n- a\n- b\n", "[a,\n  b]\n"):
        template = f"---\n# why\nsupporting_runs: {present}# after\ntags: []\n---\n## Links\n"
        text = _filled(template, "finding", "T", supporting_runs=cited)
        assert split(text).yaml.startswith(wanted)


def test_line_endings_of_the_template_are_kept() -> None:
    """KB-01: a Windows template makes a Windows file."""
    template = old_template("finding").replace("\n", "\r\n")
    text = _filled(template, "finding", "T", supporting_runs=[{"type": "job", "id": "0" * 32}])
    assert "\n" not in text.replace("\r\n", "")


@pytest.mark.parametrize(
    "template", ["---\nid: [\n---\n", "---\nid: x\n", "---\n- a\n---\n", "---\n{id: 1}\n---\n"]
)
def test_broken_templates_are_refused(template: str) -> None:
    """Trap 32: one line that names the template and what to do."""
    with pytest.raises(CorruptDataError, match=r"^templates/x\.md") as caught:
        _filled(template, "finding", "T")
    assert "delete it" in (caught.value.hint or "")


def test_the_repositorys_template_wins(tmp_path: Path) -> None:
    """KB-01: editable templates win over the packaged ones; unreadable ones are refused."""
    (tmp_path / "templates").mkdir()
    path = tmp_path / "templates" / "finding.md"
    path.write_bytes(b"mine\r\n")
    assert read_template(tmp_path, "finding") == ("mine\r\n", "templates/finding.md")
    path.write_bytes(b"\xff")
    with pytest.raises(CorruptDataError, match="not UTF-8"):
        read_template(tmp_path, "finding")
    path.unlink()
    path.mkdir()
    with pytest.raises(StorageError, match="cannot be read"):
        read_template(tmp_path, "finding")


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Wider wins", "wider-wins"),
        ('A "quoted": [thing]/../x', "a-quoted-thing-x"),
        ("Größe & Café", "groe-cafe"),
        ("It's fine", "its-fine"),
        ("実験", ""),
        ("word " * 30, "-".join(["word"] * 12)),
        ("x" * 100, "x" * 60),
    ],
)
def test_slugs(title: str, slug: str) -> None:
    """KB-01: a sane ASCII slug; a title without one gives a file named by its id alone."""
    assert slug_of(title) == slug
    assert file_name("F001", title) == (f"F001-{slug}.md" if slug else "F001.md")


@given(_TITLES)
def test_titles_and_slugs_are_safe(title: str) -> None:
    """KB-01, trap 18: one line of encodable text; nothing in a slug can leave the folder."""
    try:
        clean = clean_title(title)
    except UsageError:
        return
    assert clean == clean.strip()
    assert len(clean.splitlines()) == 1
    assert clean_title(clean) == clean
    assert clean.encode("utf-8").decode("utf-8") == clean
    slug = slug_of(clean)
    assert len(slug) <= 60
    assert all(part.isascii() and part.isalnum() for part in slug.split("-")) or slug == ""
    assert slug == slug.lower()
