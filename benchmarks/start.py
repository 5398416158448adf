"""From process start to first forecast, and from the kill of a worker to its partitions' next forecasts."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import ConsumerGroupState
from confluent_kafka.admin import AdminClient

from benchmarks.broker import ABSENT, PARTITIONS, flags_for, ready, real_kafka
from benchmarks.figures import Figure, Part, Target
from benchmarks.models import model_a
from benchmarks.ray_head import RayHead, ray_head
from benchmarks.rows import LOOKBACK, STATIONS, fill, rows
from benchmarks.sizes import Sizes
from benchmarks.traffic import Offer, Watch, wait_for

START = Target("<", 6.0)
RESUME = Target("<", 3.0)
ACTORS = 2
_RATE = 200.0
_ACTOR = "WorkerActor"
_STEADY_S = 2.0


def measure(sizes: Sizes) -> Part:
    """Both, with Ray already up."""
    part = Part("start")
    with tempfile.TemporaryDirectory(prefix="foretell-bench-") as folder, real_kafka() as servers:
        if servers is None:
            return Part("start", skipped=ABSENT)
        bundle = model_a(Path(folder)).path
        ready(flags_for(servers, "start"))
        fill(servers, "rows", rows(STATIONS * (LOOKBACK + 1)))
        with ray_head() as ray:
            starts = [_start(servers, ray, bundle, repeat) for repeat in range(sizes.repeats)]
            resumed = _kills(servers, ray, bundle, sizes.kills)
    part.figures = [
        Figure(f"process start to first forecast, {ACTORS} actors, Ray up", starts, "s", START),
        Figure("kill of a worker to forecasts of all its partitions", resumed, "s", RESUME),
    ]
    return part


def _start(servers: str, ray: RayHead, bundle: Path, repeat: int) -> float:
    """Seconds from the start of `foretell stream` to the first forecast that a reader sees."""
    group = f"start-{repeat}"
    watch = _watch(servers, group, "rows")
    began = time.time()
    with _stream(servers, ray, bundle, group, "rows") as stream:
        wait_for(lambda: len(watch.seen) > 0 or stream.poll() is not None, "the first forecast")
    watch.close()
    if not watch.seen:
        raise RuntimeError(f"foretell stream ended with {stream.returncode} before its first forecast")
    return watch.seen[0].at - began


def _kills(servers: str, ray: RayHead, bundle: Path, count: int) -> list[float]:
    """Workers are killed, one after the other, while rows come at a steady rate."""
    group, topic = "kills", "kills-rows"
    watch = _watch(servers, group, topic)
    admin = AdminClient({"bootstrap.servers": servers})
    first = STATIONS * LOOKBACK
    fill(servers, topic, rows(first))
    with _stream(servers, ray, bundle, group, topic):
        offer = Offer(servers, topic, first, _RATE)
        found = [_kill(admin, group, ray, offer, watch) for _ in range(count)]
        offer.close()
    watch.close()
    return found


def _watch(servers: str, group: str, topic: str) -> Watch:
    """Of the forecasts of a group whose topics are made now."""
    ready(flags_for(servers, group, topic))
    watch = Watch(servers, f"{group}-forecasts")
    wait_for(lambda: watch.ready, "the watch of the forecasts")
    return watch


@contextmanager
def _stream(
    servers: str, ray: RayHead, bundle: Path, group: str, topic: str
) -> Iterator[subprocess.Popen[bytes]]:
    """`foretell stream`, asked to end afterwards."""
    command = [
        *(str(Path(sys.executable).parent / "foretell"), "stream", "--bundle", str(bundle)),
        *("--bootstrap-servers", servers, "--input-topic", topic, "--group", group),
        *("--output-topic", f"{group}-forecasts", "--num-actors", str(ACTORS), "--no-gpu"),
        *("--port", "0"),
    ]
    environ = {**os.environ, "RAY_HEAD_ADDRESS": ray.address}
    with subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL) as stream:
        try:
            yield stream
        finally:
            stream.terminate()


def _kill(admin: AdminClient, group: str, ray: RayHead, offer: Offer, watch: Watch) -> float:
    """Seconds from a SIGKILL until each partition has a forecast of a row offered after the death."""
    began = time.time()
    wait_for(lambda: _forecast_since(began, offer, watch), "forecasts of all partitions")
    # A worker may be up and not own anything yet: it joins when the others next ask the group.
    wait_for(lambda: _shares(admin, group) == [PARTITIONS // ACTORS] * ACTORS, "a share for each worker")
    wait_for(lambda: len(ray.actors(_ACTOR)) == ACTORS, "the start of all workers")
    time.sleep(_STEADY_S)
    victim, killed = min(ray.actors(_ACTOR)), time.time()
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: victim not in ray.actors(_ACTOR), "the end of a worker")
    dead = time.time()  # what was offered before may have been under way
    wait_for(lambda: _forecast_since(dead, offer, watch), "forecasts after a kill")
    return time.time() - killed


def _shares(admin: AdminClient, group: str) -> list[int]:
    """How many partitions each member of the group owns, as its coordinator has it."""
    told = admin.describe_consumer_groups([group], request_timeout=10)[group].result(10)
    if told.state != ConsumerGroupState.STABLE:
        return []
    return [len(member.assignment.topic_partitions) for member in told.members]


def _forecast_since(moment: float, offer: Offer, watch: Watch) -> bool:
    """Whether each partition has a forecast of a row that was offered later than this."""
    late = set[int]()
    for seen in reversed(watch.seen):
        if seen.at < moment:
            break
        if offer.times.get(seen.place, 0.0) > moment:
            late.add(seen.place[0])
    return len(late) == PARTITIONS
