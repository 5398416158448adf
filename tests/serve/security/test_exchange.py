"""The loop that exchanges, in one process and through Ray."""

import asyncio
import logging
import uuid
from collections.abc import Callable, Iterator, Mapping

import pytest

from foretell.serve.security.exchange import Mailboxes, News, keep_exchanging
from foretell.serve.security.limits import Limits, Spent


class LocalExchange:
    """Replicas of one process, each on the same loop."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._boxes, self._clock = Mailboxes(), clock

    async def swap(self, replica: str, spent: Mapping[str, Spent]) -> News:
        return self._boxes.swap(replica, spent, self._clock())


async def until(true: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.01)


def waits(limits: Limits, now: float = 0.0) -> float:
    """Seconds until one more would be granted of a bucket of 10 a second, without taking it."""
    return limits.take("a", 10.0, 10.0, now)


def test_what_one_spends_the_other_lacks() -> None:
    async def run() -> float:
        clock = lambda: 0.0  # noqa: E731 - it stands still, so that nothing flows in
        exchange, replicas = LocalExchange(clock), [Limits(2), Limits(2)]
        tasks = [
            asyncio.create_task(keep_exchanging(limits, exchange, str(i), clock))
            for i, limits in enumerate(replicas)
        ]
        await until(lambda: len(exchange._boxes._mail) == 2)
        assert replicas[0].take("a", 10.0, 4, 0.0) == 0
        await until(lambda: not replicas[0].report())
        await until(lambda: "a" in replicas[1]._buckets)
        for task in tasks:
            task.cancel()
        return waits(replicas[1])

    assert asyncio.run(run()) == pytest.approx(0.4)


class Broken:
    """An exchange that fails until it is mended."""

    def __init__(self) -> None:
        self.mended, self.failed = False, 0
        self.heard: list[dict[str, Spent]] = []

    async def swap(self, replica: str, spent: Mapping[str, Spent]) -> News:
        if not self.mended:
            self.failed += 1
            raise ConnectionError("nobody there")
        self.heard.append(dict(spent))
        return News({}, 2)


def test_a_failed_exchange_is_told_by_the_next(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    now = [0.0]

    async def run() -> Broken:
        exchange, limits = Broken(), Limits(2)
        assert limits.take("a", 10.0, 4, 0.0) == 0
        task = asyncio.create_task(keep_exchanging(limits, exchange, "one", lambda: now[0]))
        await until(lambda: exchange.failed >= 3)
        assert not caplog.records, "a fleet that starts or ends is no reason to warn"
        now[0] += 5.0
        await until(lambda: len(caplog.records) == 1)
        before = exchange.failed
        await until(lambda: exchange.failed >= before + 2)  # and no line more
        exchange.mended = True
        await until(lambda: len(exchange.heard) >= 2)
        task.cancel()
        return exchange

    exchange = asyncio.run(run())
    assert exchange.heard[0] == {"a": Spent(4, 10.0)}
    assert exchange.heard[1] == {}
    assert [r.levelname for r in caplog.records] == ["WARNING", "INFO"]


@pytest.fixture(scope="module")
def ray_here() -> Iterator[None]:
    import ray

    ray.init("local", num_cpus=1, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    yield
    ray.shutdown()


@pytest.mark.ray
@pytest.mark.usefixtures("ray_here")
def test_through_a_ray_actor_that_may_die() -> None:
    import ray

    from foretell.serve.security.ray_exchange import NAMESPACE, RayExchange

    fleet = uuid.uuid4().hex

    async def run() -> None:
        one, two = RayExchange(fleet), RayExchange(fleet)
        assert (await one.swap("one", {})).replicas == 1
        assert (await two.swap("two", {})).replicas == 2
        await one.swap("one", {"a": Spent(4.0, 10.0)})
        assert await two.swap("two", {}) == News({"a": Spent(4.0, 10.0)}, 2)
        ray.kill(ray.get_actor(f"foretell-limits-{fleet}", namespace=NAMESPACE))
        # The actor goes a while after the order to; then the next one knows nobody, and both find it.
        await until_swapped(one, "one", replicas=1)
        await until_swapped(two, "two", replicas=2)

    async def until_swapped(exchange: RayExchange, replica: str, replicas: int) -> None:
        async with asyncio.timeout(30):
            while True:
                try:
                    if (await exchange.swap(replica, {})).replicas == replicas:
                        return
                except ray.exceptions.RayError:
                    pass
                await asyncio.sleep(0.05)

    asyncio.run(run())


def test_an_actor_that_answers_late_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends with its last handle, and the next one, a process of its own, would be as late on a machine
    that is slow already."""
    from foretell.serve.security.ray_exchange import RayExchange

    asked: list[str] = []

    class Late:
        """In place of the actor; it answers from the third exchange on."""

        swap = property(lambda self: self)

        def remote(self, replica: str, spent: Mapping[str, Spent]) -> "asyncio.Future[News]":
            asked.append(replica)
            answer = asyncio.get_running_loop().create_future()
            if len(asked) > 2:
                answer.set_result(News({}, 1))
            return answer

    found: list[Late] = []

    def find(self: RayExchange) -> Late:
        found.append(Late())
        return found[-1]

    monkeypatch.setattr(RayExchange, "_find", find)

    async def run() -> News:
        exchange = RayExchange("a fleet")
        while len(asked) < 2:  # an exchange may be given up before its thread has found the actor
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(exchange.swap("one", {}), 0.05)
        return await exchange.swap("one", {})

    assert asyncio.run(run()).replicas == 1
    assert len(found) == 1
