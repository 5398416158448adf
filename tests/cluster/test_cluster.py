"""Ways to Ray: what is tried, and what is said when none of them works. Nothing is started here."""

import logging
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
import ray

from foretell.cluster import Cluster
from foretell.cluster import cluster as module
from foretell.config import RaySettings
from foretell.errors import RayUnreachable


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def test_both_ways_are_named_with_what_to_start(closed: int) -> None:
    way = Cluster(RaySettings(head_address=f"127.0.0.1:{closed}"), 2)
    with pytest.raises(RayUnreachable) as raised:
        way.connect(time.monotonic() - 1)
    lines = raised.value.message.splitlines()
    assert lines[0] == "Failed to connect to Ray cluster; tried"
    assert lines[1].startswith(f"127.0.0.1:{closed}: ")
    assert "refused" in lines[1]
    assert lines[2].startswith("ray://127.0.0.1:10001: ")
    cure = raised.value.cure or ""
    for word in ("ray start --head", "RAY_CLIENT_URL", "RAY_HEAD_ADDRESS"):
        assert word in cure


def test_a_client_url_is_the_only_way_when_it_is_given(closed: int) -> None:
    url = f"ray://127.0.0.1:{closed}"
    way = Cluster(RaySettings(head_address="127.0.0.1:6379", client_url=url), 2)
    with pytest.raises(RayUnreachable) as raised:
        way.connect(time.monotonic() - 1)
    assert len(raised.value.message.splitlines()) == 2
    assert url in raised.value.message


@pytest.mark.parametrize("address", ["ray-head.invalid:6379", "nonsense", "127.0.0.1:port"])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(RayUnreachable, match=address):
        Cluster(RaySettings(head_address=address, client_url=None), 2).connect(time.monotonic() - 1)


def test_what_ray_says_is_told_in_a_line(listening: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError("Version mismatch: 2.9 and 2.60\n  a page\n  of advice")

    monkeypatch.setattr(ray, "init", fail)
    with pytest.raises(RayUnreachable) as raised:
        Cluster(RaySettings(client_url=f"ray://127.0.0.1:{listening}"), 2).connect(time.monotonic() - 1)
    assert raised.value.message.endswith(": Version mismatch: 2.9 and 2.60")


def test_the_second_way_is_taken_when_the_first_is_closed(
    closed: int, listening: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(ray, "init", lambda **options: asked.append(options["address"]))
    monkeypatch.setattr(module, "_CLIENT_PORT", listening)
    way = Cluster(RaySettings(head_address=f"127.0.0.1:{closed}"), 2)
    with caplog.at_level(logging.INFO):
        way.connect(time.monotonic() + 5)
    assert asked == [way.address] == [f"ray://127.0.0.1:{listening}"]
    assert f"Ray reached at {way.address}" in caplog.text


def test_it_goes_on_trying_until_the_deadline(closed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    monkeypatch.setattr(module, "_AGAIN_S", 0.01)

    def third_time(self: Cluster, url: str, deadline: float) -> str | None:
        tried.append(url)
        return "not yet" if len(tried) < 5 else None

    monkeypatch.setattr(Cluster, "_try", third_time)
    way = Cluster(RaySettings(head_address="head:1"), 2)
    way.connect(time.monotonic() + 5)
    assert tried == ["head:1", "ray://head:10001"] * 2 + ["head:1"]
    assert way.address == "head:1"


@pytest.mark.parametrize(
    ("settings", "own"),
    [
        ({}, True),
        ({"head_address": "local"}, True),
        ({"head_address": "head:6379"}, False),
        ({"client_url": "ray://head:10001"}, False),
    ],
)
def test_whose_ray_it_is(settings: dict[str, str], own: bool) -> None:
    assert Cluster(RaySettings.model_validate({"head_address": None, **settings}), 2).own is own


def test_a_cluster_answers_while_somebody_listens_there() -> None:
    cluster = Cluster(RaySettings(head_address="127.0.0.1:1"), 1)
    with socket.socket() as head:
        head.bind(("127.0.0.1", 0))
        head.listen()
        cluster.address = f"ray://127.0.0.1:{head.getsockname()[1]}"
        assert cluster.answers()
    assert not cluster.answers()
    assert Cluster(RaySettings(head_address="local"), 1).answers()  # its processes are looked at instead
