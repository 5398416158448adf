"""The load of `foretell bench`, against a client that only listens."""

import asyncio
from typing import Any, cast

import numpy as np
import pytest

from foretell.serve.backend import Priority
from foretell.serve.client.client import Client
from foretell.serve.client.load import Load, Plan


class Listening:
    """A client whose server answers at once."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.largest = 0.0

    async def infer(self, model: str, windows: Any, **options: object) -> None:
        assert windows.shape == (2, 3, 4)
        self.heard.append(windows.tobytes())
        self.largest = max(self.largest, float(np.abs(windows).max()))
        await asyncio.sleep(0)


@pytest.mark.parametrize("rate", [None, 2000.0])
def test_no_request_is_like_another(rate: float | None) -> None:
    """Equal ones in flight would share an answer, and the server seem to bear more than it does."""
    client = Listening()
    plan = Plan("weather", 2, 0.2, 4, (Priority.HIGH, Priority.LOW), rate=rate)
    asyncio.run(Load(cast(Client, client), plan, (3, 4)).run())
    assert len(client.heard) > 100
    assert len(set(client.heard)) == len(client.heard)
    assert client.largest < 10
