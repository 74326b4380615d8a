"""What every objective is: named terms of the model's outputs, summed."""

from abc import ABC, abstractmethod

import torch

from sslens.types import Outputs, Scalar


class Objective(ABC):
    """A function of tensors whose summands carry names, so that each is recorded and plotted by itself.

    An objective with state (a centre, a queue, prototypes) is an ``nn.Module`` too and updates it in ``after_step``.

    >>> class Shrink(Objective):
    ...     def terms(self, outputs):
    ...         return {"size": outputs.embedding.square().mean()}
    >>> z = torch.full((2, 3, 4), 2.0)
    >>> Shrink().loss(Outputs(z, z, z, z)).item()
    4.0
    """

    @property
    def needs_predictor(self) -> bool:
        """Whether the model must be built with a predictor behind its projector."""
        return False

    @property
    def supervised(self) -> bool:
        """Whether it compares the embedding with labels: one view per image then, and logits for an embedding."""
        return False

    def prefixes(self, dimensions: int) -> tuple[int, ...]:
        """Lengths of the prefixes of the representation that a supervised objective classifies by: the whole of it."""
        return (dimensions,)

    @abstractmethod
    def terms(self, outputs: Outputs) -> dict[str, Scalar]:
        """The weighted summands of the loss, by name."""

    def loss(self, outputs: Outputs) -> Scalar:
        """The sum of the terms."""
        return torch.stack(list(self.terms(outputs).values())).sum()

    def after_step(self, outputs: Outputs) -> None:  # noqa: B027 - most objectives have no state to update
        """Update the state, if there is one, after the optimiser's step."""
