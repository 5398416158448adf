"""Let no new connection into a listening socket's queue, without turning anybody away.

Whatever waits in the queue of a socket that is closed is reset, and between the last `accept` and `close`
there is always time for one more: some milliseconds, where other threads want the GIL. So SYNs are dropped
first, by a filter in the kernel. A client sends its SYN again after a second, and then it reaches another
listener of the port. Handshakes that are under way are completed.
"""

import ctypes
import logging
import socket
import struct

log = logging.getLogger(__name__)
_SO_ATTACH_FILTER = 26
_SYN, _SYN_AND_ACK, _ALL = 0x02, 0x12, 0xFFFFFFFF
# Classic BPF: code, jump if true, jump if false, value. Its data begins with the TCP header.
_PROGRAM = (
    (0x30, 0, 0, 13),  # the byte of flags
    (0x54, 0, 0, _SYN_AND_ACK),
    (0x15, 0, 1, _SYN),  # SYN alone?
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, _ALL),  # keep all of it
)


def drop_new_connections(listening: socket.socket) -> bool:
    """Whether it could be done; where not, closing may reset a connection that comes at that moment."""
    code = b"".join(struct.pack("=HBBI", *step) for step in _PROGRAM)
    buffer = ctypes.create_string_buffer(code)
    try:
        listening.setsockopt(
            socket.SOL_SOCKET,
            _SO_ATTACH_FILTER,
            struct.pack("@HP", len(_PROGRAM), ctypes.addressof(buffer)),
        )
    except OSError as error:
        log.debug("no filter for SYNs: %s", error)
        return False
    return True
