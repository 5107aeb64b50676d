"""Remotes in aexp.yaml: what is understood, what is refused, and that no secret shows (SHR-01)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexp.errors import MissingExtraError, UnsafeValueError, UsageError
from aexp.model.remote import parse_remote
from aexp.registry.remotes import open_remote
from aexp.repo import open_layout, read_remotes
from aexp.yaml import key_lines
from tests.support.machines import Machine

SECRET = "hunter2-Xk39fQ"


def test_what_is_understood() -> None:
    """SHR-01: URLs, folders, another S3, one default or the only one."""
    remotes = read_remotes(
        b"remotes:\n"
        b"  lab: sftp://me@login.example.org:2222/data/aexp\n"
        b"  home: ssh://lab/~/aexp\n"
        b"  disk: ../shared disk\n"
        b"  mount: file:///mnt/lab\n"
        b"  cloud: {url: s3://bucket/some/prefix, endpoint_url: https://minio.example.org:9000}\n"
        b"default_remote: cloud\n"
    )
    lab, home, disk, mount, cloud = remotes.addresses.values()
    assert (lab.user, lab.host, lab.port) == ("me", "login.example.org", 2222)
    assert (lab.path, lab.name) == ("/data/aexp", "lab")
    assert (home.scheme, home.path, home.port) == ("ssh", "/~/aexp", None)
    assert (disk.scheme, disk.path) == ("file", "../shared disk")
    assert (mount.scheme, mount.path) == ("file", "/mnt/lab")
    assert (cloud.host, cloud.path) == ("bucket", "/some/prefix")
    assert cloud.endpoint == "https://minio.example.org:9000"
    assert remotes.default == "cloud"
    assert read_remotes(b"remotes: {lab: /mnt/lab}").default == "lab"
    assert read_remotes(b"remotes: {a: /mnt/a, b: /mnt/b}").default is None
    assert read_remotes(b"policy: {}").addresses == {}


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (1, "remotes: [a, b]", "no mapping"),
        (2, "remotes:\n  lab: 3", "has no URL"),
        (3, "remotes:\n  ok: /mnt\n  lab: {path: x}", "has no URL"),
        (2, "remotes:\n  lab: {url: /x, pass: y}", "no other setting"),
        (2, "remotes:\n  lab: {url: /x, endpoint_url: 3}", "no other setting"),
        (2, "remotes:\n  lab: host:/path", "neither a URL nor a folder"),
        (2, "remotes:\n  lab: data/share", "neither a URL nor a folder"),
        (2, "remotes:\n  lab: sftp://host", "folder on the host is missing"),
        (2, "remotes:\n  lab: sftp:///path", "host's name is missing"),
        (2, "remotes:\n  lab: sftp://host:99999/path", "port"),
        (2, "remotes:\n  lab: s3:///x", "bucket is missing"),
        (2, "remotes:\n  lab: file://host/path", "three slashes"),
        (2, "remotes:\n  lab: s3://bucket/x?versionId=3", "ends with its path"),
        (2, "remotes:\n  'a b': /x", "letters, digits"),
        (3, "remotes:\n  lab: /x\ndefault_remote: lob", "names no remote; there is lab"),
        (1, "default_remote: lab", "names no remote"),
        (5, "policy: {}\n# c\nremotes:\n  a: /x\n  lab: sftp://h", "folder on the host"),
        (2, "remotes:\n  lab: simplecache::s3://bucket/x", "neither a URL nor a folder"),
    ],
)
def test_a_wrong_setting_is_told_with_its_line(
    repo: Machine, line: int, text: str, message: str
) -> None:
    """SHR-01, trap 32: one line and a hint; nothing is guessed."""
    repo.write("aexp.yaml", text)
    done = repo.aexp_fast("push", "x", check=False).require(7)
    error, hint = done.stderr.splitlines()
    assert error.startswith(f"error: aexp.yaml, line {line}: ")
    assert message in error
    assert hint.startswith("hint: ")


@pytest.mark.parametrize(
    ("url", "where"),
    [
        (f"sftp://me:{SECRET}@host/path", "ssh agent"),
        (f"ssh://me:{SECRET}@host/path", "ssh agent"),
        (f"s3://AKIA0123456789ABCDEF:{SECRET}@bucket/x", "~/.aws/credentials"),
        (f"s3://{SECRET}@bucket/x", "AWS_PROFILE"),
        (f"gs://{SECRET}@bucket/x", "settings of that service"),
        (f"https://host/path?token={SECRET}", "settings of that service"),
        (f"sftp://a@b:{SECRET}@host/path", "ssh agent"),
        (f"file://me:{SECRET}@host/path", "settings of that service"),
    ],
)
def test_credentials_are_refused_and_never_shown(repo: Machine, url: str, where: str) -> None:
    """SHR-01, trap 17: neither in the file nor on the command line; the hint says where instead."""
    repo.write("aexp.yaml", f'remotes:\n  lab: "{url}"\n')
    for args, code in ((("push", "x"), 7), (("pull", "x", "--remote", url), 2)):
        done = repo.aexp_fast(*args, check=False).require(code)
        assert "may not hold credentials" in done.stderr
        assert where in done.stderr
        assert SECRET not in done.output
    assert SECRET not in repo.aexp_fast("registry", "remotes", check=False).output


@pytest.mark.parametrize("url", ["sftp://me:pw@h/x", "sftp://me:@h/x", "s3://me@b/x", "gs://@b/x"])
def test_what_stands_where_credentials_do_is_refused(url: str) -> None:
    """SHR-01: a short password does not look like a secret, but its place tells."""
    with pytest.raises(UnsafeValueError):
        parse_remote(url)


def test_an_endpoint_with_credentials() -> None:
    """SHR-01: the other place where a secret could slip in."""
    with pytest.raises(UnsafeValueError, match="endpoint holds credentials"):
        parse_remote("s3://bucket/x", endpoint=f"https://key:{SECRET}@host")
    with pytest.raises(UsageError, match="no http"):
        parse_remote("s3://bucket/x", endpoint="minio:9000")


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_a_clean_error(text: str) -> None:
    """SHR-01, trap 32: no text makes anything else than an address or an error of ours."""
    for candidate in (text, f"sftp://{text}", f"s3://{text}", f"file://{text}", f"/{text}"):
        try:
            address = parse_remote(candidate, name="lab")
        except UsageError:
            continue
        assert address.url == candidate
        assert "@" not in address.host


def test_which_remote_is_meant(repo: Machine, tmp_path: Path) -> None:
    """SHR-01: a name, the default, a URL or a folder; else an error with a way out."""
    repo.write("aexp.yaml", "remotes:\n  a: /mnt/a\n  b: /mnt/b\n")
    done = repo.aexp_fast("pull", "x", check=False).require(4)
    assert "several remotes (a, b) and no default_remote" in done.stderr
    done = repo.aexp_fast("pull", "x", "--remote", "c", check=False).require(4)
    assert "there is no remote 'c'" in done.stderr
    assert "aexp.yaml has: a, b" in done.stderr
    done = repo.aexp_fast("pull", "x", "--remote", f"{tmp_path}/none", check=False).require(4)
    assert "knows 'x'" in done.stderr
    done = repo.aexp_fast("pull", "x", "--remote", "no-such://x", check=False).require(2)
    assert "no remote can be opened" in done.stderr
    repo.write("aexp.yaml", "remotes:\n  a: {url: sftp://h/x, endpoint_url: https://h}\n")
    done = repo.aexp_fast("pull", "x", check=False).require(2)
    assert "endpoint_url is for s3://" in done.stderr
    repo.write("aexp.yaml", "remotes: {lab: ")
    done = repo.aexp_fast("pull", "x", check=False).require(7)
    assert "aexp.yaml: line 1" in done.stderr


@pytest.mark.parametrize(
    ("url", "package"), [("sftp://h/x", "paramiko"), ("s3://b/x", "s3fs"), ("s3://b/x", "fsspec")]
)
def test_a_missing_extra(
    repo: Machine, monkeypatch: pytest.MonkeyPatch, url: str, package: str
) -> None:
    """SHR-01: one line that names the pip command; a folder needs nothing."""
    if package == "s3fs":
        loaded = pytest.importorskip("fsspec.registry")
        monkeypatch.delitem(loaded._registry, "s3", raising=False)
    for name in [n for n in sys.modules if n.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError) as caught:
        open_remote(open_layout(repo), parse_remote(url, name="lab")).size("x")
    assert caught.value.hint == "pip install 'aexp[remotes]'"
    folder = open_remote(open_layout(repo), parse_remote(str(repo / "remote")))
    assert folder.size("x") is None


def test_a_folder_counts_from_the_root_of_the_repository(repo: Machine) -> None:
    """SHR-01: a relative remote is one place, whatever folder a command starts in."""
    (repo / "sub").mkdir()
    remote = open_remote(open_layout(repo / "sub"), parse_remote("./bytes"))
    remote.write("a", b"x")
    assert (repo / "bytes" / "a").read_bytes() == b"x"


@given(
    st.recursive(
        st.dictionaries(st.sampled_from("abc"), st.integers(0, 9), max_size=3),
        lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        max_leaves=8,
    )
)
def test_lines_of_keys(value: dict[str, object]) -> None:
    """SHR-01: every key of nested mappings is found on its line."""
    lines: list[str] = []
    wanted: dict[tuple[str, ...], int] = {}

    def write(part: dict[str, object], path: tuple[str, ...]) -> None:
        for key, item in part.items():
            inner = item if isinstance(item, dict) and item else None
            shown = "" if inner else " {}" if isinstance(item, dict) else f" {item}"
            lines.append("  " * len(path) + f"{key}:{shown}")
            wanted[(*path, key)] = len(lines)
            if inner:
                write(inner, (*path, key))

    write(value, ())
    text = "\n".join(lines)
    assert key_lines(text) == wanted
