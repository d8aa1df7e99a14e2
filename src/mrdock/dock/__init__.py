"""The server: settings, store, index, completion, routing, retention, and the processes that run them."""
