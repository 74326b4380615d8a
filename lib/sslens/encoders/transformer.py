"""A small causal transformer of today's build: RMS norm, attention, a feed-forward; every layer can be read."""

import math
from dataclasses import dataclass
from typing import Annotated, final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import relu, silu

from sslens.encoders.encoder import Encoder
from sslens.types import InputError, OneOf, Range, checked_dataclass, checked_ids

GATES = ("silu", "relu")
"""What may stand behind a layer's gate units."""


@final
@checked_dataclass
class Transformer(Encoder):
    """``depth`` layers over ``width`` numbers for each character so far; one row of them for each character comes out.

    >>> net = Transformer().build((64,))
    >>> net(torch.zeros(2, 64, dtype=torch.int64)).shape
    torch.Size([2, 64, 48])
    """

    width: Annotated[int, Range(1, 4096)] = 48
    depth: Annotated[int, Range(1, 64)] = 3
    heads: Annotated[int, Range(1, 256)] = 4
    vocabulary: Annotated[int, Range(2, 10**6)] = 47
    """Characters there are; ids are below this number."""
    gate: Annotated[str, OneOf(GATES)] = "silu"
    """``silu``: gates multiply a second linear map, as language models have it. ``relu``: the plain feed-forward, whose
    units gate themselves; of the two it alone is piecewise affine. Both have as many weights."""

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise InputError("Transformer.width", self.width, f"a multiple of the {self.heads} heads")

    def build(self, shape: tuple[int, ...]) -> "CausalTransformer":
        """The network for texts of at most this length.

        Raises:
            InputError: a shape of images.
        """
        if len(shape) != 1:
            got = f"Transformer and inputs of shape {shape}"
            raise InputError("Config.encoder", got, "an encoder of images, or the data texts")
        return CausalTransformer(self, length=shape[0])


@final
@dataclass(frozen=True, eq=False)
class Reading:
    """What one layer did with a batch of texts.

    >>> readings(Transformer().build((64,)), torch.zeros(2, 5, dtype=torch.int64))[0].attention.shape
    torch.Size([2, 4, 5, 5])
    """

    gates: Float[Tensor, "n t k"]
    """Pre-activations of the gate units, before the SiLU or ReLU."""
    gate_weights: Float[Tensor, "k d"]
    gate_inputs: Float[Tensor, "n t d"]
    """What the gate units read, the normalised residual stream: gates = gate_inputs · gate_weightsᵀ."""
    attention: Float[Tensor, "n heads t t"]
    """Share of each earlier character in what a character receives; rows sum to 1."""
    output: Float[Tensor, "n t d"]
    """The residual stream behind the layer."""


@final
class Layer(nn.Module):
    """Attention, then a feed-forward, each behind an RMS norm and added to its input; no biases.

    Attention: softmax(q · k / √d_head) over the characters so far. Feed-forward with gate ``silu``: W_down (SiLU(W_gate
    u) ⊙ W_up u), with 8/3 d hidden units, so that its three matrices have as many weights as the usual two. With
    ``relu``: W_down ReLU(W_gate u), the usual two, with 4 d hidden units. Where no gate changes sign the latter is
    linear in u; ReLU(W_gate u) ⊙ W_up u would be a product of two linear maps there, quadratic in u.

    Reference: Touvron et al., "LLaMA", 2023, arXiv 2302.13971, sec. 2.2; Shazeer, "GLU variants improve transformer",
    2020, arXiv 2002.05202, eq. 2 and 6.

    >>> Layer(48, 4)(torch.zeros(2, 5, 48)).output.shape
    torch.Size([2, 5, 48])
    """

    def __init__(self, width: int, heads: int, *, gate: str = "silu") -> None:
        super().__init__()
        hidden = 8 * width // 3 if gate == "silu" else 4 * width
        self.heads = heads
        self.before_attention, self.before_gates = nn.RMSNorm(width), nn.RMSNorm(width)
        self.query, self.key, self.value, self.mix = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.gate = nn.Linear(width, hidden, bias=False)
        self.up = nn.Linear(width, hidden, bias=False) if gate == "silu" else None
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Float[Tensor, "n t d"]) -> Reading:
        """The layer's output, with what its gates and its attention did on the way."""
        normal = self.before_attention(x)
        query, key, value = (
            part(normal).unflatten(2, (self.heads, -1)).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        future = x.new_full((x.shape[1], x.shape[1]), -math.inf).triu(1)
        attention = (query / math.sqrt(query.shape[-1]) @ key.mT + future).softmax(-1)
        x = x + self.mix((attention @ value).transpose(1, 2).flatten(2))
        inputs = self.before_gates(x)
        gates = self.gate(inputs)
        return Reading(gates, self.gate.weight, inputs, attention, x + self._behind(gates, inputs))

    def feed_forward(self, inputs: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """The feed-forward alone, of what its gate units read."""
        return self._behind(self.gate(inputs), inputs)

    def _behind(self, gates: Float[Tensor, "*n k"], inputs: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        return self.down(relu(gates) if self.up is None else silu(gates) * self.up(inputs))


@final
class CausalTransformer(nn.Module):
    """Reads texts from left to right: what it says of a character depends on that one and those before it.

    >>> net = Transformer(depth=2).build((64,))
    >>> sum(each.numel() for each in net.parameters())
    60864
    """

    def __init__(self, sizes: Transformer, *, length: int) -> None:
        super().__init__()
        self.vocabulary, self.length = sizes.vocabulary, length
        self.characters, self.places = nn.Embedding(sizes.vocabulary, sizes.width), nn.Embedding(length, sizes.width)
        self.layers = nn.ModuleList(Layer(sizes.width, sizes.heads, gate=sizes.gate) for _ in range(sizes.depth))
        self.norm = nn.RMSNorm(sizes.width)

    def forward(self, ids: Int[Tensor, "n t"]) -> Float[Tensor, "n t d"]:
        """The normalised residual stream behind the last layer.

        Raises:
            InputError: ids that are no texts of at most ``length`` characters of the vocabulary.
        """
        return self.norm(self.read(ids)[-1].output)

    def read(self, ids: Int[Tensor, "n t"]) -> tuple[Reading, ...]:
        """What every layer did, in order.

        Raises:
            InputError: as for ``forward``.
        """
        ids, read = checked_ids(ids, vocabulary=self.vocabulary, longest=self.length), []
        x = self.characters(ids) + self.places.weight[: ids.shape[1]]
        for layer in self.layers:
            read.append(layer(x))
            x = read[-1].output
        return tuple(read)


@torch.no_grad()
def readings(model: CausalTransformer, ids: Int[Tensor, "n t"]) -> tuple[Reading, ...]:
    """What every layer of a trained model does with texts, in order and without gradients.

    The attention takes heads · t² numbers a text and layer; split a large batch.

    Raises:
        InputError: ids that are no texts of at most ``length`` characters of the vocabulary.

    >>> [reading.gates.shape for reading in readings(Transformer(depth=2).build((9,)), torch.zeros(2, 5, dtype=int))]
    [torch.Size([2, 5, 128]), torch.Size([2, 5, 128])]
    """
    return model.read(ids)
