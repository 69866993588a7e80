"""The house: imports run down and never in a circle, systems stand alone, and nobody above them asks for classes.

`lint-imports` holds the floors of the folders; here are the files, and the rules that follow from the catalog.
"""

import ast
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import sfumato
from sfumato.runs.catalog import CATALOG

ROOT = Path(sfumato.__file__).parent
FILES = {".".join(path.relative_to(ROOT.parent).with_suffix("").parts): path for path in sorted(ROOT.rglob("*.py"))}
SUBJECTS = sorted(f"sfumato.{path.parent.name}" for path in ROOT.glob("*/family.py"))
ABOVE = [name for name in FILES if name.startswith(("sfumato.runs.", "sfumato.studies.")) or name == "sfumato.cli"]


def typed_only(tree: ast.AST) -> set[ast.AST]:
    """What stands under `if TYPE_CHECKING`."""
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    return {inner for block in blocks for statement in block.body for inner in ast.walk(statement)}


def imported(name: str) -> Iterator[tuple[str, str]]:
    """The modules of this package that a file imports, at its top or later, and the names that it takes of each."""
    tree = ast.parse(FILES[name].read_text("utf-8"))
    package = name.split(".") if FILES[name].name == "__init__.py" else name.split(".")[:-1]
    unseen = typed_only(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or node in unseen or not node.level:
            continue
        base = package[: len(package) - node.level + 1]
        module = ".".join([*base, *(node.module.split(".") if node.module else [])])
        for alias in node.names:
            inner = f"{module}.{alias.name}"
            yield (inner, "") if inner in FILES else (module, alias.name)


def test_no_file_imports_itself_through_others() -> None:
    arrows = {name: {module for module, _ in imported(name) if module in FILES} - {name} for name in FILES}
    try:
        list(TopologicalSorter(arrows).static_order())
    except CycleError as error:
        raise AssertionError(" -> ".join(error.args[1])) from None


def test_one_system_never_imports_another() -> None:
    systems = {f"{entry.package}.{entry.name}" for entry in CATALOG.values()}
    for name in systems:
        assert not systems & {module for module, _ in imported(name)}, name


def test_subjects_know_neither_runs_nor_one_another() -> None:
    for name in FILES:
        own = next((subject for subject in SUBJECTS if name.startswith(f"{subject}.")), None)
        if own:
            others = tuple(
                f"{subject}." for subject in (*SUBJECTS, "sfumato.runs", "sfumato.studies") if subject != own
            )
            assert not [module for module, _ in imported(name) if module.startswith(others)], name


def classes_of(module: str) -> set[str]:
    """The classes that a file defines."""
    tree = ast.parse(FILES[module].read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.ClassDef)}


def test_who_is_above_the_subjects_names_no_system_and_no_config() -> None:
    """`runs/` and the command line take no class of a subject at all; a study uses its subject's tools."""
    for name in ABOVE:
        for module, taken in imported(name):
            if not module.startswith(tuple(f"{subject}." for subject in SUBJECTS)):
                continue
            if name.startswith("sfumato.studies."):
                found = getattr(sys.modules.get(module) or __import__(module, fromlist=["_"]), taken, None)
                lines = {base.__name__ for base in found.__mro__} if isinstance(found, type) else set()
                assert not {"System", "Module"} & lines, f"{name} names {taken}"
                assert not taken.endswith("Config"), f"{name} names {taken}"
            else:
                assert taken not in classes_of(module), f"{name} names {taken}"
