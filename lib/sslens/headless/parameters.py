"""Strict parameters: declared in one cell, read by their declared type, refused before a kernel starts."""

import ast
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, final

from nbformat import NotebookNode

from sslens import studies
from sslens.datasets.folder import rooted
from sslens.headless.notebook import tags
from sslens.runtime import PROFILES
from sslens.types import InputError, OneOf, UnknownName, checked, fields_of

KINDS: dict[str, type] = {"int": int, "float": float, "bool": bool, "str": str}
WHOLE = re.compile(r"[+-]?(0|[1-9][0-9]{0,17})")
REAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
TRUTH = {"true": True, "True": True, "false": False, "False": False}


@final
@dataclass(frozen=True)
class Parameter:
    """One line of the parameters cell: ``temperature: float = 0.2  # softness of the contrastive softmax``."""

    name: str
    kind: type
    default: Any
    help: str


def declared(notebook: NotebookNode) -> dict[str, Parameter]:
    """The parameters of a notebook by name, in the order of their cell, the one tagged ``parameters``.

    Raises:
        InputError: no such cell or several, a line that declares nothing, or no ``profile`` among the parameters.

    >>> import nbformat
    >>> cell = nbformat.v4.new_code_cell('profile: str = "lesson"', metadata={"tags": ["parameters"]})
    >>> declared(nbformat.v4.new_notebook(cells=[cell]))["profile"].default
    'lesson'
    """
    cells = [cell.source for cell in notebook.cells if "parameters" in tags(cell)]
    if len(cells) != 1:
        raise InputError("cells tagged 'parameters'", len(cells), "exactly 1")
    try:
        statements = ast.parse(cells[0]).body
    except (SyntaxError, ValueError):
        raise InputError("parameters cell", cells[0], "plain Python assignments") from None
    found = [_declaration(statement, cells[0]) for statement in statements]
    parameters = {parameter.name: parameter for parameter in found}
    if len(parameters) < len(found):
        raise InputError("parameters cell", [parameter.name for parameter in found], "one line per name")
    if "profile" not in parameters or parameters["profile"].kind is not str:
        raise InputError("parameters cell", list(parameters), 'a cell with the line: profile: str = "lesson"')
    return parameters


def _declaration(statement: ast.stmt, source: str) -> Parameter:
    line = ast.get_source_segment(source, statement) or ""
    legal = "a line such as 'steps: int = 400  # comment', of type int, float, bool or str"
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name), annotation=ast.Name(id=kind), value=ast.expr() as value) if (
            kind in KINDS
        ):
            pass
        case _:
            raise InputError("parameters cell", line, legal)
    try:
        default = read_value(name, ast.literal_eval(value), kind=KINDS[kind], text=False)
    except (ValueError, TypeError, MemoryError, RecursionError):
        raise InputError("parameters cell", line, legal) from None
    rest = source.splitlines()[(statement.end_lineno or 1) - 1].encode()[statement.end_col_offset :].decode()
    return Parameter(name, KINDS[kind], default, rest.partition("#")[2].strip())


def read_value(name: str, value: object, *, kind: type, text: bool = True) -> Any:
    """A value as its declared type: text is parsed by that type and never guessed, anything else must have it already.

    Raises:
        InputError: another type, not finite, or text that does not say a value of that type.

    >>> read_value("name", "007", kind=str), read_value("rate", "1e-3", kind=float)
    ('007', 0.001)
    >>> read_value("seed", "1_000", kind=int)
    Traceback (most recent call last):
        ...
    sslens.types.InputError: seed must be an int, written in decimal digits. Got '1_000'.
    """
    if isinstance(value, str) and text:
        value = _parsed(name, value, kind=kind)
    found = checked(name, value, kind)
    if kind is float and not math.isfinite(found):
        raise InputError(name, found, "a finite float")
    if kind is str and any("\ud800" <= letter <= "\udfff" for letter in found):
        raise InputError(name, found, "text that UTF-8 can hold")
    return found


def _parsed(name: str, text: str, *, kind: type) -> Any:
    if kind is int and WHOLE.fullmatch(text):
        return int(text)
    if kind is float and REAL.fullmatch(text):
        return float(text)
    if kind is bool and text in TRUTH:
        return TRUTH[text]
    if kind is str:
        return text
    legal = {int: "an int, written in decimal digits", float: "a float, such as 0.1 or 1e-3", bool: "true or false"}
    raise InputError(name, text, legal[kind])


def resolve(notebook: NotebookNode, given: Mapping[str, Any], *, profile: str, name: str = "") -> dict[str, Any]:
    """Every parameter of the notebook with the value it is to run with: what is given, else its default.

    The study of the notebook called ``name`` says in its ``Setting`` which values are legal; a notebook without a
    study has only the types it declares. A folder of images is looked for from where this process stands.

    Raises:
        UnknownName: a parameter the notebook does not declare, or an unknown profile.
        InputError: a wrong type, a value out of range, or a folder of images that is not there.
    """
    parameters = declared(notebook)
    for given_name in given:
        if given_name not in parameters:
            raise UnknownName("parameter", given_name, parameters)
    if "profile" in given:
        raise InputError("parameter profile", given["profile"], "left to the option of its own: --profile")
    values = {parameter.name: parameter.default for parameter in parameters.values()}
    for given_name, value in given.items():
        found = read_value(given_name, value, kind=parameters[given_name].kind)
        # the kernel stands in the notebook's folder; who types a path stands elsewhere
        values[given_name] = rooted(found) if isinstance(found, str) else found
    values["profile"] = checked("profile", profile, Annotated[str, OneOf(PROFILES)])
    return _within_the_setting(values, name)


def _within_the_setting(values: dict[str, Any], name: str) -> dict[str, Any]:
    study = studies.of_notebook(name)
    if study is None:
        return values
    legal = fields_of(study.Setting)
    values |= {field: checked(field, values[field], legal[field]) for field in values if field in legal}
    study.Setting.of(values)  # what it refuses beyond types and ranges is refused here, before a kernel starts
    return values
