"""A turn's delivery: what each kind of failure at each step becomes, and what a broker makes of it."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka import KafkaError as Cause

from foretell.config import KafkaSettings
from foretell.errors import Fenced, KafkaError
from foretell.stream.messages.blocks import Outgoing
from foretell.stream.worker import transaction
from foretell.stream.worker.transaction import Aborted, AtLeastOnce, Destinations, ExactlyOnce

TO = Destinations("forecasts", "dead", "changelog", "rows")
OUT = Outgoing(
    forecasts=[(b"a", b"f", [("h", b"1")])],
    dead_letters=[(None, b"d", [])],
    changes=[(3, b"a", b"w"), (2, b"b", None)],
    rows=[(b"a", b"r", [])],
)
PRODUCED = [
    ("forecasts", b"f", b"a", None),
    ("dead", b"d", None, None),
    ("changelog", b"w", b"a", 3),
    ("changelog", None, b"b", 2),
    ("rows", b"r", b"a", None),
]
OFFSETS = [TopicPartition("rows", 0, 7)]

PASSING = Cause(Cause._TIMED_OUT, "later", retriable=True)
ABORTABLE = Cause(Cause.ILLEGAL_GENERATION, "generation", txn_requires_abort=True)
PLAIN = Cause(Cause.POLICY_VIOLATION, "too large")
FATAL = Cause(Cause._FATAL, "fatal", fatal=True)
FENCED = Cause(Cause._FENCED, "fenced", fatal=True)
EPOCH = Cause(Cause.INVALID_PRODUCER_EPOCH, "epoch")
STEPS = ["begin", "produce", "offsets", "commit"]


class FakeProducer:
    """Notes what it is asked, and fails where it is told to.

    Attributes:
        calls: in order. produced: topic, value, key, partition. fail: step → causes, one a call.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.calls: list[str] = []
        self.produced: list[tuple[str, bytes | None, bytes | None, int | None]] = []
        self.fail: dict[str, list[Cause | Exception]] = {}
        self.queued = 0
        self.lose: str | None = None
        self.stuck = False

    def _step(self, name: str) -> None:
        self.calls.append(name)
        if self.fail.get(name):
            cause = self.fail[name].pop(0)
            raise cause if isinstance(cause, Exception) else KafkaException(cause)

    def list_topics(self, topic: str, timeout: float) -> None:
        """It connects."""

    def init_transactions(self, timeout: float) -> None:
        self._step("init")

    def begin_transaction(self) -> None:
        self._step("begin")

    def produce(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        partition: int | None = None,
        headers: Any = (),
    ) -> None:
        self.produced.append((topic, value, key, partition))
        self.queued += 1
        if len(self.produced) == 2:
            self._step("produce")

    def send_offsets_to_transaction(self, offsets: Any, membership: Any, timeout: float) -> None:
        assert (offsets, membership) == (OFFSETS, "me")
        self._step("offsets")

    def commit_transaction(self, timeout: float) -> None:
        self._step("commit")

    def abort_transaction(self, timeout: float) -> None:
        self._step("abort")

    def flush(self, timeout: float) -> int:
        topics = sorted({topic for topic, *_ in self.produced})
        self._step("flush " + " ".join(topics))
        if self.lose in topics:
            self.config["on_delivery"](PLAIN, None)
        if not self.stuck:
            self.produced, self.queued = [], 0
        return self.queued

    def purge(self) -> None:
        self._step("purge")

    def __len__(self) -> int:
        return self.queued


@pytest.fixture
def producers(monkeypatch: pytest.MonkeyPatch) -> list[FakeProducer]:
    made: list[FakeProducer] = []

    def make(config: dict[str, Any]) -> FakeProducer:
        made.append(FakeProducer(config))
        return made[-1]

    monkeypatch.setattr(transaction, "Producer", make)
    return made


@pytest.fixture
def patience() -> list[bool]:
    """What `give_up` says, one answer a question; then no."""
    return []


@pytest.fixture
def exactly(producers: list[FakeProducer], patience: list[bool]) -> ExactlyOnce:
    def give_up() -> bool:
        return patience.pop(0) if patience else False

    return ExactlyOnce(KafkaSettings(), TO, "g-0", give_up)


def test_all_goes_into_one_transaction(exactly: ExactlyOnce, producers: list[FakeProducer]) -> None:
    exactly.start()
    exactly.send(OUT, OFFSETS, "me")
    exactly.confirm(OFFSETS)
    assert producers[0].calls == ["init", "begin", "produce", "offsets", "commit"]
    assert producers[0].produced == PRODUCED
    config = producers[0].config
    assert (config["transactional.id"], config["transaction.timeout.ms"]) == ("g-0", 10_000)
    assert config["enable.idempotence"] is True


def test_a_record_too_large_for_its_topic_is_told_with_its_cure(
    exactly: ExactlyOnce, producers: list[FakeProducer]
) -> None:
    producers[0].fail = {"commit": [Cause(Cause.MSG_SIZE_TOO_LARGE, "why")]}
    with pytest.raises(KafkaError, match="larger than its topic takes") as raised:
        exactly.send(OUT, OFFSETS, "me")
    assert "max.message.bytes" in str(raised.value.cure)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("cause", [ABORTABLE, PLAIN], ids=lambda c: c.name())
def test_a_failure_at_any_step_aborts_the_turn(
    exactly: ExactlyOnce, producers: list[FakeProducer], step: str, cause: Cause
) -> None:
    producers[0].fail = {step: [cause]}
    with pytest.raises(Aborted, match=cause.str()):
        exactly.send(OUT, OFFSETS, "me")
    upto = STEPS[: STEPS.index(step) + 1]
    assert producers[0].calls == [*upto, "abort"]
    producers[0].calls.clear()
    producers[0].produced.clear()
    exactly.send(OUT, OFFSETS, "me")  # and the next one goes through
    assert producers[0].calls == STEPS


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("cause", "kind"),
    [(FENCED, Fenced), (EPOCH, Fenced), (FATAL, KafkaError)],
    ids=["fenced", "epoch", "fatal"],
)
def test_what_is_over_is_over_and_nothing_is_tried_again(
    exactly: ExactlyOnce, producers: list[FakeProducer], step: str, cause: Cause, kind: type[KafkaError]
) -> None:
    producers[0].fail = {step: [cause]}
    with pytest.raises(kind) as raised:
        exactly.send(OUT, OFFSETS, "me")
    assert type(raised.value) is kind
    assert producers[0].calls == STEPS[: STEPS.index(step) + 1]


@pytest.mark.parametrize("step", ["offsets", "commit"])
def test_what_may_pass_is_tried_again_in_the_same_transaction(
    exactly: ExactlyOnce, producers: list[FakeProducer], step: str
) -> None:
    producers[0].fail = {step: [PASSING] * 3}
    exactly.send(OUT, OFFSETS, "me")
    assert producers[0].calls.count(step) == 4
    assert producers[0].calls[-1] == "commit"
    assert "abort" not in producers[0].calls


@pytest.mark.parametrize("step", ["offsets", "commit"])
def test_waiting_ends_when_the_worker_is_to_stop(
    exactly: ExactlyOnce, producers: list[FakeProducer], patience: list[bool], step: str
) -> None:
    producers[0].fail = {step: [PASSING] * 9}
    patience += [False, True]
    with pytest.raises(Aborted, match="later"):
        exactly.send(OUT, OFFSETS, "me")
    assert producers[0].calls.count(step) == 2
    assert producers[0].calls[-1] == "abort"


def test_an_abort_is_tried_again_too(exactly: ExactlyOnce, producers: list[FakeProducer]) -> None:
    producers[0].fail = {"commit": [ABORTABLE], "abort": [PASSING, PASSING]}
    with pytest.raises(Aborted, match="generation"):
        exactly.send(OUT, OFFSETS, "me")
    assert producers[0].calls.count("abort") == 3


@pytest.mark.parametrize(
    ("cause", "kind"), [(FENCED, Fenced), (FATAL, KafkaError), (PLAIN, KafkaError)], ids=lambda x: str(x)[:12]
)
def test_an_abort_that_fails_ends_the_worker(
    exactly: ExactlyOnce, producers: list[FakeProducer], cause: Cause, kind: type[KafkaError]
) -> None:
    producers[0].fail = {"commit": [ABORTABLE], "abort": [cause]}
    with pytest.raises(kind) as raised:
        exactly.send(OUT, OFFSETS, "me")
    assert type(raised.value) is kind


@pytest.mark.parametrize(
    ("causes", "kind"),
    [([FENCED], Fenced), ([FATAL], KafkaError), ([PLAIN], KafkaError)],
    ids=["fenced", "fatal", "plain"],
)
def test_a_start_that_fails_is_told_in_our_words(
    exactly: ExactlyOnce, producers: list[FakeProducer], causes: list[Cause], kind: type[KafkaError]
) -> None:
    producers[0].fail = {"init": [PASSING, *causes]}
    with pytest.raises(kind) as raised:
        exactly.start()
    assert type(raised.value) is kind
    assert producers[0].calls == ["init", "init"]


def test_a_start_gives_up_when_the_worker_is_to_stop(
    exactly: ExactlyOnce, producers: list[FakeProducer], patience: list[bool]
) -> None:
    producers[0].fail = {"init": [PASSING] * 9}
    patience += [False, False, True]
    with pytest.raises(KafkaError, match="later"):
        exactly.start()
    assert len(producers[0].calls) == 3


def test_a_full_queue_names_the_setting(exactly: ExactlyOnce, producers: list[FakeProducer]) -> None:
    producers[0].fail = {"produce": [BufferError()]}
    with pytest.raises(KafkaError, match="does not fit") as raised:
        exactly.send(OUT, OFFSETS, "me")
    assert raised.value.cure == "lower stream.block_rows"


class FakeConsumer:
    """Attributes: `committed`, offsets; `fail`, a cause for the next commit."""

    def __init__(self) -> None:
        self.committed: list[Any] = []
        self.fail: Cause | None = None

    def commit(self, offsets: Sequence[TopicPartition], asynchronous: bool) -> None:
        assert not asynchronous
        if self.fail is not None:
            raise KafkaException(self.fail)
        self.committed.append(offsets)


@pytest.fixture
def consumer() -> FakeConsumer:
    return FakeConsumer()


@pytest.fixture
def at_least(producers: list[FakeProducer], patience: list[bool], consumer: FakeConsumer) -> AtLeastOnce:
    def give_up() -> bool:
        return patience.pop(0) if patience else False

    return AtLeastOnce(KafkaSettings(), TO, lambda: consumer, give_up)


def test_at_least_once_forecasts_are_there_before_windows_and_those_before_offsets(
    at_least: AtLeastOnce, producers: list[FakeProducer], consumer: FakeConsumer
) -> None:
    at_least.start()
    at_least.send(OUT, OFFSETS, None)
    assert producers[0].calls == ["produce", "flush dead forecasts rows", "produce", "flush changelog"]
    assert consumer.committed == []
    at_least.confirm(OFFSETS)
    assert consumer.committed == [OFFSETS]
    assert "transactional.id" not in producers[0].config


def test_at_least_once_windows_do_not_follow_forecasts_that_were_lost(
    at_least: AtLeastOnce, producers: list[FakeProducer]
) -> None:
    producers[0].lose = "forecasts"
    with pytest.raises(Aborted, match="too large"):
        at_least.send(OUT, OFFSETS, None)
    assert "flush changelog" not in producers[0].calls
    producers[0].lose = None
    at_least.send(OUT, OFFSETS, None)  # an old failure is not held against a new turn
    producers[0].lose = "changelog"
    with pytest.raises(Aborted):
        at_least.send(OUT, OFFSETS, None)


def test_at_least_once_waits_for_the_broker_until_the_worker_is_to_stop(
    at_least: AtLeastOnce, producers: list[FakeProducer], patience: list[bool]
) -> None:
    producers[0].stuck = True
    patience += [False, False, True]
    with pytest.raises(Aborted, match="did not take all"):
        at_least.send(OUT, OFFSETS, None)
    assert producers[0].calls == ["produce", *["flush dead forecasts rows"] * 3, "purge"]


@pytest.mark.parametrize(
    ("cause", "kind"),
    [(FENCED, Fenced), (FATAL, KafkaError), (ABORTABLE, Aborted)],
    ids=["fenced", "fatal", "plain"],
)
def test_at_least_once_offsets_that_cannot_be_committed(
    at_least: AtLeastOnce, consumer: FakeConsumer, cause: Cause, kind: type[Exception]
) -> None:
    consumer.fail = cause
    with pytest.raises(kind) as raised:
        at_least.confirm(OFFSETS)
    assert type(raised.value) is kind


class Broker(Protocol):
    bootstrap_servers: str


@pytest.fixture
def topic(kafka: Broker) -> str:
    from foretell.stream.kafka.topics import Topic, TopicAdmin

    name = f"turn-{uuid.uuid4().hex[:8]}"
    settings = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers)
    assert TopicAdmin(settings, float("inf")).ensure(Topic(name, 1)) == 1
    return name


@pytest.fixture
def member(kafka: Broker, topic: str) -> Iterator[Consumer]:
    """A consumer that has joined the group of the topic's name."""
    joined = Consumer(
        {"bootstrap.servers": kafka.bootstrap_servers, "group.id": topic, "enable.partition.eof": True}
    )
    joined.subscribe([topic])
    while joined.poll(0.2) is None:  # bounded by the test's time limit
        continue
    yield joined
    joined.close()


Read = Callable[[str], list[bytes]]


@pytest.fixture
def read(kafka: Broker, topic: str) -> Read:
    def values(isolation: str) -> list[bytes]:
        consumer = Consumer(
            {
                "bootstrap.servers": kafka.bootstrap_servers,
                "group.id": "nobody",
                "isolation.level": isolation,
                "enable.partition.eof": True,
            }
        )
        consumer.assign([TopicPartition(topic, 0, 0)])
        found = []
        while (message := consumer.poll(5)) is not None and message.error() is None:
            found.append(message.value())
        consumer.close()
        return found

    return values


def deliveries(kafka: Broker, topic: str, *ids: str) -> list[ExactlyOnce]:
    settings = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers)
    return [ExactlyOnce(settings, Destinations(*[topic] * 4), each, lambda: False) for each in ids]


@pytest.mark.kafka
def test_of_two_with_one_name_the_older_is_fenced(
    kafka: Broker, topic: str, member: Consumer, read: Read
) -> None:
    older, newer = deliveries(kafka, topic, topic, topic)
    older.start()
    offsets, me = [TopicPartition(topic, 0, 1)], member.consumer_group_metadata()
    older.send(Outgoing(forecasts=[(b"k", b"one", [])]), offsets, me)
    newer.start()
    with pytest.raises(Fenced):
        older.send(Outgoing(forecasts=[(b"k", b"lost", [])]), offsets, me)
    newer.send(Outgoing(forecasts=[(b"k", b"two", [])]), [TopicPartition(topic, 0, 2)], me)
    assert read("read_committed") == [b"one", b"two"]
    assert member.committed([TopicPartition(topic, 0)], 5)[0].offset == 2


@pytest.mark.kafka
def test_a_member_of_a_past_generation_delivers_nothing_and_its_records_are_not_seen(
    kafka: Broker, topic: str, member: Consumer, read: Read
) -> None:
    (delivery,) = deliveries(kafka, topic, topic)
    delivery.start()
    past = member.consumer_group_metadata()
    member.close()
    with pytest.raises(Aborted):
        delivery.send(
            Outgoing(forecasts=[(b"k", b"gone", [])], changes=[(0, b"k", b"gone")]),
            [TopicPartition(topic, 0, 9)],
            past,
        )
    assert read("read_committed") == []
    # The same producer goes on.
    again = Consumer({"bootstrap.servers": kafka.bootstrap_servers, "group.id": f"{topic}-2"})
    delivery.send(
        Outgoing(forecasts=[(b"k", b"kept", [])]),
        [TopicPartition(topic, 0, 1)],
        again.consumer_group_metadata(),
    )
    again.close()
    assert read("read_committed") == [b"kept"]


@pytest.mark.kafka
def test_aborted_records_are_there_for_those_who_read_uncommitted_only(
    kafka: Broker, topic: str, member: Consumer, read: Read
) -> None:
    """What the test above relies on: `read` would see them if they were not aborted."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": f"{topic}-x"})
    producer.init_transactions(10)
    producer.begin_transaction()
    producer.produce(topic, b"aborted")
    producer.flush(10)
    producer.abort_transaction(10)
    assert read("read_uncommitted") == [b"aborted"]
    assert read("read_committed") == []
