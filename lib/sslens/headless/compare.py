"""One tolerant comparison of notebook outputs, used twice: by the notebook tests, and to freeze without needless diffs.

Numbers are compared as numbers wherever they hide (text, figure arrays, results), everything else exactly. What only
a screen needs (pictures, widget views, metadata) is not compared.
"""

import base64
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from itertools import zip_longest
from typing import Any, final

import numpy as np
from jaxtyping import Bool, Shaped

from sslens.claims import RESULT
from sslens.figures.theme import PLOTLY, about
from sslens.headless.outputs import lasting_outputs, with_ids_in_order, without_timings
from sslens.types import InputError

PICTURES = frozenset({"image/png", "image/jpeg", "image/svg+xml"})
BESIDE_A_FIGURE = frozenset({"text/plain", "text/html"})
"""What a renderer may write beside a figure: the figure's own data says the same without random identifiers."""
BESIDE_A_RESULT = frozenset({"text/html"})
"""A table of verdicts draws intervals to the nearest letter; its numbers are those of the result."""
NUMBER = re.compile(r"([-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\b(?:inf|nan)\b)")
TRACE = re.compile(r"^figure data\[([0-9]+)\]\S*")
WHOLE = re.compile(r"[-+]?[0-9]+")

Output = Mapping[str, Any]
Array = Shaped[np.ndarray, "..."]


@final
@dataclass(frozen=True)
class Tolerance:
    """How far a fresh number may lie from its reference: |fresh - reference| <= absolute + relative · |reference|."""

    relative: float = 1e-4
    absolute: float = 1e-7

    def near(self, reference: Any, fresh: Any) -> Bool[np.ndarray, "..."]:
        """Element by element whether the two agree; NaN agrees with NaN.

        >>> bool(Tolerance().near(12.91, 12.91000001)), bool(Tolerance().near(12.91, 13.04))
        (True, False)
        """
        return np.asarray(np.isclose(fresh, reference, rtol=self.relative, atol=self.absolute, equal_nan=True))


def differences(reference: Sequence[Output], fresh: Sequence[Output]) -> list[str]:
    """Say in words where the outputs of a cell depart from their reference; an empty list means they agree.

    Whole numbers in text must be equal, other numbers agree within a relative 1e-4 (absolute 1e-7), and the values of
    a result within the tolerance its reference declares. Outputs are matched by position, the pieces of a stream first
    joined.

    Raises:
        InputError: a figure holds an array that cannot be decoded.

    >>> old, new = ({"output_type": "stream", "name": "stdout", "text": f"rank {rank}"} for rank in ("12.91", "13.04"))
    >>> differences([old], [old]), differences([old], [new])
    ([], ["stdout reads 'rank 13.04', reference 'rank 12.91'"])
    """
    found: list[str] = []
    both = (with_ids_in_order(lasting_outputs(outputs)) for outputs in (reference, fresh))
    for place, (old, new) in enumerate(zip_longest(*both), 1):
        if old is None:
            found.append(f"output {place} is new: {_in_words(new)}")
        elif new is None:
            found.append(f"output {place} is missing: {_in_words(old)}")
        elif _kind(old) != _kind(new):
            found.append(f"output {place} is {_kind(new)}, reference {_kind(old)}")
        elif old["output_type"] == "stream":
            found += _text(_kind(old), old["text"], new["text"], _same_number)
        elif old["output_type"] == "error":
            found += [] if _in_words(old) == _in_words(new) else [f"{_in_words(new)}, reference {_in_words(old)}"]
        else:
            found += _bundle(old["data"], new["data"])
    return found


def _kind(output: Output) -> str:
    if output["output_type"] == "stream":
        return output["name"]
    if output["output_type"] == "error":
        return "error"
    data = output["data"]
    return "figure" if PLOTLY in data else "result" if RESULT in data else "display"


def _in_words(output: Output) -> str:
    kind = _kind(output)
    if kind == "error":
        return f"error {output['ename']}: {output['evalue']}"
    text = output["text"] if "text" in output else output["data"].get("text/plain", "")
    return f"{kind} {_short(text)}" if text and kind != "figure" else kind


def _short(text: str) -> str:
    return repr(text if len(text) <= 120 else text[:117] + "...")


def _bundle(reference: Mapping[str, Any], fresh: Mapping[str, Any]) -> list[str]:
    ignored = PICTURES | (BESIDE_A_FIGURE if PLOTLY in reference else frozenset())
    ignored |= BESIDE_A_RESULT if RESULT in reference else frozenset()
    old, new = reference.keys() - ignored, fresh.keys() - ignored
    found = [f"{mime} is missing" for mime in sorted(old - new)] + [f"{mime} is new" for mime in sorted(new - old)]
    results = RESULT in old & new and _is_result(reference[RESULT]) and _is_result(fresh[RESULT])
    same = partial(_same_in_result, reference[RESULT], fresh[RESULT]) if results else _same_number
    for mime in sorted(old & new):
        if mime == RESULT and results:
            found += _result(reference[mime], fresh[mime])
        elif mime == PLOTLY:
            lines = _tree("figure ", reference[mime], fresh[mime])
            found += [TRACE.sub(lambda at: at[0] + _about(reference[PLOTLY], int(at[1])), line) for line in lines]
        elif isinstance(reference[mime], str) and isinstance(fresh[mime], str):
            found += _text(mime.removeprefix("text/plain") or "text", reference[mime], fresh[mime], same)
        else:
            found += _tree(f"{mime} ", reference[mime], fresh[mime])
    return found


def _about(figure: Any, place: int) -> str:
    try:
        return about(figure, place)
    except (AttributeError, TypeError):  # it is none that plotly has made
        return ""


def _is_result(record: Any) -> bool:
    """Whether what stands under a result's name is one: any program may write anything there."""
    return isinstance(record, Mapping) and all(
        isinstance(record.get(part, {}), Mapping) for part in ("values", "tolerance")
    )


def _text(what: str, reference: str, fresh: str, same: Callable[[str, str], bool]) -> list[str]:
    reference, fresh = without_timings(reference), without_timings(fresh)
    if reference == fresh:
        return []
    old_lines, new_lines = reference.split("\n"), fresh.split("\n")
    if len(old_lines) != len(new_lines):
        return [f"{what} has {len(new_lines)} lines, reference {len(old_lines)}: {_short(fresh)}"]
    pairs = zip(old_lines, new_lines, strict=True)
    return [f"{what} reads {_short(new)}, reference {_short(old)}" for old, new in pairs if not _agree(old, new, same)]


def _agree(reference: str, fresh: str, same: Callable[[str, str], bool]) -> bool:
    old, new = NUMBER.split(reference), NUMBER.split(fresh)  # words at even places, numbers at odd ones
    return old[::2] == new[::2] and all(map(same, old[1::2], new[1::2]))


def _same_number(reference: str, fresh: str, tolerance: Tolerance = Tolerance()) -> bool:
    if reference == fresh or (WHOLE.fullmatch(reference) and WHOLE.fullmatch(fresh)):
        return reference == fresh
    return bool(tolerance.near(float(reference), float(fresh)))


def _same_in_result(reference: Mapping[str, Any], fresh: Mapping[str, Any], old: str, new: str) -> bool:
    """A line beside a result prints its values rounded, so two values in tolerance may stand there a digit apart."""
    if _same_number(old, new, _tolerance(reference)):
        return True
    before, after = reference.get("values", {}), fresh.get("values", {})
    return any(_prints(before[name], old) and _prints(after.get(name), new) for name in before)


def _prints(value: Any, text: str) -> bool:
    digit = Decimal(text).as_tuple().exponent
    if not _number(value) or not isinstance(digit, int):
        return False
    return abs(value - float(text)) <= 0.5 * 10.0**digit * (1 + 1e-9)


def _tolerance(result: Mapping[str, Any]) -> Tolerance:
    declared = result.get("tolerance", {})
    return Tolerance(**{name: declared[name] for name in ("relative", "absolute") if _number(declared.get(name))})


def _result(reference: Mapping[str, Any], fresh: Mapping[str, Any]) -> list[str]:
    old, new, tolerance = reference.get("values", {}), fresh.get("values", {}), _tolerance(reference)
    found = [f"{name} is missing" for name in old if name not in new]
    found += [f"{name} is new" for name in new if name not in old]
    found += [
        f"{name} {_shown(new[name])}, reference {_shown(old[name])}"
        for name in old
        if name in new and not _same_value(old[name], new[name], tolerance)
    ]
    rest = [{name: item for name, item in record.items() if name != "values"} for record in (reference, fresh)]
    return found + _tree("result ", *rest)


def _same_value(reference: Any, fresh: Any, tolerance: Tolerance) -> bool:
    if _number(reference) and _number(fresh):
        try:
            return reference == fresh or bool(tolerance.near(float(reference), float(fresh)))
        except OverflowError:  # whole numbers beyond the largest float
            return False
    return type(reference) is type(fresh) and reference == fresh


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else repr(value)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _tree(path: str, reference: Any, fresh: Any) -> list[str]:
    old, new = _numbers(path, reference), _numbers(path, fresh)
    if old is not None and new is not None:
        return _arrays(path, old, new)
    if isinstance(reference, Mapping) and isinstance(fresh, Mapping):
        join = path if path.endswith(" ") else f"{path}."
        found = [f"{join}{key} is missing" for key in reference if key not in fresh]
        found += [f"{join}{key} is new" for key in fresh if key not in reference]
        shared = (key for key in reference if key in fresh and key != "uid")
        return found + [line for key in shared for line in _tree(f"{join}{key}", reference[key], fresh[key])]
    if isinstance(reference, list) and isinstance(fresh, list):
        if len(reference) != len(fresh):
            return [f"{path} has {len(fresh)} entries, reference {len(reference)}"]
        pairs = enumerate(zip(reference, fresh, strict=True))
        return [line for index, pair in pairs for line in _tree(f"{path}[{index}]", *pair)]
    if isinstance(reference, str) and isinstance(fresh, str):
        return _text(path, reference, fresh, _same_number)
    whole = isinstance(reference, int) and isinstance(fresh, int) and type(reference) is type(fresh)
    if reference == fresh if whole else _same_value(reference, fresh, Tolerance()):
        return []
    return [f"{path} {_short(str(fresh))}, reference {_short(str(reference))}"]


def _numbers(path: str, value: Any) -> Array | None:
    if isinstance(value, Mapping) and {"bdata", "dtype"} <= value.keys():
        try:
            array = np.frombuffer(base64.b64decode(value["bdata"], validate=True), _numeric(value["dtype"]))
            return array.reshape([int(length) for length in str(value.get("shape", "-1")).split(",")])
        except (ValueError, TypeError) as cause:
            raise InputError(path, dict(value), "a base64 array of its dtype and shape", str(cause)) from None
    if isinstance(value, list) and value and all(item is None or _number(item) for item in value):
        numbers = np.array([math.nan if item is None else item for item in value])
        return numbers if numbers.dtype.kind in "iuf" else None  # whole numbers beyond 64 bits are compared one by one
    return None


def _numeric(name: Any) -> np.dtype:
    dtype = np.dtype(name)
    if dtype.kind not in "biuf":
        raise ValueError(f"{dtype} holds no numbers")
    return dtype


def _arrays(path: str, reference: Array, fresh: Array) -> list[str]:
    if reference.shape != fresh.shape:
        return [f"{path} has shape {fresh.shape}, reference {reference.shape}"]
    whole = reference.dtype.kind in "iub" and fresh.dtype.kind in "iub"
    off = reference != fresh if whole else ~Tolerance().near(reference, fresh)
    if not off.any():
        return []
    gap = np.abs(fresh[off].astype(float) - reference[off].astype(float))
    return [f"{path} differs by {np.where(np.isnan(gap), math.inf, gap).max():.2g} at most"]
