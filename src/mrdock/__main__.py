"""``python -m mrdock``."""

from mrdock.commands.mrdock import main

main(prog_name="mrdock")
