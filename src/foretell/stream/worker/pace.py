"""How many rows a turn may have: large blocks are cheaper by the row, and none may take long."""

FIRST_ROWS = 1_000
LONGEST_S = 1.0  # so that a drain is quick, and no transaction comes near its time-out


class Pace:
    """Grows while blocks are full and quick, shrinks when one takes too long.

    Attributes:
        rows: of the next block, at most.

    Args:
        most: rows that no block exceeds.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.rows = min(FIRST_ROWS, most)

    def took(self, rows: int, seconds: float) -> None:
        """A block was computed; one that is quick and not full says nothing of larger ones."""
        if rows >= self.rows or seconds > LONGEST_S:
            in_time = int(rows * LONGEST_S / max(seconds, 1e-6))
            self.rows = max(1, min(self._most, 2 * self.rows, in_time))
