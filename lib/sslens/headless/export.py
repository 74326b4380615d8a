"""A notebook for a class: without outputs and answers for students, or with every exercise solved for who teaches."""

import ast
import builtins
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Literal

import nbformat
from nbformat import NotebookNode

from sslens import studies
from sslens.headless.lesson import MARK
from sslens.headless.normalise import normalise, written
from sslens.headless.notebook import exercise_of, read_notebook
from sslens.store import write_atomic
from sslens.types import InputError

Version = Literal["student", "solutions"]
EMPTY = "return None  # your code"


def export(notebook: Path, version: Version, *, to: Path | None = None) -> Path:
    """Write the version of a notebook for students or the one with solutions; by default here, named after both.

    Neither has outputs. For students the cells of exercises are empty and calls for hints and solutions are gone. With
    solutions, each question is answered by what the run finds, with its reasoning below, and each task by the source
    of the function that solves it, so that every check passes at every profile. The rest stays as it is.

    Raises:
        InputError: no notebook, one without exercises, a task without a solution in the study, or a file that is there
            already: none is overwritten.

    >>> export(Path("nowhere.ipynb"), "student")
    Traceback (most recent call last):
        ...
    sslens.types.InputError: notebook must be a readable .ipynb file. Got 'nowhere.ipynb'. (No such file or directory)
    """
    target = to or Path(f"{notebook.stem}-{version}.ipynb")
    found = read_notebook(notebook)
    if target.exists() or target.is_symlink():
        raise InputError("file", str(target), "one that is not there yet", "Nothing was written; -o names another.")
    made = for_students(found) if version == "student" else with_solutions(found, studies.of_notebook(notebook.stem))
    try:
        write_atomic(target, written(made))
    except OSError as error:
        raise InputError("file", str(target), "in a folder that can be written to", f"({error.strerror})") from None
    return target


def for_students(notebook: NotebookNode) -> NotebookNode:
    r"""A copy without outputs, in which the cell of each exercise waits for an answer.

    Raises:
        InputError: no cell is for an exercise.

    >>> cell = nbformat.v4.new_code_cell('answer = 7  # a number\nexercises["rank"].check(answer)')
    >>> print(for_students(nbformat.v4.new_notebook(cells=[cell])).cells[0].source)
    answer = None  # a number
    exercises["rank"].check(answer)
    """
    bare = _without_outputs(notebook)
    for cell in bare.cells:
        if exercise_of(cell):
            cell.source = _emptied(cell.source)
    return bare


def with_solutions(notebook: NotebookNode, study: ModuleType | None) -> NotebookNode:
    """A copy without outputs, in which each exercise is solved.

    Raises:
        InputError: no cell is for an exercise, or the study has no solution of a task.
    """
    bare, solved = _without_outputs(notebook), list[NotebookNode]()
    solutions = dict(_solutions(study)) if study else {}
    for cell in bare.cells:
        solved.append(cell)
        if not (name := exercise_of(cell)):
            continue
        if function := _function_in(cell.source):
            if name not in solutions:
                allowed = 'a Task of the study whose name and solution are written in one place: Task("name", ...)'
                raise InputError("exercise", name, allowed)
            cell.source = _solved(cell.source, function, solutions[name])
        else:
            cell.source = _answered(cell.source, name)
            solved.append(nbformat.v4.new_code_cell(f'exercises["{name}"].solution()'))
    bare.cells = solved
    return normalise(bare)


def _without_outputs(notebook: NotebookNode) -> NotebookNode:
    """A copy without outputs, the mark of the lesson, and cells that call for a hint or a solution."""
    bare = normalise(notebook)
    bare.metadata.pop(MARK, None)
    bare.cells = [cell for cell in bare.cells if not _gives_away(cell)]
    if not any(map(exercise_of, bare.cells)):
        raise InputError("notebook", "none", 'one with exercises: cells that end in exercises["name"].check(...)')
    for cell in bare.cells:
        if cell.cell_type == "code":
            cell.update(outputs=[], execution_count=None)
    return normalise(bare)


def _gives_away(cell: NotebookNode) -> bool:
    calls = (f'exercises["{name}"].{method}()' for name in _named(cell) for method in ("hint", "solution"))
    return cell.cell_type == "code" and cell.source.strip() in set(calls)


def _named(cell: NotebookNode) -> list[str]:
    return [part.partition('"')[0] for part in cell.source.split('exercises["')[1:]]


def _function_in(source: str) -> ast.FunctionDef | None:
    """The learner's function in the cell of a task, which its last line checks; None in the cell of a question."""
    body = ast.parse(source).body
    functions = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
    named = [node.id for node in ast.walk(body[-1]) if isinstance(node, ast.Name)]
    return next((functions[name] for name in named if name in functions), None)


def _emptied(source: str) -> str:
    """The cell of an exercise without an answer; signature, docstring, and comments before the first line stay."""
    lines, function = source.splitlines(), _function_in(source)
    check = lines[ast.parse(source).body[-1].lineno - 1 :]
    if function is None:
        answer = next((line for line in lines if line.startswith("answer =")), "")
        comment = answer.partition("#")[2].strip()
        return "\n".join([f"answer = None  # {comment}".removesuffix("  # "), *check])
    first = function.body[1] if ast.get_docstring(function) and len(function.body) > 1 else function.body[0]
    head = lines[function.lineno - 1 : first.lineno - 1] or [lines[first.lineno - 1][: first.col_offset].rstrip()]
    return "\n".join([*head, f"    {EMPTY}", "", "", *check])


def _answered(source: str, name: str) -> str:
    lines = source.splitlines()
    check = lines[ast.parse(source).body[-1].lineno - 1 :]
    return "\n".join([f'answer = exercises["{name}"].answer  # what this run finds', *check])


def _solved(source: str, function: ast.FunctionDef, solution: FunctionType) -> str:
    """The cell of a task with the imports and the source of what solves it."""
    check = source.splitlines()[ast.parse(source).body[-1].lineno - 1 :]
    text = textwrap.dedent(inspect.getsource(solution)).rstrip()
    called = "\n".join(check).replace(f"({function.name})", f"({solution.__name__})")
    return "\n\n\n".join(["\n".join(_imports_for(solution, text)), text, called]).lstrip()


def _imports_for(solution: FunctionType, text: str) -> list[str]:
    """The import statements that a function needs outside its module, annotations included."""
    names = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)} - set(vars(builtins))
    known = vars(sys.modules[solution.__module__])
    bound = dict(_bound_by_imports(ast.parse(inspect.getsource(sys.modules[solution.__module__]))))
    here = f"from {solution.__module__} import "
    return sorted(bound.get(name, here + name) for name in names if name in known)


def _bound_by_imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Each name that a module imports, and the statement that imports it alone."""
    for node in tree.body:
        for alias in node.names if isinstance(node, ast.Import | ast.ImportFrom) else ():
            renamed = f" as {alias.asname}" if alias.asname else ""
            source = f"from {node.module} " if isinstance(node, ast.ImportFrom) else ""
            yield alias.asname or alias.name.partition(".")[0], f"{source}import {alias.name}{renamed}"


def _solutions(study: ModuleType) -> Iterator[tuple[str, Any]]:
    """The function that solves each task, by the task's name, as the files of a study state them."""
    own = [name for name in sys.modules if name == study.__name__ or name.startswith(f"{study.__name__}_")]
    for module in map(sys.modules.__getitem__, own):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            match node:
                case ast.Call(ast.Name("Task"), [ast.Constant(str(name)), *_], keywords):
                    stated = [each.value for each in keywords if each.arg == "solution"]
                    yield from ((name, found) for each in stated if (found := _found(module, each)))


def _found(module: ModuleType, node: ast.expr) -> Callable[..., Any] | None:
    """What a name, or names with dots between them, stand for in a module."""
    if isinstance(node, ast.Name):
        return getattr(module, node.id, None)
    return getattr(_found(module, node.value), node.attr, None) if isinstance(node, ast.Attribute) else None
