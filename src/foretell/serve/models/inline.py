"""Whether a call is evaluated right on the loop that it came in on.

Handing it to another thread and back takes as long as a quick evaluation itself. But meanwhile the loop
stands still, so it is done only as long as what is foreseen comes true.
"""

_QUICK_S = 0.0003  # a loop may stand still for so long
_TURN_S = 0.001  # or so long, for all that one of its turns has brought
_SURPRISE_S = 0.003  # it was to be quick, and took so long
_PROBATION = 10  # batches that have to be quick again after one that was not


class Inline:
    """Of one model."""

    def __init__(self) -> None:
        self._probation = 0

    def fits(self, seconds: float, gap: float) -> bool:
        """`seconds`: what it will take at most. `gap`: between calls, usually; none should come meanwhile."""
        return not self._probation and seconds <= _QUICK_S and gap >= 2 * seconds

    def fits_turn(self, seconds: float) -> bool:
        """Whether all that one turn of the loop brought together is."""
        return not self._probation and seconds <= _TURN_S

    def saw(self, foreseen: float, seconds: float) -> None:
        """A batch was evaluated, here or by the thread; what is not meant to be quick says nothing."""
        if foreseen > _TURN_S:
            return
        if seconds > _SURPRISE_S:
            self._probation = _PROBATION
        elif self._probation:
            self._probation -= 1
