"""``mrdock serve``: run the dock."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from mrdock.commands.common import CONTEXT, errors_as_sentences, settings_options

if TYPE_CHECKING:
    from mrdock.dock.reconcile import Report
    from mrdock.dock.settings import Settings


@click.command("serve", context_settings=CONTEXT, short_help="Run the dock.")
@settings_options
@click.option("--log-json", is_flag=True, help="Log one JSON object a line, for machines.")
@click.option("-q", "--quiet", is_flag=True, help="Do not say at the start what the dock does.")
@click.option("-v", "--verbose", is_flag=True, help="Log every association and image.")
@errors_as_sentences
def command(config: str | None, store: str | None, log_json: bool, quiet: bool, verbose: bool) -> None:
    """Receive, keep and route images until stopped (SIGTERM or Ctrl-C; twice to stop at once).

    Without a settings file it opens two listeners on this machine alone: 11112, which accepts Enhanced MR, and
    11113, which makes a scanner send classic images.
    """
    from mrdock.dock import logs, settings

    _open_standard_descriptors()
    chosen = settings.load(config, store)
    level = "debug" if verbose else chosen.log.level
    logs.start(level, chosen.log.file, as_json=log_json or chosen.log.json)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        say(
            "mrdock serve: running as root: it works, but a user of its own is better, since a fault in a program that "
            "the network talks to should not have the whole machine in its hands",
            err=True,
        )
    from mrdock.dock import service

    code = service.serve(chosen, (lambda *_: None) if quiet else _say)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the dock has stopped: one more Ctrl-C must not end in a traceback
    sys.exit(code)


def _say(chosen: Settings, report: Report | None) -> None:
    """In plain words: what is listened to, where files go, where they may be copied."""
    from mrdock.dock.words import counted

    lines = []
    for listener in chosen.listeners:
        takes = (
            "Enhanced MR and everything else" if listener.accepts == "enhanced" else "classic images, no Enhanced MR"
        )
        lines.append(f"Listening on {listener.host} port {listener.port} as {listener.title} for {takes}.")
    access = [chosen.access(listener) for listener in chosen.listeners]
    if all(rules.peers is not None for rules in access):
        peers = ", ".join(f"{peer.title} from {peer.network}" for peer in chosen.peers or ())
        lines.append(f"Accepting from {peers}.")
    elif chosen.peers is None:
        lines.append("Accepting from anyone who can reach these ports.")
    else:
        lines.append("Accepting from programs on this machine only.")
    there = f" ({counted(report.studies, 'study')} there)" if report is not None else ""
    lines.append(f"Keeping images in {chosen.root}{there}, for {chosen.retention.days:g} days.")
    roots = ", ".join(str(root) for root in chosen.route.roots)
    where = f"below {roots}" if roots else 'nowhere: no directory is allowed yet ([route] roots = ["/data"] allows one)'
    lines.append(f"Copying where the header says ({chosen.route.tag}/path): {where}.")
    if chosen.source is None:
        lines.append("No settings file: these are the defaults; mrdock init writes a file to change them.")
    else:
        lines.append(f"Settings from {chosen.source}.")
    say("\n".join(lines))


def say(text: str, err: bool = False) -> None:
    """Print, if there is somebody to read it: a dock runs without."""
    with suppress(OSError, ValueError, AttributeError):
        click.echo(text, err=err)
        (sys.stderr if err else sys.stdout).flush()


def _open_standard_descriptors() -> None:
    """Where standard input, output or error is closed, the next file or socket would take its number, and our words."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
