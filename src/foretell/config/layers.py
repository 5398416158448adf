"""Where settings come from, and which source wins: flag over environment over file over default."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import SecretStr, ValidationError

from foretell.config.settings import Settings
from foretell.errors import ConfigError

# The names that the requirements use, beside FORETELL_<PART>__<NAME> for every setting.
WELL_KNOWN = {
    "KAFKA_BOOTSTRAP_SERVERS": "kafka.bootstrap_servers",
    "RAY_HEAD_ADDRESS": "ray.head_address",
    "RAY_CLIENT_URL": "ray.client_url",
    "MODEL_STORAGE_PATH": "model.storage_path",
    "HORIZON_HOURS": "stream.horizon",
    "LOG_LEVEL": "log.level",
}
PREFIX = "FORETELL_"
PROPERTIES = "kafka.properties."  # what follows is librdkafka's own dotted name
MASK = "**********"
_WHOLE = {"stream.forecast", "stream.units", "serve.batch.resolution"}  # their keys are the user's own words
_PATHS = {
    "rows.adapter",
    "model.bundle",
    "model.storage_path",
    "serve.security.keys",
    "serve.security.tls_certificate",
    "serve.security.tls_key",
}


@dataclass(frozen=True)
class InForce:
    """A setting, its value (secrets hidden) and the source that set it."""

    name: str
    value: object
    source: str


@dataclass(frozen=True)
class Loaded:
    """The settings in force, and for each dotted name the source that won."""

    settings: Settings
    sources: Mapping[str, str]

    def in_force(self) -> Iterator[InForce]:
        """Every setting in the order of the tree, secrets hidden."""
        for name, value in _leaves(self.settings.model_dump()):
            shown = MASK if isinstance(value, SecretStr) else value
            yield InForce(name, shown, self.sources.get(name, "default"))


def load(
    file: Path | None = None,
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Loaded:
    """Read all sources.

    Args:
        file: a YAML file; unset: `FORETELL_CONFIG`, when that is set.
        flags: dotted names to values; `None` values count as not given.
        environ: unset: this process's environment.

    Raises:
        ConfigError: names the setting, the source and what would be valid.
    """
    environ = os.environ if environ is None else environ
    file = file or (Path(environ["FORETELL_CONFIG"]) if environ.get("FORETELL_CONFIG") else None)
    given = [
        *(_from_file(file) if file else []),
        *_from_environment(environ),
        *(Given(name, value, "flag") for name, value in (flags or {}).items() if value is not None),
    ]
    merged: dict[str, Any] = {}
    for setting in given:
        _put(merged, setting.name, setting.value)
    sources = {setting.name: setting.source for setting in given}
    try:
        return Loaded(Settings.model_validate(merged), sources)
    except ValidationError as error:
        raise _explain(error, sources) from None


class Given(NamedTuple):
    """What one source says of one setting."""

    name: str
    value: object
    source: str


def _from_file(file: Path) -> list[Given]:
    try:
        tree = yaml.safe_load(file.read_text()) or {}
    except FileNotFoundError:
        raise ConfigError(f"configuration file {file} does not exist", cure="check --config") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"configuration file {file} cannot be read: {error}") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"configuration file {file} holds no mapping at its top")
    whole_parts = {
        part: value for part, value in tree.items() if value is not None
    }  # all of it commented out
    return [Given(name, _located(name, value, file), str(file)) for name, value in _leaves(whole_parts)]


def _located(name: str, value: object, file: Path) -> object:
    """A path in a file is meant from where the file lies, not from where foretell is started."""
    return file.parent / value if name in _PATHS and isinstance(value, str) else value


def _from_environment(environ: Mapping[str, str]) -> list[Given]:
    """A variable that is set to nothing counts as unset. Our own names win over the well-known ones."""
    known = [(WELL_KNOWN[variable], variable) for variable in environ if variable in WELL_KNOWN]
    own = [(_dotted(v.removeprefix(PREFIX)), v) for v in environ if v.startswith(PREFIX) and "__" in v]
    return [Given(n, _parsed(n, environ[v]), f"environment {v}") for n, v in known + own if environ[v] != ""]


def _dotted(variable: str) -> str:
    """`KAFKA__PROPERTIES__SASL_PASSWORD` → `kafka.properties.sasl.password`: librdkafka's names have dots."""
    name = variable.lower().replace("__", ".")
    return name.replace("_", ".") if name.startswith(PROPERTIES) else name


def _parsed(name: str, text: str) -> object:
    """Text as it is, for the settings know their types; only lists, mappings and null are YAML."""
    if name.startswith(PROPERTIES) or (text[0] not in "[{" and text != "null"):
        return text
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value and name not in _WHOLE:
            yield from _leaves(value, f"{name}.")
        else:
            yield name, value


def _put(tree: dict[str, Any], name: str, value: object) -> None:
    path = (
        ["kafka", "properties", name.removeprefix(PROPERTIES)]
        if name.startswith(PROPERTIES)
        else name.split(".")
    )
    for key in path[:-1]:
        tree = tree.setdefault(key, {})
        if not isinstance(tree, dict):
            raise ConfigError(f"setting {name}: {key} is a value, not a part")
    tree[path[-1]] = value


def _explain(error: ValidationError, sources: Mapping[str, str]) -> ConfigError:
    lines = []
    for problem in error.errors(include_input=False):
        name = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            close = get_close_matches(name, [n for n, _ in _leaves(Settings().model_dump())], 1)
            message = "there is no such setting" + (f"; is {close[0]} meant?" if close else "")
        lines.append(f"setting {name} (from {_source_of(name, sources)}): {message}")
    return ConfigError("\n".join(lines), cure="docs/reference/settings.md lists every setting")


def _source_of(name: str, sources: Mapping[str, str]) -> str:
    """Of the setting itself, of the whole that it lies in, or of something in it."""
    related = (
        s for n, s in sources.items() if name == n or name.startswith(f"{n}.") or n.startswith(f"{name}.")
    )
    return next(related, "default")
