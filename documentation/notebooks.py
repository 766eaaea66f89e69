"""Notebooks: kept as text in ``notebooks/``, executed into ``.ipynb`` and into pages of the site."""

from __future__ import annotations

import base64
import os
import subprocess
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient

from documentation.blocks import Output
from documentation.running import KEPT, PROCESSES, ROOT, key

FOLDER = ROOT / "notebooks"
Notebook = Any


def sources() -> dict[str, Path]:
    """Name → text of every notebook, in the order of the chapter."""
    return {path.stem: path for path in sorted(FOLDER.glob("15-*.md"))}


def execute(path: Path) -> Notebook:
    """A notebook from its text, run from top to bottom in a kernel and an empty folder of its own.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    notebook = jupytext.read(path)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])}
    environment.pop("MPLBACKEND", None)  # a kernel has a backend of its own
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": folder}})
        client.execute(env=environment, stderr=subprocess.DEVNULL)  # a cell that fails says so itself
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when each cell ran is no result
    return notebook


def executed(*, reuse: bool = False) -> dict[str, Notebook]:
    """Name → notebook with its outputs, two kernels at a time.

    Args:
        reuse: take what an earlier call found for the same text, while nothing in ``src`` has changed.
    """
    with ThreadPoolExecutor(PROCESSES) as pool:
        return dict(zip(sources(), pool.map(lambda path: _kept(path, reuse), sources().values()), strict=True))


def _kept(path: Path, reuse: bool) -> Notebook:
    kept = KEPT / f"{key(path.name, path.read_text())}.ipynb"
    if reuse and kept.exists():
        return nbformat.read(kept, as_version=4)
    notebook = execute(path)
    KEPT.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, kept)
    return notebook


def files(notebooks: Mapping[str, Notebook]) -> dict[str, str]:
    """Path within the site → content of every ``.ipynb``."""
    return {f"notebooks/{name}.ipynb": nbformat.writes(notebook) for name, notebook in notebooks.items()}


def pages(notebooks: Mapping[str, Notebook]) -> dict[str, str]:
    """Path → Markdown of a page for each notebook: its text, and where to download it."""
    found = {}
    for name in notebooks:
        title, _, rest = _body(sources()[name].read_text()).partition("\n")
        download = f"[Download the notebook]({name}.ipynb){{ .md-button download='{name}.ipynb' }}"
        found[f"notebooks/{name}.md"] = f"{title}\n\n{download}\n{rest}"
    return found


def _body(text: str) -> str:
    """The Markdown of a notebook without the header that says it is one."""
    return text.partition("\n---\n")[2].lstrip() if text.startswith("---\n") else text


def outputs(notebooks: Mapping[str, Notebook]) -> dict[str, list[list[Output]]]:
    """Path of the page → what each cell of code shows."""
    return {
        f"notebooks/{name}.md": [_of_cell(cell) for cell in notebook.cells if cell.cell_type == "code"]
        for name, notebook in notebooks.items()
    }


def _of_cell(cell: Any) -> list[Output]:
    found = []
    for output in cell.outputs:
        if output.output_type == "stream":
            found.append(Output("text", output.text.rstrip()))
        elif output.output_type in ("display_data", "execute_result"):
            data = output.data
            if "image/png" in data:
                found.append(Output("png", base64.b64decode(data["image/png"])))
            elif "text/html" in data:
                found.append(Output("html", data["text/html"]))
            else:
                found.append(Output("text", data["text/plain"]))
    return found
