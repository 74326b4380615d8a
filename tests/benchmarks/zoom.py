"""What a zoom costs in the live figure: from the values of its controls to the figure's data."""

from collections.abc import Iterator
from statistics import median

import plotly.graph_objects as go

from sslens import figures as drawn
from sslens.measures.regions import Partition, Plane, partition, square
from tests.benchmarks.rows import Row, alternate
from tests.measures.regions.arrangements import relu_stack

ROUNDS, BUDGET = 25, 50.0
HALF_SIDE = 0.625
"""Of a box that holds just below 5,000 regions."""


def rows() -> Iterator[Row]:
    """Of a box of just below 5,000 regions of the reference network of three times 64 units, in processor time."""
    net, free, box = relu_stack(0, 2, 64, 64, 64), Plane.identity(), square(HALF_SIDE)
    known = partition(net, free, box)

    def whole() -> None:
        _picture(partition(net, free, box))

    works = (whole, lambda: partition(net, free, box), lambda: _picture(known))
    found, cut, picture = ([1e3 * each.cpu for each in column] for column in alternate(*works, rounds=ROUNDS))
    ratios = tuple(cost / BUDGET for cost in found)
    aim = {"aim": f"at most {BUDGET:g} ms", "reached": median(found) <= BUDGET}
    yield Row(f"zoom, {known.count:,} regions", median(found), "ms", BUDGET, "budget", ratios, **aim)
    for name, part in {"of it, the partition": cut, "of it, the figure": picture}.items():
        shares = tuple(one / all_ for one, all_ in zip(part, found, strict=True))
        yield Row(name, median(part), "ms", median(found), "the whole", shares)


def _picture(found: Partition) -> go.Figure:
    return drawn.partition(found.picture(), {"log10 of the area": found.area.log10()}, title="In the box")
