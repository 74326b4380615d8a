"""How low a loss can get: what a run's loss is measured from."""

import math
from typing import Annotated

from sslens.objectives.objective import Objective
from sslens.objectives.simclr import SimCLR
from sslens.types import Range, checked


def lowest(objective: Objective, *, batch_size: int) -> float:
    """A value that the loss of a batch cannot fall below, in the loss's own unit; of SimCLR it depends on the batch.

    ``lowest_nt_xent`` for SimCLR, ``Objective.lowest`` for any other objective.

    Raises:
        InputError: ``batch_size`` below 2.

    >>> from sslens.objectives import SimSiam
    >>> lowest(SimSiam(), batch_size=256), round(lowest(SimCLR(), batch_size=256), 2)
    (-1.0, 1.47)
    """
    if isinstance(objective, SimCLR):
        return lowest_nt_xent(batch_size, temperature=objective.temperature)
    checked("batch_size", batch_size, Annotated[int, Range(2, 10**7)])
    return objective.lowest


def lowest_nt_xent(images: int, *, temperature: float) -> float:
    """The lowest NT-Xent of two views of n images: log(1 + (2n - 2) · exp(-(1 + 1/(n - 1)) / τ)), in nats.

    It is reached where both views of an image coincide and the images point to the corners of a regular simplex, so
    that any two of them have cosine -1/(n - 1); that needs n - 1 dimensions, in fewer ones NT-Xent stays above. It is
    0 only in the limit of small temperatures: a loss of 0 is not what SimCLR can be asked for.

    Raises:
        InputError: fewer than 2 images, or a temperature that is not above 0.

    Derivation: by Jensen's inequality each row's log-sum is lowest where all its 2n - 2 negatives are alike; the sum
    of all cosines, that of an embedding with itself and of positive pairs included, is a squared length and so at least
    0, hence the mean cosine of negatives is at least -1/(n - 1), and reaches it only with positive pairs at 1.

    >>> lowest_nt_xent(2, temperature=1.0) == math.log(1 + 2 * math.exp(-2))
    True
    """
    n = checked("images", images, Annotated[int, Range(2, 10**7)])
    tau = checked("temperature", temperature, Annotated[float, Range(0, 1e3, above=True)])
    gap = (1 + 1 / (n - 1)) / tau
    return math.log1p(math.exp(math.log(2 * n - 2) - gap))
