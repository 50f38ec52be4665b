"""Tables in Markdown, and plots."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path

from ._parts import Cell, Panel, Part, Table, installed_version

_SIZE_INCHES = 4.6, 3.4
_ONE_PANEL_WIDTHS = 1.5
_BAR_INCHES = 0.32
_DOTS_PER_INCH = 110
_OURS = "lanrage-events"
_OWN_COLOR = "#5a46b2"
_OTHERS_COLOR = "#b9b4cc"
_OWN_LINE = {"color": _OWN_COLOR, "linewidth": 2.5, "zorder": 3}


def show(cell: Cell) -> str:
    """Return a cell as it stands in a table: numbers with three digits that count."""
    match cell:
        case None:
            return ""
        case int():
            return f"{cell:,}"
        case float():
            return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:#.3g}".rstrip(".")

    return cell


def markdown(table: Table) -> str:
    """Return a table in Markdown, numbers to the right."""
    rows = [[show(cell) for cell in row] for row in table.rows]
    is_text = [
        any(isinstance(cell := row[index], str) and not cell[:1].isdigit() for row in table.rows)
        for index in range(len(table.columns))
    ]
    ruler = ["---" if text else "--:" for text in is_text]
    lines = ["| " + " | ".join(row) + " |" for row in [list(table.columns), *rows]]
    lines.insert(1, "|" + "|".join(ruler) + "|")
    return "\n".join(([table.caption, ""] if table.caption else []) + lines)


def conditions(parts: Iterable[Part]) -> str:
    """Return what was measured, where and when, in one sentence."""
    names = dict.fromkeys(name for part in parts for name in part.distributions)
    versions = [f"{name} {found}" for name in names if (found := installed_version(name))]
    load = f", at a load of {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{_OURS} {installed_version(_OURS)} beside {', '.join(versions) or 'no others'}, "
        f"on {platform.python_implementation()} {platform.python_version()}, "
        f"{platform.system()} with {os.cpu_count()} CPUs, "
        f"{time.strftime('%Y-%m-%d', time.gmtime())}{load}."
    )


def write(folder: Path, part: Part, text: str, panels: Sequence[Panel]) -> None:
    """Write what a part found to ``benchmarks.md`` in a folder, and its plot beside it.

    If the page has a place for the part, between two comments, only what stands there is replaced.
    """
    if panels:
        file = folder / "benchmarks" / f"{part.name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        plot(panels, file)
        text = f"{text}\n\n![{part.measures}](benchmarks/{file.name})"

    page = folder / "benchmarks.md"
    old = page.read_text("utf-8") if page.exists() else "# Benchmarks\n"
    begin, end = f"<!-- {part.name} -->", f"<!-- end of {part.name} -->"
    if begin not in old:
        old = f"{old}\n## {part.name}\n\n{part.measures}\n\n{begin}\n{end}\n"

    before, _, rest = old.partition(begin)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{rest.partition(end)[2]}", "utf-8")


def plot(panels: Sequence[Panel], file: Path) -> None:
    """Draw panels side by side.

    :raises ModuleNotFoundError: if matplotlib is not installed
    """
    figure = import_module("matplotlib.figure")
    width, height = _SIZE_INCHES
    height = max(height, _BAR_INCHES * max(len(panel.bars) for panel in panels))
    drawing = figure.Figure(
        figsize=(width * max(len(panels), _ONE_PANEL_WIDTHS), height), layout="constrained"
    )
    for axes, panel in zip(drawing.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        axes.set_title(panel.title, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        if panel.bars:
            names = list(panel.bars)[::-1]
            colors = [_OWN_COLOR if _is_ours(name, panel) else _OTHERS_COLOR for name in names]
            bars = axes.barh(names, [panel.bars[name] for name in names], color=colors)
            axes.bar_label(bars, [show(panel.bars[name]) for name in names], padding=3, fontsize=8)
            axes.set_xlabel(panel.unit)
            axes.set_xscale("log" if panel.log else "linear")
            axes.margins(x=0.15)
        else:
            for name, points in panel.lines.items():
                style = _OWN_LINE if _is_ours(name, panel) else {}
                xs, ys = zip(*points, strict=True)
                axes.plot(xs, ys, marker="o", markersize=3, label=name, **style)

            axes.set_xlabel(panel.x)
            axes.set_ylabel(panel.unit)
            axes.set_yscale("log" if panel.log else "linear")
            # Below, since there is a line anywhere else.
            axes.legend(
                loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=4, fontsize=7, frameon=False
            )

    # No date and no version in it, so that it changes only when the figures do.
    drawing.savefig(file, dpi=_DOTS_PER_INCH, metadata={"Software": None})


def _is_ours(name: str, panel: Panel) -> bool:
    return name.startswith(_OURS) or name in panel.ours
