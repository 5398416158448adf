"""A client of the request door: async, over HTTP, with pooled connections; public as `foretell.client`.

    async with Client("http://127.0.0.1:8000") as client:
        answer = await client.forecast("weather", rows, priority="high", deadline_ms=100)

An attempt that was refused for a while (`rate_limited`, `shed`, `not_ready`) or that lost its connection is
made again: inference changes nothing, so a second attempt does no harm. `Retry-After` is heeded, and the
deadline bounds all attempts together; the server is told what is left of it. Other refusals are raised at
once.
"""

import asyncio
import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import SplitResult, quote, urlsplit

import aiohttp
import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from foretell.errors import ConfigError, ServerUnreachable
from foretell.serve.backend import Priority
from foretell.serve.client.answers import HEADER_LENGTH, Inference, inference, refusal
from foretell.serve.client.patience import RETRIED, Patience

_READY_S = 5.0  # seconds after which a server that says nothing is not ready
_KEY = re.compile(r"[!-~]+")  # fit for a header; whether it is known is the server's to say
_JSON = {"Content-Type": "application/json"}
# What an attempt may die of without the server having said no.
_LOST = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)


class Reply(NamedTuple):
    """An answer of status 200 as it came."""

    body: bytes
    headers: Mapping[str, str]


class Client:
    """Use it as an async context manager, or `close` it. One client serves many tasks at once."""

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        connections: int = 100,
        retries: int = 4,
        timeout: float = 60.0,
        ca: Path | None = None,
    ) -> None:
        """Nothing is connected yet.

        Args:
            url: `http://host:port`, or https. key: as `foretell keys new` showed it.
            connections: open at once, at most. retries: attempts after the first.
            timeout: seconds for a request without a deadline, all attempts together.
            ca: PEM file of the authority to trust, where the system does not know it.

        Raises:
            ConfigError: not such a URL or key, or `ca` cannot be used.
        """
        parts = check_url(url)
        if key and not _KEY.fullmatch(key):
            raise ConfigError(
                "the key is not in the form of one",
                cure="send it as `foretell keys new` showed it, all on one line",
            )
        self.url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._connections, self._retries, self._timeout = connections, retries, timeout
        self._tls = _trust(ca) if ca else None
        self._session: aiohttp.ClientSession | None = None

    async def forecast(
        self,
        model: str,
        rows: Sequence[Any] | None = None,
        *,
        windows: Sequence[Mapping[str, Any]] | None = None,
        horizon: int | None = None,
        priority: Priority | str | int | None = None,
        deadline_ms: float | None = None,
    ) -> dict[str, Any]:
        """Dated forecasts in own units, as `/v1/forecast` answers them: one, or a list under `forecasts`.

        Args:
            rows: of one window, oldest first, each with its features by name and its time; or
            windows: several, each `{"series", "rows"}`, or `{"values", "timestamp"}` with values
                (lookback, features) and the time of the newest step.
            horizon: steps; the model's own unless told. deadline_ms: from now, over all attempts.

        Raises:
            Refusal: the server said no; `reason` tells why.
            ServerUnreachable: nobody answered, or no foretell.
        """
        told = {"rows": rows, "windows": windows, "horizon": horizon, "priority": _class(priority)}
        fields = {name: value for name, value in told.items() if value is not None}

        def body(left_ms: float | None) -> tuple[bytes, Mapping[str, str]]:
            return _encode(fields | ({} if left_ms is None else {"deadline_ms": left_ms})), _JSON

        reply = await self._send("POST", f"/v1/forecast/{quote(model, safe='')}", body, deadline_ms)
        return _object(reply)

    async def infer(
        self,
        model: str,
        windows: ArrayLike,
        *,
        horizon: int | None = None,
        outputs: Sequence[str] | None = None,
        priority: Priority | str | int | None = None,
        deadline_ms: float | None = None,
        id: str = "",
    ) -> Inference:
        """Windows (n, lookback, features), own units, by the Open Inference Protocol with binary tensors.

        Errors as in `forecast`.
        """
        array = np.ascontiguousarray(windows, np.dtype("<f8"))
        parameters = {"horizon": horizon, "priority": _class(priority)}

        def body(left_ms: float | None) -> tuple[bytes, Mapping[str, str]]:
            return _oip(array, {**parameters, "deadline_ms": left_ms}, outputs, id)

        path = f"/v2/models/{quote(model, safe='')}/infer"
        reply = await self._send("POST", path, body, deadline_ms)
        return inference(reply.body, reply.headers)

    async def models(self) -> list[str]:
        """Names of the models that are ready. Errors as in `forecast`."""
        told = _object(await self._send("GET", "/v2/models")).get("models")
        if not isinstance(told, list):
            raise ServerUnreachable("the answer names no models", cure="check the URL")
        return told

    async def metadata(self, model: str) -> dict[str, Any]:
        """Inputs, outputs and properties, as the protocol has them. Errors as in `forecast`."""
        return _object(await self._send("GET", f"/v2/models/{quote(model, safe='')}"))

    async def ready(self) -> bool:
        """Whether the server takes requests; false also when nobody answers."""
        try:
            status, _ = await self._attempt("GET", "/v2/health/ready", None, {}, _READY_S)
        except (*_LOST, TimeoutError):
            return False
        return status == 200

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _send(
        self,
        method: str,
        path: str,
        body: Callable[[float | None], tuple[bytes, Mapping[str, str]]] | None = None,
        deadline_ms: float | None = None,
    ) -> Reply:
        """Attempts until one is answered. `body`: of the milliseconds left, `None` without a deadline."""
        seconds = None if deadline_ms is None else deadline_ms / 1e3
        patience = Patience(seconds, self._timeout, self._retries)
        while True:
            after: float | None = None
            try:
                data, headers = body(patience.deadline_ms()) if body else (None, {})
                status, reply = await self._attempt(method, path, data, headers, patience.left())
            except TimeoutError:
                raise patience.over() from None
            except _LOST as error:
                failure: Exception = self._unreachable(error)
            else:
                if status == 200:
                    return reply
                said = refusal(status, reply.body, reply.headers)
                if isinstance(said, ServerUnreachable) or said.reason not in RETRIED:
                    raise said
                failure, after = said, said.retry_after
            pause = patience.pause(after)
            if pause is None:
                raise failure
            await asyncio.sleep(pause)

    async def _attempt(
        self, method: str, path: str, data: bytes | None, headers: Mapping[str, str], seconds: float
    ) -> tuple[int, Reply]:
        async with (
            asyncio.timeout(seconds),
            # A redirection would carry the key to somebody else.
            self._open().request(
                method, self.url + path, data=data, headers=headers, allow_redirects=False
            ) as response,
        ):
            return response.status, Reply(await response.read(), response.headers)

    def _open(self) -> aiohttp.ClientSession:
        """The session is made where the loop runs."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=self._connections, ssl=self._tls or True)
            self._session = aiohttp.ClientSession(
                connector=connector,
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=None),  # patience counts over all attempts
            )
        return self._session

    def _unreachable(self, error: Exception) -> ServerUnreachable:
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            why = getattr(error.certificate_error, "verify_message", "")
            if "mismatch" in why:  # OpenSSL's word; of a name, or of an address
                cure = "write the URL with a name that the certificate is for"
                return ServerUnreachable(f"{self.url}: {why}", cure=cure)
        if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
            return ServerUnreachable(
                f"{self.url}: its certificate is not trusted, or it speaks no TLS",
                cure="name the authority's PEM file (`ca`, in a command --ca), or write http://",
            )
        if isinstance(error, aiohttp.ServerDisconnectedError) and self.url.startswith("http://"):
            return ServerUnreachable(
                f"{self.url}: it hung up without an answer", cure="does it speak TLS? then write https://"
            )
        return ServerUnreachable(
            f"{self.url}: the connection failed ({type(error).__name__})",
            cure="is the server running there? `foretell serve` prints its URL",
        )


def check_url(url: str) -> SplitResult:
    """The parts of a server's URL. Raises ConfigError."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # a port beyond all ports, half an IPv6 address
        good = False
    if not good:
        raise ConfigError(f"{url!r} is no URL of a server", cure="write http://HOST:PORT")
    if parts.username or parts.password:
        raise ConfigError(
            "a URL is no place for a secret", cure="give the key as `key`, to a command by --key-file"
        )
    return parts


def _trust(ca: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca))
    except (OSError, ssl.SSLError):
        raise ConfigError(f"{ca}: no PEM file of an authority", cure="check the path") from None


def _class(priority: Priority | str | int | None) -> str | None:
    """`high`, 2 and Priority.HIGH are the same. Raises ConfigError."""
    if priority is None:
        return None
    try:
        known = Priority[priority.upper()] if isinstance(priority, str) else Priority(priority)
    except (KeyError, ValueError):
        raise ConfigError(f"{priority!r} is no priority", cure="low, medium, high, or 0, 1, 2") from None
    return known.name.lower()


def _oip(
    array: NDArray[np.float64], parameters: Mapping[str, Any], outputs: Sequence[str] | None, id: str
) -> tuple[bytes, Mapping[str, str]]:
    raw = array.tobytes()
    head: dict[str, Any] = {
        "inputs": [
            {
                "name": "windows",
                "shape": array.shape,
                "datatype": "FP64",
                "parameters": {"binary_data_size": len(raw)},
            }
        ],
        "parameters": {
            "binary_data_output": True,
            **{name: value for name, value in parameters.items() if value is not None},
        },
    }
    if id:
        head["id"] = id
    if outputs is not None:
        head["outputs"] = [{"name": name} for name in outputs]
    told = _encode(head)
    return told + raw, {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(len(told))}


def _encode(value: object) -> bytes:
    return msgspec.json.encode(value, enc_hook=_plain)


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON")


def _object(reply: Reply) -> dict[str, Any]:
    try:
        told: dict[str, Any] = msgspec.json.decode(reply.body, type=dict)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ServerUnreachable("the answer is no JSON object", cure="check the URL") from None
    return told
