"""Which files belong together."""

from pathlib import Path

import pytest

from foretell.errors import UnsupportedModel
from foretell.importers.folder import find


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).touch()


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("scaler_X.pkl", "scaler_x"),
        ("X_scaler.pkl", "scaler_x"),
        ("SCALER_x.PKL", "scaler_x"),
        ("scaler_y.joblib", "scaler_y"),
        ("target_scaler.h5", "scaler_y"),
        ("scaler.pkl", "scaler"),
        ("feature_adapter.pkl", "adapter"),
        ("metadata.json", "metadata"),
        ("reference.npz", "reference"),
    ],
)
def test_names_that_people_use(tmp_path: Path, name: str, role: str) -> None:
    touch(tmp_path, "lstm.keras", name)
    source = find(tmp_path)
    assert source.model.name == "lstm.keras"
    assert source.roles[role].name == name
    assert source.notes == []


def test_a_model_called_model_is_the_one(tmp_path: Path) -> None:
    touch(tmp_path, "model.h5", "best.h5", "checkpoint.keras")
    assert find(tmp_path).model.name == "model.h5"


def test_two_called_model_are_named(tmp_path: Path) -> None:
    touch(tmp_path, "model.h5", "model.onnx")
    with pytest.raises(UnsupportedModel, match=r"model\.h5, model\.onnx"):
        find(tmp_path)
