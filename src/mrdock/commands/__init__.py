"""The commands: parse, call, print. One module a command; the exit codes stand in `common`."""
