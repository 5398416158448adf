"""The client's twin for plain code: the same methods, each of which waits for its answer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from numpy.typing import ArrayLike

from foretell.serve.backend import Priority
from foretell.serve.client.answers import Inference
from foretell.serve.client.client import Client
from foretell.serve.loop_thread import LoopThread


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
        self._loop = LoopThread("foretell-client")

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
        return self._loop.wait(
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
        return self._loop.wait(
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
        return self._loop.wait(self._client.models())

    def metadata(self, model: str) -> dict[str, Any]:
        """As `Client.metadata`."""
        return self._loop.wait(self._client.metadata(model))

    def ready(self) -> bool:
        """As `Client.ready`."""
        return self._loop.wait(self._client.ready())

    def close(self) -> None:
        """A second call does nothing."""
        if not self._loop.closed:
            self._loop.wait(self._client.close())
            self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
