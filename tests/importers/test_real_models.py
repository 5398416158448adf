"""The team's real models: each gives what its own software gave."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from foretell.errors import MissingFact, UnreadableFile, UnsupportedModel
from foretell.forecasting.forecaster import Forecaster
from foretell.importers import ImportOptions, import_source
from foretell.importers.keras import read_keras

pytestmark = pytest.mark.shared
WEATHER = "LSTM_FineTuned_20260124_193541"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "models"


def recorded() -> list[tuple[str, str]]:
    """Each model of the team's list with each of its records."""
    listed = SHARED / "MANIFEST.json"
    entries = json.loads(listed.read_text()) if listed.is_file() else []
    return [
        (entry["file"], reference)
        for entry in entries
        if entry["file"].endswith((".h5", ".keras"))
        for reference in entry["reference"]
    ]


@pytest.mark.parametrize(("file", "reference"), recorded())
def test_a_real_model_answers_as_it_did(shared: Path, file: str, reference: str) -> None:
    record = np.load(shared / "models" / reference)
    windows, theirs = record["x0"], record["y0"]
    network = read_keras((shared / "models" / file).read_bytes(), file, lookback=windows.shape[1])
    by_onnx = ort.InferenceSession(network.model).run(None, {"window": windows})[0]
    # Three windows may span next to nothing; float32 resolves no more than its epsilon of the value.
    allowed = 1e-5 * np.ptp(theirs) + 4 * np.finfo(np.float32).eps * np.abs(theirs).max()
    assert np.abs(network.reference(windows)[0] - theirs).max() <= allowed
    assert np.abs(by_onnx - theirs).max() <= allowed


def test_the_weather_model_is_right_and_all_is_said(shared: Path, tmp_path: Path) -> None:
    imported = import_source(
        shared / "models" / WEATHER, ImportOptions(out=tmp_path / "bundle", step_s=3600.0)
    )
    record = np.load(shared / "models" / WEATHER / "reference.npz")
    forecaster = Forecaster.open(imported.bundle.path)
    forecasts = forecaster.predict(record["windows"]).values[:, :, 0]
    forecaster.close()
    assert np.abs(forecasts - record["forecasts"]).max() <= 1e-5 * np.ptp(record["forecasts"])
    assert imported.manifest.name == WEATHER
    fields = {name: rule.field for name, rule in imported.manifest.adapter.features.items()}
    assert fields == {"temperature": "temperature_mean", "wind_speed": "wind_speed_mean"}
    assert imported.suggestion is not None
    assert any("dewpoint: the adapter says nothing" in reason for reason in imported.suggestion.reasons)
    assert any("50.26 ± 20.3" in reason for reason in imported.suggestion.reasons)
    assert "derive: dew_point" in imported.suggestion.yaml


def test_the_weather_model_with_the_suggested_adapter(shared: Path, tmp_path: Path) -> None:
    source = shared / "models" / WEATHER
    suggestion = import_source(source, ImportOptions(out=tmp_path / "one")).suggestion
    assert suggestion is not None
    (tmp_path / "adapter.yaml").write_text(suggestion.yaml)
    cured = import_source(source, ImportOptions(out=tmp_path / "two", adapter=tmp_path / "adapter.yaml"))
    assert [column.unit for column in cured.manifest.inputs] == ["degF", "mph", "degF"]


@pytest.mark.parametrize(
    ("folder", "options"),
    [
        ("121455646513__weather-forecast-lstm", ImportOptions()),
        ("ghitaaitm__AirSafe_Innovators", ImportOptions()),
        ("IshanDissanayake__Temperature-Prediction-Using-LSTM", ImportOptions(targets=("Temperature",))),
        ("fauzanramaa__streamlit-AirQuality/models", ImportOptions(lookback=1)),
        ("Hangtianhengxing__Real-Time-Anomaly-Detection-using-LSTM", ImportOptions(lookback=10)),
        ("A20archi__LSTM_Anomaly_Detection/models", ImportOptions()),
        ("anabhish__LSTM-Stock-price-and-volume-predictor", ImportOptions(targets=("price", "volume"))),
        ("Sajeewatcc__Appliances_energy_prediction_-LSTM-GRU-CNN-LSTM-/models/gru_model.h5", ImportOptions()),
        ("tharun2431__weather-tcn-forecasting/pwa", ImportOptions()),
    ],
)
def test_a_real_folder_becomes_a_bundle(
    shared: Path, tmp_path: Path, folder: str, options: ImportOptions
) -> None:
    imported = import_source(
        shared / "models" / folder,
        ImportOptions(tmp_path / "bundle", lookback=options.lookback, targets=options.targets),
    )
    assert imported.difference <= imported.manifest.tolerance


def test_an_onnx_model_and_its_keras_twin_agree(shared: Path, tmp_path: Path) -> None:
    folder = shared / "models" / "Cuong101010__air-quality-dashboard" / "models"
    forecasts = []
    for file in ("lstm_model.onnx", "lstm_model.keras"):
        (tmp_path / file).mkdir()
        shutil.copy(folder / file, tmp_path / file / file)
        imported = import_source(tmp_path / file, ImportOptions(out=tmp_path / file / "bundle"))
        forecaster = Forecaster.open(imported.bundle.path)
        forecasts.append(forecaster.predict(np.random.default_rng(0).uniform(size=(9, 30, 9))).values)
        forecaster.close()
    assert np.abs(forecasts[0] - forecasts[1]).max() <= 1e-5 * np.ptp(forecasts[0])


def test_what_cannot_be_imported_says_why(shared: Path, tmp_path: Path) -> None:
    models = shared / "models"
    crypto = models / "naresh5422__crypto-forecasting-project" / "models"
    with pytest.raises(UnsupportedModel, match="PositionalEncoding"):
        read_keras((crypto / "transformer_model.h5").read_bytes(), "transformer_model.h5")
    with pytest.raises(UnreadableFile, match=r"y_scaler\.pkl: this MinMaxScaler was never fitted"):
        import_source(crypto / "lstm_model.h5", ImportOptions(out=tmp_path / "bundle"))
    with pytest.raises(MissingFact, match="any length"):
        import_source(models / "Hangtianhengxing__Real-Time-Anomaly-Detection-using-LSTM")
