"""Heads of requests that were read before: on a kept connection a client sends the same one each time.

Equal bytes at the beginning of a request mean the same, so they are read once. That saves a tenth of what
answering a small request costs.
"""

from foretell.serve.protocols.http import Head

_END = b"\r\n\r\n"
_MOST = 256  # heads; some clients number theirs
_LONGEST = 2_048  # bytes


class Heads:
    """Of one listener: heads of requests that are answered directly (see `Direct`)."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[Head, int]] = {}

    def find(self, data: bytes) -> tuple[Head, bytes] | None:
        """The head and the body, where `data` is one whole request whose head is known.

        It begins where a request begins: the rest of a head that came in pieces must not be asked for.
        """
        end = data.find(_END, 0, _LONGEST)
        if end < 0:
            return None
        start = end + len(_END)
        known = self._known.get(data[:start])
        if known is None or len(data) - start != known[1]:
            return None
        return known[0], data[start:]

    def keep(self, data: bytes, head: Head, length: int) -> None:
        """What was read of `data`, if it was one whole request: its head, and a body of so many bytes.

        Nor may the rest of a head be kept: who sends it alone would be taken for its sender.
        """
        end = data.find(_END, 0, _LONGEST)
        start = end + len(_END)
        if end < 0 or len(data) - start != length:
            return
        if len(self._known) >= _MOST:
            del self._known[next(iter(self._known))]
        self._known[data[:start]] = head, length
