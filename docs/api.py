"""Writes docs/api.md: what is public, from `sfumato.__all__`. `python docs/api.py` after a change; a test compares."""

import ast
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import sfumato

PAGE = Path(__file__).with_suffix(".md")
HEAD = """\
# The Python interface

Public is what stands here, the commands and their options, and the formats of the files that runs and answers consist
of. Whoever adds a system may also rely on `sfumato.engine.system`, `engine.fields`, `engine.descend`, `sfumato.family`
and `sfumato.metrics.table`, as far as [CONTRIBUTING.md](../CONTRIBUTING.md) uses them. All else may change without
notice.

**What is public changes so:** a name, an argument or an option that is to go works for one more minor version, with a
`DeprecationWarning` (on the command line: a line) that names what to use instead, and a line in the changelog. Formats
of config.json, state.json and evaluation.json are brought up from every older version, for ever; newer ones are refused
in a line.

**Versions.** All of `./check` is run on Python 3.11; `./check --floors` has been on 3.11, 3.12 and 3.13, each with the
lowest versions of all dependencies that pyproject.toml allows and that Python has wheels of. `./check --extras`
tries each extra alone, with the newest.

Written by `docs/api.py`.
"""


def page() -> str:
    return "\n".join([HEAD, *(line for name in sorted(sfumato.__all__, key=str.lower) for line in entry(name))])


def entry(name: str) -> Iterator[str]:
    yield f"## {name}\n"
    if name not in sfumato._HOMES:
        yield "The version, as a string.\n"
        return
    thing = defined(name)
    if isinstance(thing, ast.ClassDef):
        methods = [item for item in thing.body if isinstance(item, ast.FunctionDef)]
        makes = next((item for item in methods if item.name == "__init__"), None)
        yield f"{code(makes, name) if makes else ''}{said(thing)}\n"
        for item in methods:
            if not item.name.startswith("_"):
                shown = item.name if item.decorator_list else signature(item, item.name)
                yield f"- `{shown}`: {said(item)}"
        yield ""
    else:
        yield f"{code(thing, name)}{said(thing)}\n"


def defined(name: str) -> ast.ClassDef | ast.FunctionDef:
    """Where `name` is defined, unevaluated: what annotations become depends on the versions of others."""
    spec = find_spec(sfumato._HOMES[name])
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse(Path(spec.origin).read_text("utf-8"))
    return next(item for item in tree.body if isinstance(item, ast.ClassDef | ast.FunctionDef) and item.name == name)


def code(thing: ast.FunctionDef, name: str) -> str:
    return f"```python\n{signature(thing, name, 100)}\n```\n\n"


def signature(thing: ast.FunctionDef, name: str, width: int = 1000) -> str:
    """As it is written, without `self`; a parameter a line if it is longer than `width` characters."""
    for part in (*thing.args.args, *thing.args.kwonlyargs, thing):
        where = "returns" if part is thing else "annotation"
        written = getattr(part, where)
        if isinstance(written, ast.Constant) and isinstance(written.value, str):
            setattr(part, where, ast.parse(written.value, mode="eval").body)
    thing.args.args = [part for part in thing.args.args if part.arg != "self"]
    returns = f" -> {ast.unparse(thing.returns)}" if thing.returns and thing.name != "__init__" else ""
    whole = ast.unparse(thing.args).replace("=", " = ")
    short = f"{name}({whole}){returns}"
    if len(short) <= width:
        return short
    parts = re.split(r", (?=\*|\w+: )", whole)
    return f"{name}(\n" + "".join(f"    {part},\n" for part in parts) + f"){returns}"


def said(thing: ast.ClassDef | ast.FunctionDef) -> str:
    """The first sentence of its docstring."""
    text = " ".join((ast.get_docstring(thing) or "").split("\n\n")[0].split())
    return re.split(r"(?<=[.])\s", text)[0]


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
