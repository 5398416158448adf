"""Units by name, and the conversion between two of the same dimension: to = a · from + b."""

from dataclasses import dataclass

from foretell.errors import AdapterError

# Per dimension, a unit's (factor, offset) to the first one named: base = factor · value + offset.
# Factors are exact by definition (international foot and nautical mile, NIST SP 811 for pressure).
_DIMENSIONS: dict[str, dict[str, tuple[float, float]]] = {
    "temperature": {"degC": (1.0, 0.0), "degF": (5 / 9, -160 / 9), "K": (1.0, -273.15)},
    "speed": {
        "m/s": (1.0, 0.0),
        "km/h": (1 / 3.6, 0.0),
        "mph": (0.44704, 0.0),
        "kt": (1852 / 3600, 0.0),
        "ft/s": (0.3048, 0.0),
    },
    "pressure": {
        "hPa": (1.0, 0.0),
        "Pa": (0.01, 0.0),
        "kPa": (10.0, 0.0),
        "bar": (1000.0, 0.0),
        "inHg": (33.86389, 0.0),
        "mmHg": (1.333224, 0.0),
        "psi": (68.94757, 0.0),
    },
    "length": {
        "m": (1.0, 0.0),
        "mm": (0.001, 0.0),
        "cm": (0.01, 0.0),
        "km": (1000.0, 0.0),
        "in": (0.0254, 0.0),
        "ft": (0.3048, 0.0),
        "mi": (1609.344, 0.0),
    },
    "share": {"fraction": (1.0, 0.0), "percent": (0.01, 0.0)},
    "irradiance": {"W/m2": (1.0, 0.0), "kW/m2": (1000.0, 0.0)},
    "angle": {"deg": (1.0, 0.0), "rad": (57.29577951308232, 0.0)},
    "time": {"s": (1.0, 0.0), "min": (60.0, 0.0), "h": (3600.0, 0.0)},
    "power": {"W": (1.0, 0.0), "kW": (1e3, 0.0), "MW": (1e6, 0.0)},
    "energy": {"kWh": (1.0, 0.0), "Wh": (1e-3, 0.0), "MWh": (1e3, 0.0)},
}
_ALIASES = {
    "degC": "°c c celsius deg_c degree_celsius degrees_celsius",
    "degF": "°f f fahrenheit deg_f degree_fahrenheit degrees_fahrenheit",
    "K": "kelvin",
    "m/s": "mps ms-1 m_s",
    "km/h": "kph kmh km_h",
    "mph": "mi/h",
    "kt": "kn kts knot knots",
    "hPa": "mbar mb millibar",
    "inHg": "in_hg",
    "mmHg": "mm_hg torr",
    "mm": "millimeter millimetre",
    "cm": "centimeter centimetre",
    "m": "meter metre",
    "km": "kilometer kilometre",
    "in": "inch inches",
    "ft": "foot feet",
    "mi": "mile miles",
    "percent": "% pct",
    "fraction": "1 ratio",
    "W/m2": "w/m² w/m^2 wm-2",
    "kW/m2": "kw/m² kw/m^2",
    "deg": "° degree degrees",
    "rad": "radian radians",
}
_UNITS = {unit: dimension for dimension, units in _DIMENSIONS.items() for unit in units}
_EXACT = {unit: unit for unit in _UNITS}
# Case is forgiven where it leaves no doubt (`kmh`, `HPA`); `mW` and `MW` would be two things, so units win.
_FOLDED = {unit.lower(): unit for unit in _UNITS} | {
    alias: unit for unit, aliases in _ALIASES.items() for alias in aliases.split()
}


@dataclass(frozen=True, slots=True)
class Conversion:
    """to = factor · from + offset."""

    factor: float = 1.0
    offset: float = 0.0


def canonical(unit: str) -> str:
    """The name that foretell uses: `°C` → `degC`, `knots` → `kt`.

    Raises:
        AdapterError: nobody knows such a unit; the cure lists those that are known.
    """
    known = _EXACT.get(unit) or _FOLDED.get(unit.strip().lower().replace(" ", "_"))
    if known is None:
        raise AdapterError(f"unknown unit {unit!r}", cure=f"known units: {', '.join(sorted(_UNITS))}")
    return known


def dimension(unit: str) -> str:
    """`degC` → `temperature`.

    Raises:
        AdapterError: as in `canonical`.
    """
    return _UNITS[canonical(unit)]


def conversion(source: str, target: str) -> Conversion:
    """From one unit to another.

    Raises:
        AdapterError: one of them is unknown, or they measure different things; names both.
    """
    source, target = canonical(source), canonical(target)
    if source == target:
        return Conversion()
    if dimension(source) != dimension(target):
        raise AdapterError(
            f"{source} is a {dimension(source)} and {target} a {dimension(target)}: no conversion",
            cure=f"units of {dimension(source)}: {', '.join(_DIMENSIONS[dimension(source)])}",
        )
    units = _DIMENSIONS[dimension(source)]
    (factor, offset), (per, shift) = units[source], units[target]
    return Conversion(factor / per, (offset - shift) / per)
