"""Tokens, and the keys that stand for them."""

import hmac

import pytest

from foretell.errors import ConfigError
from foretell.serve.backend import Priority
from foretell.serve.security.keys import Class, Key, id_of, issue, opens


def test_a_token_opens_its_own_key_only() -> None:
    token, key = issue("acme", ("weather",), "high", rate=100.0)
    other, other_key = issue("acme", ("weather",), "high")
    assert opens(token, key)
    assert not opens(token, other_key)
    assert not opens(other, key)
    assert not opens(token[:-1], key)
    assert not opens("", key)
    assert not opens(token, None)
    assert id_of(token) == key.id


def test_a_key_does_not_hold_its_secret() -> None:
    token, key = issue("acme", ("weather",), "low")
    secret = token.split("_", 2)[2]
    assert secret not in repr(key)
    assert len(secret) == 43  # 256 bits in base 64


def test_digests_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where there is no such key: how long it takes must not tell."""
    compared: list[tuple[str, str]] = []
    real = hmac.compare_digest

    def watch(a: str, b: str) -> bool:
        compared.append((a, b))
        return real(a, b)

    monkeypatch.setattr(hmac, "compare_digest", watch)
    token, key = issue("acme", ("weather",), "high")
    assert opens(token, key)
    assert not opens("no token at all", None)
    assert [len(a) == len(b) == 64 for a, b in compared] == [True, True]


@pytest.mark.parametrize(
    "text", ["", "ftl_", "ftl_0123abcd_short", "bearer", "ftl_0123abcd_" + "é" * 43, "\udcff"]
)
def test_what_is_no_token_has_no_id_and_opens_nothing(text: str) -> None:
    _, key = issue("acme", ("weather",), "high")
    assert id_of(text) is None
    assert not opens(text, key)


@pytest.mark.parametrize(
    ("models", "model", "allowed"),
    [
        (("weather",), "weather", True),
        (("weather",), "weather2", False),
        (("weather", "other"), "other", True),
        (("*",), "anything", True),
    ],
)
def test_scope(models: tuple[str, ...], model: str, allowed: bool) -> None:
    _, key = issue("acme", models, "low")
    assert key.allows(model) is allowed


@pytest.mark.parametrize(
    ("name", "priority"), [("low", Priority.LOW), ("medium", Priority.MEDIUM), ("high", Priority.HIGH)]
)
def test_priority(name: Class, priority: Priority) -> None:
    assert issue("acme", ("*",), name)[1].priority is priority


@pytest.mark.parametrize(
    ("client", "models", "rate", "said"),
    [
        ("two words", ("*",), 1.0, "client name"),
        ("", ("*",), 1.0, "client name"),
        ("acme", (), 1.0, "models"),
        ("acme", ("",), 1.0, "models"),
        ("acme", ("*",), 0.0, "rate"),
        ("acme", ("*",), -1.0, "rate"),
        ("acme", ("*",), float("inf"), "rate"),
        ("acme", ("*",), float("nan"), "rate"),
    ],
)
def test_wrong_words_make_no_key(client: str, models: tuple[str, ...], rate: float, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        issue(client, models, "low", rate)


def test_a_digest_of_another_length_is_no_key() -> None:
    with pytest.raises(ValueError, match="hexadecimal"):
        Key(id="0123abcd", client="acme", sha256="ab", models=("*",), max_priority="low")
