"""One turn under way, settled before the next: what became of it is told to the thread that polls."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Message, TopicPartition

from foretell.errors import Fenced
from foretell.stream.messages.blocks import Forecast, Incoming, Outgoing, Polled
from foretell.stream.worker.courier import Courier, Turn
from foretell.stream.worker.transaction import Aborted


class FakeDelivery:
    """Attributes: `sent`, offsets; `fail` and `fail_late`, what the next send and confirm raise."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.confirmed: list[Any] = []
        self.threads: set[str] = set()
        self.go_on = threading.Event()
        self.go_on.set()
        self.fail: Exception | None = None
        self.fail_late: Exception | None = None
        self.noted: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Nothing."""

    def send(self, out: Outgoing, offsets: list[TopicPartition], membership: Any) -> None:
        assert self.go_on.wait(5)
        self.threads.add(threading.current_thread().name)
        if self.fail is not None:
            raise self.fail
        self.sent.append((offsets, membership))
        self.noted()

    def confirm(self, offsets: list[TopicPartition]) -> None:
        self.threads.add(threading.current_thread().name)
        if self.fail_late is not None:
            raise self.fail_late
        self.confirmed.append(offsets)


@pytest.fixture
def delivery() -> FakeDelivery:
    return FakeDelivery()


def turn(membership: str = "me") -> Turn:
    block = Incoming.of("rows", [Message(topic="rows", partition=1, offset=6, timestamp=(1, 0))])
    return Turn(Polled([block]), Outgoing(), membership)


def test_a_turn_is_under_way_while_the_next_is_computed(delivery: FakeDelivery) -> None:
    courier = Courier(delivery)
    delivery.go_on.clear()
    sent = turn()
    courier.send(sent)  # returns though nothing is delivered yet
    assert delivery.sent == []
    delivery.go_on.set()
    assert courier.settle() is sent
    assert courier.settle() is None
    courier.close()
    assert (sent.aborted, delivery.sent) == (None, [([TopicPartition("rows", 1, 7)], "me")])
    assert delivery.confirmed == [[TopicPartition("rows", 1, 7)]]
    assert len(delivery.threads) == 2  # confirmed in ours: a consumer is used by one thread only
    assert threading.current_thread().name in delivery.threads
    assert sent.at > 0


@pytest.mark.parametrize("how", ["go", "settle", "close"])
def test_a_turn_sets_out_when_it_is_told_to_or_waited_for(delivery: FakeDelivery, how: str) -> None:
    courier, sent = Courier(delivery), threading.Event()
    delivery.noted = sent.set
    courier.send(turn())
    assert not sent.wait(0.05)
    getattr(courier, how)()
    assert sent.wait(5)
    courier.close()
    assert len(delivery.sent) == 1


def test_messages_are_written_where_they_are_delivered(delivery: FakeDelivery) -> None:
    courier, one = Courier(delivery), turn()
    written: list[str] = []

    def write() -> list[Forecast]:
        written.append(threading.current_thread().name)
        return [(b"JFK", b"{}", [])]

    one.out.unsaid.append(write)
    courier.send(one)
    assert courier.settle() is one
    courier.close()
    assert one.out.forecasts == [(b"JFK", b"{}", [])]
    assert len(written) == 1
    assert set(written) == delivery.threads - {threading.current_thread().name}


def test_nothing_is_under_way_at_first(delivery: FakeDelivery) -> None:
    courier = Courier(delivery)
    assert courier.settle() is None
    courier.close()


@pytest.mark.parametrize("late", [False, True])
def test_a_turn_that_came_to_nothing_says_why_and_the_next_goes_on(
    delivery: FakeDelivery, late: bool
) -> None:
    courier = Courier(delivery)
    delivery.fail, delivery.fail_late = (None, Aborted("why")) if late else (Aborted("why"), None)
    courier.send(turn())
    settled = courier.settle()
    assert settled is not None
    assert settled.aborted == "why"
    assert delivery.confirmed == []
    delivery.fail = delivery.fail_late = None
    courier.send(turn())
    settled = courier.settle()
    assert settled is not None
    assert settled.aborted is None
    courier.close()


@pytest.mark.parametrize("late", [False, True])
def test_what_ends_the_worker_is_raised_once_in_its_own_thread(delivery: FakeDelivery, late: bool) -> None:
    courier = Courier(delivery)
    delivery.fail, delivery.fail_late = (None, Fenced("over")) if late else (Fenced("over"), None)
    courier.send(turn())
    with pytest.raises(Fenced, match="over"):
        courier.settle()
    assert courier.settle() is None
    courier.close()
