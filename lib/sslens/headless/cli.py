"""The command ``sslens``. Everything heavy is imported by the command that needs it, so that help comes at once."""

import keyword
import re
import signal
import sys
from pathlib import Path
from typing import Any, final

import click

from sslens.headless.cache_cli import cache
from sslens.headless.runs_cli import runs
from sslens.headless.shown import harmless, short
from sslens.headless.stopping import stoppable

NOTEBOOK, STUDY = Path("notebooks/_template.ipynb"), Path("lib/sslens/studies/_template.py")
"""What ``sslens new`` copies, in a checkout."""


@final
class _Commands(click.Group):
    """Turns our own errors into one line and an exit code: 2 for a wrong input, 130 for Ctrl-C, 143 for SIGTERM."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stopped:
            click.echo("stopped; nothing half-written is left", err=True)
            ctx.exit(128 + (stopped.args[0] if stopped.args else signal.SIGINT))
        except ValueError as error:
            from sslens.types import InputError

            if not isinstance(error, InputError):
                raise
            click.echo(f"error: {harmless(error)}", err=True)
            ctx.exit(2)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Look inside small self-supervised models."""


@main.command()
@click.argument("notebook")
@click.option("-p", "parameters", nargs=2, multiple=True, metavar="NAME VALUE", help="A parameter of the notebook.")
@click.option(
    "--profile", default="lesson", show_default=True, metavar="smoke|lesson|full", help="How much to compute."
)
@click.option("--out", metavar="DIR", help="Folder in which the run's own folder appears; by default data/runs.")
@click.option("--again", is_flag=True, help="Compute the run beside the one that is there already.")
@click.option("--timeout", default=1800, show_default=True, metavar="SECONDS", help="What a single cell may take.")
def run(notebook: str, parameters: tuple[tuple[str, str], ...], *, timeout: int, **options: Any) -> None:
    """Execute NOTEBOOK headless; keep the executed notebook, a report and the verdicts."""
    from sslens.headless.run import run_notebook
    from sslens.headless.terminal import Screen
    from sslens.types import InputError

    names = [name for name, _ in parameters]
    if len(set(names)) < len(names):
        raise InputError("-p", names, "given once per name")
    with stoppable(), Screen(Path(notebook).stem) as screen:
        record = run_notebook(notebook, dict(parameters), timeout=timeout, progress=screen, **options)
    if record.note:
        click.echo(harmless(record.note), err=True)
    if record.status == "failed":
        click.echo(f"failed: {harmless(record.reason)}\nwhat there is of it lies in {short(record.folder)}", err=True)
        sys.exit(4)
    _show(record)


def _show(record: Any) -> None:
    stem = Path(record.notebook).stem
    for what, name in {"notebook": f"{stem}.ipynb", "report": f"{stem}.html", "record": "run.json"}.items():
        click.echo(f"{what:9} {short(record.folder / name)}")
    for verdict in record.verdicts:
        click.echo(harmless(verdict["line"]))
    said = f"this run is there already, of {record.started}; --again repeats it"
    click.echo(said if record.there_already else f"complete after {record.seconds:.0f} s")
    from sslens.headless.litter import announcement

    if words := announcement():
        click.echo(words)


@main.command()
@click.argument("run")
def report(run: str) -> None:
    """Make the report of RUN anew, in this folder, as one file that can be mailed.

    RUN is named as for `sslens runs show`: a path, a name, the beginning of a name or key, or latest. An executed
    notebook will do, too.
    """
    from sslens.headless.mail import mailable

    page = mailable(run, Path())
    click.echo(f"{short(page)}: one file, {page.stat().st_size / 1e6:.1f} MB")


main.add_command(runs)
main.add_command(cache)


@main.command()
def doctor() -> None:
    """Say what is there, what is missing, and how to mend it."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from sslens.headless.doctor import checkup

    table = Table("", "what", "found", "how to mend it", title="sslens doctor", title_justify="left")
    rows = checkup()
    for row in rows:
        colour = "green" if row.state == "ok" else "red" if row.needed else "yellow"
        words = (escape(harmless(each)) for each in (row.found, row.mend))
        table.add_row(f"[{colour}]{row.state}[/]", row.what, *words)
    Console().print(table)
    sys.exit(any(row.needed and row.state != "ok" for row in rows))


@main.command()
@click.argument("name")
def new(name: str) -> None:
    """Begin notebooks/NAME.ipynb, such as 12_some_question, and its study from their templates."""
    from sslens.types import InputError

    if not re.fullmatch(r"[0-9]{2}_[a-z](_?[a-z0-9])*", name) or keyword.iskeyword(name[3:]):
        allowed = "two digits, an underscore, and a question in lower case, such as 12_which_rank"
        raise InputError("NAME", name, allowed, "A word that Python keeps for itself names no study.")
    for path in (NOTEBOOK, STUDY):
        if not path.is_file():
            raise InputError("template", str(path), "an existing file", "Run this in the checkout's top folder.")
    begun = {
        NOTEBOOK.with_name(f"{name}.ipynb"): NOTEBOOK.read_text().replace(NOTEBOOK.stem, name[3:]),
        STUDY.with_name(f"{name[3:]}.py"): STUDY.read_text().replace(NOTEBOOK.stem, name),
    }
    for path in begun:
        if path.exists():
            raise InputError("NAME", name, "the name of no existing notebook or study", f"({path} is there)")
    for path, text in begun.items():
        path.write_text(text)
        click.echo(f"{short(path)} is yours")


@main.command()
@click.option("--to", required=True, metavar="DIR", help="Folder to copy them into; no file there is overwritten.")
def notebooks(to: str) -> None:
    """Copy the notebooks into a folder of your own."""
    from sslens.headless.copy_notebooks import copy_notebooks

    with stoppable():
        copies = copy_notebooks(Path(to))
    for path in copies:
        click.echo(short(path))
    click.echo(f"{len(copies)} notebooks are yours; sslens run {short(copies[0])} executes the first")


@main.command()
@click.argument("notebook")
@click.option("--student", "version", flag_value="student", help="Without outputs and answers.")
@click.option("--solutions", "version", flag_value="solutions", help="With every exercise solved.")
@click.option("-o", "out", metavar="FILE", help="By default NOTEBOOK-student.ipynb or NOTEBOOK-solutions.ipynb, here.")
def export(notebook: str, version: str | None, *, out: str | None) -> None:
    """Write NOTEBOOK for a class: --student to hand out, --solutions for who teaches. No file is overwritten."""
    from sslens.headless.export import export as write
    from sslens.headless.notebook import notebook_path
    from sslens.types import InputError

    if version not in ("student", "solutions"):
        raise InputError("version", version, "--student or --solutions")
    with stoppable():
        written = write(notebook_path(notebook), version, to=Path(out) if out else None)
    click.echo(f"{short(written)} is yours; sslens run executes it")


@main.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--check", is_flag=True, help="Run nothing: say what is out of date, exit with 1 where anything is.")
@click.option("--reference", is_flag=True, help="Renew the reference of the checks only, up to date or not.")
def freeze(names: tuple[str, ...], *, check: bool, reference: bool) -> None:
    """Store the lesson of each notebook in NAMES, and what the checks compare with, where they are out of date."""
    from sslens.headless.freeze import freeze_notebook
    from sslens.headless.notebook import notebook_path
    from sslens.headless.terminal import Screen

    paths = [notebook_path(name) for name in names]
    if check:
        sys.exit(any([_say_what_is_stale(path) for path in paths]))
    for path in paths:
        with stoppable(), Screen(path.stem) as screen:
            changed = freeze_notebook(path, lesson=not reference, progress=screen)
        click.echo("\n".join(f"{short(each)}: changed" for each in changed) or f"{short(path)}: as it was")


def _say_what_is_stale(path: Path) -> bool:
    from sslens.headless.freeze import staleness

    stale = staleness(path)
    reasons = {"lesson": stale.lesson, "reference": stale.reference}
    said = [f"{short(path)}: the {what} {reason}" for what, reason in reasons.items() if reason]
    click.echo("\n".join(said) or f"{short(path)}: up to date")
    return bool(said)


@main.command()
@click.argument("notebook")
@click.argument("name")
def store(notebook: str, name: str) -> None:
    """Compute the stored result NAME of NOTEBOOK and keep it with the library.

    Stored results are of runs too long for a lesson: minutes to hours, resumed where they were stopped. A study lists
    its own in STORED; the files lie in lib/sslens/studies/stored and are committed.
    """
    from sslens.headless.storing import store_result

    with stoppable():
        result = store_result(notebook, name)
    click.echo(harmless(result.origin))


@main.command()
def table() -> None:
    """Make README's table of questions anew, from the studies and the committed verdicts."""
    from sslens.headless.table import renew

    click.echo("README.md: changed" if renew(Path()) else "README.md: as it was")
