"""What is counted of a call that came through a handle."""

from typing import Any

import numpy as np
import pytest

from foretell.bundle.manifest import Manifest
from foretell.serve.backend import Answer, Priority, Refusal
from foretell.serve.replica.ask import Ask


def answer(*refused: bool) -> Answer:
    return Answer("weather", "v", {}, np.array(refused))


@pytest.mark.parametrize(
    ("result", "word"),
    [
        (answer(False, True), "ok"),
        (answer(True, True), "engine"),
        (Refusal("shed", "full", cure="wait"), "shed"),
        (None, "cancelled"),
    ],
)
def test_its_outcome(weather: Manifest, result: Any, word: str) -> None:
    ask = Ask("weather", np.zeros((2, 7, 3)), priority=2)
    told = ask.outcome(result, 0.5, {"weather": weather})
    assert (told.door, told.outcome, told.seconds, told.rows) == ("python", word, 0.5, 2)
    assert (told.model, told.version, told.priority) == ("weather", weather.version, Priority.HIGH)


def test_a_model_that_is_not_served_is_not_named(weather: Manifest) -> None:
    told = Ask("made-up", np.zeros((2, 7, 3))).outcome(None, 0.5, {"weather": weather})
    assert (told.model, told.version) == ("", "")
