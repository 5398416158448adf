"""The file of keys on a disk."""

import json
import stat
import threading
from pathlib import Path

import pytest

from foretell.errors import ConfigError
from foretell.serve.security.key_file import add_key, read_keys, revoke
from foretell.serve.security.keys import Key, issue


def new(client: str = "acme") -> Key:
    return issue(client, ("weather",), "high", 100.0, 10.0)[1]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    file = tmp_path / "conf" / "keys.json"
    keys = (new(), new("other"))
    for key in keys:
        add_key(file, key)
    assert read_keys(file) == keys
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [f.name for f in file.parent.iterdir()] == ["keys.json"]


def test_no_secret_is_in_the_file(tmp_path: Path) -> None:
    token, key = issue("acme", ("*",), "low")
    add_key(tmp_path / "keys.json", key)
    text = (tmp_path / "keys.json").read_text()
    assert token not in text
    assert token.split("_", 2)[2] not in text


def test_writers_at_once_lose_no_key(tmp_path: Path) -> None:
    file, keys = tmp_path / "keys.json", [new(f"client-{i}") for i in range(12)]
    threads = [threading.Thread(target=add_key, args=(file, key)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {key.id for key in read_keys(file)} == {key.id for key in keys}


def test_revoke_one_key_or_a_whole_client(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    first, second, third, stays = new(), new(), new(), new("other")
    for key in (first, second, third, stays):
        add_key(file, key)
    assert revoke(file, first.id) == [first]
    assert read_keys(file) == (second, third, stays)
    assert revoke(file, "acme") == [second, third]
    assert read_keys(file) == (stays,)
    with pytest.raises(ConfigError, match="no key or client `acme`") as caught:
        revoke(file, "acme")
    assert f"{stays.id} (other)" in str(caught.value.cure)
    assert revoke(file, "other") == [stays]
    assert read_keys(file) == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no file of keys"),
        ("[]", "no file of keys"),
        ('{"format": 1}', "keys"),
        ('{"format": 2, "keys": []}', "format 2"),
        ('{"format": 1, "keys": [], "more": 1}', "more"),
        ('{"format": 1, "keys": [{"id": "0123abcd"}]}', r"\$\.keys\[0\]"),
    ],
)
def test_a_damaged_file_is_refused_by_place(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_keys(file)


def test_two_keys_of_one_id_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    add_key(file, new())
    contents = json.loads(file.read_text())
    contents["keys"] *= 2
    file.write_text(json.dumps(contents))
    with pytest.raises(ConfigError, match="two keys have one id"):
        read_keys(file)


def test_a_file_that_others_may_write_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    add_key(file, new())
    file.chmod(0o620)
    with pytest.raises(ConfigError, match="others may write") as caught:
        read_keys(file)
    assert str(caught.value.cure).startswith("chmod 600")


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file") as caught:
        read_keys(tmp_path / "keys.json")
    assert "foretell keys new" in str(caught.value.cure)
