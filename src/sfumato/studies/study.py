"""What every study does: take up or train its runs, have everything measured, tell of it, write the reports.

A study is a folder. `prepare` in its `plans.py` opens the data and says which runs are made on it; `measure` in its
`measures.py` computes all that takes time, once, into a frozen dataclass; each of `SECTIONS` in its `sections.py` tells of
those values in either language, and takes no time.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from ..data.dataset import ImageData
from ..engine.runtime import Runtime, choose, hardware
from ..errors import SfumatoError
from ..family import History
from ..files import write_bytes, write_json
from ..metrics.table import Evaluation, Words, tables
from ..reports.document import Report
from ..reports.language import Speaker
from ..runs.open import Run
from ..runs.page import MAX_LISTED
from ..runs.progress import measuring
from ..terminal import warn
from ..version import __version__
from .budget import Fitted, budget_for
from .crew import few_threads, room, threads_for, train_all
from .plan import Plan, Settings, Setup, cut, obtain

if TYPE_CHECKING:
    from PIL.Image import Image

Better = Literal["lower", "higher"] | None


@dataclass(frozen=True)
class Finished:
    """A finished run as sections tell of it: its plan, its log and what was measured at its end."""

    plan: Plan
    history: History
    evaluation: Evaluation

    @property
    def seconds(self) -> float:
        return self.history.rows[-1]["seconds"] if self.history.rows else 0.0

    def series(self, key: str, along: str = "images") -> tuple[list[float], list[float]]:
        """x and y of the curve of a scalar of its log."""
        return [row[along] for row in self.history.rows], [row[key] for row in self.history.rows]

    def label(self, say: Speaker) -> str:
        """What it is called in text."""
        return say(self.plan.en, self.plan.zh)

    def figure_label(self, say: Speaker) -> str:
        """What it is called in figures."""
        return say.figure(self.plan.en, self.plan.zh)


@dataclass(frozen=True)
class Lab:
    """What a study measures with: its settings, its data, and its finished runs by name."""

    settings: Settings
    setup: Setup
    runtime: Runtime
    runs: Mapping[str, Run]
    fitted: Fitted

    @property
    def data(self) -> ImageData:
        return self.setup.data

    def system(self, name: str) -> Any:
        """The trained system of a run: of the kind that its plan says, which the study knows."""
        return self.runs[name].system

    def finished(self) -> dict[str, Finished]:
        runs = [(plan, self.runs[plan.name]) for plan in self.setup.plans]
        return {plan.name: Finished(plan, run.history, run.evaluation) for plan, run in runs}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What every study tells of; each adds its own values. `notes`: what else results.json must say."""

    data: ImageData
    full: bool
    runs: Mapping[str, Finished]
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One measured number. `met` is None where there is nothing published, or nothing that can be compared."""

    name: Words
    published: float | None
    measured: float
    unit: str
    better: Better
    met: bool | None


class StudyReport:
    """A report in one of two languages, which collects rows of published and measured numbers as its sections are told."""

    def __init__(self, title: Words, say: Speaker) -> None:
        self.speaker, self.rows = say, list[Row]()
        self.report = Report(title.by(say), say.language)

    def heading(self, en: str, zh: str) -> None:
        self.report.heading(self.speaker(en, zh))

    def say(self, en: str, zh: str, loud: bool = False) -> None:
        self.report.say(self.speaker(en, zh), loud)

    def code(self, text: str) -> None:
        self.report.code(text)

    def picture(self, name: str, content: bytes, en: str, zh: str) -> None:
        self.report.picture(name, content, self.speaker(en, zh))

    def film(self, name: str, frames: "Sequence[Image]", labels: Sequence[str], en: str, zh: str) -> None:
        self.report.film(name, frames, labels, self.speaker(en, zh))

    def table(
        self, head: Sequence[str], rows: Sequence[Sequence[str]], en: str, zh: str, marks: Sequence[bool | None] = ()
    ) -> None:
        self.report.table(head, rows, self.speaker(en, zh), marks)

    def evaluation(self, evaluation: Evaluation) -> None:
        """A table of what was measured of runs."""
        for each in tables(evaluation, self.speaker):
            self.report.table(*each)

    def row(
        self, en: str, zh: str, measured: float, unit: str = "", published: float | None = None,
        better: Better = None, comparable: bool = True,
    ) -> None:  # fmt: skip
        """Adds a measured number; `comparable`: whether it may be held against the published one.

        results.json has the English name in every language, the report's table the one of its language.
        """
        met = None
        if published is not None and better is not None and comparable:
            met = measured <= published if better == "lower" else measured >= published
        self.rows.append(Row(Words(en, zh), published, measured, unit, better, met))

    def rows_table(self) -> None:
        """The table of all rows so far."""
        say = self.speaker
        words = {True: say("yes", "是"), False: say("no", "否"), None: "–"}
        cells = [
            [row.name.by(say), "–" if row.published is None else f"{row.published:g}", f"{row.measured:.6g}", row.unit,
             words[row.met]]
            for row in self.rows
        ]  # fmt: skip
        self.table(
            [say("quantity", "量"), say("published", "发表值"), say("measured", "实测值"), say("unit", "单位"), say("met", "达到")],
            cells,
            "Published vs. measured. «–» under «met»: nothing published, or not on the same data and budget.",
            "发表值与实测值。“达到”一栏的“–”表示没有发表值，或数据、训练量不同而不可比较。",
            [row.met for row in self.rows],
        )  # fmt: skip


def run(title: Words, part: Callable[[str], ModuleType], settings: Settings, wanted: float) -> dict[str, Any]:
    """Trains what is not there yet, measures, writes figures, results.json and both reports; returns what results.json
    holds. `part`: gives the study's `plans`, `measures` and `sections`. `wanted`: seconds that a quick study may train."""
    began = time.monotonic()
    setup: Setup = part("plans").prepare(settings)
    runtime = choose(settings.device, settings.precision)
    if runtime.processes > 1:
        raise SfumatoError("a study runs in one process: call it without torchrun")
    try:
        settings.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SfumatoError(f"{settings.out}: cannot be written to ({error.strerror})") from None
    with few_threads(threads_for(setup, runtime)), measuring(f"study {settings.name}: a few steps of each run"):
        budget = budget_for(settings, setup, runtime, wanted, room(setup, runtime))
    setup = cut(setup, budget.cut)
    if budget.fitted.share < 1:
        warn(f"study {settings.name}: {in_words(budget.fitted).en}")
    train_all(settings, setup, runtime, budget)
    runs = {plan.name: obtain(plan, settings, setup, runtime) for plan in setup.plans}
    lab = Lab(settings, setup, runtime, runs, budget.fitted)
    with measuring(f"study {settings.name}: measuring"):
        measured: Measured = part("measures").measure(lab)
    say = Speaker(settings.language)
    report = StudyReport(title, say)
    opening(report, say, lab)
    for section in part("sections").SECTIONS:
        section(report, say, measured)
    return _written(report, lab, measured, began)


def opening(report: StudyReport, say: Speaker, lab: Lab) -> None:
    """What the report is on, the notice of the data in both languages, and whether figures lack a font."""
    data, full, seed, runtime = lab.data, lab.settings.full, lab.settings.seed, lab.runtime.describe()
    side = data.shape[1]
    report.report.subtitle = say(
        f"Sfumato study, {'full' if full else 'quick'} scale, on {data.name}: {len(data.train):,} training and "
        f"{len(data.test):,} test images of {side}×{side}. Seed {seed}, {runtime}.",
        f"Sfumato 实验，{'完整' if full else '快速'}规模，数据 {data.name}：训练图像 {len(data.train):,} 张，"
        f"测试图像 {len(data.test):,} 张，{side}×{side}。随机种子 {seed}，{runtime}。",
    )
    if lab.fitted.share < 1:
        words = in_words(lab.fitted)
        report.say(words.en, words.zh, loud=True)
    notice(report, data)
    if say.lacks_font:
        report.say("", "此机器没有中文字体，图中的文字保留英文。", loud=True)


def in_words(fitted: Fitted) -> Words:
    """What was cut so that a quick study ends in time."""
    return Words(
        f"To end within minutes on this machine, every run was given {fitted.share:.0%} of its images: in a trial it drew "
        f"{min(fitted.images_per_second.values()):,.0f} to {max(fitted.images_per_second.values()):,.0f} images a second.",
        f"为在几分钟内完成，每个训练只用了其图像数的 {fitted.share:.0%}：试运行中每秒 "
        f"{min(fitted.images_per_second.values()):,.0f} 至 {max(fitted.images_per_second.values()):,.0f} 张图像。",
    )


def notice(report: StudyReport, data: ImageData) -> None:
    """What must be known of `data`, if there is something."""
    if data.notice:
        report.say(data.notice, data.notice_zh or data.notice, loud=True)


def left_out(report: StudyReport, say: Speaker, measured: Measured) -> None:
    """A section on the files of the data that were not used, if there are any."""
    files = measured.data.left_out
    if not files:
        return
    report.heading("Left out", "未使用的文件")
    more = say(f"; the first {MAX_LISTED}", f"，列出前 {MAX_LISTED} 个") if len(files) > MAX_LISTED else ""
    report.table(
        [say("file", "文件"), say("reason", "原因")],
        [[item.file, item.reason] for item in files[:MAX_LISTED]],
        f"{len(files):,} files of the data that were not used{more}.",
        f"{len(files):,} 个未使用的文件{more}。",
    )


def about(data: ImageData) -> dict[str, Any]:
    """What results.json says of a data set."""
    return {"name": data.name, "fingerprint": data.fingerprint, "train": len(data.train), "test": len(data.test)}


def _written(report: StudyReport, lab: Lab, measured: Measured, began: float) -> dict[str, Any]:
    settings, runtime = lab.settings, lab.runtime
    scale = "full" if settings.full else "quick"
    results = {
        "study": settings.name,
        "command": (
            f"sfumato study {settings.name} --scale {scale} --data {lab.setup.names} --seed {settings.seed} "
            f"--device {runtime.device.type} --precision {runtime.precision}{lab.setup.options}"
        ),
        "scale": scale,
        "seed": settings.seed,
        "data": about(lab.data),
        "hardware": hardware(),
        "budget": asdict(lab.fitted),
        "runtime": runtime.describe(),
        "versions": {"sfumato": __version__, **{name: version(name) for name in ("torch", "scikit-learn")}},
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "seconds": {
            "this call": round(time.monotonic() - began, 1),
            **{name: finished.seconds for name, finished in measured.runs.items()},
        },
        **measured.notes,
        "rows": [{**asdict(row), "name": row.name.en} for row in report.rows],
    }  # fmt: skip
    report.report.write_pictures(settings.out / "figures")
    write_json(settings.out / "results.json", results)
    write_bytes(settings.out / "report.html", report.report.html().encode())
    write_bytes(settings.out / "report.docx", report.report.docx())
    return results
