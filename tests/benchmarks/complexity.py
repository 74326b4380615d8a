"""What local complexity costs, in forward passes of the corners it looks at."""

from collections.abc import Iterator
from statistics import median

import torch

from sslens.encoders import mlp
from sslens.measures.regions import local_complexity
from sslens.measures.regions.complexity import CORNER_VALUES
from sslens.runtime import stream
from tests.benchmarks.rows import Row, alternate

ROUNDS, AIM = 25, 3
POINTS, SIZE, DIRECTIONS = 300, 8, 25


def rows() -> Iterator[Row]:
    """Of 300 digits and 25 directions on the digits MLP, against bare passes of as many corners at a time."""
    generator = stream(0, "benchmark")
    for kind in (torch.float32, torch.float64):
        net = mlp(SIZE * SIZE, 100, 100, 100, 10).to(kind).eval()
        x = torch.rand(POINTS, 1, SIZE, SIZE, generator=generator, dtype=kind)
        corners = torch.rand(POINTS * 2 * DIRECTIONS, 1, SIZE, SIZE, generator=generator, dtype=kind)
        chunks = corners.split(CORNER_VALUES // SIZE**2)

        def measured(net: torch.nn.Module = net, x: torch.Tensor = x) -> None:
            local_complexity(net, x, radius=0.05, directions=DIRECTIONS, generator=generator)

        @torch.no_grad()
        def passed(net: torch.nn.Module = net, chunks: tuple[torch.Tensor, ...] = chunks) -> None:
            for chunk in chunks:
                net(chunk)

        found, bare = ([each.cpu for each in column] for column in alternate(measured, passed, rounds=ROUNDS))
        ratios = tuple(mine / its for mine, its in zip(found, bare, strict=True))
        aim = {"aim": f"ratio < {AIM}", "reached": median(ratios) < AIM}
        name = f"of {POINTS} points, {str(kind).removeprefix('torch.')}"
        yield Row(name, 1e3 * median(found), "ms", 1e3 * median(bare), "a pass", ratios, **aim)
