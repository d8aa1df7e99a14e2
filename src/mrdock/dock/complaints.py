"""How much is said of what is refused."""

from __future__ import annotations

import threading


class Complaints:
    """Lets a number of sentences through each minute and counts the others, so that a hostile peer fills no disk."""

    def __init__(self, most: int = 60, seconds: float = 60.0) -> None:
        """Let ``most`` through in ``seconds``."""
        self._most = most
        self._seconds = seconds
        self._since = float("-inf")
        self._count = 0
        self._lock = threading.Lock()

    def let_through(self, text: str, monotonic: float) -> list[str]:
        """What to say now: the sentence, perhaps a count of those left out before, or nothing."""
        with self._lock:
            said = []
            if monotonic - self._since >= self._seconds:
                if self._count > self._most:
                    said.append(f"{self._count - self._most} further refusals were not listed")
                self._since, self._count = monotonic, 0
            self._count += 1
            return [*said, text] if self._count <= self._most else said
