"""The tables of the index. Times are seconds since 1970 (UTC) unless they say otherwise."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text

LAYOUT: Final = "2"

metadata = MetaData()

facts = Table(
    "facts",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
    comment="the layout of these tables; whose store this is; how far journals are read; when the clock was last seen",
)

studies = Table(
    "studies",
    metadata,
    Column("uid", String(64), primary_key=True),
    Column("directory", String(128), nullable=False, unique=True),
    Column("state", String(16), nullable=False, index=True),
    Column("version", Integer, nullable=False, default=0, comment="grows when images come and when a person asks"),
    Column("first_received", Float, nullable=False),
    Column("last_received", Float, nullable=False),
    Column("active_monotonic", Float, nullable=False, comment="monotonic clock at the last image"),
    Column("active_boot", String(64), nullable=False, comment="the boot that clock belongs to"),
    Column("completed", Float),
    Column("looks", Text, nullable=False, default="", comment="how its series look, by the headers, as JSON"),
    Column("attempts", Integer, nullable=False, default=0, comment="at routing, since it last made progress"),
    Column("next_try", Float, nullable=False, default=0.0),
    Column("asked_path", Text, comment="where a person wants series without a path of their own"),
    Column("record_bytes", BigInteger, nullable=False, default=0, comment="how much of the study's record is in here"),
    Column("copying", Float, comment="since when its images are being copied"),
    Column("announced", Float, comment="when the end of a held study was announced"),
)

series = Table(
    "series",
    metadata,
    Column("study", String(64), primary_key=True),
    Column("uid", String(64), primary_key=True),
    Column("number", Integer),
    Column("modality", String(16), nullable=False, default=""),
)

instances = Table(
    "instances",
    metadata,
    Column("study", String(64), primary_key=True),
    Column("name", String(128), primary_key=True, comment="the file's name in the study's directory"),
    Column("series", String(64), nullable=False),
    Column("uid", String(64), nullable=False, index=True),
    Column("sop_class", String(64), nullable=False),
    Column("transfer_syntax", String(64), nullable=False),
    Column("size", BigInteger, nullable=False, comment="of the file, in bytes"),
    Column("received", Float, nullable=False),
    Column("association", String(32), nullable=False),
    Column(
        "differs", Boolean, nullable=False, default=False, comment="another data set came under the same UID before"
    ),
    Column("path", Text, comment="what the header says after the route tag"),
    Column(
        "facts", Text, nullable=False, default="", comment="what the header says of the image's place in its series"
    ),
    Column("taken", Float, comment="when it was found that somebody took the file"),
    Column("routed", Float, comment="when it was copied to where its series goes"),
)
Index("instances_by_series", instances.c.study, instances.c.series)

routes = Table(
    "routes",
    metadata,
    Column("study", String(64), primary_key=True),
    Column("series", String(64), primary_key=True),
    Column("path", Text, nullable=False, comment="where it goes or went; empty where the header names no one place"),
    Column("asked", Boolean, nullable=False, default=False, comment="a person chose the path, not the header"),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("suggestion", Text, nullable=False, default=""),
    Column("changed", Float, nullable=False),
)

associations = Table(
    "associations",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("listener", String(64), nullable=False),
    Column("calling", String(16), nullable=False),
    Column("called", String(16), nullable=False),
    Column("host", String(64), nullable=False),
    Column("began", Float, nullable=False),
    Column("worker", String(32), nullable=False, default="", comment="the process that has it"),
    Column("ended", Float, index=True),
    Column("how", Text),
    Column("stored", Integer, nullable=False, default=0),
    Column("refused", Integer, nullable=False, default=0),
)

contributions = Table(
    "contributions",
    metadata,
    Column("association", String(32), primary_key=True),
    Column("study", String(64), primary_key=True, index=True),
)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False, index=True),
    Column("kind", String(32), nullable=False),
    Column("study", String(64)),
    Column("text", Text, nullable=False),
    Column("key", String(32), nullable=False, unique=True, comment="of all that, so that it is noted once"),
)
