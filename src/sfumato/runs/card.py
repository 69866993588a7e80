"""The model card, README.md: what a model is, what it was trained on, what was measured, how it is used."""

from collections.abc import Sequence
from dataclasses import replace

import yaml

from ..engine.system import System
from ..metrics.table import tables
from ..version import __version__
from .open import Run

USES = {
    "draws": "run.sample(64)  # (64, c, h, w) in [0, 1]",
    "restyles": 'sfumato.stylize("photo.jpg", "painting.jpg", run="{address}").save("out.png")',
    "translates": 'run.translate("photo.jpg").save("out.png")',
    "names_classes": 'print(run.predict("photo.jpg"))',
}


def card(run: Run, name: str, license: str = "") -> str:
    """The card of the model of `run`, as it is called at the hub; `license`: by its short name there."""
    manifest, entry, data = run.manifest, run.entry, run.manifest.data
    measured = run.evaluation if run.folder.is_finished else None
    head = {
        **({"license": license} if license else {}),
        "library_name": "sfumato",
        "tags": ["sfumato", entry.name, entry.subject],
        **({"metrics": measured.keys()} if measured else {}),
    }
    uses = {"train on": data.train, "choose by": data.valid, "test on": data.test}
    counts = ", ".join(f"{count:,} images to {use}" for use, count in uses.items() if count)
    parts = [
        f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---",
        f"# {name}: {entry.name} on {data.name}",
        f"{entry.idea} Paper: {entry.paper}",
        f"**Data.** {data.name}: {counts or 'not known here'}; fingerprint `{data.fingerprint}`.",
        f"**Training.** {_length(manifest.config)}; on {manifest.device} in {manifest.precision}, processes: "
        f"{manifest.processes}; seed {manifest.seed}; Sfumato {manifest.sfumato}, torch {manifest.torch}.",
    ]
    if measured:
        parts.append("## Measured")
        for first, rows, caption in tables(replace(measured, left_out=0)):  # report.html, which says more, is not here
            parts += [_markdown([first, *rows]), *([caption] if caption else [])]
    parts += [
        "## Departures",
        entry.departures or "None is known.",
        "## How to use",
        f"```python\n{_use(entry.system_class, name)}\n```",
        f"`pip install 'sfumato[hub]'` (written by Sfumato {__version__}).",
    ]
    return "\n\n".join(parts) + "\n"


def _length(config: dict[str, object]) -> str:
    images = config.get("images")
    return f"{images:,} images" if isinstance(images, int) else "of unknown length"


def _use(kind: type[System], name: str) -> str:
    address = f"hf://{name}"
    line = next((use for trait, use in USES.items() if getattr(kind, trait)), "print(run.config)")
    opened = [] if "stylize" in line else [f'run = sfumato.open("{address}")']
    return "\n".join(["import sfumato", *opened, line.format(address=address)])


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    head, *rows = (f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
    return "\n".join([head, "|---" * len(lines[0]) + "|", *rows])
