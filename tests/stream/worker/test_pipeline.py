"""A block through the pipeline: forecasts, dead letters, changes, and the way back. No Kafka."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from foretell.bundle.manifest import Manifest
from foretell.config import Settings
from foretell.errors import ConfigError, EngineError
from foretell.forecasting.forecaster import Forecaster
from foretell.forecasting.forecasts import Forecasts
from foretell.rows.reasons import Reason
from foretell.stream.messages.blocks import Incoming, Outgoing
from foretell.stream.messages.changelog import State, decode_state
from foretell.stream.worker.pipeline import Pipeline

Row = Callable[..., bytes]
Block = Callable[..., Incoming]
Make = Callable[..., Pipeline]


@pytest.fixture
def make(forecaster: Forecaster) -> Make:
    """A pipeline with settings by part; another forecaster where a test brings one."""

    def pipeline(own: Any = None, **parts: dict[str, object]) -> Pipeline:
        return Pipeline(Settings.model_validate(parts), own or forecaster)

    return pipeline


def told(out: Outgoing) -> list[Any]:
    return [json.loads(value) for _, value, _ in out.forecasts]


def reasons(out: Outgoing) -> list[str]:
    return [dict(headers)["foretell-error-reason"].decode() for _, _, headers in out.dead_letters]


def states(out: Outgoing, partition: int = 0) -> dict[str, State]:
    decoded = {k.decode(): decode_state(v or b"") for p, k, v in out.changes if p == partition}
    return {name: state for name, state in decoded.items() if state is not None}


def test_a_window_that_is_full_is_forecast_as_the_forecaster_does(
    make: Make, forecaster: Forecaster, row: Row, block: Block
) -> None:
    out = make().take(block([row("JFK", h) for h in range(4)], offset=7))
    windows = np.array([[[50.0 + h, 40.0, 45.0] for h in hours] for hours in ((0, 1, 2), (1, 2, 3))])
    wanted = forecaster.predict(windows).values[:, :, 0]
    np.testing.assert_allclose([m["forecast"]["temperature"] for m in told(out)], wanted, atol=1e-5)
    assert [m["issued_at"] for m in told(out)] == ["2013-10-01T02:00:00Z", "2013-10-01T03:00:00Z"]
    assert [key for key, _, _ in out.forecasts] == [b"JFK", b"JFK"]
    assert [headers for _, _, headers in out.forecasts] == [
        [("foretell-origin", b"rows/0/9")],
        [("foretell-origin", b"rows/0/10")],
    ]
    assert (out.dead, out.duplicates, out.revisions, out.filled) == ({}, 0, 0, 0)


def test_each_touched_series_is_one_change_in_the_partition_of_its_row(
    make: Make, row: Row, block: Block
) -> None:
    rows = [row("a", 0), row("b", 0), row("a", 1), row("a", 0)]
    out = make().take(block(rows, partition=[0, 1, 0, 1]))
    assert sorted((p, k) for p, k, _ in out.changes) == [(0, b"a"), (1, b"a"), (1, b"b")]


def test_how_rows_are_cut_into_blocks_makes_no_difference(make: Make, row: Row, block: Block) -> None:
    rows = [row(s, h, temperature=50 + h * (1 + len(s))) for h in range(6) for s in ("a", "bb")]
    whole, piecemeal = make().take(block(rows)), Outgoing()
    pipeline = make()
    for i, one in enumerate(rows):
        piecemeal.add(pipeline.take(block([one], offset=i)))
    assert piecemeal.forecasts == whole.forecasts
    assert states(piecemeal) == states(whole)
    assert len(whole.forecasts) == 8


def test_undone_and_taken_again_gives_the_same(make: Make, row: Row, block: Block) -> None:
    pipeline = make()
    pipeline.take(block([row("a", h) for h in range(3)]))
    before = pipeline.dump(0)
    later = block([row("a", 3), row("b", 0), b"{", row("a", 2), row("a", 1, temperature=9.0)], offset=3)
    once = pipeline.take(later)
    assert pipeline.dump(0) != before
    pipeline.undo(once)
    known = states(Outgoing(changes=pipeline.dump(0)))
    assert known["a"] == states(Outgoing(changes=before))["a"]
    again = pipeline.take(later)
    assert (again.forecasts, again.dead_letters) == (once.forecasts, once.dead_letters)
    assert (again.changes, again.duplicates) == (once.changes, once.duplicates)


def test_several_blocks_of_a_turn_are_undone_newest_first(make: Make, row: Row, block: Block) -> None:
    pipeline = make()
    pipeline.take(block([row("a", 0)]))
    before = pipeline.dump(0)
    turn = pipeline.take(block([row("a", 1)], offset=1))
    turn.add(pipeline.take(block([row("a", 2)], offset=2)))
    pipeline.undo(turn)
    assert pipeline.dump(0) == before


def test_absorbed_rows_fill_windows_and_say_nothing(make: Make, row: Row, block: Block) -> None:
    whole, absorbing = make(), make()
    rows = [row("a", h) for h in range(5)]
    wanted = whole.take(block(rows))
    absorbing.absorb(block([*rows[:4], b"not json"]))
    out = absorbing.take(block(rows[4:], offset=4))
    assert out.forecasts == wanted.forecasts[-1:]
    assert states(out) == states(wanted)


def test_a_dump_restored_elsewhere_goes_on_at_once(make: Make, row: Row, block: Block) -> None:
    first, second = make(), make()
    first.take(block([row(s, h) for h in range(4) for s in ("a", "ü")], partition=2))
    first.take(block([row("other", 0)], partition=3))
    dumped = first.dump(2)
    assert {(p, k) for p, k, _ in dumped} == {(2, b"a"), (2, "ü".encode())}
    second.restore(2, states(Outgoing(changes=dumped), partition=2))
    second.restore(3, {})
    assert second.dump(2) == dumped
    assert second.dump(3) == []
    next_row = block([row("ü", 4)], partition=2, offset=8)
    assert second.take(next_row).forecasts == first.take(next_row).forecasts != []


def test_what_a_turn_changed_is_what_a_dump_says(make: Make, row: Row, block: Block) -> None:
    pipeline = make()
    out = pipeline.take(block([row(s, h) for h in range(4) for s in ("a", "b")]))
    assert sorted(out.changes) == sorted(pipeline.dump(0))


def test_a_partition_that_is_let_go_is_forgotten(make: Make, row: Row, block: Block) -> None:
    pipeline = make()
    pipeline.take(block([row("a", h) for h in range(3)], partition=1))
    pipeline.drop(1)
    assert (len(pipeline.series), pipeline.dump(1)) == (0, [])
    assert pipeline.take(block([row("a", 3)], partition=1, offset=3)).forecasts == []


BAD: list[tuple[Reason, dict[str, Any] | bytes | None]] = [
    (Reason.NOT_JSON, b'{"station": "JFK"'),
    (Reason.NOT_JSON, None),
    (Reason.NOT_AN_OBJECT, b"[1]"),
    (Reason.MISSING_FIELD, {"dewpoint": None}),
    (Reason.WRONG_TYPE, {"temperature": "warm"}),
    (Reason.NO_SERIES, {"station": ""}),
    (Reason.BAD_TIMESTAMP, {"timestamp": "yesterday"}),
    (Reason.IN_THE_FUTURE, {"timestamp": "2013-10-02T01:00:01Z"}),
    (Reason.TOO_LATE, {"timestamp": "2013-09-30T22:00:00Z"}),
    (Reason.CONFLICT, {"temperature": 51.5}),
    (Reason.OUT_OF_RANGE, {"wind_speed": 131.0}),
]


@pytest.mark.parametrize(("reason", "bad"), BAD, ids=[f"{r.word}-{i}" for i, (r, _) in enumerate(BAD)])
def test_a_bad_row_is_a_dead_letter_and_costs_the_others_nothing(
    make: Make, row: Row, block: Block, reason: Reason, bad: dict[str, Any] | bytes | None
) -> None:
    pipeline = make(windows={"same_time": "keep", "out_of_range": "reject"})
    value = row("JFK", 2, **bad) if isinstance(bad, dict) else bad
    rows = [row("JFK", 0), row("JFK", 1), row("JFK", 2), value, row("JFK", 3)]
    out = pipeline.take(block(rows, key=b"\xff", headers=[("mine", b"x")], offset=100))
    assert reasons(out) == [reason.word]
    key, sent, headers = out.dead_letters[0]
    assert (key, sent) == (b"\xff", value)
    assert headers[0] == ("mine", b"x")
    assert dict(headers)["foretell-origin"] == b"rows/0/103"
    assert dict(headers)["foretell-error-message"]
    assert out.dead == {int(reason): 1}
    assert [m["issued_at"][11:13] for m in told(out)] == ["02", "03"]


def test_a_message_tells_the_time_and_the_series(make: Make, row: Row, block: Block) -> None:
    out = make().take(block([row("LGA", 9), row("LGA", 0)]))
    assert dict(out.dead_letters[0][2])["foretell-error-message"] == (
        b"event time 2013-10-01T00:00:00+00:00 is older than the window of series LGA"
    )


def test_the_same_row_again_is_dropped_and_counted(make: Make, row: Row, block: Block) -> None:
    pipeline = make()
    pipeline.take(block([row("a", h) for h in range(3)]))
    out = pipeline.take(block([row("a", 2), row("a", 2), row("a", 0)], offset=3))
    assert (out.duplicates, out.forecasts, out.changes, out.dead_letters) == (3, [], [], [])


def test_a_better_row_for_the_newest_slot_revises_the_forecast(make: Make, row: Row, block: Block) -> None:
    pipeline = make(stream={"forecast": {"t": "$issued_at", "again": "$revision", "f": "$forecast"}})
    first = pipeline.take(block([row("a", h) for h in range(3)]))
    out = pipeline.take(block([row("a", 2, temperature=70.0)], offset=3))
    assert out.revisions == 1
    assert out.forecasts[0][2] == [("foretell-origin", b"rows/0/3"), ("foretell-revision", b"true")]
    assert [m["t"] for m in told(first) + told(out)] == ["2013-10-01T02:00:00Z"] * 2
    assert [m["again"] for m in told(first) + told(out)] == [False, True]
    assert told(first)[0]["f"] != told(out)[0]["f"]


def test_filled_slots_are_told_and_counted(make: Make, row: Row, block: Block) -> None:
    out = make(windows={"gap": "hold", "max_gap": "1h"}).take(block([row("a", h) for h in (0, 1, 3, 4)]))
    assert [m["filled"] for m in told(out)] == [1, 1]
    assert out.filled == 2
    assert make().take(block([row("a", h) for h in (0, 1, 3, 4)])).forecasts == []


def test_the_series_may_be_the_records_key(make: Make, row: Row, block: Block) -> None:
    pipeline = make(rows={"series": None})
    out = pipeline.take(block([row("ignored", h) for h in range(3)], key="Zürich".encode()))
    assert told(out)[0]["series"] == "Zürich"
    assert reasons(pipeline.take(block([row("a", 3)], key=None))) == ["no_series"]


def test_a_template_repeats_fields_of_the_row(make: Make, row: Row, block: Block) -> None:
    pipeline = make(stream={"forecast": {"who": "$row.meta.who", "t": "$row.temperature", "n": "$row.none"}})
    rows = [row("a", h, meta={"who": f"w{h}"}) for h in range(2)] + [row("a", 2, meta={"who": ["ü", None]})]
    assert told(pipeline.take(block(rows))) == [{"who": ["ü", None], "t": 52.0, "n": None}]


def test_rows_far_from_the_training_are_forecast_and_told_once(make: Make, row: Row, block: Block) -> None:
    pipeline = make()
    out = pipeline.take(block([row("a", h, temperature=-14.2) for h in range(24)]))
    assert len(out.forecasts) == 22
    said = "temperature: rows average -14.2, the model was trained around 50.0 ± 20.0; is the unit right?"
    assert pipeline.notices == [said]
    pipeline.notices.clear()
    pipeline.take(block([row("a", h, temperature=-14.2) for h in range(24)], offset=24))
    assert pipeline.notices == []


def test_a_horizon_beyond_the_models_rolls_out(make: Make, row: Row, block: Block) -> None:
    rows = block([row("a", h) for h in range(3)])
    message = told(make(stream={"horizon": 10}).take(rows))[0]
    assert (len(message["forecast"]["temperature"]), message["rolled_out_steps"]) == (10, 3)
    short = told(make(stream={"horizon": 2}).take(rows))[0]
    assert message["forecast"]["temperature"][:2] == short["forecast"]["temperature"]
    assert (short["native_steps"], "rolled_out_steps" in short) == (2, False)


class Failing:
    """A forecaster whose runtime fails where a window's newest temperature is among `bad`.

    Attributes: `asked`, windows a call.
    """

    def __init__(self, forecaster: Forecaster, bad: set[float]) -> None:
        self.manifest: Manifest = forecaster.manifest
        self._forecaster, self._bad = forecaster, bad
        self.asked: list[int] = []

    def predict(
        self, windows: NDArray[np.float64], horizon: int | None = None, newest_us: Any = None
    ) -> Forecasts:
        self.asked.append(len(windows))
        if self._bad & set(windows[:, -1, 0].tolist()):
            raise EngineError("out of memory")
        return self._forecaster.predict(windows, horizon, newest_us)


def test_a_window_on_which_the_runtime_fails_fails_alone(
    make: Make, forecaster: Forecaster, row: Row, block: Block
) -> None:
    failing = Failing(forecaster, {53.0})
    rows = block([row("a", h) for h in range(6)])
    pipeline = make(failing)
    out = pipeline.take(rows)
    assert failing.asked == [4, 1, 1, 1, 1]
    assert [m["issued_at"][11:13] for m in told(out)] == ["02", "04", "05"]
    assert reasons(out) == ["engine_error"]
    assert dict(out.dead_letters[0][2])["foretell-origin"] == b"rows/0/3"
    whole = make().take(rows)
    np.testing.assert_allclose(
        [m["forecast"]["temperature"] for m in told(out)],
        [m["forecast"]["temperature"] for i, m in enumerate(told(whole)) if i != 1],
        atol=1e-4,
    )
    assert states(out) == states(whole)


@pytest.mark.parametrize("hours", [3, 4])
def test_a_runtime_that_fails_on_everything_is_no_fault_of_the_rows(
    make: Make, forecaster: Forecaster, row: Row, block: Block, hours: int
) -> None:
    failing = Failing(forecaster, {52.0, 53.0})
    with pytest.raises(EngineError, match="out of memory"):
        make(failing).take(block([row("a", h) for h in range(hours)]))


def test_a_window_without_a_finite_answer_is_a_dead_letter(make: Make, row: Row, block: Block) -> None:
    rows = [row("a", h, temperature=1e300 if h == 3 else 50.0) for h in range(7)]
    out = make().take(block(rows))
    assert reasons(out) == ["engine_error"] * 3
    assert [m["issued_at"][11:13] for m in told(out)] == ["02", "06"]


def test_nothing_and_only_bad_rows(make: Make, block: Block) -> None:
    pipeline = make()
    assert pipeline.take(block([])).dead_letters == []
    out = pipeline.take(block([b"", b"x"]))
    assert reasons(out) == ["not_json", "not_json"]
    assert (out.changes, len(pipeline.series)) == ([], 0)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"stream": {"forecast": {"x": "$nope"}}}, "no placeholder"),
        ({"windows": {"every": "7m"}}, "windows.every"),
        ({"rows": {"series": "temperature"}}, "wanted twice"),
    ],
)
def test_settings_that_do_not_go_with_the_model_are_refused_at_start(
    make: Make, parts: dict[str, dict[str, object]], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        make(**parts)


def test_stored_windows_are_known_by_lookback_step_and_features(
    make: Make, make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    def rules(**otherwise: Any) -> str:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        return make(Forecaster.open(make_bundle(folder, **{"lookback": 3, **otherwise}))).rules

    same = rules()
    assert rules(name="other", hidden=4, seed=1) == same
    swapped = ("wind_speed", "temperature", "dewpoint")
    others = {rules(lookback=4), rules(step_s=1800.0), rules(step_s=None), rules(features=swapped)}
    assert len(others | {same}) == 5
