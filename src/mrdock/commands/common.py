"""What all commands share: exit codes, the translation of errors, common options."""

from __future__ import annotations

import functools
import io
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn, TextIO, TypeVar, cast

import click

from mrdock.errors import ChoiceError, MrdockError, SettingsError, TagError
from mrdock.files.names import printable
from mrdock.version import __version__

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
FOUND: Final = 3

_EXTRAS: Final = {"sqlalchemy": "dock", "psycopg": "postgres", "PySide6": "gui"}
"""Which extra brings a package that may be missing."""

F = TypeVar("F", bound=Callable[..., Any])


def fail(name: str, text: str, code: int = FAILED) -> NoReturn:
    """End the command with one sentence on standard error."""
    click.echo(f"{name}: {printable(text)}", err=True)
    sys.exit(code)


def errors_as_sentences(function: F) -> F:
    """Turn mrdock's errors into one sentence and an exit code: the only place where that is decided."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        name = click.get_current_context().command_path
        try:
            return function(*args, **kwargs)
        except (SettingsError, TagError, ChoiceError) as error:
            fail(name, str(error), USAGE)
        except MrdockError as error:
            fail(name, str(error))
        except ModuleNotFoundError as error:
            missing = (error.name or "").split(".")[0]
            if missing not in _EXTRAS:
                raise
            fail(name, f"needs {missing}, which is not installed: pip install 'mrdock[{_EXTRAS[missing]}]'")
        except BrokenPipeError:
            raise  # whoever read our output has had enough; click ends the command quietly
        except OSError as error:
            fail(name, f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error))

    return wrapped  # type: ignore[return-value]


class Command(click.Command):
    """A program of its own: what is wrong with its switches, too, is one sentence."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the switches; print help or version where they ask for it."""
        with _usage_as_a_sentence(ctx):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _usage_as_a_sentence(ctx):
            return super().invoke(ctx)


@contextmanager
def _usage_as_a_sentence(context: click.Context) -> Iterator[None]:
    name = context.command_path
    try:
        yield
    except click.UsageError as error:
        text = error.format_message().removesuffix(".")
        fail(name, f"{text[:1].lower()}{text[1:]}; see {name} --help", USAGE)
    except BrokenPipeError:
        raise  # click ends the command quietly
    except OSError as error:  # the command's own errors are sentences already: this was its help
        fail(name, f"standard output: {error.strerror or error}")


def output(encoding: str | None = None) -> TextIO | None:
    """Standard output, made so that no character of a name or a header stops a command; None where it is closed."""
    out = cast("TextIO | None", sys.stdout)
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(encoding=encoding, errors="backslashreplace")
    return out


def given_beside(others: Collection[str]) -> Iterator[click.Parameter]:
    """What was typed on the command line besides these parameters, for switches that go with few others."""
    context = click.get_current_context()
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name not in others and source is not None and source.name == "COMMANDLINE":
            yield parameter


class Failures:
    """Inputs that failed while the others are done: each is named once, on standard error, with its reason."""

    def __init__(self, *, quiet: bool = False) -> None:
        """Nothing has failed yet; ``quiet`` only counts."""
        self.count = 0
        self.quiet = quiet

    def add(self, path: str, error: Exception | str) -> None:
        """Say that ``path`` failed, and why."""
        self.count += 1
        if not self.quiet:
            self.remark(path, error)

    def say(self, sentence: str) -> None:
        """Count a failure whose sentence names its file already: mrdock's own errors do."""
        self.count += 1
        if not self.quiet:
            click.echo(f"{click.get_current_context().command_path}: {printable(sentence)}", err=True)

    def failed(self, path: str, error: MrdockError | OSError) -> None:
        """Say that ``path`` failed, by an error that may name its file itself."""
        if isinstance(error, MrdockError):
            self.say(str(error))
        else:
            self.add(error.filename or path, error)

    def remark(self, path: str, error: Exception | str) -> None:
        """Say something of ``path`` that is no failure."""
        reason = (error.strerror or error) if isinstance(error, OSError) else error
        name = click.get_current_context().command_path
        click.echo(f"{name}: {printable(f'{path}: {reason}')}", err=True)

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
    return click.version_option(__version__, "--version", prog_name="mrdock")


CONTEXT: Final = {"help_option_names": ["-h", "--help"]}
