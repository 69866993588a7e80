from typing import Any

from ..family import History
from ..metrics.table import Evaluation, Words, rows_of

OF = {
    "reconstruction": "ours",
    "reconstruction from noisy codes": "noisy-codes",
    "denoised": "denoised",
    "noisy input": "noisy-input",
    "PCA-": "pca",
    "patch PCA": "patch-pca",
    "mean image": "mean",
    "drawn": "ours",
    "real training images": "floor",
    "test images under": "noise",
    "mean training": "mean",
    "restyled": "ours",
    "content, ": "content",
    "style, ": "style",
    "network": "ours",
    "everything ": "commonest",
    "no object": "nothing",
    "the mean box": "mean-box",
}
ZH = (
    ("mean image", "平均图像"),
    ("patch PCA, ", "分块 PCA，"),
    (" numbers per ", " 个数 / "),
    ("everything ", "全部为 "),
    ("no object anywhere", "处处无物体"),
    ("the mean box, ", "平均边框，"),
)
NOTES = {
    "low and high": "low 与 high：准确率的 95% 置信区间（Wilson）。",
    "map:": "map：COCO 的平均精度均值，重叠 0.5 至 0.95；map_50：重叠 0.5；检测置信度不低于 0.01。class_error 与 box_mae 是对全部锚框的平均，而锚框几乎都是背景。",
    "miou:": "miou：由全部像素的一个混淆矩阵得出，与 VOC 相同；不计空白像素。图像整张读入，短边等于此边长。",
}


def history_of(run: Any) -> History:
    values = run.config
    return History(
        values["system"],
        values["config"],
        run.metrics(),
        run.measures(),
        sorted((run.path / "samples").glob("[0-9]*.png")),
    )


def evaluation_of(run: Any) -> Evaluation:
    old = run.evaluation
    rows, names = [], {}
    for row in old["rows"]:
        of = next(
            key for begin, key in sorted(OF.items(), key=lambda item: -len(item[0])) if row["name"].startswith(begin)
        )
        zh = row["name"]
        for one, other in ZH:
            zh = zh.replace(one, other)
        names[of] = Words(row["name"], zh)
        values = {k: v for k, v in row.items() if k not in ("name", "low", "high")}
        intervals = {"accuracy": (row["low"], row["high"])} if "low" in row else {}
        rows += rows_of(values, old["images"], of, "ours" if of == "ours" else "baseline", intervals)
    more = {k: old[k] for k in ("per_class", "confusion", "over_the_run", "findings", "bce_floor") if k in old}
    note = next((zh for begin, zh in NOTES.items() if old["note"].startswith(begin)), "")
    return Evaluation(
        data=old["data"],
        fingerprint=old["fingerprint"],
        images=old["images"],
        resolution=old["resolution"],
        rows=tuple(rows),
        names=names,
        note=Words(old["note"], note),
        notice=Words(old["notice"], ""),
        left_out=old["left_out"],
        network=old.get("network", ""),
        more=more,
    )


def findings_of(history: Any, evaluation: Any, say: Any) -> Any:
    from ..gans.diagnosis import diagnose

    old = {"rows": [evaluation.values("ours"), evaluation.values("floor")]}
    return diagnose(list(history.rows), list(history.measures), old, history.system, dict(history.config), say)
