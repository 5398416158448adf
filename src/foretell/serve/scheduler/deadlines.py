"""How much waits with an earlier deadline: a Fenwick tree over slots of time."""

import math

SLOT_S = 0.005
_SLOTS = 4096  # a ring of 20 s, a power of two
_FAR, _NONE = -1, -2


class Deadlines:
    """Load by deadline. Both ways take some 12 steps, however much waits.

    What has no deadline is before nothing. Deadlines further ahead than the ring count as one. One that has
    passed counts as to come again when the ring has gone round: whoever adds takes it out before that, and
    what is left is an estimate's error.
    """

    def __init__(self) -> None:
        self._tree = [0] * (_SLOTS + 1)
        self._far = 0

    def add(self, deadline: float, load: int, now: float) -> int:
        """Gives the slot, which `remove` wants."""
        if deadline == math.inf:
            return _NONE
        slot = _slot(deadline, now)
        self.remove(slot, -load)
        return slot

    def remove(self, slot: int, load: int) -> None:
        if slot == _FAR:
            self._far -= load
        if slot < 0:
            return
        at = slot % _SLOTS + 1
        while at <= _SLOTS:
            self._tree[at] -= load
            at += at & -at

    def before(self, deadline: float, now: float) -> int:
        """Load whose deadline is earlier, or within the same 5 ms."""
        last = _slot(deadline, now)
        if last < 0:
            return self._upto(_SLOTS - 1) + self._far
        first, last = int(now / SLOT_S) % _SLOTS, last % _SLOTS
        if first <= last:
            return self._upto(last) - self._upto(first - 1)
        return self._upto(_SLOTS - 1) - self._upto(first - 1) + self._upto(last)

    def _upto(self, place: int) -> int:
        total, at = 0, place + 1
        while at > 0:
            total += self._tree[at]
            at -= at & -at
        return total


def _slot(deadline: float, now: float) -> int:
    if deadline == math.inf:
        return _NONE
    return int(max(deadline, now) / SLOT_S) if deadline - now < (_SLOTS - 1) * SLOT_S else _FAR
