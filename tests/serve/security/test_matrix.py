"""Who may pass: every door with every kind of key, over real connections."""

from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import grpc
import pytest
from tests.serve.conftest import FakeBackend
from tests.serve.door import Door

from foretell.bundle.bundle import open_bundle
from foretell.config import SecuritySettings, ServeSettings
from foretell.serve.protocols.oip_messages import message
from foretell.serve.security.key_file import add_key, revoke
from foretell.serve.security.keys import Class, issue

WINDOW = [[50.0, 8.0, 40.0]] * 7
INFER = {
    "inputs": [{"name": "windows", "shape": [1, 7, 3], "datatype": "FP64", "data": [WINDOW]}],
    "parameters": {"priority": "high"},
}
HTTP: dict[str, tuple[str, str, object]] = {
    "oip": ("POST", "/v2/models/weather/infer", INFER),
    "forecast": ("POST", "/v1/forecast/weather", {"values": WINDOW, "priority": "high"}),
    "example": ("GET", "/v1/forecast/weather/example", None),
    "metadata": ("GET", "/v2/models/weather", None),
    "ready": ("GET", "/v2/models/weather/ready", None),
    "server": ("GET", "/v2", None),
    "models": ("GET", "/v2/models", None),
    "openapi": ("GET", "/openapi.json", None),
    "metrics": ("GET", "/metrics", None),
    "docs": ("GET", "/docs", None),
    "health": ("GET", "/v2/health/ready", None),
}
GRPC = {
    "infer": "ModelInfer",
    "grpc metadata": "ModelMetadata",
    "grpc server": "ServerMetadata",
    "live": "ServerLive",
}
KINDS = ("none", "unknown", "other", "low", "spent", "valid", "all", "revoked")
# In the order of KINDS; gRPC's statuses as HTTP has them.
WANTED = {
    "oip": (401, 401, 403, 403, 429, 200, 200, 401),
    "forecast": (401, 401, 403, 403, 429, 200, 200, 401),
    "example": (401, 401, 403, 200, 429, 200, 200, 401),
    "metadata": (401, 401, 403, 200, 429, 200, 200, 401),
    "ready": (401, 401, 403, 200, 429, 200, 200, 401),
    "server": (401, 401, 200, 200, 429, 200, 200, 401),
    "models": (401, 401, 200, 200, 429, 200, 200, 401),
    "openapi": (401, 401, 200, 200, 429, 200, 200, 401),
    "metrics": (401, 401, 403, 403, 429, 403, 200, 401),
    "docs": (200,) * 8,
    "health": (200,) * 8,
    "infer": (401, 401, 403, 403, 429, 200, 200, 401),
    "grpc metadata": (401, 401, 403, 200, 429, 200, 200, 401),
    "grpc server": (401, 401, 200, 200, 429, 200, 200, 401),
    "live": (200,) * 8,
}
STATUS = {
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
}


class Guarded:
    """A door with a key of each kind."""

    def __init__(self, folder: Path, backend: FakeBackend) -> None:
        self.file, self.tokens = folder / "keys.json", {"none": "", "unknown": issue("x", ("*",), "high")[0]}
        self._add("other", ("features", "gone"), "high")
        self._add("low", ("weather",), "low")
        self._add("spent", ("*",), "high", rate=1e-6)
        self._add("valid", ("weather",), "high")
        self._add("all", ("*",), "high")
        self._add("revoked", ("*",), "high")
        self.door = Door(backend, ServeSettings(security=SecuritySettings(keys=self.file)))
        self.ask("server", "spent")
        assert self.ask("server", "revoked") == 200
        revoke(self.file, "revoked")
        end = monotonic() + 10
        while self.ask("server", "revoked") != 401:
            assert monotonic() < end, "a revoked key is in force"
            sleep(0.05)

    def _add(self, client: str, models: tuple[str, ...], top: Class, **more: float) -> None:
        self.tokens[client], key = issue(client, models, top, **more)
        add_key(self.file, key)

    def http(self, door: str, kind: str) -> tuple[int, bytes]:
        method, path, body = HTTP[door]
        return self.door.http(method, path, body, self._authorization(kind))

    def grpc(self, door: str, kind: str, model: str = "weather") -> tuple[int, str]:
        try:
            self.door.grpc(GRPC[door], _request(GRPC[door], model), self._authorization(kind))
        except grpc.RpcError as error:
            return STATUS[error.code()], error.details() or ""
        return 200, ""

    def ask(self, door: str, kind: str) -> int:
        return self.http(door, kind)[0] if door in HTTP else self.grpc(door, kind)[0]

    def _authorization(self, kind: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.tokens[kind]}"} if self.tokens[kind] else {}


def _request(method: str, model: str) -> Any:
    if method == "ModelMetadata":
        return message("ModelMetadataRequest")(name=model)
    if method != "ModelInfer":
        return None
    asked = message("ModelInferRequest")(model_name=model)
    asked.parameters["priority"].string_param = "high"
    tensor = asked.inputs.add(name="windows", datatype="FP64", shape=[1, 7, 3])
    tensor.contents.fp64_contents.extend([value for step in WINDOW for value in step])
    return asked


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, make_bundle: Callable[..., Path]) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    names = ("weather", "features", "secret")
    backend = FakeBackend(*(open_bundle(make_bundle(folder, name=name)).manifest for name in names))
    guarded = Guarded(folder, backend)
    yield guarded
    guarded.door.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("door", WANTED)
def test_a_key_opens_what_it_is_for(guarded: Guarded, door: str, kind: str) -> None:
    assert guarded.ask(door, kind) == WANTED[door][KINDS.index(kind)]


def test_a_key_hears_of_no_other_models(guarded: Guarded) -> None:
    """Whether there is such a model is not told either: the same words as for one that there is not."""
    for door in ("models", "openapi"):
        status, body = guarded.http(door, "valid")
        assert (status, b"weather" in body, b"secret" in body) == (200, True, False)
    headers = {"authorization": f"Bearer {guarded.tokens['valid']}"}
    for path in ("/v2/models/{}", "/v1/forecast/{}/example", "/v2/models/{}/ready"):
        there, not_there = (
            guarded.door.http("GET", path.format(m), None, headers) for m in ("secret", "sacred")
        )
        assert there[0] == not_there[0] == 403
        assert there[1].replace(b"secret", b"sacred") == not_there[1]
    assert guarded.grpc("infer", "valid", "secret")[0] == guarded.grpc("infer", "valid", "sacred")[0] == 403
    status, words = guarded.grpc("infer", "other", "gone")  # in its scope, and not there
    assert (status, "features" in words, "secret" in words) == (404, True, False)


def test_no_answer_holds_a_key(guarded: Guarded) -> None:
    for kind in KINDS[1:]:
        for door in HTTP:
            assert guarded.tokens[kind].encode() not in guarded.http(door, kind)[1]
        assert guarded.tokens[kind] not in guarded.grpc("infer", kind)[1]


@pytest.mark.parametrize(
    "authorization",
    ["Basic {}", "{}", "Bearer", "Bearer  ", "Bearer {} x", "Bearer\t{}", "Token {}", "Bearer é{}"],
)
def test_a_key_comes_in_one_way_only(guarded: Guarded, authorization: str) -> None:
    value = authorization.format(guarded.tokens["all"])
    status, _ = guarded.door.http("GET", "/v2", None, {"authorization": value})
    assert status == 401
    assert guarded.door.http("GET", f"/v2?key={guarded.tokens['all']}")[0] == 401
