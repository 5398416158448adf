"""What is said of a request when it is over: W3C trace context, and a line of the access log."""

import logging
import re
from time import monotonic

from foretell.serve.protocols.gate import Caller

access = logging.getLogger("foretell.serve.access")
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def trace_context(told: bytes | None) -> bytes | None:
    """A `traceparent` that came well formed: it goes on to the answer and to the log."""
    return told if told is not None and _TRACEPARENT.fullmatch(told) else None


def log_access(
    caller: Caller, method: str, path: str, status: int | str, size: int, trace: bytes | None
) -> None:
    """One structured line. `size`: bytes of the answer; `trace`: of `trace_context`."""
    access.info(
        "%s %s",
        method,
        path[:200],
        extra={
            "status": status,
            "ms": round((monotonic() - caller.arrived) * 1e3, 3),
            "client": caller.identity.client,
            "request_id": caller.id,
            "bytes": size,
            **({"trace_id": trace[3:35].decode()} if trace else {}),
        },
    )
