"""The plan's rows as a Qt item model: only what is looked at is made."""

from __future__ import annotations

from typing import Any, Final

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal
from PySide6.QtWidgets import QTreeView

from mrdock.gui.rows import HEADINGS, Row, Sort

Index = QModelIndex | QPersistentModelIndex

_WIDTHS: Final = (170, 330, 70, 80)
_MOST_ROWS_OPEN: Final = 200
_RIGHT: Final = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)


class PlanModel(QAbstractItemModel):
    """Rows, of which those of the top level may have boxes; `ticked` tells which one the user has ticked or cleared."""

    ticked = Signal(object, bool)

    def __init__(self, parent: QObject) -> None:
        """Nothing is there yet."""
        super().__init__(parent)
        self._top: tuple[Row, ...] = ()
        self._on: set[int] = set()
        self._fixed = False

    def show_rows(self, rows: tuple[Row, ...]) -> None:
        """Show these, all ticked."""
        self.beginResetModel()
        self._top = rows
        self._on = {row.position for row in rows if row.can_be_chosen}
        self.endResetModel()

    def tick_all(self, fixed: bool) -> None:
        """Tick everything, and where ``fixed`` let nothing be cleared."""
        self._fixed = fixed
        if fixed:
            self._on = {row.position for row in self._top if row.can_be_chosen}
        if self._top:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._top) - 1, 0))

    # What Qt asks of a model; the names are Qt's.

    def index(self, row: int, column: int, parent: Index = QModelIndex()) -> QModelIndex:  # noqa: B008
        rows = self._below(parent)
        return self.createIndex(row, column, rows[row]) if 0 <= row < len(rows) else QModelIndex()

    def parent(self, index: Index) -> QModelIndex:  # type: ignore[override]
        above = self._row(index).parent if index.isValid() else None
        return QModelIndex() if above is None else self.createIndex(above.position, 0, above)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return len(self._below(parent)) if parent.column() <= 0 else 0

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008, ARG002
        return len(HEADINGS)

    def hasChildren(self, parent: Index = QModelIndex()) -> bool:  # noqa: B008
        return bool(self._below(parent))

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole and section in (2, 3):
            return _RIGHT
        return HEADINGS[section] if role == Qt.ItemDataRole.DisplayRole else None

    def flags(self, index: Index) -> Qt.ItemFlag:
        usual = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        box = index.isValid() and index.column() == 0 and self._row(index).can_be_chosen and not self._fixed
        return usual | Qt.ItemFlag.ItemIsUserCheckable if box else usual

    def data(self, index: Index, role: int = 0) -> Any:
        row, column = self._row(index), index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return row.cells[column]
        if role == Qt.ItemDataRole.ToolTipRole:
            return row.tip or None
        if role == Qt.ItemDataRole.TextAlignmentRole and column in (2, 3):
            return _RIGHT
        if role == Qt.ItemDataRole.CheckStateRole and column == 0 and row.can_be_chosen:
            return Qt.CheckState.Checked if row.position in self._on else Qt.CheckState.Unchecked
        return None

    def setData(self, index: Index, value: Any, role: int = 0) -> bool:
        if role != Qt.ItemDataRole.CheckStateRole or not self.flags(index) & Qt.ItemFlag.ItemIsUserCheckable:
            return False
        row, on = self._row(index), Qt.CheckState(value) == Qt.CheckState.Checked
        (self._on.add if on else self._on.discard)(row.position)
        self.dataChanged.emit(index, index, [role])
        self.ticked.emit(row, on)
        return True

    def _row(self, index: Index) -> Row:
        row: Row = index.internalPointer()
        return row

    def _below(self, index: Index) -> tuple[Row, ...]:
        return tuple(self._row(index).children) if index.isValid() else self._top


class PlanView(QTreeView):
    """The tree; `ticked` as in `PlanModel`."""

    ticked = Signal(object, bool)

    def __init__(self) -> None:
        """Nothing is shown yet."""
        super().__init__(uniformRowHeights=True)
        self.setAlternatingRowColors(True)
        self._rows = PlanModel(self)
        self._rows.ticked.connect(self.ticked)
        self.setModel(self._rows)
        self.setAccessibleName("What would happen")
        for column, width in enumerate(_WIDTHS):
            self.header().resizeSection(column, width)
        self.header().setStretchLastSection(True)

    def show_rows(self, rows: tuple[Row, ...]) -> None:
        """Show these rows, all ticked; the studies are open where that is not too much."""
        self._rows.show_rows(rows)
        studies = [row for row in rows if row.sort is Sort.STUDY]
        if sum(len(row.children) for row in studies) <= _MOST_ROWS_OPEN:
            for row in studies:
                self.expand(self._rows.index(row.position, 0))

    def tick_all(self, fixed: bool) -> None:
        """Tick everything, and where ``fixed`` let nothing be cleared."""
        self._rows.tick_all(fixed)
