"""A table of tensors that grows at its end."""

from collections.abc import Iterable, Sequence
from typing import final

import torch
from jaxtyping import Int64, Shaped
from torch import Tensor
from torch.nn.functional import pad


@final
class Table:
    """Columns of one length, with room at their end, so that new rows seldom copy old ones.

    >>> table = Table([torch.tensor([[1], [2]]), torch.tensor([1, 1])])
    >>> table.append([torch.tensor([[3, 4]]), torch.tensor([2])])
    >>> table.rows[0].tolist()
    [[1, 0], [2, 0], [3, 4]]
    """

    def __init__(self, columns: Iterable[Shaped[Tensor, "n ..."]]) -> None:
        self.columns = list(columns)
        self.count = len(self.columns[0])

    @property
    def rows(self) -> list[Shaped[Tensor, "n ..."]]:
        """The columns as far as they are filled."""
        return [column[: self.count] for column in self.columns]

    def append(self, rows: Sequence[Shaped[Tensor, "m ..."]]) -> None:
        """New rows at the end, column by column."""
        begin, self.count = self.count, self.count + len(rows[0])
        if self.count > len(self.columns[0]):
            rooms = (column.new_zeros(self.count, *column.shape[1:]) for column in self.columns)
            self.columns = [torch.cat(pair) for pair in zip(self.columns, rooms, strict=True)]
        self.replace(slice(begin, self.count), rows)

    def replace(self, index: Int64[Tensor, "m"] | slice, rows: Sequence[Shaped[Tensor, "m ..."]]) -> None:
        """Rows in place of others; a column becomes wider where they are, and keeps what is right of narrower ones."""
        for place, new in enumerate(rows):
            if new.ndim == 2 and new.shape[1] > self.columns[place].shape[1]:
                self.columns[place] = pad(self.columns[place], (0, new.shape[1] - self.columns[place].shape[1]))
            where = (index, slice(new.shape[1])) if new.ndim == 2 else index
            self.columns[place][where] = new
