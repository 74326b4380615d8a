import io
import json

from rich.console import Console

from sslens.batch.terminal import Screen


def told(tmp_path, *states, terminal=False):
    out = io.StringIO()
    screen = Screen("tour", Console(file=out, force_terminal=terminal, width=100))
    screen.begin(5, tmp_path / "progress.json")
    for state in states:
        (tmp_path / "progress.json").write_text(state if isinstance(state, str) else json.dumps(state))
        screen._look()
    if terminal:
        screen.console.print(screen.bars)
    return out.getvalue()


def step(label, number, total=40):
    return {"label": label, "step": number, "total": total}


def test_a_finished_training_is_one_line(tmp_path):
    states = [step("seed 0", 10), step("seed 0", 40), step("seed 0", 40), step("seed 1", 20), step("seed 1", 40)]
    lines = told(tmp_path, *states).splitlines()
    assert [line.partition(",")[0] for line in lines] == ["tour: seed 0 40/40", "tour: seed 1 40/40"]


def test_a_training_told_by_halves_says_nothing(tmp_path):
    assert told(tmp_path, "", '{"label": "a"', "[]", "{}", '{"label": "a", "step": null, "total": 3}') == ""


def test_a_person_sees_bars_for_cells_and_steps(tmp_path):
    shown = told(tmp_path, step("vicreg [seed 0]", 10), terminal=True)
    assert "tour cell" in shown and "0/5" in shown
    assert "vicreg [seed 0]" in shown and "10/40" in shown
