# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/model.md and the code say the same: every row of its tables leads to a function that names the symbol."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "model.md").read_text(encoding="utf-8")
CODE = sorted((ROOT / "aim_blender").rglob("*.py"))
REFERENCE = re.compile(r"`(\w+):([\w.]+)`")


def rows() -> list[tuple[str, list[tuple[str, str]]]]:
    """The first cell and the functions in the last one, of every row of a table with a column `computed by`."""
    found, inside = [], False
    for line in PAGE.splitlines():
        if not line.startswith("| "):
            inside = False
            continue
        first, *_, last = (cell.strip() for cell in line.strip("|").split(" | "))
        if last.strip(" |") == "computed by":
            inside = True
        elif inside and not first.startswith("---"):
            found.append((first, REFERENCE.findall(last)))
    return found


def definitions(tree: ast.Module, name: str) -> list[ast.AST]:
    """The class and the method, or the one function or class, that `Class.method` names; nothing if it is not there."""
    path: list[ast.AST] = []
    body: list[ast.stmt] = tree.body
    for part in name.split("."):
        kinds = (ast.FunctionDef, ast.ClassDef)
        node = next((each for each in body if isinstance(each, kinds) and each.name == part), None)
        if node is None:
            return []
        path.append(node)
        body = node.body
    return path


def words_of(source: str, path: list[ast.AST]) -> str:
    """Docstrings of the function and of its class, and the comments within the function."""
    texts = [ast.get_docstring(node) or "" for node in path if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    if isinstance(path[-1], ast.ClassDef):
        inner = [each for each in path[-1].body if isinstance(each, ast.FunctionDef) and each.name == "__init__"]
        texts += [ast.get_docstring(each) or "" for each in inner]
    segment = ast.get_source_segment(source, path[-1]) or ""
    tokens = tokenize.generate_tokens(io.StringIO(segment).readline)
    return " ".join([*texts, *(token.string for token in tokens if token.type == tokenize.COMMENT)])


def names(first: str) -> list[str]:
    """Patterns of what a docstring may name a row by: its symbols, the numbers of its formulae, or its words."""
    symbols = [re.escape(symbol) for symbol in re.findall(r"`([^`]+)`", first)]
    formulae = [rf"docs/model\.md \({number}\)" for number in re.findall(r"\((\d+)\)", first)]
    if not symbols and not formulae:
        return ["(?i)" + first.split()[-1]]
    told = [symbol for symbol in symbols if symbol != "a"]  # in a docstring it may be the article
    return [rf"(?<![\w']){symbol}(?![\w'])" for symbol in told] + formulae


def test_the_page_has_its_tables() -> None:
    assert len(rows()) > 40
    assert all(functions for _, functions in rows())
    formulae = [int(number) for number in re.findall(r"^\S.*\((\d+)\)$", PAGE, flags=re.MULTILINE)]
    assert formulae == list(range(1, len(formulae) + 1))
    asked = {int(number) for first, _ in rows() for number in re.findall(r"\((\d+)\)", first)}
    assert asked == set(formulae)


@pytest.mark.parametrize(
    ("first", "module", "name"),
    [(first, module, name) for first, functions in rows() for module, name in functions],
)
def test_a_row_leads_to_its_function(first: str, module: str, name: str) -> None:
    found = []
    for path in CODE:
        if path.stem == module:
            source = path.read_text(encoding="utf-8")
            if nodes := definitions(ast.parse(source), name):
                found.append(words_of(source, nodes))
    assert len(found) == 1, f"{module}:{name} is {len(found)} times below aim_blender"
    assert any(re.search(pattern, found[0]) for pattern in names(first)), f"{module}:{name} does not name {first}"


def test_other_functions_that_the_page_names_exist() -> None:
    for module, name in set(REFERENCE.findall(PAGE)):
        trees = [ast.parse(path.read_text(encoding="utf-8")) for path in CODE if path.stem == module]
        assert any(definitions(tree, name) for tree in trees), f"{module}:{name}"


def test_what_the_code_cites_is_on_the_page() -> None:
    numbers = set(re.findall(r"\((\d+)\)$", PAGE, flags=re.MULTILINE))
    sections = set(re.findall(r"^## (\d)\.", PAGE, flags=re.MULTILINE))
    cited = 0
    for path in CODE:
        text = " ".join(path.read_text(encoding="utf-8").split())
        for kind, number in re.findall(r"docs/model\.md (section |\()(\d+)", text):
            cited += 1
            assert number in (sections if kind == "section " else numbers), f"{path.name} cites {kind}{number}"
    assert cited > 20
