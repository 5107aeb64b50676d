r"""How absolute paths look, and what stands for those below a known root (model.md 8).

A slash is not enough: ``n/a``, ``m/s``, routes, regular expressions and URLs have them too. A
path counts when it starts in a folder that machines have (``/home``, ``/scratch`` ...), or is
deep enough, or stands under a key such as ``data_dir``.

The programs, devices and kernel files of every Linux tell of no machine and no person
(``/usr/bin/time``, ``/dev/ttyUSB0``, ``/proc/cpuinfo``; FHS 3.0), and a state point that names one
should keep its proof: they stay. All else that is absolute goes, the libraries and settings of a
system included, for they tell how a machine is set up. What is no path stays: templates
(``/home/<user>``), routes (``GET /users/{id}``), places within a file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import quote

from msgspec import Struct

from aexp.model.late_pattern import LatePattern

REDACTED_PATH = "<redacted:path>"


class Root(Struct, frozen=True):
    """A folder of this machine and what stands for it in committed files.

    Attributes:
        prefix: the folder's absolute path.
        token: "" for the repository root (a path below becomes relative, the root itself ``.``),
            ``${DATA}`` for a root declared in ``aexp.yaml``.
    """

    prefix: str
    token: str = ""


_TOP = (
    r"(?:[A-Za-z_-]{0,20}(?:scratch|gpfs|lustre|ceph|cephfs|nfs|home|homes|beegfs|_work|ptmp|vtmp)"
    r"|[A-Za-z_]{0,8}(?:scratch|gpfs|lustre|beegfs|cephfs|nfs)\w{0,10}"
    r"|(?:scratch|gpfs|lustre|home|nfs|work|ceph|tmp)[-_.][\w-]{1,16}"
    r"|Users|users|root|tmp|var|etc|usr|opt|mnt|media|srv|data|datasets|work|proj|projects?"
    r"|workspaces?|content|kaggle|dbfs|databricks|Volumes|private|Library|Applications|System|dev"
    r"|proc|sys|run|s?bin|lib(?:32|64)?|boot|afs|cluster|net|nas|storage|vol|export|local|apps?|efs"
    r"|fsx|raid|ssd|hdd|disk|glade|global|ocean|lus|lfs|pfs|cfs|nobackup|cvmfs|sw|software|code|nix"
    r"|eos(?=/(?:user|home|project|experiment|cms|atlas|lhcb|alice|theory)/)|pnfs|dpm|castor"
    r"|jobfs|hkfs|rds|dcache|panfs|isilon|weka|gluster(?:fs)?|orangefs|moosefs"
    r"|zfs|zpool|netapp|hpc(?:fs|work|home|data|group)?|nvme|stornext|user_?data|ccs|ihome|ifs"
    r"|volume|groups(?=(?:/[\w.-]+){3})"
    r"|cygdrive|jail|exports|mounts?|nearline|localdisk|localstorage)"
    r"\d{0,3}"
)
_END = r"(?=[/\\\s\"'`:,;()\[\]{}<>|&?#*=@!]|\.(?:\s|\Z)|\Z)"
_NAME = r"[^\s/\"'`<>|,;:*?]"
_NEXT_WORD = r" (?![-.])[^\s/\"'`<>|,;:*?=]++"  # of a folder name with spaces; no option, no x=y
_TAIL = rf"(?:/+(?:{_NAME}++(?:{_NEXT_WORD}){{1,3}}(?=/)|{_NAME}*+))"
_LEAD = (
    r"(?:(?<![\w.~})\]*%@#/\\^])(?<![A-Za-z_]>)(?<!\bdbfs:)|(?<=-[ILoBC])|(?<=\\n)|(?<=file://)|"
    r"(?<=file://localhost)"
    r"|(?<=:///))"
)
_KNOWN = rf"{_LEAD}/{_TOP}{_END}{_TAIL}+"
_POINTER = (  # into a document; folders of these names with files in them are folders
    r"(?!(?:state_?points?|sp|h?params|(?:hyper)?parameters|metrics|config|cfg|settings|model"
    r"|optimi[sz]er|scheduler|trainer|encoder|decoder|layers?|loss|properties|definitions"
    r"|components"
    r"|entry|items|spec|metadata|attributes)(?:/[\w~-]+)+(?![\w./~-]))"
)
_NO_PLACE = (  # the address of a service, a group of a NeXus file, the new name of a remap
    r"(?!/[\w-]+/v\d(?:\.\d+)*(?:/[\w~-]+)*+(?![\w./~-])|/NX[a-z])"
    r"(?:(?<!:=)|(?<=path:=)|(?<=file:=)|(?<=dir:=))(?<!\w\[['\"])"
    r"(?<!\.h5:)(?<!\.nc:)(?<!nxs:)(?<!hdf5:)(?<!zarr:)(?<!nwb:)(?<!\.root:)(?<!\":)(?<!::)"
)
_UNKNOWN = (
    r"(?:(?<![\w.~$%})\]*/\\^>@#-])(?<!\bdbfs:)|(?<=file://))"
    rf"{_NO_PLACE}/{_POINTER}"
    r"(?![A-Z0-9][\w-]+/[\w.-]+/[A-Z-]*(?:AOD|AODSIM|RAW|RECO|SIM|DIGI|LHE|GEN|USER|DST"
    r"|NTUP\w*)\b(?!/))"
    r"(?!org/(?:freedesktop|gnome|kde|bluez|mpris|ofono)/)"
    r"(?!(?:apis?|openapi|rpc|rest|graphql|oauth2?|v\d+"
    r"|statepoint|params|metrics|environment|replicates|run_link|tracker|attachments|error"
    r")/)[A-Za-z][\w-]+"
    r"(?:(?:/[\w.@+%~-]+){2,}+(?!:=)|/[\w.@+%~-]*\w\.[A-Za-z]\w{0,4}(?![\w/]))/?"
)
_WITH_FILE = (
    r"(?<![\w.~$%})\]*/\\^>@#-])/[A-Za-z][\w-]+"
    r"(?:/[\w@+%~-]+)*+/?[\w@+%~-]*\.[A-Za-z]\w{1,4}(?![\w/])"
)
_SHORT = (  # /u/ada/scratch, /p/project/lab
    r"(?:(?<![\w.~$%})\]*/\\^>@#:-])|(?<=file://))"
    r"/[a-z](?:/[\w.@+~-]{2,}){2,}(?:/[\w.@+~-]+)*+"
)
_DRIVE = (
    r"(?<![\w\\%)])(?:[A-Z]:(?:\\{1,4}|/)(?=[\w.$@-])"
    r"|[a-z]:(?:\\{1,4}|/)(?=[\w.$@-]{2,}(?:[\\/]|\s|\Z)))"
)
_WINDOWS_TAIL = r"(?:[^\s\"'<>|,;:*?]|(?<=[^\s]) (?=[^\s\"'<>|,;:*?\\/]{1,60}[\\/]))*"
_LONG = r"(?<![\w\\])\\{2,4}[?.]\\{1,2}(?:UNC\\|[A-Za-z]:\\|Volume\{|GLOBALROOT\\)"
_UNC = (
    r"(?<![\w\\])(?:\\\\\d{1,3}(?:\.\d{1,3}){3}\\|\\\\[A-Za-z][\w.$-]+\\"
    r"|\\{4}[A-Za-z][\w.$-]+\\{1,4})[^\s\\\"'<>|,;:*?]"
)
_ESCAPED = r"%2F(?:home|Users|root|mnt|scratch|data)%2F[\w.%-]*"
_SLASHED = (  # with the slashes of JSON or of sed
    r"(?<![\w\\.])\\/(?:home|homes|Users|root|scratch|mnt|media|gpfs\w*|lustre\w*|tmp|var|srv"
    r"|nfs|work"
    r"|data\d?|opt|project)(?:\\/[\w.@+~-]+)+"
)
_FORWARD = (  # a share of Windows with slashes, on a server with a local or a telling name
    r"(?:(?<![\w:/.\\*-])|(?<=file:))//(?:[\w-]{1,63}\.(?:[\w-]+\.)*(?:lan|local|localdomain"
    r"|internal|intranet"
    r"|intra|corp|private|home|ad)|\d{1,3}(?:\.\d{1,3}){3}"
    r"|(?:nas|srv|smb|cifs|filer|fileserver|storage|isilon|netapp|samba"
    r"|fs)\w{0,3}(?:-\w{1,20}){0,3}"
    r"(?:\.[\w-]+){0,4})/[\w.$~-]+(?:/[\w.$@+~%-]+)*+/?"
)
_WINDOWS = rf"{_LONG}{_WINDOWS_TAIL}|(?:{_DRIVE}|{_UNC}){_WINDOWS_TAIL}"

# --- what every machine has, and what is no place of a machine ------------------------------------

_STOP = r"(?=\.?(?:[\s\"'`:,;()\[\]{}<>|&?#*=!\\]|\Z))"
_NOBODY = (
    r"(?=/)(?![^\s\"'`<>|,;:]{0,240}/(?:homes?|users?|people|students?|staff|scratch|projects?"
    r"|groups?"
    r"|user[-.][\w.-]+)(?![\w.-]))(?![^\s\"'`<>|,;:]{0,240}/~)"
)
_DEVICE = (  # but those of disks and of serial numbers, and what lies in the shared memory
    r"dev/(?:(?:pts|dri|input|snd|bus|net|infiniband|nvidia-caps|fd|vfio|cpu|char|dvb|accel)"
    r"(?:/[\w.:-]+)+|shm/?|mqueue|(?!(?:shm|mapper|disk|serial|ramdisk)/)[\w.-]++)"
)
_KERNEL = (
    r"proc(?:/(?!\d+(?![\w.-]))[\w.-]++)*+/?"
    r"|sys(?!/fs/cgroup/[\w-]+(?:/[\w.-]*[^\w./]|[\w.-]*/[\w.-]+/|\.slice"
    r"|\.scope))(?:/[\w.-]++(?::[\w.-]++)*+)*+/?"
)
_SYSTEM = (
    rf"{_LEAD}{_NOBODY}/(?:(?:usr/(?:local/)?)?s?bin(?:/[\w.+-]*+)?(?!/)|{_DEVICE}|{_KERNEL}"
    r"|run/(?:beamOn|initialize|reinitialize\w*|verbose|setCut\w*|numberOfThreads|printProgress"
    r"|abort\w*)"  # commands of a simulation
    rf"){_STOP}(?!\.\w)"
)
_NO_NAME = (
    r"(?:<(?:(?:int|str|string|uuid|path|float|slug):)?[A-Za-z][\w -]{0,30}>|\{[\w:]{0,40}\}"
    r"|\$\{?[A-Za-z_]\w*\}?"
    r"|%\w{1,20}%?|(?:your|my)[-_]?(?:user)?[-_]?name|USER(?:NAME)?|\.{3}|\u2026|\*|:[a-z]\w{0,30})"
)
"""What stands in a template in place of a name."""
_TEMPLATE = (
    rf"{_LEAD}/(?:(?:homes?|Users|users?)/{_NO_NAME}|(?:(?:absolute|full|your|some)/)?path/to"
    rf"|your/path)(?:/[\w.<>{{}}$%*@+~-]*)*+"
    rf"|(?<![\w\\])[A-Za-z]:[\\/]{{1,2}}Users[\\/]{{1,2}}{_NO_NAME}"
    rf"(?:[\\/]{{1,2}}[\w.<>{{}}$%*@+~-]*)*+"
)
_PERSONAL = r"/(?:home|homes|Users|root|scratch|mnt|media|gpfs|lustre|tmp|srv|nfs|nas|opt|export)/"
_METHOD = r"(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS|CONNECT|TRACE)"
_ROUTE = (
    rf"\b{_METHOD}[ \t]{{1,4}}/[^\s\"'?\#]*(?=(?:\?\S{{0,400}})?[ \t]HTTP/\d)"
    rf"|\b{_METHOD}[\"']?,?[ \t]{{1,4}}[\"']?(?!{_PERSONAL})/[^\s\"'?\#]*"
    rf"|{_LEAD}/[^\s\"'?\#]{{0,400}}(?=(?:\?\S{{0,400}})?[ \t]HTTP/\d)"
    r"|(?:@\w{0,20}(?:Mapping|Path|Get|Post|Put|Delete|Patch|route)|\b(?:app|router|api"
    r"|blueprint|bp|server"
    r"|client|test_client|mux|http)\.(?:get|post|put|patch|delete|head|options|route|use|all"
    r"|HandleFunc"
    r"|Handle|websocket|api_route)|add_url_rule|HandleFunc|add_route|Route|\blocation)\s{0,3}[("
    r" ]\s{0,3}"
    rf"(?:[=~^*]{{1,3}} )?[rf]?[\"']?(?!{_PERSONAL})/[^\s\"'?]*"
    rf"|{_LEAD}(?!{_PERSONAL}|/(?:data\d*|work|var|var/tmp|ptmp|eos)/)/(?:[\w.-]+/){{0,3}}"
    rf"(?:\{{[\w:]+\}}|<(?:(?:int|str|string|uuid|path|float|slug):)?[A-Za-z]\w*>|:[a-z]\w*)"
    r"(?:/[\w{}<>:-]*)*+(?![.\w])"
)
_SERVICE = LatePattern(
    r"/(?:-/)?_?(?:health(?:z|y|[_-]?checks?)?|live(?:z|ness)?|ready(?:z|ness)?|alive|ping"
    r"|status|metrics"
    r"|startup|up|version|docs|redoc|openapi\.json|swagger(?:\.json|-ui)?|log(?:in|out)|callback"
    r"|graphql"
    r"|api|rest|rpc|v\d+|actuator|probe|heartbeat|favicon\.ico|robots\.txt|redfish)"
    r"(?:/(?:live|ready|liveness|readiness|health|healthz|v\d+(?:/\w+)*|prometheus|info|db|check"
    r"|login|callback))?/?"
)
"""The routes that nearly every service has; no folders, although a key may say ``probe_path``."""
_INNER = (  # a place within a file
    r"(?<=\w)\.(?:h5|hdf5?|nxs|nc4?|zarr|nwb|h5ad|root|n5)(?:::?)"
    rf"(?!{_PERSONAL})/[\w./+-]*"
)
_SAFE = rf"(?P<safe>{_SYSTEM}|{_TEMPLATE}|{_ROUTE}|{_INNER})"
_ALONE = LatePattern(rf"{_SYSTEM}|{_TEMPLATE}")
_SAYS_INNER = LatePattern(
    r"\b(?:ros2|ros(?:topic|bag|service|node|param|run|launch)|--remap|topics?|namespace"
    r"|subscrib\w+|publish\w+"
    r"|h5(?:py|ls|dump|netcdf|repack|diff)?|hdf5?|netcdf4?|ncdump|nexus|zarr|nxdl|get_node"
    r"|create_dataset"
    r"|create_group|require_group|nwb)\b|(?:^|\n)/(?:run|vis|gun|gps|control|tracking|process"
    r"|geometry|event"
    r"|analysis|score|random)/(?:[a-z]+/){0,3}[a-z]+[A-Z]?",
    re.I,
)
"""A text about places within files, topics of robots, or commands of a simulation."""

# --- addresses with a place on a machine in them --------------------------------------------------

_SHARED = (
    r"(?:(?:smb|cifs|nfs\d?|afp)://|file://(?!localhost/)(?=[\w-]*\d[\w-]*/"
    r"|[\w-]+(?:\.[\w-]+)+/))\w[^\s/\"'<>]*(?P<share>/+(?=[\w.~%$-])[^\s\"'<>,;|]*)"
)
_TO_FILE = (
    r"(?P<far>/+(?=(?:home|homes|Users|root|export|scratch|gpfs|lustre|afs|mnt|media|srv|nfs|nas"
    r"|tmp"
    r"|ptmp|work|user|eos/(?:user|home|project|experiment)|pnfs|dpm|castor)(?![\w.])|~"
    r"|[^\s\"'<>,;|?]{0,200}/(?:users?|homes?|scratch|people|~\w+|dav/files)/)"
    r"(?!eos/opendata)[^\s\"'<>,;|]*)"
)
_FAR = (
    rf"(?<![A-Za-z0-9+.-])(?:{_SHARED}|(?:file://(?!localhost/)\w[\w.:@%-]*"
    r"|(?:sftp|scp|ssh|rsync|gsiftp|gridftp|x?roots?|xrootds?|srm|davs?|webdavs?"
    r""
    r"|git\+ssh|svn\+ssh|sshfs|fish|vscode-remote|vscode|ftps?)://[^\s/\"'<>]*)"
    rf"{_TO_FILE})"
)
_PATHS = rf"{_SAFE}|{_KNOWN}|{_UNKNOWN}|{_SHORT}|{_WINDOWS}|{_SLASHED}|{_FORWARD}|{_ESCAPED}"
_PATH = LatePattern(_PATHS)
_KNOWN_PATH = LatePattern(rf"{_SAFE}|{_KNOWN}|{_WINDOWS}|{_SLASHED}|{_FORWARD}|{_ESCAPED}")
_INNER_PATH = LatePattern(
    rf"{_SAFE}|{_KNOWN}|{_WITH_FILE}|{_WINDOWS}|{_SLASHED}|{_FORWARD}|{_ESCAPED}"
)
_URL_OR_PATH = LatePattern(
    rf"{_FAR}|(?P<url>(?<![A-Za-z0-9+.-])(?!file:)[A-Za-z][A-Za-z0-9+.-]{{0,20}}://(?!/)"
    rf"(?:(?![=,;:]/{_TOP}/|[=,;][A-Za-z]:[\\/]|%2F(?:home|Users|root|mnt|scratch|data)%2F)"
    rf"[^\s\"'<>])*)|{_PATHS}"
)
_WHOLE = LatePattern(rf"(?:/{_TOP}|//[\w-]+/[\w$.-]+(?:/[^\s:]*)?)/?")
_PATH_UNDER_KEY = LatePattern(r"/[\w.@+~-][^\n]*")


def redact_paths(
    text: str, holds_path: bool, hit: Callable[[str], None], *, known_only: bool = False
) -> str:
    """Return ``text`` without absolute paths (Linux, macOS, Windows drive and UNC).

    Args:
        text: any string.
        holds_path: its key says that it is a path.
        hit: called with ``path`` for each one.
        known_only: look only for folders that machines have, not for what merely is deep enough.
    """

    def path(match: re.Match[str]) -> str:
        group = match.lastgroup
        if group == "url" or group == "safe":
            return match[0]
        hit("path")
        if group == "far" or group == "share":
            return match[0][: match.start(group) - match.start()] + REDACTED_PATH
        found = match[0]
        if found.endswith(")") and found.count(")") > found.count("("):
            return f"{REDACTED_PATH})"  # of $(cat /path)
        return REDACTED_PATH

    if _ALONE.fullmatch(text) or (holds_path and _SERVICE.fullmatch(text)):
        return text
    if _WHOLE.fullmatch(text) or (holds_path and _is_one_path(text)):
        hit("path")
        return REDACTED_PATH
    if "://" in text:
        return _URL_OR_PATH.sub(path, text)
    if known_only:
        return _KNOWN_PATH.sub(path, text)
    return (_INNER_PATH if _SAYS_INNER.search(text) else _PATH).sub(path, text)


def _is_one_path(text: str) -> bool:
    return _PATH_UNDER_KEY.fullmatch(text) is not None and ":/" not in text and "," not in text


Rewriter: TypeAlias = Callable[[str], str]


@lru_cache(maxsize=64)
def root_rewriter(roots: tuple[Root, ...]) -> Rewriter | None:
    """Return a function that rewrites the paths below ``roots``, or None without usable roots."""
    tokens: dict[str, str] = {}
    for root in roots:
        prefix = root.prefix.rstrip("/\\")
        if len(prefix) > 1:
            for form in (prefix, quote(prefix)) if prefix.startswith("/") else (prefix,):
                tokens.setdefault(form, root.token)
    if not tokens:
        return None
    ordered = sorted(tokens, key=lambda prefix: (-len(prefix), prefix))
    posix = _posix_rewriter([p for p in ordered if p.startswith("/")], tokens)
    windows = _windows_rewriter([p for p in ordered if not p.startswith("/")], tokens)
    return lambda text: windows(posix(text))


def _posix_rewriter(prefixes: list[str], tokens: dict[str, str]) -> Rewriter:
    if not prefixes:
        return lambda text: text
    pattern = re.compile(
        rf"(?:file://(?:localhost)?|{_LEAD})({'|'.join(map(re.escape, prefixes))}){_END}(/*)"
        r"(?=([^\s\"'`:,;)\]}<>|&?#]?))"
    )

    def replace(match: re.Match[str]) -> str:
        return _stand_in(tokens[match[1]], below=bool(match[3]) and bool(match[2]))

    return lambda text: pattern.sub(replace, text) if "/" in text else text


def _windows_rewriter(prefixes: list[str], tokens: dict[str, str]) -> Rewriter:
    if not prefixes:
        return lambda text: text
    named = {prefix.replace("\\", "/").lower(): tokens[prefix] for prefix in prefixes}
    forms = "|".join(
        r"(?:\\{1,2}|/)".join(re.escape(part) for part in re.split(r"[\\/]", prefix))
        for prefix in prefixes
    )
    pattern = re.compile(
        rf"(?:file:///|(?<![A-Za-z0-9\\/]))({forms}){_END}([^\s\"'<>|,;:*?]*)", re.IGNORECASE
    )

    def replace(match: re.Match[str]) -> str:
        tail = _with_slashes(match[2]).lstrip("/")
        return _stand_in(named[_with_slashes(match[1]).lower()], below=bool(tail)) + tail

    return lambda text: pattern.sub(replace, text)


def _with_slashes(path: str) -> str:
    """Return a Windows path with slashes; in encoded text each backslash of it is doubled."""
    return path.replace("\\\\", "/").replace("\\", "/")


def _stand_in(token: str, *, below: bool) -> str:
    if token:
        return f"{token}/" if below else token
    return "" if below else "."
