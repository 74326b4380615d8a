"""What passes through the modules of a network: the one mechanism that listens to activations."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from sslens.measures.regions.planes import in_double
from sslens.types import InputError, OneOf, checked

Choice = type[nn.Module] | tuple[type[nn.Module], ...] | Callable[[str, nn.Module], bool]
"""Which modules of a network are meant: those of a class, of one of several, or those a predicate of name and module
says yes to."""
SIDES = ("input", "output")


def activations(
    model: nn.Module, images: Shaped[Tensor, "n ..."], *, of: Choice, side: str = "output"
) -> dict[str, Shaped[Tensor, "..."]]:
    """What the chosen modules return for a batch, by the modules' names in the order of their call.

    ``side="input"`` gives what enters them instead: for a rectifier its pre-activation. A module that is called twice
    has a second entry ``name:2``. One pass in eval mode and without gradient; batch norm and dropout are as in a
    snapshot, and the model is left in the mode it was in. Images of any type of numbers, arrays and lists follow the
    precision and the device of the model; where it has an embedding, whole numbers stay what they are. Functions such
    as torch.relu are no modules and are not heard. The tensors are copies: a module behind that works in place does not
    change them. Split a large batch.

    Raises:
        InputError: images that are no numbers, a model that calls no such module, or one of them takes or returns no
            single tensor; ``listening`` takes any value.
        UnknownName: ``side`` is neither input nor output.

    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 4))
    >>> {name: tuple(h.shape) for name, h in activations(net, torch.zeros(5, 2), of=nn.ReLU).items()}
    {'1': (5, 3)}
    >>> list(activations(net, torch.zeros(5, 2), of=lambda name, module: name in ("0", "2")))
    ['0', '2']
    """
    with torch.no_grad(), listening(model, of=of, side=side) as heard:
        model(_entering(model, images))
    if not heard:
        raise InputError("of", of, f"a choice of modules that {type(model).__name__} calls")
    for name, value in heard.items():
        if not isinstance(value, Tensor):
            allowed = f"modules whose {side} is one tensor"
            raise InputError("of", f"{name!r}, with {type(value).__name__}", allowed)
    return heard


@contextmanager
def listening(
    model: nn.Module, take: Callable[[Any, str], Any] | None = None, *, of: Choice, side: str = "output"
) -> Iterator[dict[str, Any]]:
    """While open, every pass of the model leaves here what ``take`` makes of the output of each chosen module.

    ``take`` gets the output (or the first input, with ``side="input"``) and the module's name, at once: it can reduce
    a large tensor before the next one comes, check it, or read a record that is no tensor. Without it a tensor is
    copied and anything else kept as it is. The keys are the names in the order of the calls, with ``:2`` for the
    second use of the same module; empty the dict between two passes. Open, the model is in eval mode; afterwards, even
    after an error, no hook is left and every module is in the mode it was in.

    Raises:
        UnknownName: ``side`` is neither input nor output.

    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    >>> with listening(net, lambda entering, name: (entering > 0).sum(), of=nn.ReLU, side="input") as positive:
    ...     for batch in torch.ones(20, 2).split(5):
    ...         positive.clear()
    ...         _ = net(batch)
    >>> list(positive)
    ['1']
    """
    checked("side", side, Annotated[str, OneOf(SIDES)])
    take = take or _copied
    heard: dict[str, Any] = {}

    def keep(value: Any, name: str) -> None:
        uses = sum(key == name or key.startswith(f"{name}:") for key in heard)
        heard[f"{name}:{uses + 1}" if uses else name] = take(value, name)

    modes = {module: module.training for module in model.modules()}
    handles = [_hooked(module, name, keep, side) for name, module in model.named_modules() if _chosen(of, name, module)]
    try:
        model.eval()
        yield heard
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes.items():
            module.training = mode


def _entering(model: nn.Module, images: Any) -> Shaped[Tensor, "n ..."]:
    numbers = in_double(images, name="images").detach()
    weight, given = next(model.parameters(), numbers), torch.as_tensor(images, device=numbers.device)
    words = not given.is_floating_point() and any(isinstance(module, nn.Embedding) for module in model.modules())
    return given.to(weight.device) if words else numbers.to(weight)


def _chosen(of: Choice, name: str, module: nn.Module) -> bool:
    return isinstance(module, of) if isinstance(of, type | tuple) else bool(of(name, module))


def _hooked(module: nn.Module, name: str, keep: Callable[[Any, str], None], side: str) -> Any:
    """A handle that removes the hook again."""
    if side == "input":
        return module.register_forward_pre_hook(lambda _, inputs: keep(inputs[0], name))
    return module.register_forward_hook(lambda _, inputs, output: keep(output, name))


def _copied(value: Any, name: str) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else value
