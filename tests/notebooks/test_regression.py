"""The committed notebooks as they are, on other CPUs, and with faults planted: do the checks hold, and do they bite?"""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from sslens.claims import RESULT
from sslens.headless.compare import differences
from sslens.headless.lesson import reference_of
from sslens.headless.normalise import normalise, written
from sslens.headless.notebook import is_folded_source, read_notebook
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
    shared,
)
from tests.notebooks.tolerance import SHARED

pytestmark = pytest.mark.timeout(3200)  # a test waits for its own run, and for those that were begun before it
TOUR, TEMPLATE = ROOT / "notebooks" / "00_first_light.ipynb", ROOT / "notebooks" / "_template.ipynb"
REFERENCE = reference_of(TOUR)
OWN_DATA = {"with MKL's code for any processor"}
"""What a run's key does not distinguish from this machine as it is: nothing trained by another may answer."""
# threads that wait asleep: spinning ones take ten times as long where another process wants a core
THREADS = {"SSLENS_THREADS": "2", "OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"}
CPUS = {
    "with AVX2 and two threads": {"ATEN_CPU_CAPABILITY": "avx2", **THREADS},
    "without vector instructions": {"ATEN_CPU_CAPABILITY": "default"},
    "with MKL's code for any processor": {"MKL_CBWR": "COMPATIBLE"},
}
MEASURE = """import functools
from sslens.measures import {room}
exact = {room}.{name}
{room}.{name} = functools.wraps(exact)(lambda *args, **options: 1.01 * exact(*args, **options))
"""
BARS = """import functools, numpy
from sslens import figures
exact = figures.bars
@functools.wraps(exact)
def bars(*args, **options):
    figure = exact(*args, **options)
    return figure.update_traces(y=1.01 * numpy.asarray(figure.data[1].y), selector=1)
figures.bars = bars
"""
FAULTS = {
    "RankMe": MEASURE.format(room="spectrum", name="rankme"),
    "participation ratio": MEASURE.format(room="spectrum", name="participation_ratio"),
    "bars": BARS,
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Every run of this file by its name, two at a time.

    Planted faults leave training alone, so they take what the unharmed headless run trained.
    """
    root = tmp_path_factory.mktemp("lives")

    def on(cpu):
        folder = root / cpu
        data = folder / "data" if cpu in OWN_DATA else shared()
        return checked(TOUR, folder, **CPUS[cpu], **{SHARED: str(data)}), computed_by(data)

    def with_fault(name):
        begun["headless"].result()
        return planted(FAULTS[name], TOUR, root / name)

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
        ("with AVX2 and two threads", "AVX2", 2),
        ("without vector instructions", "DEFAULT", 1),
        ("with MKL's code for any processor", None, 1),
    ],
)
def test_every_cell_agrees_on_another_cpu(runs, cpu, processor, threads):
    outcomes, trained = runs[cpu].result()
    assert "\n".join(trouble for trouble in outcomes.values() if trouble) == ""
    assert outcomes.keys() == code(TOUR).keys()
    assert threads in {count for _, count in trained}
    if processor and (processor, threads) not in trained:
        pytest.skip(f"torch knows no {processor} on this machine: the check passed on {trained}")


def test_one_percent_in_a_measure_fails_with_notebook_cell_and_quantity(runs):
    troubles = {number: trouble for number, trouble in runs["participation ratio"].result().items() if trouble}
    (verdicts,) = results(REFERENCE)
    assert verdicts in troubles
    message = troubles[verdicts]
    assert message.startswith(f"{TOUR.name}, cell {verdicts} (")
    stored = results(REFERENCE)[verdicts]["values"]["participation ratio, collapsed"]
    assert f"\nparticipation ratio, collapsed {1.01 * stored:.6g}, reference {stored:.6g}\n" in message
    assert "loss left" not in message and "RankMe" not in message


@pytest.mark.parametrize("quantity", ["RankMe", "participation ratio"])
def test_one_percent_in_a_measure_fails_the_curves_of_that_measure_alone(runs, quantity):
    troubles = {number: trouble for number, trouble in runs[quantity].result().items() if trouble}
    places = {number: panel(figure, quantity) for number, figure in figures(REFERENCE).items()}
    (number,) = (number for number, traces in places.items() if traces)
    assert troubles[number].startswith(f"{TOUR.name}, cell {number} (")
    assert blamed(troubles[number]) and blamed(troubles[number]) <= places[number]
    assert f", {quantity})" in troubles[number]
    assert troubles.keys() <= {number, *results(REFERENCE)}


def test_one_percent_in_the_data_of_a_figure_fails_that_figure_alone(runs):
    troubles = {number: trouble for number, trouble in runs["bars"].result().items() if trouble}
    (number,) = (number for number, cell in code(TOUR).items() if "figures.bars(" in cell.source)
    assert troubles.keys() == {number}
    assert troubles[number].startswith(f"{TOUR.name}, cell {number} (")
    assert "\nfigure data[1].y (" in troubles[number] and " differs by " in troubles[number]
    assert blamed(troubles[number]) == {1}


def test_a_headless_run_is_complete_and_its_sidecar_strict_json(runs):
    def refused(constant):
        raise AssertionError(f"{constant} is not JSON")

    sidecar = json.loads((runs["headless"].result() / "run.json").read_text(), parse_constant=refused)
    assert (sidecar["status"], sidecar["reason"], sidecar["profile"]) == ("complete", "", "smoke")
    assert None not in sidecar["cell_seconds"]


def test_the_verdicts_of_a_headless_run_are_the_committed_ones(runs):
    sidecar = json.loads((runs["headless"].result() / "run.json").read_text())
    (stored,) = results(REFERENCE).values()
    values = {verdict["quantity"]: verdict["mean"] for verdict in sidecar["verdicts"]}
    for verdict in sidecar["verdicts"]:
        parts = ["low", "high", "n", "holds"]
        if verdict["holds"] is None and verdict["detectable"] is not None:
            parts.append("detectable")
        values |= {f"{verdict['quantity']}.{part}": verdict[part] for part in parts}
    fresh = {"values": values, "tolerance": stored["tolerance"]}
    outputs = [[{"output_type": "display_data", "data": {RESULT: record}}] for record in (stored, fresh)]
    assert values and differences(*outputs) == []


def test_a_headless_run_shows_what_the_reference_holds(runs):
    executed = code(runs["headless"].result() / TOUR.name)
    for number, old in code(REFERENCE).items():
        found = [] if is_folded_source(old) else differences(old.outputs, executed[number].outputs)
        assert (number, found) == (number, [])


@pytest.mark.parametrize("path", [TOUR, REFERENCE], ids=["lesson", "reference"])
def test_what_is_committed_is_normalised(path):
    assert written(normalise(read_notebook(path))) == path.read_text()


def test_the_report_shows_every_figure_of_the_notebook(runs):
    page = (runs["headless"].result() / f"{TOUR.stem}.html").read_text()
    assert page.count('<div class="plotly-graph-div">') == len(figures(REFERENCE)) > 0


def test_freezing_on_another_cpu_leaves_the_committed_bytes(runs):
    assert runs["frozen"].result() == reference_of(TEMPLATE).read_bytes()
