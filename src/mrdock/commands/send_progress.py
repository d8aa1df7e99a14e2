"""The bar that send_dicom shows on a terminal: how far it is, in files and MB a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn
from rich.text import Text

if TYPE_CHECKING:
    from rich.progress import Task

    from mrdock.network.policy import Sent


class _Rates(ProgressColumn):
    """How many MB went out, files and MB a second since the beginning."""

    def __init__(self, size: int, moved: Callable[[], int]) -> None:
        super().__init__()
        self._size = size
        self._moved = moved
        self._before = moved()

    def render(self, task: Task) -> Text:
        seconds = task.elapsed or 0.0
        moved = (self._moved() - self._before) / 1e6
        if not seconds:
            return Text("")
        rates = f"{task.completed / seconds:,.0f} files/s  {moved / seconds:,.1f} MB/s"
        return Text(f"{moved:,.0f} of {self._size / 1e6:,.0f} MB  {rates}")


@contextmanager
def bar(
    files: int, size: int, moved: Callable[[], int]
) -> Iterator[tuple[Callable[[Sent], None], Callable[[str], None]]]:
    """A bar for so many files of so many bytes; ``moved`` says how many went out.

    Gives what is to be told of each file that is settled, and how a line is printed above the bar.
    """
    rates = _Rates(size, moved)
    columns = (TextColumn("sending"), BarColumn(bar_width=16), MofNCompleteColumn(), rates)
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("", total=files)

        def told(_: Sent) -> None:
            shown.update(task, advance=1)

        def line(text: str) -> None:
            shown.console.print(text, markup=False, highlight=False, soft_wrap=True)

        yield told, line
