"""The settings file that ``mrdock init`` writes, made from the declarations in `settings`."""

from __future__ import annotations

import dataclasses
import textwrap
from pathlib import Path
from typing import Any, Final

from mrdock.dock.settings import DEFAULT_LISTENERS, LISTS, TABLES, PeerSettings

_HEAD: Final = """\
# Settings of a mrdock dock. Lines that begin with "#" and a setting show its default; take the "#" away to change it.
# Found in this order: --config FILE, $MRDOCK_CONFIG, ~/.config/mrdock/dock.toml, /etc/mrdock/dock.toml.

# Who may send: pairs of AE title and network, below as [[peers]]; or everyone who can reach the ports:
# peers = "any"
"""


def template() -> str:
    """The whole file."""
    parts = [_HEAD]
    for name, kind in TABLES.items():
        parts.append(_table(f"[{name}]", kind, None, commented=True))
        if name == "store":
            parts += [_table("[[listeners]]", LISTS["listeners"], item, commented=False) for item in DEFAULT_LISTENERS]
            parts.append(_table("# [[peers]]", LISTS["peers"], PeerSettings("SCANNER1", "192.0.2.10"), commented=True))
    return "\n".join(parts)


def _table(title: str, kind: type, values: Any, *, commented: bool) -> str:
    lines = [f"# {' '.join((kind.__doc__ or '').split())}", title]
    for item in dataclasses.fields(kind):
        lines += [f"# {line}" for line in textwrap.wrap(item.metadata["help"], 110)]
        value = item.default if values is None else getattr(values, item.name)
        shown = item.metadata["shown"] if value == item.default else None
        lines.append(f"{'# ' if commented else ''}{item.name} = {shown or toml(value)}")
    return "\n".join(lines) + "\n"


def toml(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    if isinstance(value, str | Path):
        return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{value:g}" if isinstance(value, float) else str(value)
