"""Numbers of vertices that hold in all chunks: what two chunks make on the side they share is one vertex."""

from typing import final

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from sslens.measures.regions.cells import Births


@final
class Names:
    """Gives a new vertex its number: by the edge it lies in, once there are chunks that could both have made it.

    >>> names = Names(2)
    >>> names.divided = True
    >>> ends, births = torch.arange(2), Births(torch.tensor([0]), torch.tensor([1]), torch.tensor([0.5]).double())
    >>> names.extended(ends, births), names.extended(ends.flip(0), births), names.count
    (tensor([0, 1, 2]), tensor([1, 0, 2]), 3)
    """

    def __init__(self, count: int) -> None:
        self.count, self.divided = count, False
        self._table = np.full((2, 64), -1, dtype=np.int64)

    def extended(self, names: Int64[Tensor, "v"], births: Births) -> Int64[Tensor, "more"]:
        """The names of vertices and of those born between them."""
        old, born = len(names), len(births.first)
        if not self.divided:
            self.count += born
            return torch.arange(self.count, device=names.device)
        from sslens.measures.regions import loops  # numba takes a second to import

        if 2 * (self.count + born) > self._table.shape[1]:
            larger = np.full((2, 1 << (4 * (self.count + born)).bit_length()), -1, dtype=np.int64)
            loops._move(self._table, larger)
            self._table = larger
        all_names = np.empty(old + born, dtype=np.int64)
        all_names[:old] = names.cpu().numpy()
        arrays = Births._make(each.cpu().numpy() for each in births)
        self.count = int(loops._name(all_names, arrays, self._table, self.count))
        return torch.from_numpy(all_names).to(names.device)
