"""What all commands share: exit codes, the translation of errors, common options."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

import mrdock
from mrdock.errors import MrdockError, SettingsError, TagError
from mrdock.files.names import printable

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
FOUND: Final = 3

F = TypeVar("F", bound=Callable[..., Any])


def fail(name: str, text: str, code: int = FAILED) -> None:
    """End the command with one sentence on standard error."""
    click.echo(f"{name}: {text}", err=True)
    sys.exit(code)


def errors_as_sentences(function: F) -> F:
    """Turn mrdock's errors into one sentence and an exit code: the only place where that is decided."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        name = click.get_current_context().command_path
        try:
            return function(*args, **kwargs)
        except (SettingsError, TagError) as error:
            fail(name, str(error), USAGE)
        except MrdockError as error:
            fail(name, str(error))
        except ModuleNotFoundError as error:
            if error.name is None or error.name.split(".")[0] not in ("sqlalchemy", "psycopg"):
                raise
            fail(name, f"needs {error.name.split('.')[0]}, which is not installed: pip install 'mrdock[dock]'")
        except BrokenPipeError:
            raise  # whoever read our output has had enough; click ends the command quietly
        except OSError as error:
            fail(name, f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error))

    return wrapped  # type: ignore[return-value]


class Failures:
    """Inputs that failed while the others are done: each is named once, on standard error, with its reason."""

    def __init__(self) -> None:
        """Nothing has failed yet."""
        self.count = 0

    def add(self, path: str, error: Exception | str) -> None:
        """Say that ``path`` failed, and why."""
        self.count += 1
        reason = (error.strerror or error) if isinstance(error, OSError) else error
        name = click.get_current_context().command_path
        click.echo(f"{name}: {printable(path)}: {reason}", err=True)

    @property
    def code(self) -> int:
        """The exit code of a command whose other inputs are done."""
        return FAILED if self.count else DONE


def settings_options(function: F) -> F:
    """``--config`` and ``--store``, the same on every command of the dock."""
    function = click.option(
        "--store", metavar="DIR", help="The store's directory; overrides the settings file.", type=click.Path()
    )(function)
    return click.option(
        "--config",
        metavar="FILE",
        type=click.Path(readable=False),
        help="The settings file. Otherwise $MRDOCK_CONFIG, ~/.config/mrdock/dock.toml, /etc/mrdock/dock.toml.",
    )(function)


def version_option() -> Callable[[F], F]:
    """``--version``."""
    return click.version_option(mrdock.__version__, "--version", prog_name="mrdock")


CONTEXT: Final = {"help_option_names": ["-h", "--help"]}
