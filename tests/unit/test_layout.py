"""The rules of layout that a program can check; docstrings, complexity and layers have own tools.

A rule that hurts is changed here, with its reason, in the change that breaks it.
"""

import ast
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "wharfie"
TESTS = ROOT / "tests"

MODULE_LINES = 600
PUBLIC_METHODS = 25
ARGUMENTS = 8
FOLDER_MODULES = 15
SAYS_NOTHING = {"utils", "util", "helpers", "helper", "common", "misc"}
# Functions with more arguments, and why.
WIDE = {"build_header"}  # of tar: one keyword argument a field of the format
MODULES = sorted(SOURCE.rglob("*.py"))
UNIT_TESTS = sorted((TESTS / "unit").rglob("test_*.py"))

Node = TypeVar("Node", bound=ast.AST)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def nodes(path: Path, *kinds: type[Node]) -> Iterator[Node]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, kinds):
            yield node


def arguments_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    names = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
    if names[:1] in (["self"], ["cls"]):
        del names[0]
    if function.name == "__init__":
        # Its keyword-only arguments are the fields of a record, told apart by name.
        return names
    return names + [a.arg for a in function.args.kwonlyargs]


def public_methods(class_: ast.ClassDef) -> list[str]:
    return [
        node.name
        for node in class_.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_"
    ]


def covered_by(test: Path) -> list[Path]:
    """What a unit test may be about: a module of the same path, a package, or a part of one.

    `tests/unit/pki/test_contexts.py` is about `pki/contexts.py`; a module with many rules may
    have several test files, each named after it (`test_contexts_refusals.py`).
    """
    folder = SOURCE / test.parent.relative_to(TESTS / "unit")
    words = test.stem.removeprefix("test_").split("_")
    stems = ["_".join(words[:n]) for n in range(len(words), 0, -1)]
    candidates = [folder / f"{stem}.py" for stem in stems] + [folder / stem for stem in stems]
    # A folder's own name stands for its __init__ or the folder as a whole.
    if folder.name in stems:
        candidates.append(folder)
    return [path for path in candidates if path.exists()]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_is_not_too_long(path: Path) -> None:
    lines = path.read_text().count("\n")
    assert lines <= MODULE_LINES, f"{lines} lines: split it by noun"


@pytest.mark.parametrize("path", [*MODULES, *TESTS.rglob("*.py")], ids=name_of)
def test_a_name_says_what_is_inside(path: Path) -> None:
    assert not SAYS_NOTHING.intersection({*path.relative_to(ROOT).parts, path.stem})


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_class_has_few_public_methods(path: Path) -> None:
    large = {
        node.name: len(public_methods(node))
        for node in nodes(path, ast.ClassDef)
        if len(public_methods(node)) > PUBLIC_METHODS
    }
    assert not large


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_function_has_few_arguments(path: Path) -> None:
    wide = {
        node.name: len(arguments_of(node))
        for node in nodes(path, ast.FunctionDef, ast.AsyncFunctionDef)
        if len(arguments_of(node)) > ARGUMENTS and node.name not in WIDE
    }
    assert not wide


@pytest.mark.parametrize("path", UNIT_TESTS, ids=name_of)
def test_a_unit_test_stands_where_its_module_stands(path: Path) -> None:
    if path.parent == TESTS / "unit":
        return  # about the repository as a whole
    assert covered_by(path), "no module of this name in the same folder of src/wharfie"


def test_the_architecture_page_names_files_that_exist() -> None:
    named = set(re.findall(r"`([a-z_/]+\.py)`", (ROOT / "docs/architecture.md").read_text()))
    assert named
    known = [path.relative_to(SOURCE).as_posix() for path in MODULES]
    assert not [name for name in named if not any(path.endswith(name) for path in known)]


def test_the_lock_names_no_place_but_pypi() -> None:
    urls = re.findall(r'https?://([^/"]+)', (ROOT / "uv.lock").read_text())
    assert set(urls) == {"pypi.org", "files.pythonhosted.org"}


def test_no_tests_folder_is_a_package() -> None:
    assert not list(TESTS.rglob("__init__.py"))


def test_a_folder_is_small_enough_to_read() -> None:
    """A warning in words only: fifteen is where a folder starts to want sub-folders."""
    for folder in sorted({path.parent for path in MODULES}):
        count = len([path for path in folder.glob("*.py") if path.stem != "__init__"])
        if count > FOLDER_MODULES:
            with warnings.catch_warnings():
                warnings.simplefilter("default")
                warnings.warn(f"{name_of(folder)} holds {count} modules", stacklevel=1)
