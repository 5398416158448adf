"""An empty answer by grpclib, which speaks HTTP/2 in Python: `python grpclib_program.py PORT`."""

import asyncio
import signal
import sys
from typing import Any

import uvloop
from grpclib.const import Cardinality, Handler
from grpclib.encoding.base import CodecBase
from grpclib.server import Server, Stream

METHOD = "/inference.GRPCInferenceService/ModelInfer"


class Bytes(CodecBase):
    """Messages as they are."""

    __content_subtype__ = "proto"

    def encode(self, message: bytes, message_type: Any) -> bytes:
        return message

    def decode(self, data: bytes, message_type: Any) -> bytes:
        return data


class Echo:
    """What grpclib takes for a service."""

    async def answer(self, stream: "Stream[bytes, bytes]") -> None:
        await stream.recv_message()
        await stream.send_message(b"")

    def __mapping__(self) -> dict[str, Handler]:
        return {METHOD: Handler(self.answer, Cardinality.UNARY_UNARY, bytes, bytes)}


async def serve(port: int) -> None:
    server = Server([Echo()], codec=Bytes())
    await server.start("127.0.0.1", port)
    ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    await ending.wait()
    server.close()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
