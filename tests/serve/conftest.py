"""A door without models: a backend that answers by a rule, and the app asked without a socket."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from foretell.bundle.bundle import open_bundle
from foretell.bundle.manifest import Manifest
from foretell.config import LimitSettings, SecuritySettings, ServeSettings
from foretell.serve.backend import Answer, Call
from foretell.serve.protocols.app import App
from foretell.serve.security.guard import Guard


class FakeBackend:
    """Answers a forecast model with the newest value of its first feature plus the step, from 1.

    Models of features answer with the mean of each window for the first output. Further outputs of all models
    hold a number each, from 0.
    """

    def __init__(self, *manifests: Manifest) -> None:
        self._manifests = {m.name: m for m in manifests}
        self.is_ready = True
        self.calls: list[Call] = []
        self.cancelled: list[Call] = []
        self.refuse: set[int] = set()
        self.error: Exception | None = None
        self.hold: float = 0.0

    def manifests(self) -> Mapping[str, Manifest]:
        return self._manifests

    def ready(self) -> bool:
        return self.is_ready

    async def infer(self, call: Call) -> Answer:
        self.calls.append(call)
        if self.error is not None:
            raise self.error
        try:
            await asyncio.sleep(self.hold)
        except asyncio.CancelledError:
            self.cancelled.append(call)
            raise
        manifest = self._manifests[call.model]
        n = len(call.windows)
        refused = np.isin(np.arange(n), list(self.refuse))
        outputs = self._outputs(manifest, call)
        for array in outputs.values():
            array[refused] = np.nan
        return Answer(call.model, manifest.version, outputs, refused, None, 0.001, 0.002, n)

    @staticmethod
    def _outputs(manifest: Manifest, call: Call) -> dict[str, NDArray[np.floating]]:
        first, *others = manifest.outputs
        n = len(call.windows)
        outputs: dict[str, NDArray[np.floating]] = {
            other.name: np.full((n, *other.shape), k, np.float32) for k, other in enumerate(others)
        }
        if manifest.task == "forecast":
            steps = np.arange(1.0, 1.0 + (call.horizon or manifest.horizon))
            newest = call.windows[:, -1, 0]
            told = (newest[:, None] + steps)[:, :, None].repeat(len(manifest.targets), axis=2)
            outputs = {"forecast": told, **outputs}
        else:
            mean = call.windows.mean(axis=(1, 2)).reshape(-1, *[1] * len(first.shape))
            outputs = {first.name: np.broadcast_to(mean, (n, *first.shape)).astype(np.float32), **outputs}
        return {name: array for name, array in outputs.items() if not call.outputs or name in call.outputs}


class Answered(msgspec.Struct):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Asking:
    """Sends requests to an app as a server would, with no socket between."""

    def __init__(self, app: App) -> None:
        self.app = app

    def __call__(
        self, method: str, path: str, body: Any = b"", headers: Mapping[str, str] | None = None
    ) -> Answered:
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return asyncio.run(self.send(method, path, [data], headers or {}))

    async def send(
        self, method: str, path: str, parts: list[bytes], headers: Mapping[str, str], gone_after: float = 30.0
    ) -> Answered:
        """`parts`: of the body, one message each. `gone_after`: seconds until the caller hangs up."""
        path, _, query = path.partition("?")
        messages = [
            {"type": "http.request", "body": p, "more_body": i < len(parts)} for i, p in enumerate(parts, 1)
        ]
        sent: list[Any] = []

        async def receive() -> Any:
            if messages:
                return messages.pop(0)
            await asyncio.sleep(gone_after)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(k.lower().encode(), v.encode()) for k, v in headers.items()],
        }
        await self.app(scope, receive, send)
        if not sent:
            return Answered(0, {}, b"")
        told = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
        return Answered(sent[0]["status"], told, sent[1]["body"])


@pytest.fixture(scope="session")
def weather(tmp_path_factory: pytest.TempPathFactory, make_bundle: Callable[..., Path]) -> Manifest:
    """Forecasts `temperature` 7 hours ahead from 7 hours of three features."""
    return open_bundle(make_bundle(tmp_path_factory.mktemp("weather"))).manifest


@pytest.fixture
def features(features_bundle: Path) -> Manifest:
    """Two outputs, channels first, no step."""
    return open_bundle(features_bundle).manifest


@pytest.fixture
def backend(weather: Manifest, features: Manifest) -> FakeBackend:
    return FakeBackend(weather, features)


MakeApp = Callable[..., App]


@pytest.fixture
def make_app(backend: FakeBackend) -> MakeApp:
    """An app over the fake backend; `limits`, `settings` and the app's own arguments may be given."""

    def make(
        limits: Mapping[str, Any] | None = None, settings: Mapping[str, Any] | None = None, **more: Any
    ) -> App:
        told = ServeSettings(limits=LimitSettings(**(limits or {})), **(settings or {}))
        guard = Guard(SecuritySettings(), told.limits, loopback=True)
        return App(backend, guard, told, lambda: b"foretell_requests_total 1\n", **more)

    return make


@pytest.fixture
def ask(make_app: MakeApp) -> Asking:
    return Asking(make_app())


@pytest.fixture
def asking() -> type[Asking]:
    return Asking


@pytest.fixture
def window() -> list[list[float]]:
    """Of the weather model: 7 steps of temperature, wind speed and dew point."""
    return [[50.0 + i, 8.0, 40.0] for i in range(7)]
