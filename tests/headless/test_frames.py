"""What a terminal shows in the end, of bars that real programs draw and of single commands."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.progress import Progress
from tqdm import tqdm

from sslens.headless.frames import last_frame

RED, PLAIN = "\x1b[31m", "\x1b[0m"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("a\rb", "b"),
        ("long\rab", "abng"),
        ("a\r\nb\r\n", "a\nb\n"),
        ("\rstep 1/2\rstep 2/2\n", "step 2/2\n"),
        ("50%\b\b\b100%", "100%"),
        ("\b\b\bab", "ab"),
        ("one\ntwo\x1b[1A\rONE", "ONE\ntwo"),
        ("one\ntwo\x1b[2K\rTWO", "one\nTWO"),
        ("abcdef\x1b[3D\x1b[K", "abc"),
        ("abcdef\r\x1b[2Cx", "abxdef"),
        ("abcdef\x1b[1Gx", "xbcdef"),
        ("one\ntwo\x1b[Fx\x1b[J", "x"),
        ("one\ntwo\x1b[2Jthree", "three"),
        ("\x1b[?25lbar\x1b[?25h", "bar"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;https://example.org\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("a\x07\x00b", "ab"),
        (f"{RED}old{PLAIN}\r{RED}new", f"{RED}new{PLAIN}"),
        (f"{RED}a{PLAIN}b\rc", "cb"),
    ],
)
def test_the_last_frame_is_what_a_terminal_shows(written, shown):
    assert last_frame(written) == shown


def test_a_cursor_sent_far_away_makes_no_text_without_end():
    assert 2 < len(last_frame("a\x1b[9999999Cb" * 3)) <= 10_010


@given(st.text())
def test_text_that_moves_no_cursor_stays_as_it_is(text):
    plain = "".join(letter for letter in text if (letter >= " " and letter != "\x7f") or letter in "\n\t")
    assert last_frame(plain) == plain
    assert last_frame(f"{RED}{plain}{PLAIN}") == f"{RED}{plain}{PLAIN}"


@given(st.lists(st.sampled_from(["a", "\r", "\n", "\b", "\x1b[", "\x1b", "1A", "2K", "m", ";", "9" * 30, "é", "\x07"])))
def test_no_text_is_beyond_it_and_a_last_frame_is_its_own(pieces):
    once = last_frame("".join(pieces))
    assert last_frame(once) == once


def test_the_bar_of_tqdm_is_one_line():
    written = io.StringIO()
    for _ in tqdm(range(50), file=written, mininterval=0, ncols=60):
        pass
    frame = last_frame(written.getvalue())
    assert written.getvalue().count("\r") > 50
    assert frame.count("\n") == 1 and frame.startswith("100%|") and "50/50" in frame


def test_two_bars_of_rich_are_two_lines():
    console = Console(file=io.StringIO(), force_terminal=True, width=60)
    with Progress(console=console) as bars:
        tasks = [bars.add_task(name, total=10) for name in ("first", "second")]
        for _ in range(10):
            for task in tasks:
                bars.advance(task)
                bars.refresh()
    lines = [line for line in last_frame(console.file.getvalue()).splitlines() if line.strip()]
    assert [line.split()[0] for line in lines] == ["first", "second"]
    assert all("100%" in line for line in lines)


def test_long_text_takes_no_time_without_end():
    for written in ("\rabc" * 10**5, "\x1b]" * 10**5, "\r" + "a" * 10**6, "\x1b[31m" * 10**5 + "a\r"):
        assert len(last_frame(written)) <= len(written) + 10
