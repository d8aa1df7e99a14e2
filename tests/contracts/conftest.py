"""The places where an index can be: an SQLite file, and a PostgreSQL server that runs for these tests alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect
from sqlalchemy.engine import make_url

from mrdock.dock.database import open_index
from mrdock.dock.index import Index
from tests.conftest import NeedTool
from tests.dock.conftest import as_nobody, open_place

__all__ = ["as_nobody", "open_place"]

USER = "postgres"
"""The user who runs the server where the tests run as root, which PostgreSQL refuses."""


@dataclass(frozen=True)
class Place:
    """Where an index is: the arguments of `open_index`."""

    path: Path
    url: str

    def open(self) -> Index:
        """Open the index that is there, or make it."""
        return open_index(self.path, self.url)


@pytest.fixture(scope="session")
def postgresql(need_tool: NeedTool) -> Iterator[str]:
    """The URL of an empty database of a server on a socket in a directory of its own, reached by nobody else."""
    pytest.importorskip("psycopg", reason="psycopg is not installed (pip install 'mrdock[postgres]')")
    initdb, pg_ctl = need_tool("initdb"), need_tool("pg_ctl")
    with tempfile.TemporaryDirectory(prefix="mrdock-pg-", dir="/tmp", ignore_cleanup_errors=True) as name:
        log = Path(f"{name}.log")
        server_user: str | None = None
        if os.geteuid() == 0:
            server_user = USER
            shutil.chown(name, USER, USER)

        def run(*command: str) -> None:
            with log.open("ab") as said:  # no pipe: a server that pg_ctl starts would keep it open
                done = subprocess.run(
                    command,
                    cwd=name,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    check=False,
                    timeout=60,
                    user=server_user,
                    group=server_user,
                    extra_groups=None if server_user is None else [],
                )
            assert done.returncode == 0, log.read_text()

        data = f"{name}/data"
        try:
            run(initdb, "-D", data, "-U", "mrdock", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
            options = f"-c listen_addresses='' -c unix_socket_directories='{name}' -c fsync=off"
            run(pg_ctl, "-D", data, "-w", "-l", f"{name}/server.log", "-o", options, "start")
            try:
                yield f"postgresql://mrdock@/postgres?host={name}"
            finally:
                run(pg_ctl, "-D", data, "-w", "-m", "immediate", "stop")
        finally:
            log.unlink(missing_ok=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Where an index is to be made; nothing is there yet."""
    path = tmp_path / "index.sqlite"
    if request.param == "sqlite":
        yield Place(path, "")
        return
    url: str = request.getfixturevalue("postgresql")
    try:
        yield Place(path, url)
    finally:
        engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
        with engine.begin() as connection:  # quicker than to drop and make them again
            there = inspect(connection).get_table_names()
            if there:
                connection.exec_driver_sql(f"TRUNCATE {', '.join(there)}")
        engine.dispose()


@pytest.fixture
def index(place: Place) -> Iterator[Index]:
    """An empty index."""
    made = place.open()
    yield made
    made.close()


@pytest.fixture
def second(place: Place, index: Index) -> Iterator[Index]:
    """The same index, opened as another process does."""
    opened = place.open()
    yield opened
    opened.close()
