"""What was measured is found by key, whoever wrote it; and what cannot be is one line."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from sfumato.errors import SfumatoError
from sfumato.metrics.table import Evaluation, Words, rows_of, tables
from sfumato.reports.language import Speaker
from sfumato.runs.results import read_evaluation

OLD: dict[str, Any] = {  # as the first format was written
    "split": "test", "data": "digits", "fingerprint": "0123456789abcdef", "notice": "Not MNIST.", "left_out": 1,
    "images": 360, "resolution": 28, "note": "Mean over images.", "bce_floor": 0.1, "noise_seed": 0,
    "rows": [
        {"name": "reconstruction", "bce": 0.2, "psnr": 15.0},
        {"name": "noisy input, cut to [0, 1]", "bce": 0.6, "psnr": 9.0},
        {"name": "PCA-2", "bce": 0.3, "psnr": 12.0},
        {"name": "mean image", "bce": 0.4, "psnr": 10.0},
    ],
}  # fmt: skip


def written(folder: Path, values: Any) -> Path:
    (folder / "evaluation.json").write_text(json.dumps(values))
    return folder


def test_rows_come_back_by_key(tmp_path: Path) -> None:
    rows = [*rows_of({"accuracy": 0.9, "miou": float("nan")}, 67, intervals={"accuracy": (0.8, 0.95)}),
            *rows_of({"accuracy": 0.6}, 67, "commonest", "baseline")]  # fmt: skip
    names = {"ours": Words("network", "网络"), "commonest": Words("everything cat", "全部为 cat")}
    found = Evaluation(data="cats", fingerprint="f", images=67, resolution=64, rows=tuple(rows), names=names,
                       note=Words("A note.", "注。"))  # fmt: skip
    read = read_evaluation(written(tmp_path, asdict(found)))
    assert read == found
    assert read.value("accuracy", "commonest") == 0.6
    assert read.row("accuracy").low == 0.8
    assert read.row("miou").value is None
    with pytest.raises(SfumatoError, match="psnr of ours: was not measured; there are accuracy of ours"):
        read.value("psnr")
    [(head, lines, caption)] = tables(read, Speaker("zh"))
    assert head == ["", "accuracy", "miou"]
    assert lines == [["网络", "90.0% (80.0%–95.0%)", "–"], ["全部为 cat", "60.0%", "–"]]
    assert caption == "cats 的 67 张测试图像，64×64。注。"


def test_the_first_format_is_read_by_the_same_keys(tmp_path: Path) -> None:
    found = read_evaluation(written(tmp_path, OLD))
    assert found.things() == ["ours", "noisy-input", "pca", "mean"]
    assert found.value("psnr", "pca") == 12.0
    assert found.called("pca") == "PCA-2"
    assert found.more == {"bce_floor": 0.1}
    assert (found.images, found.left_out, found.notice.en, found.seed) == (360, 1, "Not MNIST.", 0)


@pytest.mark.parametrize(
    "values",
    [[], {}, {**OLD, "rows": 3}, {**OLD, "rows": [3]}, {**OLD, "images": "many"}, {**OLD, "rows": [{"name": 1}]},
     {"names": {}}, {"names": {}, "rows": [{"key": 1}]}, {**OLD, "rows": [{"name": "drawn", "fcd": "far"}]}],
)  # fmt: skip
def test_what_is_no_evaluation_is_one_line(tmp_path: Path, values: Any) -> None:
    with pytest.raises(SfumatoError) as caught:
        read_evaluation(written(tmp_path, values))
    assert "evaluation.json" in str(caught.value)
    assert "\n" not in str(caught.value)
