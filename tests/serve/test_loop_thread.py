"""A loop in a thread ends with all that runs on it."""

import asyncio
import gc
import logging

import pytest

from foretell.serve.loop_thread import LoopThread


def test_what_is_left_at_the_end_is_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    thread = LoopThread("test")
    ended: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.sleep(1e6)
        finally:
            ended.append("ended")

    async def begin() -> None:
        task = asyncio.get_running_loop().create_task(forever())
        await asyncio.sleep(0)
        assert not task.done()

    with caplog.at_level(logging.ERROR):
        thread.wait(begin())
        thread.close()
        gc.collect()
    assert ended == ["ended"]
    assert thread.closed
    assert not caplog.records


def test_after_its_end_nothing_is_waited_for() -> None:
    thread = LoopThread("test")
    thread.close()
    thread.close()
    with pytest.raises(RuntimeError, match="test is closed"):
        thread.wait(asyncio.sleep(0))
