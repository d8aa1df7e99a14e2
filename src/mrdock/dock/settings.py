"""The dock's settings: one TOML file, frozen dataclasses, every key documented where it is declared.

The declarations below drive the reader, the file that ``mrdock init`` writes and the test of the manual.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Final, TypeVar

from mrdock.dock import setting_values as read
from mrdock.dock.setting_values import Free
from mrdock.errors import SettingsError
from mrdock.network.access import Access, Peer
from mrdock.network.handler import Limits

ROUTE_FIELDS: Final[Mapping[str, tuple[int, str]]] = {
    "StudyDescription": (0x00081030, "LO"),
    "AdditionalPatientHistory": (0x001021B0, "LT"),
    "PatientComments": (0x00104000, "LT"),
    "RequestedProcedureDescription": (0x00321060, "LO"),
    "PerformedProcedureStepDescription": (0x00400254, "LO"),
    "CommentsOnThePerformedProcedureStep": (0x00400280, "ST"),
    "ImageComments": (0x00204000, "LT"),
}
"""The header fields that can hold the route tag, by DICOM keyword: tag and VR."""


def _fields(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(i, str) and i in ROUTE_FIELDS for i in value):
        raise ValueError("a list of " + ", ".join(ROUTE_FIELDS))
    return tuple(dict.fromkeys(value))


def _setting(default: Any, reader: Callable[[object], Any], text: str, *, shown: str | None = None) -> Any:
    """A field with its reader and its line of documentation; ``shown`` is the default as TOML where that differs."""
    return field(default=default, metadata={"read": reader, "help": text, "shown": shown})


def home(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError:
        raise SettingsError(f"{name}: there is no such home directory; name a path with --config and --store") from None


def data_home() -> Path:
    """The user's data directory, where the store is made when no setting says another place."""
    base = os.environ.get("XDG_DATA_HOME", "")
    return (Path(base) if base.startswith("/") else home("~") / ".local" / "share") / "mrdock"


# ---- the tables of the file, in its order ----


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where images are kept."""

    root: Path | None = _setting(
        None, read.path, "The directory of the store; made if missing.", shown='"~/.local/share/mrdock/store"'
    )
    minimum_free: Free = _setting(
        Free(share=0.05),
        read.free,
        "Below this free space nothing is accepted: a share of the disk or a size.",
        shown='"5%"',
    )
    quarantine_size: int = _setting(
        1 << 30, read.size, "What the data sets that could not be identified may take in all.", shown='"1 GiB"'
    )


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """A DICOM storage server."""

    name: str = _setting("enhanced", read.text, "What status and log call it.")
    host: str = _setting("127.0.0.1", read.text, "The address to listen on.")
    port: int = _setting(11112, read.whole(0, 65535), "The TCP port; 0 takes a free one.")
    title: str = _setting("MRDOCK", read.title, "The AE title that peers call.")
    accepts: str = _setting(
        "enhanced",
        read.one_of("enhanced", "classic"),
        'What it accepts: "enhanced" takes every storage class; "classic" refuses the Enhanced and Legacy Converted '
        "classes of MR, CT and PET, so that a scanner sends classic images.",
    )


@dataclass(frozen=True, slots=True)
class PeerSettings:
    """Who may send."""

    title: str = _setting("*", lambda value: value if value == "*" else read.title(value), 'Its AE title; "*" for any.')
    network: str = _setting("127.0.0.0/8", read.text, "The address or network it calls from.")


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """What one listener bears."""

    associations: int = _setting(50, read.whole(1, 10000), "Associations at once.")
    associations_per_peer: int = _setting(10, read.whole(1, 10000), "Associations at once from one address.")
    pdu: int = _setting(131072, read.whole(4096, 1 << 24), "The longest PDU that is taken, in bytes.")
    idle_seconds: float = _setting(60.0, read.number(0), "An association that says nothing this long is aborted.")
    acse_seconds: float = _setting(30.0, read.number(0), "The association request has to be whole within this time.")
    pdu_seconds: float = _setting(60.0, read.number(0), "Every PDU has to be whole within this time.")
    object_size: int = _setting(8 << 30, read.size, "The largest object that is taken.", shown='"8 GiB"')
    nesting: int = _setting(64, read.whole(1, 64), "How deep sequences may be nested.")


@dataclass(frozen=True, slots=True)
class ReceiveSettings:
    """What is accepted beyond the usual."""

    accept_unknown: bool = _setting(False, read.yes_or_no, "Take storage classes that no dictionary lists, too.")
    deflated: bool = _setting(False, read.yes_or_no, "Take the deflated transfer syntax, too.")


@dataclass(frozen=True, slots=True)
class CompletionSettings:
    """When a study is complete."""

    quiet_seconds: float = _setting(
        60.0, read.number(0), "A study is complete when no image came for this time and no open association has fed it."
    )


@dataclass(frozen=True, slots=True)
class RouteSettings:
    """Copying to the path that the header names."""

    tag: str = _setting("#-#", read.text, "The mark before the path.")
    fields: tuple[str, ...] = _setting(
        tuple(ROUTE_FIELDS), _fields, "Where the mark is looked for; the first field that has it wins."
    )
    roots: tuple[Path, ...] = _setting(
        (), read.paths, "Images are copied below these directories only; none: nothing is copied."
    )
    mount_points: tuple[Path, ...] = _setting(
        (), read.paths, "Directories that are mounted: copying to below one of them waits while it is not."
    )
    file_mode: int = _setting(0o660, read.mode, "The mode of copied files.", shown='"0660"')
    directory_mode: int = _setting(0o2770, read.mode, "The mode of directories that routing makes.", shown='"2770"')


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """Deleting what is old."""

    days: float = _setting(30.0, read.number(0, 36500), "Studies whose last image came longer ago are deleted.")
    hour: int = _setting(3, read.whole(0, 23), "The hour (local time) at which that happens.")
    keep_held: bool = _setting(False, read.yes_or_no, "Keep studies that wait for a person to mend their route.")
    announce_days: float = _setting(3.0, read.number(0, 36500), "Held studies are announced so long before they go.")


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """Where the index is kept."""

    url: str = _setting(
        "", read.any_text, "A PostgreSQL URL for the index; by default an SQLite file in the store.", shown='""'
    )


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What the dock says while it runs."""

    level: str = _setting("info", read.one_of("debug", "info", "warning", "error"), "How much is said.")
    file: Path | None = _setting(
        None, read.path_or_nothing, "Where it is said; by default to standard error.", shown='""'
    )
    json: bool = _setting(False, read.yes_or_no, "One JSON object a line, for machines.")


DEFAULT_LISTENERS: Final = (
    ListenerSettings(),
    ListenerSettings(name="classic", port=11113, accepts="classic"),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a dock. ``source`` is the file they came from, if any; ``peers`` None means anyone."""

    store: StoreSettings = StoreSettings()
    listeners: tuple[ListenerSettings, ...] = DEFAULT_LISTENERS
    peers: tuple[PeerSettings, ...] | None = ()
    limits: LimitSettings = LimitSettings()
    receive: ReceiveSettings = ReceiveSettings()
    completion: CompletionSettings = CompletionSettings()
    route: RouteSettings = RouteSettings()
    retention: RetentionSettings = RetentionSettings()
    index: IndexSettings = IndexSettings()
    log: LogSettings = LogSettings()
    source: Path | None = None

    @property
    def root(self) -> Path:
        """The directory of the store."""
        return self.store.root or data_home() / "store"

    def server_limits(self) -> Limits:
        """The limits as the network room takes them."""
        limits = self.limits
        return Limits(
            associations=limits.associations,
            per_peer=limits.associations_per_peer,
            longest_pdu=limits.pdu,
            idle=limits.idle_seconds,
            acse=limits.acse_seconds,
            whole_pdu=limits.pdu_seconds,
            object_size=limits.object_size,
        )

    def access(self, listener: ListenerSettings) -> Access:
        """Who may associate with a listener.

        A loopback listener without peers also answers to ANY-SCP, the title that DCMTK and pynetdicom call when
        the user names none: what runs on this machine may try the dock without ceremony.
        """
        titles = {listener.title}
        if not self.peers and is_loopback(listener.host):
            return Access(frozenset(titles | {"ANY-SCP"}), None)
        if self.peers is None:
            return Access(frozenset(titles), None)
        peers = tuple(
            Peer(None if peer.title == "*" else peer.title, ip_network(peer.network, strict=False))
            for peer in self.peers
        )
        return Access(frozenset(titles), peers)


TABLES: Final[Mapping[str, type]] = {
    "store": StoreSettings,
    "limits": LimitSettings,
    "receive": ReceiveSettings,
    "completion": CompletionSettings,
    "route": RouteSettings,
    "retention": RetentionSettings,
    "index": IndexSettings,
    "log": LogSettings,
}
LISTS: Final[Mapping[str, type]] = {"listeners": ListenerSettings, "peers": PeerSettings}

T = TypeVar("T")


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _table(kind: type[T], name: str, values: object) -> T:
    if not isinstance(values, dict):
        raise SettingsError(f"[{name}] has to be a table of settings")
    known = {item.name: item for item in dataclasses.fields(kind)}  # type: ignore[arg-type]
    chosen: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            raise SettingsError(f"[{name}] has no setting {key!r}{_suggest(key, known)}")
        try:
            chosen[key] = known[key].metadata["read"](value)
        except ValueError as error:
            raise SettingsError(f"[{name}] {key} = {value!r}: expected {error}") from None
    return kind(**chosen)


def _suggest(key: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(key, known, 1)
    return f"; did you mean {close[0]!r}?" if close else "; it has " + ", ".join(known)


def from_mapping(values: Mapping[str, Any], source: Path | None = None) -> Settings:
    """Settings from a parsed TOML file. Raises `SettingsError`, one sentence, naming the key."""
    chosen: dict[str, Any] = {}
    for name, value in values.items():
        if name in TABLES:
            chosen[name] = _table(TABLES[name], name, value)
        elif name == "peers" and value == "any":
            chosen[name] = None
        elif name in LISTS:
            if not isinstance(value, list):
                raise SettingsError(f"{name} has to be a list of [[{name}]] tables")
            chosen[name] = tuple(_table(LISTS[name], name, item) for item in value)
        else:
            raise SettingsError(f"there is no setting {name!r}{_suggest(name, {**TABLES, **LISTS})}")
    settings = Settings(**chosen, source=source)
    check(settings)
    return settings


def check(settings: Settings) -> None:
    """Raise `SettingsError` for what each setting alone cannot show."""
    if not settings.listeners:
        raise SettingsError("a dock needs at least one [[listeners]]")
    names = [listener.name for listener in settings.listeners]
    places = [(listener.host, listener.port) for listener in settings.listeners if listener.port]
    if len(set(names)) < len(names):
        raise SettingsError("two listeners have the same name")
    if len(set(places)) < len(places):
        raise SettingsError("two listeners have the same host and port")
    for peer in settings.peers or ():
        try:
            ip_network(peer.network, strict=False)
        except ValueError:
            raise SettingsError(f"[peers] network = {peer.network!r}: expected an address or network") from None
    for listener in settings.listeners:
        if settings.peers == () and not is_loopback(listener.host):
            raise SettingsError(
                f"listener {listener.name!r} on {listener.host} is open to the network: name its peers, "
                'or write peers = "any" if anyone may send'
            )


def search_path() -> list[Path]:
    """Where settings are looked for when no option and no variable names a file."""
    return [home("~") / ".config" / "mrdock" / "dock.toml", Path("/etc/mrdock/dock.toml")]


def load(config: str | None = None, store: str | None = None) -> Settings:
    """The settings of this run: ``config``, $MRDOCK_CONFIG, the user's file, the system's file, or the defaults.

    ``store`` overrides the store's directory. Raises `SettingsError`.
    """
    named = config or os.environ.get("MRDOCK_CONFIG")
    if named:
        path: Path | None = home(named)
    else:
        path = next((place for place in search_path() if place.is_file()), None)
    settings = Settings() if path is None else read_file(path)
    if store is not None:
        root = home(store).absolute()
        settings = dataclasses.replace(settings, store=dataclasses.replace(settings.store, root=root))
    return settings


def read_file(path: Path) -> Settings:
    """The settings of one file. Raises `SettingsError`."""
    try:
        with path.open("rb") as stream:
            values = tomllib.load(stream)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not valid TOML: {error}") from None
    try:
        return from_mapping(values, path.absolute())
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None
