"""Keeps N workers at work: starts them on Ray, replaces those that fail, drains them at the end."""

import logging
import threading
import time
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from foretell.bundle.bundle import open_bundle
from foretell.cluster import Cluster
from foretell.config import Settings
from foretell.errors import EngineError, Fenced, ForetellError
from foretell.stream.kafka.probe import BrokerProbe
from foretell.stream.supervision.actor import Outcome, Plan
from foretell.stream.supervision.figures import Figures
from foretell.stream.supervision.finish import Finish
from foretell.stream.supervision.provision import provision
from foretell.stream.supervision.slot import WorkerSlot
from foretell.stream.supervision.status import StreamStatus
from foretell.stream.worker.recipe import Recipe
from foretell.telemetry.export import page
from foretell.telemetry.health import Health, HealthServer

log = logging.getLogger("foretell.stream")
_LOOK_S = 0.05
_DRAIN_S = 20.0
_MOMENT_S = 1.0
_TOO_OFTEN = 5  # failures one after another, none of them after a steady run


class Supervisor:
    """`start`, then `status` as often as one likes, then `stop`; a thread of its own does the watching.

    Attributes:
        finished: set when the stream has ended: by `stop`, at the end of `--until-end`, or by `error`.
        error: why it could not go on.
        port: of /healthz and /metrics.
    """

    def __init__(self, settings: Settings, bundle: Path) -> None:
        stream = settings.stream
        self._settings = settings
        self._bundle = open_bundle(bundle)
        self._recipe = Recipe.of(settings, self._bundle.manifest)
        self._cluster = Cluster(settings.ray, stream.num_actors)
        self._slots = [WorkerSlot(i) for i in range(stream.num_actors)]
        self._figures = Figures(stream.stall)
        self._finish = Finish(settings)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._plan: Any = None
        self._share = 0.0
        self.finished = threading.Event()
        self.error: ForetellError | None = None
        self.port = 0

    def start(self) -> None:
        """Wait for Kafka, topics and Ray, and start the workers.

        Raises:
            BrokerUnreachable, TopicMissing, KafkaError, RayUnreachable: `stream.wait` was not enough.
            ConfigError: the port is taken.
        """
        stream = self._settings.stream
        deadline = time.monotonic() + stream.wait
        partitions = provision(self._settings, deadline)
        self._figures.places = {(stream.input_topic, p) for p in range(partitions)}
        self._broker = BrokerProbe(self._settings.kafka)  # before somebody can ask for it
        try:
            self._server = HealthServer(stream.host, stream.port, self._tell_health, self._tell_metrics)
        except BaseException:
            self._broker.close()
            raise
        self.port = self._server.port
        try:
            self._cluster.connect(deadline)
            self._finish.begin(partitions, self._stopping.is_set)
            self._make_plan()
        except BaseException:
            self._close()
            raise
        self._thread.start()

    def status(self) -> StreamStatus:
        """What there is to say at this moment."""
        return self._figures.status(self._slots, self._broker.answers)

    def busiest_pid(self) -> int:
        """Process id of the worker that has forecast the most."""
        known = [slot.status for slot in self._slots if slot.status is not None]
        return max(known, key=lambda status: status.turns).pid

    def stop(self) -> None:
        """Drain and end; returns when all is ended. To be called once more or too late does no harm."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        try:
            while not self._stopping.wait(_LOOK_S):
                self._look()
                if self._finish.reached(self._slots):
                    break
            self._drain()
        except ForetellError as error:
            self.error = error
        except Exception as error:
            log.debug("the supervisor failed", exc_info=True)
            self.error = ForetellError(f"the supervisor failed: {type(error).__name__}: {error}")
        finally:
            self._close()
            self.finished.set()

    def _look(self) -> None:
        if not self._cluster.alive():
            self._reconnect()
        for slot in self._slots:
            try:
                self._tend(slot)
            except RayError as error:
                log.debug("worker %d: %s", slot.index, error)

    def _tend(self, slot: WorkerSlot) -> None:
        """Fill a slot, hear what its worker has to say, replace it where it must be."""
        outcome = slot.ended()
        if outcome is not None and not self._stopping.is_set():
            self._judge(slot, outcome)
        if slot.fill(self._plan, self._share):
            slot.send("read_until", self._finish.ends)
            return
        first = slot.status is None
        status = slot.listen()
        if status is not None:
            self._figures.take(status)
            self._finish.take(status)
            if first and slot.failures:
                log.info("worker %d is back, as process %d", slot.index, status.pid)
        reason = self._figures.trouble(slot) if self._broker.answers else None
        if reason is not None:
            log.warning("worker %d %s; it is replaced", slot.index, reason)
            self._figures.replaced(slot, "stalled")
            slot.kill()

    def _judge(self, slot: WorkerSlot, outcome: Outcome) -> None:
        """A worker has ended by itself: again, or never again."""
        self._figures.replaced(slot, outcome.code)
        log.warning("worker %d ended (%s); it is replaced", slot.index, outcome.message or outcome.code)
        if slot.failures < _TOO_OFTEN or not self._broker.answers:
            return
        if outcome.code == Fenced.code:
            raise Fenced(
                f"worker {slot.index} is fenced again and again: another `foretell stream` runs as group "
                f"{self._settings.stream.group}",
                cure="end one of the two, or give one of them another --group",
            )
        if outcome.code == EngineError.code:
            raise EngineError(outcome.message)
        if outcome.code not in ("died", "kafka"):
            raise ForetellError(outcome.message)

    def _make_plan(self) -> None:
        """Put what workers need into Ray's store."""
        settings = self._settings
        gpu = settings.stream.gpu and settings.engine.device != "cpu"
        if gpu and self._cluster.gpus() == 0:
            log.warning("No GPU devices found, using CPU")
            gpu = False
        self._share = settings.stream.gpu_fraction if gpu else 0.0
        files = {name: self._bundle.read(name) for name in self._bundle.manifest.files}
        files |= {"bundle.json": (self._bundle.path / "bundle.json").read_bytes()}
        self._plan = ray.put(
            Plan(settings, files, self._recipe.adapter, gpu, self._finish.ends, settings.stream.rebuild)
        )

    def _reconnect(self) -> None:
        """Ray is gone: start or reach it again, for as long as it takes."""
        if self._stopping.wait(_MOMENT_S):  # a signal to the whole process group ended it together with us
            return
        log.error(
            "Ray is gone (%s); it is %s again",
            self._cluster.address,
            "started" if self._cluster.own else "tried",
        )
        for slot in self._slots:
            slot.lose()
        self._plan = None  # the new one gets the same id: an old reference let go later would free it
        while not self._stopping.is_set():
            try:
                self._cluster.close()
                self._cluster.connect(time.monotonic() + _DRAIN_S)
                self._make_plan()
            except (ForetellError, RayError, ConnectionError, RuntimeError) as error:
                log.debug("Ray is not back yet: %s", error)
                self._stopping.wait(1.0)
            else:
                log.info("Ray is back")
                return

    def _drain(self) -> None:
        """Each worker finishes its block, commits and leaves."""
        if not self._cluster.alive():
            return
        for slot in self._slots:
            slot.send("stop")
        deadline = time.monotonic() + _DRAIN_S
        while any(slot.filled for slot in self._slots) and time.monotonic() < deadline:
            for slot in self._slots:
                self._hear_last(slot)
            time.sleep(_LOOK_S)
        for slot in self._slots:
            slot.kill()

    def _hear_last(self, slot: WorkerSlot) -> None:
        status = slot.listen()
        if status is not None:
            self._figures.take(status)
        if status is None or status.state == "stopped":
            slot.ended()

    def _close(self) -> None:
        self._broker.close()
        self._cluster.close()
        self._server.close()

    def _tell_health(self) -> Health:
        status = self.status()
        return Health(
            status.healthy, {"workers": status.workers, "wanted": status.wanted, "note": status.note}
        )

    def _tell_metrics(self) -> bytes:
        return page(self.status().figures)
