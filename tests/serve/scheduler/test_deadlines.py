"""The tree against a plain list."""

import hypothesis.strategies as st
from hypothesis import given

from foretell.serve.scheduler.deadlines import SLOT_S, Deadlines

times = st.integers(0, 6000).map(lambda slots: (slots + 0.5) * SLOT_S)  # longer than the ring


@given(
    start=st.floats(0.0, 1e5),
    asked=st.lists(st.tuples(times, st.integers(1, 9), st.booleans()), max_size=30),
    until=times,
)
def test_counts_what_is_due_before(start: float, asked: list[tuple[float, int, bool]], until: float) -> None:
    now = int(start / SLOT_S) * SLOT_S
    tree, left = Deadlines(), []
    for ahead, load, stays in asked:
        slot = tree.add(now + ahead, load, now)
        if stays:
            left.append((ahead, load))
        else:
            tree.remove(slot, load)
    far = 4095 * SLOT_S
    expected = sum(
        load for ahead, load in left if ahead <= until or (ahead >= far - SLOT_S and until >= far - SLOT_S)
    )
    if not far - 2 * SLOT_S < until < far + 2 * SLOT_S:
        assert abs(tree.before(now + until, now) - expected) <= sum(
            load for ahead, load in left if abs(ahead - until) < 1.5 * SLOT_S or abs(ahead - far) < 2 * SLOT_S
        )
