"""What every system in the catalog owes: one file, run over all of them."""

import dataclasses
import json
from dataclasses import dataclass, replace
from typing import Any, Literal

import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2.functional import resize

from sfumato.data.batches import batches_for
from sfumato.data.dataset import VOID, ImageData, InMemory, Split
from sfumato.engine.checkpoint import load_checkpoint, save_checkpoint
from sfumato.engine.clock import Clock
from sfumato.engine.fields import from_json, help_texts, to_json
from sfumato.engine.loop import ticks
from sfumato.engine.runtime import Runtime
from sfumato.engine.system import System
from sfumato.errors import SfumatoError
from sfumato.gans import dcgan, gan, sngan
from sfumato.gans.game import EitherConfig
from sfumato.gans.growing import PyramidConfig
from sfumato.recognition.recognizer import RecognitionConfig
from sfumato.runs.catalog import CATALOG, Entry
from sfumato.style import adain
from sfumato.style.network import TransferConfig
from sfumato.translation.translator import TranslationConfig

BATCH = 8


@dataclass(frozen=True)
class Case:
    """A system with the network of one of its presets, and a short run for it."""

    entry: Entry
    config: Any

    def build(self) -> System:
        torch.manual_seed(0)
        return self.entry.system_class(self.config)


def cases() -> dict[str, Case]:
    """Every system with each of its presets, those left out that differ in nothing but the length of the run."""
    found: dict[Case, str] = {}
    for entry in CATALOG.values():
        for preset, config in entry.presets.items():
            found.setdefault(Case(entry, shortened(config)), f"{entry.name}-{preset}")
    ada = replace(CATALOG["stylegan2"].presets["digits"], ada=True, classes=2)
    found[Case(CATALOG["stylegan2"], shortened(ada))] = "stylegan2-options"
    more = {"r1": 1.0, "half_life": 40, "augmented": True}
    found[Case(CATALOG["gan"], shortened(gan.Config(**more)))] = "gan-options"
    found[Case(CATALOG["sngan"], shortened(sngan.Config(**more, method="regularisation")))] = "sngan-options"
    return {name: case for case, name in found.items()}


def shortened(config: Any) -> Any:
    """The same system, trained on few pictures; the style systems on small ones, with the small encoder."""
    if isinstance(config, PyramidConfig):
        return replace(config, **small_pyramid(config))
    few = replace(config, batch_size=BATCH, images=4 * drawn(config))
    if isinstance(few, RecognitionConfig):
        return replace(few, **small_fields(few))
    if isinstance(few, TranslationConfig):
        return replace(few, **small_translator(few))
    if isinstance(few, EitherConfig | dcgan.Config):
        return replace(few, width=4)
    if not isinstance(few, TransferConfig):
        return few
    small = replace(few, resolution=32, crop=32)
    return replace(small, encoder="sfumato") if isinstance(small, adain.Config) else small


def small_fields(config: RecognitionConfig) -> dict[str, Any]:
    """What makes a recognition system small, of the fields that it has."""
    there = {field.name for field in dataclasses.fields(config)}
    wanted = {
        "classes": 2,
        "resolution": 64,
        "crop": 64,
        "width": 4,
        "frozen": min(0.2, getattr(config, "frozen", 0.0)),
    }
    return {name: value for name, value in wanted.items() if name in there}


def small_translator(config: TranslationConfig) -> dict[str, Any]:
    """What makes a translator small, of the fields that it has; it looks at its old images in every other step."""
    there = {field.name for field in dataclasses.fields(config)}
    wanted = {
        "resolution": 32,
        "enlarged": 1.0,
        "width": 4,
        "blocks": 1,
        "patch": 16,
        "pool": BATCH + 2,
        "paired": False,
    }
    return {name: value for name, value in wanted.items() if name in there}


def small_pyramid(config: PyramidConfig) -> dict[str, Any]:
    """Of 16 pixels; one that grows does so in every other step, and what is done now and then in every other too."""
    there = {field.name for field in dataclasses.fields(config)}
    wanted = {
        "resolution": 16, "base": 128, "widest": 16, "latent": 8, "batch_size": BATCH, "batch_sizes": (),
        "growth": BATCH, "images": 6 * BATCH, "r1_every": min(2, getattr(config, "r1_every", 1)),
        "path_every": min(2, getattr(config, "path_every", 1)),
    }  # fmt: skip
    return {name: value for name, value in wanted.items() if name in there}


def drawn(config: Any) -> int:
    """Images that one step draws."""
    return BATCH * getattr(config, "discriminator_steps", getattr(config, "critic_steps", 1))


CASES = cases()
each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
each_system = pytest.mark.parametrize("entry", CATALOG.values(), ids=CATALOG)


@pytest.fixture
def toy(case: Case, toy: ImageData) -> ImageData:
    """The toy images in the shape that the case wants; twice, for a system that learns from two sets."""
    fitted = replace(toy, train=fit(toy.train, case.config), test=fit(toy.test, case.config))
    return replace(fitted, second=fitted) if len(case.entry.data) == 2 else fitted


def fit(split: Split, config: Any) -> Split:
    images = resize(split.pictures.take(torch.arange(len(split))), [config.resolution, config.resolution])
    images = images.expand(-1, config.channels, -1, -1).contiguous()
    assert split.labels is not None
    target = config.target if isinstance(config, RecognitionConfig) else "labels"
    if target == "boxes":  # around the bright half; every third image has none
        left = split.labels / 2
        boxes = torch.stack([split.labels, left, torch.zeros_like(left), left + 0.5, torch.ones_like(left)], 1)
        boxes[::3] = -1
        return Split(InMemory(images), boxes=boxes[:, None])
    if target == "masks":
        masks = (images[:, :1] > 125).to(torch.uint8)
        masks[:, :, :4] = VOID
        return Split(InMemory(torch.cat([images, masks], 1)), masked=True)
    return Split(InMemory(images), split.labels)


def train(system: System, data: ImageData, clock: Clock, runtime: Runtime, steps: int) -> list[dict[str, Tensor]]:
    def feed(stage: Any) -> Any:
        plain = replace(stage, crop=None, flip=False, across=False)
        return batches_for(data, plain, 0, system.image_range, memory_format=runtime.memory_format).at

    scalars = []
    for tick in ticks(system, feed, clock, 0, runtime):
        scalars.append(tick.scalars)
        if len(scalars) == steps:
            break
    return scalars


@each_case
def test_two_steps_give_finite_tensors(case: Case, toy: ImageData, runtime: Runtime) -> None:
    clock = Clock()
    for scalars in train(case.build(), toy, clock, runtime, 2):
        assert scalars
        for name, value in scalars.items():
            assert isinstance(value, Tensor), name
            assert value.isfinite(), name
            assert not value.requires_grad, name
    assert clock.images == 2 * drawn(case.config)


@each_case
def test_a_step_under_bf16_autocast_is_finite_too(case: Case, toy: ImageData) -> None:
    for scalars in train(case.build(), toy, Clock(), Runtime(torch.device("cpu"), "bf16"), 2):
        assert all(value.isfinite() for value in scalars.values())


@each_case
def test_each_optimizer_changes_its_own_parameters_alone(case: Case, toy: ImageData, runtime: Runtime) -> None:
    system = case.build()
    seen: dict[str, dict[str, Tensor]] = {}

    def watch(name: str, optimizer: torch.optim.Optimizer) -> None:
        own = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}

        def before(*_: Any) -> None:
            seen[name] = {key: value.detach().clone() for key, value in system.named_parameters()}

        def after(*_: Any) -> None:
            for key, value in system.named_parameters():
                changed = not torch.equal(value, seen[name][key])
                assert changed <= (id(value) in own), f"{name} changed {key}"
            assert any(not torch.equal(value, seen[name][key]) for key, value in system.named_parameters())

        optimizer.register_step_pre_hook(before)
        optimizer.register_step_post_hook(after)

    for name, optimizer in system.optimizers.items():
        watch(name, optimizer)
    train(system, toy, Clock(), runtime, 2)
    assert seen.keys() == system.optimizers.keys()


@each_case
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_stopped_and_resumed_is_bitwise_the_same(
    case: Case, toy: ImageData, tmp_path: Any, precision: Literal["fp32", "bf16"]
) -> None:
    """In bf16 weights are channels-last, and optimisers that walk memory notice wrong strides."""
    runtime = Runtime(torch.device("cpu"), precision)

    def placed(system: System) -> System:
        return system.to(memory_format=runtime.memory_format)  # pyright: ignore[reportCallIssue]

    whole, clock = placed(case.build()), Clock()
    train(whole, toy, clock, runtime, 4)
    part, clock = placed(case.build()), Clock()
    train(part, toy, clock, runtime, 1)
    save_checkpoint(tmp_path, part, clock, {})
    torch.manual_seed(99)
    resumed = placed(case.entry.system_class(part.config))
    clock, _ = load_checkpoint(tmp_path, resumed)
    train(resumed, toy, clock, runtime, 3)
    expected = whole.state_dict()
    for key, value in resumed.state_dict().items():
        assert torch.equal(value, expected[key]), key


@each_case
def test_samples_have_the_shape_and_the_range(case: Case) -> None:
    system = case.build().eval()
    if not system.draws:
        with pytest.raises(SfumatoError, match="nothing to sample from"):
            system.sample(3)
        return
    first = system.sample(3, generator=torch.Generator().manual_seed(0))
    config = system.config
    assert first.shape == (3, config.channels, config.resolution, config.resolution)
    assert first.dtype == torch.float32
    low, high = system.image_range
    assert low <= first.min()
    assert first.max() <= high
    assert torch.equal(first, system.sample(3, generator=torch.Generator().manual_seed(0)))


@each_system
def test_config_survives_json(entry: Entry) -> None:
    for config in entry.presets.values():
        text = json.dumps(to_json(config))
        assert from_json(entry.config_class, json.loads(text), "here") == config


@each_system
def test_config_is_flat_frozen_and_explained(entry: Entry) -> None:
    assert dataclasses.is_dataclass(entry.config_class)
    with pytest.raises(dataclasses.FrozenInstanceError):
        entry.config_class().images = 1
    for name, text in help_texts(entry.config_class).items():
        assert text, f"{name} has no comment to serve as its help"


@each_system
def test_the_file_opens_with_idea_paper_and_departures(entry: Entry) -> None:
    text = entry.module.__doc__ or ""
    assert entry.paper.startswith("http")
    assert "Departs from the paper" in text
    assert "Images are" in text
