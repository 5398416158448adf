"""A folder becomes a bundle; what was assumed and what is missing is said; contradictions name both sides."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foretell.bundle.bundle import open_bundle
from foretell.errors import AdapterError, ImportFailed, SourceNotFound, UnreadableFile, UnsupportedModel
from foretell.forecasting.forecaster import Forecaster
from foretell.importers import Imported, ImportOptions, import_source
from foretell.importers.keras import read_keras

NAMES = ["temperature", "wind_speed", "dewpoint"]
MEAN, SCALE = (50.3, 8.6, 40.0), (20.3, 2.3, 18.6)
Make = Callable[..., bytes]


@pytest.fixture
def source(tmp_path: Path, lstm_h5: Make, standard_scaler: Make, pickled: Make) -> Path:
    """A folder such as the weather pipeline's."""
    folder = tmp_path / "LSTM_2026"
    folder.mkdir()
    (folder / "model.h5").write_bytes(lstm_h5())
    (folder / "scaler_X.pkl").write_bytes(standard_scaler(MEAN, SCALE))
    (folder / "scaler_y.pkl").write_bytes(standard_scaler(MEAN[:1], SCALE[:1]))
    state = {
        "feature_mapping": {
            "temperature": "temperature_mean",
            "wind_speed": "wind_speed",
            "humidity": "humidity_mean",
        },
        "defaults": {"temperature": 20.0, "humidity": 50.0},
    }
    (folder / "feature_adapter.pkl").write_bytes(pickled("mine.FeatureAdapter", state))
    metadata = {"lookback": 7, "forecast_horizon": 7, "features": NAMES, "target": "temperature"}
    (folder / "metadata.json").write_text(json.dumps(metadata))
    return folder


@pytest.fixture
def run(source: Path, tmp_path: Path) -> Callable[..., Imported]:
    """Import the folder, or another path, with options."""

    def go(path: Path | None = None, **options: Any) -> Imported:
        return import_source(path or source, ImportOptions(out=tmp_path / "bundle", **options))

    return go


def test_the_bundle_forecasts_as_the_network_and_its_scalers_do(
    source: Path, run: Callable[..., Imported], lstm_h5: Make
) -> None:
    imported = run(step_s=3600.0)
    windows = np.random.default_rng(0).normal(MEAN, SCALE, (5, 7, 3))
    forecaster = Forecaster.open(imported.bundle.path)
    forecasts = forecaster.predict(windows).values[:, :, 0]
    forecaster.close()
    scaled = ((windows - MEAN) / SCALE).astype(np.float32)
    expected = read_keras(lstm_h5(), "model.h5").reference(scaled)[0] * SCALE[0] + MEAN[0]
    assert np.abs(forecasts - expected).max() <= 1e-5 * np.ptp(expected)


def test_the_manifest_says_what_the_files_said(run: Callable[..., Imported]) -> None:
    imported = run(step_s=3600.0)
    manifest = open_bundle(imported.bundle.path).manifest
    assert (manifest.name, manifest.lookback, manifest.horizon, manifest.step_s) == (
        "LSTM_2026",
        7,
        7,
        3600.0,
    )
    assert [c.name for c in manifest.inputs] == NAMES
    assert [c.name for c in manifest.targets] == ["temperature"]
    assert manifest.inputs[0].center == pytest.approx(50.3)
    assert manifest.inputs[0].spread == pytest.approx(20.3)
    assert imported.lacks == ()
    files = manifest.provenance.files
    assert files.keys() == {
        "model.h5",
        "scaler_X.pkl",
        "scaler_y.pkl",
        "feature_adapter.pkl",
        "metadata.json",
    }
    assert manifest.provenance.made_by.startswith("Keras 2.15.0 (HDF5)")


def test_two_people_name_the_same_version(source: Path, tmp_path: Path) -> None:
    one, other = (import_source(source, ImportOptions(out=tmp_path / name)) for name in ("a", "b"))
    assert one.manifest.version == other.manifest.version


def test_a_missing_step_is_no_error_and_is_said(run: Callable[..., Imported]) -> None:
    imported = run()
    assert imported.manifest.step_s is None
    assert "sequence windows" in imported.lacks[0].consequence
    assert "--step 1h" in imported.lacks[0].cure


def test_the_old_adapter_is_taken_up_where_it_is_plain(run: Callable[..., Imported]) -> None:
    imported = run()
    rules = imported.manifest.adapter.features
    assert rules.keys() == {"temperature"}  # identity and other features need no rule
    assert rules["temperature"].field == "temperature_mean"
    assert rules["temperature"].default is None
    notes = " ".join(imported.notes)
    assert "mine.FeatureAdapter" in notes
    assert "temperature 20" in notes


def test_the_missing_feature_is_named_with_lines_that_cure_it(
    run: Callable[..., Imported], tmp_path: Path
) -> None:
    suggestion = run().suggestion
    assert suggestion is not None
    assert any("dewpoint" in reason and "says nothing" in reason for reason in suggestion.reasons)
    assert any("50.3 ± 20.3" in reason and "degF" in reason for reason in suggestion.reasons)
    file = tmp_path / "adapter.yaml"
    file.write_text(suggestion.yaml)
    cured = import_source(tmp_path / "LSTM_2026", ImportOptions(out=tmp_path / "cured", adapter=file))
    rule = cured.manifest.adapter.features["dewpoint"]
    assert rule.derive == "dew_point"
    assert rule.of["humidity"].field == "humidity_mean"
    assert [c.unit for c in cured.manifest.inputs] == ["degF", "mph", "degF"]
    assert cured.manifest.targets[0].unit == "degF"
    assert cured.suggestion is None


def test_a_wrong_adapter_file_is_named(run: Callable[..., Imported], tmp_path: Path) -> None:
    file = tmp_path / "adapter.yaml"
    file.write_text("features:\n  rain: {field: rain}\n")
    with pytest.raises(AdapterError, match="line 2"):
        run(adapter=file)


def test_a_single_file_takes_what_lies_beside_it_and_says_so(
    source: Path, run: Callable[..., Imported]
) -> None:
    imported = run(source / "model.h5")
    assert "scaler_X.pkl" in imported.notes[0]
    assert imported.manifest.name == "LSTM_2026"


def test_a_model_alone_gets_names_and_says_what_is_missing(tmp_path: Path, lstm_h5: Make) -> None:
    (tmp_path / "storm.h5").write_bytes(lstm_h5())
    imported = import_source(tmp_path / "storm.h5", ImportOptions(out=tmp_path / "bundle"))
    manifest = imported.manifest
    assert manifest.name == "storm"
    assert [c.name for c in manifest.inputs] == ["feature_1", "feature_2", "feature_3"]
    assert (manifest.input_scaling, manifest.horizon, [c.name for c in manifest.targets]) == (
        None,
        7,
        ["target"],
    )
    assert any("feature_1" in note for note in imported.notes)
    assert any("scaler of the inputs" in lack.what for lack in imported.lacks)


def test_flags_win_over_metadata(run: Callable[..., Imported]) -> None:
    manifest = run(features=("a", "b", "c"), targets=("a",), name="other").manifest
    assert [c.name for c in manifest.inputs] == ["a", "b", "c"]
    assert manifest.name == "other"


@pytest.mark.parametrize(
    ("options", "one", "other"),
    [
        ({"lookback": 9}, "--lookback says a lookback of 9", "7 steps of 3 features"),
        ({"horizon": 24}, "--horizon says a horizon of 24", r"shape \(7,\)"),
        ({"features": ("a", "b")}, "--features names 2 features", "3 features"),
        ({"targets": ("a", "b")}, "--targets names 2 targets", r"shape \(7,\)"),
    ],
)
def test_contradictions_name_both_sides(
    run: Callable[..., Imported], options: dict[str, Any], one: str, other: str
) -> None:
    with pytest.raises(ImportFailed, match=f"{one}.* but .*{other}"):
        run(**options)


def test_metadata_that_contradicts_the_network(source: Path, run: Callable[..., Imported]) -> None:
    (source / "metadata.json").write_text(json.dumps({"lookback": 14, "features": NAMES}))
    with pytest.raises(ImportFailed, match=r"metadata\.json says a lookback of 14, but .*7 steps"):
        run()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"lookback": "seven"}', '{"features": [1]}', "[" * 100_000])
def test_metadata_that_makes_no_sense(source: Path, run: Callable[..., Imported], text: str) -> None:
    (source / "metadata.json").write_text(text)
    with pytest.raises(UnreadableFile, match=r"metadata\.json"):
        run()


def test_one_scaler_for_inputs_and_targets(
    source: Path, run: Callable[..., Imported], standard_scaler: Make
) -> None:
    for name in ("scaler_X.pkl", "scaler_y.pkl"):
        (source / name).unlink()
    (source / "scaler.pkl").write_bytes(standard_scaler(MEAN, SCALE, NAMES))
    scaling = run().manifest.target_scaling
    assert scaling is not None
    assert scaling.center == pytest.approx(MEAN[:1])


def test_a_scaler_that_knows_only_some_columns(
    source: Path, run: Callable[..., Imported], standard_scaler: Make
) -> None:
    (source / "scaler_X.pkl").write_bytes(standard_scaler(MEAN[:2], SCALE[:2], NAMES[:2]))
    imported = run()
    scaling = imported.manifest.input_scaling
    assert scaling is not None
    assert scaling.center == pytest.approx((*MEAN[:2], 0.0))
    assert any("does not know dewpoint" in note for note in imported.notes)


def test_a_scaler_of_another_width(source: Path, run: Callable[..., Imported], standard_scaler: Make) -> None:
    (source / "scaler_X.pkl").write_bytes(standard_scaler(MEAN[:2], SCALE[:2]))
    with pytest.raises(ImportFailed, match=r"scaler_X\.pkl scales 2 columns, but the network reads 3"):
        run()


def test_recorded_answers_are_part_of_the_proof(
    source: Path, run: Callable[..., Imported], lstm_h5: Make
) -> None:
    windows = np.random.default_rng(0).normal(MEAN, SCALE, (5, 7, 3))
    scaled = ((windows - MEAN) / SCALE).astype(np.float32)
    forecasts = read_keras(lstm_h5(), "m").reference(scaled)[0] * SCALE[0] + MEAN[0]
    np.savez(source / "reference.npz", windows=windows, forecasts=forecasts)
    imported = run()
    np.testing.assert_allclose(imported.bundle.golden().windows[:5], scaled, rtol=1e-6)
    np.savez(source / "reference.npz", windows=windows, forecasts=forecasts + 1)
    with pytest.raises(ImportFailed, match=r"reference\.npz: its forecasts differ"):
        run()


def test_several_models_in_a_folder_are_named(
    source: Path, run: Callable[..., Imported], lstm_h5: Make
) -> None:
    (source / "model.h5").rename(source / "a.h5")
    (source / "b.h5").write_bytes(lstm_h5())
    with pytest.raises(UnsupportedModel, match=r"several models: a\.h5, b\.h5"):
        run()


def test_a_pickle_that_nobody_knows_is_said(source: Path, run: Callable[..., Imported]) -> None:
    (source / "label_encoder.pkl").write_bytes(b"whatever")
    assert any("left aside: label_encoder.pkl" in note for note in run().notes)


def test_nothing_to_import(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match="no such file"):
        import_source(tmp_path / "nothing")
    with pytest.raises(SourceNotFound, match="no model there"):
        import_source(tmp_path)
    (tmp_path / "model.pth").write_bytes(b"")
    with pytest.raises(UnsupportedModel, match=r"model\.pth"):
        import_source(tmp_path)


def test_no_bundle_is_left_where_an_import_failed(run: Callable[..., Imported], tmp_path: Path) -> None:
    with pytest.raises(ImportFailed):
        run(lookback=9)
    assert not (tmp_path / "bundle").exists()


def test_channels_first_when_files_agree_on_it(tmp_path: Path, lstm_h5: Make, standard_scaler: Make) -> None:
    (tmp_path / "model.h5").write_bytes(lstm_h5(lookback=4, features=1, outputs=1))
    (tmp_path / "scaler_X.pkl").write_bytes(standard_scaler([1, 2, 3, 4], [1, 1, 1, 1], ["a", "b", "c", "d"]))
    with pytest.raises(ImportFailed, match="names 4 features") as caught:
        import_source(tmp_path, ImportOptions(out=tmp_path / "bundle"))
    assert "--lookback 1" in str(caught.value)
    imported = import_source(tmp_path, ImportOptions(out=tmp_path / "bundle", lookback=1))
    assert imported.manifest.layout == "channels_first"
    forecaster = Forecaster.open(imported.bundle.path)
    assert forecaster.predict(np.ones((2, 1, 4))).values.shape == (2, 1, 1)
    forecaster.close()


def test_a_golden_sample_that_lies_is_no_archive_bomb(source: Path, run: Callable[..., Imported]) -> None:
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        out, {"descr": "<f8", "fortran_order": False, "shape": (10**9, 7, 3)}
    )
    with zipfile.ZipFile(source / "reference.npz", "w") as archive:
        for name in ("windows.npy", "forecasts.npy"):
            archive.writestr(name, out.getvalue())
    with pytest.raises(UnreadableFile, match=r"reference\.npz"):
        run()
