"""Fixtures of the fault tests: the same docks and images as end to end."""

from tests.e2e.conftest import images, place, research, short_folder

__all__ = ["images", "place", "research", "short_folder"]
