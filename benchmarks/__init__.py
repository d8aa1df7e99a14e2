"""Benchmarks: each prints our figure and the peers' from one run, as ratios."""
