"""Plots of shares near one, as SVG files that stand alone. The axis is the share that is wrong, by powers of ten."""

import math
from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT = 720, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 54, 52
_LEAST_WRONG, _MOST_WRONG = 1e-4, 1.0
_COLOURS = ("#0b6e99", "#c9772b", "#7a7a7a")


def grouped_bars(
    title: str, classes: Sequence[tuple[str, int]], series: Mapping[str, Sequence[float | None]]
) -> str:
    """A group of bars for each class, a bar for each series; taller is better.

    Args:
        title: over the plot.
        classes: name, and how many there are.
        series: F1 by class; None where nothing can be said.
    """
    wide = (_WIDTH - _LEFT - _RIGHT) / len(classes)
    bar = wide * 0.8 / len(series)
    marks = []
    for place, (name, count) in enumerate(classes):
        left = _LEFT + wide * place
        words = name.rsplit(" ", 1)
        for line, text in enumerate([*words, f"{count:,} there"]):
            marks.append(_text(left + wide / 2, _HEIGHT - _BOTTOM + 14 + 13 * line, text, size=11))
    for number, (name, values) in enumerate(series.items()):
        for place, value in enumerate(values):
            if value is None:
                continue
            x, top = _LEFT + wide * (place + 0.1) + bar * number, _at(value)
            marks.append(
                f'<rect x="{x:.1f}" y="{top:.1f}" width="{bar * 0.92:.1f}" height="{_HEIGHT - _BOTTOM - top:.1f}"'
                f' fill="{_COLOURS[number]}"><title>{escape(name)}: {value:.4f}</title></rect>'
            )
    return _framed(title, marks, list(series), "F1")


def lines(title: str, series: Mapping[str, Sequence[tuple[float, float]]], *, x: str, y: str) -> str:
    """A line for each series; higher is better.

    Args:
        title: over the plot.
        series: places, ascending and the same for all, and F1 at each.
        x: what the places are.
        y: what the values are.
    """
    places = [place for place, _ in next(iter(series.values()))]
    low, high = math.log(min(places)) - 0.1, math.log(max(places)) + 0.1

    def across(place: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (math.log(place) - low) / (high - low)

    marks = [_text(across(place), _HEIGHT - _BOTTOM + 16, f"{place:g}") for place in places]
    marks.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - _BOTTOM + 34, x))
    for number, (name, points) in enumerate(series.items()):
        path = "L".join(f"{across(place):.1f} {_at(value):.1f}" for place, value in points)
        marks.append(f'<path d="M{path}" fill="none" stroke="{_COLOURS[number]}" stroke-width="2"/>')
        marks += [
            f'<circle cx="{across(place):.1f}" cy="{_at(value):.1f}" r="3.5" fill="{_COLOURS[number]}">'
            f"<title>{escape(name)} at {place:g}: {value:.4f}</title></circle>"
            for place, value in points
        ]
    return _framed(title, marks, list(series), y)


def _at(value: float) -> float:
    """Height of a share on a scale of the powers of ten of what is wrong, so that 0.99 and 0.999 lie apart."""
    wrong = min(max(1 - value, _LEAST_WRONG), _MOST_WRONG)
    share = math.log(_MOST_WRONG / wrong) / math.log(_MOST_WRONG / _LEAST_WRONG)
    return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share


def _framed(title: str, marks: Sequence[str], names: Sequence[str], y: str) -> str:
    base, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}"'
        ' font-family="sans-serif" font-size="12" fill="#222">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        _text(_LEFT, 20, title, anchor="start", size=14),
    ]
    for value in (0.0, 0.5, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9999):
        height = _at(value)
        parts.append(f'<path d="M{_LEFT} {height:.1f}H{right}" stroke="#ddd"/>')
        parts.append(_text(_LEFT - 6, height + 4, f"{value:g}", anchor="end", size=10))
    parts += marks
    parts.append(f'<path d="M{_LEFT} {_TOP}V{base}H{right}" fill="none" stroke="#222"/>')
    middle = (_TOP + base) / 2
    parts.append(
        f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">{escape(y)}</text>'
    )
    for number, name in enumerate(names):
        x = _LEFT + 110 * number
        parts.append(f'<rect x="{x}" y="32" width="11" height="11" fill="{_COLOURS[number]}"/>')
        parts.append(_text(x + 16, 42, name, anchor="start"))
    return "".join(parts) + "</svg>\n"


def _text(x: float, y: float, text: str, *, anchor: str = "middle", size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{escape(text)}</text>'
