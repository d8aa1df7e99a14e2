"""Several processes and hosts at one index."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import ExitStack

import pytest

from mrdock.dock import queries
from mrdock.dock.index import Index
from tests.contracts.conftest import Place
from tests.contracts.rows import image
from tests.dock.support import STUDY, dump

EACH = 25


_WRITER = """
import sys
from pathlib import Path
from mrdock.dock.database import open_index
from tests.contracts.rows import closed, image, opened
index = open_index(Path(sys.argv[1]), sys.argv[2])
print("open", flush=True)
sys.stdin.readline()
writer, each = int(sys.argv[3]), int(sys.argv[4])
for number in range(each):
    name = f"a{writer}-{number}"
    index.record([opened(name), image(writer * each + number, association=name), closed(name)])
    index.set_fact("last", str(writer))
index.close()
"""


def test_two_processes_write_at_once_and_nothing_is_lost(index: Index, place: Place) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with ExitStack() as stack:
        writers = []
        for number in range(2):
            command = [sys.executable, "-c", _WRITER, str(place.path), place.url, str(number), str(EACH)]
            writer = subprocess.Popen(
                command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            writers.append(stack.enter_context(writer))
        assert [writer.stdout and writer.stdout.readline() for writer in writers] == ["open\n"] * 2
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.close()  # go
    assert [writer.returncode for writer in writers] == [0, 0]
    study = queries.study(index, STUDY)
    assert study is not None
    assert study.version == 2 * EACH
    assert queries.counts(index)[STUDY].images == 2 * EACH
    assert len(dump(index, ["associations"])["associations"]) == 2 * EACH
    assert queries.open_associations(index) == {}


def test_a_reader_is_not_kept_waiting_by_a_writer(index: Index, second: Index) -> None:
    index.record([image(1)])
    with index.write() as connection:
        connection.exec_driver_sql("UPDATE studies SET looks = 'half done'")
        (row,) = queries.all_studies(second)
        assert row.looks == ""
    (row,) = queries.all_studies(second)
    assert row.looks == "half done"


def test_threads_share_one_index(index: Index) -> None:
    def write(writer: int) -> None:
        for number in range(10):
            index.record([image(writer * 10 + number)])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert queries.counts(index)[STUDY].images == 40


# ---- one host a study ----


def test_a_study_is_claimed_by_one(index: Index, second: Index) -> None:
    with index.claim(STUDY) as mine, second.claim(STUDY) as other, second.claim("1.2.4") as another:
        assert mine
        assert other is not index.is_shared  # with SQLite the store's lock keeps a second dock away
        assert another
    with second.claim(STUDY) as mine:
        assert mine


def test_a_claim_ends_when_its_work_fails(index: Index, second: Index) -> None:
    with pytest.raises(RuntimeError, match="work failed"), index.claim(STUDY):
        raise RuntimeError("work failed")
    with second.claim(STUDY) as mine:
        assert mine


def test_who_was_refused_does_not_free_the_claim_of_another(index: Index, second: Index) -> None:
    with index.claim(STUDY):
        with second.claim(STUDY):
            pass
        with second.claim(STUDY) as mine:
            assert mine is not index.is_shared


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_a_claim_holds_no_transaction_open(index: Index, second: Index) -> None:
    """An idle transaction of hours would keep the server from tidying up, and a server may end it."""
    question = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%%'"
    with index.claim(STUDY) as mine, second.read() as connection:
        assert mine
        assert connection.exec_driver_sql(question).scalar() == 0


_HOLDER = """
import sys, time
from pathlib import Path
from mrdock.dock.database import open_index
with open_index(Path(sys.argv[1]), sys.argv[2]).claim(sys.argv[3]) as mine:
    print(mine, flush=True)
    time.sleep(600)
"""


def test_a_claim_dies_with_its_holder(index: Index, place: Place) -> None:
    command = [sys.executable, "-c", _HOLDER, str(place.path), place.url, STUDY]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        with index.claim(STUDY) as mine:
            assert mine is not index.is_shared
        holder.kill()
    for _ in range(200):  # the server notices by the closed socket
        with index.claim(STUDY) as mine:
            if mine:
                return
        threading.Event().wait(0.05)
    pytest.fail("the claim of a dead process was not freed")
