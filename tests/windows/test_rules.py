"""Settings and model put together."""

import pytest

from foretell.config import WindowSettings
from foretell.errors import ConfigError
from foretell.windows import WindowRules

HOUR = 3_600_000_000


def made(step_s: float | None = 3600.0, lookback: int = 7, **settings: object) -> WindowRules:
    return WindowRules.from_settings(
        WindowSettings.model_validate(settings), lookback=lookback, features=3, step_s=step_s
    )


def test_the_models_step_is_the_spacing_unless_told() -> None:
    rules = made()
    assert (rules.every_us, rules.step_us, rules.ratio, rules.slots) == (HOUR, HOUR, 1, 7)
    assert (rules.max_gap_us, rules.future_tolerance_us) == (3 * HOUR, HOUR)
    assert (rules.gap, rules.warm_up, rules.same_time, rules.late) == ("break", "wait", "replace", "fill")


def test_rows_of_every_minute_for_a_model_of_hours() -> None:
    rules = made(every="1m", max_gap="10m", gap="hold")
    assert (rules.ratio, rules.slots, rules.max_gap_us) == (60, 361, HOUR // 6)


def test_no_step_makes_sequences() -> None:
    rules = made(None)
    assert (rules.every_us, rules.step_us, rules.ratio, rules.slots) == (None, None, 1, 7)


@pytest.mark.parametrize("every", ["7m", "2h", 0.0000001])
def test_a_step_must_be_whole_spacings(every: str) -> None:
    with pytest.raises(ConfigError, match=r"no multiple of windows\.every") as caught:
        made(every=every)
    assert caught.value.cure


def test_a_spacing_without_a_step_is_refused() -> None:
    with pytest.raises(ConfigError, match="no step"):
        made(None, every="1m")


def test_a_series_must_fit_in_a_record_of_the_changelog() -> None:
    with pytest.raises(ConfigError, match="21,600,001 slots"):
        made(every="1ms")


def test_the_fingerprint_names_what_stored_windows_depend_on() -> None:
    names = ["temperature", "wind"]
    usual = made().fingerprint(names)
    assert len(usual) == 12
    assert made(gap="hold", warm_up="repeat", max_gap="5h", late="revise").fingerprint(names) == usual
    others = [
        made(lookback=8).fingerprint(names),
        made(1800.0).fingerprint(names),
        made(every="30m").fingerprint(names),
        made(None).fingerprint(names),
        made().fingerprint(names[::-1]),
        made().fingerprint(["temperature,wind"]),
    ]
    assert len({usual, *others}) == 7
