"""`foretell import` and `foretell inspect`, as a person runs them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foretell.cli import main


@pytest.fixture
def bundle(tmp_path: Path, make_bundle: Callable[..., Path]) -> Path:
    return make_bundle(tmp_path)


def onnx_source(bundle: Path, folder: Path) -> Path:
    """A bundle's own network as somebody's .onnx file."""
    folder.mkdir()
    (folder / "storm.onnx").write_bytes((bundle / "model.onnx").read_bytes())
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return status, out, err


def test_import_then_inspect(capsys: pytest.CaptureFixture[str], bundle: Path, tmp_path: Path) -> None:
    source, out = onnx_source(bundle, tmp_path / "source"), tmp_path / "out"
    flags = ("--out", out, "--step", "1h", "--features", "a,b,c", "--targets", "a", "--name", "storm")
    status, shown, _ = run(capsys, "import", source, *flags)
    assert status == 0
    assert "7 steps of 3 features, 1h apart → 7 steps of a" in shown
    assert "scaler of the inputs: none found" in shown
    status, shown, _ = run(capsys, "inspect", out)
    assert status == 0
    assert "storm:" in shown
    assert "digests match" in shown
    assert "golden windows on onnxruntime on cpu" in shown


def test_json(capsys: pytest.CaptureFixture[str], bundle: Path, tmp_path: Path) -> None:
    source = onnx_source(bundle, tmp_path / "source")
    status, shown, _ = run(capsys, "import", source, "--out", tmp_path / "out", "--json")
    told: dict[str, Any] = json.loads(shown)
    assert status == 0
    assert told["manifest"]["lookback"] == 7
    assert told["lacks"][0]["what"] == "step: not said"
    status, shown, _ = run(capsys, "inspect", tmp_path / "out", "--json")
    seen: dict[str, Any] = json.loads(shown)
    assert seen["manifest"] == told["manifest"]
    assert 0 <= seen["verified"]["difference"] <= told["manifest"]["tolerance"]


def test_inspect_refuses_a_file_that_was_changed(capsys: pytest.CaptureFixture[str], bundle: Path) -> None:
    model = bundle / "model.onnx"
    data = bytearray(model.read_bytes())
    data[-1] ^= 1
    model.write_bytes(data)
    status, shown, err = run(capsys, "inspect", bundle)
    assert (status, shown) == (4, "")
    assert "model.onnx" in err


@pytest.mark.parametrize("flag", [("--step", "soon"), ("--step", "0s"), ("--features", "a,,b")])
def test_a_flag_that_makes_no_sense(
    capsys: pytest.CaptureFixture[str], bundle: Path, tmp_path: Path, flag: tuple[str, str]
) -> None:
    status, _, err = run(capsys, "import", onnx_source(bundle, tmp_path / "source"), *flag)
    assert status == 2
    assert err.startswith("error: ")


def test_what_is_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, _, err = run(capsys, "import", tmp_path / "nothing")
    assert status == 3
    assert "no such file or folder" in err
    assert run(capsys, "inspect", tmp_path)[0] == 4
