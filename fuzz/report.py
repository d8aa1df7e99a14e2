"""What libFuzzer says, as numbers and one line."""

from __future__ import annotations

import re
from dataclasses import dataclass

_STATUS = re.compile(r"^#\d+\s.*\bcov: (\d+) ft: (\d+) corp: (\d+)/(\S+)", re.MULTILINE)
_EXECUTED = re.compile(r"^stat::number_of_executed_units: (\d+)", re.MULTILINE)
_COUNT = re.compile(r"^#(\d+)\s", re.MULTILINE)
_EXCEPTION = re.compile(r"^ === Uncaught Python exception: ===\n(.*)", re.MULTILINE)
_ENGINE = re.compile(r"^==\d+==\s*ERROR: (.*)", re.MULTILINE)
_WRITTEN = re.compile(r"Test unit written to (\S+)")


@dataclass(frozen=True)
class Report:
    """One run of one target. ``finding`` says what was wrong, empty where nothing was; ``path`` is the input."""

    executions: int
    coverage: int
    features: int
    inputs: int
    finding: str = ""
    path: str = ""


def read(output: str, exit_code: int) -> Report:
    """Read what a run wrote."""
    status = _STATUS.findall(output)
    coverage, features, inputs = map(int, status[-1][:3]) if status else (0, 0, 0)
    counted = _EXECUTED.search(output)
    executions = int(counted[1]) if counted else max(map(int, _COUNT.findall(output)), default=0)
    if not exit_code:
        return Report(executions, coverage, features, inputs)
    raised, engine = _EXCEPTION.search(output), _ENGINE.search(output)
    lines = output.strip().splitlines()
    what = raised or engine
    finding = what[1].strip() if what else (lines[-1] if lines else "")
    written = _WRITTEN.search(output)
    return Report(
        executions, coverage, features, inputs, finding[:300] or f"exit code {exit_code}", written[1] if written else ""
    )
