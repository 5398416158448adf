"""`foretell predict`: forecasts from a file, by the same code as the stream, without Kafka or Ray."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from foretell.cli.forecast_file import ForecastFile
from foretell.cli.offline import BadRows, forecast_rows, forecast_windows, window_messages
from foretell.cli.options import ConfigFile, said
from foretell.config import Settings, load
from foretell.errors import InputError
from foretell.forecasting.forecaster import Forecaster
from foretell.importers.resolve import resolve_bundle


def predict(
    bundle: Annotated[
        Path, typer.Argument(metavar="BUNDLE", help="A bundle's folder, or a name under MODEL_STORAGE_PATH.")
    ],
    input_: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT", help="Windows as .npy, or rows as .csv, .jsonl, .parquet; - is JSON lines."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=".jsonl, .csv, .parquet or .npy; unset: JSON lines to stdout."),
    ] = None,
    horizon: Annotated[int | None, typer.Option(metavar="STEPS", help=said("stream.horizon"))] = None,
    config: ConfigFile = None,
    adapter: Annotated[
        Path | None, typer.Option(metavar="FILE", help="adapter.yaml, instead of the bundle's own.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 5 when any row was bad.")] = False,
) -> None:
    """Forecast offline.

    A .npy file holds windows (n, lookback, features) in their own units. Rows go through the decoder and the
    windows of `foretell stream`, so the same settings hold, and what comes out is what the stream would send.

    Bad rows are left out, named on stderr by line and counted; they change the exit status with --strict
    alone, as one bad record does not stop a stream. When nothing at all could be forecast, it is 5.
    """
    settings = load(config, {"rows.adapter": adapter, "stream.horizon": horizon}).settings
    bad = BadRows()
    with closing(Forecaster.open(_folder(bundle, settings), settings.engine)) as forecaster:
        file = ForecastFile(output, forecaster.manifest)
        if input_.suffix.lower() == ".npy":
            forecasts = forecast_windows(input_, forecaster, settings.stream.horizon, bad)
            if file.is_array:
                file.write_array(forecasts)
            else:
                targets = [column.name for column in forecaster.manifest.targets]
                file.write(window_messages(forecasts, targets))
        elif file.is_array:
            raise InputError(f"--output {output}: an array names no series", cure="write .jsonl or .csv")
        else:
            file.write(forecast_rows(input_, settings, forecaster, bad, plain=file.is_table))
    bad.summarize()
    if not file.count:
        raise InputError(
            f"{input_} gave no forecast: {bad.rows} rows, {bad.total} of them bad",
            cure=f"a series forecasts after {forecaster.manifest.lookback} steps without a gap; "
            "see windows.every, windows.gap and windows.warm_up",
        )
    if strict and bad.total:
        raise InputError(f"{bad.total} of {bad.rows} rows were bad (--strict)")


def _folder(bundle: Path, settings: Settings) -> Path:
    """A path where there is one or where it can be nothing else; otherwise a name, as for `--model-name`."""
    is_path = bundle.is_dir() or bundle.is_absolute() or bundle.parts[:1] == ("..",)
    told = {"bundle": bundle, "name": None} if is_path else {"bundle": None, "name": str(bundle)}
    return resolve_bundle(settings.model_copy(update={"model": settings.model.model_copy(update=told)}))
