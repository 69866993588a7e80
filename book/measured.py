"""Tables of measured numbers, read from `results/`: no number in the book is typed by hand.

`docs/measured.toml` says which: for each system a list of files, and of each the `values`: where it stands and what it
is called in both languages. A place is a study's row by its name, `KEY of THING` of an evaluation, or a path of keys.
"""

import json
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
HEADS = {"en": ("", "published", "measured"), "zh": ("", "论文所载", "实测")}


@cache
def chosen() -> dict[str, list[dict[str, Any]]]:
    return tomllib.loads((ROOT / "docs" / "measured.toml").read_text("utf-8"))


@cache
def result(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / name).read_text("utf-8"))


def system_table(name: str, language: str) -> str:
    """All that was measured of a system."""
    return "\n\n".join(_group(group, language) for group in chosen()[name])


def everything(name: str, language: str) -> str:
    """All that was measured of all systems."""
    parts = [f"## [`{system}`](systems/{system}.md)\n\n{system_table(system, language)}" for system in chosen()]
    return "\n\n".join(parts)


def study_table(file: str, language: str) -> str:
    """All rows of a study's result."""
    rows = [(row["name"], row["published"], row["measured"], row["unit"]) for row in result(file)["rows"]]
    return f"{_origin(file, language)}\n\n{_table(rows, language)}"


def _group(group: dict[str, Any], language: str) -> str:
    rows = []
    for place, english, chinese in group["values"]:
        published, measured, unit = _find(result(group["file"]), place)
        rows.append((english if language == "en" else chinese, published, measured, unit))
    note = group.get("note" if language == "en" else "note_zh", "")
    origin = _origin(group["file"], language, group.get("run"))
    return f"{origin}{' ' + note if note else ''}\n\n{_table(rows, language)}"


def _find(content: dict[str, Any], place: str) -> tuple[Any, Any, str]:
    """Published, measured, unit. Raises KeyError for a place where nothing stands."""
    rows = content.get("rows", [])
    for row in rows if isinstance(rows, list) else []:
        if row.get("name") == place and "measured" in row:
            return row["published"], row["measured"], row["unit"]
    key, _, of = place.partition(" of ")
    for row in content.get("evaluation", {}).get("rows", []):
        if of and (row["key"], row["of"]) == (key, of):
            return None, row["value"], row["unit"]
    found: Any = content
    for step in place.split("/"):
        if isinstance(found, list):
            found = found[int(step)] if step.lstrip("-").isdigit() else _named(found, step)
        else:
            found = found[step]
    if not isinstance(found, (int, float)):
        raise KeyError(f"{place}: is no number")
    return None, found, ""


def _named(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(row for row in rows if row.get("name") == name)


def _table(rows: list[tuple[str, Any, Any, str]], language: str) -> str:
    lines = [f"| {' | '.join(HEADS[language])} |", "|---|---:|---:|"]
    lines += [
        f"| {name} | {_number(published, unit)} | {_number(measured, unit)} |"
        for name, published, measured, unit in rows
    ]
    return "\n".join(lines)


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    text = f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.4g}"
    return f"{text} {unit}".strip()


def _origin(file: str, language: str, run: str | None = None) -> str:
    """On what, by which command, on which machine: a sentence."""
    content = result(file)
    detail = content["runs"][run] if run else content
    data, machine = content.get("data", ""), content.get("hardware", {})
    name = data["name"] if isinstance(data, dict) else str(data)
    command = detail.get("command") or content.get("command", "")
    what = machine.get("accelerator") or f"{machine.get('threads', machine.get('cores'))} × {machine.get('processor')}"
    seconds = detail.get("seconds")
    took = "" if not isinstance(seconds, (int, float)) else f", {seconds:,.0f} s"
    seed = content.get("seed")
    if language == "zh":
        parts = [f"数据：{name}" if name else "", f"命令 `{command}`" if command else "", f"硬件：{what}{took}"]
        parts += [f"种子 {seed}"] if seed is not None else []
        return f"{'；'.join(filter(None, parts))}。来源：`results/{file}`。"
    parts = [f"On {name}" if name else "", f"by `{command}`" if command else "", f"on {what}{took}"]
    parts += [f"seed {seed}"] if seed is not None else []
    text = ", ".join(filter(None, parts))
    return f"{text[0].upper()}{text[1:]}. Kept in `results/{file}`."
