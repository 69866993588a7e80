"""What measuring gives: rows that are found by key, never by their place or their words.

An `Evaluation` is the content of evaluation.json. A row is one number: of which measure (`key`: "psnr", "fcd"), of what
(`of`: "ours", "floor", "mean"), in what role. What each `of` is called stands once in `names`, in both languages; the
language is chosen where the table is printed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal

from ..errors import SfumatoError
from ..reports.language import Speaker

if TYPE_CHECKING:
    from ..data.dataset import ImageData

Role = Literal["ours", "baseline", "published"]
OURS = "ours"
WIDEST = 7  # measures in a line
ENGLISH = Speaker("en")


@dataclass(frozen=True)
class Words:
    """The same in English and in Chinese."""

    en: str
    zh: str

    def by(self, say: Speaker) -> str:
        return say(self.en, self.zh)


@dataclass(frozen=True)
class Measure:
    """How a measure is printed, and its unit."""

    form: str = "{:.4g}"
    unit: str = ""


# Of pictures translated from one side to the other; then of what the cycle and the identity leave of each side's.
TRANSLATED = (
    ("frechet", "{:.4f}", ""), ("kernel", "{:.4f}", ""), ("content", "{:.4f}", ""), ("partner", "{:.1%}", ""),
    ("l1", "{:.4f}", ""), ("psnr", "{:.2f}", "dB"), ("ssim", "{:.4f}", ""), ("labels", "{:.1%}", ""),
)  # fmt: skip
# In the order of the columns of a printed table.
MEASURES: Mapping[str, Measure] = {
    "accuracy": Measure("{:.1%}"), "confidence": Measure("{:.1%}"), "ece": Measure("{:.3f}"),
    "map_50": Measure("{:.3f}"), "map": Measure("{:.3f}"),
    "class_error": Measure("{:.2e}"), "box_mae": Measure("{:.2e}"), "miou": Measure("{:.3f}"),
    "pixel_accuracy": Measure("{:.1%}"), "class_accuracy": Measure("{:.1%}"),
    "bce": Measure("{:.6f}", "nats"), "mse": Measure("{:.6f}"), "psnr": Measure("{:.2f}", "dB"),
    "psnr_pooled": Measure("{:.2f}", "dB"), "ssim": Measure("{:.4f}"),
    "elbo": Measure("{:.2f}", "nats"), "kl": Measure("{:.2f}", "nats"), "nll": Measure("{:.2f}", "nats"),
    "content": Measure("{:.4f}"), "style": Measure("{:.4f}"),
    "fcd": Measure("{:.4f}"), "frechet": Measure("{:.4f}"), "fid": Measure("{:.2f}"), "kernel": Measure("{:.4f}"),
    "score": Measure("{:.2f}"), "entropy": Measure("{:.1%}"), "covered": Measure("{:.0f}"),
    "confident": Measure("{:.1%}"), "precision": Measure("{:.3f}"), "recall": Measure("{:.3f}"),
    "density": Measure("{:.3f}"), "coverage": Measure("{:.3f}"), "nearest": Measure("{:.4f}"),
    "copied": Measure("{:.1%}"), "ppl_z": Measure("{:.1f}"), "ppl_z_end": Measure("{:.1f}"), "ppl_w": Measure("{:.1f}"),
    **{f"{measure}_to_{side}": Measure(form, unit) for measure, form, unit in TRANSLATED for side in "ba"},
    **{f"{measure}_{side}": Measure("{:.2f}", "dB") for measure in ("cycle", "cycle_jpeg", "same") for side in "ab"},
    "ppl_w_end": Measure("{:.1f}"), "separable_z": Measure("{:.2f}"), "separable_w": Measure("{:.2f}"),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured number. `n`: how many images it was measured on; `low`, `high`: the interval that holds it with 95 %
    confidence, where one is known. `value` is None where there is nothing to measure (a class that no image has), or no
    finite number (the PSNR of a perfect picture)."""

    key: str
    value: float | None
    n: int
    of: str = OURS
    role: Role = "ours"
    unit: str = ""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What was measured, on what, and what must be known to read it. `more`: what has no place in a table of numbers,
    by name (a confusion matrix, findings): plain JSON values."""

    data: str
    fingerprint: str
    images: int
    resolution: int
    rows: tuple[Row, ...]
    names: dict[str, Words]
    note: Words
    split: str = "test"
    notice: Words = Words("", "")
    left_out: int = 0
    network: str = ""
    seed: int | None = None
    more: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def on(cls, data: "ImageData", **fields: Any) -> "Evaluation":
        """With what must be said of the data."""
        return cls(
            data=data.name,
            fingerprint=data.fingerprint,
            notice=Words(data.notice, data.notice_zh),
            left_out=len(data.left_out),
            **fields,
        )

    def row(self, key: str, of: str = OURS) -> Row:
        """Raises SfumatoError naming what there is if nothing was measured by that key."""
        for row in self.rows:
            if (row.key, row.of) == (key, of):
                return row
        there = ", ".join(dict.fromkeys(f"{row.key} of {row.of}" for row in self.rows))
        raise SfumatoError(f"{key} of {of}: was not measured; there are {there}")

    def value(self, key: str, of: str = OURS) -> float:
        """The number alone; NaN where there was nothing to measure."""
        value = self.row(key, of).value
        return float("nan") if value is None else value

    def has(self, key: str, of: str = OURS) -> bool:
        return any((row.key, row.of) == (key, of) for row in self.rows)

    def values(self, of: str = OURS) -> dict[str, float]:
        """All numbers of one thing, by measure."""
        return {row.key: self.value(row.key, of) for row in self.rows if row.of == of}

    def things(self) -> list[str]:
        """What was measured: the `of` of the rows, in order."""
        return list(dict.fromkeys(row.of for row in self.rows))

    def called(self, of: str, say: Speaker = ENGLISH) -> str:
        """The name of what was measured."""
        return self.names[of].by(say) if of in self.names else of

    def keys(self) -> list[str]:
        """The measures, in the order in which tables have them."""
        there = dict.fromkeys(row.key for row in self.rows)
        return [*(key for key in MEASURES if key in there), *(key for key in there if key not in MEASURES)]

    def with_more(self, **more: Any) -> "Evaluation":
        return replace(self, more={**self.more, **more})


def comparable(evaluations: Mapping[str, Evaluation]) -> None:
    """Raises SfumatoError, which names two of them, unless all were measured by one network, on the same images."""
    (first, own), *others = evaluations.items()
    for name, other in others:
        for what in ("network", "fingerprint", "images", "resolution"):
            mine, theirs = getattr(own, what), getattr(other, what)
            if mine != theirs:
                raise SfumatoError(
                    f"{first} was measured with {what} {mine}, {name} with {theirs}: they cannot stand in one table; "
                    f"remove the run that is older"
                )


def rows_of(
    values: Mapping[str, float], n: int, of: str = OURS, role: Role = "ours", intervals: Mapping[str, Any] | None = None
) -> Iterator[Row]:
    """A row per measure in `values`. `intervals`: pairs (low, high) for some of them."""
    for key, value in values.items():
        low, high = (intervals or {}).get(key, (None, None))
        unit = MEASURES[key].unit if key in MEASURES else ""
        yield Row(
            key=key, value=value if isfinite(value) else None, n=n, of=of, role=role, unit=unit, low=low, high=high
        )


def printed(row: Row | None) -> str:
    if row is None or row.value is None:
        return "–"
    return MEASURES.get(row.key, Measure()).form.format(row.value)


def tables(evaluation: Evaluation, say: Speaker = ENGLISH) -> list[tuple[list[str], list[list[str]], str]]:
    """Heads, rows, and a caption below the last: a line for each thing that was measured, a column for each measure, or
    the other way about where there are more than WIDEST measures; an interval stands behind its number. Things that
    have no measure in common stand in tables of their own."""
    found: list[tuple[list[str], list[list[str]], str]] = []
    for things in _related(evaluation):
        known = {row.key for row in evaluation.rows if row.of in things}
        keys = list(filter(known.__contains__, evaluation.keys()))
        whole = [["", *keys], *lines(evaluation, keys, say, things)]
        head, *cells = [list(column) for column in zip(*whole, strict=True)] if len(keys) > WIDEST else whole
        found.append((head, cells, ""))
    side = f"{evaluation.resolution}×{evaluation.resolution}"
    space = say(" ", "")
    side = side if evaluation.resolution else say("their own size", "原尺寸")
    caption = say(
        f"{evaluation.images:,} {evaluation.split} images of {evaluation.data} at {side}. {evaluation.note.en}",
        f"{evaluation.data} 的 {evaluation.images:,} 张测试图像，{side}。{evaluation.note.zh}",
    )
    if notice := evaluation.notice.by(say):
        caption += f"{space}{notice}"
    if evaluation.left_out:
        caption += space + say(
            f"{evaluation.left_out:,} files could not be used and were left out: see report.html.",
            f"{evaluation.left_out:,} 个文件无法使用，见 report.html。",
        )
    found[-1] = (*found[-1][:2], caption)
    return found


def _related(evaluation: Evaluation) -> list[list[str]]:
    """The things that were measured, those together that share measures."""
    groups: list[tuple[list[str], set[str]]] = []
    for of in evaluation.things():
        keys = {row.key for row in evaluation.rows if row.of == of}
        group = next((group for group in groups if group[1] & keys), None)
        if group is None:
            groups.append(([of], keys))
        else:
            group[0].append(of)
            group[1].update(keys)
    return [things for things, _ in groups]


def lines(
    evaluation: Evaluation, keys: Sequence[str], say: Speaker, things: Sequence[str] | None = None
) -> list[list[str]]:
    """The rows of a table alone; of all things if none are named."""
    found = {(row.of, row.key): row for row in evaluation.rows}
    cells = []
    for of in evaluation.things() if things is None else things:
        line = [evaluation.called(of, say)]
        for key in keys:
            row = found.get((of, key))
            text = printed(row)
            if row is not None and row.low is not None and row.high is not None:
                form = MEASURES.get(key, Measure()).form
                text += f" ({form.format(row.low)}–{form.format(row.high)})"
            line.append(text)
        cells.append(line)
    return cells
