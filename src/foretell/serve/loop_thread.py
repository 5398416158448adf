"""An event loop in a thread of its own, for plain code that waits for async work."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_TIDY_S = 1.0  # for tasks that were cancelled at the end


def run_until_stopped(loop: asyncio.AbstractEventLoop) -> None:
    """Run it in this thread until somebody stops it; then what is left of its tasks is cancelled, and it is
    closed: asyncio complains of tasks that go away with their loop."""
    loop.run_forever()
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left, timeout=_TIDY_S))
    loop.close()


class LoopThread:
    """Runs until `close`; several threads may `wait`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=run_until_stopped, args=[self._loop], name=name, daemon=True)
        self._thread.start()

    @property
    def closed(self) -> bool:
        return self._loop.is_closed()

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """What comes of it. Ctrl-C while waiting cancels the work. Raises RuntimeError after `close`."""
        if self.closed:
            work.close()
            raise RuntimeError(f"{self._name} is closed")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            raise

    def close(self) -> None:
        """End the thread. A second call does nothing."""
        if not self.closed:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
