"""How many images a run draws in all, changed after it was begun."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import torch

from ..engine.fields import build
from ..engine.loop import stage_at
from ..engine.state import last_state
from ..engine.system import Stage
from ..errors import SfumatoError
from ..strict import shown
from .catalog import Entry
from .folder import RunFolder


def with_length(folder: RunFolder, entry: Entry, config: Any, images: int) -> Any:
    """`config`, of the run in `folder`, with `images` in all. Raises SfumatoError where they cannot be: fewer than are
    drawn, or so many that the run would stand in another stage than the one that its weights are in."""
    if "images" not in {field.name for field in fields(config)}:
        raise SfumatoError(
            f"images {shown(images)}: {entry.name} has no such field: its runs have the length that they have"
        )
    changed = build(entry.config_class, {"images": images}, entry.name, base=config)
    if changed == config:
        return config
    before, after = _stages(entry, config), _stages(entry, changed)
    if (total := sum(stage.images for stage in after)) != changed.images:
        raise SfumatoError(
            f"images {images}: the stages of {entry.name} would draw {total:,}: its runs keep their length"
        )
    drawn = last_state(folder.path).images if folder.has_checkpoint else 0
    if images < drawn:
        raise SfumatoError(
            f"images {images}: {folder.path} has drawn {drawn:,} already: it can go on to more, not to fewer"
        )
    if (was := _place(before, drawn)) != (now := _place(after, drawn)):
        raise SfumatoError(
            f"images {images}: {folder.path} has drawn {drawn:,} and is in stage {was + 1} of {len(before)}, which in "
            f"a run of that length would be stage {now + 1} of {len(after)}: ask for fewer"
        )
    return changed


def _stages(entry: Entry, config: Any) -> Sequence[Stage]:
    with torch.device("meta"):  # takes no memory
        return entry.build(config).stages()


def _place(stages: Sequence[Stage], images: int) -> int:
    """The number of the stage that the last of so many images belongs to; of those beyond the end, the last stage."""
    return min(stage_at(stages, max(0, images - 1))[0], len(stages) - 1)
