"""What settings and a bundle amount to: checked once at the start, and the same on every machine."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from foretell.bundle.manifest import Column, Manifest
from foretell.config import Settings
from foretell.errors import ConfigError
from foretell.rows.adapter import Adapter
from foretell.rows.adapter_file import load_adapter
from foretell.rows.decoder import RowDecoder
from foretell.rows.units import Conversion, conversion
from foretell.stream.messages.template import Template, compile_template
from foretell.windows import RangeWatch, WindowRules


@dataclass(frozen=True)
class Recipe:
    """Attributes:
    manifest: the bundle's, with its targets in the units of `stream.units`.
    adapter: how features come out of rows. rules: how windows come out of features.
    horizon: steps. template: the shape of a message.
    factor, offset: (targets,) from the model's own units to those of the output.
    """

    manifest: Manifest
    adapter: Adapter
    rules: WindowRules
    horizon: int
    template: Template
    factor: NDArray[np.float64]
    offset: NDArray[np.float64]

    @classmethod
    def of(cls, settings: Settings, manifest: Manifest, adapter: Adapter | None = None) -> "Recipe":
        """Put together; `adapter` unset: as `rows.adapter` says, else the bundle's own.

        Raises:
            ConfigError, AdapterError: the settings do not fit the model; names the setting.
        """
        if manifest.task != "forecast":
            raise ConfigError(
                f"{manifest.name} gives features, no forecast of a target",
                cure="the stream needs a model that forecasts; `foretell inspect` tells",
            )
        names = [column.name for column in manifest.inputs]
        if adapter is None:
            own = settings.rows.adapter
            adapter = load_adapter(own, names) if own else manifest.adapter
        told = [_with_unit(column, adapter) for column in manifest.targets]
        targets, factor, offset = _converted(told, settings.stream.units)
        manifest = msgspec.structs.replace(manifest, targets=targets)
        rules = WindowRules.from_settings(
            settings.windows, lookback=manifest.lookback, features=len(names), step_s=manifest.step_s
        )
        horizon = settings.stream.horizon or manifest.horizon
        template = compile_template(manifest, settings.stream.forecast, horizon)
        recipe = cls(manifest, adapter, rules, horizon, template, factor, offset)
        recipe.decoder(settings)
        return recipe

    @property
    def names(self) -> list[str]:
        """Of the features."""
        return [column.name for column in self.manifest.inputs]

    def decoder(self, settings: Settings) -> RowDecoder:
        """What reads the rows."""
        reject = settings.windows.out_of_range == "reject"
        bounds = [column.bounds() for column in self.manifest.inputs] if reject else None
        return RowDecoder(settings.rows, self.names, self.adapter, bounds, self.template.row_paths)

    def range_watch(self) -> RangeWatch:
        """What compares rows with the training."""
        columns = self.manifest.inputs
        return RangeWatch(
            self.names,
            [c.low for c in columns],
            [c.high for c in columns],
            [c.center for c in columns],
            [c.spread for c in columns],
        )


def _with_unit(target: Column, adapter: Adapter) -> Column:
    """A target that is a feature, too, has the unit that the adapter gives it for the model."""
    rule = adapter.features.get(target.name)
    unit = target.unit or (rule.model_unit if rule else None)
    return msgspec.structs.replace(target, unit=unit)


def _converted(
    targets: Sequence[Column], units: dict[str, str]
) -> tuple[tuple[Column, ...], NDArray[np.float64], NDArray[np.float64]]:
    """Targets in other units, and the way there."""
    for name in units.keys() - {column.name for column in targets}:
        known = ", ".join(column.name for column in targets)
        raise ConfigError(f"stream.units: {name} is no target of the model", cure=f"its targets are: {known}")
    columns, factors, offsets = [], [], []
    for column in targets:
        unit = units.get(column.name)
        if unit is not None and column.unit is None:
            raise ConfigError(
                f"stream.units: the bundle does not say in which unit it forecasts {column.name}",
                cure="import the model with an adapter.yaml that gives the model_unit of that feature",
            )
        way = conversion(column.unit, unit) if unit and column.unit else Conversion()
        bounds = column.bounds()
        low, high = (b * way.factor + way.offset for b in bounds) if bounds else (None, None)
        columns.append(Column(column.name, unit, low=low, high=high) if unit else column)
        factors.append(way.factor)
        offsets.append(way.offset)
    return tuple(columns), np.array(factors), np.array(offsets)
