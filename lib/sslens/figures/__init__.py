"""Pictures by form: labelled numbers in, a plotly figure out.

``lines`` along an axis, ``points`` of a map, runs ``against`` each other's numbers, ``dots`` per row, ``bars`` per
class, ``images`` in a grid, a table as ``heat``, a ``partition`` and several ``beside`` each other; ``scrub`` puts a
slider through many figures, ``linked`` a picture to a cursor in time. Each figure carries its style with it; inside
IPython, importing this package has figures shown by their JSON (``show_in_notebooks``), elsewhere it changes nothing.
"""

from sslens.figures import theme
from sslens.figures.bars import bars
from sslens.figures.images import heat, images
from sslens.figures.lines import lines
from sslens.figures.partition import beside, partition
from sslens.figures.points import against, dots, points
from sslens.figures.sliders import KEYBOARD, linked, scrub
from sslens.figures.theme import show_in_notebooks

show_in_notebooks()

__all__ = [
    "KEYBOARD",
    "against",
    "bars",
    "beside",
    "dots",
    "heat",
    "images",
    "lines",
    "linked",
    "partition",
    "points",
    "scrub",
    "show_in_notebooks",
    "theme",
]
