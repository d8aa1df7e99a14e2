"""Is a path from a header one that may be written to, and if not, why, and what was perhaps meant?"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdock.dock import destination
from mrdock.dock.destination import Destination, RouteTrouble, check_text, is_below, mounted, nearest, resolve
from mrdock.dock.settings import RouteSettings

# ---- the text ----

WIDE = "\N{FULLWIDTH SOLIDUS}"
ODD = st.sampled_from(["\0", "\n", "/", "..", chr(0xD800), chr(0xDCFF), "x" * 255, "x" * 256, WIDE, "\\", "~", "-rf"])
WORDS = st.lists(ODD | st.text(max_size=8), max_size=20)
PATHS = st.one_of(
    st.text(max_size=30),
    WORDS.map("".join),
    WORDS.map("/".join),
    WORDS.map(lambda words: "/" + "/".join(words)),
)


@given(PATHS)
def test_a_path_becomes_canonical_or_is_refused(path: str) -> None:
    try:
        found = check_text(path)
    except RouteTrouble:
        found = "/refused"
    assert found == os.path.normpath(found)
    assert found.startswith("/")
    assert not found.startswith("//")
    assert ".." not in found.split("/")
    assert "\0" not in found
    assert "\n" not in found
    assert found.isascii() or found.encode()
    assert len(os.fsencode(found)) <= 4095
    assert max(len(os.fsencode(part)) for part in found.split("/")) <= 255
    assert check_text(found) == found


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("/g5/kirby", "/g5/kirby"),
        ("/g5//kirby/", "/g5/kirby"),
        ("//g5/./kirby/.", "/g5/kirby"),
        ("/g5/Müller & Söhne", "/g5/Müller & Söhne"),
        ("/g5/~kirby", "/g5/~kirby"),
        ("/g5/$(touch x);`id`", "/g5/$(touch x);`id`"),
        (f"/g5{WIDE}..{WIDE}etc", f"/g5{WIDE}..{WIDE}etc"),  # a full-width slash parts nothing
        ("/g5/a\\..\\b", "/g5/a\\..\\b"),
        ("/g5/...", "/g5/..."),
        ("/" + "x" * 255, "/" + "x" * 255),
    ],
)
def test_canonical_forms(said: str, meant: str) -> None:
    assert check_text(said) == meant


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "no path follows the route tag"),
        ("g5/kirby", "is not absolute"),
        ("~/kirby", "is not absolute"),
        ("../g5", "is not absolute"),
        ("\\g5\\kirby", "is not absolute"),
        ("/g5/../etc", "leads upwards"),
        ("/..", "leads upwards"),
        ("/g5/kirby/..", "leads upwards"),
        ("/", "names no directory"),
        ("///./", "names no directory"),
        ("/g5/a\0b", "characters that no path should"),
        ("/g5/a\nb", "characters that no path should"),
        ("/g5/a\x1b[31m", "characters that no path should"),
        ("/g5/a\x7f", "characters that no path should"),
        ("/g5/a\ufffd", "characters that no path should"),
        (f"/g5/a{chr(0xD800)}", "characters that no path should"),
        (f"/g5/a{chr(0xDCFF)}", "characters that no path should"),
        ("/" + "x" * 256, "too long"),
        ("/" + "ü" * 128, "too long"),
        ("/x" * 2048, "too long"),
        ("/g5" + "/" * 4096, "too long"),
    ],
)
def test_refused_texts(said: str, why: str) -> None:
    with pytest.raises(RouteTrouble, match=why):
        check_text(said)


def test_below_is_by_parts_not_by_letters() -> None:
    assert is_below("/root1", "/root1")
    assert is_below("/root1/a", "/root1")
    assert is_below("/root1/a", "/root1/")
    assert is_below("/anything", "/")
    assert not is_below("/root10", "/root1")
    assert not is_below("/root1", "/root1/a")
    assert not is_below("/", "/root1")


# ---- the disk ----


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """root/kirby, outside/, store/ and root10/ (whose name begins like root1's)."""
    for name in ("root/kirby", "root1", "root10/kirby", "outside/kirby", "store"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def settings(place: Path, *roots: str, mounts: tuple[Path, ...] = ()) -> RouteSettings:
    """Routing allowed below some roots."""
    return RouteSettings(roots=tuple(place / root for root in roots or ("root",)), mount_points=mounts)


def go(path: Path | str, place: Path, *roots: str, mounts: tuple[Path, ...] = ()) -> Destination:
    """Resolve a path."""
    return resolve(str(path), settings(place, *roots, mounts=mounts), place / "store")


def trouble(path: Path | str, place: Path, *roots: str, mounts: tuple[Path, ...] = ()) -> RouteTrouble:
    """Why a path is refused."""
    with pytest.raises(RouteTrouble) as refused:
        go(path, place, *roots, mounts=mounts)
    return refused.value


def test_a_directory_below_a_root_is_one(place: Path) -> None:
    assert go(place / "root/kirby", place) == Destination(str(place / "root"), str(place / "root/kirby"), False)


def test_of_a_directory_that_is_missing_the_parent_is_enough(place: Path) -> None:
    found = go(place / "root/kirby/subj1", place)
    assert found == Destination(str(place / "root"), str(place / "root/kirby/subj1"), True)
    assert not (place / "root/kirby/subj1").exists()


def test_without_roots_nothing_is_copied(place: Path) -> None:
    with pytest.raises(RouteTrouble, match=r"copying is off.*\[route\] roots") as refused:
        resolve(str(place / "root/kirby"), RouteSettings(), place / "store")
    assert not refused.value.passing


@pytest.mark.parametrize("path", ["outside/kirby", "outside/new", "root10/kirby", "root10/new", ""])
def test_outside_of_the_roots(place: Path, path: str) -> None:
    found = trouble(place / path, place, "root", "root1")
    assert "not below one of the allowed directories" in found.reason
    assert not found.passing


def test_another_root_will_do(place: Path) -> None:
    assert go(place / "root10/kirby", place, "root", "root10").root == str(place / "root10")


def test_a_link_out_of_the_root_is_outside(place: Path) -> None:
    (place / "root/link").symlink_to(place / "outside")
    for path in ("root/link", "root/link/kirby", "root/link/new", "root/link/kirby/new"):
        assert "not below" in trouble(place / path, place).reason


def test_a_link_inside_the_root_leads_to_where_it_points(place: Path) -> None:
    (place / "root/link").symlink_to("kirby")
    assert go(place / "root/link", place).path == str(place / "root/kirby")
    assert go(place / "root/link/new", place) == Destination(
        str(place / "root"), str(place / "root/kirby/new"), make=True
    )


def test_a_link_from_outside_into_a_root_is_inside(place: Path) -> None:
    (place / "outside/link").symlink_to(place / "root/kirby")
    assert go(place / "outside/link", place).path == str(place / "root/kirby")


def test_a_root_may_be_a_link(place: Path) -> None:
    (place / "g5").symlink_to(place / "root")
    found = go(place / "g5/kirby", place, "g5")
    assert found == Destination(str(place / "root"), str(place / "root/kirby"), False)
    assert "not below" in trouble(place / "outside", place, "g5").reason


@pytest.mark.parametrize("target", ["nowhere", "loop"])
def test_a_broken_link_is_no_directory(place: Path, target: str) -> None:
    (place / "root" / "loop").symlink_to(target)
    found = trouble(place / "root/loop", place)
    assert "no such file" in found.reason or "symbolic links" in found.reason
    assert not found.passing


def test_a_file_is_no_directory(place: Path) -> None:
    (place / "root/file").write_text("x")
    found = trouble(place / "root/file", place)
    assert "not a directory" in found.reason
    assert found.suggestion == str(place / "root")
    assert trouble(place / "root/file/new", place).suggestion == str(place / "root")


def test_a_fifo_is_no_directory_and_nobody_waits_for_it(place: Path) -> None:
    os.mkfifo(place / "root/fifo")
    assert "not a directory" in trouble(place / "root/fifo", place).reason


def test_neither_path_nor_parent(place: Path) -> None:
    found = trouble(place / "root/kirby/new/subj1", place)
    assert found.reason == "neither the path nor its parent exists"
    assert found.suggestion == str(place / "root/kirby")
    assert not found.passing


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("root/kirbi/subj1/x", "root/kirby"),
        ("rooot/kirby/subj1", "root/kirby"),
        ("root/Kirby/a/b", "root/kirby"),
        ("root/somebody/a/b", "root"),
        ("outside/kirbi/a/b", ""),
        ("elsewhere/a/b", ""),
    ],
)
def test_what_was_perhaps_meant(place: Path, said: str, meant: str) -> None:
    expected = str(place / meant) if meant else ""
    assert trouble(place / said, place).suggestion == expected
    assert nearest(str(place / said), [place / "root"]) == expected


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("root10/kirby", "root1"),  # written nearly like the root that is allowed
        ("outside/kirby", ""),
    ],
)
def test_a_root_that_was_perhaps_meant(place: Path, said: str, meant: str) -> None:
    assert trouble(place / said, place, "root1").suggestion == (str(place / meant) if meant else "")


def test_a_link_that_leads_out_is_not_suggested(place: Path) -> None:
    (place / "root/link").symlink_to(place / "outside")
    assert nearest(str(place / "root/link/x/y"), [place / "root"]) == ""


def test_a_mount_point_that_is_a_link_is_the_mount_it_leads_to(place: Path) -> None:
    (place / "g5").symlink_to("/")
    assert go(place / "root/kirby", place, mounts=(place / "g5",)).path == str(place / "root/kirby")


def test_the_store_itself_is_no_destination(place: Path) -> None:
    for path in (place / "store", place / "store/20260105_101500_1a2b3c4d"):
        assert "into the store itself" in trouble(path, place, "").reason
    (place / "root/link").symlink_to(place / "store")
    assert "into the store itself" in trouble(place / "root/link", place, "").reason


# ---- what passes ----


def test_a_mount_point_that_is_not_mounted_passes(place: Path) -> None:
    found = trouble(place / "root/kirby", place, mounts=(place / "root",))
    assert found.reason == f"{place / 'root'} is not mounted"
    assert found.passing
    assert go(place / "root/kirby", place, mounts=(place / "outside", Path("/"))).path == str(place / "root/kirby")


def test_a_mount_point_behind_a_link_is_seen(place: Path) -> None:
    """/g5 is often a link to where the file server is mounted; without the mount the server's directory is empty."""
    (place / "g5").symlink_to(place / "root")
    found = trouble(place / "g5/kirby", place, "g5", mounts=(place / "root",))
    assert found.passing


@pytest.mark.parametrize("path", ["missing/kirby/subj1", "missing/kirby", "missing"])
def test_a_root_that_is_missing_may_be_back_later(place: Path, path: str) -> None:
    found = trouble(place / path, place, "missing")
    assert f"{place / 'missing'} is not there" in found.reason
    assert found.passing


@pytest.mark.parametrize("path", ["root/link", "root/link/subj1", "root/link/kirby/subj1", "missing"])
def test_a_root_that_is_missing_behind_a_link_may_be_back_later(place: Path, path: str) -> None:
    (place / "root/link").symlink_to(place / "missing")
    (place / "server").symlink_to(place / "missing")
    found = trouble(place / path, place, "root", "server")
    assert "is not there; is it mounted?" in found.reason
    assert found.passing


def test_other_roots_and_mount_points_are_not_looked_at(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They may be on disks that hang."""
    looked_at: list[str] = []

    def noting(real: Callable[..., os.stat_result]) -> Callable[..., os.stat_result]:
        def look(path: str | Path, **more: object) -> os.stat_result:
            looked_at.append(os.fspath(path))
            return real(path, **more)

        return look

    mount = place / "outside"
    monkeypatch.setattr(destination, "mounted", lambda: frozenset([str(mount)]))
    monkeypatch.setattr(os, "stat", noting(os.stat))
    monkeypatch.setattr(os, "lstat", noting(os.lstat))
    for path in ("root/kirby", "root/kirby/subj1"):
        go(place / path, place, "root10", "outside", "root", mounts=(mount,))
    assert str(place / "root") in looked_at
    assert not any(is_below(path, str(place / name)) for path in looked_at for name in ("root10", "outside"))


def test_the_kernel_says_what_is_mounted() -> None:
    found = mounted()
    assert {"/", "/proc"} <= found
    assert all(map(os.path.ismount, found & {"/", "/proc", "/sys", "/dev"}))


@pytest.mark.parametrize("code", [errno.ESTALE, errno.EIO, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ENOTCONN])
def test_a_file_server_that_does_not_answer_may_do_so_later(
    place: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    beyond = str(place / "root/kirby")

    def unreachable(real: Callable[..., os.stat_result]) -> Callable[..., os.stat_result]:
        def look(path: object, *rest: object, **more: object) -> os.stat_result:
            if isinstance(path, str | os.PathLike) and is_below(os.fspath(path), beyond):
                raise OSError(code, os.strerror(code), path)
            return real(path, *rest, **more)

        return look

    monkeypatch.setattr(os, "stat", unreachable(os.stat))
    monkeypatch.setattr(os, "lstat", unreachable(os.lstat))
    for path in (beyond, f"{beyond}/subj1", f"{beyond}/subj1/run1"):
        assert trouble(path, place).passing, path


def test_a_directory_that_may_not_be_entered_says_so(
    open_place: Path, as_nobody: Callable[[Callable[[], str]], str]
) -> None:
    (open_place / "root/closed/kirby").mkdir(parents=True)
    (open_place / "root").chmod(0o755)
    (open_place / "root/closed").chmod(0o000)

    def ask() -> str:
        return trouble(open_place / "root/closed/kirby", open_place).reason

    assert "ermission denied" in as_nobody(ask)
