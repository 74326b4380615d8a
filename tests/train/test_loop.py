"""Training: same seed same bits, interruption leaves no mark, what must collapse does, what cannot start never does."""

from dataclasses import replace

import pytest
import torch

from sslens import runtime
from sslens.encoders import ConvNet
from sslens.objectives import CrossEntropy, SimCLR, SimSiam, VICReg
from sslens.runtime import stream
from sslens.train import Config, fit, prepare
from sslens.train.loop import TrainState
from sslens.types import InputError
from sslens.views import RECIPES, Recipe, augment
from tests.train.cases import MULTI_CROP, Centred, same, tiny

IMAGES = {"data": {"name": "scattered_digits"}, "encoder": ConvNet(width=8)}


def test_same_seed_same_bits_and_another_seed_others():
    first, again, other = (list(fit(tiny(**IMAGES, seed=seed))) for seed in (0, 0, 1))
    same(first, again)
    assert not torch.equal(first[-1].embedding, other[-1].embedding)


def test_the_callers_random_state_is_left_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    list(fit(tiny()))
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.parametrize("objective", [VICReg(), SimCLR(), SimSiam()])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_going_on_from_any_snapshot_ends_in_the_same_bits(objective, momentum):
    config = tiny(**IMAGES, objective=objective, momentum=momentum)
    whole = list(fit(config))
    for place, snapshot in enumerate(whole[:-1]):
        same(whole[place + 1 :], list(fit(config, after=snapshot)))


def test_going_on_without_the_state_of_the_optimiser_is_refused():
    snapshots = list(fit(tiny()))
    with pytest.raises(InputError, match=r"after must be one with the state of the optimiser.*step 2"):
        next(fit(tiny(), after=snapshots[1].thin()))
    assert snapshots[0].thin().resumable and snapshots[1].resumable and not snapshots[1].thin().resumable


def test_whoever_consumes_the_snapshots_is_in_charge():
    going = fit(tiny(optimisation={"steps": 10**6}))
    assert next(going).step == 0
    going.close()


def test_a_config_and_what_was_prepared_from_it_train_alike():
    same(list(fit(tiny())), list(fit(prepare(tiny()))))


def test_weights_begin_the_same_in_both_precisions():
    narrow, wide = (next(fit(tiny(compute={"dtype": kind}))) for kind in ("float32", "float64"))
    for name, weights in wide.state.items():
        assert torch.equal(weights.to(narrow.state[name].dtype), narrow.state[name])
    assert {weights.dtype for weights in wide.part("model.encoder").values()} == {torch.float64}


def test_two_trainings_of_one_config_share_nothing_that_changes():
    first, second = (TrainState.of(prepare(tiny(objective=Centred(), momentum=0.9))) for _ in range(2))
    places = [
        {tensor.data_ptr() for module in each.parts.values() for tensor in module.state_dict().values()}
        for each in (first, second)
    ]
    assert len(places[0]) > 10 and not places[0] & places[1]


def test_a_snapshot_is_a_copy_that_further_training_leaves_alone():
    going = fit(tiny())
    first = next(going)
    before = {name: value.clone() for name, value in first.state.items()}
    list(going)
    assert all(torch.equal(value, before[name]) for name, value in first.state.items())


def test_every_step_is_recorded_term_by_term():
    snapshots = list(fit(tiny()))
    assert [set(each.terms) for each in snapshots[1:]] == [{"invariance", "variance", "covariance"}] * 2
    assert [len(each.terms["variance"]) for each in snapshots[1:]] == [2, 4] and not snapshots[0].terms


def test_the_first_loss_is_that_of_the_objective_on_the_views_of_the_first_batch():
    config = tiny(**IMAGES, compute={"dtype": "float64"})
    training = TrainState.of(prepare(config))
    train = training.train
    batch = train.take(torch.randperm(len(train), generator=stream(0, "order/0"))[:32])
    (views,) = augment(batch.images, RECIPES["digits"], stream(0, "views/0"))
    expected = config.objective.terms(training.model([views]))
    found = list(fit(config))[1].terms
    assert {name: term.item() for name, term in expected.items()} == pytest.approx(
        {name: terms[0].item() for name, terms in found.items()}, rel=1e-12
    )


def test_the_loss_falls():
    last = list(fit(tiny(**IMAGES, objective=SimCLR(), optimisation={"steps": 40})))[-1]
    loss = sum(last.terms.values())
    assert loss[-5:].mean() < loss[:5].mean() - 0.1


def test_a_batch_larger_than_the_set_is_the_whole_set():
    with pytest.warns(UserWarning, match="The set has 1200 training images, fewer than a batch of 4000"):
        large = list(fit(tiny(objective=SimCLR(), optimisation={"batch_size": 4000})))
    same(large, list(fit(tiny(objective=SimCLR(), optimisation={"batch_size": 1200}))))


def test_a_diverging_run_ends_early_and_says_so():
    snapshots = list(fit(tiny(optimisation={"steps": 60, "learning_rate": 1e9, "warmup": 0.0}, snapshots={"count": 4})))
    assert snapshots[-1].diverged and snapshots[-1].step < 60
    assert not any(each.diverged for each in snapshots[:-1])


def test_without_stop_gradient_and_predictor_the_embedding_collapses_and_the_loss_is_best():
    """Chen & He 2021, section 4.1: the loss reaches its minimum while the deviation of the directions falls to 0."""
    shared = {"optimisation": {"steps": 60, "batch_size": 128}, "snapshots": {"count": 2, "reference": 64}}
    shared |= {"compute": {"device": "cpu"}, "encoder": ConvNet(width=16)}
    kept, collapsed = (
        list(fit(Config().changed(objective=SimSiam(stop_gradient=switch, predictor=switch), **shared)))[-1]
        for switch in (True, False)
    )

    def deviation(snapshot):
        return torch.nn.functional.normalize(snapshot.embedding, dim=1).std(0).mean().item() * 8

    assert deviation(collapsed) < 0.3 * deviation(kept)
    assert collapsed.terms["similarity"][-1] < kept.terms["similarity"][-1]
    assert collapsed.terms["similarity"][-1] < -0.95


def test_a_run_of_no_steps_is_its_beginning():
    snapshots = list(fit(tiny(optimisation={"steps": 0})))
    assert [each.step for each in snapshots] == [0] and snapshots[0].resumable


# Views: several sizes, strength by class and by sample


def test_crops_of_several_sizes_train_and_the_teacher_sees_the_large_ones_alone(monkeypatch):
    shapes = []
    real = Centred.terms

    def noted(self, outputs, state=None):
        shapes.append({name: tuple(getattr(outputs, name).shape) for name in ("embedding", "prediction", "target")})
        return real(self, outputs, state)

    monkeypatch.setattr(Centred, "terms", noted)
    config = tiny(**IMAGES, objective=Centred(), recipe=MULTI_CROP, momentum=0.9)
    whole = list(fit(config))
    assert shapes == [{"embedding": (5, 32, 8), "prediction": (5, 32, 8), "target": (2, 32, 8)}] * 6
    same(whole[2:], list(fit(config, after=whole[1])))
    assert not torch.equal(whole[0].embedding, whole[-1].embedding)


def test_without_a_teacher_every_view_is_a_target(monkeypatch):
    monkeypatch.setattr(
        Centred, "terms", lambda _, outputs, state=None: {"rows": outputs.target.sum() * 0 + len(outputs.target)}
    )
    last = list(fit(tiny(**IMAGES, objective=Centred(), recipe=MULTI_CROP, optimisation={"steps": 1})))[-1]
    assert last.terms["rows"].tolist() == [5]


@pytest.mark.parametrize("objective", [VICReg(), SimCLR(), SimSiam(), CrossEntropy()])
def test_more_views_than_an_objective_compares_are_refused_before_training(objective):
    with pytest.raises(InputError, match=rf"Config.recipe must be as many .* {type(objective).__name__} compares"):
        prepare(tiny(**IMAGES, objective=objective, recipe=MULTI_CROP))


def test_views_of_a_size_that_the_encoder_cannot_read_are_refused_before_training():
    with pytest.raises(InputError, match=r"Config.recipe must be views of a size that MLP reads"):
        next(fit(tiny(objective=Centred(), recipe=MULTI_CROP)))


def losses(**changes):
    """The terms of one step whose weights stay as they are, so that only the views decide them."""
    last = list(fit(tiny(**changes, optimisation={"steps": 1, "learning_rate": 0.0}, compute={"dtype": "float64"})))[-1]
    return {name: values.item() for name, values in last.terms.items()}


def test_a_strength_for_each_class_reaches_the_step():
    strong = RECIPES["digits"]
    weak = replace(strong, strength=0.0)
    none, all_ = (losses(recipe=replace(strong, class_strength=(share,) * 10)) for share in (0.0, 1.0))
    assert none == losses(recipe=weak) and all_ == losses(recipe=strong)
    assert none["invariance"] == 0 < losses(recipe=replace(strong, class_strength=(1.0,) + (0.0,) * 9))["invariance"]


def test_class_strength_follows_the_true_labels_where_the_given_ones_are_noise():
    recipe = replace(RECIPES["digits"], class_strength=(1.0, 0.0) * 5)
    clean, noisy = (losses(recipe=recipe, data={"label_noise": share}) for share in (0.0, 1.0))
    assert clean == noisy


def test_a_strength_for_each_sample_reaches_the_step():
    setup = prepare(tiny(optimisation={"steps": 1, "learning_rate": 0.0}, compute={"dtype": "float64"}))
    recipe = replace(RECIPES["digits"], strength_factor="share")
    shares = {"none": 0.0, "all": 1.0, "some": torch.linspace(0, 1, len(setup.train))}
    found = {}
    for name, share in shares.items():
        train = replace(setup.train, factors={"share": torch.ones(len(setup.train)) * share})
        given = replace(setup, config=setup.config.changed(recipe=recipe), train=train)
        found[name] = {term: values.item() for term, values in list(fit(given))[-1].terms.items()}
    assert found["none"] == losses(recipe=replace(RECIPES["digits"], strength=0.0))
    assert found["all"] == losses() != found["some"] != found["none"]


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (Recipe(class_strength=(1.0,)), "Recipe.class_strength must be one number in"),
        (Recipe(strength_factor="hight"), "Recipe.strength_factor must be one of"),
    ],
)
def test_a_recipe_that_does_not_fit_the_data_is_refused_before_training(recipe, message):
    with pytest.raises(InputError, match=message):
        prepare(tiny(**IMAGES, recipe=recipe))


# Precision


def test_bfloat16_is_a_switch_and_what_is_recorded_has_full_precision():
    plain, half = (list(fit(tiny(compute={"autocast": switch})))[-1] for switch in (False, True))
    assert {tensor.dtype for tensor in (*half.terms.values(), half.embedding)} == {torch.float32}
    assert not torch.equal(plain.terms["variance"], half.terms["variance"])
    assert half.terms["variance"][0].item() == pytest.approx(plain.terms["variance"][0].item(), rel=0.05)


def test_the_threads_of_this_process_are_set(monkeypatch):
    torch.set_num_threads(2)
    try:
        next(fit(tiny()))
        assert torch.get_num_threads() == runtime.threads() == 1
    finally:
        torch.set_num_threads(1)
