"""Why a row cannot be used: the one list behind dead letters, answers and metrics."""

from enum import IntEnum


class Reason(IntEnum):
    """`OK` is 0, so that an array of reasons is false where rows are good."""

    OK = 0
    NOT_JSON = 1
    NOT_AN_OBJECT = 2
    MISSING_FIELD = 3
    WRONG_TYPE = 4
    NOT_FINITE = 5
    OUT_OF_RANGE = 6
    NO_SERIES = 7
    BAD_TIMESTAMP = 8
    IN_THE_FUTURE = 9
    TOO_LATE = 10
    CONFLICT = 11
    ENGINE_ERROR = 12

    @property
    def word(self) -> str:
        """As headers, metrics and people see it: `missing_field`."""
        return self.name.lower()
