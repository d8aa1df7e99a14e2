"""The process that fuzzes one target: ``python -m fuzz.engine TARGET [libFuzzer's options]``. It needs atheris."""

from __future__ import annotations

import sys
import warnings


def main(words: list[str]) -> None:
    """Run libFuzzer; it ends the process."""
    import atheris

    name, *options = words
    with atheris.instrument_imports(include=["mrdock"]):
        from fuzz.target import Harness, load

        target = load(name)
    warnings.simplefilter("error")  # a peer must not be able to fill a log with them
    harness = Harness(target)
    atheris.Setup([name, *options], harness.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
