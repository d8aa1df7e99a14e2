"""Named destinations of send_dicom: one TOML file, checked key by key.

[defaults]
calling = "MRLAB"

[destinations.archive]
host = "archive.example.org"
port = 104
called = "ARCHIVE"
delay = 1.0
copy_field = { from = "CommentsOnThePerformedProcedureStep", to = "PatientComments" }
"""

from __future__ import annotations

import difflib
import os
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from mrdock.dicom import tags
from mrdock.errors import SettingsError, TagError
from mrdock.network.bodies import TEXT_VRS, Copied
from mrdock.network.negotiation import wrong_title

_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    "host": (str,),
    "port": (int,),
    "called": (str,),
    "calling": (str,),
    "delay": (int, float),
    "timeout": (int, float),
    "parallel": (int,),
    "tls": (bool,),
    "tls_ca": (str,),
    "tls_cert": (str,),
    "tls_key": (str,),
    "tls_insecure": (bool,),
    "copy_field": (dict,),
}
_RANGES: Final = {"port": (1, 65535), "delay": (0, 3600), "timeout": (0.1, 86400), "parallel": (1, 64)}


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to send, and how; None where nothing is said. ``delay`` and ``timeout`` are seconds."""

    host: str | None = None
    port: int | None = None
    called: str | None = None
    calling: str | None = None
    delay: float | None = None
    timeout: float | None = None
    parallel: int | None = None
    tls: bool | None = None
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    tls_insecure: bool | None = None
    copy_field: Copied | None = None

    def over(self, other: Destination) -> Destination:
        """What this one says, and where it says nothing what ``other`` says."""
        return Destination(
            **{
                field.name: getattr(other, field.name) if (mine := getattr(self, field.name)) is None else mine
                for field in fields(Destination)
            }
        )


@dataclass(frozen=True, slots=True)
class Destinations:
    """What the file says. ``path`` is where it is, or would be."""

    path: str
    defaults: Destination
    named: Mapping[str, Destination]

    def find(self, name: str) -> Destination:
        """One by its name, completed by the defaults. Raises `SettingsError`, with what was perhaps meant."""
        found = self.named.get(name)
        if found is None:
            near = difflib.get_close_matches(name, self.named, 1)
            hint = f"; is it {near[0]}?" if near else f"; it has {', '.join(sorted(self.named)) or 'none'}"
            raise SettingsError(f"{self.path}: there is no destination {name!r}{hint}")
        return found.over(self.defaults)


def default_path() -> str:
    """``~/.config/mrdock/destinations.toml``, or where the system has its settings."""
    if sys.platform == "win32":
        base = os.environ.get("APPDATA") or os.path.expanduser("~")
    else:
        base = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return os.path.join(base, "mrdock", "destinations.toml")


def read(path: str | None = None) -> Destinations:
    """Read the file; one that is not there has no destinations. Raises `SettingsError`."""
    where = path or default_path()
    try:
        with open(where, "rb") as file:
            said = tomllib.load(file)
    except FileNotFoundError:
        if path is not None:
            raise SettingsError(f"{where}: there is no such file") from None
        return Destinations(where, Destination(), {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{where}: {error}") from None
    except OSError as error:
        raise SettingsError(f"{where}: {error.strerror}") from None
    _known(where, "the file", said, ("defaults", "destinations"))
    defaults = _destination(where, "defaults", said.get("defaults", {}))
    named = {
        name: _destination(where, f"destinations.{name}", table)
        for name, table in _table(where, "destinations", said.get("destinations", {})).items()
    }
    for name, one in named.items():
        if one.over(defaults).host is None:
            raise SettingsError(f"{where}: destinations.{name} has no host")
    return Destinations(where, defaults, named)


def _table(where: str, name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SettingsError(f"{where}: {name} is to be a table")
    return value


def _known(where: str, name: str, table: dict[str, Any], keys: Any) -> None:
    for key in table:
        if key not in keys:
            near = difflib.get_close_matches(key, keys, 1)
            raise SettingsError(f"{where}: {name} has an unknown key {key!r}" + (f"; is it {near[0]}?" if near else ""))


def _destination(where: str, name: str, value: Any) -> Destination:
    table = _table(where, name, value)
    _known(where, name, table, _KINDS)
    for key, said in table.items():
        _check_kind(f"{where}: {name}.{key}", said, _KINDS[key])
        if key in _RANGES and not _RANGES[key][0] <= said <= _RANGES[key][1]:
            raise SettingsError(f"{where}: {name}.{key} is to be from {_RANGES[key][0]} to {_RANGES[key][1]}")
        if key in ("called", "calling"):
            check_title(f"{where}: {name}.{key}", said)
        if key == "host" and not said.strip():
            raise SettingsError(f"{where}: {name}.host is empty")
    if "copy_field" in table:
        table = {**table, "copy_field": _copied(where, f"{name}.copy_field", table["copy_field"])}
    return Destination(**table)


def _check_kind(what: str, said: object, kinds: tuple[type, ...]) -> None:
    if not isinstance(said, kinds) or (isinstance(said, bool) and kinds != (bool,)):
        raise SettingsError(f"{what} cannot be {said!r}")


def check_title(what: str, title: str) -> None:
    """Raise `SettingsError` where ``title`` cannot be an AE title; ``what`` says whose it is."""
    if why := wrong_title(title):
        raise SettingsError(f"{what}: {title!r} cannot be an AE title: {why}")


def _copied(where: str, name: str, value: dict[str, Any]) -> Copied:
    _known(where, name, value, ("from", "to"))
    if not all(isinstance(value.get(key), str) for key in ("from", "to")):
        raise SettingsError(f"{where}: {name} needs from and to, each a tag")
    try:
        keys = [tags.parse(value[key]) for key in ("from", "to")]
    except TagError as error:
        raise SettingsError(f"{where}: {name}: {error}") from None
    source, target = keys
    if not isinstance(source, int) or not isinstance(target, int):
        raise SettingsError(f"{where}: {name}: private elements cannot be copied")
    if tags.vr_of(target) not in TEXT_VRS or target >> 16 <= 2:
        raise SettingsError(f"{where}: {name}: {value['to']} cannot take a text")
    return Copied(source, target)
