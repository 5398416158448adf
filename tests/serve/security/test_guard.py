"""The door's matrix: key × model × priority × rate × rows × requests under way."""

import itertools
import traceback
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.config import LimitSettings, SecuritySettings
from foretell.errors import ConfigError
from foretell.serve.backend import Priority, Refusal
from foretell.serve.security.guard import Guard
from foretell.serve.security.key_file import add_key, revoke
from foretell.serve.security.keys import Class, issue


class Door:
    """A guard with keys in a file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.tokens: dict[str, str] = {}

    def key(
        self,
        client: str,
        models: tuple[str, ...] = ("weather",),
        top: Class = "high",
        rate: float | None = None,
        high_budget: float | None = None,
    ) -> str:
        token, key = issue(client, models, top, rate, high_budget)
        add_key(self.file, key)
        self.tokens[client] = f"Bearer {token}"
        return self.tokens[client]

    def guard(self, limits: LimitSettings | None = None) -> Guard:
        return Guard(SecuritySettings(keys=self.file), limits or LimitSettings(), loopback=True)


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path / "keys.json")


def reason(
    guard: Guard,
    authorization: str | None,
    model: str = "weather",
    priority: Priority = Priority.LOW,
    rows: int = 1,
    now: float = 0.0,
) -> str:
    """`granted`, or why not."""
    try:
        guard.admit(authorization, model, priority, rows, now)
    except Refusal as refusal:
        return refusal.reason
    return "granted"


def test_key_by_model_by_priority(door: Door) -> None:
    tops: tuple[Class, ...] = ("low", "medium", "high")
    scopes = {"one": ("weather",), "two": ("weather", "power"), "all": ("*",)}
    for (scope, models), top in itertools.product(scopes.items(), tops):
        door.key(f"{scope}-{top}", models, top)
    guard = door.guard()
    tried = 0
    for (scope, models), top in itertools.product(scopes.items(), tops):
        for model, priority in itertools.product(("weather", "power", "none"), Priority):
            may = ("*" in models or model in models) and priority <= Priority[top.upper()]
            got = reason(guard, door.tokens[f"{scope}-{top}"], model, priority)
            assert got == ("granted" if may else "forbidden"), (scope, top, model, priority)
            tried += 1
    assert tried == 81


@pytest.mark.parametrize("priority", list(Priority))
@pytest.mark.parametrize("model", ["weather", "power"])
def test_without_a_good_key_nobody_enters(door: Door, model: str, priority: Priority) -> None:
    good = door.key("acme", ("*",))
    other, _ = issue("acme", ("*",), "high")
    guard = door.guard()
    token = good.removeprefix("Bearer ")
    for wrong in (
        None,
        "",
        "Bearer",
        "Bearer ",
        token,
        f"Basic {token}",
        f"Bearer {other}",
        f"Bearer {token}x",
    ):
        assert reason(guard, wrong, model, priority) == "unauthenticated", wrong
    assert reason(guard, f"bearer  {token} ", model, priority) == "granted", "the scheme has no case"


def test_rate_is_the_keys_own_or_the_settings(door: Door) -> None:
    own, none = door.key("own", rate=3.0), door.key("none")
    guard = door.guard(LimitSettings(rate=5.0))
    for token, rate in ((own, 3), (none, 5)):
        got = [reason(guard, token) for _ in range(rate + 2)]
        assert got == ["granted"] * rate + ["rate_limited"] * 2
    assert reason(guard, own, now=1 / 3 + 1e-9) == "granted"
    unlimited = door.guard()
    assert all(reason(unlimited, none) == "granted" for _ in range(200))


def test_a_rate_refusal_says_when_to_come_back(door: Door) -> None:
    token = door.key("acme", rate=2.0)
    guard = door.guard()
    for _ in range(2):
        guard.admit(token, "weather", Priority.LOW, 1, 0.0)
    with pytest.raises(Refusal) as caught:
        guard.admit(token, "weather", Priority.LOW, 1, 0.1)
    assert caught.value.retry_after is not None
    assert caught.value.retry_after == pytest.approx(0.4)
    assert reason(guard, token, now=0.1 + caught.value.retry_after + 1e-9) == "granted"


def test_a_stranger_spends_nobodys_rate(door: Door) -> None:
    token = door.key("acme", rate=1.0)
    guard = door.guard()
    for _ in range(10):
        assert reason(guard, token + "x") == "unauthenticated"
    assert reason(guard, token) == "granted"


def test_two_keys_of_one_client_share_its_rate(door: Door) -> None:
    first, second = door.key("acme", rate=2.0), door.key("acme", rate=2.0)
    guard = door.guard()
    assert [reason(guard, t) for t in (first, second, first)] == ["granted", "granted", "rate_limited"]


def test_high_priority_above_its_budget_is_served_as_medium_and_told(door: Door) -> None:
    token = door.key("acme", high_budget=10.0)
    guard = door.guard()
    first = guard.admit(token, "weather", Priority.HIGH, 8, 0.0)
    assert (first.priority, first.notes) == (Priority.HIGH, [])
    second = guard.admit(token, "weather", Priority.HIGH, 8, 0.0)
    assert second.priority is Priority.MEDIUM
    assert second.notes == [
        "served as medium: more than the 10 rows a second of high priority that this client has"
    ]
    third = guard.admit(token, "weather", Priority.HIGH, 2, 0.0)
    assert third.priority is Priority.HIGH, "what was served as medium spent nothing"
    assert guard.admit(token, "weather", Priority.LOW, 100, 0.0).notes == []
    assert guard.admit(token, "weather", Priority.HIGH, 10, 1.0).priority is Priority.HIGH


def test_rows_of_a_request(door: Door) -> None:
    token = door.key("acme")
    guard = door.guard(LimitSettings(rows=64))
    assert reason(guard, token, rows=64) == "granted"
    assert reason(guard, token, rows=65) == "too_large"


def test_requests_under_way(door: Door) -> None:
    acme, other = door.key("acme"), door.key("other")
    guard = door.guard(LimitSettings(concurrency=2))
    first, second = (guard.admit(acme, "weather", Priority.LOW, 1, 0.0) for _ in range(2))
    with pytest.raises(Refusal) as caught:
        guard.admit(acme, "weather", Priority.LOW, 1, 0.0)
    assert caught.value.reason == "rate_limited"
    assert caught.value.retry_after
    assert reason(guard, other) == "granted"
    guard.release(first)
    guard.release(first)
    third = guard.admit(acme, "weather", Priority.LOW, 1, 0.0)
    assert reason(guard, acme) == "rate_limited", "a second release gives nothing back"
    for identity in (second, third):
        guard.release(identity)
    assert reason(guard, acme) == "granted"


def test_who_is_refused_is_not_inside(door: Door) -> None:
    token = door.key("acme", ("weather",), "low")
    guard = door.guard(LimitSettings(concurrency=1, rows=4))
    for _ in range(3):
        assert reason(guard, token, model="power") == "forbidden"
        assert reason(guard, token, priority=Priority.HIGH) == "forbidden"
        assert reason(guard, token, rows=5) == "too_large"
    assert reason(guard, token) == "granted"


def test_entering_alone_spends_the_rate_and_a_place(door: Door) -> None:
    """Bodies that turn out to be wrong are limited too."""
    token = door.key("acme", rate=2.0)
    guard = door.guard()
    for _ in range(2):
        guard.release(guard.enter(token, 0.0))
    assert reason(guard, token) == "rate_limited"


@pytest.mark.parametrize(("loopback", "client"), [(True, "local"), (False, "anonymous")])
def test_without_a_file_of_keys_everybody_is_one_client(loopback: bool, client: str) -> None:
    guard = Guard(SecuritySettings(), LimitSettings(rate=2.0, concurrency=1), loopback=loopback)
    identity = guard.admit(None, "any", Priority.HIGH, 1, 0.0)
    assert (identity.client, identity.priority, identity.key) == (client, Priority.HIGH, None)
    assert reason(guard, "Bearer whatever") == "granted", "not held to a number of requests under way"
    assert reason(guard, None) == "rate_limited"


def test_a_revoked_key_is_refused_within_a_second(door: Door) -> None:
    token = door.key("acme")
    guard = door.guard()
    assert reason(guard, token, now=0.0) == "granted"
    revoke(door.file, "acme")
    assert reason(guard, token, now=1.0) == "unauthenticated"


def test_no_refusal_reveals_a_key_or_a_path(door: Door) -> None:
    token = door.key("acme", ("weather",), "low", rate=1.0)
    guard = door.guard(LimitSettings(rows=1, concurrency=3))
    secret = token.rsplit("_", 1)[1]
    refused = []
    for arguments in (
        (token + "x", "weather", Priority.LOW, 1),
        (token, "power", Priority.LOW, 1),
        (token, "weather", Priority.LOW, 1),
    ):
        try:
            guard.admit(*arguments, 0.0)
        except Refusal as refusal:
            refused.append(refusal.reason)
            told = "".join(traceback.format_exception_only(refusal)) + repr(refusal) + str(refusal.cure)
            assert secret not in told
            assert str(door.file) not in told
    assert refused == ["unauthenticated", "forbidden", "rate_limited"]


def test_a_guard_without_its_file_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        Guard(SecuritySettings(keys=tmp_path / "none.json"), LimitSettings(), loopback=True)


@pytest.fixture(scope="module")
def shared_door(tmp_path_factory: pytest.TempPathFactory) -> Door:
    door = Door(tmp_path_factory.mktemp("door") / "keys.json")
    door.key("a", ("weather",), "medium")
    door.key("b", ("weather", "power"), "high", high_budget=20.0)
    return door


VISIT = st.tuples(
    st.sampled_from(["a", "b", "stranger"]),
    st.sampled_from(["weather", "power"]),
    st.sampled_from(Priority),
    st.integers(1, 9),
    st.integers(0, 3),
)


@settings(max_examples=60)
@given(visits=st.lists(VISIT, max_size=60))
def test_places_add_up(shared_door: Door, visits: list[tuple[str, str, Priority, int, int]]) -> None:
    """However requests come and go, a client's places are those it holds, and no others' are touched."""
    guard, inside = shared_door.guard(LimitSettings(concurrency=4, rows=8)), dict[str, list[object]]()
    for client, model, priority, rows, leave in visits:
        held = inside.setdefault(client, [])
        try:
            identity = guard.admit(shared_door.tokens.get(client), model, priority, rows, 0.0)
        except Refusal as refusal:
            if refusal.reason == "rate_limited":
                assert len(held) == 4
        else:
            assert client != "stranger"
            assert identity.client == client
            held.append(identity)
            assert len(held) <= 4
        for _ in range(min(leave, len(held))):
            guard.release(held.pop())  # type: ignore[arg-type]
    assert dict(guard._inside) == {client: len(held) for client, held in inside.items() if held}
