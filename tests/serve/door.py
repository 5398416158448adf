"""The request door on a lane, HTTP and gRPC, over whatever backend."""

import http.client
import json
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
import msgspec

from foretell.config import ServeSettings
from foretell.serve.backend import Backend
from foretell.serve.protocols.app import App
from foretell.serve.protocols.oip_grpc import OipGrpc, make_server
from foretell.serve.protocols.oip_messages import SERVICE, methods
from foretell.serve.replica.lane import GrpcDoor, Lane
from foretell.serve.security.guard import Guard
from foretell.serve.security.tls import grpc_credentials, tls_context


class Door:
    """Open until `close`.

    Attributes:
        lane: its ports. certificate: of the settings, for its own clients.
    """

    def __init__(self, backend: Backend, settings: ServeSettings) -> None:
        guard = Guard(settings.security, settings.limits, loopback=True)
        oip = OipGrpc(backend, guard, settings)
        self.certificate: Path | None = settings.security.tls_certificate
        self.lane = Lane(
            App(backend, guard, settings, lambda: b"figures 1\n"),
            "127.0.0.1",
            0,
            limits=settings.limits,
            tls=tls_context(settings.security),
            grpc=GrpcDoor(0, lambda: make_server(oip, settings), grpc_credentials(settings.security)),
        )
        self.lane.open()

    @property
    def url(self) -> str:
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.lane.port}"

    def close(self) -> None:
        self.lane.drain(limit_s=1.0, linger_s=0.0)

    def http(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Status and body, on a connection of its own."""
        if self.certificate:
            trust = ssl.create_default_context(cafile=str(self.certificate))
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                "127.0.0.1", self.lane.port, timeout=10, context=trust
            )
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.lane.port, timeout=10)
        try:
            data = None if body is None else json.dumps(body).encode()
            connection.request(method, path, data, dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def grpc(self, method: str, request: Any = None, metadata: Mapping[str, str] | None = None) -> Any:
        """The response. Raises `grpc.RpcError`."""
        address = f"127.0.0.1:{self.lane.grpc_port}"
        if self.certificate:
            trust = grpc.ssl_channel_credentials(self.certificate.read_bytes())
            channel = grpc.secure_channel(address, trust)
        else:
            channel = grpc.insecure_channel(address)
        asked, answered = methods()[method]
        with channel:
            call = channel.unary_unary(f"/{SERVICE}/{method}", asked.SerializeToString, answered.FromString)
            return call(request or asked(), timeout=10, metadata=tuple((metadata or {}).items()))


def code(body: bytes) -> str | None:
    """Of an error, in whichever shape."""
    try:
        told = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None
    inner = told.get("error") if isinstance(told, dict) else None
    found = (
        inner.get("code") if isinstance(inner, dict) else told.get("code") if isinstance(told, dict) else None
    )
    return found if isinstance(found, str) else None
