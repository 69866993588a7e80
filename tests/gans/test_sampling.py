"""What can be asked of a run with styles: seeds, mixing, walks, edits, projections; and what cannot."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn

import sfumato
from sfumato.cli import main
from sfumato.data.dataset import ImageData, InMemory, Split
from sfumato.engine.runtime import Runtime
from sfumato.errors import SfumatoError
from sfumato.gans import directions, gan, stylegan2
from sfumato.gans.drawing import great_circle
from sfumato.gans.latents import conditional_entropy, path_lengths, trimmed
from sfumato.gans.measures import memorised
from sfumato.gans.projection import Likeness, project, read_target
from sfumato.gans.sampling import Sampler, bands, sampler, seeds_of

RUNTIME = Runtime(torch.device("cpu"), "fp32")
FIELDS: dict[str, Any] = {"resolution": 32, "channels": 1, "base": 128, "widest": 8, "latent": 16, "mapping_layers": 2,
                          "batch_size": 4, "half_life": 0}  # fmt: skip


@dataclass
class Opened:
    """A run, as a subject sees it."""

    system: Any
    path: Path = Path("run")
    runtime: Runtime = RUNTIME
    system_name: str = "stylegan2"


def build(**more: Any) -> stylegan2.StyleGAN2:
    torch.manual_seed(0)
    system = stylegan2.StyleGAN2(stylegan2.Config(**{**FIELDS, **more}))
    system.generator.mapping.mean.normal_()  # pyright: ignore[reportCallIssue,reportAttributeAccessIssue]
    return system.eval()


def ask(system: Any, **asked: Any) -> Sampler:
    return sampler(Opened(system), **asked)  # pyright: ignore[reportArgumentType]


def test_seeds_are_numbers_and_ranges() -> None:
    assert seeds_of("1-4,9, 2") == [1, 2, 3, 4, 9, 2]
    for bad in ("", "4-1", "a", "1-", "-1", "1-5000", "1.5"):
        with pytest.raises(SfumatoError, match="seeds"):
            seeds_of(bad)


def test_a_seed_is_always_the_same_image() -> None:
    asked = ask(build())
    alone = asked.images([7])
    torch.testing.assert_close(asked.images([3, 7, 9])[1:2], alone)
    assert 0 <= float(alone.min()) <= float(alone.max()) <= 1
    assert not torch.equal(asked.images([8]), alone)


def test_truncation_draws_to_the_mean_and_noise_is_as_asked() -> None:
    system = build()
    nothing = ask(system, truncation=[0.0]).images([1, 2])
    torch.testing.assert_close(nothing[0], nothing[1])
    for name, strength in system.generator.named_parameters():
        if name.endswith("strength"):
            nn.init.constant_(strength, 0.5)
    kinds = [ask(system, noise=noise).images([1]) for noise in ("fixed", "random", "none")]
    assert all(not torch.equal(one, other) for one, other in pairwise(kinds))
    assert torch.equal(ask(system).images([1]), kinds[0])


def test_bands_are_the_papers() -> None:
    assert bands(build()) == {"coarse": slice(0, 4), "middle": slice(4, 8)}
    assert bands(build(resolution=128)) == {"coarse": slice(0, 4), "middle": slice(4, 8), "fine": slice(8, 12)}


def test_mixed_pictures_have_the_layers_of_their_column(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, painted = ask(build()), []
    paint = asked.paint
    monkeypatch.setattr(asked, "paint", lambda styles: painted.append(styles.clone()) or paint(styles))
    assert asked.mixed([1, 2], [3, 4, 5]).startswith(b"\x89PNG")
    with pytest.raises(SfumatoError, match="mix: 100 by 11 seeds: 1,000 mixtures are the most"):
        asked.mixed(range(100), range(11))
    rows, columns = painted[:2]
    coarse_of_second = painted[3]
    assert torch.equal(coarse_of_second[:, :4], columns[:, :4])
    assert torch.equal(coarse_of_second[:, 4:], rows[1, 4:].expand(3, -1, -1))


def test_a_walk_begins_at_its_seeds_and_is_straight_in_w() -> None:
    asked = ask(build())
    frames = asked.walk([1, 2, 3], frames=4)
    assert len(frames) == 12
    torch.testing.assert_close(frames[::4], asked.images([1, 2, 3]))
    ends = asked.styles([1, 2])
    torch.testing.assert_close(frames[2:3], asked.paint(ends.mean(0, keepdim=True)), atol=1e-5, rtol=1e-4)
    with pytest.raises(SfumatoError, match="two or more"):
        asked.walk([1])
    plain = ask(gan.GAN(gan.Config(hidden=(8,))).eval())
    assert len(plain.walk([1, 2], frames=3)) == 6


def test_one_without_styles_is_told_so() -> None:
    system = gan.GAN(gan.Config(hidden=(8,))).eval()
    for asked in ({"truncation": [0.7]}, {"noise": "none"}, {"edits": {"x": 1.0}}):
        with pytest.raises(SfumatoError, match="has no styles: stylegan and stylegan2 have"):
            ask(system, **asked)
    assert ask(system).images([1, 2]).shape == (2, 1, 28, 28)


def test_principal_directions_are_those_of_many_w_and_closed_form_ones_change_most() -> None:
    system = build()
    found = directions.find(system, "pca", 3)
    spread = directions.many_styles(system)
    spread = spread - spread.mean(0)
    values = torch.linalg.svdvals(spread)[:3] / len(spread) ** 0.5
    torch.testing.assert_close(torch.stack([vector.norm() for vector in found.values()]), values, rtol=1e-3, atol=1e-5)
    (first,) = directions.find(system, "sefa", 1).values()
    unit = first / first.norm()
    matrices = torch.cat(
        [layer.weights() for layer in system.modules() if isinstance(layer, directions.Style)]
    ).detach()
    most = float((matrices @ unit).norm())
    assert most == pytest.approx(float(torch.linalg.matrix_norm(matrices, 2)), rel=1e-4)
    with pytest.raises(SfumatoError, match="count 17: must lie between 1 and 16"):
        directions.find(system, "pca", 17)


def test_directions_are_kept_named_and_applied(tmp_path: Path) -> None:
    system, path = build(), tmp_path / directions.FILE
    found = directions.find(system, "pca", 2)
    directions.keep(path, directions.renamed(found, ["pca-1=slant"]))
    assert list(directions.known(path)) == ["pca-2", "slant"]
    asked = sampler(Opened(system, tmp_path), edits={"slant": 2.0})  # pyright: ignore[reportArgumentType]
    torch.testing.assert_close(asked.styles([1]), ask(system).styles([1]) + 2 * found["pca-1"])
    for bad in ("pca-1", "pca-9=x", "pca-1="):
        with pytest.raises(SfumatoError, match="must be OLD=NEW"):
            directions.renamed(found, [bad])
    with pytest.raises(SfumatoError, match=r"no direction of that name .* there are pca-2, slant"):
        sampler(Opened(system, tmp_path), edits={"x": 1.0}).styles([1])  # pyright: ignore[reportArgumentType]


def test_a_drawn_picture_is_found_again() -> None:
    """Its own style is in reach: the distance must fall far below that of the mean picture, and w+ below w."""
    system = build(base=512, widest=32)
    target = ask(system).images([5])[0]
    *_, last = project(system, target, RUNTIME, steps=40)
    assert last.found is not None
    mean, by_one, by_each = last.found.distances
    assert by_one < 0.5 * mean
    assert by_each <= by_one
    assert last.found.styles.shape == (1, system.layers, 16)
    torch.testing.assert_close(
        Likeness(target, RUNTIME)(last.found.by_each[None]), torch.tensor([by_each]), rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize(
    ("size", "mode"), [((1, 1), "RGB"), ((100, 80), "L"), ((3000, 2000), "RGB"), ((40, 60), "RGBA")]
)
def test_any_picture_is_a_target_or_a_line(tmp_path: Path, size: tuple[int, int], mode: str) -> None:
    Image.new(mode, size).save(tmp_path / "x.png")
    assert read_target(tmp_path / "x.png", build()).shape == (1, 32, 32)
    (tmp_path / "x.txt").write_text("no picture")
    for name in ("x.txt", "missing.png"):
        with pytest.raises(SfumatoError, match=name):
            read_target(tmp_path / name, build())


def test_path_lengths_of_a_linear_generator() -> None:
    """Of images that move by v along every way, and a judge that sees the pixels: v² for all of them."""

    class Seer:
        name = "pixels"

        def see(self, images: torch.Tensor) -> torch.Tensor:
            return images.flatten(1)

        def apart(self, seen: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
            return (seen - others).square().sum(1)

    class Linear(stylegan2.StyleGAN2):
        def synthesised(self, network: Any, styles: torch.Tensor, noise: Any) -> torch.Tensor:
            images = torch.zeros(len(styles), 1, 32, 32)
            images[:, 0, 0, : styles.shape[2]] = styles[:, 0] / 100
            return images

    system = Linear(stylegan2.Config(**FIELDS)).eval()
    found = path_lengths(system, Seer(), RUNTIME, 200)  # pyright: ignore[reportArgumentType]
    assert found["ppl_w"] == pytest.approx(found["ppl_w_end"], rel=0.05), "the same everywhere on a straight way"
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 500, 16, generator=generator)
    near, further = (great_circle(first, second, torch.full((500, 1), share)) for share in (0.3, 0.3001))
    assert float((further - near).norm(dim=1).std()) > 0
    lengths = torch.arange(100.0)
    assert trimmed(lengths) == pytest.approx(49.5)
    assert trimmed(torch.cat([lengths, torch.tensor([1e9])])) < 60


def test_conditional_entropy_of_sides() -> None:
    import numpy as np

    kinds = np.array([True, True, False, False])
    assert conditional_entropy(kinds, kinds) == 0
    assert conditional_entropy(kinds, np.array([True, False, True, False])) == pytest.approx(np.log(2))


def test_copies_of_training_images_are_found(toy: ImageData) -> None:
    training, real = toy.train.images(), toy.test.images()
    copied, usual = memorised(training[:4], real, toy)
    assert (copied["nearest"], copied["copied"]) == (0, 1)
    assert usual["nearest"] > 0.05
    assert usual["copied"] <= 0.25
    far, _ = memorised(torch.full_like(training[:4], 0.5), real, toy)
    assert far["copied"] == 0


@pytest.mark.slow
def test_every_command_on_a_run(tmp_path: Path, toy: ImageData, capsys: pytest.CaptureFixture[str]) -> None:
    """Sheets, tables, films, projections and directions from the command line."""
    grown = Split(
        InMemory(nn.functional.interpolate(toy.train.pictures.take(torch.arange(16)), (32, 32))), toy.train.labels
    )
    data = ImageData("toy", grown, grown, toy.classes, "toy at 32")
    run = tmp_path / "run"
    fields = {**FIELDS, "images": 16, "precision": "fp32"}
    sfumato.train("stylegan2", run=run, opened=data, evaluate=False, **fields)
    picture = tmp_path / "photo.png"
    Image.new("RGB", (50, 40), "red").save(picture)
    for arguments in (
        ["sample", str(run), "--seeds", "1-4", "--truncation", "0.7"],
        ["sample", str(run), "--mix", "1-2", "3-4"],
        ["sample", str(run), "--walk", "--seeds", "1-2"],
        ["sample", str(run), "--walk", "-o", str(tmp_path / "x.mp4")],
        ["sample", str(run), "--stochastic", "--noise", "random"],
        ["project", str(run), str(picture), "--steps", "3"],
        ["sample", str(run), "--from", str(run / "projections" / "photo.safetensors"), "-o", str(tmp_path / "y.png")],
        ["directions", str(run), "-n", "2"],
        ["directions", str(run), "--method", "sefa", "-n", "2"],
        ["directions", str(run), "--name", "pca-1=slant"],
        ["sample", str(run), "--edit", "slant=1.5", "-o", str(tmp_path / "z.png")],
    ):
        main(arguments)
    made = [
        Path(line.split(": ")[0]) for line in capsys.readouterr().out.splitlines() if line.startswith(str(tmp_path))
    ]
    assert all(path.is_file() for path in made)
    with Image.open(run / "samples" / "walk.gif") as film:
        assert film.n_frames == 60  # pyright: ignore[reportAttributeAccessIssue]
    for bad in (["--edit", "slant"], ["--mix", "1", "2", "--walk"], ["--walk", "-o", "x.avi"], ["--seeds", "x"]):
        with pytest.raises(SystemExit):
            main(["sample", str(run), *bad])
        assert capsys.readouterr().err.count("\n") == 1
