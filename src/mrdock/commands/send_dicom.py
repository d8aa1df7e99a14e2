"""``send_dicom``: sends images to a DICOM server."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from mrdock.commands.common import CONTEXT, DONE, FAILED, USAGE, Command, errors_as_sentences, fail, version_option
from mrdock.files.names import printable
from mrdock.files.writing import write_file

if TYPE_CHECKING:
    from mrdock.network.collecting import Collection
    from mrdock.network.delivery import Delivery, Outcome
    from mrdock.network.destinations import Destination, Destinations
    from mrdock.network.ledger import Ledger
    from mrdock.network.policy import Sent

_OF_DESTINATION: Final = (
    *("host", "port", "called", "calling", "delay", "timeout", "parallel"),
    *("tls", "tls_ca", "tls_cert", "tls_key", "tls_insecure"),
)


@click.command("send_dicom", cls=Command, context_settings=CONTEXT)
@click.argument("paths", metavar="[FILE or DIR]...", nargs=-1, type=click.Path(readable=False))
@click.option("-c", "-s", "--host", metavar="HOST", help="The server's name or address.")
@click.option("-p", "--port", metavar="PORT", type=click.IntRange(1, 65535), help="Its port (default 104).")
@click.option("-r", "--called", metavar="TITLE", help="Its AE title (default ANY-SCP).")
@click.option("-a", "--calling", metavar="TITLE", help="Our own AE title (default SEND_DICOM).")
@click.option("--to", "name", metavar="NAME", help="A destination of the settings file.")
@click.option("-l", "--classic", is_flag=True, help="Only classic images: no Enhanced MR, CT or PET.")
@click.option("-R", "--recursive", is_flag=True, help="Also what is below the directories.")
@click.option(
    "-d",
    "--delay",
    metavar="SECONDS",
    type=click.FloatRange(0, 3600),
    help="The longest delay between images: it grows by 0.1 s with each error (default 0.5).",
)
@click.option("--parallel", metavar="N", type=click.IntRange(1, 64), help="Associations at once (default 1).")
@click.option("--timeout", metavar="SECONDS", type=click.FloatRange(0.1, 86400), help="The longest wait (default 60).")
@click.option("--tls/--no-tls", default=None, help="Encrypt the connection.")
@click.option("--tls-ca", metavar="FILE", help="Certificates to trust (PEM); default: those of the system.")
@click.option("--tls-cert", metavar="FILE", help="Our own certificate (PEM).")
@click.option("--tls-key", metavar="FILE", help="Its key, where it is not in the same file.")
@click.option("--tls-insecure", is_flag=True, default=None, help="Encrypt, but trust whoever answers.")
@click.option("--resume", is_flag=True, help="Go on: not what the ledger says was sent there.")
@click.option("--retry-failed", is_flag=True, help="Send what failed once more, without a question.")
@click.option("--ledger", "ledger_path", metavar="FILE", help="What was sent where; default in the state directory.")
@click.option("--report", "report_path", metavar="FILE", help="Write what became of each file, as JSON.")
@click.option("--force", is_flag=True, help="Overwrite the report where there is one.")
@click.option("--json", "as_json", is_flag=True, help="The result for programs.")
@click.option("--list", "listed", is_flag=True, help="List the destinations of the settings file.")
@click.option("--link", metavar="NAME DIR", nargs=2, help="Make a link in DIR that sends to destination NAME.")
@click.option("--destinations", "settings", metavar="FILE", help="The settings file.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but failures.")
@click.option("-v", "--verbose", is_flag=True, help="Name every file that was sent.")
@version_option()
@errors_as_sentences
def command(
    paths: tuple[str, ...],
    name: str | None,
    listed: bool,
    link: tuple[str, str] | None,
    settings: str | None,
    **said: Any,
) -> None:
    """Send images to a DICOM server.

    Of a directory the files in it are sent, with -R those below it too. Without a file the connection is checked.
    """
    from mrdock.network import destinations, links

    known = destinations.read(settings)
    if listed:
        _list(known, said["as_json"])
    if link is not None:
        known.find(link[0])
        click.echo(links.make_link(*link, sys.argv[0]))
        sys.exit(DONE)
    destination = _destination(known, name, links.linked_name(sys.argv[0]), said)
    if not paths and not said["retry_failed"]:
        _check(destination, said["as_json"])
    _Run(destination, {key: value for key, value in said.items() if key not in _OF_DESTINATION}).send(paths)


def _destination(known: Destinations, name: str | None, linked: str | None, said: dict[str, Any]) -> Destination:
    """What the command line says, then the named destination, then the defaults."""
    from mrdock.network.destinations import Destination, check_title

    if name is not None and linked is not None:
        fail(linked, f"--to {name}: this link sends to {linked}", USAGE)
    for option in ("called", "calling"):
        if said[option] is not None:
            check_title(f"--{option}", said[option])
    named = name or linked
    rest = known.defaults if named is None else known.find(named)
    destination = Destination(**{key: said[key] for key in _OF_DESTINATION}).over(rest)
    if not destination.host:
        fail("send_dicom", f"where to? -c HOST, --to NAME, or a host among the defaults in {known.path}", USAGE)
    if not destination.tls and any(said[key] for key in _OF_DESTINATION if key.startswith("tls_")):
        fail("send_dicom", "certificates are for TLS: say --tls, too", USAGE)
    return destination


# ---- without files ----


def _list(known: Destinations, as_json: bool) -> NoReturn:
    from mrdock.network.destination_text import lines, records

    if as_json:
        click.echo(json.dumps(records(known), indent=2))
    else:
        for line in lines(known):
            click.echo(printable(line))
    sys.exit(DONE)


def _check(destination: Destination, as_json: bool) -> NoReturn:
    from mrdock.network.checking import check, lines, record
    from mrdock.network.delivery import peer_of

    peer = peer_of(destination)
    checked = check(peer)
    if as_json:
        click.echo(json.dumps(record(peer, checked), indent=2))
    else:
        for line in lines(peer, checked):
            click.echo(printable(line))
    sys.exit(DONE)


# ---- sending ----


class _Run:
    """One run of the command, from the files to the exit code."""

    def __init__(
        self,
        destination: Destination,
        options: Mapping[str, Any],
    ) -> None:
        from mrdock.network.delivery import peer_of

        self._destination = destination
        self._peer = peer_of(destination)
        self._options = options
        self._quiet: bool = options["quiet"]
        self._report_path: str | None = options["report_path"]
        self._program = click.get_current_context().command_path
        self._stop = threading.Event()
        self._asking = False
        self._seen: list[str] = []
        if self._report_path is not None:
            _check_report(self._report_path, options["force"])
        self._line: Callable[[str], None] = lambda text: click.echo(text, err=True)

    def send(self, paths: tuple[str, ...]) -> NoReturn:
        """Collect, send, send again, say what became of it."""
        from mrdock.network.collecting import collect

        with self._ledger() as ledger, self._stopping():
            if not paths:
                paths = tuple(ledger.failed()) if ledger is not None else ()
            with self._counting() as seen:
                found = collect(
                    paths,
                    recurse=self._options["recursive"],
                    classic=self._options["classic"],
                    seen=seen,
                    stopped=self._stop.is_set,
                )
            self._name(found)
            if self._stop.is_set():
                self._say("stopped before anything was sent")
                sys.exit(FAILED)
            outcome = self._deliver(found, ledger)
        self._close(outcome)
        sys.exit(DONE if outcome.complete else FAILED)

    def _deliver(self, found: Collection, ledger: Ledger | None) -> Outcome:
        from mrdock.network.delivery import Delivery

        shown: list[Callable[[Sent], None]] = []
        delivery = Delivery(
            self._peer,
            self._destination,
            found,
            ledger=ledger,
            resume=self._options["resume"],
            told=lambda sent: self._told(sent, shown),
            stop=self._stop,
        )
        outcome = delivery.outcome
        with self._bar(delivery, shown):
            delivery.run()
        if self._options["retry_failed"] and outcome.failed and not self._stop.is_set():
            self._again(delivery, shown)
        while self._asks(outcome):
            self._again(delivery, shown)
        return outcome

    def _again(self, delivery: Delivery, shown: list[Callable[[Sent], None]]) -> None:
        self._say(f"sending {len(delivery.outcome.failed):,} again")
        with self._bar(delivery, shown, again=True):
            delivery.again()

    def _asks(self, outcome: Outcome) -> bool:
        """Whether the person at the terminal wants what failed to be sent again."""
        if not outcome.failed or self._stop.is_set() or not self._shows() or not sys.stdin.isatty():
            return False
        self._seen = self._summary(outcome)
        for line in self._seen:
            click.echo(line, err=True)
        self._asking = True
        try:
            return click.confirm(f"Send the {len(outcome.failed):,} that failed again?", err=True)
        except click.Abort:
            click.echo(err=True)
            return False
        finally:
            self._asking = False

    # ---- what it says ----

    def _say(self, text: str, *, always: bool = False) -> None:
        if always or not self._quiet:
            self._line(f"{self._program}: {printable(text)}")

    def _name(self, found: Collection) -> None:
        """Name what is not sent."""
        for path, why in found.failures:
            self._say(f"{path}: {why}", always=True)
        for path, why in (*found.others, *found.left):
            self._say(f"{path}: left: {why}")

    def _told(self, sent: Sent, shown: list[Callable[[Sent], None]]) -> None:
        if not sent.stored:
            tries = f" (tried {sent.tries} times)" if sent.tries > 1 else ""
            self._say(f"{sent.item.path}: not sent: {sent.words}{tries}", always=True)
        elif sent.words or self._options["verbose"]:
            self._say(f"{sent.item.path}: {', '.join(filter(None, (sent.words or 'sent', sent.note)))}")
        for show in shown:
            show(sent)

    def _summary(self, outcome: Outcome) -> list[str]:
        from mrdock.network.delivery_text import summary

        return [printable(line) for line in summary(outcome)]

    def _close(self, outcome: Outcome) -> None:
        """The last words, and the report."""
        from mrdock.network.delivery_text import report

        if outcome.refused:
            self._say(outcome.refused, always=True)
        if outcome.ledger_trouble:
            self._say(f"{outcome.ledger_trouble}: --resume will not know of all that was sent", always=True)
        if self._report_path is not None:
            text = json.dumps(report(outcome), indent=2) + "\n"
            write_file(self._report_path, text.encode(), force=self._options["force"])
        if self._options["as_json"]:
            click.echo(json.dumps(report(outcome), indent=2))
        elif not self._quiet:
            lines = self._summary(outcome)
            if lines != self._seen or not sys.stdout.isatty():
                for line in lines:
                    click.echo(line)
        if outcome.interrupted:
            self._say(
                f"stopped: {len(outcome.unsent):,} of {len(outcome.found.images):,} images were not sent; "
                "the same with --resume goes on",
                always=True,
            )

    # ---- what it works with ----

    @contextmanager
    def _ledger(self) -> Iterator[Ledger | None]:
        """The ledger; where the one in the state directory cannot be used, nothing needs it, and that is said, none."""
        from mrdock.errors import PlaceError
        from mrdock.network.delivery import name_of
        from mrdock.network.ledger import Ledger, begin_anew, default_path

        said: str | None = self._options["ledger_path"]
        needed = self._options["resume"] or said is not None
        ledger = None
        try:
            path = said or default_path()
            if not (needed or self._options["retry_failed"]):
                begin_anew(path)
            ledger = Ledger(path, name_of(self._peer))
        except PlaceError as error:
            if needed:
                raise
            self._say(f"{error}; --resume will not be possible")
        with ledger or nullcontext():
            yield ledger

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        """Ctrl-C stops after what is under way, a second one at once."""

        def interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signal's signature
            if self._asking or self._stop.is_set():
                raise KeyboardInterrupt
            self._stop.set()
            text = f"{self._program}: stopping after what is under way; Ctrl-C again stops at once\n"
            with suppress(OSError):
                os.write(2, text.encode())  # standard error may be in the middle of something else

        before = {}
        if threading.current_thread() is threading.main_thread():
            before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _shows(self) -> bool:
        return not (self._quiet or self._options["as_json"]) and sys.stderr.isatty()

    @contextmanager
    def _counting(self) -> Iterator[Callable[[int], None]]:
        """Show on a terminal how many files were looked at."""
        if not self._shows():
            yield lambda _: None
            return
        from rich.console import Console

        with Console(stderr=True).status("looking at files") as status:

            def seen(count: int) -> None:
                if count % 100 == 0:
                    status.update(f"looking at files: {count:,}")

            yield seen

    @contextmanager
    def _bar(self, delivery: Delivery, shown: list[Callable[[Sent], None]], *, again: bool = False) -> Iterator[None]:
        """Show on a terminal how far it is, in files and MB a second."""
        outcome = delivery.outcome
        items = [sent.item for sent in outcome.failed] if again else outcome.unsent
        if not self._shows() or not items:
            yield
            return
        from mrdock.commands.send_progress import bar

        with bar(len(items), sum(item.size for item in items), lambda: delivery.moved) as (told, line):
            shown.append(told)
            before, self._line = self._line, line
            try:
                yield
            finally:
                self._line = before
                shown.pop()


def _check_report(path: str, force: bool) -> None:
    """Refuse before anything is sent what could not be written at the end."""
    if os.path.isdir(path) or not os.path.isdir(os.path.dirname(path) or os.curdir):
        fail("send_dicom", f"{path}: no report can be written there", USAGE)
    if os.path.lexists(path) and not force:
        fail("send_dicom", f"{path}: is there already; --force overwrites it", USAGE)
