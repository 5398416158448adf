"""The Open Inference Protocol over gRPC, with a plain channel as client."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest

from foretell.bundle.manifest import Manifest
from foretell.config import LimitSettings, SecuritySettings, ServeSettings
from foretell.serve.backend import Outcome, Priority, Refusal
from foretell.serve.protocols.gate import observe_nothing
from foretell.serve.protocols.oip_grpc import OipGrpc, make_server
from foretell.serve.protocols.oip_messages import SERVICE, message, methods
from foretell.serve.security.guard import Guard
from foretell.serve.security.key_file import add_key
from foretell.serve.security.keys import issue

Ask = Callable[..., Any]
WINDOW = np.array([[[50.0 + i, 8.0, 40.0] for i in range(7)]])


@pytest.fixture
def grpc_ask(backend: Any) -> Ask:
    """Calls a method of a server that runs for this one call; keyword arguments are those of the call."""

    async def call(
        method: str, request: Any, limits: Mapping[str, Any], keys: Path | None, **more: Any
    ) -> Any:
        security = SecuritySettings(keys=keys)
        log = more.pop("access_log", False)
        settings = ServeSettings(limits=LimitSettings(**limits), security=security, access_log=log)
        observe = more.pop("observe", observe_nothing)
        guard = Guard(settings.security, settings.limits, loopback=True)
        server = make_server(OipGrpc(backend, guard, settings, observe), settings)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                asked, answered = methods()[method]
                stub: Callable[..., Awaitable[Any]] = channel.unary_unary(
                    f"/{SERVICE}/{method}", asked.SerializeToString, answered.FromString
                )
                return await stub(request or asked(), timeout=more.pop("timeout", 5), **more)
        finally:
            await server.stop(None)

    def ask(
        method: str,
        request: Any = None,
        limits: Mapping[str, Any] | None = None,
        keys: Path | None = None,
        **more: Any,
    ) -> Any:
        return asyncio.run(call(method, request, limits or {}, keys, **more))

    return ask


def request(raw: bool = True, dtype: str = "FP64", windows: Any = WINDOW, **more: Any) -> Any:
    asked = message("ModelInferRequest")(model_name="weather", id="42", **more)
    tensor = asked.inputs.add(name="windows", datatype=dtype, shape=windows.shape)
    if raw:
        asked.raw_input_contents.append(windows.astype("<f8" if dtype == "FP64" else "<f4").tobytes())
    elif dtype == "FP64":
        tensor.contents.fp64_contents.extend(windows.ravel().tolist())
    else:
        tensor.contents.fp32_contents.extend(windows.ravel().tolist())
    return asked


def test_health_and_metadata(grpc_ask: Ask, backend: Any, weather: Manifest) -> None:
    assert grpc_ask("ServerLive").live
    assert grpc_ask("ServerReady").ready
    assert "binary_tensor_data" in grpc_ask("ServerMetadata").extensions
    assert grpc_ask("ModelReady", message("ModelReadyRequest")(name="weather")).ready
    told = grpc_ask("ModelMetadata", message("ModelMetadataRequest")(name="weather"))
    assert (list(told.versions), list(told.inputs[0].shape)) == ([weather.version], [-1, 7, 3])
    assert [o.name for o in told.outputs] == ["forecast"]
    backend.is_ready = False
    assert not grpc_ask("ServerReady").ready


@pytest.mark.parametrize("dtype", ["FP64", "FP32"])
def test_infer_answers_as_it_was_asked(grpc_ask: Ask, weather: Manifest, dtype: str) -> None:
    raw = grpc_ask("ModelInfer", request(True, dtype))
    assert (raw.model_name, raw.model_version, raw.id) == ("weather", weather.version, "42")
    assert list(raw.outputs[0].shape) == [1, 7, 1]
    np.testing.assert_array_equal(np.frombuffer(raw.raw_output_contents[0], "<f8"), np.arange(57.0, 64.0))
    typed = grpc_ask("ModelInfer", request(False, dtype))
    assert list(typed.outputs[0].contents.fp64_contents) == list(np.arange(57.0, 64.0))
    assert not typed.raw_output_contents


def test_parameters_metadata_and_the_calls_deadline(grpc_ask: Ask, backend: Any) -> None:
    asked = request()
    asked.parameters["horizon"].int64_param = 2
    asked.parameters["priority"].string_param = "medium"
    assert list(grpc_ask("ModelInfer", asked).outputs[0].shape) == [1, 2, 1]
    grpc_ask("ModelInfer", request(), metadata=[("priority", "2")], timeout=60)
    assert [call.priority for call in backend.calls] == [Priority.MEDIUM, Priority.HIGH]
    late = backend.calls[-1].deadline
    grpc_ask("ModelInfer", request(), timeout=20)
    assert late - backend.calls[-1].deadline > 30


def test_a_call_that_is_given_up_is_cancelled(grpc_ask: Ask, backend: Any) -> None:
    backend.hold = 5.0
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        grpc_ask("ModelInfer", request(), timeout=0.2)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert len(backend.cancelled) == 1


def test_wrong_inputs_name_the_field(grpc_ask: Ask) -> None:
    nan = WINDOW.copy()
    nan[0, 3, 1] = np.nan
    short = request()
    short.raw_input_contents[0] = short.raw_input_contents[0][:-1]
    both = request(False)
    both.raw_input_contents.append(b"")
    empty = request()
    empty.parameters["priority"].Clear()
    for asked, path in (
        (request(windows=nan), "inputs[0].data[0][3][1]"),
        (request(windows=WINDOW[:, :6]), "inputs[0].shape"),
        (short, "inputs[0]"),
        (both, "raw_input_contents"),
        (empty, "parameters.priority"),
        (message("ModelInferRequest")(model_name="weather"), "inputs"),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            grpc_ask("ModelInfer", asked)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert dict(caught.value.trailing_metadata() or ())["foretell-path"] == path
        assert path in (caught.value.details() or "")


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("unauthenticated", grpc.StatusCode.UNAUTHENTICATED),
        ("forbidden", grpc.StatusCode.PERMISSION_DENIED),
        ("shed", grpc.StatusCode.RESOURCE_EXHAUSTED),
        ("not_ready", grpc.StatusCode.UNAVAILABLE),
        ("deadline_unreachable", grpc.StatusCode.DEADLINE_EXCEEDED),
        ("engine", grpc.StatusCode.INTERNAL),
    ],
)
def test_refusals_have_a_status(grpc_ask: Ask, backend: Any, reason: str, code: grpc.StatusCode) -> None:
    backend.error = Refusal(reason, "no", cure="later", retry_after=0.25)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        grpc_ask("ModelInfer", request())
    assert caught.value.code() is code
    told = dict(caught.value.trailing_metadata() or ())
    assert (told["foretell-code"], told["retry-after"]) == (reason, "0.250")


def test_a_defect_tells_nothing_of_the_inside(grpc_ask: Ask, backend: Any) -> None:
    backend.error = RuntimeError("/etc/secret")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        grpc_ask("ModelInfer", request())
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in (caught.value.details() or "")


def test_an_unknown_model_and_too_much(grpc_ask: Ask) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        grpc_ask("ModelMetadata", message("ModelMetadataRequest")(name="none"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        grpc_ask("ModelInfer", request(windows=WINDOW.repeat(3, axis=0)), {"rows": 2})
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_every_call_is_observed_also_one_that_stops_at_the_guard(grpc_ask: Ask, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    token, key = issue("desk", ("weather",), "medium")
    add_key(keys, key)
    seen: list[Outcome] = []
    grpc_ask(
        "ModelInfer",
        request(),
        keys=keys,
        metadata=[("authorization", f"Bearer {token}")],
        observe=seen.append,
    )
    for name in ("weather", "made-up"):
        asked = request()
        asked.model_name = name
        with pytest.raises(grpc.aio.AioRpcError):
            grpc_ask("ModelInfer", asked, keys=keys, observe=seen.append)
    grpc_ask("ServerLive", keys=keys, observe=seen.append)
    assert {told.door for told in seen} == {"oip_grpc"}
    assert [(told.outcome, told.model, told.priority) for told in seen] == [
        ("ok", "weather", Priority.LOW),
        ("unauthenticated", "weather", None),
        ("unauthenticated", "", None),
    ]


def test_trace_context_and_access_log(grpc_ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    told = [("traceparent", trace)]
    unknown = message("ModelMetadataRequest")(name="none")
    with caplog.at_level(logging.INFO, "foretell.serve.access"):
        grpc_ask("ModelInfer", request(), metadata=told)
        assert not caplog.records
        grpc_ask("ModelInfer", request(), metadata=told, access_log=True)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            grpc_ask("ModelMetadata", unknown, metadata=told, access_log=True)
        grpc_ask("ServerLive", metadata=[("traceparent", "nonsense")], access_log=True)
    assert dict(caught.value.trailing_metadata() or ())["traceparent"] == trace
    found = [
        (r.getMessage().rpartition("/")[2], r.__dict__["status"], r.__dict__.get("trace_id"))
        for r in caplog.records
    ]
    assert found == [
        ("ModelInfer", "OK", trace[3:35]),
        ("ModelMetadata", "NOT_FOUND", trace[3:35]),
        ("ServerLive", "OK", None),
    ]
    assert caplog.records[0].__dict__["request_id"] == "42"
    assert caplog.records[0].__dict__["bytes"] > 0


def test_keys_come_as_metadata(grpc_ask: Ask, backend: Any, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    token, key = issue("desk", ("weather",), "medium")
    add_key(keys, key)
    known = [("authorization", f"Bearer {token}")]
    assert grpc_ask("ServerLive", keys=keys).live
    grpc_ask("ModelInfer", request(), keys=keys, metadata=known)
    assert backend.calls[-1].client == "desk"
    for method, asked, metadata, code in (
        ("ModelInfer", request(), [], grpc.StatusCode.UNAUTHENTICATED),
        ("ServerMetadata", None, [], grpc.StatusCode.UNAUTHENTICATED),
        ("ModelInfer", request(), [*known, ("priority", "high")], grpc.StatusCode.PERMISSION_DENIED),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            grpc_ask(method, asked, keys=keys, metadata=metadata)
        assert caught.value.code() is code
