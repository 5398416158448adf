"""Logs: two formats, one level, no secrets."""

import json
import logging
from collections.abc import Iterator

import pytest

from foretell.config import LogSettings
from foretell.telemetry.log import MASK, setup


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("foretell")
    handlers, levels = list(root.handlers), (root.level, ours.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def test_json_is_an_object_a_line_with_what_was_given(capsys: pytest.CaptureFixture[str]) -> None:
    setup(LogSettings(format="json"))

    def as_ray_does(record: logging.LogRecord) -> bool:
        record.__dict__["_ray_timestamp_ns"] = 5
        return True

    logger = logging.getLogger("foretell.stream.worker")
    logger.addFilter(as_ray_does)
    logger.warning("partition %d is\nback", 3, extra={"partition": 3, "level": "no"})
    logger.removeFilter(as_ray_does)
    (line,) = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert told.pop("time").endswith("+00:00")
    assert told == {
        "level": "WARNING",
        "logger": "foretell.stream.worker",
        "message": "partition 3 is\nback",
        "partition": 3,
    }


def test_a_line_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    setup(LogSettings(format="human"))
    logging.getLogger("foretell.stream.worker").info("restored", extra={"series": 200})
    assert capsys.readouterr().err.partition(" ")[2] == "INFO    stream.worker: restored (series=200)\n"


def test_auto_is_json_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    setup(LogSettings())
    logging.getLogger("foretell").info("started")
    assert json.loads(capsys.readouterr().err)["message"] == "started"


@pytest.mark.parametrize(
    ("level", "heard"),
    [
        ("ERROR", set()),
        ("WARNING", {"ours warning", "theirs warning"}),
        ("INFO", {"ours warning", "theirs warning", "ours info"}),
        ("DEBUG", {"ours warning", "theirs warning", "ours info", "theirs info"}),
    ],
)
def test_one_level_and_others_chatter_only_at_debug(
    level: str, heard: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    setup(LogSettings.model_validate({"level": level, "format": "json"}))
    for name, who in (("foretell.x", "ours"), ("urllib3", "theirs")):
        logging.getLogger(name).warning("%s warning", who)
        logging.getLogger(name).info("%s info", who)
    assert {json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()} == heard


@pytest.mark.parametrize("form", ["human", "json"])
def test_a_secret_is_masked_wherever_it_turns_up(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    secret = 'hunter"2\\'
    setup(LogSettings.model_validate({"format": form}), secrets=[secret, ""])
    log = logging.getLogger("foretell.kafka")
    try:
        raise ValueError(f"cannot log in with {secret}")
    except ValueError:
        log.exception("with %s", secret, extra={"password": secret})
    told = capsys.readouterr().err
    assert "hunter" not in told
    assert told.count(MASK) >= 3


def test_a_second_setup_replaces_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    setup(LogSettings(format="human"))
    setup(LogSettings(format="json"))
    logging.getLogger("foretell").info("once")
    assert len(capsys.readouterr().err.splitlines()) == 1
