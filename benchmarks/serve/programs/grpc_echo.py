"""The least that a gRPC server can do, an empty answer to any call: `python grpc_echo.py aio|sync PORT`."""

import asyncio
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc.aio
import uvloop

_THREADS = 4


class Handlers(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Every method."""

    def __init__(self, answer: Any) -> None:
        self._handler = grpc.unary_unary_rpc_method_handler(answer)

    def service(self, details: Any) -> Any:
        return self._handler


async def answer_aio(request: bytes, context: Any) -> bytes:
    return b""


def answer_sync(request: bytes, context: Any) -> bytes:
    return b""


async def serve_aio(port: str) -> None:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Handlers(answer_aio),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    await ending.wait()
    await server.stop(None)


def serve_sync(port: str) -> None:
    server = grpc.server(ThreadPoolExecutor(_THREADS))
    server.add_generic_rpc_handlers((Handlers(answer_sync),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    server.stop(None)


if __name__ == "__main__":
    kind, port = sys.argv[1:]
    if kind == "aio":
        uvloop.run(serve_aio(port))  # as the lane has it
    else:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
        serve_sync(port)
