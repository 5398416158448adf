"""The client's twin for plain code: the same methods, each of which waits for its answer."""

import asyncio
import threading
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from numpy.typing import ArrayLike

from foretell.serve.backend import Priority
from foretell.serve.client import Client
from foretell.serve.client_answers import Inference

T = TypeVar("T")


class SyncClient:
    """`Client` on a loop in a thread of its own; several threads may use one. Close it, or use `with`."""

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        connections: int = 100,
        retries: int = 4,
        timeout: float = 60.0,
        ca: Path | None = None,
    ) -> None:
        """As `Client`."""
        self._client = Client(url, key, connections=connections, retries=retries, timeout=timeout, ca=ca)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="foretell-client", daemon=True)
        self._thread.start()

    def forecast(
        self,
        model: str,
        rows: Sequence[Any] | None = None,
        *,
        windows: Sequence[Mapping[str, Any]] | None = None,
        horizon: int | None = None,
        priority: Priority | str | int | None = None,
        deadline_ms: float | None = None,
    ) -> dict[str, Any]:
        """As `Client.forecast`."""
        return self._wait(
            self._client.forecast(
                model,
                rows,
                windows=windows,
                horizon=horizon,
                priority=priority,
                deadline_ms=deadline_ms,
            )
        )

    def infer(
        self,
        model: str,
        windows: ArrayLike,
        *,
        horizon: int | None = None,
        outputs: Sequence[str] | None = None,
        priority: Priority | str | int | None = None,
        deadline_ms: float | None = None,
        id: str = "",
    ) -> Inference:
        """As `Client.infer`."""
        return self._wait(
            self._client.infer(
                model,
                windows,
                horizon=horizon,
                outputs=outputs,
                priority=priority,
                deadline_ms=deadline_ms,
                id=id,
            )
        )

    def models(self) -> list[str]:
        """As `Client.models`."""
        return self._wait(self._client.models())

    def metadata(self, model: str) -> dict[str, Any]:
        """As `Client.metadata`."""
        return self._wait(self._client.metadata(model))

    def ready(self) -> bool:
        """As `Client.ready`."""
        return self._wait(self._client.ready())

    def close(self) -> None:
        """A second call does nothing."""
        if self._loop.is_closed():
            return
        self._wait(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop.is_closed():
            work.close()
            raise RuntimeError("this client is closed")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            raise
