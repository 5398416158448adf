"""The client and the bench against the request door itself: a model, keys, limits, on a lane."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foretell.cli import main
from foretell.client import Client, Refusal, SyncClient
from foretell.config import LimitSettings, SecuritySettings, ServeSettings
from foretell.serve.models.registry import Registry
from foretell.serve.protocols.app import App
from foretell.serve.replica.lane import Lane
from foretell.serve.security.guard import Guard
from foretell.serve.security.key_file import add_key
from foretell.serve.security.keys import Class, issue


class Door:
    """A server with keys: `url`, and `token` by client."""

    def __init__(self, folder: Path, bundle: Path) -> None:
        self.keys, self.token = folder / "keys.json", dict[str, str]()
        self._add("acme", "high", high_budget=4.0)
        self._add("guest", "low", rate=2.0)
        security = SecuritySettings(keys=self.keys)
        settings = ServeSettings(security=security, limits=LimitSettings(rows=64))
        self.registry = Registry.open([bundle])
        guard = Guard(security, settings.limits, loopback=True)
        self.lane = Lane(App(self.registry, guard, settings, lambda: b""), "127.0.0.1", 0)
        self.lane.open()
        self.url = f"http://127.0.0.1:{self.lane.port}"

    def _add(self, client: str, top: Class, **more: float) -> None:
        self.token[client], key = issue(client, ("weather",), top, **more)
        add_key(self.keys, key)

    def close(self) -> None:
        self.lane.drain(linger_s=0.0)
        self.registry.close()


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory, make_bundle: Callable[..., Path]) -> Iterator[Door]:
    folder = tmp_path_factory.mktemp("door")
    door = Door(folder, make_bundle(folder))
    yield door
    door.close()


def ask(door: Door, client: str | None, use: Callable[[Client], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with Client(door.url, door.token[client] if client else None, retries=0) as opened:
            return await use(opened)

    return asyncio.run(run())


WINDOWS = np.random.default_rng(0).normal(50.0, 20.0, (3, 7, 3))


def test_inference(door: Door) -> None:
    got = ask(door, "acme", lambda c: c.infer("weather", WINDOWS, deadline_ms=5000, id="mine"))
    assert got.outputs["forecast"].shape == (3, 7, 1)
    assert np.isfinite(got.outputs["forecast"]).all()
    assert (got.model, got.id, got.refused, got.notes) == ("weather", "mine", (), ())
    short = ask(door, "acme", lambda c: c.infer("weather", WINDOWS, horizon=2))
    np.testing.assert_array_equal(short.outputs["forecast"], got.outputs["forecast"][:, :2])


def test_forecasts_of_rows_and_of_windows(door: Door) -> None:
    """The same numbers by either way, and by inference of the same window."""
    names = ("temperature", "wind_speed", "dewpoint")
    rows = [
        {"timestamp": f"2013-10-01T{hour:02}:00:00Z", **dict(zip(names, values, strict=True))}
        for hour, values in enumerate(WINDOWS[0].tolist())
    ]
    window = {"values": WINDOWS[0], "timestamp": "2013-10-01T06:00:00Z"}
    by_rows = ask(door, "acme", lambda c: c.forecast("weather", rows, horizon=2, deadline_ms=5000))
    by_window = ask(door, "acme", lambda c: c.forecast("weather", windows=[window], horizon=2))
    inferred = ask(door, "acme", lambda c: c.infer("weather", WINDOWS[:1], horizon=2))
    [of_window] = by_window["forecasts"]
    for forecast in (by_rows, of_window):
        np.testing.assert_allclose(
            forecast["forecast"]["temperature"], inferred.outputs["forecast"][0, :, 0], rtol=1e-6
        )
    with pytest.raises(Refusal) as caught:
        ask(door, "acme", lambda c: c.forecast("weather", [{**rows[0], "temperature": "warm"}, *rows[1:]]))
    assert caught.value.reason == "invalid"
    assert "temperature" in str(caught.value.path)


def test_models_metadata_and_readiness(door: Door) -> None:
    assert ask(door, None, lambda c: c.ready()) is True
    assert ask(door, "acme", lambda c: c.models()) == ["weather"]
    assert ask(door, "acme", lambda c: c.metadata("weather"))["inputs"][0]["shape"] == [-1, 7, 3]


def test_high_priority_above_its_budget_is_told(door: Door) -> None:
    notes = [
        ask(door, "acme", lambda c: c.infer("weather", WINDOWS, priority="high")).notes for _ in range(3)
    ]
    assert any("served as medium" in " ".join(note) for note in notes)


@pytest.mark.parametrize(
    ("client", "model", "priority", "rows", "reason"),
    [
        (None, "weather", "low", 1, "unauthenticated"),
        ("acme", "power", "low", 1, "forbidden"),
        ("guest", "weather", "high", 1, "forbidden"),
        ("acme", "weather", "low", 65, "too_large"),
    ],
)
def test_refusals_have_their_reason(
    door: Door, client: str | None, model: str, priority: str, rows: int, reason: str
) -> None:
    windows = np.repeat(WINDOWS[:1], rows, axis=0)
    with pytest.raises(Refusal) as caught:
        ask(door, client, lambda c: c.infer(model, windows, priority=priority))
    assert caught.value.reason == reason
    assert "; " in caught.value.message  # the cure stands with it


def test_a_rate_is_waited_for(door: Door) -> None:
    """Two requests a second: the client heeds Retry-After, and all of five come through."""
    with SyncClient(door.url, door.token["guest"]) as client:
        for _ in range(5):
            assert client.infer("weather", WINDOWS[:1]).outputs["forecast"].shape == (1, 7, 1)


def test_a_wrong_shape_names_its_field(door: Door) -> None:
    with pytest.raises(Refusal) as caught:
        ask(door, "acme", lambda c: c.infer("weather", np.ones((1, 2, 3))))
    assert (caught.value.reason, caught.value.path) == ("invalid", "inputs[0].shape")


BENCH = ("--duration", "300ms", "--connections", "1,4", "--priority", "high,low")


@pytest.mark.parametrize("more", [[], ["--open-loop", "50"]])
def test_bench_as_json(
    door: Door, more: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORETELL_KEY", door.token["acme"])
    assert main(["bench", door.url, "weather", "--json", *BENCH, "--rows", "2", *more]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(line["connections"], line["priority"]) for line in told] == [
        (1, "high"),
        (1, "low"),
        (4, "high"),
        (4, "low"),
    ]
    for line in told:
        assert line["outcomes"].keys() == {"ok"}
        assert 0 < line["p50_ms"] <= line["p90_ms"] <= line["p99_ms"] <= line["max_ms"]
        assert line["rows_per_s"] == pytest.approx(2 * line["requests_per_s"], rel=0.01)
        if more:
            assert line["outcomes"]["ok"] in (7, 8)
            assert line["offered_per_s"] == 25


def test_bench_as_a_table_counts_refusals(
    door: Door, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "key"
    key.write_text(door.token["guest"] + "\n")
    given = ["--duration", "300ms", "--connections", "2", "--priority", "low", "--key-file", str(key)]
    assert main(["bench", door.url, "weather", *given]) == 0
    told = capsys.readouterr().out
    assert told.startswith(door.url)
    assert "rate_limited" in told
    assert door.token["guest"] not in told


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        (["http://192.0.2.7:8000", "weather"], 2, "--yes"),
        (["{url}", "weather", "--connections", "0"], 2, "--connections 0"),
        (["{url}", "weather", "--priority", "urgent"], 2, "--priority urgent"),
        (["{url}", "weather", "--duration", "soon"], 2, "--duration"),
        (["{url}", "weather", "--duration", "2d"], 2, "out of bounds"),
        (["{url}", "weather", "--key-file", "none"], 2, "no file with a key"),
        (["{url}", "weather"], 2, "--key-file"),
        (["{url}", "nosuch", "--key-file", "{key}"], 2, "this key is not for model `nosuch`"),
        (["http://127.0.0.1:9", "weather"], 9, "is the server running there?"),
        *(
            ([url, "weather"], 2, "is no URL of a server")
            for url in (
                "nonsense",
                "127.0.0.1:80",
                "http://127.0.0.1:99999",
                "http://[::1",
                "http://:80",
                "ftp://a",
            )
        ),
        (["http://me:secret@127.0.0.1", "weather"], 2, "no place for a secret"),
        (["{url}", "weather", "--key-file", "{empty}"], 2, "no file with a key"),
        (["{url}", "weather", "--key-file", "{two_lines}"], 2, "not in the form of one"),
        (["{url}", "weather", "--open-loop", "inf"], 2, "open-loop"),
    ],
)
def test_bench_refuses_with_a_cure(
    door: Door, tmp_path: Path, given: list[str], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "key"
    key.write_text(door.token["acme"])
    (empty := tmp_path / "empty").touch()
    (two_lines := tmp_path / "two").write_text("a\nb")
    fill = {"url": door.url, "key": key, "empty": empty, "two_lines": two_lines}
    assert main(["bench", *(word.format(**fill) for word in given)]) == status
    assert said in capsys.readouterr().err


def test_bench_of_an_unknown_model_names_those_that_are_there(
    make_app: Callable[..., App], capsys: pytest.CaptureFixture[str]
) -> None:
    lane = Lane(make_app(), "127.0.0.1", 0)
    lane.open()
    try:
        assert main(["bench", f"http://127.0.0.1:{lane.port}", "nosuch"]) == 2
    finally:
        lane.drain(linger_s=0.0)
    told = capsys.readouterr().err
    assert "no model `nosuch`" in told
    assert "there is: features, weather" in told
