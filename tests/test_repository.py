"""Gates: what must hold for the repository as a whole, whoever changes it."""

import ast
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from collections import defaultdict

import pytest

from pcsta_book.places import BOOK, ROOT

NOTEBOOKS = sorted(BOOK.rglob("[!_.]*.ipynb"))
NOTEBOOKS = [path for path in NOTEBOOKS if "_build" not in path.parts]
KEPT = "nbval-check-output"
LAYOUT = {
    "README.md", "requirements.txt", "pyproject.toml", "LICENSE", "book", "pcsta", "data", "tests",
    ".gitignore", ".ci", ".github", ".pre-commit-config.yaml",
}  # fmt: skip
FORBIDDEN = re.compile(r"\b(?:TODO|FIXME|XXX|lorem ipsum|np\.float)\b|/work/|/root/")


def tracked():
    listing = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listing.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listing.stdout.splitlines() if (ROOT / name).is_file()]


def code_cells(notebook):
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_only_tagged_cells_keep_an_output(notebook):
    for number, cell in enumerate(code_cells(notebook), 1):
        if KEPT in cell["metadata"].get("tags", []):
            kept = json.dumps(cell["outputs"])
            assert cell["outputs"], f"cell {number} is tagged {KEPT} but keeps nothing to compare"
            assert "image/" not in kept and len(kept) < 3000, f"cell {number}: keep short text only"
        else:
            assert not cell["outputs"], f"cell {number} keeps an output; clear it before you commit"
        assert cell["execution_count"] is None, f"cell {number} keeps its execution count"


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_page_does_not_open_on_its_imports(notebook):
    assert "hide-input" in code_cells(notebook)[0]["metadata"].get("tags", [])


def test_no_code_stands_in_two_notebooks():
    """Longer blocks that chapters share belong in the package."""
    places = defaultdict(set)
    for notebook in NOTEBOOKS:
        lines = [
            line.strip()
            for cell in code_cells(notebook)
            for line in "".join(cell["source"]).splitlines()
            if line.strip() and not line.strip().startswith(("#", "import ", "from "))
        ]
        for start in range(len(lines) - 5):
            places["\n".join(lines[start : start + 6])].add(notebook.name)
    shared = {block: sorted(names) for block, names in places.items() if len(names) > 1}
    assert not shared


def meaningful(text):
    """Lines of code that say something: stripped, no comments, no imports, no lone brackets."""
    lines = (line.strip() for line in text.splitlines())
    skipped = ("#", "import ", "from ", "@")
    return [line for line in lines if len(line) > 3 and not line.startswith(skipped)]


def blocks(lines, length=5):
    return {"\n".join(lines[i : i + length]) for i in range(len(lines) - length + 1)}


def definitions(code):
    """Name -> its meaningful lines, for the functions and classes of Python code."""
    code = re.sub(r"^(\s*)[%!].*$", r"\1pass", code, flags=re.M)  # IPython's own commands
    found = {}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = meaningful(ast.get_source_segment(code, node))
    return found


@pytest.fixture(scope="module")
def package():
    """Every definition of the package by its name, and all blocks of five lines of its code."""
    defined, quoted = defaultdict(set), set()
    for path in [*(ROOT / "pcsta").rglob("*.py"), *(BOOK / "pcsta_book").rglob("*.py")]:
        code = path.read_text("utf-8")
        quoted |= blocks(meaningful(code))
        for name, lines in definitions(code).items():
            defined[name].update(lines)
    return defined, quoted


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_chapter_shows_the_package_and_does_not_copy_it(notebook, package):
    """What is copied drifts; `show.source` and an import do not."""
    defined, quoted = package
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    for number, cell in enumerate(cells):
        text = "".join(cell["source"])
        if cell["cell_type"] == "code":
            code = text
            for name, lines in definitions(text).items():
                same = defined[name] & set(lines) if name in defined else set()
                assert len(same) <= 3, f"cell {number} repeats {name} of the package: {same}"
        else:
            code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.S))
        copied = blocks(meaningful(code)) & quoted
        assert not copied, f"cell {number} holds lines of the package: {sorted(copied)[:2]}"


def test_no_word_is_misspelt():
    """Code, pages and chapters; settings in pyproject.toml."""
    paths = [p for p in tracked() if p.suffix in {".py", ".md", ".ipynb", ".bib", ".yml", ".toml"}]
    done = subprocess.run(
        [sys.executable, "-m", "codespell_lib", *map(str, paths)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def names_of(*extras):
    """What `pcsta` depends on, and what these extras add; names as PyPI writes them."""
    lines = PROJECT["dependencies"] + [
        line for extra in extras for line in PROJECT["optional-dependencies"][extra]
    ]
    return {re.split(r"[=<>~!\[ ]", line)[0] for line in lines}


def test_every_requirement_has_a_reason():
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    for line in re.findall(r'^  "[a-z0-9-]+[=<>][^"]*",.*$', text, re.M):
        assert re.search(r'", +# \S.{4,}', line), f"no reason: {line}"


def test_the_tested_environment_is_exact_and_holds_what_is_required():
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    assert lines.pop() == "-e ."
    packages = [line.split(" ")[0] for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", package) for package in packages)
    assert names_of("book", "test") <= {package.split("==")[0] for package in packages}


@pytest.mark.parametrize(
    "folder, extras",
    [("pcsta", ("video",)), ("book/pcsta_book", ("book",)), ("tests", ("book", "test"))],
)
def test_every_import_is_required(folder, extras):
    """A package that comes along with another one today may not come tomorrow."""
    required = names_of(*extras)
    owners = importlib.metadata.packages_distributions()
    local = {"pcsta", "pcsta_book"} | {path.stem for path in (ROOT / "tests").rglob("*.py")}
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            else:
                continue
            for name in {name.split(".")[0] for name in names} - sys.stdlib_module_names - local:
                found = {owner.lower().replace("_", "-") for owner in owners.get(name, [name])}
                assert found & required, f"{path.name}: {name} is not required"


# As they stand; they are meant to come down to 4,800 and 6,300.
@pytest.mark.parametrize("folder, most", [("pcsta", 8611), ("book/pcsta_book", 7995)])
def test_files_and_packages_stay_small(folder, most):
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text("utf-8").splitlines())
        for path in (ROOT / folder).rglob("*.py")
    }
    assert not {name: n for name, n in lengths.items() if n > 300}
    assert sum(lengths.values()) <= most


def test_the_top_level_holds_what_the_readme_says():
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} <= LAYOUT


def test_no_leftovers():
    for path in tracked():
        if (
            path.suffix in {".py", ".md", ".yml", ".ipynb", ".toml", ".txt"}
            and path.name != "test_repository.py"
        ):
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                assert not FORBIDDEN.search(line), (
                    f"{path.relative_to(ROOT)}:{number}: {line[:120]}"
                )


def test_chapters_are_in_the_table_of_contents():
    listed = re.findall(r"file: (\S+)", (BOOK / "_toc.yml").read_text("utf-8"))
    for notebook in NOTEBOOKS:
        assert notebook.relative_to(BOOK).with_suffix("").as_posix() in listed
    for name in listed:
        assert any((BOOK / f"{name}{suffix}").exists() for suffix in (".md", ".ipynb")), name


@pytest.mark.slow
@pytest.mark.parametrize(
    "check", [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]], ids=" ".join
)
def test_static_checks(check):
    done = subprocess.run(
        [sys.executable, "-m", *check], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
