"""The tutorial runs from its first cell to its last."""

import pytest

from conftest import ROOT


def test_the_tutorial_runs(tmp_path):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    folder = ROOT / "examples" / "python"
    notebook = nbformat.read(folder / "tutorial.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": folder}}).execute()
    figures = [out for cell in notebook.cells for out in cell.get("outputs", []) if "image/png" in out.get("data", {})]
    assert len(figures) == 2
    nbformat.write(notebook, tmp_path / "executed.ipynb")
