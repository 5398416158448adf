"""What HTTP needs of ASGI: a body that is bounded in size and time, and a caller that may go away."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping, MutableMapping
from typing import Any, TypeVar

from foretell.config import LimitSettings
from foretell.serve.backend import Refusal
from foretell.serve.protocols.errors import HttpRefusal

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
T = TypeVar("T")

# Whether a caller has gone is looked at when an answer takes longer: watching costs more than most answers.
_PATIENCE = 0.005
_SMALL = 65_536


class CallerGone(BaseException):
    """Nobody is there to read an answer: as with a cancellation, no error that somebody could be told."""


def check_headers(size: int, most: int) -> None:
    """Raises Refusal: more bytes than `most`."""
    if size > most:
        raise HttpRefusal(
            "header_too_large", f"{size} bytes of headers, {most} are the most", cure="send less"
        )


def is_small(headers: Mapping[bytes, bytes]) -> bool:
    """Whether the body is none, or so small that it has come in with the headers or soon will have."""
    told = headers.get(b"content-length", b"0")
    return b"transfer-encoding" not in headers and len(told) < 6 and told.isdigit() and int(told) <= _SMALL


async def read_body(headers: Mapping[bytes, bytes], receive: Receive, limits: LimitSettings) -> bytes:
    """The whole body. What is told to be too large is refused before a byte of it is read.

    Raises:
        Refusal: too_large, request_timeout; and where it came packed, unsupported_media_type, bad_request.
        CallerGone: it was not sent to its end.
    """
    told = headers.get(b"content-length", b"0")
    if len(told) > 18 or not told.isdigit() or int(told) > limits.body_bytes:
        raise _too_large(limits)
    try:
        async with asyncio.timeout(limits.slow):
            body = await _read(receive, limits)
    except TimeoutError:
        cure = f"send it within {limits.slow:g} s"
        raise HttpRefusal("request_timeout", "the body did not come to its end", cure=cure) from None

    packing = headers.get(b"content-encoding")
    return body if packing is None else _unpacked(body, packing.strip().lower(), limits)


def _unpacked(body: bytes, packing: bytes, limits: LimitSettings) -> bytes:
    """gzip and deflate; a small body that would become a huge one is stopped on its way."""
    if packing == b"identity":
        return body
    if packing not in {b"gzip", b"deflate"}:
        told = packing.decode("latin-1")[:40]
        raise HttpRefusal("unsupported_media_type", f"content encoding {told!r}", cure="gzip or deflate")
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 32)  # 32: it sees by itself which of the two it is
    try:
        whole = unpack.decompress(body, limits.body_bytes + 1)
    except zlib.error:
        whole = b""
    if len(whole) > limits.body_bytes:
        raise _too_large(limits)
    if not unpack.eof:
        raise HttpRefusal(
            "bad_request", f"no whole {packing.decode()}", cure="send it packed as its header says"
        )
    return whole


async def _read(receive: Receive, limits: LimitSettings) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CallerGone
        part = message.get("body", b"")
        size += len(part)
        if size > limits.body_bytes:
            raise _too_large(limits)
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(limits: LimitSettings) -> Refusal:
    return Refusal(
        "too_large",
        f"a body of more than {limits.body_bytes} bytes",
        cure="send several requests, or binary tensors",
    )


async def while_connected(answer: Coroutine[Any, Any, T], receive: Receive) -> T:
    """Await an answer; when its caller goes away it is cancelled.

    Raises:
        CallerGone: it was.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    watch: asyncio.Task[None] | None = None
    gone = False

    async def wait_for_end() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        gone = True
        if task is not None:
            task.cancel()

    def start() -> None:
        nonlocal watch
        watch = loop.create_task(wait_for_end())

    timer = loop.call_later(_PATIENCE, start)
    try:
        return await answer
    except asyncio.CancelledError:
        if not gone or task is None or task.uncancel() > 0:
            raise
        raise CallerGone from None
    finally:
        timer.cancel()
        if watch is not None:
            watch.cancel()


async def lifespan(receive: Receive, send: Send) -> None:
    """Nothing is to be started here: whoever runs the app has its models ready."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
