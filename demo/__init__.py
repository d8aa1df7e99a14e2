"""A study goes through the dock: `python -m demo`."""
