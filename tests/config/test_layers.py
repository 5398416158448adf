"""Which source wins, where a setting came from, and that no secret is shown."""

import json
from pathlib import Path

import pytest

from foretell.config import Loaded, load
from foretell.config.layers import WELL_KNOWN
from foretell.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "foretell.yaml"
    path.write_text(
        "stream:\n  group: from-file\n  num_actors: 2\nlog: {level: debug}\nwindows:\n"
        "kafka: {properties: {security.protocol: SASL_SSL, sasl: {password: hunter2}, enable.x: true}}\n"
    )
    return path


def source(loaded: Loaded, name: str) -> str:
    return {s.name: s.source for s in loaded.in_force()}[name]


def test_flag_over_environment_over_file_over_default(file: Path) -> None:
    environ = {"FORETELL_STREAM__GROUP": "from-environment"}
    for flags, env, path, wanted, where in (
        ({"stream.group": "from-flag"}, environ, file, "from-flag", "flag"),
        ({"stream.group": None}, environ, file, "from-environment", "environment FORETELL_STREAM__GROUP"),
        ({}, {}, file, "from-file", str(file)),
        ({}, {}, None, "ray-ml-inference", "default"),
    ):
        loaded = load(path, flags, env)
        assert loaded.settings.stream.group == wanted
        assert source(loaded, "stream.group") == where
    assert source(load(file, environ={}), "stream.num_actors") == str(file)
    assert source(load(file, environ={}), "stream.wait") == "default"


def test_the_file_may_be_named_by_the_environment(file: Path, tmp_path: Path) -> None:
    assert load(environ={"FORETELL_CONFIG": str(file)}).settings.stream.num_actors == 2
    other = tmp_path / "other.yaml"
    other.write_text("stream: {num_actors: 3}")
    assert load(other, environ={"FORETELL_CONFIG": str(file)}).settings.stream.num_actors == 3


@pytest.mark.parametrize(
    ("variable", "value", "shown"),
    [
        ("KAFKA_BOOTSTRAP_SERVERS", "a:1,b:2", "a:1,b:2"),
        ("RAY_HEAD_ADDRESS", "head:6379", "head:6379"),
        ("RAY_CLIENT_URL", "ray://head:10001", "ray://head:10001"),
        ("MODEL_STORAGE_PATH", "/srv/models", "/srv/models"),
        ("HORIZON_HOURS", "12", 12),
        ("LOG_LEVEL", "warn", "WARNING"),
    ],
)
def test_well_known_variables(variable: str, value: str, shown: object) -> None:
    loaded = load(environ={variable: value})
    (setting,) = [s for s in loaded.in_force() if s.name == WELL_KNOWN[variable]]
    assert setting.source == f"environment {variable}"
    assert str(setting.value) == str(shown)
    assert source(load(environ={variable: ""}), WELL_KNOWN[variable]) == "default"


def test_every_well_known_variable_is_tested() -> None:
    assert len(WELL_KNOWN) == 6


def test_our_own_name_wins_over_the_well_known_one() -> None:
    loaded = load(environ={"FORETELL_LOG__LEVEL": "ERROR", "LOG_LEVEL": "INFO"})
    assert loaded.settings.log.level == "ERROR"
    assert source(loaded, "log.level") == "environment FORETELL_LOG__LEVEL"


def test_text_of_the_environment_keeps_its_form() -> None:
    environ = {
        "FORETELL_STREAM__GROUP": "0123",
        "FORETELL_STREAM__UNTIL_END": "true",
        "FORETELL_STREAM__WAIT": "5m",
        "FORETELL_ROWS__SERIES": "null",
        "FORETELL_MODEL__FEATURES": "[a, b]",
        "FORETELL_KAFKA__PROPERTIES__SASL_PASSWORD": "0123",
    }
    settings = load(environ=environ).settings
    assert settings.stream.group == "0123"
    assert settings.stream.until_end is True
    assert settings.stream.wait == 300.0
    assert settings.rows.series is None
    assert settings.model.features == ["a", "b"]
    assert settings.kafka.properties["sasl.password"].get_secret_value() == "0123"


def test_secrets_are_hidden_everywhere(file: Path) -> None:
    environ = {"FORETELL_KAFKA__PROPERTIES__SSL_KEY_PASSWORD": "hunter3"}
    loaded = load(file, environ=environ)
    values = {k: v.get_secret_value() for k, v in loaded.settings.kafka.properties.items()}
    assert values == {
        "security.protocol": "SASL_SSL",
        "sasl.password": "hunter2",
        "enable.x": "true",
        "ssl.key.password": "hunter3",
    }
    in_force = {s.name: (s.value, s.source) for s in loaded.in_force()}
    assert in_force["kafka.properties.sasl.password"] == ("**********", str(file))
    assert in_force["kafka.properties.ssl.key.password"][1].endswith("__SSL_KEY_PASSWORD")
    for shown in (
        repr(loaded),
        str(loaded.settings),
        loaded.settings.model_dump_json(),
        repr(list(loaded.in_force())),
        json.dumps(loaded.settings.model_dump(mode="json")),
    ):
        assert "hunter" not in shown


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        (
            {"FORETELL_NOPE__X": "1"},
            "setting nope (from environment FORETELL_NOPE__X): there is no such setting",
        ),
        (
            {"FORETELL_STREAM__NUM_ACTOR": "1"},
            "setting stream.num_actor (from environment FORETELL_STREAM__NUM_ACTOR): "
            "there is no such setting; is stream.num_actors meant?",
        ),
        ({"HORIZON_HOURS": "seven"}, "setting stream.horizon (from environment HORIZON_HOURS): "),
        ({"FORETELL_STREAM__WAIT": "soon"}, "'soon' is no duration; write 90s, 5m, 1h or 1d"),
        ({"FORETELL_STREAM__WAIT": "-5"}, "setting stream.wait (from environment FORETELL_STREAM__WAIT): "),
        ({"FORETELL_ROWS__TIME_ZONE": "Mars"}, "'Mars' is no IANA time zone"),
        ({"FORETELL_STREAM": "1"}, None),
    ],
)
def test_a_wrong_value_is_named_with_its_source(environ: dict[str, str], said: str | None) -> None:
    if said is None:
        load(environ=environ)
        return
    with pytest.raises(ConfigError) as raised:
        load(environ=environ)
    assert said in raised.value.message


def test_a_secret_of_the_wrong_kind_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as raised:
        load(flags={"kafka.properties": "hunter2"}, environ={})
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a\n- b", "holds no mapping"),
        ("a: [", "cannot be read"),
        ("stream: 5", "setting stream (from "),
        ("stream: {group: 5}", "setting stream.group (from "),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as raised:
        load(path, environ={})
    assert str(path) in raised.value.message
    assert said in raised.value.message


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match=r"nope\.yaml does not exist"):
        load(Path("nope.yaml"), environ={})
