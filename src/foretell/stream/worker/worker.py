"""The loop of one worker: poll, forecast, deliver, with a consumer and a producer of its own."""

import logging
import os
import threading
import time
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from confluent_kafka import Consumer

from foretell.config import Settings
from foretell.forecasting.forecaster import Forecaster
from foretell.rows.adapter import Adapter
from foretell.rows.reasons import Reason
from foretell.stream.messages.blocks import Incoming, Outgoing, Place, Polled
from foretell.stream.messages.changelog import changelog_topic
from foretell.stream.messages.deadletter import dead_letter_topic
from foretell.stream.worker.courier import Courier, Turn
from foretell.stream.worker.intake import Intake
from foretell.stream.worker.pace import Pace
from foretell.stream.worker.pipeline import Pipeline
from foretell.stream.worker.repartition import Repartition, resume, rows_topic
from foretell.stream.worker.restore import Restorer
from foretell.stream.worker.takeover import TakeOver
from foretell.stream.worker.transaction import AtLeastOnce, Delivery, Destinations, ExactlyOnce
from foretell.telemetry import metrics
from foretell.telemetry.meter import Meter, Snapshot

log = logging.getLogger(__name__)
_POLL_S = 0.1
_LAG_S = 0.25
_GRACE_S = 10.0
_T = TypeVar("_T")


@dataclass(slots=True)
class WorkerStatus:
    """A worker at one moment.

    Attributes:
        state: `starting`, `running` or `stopped`.
        turns: transactions committed; stands still where nothing moves.
        lag: records that wait, by partition. reached: partitions read up to `--until-end`.
        fresh: series met since the last status, and their partitions; not all, where they are many.
        notices: plain words for a person, since the last status.
        still_s: seconds since the loop last came round.
    """

    index: int
    pid: int
    node: str
    state: str
    turns: int
    lag: dict[Place, int]
    reached: set[Place]
    figures: Snapshot
    fresh: list[tuple[str, int]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    still_s: float = 0.0


class Worker:
    """See the module. `run` blocks; `stop` and `status` may be called from other threads."""

    def __init__(
        self,
        settings: Settings,
        forecaster: Forecaster,
        index: int,
        *,
        adapter: Adapter | None = None,
        ends: dict[Place, int] | None = None,
        rebuild: bool = False,
    ) -> None:
        """`index`: `<group>-<index>` is the worker's identity for Kafka. `ends`: where `--until-end` ends."""
        stream = settings.stream
        self._settings = settings
        self._identity = f"{stream.group}-{index}"
        self._index = index
        self._ends = ends or {}
        self._stopping = threading.Event()
        self._deadline = float("inf")
        self._state, self._turns = "starting", 0
        self._lag: dict[Place, int] = {}
        self._lag_due = 0.0
        self._round = time.monotonic()
        self._meter = Meter()
        self._intake: Intake | None = None
        self._pipeline = Pipeline(settings, forecaster, adapter)
        self._repartition = Repartition(self._pipeline)
        self._windowed = rows_topic(stream.group) if stream.repartition else stream.input_topic
        self.delivery = self._open_delivery()
        self._courier = Courier(self.delivery)
        self._lost: list[Polled] = []
        self._pace = Pace(stream.block_rows)
        self._take_over = TakeOver(
            settings,
            self._pipeline,
            lambda *turn: self.delivery.send(*turn),
            Restorer(settings.kafka, stream.group, self._give_up),
            self._meter,
            windowed=self._windowed,
            rebuild=rebuild,
        )

    def run(self) -> None:
        """Take turns until `stop`.

        Raises:
            Fenced, KafkaError, EngineError: it cannot go on; a replacement can.
        """
        self.delivery.start()
        stream = self._settings.stream
        intake = self._intake = Intake(
            self._settings.kafka,
            {"group.id": stream.group, "group.instance.id": self._identity},
            list(dict.fromkeys([stream.input_topic, self._windowed])),
            self._assigned,
            self._revoked,
            merged=stream.input_topic if stream.repartition else None,
        )
        intake.ends = self._ends
        self._state = "running"
        try:
            while not self._stopping.is_set():
                self._round = time.monotonic()
                self._turn(intake)
                self._look_at_lag(intake)
            self._settle(intake)
        finally:
            self._state = "stopped"
            self._courier.close()
            intake.close()

    def stop(self, grace_s: float = _GRACE_S) -> None:
        """Finish the block, commit, leave. What waits for the broker gives up after `grace_s`."""
        self._deadline = time.monotonic() + grace_s
        self._stopping.set()

    def status(self) -> WorkerStatus:
        """Figures and words; takes the notices along."""
        intake = self._intake
        running = intake is not None and self._state == "running"
        return WorkerStatus(
            self._index,
            os.getpid(),
            os.uname().nodename,
            self._state,
            self._turns,
            dict(self._lag) if running else {},
            set(intake.reached) if intake and running else set(),
            self._meter.snapshot(),
            _drain(self._pipeline.series.fresh),
            _drain(self._pipeline.notices),
            time.monotonic() - self._round,
        )

    def figures(self) -> Snapshot:
        """Counted so far."""
        return self._meter.snapshot()

    def read_until(self, ends: dict[Place, int]) -> None:
        """Say of further partitions when they are read up to here."""
        self._ends = self._ends | ends
        if self._intake is not None:
            self._intake.ends = self._ends

    def _turn(self, intake: Intake) -> None:
        """Poll and forecast, while the turn before is delivered; then hand over."""
        polled = self._poll(intake)
        if self._lost:  # partitions changed hands, and the turn that was under way then came to nothing
            self._again(intake, polled)
            return
        if not polled.blocks:
            if self._settle(intake):
                intake.done(polled)
            else:
                self._again(intake, polled)
            return
        membership = intake.membership()
        turn = Turn(polled, self._forecast(polled.blocks), membership)
        if self._settle(intake, turn):
            self._courier.send(turn)
        else:
            self._again(intake, polled)

    def _poll(self, intake: Intake) -> Polled:
        """What is there, at once; else the turn before need not wait for it, and we do."""
        polled = intake.poll(self._pace.rows, 0.0)
        if polled.blocks or polled.ends:
            return polled
        self._courier.go()
        return intake.poll(self._pace.rows, _POLL_S)

    def _settle(self, intake: Intake, after: Turn | None = None) -> bool:
        """Wait for the turn under way; false when it came to nothing, and with it the one `after` it."""
        turn = self._courier.settle()
        if turn is None:
            return True
        if turn.aborted is None:
            intake.done(turn.polled)
            self._count(turn)
            return True
        for undelivered in [after, turn] if after else [turn]:
            self._pipeline.undo(undelivered.out)
        self._lost.append(turn.polled)
        self._meter.add(metrics.TRANSACTIONS, label="aborted")
        log.warning("a transaction was aborted, and its rows are taken again: %s", turn.aborted)
        return False

    def _again(self, intake: Intake, polled: Polled) -> None:
        """Read again what was lost with an aborted turn, and what was polled after it."""
        lost, self._lost = [*self._lost, polled], []
        intake.rewind(lost)

    def _assigned(self, places: list[Place]) -> dict[Place, int]:
        assert self._intake is not None
        self._settle(self._intake)
        return self._take_over.take(self._intake, places)

    def _revoked(self, places: list[Place]) -> None:
        # What is under way needs the windows and the membership that go away now.
        assert self._intake is not None
        self._settle(self._intake)
        self._take_over.let_go(places)

    def _forecast(self, blocks: list[Incoming]) -> Outgoing:
        out, began = Outgoing(), time.monotonic()
        for block in blocks:
            if block.topic != self._windowed:
                out.add(self._repartition.take(block))
            elif self._settings.stream.repartition:
                out.add(self._pipeline.begin(resume(block), self._courier.go))
            else:
                out.add(self._pipeline.begin(block, self._courier.go))
        self._pace.took(sum(map(len, blocks)), time.monotonic() - began)
        return out

    def _look_at_lag(self, intake: Intake) -> None:
        """Now and then, in this thread: a consumer lets nobody else in while it polls."""
        if time.monotonic() > self._lag_due:
            self._lag_due = time.monotonic() + _LAG_S
            self._lag = intake.lag()
            self._meter.set_all(metrics.LAG, {f"{topic}/{p}": n for (topic, p), n in self._lag.items()})
            intake.look_for_ends()

    def _count(self, turn: Turn) -> None:
        self._turns += 1
        meter, out = self._meter, turn.out
        windowed = [b for b in turn.polled.blocks if b.topic == self._windowed]
        meter.add(metrics.TRANSACTIONS, label="committed")
        meter.add(metrics.ROWS, sum(map(len, windowed)))
        meter.add(metrics.FORECASTS, len(out.forecasts))
        meter.add(metrics.REVISIONS, out.revisions)
        meter.add(metrics.SAME_ROWS, out.duplicates)
        meter.add(metrics.FILLED, out.filled)
        for number, count in out.dead.items():
            meter.add(metrics.DEAD_LETTERS, count, Reason(number).word)
        for block in windowed:
            meter.observe(metrics.BLOCK, [len(block)])
            meter.observe(metrics.LATENCY, np.maximum(turn.at - block.record_us / 1e6, 0))
        meter.set_all(metrics.OUT_OF_RANGE, self._pipeline.outside)
        meter.observe(metrics.COMMIT, [turn.seconds])
        meter.set(metrics.SERIES, len(self._pipeline.series))

    def _open_delivery(self) -> Delivery:
        kafka, stream = self._settings.kafka, self._settings.stream
        to = Destinations(
            forecasts=stream.output_topic,
            dead_letters=dead_letter_topic(stream.input_topic),
            changelog=changelog_topic(stream.group),
            rows=rows_topic(stream.group),
        )
        if stream.delivery == "exactly_once":
            return ExactlyOnce(kafka, to, self._identity, self._give_up)
        return AtLeastOnce(kafka, to, self._consumer, self._give_up)

    def _consumer(self) -> Consumer:
        assert self._intake is not None
        return self._intake.consumer

    def _give_up(self) -> bool:
        return time.monotonic() > self._deadline


def _drain(waiting: list[_T]) -> list[_T]:
    """Take what is there, while another thread may add."""
    return [waiting.pop(0) for _ in range(len(waiting))]
