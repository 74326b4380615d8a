"""What every objective is: named terms of the model's outputs, summed; with a state of its own where it needs one."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Int
from torch import Tensor, nn

from sslens.types import Dimensions, InputError, Outputs, Scalar


class Objective(ABC):
    """A function of tensors whose summands carry names, so that each is recorded and plotted by itself.

    The object holds hyper-parameters only: it is frozen, and may serve any number of runs. What changes while a run is
    trained (a centre, a queue, prototypes, a critic) is a module that ``begin`` makes for that run alone; it is moved
    to the device, its parameters are trained, and it is saved and resumed like the model.

    >>> from typing import final
    >>> from sslens.types import checked_dataclass
    >>> @final
    ... @checked_dataclass
    ... class Shrink(Objective):
    ...     def terms(self, outputs, state=None):
    ...         return {"size": outputs.embedding.square().mean()}
    >>> z = torch.full((2, 3, 4), 2.0)
    >>> Shrink().loss(Outputs(z, z, z, z)).item()
    4.0
    """

    @property
    def views(self) -> int:
        """How many views of an image it compares, where the recipe does not say."""
        return 2

    def compares(self, views: int) -> bool:
        """Whether it can be given so many views of an image; one for crops of several sizes says yes to more."""
        return views == self.views

    @property
    def needs_predictor(self) -> bool:
        """Whether the model must be built with a predictor behind its projector."""
        return False

    @property
    def lowest(self) -> float:
        """A value that the loss cannot fall below."""
        return 0.0

    def logits(self, classes: int) -> int:
        """How many numbers a linear layer on the representation is to give; 0 for an embedding behind the projector."""
        return 0

    def prefixes(self, dimensions: int) -> tuple[int, ...]:
        """Lengths of the prefixes of the representation that its logits are taken from: the whole of it."""
        return (dimensions,)

    def begin(self, dimensions: Dimensions, generator: torch.Generator) -> nn.Module | None:
        """The state of one run, freshly drawn; most objectives have none."""
        return None

    @abstractmethod
    def terms(self, outputs: Outputs, state: nn.Module | None = None) -> dict[str, Scalar]:
        """The weighted summands of the loss, by name."""

    def loss(self, outputs: Outputs, state: nn.Module | None = None) -> Scalar:
        """The sum of the terms."""
        return torch.stack(list(self.terms(outputs, state).values())).sum()

    def after_step(self, outputs: Outputs, state: nn.Module | None) -> None:  # noqa: B027 - most have no state
        """Update the state, if there is one, after the optimiser's step; called without gradients."""


def labels_of(outputs: Outputs) -> Int[Tensor, "n"]:
    """The labels, for an objective that cannot do without.

    Raises:
        InputError: outputs without labels.

    >>> z = torch.zeros(1, 2, 3)
    >>> labels_of(Outputs(z, z, z, z, labels=torch.tensor([0, 1])))
    tensor([0, 1])
    """
    if outputs.labels is None:
        raise InputError("Outputs.labels", None, "given to a supervised objective")
    return outputs.labels
