"""Keys follow their file while the server runs."""

import logging
import os
from pathlib import Path

import pytest

from foretell.errors import ConfigError
from foretell.serve.security.key_file import add_key, revoke
from foretell.serve.security.key_ring import LOOK_EVERY, KeyRing
from foretell.serve.security.keys import Key, issue


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def put(file: Path, client: str = "acme") -> tuple[str, Key]:
    token, key = issue(client, ("weather",), "high")
    add_key(file, key)
    return token, key


def test_new_and_revoked_keys_take_effect_without_a_restart(file: Path) -> None:
    first, first_key = put(file)
    ring = KeyRing(file)
    assert ring.find(first, 0.0) == first_key
    second, second_key = put(file, "other")
    assert ring.find(second, LOOK_EVERY / 2) is None, "the file is looked at once a second"
    assert ring.find(second, LOOK_EVERY) == second_key
    revoke(file, first_key.id)
    assert ring.find(first, 2 * LOOK_EVERY) is None
    assert ring.find(second, 2 * LOOK_EVERY) == second_key


def test_unknown_tokens_find_nothing(file: Path) -> None:
    token, key = put(file)
    ring = KeyRing(file)
    stranger, _ = issue("acme", ("*",), "high")
    forged = f"ftl_{key.id}_{stranger.rsplit('_', 1)[1][:43].rjust(43, 'A')}"
    for wrong in ("", "x", stranger, forged, token + "A", token.upper()):
        assert ring.find(wrong, 0.0) is None


@pytest.mark.parametrize("break_it", ["text", "mode", "gone"])
def test_a_file_that_turns_bad_leaves_the_old_keys(
    file: Path, break_it: str, caplog: pytest.LogCaptureFixture
) -> None:
    token, key = put(file)
    ring = KeyRing(file)
    good = file.read_bytes()
    if break_it == "text":
        file.write_text("{")
    elif break_it == "mode":
        file.chmod(0o666)
    else:
        file.unlink()
    for second in (1.0, 2.0, 3.0):
        assert ring.find(token, second) == key
    [record] = caplog.records
    assert record.levelno == logging.ERROR, "said once, not at each look"
    assert "the old keys stay in force" in record.getMessage()

    beside = file.with_name("beside")
    beside.write_bytes(good)
    beside.chmod(0o600)
    os.replace(beside, file)
    other, other_key = put(file, "other")
    assert ring.find(other, 4.0) == other_key


def test_no_secret_is_logged(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token, _ = put(file)
    ring = KeyRing(file)
    second, second_key = put(file)
    assert ring.find(second, 1.0)
    assert ring.find(token + "x", 2.0) is None
    told = " ".join(str(r.__dict__) for r in caplog.records)
    assert second_key.id in told
    assert token not in told
    assert second not in told
    assert second_key.sha256 not in told


def test_a_server_does_not_start_on_a_bad_file(file: Path) -> None:
    file.write_text("{")
    with pytest.raises(ConfigError):
        KeyRing(file)
