"""foretell beside Python's other model servers: one window a request, JSON, each alone on the machine."""

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.figures import Figure, Part, Target
from benchmarks.models import model_a
from benchmarks.serve import requests, wrk
from benchmarks.serve.door import foretell
from benchmarks.serve.server import Answers, running
from benchmarks.serve.sizes import Sizes
from benchmarks.serve.taken import lines
from foretell.bundle.bundle import Bundle
from foretell.bundle.manifest import MODEL
from foretell.demo.apache_kafka import free_ports

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ROOT / ".bench-venvs"
PROGRAMS = Path(__file__).parent / "programs"
PLAIN, EVERYTHING, LOGGED = "foretell", "foretell, keys and limits", "foretell, keys, limits, access log"
TWICE = ", 2 replicas"
MOSEC, MOSEC_TWICE = "mosec", "mosec, 2 workers"
_NETWORK, _WORKERS = "BENCH_MODEL", "BENCH_WORKERS"  # as the programs read them
_MANY = 32


@dataclass(frozen=True)
class Peer:
    """Another maker's server.

    Attributes:
        package: whose version is told. command: `{bin}` and `{port}` are filled in. path: what forecasts.
        field: of the JSON body; `windows` holds one window in a list, `window` the window itself.
        workers: processes that evaluate, where the program can have more than one.
    """

    name: str
    package: str
    command: tuple[str, ...]
    path: str
    field: str = "window"
    workers: int = 1

    @property
    def environment(self) -> Path:
        return ENVIRONMENTS / self.package

    def version(self) -> str:
        ask = f"from importlib.metadata import version; print(version({self.package.split('_')[0]!r}))"
        done = subprocess.run(
            [str(self.environment / "bin" / "python"), "-c", ask], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def body(self, window: list[list[float]]) -> bytes:
        told = {self.field: [window] if self.field == "windows" else window}
        return json.dumps(told, separators=(",", ":")).encode()


_MOSEC = Peer(
    MOSEC,
    "mosec",
    ("{bin}/python", "mosec_program.py", "--address", "127.0.0.1", "--port", "{port}"),
    "/inference",
)
PEERS = (
    _MOSEC,
    replace(_MOSEC, name=MOSEC_TWICE, workers=2),
    Peer("LitServe", "litserve", ("{bin}/python", "litserve_program.py", "{port}"), "/predict"),
    Peer(
        "BentoML",
        "bentoml",
        ("{bin}/bentoml", "serve", "bentoml_program:Forecast", "--host", "127.0.0.1", "--port", "{port}"),
        "/forecast",
        "windows",
    ),
    Peer("Ray Serve", "ray_serve", ("{bin}/python", "ray_serve_program.py", "{port}"), "/"),
)

Served = tuple[int, list[bytes]]  # a port, and requests for it
Start = Callable[[], contextlib.AbstractContextManager[Served]]


def measure(sizes: Sizes) -> Part:
    """Throughput and latency by server and connections."""
    if wrk.absent():
        return Part("peers", skipped=wrk.ABSENT)
    absent = [peer.name for peer in PEERS if sizes.peers and not peer.environment.exists()]
    if absent:
        return Part("peers", skipped=f"no environment for {', '.join(absent)}: run `make bench-serve`")
    part = Part("peers")
    with tempfile.TemporaryDirectory(prefix="foretell-bench-") as name:
        folder = Path(name)
        shots = _all(_servers(model_a(folder), folder, sizes), sizes)
    if sizes.peers:
        part.details["versions"] = {peer.name: peer.version() for peer in PEERS}
        part.figures += _against_peers(shots, sizes)
    part.figures += _alone(shots)
    for (server, connections), taken in shots.items():
        what = f"{server}, {connections} connection{'s' if connections > 1 else ''}"
        part.figures += lines(what, taken, "requests/s")
    return part


Shots = dict[tuple[str, int], list[wrk.Shot]]


def _all(servers: dict[str, Start], sizes: Sizes) -> Shots:
    """In rounds over all servers, so that what else the machine does meets all alike."""
    shots: Shots = {}
    for _ in range(sizes.repeats):
        for name, start in servers.items():
            with start() as (port, asked):
                for connections in _connections(name, sizes):
                    try:
                        shot = wrk.load(port, asked, connections, sizes.seconds, sizes.warm_s)
                    except RuntimeError as error:
                        raise RuntimeError(f"{name}: {error}") from None
                    shots.setdefault((name, connections), []).append(shot)
    return shots


def _connections(server: str, sizes: Sizes) -> tuple[int, ...]:
    """Variants are measured where they are compared."""
    if server in (MOSEC_TWICE, PLAIN + TWICE, EVERYTHING + TWICE):
        return (_MANY,)
    return sizes.connections[1:] if server == LOGGED else sizes.connections


def _servers(bundle: Bundle, folder: Path, sizes: Sizes) -> dict[str, Start]:
    def ours(*, everything: bool = False, access_log: bool = False, replicas: int = 1) -> Start:
        @contextlib.contextmanager
        def start() -> Iterator[Served]:
            with foretell(
                bundle, folder, replicas=replicas, everything=everything, access_log=access_log
            ) as door:
                yield door.port, door.as_json()

        return start

    def theirs(peer: Peer) -> Start:
        return lambda: _peer(peer, bundle, folder)

    servers = {PLAIN: ours(), EVERYTHING: ours(everything=True)}
    if sizes.peers:
        servers |= {
            LOGGED: ours(everything=True, access_log=True),
            PLAIN + TWICE: ours(replicas=2),
            EVERYTHING + TWICE: ours(everything=True, replicas=2),
        }
        servers |= {peer.name: theirs(peer) for peer in PEERS}
    return servers


@contextlib.contextmanager
def _peer(peer: Peer, bundle: Bundle, folder: Path) -> Iterator[Served]:
    (port,) = free_ports(1)
    bin_ = peer.environment / "bin"
    bodies = [peer.body(block[0].tolist()) for block in requests.windows(bundle, 1)]
    command = [word.format(bin=bin_, port=port) for word in peer.command]
    # Its own scripts first: a server may look for its tools by name.
    environ = {
        _NETWORK: str(bundle.path / MODEL),
        _WORKERS: str(peer.workers),
        "PATH": f"{bin_}:/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": str(PROGRAMS),
        "BENTOML_DO_NOT_TRACK": "True",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    command = [str(PROGRAMS / word) if word.endswith(".py") else word for word in command]
    answers = Answers(f"http://127.0.0.1:{port}{peer.path}", bodies[0])
    with running(command, folder / f"{peer.package}-{port}.log", environ, answers):
        yield port, [requests.post(peer.path, body) for body in bodies]


def _against_peers(shots: Shots, sizes: Sizes) -> list[Figure]:
    """Throughput as each serves best on this machine's two cores, and with one process that evaluates."""

    def rates(name: str) -> list[float]:
        return [shot.rate for shot in shots[name, _MANY]]

    one = rates(MOSEC)
    best = [max(pair) for pair in zip(one, rates(MOSEC_TWICE), strict=True)]

    def ratio(what: str, name: str, theirs: list[float], target: Target | None = None) -> Figure:
        ratios = [ours / other for ours, other in zip(rates(name), theirs, strict=True)]
        return Figure(f"requests/s at {_MANY} connections: {what}", ratios, "ratio", target)

    single = {peer.name for peer in PEERS} - {MOSEC_TWICE}
    at_one = [
        shot.p50_ms / min(shots[name, 1][repeat].p50_ms for name in single)
        for repeat, shot in enumerate(shots[PLAIN, 1])
    ]
    return [
        ratio("foretell / mosec, each at its best", PLAIN + TWICE, best, Target(">=", 1.2)),
        ratio("the same, foretell with keys and limits", EVERYTHING + TWICE, best, Target(">=", 1.0)),
        ratio("1 replica / mosec with 1 worker", PLAIN, one),
        ratio("1 replica with keys and limits / mosec with 1 worker", EVERYTHING, one),
        ratio("1 replica with an access log too / mosec with 1 worker", LOGGED, one),
        Figure("p50 at 1 connection: foretell / best other peer", at_one, "ratio", Target("<", 0.5)),
    ]


def _alone(shots: Shots) -> list[Figure]:
    taken = [shot.p50_ms for shot in shots[PLAIN, 1]]
    return [Figure("p50 at 1 connection", taken, "ms", Target("<=", 0.5))]
