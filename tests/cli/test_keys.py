"""foretell keys: made once, shown once, listed without secrets, revoked."""

import json
import stat
from pathlib import Path

import pytest

from foretell.cli import main
from foretell.serve.security.key_file import read_keys
from foretell.serve.security.keys import opens


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def test_a_new_key_is_shown_once_and_kept_as_a_digest(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--models", "weather, power,weather", "--max-priority", "high", "--rate", "100"]
    assert main(["keys", "new", "--client", "acme", *given, "--high-budget", "10", "--file", str(file)]) == 0
    shown = capsys.readouterr()
    token = shown.out.strip()
    [key] = read_keys(file)
    assert opens(token, key)
    assert (key.client, key.models, key.max_priority) == ("acme", ("weather", "power"), "high")
    assert (key.rate, key.high_budget) == (100.0, 10.0)
    assert token not in shown.err + file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    assert main(["keys", "list", "--file", str(file)]) == 0
    listed = capsys.readouterr().out
    assert key.id in listed
    assert "weather,power" in listed
    assert main(["keys", "list", "--json", "--file", str(file)]) == 0
    [told] = json.loads(capsys.readouterr().out)
    assert told == {
        "id": key.id,
        "client": "acme",
        "models": ["weather", "power"],
        "max_priority": "high",
        "rate": 100.0,
        "high_budget": 10.0,
        "created": key.created,
    }
    for said in (listed, json.dumps(told)):
        assert token not in said
        assert key.sha256 not in said


def test_revoke(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for client in ("acme", "acme", "other"):
        assert main(["keys", "new", "--client", client, "--models", "*", "--file", str(file)]) == 0
    ids = [key.id for key in read_keys(file)]
    capsys.readouterr()
    assert main(["keys", "revoke", "acme", "--file", str(file)]) == 0
    assert capsys.readouterr().out == f"revoked {ids[0]} of acme\nrevoked {ids[1]} of acme\n"
    assert main(["keys", "revoke", ids[2], "--file", str(file)]) == 0
    capsys.readouterr()
    assert main(["keys", "list", "--file", str(file)]) == 0
    assert capsys.readouterr().out == f"no keys in {file}\n"
    assert main(["keys", "revoke", "acme", "--file", str(file)]) == 2
    assert "no key or client `acme`" in capsys.readouterr().err


def test_the_file_is_the_one_of_the_settings(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORETELL_SERVE__SECURITY__KEYS", str(file))
    assert main(["keys", "new", "--client", "acme", "--models", "*"]) == 0
    assert [key.client for key in read_keys(file)] == ["acme"]


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file" / "keys.json", Path("/proc/none/keys.json")):
        assert main(["keys", "new", "--client", "a", "--models", "*", "--file", str(place)]) == 2
        assert f"{place} cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--client", "two words"], "client name"),
        (["--models", ","], "models"),
        (["--rate", "0"], "rate"),
        (["--max-priority", "urgent"], "urgent"),
    ],
)
def test_wrong_words_make_no_file(
    wrong: list[str], said: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"--client": "acme", "--models": "*", wrong[0]: wrong[1]}
    flat = [word for pair in given.items() for word in pair]
    assert main(["keys", "new", *flat, "--file", str(file)]) == 2
    assert said in capsys.readouterr().err
    assert not file.exists()
