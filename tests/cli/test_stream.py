"""foretell stream: each flag reaches its setting, and a model is asked for before Ray is."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from foretell.cli import main
from foretell.config import Settings
from foretell.errors import RayUnreachable
from foretell.stream.supervision.status import StreamStatus

Progress = Callable[[StreamStatus], None]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    (tmp_path / "bundle.json").write_text("{}")
    return tmp_path


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Settings, Path]]:
    """What the supervisor was called with."""
    calls: list[tuple[Settings, Path]] = []

    def run_stream(settings: Settings, bundle: Path, progress: Progress) -> int:
        calls.append((settings, bundle))
        progress(StreamStatus(at=0.0))
        return 0

    stand_in = SimpleNamespace(run_stream=run_stream)
    monkeypatch.setitem(sys.modules, "foretell.stream.supervision.run", stand_in)
    return calls


def test_every_flag_reaches_its_setting(bundle: Path, ran: list[tuple[Settings, Path]]) -> None:
    flags = (
        f"--bundle {bundle} --num-actors 3 --no-gpu --gpu-fraction 0.5 --bootstrap-servers a:1,b:2 "
        "--input-topic i --output-topic o --group g --horizon 5 --from latest --wait 2m --until-end "
        "--rebuild --port 0"
    )
    assert main(["stream", *flags.split()]) == 0
    ((settings, found),) = ran
    assert found == bundle
    assert settings.kafka.bootstrap_servers == "a:1,b:2"
    stream = settings.stream
    assert (stream.num_actors, stream.gpu, stream.gpu_fraction) == (3, False, 0.5)
    assert (stream.input_topic, stream.output_topic, stream.group) == ("i", "o", "g")
    assert (stream.horizon, stream.start, stream.wait) == (5, "latest", 120.0)
    assert (stream.until_end, stream.rebuild, stream.port) == (True, True, 0)


def test_without_flags_the_file_speaks(
    tmp_path: Path, bundle: Path, ran: list[tuple[Settings, Path]]
) -> None:
    file = tmp_path / "f.yaml"
    file.write_text(f"stream: {{gpu: false, until_end: true, start: latest}}\nmodel: {{bundle: {bundle}}}")
    assert main(["stream", "--config", str(file)]) == 0
    ((settings, found),) = ran
    assert (settings.stream.gpu, settings.stream.until_end, settings.stream.start) == (False, True, "latest")
    assert found == bundle


def test_a_name_on_the_command_line_overrules_the_files_bundle(
    tmp_path: Path,
    bundle: Path,
    ran: list[tuple[Settings, Path]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MODEL_STORAGE_PATH", str(tmp_path / "models"))
    file = tmp_path / "f.yaml"
    file.write_text(f"model: {{bundle: {bundle}}}")
    assert main(["stream", "--config", str(file), "--model-name", "nope"]) == 3
    assert "Model directory not found: nope" in capsys.readouterr().err
    assert not ran


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "no model is named"),
        (["--model-name", "a", "--bundle", "b"], "name two models"),
        (["--wait", "soon"], "'soon' is no duration"),
        (["--num-actors", "0"], "setting stream.num_actors (from flag)"),
    ],
)
def test_wrong_use_is_told(
    flags: list[str], said: str, ran: list[tuple[Settings, Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stream", *flags]) == 2
    assert said in capsys.readouterr().err
    assert not ran


def test_the_supervisors_error_ends_with_its_status(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_stream(*_: object) -> int:
        raise RayUnreachable("no way to the cluster", cure="start it")

    played = SimpleNamespace(run_stream=run_stream)
    monkeypatch.setitem(sys.modules, "foretell.stream.supervision.run", played)
    assert main(["stream", "--bundle", str(bundle)]) == 7
    assert "no way to the cluster" in capsys.readouterr().err
