"""The command line: thin commands that import what they need when they run."""

from __future__ import annotations

import sys
from contextlib import suppress
from os import cpu_count
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from steu.workflow.withdrawing import edit, withdraw

INTERRUPT = 130  # what typer makes of Ctrl-C, as a shell does
GPU_FULL = "lower --max-length, or compute on the CPU (CUDA_VISIBLE_DEVICES=)"

ABOUT = "Withdraw a class from a text classifier, and run the notebooks that ask what that takes."
app = typer.Typer(add_completion=False, no_args_is_help=True, help=ABOUT)
data = typer.Typer(no_args_is_help=True, help="Fetch open data.")
app.add_typer(data, name="data")
app.add_typer(edit, name="edit")
app.command()(withdraw)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(
    context: typer.Context,
    notebook: Annotated[str, typer.Argument(help="The notebook, e.g. notebooks/01_cohort.ipynb.")],
    parameters: Annotated[
        str | None, typer.Option(help="Parameters as JSON, or a file of it; -p overrides them.")
    ] = None,
    output: Annotated[str | None, typer.Option(help="Folder to write to.")] = None,
) -> None:
    """Run one notebook: steu run NOTEBOOK -p NAME VALUE -p NAME VALUE …"""
    from steu.workflow.runner import run_notebook

    given = _mapping(parameters or "{}") | _pairs(notebook, context.args)
    if output is not None:
        given["output"] = output
    print(run_notebook(notebook, parameters=given))


@app.command("parameters")
def show_parameters(
    notebook: Annotated[str, typer.Argument(help="The notebook, e.g. notebooks/01_cohort.ipynb.")],
) -> None:
    """List the parameters of a notebook."""
    from steu.workflow.parameters import notebook_parameters

    for parameter in notebook_parameters(notebook):
        meaning = f"  # {parameter.meaning}" if parameter.meaning else ""
        print(f"{parameter.name}: {parameter.type} = {parameter.default!r}{meaning}")


@app.command(context_settings={"allow_extra_args": True})
def workflow(
    context: typer.Context,
    profile: Annotated[str, typer.Argument(help="A name from profiles/, or a path.")],
    data: Annotated[str, typer.Option(help="Folder that holds the tables.")] = "",
    run: Annotated[str, typer.Option(help="Folder to write to; default runs/PROFILE.")] = "",
    cores: Annotated[int, typer.Option(min=0, help="Cores to use; default all.")] = 0,
    cluster: Annotated[str, typer.Option(help="Settings for a cluster: workflow/slurm.")] = "",
    dry_run: Annotated[bool, typer.Option(help="Only list what would run.")] = False,
) -> None:
    """Run all notebooks of a profile. What follows -- goes to Snakemake."""
    from steu.workflow.engine import run_engine
    from steu.workflow.jobs import left_out
    from steu.workflow.launch import alone_in, kernels, snakemake_command
    from steu.workflow.profiles import load_profile

    further = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []
    if odd := context.args[: len(context.args) - len(further)]:
        raise ValueError(
            f"expected one profile, found {' '.join([profile, *odd])!r}; run one after the other "
            "(what is for Snakemake goes behind --)"
        )
    command = snakemake_command(
        profile, data=data, run=run, cores=cores, cluster=cluster, dry_run=dry_run
    )
    for name in left_out(profile, data=data):
        typer.echo(f"steu: {data} does not hold {name}; it is left out of this run", err=True)
    command += context.args
    if dry_run:
        sys.exit(run_engine(command, cluster=bool(cluster)))
    folder = Path(run or f"runs/{load_profile(profile).name}")
    at_once = 0 if cluster else cores or cpu_count() or 1
    with alone_in(folder), kernels(profile, cores=at_once) as warm:
        status = run_engine(command, cluster=bool(cluster), environment=warm)
    sys.exit(status)


@app.command()
def book(
    profile: Annotated[str, typer.Option(help="The profile whose run the book shows.")] = "demo",
    run: Annotated[Path | None, typer.Option(help="The run; default runs/PROFILE.")] = None,
) -> None:
    """Build the book from the executed notebooks of one run; print where it starts."""
    from steu.workflow.book import build
    from steu.workflow.profiles import load_profile

    run = run or Path("runs", load_profile(profile).name)
    print(build(profile, run=run, root=Path.cwd()))


@app.command()
def publish(
    profile: Annotated[str, typer.Argument(help="The profile whose run is published.")],
    data: Annotated[str, typer.Option(help="Folder that holds the tables.")] = "",
    run: Annotated[Path | None, typer.Option(help="The run; default runs/PROFILE.")] = None,
    edition: Annotated[Path | None, typer.Option(help="Default published/PROFILE.")] = None,
    dry_run: Annotated[bool, typer.Option(help="Only see whether the commit is clean.")] = False,
) -> None:
    """Make the published edition of a finished run: its pages and numbers, no note text."""
    from steu.workflow import edition as editions
    from steu.workflow.profiles import load_profile

    name = load_profile(profile).name
    places = {"run": run or Path("runs", name), "target": edition or Path("published", name)}
    if dry_run:
        editions.check_origin([], Path.cwd())
        editions.check_target(places["target"])
        raise typer.Exit()
    print(editions.publish(profile, data=data, root=Path.cwd(), **places))


@app.command()
def read(
    edition: Annotated[Path, typer.Argument(help="Folder of an edition.")] = Path("published/open"),
) -> None:
    """Build the book of a published edition, without running anything; print where it starts."""
    from steu.workflow import edition as editions

    print(editions.read(edition, root=Path.cwd()))


@app.command()
def pdf(
    built: Annotated[Path, typer.Argument(help="Folder of a built book: _build/…")],
) -> None:
    """Print a book that was built as one PDF; needs a Chromium."""
    from steu.workflow.pdf import print_book

    print(print_book(built))


@app.command()
def check_results(
    profile: Annotated[str, typer.Argument(help="The profile of the run.")],
    run: Annotated[Path | None, typer.Option(help="The run; default runs/PROFILE.")] = None,
    edition: Annotated[Path | None, typer.Option(help="Default published/PROFILE.")] = None,
    shown: Annotated[int, typer.Option(help="How many differences to list.")] = 20,
    data: Annotated[str, typer.Option(help="For --dry-run: folder that holds the tables.")] = "",
    dry_run: Annotated[
        bool, typer.Option(help="Only see whether a run could be compared.")
    ] = False,
) -> None:
    """Compare a run with the published edition, number by number; exit code 1 where it differs."""
    from steu.workflow.agreement import check_comparable, compare_with_edition
    from steu.workflow.jobs import Grid
    from steu.workflow.profiles import load_profile

    name = load_profile(profile).name
    run, edition = run or Path("runs", name), edition or Path("published", name)
    if dry_run:
        check_comparable(edition, Grid.of(profile, data=data, run=str(run)))
        raise typer.Exit()
    agreement = compare_with_edition(run, edition, profile=profile)
    print(agreement.told(shown))
    raise typer.Exit(int(len(agreement.outside) > 0))


@data.command()
def fetch(
    name: Annotated[str, typer.Argument(help="eicu-demo, mimic-iv-demo or mimic-iii-demo.")],
    folder: Annotated[Path, typer.Argument(help="Folder to write its files to.")],
    source: Annotated[str | None, typer.Option(help="Address or folder to fetch it from.")] = None,
) -> None:
    """Download an open dataset and verify each checksum."""
    from steu.data.download import fetch as fetch_data

    print(fetch_data(name, folder, source=source))


def _mapping(text: str) -> dict[str, Any]:
    """Read what ``--parameters`` names: a JSON object, or the file that holds one."""
    from steu._io import parse_json, read_json

    inline = text.lstrip().startswith(("{", "["))
    expected = (
        """--parameters: expected a JSON object such as '{"n_tokens": 64}', or a file of one"""
    )
    try:
        values = parse_json(text) if inline else read_json(text)
    except ValueError as error:
        raise ValueError(f"{expected}; {error}") from error
    if not isinstance(values, dict):
        raise ValueError(f"{expected}; found {str(values)[:40]} ({type(values).__name__})")
    return values


def _pairs(notebook: str, arguments: list[str]) -> dict[str, Any]:
    """Read ``-p NAME VALUE`` as often as it occurs; values by the type of their parameter."""
    from steu._errors import check_choice
    from steu.workflow.parameters import notebook_parameters

    known = {parameter.name: parameter for parameter in notebook_parameters(notebook)}
    given = {}
    for start in range(0, len(arguments), 3):
        match arguments[start : start + 3]:
            case ["-p", name, value]:
                check_choice(name, known, what="parameter", where=notebook)
                if name in given:
                    raise ValueError(f"-p {name} is given twice; leave one out")
                given[name] = parse_value(value, known[name].type, name=name)
            case rest:
                raise ValueError(f"expected -p NAME VALUE, found {' '.join(rest)!r}")
    return given


def parse_value(text: str, annotation: str, *, name: str) -> Any:
    """Read the value of `name` from the command line: text for str, else JSON or YAML.

    Raises
    ------
    ValueError
        If it is neither.
    """
    import yaml

    from steu._io import parse_json
    from steu.workflow.plain_yaml import PlainLoader

    if annotation.startswith(("str", "Literal")):
        return None if text in ("None", "null") and "None" in annotation else text
    with suppress(ValueError):
        return parse_json(text)
    try:
        return None if text == "None" else yaml.load(text, Loader=PlainLoader)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that is none
        raise ValueError(
            f"-p {name}: expected {annotation} as JSON or YAML; found {text!r}, which is neither: "
            f"{' '.join(str(error).split())}"
        ) from error


def main() -> None:
    """Run the command; a user's mistake becomes one line and exit code 2."""
    try:
        code = app(prog_name="steu", standalone_mode=False)  # or it draws a box around errors
        if code == INTERRUPT:
            raise KeyboardInterrupt
        sys.exit(code)
    except TyperException as error:
        asked = getattr(error, "ctx", None)
        told = error.format_message().rstrip(".")
        if told:
            _stop(f"{told} (see {asked.command_path if asked else 'steu'} --help)", 2)
        sys.exit(2)  # no command at all: the help was shown
    except (ValueError, ConnectionError) as error:
        _stop(error, 2)
    except OSError as error:
        if error.errno is None:
            raise
        place = f"{error.filename}: {error.strerror}; name one that can be read and written"
        _stop(place if error.filename else error, 2)
    except KeyboardInterrupt:
        from steu.workflow.engine import INTERRUPTED

        print(INTERRUPTED, file=sys.stderr)
        sys.exit(INTERRUPT)
    except MemoryError as error:
        _stop(str(error) or "this machine has too little memory for it", 1)
    except RecursionError:
        _stop("a value holds lists or mappings one in another by the hundred: write it flatter", 2)
    except RuntimeError as error:
        if type(error).__name__ == "OutOfMemoryError":
            _stop(f"{GPU_FULL}: {str(error).splitlines()[0]}", 1)
        if type(error).__name__ != "NotebookError":
            raise
        _stop(error, 1)


def _stop(error: Exception | str, code: int) -> None:
    print(f"steu: {error}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
