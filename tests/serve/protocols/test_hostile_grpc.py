"""Messages that nobody means well, over gRPC: each is refused with the path to its field."""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from tests.serve.conftest import FakeBackend
from tests.serve.door import Door

from foretell.bundle.bundle import open_bundle
from foretell.config import LimitSettings, ServeSettings
from foretell.serve.protocols.oip_messages import SERVICE, message

NAN, INFINITY = float("nan"), float("inf")
Change = Callable[[Any], object]


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory, make_bundle: Callable[..., Path]) -> Iterator[Door]:
    bundle = make_bundle(tmp_path_factory.mktemp("weather"))
    limits = LimitSettings(body_bytes=100_000, rows=8)
    door = Door(FakeBackend(open_bundle(bundle).manifest), ServeSettings(limits=limits))
    yield door
    door.close()


def good(raw: bool = False) -> Any:
    asked = message("ModelInferRequest")(model_name="weather")
    tensor = asked.inputs.add(name="windows", datatype="FP64", shape=[1, 7, 3])
    if raw:
        asked.raw_input_contents.append(b"\0" * 168)
    else:
        tensor.contents.fp64_contents.extend([50.0] * 21)
    return asked


def shape(*sizes: int) -> Change:
    def change(asked: Any) -> None:
        asked.inputs[0].ClearField("shape")
        asked.inputs[0].shape.extend(sizes)

    return change


def value(number: float) -> Change:
    return lambda asked: asked.inputs[0].contents.fp64_contents.__setitem__(20, number)


def raw_value(number: float) -> Change:
    def change(asked: Any) -> None:
        asked.inputs[0].ClearField("contents")
        asked.raw_input_contents.append(struct.pack("<21d", *[50.0] * 20, number))

    return change


def parameter(name: str, **kind: Any) -> Change:
    def change(asked: Any) -> None:
        asked.parameters[name].SetInParent()
        for field, told in kind.items():
            setattr(asked.parameters[name], field, told)

    return change


def datatype(name: str) -> Change:
    return lambda asked: setattr(asked.inputs[0], "datatype", name)


CASES: list[tuple[Change, str]] = [
    (value(NAN), "inputs[0].data[0][6][2]"),
    (value(-INFINITY), "inputs[0].data[0][6][2]"),
    (raw_value(NAN), "inputs[0].data[0][6][2]"),
    (raw_value(INFINITY), "inputs[0].data[0][6][2]"),
    (shape(), "inputs[0].shape"),
    (shape(1, 7), "inputs[0].shape"),
    (shape(0, 7, 3), "inputs[0].shape"),
    (shape(-1, 7, 3), "inputs[0].shape"),
    (shape(2**62, 7, 3), "inputs[0].data"),
    (shape(*[1] * 5000), "inputs[0].shape"),
    (datatype("BYTES"), "inputs[0].datatype"),
    (datatype("x" * 50_000), "inputs[0].datatype"),
    (datatype("INT8"), "inputs[0].data"),
    (lambda asked: asked.inputs.add(name="windows"), "inputs"),
    (lambda asked: asked.ClearField("inputs"), "inputs"),
    (lambda asked: asked.raw_input_contents.append(b"x"), "raw_input_contents"),
    (lambda asked: asked.inputs[0].ClearField("contents"), "inputs[0].data"),
    (lambda asked: asked.outputs.add(name="/etc/passwd"), "outputs[0].name"),
    (lambda asked: asked.outputs.add(name="é\n" * 10_000), "outputs[0].name"),
    (parameter("who", int64_param=1), "parameters.who"),
    (parameter("a\r\nb\0é", int64_param=1), "parameters.a\\r\\nb\\x00\\xe9"),
    (parameter("x" * 50_000, int64_param=1), "parameters." + "x" * 289),
    (parameter("priority"), "parameters.priority"),
    (parameter("priority", bool_param=True), "parameters.priority"),
    (parameter("priority", int64_param=3), "parameters.priority"),
    (parameter("priority", string_param="urgent" * 9999), "parameters.priority"),
    (parameter("deadline_ms", double_param=NAN), "parameters.deadline_ms"),
    (parameter("deadline_ms", double_param=INFINITY), "parameters.deadline_ms"),
    (parameter("deadline_ms", int64_param=-(2**63)), "parameters.deadline_ms"),
    (parameter("timeout", uint64_param=2**64 - 1), "parameters.timeout"),
    (parameter("horizon", double_param=1.0), "parameters.horizon"),
    (parameter("horizon", int64_param=2**62), "parameters.horizon"),
]


def refusal(
    door: Door, asked: Any, metadata: dict[str, str] | None = None
) -> tuple[str, dict[str, str], str]:
    with pytest.raises(grpc.RpcError) as caught:
        door.grpc("ModelInfer", asked, metadata)
    error: Any = caught.value
    return error.code().name, {k: str(v) for k, v in error.trailing_metadata() or ()}, error.details()


@pytest.mark.parametrize(("change", "path"), CASES, ids=range(len(CASES)))
def test_it_is_refused_with_its_path(door: Door, change: Change, path: str) -> None:
    asked = good()
    change(asked)
    status, trailing, words = refusal(door, asked)
    assert (status, trailing["foretell-code"]) == ("INVALID_ARGUMENT", "invalid"), words
    assert trailing["foretell-path"] == path
    assert len(words) < 1200
    for secret in ("Traceback", ".py", "/work", "numpy"):
        assert secret not in words


def test_what_was_not_changed_is_answered(door: Door) -> None:
    for raw in (False, True):
        assert door.grpc("ModelInfer", good(raw)).outputs[0].name == "forecast"


@pytest.mark.parametrize("model", ["", "none", "天気", "a\r\nb", "../../etc/passwd", "x" * 50_000])
def test_odd_models_are_not_found(door: Door, model: str) -> None:
    asked = good()
    asked.model_name = model
    status, _, words = refusal(door, asked)
    assert (status, len(words) < 500) == ("NOT_FOUND", True)


def test_priorities_of_metadata(door: Door) -> None:
    for word in ("urgent", "3", "-1", "x" * 5000):
        status, trailing, _ = refusal(door, good(), {"priority": word})
        assert (status, trailing["foretell-path"]) == ("INVALID_ARGUMENT", "metadata.priority")


def test_too_much(door: Door) -> None:
    """The body is bounded by gRPC itself, the windows by the door."""
    asked = good()
    shape(9, 7, 3)(asked)
    asked.inputs[0].contents.fp64_contents.extend([50.0] * 21 * 8)
    status, trailing, _ = refusal(door, asked)
    assert (status, trailing["foretell-code"]) == ("INVALID_ARGUMENT", "too_large")
    asked.inputs[0].contents.fp64_contents.extend([50.0] * 20_000)
    assert refusal(door, asked)[0] == "RESOURCE_EXHAUSTED"


def test_what_is_no_message_and_no_method(door: Door) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{door.lane.grpc_port}") as channel:
        for method, status in (("ModelInfer", "INVALID_ARGUMENT"), ("ModelUnload", "UNIMPLEMENTED")):
            call = channel.unary_unary(f"/{SERVICE}/{method}")
            with pytest.raises(grpc.RpcError) as caught:
                call(b"\xff" * 100, timeout=5)
            error: Any = caught.value
            assert error.code().name == status
            assert "Traceback" not in error.details()
    assert door.grpc("ServerLive").live
