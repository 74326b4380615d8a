"""Where do regions go in training? What becomes of folds in 100,000 steps: a stored result.

The run with weight decay goes on long after its samples are learned. It takes minutes a seed on an idle machine, so it
is computed once and stored; see ``sslens.stored``.
"""

from collections.abc import Mapping

from xarray import DataArray

from sslens.stored import Computation
from sslens.studies.regions_on_the_move_networks import (
    TEST,
    TRAIN,
    accuracy,
    complexity_at_the_boundary,
    local_complexity,
)
from sslens.studies.regions_on_the_move_runs import (
    DECAY,
    SHOWN,
    Setting,
    configs,
    random_pixels,
    unseen_images,
)
from sslens.train import Config, Runs, learned

SETTING = Setting(profile="full", seeds=3)


def measured(runs: Runs) -> Mapping[str, DataArray]:
    """Folds around the kinds of points and at the decision boundary, and accuracies, along a long run: by name.

    Raises:
        InputError: runs that were measured at different steps.
    """
    config = Config.of_json(runs[runs.names[0]][0].config)
    known, unseen = learned(config.changed(data={"images": SHOWN})), unseen_images(runs, runs.names[0])
    points = {TRAIN: known.images, TEST: unseen.images, "random": random_pixels(known.images)}
    return {
        "folds": local_complexity(runs, points, radius=SETTING.radius),
        "boundary": complexity_at_the_boundary(runs, known.images, radius=SETTING.radius),
        "accuracy": accuracy(runs, {TRAIN: known, TEST: unseen}, epsilon=SETTING.epsilon),
    }


LONG_RUN = Computation(
    "31_regions_on_the_move",
    "long_run",
    configs={DECAY: configs(SETTING)[DECAY]},
    seeds=SETTING.seeds,
    measured=measured,
)
