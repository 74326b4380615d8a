"""Outputs lose what is another in every run, and nothing else."""

import pytest
from nbformat.v4 import new_output

from sslens.headless.outputs import WIDGET, lasting_outputs, without_timings


def stream(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def test_streams_are_joined_between_displays_and_widgets_go():
    shown, widget = new_output("display_data", data={"text/plain": "1"}), new_output("display_data", data={WIDGET: {}})
    outputs = [stream("c", "stderr"), stream("a"), widget, stream("b"), shown, stream("d"), stream("e", "other")]
    lasting = lasting_outputs(outputs)
    said = [(output.name, output.text) if "name" in output else "display" for output in lasting]
    assert said == [("stdout", "ab"), ("stderr", "c"), "display", ("stdout", "d"), ("other", "e")]
    assert lasting_outputs(lasting) == lasting and len(outputs) == 7


def test_a_frame_cut_in_two_by_the_kernel_is_one_frame():
    (output,) = lasting_outputs([stream("\rstep 1/2\rst"), stream("ep 2/2\n")])
    assert output.text == "step 2/2\n"


@pytest.mark.parametrize(
    ("said", "lasting"),
    [
        ("/tmp/ipykernel_4711/1234.py:2: UserWarning: a", "ipykernel/cell.py:2: UserWarning: a"),
        ("/var/my~tmp/a b/ipykernel_1/2.py", "/var/my~tmp/a ipykernel/cell.py"),
        ('File "/tmp/deep/' + "a/" * 20 + 'ipykernel_1/2.py", line 1', 'File "ipykernel/cell.py", line 1'),
        ("/home/me/a.py:3: kept", "/home/me/a.py:3: kept"),
        ("<object object at 0x7f5a2c3d>", "<object object at 0x…>"),
        ("mask 0xff, look at 0", "mask 0xff, look at 0"),
    ],
)
def test_process_and_address_go_wherever_a_text_stands(said, lasting):
    error = new_output("error", ename="E", evalue=said, traceback=[said])
    outputs = [stream(said), new_output("execute_result", data={"text/plain": said}), error]
    text, result, raised = lasting_outputs(outputs)
    assert (text.text, result.data["text/plain"]) == (lasting, lasting)
    assert (raised.evalue, raised.traceback) == (lasting, [lasting])
    assert outputs[2].evalue == said  # the arguments stay as they are


@pytest.mark.parametrize(
    ("said", "rest"),
    [
        ("CPU times: user 2 µs, sys: 0 ns, total: 2 µs\nWall time: 4.05 µs\nrank 12.91", "rank 12.91"),
        ("rank 12.91\nWall time: 1min 3s", "rank 12.91\n"),
        ("12.3 ns ± 0.5 ns per loop (mean ± std. dev. of 7 runs, 100 loops each)\n", ""),
        ("1.2 s ± 3 ms per loop (mean ± std. dev. of 7 runs, 1 loop each)", ""),
        ("The slowest run took 4.04 times longer than the fastest. This could mean ...\n", ""),
        ("100%|##| 200/200 [00:01<00:00, 46.18it/s]\n", "100%|##| 200/200 \n"),
        ("100%|##| 3/3 [00:09<00:00,  3.10s/it]", "100%|##| 3/3 "),
        ("took 3.2 s", "took 3.2 s"),
        ("[1, 2] Wall time: 3", "[1, 2] Wall time: 3"),
    ],
)
def test_what_magics_and_bars_say_of_the_clock_is_left_out_of_a_comparison(said, rest):
    assert without_timings(said) == rest
