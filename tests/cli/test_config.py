"""foretell config show."""

import json
from pathlib import Path

import pytest

from foretell.cli import main


def test_a_table_in_a_pipe_is_tab_separated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "f.yaml"
    file.write_text("kafka: {properties: {sasl.password: hunter2}}")
    monkeypatch.setenv("HORIZON_HOURS", "12")
    assert main(["config", "show", "--config", str(file)]) == 0
    lines = dict(line.split("\t", 1) for line in capsys.readouterr().out.splitlines())
    assert lines["stream.horizon"] == "12\tenvironment HORIZON_HOURS"
    assert lines["stream.group"] == "ray-ml-inference\tdefault"
    assert lines["kafka.properties.sasl.password"] == f"**********\t{file}"


def test_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORETELL_STREAM__GROUP", "mine")
    assert main(["config", "show", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["stream.group"] == {"value": "mine", "source": "environment FORETELL_STREAM__GROUP"}
    assert shown["stream.wait"]["value"] == 60.0


def test_a_wrong_setting_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("HORIZON_HOURS", "seven")
    assert main(["config", "show"]) == 2
    assert "error: setting stream.horizon (from environment HORIZON_HOURS)" in capsys.readouterr().err
