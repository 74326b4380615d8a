import io
import json

from rich.console import Console

from sslens.headless.terminal import Screen


def shown(tmp_path, *states, terminal=False):
    out = io.StringIO()
    screen = Screen("tour", Console(file=out, force_terminal=terminal, width=100))
    screen.begin(5, tmp_path / "progress.json", profile="smoke")
    for state in states:
        (tmp_path / "progress.json").write_text(state if isinstance(state, str) else json.dumps(state))
        screen._read()
    if terminal:
        screen.console.print(screen.bars)
    return out.getvalue()


def step(label, number, total=40):
    return {"label": label, "step": number, "total": total}


def test_a_finished_training_is_one_line(tmp_path):
    states = [step("seed 0", 10), step("seed 0", 40), step("seed 0", 40), step("seed 1", 20), step("seed 1", 40)]
    lines = shown(tmp_path, *states).splitlines()
    assert [line.partition(",")[0] for line in lines] == ["tour at smoke: seed 0 40/40", "tour at smoke: seed 1 40/40"]


def test_a_training_half_written_says_nothing(tmp_path):
    assert shown(tmp_path, "", '{"label": "a"', "[]", "{}", '{"label": "a", "step": null, "total": 3}') == ""


def test_a_person_sees_bars_for_cells_and_steps(tmp_path):
    seen = shown(tmp_path, step("vicreg [seed 0]", 10), terminal=True)
    assert "tour at smoke cell" in seen and "0/5" in seen
    assert "vicreg [seed 0]" in seen and "10/40" in seen


def test_the_bars_of_an_earlier_kernel_make_room(tmp_path):
    out = io.StringIO()
    screen = Screen("tour", Console(file=out, force_terminal=True, width=100))
    for profile in ("smoke", "lesson"):
        screen.begin(5, tmp_path / "progress.json", profile=profile)
        screen.cell(2)
    screen.console.print(screen.bars)
    assert "tour at lesson cell" in out.getvalue() and "tour at smoke" not in out.getvalue()
