"""Rows and windows in, dated forecasts out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from foretell.bundle.bundle import open_bundle
from foretell.bundle.manifest import Manifest
from foretell.config import WindowSettings
from foretell.rows.adapter import Adapter, FeatureRule
from foretell.serve.backend import Priority

PATH = "/v1/forecast/weather"
NDJSON = {"Content-Type": "application/x-ndjson"}


def rows(first: float = 50.0, hours: range = range(7)) -> list[dict[str, Any]]:
    return [
        {
            "timestamp": f"2013-10-01T{hour:02}:00:00Z",
            "temperature": first + hour,
            "wind_speed": 8.0,
            "dewpoint": 40.0,
        }
        for hour in hours
    ]


def test_rows_in_dated_forecast_out(ask: Any, weather: Manifest, backend: Any) -> None:
    answer = ask("POST", PATH, {"series": "JFK", "rows": rows()})
    assert answer.status == 200
    told = answer.json
    assert told.pop("timings").keys() == {"queue_ms", "inference_ms", "total_ms", "batch_rows"}
    assert told == {
        "model": "weather",
        "version": weather.version,
        "step_s": 3600.0,
        "unit": {"temperature": None},
        "series": "JFK",
        "issued_at": "2013-10-01T06:00:00Z",
        "times": [f"2013-10-01T{hour:02}:00:00Z" for hour in range(7, 14)],
        "forecast": {"temperature": [57.0, 58.0, 59.0, 60.0, 61.0, 62.0, 63.0]},
        "native_steps": 7,
    }
    assert backend.calls[-1].newest_us.tolist() == [1380607200000000]


def test_rows_may_come_in_any_order_and_be_more_than_needed(ask: Any, backend: Any) -> None:
    whole = rows(hours=range(23))
    np.random.default_rng(0).shuffle(whole)
    assert ask("POST", PATH, {"rows": whole}).json["issued_at"] == "2013-10-01T22:00:00Z"
    np.testing.assert_array_equal(backend.calls[-1].windows[0, :, 0], np.arange(66.0, 73.0))


def test_rows_mean_what_they_mean_on_the_stream(
    backend: Any, asking: Any, make_app: Any, tmp_path: Path, make_bundle: Callable[..., Path]
) -> None:
    """Units by the bundle's adapter, gaps and warm-up by the settings."""
    adapter = Adapter({"temperature": FeatureRule("air.temperature", "degC", None, "degF")})
    manifest = open_bundle(make_bundle(tmp_path, name="metric", adapter=adapter)).manifest
    backend.manifests()["metric"] = manifest
    settings = WindowSettings(gap="hold", warm_up="repeat")
    told = [
        {**row, "air": {"temperature": 10.0}}
        for row in rows(hours=range(3, 7))
        if row["timestamp"][12] != "5"
    ]
    answer = asking(make_app(windows=settings))("POST", "/v1/forecast/metric", {"rows": told}).json
    assert answer["filled"] == 4
    np.testing.assert_array_equal(backend.calls[-1].windows[0, :, 0], [50.0] * 7)


def test_many_windows_by_rows_and_by_values(ask: Any, window: list[list[float]]) -> None:
    body = {
        "windows": [
            {"series": "JFK", "rows": rows()},
            {"series": "LGA", "values": window, "timestamp": "2013-10-01T06:00:00Z"},
            {"values": window},
        ],
        "horizon": 2,
    }
    told = ask("POST", PATH, body).json
    assert told["model"] == "weather"
    jfk, lga, undated = told["forecasts"]
    assert {**jfk, "series": "LGA"} == lga
    assert jfk["forecast"] == {"temperature": [57.0, 58.0]}
    assert (undated["forecast"], "times" in undated) == (jfk["forecast"], False)


def test_options(ask: Any, backend: Any, weather: Manifest) -> None:
    more = {"priority": "high", "deadline_ms": 60_000, "horizon": 9, "version": weather.version}
    told = ask("POST", PATH, {"rows": rows(), **more}).json
    assert (told["native_steps"], told["rolled_out_steps"], len(told["times"])) == (7, 2, 9)
    call = backend.calls[-1]
    assert (call.priority, call.horizon, call.version) == (Priority.HIGH, 9, weather.version)
    assert call.deadline is not None


def test_one_window_on_which_the_network_fails_fails_alone(ask: Any, backend: Any) -> None:
    backend.refuse = {1}
    told = ask("POST", PATH, {"windows": [{"rows": rows()}, {"series": "LGA", "rows": rows()}]}).json
    assert told["forecasts"][0]["forecast"]
    assert told["forecasts"][1].keys() == {"series", "error"}
    backend.refuse = {0}
    answer = ask("POST", PATH, {"rows": rows()})
    assert (answer.status, answer.json["error"]["code"]) == (500, "engine")


def test_features_answer_their_vectors_by_name(ask: Any, backend: Any) -> None:
    steps = [{"timestamp": f"2026-01-01 00:00:0{i}", "price": 3.0, "volume": 5.0} for i in range(5)]
    told = ask("POST", "/v1/forecast/features", {"rows": steps}).json
    assert told["outputs"] == {"mean": [4.0, 4.0], "growth": [0.0]}
    assert "forecast" not in told
    assert backend.calls[-1].windows.shape == (1, 2, 5)  # channels first, as the network has them
    np.testing.assert_array_equal(backend.calls[-1].windows[0, 0], [3.0] * 5)


def bad(place: int, **change: Any) -> dict[str, Any]:
    told = rows()
    told[place] = {k: v for k, v in (told[place] | change).items() if v is not ...}
    return {"rows": told}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (bad(2, temperature=...), "rows[2].temperature"),
        (bad(2, temperature=None), "rows[2].temperature"),
        (bad(2, temperature="warm"), "rows[2].temperature"),
        (bad(2, temperature=10**400), "rows[2].temperature"),
        (bad(2, timestamp=...), "rows[2].timestamp"),
        (bad(2, timestamp="tomorrow"), "rows[2].timestamp"),
        (bad(2, timestamp="0001-01-01T00:00:00Z"), "rows[2].timestamp"),
        (bad(6, timestamp="2199-01-01T00:00:00Z"), "rows[6].timestamp"),
        ({"rows": [*rows()[:6], 7]}, "rows[6]"),
        ({"rows": rows()[:6]}, "rows"),
        ({"rows": [*rows()[:3], *rows()[4:]]}, "rows"),
        ({"rows": []}, "rows"),
        ({}, "rows"),
        ({"rows": rows(), "values": [[1.0] * 3] * 7}, "rows"),
        ({"rows": rows(), "timestamp": "2013-10-01T06:00:00Z"}, "timestamp"),
        ({"values": [[1.0] * 3] * 6}, "values"),
        ({"values": [[1.0] * 3] * 6 + [[1.0]]}, "values"),
        ({"values": []}, "values"),
        ({"values": [[1.0] * 3] * 6 + [[1.0, None, 2.0]]}, "values[6][1]"),
        ({"values": [[1.0] * 3] * 7, "timestamp": "soon"}, "timestamp"),
        ({"windows": [{"rows": rows()}, bad(0, dewpoint=...)]}, "windows[1].rows[0].dewpoint"),
        ({"windows": [{"rows": rows(), "colour": 1}]}, "windows[0].colour"),
        ({"windows": []}, ""),
        ({"windows": [], "rows": rows()}, "windows"),
        ({"rows": rows(), "horizon": 0}, "horizon"),
        ({"rows": rows(), "horizon": 1.5}, "horizon"),
        ({"rows": rows(), "priority": "urgent"}, "priority"),
        ({"rows": rows(), "deadline_ms": 0}, "deadline_ms"),
        ({"rows": rows(), "colour": "red"}, "colour"),
        ([], ""),
    ],
)
def test_what_is_wrong_is_422_with_its_path(ask: Any, body: Any, path: str) -> None:
    answer = ask("POST", PATH, body)
    assert (answer.status, answer.json["error"].get("path")) == (422, path), answer.body
    assert answer.json["error"]["cure"]


def test_nan_and_what_is_no_json(ask: Any) -> None:
    nan = b'{"values": [[1.0, NaN, 2.0]]}'
    assert ask("POST", PATH, nan).json["error"]["path"] == "values[0][1]"
    assert ask("POST", PATH, b"{").status == 400
    assert ask("POST", PATH, b"{}", {"Content-Type": "multipart/form-data; boundary=x"}).status == 415
    assert ask("POST", f"{PATH}?horizon=3", {"rows": rows()}).json["error"]["path"] == "query"


def test_lines(ask: Any, backend: Any, weather: Manifest, window: list[list[float]]) -> None:
    """Each line by itself, in order, whatever was wrong with the others."""
    backend.refuse = {1}
    lines = [
        msgspec.json.encode({"series": "JFK", "rows": rows()}),
        b"",
        b"{",
        msgspec.json.encode({"series": "LGA", "rows": rows()[:3]}),
        msgspec.json.encode({"series": "EWR", "values": window}),
        msgspec.json.encode({"values": window, "timestamp": 5}),
        msgspec.json.encode({"values": window}),
    ]
    answer = ask("POST", f"{PATH}?horizon=3&priority=1&deadline_ms=5000", b"\n".join(lines), NDJSON)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/x-ndjson")
    told = [msgspec.json.decode(line) for line in answer.body.splitlines()]
    assert [line.get("error", {}).get("code") for line in told] == [
        None,
        "bad_request",
        "invalid",
        "engine",
        "invalid",
        None,
    ]
    assert told[0]["times"][0] == "2013-10-01T07:00:00Z"
    assert told[0]["forecast"] == {"temperature": [57.0, 58.0, 59.0]}
    assert (told[2]["series"], told[2]["error"]["path"]) == ("LGA", "rows")
    assert {(line["model"], line["version"]) for line in told} == {("weather", weather.version)}
    assert [(c.priority, c.horizon, len(c.windows)) for c in backend.calls] == [(Priority.MEDIUM, 3, 3)]


def test_lines_that_are_all_wrong_ask_for_nothing(ask: Any, backend: Any) -> None:
    answer = ask("POST", PATH, b"{}\n[]\n", NDJSON)
    assert answer.status == 200
    assert len(answer.body.splitlines()) == 2
    assert not backend.calls


@pytest.mark.parametrize("query", ["colour=red", "horizon=many", "horizon=1&horizon=2", "priority=urgent"])
def test_a_wrong_query_is_422(ask: Any, query: str, window: list[list[float]]) -> None:
    answer = ask("POST", f"{PATH}?{query}", {"values": window}, NDJSON)
    assert answer.status == 422
    assert query.split("=")[0] in answer.json["error"]["path"]


def test_too_many_windows_are_413(make_app: Any, asking: Any, window: list[list[float]]) -> None:
    ask = asking(make_app({"rows": 1}))
    assert ask("POST", PATH, {"windows": [{"values": window}] * 2}).status == 413
    assert ask("POST", PATH, b"{}\n{}\n", NDJSON).status == 413


def test_unknown_models_are_404(ask: Any) -> None:
    answer = ask("POST", "/v1/forecast/none", {"rows": rows()})
    assert (answer.status, answer.json["error"]["code"]) == (404, "model_not_found")


def test_readers_are_made_before_the_first_request(
    make_app: Any, asking: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app()
    app.warm_up()
    monkeypatch.setattr("foretell.serve.protocols.forecast_api.ItemReader", None)
    assert asking(app)("POST", PATH, {"rows": rows()}).status == 200


def test_windows_that_do_not_suit_the_model_are_told_and_not_a_defect(make_app: Any, asking: Any) -> None:
    app = make_app(windows=WindowSettings.model_validate({"every": "7m"}))
    app.warm_up()
    answer = asking(app)("POST", PATH, {"rows": rows()})
    assert answer.status == 422
    assert "no multiple of windows.every" in answer.json["error"]["message"]
