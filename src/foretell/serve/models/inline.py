"""Whether calls are evaluated right on the loop that they came in on.

Handing them to another thread and back takes as long as a quick evaluation itself. But meanwhile the loop
stands still, so it is done only as long as what is foreseen comes true.
"""

from collections.abc import Mapping

from foretell.serve.scheduler.cost import CostModel

_QUICK_S = 0.001  # a loop may stand still for so long, for all that one of its turns has brought
_OWN_S = 0.0001  # or so long for each of several calls: about what it takes to read and answer one
_NEARLY = 0.8  # of the throughput of a batch that is evaluated by the thread
_SURPRISE_S = 0.003  # it was to be quick, and took so long
_PROBATION = 10  # batches that have to be quick again after one that was not


class Inline:
    """Of one model.

    It counts seconds on a core. By the clock an evaluation in a thread takes several times as long when the
    loop is busy, as both want the GIL: a model that was there once would never come back.
    """

    def __init__(self, max_rows: int) -> None:
        self._cost = CostModel(max_rows)
        self._probation = 0
        self._gathered, self._until, self._alone = 0, 0.0, False

    def seed(self, measured: Mapping[int, float]) -> None:
        """Rows → seconds, as a warm-up measured them."""
        self._cost.seed(measured)

    def gathers(self, calls: int, now: float, *, enough: bool = False) -> bool:
        """Whether one more turn of the loop is waited for: the last one brought more, up to so many `calls`.

        That takes as long as reading them, and a batch costs as much again as several of its calls. One who
        was alone the last time is not kept waiting, nor is anybody where there is `enough` for a batch.
        """
        if not self._gathered:
            self._until = now + _QUICK_S
        more = not enough and self._gathered < calls and now < self._until
        more = more and not (self._alone and calls == 1)
        self._gathered, self._alone = (calls, False) if more else (0, calls == 1)
        return more

    def rows(self, calls: int, load: int, paying: int) -> int:
        """How many evaluations the loop makes of the `load` of so many calls; 0: that is the thread's.

        Where `paying` rows, of which the thread would make a batch, are too many, fewer will do if they
        gain nearly as much. Where a call takes long, the loop reads the next one meanwhile.
        """
        cost, wanted = self._cost, min(load, paying)
        if self._probation or not cost.known:
            return 0
        fit = cost.within(_QUICK_S / cost.caution)
        if cost.at_most(fit) > _QUICK_S:
            return 0
        each = cost.seconds(fit) / fit
        if wanted > fit and each * _NEARLY > cost.seconds(wanted) / wanted:
            return 0
        return 0 if calls > 1 and each * load > _OWN_S * calls else fit

    def saw(self, rows: int, seconds: float, *, failed: bool = False) -> None:
        """A batch was evaluated, here or by the thread; what is not meant to be quick is no surprise.

        Of one that failed, and was tried again, the time says nothing but that.
        """
        quick = self._cost.at_most(rows) <= _QUICK_S
        if not failed:
            self._cost.observe(rows, seconds)
        if not quick:
            return
        if seconds > _SURPRISE_S:
            self._probation = _PROBATION
        elif self._probation:
            self._probation -= 1
