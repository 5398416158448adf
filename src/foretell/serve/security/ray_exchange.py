"""The exchange through a named Ray actor.

The actor belongs to the replica that made it and ends with it: a fleet that is gone leaves nothing behind.
The others then make the next one; until it is there, each keeps to what it may grant without news.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import ray

from foretell.serve.security.exchange import Mailboxes, News
from foretell.serve.security.limits import Spent

NAMESPACE = "foretell"
_START_S = 60.0  # for its process; then it is looked for again


class _Hub:
    """The mailboxes of a fleet, as an actor."""

    def __init__(self) -> None:
        self._boxes = Mailboxes()

    def swap(self, replica: str, spent: Mapping[str, Spent]) -> News:
        return self._boxes.swap(replica, spent, time.monotonic())


class RayExchange:
    """Finds the fleet's actor, or makes it; looks again after a failure."""

    def __init__(self, fleet: str) -> None:
        """`fleet`: replicas that give the same name share their limits."""
        self._name = f"foretell-limits-{fleet}"
        self._hub: asyncio.Task[Any] | None = None

    async def swap(self, replica: str, spent: Mapping[str, Spent]) -> News:
        if self._hub is None:
            # In a thread: Ray waits for its control service in it, and the lane must not.
            self._hub = asyncio.create_task(asyncio.to_thread(self._find))
        try:
            hub = await asyncio.shield(self._hub)  # one search, however often an exchange is given up
            news: News = await hub.swap.remote(replica, dict(spent))
        except Exception:  # but where it was only given up, the actor is kept: it would end with its handle
            self._hub = None
            raise
        return news

    def _find(self) -> Any:
        """Once it answers: to start a process may take longer than an exchange."""
        options = {"name": self._name, "namespace": NAMESPACE, "get_if_exists": True, "num_cpus": 0}
        hub = ray.remote(_Hub).options(**options).remote()
        ray.get(hub.__ray_ready__.remote(), timeout=_START_S)
        return hub
