"""What a run begins with: its images, the labels it is given, its reference, its model; and what is refused."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from sslens import datasets
from sslens.encoders import MLP, ConvNet, Transformer
from sslens.objectives import CrossEntropy, NextCharacter, SimCLR, SimSiam, SquaredError
from sslens.train import fit, given_labels, key, learned, model_for, prepare, record, restore, setup
from sslens.types import Dataset, InputError
from tests.train.cases import tiny


def test_the_given_labels_are_those_the_run_was_trained_on():
    """A rate of 0 leaves the weights as they are, so that the losses follow from the labels alone."""
    config = tiny(
        objective=CrossEntropy(),
        recipe="none",
        data={"images": 100, "label_noise": 0.7, "tasks": 2},
        optimisation={"steps": 4, "batch_size": 100, "learning_rate": 0.0},
        compute={"dtype": "float64"},
        seed=5,
    )
    run, data = record(config), learned(config)
    logits = restore(run, 0, head=True)(data.images.double())
    right = [cross_entropy(logits, given_labels(config, data, task=task)).item() for task in (0, 0, 1, 1)]
    assert run.loss().tolist() == pytest.approx(right, rel=1e-6)
    assert right[0] != right[2]


def test_without_noise_the_labels_are_the_true_ones():
    config = tiny(data={"images": 100})
    torch.testing.assert_close(given_labels(config, learned(config)), learned(config).labels)
    for task in (1, -1):
        with pytest.raises(InputError, match="task must be a number from 0 to 0"):
            given_labels(config, learned(config), task=task)


def test_noise_differs_between_tasks_and_seeds_and_is_the_share_that_is_declared():
    configs = [tiny(data={"label_noise": 0.5, "tasks": 2}, seed=seed) for seed in (0, 0, 1)]
    data = learned(configs[0])
    first, again, other = (given_labels(config, data) for config in configs)
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert not torch.equal(first, given_labels(configs[0], data, task=1))
    assert (first != data.labels).double().mean().item() == pytest.approx(0.5 * 0.9, abs=0.05)


def test_the_subset_of_images_is_the_same_for_every_seed_and_may_not_be_too_large():
    first, second = (learned(tiny(data={"images": 70}, seed=seed)) for seed in (0, 1))
    assert torch.equal(first.images, second.images) and len(first) == 70
    for wrong, field in ((1201, "Config.data.images"), (1, "two training images")):
        with pytest.raises(InputError, match=field):
            prepare(tiny(data={"images": wrong}))


def test_a_small_set_is_the_batch_and_a_word_and_the_key_say_so():
    with pytest.warns(UserWarning, match="The set has 20 training images, fewer than a batch of 32: every step takes"):
        shrunk = prepare(tiny(data={"images": 20}))
    assert shrunk.config == tiny(data={"images": 20}, optimisation={"batch_size": 20})
    with pytest.warns(UserWarning, match="batch of 32"):
        assert key(tiny(data={"images": 20})) == key(shrunk.config)
    with pytest.warns(UserWarning, match="batch of 32"):
        assert record(tiny(data={"images": 20})).config["optimisation"]["batch_size"] == 20


def rare(monkeypatch, *, rare_images, classes=3):
    """A set whose class 0 has few of its images on either side."""
    counts = [rare_images, *[600] * (classes - 1)]
    labels = torch.arange(classes).repeat_interleave(torch.tensor(counts))
    images = torch.rand(len(labels), 1, 8, 8, generator=torch.Generator().manual_seed(0))
    side = Dataset(images, labels, tuple(f"class {label}" for label in range(classes)))
    monkeypatch.setitem(datasets.LOADERS, "digits", lambda: (side, side))
    monkeypatch.setattr(setup, "_loaded", lambda source: (side, side, "rare"))
    setup._reference.cache_clear()
    setup._chosen.cache_clear()


@pytest.fixture(autouse=True)
def fresh():
    yield
    setup._reference.cache_clear()
    setup._chosen.cache_clear()


@pytest.mark.parametrize("rare_images", [1, 2])
def test_a_rare_class_is_in_the_reference_on_either_side(monkeypatch, rare_images):
    rare(monkeypatch, rare_images=rare_images)
    made = prepare(tiny(snapshots={"reference": 16}))
    for side in (made.held_out, ~made.held_out):
        assert made.reference.labels[side].unique().tolist() == [0, 1, 2]
        assert int(side.sum()) == 16
    assert prepare(tiny(snapshots={"reference": 16}, seed=7)).reference.images.equal(made.reference.images)


def test_a_rare_class_costs_no_other_its_last_image_and_too_many_classes_are_refused(monkeypatch):
    rare(monkeypatch, rare_images=1, classes=16)
    made = prepare(tiny(snapshots={"reference": 16}))
    assert made.reference.labels[made.held_out].tolist() == list(range(16))
    rare(monkeypatch, rare_images=1, classes=17)
    with pytest.raises(InputError, match=r"Config\.snapshots\.reference must be at least the 17 classes"):
        prepare(tiny(snapshots={"reference": 16}))


def test_the_reference_is_the_same_for_every_run_on_the_data():
    one, other = (prepare(tiny(objective=kind, seed=seed)) for seed, kind in enumerate((SimCLR(), CrossEntropy())))
    assert torch.equal(one.reference.images, other.reference.images)
    assert one.held_out.tolist() == [False] * 32 + [True] * 32
    assert len(prepare(tiny(snapshots={"reference": 10**5})).reference) == 1200 + 597


def test_the_initial_scale_multiplies_every_initial_weight_of_encoder_and_head():
    data = learned(tiny())
    plain, large = (model_for(tiny(optimisation={"initial_scale": scale}), data) for scale in (1.0, 8.0))
    for name, weights in plain.named_parameters():
        torch.testing.assert_close(8 * weights, large.get_parameter(name))


@pytest.mark.parametrize("objective", [CrossEntropy(), SquaredError()])
def test_a_supervised_head_gives_a_logit_for_each_class(objective):
    projector = model_for(tiny(objective=objective), learned(tiny())).projector
    assert (projector.in_features, projector.out_features) == (8, 10)


def test_the_head_of_texts_gives_a_logit_for_each_character():
    config = tiny(data={"name": "languages"}, encoder=Transformer(width=8, heads=2), objective=NextCharacter())
    projector = model_for(config, learned(config)).projector
    assert projector.out_features == 47 and projector.bias is None


def test_a_model_has_a_predictor_and_a_momentum_branch_only_where_they_are_wanted():
    data = learned(tiny())
    plain, full = (model_for(config, data) for config in (tiny(), tiny(objective=SimSiam(), momentum=0.9)))
    assert plain.target is None and not list(plain.predictor.parameters())
    assert full.target is not None and list(full.predictor.parameters())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": {"name": "languages"}, "encoder": Transformer()}, "Config.recipe must be as many .* VICReg compares"),
        (
            {"data": {"name": "languages"}, "encoder": Transformer(), "objective": CrossEntropy()},
            "an objective of texts",
        ),
        (
            {"data": {"name": "languages"}, "encoder": Transformer(), "objective": NextCharacter(vocabulary=10)},
            "a logit for each of the",
        ),
        ({"data": {"name": "languages"}, "encoder": ConvNet(), "objective": NextCharacter()}, "an encoder of texts"),
        ({"data": {"name": "languages"}, "encoder": MLP(), "objective": NextCharacter()}, "an encoder of texts"),
        ({"encoder": Transformer()}, "an encoder of images"),
        ({"data": {"options": {"size": 8}}}, "options of digits"),
        ({"data": {"name": "scattered_digits", "options": {"sed": 8}}}, "Did you mean 'seed'"),
    ],
)
def test_parts_that_do_not_fit_each_other_are_refused_before_the_first_snapshot(changes, message):
    with pytest.raises(InputError, match=message):
        next(fit(tiny(**changes)))


def test_options_of_a_data_set_reach_it():
    one, other = (prepare(tiny(data={"name": "scattered_digits", "options": {"seed": seed}})) for seed in (0, 1))
    assert one.digest != other.digest
