"""Samples as a measure hands them to a network: checked, in float64, on the network's device."""

from copy import deepcopy
from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor, nn

from sslens.measures.features import checked_features
from sslens.measures.regions.planes import in_double
from sslens.types import InputError


def checked_inputs(net: nn.Module, x: Any, *, name: str = "x") -> Float64[Tensor, "n *shape"]:
    """Samples of any type of numbers, arrays and lists too, one in each row; pixels from 0 to 255 stay what they are.

    Raises:
        InputError: no network, or no finite numbers in at least one row.

    >>> checked_inputs(nn.Linear(2, 1), [[0, 1], [2, 3], [4, 5]])[2]
    tensor([4., 5.], dtype=torch.float64)
    """
    if not isinstance(net, nn.Module):
        raise InputError("net", type(net).__name__, "a torch.nn.Module")
    samples = in_double(x, name=name).detach()
    if samples.ndim < 2:
        raise InputError(name, tuple(samples.shape), "samples (n, ...), one in each row", "A single one is x[None].")
    checked_features(samples.flatten(1), name=name)
    return samples.to(next(net.parameters(), samples).device)


def still(net: nn.Module) -> nn.Module:
    """A float64 copy of a network in eval mode, outside of inference mode, where nothing can be derived.

    Weights that the network computes at each call from others, as the older ``weight_norm`` and pruning do, are left
    to its next call: torch copies no tensor that has a graph.

    Raises:
        InputError: no network.

    >>> still(nn.Linear(2, 1)).weight.dtype
    torch.float64
    """
    if not isinstance(net, nn.Module):
        raise InputError("net", type(net).__name__, "a torch.nn.Module")
    computed = [value for module in net.modules() for value in vars(module).values() if isinstance(value, Tensor)]
    with torch.inference_mode(mode=False):
        memo: dict[int, Any] = {id(each): each.detach().clone() for each in computed if each.grad_fn is not None}
        return deepcopy(net, memo).double().eval()


def precision_of(net: nn.Module) -> torch.dtype:
    """In which signs are computed: a float32 network's own precision, float64 for all others.

    >>> precision_of(nn.Linear(2, 1)), precision_of(nn.Linear(2, 1).half()), precision_of(nn.ReLU())
    (torch.float32, torch.float64, torch.float64)
    """
    weight = next(net.parameters(), None)
    return torch.float32 if weight is not None and weight.dtype == torch.float32 else torch.float64
