"""Who may import whom: pages -> train_jobs -> genmodels -> torch, never backwards, and light where it must be."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FORBIDDEN = {
    "genmodels": {"streamlit", "gradio", "ray", "train_jobs", "pages", "gradio_tabs"},
    "train_jobs": {"streamlit", "gradio", "pages", "gradio_tabs"},
    "gradio_tabs": {"streamlit", "train_jobs", "pages", "torch"},
    "benchmarks": {"tests"},
}
FILE_NAMES = ("model.safetensors", "resume.json", "metrics.jsonl", "status.json", "control.jsonl", "events.jsonl")


def sources(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found
    return found


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("package", ["genmodels", "train_jobs", "gradio_tabs"])
def test_imports_go_one_way(package: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in sources(package)
        for module in imported(path)
        if module.split(".")[0] in FORBIDDEN[package]
    ]
    assert wrong == []


def test_only_the_registry_imports_models() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for package in ("genmodels", "train_jobs", "pages")
        for path in sources(package)
        for module in imported(path)
        if module.startswith("genmodels.models.") and path.parent.name != "models"
    ]
    assert wrong == []


DATA_FOLDERS = ("formats", "sandbox", "own", "sets")
"""Each folder of genmodels/data imports only those before it."""


@pytest.mark.parametrize("folder", DATA_FOLDERS)
def test_folders_of_data_import_one_way(folder: str) -> None:
    above = DATA_FOLDERS[DATA_FOLDERS.index(folder) + 1 :]
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in sources(f"genmodels/data/{folder}")
        for module in imported(path)
        if module.startswith("genmodels.data.") and module.split(".")[2] in above
    ]
    assert wrong == []


BUILDS_ON = {
    "cgan": {"dcgan"},
    "wgan": {"dcgan"},
    "wgan_gp": {"wgan"},
    "cyclegan": {"fast_style"},
    "fast_style": {"style_transfer"},
    "gated_pixelcnn": {"pixelcnn"},
    "mean_flow": {"flow_matching"},
    "vqvae_prior": {"gated_pixelcnn", "vqvae"},
}
"""The papers whose networks a model's file imports; a model that is not named imports none."""


@pytest.mark.parametrize("path", sources("genmodels/models"), ids=lambda path: path.stem)
def test_a_model_imports_only_the_papers_it_builds_on(path: Path) -> None:
    parents = {module.split(".")[2] for module in imported(path) if module.startswith("genmodels.models.")}
    assert parents == BUILDS_ON.get(path.stem, set())


def test_the_config_of_every_model_is_read_without_torch() -> None:
    code = (
        "import sys; from genmodels import registry; configs = [registry.config_class(n) for n in registry.names()]; "
        "print(len(configs), 'torch' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert result.stdout.split() == [str(len(sources("genmodels/models")) - 1), "False"]


def test_only_two_modules_know_file_names() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} names {name}"
        for package in ("genmodels", "train_jobs", "pages")
        for path in sources(package)
        if path not in (ROOT / "genmodels/runs/folder.py", ROOT / "genmodels/runs/checkpoint.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in FILE_NAMES
        if isinstance(node, ast.Constant) and node.value == name
    ]
    assert wrong == []


def test_no_test_module_imports_another() -> None:
    """Tests share helpers through tests/support and fixtures through conftest.py."""
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in sources("tests")
        for module in imported(path)
        if module.startswith("tests.") and any(part.startswith("test_") for part in module.split("."))
    ]
    assert wrong == []


def test_pages_do_no_tensor_mathematics() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in sources("pages")
        for module in imported(path)
        if module.split(".")[0] == "torch"
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import genmodels", ("torch", "numpy", "pydantic")),
        ("from genmodels import recipes; recipes.resolve(recipes.family('gan'))", ("torch",)),
        ("import train_jobs, train_jobs.spec, train_jobs.store, train_jobs.scheduler", ("torch", "streamlit")),
        ("import genmodels.runs.catalog, genmodels.service", ("torchvision", "streamlit", "gradio", "ray")),
    ],
)
def test_light_where_it_must_be(code: str, absent: tuple[str, ...]) -> None:
    check = f"{code}\nimport sys\nprint([m for m in {absent!r} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert result.stdout.strip() == "[]"


def test_the_public_api_is_lazy_and_whole() -> None:
    import genmodels

    for name in genmodels.__all__:
        assert getattr(genmodels, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = genmodels.nonsense


def test_no_page_shows_a_string_by_accident() -> None:
    """Streamlit draws every bare string of a page's script, a docstring below a constant included."""
    wrong = [
        f"{path.name}:{node.lineno}"
        for path in (ROOT / "pages").glob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body[1:]
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    ]
    assert wrong == []
