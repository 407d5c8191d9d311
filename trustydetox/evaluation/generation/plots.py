"""Figures of a comparison: a point per model and judge, and the interval around it."""

from __future__ import annotations

import io
from typing import Any

from trustydetox.errors import require_extra
from trustydetox.evaluation.generation.comparing import PROBABILITY, Comparison

# Told apart by form too, for who doesn't see the colours (Okabe and Ito's).
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
_FORMS = ("o", "s", "D", "^")


def plot_toxicity(found: Comparison, measure: str = PROBABILITY) -> Any:
    """Models from top to bottom, one measure of toxicity to the right; a matplotlib Figure."""
    figure, axes = _figure(found)
    models = list(found.seeds)
    for number, judge in enumerate(found.judges):
        each = found.measure(measure, judge)
        _points(axes, [each[name] for name in models], number, len(found.judges), judge)
    _rows(axes, models)
    axes.set_xlim(left=0)
    axes.set_xlabel(
        f"{measure}, {found.prompts} prompts x {found.samples} continuations, 95 % interval"
    )
    _legend(axes, found)
    return figure


def plot_cuts(found: Comparison, measure: str = PROBABILITY) -> Any:
    """How much lower than the first model each other is, in percent; a matplotlib Figure."""
    figure, axes = _figure(found)
    models = list(found.seeds)[1:]
    for number, judge in enumerate(found.judges):
        cuts = {
            one.model: one.cut
            for one in found.differences
            if (one.measure, one.judge) == (measure, judge)
        }
        _points(axes, [cuts[name] for name in models], number, len(found.judges), judge, 100.0)
    _rows(axes, models)
    axes.axvline(0, color="0.4", linewidth=0.8)
    axes.set_xlabel(f"{measure}: percent lower than {next(iter(found.seeds))}, 95 % interval")
    _legend(axes, found)
    return figure


def png(figure: Any) -> bytes:
    """The figure as a PNG file."""
    buffer = io.BytesIO()
    # Without the date and the version the same numbers give the same bytes.
    figure.savefig(buffer, format="png", dpi=120, metadata={"Software": None})
    return buffer.getvalue()


def require_plots() -> None:
    """Raise MissingExtraError where nothing is here that draws."""
    require_extra("matplotlib", "plots", "evaluate")


def _figure(found: Comparison) -> tuple[Any, Any]:
    require_plots()
    # Not pyplot, which keeps every figure and asks for a screen.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 1.2 + 0.45 * len(found.seeds)), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    return figure, axes


def _points(
    axes: Any, values: list[Any], number: int, judges: int, label: str, scale: float = 1.0
) -> None:
    shift = 0.24 * (number - (judges - 1) / 2)
    axes.errorbar(
        [scale * one.value for one in values],
        [row + shift for row in range(len(values))],
        xerr=[
            [scale * max(0.0, one.value - one.low) for one in values],
            [scale * max(0.0, one.high - one.value) for one in values],
        ],
        fmt=_FORMS[number % len(_FORMS)],
        color=_COLOURS[number % len(_COLOURS)],
        capsize=3,
        label=label,
    )


def _rows(axes: Any, models: list[str]) -> None:
    axes.set_yticks(range(len(models)), models)
    axes.set_ylim(len(models) - 0.5, -0.5)


def _legend(axes: Any, found: Comparison) -> None:
    columns = len(found.judges)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=columns, frameon=False)
