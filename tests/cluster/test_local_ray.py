"""A Ray of our own whose start fails. No Ray is started here."""

import logging
import time
from typing import Any

import pytest
import ray
from ray._private.node import Node

from foretell.cluster import local_ray
from foretell.errors import RayUnreachable


class FailingNode(Node):  # type: ignore[misc]
    """What `ray.init` makes, as far as a start goes that fails."""

    ended = 0

    def __init__(self) -> None:
        raise Exception("The current node timed out during startup.\n  advice")

    def kill_all_processes(self, *_: Any, **__: Any) -> None:
        FailingNode.ended += 1


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_ray, "_AGAIN_S", 0.0)
    monkeypatch.setattr(FailingNode, "ended", 0)


def test_it_is_started_again_and_nothing_of_the_first_start_is_left(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    starts: list[dict[str, Any]] = []

    def third_time(*_: Any, **options: Any) -> None:
        starts.append(options)
        if len(starts) < 3:
            FailingNode()

    monkeypatch.setattr(ray, "init", third_time)
    with caplog.at_level(logging.INFO):
        local_ray.start(3, time.monotonic() + 5)
    assert [options["num_cpus"] for options in starts] == [3, 3, 3]
    assert FailingNode.ended == 2
    assert [r.message for r in caplog.records] == [
        "Ray did not start, and is started again: The current node timed out during startup.",
        "Ray did not start, and is started again: The current node timed out during startup.",
        "Ray started on this machine",
    ]


def test_after_the_deadline_it_says_what_ray_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "init", lambda *_, **__: FailingNode())
    with pytest.raises(RayUnreachable) as raised:
        local_ray.start(1, time.monotonic() - 1)
    assert raised.value.message == (
        "Ray does not start on this machine: The current node timed out during startup."
    )
    assert "ray/session_latest/logs" in (raised.value.cure or "")
    assert FailingNode.ended == 1


def test_an_error_without_words_is_told_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ConnectionError

    monkeypatch.setattr(ray, "init", fail)
    with pytest.raises(RayUnreachable, match="ConnectionError"):
        local_ray.start(1, time.monotonic() - 1)
