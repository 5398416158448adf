"""What Python is told in a process that has one thing to do: a worker of the stream, a replica."""

import gc
import sys


def tune_interpreter(young: int, switch_s: float = 0.0005) -> None:
    """Once all is loaded.

    Args:
        young: objects after which the collector looks at those that are new. A block of rows makes many, and
            requests a few each; neither leaves circles for it to find.
        switch_s: a thread waits so long for one that is busy, between two calls of the network; Python's own
            is 5 ms.
    """
    gc.freeze()  # else the collector would walk all that was ever imported
    gc.set_threshold(young, 10, 10)
    sys.setswitchinterval(switch_s)
