"""What every encoder, and every predictor, is: a few checked numbers that can build a network."""

from abc import ABC, abstractmethod

from torch import nn

from sslens.types import InputError


class Encoder(ABC):
    """The description of an encoder: what a config holds, and what builds the network for given inputs.

    >>> from sslens.encoders import MLP
    >>> MLP(width=100, depth=2).build((1, 8, 8))
    Sequential(
      (0): Flatten(start_dim=1, end_dim=-1)
      ...
    """

    @abstractmethod
    def build(self, shape: tuple[int, ...]) -> nn.Module:
        """The network for inputs of this shape (channels, height, width; of texts their length), freshly drawn.

        Raises:
            InputError: inputs that this encoder cannot read.
        """

    def check_images(self, shape: tuple[int, ...]) -> None:
        """Refuse inputs that are no images.

        Raises:
            InputError: a shape other than channels, height, width.
        """
        if len(shape) != 3:
            allowed = "an encoder of texts, or the data images"
            raise InputError("Config.encoder", f"{type(self).__name__} and inputs of shape {shape}", allowed)


class Predictor(ABC):
    """The description of a predictor, the network behind the projector that some objectives need.

    One that sets itself from the data instead of being trained builds a module with ``after_step(outputs)``.

    >>> from sslens.encoders import Bottleneck
    >>> Bottleneck(hidden=16).build(32)[0]
    Linear(in_features=32, out_features=16, bias=False)
    """

    @abstractmethod
    def build(self, dimensions: int) -> nn.Module:
        """The network from embeddings to predictions of as many dimensions, freshly drawn."""
