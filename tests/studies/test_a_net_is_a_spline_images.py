"""Encoders around images: which networks, which images, and what is counted where."""

import pytest
import torch
from torch import nn

from sslens.measures import regions
from sslens.studies import a_net_is_a_spline_images as of_images
from sslens.train import Config, Runs, restore
from sslens.types import InputError


@pytest.fixture(scope="module")
def runs():
    configs = of_images.encoder_configs("smoke", dataset="scattered_digits", encoder="convnet")
    short = {"optimisation": {"steps": 2}, "snapshots": {"count": 2}}
    return of_images.encoder_runs({name: each.changed(**short) for name, each in configs.items()}, seeds=2)


def test_each_seed_gives_an_untrained_a_fitted_and_a_trained_network(runs):
    found = of_images.three_networks(runs)
    assert [len(networks) for networks in found.values()] == [2, 2, 2]
    trace = runs["simclr"][1]
    for name, index in (("untrained", 0), ("trained", -1)):
        state = restore(trace, index).state_dict()
        assert all(value.equal(state[key]) for key, value in found[name][1].state_dict().items())
    untrained, fitted = found["untrained"][1], found["fitted"][1]
    assert all(one.equal(other) for one, other in zip(untrained.parameters(), fitted.parameters(), strict=True))
    means = [each.running_mean for each in fitted.modules() if isinstance(each, nn.BatchNorm2d)]
    assert all(mean.abs().sum() > 0 for mean in means) and not fitted.training
    first = next(each for each in fitted.modules() if isinstance(each, nn.Conv2d))
    images = trace.reference.images[~trace.held_out].to(first.weight)
    assert torch.allclose(means[0], first(images).mean((0, 2, 3)), rtol=1e-4, atol=1e-6)


def test_without_batch_norm_the_fitted_network_is_the_untrained_one(runs):
    found = of_images.three_networks(runs, "classifier")
    one, other = (found[name][0].state_dict() for name in ("untrained", "fitted"))
    assert all(value.equal(other[key]) for key, value in one.items())


def test_squares_lie_around_test_images_of_three_classes_and_their_mean(runs):
    squares = of_images.squares_around(runs, half_side=0.1)
    assert list(squares.images) == ["class 0", "class 1", "class 2"]
    trace = runs["simclr"][0]
    unseen = trace.reference.images[trace.held_out].double()
    for digit, image in enumerate(squares.images.values()):
        place = int((unseen == image).flatten(1).all(1).nonzero()[0])
        assert int(trace.reference.labels[trace.held_out][place]) == digit
    assert list(squares.places) == ["class 0", "class 1", "class 2", "their mean"]
    assert squares.first is squares.places["class 0"] and squares.setting == "scattered_digits, 2 steps"
    middles = [plane.at(domain.mean(0, keepdim=True)) for plane, domain in squares.places.values()]
    rows = torch.stack(list(squares.images.values()))
    torch.testing.assert_close(torch.cat(middles), torch.cat([rows, rows.mean(0, keepdim=True)]))
    for _, domain in squares.places.values():
        assert float((domain.amax(0) - domain.amin(0)).max()) == pytest.approx(0.2)


def test_squares_alone_lie_around_eight_test_images(runs):
    squares = of_images.squares_alone(runs, "classifier", half_side=0.1)
    trace = runs["classifier"][0]
    assert len(squares.images) == len(squares.places) == 8 and squares.setting == "digits, 2 steps"
    for (plane, domain), image in zip(squares.places.values(), trace.reference.images[trace.held_out], strict=False):
        torch.testing.assert_close(plane.at(domain.mean(0, keepdim=True))[0], image.double())


def test_what_is_counted_in_each_square_is_labelled(runs):
    squares = of_images.squares_around(runs, half_side=0.1)
    networks = {"untrained": [nn.Linear(1, 1), nn.Linear(1, 2)], "trained": [nn.Linear(1, 3), nn.Linear(1, 4)]}
    found = of_images.of_each_network(
        lambda net, _, domain: net.out_features * float(domain[0, 0]), networks, squares=squares
    )
    assert found.dims == ("run", "seed", "place") and found.attrs["setting"] == "scattered_digits, 2 steps"
    assert found.sel(run="trained", seed=1, place="their mean").item() == pytest.approx(-0.4)
    summed = of_images.around_images(found, "trained").sel(seed=1).item()
    assert summed == pytest.approx(4 * sum(float(squares.places[name][1][0, 0]) for name in squares.images))


def test_along_training_it_is_the_mean_over_the_images(runs):
    squares = of_images.squares_alone(runs, "classifier", half_side=0.2)
    found = of_images.along_training(regions.count_regions, runs, squares=squares, run="classifier")
    assert found.dims == ("seed", "step") and found["step"].values.tolist() == [0, 2]
    network = restore(runs["classifier"][1], -1)
    counted = [regions.count_regions(network, *place) for place in squares.places.values()]
    assert found.sel(seed=1, step=2).item() == pytest.approx(sum(counted) / 8)


def test_data_of_fewer_than_three_classes_are_refused_before_anything_is_trained(tmp_path):
    from PIL import Image

    for side in ("train", "test"):
        for name in ("cat", "dog"):
            (folder := tmp_path / side / name).mkdir(parents=True)
            for place in range(20):
                Image.new("L", (8, 8), 10 * place).save(folder / f"{place}.png")
    config = Config.at("smoke", data={"name": f"folder:{tmp_path}"})
    with pytest.raises(InputError, match="three classes"):
        of_images.encoder_runs({"simclr": config}, seeds=1)


def test_a_class_without_a_test_image_is_refused(runs):
    trace = runs["simclr"][0]
    from dataclasses import replace

    kept = trace.reference.labels != 1
    fewer = replace(trace, reference=trace.reference.take(kept.nonzero().flatten()), held_out=trace.held_out[kept])
    with pytest.raises(InputError, match="no test image of 1"):
        of_images.squares_around(Runs({"simclr": (fewer,)}, (0,)), half_side=0.1)
