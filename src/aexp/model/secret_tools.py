"""Which arguments of which tools are secrets: what their manuals say (LED-02).

Only what a name does not tell is in the table: one letter (``-p``), a place (the third word), or a
word that means something else elsewhere. Options such as ``--password`` are read like any name.
"""

from __future__ import annotations

from msgspec import Struct

from aexp.model.late_pattern import LatePattern

__all__ = [
    "ANYWHERE",
    "FAMILIES",
    "LIKELY_ONES",
    "NEXT",
    "OF_SHARE",
    "ORACLE",
    "STEMS_OF_FAMILIES",
    "TOOLS",
    "VALUES",
    "Tool",
]


class Tool(Struct, frozen=True):
    """Where a tool takes secrets.

    Attributes:
        apart: options with a secret behind them, apart or attached.
        attached: options with a secret attached, and none behind a blank.
        logins: options with ``user:secret``.
        sign: what stands between user and secret.
        after: word of a subcommand -> which of the arguments after it are secrets, or one of the
            signs below. A word with a dot at its end is the beginning of one
            (``http-basic.lab``).
        strict: an option's argument counts only when it cannot be a number or a word.
        likely: an argument counts only when it can be a password and is neither word nor number.
    """

    apart: tuple[str, ...] = ()
    attached: tuple[str, ...] = ()
    logins: tuple[str, ...] = ()
    sign: str = ":"
    after: tuple[tuple[str, tuple[int, ...]], ...] = ()
    strict: bool = False
    likely: bool = False


ANYWHERE, NEXT, LIKELY_ONES, OF_SHARE, VALUES = range(-1, -6, -1)
"""In place of the number of an argument.

Anywhere: the first few that chance made. Next: the first if chance made it. Likely ones: those of
the first few that can be passwords. Of a share: what stands behind ``\\\\server\\share``. Values:
what stands behind ``=``.
"""
_CURL = Tool(logins=("-u", "-U", "--user", "--proxy-user"), apart=("--oauth2-bearer", "--pass"))
_HTTPIE = Tool(logins=("-a", "--auth"))
_MYSQL = Tool(attached=("-p",), after=(("password", (LIKELY_ONES,)),))
_BY_P = Tool(apart=("-p",))
_BY_CAPITAL = Tool(apart=("-P",))
_BY_W = Tool(apart=("-w",))
_SMB = Tool(logins=("-U", "--user", "-a"), sign="%", after=(("", (LIKELY_ONES,)),))
_LDAP = Tool(apart=("-w", "-y"))
_LOGIN = Tool(apart=("-p", "-t", "-k", "-w"), after=(("", (ANYWHERE,)),))
_HELD = Tool(after=(("", (ANYWHERE,)),))
_FIRST = Tool(after=(("", (NEXT,)),))
_ANY_AFTER = Tool(after=(("", (0,)),), strict=True)
ORACLE = Tool(logins=("",), sign="/")
_BY_T = Tool(apart=("-t", "--auth"), strict=True)
_BY_K = Tool(apart=("-k", "-K"), after=(("setapikey", (0,)), ("setApiKey", (0,))), strict=True)
_LIKELY = Tool(after=(("", (LIKELY_ONES,)),))
_PRINCIPAL = Tool(apart=("-pw",))
_SNMP = Tool(apart=("-A", "-X", "-c"), likely=True)
_KEPT = Tool(
    apart=("--value", "--secret-string", "--string-value", "--body", "-v"),
    after=(("put", (VALUES,)), ("write", (VALUES,)), ("patch", (VALUES,)), ("set", (VALUES,))),
    likely=True,
)

_BATCH = ("-b", "-bc", "-cb", "-bB", "-Bb", "-cbB", "-Bbc", "-bn", "-nb", "-nbB", "-Bbn", "-bnB")


def _names(text: str, tool: Tool) -> dict[str, Tool]:
    return dict.fromkeys(text.split(), tool)


_SETTERS = " ".join(
    f"{verb}{sign}{what}".replace("~", sign)
    for verb in ("set", "add", "use", "store", "save", "register")
    for sign in ("-", "_", "")
    for what in ("key", "api~key", "apikey", "credentials", "credential", "secret")
)
TOOLS: dict[str, Tool] = {
    **_names("curl curlie hurl ab aria2c wrk", _CURL),
    **_names("http https xh xhs httpie", _HTTPIE),
    **_names("7z 7za 7zr 7zz rar unrar", Tool(attached=("-p", "-hp"))),
    **_names("cqlsh influx rdesktop psexec twine snowsql sshpass ncftpput ncftpget ncftp", _BY_P),
    **_names("useradd usermod evil-winrm crackmapexec nxc mssql-cli arangosh hdbsql", _BY_P),
    **_names("isql-fb cypher-shell couchbase-cli cbq cbbackupmgr cbimport cbexport dsbulk", _BY_P),
    **_names("rabbitmqadmin kcadm racadm steghide mutool tabcmd yt-dlp youtube-dl", _BY_P),
    **_names("gallery-dl instaloader condor_store_cred synapse certutil stegseek", _BY_P),
    **_names("sqlcmd bcp zip unzip zipcloak tsql fisql bsqldb freebcp", _BY_CAPITAL),
    "ipmitool": Tool(apart=("-P",), after=(("password", (LIKELY_ONES,)),)),
    **_names("mosquitto_pub mosquitto_sub mosquitto_rr", _BY_CAPITAL),
    **_names("vsql kadmin kadmind ktutil", _BY_W),
    **_names("addprinc add_principal ank cpw change_password", _PRINCIPAL),
    **_names("snmpwalk snmpget snmpset snmpbulkwalk snmpbulkget snmptrap snmptable", _SNMP),
    **_names("pdfinfo pdftotext pdftoppm pdfimages pdftocairo", Tool(apart=("-upw", "-opw"))),
    "pdftk": Tool(after=(("input_pw", (0,)), ("user_pw", (0,)), ("owner_pw", (0,)))),
    "qpdf": Tool(after=(("--encrypt", (0, 1)),), likely=True),
    "nodetool": Tool(apart=("-pw",)),
    "ssh-keygen": Tool(apart=("-N", "-P")),
    "redis-cli": Tool(
        apart=("-a", "--pass"),
        after=(
            *((word, (LIKELY_ONES,)) for word in ("auth", "AUTH")),
            *((word, (0,)) for word in ("requirepass", "masterauth")),
        ),
    ),
    "openssl": Tool(
        apart=("-k", "-K", "-passin", "-passout", "-pass"), after=(("passwd", (LIKELY_ONES,)),)
    ),
    "ldappasswd": Tool(apart=("-w", "-s", "-a")),
    "slappasswd": Tool(apart=("-s",)),
    **_names("plink pscp psftp putty rucio", Tool(apart=("-pw", "-pwd"))),
    **_names("smbclient rpcclient smbget smbmap wbinfo", _SMB),
    "net": Tool(
        logins=("-U", "--user"), sign="%", after=(("use", (OF_SHARE,)), ("user", (LIKELY_ONES,)))
    ),
    **_names("schtasks ktpass signtool", Tool(apart=("/rp", "/pass", "-pass", "/p"))),
    "winrs": Tool(attached=("-p:", "/p:")),
    "lftp": Tool(logins=("-u",), sign=","),
    **_names("xfreerdp wfreerdp xfreerdp3", Tool(attached=("/p:",))),
    **_names("rman sqlcl sqlplus sqlldr expdp impdp", ORACLE),
    **_names("login logon signin sign-in", _LOGIN),
    **_names("auth configure authenticate", _FIRST),
    **_names(_SETTERS, _HELD),
    "add-account": _HELD,
    **_names("authorize authorize-account authorize_account authorise cloudflared", _HELD),
    **_names("authtoken add-authtoken set-token add-token", _ANY_AFTER),
    "vault": Tool(
        after=(
            ("login", (0,)),
            ("unseal", (0,)),
            *((word, (VALUES,)) for word in ("put", "write", "patch")),
        ),
        strict=True,
    ),
    **_names("secrets keyvault secretsmanager put-parameter", _KEPT),
    **_names("consul etcdctl", Tool(after=(("put", (1,)),), likely=True)),
    "chamber": Tool(after=(("write", (2,)),), likely=True),
    "credstash": Tool(after=(("put", (1,)),), likely=True),
    "poetry": Tool(after=(("http-basic.", (1,)), ("pypi-token.", (0,)))),
    "composer": Tool(after=(("http-basic.", (1,)), ("bearer.", (0,)), ("gitlab-token.", (0,)))),
    "rclone": Tool(after=(("obscure", (0,)), ("pass", (0,)))),
    "rabbitmqctl": Tool(after=(("add_user", (1,)), ("change_password", (1,)))),
    "wpa_passphrase": Tool(after=(("", (1,)),)),
    "wpa_cli": Tool(after=(("psk", (0,)), ("password", (0,)))),
    "nmcli": Tool(after=(("password", (0,)),)),
    "networksetup": Tool(after=(("-setairportnetwork", (2,)),)),
    "dscl": Tool(after=(("-passwd", (1,)),)),
    "iadmin": Tool(after=(("password", (0,)),)),
    "neo4j-admin": Tool(after=(("set-initial-password", (0,)),)),
    "db2": Tool(after=(("using", (0,)), ("USING", (0,)))),
    "bw": Tool(after=(("login", (LIKELY_ONES,)), ("unlock", (LIKELY_ONES,)))),
    **_names("ansible-vault travis", Tool(after=(("encrypt_string", (LIKELY_ONES,)),
                                                ("encrypt", (VALUES, ANYWHERE))))),
    **_names("iinit radtest mkpasswd kinit isql", _LIKELY),
    "doveadm": _BY_P,
    "caddy": Tool(apart=("--plaintext",)),
    "security": Tool(apart=("-p", "-P", "-w"), likely=True),
    "htpasswd": Tool(after=tuple((flag, (1 if "n" in flag else 2,)) for flag in _BATCH)),
    "mosquitto_passwd": Tool(after=(("-b", (2,)),)),
    "mc": Tool(after=(("set", (2, 3)), ("host", (3, 4)), ("user", (3,)))),
    "convertto-securestring": Tool(apart=("-string",), after=(("", (0,)),)),
    "gh": Tool(apart=("--body", "-b"), strict=True),
    **_names("vercel netlify glab anaconda doctl surge expo flyctl fly", _BY_T),
    **_names("codecov codecovcli codacy coveralls codeclimate codacy-coverage-reporter", _BY_T),
    **_names("codecov.io cc-test-reporter sentry-cli snyk tea gitea qlty deepsource", _BY_T),
    **_names("nuget dotnet choco swift openai ntfy newrelic datadog-ci", _BY_K),
    **_names("vsce ovsx airflow superset", Tool(apart=("-p", "-t"), likely=True)),
    "vastai": Tool(after=(("api-key", (0,)),), strict=True),
}  # fmt: skip
"""Names are in small letters; ``.exe``, ``.sh``, ``.bat`` and ``.cmd`` behind them do not count."""
FAMILIES = (
    (LatePattern(r"(?:mysql|mariadb)\w*(?:-\w+)?|mycli"), _MYSQL),
    (LatePattern(r"mongo(?:sh|dump|restore|import|export|files|stat|top)?"), _BY_P),
    (LatePattern(r"ldap(?:search|add|modify|whoami|delete|compare|modrdn)"), _LDAP),
    (LatePattern(r"codecov[\w.-]*"), _BY_T),
)
STEMS_OF_FAMILIES = ("mysql", "mariadb", "mycli", "mongo", "ldap", "codecov")
"""How the names of families begin."""
