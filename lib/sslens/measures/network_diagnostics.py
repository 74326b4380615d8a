"""Diagnostics of one network that change along its training: dead units, curvature, Jacobians, slopes.

Networks are taken in eval mode: batch norm with its running statistics, no dropout. The caller's is left as it was.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, final

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from sslens.measures.regions.inputs import checked_inputs, still
from sslens.measures.regions.passing import passing_units
from sslens.measures.spectrum.singular_values import singular_values
from sslens.types import InputError, OneOf, Range, Scalar, checked

CHUNK = 256
"""Samples that pass the network at a time."""
SEVERAL = 3
"""Samples whose answers, together and on their own, must agree."""
ROUNDING = 1e-9
"""How far they may lie apart, as a share of the largest."""
LARGEST_JACOBIAN = 2**27
"""Entries of the largest Jacobian that is taken: 1 GiB, of which its singular values need some three copies."""


@final
@dataclass(frozen=True, eq=False)
class DeadUnits:
    """Shares of units that no sample activates.

    >>> DeadUnits(("1", "3"), torch.tensor([0.25, 0.0]), share=0.1).shares.max()
    tensor(0.2500)
    """

    layers: tuple[str, ...]
    """Names of the ReLUs in the order of their call, as in ``regions.partition``; ``name:2`` for a second use."""
    shares: Float[Tensor, "l"]
    """Of the units of each layer, in [0, 1]."""
    share: float
    """Of the units of all layers together, in [0, 1]."""


def dead_units(net: nn.Module, x: Float[Tensor, "n *shape"]) -> DeadUnits:
    """Units whose ReLU passes 0 for every sample, so that no gradient of these samples reaches their weights.

    A unit is an index along axis 1 of what enters the ReLU: a neuron of a linear layer, a channel of a convolution,
    which is dead if it is 0 at all positions of all samples: its positions share their weights. Other samples may wake
    it. ReLUs are modules, functions and methods, and whatever else has a side that passes no gradient, a PReLU with
    weight 0 for one; a LeakyReLU always passes gradient and does not count. Dormant units (mean activation at most a
    share of the layer's; Sokar et al., ICML 2023) are a softer notion, the same at a share of 0. Asked in the network's
    precision.

    Raises:
        InputError: samples that are not finite, a net that ``regions.partition`` refuses, but for layer norm, one
            without a ReLU, or values before one that are not finite.

    Reference: Lyle, Zheng, Nikishin, Avila Pires, Pascanu, Dabney, "Understanding plasticity in neural networks",
    ICML 2023, arXiv 2303.01486.

    >>> net = nn.Sequential(nn.Linear(1, 2), nn.ReLU())
    >>> _ = net[0].weight.data.copy_(torch.tensor([[1.0], [-1.0]])), net[0].bias.data.zero_()
    >>> dead_units(net, torch.tensor([[0.5], [2.0]])).share
    0.5
    """
    passing = passing_units(net, checked_inputs(net, x))
    if not passing:
        raise InputError("net", type(net).__name__, "a network with a ReLU: a fold that has a side without gradient")
    dead = [(~units).double() for units in passing.values()]
    shares = torch.stack([units.mean() for units in dead])
    return DeadUnits(tuple(passing), shares, float(torch.cat(dead).mean()))


@final
@dataclass(frozen=True)
class Curvature:
    """The largest eigenvalue of a Hessian, and how well it is known.

    >>> Curvature(7.2, error=0.001, products=10).value
    7.2
    """

    value: float
    """In units of the loss per squared parameter."""
    error: float
    """An eigenvalue lies within this distance of ``value``."""
    products: int
    """Products of the Hessian with a vector that it took."""


@torch.inference_mode(mode=False)
def curvature(
    net: nn.Module,
    x: Float[Tensor, "n *shape"],
    *,
    loss: Callable[[Any], Scalar],
    generator: torch.Generator,
    tolerance: float = 1e-4,
    steps: int = 200,
) -> Curvature:
    """Sharpness: the algebraically largest eigenvalue λ of ∇²loss(net(x)) in the parameters that are trained.

    Power iteration v, Hv, H²v, … from a random v, keeping its vectors (Lanczos): λ is the largest on their span. Plain
    power iteration finds the largest *in size*, needs five times the products on a digits network, and never settles
    where −λ is an eigenvalue too, as at a collapsed network's saddle. Ends when ‖Hv − λv‖ ≤ tolerance · max|λ|, of
    which λ has only about the square; after ``steps`` products ``error`` tells how far it came. Memory: two float64
    copies of the parameters per product. ``loss`` is a function of what the network answers, in float64.

    Raises:
        InputError: samples that are not finite, no parameter to train, a loss that is not a finite number or does not
            depend on them, second derivatives that are not finite, a tolerance outside (0, 1], fewer than 1 step,
            or no generator.

    References: Cohen et al., "Gradient descent on neural networks typically occurs at the edge of stability",
    ICLR 2021, arXiv 2103.00065; Golub, Van Loan, "Matrix computations", 2013, sec. 10.1.

    >>> net, x = nn.Linear(2, 1, bias=False), torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    >>> round(curvature(net, x, loss=lambda y: (y**2).sum(), generator=torch.Generator().manual_seed(0)).value, 9)
    18.0
    """
    samples = checked_inputs(net, x).clone()
    tolerance = checked("tolerance", tolerance, Annotated[float, Range(0, 1, above=True)])
    steps = checked("steps", steps, Annotated[int, Range(1, 1_000_000)])
    generator = checked("generator", generator, torch.Generator)
    own = still(net)
    trained = [parameter for parameter in own.parameters() if parameter.requires_grad]
    if not trained:
        raise InputError("net", type(net).__name__, "a network with parameters that require a gradient")
    with torch.enable_grad():
        value = loss(own(samples))
        if not isinstance(value, Tensor) or value.ndim or not (value.requires_grad and value.isfinite()):
            got = value.detach() if isinstance(value, Tensor) else value
            raise InputError("loss", got, "a finite number, as a tensor, that depends on the parameters")
        gradient = _vector(torch.autograd.grad(value, trained, create_graph=True, materialize_grads=True))
        # A loss that is linear in the parameters has a gradient without a graph, and a Hessian all the same.
        gradient = gradient + 0 * _vector(trained)

    def product(v: Float[Tensor, "p"]) -> Float[Tensor, "p"]:
        return _vector(torch.autograd.grad(gradient, trained, v, retain_graph=True, materialize_grads=True)).detach()

    start = torch.randn(len(gradient), generator=generator, device=generator.device, dtype=torch.float64).to(gradient)
    return _largest(product, start, tolerance=tolerance, steps=steps)


def _vector(tensors: Iterable[Tensor]) -> Float[Tensor, "p"]:
    """All entries in a row; torch's ``parameters_to_vector`` refuses the weights of a channels-last network."""
    return torch.cat([tensor.flatten() for tensor in tensors])


def _largest(
    product: Callable[[Tensor], Tensor], start: Float[Tensor, "p"], *, tolerance: float, steps: int
) -> Curvature:
    """Lanczos with every new direction made orthogonal to all before, twice, against rounding."""
    basis, columns = [start / start.norm()], []
    while True:
        image, known = product(basis[-1]), torch.stack(basis)
        if not image.isfinite().all():
            raise InputError("loss", "second derivatives that are not finite", "twice differentiable at the network")
        columns.append(known @ image)
        values, vectors = torch.linalg.eigh(nn.utils.rnn.pad_sequence(columns), UPLO="U")
        rest = image - columns[-1] @ known
        rest = rest - (known @ rest) @ known
        error = float(rest.norm() * vectors[-1, -1].abs())
        if error <= tolerance * float(values.abs().max()) or len(basis) == min(steps, len(start)):
            return Curvature(float(values[-1]), error, len(basis))
        basis.append(rest / rest.norm())


def jacobian(net: nn.Module, x: Float[Tensor, "n *shape"], *, of: str = "parameters") -> Float64[Tensor, "n c p"]:
    """The Jacobian of all outputs on a batch: ∂f(x_i)_j / ∂θ in all parameters that are trained, or ∂f(x_i)_j / ∂x_i.

    ``of`` says in what: ``parameters`` or ``inputs``, which are flattened. ``jacobian(net, x).flatten(0, 1)`` is the
    matrix that ``jacobian_spectrum`` takes apart, one row for each output of each sample.

    Raises:
        UnknownName: ``of`` is neither parameters nor inputs.
        InputError: as for ``jacobian_spectrum``.

    >>> jacobian(nn.Linear(2, 1, bias=False), torch.tensor([[3.0, 0.0], [0.0, 1.0]]))
    tensor([[[3., 0.]],
            [[0., 1.]]], dtype=torch.float64)
    """
    return _jacobians(net, x, of=checked("of", of, Annotated[str, OneOf(("parameters", "inputs"))]))


def jacobian_spectrum(net: nn.Module, x: Float[Tensor, "n *shape"], *, of: str = "parameters") -> Float[Tensor, "k"]:
    """Singular values of the Jacobian of all outputs on a batch, descending.

    ``parameters``: of ∂f(x_i)_j / ∂θ, a matrix (n · c, p) over the p parameters that are trained; its squared singular
    values are the eigenvalues of the empirical neural tangent kernel. ``inputs``: of ∂f(x_i)_j / ∂x, which has one
    block (c, d) per sample, as no sample sees another: the singular values of all blocks together, n · min(c, d) of
    them. Not divided by n.

    Raises:
        UnknownName: ``of`` is neither parameters nor inputs.
        InputError: samples that are not finite, a net whose answer is not a tensor with one row per sample or whose
            rows depend on other samples, a Jacobian of more than 2²⁷ entries or with values that are not finite, or no
            parameter to train.

    Reference: Xue, Whitecross, Mirzasoleiman, "Investigating why contrastive learning benefits robustness against
    label noise", ICML 2022, arXiv 2201.12498 (the Jacobian's low rank after contrastive pre-training).

    >>> net = nn.Linear(2, 1, bias=False)
    >>> jacobian_spectrum(net, torch.tensor([[3.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))
    tensor([3., 1.], dtype=torch.float64)
    """
    blocks = jacobian(net, x, of=of)
    if of == "parameters":
        return singular_values(blocks.flatten(0, 1))
    return torch.linalg.svdvals(blocks).flatten().sort(descending=True).values


def slope_norms(net: nn.Module, x: Float[Tensor, "n *shape"]) -> Float[Tensor, "n"]:
    """How steep the network is at each sample: ‖∂f/∂x‖_F, the Frobenius norm of the slope of its linear region.

    Units: output per input.

    Raises:
        InputError: as for ``jacobian_spectrum``.

    >>> net = nn.Linear(2, 1)
    >>> _ = net.weight.data.copy_(torch.tensor([[3.0, 4.0]]))
    >>> slope_norms(net, torch.zeros(2, 2))
    tensor([5., 5.], dtype=torch.float64)
    """
    return _jacobians(net, x, of="inputs").flatten(1).norm(dim=1)


@torch.inference_mode(mode=False)
@torch.enable_grad()
def _jacobians(net: nn.Module, x: Float[Tensor, "n *shape"], *, of: str) -> Float[Tensor, "n c p"]:
    """One Jacobian per sample, with respect to all parameters or to the sample, side by side.

    One derivative after the other, as autograd takes it for training: ``torch.func.vmap`` of them is wrong for PReLU.
    """
    samples, own = checked_inputs(net, x).clone(), still(net)
    trained = [each for each in own.parameters() if each.requires_grad]
    width = sum(each.numel() for each in trained) if of == "parameters" else samples[0].numel()
    entries = len(samples) * _outputs(own, samples) * width
    if not 0 < entries <= LARGEST_JACOBIAN:
        raise InputError("x", f"a Jacobian of {entries} entries", f"so few samples that it has 1 to {LARGEST_JACOBIAN}")
    if of == "parameters":
        blocks = torch.cat([_rows(own, one.clone(), trained)[None] for one in samples.split(1)])
    else:
        own.requires_grad_(requires_grad=False)
        blocks = torch.cat([_slopes(own, some) for some in samples.split(CHUNK)])
    if not blocks.isfinite().all():
        raise InputError("net", "derivatives that are not finite", "finite at every sample")
    return blocks


def _rows(net: nn.Module, one: Float64[Tensor, "1 *shape"], trained: list[nn.Parameter]) -> Float64[Tensor, "c p"]:
    """Derivatives of a sample's outputs in all parameters."""
    outputs = net(one).flatten() + 0 * _vector(trained).sum()  # an answer that no parameter reaches has no graph
    return torch.stack([_vector(_derivatives(output, trained)) for output in outputs])


def _slopes(net: nn.Module, x: Float64[Tensor, "n *shape"]) -> Float64[Tensor, "n c d"]:
    """Derivatives of each sample's outputs in that sample; of others it does not depend on."""
    x = x.clone().requires_grad_()
    outputs = net(x.clone()).reshape(len(x), -1).sum(0) + 0 * x.sum()  # it may write over what it is given
    return torch.stack([_derivatives(output, [x])[0].flatten(1) for output in outputs], 1)


def _derivatives(output: Scalar, of: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return torch.autograd.grad(output, of, retain_graph=True, materialize_grads=True)


@torch.no_grad()
def _outputs(net: nn.Module, x: Float64[Tensor, "n *shape"]) -> int:
    """How many a sample has, if each has its own whatever the others are."""
    try:
        together, alone = net(x[:SEVERAL].clone()), [net(one.clone()) for one in x[:SEVERAL].split(1)]
    except Exception as error:  # whatever a stranger's network raises
        hint = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(
            "x", tuple(x.shape), f"samples that {type(net).__name__} takes, one or several", hint
        ) from error
    if not all(isinstance(each, Tensor) and each.is_floating_point() for each in (together, *alone)):
        raise InputError("net", type(together).__name__, "a network that answers with one tensor")
    shape = (min(len(x), SEVERAL), *alone[0].shape[1:])
    if any(each.shape[:1] != (1,) for each in alone) or together.shape != shape or _differ(together, torch.cat(alone)):
        hint = "What it gives for a batch differs from what it gives for each sample on its own."
        raise InputError("net", type(net).__name__, "a network that keeps its samples apart, one in each row", hint)
    return alone[0].numel()


def _differ(one: Tensor, other: Tensor) -> bool:
    """By more than rounding; what is not finite is refused elsewhere."""
    return bool(((one - other).abs() > ROUNDING * one.abs().max()).any())
