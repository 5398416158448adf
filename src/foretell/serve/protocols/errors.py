"""Anything that went wrong, as status, headers and body. Nothing else writes an error to a client.

Two shapes, one content. Under `/v2` the Open Inference Protocol says that `error` is a string, and its
clients show that alone; so it tells a person all, and what a program wants stands beside it. Everywhere else
`error` is an object:

    /v2   {"error": "<path>: <message>; <cure>", "code": …, "path": …}
    else  {"error": {"code": …, "message": …, "cure": …, "path": …}}

`path` is there when a field was wrong. A path of the file system, a key and a stack never are: what was not
raised for a caller's eyes is told as `internal`, and its stack goes to the log alone.
"""

import logging
import math
from typing import ClassVar

import msgspec

from foretell.errors import EngineError, InputError
from foretell.serve.backend import Refusal

log = logging.getLogger(__name__)

_LONGEST = 300  # characters


class HttpRefusal(Refusal):
    """What only HTTP can get wrong, or the server itself.

    bad_request             400  no valid JSON, or half a request
    not_found               404  no such path
    method_not_allowed      405  `allow` tells which are
    request_timeout         408  the body came too slowly
    unsupported_media_type  415
    header_too_large        431
    internal                500  a defect of the server
    """

    HTTP: ClassVar[dict[str, int]] = {
        **Refusal.HTTP,
        "bad_request": 400,
        "not_found": 404,
        "method_not_allowed": 405,
        "request_timeout": 408,
        "unsupported_media_type": 415,
        "header_too_large": 431,
        "internal": 500,
    }
    allow: str = ""


def invalid(path: str, message: str, cure: str) -> Refusal:
    """A field is wrong. `path`: as in `inputs[0].shape`. Names that a client made up come back cut short."""
    return Refusal("invalid", message[:_LONGEST], cure=cure, path=path[:_LONGEST])


def no_answer() -> Refusal:
    """Of a window, or of all of a request."""
    return Refusal(
        "engine",
        "the network gave no finite answer",
        cure="compare the values with what the model was trained on: its description tells",
    )


def as_refusal(error: Exception, request_id: str = "") -> Refusal:
    """What the caller is told of any error."""
    if isinstance(error, Refusal):
        error.__traceback__ = None  # its frames hold the refusal: a circle for the garbage collector
        return error
    if isinstance(error, InputError):
        return Refusal("invalid", error.message, cure=error.cure or "see /docs for what the model reads")
    log.error("request %s failed", request_id, exc_info=error)
    if isinstance(error, EngineError):
        return Refusal("engine", "the runtime failed on this request", cure=_again(request_id))
    return HttpRefusal("internal", "the server failed on this request", cure=_again(request_id))


def error_body(refusal: Refusal, *, oip: bool) -> bytes:
    """JSON; `oip`: in the shape of the Open Inference Protocol."""
    if not oip:
        return msgspec.json.encode({"error": describe(refusal)})
    path = {} if refusal.path is None else {"path": refusal.path}
    return msgspec.json.encode({"error": one_line(refusal), "code": refusal.reason, **path})


def describe(refusal: Refusal) -> dict[str, object]:
    """`code`, `message`, `cure`, and `path` where a field was wrong: also an item of a batch bears it."""
    told: dict[str, object] = {
        "code": refusal.reason,
        "message": refusal.message,
        "cure": refusal.cure or "",
    }
    if refusal.path is not None:
        told["path"] = refusal.path
    return told


def one_line(refusal: Refusal) -> str:
    """For clients that show a string: path, message and cure."""
    where = f"{refusal.path}: " if refusal.path else ""
    return f"{where}{refusal.message}; {refusal.cure}" if refusal.cure else f"{where}{refusal.message}"


def error_headers(refusal: Refusal) -> tuple[tuple[bytes, bytes], ...]:
    """`Retry-After`, `WWW-Authenticate`, `Allow`, where they apply."""
    if refusal.retry_after is not None:
        # Whole seconds, rounded up: a client that comes back on time must not come too early.
        return ((b"retry-after", b"%d" % max(1, math.ceil(refusal.retry_after))),)
    if refusal.reason == "unauthenticated":
        return ((b"www-authenticate", b"Bearer"),)
    if isinstance(refusal, HttpRefusal) and refusal.allow:
        return ((b"allow", refusal.allow.encode()),)
    return ()


def _again(request_id: str) -> str:
    told = f"; its log tells more under request id {request_id}" if request_id else ""
    return f"try again; if it stays, tell the server's operator{told}"
