"""Plots as SVG that stands in an HTML page: no script, no other file."""

from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT = 640, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 8, 40


def bars(
    title: str,
    series: Mapping[str, Mapping[int, float]],
    x: str,
    y: str,
    *,
    within: tuple[int, int] | None = None,
    scale: float = 1.0,
) -> str:
    """A bar for each bin of histograms that share an axis.

    Args:
        title: what is shown, for readers who do not see it.
        series: histograms by name: counts by bin.
        x: what the bins are.
        y: what is counted.
        within: the first bin and the last of the axis; None: those that there are.
        scale: what a bin is multiplied by on the axis.
    """
    bins = [place for counts in series.values() for place in counts]
    if not bins:
        return _none(title)
    first, last = within or (min(bins), max(bins))
    low, high = first, last + 1
    most = max(max(counts.values()) for counts in series.values() if counts)
    wide = (_WIDTH - _LEFT - _RIGHT) / (high - low)
    marks = []
    for number, (name, counts) in enumerate(series.items()):
        shapes = "".join(
            f"M{_LEFT + (place - low) * wide:.1f} {_HEIGHT - _BOTTOM}v{-_tall(value, most):.1f}"
            f"h{max(wide * 0.9, 0.5):.2f}v{_tall(value, most):.1f}z"
            for place, value in sorted(counts.items())
        )
        marks.append(f'<path class="s{number}" d="{shapes}"><title>{escape(name)}</title></path>')
    ticks = [
        (_LEFT + (place - low + 0.5) * wide, place * scale)
        for place in sorted({first, (first + last) // 2, last})
    ]
    return _framed(title, marks, ticks, most, x, y, list(series))


def line(
    title: str, values: Sequence[float], starts: Sequence[int], names: Sequence[str], x: str, y: str
) -> str:
    """A line of values in order, cut into stretches that have names.

    Args:
        title: what is shown.
        values: one a place.
        starts: the place where each stretch begins, from 0, in order.
        names: of the stretches.
        x: what the places are.
        y: what the values are.
    """
    if not values:
        return _none(title)
    most = max(max(values), 1e-9)
    wide = (_WIDTH - _LEFT - _RIGHT) / len(values)
    base = _HEIGHT - _BOTTOM
    marks, free = [], 0.0
    for number, (begin, name) in enumerate(zip(starts, names, strict=True)):
        end = starts[number + 1] if number + 1 < len(starts) else len(values)
        left = _LEFT + begin * wide
        steps = "".join(
            f"V{base - _tall(values[place], most):.1f}H{_LEFT + (place + 1) * wide:.1f}"
            for place in range(begin, end)
        )
        marks.append(
            f'<path class="s{number % 2}" d="M{left:.1f} {base}{steps}V{base}z"><title>{escape(name)}</title></path>'
        )
        if left >= free:
            marks.append(f'<text x="{left:.1f}" y="{base + 14}">{escape(name)}</text>')
            free = left + 8 + 7 * len(name)
    return _framed(title, marks, [], most, x, y, [])


def _tall(value: float, most: float) -> float:
    return (_HEIGHT - _TOP - _BOTTOM) * value / most


def _framed(
    title: str,
    marks: Sequence[str],
    ticks: Sequence[tuple[float, float]],
    most: float,
    x: str,
    y: str,
    series: Sequence[str],
) -> str:
    base, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    parts = [
        f'<svg role="img" viewBox="0 0 {_WIDTH} {_HEIGHT}" xmlns="http://www.w3.org/2000/svg">',
        f"<title>{escape(title)}</title>",
        *marks,
        f'<path class="axis" fill="none" stroke="currentColor" d="M{_LEFT} {_TOP}V{base}H{right}"/>',
        f'<text x="{(_LEFT + right) / 2}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(x)}</text>',
        f'<text transform="translate(12 {(_TOP + base) / 2}) rotate(-90)" text-anchor="middle">{escape(y)}</text>',
    ]
    for part in (0.0, 0.5, 1.0):
        parts.append(
            f'<text x="{_LEFT - 4}" y="{base - _tall(part, 1) + 4:.1f}" text-anchor="end">{_number(part * most)}</text>'
        )
    for place, value in ticks:
        parts.append(f'<text x="{place:.1f}" y="{base + 14}" text-anchor="middle">{_number(value)}</text>')
    if len(series) > 1:
        for number, name in enumerate(series):
            parts.append(
                f'<text class="k{number}" x="{_LEFT + 8}" y="{_TOP + 12 + 14 * number}">{escape(name)}</text>'
            )
    return "".join(parts) + "</svg>"


def _number(value: float) -> str:
    for least, mark in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= least:
            return f"{value / (1e3 if mark == 'k' else least):.3g}{mark}"
    return f"{value:.4g}"


def _none(title: str) -> str:
    return f"<p>{escape(title)}: nothing to show.</p>"
