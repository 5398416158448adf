"""What Python is told in a process that has one thing to do: a worker of the stream, a replica."""

import gc
import sys


def tune_interpreter() -> None:
    """Once all is loaded."""
    # Rows and requests make many short-lived containers and no cycles: the collector would walk them, and all
    # that was ever imported, for nothing.
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
    # A loop waits so long for a thread that is busy, between two calls of the network; 5 ms unless told.
    sys.setswitchinterval(0.0005)
