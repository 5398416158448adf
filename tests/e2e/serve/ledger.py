"""What became of each request: exactly one end each, or the ledger does not balance."""

from collections import Counter
from enum import StrEnum

from tests.e2e.serve.connection import Reply
from tests.e2e.serve.questions import Question

from foretell.serve.protocols.errors import HttpRefusal

_MOST = 20  # complaints that are kept


class End(StrEnum):
    """Of a request."""

    RIGHT = "right"
    REFUSED = "refused"
    LOST = "lost"  # the connection
    LEFT = "left"  # it was us who went away
    WRONG = "wrong"
    HUNG = "hung"  # past its limit


class Ledger:
    """Attributes:
    ends: how often each way of asking came to each end, with its reason.
    versions: that answered.
    complaints: what should never be, in words: the first ones.
    """

    def __init__(self) -> None:
        self.ends: Counter[tuple[str, End, str]] = Counter()
        self.versions: set[str] = set()
        self.complaints: list[str] = []
        self._open: dict[int, Question] = {}

    def begin(self, question: Question) -> None:
        self._open[question.number] = question

    def end(self, question: Question, way: str, end: End, reason: str = "") -> None:
        del self._open[question.number]  # twice would be an error
        self.ends[way, end, reason if end is not End.WRONG else ""] += 1
        if end in (End.WRONG, End.HUNG) and len(self.complaints) < _MOST:
            self.complaints.append(f"{way}, {question.model} {question.number}: {end} {reason}")

    def count(self, *ends: End, way: str = "", reason: str = "") -> int:
        """Of these ends, or of all; of one way and reason, or of all."""
        return sum(
            n
            for (by, end, why), n in self.ends.items()
            if (not ends or end in ends) and (not way or by == way) and (not reason or why == reason)
        )

    def settle(self, *fine: End) -> None:
        """Raises AssertionError unless everything has ended, and in one of these ways."""
        assert not self._open, f"{len(self._open)} without an end, of {self.count()}\n{self}"
        assert not self.complaints, "\n".join(self.complaints)
        assert self.count() == self.count(*fine), f"not all {', '.join(fine)}\n{self}"
        assert self.count(End.RIGHT), f"nobody was answered\n{self}"

    def __str__(self) -> str:
        lines = [
            f"{n:8d}  {way}: {end} {reason}".rstrip() for (way, end, reason), n in sorted(self.ends.items())
        ]
        return "\n".join(lines)


def refused(reply: Reply) -> tuple[End, str]:
    """Whether a refusal is a clear one: a reason that goes with its status, words, and when to come back."""
    told = reply.json
    fields = told["error"] if isinstance(told["error"], dict) else told
    code = fields["code"]
    words = told["error"] if fields is told else fields["message"] and fields["cure"]
    if HttpRefusal.HTTP.get(code) != reply.status or not words:
        return End.WRONG, f"status {reply.status} with {told}"
    if reply.status == 429 and int(reply.headers.get("retry-after", 0)) < 1:
        return End.WRONG, f"429 without Retry-After: {reply.headers}"
    return End.REFUSED, code
