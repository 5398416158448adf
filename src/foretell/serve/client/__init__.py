"""A program's side of the door: ask a running server, wait as it says, put a load on it."""
