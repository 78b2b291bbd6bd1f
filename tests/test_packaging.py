"""The package as somebody gets it who installs it: its face, and a wheel without the book's packages."""

import doctest
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib

import pytest

import pcsta
from pcsta_book.places import ROOT
from recordings import ntu_text, person, write_ntu

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
FACE = (
    "ModelConfig", "PoseTensor", "TwoStream", "evaluate", "open_dataset", "predict", "prepare", "train",
)  # fmt: skip


def python(code, **options):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, **options
    )


def test_the_face_has_its_names_and_no_other():
    assert tuple(pcsta.__all__) == FACE
    assert set(FACE) <= set(dir(pcsta))
    for name in FACE:
        assert getattr(pcsta, name).__name__ == name
    with pytest.raises(AttributeError, match="'pcsta' has no attribute 'nothing'"):
        pcsta.nothing  # noqa: B018


def test_a_name_is_the_same_whatever_was_imported_before():
    code = "import pcsta.training, pcsta.evaluation, pcsta.data.prepare; from pcsta import train, evaluate, prepare"
    done = python(f"{code}; print(train.__name__, evaluate.__name__, prepare.__name__)")
    assert done.stdout.split() == ["train", "evaluate", "prepare"], done.stderr


def test_the_face_loads_nothing_before_it_is_asked():
    done = python("import pcsta, sys; print([m for m in ('torch', 'numpy') if m in sys.modules])")
    assert done.stdout.strip() == "[]", done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Eight recordings in NTU's layout: what the examples of the face begin with."""
    root = tmp_path_factory.mktemp("ntu")
    for performer in range(1, 9):
        text = ntu_text(24, [(1, 0, person(24, seed=performer))])
        write_ntu(root, f"S001C001P{performer:03d}R001A{1 + performer % 2:03d}", text)
    return root


def test_the_examples_of_the_face_run(folder):
    """From the files to a prediction, in the order in which each needs the one before."""
    known = {"folder": folder}
    steps = ("open_dataset", "prepare", "train", "evaluate", "predict")
    for name in ("pcsta", "ModelConfig", "PoseTensor", "TwoStream", *steps):
        thing = pcsta if name == "pcsta" else getattr(pcsta, name)
        found = doctest.DocTestFinder(recurse=False).find(thing, name, globs=known)
        examples = [test for test in found if test.examples]
        assert examples, f"{name} shows no example"
        for test in examples:
            runner = doctest.DocTestRunner()
            assert runner.run(test, clear_globs=False).failed == 0, name
            known |= {key: test.globs[key] for key in ("store",) if key in test.globs}


def test_the_three_lines_of_the_readme_print_what_it_says():
    text = (ROOT / "README.md").read_text("utf-8")
    code, printed = re.search(r"```python\n(.*?)```\n\n```\n(.*?)```", text, re.S).groups()
    assert len([line for line in code.splitlines() if " import " not in f" {line}" and line]) == 3
    done = python(code)
    assert done.stdout == printed, done.stderr


@pytest.mark.slow
def test_the_wheel_works_without_the_book(tmp_path):
    """Not editable, in a fresh environment that has what `pcsta` depends on and not what the book does."""
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path]
    source = tmp_path / "source"  # a build leaves files behind
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        source.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, source)
    for name in ("pcsta", "book/pcsta_book"):
        shutil.copytree(ROOT / name, source / name)
    subprocess.run([*build, source], check=True, stdin=subprocess.DEVNULL)
    (wheel,) = tmp_path.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    scripts = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    installed = python_in(scripts, "import sysconfig; print(sysconfig.get_path('purelib'))")
    target = installed.stdout.strip()
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", target]
    subprocess.run([*install, wheel], check=True, stdin=subprocess.DEVNULL)
    # what this environment has lends itself to the new one; the book's packages are hidden from it
    hidden = [
        re.split(r"[=<>~]", line)[0] for line in PROJECT["project"]["optional-dependencies"]["book"]
    ]
    modules = {"ipython": "IPython", "pillow": "PIL", "opencv-python-headless": "cv2"}
    names = [
        modules.get(name, name.replace("-", "_")) for name in hidden if name != "sphinx"
    ]  # scipy asks for it
    lent = sysconfig.get_path("purelib")
    (tmp_path / "sitecustomize.py").write_text(
        f"import sys\nsys.path.append({lent!r})\nsys.modules.update(dict.fromkeys({names!r}))\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    options = {"cwd": tmp_path, "env": environment | {"PYTHONPATH": str(tmp_path)}}
    done = python_in(
        scripts, "import pcsta; from pcsta import TwoStream; print(pcsta.__file__)", **options
    )
    assert done.stdout.startswith(target), done.stdout + done.stderr
    said = python_in(scripts, "from pcsta.__main__ import main; main()", "--help", **options)
    assert said.returncode == 0 and "evaluate" in said.stdout, said.stderr
    said = python_in(scripts, "from pcsta.__main__ import main; main()", "data", "make", **options)
    assert said.returncode == 1 and ".[book]" in said.stderr, said.stderr
    said = python_in(scripts, "from pcsta.__main__ import main; main()", "book", **options)
    assert said.returncode == 1 and "checkout" in said.stderr, said.stderr


def python_in(scripts, code, *arguments, **options):
    return subprocess.run(
        [scripts / "python", "-c", code, *arguments],
        capture_output=True, text=True, check=False, **options,
    )  # fmt: skip
