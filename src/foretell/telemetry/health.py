"""GET /healthz and GET /metrics on a port of the process's own."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from foretell.errors import ConfigError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Health:
    """Whether it does its work, and what there is to say about it (JSON values only)."""

    healthy: bool
    detail: Mapping[str, object] = field(default_factory=dict)


class HealthServer:
    """Answers in a thread of its own until `close`.

    Attributes:
        port: the one that it listens on, also when a free one was asked for.
    """

    def __init__(
        self, host: str, port: int, health: Callable[[], Health], metrics: Callable[[], bytes]
    ) -> None:
        """Both callables are asked at each request, from another thread.

        Args:
            port: 0: any free one.

        Raises:
            ConfigError: the port cannot be had.
        """

        class Handler(_Handler):
            ask_health = staticmethod(health)
            ask_metrics = staticmethod(metrics)

        try:
            self._server = _Server((host, port), Handler)
        except OSError as error:
            raise ConfigError(
                f"cannot listen on {host}:{port} for /healthz and /metrics: {error.strerror or error}",
                cure="give another --port, or 0 for a free one",
            ) from None
        self.port: int = self._server.server_address[1]
        self._thread = Thread(target=self._server.serve_forever, args=(0.1,), name="health", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        log.debug("a request for health or metrics broke off", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    ask_health: Callable[[], Health]
    ask_metrics: Callable[[], bytes]
    server_version, sys_version = "foretell", ""
    timeout = 10

    def do_GET(self) -> None:
        try:
            status, kind, body = self._answer(self.path.partition("?")[0])
        except Exception:
            log.exception("health or metrics could not be told")
            status, kind, body = _json(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": "internal"})
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def _answer(self, path: str) -> tuple[HTTPStatus, str, bytes]:
        if path == "/metrics":
            return HTTPStatus.OK, "text/plain; version=0.0.4; charset=utf-8", self.ask_metrics()
        if path == "/healthz":
            health = self.ask_health()
            status = HTTPStatus.OK if health.healthy else HTTPStatus.SERVICE_UNAVAILABLE
            return _json(status, {"healthy": health.healthy, **health.detail})
        return _json(HTTPStatus.NOT_FOUND, {"error": "not found", "paths": ["/healthz", "/metrics"]})

    def log_message(self, format: str, *args: object) -> None:
        log.debug("%s", format % args)


def _json(status: HTTPStatus, body: Mapping[str, object]) -> tuple[HTTPStatus, str, bytes]:
    return status, "application/json", json.dumps(body).encode()
