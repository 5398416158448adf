"""Nothing listens before these agree."""

import os
import stat
from pathlib import Path

import pytest

from foretell.config import LimitSettings, SecuritySettings
from foretell.errors import ConfigError
from foretell.serve.security.guard import Guard
from foretell.serve.security.startup import (
    check_binding,
    files_of_node,
    is_loopback,
    ray_auth_environment,
)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("192.0.2.7", False),
        ("no such name", False),
    ],
)
def test_what_is_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("keys", [None, Path("keys.json")])
@pytest.mark.parametrize("insecure", [False, True])
def test_off_loopback_wants_keys_or_insecure(host: str, keys: Path | None, insecure: bool) -> None:
    security = SecuritySettings(keys=keys, insecure=insecure)
    if host == "127.0.0.1" or keys or insecure:
        assert check_binding(host, security) is (host == "127.0.0.1")
        return
    with pytest.raises(ConfigError, match=r"0\.0\.0\.0 can be reached from other machines") as caught:
        check_binding(host, security)
    assert "--insecure" in str(caught.value.cure)


def test_a_file_that_a_node_lacks_is_told_with_the_node(tmp_path: Path) -> None:
    security = SecuritySettings(keys=tmp_path / "none.json")
    with (
        pytest.raises(ConfigError, match=rf"node {os.uname().nodename}: .*none\.json: no such") as caught,
        files_of_node(),
    ):
        Guard(security, LimitSettings(), loopback=False)
    assert "at the same path" in str(caught.value.cure)


def test_rays_token_is_private_and_stays(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "ray"
    first = ray_auth_environment(folder)
    assert first["RAY_AUTH_MODE"] == "token"
    file = Path(first["RAY_AUTH_TOKEN_PATH"])
    token = file.read_text()
    assert len(token) == 64
    assert (stat.S_IMODE(folder.stat().st_mode), stat.S_IMODE(file.stat().st_mode)) == (0o700, 0o600)
    assert ray_auth_environment(folder) == first
    assert file.read_text() == token
    assert [f.name for f in folder.iterdir()] == [file.name]
    assert token not in str(first)


@pytest.mark.parametrize("open_one", ["folder", "file"])
def test_a_token_that_others_may_read_is_refused(tmp_path: Path, open_one: str) -> None:
    folder = tmp_path / "ray"
    file = Path(ray_auth_environment(folder)["RAY_AUTH_TOKEN_PATH"])
    (folder.chmod(0o755) if open_one == "folder" else file.chmod(0o644))
    with pytest.raises(ConfigError, match="others may open it") as caught:
        ray_auth_environment(folder)
    assert "chmod" in str(caught.value.cure)
