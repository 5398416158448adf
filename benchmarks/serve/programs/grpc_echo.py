"""The least that a gRPC server can do, an empty answer to any call: `grpc_echo.py aio|sync|handed PORT`."""

import asyncio
import signal
import sys
import threading
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


def handing() -> Any:
    """Threads again, that ask a loop of its own: where foretell's scheduler and its callers live."""
    loop = uvloop.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()

    async def answer_there() -> bytes:
        return b""

    def answer(request: bytes, context: Any) -> bytes:
        return asyncio.run_coroutine_threadsafe(answer_there(), loop).result()

    return answer


async def serve_aio(port: str) -> None:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Handlers(answer_aio),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    await ending.wait()
    await server.stop(None)


def serve_sync(port: str, answer: Any) -> None:
    server = grpc.server(ThreadPoolExecutor(_THREADS))
    server.add_generic_rpc_handlers((Handlers(answer),))
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
        serve_sync(port, answer_sync if kind == "sync" else handing())
