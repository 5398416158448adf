"""The tree of errors: each class is drawn, told apart, and travels between processes."""

import pickle
import re
from collections.abc import Iterator

import pytest

from foretell import errors
from foretell.errors import ForetellError


def tree(cls: type[ForetellError] = ForetellError) -> Iterator[type[ForetellError]]:
    yield cls
    for child in cls.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


CLASSES = list(tree())
DRAWN = {
    name: int(status) for name, status in re.findall(r"─ (\w+) .* exit +(\d+)$", errors.__doc__ or "", re.M)
}


def test_the_picture_shows_every_class_with_its_exit_status() -> None:
    assert {c.__name__: c.exit_status for c in CLASSES if c is not ForetellError} == DRAWN


def test_codes_are_words_and_unique() -> None:
    codes = [c.code for c in CLASSES]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("cure", [None, "mend it"])
def test_an_error_travels_with_its_cure(cls: type[ForetellError], cure: str | None) -> None:
    there = pickle.loads(pickle.dumps(cls("it broke", cure=cure)))
    assert (type(there), there.message, there.cure) == (cls, "it broke", cure)
    assert str(there) == ("it broke\n  mend it" if cure else "it broke")


@pytest.mark.parametrize("cls", CLASSES)
def test_statuses_are_ones_that_exist(cls: type[ForetellError]) -> None:
    assert 1 <= cls.exit_status <= 9
    assert cls.http_status in {404, 422, 500, 503}
