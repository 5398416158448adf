"""Whether a call is evaluated right on the loop that it came in on.

Handing it to another thread and back takes as long as a quick evaluation itself. But meanwhile the loop
stands still, so it is done only as long as what is foreseen comes true.
"""

from collections.abc import Mapping

from foretell.serve.scheduler.cost import CostModel

_QUICK_S = 0.0003  # a loop may stand still for so long
_TURN_S = 0.001  # or so long, for all that one of its turns has brought
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

    def seed(self, measured: Mapping[int, float]) -> None:
        """Rows → seconds, as a warm-up measured them."""
        self._cost.seed(measured)

    def fits(self, rows: int, gap: float) -> bool:
        """`gap`: seconds between calls, usually; none should come meanwhile."""
        if self._probation or not self._cost.known:
            return False
        seconds = self._cost.at_most(rows)
        return seconds <= _QUICK_S and gap >= 2 * seconds

    def fits_turn(self, rows: int) -> bool:
        """Whether all that one turn of the loop brought together is."""
        return not self._probation and self._cost.known and self._cost.at_most(rows) <= _TURN_S

    def saw(self, rows: int, seconds: float, *, failed: bool = False) -> None:
        """A batch was evaluated, here or by the thread; what is not meant to be quick is no surprise.

        Of one that failed, and was tried again, the time says nothing but that.
        """
        quick = self._cost.at_most(rows) <= _TURN_S
        if not failed:
            self._cost.observe(rows, seconds)
        if not quick:
            return
        if seconds > _SURPRISE_S:
            self._probation = _PROBATION
        elif self._probation:
            self._probation -= 1
