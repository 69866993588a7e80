"""Outlines against closed forms and COCO's own reader."""

import numpy as np
import pytest
from faster_coco_eval import mask as coco

from sfumato.data.outlines import Runs, box_of, drawn, polygons, uncompressed
from sfumato.errors import SfumatoError


@pytest.mark.parametrize("seed", range(5))
def test_compressed_runs_are_cocos(seed: int) -> None:
    generator = np.random.default_rng(seed)
    mask = np.asfortranarray(np.kron(generator.integers(0, 2, (7, 9)), np.ones((5, 4))).astype(np.uint8))
    counts = coco.encode(mask)["counts"]
    text = counts.decode() if isinstance(counts, bytes) else counts
    runs = Runs(uncompressed(text), (35, 36))
    assert np.array_equal(runs.mask(), mask.astype(bool))
    assert np.array_equal(drawn(runs, (36, 35), (35, 36)), mask.astype(bool))


def test_runs_have_the_box_of_their_pixels() -> None:
    mask = np.zeros((8, 10), bool)
    mask[2:5, 3:9] = True
    flat = mask.flatten(order="F")
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat.astype(int), [0]])))
    counts = np.diff(np.concatenate([[0], edges, [80]]))
    assert box_of(Runs(tuple(map(int, counts)), (8, 10))) == (3, 2, 9, 5)
    rows = Runs((0, 6), (1, 6), down=False, corner=(4, 2))
    assert box_of(rows) == (4, 2, 10, 3)


def test_a_polygon_fills_its_inside_at_any_size() -> None:
    square = polygons([[2, 2, 12, 2, 12, 7, 2, 7]])
    assert square is not None
    assert box_of(square) == (2, 2, 12, 7)
    found = drawn(square, (20, 10), (10, 20))
    assert found[3:7, 3:12].all()
    assert not found[:, :2].any()
    assert not found[9].any()
    assert abs(drawn(square, (20, 10), (100, 200)).mean() - 0.25) < 0.02


@pytest.mark.parametrize("text", ["\x00", "zzzz", "0P", "p"])
def test_damaged_runs_are_refused(text: str) -> None:
    with pytest.raises(SfumatoError):
        Runs(uncompressed(text), (4, 4)).mask()


@pytest.mark.parametrize("counts", [(3,), (-1, 17), (20,), ()])
def test_runs_of_another_size_are_refused(counts: tuple[int, ...]) -> None:
    with pytest.raises(SfumatoError, match="runs of"):
        Runs(counts, (4, 4)).mask()


def test_parts_without_three_corners_enclose_nothing() -> None:
    assert polygons([[1, 2], [1, 2, 3, 4]]) is None
    assert polygons([[1, 2], [0, 0, 4, 0, 4, 4]]) == ((0, 0, 4, 0, 4, 4),)
