"""The manual: it builds, its links lead somewhere, and it names every command and option, and no others."""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

# A group's commands have a page each in a folder, the group itself that folder's index.md.
GROUP_FOLDERS = {"mrdock": "dock"}
# Pages in such a folder that are about no command.
OTHER_PAGES = {f"dock/{name}.md" for name in ("settings", "store", "routing", "retention", "operation")}
# Options that all commands have alike; a page need not repeat them.
EVERYWHERE = {"--help", "--version"}

OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
FENCE = re.compile(r"^(```|~~~).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)|^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
HEADING = re.compile(r"^#+\s+(.+?)\s*#*$", re.MULTILINE)

# What must not stand in any file: where it was written, and how work on it was organised.
# (The brackets keep these lines from finding themselves.)
PRIVATE = {
    "a path of the machine it was written on": re.compile(r"(?<![\w.~])/(?:[w]ork|[r]oot)/|/[t]mp/v/|/[o]pt/wheels"),
    "how the work was organised": re.compile(r"\b[i]ssues? (?:show|#?\d)|[s]hared/(?:DESIGN|reference|tools)"),
}


# Building


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert "WARNING" not in output
    return folder


def test_the_manual_builds_without_a_warning(site: Path) -> None:
    assert (site / "index.html").is_file()
    assert len(list(site.rglob("*.html"))) >= len(list(DOCS.rglob("*.md")))


def test_the_manual_works_without_internet(site: Path) -> None:
    loaded = re.compile(
        r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?(?:https?:)?//|<link\b[^>]*\bhref=["']?(?:https?:)?//"""
    )
    for page in site.rglob("*.html"):
        assert not loaded.search(page.read_text(encoding="utf-8")), page.relative_to(site)
    for sheet in site.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert not re.search(r"""(?:url\(\s*["']?|@import\s+["'])(?:https?:)?//""", text), sheet.relative_to(site)


def test_the_list_of_decisions_is_complete() -> None:
    records = sorted(path.name for path in (DOCS / "adr").glob("[0-9]*.md"))
    assert all(re.fullmatch(r"\d{4}-[a-z0-9]+(?:-[a-z0-9]+)*\.md", name) for name in records)
    assert [int(name[:4]) for name in records] == list(range(1, len(records) + 1))
    listed = re.findall(r"\]\((\d{4}-[^)]+)\)", (DOCS / "adr" / "index.md").read_text(encoding="utf-8"))
    assert sorted(listed) == records


# Commands and options


def documented_commands() -> Iterator[tuple[str, click.Command, str]]:
    """Every command, as a user types it, and the page of the manual (below docs/) that describes it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name, target in project["scripts"].items():
        module, _, attribute = target.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command), f"{target} is no click command"
        yield from with_pages(name, command)


def with_pages(name: str, command: click.Command) -> Iterator[tuple[str, click.Command, str]]:
    if not isinstance(command, click.Group):
        yield name, command, f"tools/{name}.md"
        return
    folder = GROUP_FOLDERS.get(name, f"tools/{name}")
    yield name, command, f"{folder}/index.md"
    for words, sub, top in below(name, command):
        yield words, sub, f"{folder}/{top}.md"


def below(words: str, group: click.Group, top: str = "") -> Iterator[tuple[str, click.Command, str]]:
    """The commands of a group and of the groups in it; those share the page of the outermost one."""
    context = click.Context(group, info_name=words)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{words} {name}", command, top or name
        if isinstance(command, click.Group):
            yield from below(f"{words} {name}", command, top or name)


def options(command: click.Command) -> set[str]:
    """The long names of a command's options, those that are hidden left out."""
    return {
        name
        for parameter in command.get_params(click.Context(command))
        if isinstance(parameter, click.Option) and not parameter.hidden
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name.startswith("--")
    }


def options_in(text: str, own: str, known: dict[str, set[str]]) -> Iterator[tuple[str, str]]:
    """Command and option for each option that a page about the command `own` names.

    An option in code that begins with another command belongs to that one; the options of programs that
    are not ours do not count.
    """
    fenced = [line for block in FENCE.finditer(text) for line in block.group().splitlines()[1:-1]]
    prose = FENCE.sub("", text)
    spans = SPAN.findall(prose)
    for option in OPTION.findall(SPAN.sub("", prose)):
        yield own, option
    for code in (*fenced, *spans):
        for part in re.split(r"[|;]|&&", code):
            line = part.strip().removeprefix("$ ").removeprefix("# ").strip()
            typed = max((name for name in known if f"{line} ".startswith(f"{name} ")), key=len, default=None)
            owner = own if typed is None and line.startswith("-") else typed
            if owner is not None:
                yield from ((owner, option) for option in OPTION.findall(line))


def complaints(commands: list[tuple[str, click.Command, str]], docs: Path) -> Iterator[str]:
    known = {words: options(command) for words, command, _ in commands}
    pages: dict[str, list[str]] = {}
    for words, _, page in commands:
        pages.setdefault(page, []).append(words)
    for page, described in pages.items():
        path = docs / page
        if not path.is_file():
            yield f"docs/{page} is missing: it describes {' and '.join(described)}"
            continue
        text = path.read_text(encoding="utf-8")
        heading = HEADING.search(text)
        if described[0] not in (heading.group(1).replace("`", "") if heading else ""):
            yield f"docs/{page}: the heading does not name {described[0]}"
        named = set(OPTION.findall(text))
        for words in described:
            for option in sorted(known[words] - named - EVERYWHERE):
                yield f"docs/{page}: {words} has {option}, and the page does not say so"
        for owner, option in dict.fromkeys(options_in(text, described[0], known)):
            possible = described if owner in described else [owner]
            if option not in EVERYWHERE.union(*(known[words] for words in possible)):
                yield f"docs/{page}: {owner} has no {option}"
    for folder in GROUP_FOLDERS.values():
        for path in sorted((docs / folder).glob("*.md")):
            page = path.relative_to(docs).as_posix()
            if page not in pages and page not in OTHER_PAGES:
                yield f"docs/{page} describes no command"


def test_every_command_and_option_is_in_the_manual_and_no_others() -> None:
    found = list(complaints(list(documented_commands()), DOCS))
    assert not found, "\n".join(found)


def test_every_command_can_be_reached() -> None:
    package = importlib.import_module("mrdock.commands")
    reached = {id(command) for _, command, _ in documented_commands()}
    lost = [
        f"{module.name}.{name}"
        for module in pkgutil.iter_modules(package.__path__, "mrdock.commands.")
        for name, value in vars(importlib.import_module(module.name)).items()
        if isinstance(value, click.Command) and id(value) not in reached
    ]
    assert not lost, "these are commands that no script of pyproject.toml leads to"


def test_the_check_of_the_manual_finds_what_is_wrong(tmp_path: Path) -> None:
    group = click.Group("mrdock", params=[click.Option(["--config"])])
    group.add_command(click.Command("serve", params=[click.Option(["-s", "--store"])]))
    group.add_command(click.Command("sweep", params=[click.Option(["--dry-run/--for-real"])]))
    group.add_command(click.Command("route"))
    folder = tmp_path / "dock"
    folder.mkdir()
    (folder / "index.md").write_text("# mrdock\n\n`--config FILE`\n", encoding="utf-8")
    (folder / "serve.md").write_text(
        "# mrdock serve\n\n`--store DIR`; see `mrdock sweep --dry-run`.\n\n```sh\nstorescu --propose-lossless x\n"
        "$ mrdock serve --port 1\n```\n",
        encoding="utf-8",
    )
    (folder / "sweep.md").write_text("# Sweeping\n\n--dry-run shows what would go.\n", encoding="utf-8")
    (folder / "old.md").write_text("# mrdock old\n", encoding="utf-8")
    assert list(complaints(list(with_pages("mrdock", group)), tmp_path)) == [
        "docs/dock/route.md is missing: it describes mrdock route",
        "docs/dock/serve.md: mrdock serve has no --port",
        "docs/dock/sweep.md: the heading does not name mrdock sweep",
        "docs/dock/sweep.md: mrdock sweep has --for-real, and the page does not say so",
        "docs/dock/old.md describes no command",
    ]


# Links and words


def project_files() -> list[Path]:
    """The files that git tracks, and those that it would."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("git is not installed")
    if done.returncode:
        pytest.skip("this is no git repository")
    paths = [ROOT / os.fsdecode(name) for name in done.stdout.split(b"\0") if name]
    return [path for path in paths if path.is_file()]


def anchors(page: Path) -> set[str]:
    headings = HEADING.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_links_lead_somewhere() -> None:
    broken = []
    for page in (path for path in project_files() if path.suffix == ".md"):
        text = SPAN.sub("", FENCE.sub("", page.read_text(encoding="utf-8")))
        for match in LINK.finditer(text):
            target, _, anchor = (match.group(1) or match.group(2)).partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            path = page.parent / target if target else page
            if not path.exists() or (anchor and path.suffix == ".md" and anchor not in anchors(path)):
                broken.append(f"{page.relative_to(ROOT)}: {match.group(1) or match.group(2)}")
    assert not broken, "\n".join(broken)


def test_no_file_says_where_or_how_it_was_written() -> None:
    found = []
    for path in project_files():
        data = path.read_bytes()
        if b"\0" in data:
            continue
        text = data.decode("utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            found += [
                f"{path.relative_to(ROOT)}:{number}: {what}" for what, words in PRIVATE.items() if words.search(line)
            ]
    assert not found, "\n".join(found)
