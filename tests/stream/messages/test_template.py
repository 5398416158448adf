"""Templates: each placeholder, what is refused, and what stands for itself."""

import json
from typing import Any

import msgspec
import pytest

from foretell.bundle.manifest import Column, Manifest
from foretell.errors import ConfigError
from foretell.stream.messages.template import PLACEHOLDERS, compile_template

COLUMNS = {
    "series": b'"JFK"',
    "issued_at": b"2013-10-01T05:00:00",
    "steps": 2,
    "rolled_out_steps": 0,
    "filled": 1,
    "revision": b"true",
    "forecast.temperature": b"18.4,18.0",
    "row.a.b": b"[1]",
}


def filled_in(manifest: Manifest, tree: dict[str, Any], horizon: int | None = None) -> Any:
    template = compile_template(manifest, tree, horizon)
    return json.loads(template.format % tuple(COLUMNS[slot] for slot in template.slots))


@pytest.mark.parametrize(
    ("placeholder", "value"),
    [
        ("$series", "JFK"),
        ("$model", "weather"),
        ("$issued_at", "2013-10-01T05:00:00Z"),
        ("$step_s", 3600),
        ("$forecast", {"temperature": [18.4, 18.0]}),
        ("$forecast.temperature", [18.4, 18.0]),
        ("$unit", {"temperature": None}),
        ("$steps", 2),
        ("$native_steps", 7),
        ("$rolled_out_steps", 0),
        ("$filled", 1),
        ("$revision", True),
        ("$row.a.b", [1]),
    ],
)
def test_a_placeholder(manifest: Manifest, placeholder: str, value: object) -> None:
    assert filled_in(manifest, {"x": placeholder}) == {"x": value}


def test_the_list_of_placeholders_is_whole(manifest: Manifest) -> None:
    for name in PLACEHOLDERS.keys() - {"row.PATH"}:
        compile_template(manifest, {"x": f"${name}"})
    assert filled_in(manifest, {"x": "$version"}) == {"x": manifest.version}


@pytest.mark.parametrize(
    ("constant", "value"),
    [
        ("$$series", "$series"),
        ("$$", "$"),
        ("100 %", "100 %"),
        ("%b%d%s", "%b%d%s"),
        ("a $series", "a $series"),
        ("Zürich ☂", "Zürich ☂"),
        (None, None),
        (True, True),
        (1.5, 1.5),
        ([], []),
        ({}, {}),
        ([1, ["$steps", {"a%": "$filled"}]], [1, [2, {"a%": 1}]]),
    ],
)
def test_what_stands_for_itself(manifest: Manifest, constant: object, value: object) -> None:
    assert filled_in(manifest, {"x": constant}) == {"x": value}


def test_numbers_as_keys_become_text(manifest: Manifest) -> None:
    tree: dict[Any, Any] = {1: "$series", "%d": 2}
    assert filled_in(manifest, tree) == {"1": "JFK", "%d": 2}


def test_a_tree_of_constants_has_no_slots(manifest: Manifest) -> None:
    template = compile_template(manifest, {"x": "50 %"})
    assert (template.format, template.slots) == (b'{"x":"50 %%"}', ())


@pytest.mark.parametrize(
    "text", ["$nope", "$", "$row.", "$row", "$forecast.humidity", "$Series", "$forecast."]
)
def test_what_is_not_known_is_refused_and_the_known_are_named(manifest: Manifest, text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        compile_template(manifest, {"deep": [{"x": text}]})
    assert raised.value.message == f"stream.forecast: there is no placeholder {text}"
    cure = raised.value.cure or ""
    assert f"${text} for the text itself" in cure
    for name in (*PLACEHOLDERS, "forecast.temperature"):
        assert f"${name}" in cure


def test_rows_fields_are_named_once(manifest: Manifest) -> None:
    tree = {"a": "$row.x.y", "b": ["$row.z", "$row.x.y"], "c": "$series"}
    assert compile_template(manifest, tree).row_paths == ("x.y", "z")
    assert compile_template(manifest).row_paths == ()


def test_native_steps_are_those_that_are_asked_for(manifest: Manifest) -> None:
    tree = {"x": "$native_steps"}
    assert [filled_in(manifest, tree, h)["x"] for h in (3, 7, 12)] == [3, 7, 7]


def test_roll_out_is_told_only_where_there_can_be_any(manifest: Manifest) -> None:
    def names(horizon: int | None) -> bool:
        return b"rolled_out_steps" in compile_template(manifest, None, horizon).format

    assert [names(h) for h in (None, 3, 7, 8)] == [False, False, False, True]


def test_steps_of_half_a_second_and_of_none(manifest: Manifest) -> None:
    tree = {"x": "$step_s"}
    assert filled_in(msgspec.structs.replace(manifest, step_s=0.5), tree) == {"x": 0.5}
    assert filled_in(msgspec.structs.replace(manifest, step_s=None), tree) == {"x": None}


def test_a_target_with_a_name_of_its_own(manifest: Manifest) -> None:
    odd = msgspec.structs.replace(manifest, targets=(Column('50% "q".u', unit="°C"), Column("b")))
    template = compile_template(odd, {"all": "$forecast", "one": '$forecast.50% "q".u', "unit": "$unit"})
    assert template.slots == ('forecast.50% "q".u', "forecast.b", 'forecast.50% "q".u')
    told = json.loads(template.format % (b"1", b"2", b"1"))
    assert told == {
        "all": {'50% "q".u': [1], "b": [2]},
        "one": [1],
        "unit": {'50% "q".u': "°C", "b": None},
    }
