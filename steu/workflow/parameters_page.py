"""The page that lists the parameters of every notebook."""

from __future__ import annotations

from pathlib import Path

from steu.workflow.parameters import Parameter, notebook_parameters

INTRODUCTION = """\
# Parameters of every notebook

This page is made from the notebooks' own `parameters` cells whenever the book is built. Set any of
them with `-p name value`; an unknown name or a value of the wrong type is refused before anything
runs. {doc}`rerunning` shows how.
"""


def parameters_page(notebooks: list[Path]) -> str:
    """MyST text that lists the ``parameters`` cell of every notebook, in order."""
    lines = [INTRODUCTION]
    for path in notebooks:
        lines += [f"## {path.stem}\n", f"The page: {{doc}}`../notebooks/{path.stem}`.\n"]
        lines += _parameter_table(notebook_parameters(path))
    return "\n".join(lines) + "\n"


def _parameter_table(parameters: list[Parameter]) -> list[str]:
    rows = [["name", "type", "default", "meaning"], ["---"] * 4]
    rows += [[_code(p.name), _code(p.type), _code(repr(p.default)), p.meaning] for p in parameters]
    lines = ["| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in rows]
    return ["```{table}", ":class: parameters", "", *lines, "```", ""]


def _code(text: str) -> str:
    return f"`` {text} ``"
