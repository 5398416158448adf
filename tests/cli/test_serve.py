"""foretell serve: each flag reaches its setting, and what it prints works."""

import errno
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.serve.conftest import FakeBackend
from tests.serve.door import Door

from foretell.bundle.bundle import open_bundle
from foretell.cli import main
from foretell.cli.serve import tell, trusted
from foretell.config import SecuritySettings, ServeSettings, Settings
from foretell.errors import DeployFailed
from foretell.serve.deployment.deployed import Deployed
from foretell.serve.deployment.plan import ModelFiles, Plan
from foretell.serve.deployment.resources import ResourceConfig
from foretell.serve.security.key_file import add_key
from foretell.serve.security.keys import issue

Calls = list[tuple[Settings, list[str]]]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """What the server was called with."""
    calls: Calls = []

    def run_serve(settings: Settings, models: list[str], ready: object) -> int:
        calls.append((settings, models))
        return 0

    monkeypatch.setitem(sys.modules, "foretell.serve.run", SimpleNamespace(run_serve=run_serve))
    return calls


def test_every_flag_reaches_its_setting(ran: Calls, tmp_path: Path) -> None:
    flags = (
        "a b@production --host 0.0.0.0 --port 1 --grpc-port 2 --replicas 3 --autoscale off-hours "
        f"--resources large --no-gpu --insecure --keys {tmp_path / 'k.json'}"
    )
    assert main(["serve", *flags.split()]) == 0
    ((settings, models),) = ran
    assert models == ["a", "b@production"]
    serve = settings.serve
    assert (serve.host, serve.port, serve.grpc_port, serve.replicas) == ("0.0.0.0", 1, 2, 3)
    assert (serve.autoscale, serve.resources, serve.gpu) == ("off-hours", "large", False)
    assert (serve.security.insecure, serve.security.keys) == (True, tmp_path / "k.json")


def test_without_arguments_the_file_speaks(ran: Calls, tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_text("serve: {gpu: false, security: {keys: k.json}}\nmodel: {name: weather}")
    assert main(["serve", "--config", str(file)]) == 0
    ((settings, models),) = ran
    assert models == ["weather"]
    assert settings.serve.gpu is False
    assert settings.serve.security.keys == tmp_path / "k.json"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--resources", "huge"], "setting serve.resources (from flag)"),
        (["--replicas", "0"], "setting serve.replicas (from flag)"),
    ],
)
def test_wrong_use_is_told(
    flags: list[str], said: str, ran: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "a", *flags]) == 2
    assert said in capsys.readouterr().err
    assert not ran


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ([], 2, "no model to serve"),
        (["nowhere"], 3, "name a bundle by its path (`serve PATH`"),
        (["weather@production"], 3, "there is: empty, weather"),
        (["./nowhere"], 4, "nowhere: there is no such folder"),
        (["{bundle}/model.onnx"], 4, "model.onnx: a file, and a folder is wanted"),
        (["{bundle}", "--port", "7", "--grpc-port", "7"], 2, "HTTP and gRPC are both to have port 7"),
        (["{bundle}", "--port", "{taken}"], 2, "Address already in use"),
        (["{bundle}", "--port", "0", "--grpc-port", "{taken}"], 2, "Address already in use"),
        (["{bundle}", "--host", "nosuch.invalid", "--insecure"], 2, "cannot listen on nosuch.invalid"),
        (["{bundle}", "--host", "0.0.0.0"], 2, "0.0.0.0 can be reached from other machines"),
        (["{bundle}", "{bundle}"], 2, "two models are named weather"),
        (["{empty}"], 3, "no model there"),
        (["{bundle}", "--keys", "{empty}"], 2, "Is a directory"),
        (["{bundle}", "--host", ""], 2, "every address can be reached from other machines"),
        (["{bundle}", "--autoscale", "lunch"], 2, "--autoscale lunch: no preset and no file"),
        (["{bundle}", "--keys", "none.json"], 2, "none.json: no such file of keys"),
    ],
)
def test_what_cannot_work_is_told_before_ray_is_asked(
    arguments: list[str],
    status: int,
    said: str,
    tmp_path: Path,
    make_bundle: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bundle = str(make_bundle(tmp_path))
    monkeypatch.setenv("MODEL_STORAGE_PATH", str(tmp_path))
    monkeypatch.setenv("RAY_HEAD_ADDRESS", "local")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("foretell.cluster.Cluster.connect", lambda *_: pytest.fail("Ray was asked"))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        (empty := tmp_path / "empty").mkdir()
        fill = {"bundle": bundle, "empty": empty, "taken": other.getsockname()[1]}
        assert main(["serve", *(argument.format(**fill) for argument in arguments)]) == status
    assert said in capsys.readouterr().err


def test_a_certificate_that_clients_refuse_is_told_before_ray_is_asked(
    pems: Any,
    tmp_path: Path,
    make_bundle: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("foretell.cluster.Cluster.connect", lambda *_: pytest.fail("Ray was asked"))
    bundle = str(make_bundle(tmp_path))
    monkeypatch.setenv("FORETELL_SERVE__SECURITY__TLS_KEY", str(pems.key))
    for certificate, said in ((pems.expired, "certificate has expired"), (tmp_path / "none", "No such file")):
        monkeypatch.setenv("FORETELL_SERVE__SECURITY__TLS_CERTIFICATE", str(certificate))
        assert main(["serve", bundle]) == 2
        assert f"{certificate}: {said}" in capsys.readouterr().err


def test_here_is_a_path_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["serve", "."]) == 3
    assert f"{tmp_path.name}: no model there" in capsys.readouterr().err


def test_a_port_that_wants_a_right_is_told(
    tmp_path: Path,
    make_bundle: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def bind(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("socket.socket.bind", bind)
    monkeypatch.setenv("RAY_HEAD_ADDRESS", "local")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert main(["serve", str(make_bundle(tmp_path)), "--port", "80"]) == 2
    assert "ports below 1024 want a right" in capsys.readouterr().err


def test_the_servers_error_ends_with_its_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_serve(*_: object) -> int:
        raise DeployFailed("a replica does not become ready: why", cure="change it")

    monkeypatch.setitem(sys.modules, "foretell.serve.run", SimpleNamespace(run_serve=run_serve))
    assert main(["serve", "a"]) == 9
    assert "does not become ready: why" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "flags", "url"),
    [
        ("DNS:localhost,IP:127.0.0.1", "", "https://127.0.0.1:8000"),
        (
            "DNS:a.example.org",
            " --connect-to a.example.org:8000:127.0.0.1:8000",
            "https://a.example.org:8000",
        ),
        (
            "DNS:*.example.org",
            " --connect-to foretell.example.org:8000:127.0.0.1:8000",
            "https://foretell.example.org:8000",
        ),
    ],
)
def test_the_line_goes_by_a_name_of_the_certificate(
    names: str, flags: str, url: str, pems: Any, tmp_path: Path
) -> None:
    certificate, key = pems.make("a b", names)
    security = SecuritySettings(tls_certificate=certificate, tls_key=key)
    assert trusted(security, "https://127.0.0.1:8000") == (f" --cacert '{certificate}'{flags}", url)


def test_the_line_works_with_tls_and_a_key(
    tmp_path: Path, make_bundle: Callable[..., Path], pems: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pasted into a shell, against a lane, by a name that the certificate is for."""
    bundle = open_bundle(make_bundle(tmp_path))
    certificate, private = pems.make("named", "DNS:forecasts.example.org")
    keys = tmp_path / "keys.json"
    token, key = issue("acme", ("weather",), "high")
    add_key(keys, key)
    security = SecuritySettings(keys=keys, tls_certificate=certificate, tls_key=private)
    door = Door(FakeBackend(bundle.manifest), ServeSettings(security=security))
    serve = ServeSettings(security=security, port=door.lane.port, grpc_port=door.lane.grpc_port)
    settings = Settings(serve=serve)
    tell(Deployed(Plan(settings, (ModelFiles.of(bundle),)), 1, ResourceConfig.named("small")))
    lines = capsys.readouterr().out.splitlines()
    (curl,) = [line for line in lines if "curl" in line]
    try:
        said = subprocess.run(
            ["bash", "-c", curl], env={**os.environ, "KEY": token}, capture_output=True, text=True, timeout=30
        )
    finally:
        door.close()
    assert said.stdout.startswith('{"model":"weather"'), said
    assert lines[1].split()[1] == f"https://127.0.0.1:{door.lane.port}"
    assert "try it, with a key: export KEY=…" in lines


@pytest.fixture
def served(tmp_path: Path, make_bundle: Callable[..., Path]) -> Iterator["subprocess.Popen[str]"]:
    """A server of its own process group, as on a terminal."""
    command = [sys.executable, "-m", "foretell", "serve", str(make_bundle(tmp_path)), "--no-gpu"]
    server = subprocess.Popen(
        [*command, "--port", "0", "--grpc-port", "0", "--replicas", "1"],
        env={
            **os.environ,
            "RAY_HEAD_ADDRESS": "local",
            "XDG_STATE_HOME": str(tmp_path),
            "LOG_LEVEL": "ERROR",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    yield server
    if server.poll() is None:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(20)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(90)
def test_the_line_it_prints_works_and_ctrl_c_ends_it(served: "subprocess.Popen[str]") -> None:
    assert served.stdout is not None
    assert served.stderr is not None
    lines: list[str] = []
    for line in served.stdout:
        lines.append(line.rstrip())
        if line.startswith("Ctrl-C"):
            break
    assert lines, served.stderr.read()
    assert re.fullmatch(r"weather [0-9a-f]{12}", lines[0])
    assert re.fullmatch(r"  gRPC  127\.0\.0\.1:\d+", lines[2])
    (curl,) = [line for line in lines if "curl" in line]
    said = subprocess.run(["bash", "-c", curl], capture_output=True, text=True, timeout=30)
    assert said.returncode == 0, said.stderr
    assert '"forecast":{"temperature":[' in said.stdout
    assert lines[-2] == "  # 7 rows of temperature, wind_speed, dewpoint"
    os.killpg(served.pid, signal.SIGINT)
    assert served.wait(30) == 0
    assert served.stderr.read() == ""
