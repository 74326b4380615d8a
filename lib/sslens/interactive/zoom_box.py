"""A square box on a plane: moved by sliders, or drawn on the figure by mouse."""

from math import log10
from typing import Any, final

import ipywidgets as widgets
import traitlets

PAN = 5
"""Presses of an arrow key across half a box."""


@final
class ZoomBox(widgets.HBox):
    """Sliders for the place and the half-side of a box; ``value`` is (x, y, half-side), exact where sliders have steps.

    >>> box = ZoomBox((0.0, 0.0, 1.0), whole=1.0, smallest=1e-6)
    >>> box.show((0.1, 0.3), (0.2, 0.4))
    >>> [round(part, 3) for part in box.value]
    [0.2, 0.3, 0.1]
    """

    value = traitlets.Tuple()

    def __init__(self, value: tuple[float, float, float], *, whole: float, smallest: float) -> None:
        common = {"style": {"description_width": "initial"}, "layout": {"width": "auto", "min_width": "260px"}}
        place = common | {"min": -whole, "max": whole, "readout_format": ".6f"}
        size = common | {"min": log10(smallest), "max": log10(whole), "readout_format": ".2g"}
        self.x: Any = widgets.FloatSlider(description="x", **place)
        self.y: Any = widgets.FloatSlider(description="y", **place)
        self.half: Any = widgets.FloatLogSlider(description="half-side", **size)
        self.sliders, self.taking = (self.x, self.y, self.half), False
        super().__init__(self.sliders, layout={"flex_flow": "row wrap"})
        self._take(value)
        for slider in self.sliders:
            slider.observe(self._moved, "value")

    def show(self, across: tuple[float, float] | None, up: tuple[float, float] | None) -> None:
        """Take the square around what a figure shows, from left to right and from bottom to top; None: all of it."""
        (left, right), (low, high) = (span or (self.x.min, self.x.max) for span in (across, up))
        self._take(((left + right) / 2, (low + high) / 2, max(right - left, high - low) / 2))

    def _take(self, value: tuple[float, float, float]) -> None:
        self.taking = True  # three sliders, one change
        try:
            for slider, part in zip(self.sliders, value, strict=True):
                slider.value = part
            self.x.step = self.y.step = self.half.value / PAN
            self.value = tuple(slider.value for slider in self.sliders)
        finally:
            self.taking = False

    def _moved(self, change: Any) -> None:
        place = self.sliders.index(change["owner"])
        if not self.taking and not _is_echo(change["owner"], self.value[place]):
            self._take((*self.value[:place], change["new"], *self.value[place + 1 :]))


def _is_echo(slider: Any, wanted: float) -> bool:
    """Whether a slider holds the step next to what is wanted: a page sends back the steps it can show."""
    held, middle = (_place(slider, value) for value in (slider.value, wanted))
    return abs(held - round(held)) < 1e-6 and abs(held - middle) <= 0.501


def _place(slider: Any, value: float) -> float:
    """In steps from the lowest."""
    logarithmic = isinstance(slider, widgets.FloatLogSlider)
    low, step = float(slider.min), float(slider.step)
    return ((log10(value) if logarithmic else value) - low) / step
