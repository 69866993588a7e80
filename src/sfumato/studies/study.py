"""What every study does: train or take up its runs, collect rows of published vs. measured, write the report."""

import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from ..data.dataset import ImageData
from ..engine.runtime import choose, hardware
from ..errors import SfumatoError
from ..files import write_atomically, write_json
from ..reports.document import Report
from ..reports.language import Language, Speaker
from ..runs.folder import RunFolder
from ..runs.open import Run
from ..runs.page import MAX_LISTED
from ..runs.train import fits, resume, train
from ..version import __version__


@dataclass(frozen=True)
class Plan:
    """One run of a study: its folder's name, what to train, its two names in the report, and what it is trained on if
    not on the study's data: the source and the same, opened."""

    name: str
    system: str
    fields: dict[str, Any]
    en: str
    zh: str
    on: tuple[str, ImageData] | None = None


@dataclass(frozen=True)
class Row:
    """One measured number. `met` is None where there is nothing published, or nothing that can be compared."""

    name: str
    published: float | None
    measured: float
    unit: str
    better: Literal["lower", "higher"] | None
    met: bool | None


class Study:
    """A folder with runs, figures, one report in two formats, and results.json."""

    name: str

    def __init__(
        self, out: Path, data: ImageData, source: str | tuple[str, ...], full: bool, language: Language, seed: int, device: str,
        precision: str,
    ) -> None:  # fmt: skip
        self.out, self.data, self.source, self.full, self.seed = out, data, source, full, seed
        self.device = device
        self.runtime = choose(device, precision)
        self.say = Speaker(language)
        self.rows: list[Row] = []
        self.names: dict[str, str] = {}
        self.data_names = data.name
        self.options = ""  # of the command line, that this study has and others do not
        self.notes: dict[str, Any] = {}  # what else results.json must say
        self.plans: dict[str, Plan] = {}
        self.runs: dict[str, Run] = {}
        self.report = Report(self.title(), language)
        if self.runtime.processes > 1:
            raise SfumatoError("a study runs in one process: call it without torchrun")
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SfumatoError(f"{out}: cannot be written to ({error.strerror})") from None

    def title(self) -> str:
        raise AssertionError("each study has its own title")

    def obtain(self, name: str, system: str, on: tuple[str, ImageData] | None = None, **fields: Any) -> Run:
        """The finished run `name`: taken as it is, gone on with, or trained, whichever its folder calls for."""
        path = self.out / "runs" / name
        folder = RunFolder(path)
        source, data = on or (self.source, self.data)
        if not folder.is_run:
            return train(
                system, data=source, run=path, seed=self.seed, device=self.device,
                precision=self.runtime.precision, opened=data, **fields,
            )  # fmt: skip
        if not fits(folder, system, data, self.seed, self.runtime.precision, fields):
            raise SfumatoError(f"{path}: holds a run with other settings: give another --out, or remove that folder")
        if (path / "evaluation.json").is_file():
            return Run(path, self.runtime.device.type, data)
        return resume(path, opened=data)

    def train_plans(self) -> None:
        """Fills `runs` with a finished run of each plan."""
        for plan in self.plans.values():
            self.runs[plan.name] = self.obtain(plan.name, plan.system, plan.on, **plan.fields)

    def label(self, name: str) -> str:
        """What the run `name` is called in text."""
        return self.say(self.plans[name].en, self.plans[name].zh)

    def figure_label(self, name: str) -> str:
        """What the run `name` is called in figures."""
        return self.say.figure(self.plans[name].en, self.plans[name].zh)

    def row(
        self,
        en: str,
        zh: str,
        measured: float,
        unit: str,
        published: float | None = None,
        better: Literal["lower", "higher"] | None = None,
        comparable: bool = True,
    ) -> None:
        """Adds a measured number; `comparable`: whether it may be held against the published one.

        results.json has the English name in every language, the report's table the one of its language.
        """
        met = None
        if published is not None and better is not None and comparable:
            met = measured <= published if better == "lower" else measured >= published
        self.rows.append(Row(en, published, measured, unit, better, met))
        self.names[en] = self.say(en, zh)

    def opening(self) -> None:
        """What the report is on, the notice of the data in both languages, and which files were left out."""
        say, data = self.say, self.data
        side = data.shape[1]
        self.report.subtitle = say(
            f"Sfumato study, {'full' if self.full else 'quick'} scale, on {data.name}: {len(data.train):,} training and "
            f"{len(data.test):,} test images of {side}×{side}. Seed {self.seed}, {self.runtime.describe()}.",
            f"Sfumato 实验，{'完整' if self.full else '快速'}规模，数据 {data.name}：训练图像 {len(data.train):,} 张，"
            f"测试图像 {len(data.test):,} 张，{side}×{side}。随机种子 {self.seed}，{self.runtime.describe()}。",
        )
        if data.notice:
            self.report.say(say(data.notice, data.notice_zh or data.notice), loud=True)
        if say.lacks_font:
            self.report.say("此机器没有中文字体，图中的文字保留英文。", loud=True)

    def left_out(self) -> None:
        """A section on the files of the data that were not used, if there are any."""
        say, files = self.say, self.data.left_out
        if not files:
            return
        self.report.heading(say("Left out", "未使用的文件"))
        more = say(f"; the first {MAX_LISTED}", f"，列出前 {MAX_LISTED} 个") if len(files) > MAX_LISTED else ""
        self.report.table(
            [say("file", "文件"), say("reason", "原因")],
            [[item.file, item.reason] for item in files[:MAX_LISTED]],
            say(
                f"{len(files):,} files of the data that were not used{more}.", f"{len(files):,} 个未使用的文件{more}。"
            ),
        )

    def finish(self, began: float) -> dict[str, Any]:
        """Writes figures, results.json and both reports; returns what results.json holds."""
        scale = "full" if self.full else "quick"
        results = {
            "study": self.name,
            "command": (
                f"sfumato study {self.name} --scale {scale} --data {self.data_names} --seed {self.seed} "
                f"--device {self.runtime.device.type} --precision {self.runtime.precision}{self.options}"
            ),
            "scale": scale,
            "seed": self.seed,
            "data": {"name": self.data.name, "fingerprint": self.data.fingerprint, "train": len(self.data.train),
                     "test": len(self.data.test)},
            "hardware": hardware(),
            "runtime": self.runtime.describe(),
            "versions": {"sfumato": __version__, "torch": version("torch"), "torchmetrics": version("torchmetrics"),
                         "scikit-learn": version("scikit-learn")},
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "seconds": {
                "this call": round(time.monotonic() - began, 1),
                **{name: run.metrics()[-1]["seconds"] for name, run in self.runs.items()},
            },
            **self.notes,
            "rows": [asdict(row) for row in self.rows],
        }  # fmt: skip
        self.report.write_pictures(self.out / "figures")
        write_json(self.out / "results.json", results)
        html = self.report.html()
        write_atomically(self.out / "report.html", lambda path: path.write_text(html, "utf-8"))
        write_atomically(self.out / "report.docx", self.report.write_docx)
        return results

    def rows_table(self) -> None:
        """The table of all rows in the report."""
        say = self.say
        words = {True: say("yes", "是"), False: say("no", "否"), None: "–"}
        cells = [
            [
                self.names[row.name],
                "–" if row.published is None else f"{row.published:g}",
                f"{row.measured:.6g}",
                row.unit,
                words[row.met],
            ]
            for row in self.rows
        ]
        head = [say("quantity", "量"), say("published", "发表值"), say("measured", "实测值"), say("unit", "单位"),
                say("met", "达到")]  # fmt: skip
        self.report.table(
            head,
            cells,
            say(
                "Published vs. measured. «–» under «met»: nothing published, or not on the same data and budget.",
                "发表值与实测值。“达到”一栏的“–”表示没有发表值，或数据、训练量不同而不可比较。",
            ),
            [row.met for row in self.rows],
        )


def whole_epochs(images: int, count: int) -> int:
    """`images`, rounded to whole epochs of `count`: a curve must not end on the mean of a few batches."""
    return max(1, round(images / count)) * count
