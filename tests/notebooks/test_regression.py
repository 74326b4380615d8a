"""The committed notebooks as they are, on other CPUs, and with faults planted: do the checks hold, and do they bite?"""

import json
from concurrent.futures import ThreadPoolExecutor

import nbformat
import pytest

from sslens.batch.compare import differences
from sslens.batch.freeze import normalise
from sslens.claims import RESULT
from tests.notebooks.lives import (
    ROOT,
    blamed,
    checked,
    code,
    computed_by,
    figures,
    frozen,
    headless,
    panel,
    planted,
    results,
)

pytestmark = pytest.mark.timeout(900)  # a test waits for its own run, and for those that were begun before it
TOUR, TEMPLATE = ROOT / "notebooks" / "00_first_light.ipynb", ROOT / "notebooks" / "_template.ipynb"
CPUS = {
    # threads that wait asleep: spinning ones take ten times as long where another process wants a core
    "with two threads": {"SSLENS_THREADS": "2", "OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"},
    "without vector instructions": {"ATEN_CPU_CAPABILITY": "default"},
    "with AVX2": {"ATEN_CPU_CAPABILITY": "avx2"},
    "with MKL's code for any processor": {"MKL_CBWR": "COMPATIBLE"},
}
MEASURE = """import functools
from sslens.measures import {room}
exact = {room}.{name}
{room}.{name} = functools.wraps(exact)(lambda *args, **options: 1.01 * exact(*args, **options))
"""
BARS = """import functools, numpy
from sslens.figures import classes
exact = classes.bars
@functools.wraps(exact)
def bars(*args, **options):
    figure = exact(*args, **options)
    return figure.update_traces(y=1.01 * numpy.asarray(figure.data[1].y), selector=1)
classes.bars = bars
"""
FAULTS = {
    "RankMe": MEASURE.format(room="spectrum", name="rankme"),
    "unit deviation": MEASURE.format(room="collapse", name="unit_deviation"),
    "bars": BARS,
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Every run of this file by its name, two at a time.

    Planted faults leave training alone, so they look at what the unharmed headless run trained.
    """
    root = tmp_path_factory.mktemp("lives")

    def on(cpu):
        folder = root / cpu
        return checked(TOUR, folder, **CPUS[cpu]), computed_by(folder / "data")

    def with_fault(name):
        begun["headless"].result()
        return planted(FAULTS[name], TOUR, root / name, SSLENS_DATA=str(root / "headless" / "data"))

    with ThreadPoolExecutor(2) as pool:
        begun = {"headless": pool.submit(headless, TOUR, root / "headless")}
        begun |= {cpu: pool.submit(on, cpu) for cpu in CPUS}
        begun["frozen"] = pool.submit(frozen, TEMPLATE, root / "frozen", ATEN_CPU_CAPABILITY="default")
        begun |= {name: pool.submit(with_fault, name) for name in FAULTS}
        yield begun
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize(
    ("cpu", "processor", "threads"),
    [
        ("with two threads", None, 2),
        ("without vector instructions", "DEFAULT", 1),
        ("with AVX2", "AVX2", 1),
        ("with MKL's code for any processor", None, 1),
    ],
)
def test_every_cell_agrees_on_another_cpu(runs, cpu, processor, threads):
    outcomes, trained = runs[cpu].result()
    assert "\n".join(trouble for trouble in outcomes.values() if trouble) == ""
    assert outcomes.keys() == set(range(len(code(TOUR))))
    assert {count for _, count in trained} == {threads}
    if processor and {name for name, _ in trained} != {processor}:
        pytest.skip(f"torch knows no {processor} on this machine: the check passed on {trained}")


def test_one_percent_in_a_measure_fails_with_notebook_cell_and_quantity(runs):
    troubles = {number: trouble for number, trouble in runs["unit deviation"].result().items() if trouble}
    (verdicts,) = results(TOUR)
    assert verdicts in troubles
    message = troubles[verdicts]
    assert message.startswith(f"{TOUR.name}, Cell {verdicts} (")
    stored = results(TOUR)[verdicts]["values"]["unit deviation, collapsed"]
    assert f"\nunit deviation, collapsed {1.01 * stored:.6g}, reference {stored:.6g}\n" in message
    assert "loss left" not in message and "RankMe" not in message


@pytest.mark.parametrize("quantity", ["RankMe", "unit deviation"])
def test_one_percent_in_a_measure_fails_the_curves_of_that_measure_alone(runs, quantity):
    troubles = {number: trouble for number, trouble in runs[quantity].result().items() if trouble}
    places = {number: panel(figure, quantity) for number, figure in figures(TOUR).items()}
    (number,) = (number for number, traces in places.items() if traces)
    assert troubles[number].startswith(f"{TOUR.name}, Cell {number} (")
    assert blamed(troubles[number]) == places[number]
    assert f", {quantity})" in troubles[number]
    assert troubles.keys() <= {number, *results(TOUR)}


def test_one_percent_in_the_data_of_a_figure_fails_that_figure_alone(runs):
    troubles = {number: trouble for number, trouble in runs["bars"].result().items() if trouble}
    (number,) = (number for number, cell in enumerate(code(TOUR)) if "figures.classes.bars(" in cell.source)
    assert troubles.keys() == {number}
    assert troubles[number].startswith(f"{TOUR.name}, Cell {number} (")
    assert "\nfigure data[1].y (simclr, share found by neighbours) differs by " in troubles[number]
    assert blamed(troubles[number]) == {1}


def test_a_headless_run_is_complete_and_its_sidecar_strict_json(runs):
    def refused(constant):
        raise AssertionError(f"{constant} is not JSON")

    sidecar = json.loads((runs["headless"].result() / "run.json").read_text(), parse_constant=refused)
    assert (sidecar["status"], sidecar["reason"], sidecar["profile"]) == ("complete", "", "smoke")
    assert None not in sidecar["cell_seconds"]


def test_the_verdicts_of_a_headless_run_are_the_committed_ones(runs):
    sidecar = json.loads((runs["headless"].result() / "run.json").read_text())
    (stored,) = results(TOUR).values()
    values = {verdict["quantity"]: verdict["mean"] for verdict in sidecar["verdicts"]}
    for verdict in sidecar["verdicts"]:
        values |= {f"{verdict['quantity']}.{part}": verdict[part] for part in ("low", "high", "n", "holds")}
    fresh = {"values": values, "tolerance": stored["tolerance"]}
    told = [[{"output_type": "display_data", "data": {RESULT: record}}] for record in (stored, fresh)]
    assert values and differences(*told) == []


def test_a_headless_run_frozen_leaves_the_committed_bytes(runs):
    executed = runs["headless"].result() / TOUR.name
    kept = nbformat.read(TOUR, 4)
    reference = [cell for cell in kept.cells if cell.cell_type == "code"]
    for number, (old, new) in enumerate(zip(reference, code(executed), strict=True)):
        assert (number, differences(old.outputs, new.outputs)) == (number, [])
    assert nbformat.writes(normalise(kept)) + "\n" == TOUR.read_text()


def test_the_report_shows_every_figure_of_the_notebook(runs):
    page = (runs["headless"].result() / f"{TOUR.stem}.html").read_text()
    assert page.count('<div class="plotly-graph-div">') == len(figures(TOUR)) > 0


def test_freezing_on_another_cpu_leaves_the_committed_bytes(runs):
    assert runs["frozen"].result() == TEMPLATE.read_bytes()
