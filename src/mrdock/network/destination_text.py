"""The named destinations, in a line each for people, and as records for programs."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from mrdock.dicom.tags import name_of
from mrdock.network.bodies import Copied
from mrdock.network.delivery import CALLED, CALLING, PORT
from mrdock.network.destinations import Destination, Destinations


def records(known: Destinations) -> list[dict[str, Any]]:
    """What each destination says, completed by the defaults."""
    found = []
    for name in sorted(known.named):
        one = known.find(name)
        filled = one.over(Destination(port=PORT, called=CALLED, calling=CALLING))
        found.append({"name": name} | {field.name: _plain(getattr(filled, field.name)) for field in fields(filled)})
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Copied):
        return {"from": name_of(value.source), "to": name_of(value.target)}
    return value


def lines(known: Destinations) -> list[str]:
    """Name, address and what is special."""
    if not known.named:
        return [f"no destinations in {known.path}"]
    width = max(map(len, known.named))
    return [f"{one['name']:{width}}  {_address(one)}{_special(one)}" for one in records(known)]


def _address(one: dict[str, Any]) -> str:
    return f"{one['called']} at {one['host']} port {one['port']} as {one['calling']}"


def _special(one: dict[str, Any]) -> str:
    said = [
        f"{key} {one[key]:g}" if isinstance(one[key], float) else f"{key} {one[key]}"
        for key in ("delay", "timeout", "parallel")
        if one[key] is not None
    ]
    if one["tls"]:
        said.append("TLS")
    if one["copy_field"] is not None:
        said.append(f"{one['copy_field']['to']} from {one['copy_field']['from']}")
    return "".join(f"; {words}" for words in said)
