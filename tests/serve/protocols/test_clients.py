"""Clients of others, unchanged, over real sockets: Triton's, KServe's, and schemathesis by the document."""

import asyncio
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from google.protobuf import descriptor_pb2
from msgspec.structs import replace

from foretell.bundle.manifest import Manifest, Output
from foretell.config import ServeSettings
from foretell.serve import protocols
from foretell.serve.protocols.oip_grpc import OipGrpc, make_server
from foretell.serve.security.guard import Guard

HERE = Path(__file__).parent

pytestmark = [pytest.mark.clients, pytest.mark.slow, pytest.mark.timeout(90)]


@pytest.fixture
def ports(make_app: Any, backend: Any, weather: Manifest, features: Manifest) -> Iterator[tuple[str, str]]:
    """HTTP and gRPC on 127.0.0.1, on one loop in a thread, as a lane has them.

    Beside `weather` and `features`: `ensemble`, which forecasts and tells more, and `trading`, four outputs
    of windows with channels first.
    """
    more = (Output("confidence", (2,)), Output("weights", (2, 3)))
    heads = (("classification_probs", 4), ("regression_pred", 1), ("regression_uncertainty", 1))
    trading = (*(Output(name, (size,)) for name, size in heads), Output("ensemble_weights", (3,)))
    backend.manifests()["ensemble"] = replace(weather, name="ensemble", outputs=(*weather.outputs, *more))
    backend.manifests()["trading"] = replace(features, name="trading", outputs=trading)
    settings = ServeSettings()
    guard = Guard(settings.security, settings.limits, loopback=True)
    config = uvicorn.Config(
        make_app(), host="127.0.0.1", port=0, log_level="error", interface="asgi3", lifespan="off"
    )
    http = uvicorn.Server(config)
    started = threading.Event()
    bound: list[int] = []

    async def serve() -> None:
        grpc = make_server(OipGrpc(backend, guard, settings), settings)
        bound.append(grpc.add_insecure_port("127.0.0.1:0"))
        await grpc.start()
        serving = asyncio.create_task(http.serve())
        while not http.started and not serving.done():
            await asyncio.sleep(0.005)
        started.set()
        await serving
        await grpc.stop(None)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert started.wait(10)
    yield str(http.servers[0].sockets[0].getsockname()[1]), str(bound[0])
    http.should_exit = True
    thread.join(10)


def run(*command: object, where: Path = HERE) -> None:
    told = [str(part) for part in command]
    done = subprocess.run(told, cwd=where, capture_output=True, text=True, timeout=80)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def test_triton_over_http(clients: Path, ports: tuple[str, str]) -> None:
    run(clients / "python", HERE / "clients" / "triton_http.py", ports[0])


def test_triton_over_grpc(clients: Path, ports: tuple[str, str]) -> None:
    run(clients / "python", HERE / "clients" / "triton_grpc.py", ports[1])


def test_kserve_over_both(clients: Path, ports: tuple[str, str]) -> None:
    run(clients / "python", HERE / "clients" / "kserve_both.py", *ports)


def test_schemathesis_finds_no_server_error(clients: Path, ports: tuple[str, str], tmp_path: Path) -> None:
    """And each answer has a status, a kind and a shape that the document tells of."""
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    document = f"http://127.0.0.1:{ports[0]}/openapi.json"
    limits = ("--max-examples", 20, "--seed", 7, "--generation-database", "none", "--request-timeout", 5)
    run(clients / "schemathesis", "run", document, "--checks", checks, "--no-color", *limits, where=tmp_path)


def test_the_descriptors_are_those_of_the_proto(clients: Path, tmp_path: Path) -> None:
    proto = Path(protocols.__file__).with_name("open_inference.proto")
    made = tmp_path / "made.binpb"
    protoc = (clients / "python", "-m", "grpc_tools.protoc", "-I", proto.parent)
    run(*protoc, f"--descriptor_set_out={made}", proto.name)
    kept = proto.with_suffix(".binpb").read_bytes()
    read = descriptor_pb2.FileDescriptorSet.FromString
    assert read(made.read_bytes()) == read(kept)
