"""Where and how numbers are computed: streams, devices, threads, cores, profiles."""

import os
import sys
from pathlib import Path

import pytest
import torch

from sslens import runtime
from sslens.types import InputError, UnknownName


@pytest.fixture
def alone(monkeypatch):
    """An environment without any of our variables, nor those of a workbench."""
    for name in [*(name for name in os.environ if name.startswith("SSLENS_")), "JPY_SESSION_NAME", "VSCODE_PID"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("COLAB_RELEASE_TAG", raising=False)
    return monkeypatch


def test_the_seed_of_a_stream_is_the_hash_that_is_written_down():
    assert runtime.seed_of(0, "views") == 1273498352537141616  # the first 63 bits of SHA-256 of "0/views"
    assert 0 <= runtime.seed_of(2**62, "weights") < 2**63


def test_the_first_numbers_of_a_stream_never_change():
    assert torch.randint(1000, (5,), generator=runtime.stream(0, "views")).tolist() == [66, 679, 14, 30, 234]


def test_streams_of_other_names_and_seeds_are_others():
    seeds = {runtime.seed_of(seed, name) for seed in range(20) for name in ("views", "order", "1/views", "")}
    assert len(seeds) == 80


def test_drawing_from_one_stream_never_shifts_another():
    alone = torch.rand(3, generator=runtime.stream(1, "order"))
    views, order = runtime.stream(1, "views"), runtime.stream(1, "order")
    torch.rand(100, generator=views)
    torch.rand(100)
    assert torch.equal(torch.rand(3, generator=order), alone)


def test_streams_are_uncorrelated():
    draws = torch.stack([torch.randn(4000, generator=runtime.stream(seed, "views")) for seed in range(5)])
    assert (torch.corrcoef(draws) - torch.eye(5)).abs().max() < 5 / 4000**0.5


def test_a_device_nobody_knows_is_refused_with_the_closest():
    with pytest.raises(UnknownName, match=r"device must be one of: auto, cpu, cuda. Got 'cdua'. Did you mean 'cuda'"):
        runtime.configure_torch("cdua")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="No CUDA device is visible"):
        runtime.configure_torch("cuda")
    assert runtime.configure_torch("auto") == torch.device("cpu")


def test_configuring_fixes_one_thread_unless_the_environment_has_more(alone):
    runtime.configure_torch("cpu")
    assert torch.get_num_threads() == 1
    alone.setenv("SSLENS_THREADS", "2")
    runtime.configure_torch("cpu")
    try:
        assert torch.get_num_threads() == 2
        assert runtime.numerics(torch.device("cpu"))["threads"] == 2
    finally:
        torch.set_num_threads(1)


def test_configuring_turns_deterministic_algorithms_on_and_off():
    try:
        runtime.configure_torch("cpu", deterministic=False)
        assert not torch.are_deterministic_algorithms_enabled()
    finally:
        runtime.configure_torch("cpu")
    assert torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("given", ["0", "-1", "two", "", "1.5"])
@pytest.mark.parametrize(("name", "count"), [("SSLENS_THREADS", runtime.threads), ("SSLENS_CORES", runtime.cores)])
def test_a_count_that_is_none_is_refused(alone, given, name, count):
    alone.setenv(name, given)
    with pytest.raises(InputError, match=f"{name} must be a positive whole number"):
        count()


def test_cores_are_those_of_this_process_unless_a_runner_shares_them_out(alone):
    alone.setattr("joblib.cpu_count", lambda: 7)
    assert runtime.cores() == 7
    alone.setenv("SSLENS_CORES", "3")
    assert runtime.cores() == 3


def test_full_precision_of_snapshots_and_no_waste_on_memory_that_is_overwritten(alone):
    runtime.configure_torch("cpu")
    assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cudnn.benchmark
    assert not torch.utils.deterministic.fill_uninitialized_memory


def test_initial_weights_are_drawn_in_float64_from_a_stream_of_their_own(alone):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    with runtime.initialisation(0):
        first = torch.nn.Linear(2, 2).weight
    with pytest.raises(RuntimeError), runtime.initialisation(0):
        again = torch.nn.Linear(2, 2).weight
        raise RuntimeError
    assert first.dtype == torch.float64 and torch.equal(first, again)
    assert torch.equal(torch.rand(3), expected) and torch.get_default_dtype() == torch.float32


def test_what_decides_the_last_digits_is_written_down(alone):
    found = runtime.numerics(torch.device("cpu"))
    assert found["torch"] == torch.__version__ and found["device"] == "cpu" and found["threads"] == 1


def test_the_profile_given_yields_to_the_environment(alone):
    assert runtime.profile("lesson") == "lesson"
    alone.setenv("SSLENS_PROFILE", "smoke")
    assert runtime.profile("full") == "smoke"
    alone.setenv("SSLENS_LIVE", "1")
    assert runtime.profile("smoke") == "smoke"
    with pytest.warns(UserWarning, match="Profile smoke, as SSLENS_PROFILE in the environment says, not full"):
        assert runtime.profile("full") == "smoke"


def test_an_unknown_profile_is_refused(alone):
    with pytest.raises(UnknownName, match="Did you mean 'lesson'"):
        runtime.profile("leson")


@pytest.mark.parametrize("sign", ["JPY_SESSION_NAME", "VSCODE_PID", "COLAB_RELEASE_TAG"])
def test_a_person_is_seen_by_the_workbench(alone, sign):
    alone.setattr(sys, "argv", ["ipykernel_launcher.py", "-f", "kernel.json"])
    assert not runtime.is_interactive()
    alone.setenv(sign, "1")
    assert runtime.is_interactive()


def test_a_batch_kernel_inside_a_workbench_is_nobody(alone):
    alone.setenv("JPY_SESSION_NAME", "x.ipynb")
    alone.setattr(sys, "argv", ["ipykernel_launcher.py", "--HistoryManager.hist_file=:memory:"])
    assert not runtime.is_interactive()


@pytest.mark.parametrize(("given", "answer"), [("1", True), ("0", False)])
def test_the_environment_decides_whether_a_person_is_there(alone, given, answer):
    alone.setenv("JPY_SESSION_NAME", "" if answer else "x.ipynb")
    alone.setenv("SSLENS_LIVE", given)
    assert runtime.is_interactive() is answer


def test_data_goes_where_the_environment_says(alone, tmp_path):
    alone.setenv("SSLENS_DATA", str(tmp_path / "there"))
    assert runtime.data_root() == tmp_path / "there"


def test_data_goes_into_the_checkout_else_into_the_home_folder(alone, tmp_path):
    alone.setattr(runtime, "__file__", str(tmp_path / "lib" / "sslens" / "runtime.py"))
    assert runtime.data_root() == Path.home() / ".sslens"
    (tmp_path / "pyproject.toml").touch()
    assert runtime.data_root() == tmp_path / "data"


def test_canonical_text_is_equal_for_equal_values_and_refuses_nan():
    assert runtime.canonical_json({"b": [1, None], "a": "é"}) == runtime.canonical_json({"a": "é", "b": [1, None]})
    with pytest.raises(ValueError, match="not JSON compliant"):
        runtime.canonical_json({"a": float("nan")})
