"""A gRPC server that leaves under load cancels no call, and leaves at once where nobody is connected."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator

import grpc
import pytest

from foretell.serve.protocols.asgi import Receive, Scope, Send
from foretell.serve.replica.lane import GrpcDoor, Lane

AGE_MS = 300
CALLERS = 8
OTHER = """
import sys
from concurrent.futures import ThreadPoolExecutor
import grpc
server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 1)])
method = grpc.unary_unary_rpc_method_handler(lambda request, context: b"other")
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.T", {"M": method}),))
server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
server.start()
print("ready", flush=True)
server.wait_for_termination()
"""


async def no_http(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("nobody asks over HTTP")


def make() -> grpc.aio.Server:
    """Answers `own`."""

    async def answer(request: bytes, context: object) -> bytes:
        return b"own"

    options = [("grpc.so_reuseport", 1), ("grpc.max_connection_age_ms", AGE_MS)]
    made = grpc.aio.server(options=options)
    method = grpc.unary_unary_rpc_method_handler(answer)
    made.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.T", {"M": method}),))
    return made


@pytest.fixture
def lane() -> Iterator[Lane]:
    made = Lane(no_http, "127.0.0.1", 0, grpc=GrpcDoor(0, make))
    made.open()
    yield made
    made.drain(limit_s=0.1, linger_s=0)


@pytest.fixture
def other(lane: Lane) -> Iterator[None]:
    """Another process on the same port, which answers `other`."""
    command = [sys.executable, "-c", OTHER, str(lane.grpc_port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield
        process.kill()


@pytest.mark.usefixtures("other")
def test_nobody_is_cancelled(lane: Lane) -> None:
    ended = asyncio.Event()
    names: set[bytes] = set()

    async def call() -> None:
        alone = [("grpc.use_local_subchannel_pool", 1)]  # else all share a connection
        async with grpc.aio.insecure_channel(f"127.0.0.1:{lane.grpc_port}", options=alone) as channel:
            infer = channel.unary_unary("/t.T/M")
            while not ended.is_set():
                names.add(await infer(b"", timeout=5))

    async def leave() -> None:
        while len(names) < 2:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(lane.drain, 6.0, 0.0)
        names.clear()
        while not names:
            await asyncio.sleep(0.01)
        ended.set()

    async def all_of_them() -> None:
        await asyncio.gather(leave(), *(call() for _ in range(CALLERS)))

    asyncio.run(all_of_them())
    assert names == {b"other"}


def test_it_does_not_wait_for_nobody(lane: Lane) -> None:
    start = time.monotonic()
    lane.drain(limit_s=8.0, linger_s=0)
    assert time.monotonic() - start < 4.0
