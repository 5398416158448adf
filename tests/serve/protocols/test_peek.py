"""How urgent a request seems to be, before it is read."""

import pytest

from foretell.serve.backend import Priority
from foretell.serve.protocols.peek import is_least, urgency


@pytest.mark.parametrize(
    ("body", "priority"),
    [
        (b'{"parameters":{"priority":"high"}}', Priority.HIGH),
        (b'{"parameters": {"priority" : 2}}', Priority.HIGH),
        (b'{"parameters":{"priority":"medium"}}', Priority.MEDIUM),
        (b'{"parameters":{"priority":0}}', Priority.LOW),
        (b'{"inputs":[]}', Priority.LOW),
    ],
)
def test_the_class_that_it_asks_for(body: bytes, priority: Priority) -> None:
    assert urgency(body) is priority


@pytest.mark.parametrize(
    ("body", "least"),
    [
        (b'{"inputs":[]}', True),
        (b'{"parameters":{"priority":"low"}}', True),
        (b'{"parameters":{"priority":"high"}}', False),
        (b'{"parameters":{"deadline_ms":5}}', False),
        (b'{"parameters":{"timeout":5}}', False),
        (b'{"parameters":{"\\u0070riority":"high"}}', False),
    ],
)
def test_only_what_cannot_be_less_urgent_is_least(body: bytes, least: bool) -> None:
    assert is_least(body) is least
