"""A load: callers that ask all the time, in a thread of their own, and one ledger for all."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.e2e.serve.asking import LIMIT_S
from tests.e2e.serve.ledger import End, Ledger
from tests.e2e.serve.questions import Forecasts, Spins

Caller = Callable[["Load"], Coroutine[None, None, None]]


class Load:
    """Use it as a context: callers begin with it, and end with it when what they asked last is answered.

    Attributes:
        port, grpc_port: of the server. ledger: of all callers. ending: no more requests are to begin.
        forecasts, spins: make questions, for the callers only.
    """

    def __init__(
        self, ports: tuple[int, int], bundles: Sequence[Path], callers: Sequence[Caller], seed: int = 0
    ) -> None:
        """`bundles`: versions of the forecast model that may answer."""
        self.port, self.grpc_port = ports
        self.ledger, self.ending = Ledger(), False
        self.forecasts, self.spins = Forecasts(bundles, seed), Spins(seed)
        self._callers = callers
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    @property
    def answered(self) -> int:
        """So far; raises what went wrong with a caller."""
        if self._error is not None:
            raise self._error
        return self.ledger.count(End.RIGHT)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ending = True
        self._thread.join(2 * LIMIT_S)
        if kind is None:
            assert not self._thread.is_alive(), f"callers that do not end\n{self.ledger}"
            if self._error is not None:
                raise self._error

    def _run(self) -> None:
        async def all_of_them() -> None:
            async with asyncio.TaskGroup() as group:
                for caller in self._callers:
                    group.create_task(caller(self))

        try:
            asyncio.run(all_of_them())
        except BaseException as error:
            self._error = error
