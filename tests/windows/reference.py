"""The rules of windows in plain Python, a row at a time, to be checked by eye. Slow, and forgets nothing."""

from dataclasses import dataclass, field

from foretell.windows import WindowRules

Values = tuple[float, ...]


@dataclass
class Told:
    """What came of one row."""

    reason: str = "ok"
    duplicate: bool = False
    window: list[Values] | None = None
    filled: int = 0
    revision: bool = False
    newest_us: int = 0


@dataclass
class Series:
    """All rows that ever counted, by slot (regular) or by time (sequence)."""

    rules: WindowRules
    known: dict[int, Values] = field(default_factory=dict)

    def row(self, time_us: int, values: Values, record_us: int) -> Told:
        rules = self.rules
        if time_us > record_us + rules.future_tolerance_us:
            return Told("in_the_future")
        tick = time_us // (rules.every_us or 1)
        fresh = not self.known or tick > max(self.known)
        if not fresh and tick < self.oldest_taken():
            return Told("too_late")
        if self.known.get(tick) == values:
            return Told(duplicate=True)
        if tick in self.known and rules.same_time == "keep":
            return Told("conflict")
        self.known[tick] = values
        newest = max(self.known)
        revised = tick == newest or (rules.late == "revise" and (newest - tick) % rules.ratio == 0)
        return self.forecast(revision=not fresh) if fresh or revised else Told()

    def oldest_taken(self) -> int:
        """The oldest slot or time that the newest window can hold; rows before it are too late."""
        if self.rules.step_us is not None:
            return max(self.known) - self.rules.slots + 1
        last = sorted(self.known)[-self.rules.lookback :]
        return last[0] if len(last) == self.rules.lookback else -(10**30)

    def forecast(self, revision: bool) -> Told:
        taken = self.regular() if self.rules.step_us is not None else self.sequence()
        if any(values is None for values, _ in taken):
            return Told()
        return Told(
            window=[values for values, _ in taken if values is not None],
            filled=sum(by_policy for _, by_policy in taken),
            revision=revision,
            newest_us=max(self.known) * (self.rules.every_us or 1),
        )

    def sequence(self) -> list[tuple[Values | None, bool]]:
        last = sorted(self.known)[-self.rules.lookback :]
        oldest = self.known[last[0]] if self.rules.warm_up == "repeat" else None
        lacking = self.rules.lookback - len(last)
        return [(oldest, True)] * lacking + [(self.known[t], False) for t in last]

    def regular(self) -> list[tuple[Values | None, bool]]:
        newest, ratio, lookback = max(self.known), self.rules.ratio, self.rules.lookback
        slots = [newest - j * ratio for j in reversed(range(lookback))]
        return [(self.known[s], False) if s in self.known else (self.stand_in(s), True) for s in slots]

    def stand_in(self, slot: int) -> Values | None:
        """What policy puts into an empty slot."""
        rules, every = self.rules, self.rules.every_us or 1
        right = min(s for s in self.known if s > slot)
        left = max((s for s in self.known if s < slot), default=None)
        if left is not None and rules.gap == "hold" and (slot - left) * every <= rules.max_gap_us:
            return self.known[left]
        empty = 0 if left is None else right - left - 1
        if left is not None and rules.gap == "interpolate" and empty * every <= rules.max_gap_us:
            share = (slot - left) / (right - left)
            a, b = self.known[left], self.known[right]
            return tuple(x + (y - x) * share for x, y in zip(a, b, strict=True))
        begins_here = left is None or right - left >= rules.slots
        return self.known[right] if rules.warm_up == "repeat" and begins_here else None
