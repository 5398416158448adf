"""Unary gRPC: foretell beside servers that do nothing, the most that each way to speak it allows."""

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.figures import Figure, Part
from benchmarks.models import model_a
from benchmarks.serve import requests
from benchmarks.serve.door import foretell
from benchmarks.serve.grpc_load import MARK, Done, Job, load
from benchmarks.serve.peers import ENVIRONMENTS, PROGRAMS
from benchmarks.serve.server import listens, running
from benchmarks.serve.sizes import Sizes
from benchmarks.serve.taken import lines
from foretell.bundle.bundle import Bundle
from foretell.demo.apache_kafka import free_ports
from foretell.serve.protocols.oip_messages import message

FORETELL, AIO = "foretell", "empty grpc.aio echo"
_MANY = 32
GRPCLIB = ENVIRONMENTS / "grpclib" / "bin" / "python"

Start = Callable[[], contextlib.AbstractContextManager[tuple[int, bytes]]]  # a port, and a message for it


def measure(sizes: Sizes) -> Part:
    """Calls a second and latency by way and connections."""
    part = Part("grpc")
    taken: dict[tuple[str, int], list[Done]] = {}
    counts = sorted({sizes.connections[0], min(_MANY, sizes.connections[-1])})
    with tempfile.TemporaryDirectory(prefix="foretell-bench-") as name:
        servers = _servers(model_a(Path(name)), Path(name), sizes)
        for _ in range(sizes.repeats):
            for server, start in servers.items():
                with start() as (port, asked):
                    for connections in counts:
                        job = Job(port, asked, connections, sizes.seconds, sizes.warm_s)
                        taken.setdefault((server, connections), []).append(load(job))
    for connections in counts:
        ours, echoes = taken[FORETELL, connections], taken[AIO, connections]
        ratios = [mine.rate / echo.rate for mine, echo in zip(ours, echoes, strict=True)]
        part.figures.append(Figure(f"calls/s at {_words(connections)}: foretell / {AIO}", ratios, "ratio"))
    for (server, connections), runs in taken.items():
        part.figures += lines(f"{server}, {_words(connections)}", runs, "calls/s")
    return part


def _servers(bundle: Bundle, folder: Path, sizes: Sizes) -> dict[str, Start]:
    @contextlib.contextmanager
    def ours() -> Iterator[tuple[int, bytes]]:
        with foretell(bundle, folder) as door:
            yield door.grpc_port, _request(bundle)

    def echo(python: str, *words: str) -> Start:
        @contextlib.contextmanager
        def start() -> Iterator[tuple[int, bytes]]:
            (port,) = free_ports(1)
            command = [python, str(PROGRAMS / words[0]), *words[1:], str(port)]
            with running(command, folder / f"echo-{port}.log", {}, lambda: listens(port)):
                yield port, _request(bundle)

        return start

    servers: dict[str, Start] = {FORETELL: ours, AIO: echo(sys.executable, "grpc_echo.py", "aio")}
    servers["empty echo of grpc's threads"] = echo(sys.executable, "grpc_echo.py", "sync")
    if sizes.peers:
        servers["the same, each call handed to a loop"] = echo(sys.executable, "grpc_echo.py", "handed")
    if sizes.peers and GRPCLIB.exists():
        servers["empty grpclib echo (HTTP/2 in Python)"] = echo(str(GRPCLIB), "grpclib_program.py")
    return servers


def _request(bundle: Bundle) -> bytes:
    """A window as raw bytes, whose first two numbers the load writes over."""
    block = next(requests.windows(bundle, 1))
    asked = message("ModelInferRequest")(model_name=bundle.manifest.name)
    asked.inputs.add(name="windows", datatype="FP32", shape=block.shape)
    asked.raw_input_contents.append(MARK + block.astype("<f4").tobytes()[len(MARK) :])
    told: bytes = asked.SerializeToString()
    return told


def _words(connections: int) -> str:
    return f"{connections} connection{'s' if connections > 1 else ''}"
