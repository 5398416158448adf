"""`foretell predict`: windows and rows of files, each kind of output, and what becomes of bad rows."""

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from foretell.bundle.bundle import open_bundle
from foretell.bundle.store import Store
from foretell.cli import main
from foretell.forecasting.forecaster import Forecaster

LOOKBACK, HOURS = 7, 9
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "spark-weather"


@pytest.fixture(scope="module")
def bundle(make_bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("predict"))


@pytest.fixture
def windows() -> np.ndarray:
    return np.random.default_rng(1).normal(50.0, 15.0, (5, LOOKBACK, 3))


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("FORETELL_CONFIG", "HORIZON_HOURS"):
        monkeypatch.delenv(variable, raising=False)


def values(hour: int) -> list[float]:
    return [50.0 + hour, 8.0, 40.0 - hour]


def row(hour: int, **changes: object) -> dict[str, object]:
    names = ("temperature", "wind_speed", "dewpoint")
    told = {"station": "JFK", "timestamp": f"2013-10-01T{hour:02d}:00:00Z"}
    return told | dict(zip(names, values(hour), strict=True)) | changes


def wanted(bundle: Path) -> dict[str, list[float]]:
    """The forecasts of nine hours of `row`, from windows made by hand."""
    newest = range(LOOKBACK - 1, HOURS)
    windows = np.array([[values(h) for h in range(n - LOOKBACK + 1, n + 1)] for n in newest])
    forecasts = Forecaster.open(bundle).predict(windows).values[:, :, 0].tolist()
    return {f"2013-10-01T{n:02d}:00:00Z": steps for n, steps in zip(newest, forecasts, strict=True)}


def write_rows(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return path


def test_windows_to_an_array(bundle: Path, windows: np.ndarray, tmp_path: Path) -> None:
    windows[4, 0, 0] = np.nan
    np.save(tmp_path / "in.npy", windows)
    assert (
        main(["predict", str(bundle), str(tmp_path / "in.npy"), "--output", str(tmp_path / "out.npy")]) == 0
    )
    found = np.load(tmp_path / "out.npy")
    np.testing.assert_allclose(found[:4], Forecaster.open(bundle).predict(windows[:4]).values, rtol=1e-6)
    assert found.shape == (5, 7, 1)
    assert np.isnan(found[4]).all()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.npy", "out.npy"]


def test_windows_to_lines(
    bundle: Path, windows: np.ndarray, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    windows[1, 3, 2] = np.inf
    np.save(tmp_path / "in.npy", windows)
    assert main(["predict", str(bundle), str(tmp_path / "in.npy"), "--horizon", "3"]) == 0
    told = capsysbinary.readouterr()
    lines = [json.loads(line) for line in told.out.splitlines()]
    assert [line["window"] for line in lines] == [0, 2, 3, 4]
    assert all(len(line["forecast"]["temperature"]) == line["native_steps"] == 3 for line in lines)
    assert b"window 1: engine_error: " in told.err
    assert b"1 of 5 rows were bad: engine_error 1" in told.err


def test_rows_to_messages(bundle: Path, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    path = write_rows(tmp_path / "rows.jsonl", [row(h) for h in range(HOURS)])
    assert main(["predict", str(bundle), str(path)]) == 0
    told = capsysbinary.readouterr()
    messages = [json.loads(line) for line in told.out.splitlines()]
    found = {m["issued_at"]: m["forecast"]["temperature"] for m in messages}
    for issued_at, steps in wanted(bundle).items():
        assert found.pop(issued_at) == pytest.approx(steps, abs=1e-3)
    assert not found
    assert messages[0]["series"] == "JFK"
    assert told.err == b""


def test_a_bundle_by_its_name(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODEL_STORAGE_PATH", str(tmp_path))
    path = write_rows(tmp_path / "rows.jsonl", [row(h) for h in range(HOURS)])
    added = Store(tmp_path).add(open_bundle(bundle))
    for name in ("weather", f"weather:{added.manifest.version}", "weather@latest"):
        assert main(["predict", name, str(path)]) == 0
    capsys.readouterr()
    assert main(["predict", "wether", str(path)]) == 3
    assert "Model directory not found: wether" in capsys.readouterr().err
    assert main(["predict", str(tmp_path / "weather"), str(path)]) == 4
    assert "no bundle.json there" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["csv", "parquet", "-"])
def test_rows_of_any_kind_are_the_same_rows(
    kind: str, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row(h) for h in range(HOURS)]
    lines = write_rows(tmp_path / "rows.jsonl", rows)
    path = tmp_path / f"rows.{kind}"
    if kind == "csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    elif kind == "parquet":
        pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    else:
        path = Path("-")
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.read_bytes())))
    outputs: list[str] = []
    for source in (lines, path):
        output = tmp_path / f"{len(outputs)}.jsonl"
        assert main(["predict", str(bundle), str(source), "--output", str(output)]) == 0
        outputs.append(output.read_text())
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_has_a_line_a_step(kind: str, bundle: Path, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.jsonl", [row(h) for h in range(HOURS)])
    config = tmp_path / "foretell.yaml"
    config.write_text("stream: {forecast: {station: $series}}\n")  # a shape for Kafka, not for a table
    output = tmp_path / f"out.{kind}"
    assert main(["predict", str(bundle), str(path), "--config", str(config), "--output", str(output)]) == 0
    if kind == "csv":
        with output.open(newline="") as file:
            lines = list(csv.DictReader(file))
    else:
        lines = pytest.importorskip("pyarrow.parquet").read_table(output).to_pylist()
    assert len(lines) == 7 * len(wanted(bundle))
    assert lines[1].pop("temperature") is not None
    at = {"issued_at": "2013-10-01T06:00:00Z", "time": "2013-10-01T08:00:00Z"}
    assert {k: str(v) for k, v in lines[1].items()} == {"series": "JFK", "step": "2"} | at
    steps = [float(line["temperature"]) for line in lines if line["issued_at"] == "2013-10-01T07:00:00Z"]
    assert steps == pytest.approx(wanted(bundle)["2013-10-01T07:00:00Z"], abs=1e-3)


def test_bad_rows_are_named_and_counted(
    bundle: Path, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    rows = [row(h) for h in range(HOURS)]
    rows.insert(2, row(1, temperature="12.3"))
    rows.extend(row(1, station=None) for _ in range(30))
    path = write_rows(tmp_path / "rows.jsonl", rows)
    assert main(["predict", str(bundle), str(path)]) == 0
    told = capsysbinary.readouterr()
    assert len(told.out.splitlines()) == len(wanted(bundle))
    errors = told.err.decode().splitlines()
    assert errors[0] == 'line 3: wrong_type: temperature is "12.3", a number is wanted'
    assert errors[-1] == "31 of 40 rows were bad: no_series 30, wrong_type 1"
    assert len(errors) == 21
    assert main(["predict", str(bundle), str(path), "--strict"]) == 5


def test_no_forecast_at_all_is_an_error(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_rows(tmp_path / "rows.jsonl", [row(h) for h in range(LOOKBACK - 1)])
    output = tmp_path / "out.csv"
    assert main(["predict", str(bundle), str(path), "--output", str(output)]) == 5
    assert "gave no forecast: 6 rows, 0 of them bad" in capsys.readouterr().err
    assert not output.exists()


def test_adapter_and_settings_are_heeded(bundle: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter.yaml"
    adapter.write_text("features: {temperature: {field: celsius, unit: degC, model_unit: degF}}\n")
    rows = [row(h) | {"celsius": (50.0 + h - 32.0) / 1.8, "temperature": -1e6} for h in range(HOURS)]
    path, output = write_rows(tmp_path / "rows.jsonl", rows), tmp_path / "out.jsonl"
    arguments = ["predict", str(bundle), str(path), "--adapter", str(adapter), "--output", str(output)]
    assert main(arguments) == 0
    first = json.loads(output.read_text().splitlines()[0])
    assert first["forecast"]["temperature"] == pytest.approx(wanted(bundle)[first["issued_at"]], abs=1e-3)


@pytest.mark.parametrize(
    ("input_", "options", "status", "message"),
    [
        ("no.jsonl", [], 5, "does not exist"),
        ("no.npy", [], 5, "does not exist"),
        ("rows.txt", [], 5, "unknown kind of file"),
        ("text.npy", [], 5, "is no .npy array"),
        ("words.npy", [], 5, "numbers are wanted"),
        ("flat.npy", [], 5, "windows of shape"),
        ("rows.jsonl", ["--output", "out.npy"], 5, "an array names no series"),
        ("rows.jsonl", ["--output", "out.xml"], 5, "unknown kind of file"),
        ("rows.jsonl", ["--output", "no/out.csv"], 5, "No such file"),
        ("rows.jsonl", ["--config", "key.yaml"], 2, "rows.series is null"),
        ("rows.jsonl", ["--adapter", "no.yaml"], 2, "does not exist"),
    ],
)
def test_what_cannot_be_done_is_said(
    input_: str,
    options: list[str],
    status: int,
    message: str,
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_rows(tmp_path / "rows.jsonl", [row(h) for h in range(HOURS)])
    (tmp_path / "text.npy").write_text("text")
    (tmp_path / "key.yaml").write_text("rows: {series: null}\n")
    np.save(tmp_path / "words.npy", np.array(["a"]))
    np.save(tmp_path / "flat.npy", np.zeros((3, 3)))
    assert main(["predict", str(bundle), input_, *options]) == status
    assert message in capsys.readouterr().err.replace("\n", " ")


def test_a_target_cannot_hide_a_column_of_the_table(
    make_bundle: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = make_bundle(tmp_path, targets=("step",))
    path = write_rows(tmp_path / "rows.jsonl", [row(h) for h in range(HOURS)])
    assert main(["predict", str(bundle), str(path), "--output", str(tmp_path / "out.csv")]) == 5
    assert "target 'step' has the name of another column" in capsys.readouterr().err


def spark_row(minute: int, celsius: float) -> dict[str, object]:
    start, end = (f"2026-01-25 {12 + m // 60:02d}:{m % 60:02d}:00" for m in (minute, minute + 5))
    return {
        "station_id": "KMSN",
        "window_start": start,
        "window_end": end,
        "temperature_mean": celsius,
        "humidity_mean": 59.9,
        "wind_speed_mean": 9.25,
    }


def test_the_spark_example(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Rows as Spark's update mode sends them become what the pipeline's API reads."""
    monkeypatch.chdir(EXAMPLE)
    rows = [spark_row(m, 3.0 + shift) for m in range(0, 366, 5) for shift in (0.0, 0.1)]
    path = write_rows(tmp_path / "rows.jsonl", rows)
    assert main(["predict", str(bundle), str(path), "--config", "foretell.yaml"]) == 0
    first, second, *_ = [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    assert len(first["forecast"].pop("temperature_predictions")) == 7
    conditions = {"humidity_mean": 59.9, "pressure_mean": None, "wind_speed_mean": 9.25}
    assert first == {
        "station_id": "KMSN",
        "timestamp": "2026-01-25T18:05:00Z",
        "window_start": "2026-01-25 18:00:00",
        "window_end": "2026-01-25 18:05:00",
        "forecast": {"horizon_hours": 7, "confidence": None},
        "horizon_hours": 7,
        "current_conditions": {"temperature_mean": 3.0} | conditions,
    }
    assert second["current_conditions"]["temperature_mean"] == 3.1


@pytest.mark.shared
def test_the_spark_example_on_the_real_rows(
    bundle: Path,
    shared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    monkeypatch.chdir(EXAMPLE)
    real = (shared / "rows" / "weather-features-2026-01-26.jsonl").read_text().splitlines()
    path = write_rows(tmp_path / "rows.jsonl", [json.loads(line)["value"] for line in real])
    assert main(["predict", str(bundle), str(path), "--config", "foretell.yaml"]) == 0
    told = capsysbinary.readouterr()
    stations = {json.loads(line)["station_id"] for line in told.out.splitlines()}
    assert stations == {"KMSN", "KMKE", "KMDW", "KMSP", "KDSM"}
    lacking = sum("humidity_mean" not in line or "wind_speed_mean" not in line for line in real)
    assert f"{lacking} of {len(real)} rows were bad: missing_field {lacking}" in told.err.decode()
