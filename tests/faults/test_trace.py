"""The order check itself: it passes the right order and no other. The traces are written here, line by line."""

from __future__ import annotations

from itertools import permutations

import pytest

from mrdock.network import dimse, pdu
from tests.faults.trace import check_receiving, check_removal, check_routing, data, parse, routed_names

UID = "1.2.3"
STUDY = "/s/20260105_101500_1a2b3c4d"
PART = "/s/.mrdock/incoming/7-0.part"
IMAGE = f"{STUDY}/MR.{UID}"


def answer(uid: str = UID, status: int = 0) -> str:
    """The bytes of a C-STORE response, as strace writes them with every byte escaped."""
    request = dimse.Command(dimse.STORE_RQ, 1, None, "1.2", uid, True, None, "")
    sent = pdu.command_pdus(1, dimse.encode_response(request, status), 16384)
    return "".join(f"\\{byte:03o}" for byte in sent)


WRITE = f'7  write(4<{PART}>, "abc", 3) = 3'
SYNC = f"7  fsync(4<{PART}>) = 0"
RENAME = f'7  renameat2(5</s/.mrdock/incoming>, "7-0.part", 6<{STUDY}>, "MR.{UID}", RENAME_NOREPLACE) = 0'
SYNC_DIRECTORY = f"7  fsync(6<{STUDY}>) = 0"
SYNC_ROOT = "7  fsync(3</s>) = 0"
SEND = f'7  sendto(9<socket:[1]>, "{answer()}", 99, 0, NULL, 0) = 99'
RIGHT = (WRITE, SYNC, RENAME, SYNC_DIRECTORY, SEND)


def faults(*lines: str, copies: dict[str, list[int]] | None = None) -> list[str]:
    return check_receiving(parse(lines), "/s", copies or {}).faults


def test_the_right_order_passes() -> None:
    found = check_receiving(parse([SYNC_ROOT, *RIGHT]), "/s")
    assert (found.done, found.faults) == ({UID: 1}, [])


def test_every_other_order_fails() -> None:
    passed = [order for order in permutations(RIGHT) if not faults(SYNC_ROOT, *order)]
    assert passed == [RIGHT]


@pytest.mark.parametrize("left_out", [WRITE, SYNC, RENAME, SYNC_DIRECTORY])
def test_nothing_may_be_left_out(left_out: str) -> None:
    assert faults(SYNC_ROOT, *(line for line in RIGHT if line != left_out))


@pytest.mark.parametrize("failed", [SYNC, SYNC_DIRECTORY, RENAME])
def test_a_call_that_failed_does_not_count(failed: str) -> None:
    broken = failed.replace("= 0", "= -1 EIO (Input/output error) (INJECTED)")
    assert faults(SYNC_ROOT, *(broken if line == failed else line for line in RIGHT))


@pytest.mark.parametrize("place", [2, 3, 4, 5])
def test_a_write_after_the_sync_fails(place: int) -> None:
    lines = [SYNC_ROOT, *RIGHT]
    lines.insert(place + 1, WRITE if place < 3 else WRITE.replace(PART, IMAGE))
    assert faults(*lines)


def test_a_refusal_needs_no_file() -> None:
    assert not faults(f'7  sendto(9<socket:[1]>, "{answer(status=0xA700)}", 99, 0, NULL, 0) = 99')


def test_an_answer_in_pieces_counts_where_its_end_is_sent() -> None:
    sent = answer()
    half = len(sent) // 8 * 4
    pieces = [f'7  sendto(9<socket:[1]>, "{part}", 9, 0, NULL, 0) = 9' for part in (sent[:half], sent[half:])]
    assert not faults(SYNC_ROOT, *RIGHT[:3], pieces[0], SYNC_DIRECTORY, pieces[1])
    assert faults(SYNC_ROOT, *RIGHT[:3], *pieces, SYNC_DIRECTORY)


def test_a_new_study_directory_has_to_be_durable_too() -> None:
    make = [
        '7  mkdirat(5</s/.mrdock/incoming>, "study-7-0", 0750) = 0',
        '7  renameat(5</s/.mrdock/incoming>, "study-7-0", 3</s>, "20260105_101500_1a2b3c4d") = 0',
    ]
    assert not faults(*make, SYNC_ROOT, *RIGHT)
    assert faults(SYNC_ROOT, *make, *RIGHT)
    assert faults(make[0], SYNC_ROOT, make[1], *RIGHT)
    assert not faults(*make, *RIGHT[:4], SYNC_ROOT, SEND), "when is of no account, if it is before the answer"
    assert faults(*RIGHT), "it may have been made by somebody who was killed before the sync"


def test_so_has_the_store_itself_and_what_is_above_it() -> None:
    make = '7  mkdir("/s", 0777) = 0'
    assert faults(make, SYNC_ROOT, *RIGHT)
    assert not faults(make, "7  fsync(3</>) = 0", SYNC_ROOT, *RIGHT)


def test_a_sync_that_began_before_the_rename_had_ended_proves_nothing() -> None:
    other = SYNC_DIRECTORY.replace("7  ", "8  ")
    begins, ends = other.replace(") = 0", " <unfinished ...>"), "8  <... fsync resumed>) = 0"
    assert faults(SYNC_ROOT, *RIGHT[:2], begins, RENAME, ends, SEND)
    assert not faults(SYNC_ROOT, *RIGHT[:3], begins, ends, SEND), "another thread's sync does, if it began later"
    assert faults(SYNC_ROOT, *RIGHT[:3], begins, SEND, ends), "and has ended before the answer"


def test_a_sync_that_began_before_the_write_had_ended_proves_nothing() -> None:
    begins, ends = WRITE.replace(", 3) = 3", " <unfinished ...>"), "7  <... write resumed>, 3) = 3"
    other = SYNC.replace("7  ", "8  ")
    assert faults(SYNC_ROOT, begins, other, ends, *RIGHT[2:])
    assert not faults(SYNC_ROOT, begins, ends, other, *RIGHT[2:])


def test_a_duplicate_needs_the_sync_of_the_first() -> None:
    other = SEND.replace("7  sendto(9<socket:[1]>", "8  sendto(8<socket:[2]>")
    assert faults(SYNC_ROOT, *RIGHT[:3], other, SYNC_DIRECTORY, SEND)
    assert not faults(SYNC_ROOT, *RIGHT[:4], other, SEND)


def test_other_content_under_one_uid_needs_a_file_of_its_own() -> None:
    beside = [line.replace("7-0.part", "7-1.part").replace(f"MR.{UID}", f"MR.{UID}_0a1b2c3d") for line in RIGHT]
    assert not faults(SYNC_ROOT, *RIGHT, *beside, copies={UID: [1, 2]})
    assert faults(SYNC_ROOT, *RIGHT, SEND, copies={UID: [1, 2]})
    assert faults(SYNC_ROOT, *RIGHT, *beside[:3], SEND, copies={UID: [1, 2]})


def test_a_link_in_the_place_of_a_rename() -> None:
    """Where renameat2 is not to be had; the failed attempt before it is of no account."""
    failed = RENAME.replace("= 0", "= -1 EINVAL (Invalid argument)")
    link = RENAME.replace("renameat2", "linkat").replace("RENAME_NOREPLACE", "0")
    unlink = '7  unlinkat(5</s/.mrdock/incoming>, "7-0.part", 0) = 0'
    assert not faults(SYNC_ROOT, WRITE, SYNC, failed, link, unlink, SYNC_DIRECTORY, SEND)
    assert faults(SYNC_ROOT, WRITE, failed, link, SYNC, unlink, SYNC_DIRECTORY, SEND)


def test_an_image_may_not_be_deleted() -> None:
    assert faults(SYNC_ROOT, *RIGHT, f'7  unlinkat(6<{STUDY}>, "MR.{UID}", 0) = 0')


# ---- routing ----

COPY = (
    '7  write(4</d/x/.MR.1.2.3.ab.part>, "abc", 3) = 3',
    "7  fsync(4</d/x/.MR.1.2.3.ab.part>) = 0",
    f'7  renameat2(6</d/x>, ".MR.1.2.3.ab.part", 6</d/x>, "MR.{UID}", RENAME_NOREPLACE) = 0',
    "7  fsync(6</d/x>) = 0",
    '7  pwrite64(8</s/.mrdock/index.sqlite-wal>, "x", 1, 0) = 1',
    f'7  write(9<{STUDY}/.mrdock-study>, "{{\\"event\\": \\"routed\\", \\"names\\": [\\"MR.{UID}\\"]}}\\n", 60) = 60',
)
ABOVE = "7  fsync(3</d>) = 0"


def test_a_copy_in_the_right_order_passes_and_in_every_other_fails() -> None:
    found = check_routing(parse([ABOVE, *COPY]), "/s", ["/d/x"])
    assert (found.done, found.faults) == ({f"/d/x/MR.{UID}": 1}, [])
    passed = [order for order in permutations(COPY) if not check_routing(parse([ABOVE, *order]), "/s", ["/d/x"]).faults]
    # the index may be written before anything is copied, and after the record
    assert {tuple(line for line in order if "sqlite" not in line) for order in passed} == {(*COPY[:4], COPY[5])}
    assert all(order.index(COPY[4]) < 3 or order.index(COPY[4]) > 3 for order in passed)


def test_a_new_destination_has_to_be_durable_too() -> None:
    make = [
        '7  mkdirat(5</d>, ".0123.part", 0700) = 0',
        '7  renameat2(5</d>, ".0123.part", 5</d>, "x", RENAME_NOREPLACE) = 0',
    ]
    assert not check_routing(parse([*make, ABOVE, *COPY]), "/s", ["/d/x"]).faults
    assert check_routing(parse([ABOVE, *make, *COPY]), "/s", ["/d/x"]).faults
    assert check_routing(parse(COPY), "/s", ["/d/x"]).faults, "a job that was killed may have made it"


def test_what_was_never_copied_is_not_routed() -> None:
    assert check_routing(parse([ABOVE, COPY[5]]), "/s", ["/d/x"]).faults


# ---- removal ----

LEAVES = '7  renameat(3</s>, "20260105_101500_1a2b3c4d", 6</s/.mrdock/trash>, "20260105_101500_1a2b3c4d-ff") = 0'
DELETED = f'7  unlinkat(7</s/.mrdock/trash/20260105_101500_1a2b3c4d-ff>, "MR.{UID}", 0) = 0'
SAFE = {"20260105_101500_1a2b3c4d": [f"/d/x/MR.{UID}"]}


def test_a_study_leaves_durably_before_its_files_are_deleted_and_after_its_copies_are_safe() -> None:
    right = (*COPY[:4], LEAVES, SYNC_ROOT, DELETED)
    found = check_removal(parse([ABOVE, *right]), "/s", SAFE)
    assert (found.done, found.faults) == ({"20260105_101500_1a2b3c4d": 1}, [])
    assert check_removal(parse([ABOVE, *COPY[:4], LEAVES, DELETED, SYNC_ROOT]), "/s", SAFE).faults
    assert check_removal(parse([ABOVE, *COPY[:3], LEAVES, SYNC_ROOT, DELETED]), "/s", SAFE).faults
    assert check_removal(parse([f'7  unlinkat(7<{STUDY}>, "MR.{UID}", 0) = 0']), "/s", SAFE).faults


# ---- reading strace ----


def test_strings_and_words_are_read_back() -> None:
    (call,) = parse(['12345  renameat(3</a/b, c>, "x\\"\\\\y\\12\\303\\251, z", AT_FDCWD</w>, "../q") = 0'])
    assert (call.path(0, 1), call.path(2, 3)) == ('/a/b, c/x"\\y\né, z', "/q")
    assert data('{msg_iov=[{iov_base="a\\0b", iov_len=3}, {iov_base="\\t", iov_len=1}]}') == b"a\0b\t"
    assert routed_names(b'\n{"event": "routed", "names": ["a", "b"]}\n{"event": "route"}\n') == ["a", "b"]


def test_a_call_that_a_kill_cut_off_has_no_effect_but_its_answer_may_have_gone() -> None:
    cut = [SYNC_DIRECTORY.replace(") = 0", " <unfinished ...>"), "7  +++ killed by SIGKILL +++"]
    assert faults(SYNC_ROOT, *RIGHT[:3], *cut, SEND.replace("7  ", "8  "))
    assert faults(SYNC_ROOT, *RIGHT[:3], SEND.replace(", 99, 0, NULL, 0) = 99", " <unfinished ...>"))
    assert faults(SYNC_ROOT, *RIGHT[:3], SEND.replace("= 99", "= ?"))
