"""What the dock says while it runs: one line an event, for people or as JSON, without patient data.

A log that cannot be written (full disk, closed terminal) never stops the dock.
"""

from __future__ import annotations

import json
import logging
import os
import select
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def printable(text: str) -> str:
    """Text with control characters written out, so that no peer can write to a terminal or forge a line."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


class PlainFormatter(logging.Formatter):
    """Date, time, level where it matters, and the sentence."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        when = datetime.fromtimestamp(record.created).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        text = record.getMessage()
        if record.exc_info:
            text += " | " + self.formatException(record.exc_info)
        return f"{when} {level}{printable(text)}"


class JsonFormatter(logging.Formatter):
    """One JSON object: time (UTC), level, logger, text, and the event's own facts."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "from": record.name,
            "text": record.getMessage(),
        }
        line |= {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class LineHandler(logging.Handler):
    """Writes each event in one call, so that the lines of several processes do not mix."""

    def __init__(self, path: Path | None) -> None:
        """Append to ``path``, or write to standard error."""
        super().__init__()
        self._path = path

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; a failure to do so is nobody's trouble."""
        line = (self.format(record) + "\n").encode("utf-8", "backslashreplace")
        with suppress(OSError, ValueError, AttributeError):
            if self._path is None:
                _write_now(sys.stderr.fileno(), line)
                return
            # opened anew each time: the file may be rotated, and its disk may come back
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
            descriptor = os.open(self._path, flags, 0o640)
            try:
                _write_now(descriptor, line)
            finally:
                os.close(descriptor)


def _write_now(descriptor: int, line: bytes) -> None:
    """Write a line if it can be written at once: a terminal that is stopped or a full pipe must not stop the dock."""
    waiter = select.poll()
    waiter.register(descriptor, select.POLLOUT)
    if waiter.poll(0):
        os.write(descriptor, line[: select.PIPE_BUF - 1] + b"\n" if len(line) > select.PIPE_BUF else line)


def start(level: str, path: Path | None, *, as_json: bool) -> None:
    """Send what the dock says to where the settings want it."""
    handler = LineHandler(path)
    handler.setFormatter(JsonFormatter() if as_json else PlainFormatter())
    logger = logging.getLogger("mrdock")
    logger.handlers = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
    threading.excepthook = _thread_failed


def _thread_failed(failure: threading.ExceptHookArgs) -> None:
    """A thread ended by an error of ours: said as everything else is."""
    value = failure.exc_value or failure.exc_type()
    logging.getLogger("mrdock").error("a thread ended by an error of ours", exc_info=value)
