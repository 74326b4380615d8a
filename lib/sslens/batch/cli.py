"""The command ``sslens``. Everything heavy is imported by the command that needs it, so that help comes at once."""

import re
import sys
from pathlib import Path
from typing import Any, final

import click

TEMPLATE = Path("notebooks/_template.ipynb")


@final
class _Commands(click.Group):
    """Turns our own errors into one line and an exit code: 2 for a wrong input, 130 for Ctrl-C."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("stopped; nothing half-written is left", err=True)
            ctx.exit(130)
        except ValueError as error:
            from sslens.types import InputError

            if not isinstance(error, InputError):
                raise
            click.echo(f"error: {error}", err=True)
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
@click.option("--out", metavar="DIR", help="Folder of the results.")
def run(notebook: str, parameters: tuple[tuple[str, str], ...], *, profile: str, out: str | None) -> None:
    """Execute NOTEBOOK headless; keep the executed notebook, a report and the verdicts."""
    from sslens.batch.notebook import run_notebook
    from sslens.batch.terminal import Screen
    from sslens.types import InputError

    names = [name for name, _ in parameters]
    if len(set(names)) < len(names):
        raise InputError("-p", names, "given once per name")
    with Screen(Path(notebook).stem) as screen:
        record = run_notebook(notebook, dict(parameters), profile=profile, out=out, progress=screen)
    if record.status == "failed":
        click.echo(f"failed: {record.reason}\nwhat there is of it lies in {_short(record.folder)}", err=True)
        sys.exit(4)
    _tell(record)


def _tell(record: Any) -> None:
    stem = Path(record.notebook).stem
    for what, name in {"notebook": f"{stem}.ipynb", "report": f"{stem}.html", "record": "run.json"}.items():
        click.echo(f"{what:9} {_short(record.folder / name)}")
    for verdict in record.verdicts:
        click.echo(verdict["line"])
    click.echo(f"complete after {record.seconds:.0f} s")


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


@main.command()
def doctor() -> None:
    """Tell what is there, what is missing, and how to mend it."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from sslens.batch.doctor import checkup

    table = Table("", "what", "found", "how to mend it", title="sslens doctor", title_justify="left")
    rows = checkup()
    for row in rows:
        colour = "green" if row.state == "ok" else "red" if row.needed else "yellow"
        table.add_row(f"[{colour}]{row.state}[/]", row.what, escape(row.found), escape(row.mend))
    Console().print(table)
    sys.exit(any(row.needed and row.state != "ok" for row in rows))


@main.command()
@click.argument("name")
def new(name: str) -> None:
    """Begin notebooks/NAME.ipynb, such as 12_some_question, from the template."""
    from sslens.types import InputError

    if not re.fullmatch(r"[0-9]{2}_[a-z0-9_]+", name):
        raise InputError("NAME", name, "two digits, an underscore, and a question in lower case, such as 12_which_rank")
    target = TEMPLATE.with_name(f"{name}.ipynb")
    if not TEMPLATE.is_file():
        raise InputError("template", str(TEMPLATE), "an existing file", "Run this in the checkout's top folder.")
    try:
        with target.open("xb") as file:
            file.write(TEMPLATE.read_bytes())
    except FileExistsError:
        raise InputError("NAME", name, "the name of no existing notebook") from None
    click.echo(f"{target} is yours; give it a question, and a row in the README's table")


@main.command()
@click.argument("notebooks", nargs=-1, required=True)
def freeze(notebooks: tuple[str, ...]) -> None:
    """Store the outputs of the smoke profile in each of NOTEBOOKS: what the checks compare with."""
    from sslens.batch.freeze import freeze as store

    for path in map(Path, notebooks):
        click.echo(f"{path}: {'changed' if store(path) else 'as it was'}")
