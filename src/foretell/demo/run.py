"""The demo from beginning to end: broker, stream, replay, a kill half-way, score."""

import os
import secrets
import signal
import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from foretell.bundle.bundle import open_bundle
from foretell.config import EngineSettings, Loaded, ModelSettings, RaySettings, Settings, StreamSettings
from foretell.demo.brokers import Broker, Wanted, open_broker, remove_topics
from foretell.demo.collect import Collector
from foretell.demo.replay import Replay, rows
from foretell.demo.report import Kill, Report, due, make_report
from foretell.demo.score import percentiles
from foretell.demo.show import Progress, Show
from foretell.demo.weather import AIRPORTS, BUNDLE, Weather, read_weather
from foretell.errors import KafkaError, RayUnreachable
from foretell.stream.kafka.topics import Topic, TopicAdmin
from foretell.stream.supervision.supervisor import Supervisor
from foretell.telemetry.metrics import RESTORES

WORKERS = 2
_LOOK_S = 0.1
_PATIENCE_S = 40.0  # without a new forecast, although some are due
_SETTLE_S = 1.0  # without a change, before the stream counts as at rest


@dataclass(frozen=True)
class Plan:
    """What a person chose. rate: rows a second."""

    wanted: Wanted = Wanted.AUTO
    airports: Sequence[str] = AIRPORTS
    rate: float = 400.0
    keep: bool = False


def run(plan: Plan, loaded: Loaded, show: Show) -> bool:
    """Play the demo; false when a forecast was lost or doubled.

    Raises:
        BrokerUnreachable, KafkaError, RayUnreachable: it cannot be played.
    """
    with ExitStack() as cleanup:
        broker = open_broker(plan.wanted, loaded)
        cleanup.callback(broker.close)
        show.broker(broker)
        stage = Stage(broker, plan, show, cleanup)
        if plan.keep:
            stage.keep()
            return True
        report = stage.play()
    show.report(report)
    return report.count.exact


@dataclass
class Stage:
    """A running stream with its topics; all of it ends with `cleanup`."""

    broker: Broker
    plan: Plan
    show: Show
    cleanup: ExitStack
    weather: dict[str, Weather] = field(init=False)

    def __post_init__(self) -> None:
        self.weather = {a: w.test() for a, w in read_weather(self.plan.airports).items()}
        self.settings = settings(self.broker, f"foretell-demo-{secrets.token_hex(3)}")
        stream = self.settings.stream
        if self.broker.lent:
            self.cleanup.callback(remove_topics, self.broker.kafka, stream.group)
        admin = TopicAdmin(self.broker.kafka, time.monotonic() + stream.wait)
        admin.ensure(Topic(stream.input_topic))
        self._partitions = admin.ensure(Topic(stream.output_topic))
        self.show.say(f"Ray    on this machine, {WORKERS} workers; starting ...")
        self.supervisor = Supervisor(self.settings, BUNDLE)
        self.supervisor.start()
        self.cleanup.callback(self.supervisor.stop)
        # Ends what was started, as Ctrl-C does. Not before: Ray puts a handler of its own at its start.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        self._wait_for_workers(time.monotonic() + stream.wait)

    def play(self) -> Report:
        """Replay once; on a real Kafka a worker is killed half-way."""
        kafka, stream = self.broker.kafka, self.settings.stream
        lookback = open_bundle(BUNDLE).manifest.lookback
        wanted = sum(map(len, due(self.weather, lookback).values()))
        collector = Collector(kafka, stream.output_topic, self._partitions)
        self.cleanup.callback(collector.stop)
        collector.start()
        replay = Replay(kafka, stream.input_topic, rows(self.weather), self.plan.rate)
        self.cleanup.callback(replay.stop)
        with self.show:
            replay.start()
            kill = self._watch(replay, collector, wanted)
            self.supervisor.stop()
            _settle(collector)
        return make_report(self.weather, lookback, replay.sent_at, collector.arrivals, kill)

    def keep(self) -> None:
        """Replay in a loop until Ctrl-C."""
        kafka, stream = self.broker.kafka, self.settings.stream
        replay = Replay(kafka, stream.input_topic, rows(self.weather), self.plan.rate, loop=True)
        collector = Collector(kafka, stream.output_topic, self._partitions, keep=False)
        self.cleanup.callback(collector.stop)
        self.cleanup.callback(replay.stop)
        where = f"--bootstrap-servers {kafka.bootstrap_servers}"
        self.show.commands([(f"foretell tail {stream.output_topic} {where}", "forecasts as they come")])
        self.show.say("It goes on until Ctrl-C.")
        collector.start()
        replay.start()
        pulse = Pulse()
        try:
            with self.show:
                while True:
                    self._check(replay, collector)
                    self.show.progress(pulse.progress(replay, collector, 0, self.supervisor.status().note))
                    time.sleep(_LOOK_S)
        except KeyboardInterrupt:
            self.show.say("ending ...")

    def _watch(self, replay: Replay, collector: Collector, wanted: int) -> Kill | None:
        """Show progress until all that is wanted has come, or nothing comes any more."""
        total = len(rows(self.weather))
        pulse, kill = Pulse(), None
        while collector.count < wanted or replay.is_alive():
            self._check(replay, collector)
            status = self.supervisor.status()
            self.show.progress(pulse.progress(replay, collector, total, status.note))
            if self.broker.real and kill is None and replay.sent >= total // 2:
                kill = self._kill(replay)
            if pulse.silent_for > _PATIENCE_S:
                break
            time.sleep(_LOOK_S)
        return kill

    def _wait_for_workers(self, deadline: float) -> None:
        """Until they share out all partitions, and no more change hands: the first rows shall not wait."""
        taken, since = 0.0, time.monotonic()
        while True:
            self._raise_if_ended()
            status = self.supervisor.status()
            if status.figures.total(RESTORES) != taken:
                taken, since = status.figures.total(RESTORES), time.monotonic()
            settled = taken >= self._partitions and time.monotonic() - since > _SETTLE_S
            if status.workers == WORKERS and settled:
                return
            if time.monotonic() > deadline:
                raise RayUnreachable(
                    f"{status.workers} of {WORKERS} workers answer: {status.note or 'Ray started no more'}",
                    cure="LOG_LEVEL=INFO foretell demo tells what they do",
                )
            time.sleep(_LOOK_S)

    def _raise_if_ended(self) -> None:
        if self.supervisor.finished.is_set():
            raise self.supervisor.error or KafkaError("the stream ended before its time")

    def _check(self, replay: Replay, collector: Collector) -> None:
        self._raise_if_ended()
        replay.check()
        collector.check()

    def _kill(self, replay: Replay) -> Kill:
        """SIGKILL the worker that has the most to do."""
        pid = self.supervisor.busiest_pid()
        os.kill(pid, signal.SIGKILL)
        self.show.say(f"worker {pid} killed (SIGKILL) after {replay.sent:,} rows")
        return Kill(pid, time.time(), replay.sent)


def settings(broker: Broker, group: str) -> Settings:
    """A stream on a Ray of its own on this machine; all its topics begin with the group's name."""
    return Settings(
        kafka=broker.kafka,
        ray=RaySettings(head_address=None, num_cpus=WORKERS + 1),
        model=ModelSettings(bundle=BUNDLE),
        engine=EngineSettings(device="cpu"),
        stream=StreamSettings(
            input_topic=f"{group}-rows",
            output_topic=f"{group}-forecasts",
            group=group,
            num_actors=WORKERS,
            gpu=False,
            delivery="exactly_once" if broker.real else "at_least_once",
            port=0,
        ),
    )


class Pulse:
    """Rates and latencies of the last seconds.

    Attributes:
        silent_for: seconds since a forecast came.
    """

    def __init__(self) -> None:
        self._moments: deque[tuple[float, int]] = deque(maxlen=int(3 / _LOOK_S))
        self._count, self._changed = 0, time.monotonic()

    @property
    def silent_for(self) -> float:
        return time.monotonic() - self._changed

    def progress(self, replay: Replay, collector: Collector, total: int, note: str) -> Progress:
        now = time.monotonic()
        if collector.count != self._count:
            self._count, self._changed = collector.count, now
        self._moments.append((now, replay.sent))
        (then, before) = self._moments[0]
        newest = collector.arrivals[-500:]
        sent = replay.sent_at
        waits = [a.at - sent[key] for a in newest if (key := (a.series, a.issued_s)) in sent]
        p50, p99 = percentiles(waits)
        rate = (replay.sent - before) / (now - then) if now > then else 0.0
        return Progress(replay.sent, total, collector.count, rate, (p50, p99), note)


def _settle(collector: Collector) -> None:
    """What the stream committed last, and what it should not have, is still to be read."""
    count, since = collector.count, time.monotonic()
    while time.monotonic() - since < _SETTLE_S:
        if collector.count != count:
            count, since = collector.count, time.monotonic()
        time.sleep(_LOOK_S)
