"""Appendices are generated from the sources; each source says what is true of the code."""

import importlib
import inspect
import json
import re
import typing

import nbformat
import pytest

from pcsta.data import HANDS
from pcsta_book.experiments import paper
from pcsta_book.figures.notation import SYMBOLS, short, symbol
from pcsta_book.figures.style import HAND_COLOURS
from pcsta_book.places import BOOK
from pcsta_book.site import appendices, equation_map, execute
from pcsta_book.site.contents import notebooks

CODE = [(one, code) for one in SYMBOLS for code in one.code]


def resolve(dotted):
    """The object of a dotted name, whatever part of it is the module."""
    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(dotted)


def annotation(code):
    """The annotation of a parameter or a field; None for a variable. Fails where there is no such name."""
    if ":" in code:
        dotted, name = code.split(":")
        function = inspect.unwrap(resolve(dotted))
        if name in inspect.signature(function).parameters:
            return typing.get_type_hints(function)[name]
        assert name in function.__code__.co_varnames, f"{dotted} has no {name}"
        return None
    dotted, name = code.rsplit(".", 1)
    owner = resolve(dotted)
    if inspect.isclass(owner):
        return typing.get_type_hints(owner)[name]
    assert callable(getattr(owner, name))
    return None


# --- notation -----------------------------------------------------------------------------------
@pytest.mark.parametrize(("one", "code"), CODE, ids=[code for _, code in CODE])
def test_notation_is_the_codes(one, code):
    """The name exists where the table says, and its shape has the table's axes."""
    found = annotation(code)
    if found is None:
        return
    found = next(a for a in (*typing.get_args(found), found) if hasattr(a, "dim_str"))
    dims = [d for d in found.dim_str.split() if not d.startswith("*")]
    axes = one.shape.split()
    assert len(dims) == len(axes), f"{code} is {found.dim_str}, the table says {one.shape}"
    for dim, axis in zip(dims, axes, strict=True):
        if axis in "BTPJND":
            assert dim == axis, f"{code} is {found.dim_str}, the table says {one.shape}"


def test_figures_take_their_symbols_from_the_notation():
    assert symbol("temporal_attention") == "$p'$"
    assert symbol("hidden") == "$h_t$"
    with pytest.raises(KeyError, match="no 'nothing'"):
        symbol("nothing")


def test_the_page_has_every_symbol_and_every_hand():
    text = appendices.symbols(BOOK) + appendices.hands(BOOK)
    for one, code in CODE:
        assert f"`{short(code)}`" in text and one.says in text
    for name, colour in zip(HANDS, HAND_COLOURS, strict=True):
        assert name in text and colour in text


# --- equations ----------------------------------------------------------------------------------
@pytest.mark.parametrize("key", equation_map.KEYS)
def test_every_equation_is_computed_tested_and_explained(key):
    assert equation_map.computed().get(key), f"no docstring of the package names {key}"
    assert equation_map.tested().get(key), f"no docstring of a test names {key}"
    assert equation_map.explained(BOOK).get(key), f"no chapter has ({equation_map.label(key)})="


def test_the_code_of_the_equations_can_be_imported():
    for names in equation_map.computed().values():
        for name in names:
            assert callable(resolve(name))


def test_docstrings_name_equations_in_a_few_forms():
    assert equation_map.keys("Weights (eq. 4).") == ["eq. 4"]
    assert equation_map.keys("All of it (eq. 3 to 5; pooling, section 3.3).") == [
        "eq. 3", "eq. 4", "eq. 5", "pooling",
    ]  # fmt: skip
    assert equation_map.keys("Both (eq. 4, 7), (Tables 1 and 2).") == [
        "eq. 4", "eq. 7", "Table 1", "Table 2",
    ]  # fmt: skip
    assert equation_map.keys("Speaks of eq. 4 and (section 5).\n\nMore (eq. 7).") == []
    with pytest.raises(KeyError, match=r"eq\. 9"):
        equation_map.keys("There is no such thing (eq. 9).")


def test_a_missing_equation_stops_the_build(tmp_path):
    """A book whose chapters have no labels."""
    (tmp_path / "_toc.yml").write_text("root: index\n")
    with pytest.raises(LookupError, match="tour: no chapters"):
        appendices.equations(tmp_path)


# --- the form of a chapter ------------------------------------------------------------------------
def text_of(notebook):
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


CHAPTERS = [path for path in notebooks(BOOK) if path.stem[:2].isdigit()]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_has_its_parts(chapter):
    text = text_of(chapter)
    for part in (
        "[Yy]ou will be able to", "You need", "Predict before", "[Bb]reak", "^##+ Exercises", "^##+ Summary",
        "^##+ What the paper leaves open", "{cite",
    ):  # fmt: skip
        assert re.search(part, text, re.M), f"{chapter.name} has no {part!r}"
    numbers = [one.number for one in appendices.exercises(chapter)]
    assert len(numbers) >= 4 and numbers == list(range(1, len(numbers) + 1))
    tasks = text[re.search("^##+ Exercises", text, re.M).end() :]
    assert len(re.findall(r"[Hh]int", tasks)) >= len(numbers)


# --- solutions ----------------------------------------------------------------------------------
@pytest.fixture
def chapter(tmp_path):
    """A book of one chapter: an exercise with hint, check and solution, and one without solution."""
    cell = nbformat.v4
    notebook = cell.new_notebook()
    notebook.cells = [
        cell.new_markdown_cell("# 4. A chapter\n\nText."),
        cell.new_markdown_cell(
            "## Exercises\n\n**1.** *(proving)* Why?\n\n:::{dropdown} Hint 1\nsecret\n:::"
        ),
        cell.new_code_cell("answer = None"),
        cell.new_code_cell("@exercise\ndef check(answer): ...", metadata={"tags": ["hide-input"]}),
        cell.new_code_cell("x = 1  # because", metadata={"tags": ["hide-cell", "solution"]}),
        cell.new_markdown_cell("**2.** *(building)* Build.\n\n*Hint:* secret"),
    ]
    nbformat.write(notebook, tmp_path / "04-a.ipynb")
    (tmp_path / "_toc.yml").write_text("chapters:\n  - file: 04-a\n  - file: page\n")
    return tmp_path


def test_solutions_are_taken_from_the_chapters(chapter):
    text = appendices.solutions(chapter)
    assert "## 4. A chapter" in text and "*(proving)* Why?" in text
    assert "[Exercise 1](#exercise-04-1)" in text and "```python\nx = 1  # because\n```" in text
    assert "secret" not in text and "Build" not in text


def test_every_exercise_can_be_linked_to(chapter):
    notebook = json.loads(appendices.with_labels("04-a", (chapter / "04-a.ipynb").read_text()))
    text = ["".join(cell["source"]) for cell in notebook["cells"]]
    assert "(exercise-04-1)=\n\n**1.** *(proving)*" in text[1]
    assert text[5].startswith("(exercise-04-2)=\n\n**2.**")
    assert text[2] == "answer = None"
    names = {k: cell["metadata"].get("mystnb", {}) for k, cell in enumerate(notebook["cells"])}
    assert names.pop(3)["code_prompt_show"] == "Show the check"
    assert names.pop(4)["code_prompt_show"] == "Show the solution"  # and no other folded cell
    assert not any(names.values())


# --- glossary, references, how long ---------------------------------------------------------------
def prose():
    """The words of all chapters and pages, in one line, but for the glossary's own."""
    text = []
    for path in sorted(BOOK.glob("*.ipynb")):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        text += ["".join(c["source"]) for c in cells if c["cell_type"] == "markdown"]
    text += [p.read_text("utf-8") for p in BOOK.glob("*.md") if p.name != "glossary.md"]
    return " ".join(" ".join(text).split())


def test_the_glossary_holds_words_that_the_book_uses():
    glossary = (BOOK / "glossary.md").read_text("utf-8").split("```{glossary}\n")[1]
    terms = re.findall(r"^(\w.*)$", glossary.split("```")[0], re.M)
    assert len(terms) >= 30 and terms == sorted(terms, key=str.lower)
    words = prose().lower()
    unused = [term for term in terms if term.lower() not in words]
    assert not unused


def test_the_bibliography_is_what_the_book_cites():
    entries = re.findall(r"^@\w+\{([^,]+),", (BOOK / "references.bib").read_text("utf-8"), re.M)
    assert len(entries) == len(set(entries))
    roles = re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", prose())
    cited = {key.strip() for role in roles for key in role.split(",")}
    cited |= set(paper.REFERENCES.values())  # appendices.compared cites them
    assert cited == set(entries)


def test_the_page_that_tells_how_long_reads_what_was_kept(chapter, monkeypatch):
    (chapter / "_toc.yml").write_text("chapters:\n  - file: 04-a\n")
    monkeypatch.setattr(execute, "told", lambda _: {"seconds": 61.26, "memory": 3 * 2**20})
    text = appendices.how_long(chapter)
    assert "| [](04-a.ipynb) | 61.3 | 3 |\n| all | 61 |  |" in text
    assert f"On {appendices.hardware()}." in text
    monkeypatch.setattr(execute, "told", lambda _: None)
    assert "04-a" not in appendices.how_long(chapter)


def test_every_compared_method_has_its_work():
    numbers = {row.reference for n in (1, 2, 3) for row in paper.TABLES[n].rows} - {None}
    assert numbers == set(paper.REFERENCES)
    text = appendices.compared(BOOK)
    assert "| MMMP | 3 | [32] | {cite:t}`shahroudy2016multipart`, IEEE Transactions on" in text
    assert "| JTM | 1 | [39] | {cite:t}`wang2016`, ACM Multimedia |" in text
    assert "| STA-LSTM | 1, 2 | [34] |" in text
