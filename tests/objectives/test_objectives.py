"""Golden numbers from the authors' formulas, written out slowly; symmetry of the views; what the switches do."""

import math
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from sslens.objectives import (
    OBJECTIVES,
    CrossEntropy,
    NextCharacter,
    SelfDistillation,
    SimCLR,
    SimSiam,
    SquaredError,
    VICReg,
    lowest,
    lowest_nt_xent,
)
from sslens.objectives.self_distillation import Moments
from sslens.objectives.vicreg import covariance, variance
from sslens.types import Dimensions, InputError, Outputs

N, K = 6, 4
LABELS = torch.tensor([0, 3, 1, 2, 0, 1])
GOLDEN_VICREG = {"invariance": 1.142116033294145, "variance": 5.857879638730931, "covariance": 16 * 0.7121556099753399}


def outputs(seed=0):
    generator = torch.Generator().manual_seed(seed)
    first = torch.sin(torch.arange(N * K, dtype=torch.float64)).view(N, K)
    second = first + 0.3 * torch.cos(2 * torch.arange(N * K, dtype=torch.float64)).view(N, K)
    views = torch.stack([first, second])
    other = torch.randn(2, N, K, dtype=torch.float64, generator=generator)
    return Outputs(views, views, other, views, LABELS)


IDS = torch.tensor([[0, 1, 2], [3, 3, 0], [2, 0, 1], [1, 1, 1], [0, 3, 2], [2, 2, 3]])
"""A text for each sample, of characters below K."""
LOGITS = {"cross_entropy": 10, "squared_error": 10, "next_character": 47}
"""How many of them the supervised objectives want for 10 classes; the others compare two views."""
TWO_VIEWS = [name for name, kind in OBJECTIVES.items() if kind().views == 2]


def given_to(name):
    """As an objective gets them: supervised ones see a single view, that of texts a row for each character."""
    if name == "next_character":
        z = torch.cos(torch.arange(N * 3 * K, dtype=torch.float64)).view(1, N, 3, K)
        return Outputs(z, z, z, z, LABELS, IDS)
    out, views = outputs(), OBJECTIVES[name]().views
    parts = (out.representation, out.embedding, out.prediction, out.target)
    return Outputs(*(part[:views] for part in parts), LABELS)


def made(name):
    return NextCharacter(vocabulary=K) if name == "next_character" else OBJECTIVES[name]()


def swapped(out):
    return Outputs(*(value.flip(0) for value in (out.representation, out.embedding, out.prediction, out.target)))


def cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a)) / math.sqrt(sum(x * x for x in b))


def slow_nt_xent(first, second, temperature):
    """Chen et al. 2020, equation 1: l(i, j) for every ordered positive pair, averaged over the 2N of them."""
    z = [*first.tolist(), *second.tolist()]
    total = 0.0
    for i in range(2 * N):
        j = (i + N) % (2 * N)
        weights = [math.exp(cosine(z[i], z[k]) / temperature) for k in range(2 * N) if k != i]
        total += -math.log(math.exp(cosine(z[i], z[j]) / temperature) / sum(weights))
    return total / (2 * N)


def slow_vicreg(first, second):
    """Bardes et al. 2022, algorithm 1 with the released code's factors: weights 25, 25 and the default, 16."""
    x, y = first.tolist(), second.tolist()
    invariance = sum((a - b) ** 2 for row, other in zip(x, y, strict=True) for a, b in zip(row, other, strict=True))
    invariance /= N * K
    hinge, off = 0.0, 0.0
    for z in (x, y):
        means = [sum(row[k] for row in z) / N for k in range(K)]
        cov = [
            [sum((row[i] - means[i]) * (row[j] - means[j]) for row in z) / (N - 1) for j in range(K)] for i in range(K)
        ]
        hinge += sum(max(0.0, 1 - math.sqrt(cov[k][k] + 1e-4)) for k in range(K)) / K / 2
        off += sum(cov[i][j] ** 2 for i in range(K) for j in range(K) if i != j) / K
    return 25 * invariance + 25 * hinge + 16 * off


def test_simclr_is_nt_xent_of_the_paper():
    out = outputs()
    for temperature in (0.07, 0.2, 0.5, 1.0):
        expected = slow_nt_xent(*out.embedding, temperature)
        assert SimCLR(temperature=temperature).loss(out).item() == pytest.approx(expected, rel=1e-12)


def test_simclr_of_equal_views_and_orthogonal_samples_has_its_closed_form():
    z = torch.eye(5, dtype=torch.float64).expand(2, 5, 5)
    loss = SimCLR(temperature=0.3).loss(Outputs(z, z, z, z)).item()
    assert loss == pytest.approx(math.log(1 + (2 * 5 - 2) * math.exp(-1 / 0.3)), rel=1e-12)


def test_vicreg_is_the_authors_formula():
    out = outputs()
    assert VICReg().loss(out).item() == pytest.approx(slow_vicreg(*out.embedding), rel=1e-12)


def test_vicreg_golden_value_is_pinned():
    """The number of the slow formula above; the paper's sum over views would add the variance term once more."""
    terms = {name: term.item() for name, term in VICReg().terms(outputs()).items()}
    assert terms == pytest.approx(GOLDEN_VICREG, rel=1e-9)


def test_vicregs_covariance_term_of_independent_rows_is_what_its_default_weight_makes_up_for():
    """(k - 1) / (n - 1) on average: at the paper's k = 8192 and n = 2048 that is 16 times what it is at 64 and 256."""
    draws = [torch.randn(256, 64, generator=torch.Generator().manual_seed(seed)).double() for seed in range(40)]
    found = sum(covariance((z - z.mean(0)) / z.std(0)).item() for z in draws) / len(draws)
    assert found == pytest.approx(63 / 255, rel=0.02)
    assert VICReg().covariance == round((8191 / 2047) / (63 / 255))


def test_vicreg_of_white_features_is_zero():
    signs = torch.tensor([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64) * math.sqrt(3 / 4) * 1.01
    assert variance(signs).item() == 0
    assert covariance(signs).item() == pytest.approx(0, abs=1e-15)


def test_simsiam_is_the_mean_negative_cosine():
    out = outputs()
    rows = [
        cosine(p, t)
        for v in (0, 1)
        for p, t in zip(out.prediction[v].tolist(), out.target[1 - v].tolist(), strict=True)
    ]
    assert SimSiam().loss(out).item() == pytest.approx(-sum(rows) / len(rows), rel=1e-12)


@pytest.mark.parametrize("name", TWO_VIEWS)
def test_exchanging_the_views_changes_nothing(name):
    objective = OBJECTIVES[name]()
    assert objective.loss(outputs()).item() == pytest.approx(objective.loss(swapped(outputs())).item(), rel=1e-12)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_loss_is_the_sum_of_its_terms(name):
    objective, out = made(name), given_to(name)
    assert objective.loss(out).item() == pytest.approx(sum(t.item() for t in objective.terms(out).values()))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_gradients_are_right(name):
    out, objective, state = given_to(name), made(name), None

    def loss(z):
        return objective.loss(Outputs(out.representation, z, z * 1.1 + 0.1, z, LABELS, out.inputs), state)

    if name == "simsiam":
        objective = SimSiam(stop_gradient=False)
    if name == "self_distillation":  # with a predictor that no batch moves, as no gradient passes through it
        objective, state = SelfDistillation(stop_gradient=False, rate=1e-15), moments()
    assert torch.autograd.gradcheck(loss, out.embedding.clone().requires_grad_())


def test_stop_gradient_holds_the_target_still():
    for stopped in (True, False):
        target = outputs().target.clone().requires_grad_()
        prediction = outputs().prediction.clone().requires_grad_()
        SimSiam(stop_gradient=stopped).loss(Outputs(target, target, prediction, target)).backward()
        assert (target.grad is None) == stopped
        assert prediction.grad is not None


def moments():
    """Averages as some batches may have left them."""
    state = Moments(K).double()
    state.covariance += torch.eye(K) + 0.1
    state.moment += torch.sin(torch.arange(K * K)).view(K, K)
    state.seen.fill_(1)
    return state


def standardised(z):
    return (z - z.mean(0)) / (z.var(0, correction=0) + 1e-5).sqrt()


def test_self_distillation_predicts_by_the_ridge_regression_of_both_pairs_of_views():
    """Scikit-learn's, on rows of unit length; then the cosines of its predictions with the standardised targets."""
    out, penalty = outputs(), 0.7
    z, t = ([standardised(view) for view in side] for side in (out.embedding, out.prediction))
    rows, goals = (torch.cat([each / each.norm(dim=1, keepdim=True) for each in side]) for side in (z, t[::-1]))
    alpha = penalty * float((rows.T @ rows).diagonal().mean())
    oracle = Ridge(alpha=alpha, fit_intercept=False).fit(rows.numpy(), goals.numpy())
    predicted = [oracle.predict(each.numpy()).tolist() for each in z]
    pairs = [
        (row, goal)
        for p, side in zip(predicted, t[::-1], strict=True)
        for row, goal in zip(p, side.tolist(), strict=True)
    ]
    expected = -sum(cosine(row, goal) for row, goal in pairs) / len(pairs)
    held = Outputs(out.representation, out.embedding, out.embedding, out.prediction)
    assert SelfDistillation(penalty=penalty).loss(held).item() == pytest.approx(expected, rel=1e-9)


def test_self_distillation_keeps_moving_averages_and_lets_no_gradient_into_targets_and_predictor():
    objective, out = SelfDistillation(rate=0.25), outputs()
    state = objective.begin(Dimensions(K, K, 3, N, N), torch.Generator()).double()
    other = Outputs(*(value.flip(2) for value in (out.representation, out.embedding, out.prediction, out.target)))
    alone = []
    for batch in (out, other):
        fresh = Moments(K).double()
        objective.after_step(batch, fresh)
        objective.after_step(batch, state)
        alone.append(fresh.covariance)
    assert torch.allclose(state.covariance, 0.75 * alone[0] + 0.25 * alone[1], atol=1e-15)
    assert torch.trace(state.covariance).item() == pytest.approx(1)
    z, target = out.embedding.clone().requires_grad_(), out.target.clone().requires_grad_()
    objective.loss(Outputs(z, z, z, target), state).backward()
    assert z.grad.abs().sum() > 0 and target.grad is None
    SelfDistillation(stop_gradient=False).loss(Outputs(z, z, z, target), state).backward()
    assert target.grad.abs().sum() > 0


@given(st.integers(2, 7), st.floats(0.05, 2.0), st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_nt_xent_never_falls_below_its_lowest_value_which_a_simplex_reaches(n, temperature, seed):
    floor, objective = lowest_nt_xent(n, temperature=temperature), SimCLR(temperature=temperature)
    z = torch.randn(2, n, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    assert objective.loss(Outputs(z, z, z, z)).item() >= floor - 1e-12
    corners = (torch.eye(n, dtype=torch.float64) - 1 / n).expand(2, n, n)
    best = objective.loss(Outputs(corners, corners, corners, corners)).item()
    assert best == pytest.approx(floor, rel=1e-9, abs=1e-12)
    assert lowest(objective, batch_size=n) == floor


def test_the_lowest_value_of_any_other_loss_is_its_own():
    assert [lowest(each, batch_size=9) for each in (SimSiam(), SelfDistillation(), VICReg())] == [-1, -1, 0]
    for objective in (SimCLR(), SimSiam()):
        with pytest.raises(InputError, match=r"images|batch_size"):
            lowest(objective, batch_size=1)
    with pytest.raises(InputError, match="temperature"):
        lowest_nt_xent(5, temperature=0.0)


COSINES = [SimCLR(temperature=0.5), SimSiam(stop_gradient=False)]


def learned(objective, scale, kind):
    """Loss of the embedding at this scale, and its gradient in units of 1 / scale."""
    z = (outputs().embedding * scale).to(kind).requires_grad_()
    loss = objective.loss(Outputs(z, z, z * 1.5, z))
    loss.backward()
    return loss.item(), z.grad.double() * scale


@pytest.mark.parametrize("objective", COSINES, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize(
    ("kind", "scale"), [(torch.float32, 1e16), (torch.float32, 1e19), (torch.float32, 1e25), (torch.float32, 1e37),
                        (torch.float64, 1e100), (torch.float64, 1e160), (torch.float64, 1e300), (torch.bfloat16, 1e30)],
)  # fmt: skip
def test_an_objective_of_cosines_learns_from_embeddings_of_any_length(objective, kind, scale):
    loss, gradient = learned(objective, 1.0, torch.float64)
    found, slope = learned(objective, scale, kind)
    tolerance = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 0.05}[kind]
    assert found == pytest.approx(loss, rel=tolerance, abs=tolerance)
    assert torch.allclose(slope, gradient, rtol=100 * tolerance, atol=tolerance)


@pytest.mark.parametrize("objective", COSINES, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1e-13, 1e-3, 1.0, 1e10])
def test_embeddings_of_ordinary_length_have_the_loss_and_the_gradient_of_plain_cosines(
    objective, kind, scale, monkeypatch
):
    found = learned(objective, scale, kind)
    monkeypatch.setattr(sys.modules[type(objective).__module__], "of_ordinary_size", lambda z: z)
    plain = learned(objective, scale, kind)
    assert found[0] == plain[0] and torch.equal(found[1], plain[1])


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("scale", [1e20, 1e30, 1e38])
def test_a_loss_of_huge_embeddings_is_that_of_their_directions_or_says_that_it_is_not_finite(name, scale):
    out, objective = given_to(name), made(name)
    z = (out.embedding * scale).float().requires_grad_()
    loss = objective.loss(Outputs(z, z, z, z, LABELS, out.inputs))
    loss.backward()
    assert not loss.isfinite() or (z.grad.isfinite().all() and (z.grad * scale).abs().max() > 1e-3)


def test_collapse_is_best_for_simsiam_and_bad_for_the_others():
    """At a single point the cosine is perfect; VICReg pays its hinge, SimCLR its log of the number of others."""
    z = torch.ones(2, N, K, dtype=torch.float64)
    point = Outputs(z, z, z, z)
    assert SimSiam().loss(point).item() == pytest.approx(-1)
    assert VICReg().loss(point).item() == pytest.approx(25 * (1 - 0.01))
    assert SimCLR(temperature=0.5).loss(point).item() == pytest.approx(math.log(2 * N - 1))


def slow_cross_entropy(rows):
    losses = [math.log(sum(math.exp(x) for x in row)) - row[label] for row, label in zip(rows, LABELS, strict=True)]
    return sum(losses) / N


def test_cross_entropy_and_squared_error_are_those_of_the_textbook():
    out = given_to("cross_entropy")
    rows = out.embedding[0].tolist()
    assert CrossEntropy().loss(out).item() == pytest.approx(slow_cross_entropy(rows), rel=1e-12)
    squares = [(x - (k == y)) ** 2 for row, y in zip(rows, LABELS.tolist(), strict=True) for k, x in enumerate(row)]
    assert SquaredError().loss(out).item() == pytest.approx(sum(squares) / len(squares), rel=1e-12)


def test_nested_cross_entropy_has_a_term_for_every_prefix_and_weighs_them_alike():
    h = torch.zeros(1, N, 6, dtype=torch.float64)
    logits = torch.cos(torch.arange(N * 3 * K, dtype=torch.float64)).view(1, N, 3 * K)
    terms = CrossEntropy(nested=True).terms(Outputs(h, logits, logits, logits, LABELS))
    assert list(terms) == ["cross-entropy of 2", "cross-entropy of 4", "cross-entropy of 6"]
    for place, term in enumerate(terms.values()):
        part = logits[0, :, place * K : (place + 1) * K].tolist()
        assert term.item() == pytest.approx(slow_cross_entropy(part), rel=1e-12)


@pytest.mark.parametrize("name", ["cross_entropy", "squared_error"])
def test_a_supervised_objective_needs_labels(name):
    z = torch.zeros(1, N, K)
    with pytest.raises(InputError, match="labels"):
        OBJECTIVES[name]().terms(Outputs(z, z, z, z))


def test_next_character_is_the_mean_negative_logarithm_of_the_next_characters_share():
    out = given_to("next_character")
    losses = []
    for row, ids in zip(out.embedding[0].tolist(), IDS.tolist(), strict=True):
        for place in range(2):
            total = sum(math.exp(x) for x in row[place])
            losses.append(math.log(total) - row[place][ids[place + 1]])
    assert NextCharacter(vocabulary=K).loss(out).item() == pytest.approx(sum(losses) / len(losses), rel=1e-12)


def test_next_character_needs_texts():
    with pytest.raises(InputError, match="an objective of images, or the data texts"):
        NextCharacter().terms(outputs())


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_objective_says_how_many_views_it_compares(name):
    objective = OBJECTIVES[name]()
    assert objective.views == (1 if name in LOGITS else 2)
    assert [views for views in range(1, 8) if objective.compares(views)] == [objective.views]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_loss_never_falls_below_the_lowest(name):
    objective = made(name)
    for scale in (0.0, 1.0, 100.0):
        out = given_to(name)
        z = out.embedding * scale
        assert (
            objective.loss(Outputs(out.representation, z, z, z, LABELS, out.inputs)).item() >= objective.lowest - 1e-9
        )


@pytest.mark.parametrize("name", OBJECTIVES)
def test_most_have_no_state_and_all_do_without_one(name):
    sizes = Dimensions(representation=4, embedding=K, classes=K, batch=N, samples=N)
    assert (made(name).begin(sizes, torch.Generator()) is None) == (name != "self_distillation")
    assert made(name).after_step(given_to(name), None) is None


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_objective_is_frozen_and_equal_to_its_like(name):
    assert OBJECTIVES[name]() == OBJECTIVES[name]() and hash(OBJECTIVES[name]()) == hash(OBJECTIVES[name]())
    with pytest.raises(AttributeError):
        OBJECTIVES[name]().views = 3


def test_how_many_logits_are_wanted():
    assert {name: kind().logits(10) for name, kind in OBJECTIVES.items()} == dict.fromkeys(OBJECTIVES, 0) | LOGITS
    assert CrossEntropy(nested=True).prefixes(12) == (2, 4, 8, 12) and CrossEntropy().prefixes(12) == (12,)
    assert SimSiam(predictor=False).needs_predictor is False and SimSiam().needs_predictor is True
