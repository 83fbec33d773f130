"""How numbers are written in captions and in the report.

The spaces inside a number, and before its unit, do not break: ``1.57 × 10⁵`` stays on one line.
"""

import math
from collections.abc import Sequence

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SPACE = "\N{NO-BREAK SPACE}"
_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))


def number(value: float | None, digits: int = 3) -> str:
    """Write a number with so many significant digits.

    Examples
    --------
    >>> number(0.24168), number(float("inf")), number(None), number(1500)
    ('0.242', '∞', '–', '1500')
    >>> print(number(149564.3), number(5.459e-9))
    1.50 × 10⁵ 5.46 × 10⁻⁹
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0 or (value == int(value) and abs(value) < 1e4):
        return str(int(value))
    if 1e-3 <= abs(value) < 1e4:
        decimals = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
        return f"{value:.{decimals}f}"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{mantissa}{_SPACE}×{_SPACE}10{str(int(exponent)).translate(_SUPERSCRIPTS)}"


def loss(value: float | None) -> str:
    """Write a loss: five decimals where it is near 1, as many as the comparisons need.

    Examples
    --------
    >>> print(loss(0.2416880), loss(149564.3), loss(float("inf")))
    0.24169 1.50 × 10⁵ ∞
    """
    return f"{value:.5f}" if value is not None and 1e-4 <= abs(value) < 10 else number(value)


def power_of_ten(value: float) -> str:
    """Write a tick of a logarithmic axis.

    Examples
    --------
    >>> power_of_ten(1e-06), power_of_ten(100000.0), power_of_ten(1.0)
    ('10⁻⁶', '10⁵', '1')
    """
    exponent = round(math.log10(value))
    return f"10{str(exponent).translate(_SUPERSCRIPTS)}" if exponent else "1"


def seconds(value: float | None) -> str:
    """Write a time in s, ms or µs.

    Examples
    --------
    >>> print(seconds(0.0818), seconds(0.00013), seconds(12.34), seconds(None))
    81.8 ms 130 µs 12.3 s –
    """
    if value is None or math.isnan(value):
        return "–"
    scaled, unit = _in_unit(value)
    digits = f"{scaled:.0f}" if abs(scaled) >= 99.95 else f"{scaled:#.3g}"
    return f"{digits}{_SPACE}{unit}"


def tick_seconds(value: float) -> str:
    """Write a tick of a logarithmic axis of seconds: ``1 ms``, not ``1.00 ms``."""
    scaled, unit = _in_unit(value)
    return f"{scaled:.4g}{_SPACE}{unit}"


def _in_unit(value: float) -> tuple[float, str]:
    # 0.9995 of a unit would be written as 1000 of the next one
    scale, unit = next(((s, u) for s, u in _UNITS if abs(value) >= 0.9995 * s), _UNITS[-1])
    return value / scale, unit


def count(quantity: int, noun: str) -> str:
    """Write a count with its noun.

    Examples
    --------
    >>> count(1, "run"), count(1500, "run")
    ('1 run', '1,500 runs')
    """
    return f"{quantity:,} {noun}{'' if quantity == 1 else 's'}"


def listed(items: list[str]) -> str:
    """Join words as a sentence does.

    Examples
    --------
    >>> listed(["gd", "sgd", "concise"])
    'gd, sgd and concise'
    """
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def quoted(label: str) -> str:
    """Set a label off from the sentence around it: many labels have commas.

    Examples
    --------
    >>> quoted("gd, 100 epochs")
    '“gd, 100 epochs”'
    """
    return f"“{label}”"


def tick(value: float) -> str:
    """Write a tick as a plain number, or as a power of ten where that would be long.

    Examples
    --------
    >>> tick(0.1), tick(1000.0), tick(0.0001)
    ('0.1', '1,000', '10⁻⁴')
    """
    if value <= 0 or 1e-3 <= value < 1e6 or not math.log10(value).is_integer():
        return f"{value:,.10g}"
    return power_of_ten(value)


def size(value: float) -> str:
    """Write a number of bytes.

    Examples
    --------
    >>> print(size(49152), size(2**20), size(300))
    48 KiB 1 MiB 300 B
    """
    scale, unit = next(((s, u) for s, u in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")) if value >= s), (1, "B"))
    return f"{value / scale:.4g}{_SPACE}{unit}"


def cost(value: float, clock: str) -> str:
    """Write what a run spends, on one of the four clocks.

    Examples
    --------
    >>> print(cost(0.00316, "seconds"), cost(1500, "examples"), cost(0.53333, "epochs"), cost(math.inf, "steps"))
    3.16 ms 1,500 0.533 ∞
    """
    if math.isinf(value):
        return "∞"
    if clock == "seconds":
        return seconds(value)
    return f"{value:.3g}" if clock == "epochs" else f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Write rows as lines whose columns are aligned.

    Examples
    --------
    >>> aligned([("b", "lr"), ("100", "0.1")])
    ['b    lr', '100  0.1']
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows]
