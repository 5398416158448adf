"""The end of `--until-end`, in one stage and in two."""

from typing import Any

import pytest

from foretell.config import Settings
from foretell.stream.messages.blocks import Place
from foretell.stream.supervision import finish as module
from foretell.stream.supervision.finish import Finish
from foretell.stream.worker.worker import WorkerStatus
from foretell.telemetry.meter import Snapshot


class Slot:
    """Notes the orders that it gets."""

    def __init__(self) -> None:
        self.orders: list[tuple[object, ...]] = []

    def send(self, *order: object) -> None:
        self.orders.append(order)


@pytest.fixture
def slots() -> list[Any]:
    return [Slot(), Slot()]


@pytest.fixture(autouse=True)
def broker(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How much topics hold, by name: the same in each partition."""
    held = {"in": 5, "g-rows-repartition": 9}

    def ends(settings: Settings, topic: str, partitions: int, give_up: object) -> dict[Place, int]:
        return {(topic, p): held[topic] for p in range(partitions)}

    monkeypatch.setattr(module, "ends", ends)
    return held


def finish(**stream: object) -> Finish:
    own = {"input_topic": "in", "group": "g", "until_end": True}
    made = Finish(Settings.model_validate({"stream": own | stream}))
    made.begin(2, lambda: False)
    return made


def told(*reached: Place) -> WorkerStatus:
    return WorkerStatus(
        index=0,
        pid=1,
        node="here",
        state="running",
        turns=1,
        still_s=0.0,
        lag={},
        reached=set(reached),
        figures=Snapshot(),
    )


def test_without_an_end_there_is_none(slots: list[Any]) -> None:
    endless = finish(until_end=False)
    endless.take(told(("in", 0), ("in", 1)))
    assert (endless.ends, endless.reached(slots)) == ({}, False)


def test_all_partitions_have_to_be_read(slots: list[Any]) -> None:
    one = finish()
    assert one.ends == {("in", 0): 5, ("in", 1): 5}
    one.take(told(("in", 1)))
    assert not one.reached(slots)
    one.take(told())  # a partition that went to another worker stays read
    one.take(told(("in", 0)))
    assert one.reached(slots)
    assert slots[0].orders == []


def test_the_second_stage_ends_where_it_stood_when_the_first_was_done(
    slots: list[Any], broker: dict[str, int]
) -> None:
    two = finish(repartition=True)
    broker["g-rows-repartition"] = 12
    two.take(told(("in", 0), ("in", 1)))
    assert not two.reached(slots)
    second = {("g-rows-repartition", 0): 12, ("g-rows-repartition", 1): 12}
    assert two.ends == second
    assert [slot.orders for slot in slots] == [[("read_until", second)]] * 2
    assert not two.reached(slots)
    two.take(told(("g-rows-repartition", 0)))
    assert not two.reached(slots)
    two.take(told(("g-rows-repartition", 1)))
    assert two.reached(slots)
    assert len(slots[0].orders) == 1
