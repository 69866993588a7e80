"""Every command. Importing this file imports neither torch nor anything that does: `sfumato --help` must be quick."""

import inspect
import io
import os
import re
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

from cyclopts import App, CycloptsError, Group, Parameter

from .data import sources
from .errors import SfumatoError
from .files import in_words, json_of
from .memory import SETTING, exhausted, limit
from .runs.stopping import raise_on_signals
from .studies import registry
from .terminal import console, tell, warn
from .version import __version__

JSON = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON for programs.")]


def _here(_: Any, tokens: Sequence[Any]) -> Path:
    from .runs.hub import here

    return here(tokens[0].value)


Run = Annotated[
    Path,
    Parameter(
        converter=_here,
        help="A run folder, as `sfumato train --run` makes it, or hf://OWNER/NAME, a model at the Hugging Face Hub.",
    ),
]
Seed = Annotated[int, Parameter(help="What all randomness is derived from.")]
Device = Annotated[Literal["auto", "cpu", "cuda", "mps"], Parameter(help="Where to compute.")]
Precision = Annotated[
    Literal["auto", "bf16", "fp32"], Parameter(help="auto: bf16 where this hardware multiplies it faster than fp32.")
]
Strict = Annotated[bool, Parameter(negative="", help="Stop at the first file that cannot be used.")]
SaveEvery = Annotated[float, Parameter(help="Seconds between checkpoints.")]
LogEvery = Annotated[
    int | None,
    Parameter(help="Images between two rows of metrics.jsonl; by default an epoch, and 5,000 rows at most."),
]
Threads = Annotated[
    int | None, Parameter(help="That compute on the CPU; by default OMP_NUM_THREADS, or the cores that there are.")
]
ROWS, MOST = 8, 10_000  # of samples; images on a sheet
SplitOption = Annotated[
    list[str] | tuple[()],
    Parameter(
        name="--split",
        consume_multiple=True,
        negative="",
        help="Which pictures are held out: train=DIR test=DIR (and valid=DIR), folders or lists of names; or a table "
        "(.csv) with columns file and split. By default what names of folders and files in the data say.",
    ),
]
Holdout = Annotated[
    float | None, Parameter(help="The share of the pictures that is tested on, drawn by --seed, whatever names say.")
]
Data = Annotated[str, Parameter(help=f"{sources.in_words()}.")]
TrainingData = Annotated[
    list[str],
    Parameter(
        help=f"{sources.in_words()}; two for style systems and for translators, or one that holds two sides.",
        consume_multiple=True,
        negative=(),
    ),
]

ENDS = {
    0: "done; also if nobody reads on (| head)",
    1: "a bug of ours, with its traceback",
    2: "one line says what is wrong and how to mend it: an option, a file, a full disk",
    75: "another of several processes was lost: start all again",
    129: "the terminal was closed: what was trained is saved",
    130: "Ctrl-C: the same",
    143: "SIGTERM: the same",
}

app = App(
    name="sfumato",
    version=__version__,
    help="Learn to make and read images: train, measure, explore.\n\n"
    "Start with: sfumato study handwriting --scale quick --out handwriting",
    help_epilogue="Every command: --memory 2G, the most that what is read may take; by default what is free.\n\n"
    "Exit codes\n\n" + "\n\n".join(f"{code:<5}{meaning}" for code, meaning in ENDS.items()),
    help_format="plaintext",
    version_flags=["--version"],
    suppress_keyboard_interrupt=False,  # it says which signal it was
)
data_app = App(name="data", help="Data sets: what is there, fetch one, check one.", help_format="plaintext")
app.command(data_app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command, and ends as ENDS says."""
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    warnings.filterwarnings("ignore", module="PIL")  # of odd metadata in pictures; what matters is an error of ours
    _print_anything()
    raise_on_signals()
    try:
        _run(tokens)
    finally:
        _let_go(sys.stdout)
        _let_go(sys.stderr)


def _run(tokens: list[str]) -> None:
    try:
        tokens = _settle_memory(tokens)
        if tokens[:1] == ["train"]:
            _offer_fields(tokens[1:])
        if tokens[:1] == ["stylize"]:
            _offer_options()
        app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
        if sys.stdout is not None:
            sys.stdout.flush()
    except CycloptsError as error:
        _fail(f"{' '.join(str(error).split())} (see sfumato {_command_of(tokens)}--help)")
    except SfumatoError as error:
        _fail(f"{error}{_page_of(tokens, error)}")
    except KeyboardInterrupt as stop:
        number = stop.args[0] if stop.args and isinstance(stop.args[0], int) else signal.SIGINT
        sys.exit(128 + number)
    except BrokenPipeError:
        pass  # nobody reads on
    except OSError as error:
        _fail(exhausted(error) or in_words(error))
    except Exception as error:
        if said := exhausted(error):
            _fail(said)
        # Named by its class so that nothing heavy is imported to tell it from the others.
        if type(error).__name__ != "Stopped":
            raise
        warn(f"{error}{', or with the same study' if tokens[0] == 'study' else ''}")
        sys.exit(128 + error.signum)  # pyright: ignore[reportAttributeAccessIssue]


def _page_of(tokens: Sequence[str], error: SfumatoError) -> str:
    """Where more is said of the system that a command is about, if its error is too: one of its fields, of how they
    agree with the data, of what it cannot do."""
    name = _system_of(tokens)
    if not name:
        return ""
    from .runs.catalog import CATALOG

    about = ("sfumato.engine.fields", f"{CATALOG[name].package}.")
    raised = (frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__))
    told = re.search(rf"(?<![\w/]){name}(?![\w/])", str(error)) or any(module.startswith(about) for module in raised)
    return f" (see sfumato systems {name})" if told else ""


def _system_of(tokens: Sequence[str]) -> str:
    """That is to be trained, or that the run is one of."""
    from .runs.catalog import CATALOG
    from .runs.folder import RunFolder

    name = ""
    if len(tokens) > 1:
        name = tokens[1].partition(":")[0]
        with suppress(SfumatoError, OSError):
            name = RunFolder(tokens[1]).manifest().system
    return name if name in CATALOG else ""


def _let_go(stream: Any) -> None:
    """Has the system drop what `stream` could not be rid of: Python would try again at its end, and fail."""
    if stream is None:
        return
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _settle_memory(tokens: Sequence[str]) -> list[str]:
    """Takes `--memory` out of what is said to any command: it holds for this process and its children."""
    rest = list[str]()
    words = iter(tokens)
    for word in words:
        name, equals, value = word.partition("=")
        if name == "--memory":
            os.environ[SETTING] = value if equals else next(words, "nothing")
        else:
            rest.append(word)
    limit()  # which refuses what is no amount
    return rest


def _print_anything() -> None:
    """Makes the console print what its encoding lacks as an escape: a result is worth more than its signs. Where there
    is none, a file that is opened must not take its place: libraries write there by its number."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="backslashreplace")


def _print_json(values: Any, indent: int | None = 1) -> None:
    """On a console of another alphabet in ASCII: JSON has escapes of its own."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"  # there may be no console at all
    print(json_of(values, indent, ascii_only=not encoding.lower().startswith("utf")))


def _fail(message: str) -> None:
    warn(message)
    sys.exit(2)


def _command_of(tokens: Sequence[str]) -> str:
    return f"{tokens[0]} " if tokens and not tokens[0].startswith("-") else ""


@app.command
def systems(
    name: Annotated[
        str | None, Parameter(help="A system: its idea, departures from the paper, presets, fields.")
    ] = None,
    /,
    *,
    as_json: JSON = False,
) -> None:
    """The catalog: name, family, paper, presets; or the page of one system in short."""
    from .runs.catalog import in_short
    from .runs.catalog import systems as catalog

    if name is not None:
        page = in_short(name)
        if as_json:
            _print_json(page)
            return
        fields = page.pop("fields")
        tell(
            *page.pop("about").splitlines(),
            "",
            *(f"{key}: {', '.join(value)}" for key, value in page.items()),
            "",
            "fields:",
        )
        for field in fields:
            default = "" if field["default"] in ("", ()) else f" = {field['default']}"
            tell(f"  --{field['name'].replace('_', '-')}{default}  {field['text']}")
        tell("", f"sfumato train {name} --run runs/{name}")
        return
    rows = catalog()
    if as_json:
        _print_json(rows)
        return
    for row in rows:
        tell(f"{row['name']:<16}{row['family']:<16}presets: {', '.join(row['presets'])}")
        tell(f"  {row['idea']}", f"  {row['paper']}", "")


@app.command
def train(
    system: Annotated[str, Parameter(help="SYSTEM or SYSTEM:PRESET; `sfumato systems` lists them.")],
    /,
    *,
    run: Annotated[Path, Parameter(name=["--run", "--run-dir"], help="The run folder to make.")],
    data: TrainingData | None = None,
    seed: Seed = 0,
    device: Device = "auto",
    precision: Precision = "auto",
    threads: Threads = None,
    strict: Strict = False,
    split: SplitOption = (),
    holdout: Holdout = None,
    start_from: Annotated[
        Path | None,
        Parameter(name="--from", help="A run of the same system: begin with its weights. Another number of classes is "
                  "allowed: what depends on it begins as ever."),
    ] = None,
    save_every: SaveEvery = 30.0,
    log_every: LogEvery = None,
    **fields: Any,
) -> None:  # fmt: skip
    """Train a system. `sfumato train SYSTEM --help` lists its own fields too."""
    from .runs.train import train as train_run

    finished = train_run(
        system, data=data or (), run=run, seed=seed, device=device, precision=precision, threads=threads, strict=strict,
        split=split, holdout=holdout,
        start_from=start_from, save_every=save_every, log_every=log_every, **fields,
    )  # fmt: skip
    _summarise(finished)


def _offer_fields(tokens: Sequence[str]) -> None:
    """Gives `train` an option per field of the Config of the system that `tokens` name, with the preset's values."""
    from .runs.catalog import CATALOG, describe, find

    words = [token for token in tokens if not token.startswith("-")]
    if not words:
        return
    # An option's value may stand before the system; an unknown system is the first word.
    system = next((word for word in words if word.partition(":")[0] in CATALOG), words[0])
    spread = [part for token in tokens for part in (token.split("=", 1) if token.startswith("--data=") else [token])]
    index = spread.index("--data") + 1 if "--data" in spread else len(spread)
    entry, preset = find(system, spread[index : index + 1])
    group = Group(f"Fields of {entry.name}:{preset}")
    kinds = get_type_hints(entry.config_class)
    own = [_option(field, kinds[field.name], group=group, negative_iterable=()) for field in describe(entry, preset)]
    _offer("train", train, own, f"Train {entry.idea[:1].lower()}{entry.idea[1:]}")


def _option(field: Any, kind: Any, whose: str = "", **about: Any) -> inspect.Parameter:
    """A field as an option. `about`: what else the command line is told of it."""
    text = f"{whose}: {field.text}" if whose else field.text[:1].upper() + field.text[1:]
    if field.bounds and field.bounds.hint:
        text += f" ({field.bounds.hint})"
    shown = None if field.default != () else False
    annotation = Annotated[kind, Parameter(help=text, consume_multiple=True, show_default=shown, **about)]
    return inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=annotation)


def _offer(name: str, command: Callable[..., None], own: Iterable[inspect.Parameter], text: str | None) -> None:
    """Makes `command`, whose last parameter takes any option, the one called `name`, with the options `own` instead."""

    def offered(*positional: Any, **named: Any) -> None:
        command(*positional, **named)

    parameters = [*list(inspect.signature(command).parameters.values())[:-1], *own]
    offered.__doc__, offered.__annotations__ = text, {item.name: item.annotation for item in parameters}
    offered.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess]
    del app[name]
    app.command(offered, name=name)


@app.command
def resume(
    run: Run,
    /,
    *,
    images: Annotated[
        int | None, Parameter(help="Go on to so many in all, after the run's end too; by default to as many as before.")
    ] = None,
    data: Annotated[
        list[str] | None,
        Parameter(help="Where its data lie now; by default where they lay. They must be the same.",
                  consume_multiple=True, negative=()),
    ] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda", "mps"] | None,
        Parameter(help="Where to compute; by default where it was trained. Another one does not give the same bits."),
    ] = None,
    precision: Annotated[
        Literal["auto", "bf16", "fp32"] | None, Parameter(help="By default that in which it was trained.")
    ] = None,
    threads: Threads = None,
    save_every: SaveEvery = 30.0,
    log_every: LogEvery = None,
) -> None:  # fmt: skip
    """Go on with a run exactly where it stopped, or longer than it was to be."""
    from .runs.train import resume as resume_run

    _summarise(
        resume_run(run, images=images, data=data or (), device=device, precision=precision, threads=threads,
                   save_every=save_every, log_every=log_every)
    )  # fmt: skip


def _summarise(run: Any) -> None:
    """After training, on the process that leads: the measures, and where to look."""
    if int(os.environ.get("RANK", "0")):
        return
    _print_evaluation(run.evaluation)
    page = run.path / "report.html"
    tell("", f"{page}  curves, pictures, numbers", f"tensorboard --logdir {run.path}  the same, live")


def _print_evaluation(evaluation: Any) -> None:
    from rich.markup import escape
    from rich.table import Table

    from .metrics.table import tables

    shown = console(stderr=False)
    for head, rows, caption in tables(evaluation):
        table = Table(*head, caption=caption or None, caption_justify="left", caption_style="dim")
        if {row[0] for row in rows} <= set(evaluation.keys()):  # it stands on end: names of measures do not break
            table.columns[0].no_wrap, table.columns[0].min_width = True, max(len(row[0]) for row in rows)
        for row in rows:
            table.add_row(*row)
        shown.print(table)
    for finding in evaluation.more.get("findings", []):
        shown.print(f"[bold]{escape(finding['finding'])}[/bold] {escape(finding['change'])}", highlight=False)


@app.command
def sample(
    run: Run,
    /,
    *,
    count: Annotated[int | None, Parameter(name=["--count", "-n"], help="How many images; 8 rows by default.")] = None,
    seed: Seed = 0,
    seeds: Annotated[str, Parameter(help="An image of each, as in 1-64 or 3,5,9-12 (adversarial runs).")] = "",
    columns: Annotated[
        int | None, Parameter(help="Images in a row; 8, or of conditional systems one of each class.")
    ] = None,
    label: Annotated[
        int | None, Parameter(name=["--label", "--digit"], help="Of conditional systems: the class to draw, from 0.")
    ] = None,
    truncation: Annotated[
        list[float] | None,
        Parameter(help="StyleGANs: ψ, how far from the mean style; one, or one for each side from 4 pixels on.",
                  consume_multiple=True, negative=()),
    ] = None,
    noise: Annotated[Literal["fixed", "random", "none"], Parameter(help="StyleGANs: of the pixels.")] = "fixed",
    mix: Annotated[
        tuple[str, str] | None,
        Parameter(help="StyleGANs: a table of mixed styles, of ROWS by COLUMNS, seeds both, as in --mix 1-3 4-8."),
    ] = None,
    walk: Annotated[
        bool, Parameter(negative="", help="A film from seed to seed, in w if there are styles: --out x.gif or x.mp4.")
    ] = False,
    stochastic: Annotated[
        bool, Parameter(negative="", help="StyleGANs: one style under several noises, and where they matter.")
    ] = False,
    edit: Annotated[
        list[str] | None,
        Parameter(help="StyleGANs: NAME=AMOUNT, in deviations along a direction of `sfumato directions`.",
                  consume_multiple=True, negative=()),
    ] = None,
    start: Annotated[
        Path | None, Parameter(name="--from", help="StyleGANs: styles that `sfumato project` found, in place of seeds.")
    ] = None,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"], help="The PNG or film to write.")] = None,
    device: Device = "auto",
) -> None:  # fmt: skip
    """Draw images from a run's model: into one PNG, or a film."""
    from .runs.open import open as open_run

    for name, value in (("count", count), ("columns", columns)):
        if value is not None and not 1 <= value <= MOST:
            raise SfumatoError(f"--{name} {value}: must lie between 1 and {MOST:,}")
    if bool(mix) + walk + stochastic > 1:
        raise SfumatoError("--mix, --walk and --stochastic: each makes a picture of its own: give one")
    kind = "mix" if mix else "walk" if walk else "stochastic" if stochastic else "seeds"
    named = "" if label is None else f"-label-{label}"
    name = f"seed-{seed}{named}" if kind == "seeds" else f"{kind}{named}"
    out = out or run / "samples" / f"{name}{'.gif' if walk else '.png'}"
    if not walk and out.suffix.lower() != ".png":
        raise SfumatoError(f"--out {out}: must end in .png")
    opened = open_run(run, device)
    columns = columns or opened.columns
    if kind == "seeds" and not (seeds or truncation or edit or start or noise != "fixed"):
        _write_sheet(opened.sample(count or ROWS * columns, seed, label), columns, out)
        return
    from .gans.sampling import MAX_SEEDS, sampler, seeds_of

    if count and count > MAX_SEEDS and not seeds:
        raise SfumatoError(f"--count {count}: {MAX_SEEDS:,} at most where more than noise is asked for")
    asked = sampler(opened, label, truncation or (), noise, _amounts(edit or []), start)
    many = seeds_of(seeds) if seeds else list(range(seed, seed + (count or (4 if walk else ROWS))))
    if mix:
        _write_bytes(asked.mixed(seeds_of(mix[0]), seeds_of(mix[1])), out)
    elif walk:
        _write_walk(asked, many, out)
    elif stochastic:
        _write_bytes(asked.stochastic(many[0]), out)
    else:
        _write_sheet(asked.images(many), columns, out)


def _amounts(edits: Sequence[str]) -> dict[str, float]:
    """`NAME=AMOUNT` as numbers by name."""
    found = {}
    for text in edits:
        name, _, amount = text.rpartition("=")
        try:
            found[name] = float(amount)
        except ValueError:
            found[name] = float("nan")
        if not name or not -100 <= found[name] <= 100:
            raise SfumatoError(f"--edit {text}: must be NAME=AMOUNT, the amount between -100 and 100")
    return found


def _write_sheet(images: Any, columns: int, out: Path) -> None:
    from .data.pictures import to_picture, write_picture
    from .reports.grids import grid

    write_picture(to_picture(grid(images, columns)), out)
    tell(out)


def _write_bytes(content: bytes, out: Path) -> None:
    from .files import write_bytes

    write_bytes(out, content)
    tell(out)


def _write_walk(asked: Any, seeds: Sequence[int], out: Path) -> None:
    from .data.pictures import to_picture
    from .reports.films import check_film, write_film
    from .reports.grids import enlarged_by
    from .runs.progress import measuring

    check_film(out)
    with measuring(f"walking through {len(seeds)} seeds"):
        frames = [to_picture(image) for image in enlarged_by(asked.walk(seeds))]
        write_film(frames, out)
    tell(out)


@app.command
def project(
    run: Run,
    picture: Annotated[Path, Parameter(help="A picture; its central square is taken.")],
    /,
    *,
    steps: Annotated[int, Parameter(help="Of optimisation of one style, and as many of one for each layer.")] = 400,
    seed: Seed = 0,
    out: Annotated[
        Path | None, Parameter(name=["--out", "-o"], help="The PNG; RUN/projections/PICTURE.png by default.")
    ] = None,
    device: Device = "auto",
) -> None:
    """Find the style of a picture in a StyleGAN run: the picture beside what one style draws, and one for each layer.

    The styles are written beside the PNG: `sfumato sample RUN --from` draws, mixes and edits them.
    """
    from .gans.projection import keep, picture_of, read_target, styled_of
    from .gans.projection import project as projecting
    from .runs.open import open as open_run
    from .runs.progress import stepping

    if not 1 <= steps <= 100_000:
        raise SfumatoError(f"--steps {steps}: must lie between 1 and 100,000")
    out = out or run / "projections" / f"{picture.stem}.png"
    if out.suffix.lower() != ".png":
        raise SfumatoError(f"--out {out}: must end in .png")
    opened = open_run(run, device)
    system = styled_of(opened)
    target = read_target(picture, system)
    found = None
    with stepping(f"projecting {picture.name}", 2 * steps) as show:
        for step in projecting(system, target, opened.runtime, steps, seed):
            show(step.done, f"distance {float(step.distance):.4f}")
            found = step.found
    assert found is not None
    _write_bytes(picture_of(found, opened.data), out)
    keep(found, out.with_suffix(".safetensors"))
    tell(out.with_suffix(".safetensors"))
    tell(
        f"distance: {found.distances[1]:.4f} by one style, {found.distances[2]:.4f} by one for each layer "
        f"(mean style: {found.distances[0]:.4f})"
    )


@app.command
def directions(
    run: Run,
    /,
    *,
    method: Annotated[
        Literal["pca", "sefa"], Parameter(help="pca: where styles differ most. sefa: where pictures change most.")
    ] = "pca",
    count: Annotated[int, Parameter(name=["--count", "-n"], help="How many directions.")] = 8,
    name: Annotated[
        list[str] | None,
        Parameter(help="Give directions that were found other names: OLD=NEW.", consume_multiple=True, negative=()),
    ] = None,
    seed: Annotated[int, Parameter(help="Of the image that is moved along them.")] = 0,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"], help="The folder; RUN/directions by default.")] = None,
    device: Device = "auto",
) -> None:
    """Find directions in w along which a StyleGAN run's pictures change; named, they serve `sample --edit`."""
    from .gans.directions import FILE, find, keep, known, renamed
    from .gans.sampling import sampler
    from .runs.open import open as open_run

    if name:
        kept = renamed(known(run / FILE), name)
        keep(run / FILE, kept)
        tell(", ".join(kept))
        return
    opened = open_run(run, device)
    asked = sampler(opened)
    found = find(asked.styled, method, count)
    keep(run / FILE, {**known(run / FILE), **found})
    _write_pictures([(method, asked.strips(seed, found))], out or run / "directions")
    tell(f"{run / FILE}: {', '.join(known(run / FILE))}")


@app.command
def evaluate(
    run: Run,
    /,
    *,
    data: Annotated[
        list[str] | None,
        Parameter(
            help="Measure on this, not on the run's own data: recognition runs on all of it, others on its test half.",
            consume_multiple=True,
        ),
    ] = None,
    features: Annotated[
        str | None,
        Parameter(
            help="Of what a system makes: the network that pictures are measured with, not the usual one: "
            "efficientnet_lite0, or a file of SqueezeNet weights."
        ),
    ] = None,
    inception: Annotated[
        Path | None, Parameter(help="Adversarial runs: torch-fidelity's Inception weights, to measure FID as well.")
    ] = None,
    thorough: Annotated[
        bool,
        Parameter(
            negative="",
            help="Adversarial runs: path lengths, separability and copies of training images too; autoencoders: "
            "distances of drawn images, and likelihoods by 5,000 codes an image.",
        ),
    ] = False,
    as_json: JSON = False,
    device: Device = "auto",
) -> None:
    """Measure a run on held-out images, beside trivial baselines."""
    from .family import Judges
    from .runs.open import open as open_run
    from .runs.progress import measuring

    opened = open_run(run, device)
    measured = opened.open_data(data) if data else None
    with measuring(f"measuring {opened.system_name}"):
        evaluation = opened.evaluate(measured, Judges(features or "", inception, thorough))
        pictures = opened.evidence(measured) if thorough and not as_json else {}
    if as_json:
        _print_json(asdict(evaluation))
        return
    _print_evaluation(evaluation)
    _write_pictures(pictures.items(), run / "samples")


@app.command
def report(run: Run, /, *, device: Device = "auto") -> None:
    """Write the page of a run anew, of one that was stopped as far as it came."""
    from .runs.open import open as open_run
    from .runs.progress import measuring

    opened = open_run(run, device)
    with measuring(f"measuring {opened.system_name}"):
        path = opened.report()
    tell(path)


@app.command
def predict(
    run: Run,
    picture: Annotated[Path, Parameter(help="A picture, a folder or an archive (.zip, .tar) of pictures, or a clip.")],
    /,
    *,
    out: Annotated[
        list[Path] | None,
        Parameter(
            name=["--out", "-o"],
            negative="",
            help="What to write; may be given several times. A picture, a folder or a clip: the answers are drawn. "
            "x.csv: a row for each picture, object or frame. x.json: COCO's format for boxes, else a list.",
        ),
    ] = None,
    yolo: Annotated[
        Path | None,
        Parameter(help="Where objects are found: a new folder for YOLO's labels and classes.txt, to train on."),
    ] = None,
    score: Annotated[
        float, Parameter(help="Where objects are found: how sure a detection must be, from 0 to 1.")
    ] = 0.5,
    mask: Annotated[
        bool, Parameter(negative="", help="Where pixels are named: write class numbers (a palette PNG), not a drawing.")
    ] = False,
    as_json: JSON = False,
    device: Device = "auto",
) -> None:
    """Read pictures with a recognition run: what they show, where it is, or which pixels are what.

    Each answer is a line, unless it goes into a table, labels or a clip; how many there are of what is said at the end.
    A picture that cannot be read is named and passed over. Ctrl-C keeps what is read so far.
    """
    from .data.clips import is_clip
    from .recognition.files import predict_files
    from .runs.open import open as open_run

    told = yolo or any(path.suffix.lower() in (".csv", ".json") or is_clip(path) for path in out or ())

    def say(found: Any) -> None:
        if as_json:
            _print_json(found.values, indent=None)
        elif not told:
            tell(f"{found.place}: {found.words}")

    predict_files(open_run(run, device), picture, out or (), score, mask, yolo, say)


@app.command
def translate(
    run: Run,
    content: Annotated[Path, Parameter(help="A picture, a folder of pictures, or a clip.")],
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"], help="What to write: a picture, a folder, a clip.")],
    to: Annotated[Literal["a", "b"], Parameter(help="The side that it shall become.")] = "b",
    size: Annotated[
        int | None, Parameter(help="Pixels on the shorter side at which it is translated; its own by default.")
    ] = None,
    tile: Annotated[int, Parameter(help="Pixels a side computed at once; less takes less memory.")] = 512,
    device: Device = "auto",
) -> None:
    """Turn pictures of one side of a translation run into ones of the other, in their own size."""
    from .runs.open import open as open_run
    from .translation.translate import translate_files

    for path in translate_files(open_run(run, device), content, out, to, size, tile):
        tell(path)


@app.command
def anchors(
    what: Annotated[Path, Parameter(help="An ssd run, or a picture of your own.")],
    /,
    *,
    count: Annotated[int, Parameter(name=["--count", "-n"], help="Of a run: how many training images.")] = 4,
    reach: Annotated[
        bool,
        Parameter(negative="", help="Of an ssd run, or one that names pixels: draw how far each map looks instead."),
    ] = False,
    sizes: Annotated[
        list[float] | None,
        Parameter(help="On a picture: sides, shares of its height.", consume_multiple=True, negative=()),
    ] = None,
    ratios: Annotated[
        list[float] | None, Parameter(help="Widths over heights.", consume_multiple=True, negative=())
    ] = None,
    at: Annotated[tuple[float, float] | None, Parameter(help="The pixel x y that they lie around; the middle.")] = None,
    box: Annotated[
        list[tuple[float, float, float, float]] | None,
        Parameter(
            help="Left, top, right and bottom of an object in pixels; several are given one after the other.",
            consume_multiple=True,
            negative=(),
        ),
    ] = None,
    threshold: Annotated[float, Parameter(help="The overlap from which on an anchor belongs to a box.")] = 0.5,
    out: Annotated[
        Path | None,
        Parameter(name=["--out", "-o"], help="A folder, by default RUN/anchors; of a picture the drawing, x.png."),
    ] = None,
    device: Device = "auto",
) -> None:
    """Look at anchors: what an ssd run is taught and says at each map, or which anchors lie on a picture of your own.

    Of a run it draws which anchor is assigned to which object, on which map, with its offset, and prints the shapes of
    what is said there. Of a picture it prints each anchor by corners and by centre, in pixels, its overlap
    (intersection over union) with each box, and the box that it is assigned to.
    """
    if what.is_file():
        from .recognition.laid import lay_anchors

        if out is None:
            raise SfumatoError(f"{what}: is a picture: -o x.png says where its anchors are drawn")
        drawn, rows = lay_anchors(what, sizes or (0.75, 0.5, 0.25), ratios or (1, 2, 0.5), at, box or (), threshold)
        _tell_columns(rows)
        return _write_bytes(drawn, out)
    if sizes or ratios or at or box:
        raise SfumatoError(f"{what}: is no picture: --sizes, --ratios, --at and --box are for anchors on one")
    from .recognition.fields import fields_of
    from .recognition.measures import anchors_of, predictor_cells
    from .runs.open import open as open_run

    run = open_run(what, device)
    if reach:
        return _write_pictures([("reach", fields_of(run))], out or what / "anchors")
    _write_pictures(anchors_of(run, count), out or what / "anchors")
    system: Any = run.system
    head = ("map", "classes", "offsets", "anchors a pixel", "anchors")
    _tell_columns([head, *predictor_cells(system.predictors())])
    return None


def _tell_columns(rows: Sequence[Sequence[str]]) -> None:
    """Cells in columns, right-aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    tell(*("  ".join(cell.rjust(wide) for cell, wide in zip(row, widths, strict=True)) for row in rows))


@app.command
def codes(
    run: Run,
    operations: Annotated[
        list[
            Literal[
                "show",
                "sample",
                "blend",
                "perturb",
                "interpolate",
                "directions",
                "densities",
                "noisy",
                "scatter",
                "plane",
                "spectrum",
                "calibrated",
            ]
        ]
        | None,
        Parameter(help="Which pictures to make; all by default."),
    ] = None,
    /,
    *,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"], help="The folder; RUN/codes by default.")] = None,
    count: Annotated[int, Parameter(name=["--count", "-n"], help="Images in a row (64 at most); directions.")] = 9,
    fit: Annotated[int, Parameter(help="Training images whose codes a density is fitted to.")] = 256,
    density: Annotated[
        Literal["shrunk", "gaussian", "mixture", "histogram", "prior"],
        Parameter(
            help="What codes are drawn from: a Gaussian, shrunk or not, a mixture of ten, histograms; vae: prior."
        ),
    ] = "shrunk",
    share: Annotated[float, Parameter(help="Of a drawn code in a blend; the rest is a real code.")] = 0.25,
    noise: Annotated[float, Parameter(help="Least of three strengths of perturbation, for codes of power 1.")] = 0.1,
    images: Annotated[
        list[Path] | None, Parameter(help="Your own pictures to show.", consume_multiple=True, negative=())
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Look into the code space of an autoencoder: codes as pictures, points, a plane, drawn, blended, perturbed."""
    from .autoencoders.codes import explore
    from .runs.open import open as open_run

    pictures, words = explore(
        open_run(run, device), operations or (), fit, seed, count, share, noise, tuple(images or ()), density
    )
    _write_pictures(pictures, out or run / "codes")
    tell(*words.splitlines())


def _write_pictures(pictures: Iterable[tuple[str, bytes]], folder: Path) -> None:
    """Writes PNGs by name into `folder` and prints where."""
    for name, content in pictures:
        _write_bytes(content, folder / f"{name}.png")


@app.command
def stylize(
    content: Annotated[Path, Parameter(help="A picture, a folder of pictures, or a clip.")],
    styles: Annotated[list[Path], Parameter(help="One style, or several to be blended.")],
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"], help="What to write: a picture, a folder, a clip.")],
    method: Annotated[Literal["adain", "gatys"], Parameter(help="adain: at once. gatys: stroke by stroke.")] = "adain",
    preset: Annotated[
        Literal["draft", "fine", "paper"],
        Parameter(help="adain: fine works the draft out. gatys: paper does as the papers do."),
    ] = "draft",
    mask: Annotated[
        list[Path] | None,
        Parameter(help="A grey picture per style, white where it goes.", consume_multiple=True, negative=()),
    ] = None,
    as_frames: Annotated[
        bool, Parameter(name="--frames", negative="", help="The pictures of a folder are the frames of a clip.")
    ] = False,
    watch: Annotated[
        Path | None, Parameter(help="fine, gatys: a folder for progress.png and TensorBoard, every 2 seconds.")
    ] = None,
    device: Device = "auto",
    precision: Precision = "auto",
    **options: Any,
) -> None:
    """Give a picture the style of another, or of several."""
    from .runs.stylize import network_of
    from .style.files import stylize_files
    from .style.options import options_for

    chosen, network = options_for(method, preset, **options), network_of(options.get("run"), device)
    for path in stylize_files(content, styles, out, chosen, mask or [], device, precision, network, watch, as_frames):
        tell(path)


def _offer_options() -> None:
    """Gives `stylize` each option that a method has, and says of which methods it is."""
    from .engine.fields import fields_of
    from .style.options import METHODS, PATHS, flag, having

    own, group = {}, Group("Options of the methods")
    for method in METHODS:
        kinds = get_type_hints(method) | dict.fromkeys(PATHS, Path | None)
        for field in fields_of(method()):
            owners = having(field.name)
            whose = " and ".join(flag(kind).split()[-1] for kind in owners) if len(owners) < len(METHODS) else ""
            own[field.name] = _option(field, kinds[field.name], whose, group=group, negative=())
    _offer("stylize", stylize, own.values(), stylize.__doc__)


@app.command
def export(
    run: Annotated[Path | None, Parameter(help="A run folder; without one, `--to page` takes the stylizer.")] = None,
    /,
    *,
    out: Annotated[
        Path, Parameter(name=["--out", "-o"], help="A file for other programs, .onnx or .pt2 (PyTorch's); or a folder.")
    ],
    to: Annotated[
        Literal["page"] | None,
        Parameter(help="page: a folder for any web host, where a browser computes it."),
    ] = None,
    int8: Annotated[
        bool, Parameter(negative="", help="Weights of 8 bits, with what that costs, measured on the run's own data.")
    ] = False,
) -> None:
    """Take a model elsewhere: as ONNX, compared with PyTorch on the spot (extra `export`), as a page that runs it in a
    browser, or as a small folder that `sfumato` opens like a run; of an encoder or a brush, the two files that
    `stylize` ships with."""
    from .runs.open import open as open_run
    from .runs.portable import FORMATS
    from .runs.portable import export as export_parts
    from .style.export import export as export_pair
    from .style.export import exports

    if (to or out.suffix not in FORMATS) and (out.suffix[1:2].isalpha() or out.name in FORMATS) and not out.is_dir():
        raise SfumatoError(f"--out {out}: must be a folder's name, or end in {' or '.join(FORMATS)}")
    if to:
        from .runs.webpage import write_page

        for made in write_page(open_run(run, "cpu") if run else None, out, int8):
            tell(made)
        return
    if run is None:
        raise SfumatoError("RUN: is missing: only --to page has a model of its own")
    opened = open_run(run, "cpu")
    if int8 or out.suffix in FORMATS:
        for made in export_parts(opened, out, int8):
            tell(made)
        return
    if exports(opened.system):
        manifest = opened.manifest
        origin = {name: str(getattr(manifest, name)) for name in ("system", "sfumato", "seed")}
        origin |= {"data": manifest.data.name, "fingerprint": manifest.data.fingerprint}
        tell(*export_pair(opened.system, out, origin, str(run)))
        return
    from .runs.model import write_model

    tell(*write_model(opened.manifest, opened.system, out))


@app.command
def push(
    run: Run,
    name: Annotated[str, Parameter(help="OWNER/NAME; it is made if it is not there.")],
    /,
    *,
    private: Annotated[bool, Parameter(negative="", help="Nobody else may see it.")] = False,
    revision: Annotated[str, Parameter(help="The branch to send to; main by default.")] = "",
    license: Annotated[str, Parameter(help="Of the weights, by its short name there, as in mit or cc-by-4.0.")] = "",
) -> None:
    """Send a run's model to the Hugging Face Hub, with what was measured (extra `hub`); `sfumato` opens it from there.

    The address is HF_ENDPOINT, the token that of `hf auth login` or HF_TOKEN.
    """
    from .runs.open import open as open_run
    from .runs.push import push as send

    tell(send(open_run(run, "cpu"), name, private=private, revision=revision, license=license))


@app.command(name="import")
def bring(
    files: Annotated[list[Path], Parameter(help="A checkpoint; of pytorch-adain and pytorch-cyclegan, the two files.")],
    /,
    *,
    run: Annotated[Path, Parameter(name="--run", help="The folder to make.")],
    peer: Annotated[
        Literal["pytorch-adain", "pytorch-dcgan", "pytorch-cyclegan", "stylegan2-pytorch", "torchvision"] | None,
        Parameter(name="--as", help="Whose it is; by default it is told by names and shapes."),
    ] = None,
    classes: Annotated[
        Path | None, Parameter(help="The names of what a classifier tells apart: a file with a line each.")
    ] = None,
) -> None:
    """Bring in a model that others trained, to be used like a run: no code in it is run, nothing approximated."""
    from .runs.bring import bring_in, names_in

    tell(bring_in(files, run=run, peer=peer, classes=names_in(classes) if classes else ()))


@app.command
def study(
    name: Annotated[str, Parameter(help=registry.in_words())],
    /,
    *,
    out: Annotated[Path, Parameter(help="The folder for report.html, report.docx, results.json, figures and runs.")],
    scale: Annotated[Literal["quick", "full"], Parameter(help="quick: minutes. full: the reference itself.")] = "quick",
    data: Annotated[
        list[str] | None,
        Parameter(help="As for train; by default the study's own embedded data.", consume_multiple=True, negative=()),
    ] = None,
    features: Annotated[Path | None, Parameter(help=f"A network: {registry.features_in_words()}.")] = None,
    language: Annotated[Literal["en", "zh"], Parameter(help="Of the report.")] = "en",
    seed: Seed = 0,
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Run a reference experiment whole: every system, every figure, published vs. measured."""
    result = registry.study(name, scale=scale, out=out, data=data or (), language=language, seed=seed, device=device,
                            precision=precision, features=features)  # fmt: skip
    for row in result["rows"]:
        published = "" if row["published"] is None else f"  (published {row['published']:g})"
        tell(f"{row['name']}: {row['measured']:.6g} {row['unit']}{published}")
    tell("", *(out / name for name in ("report.html", "report.docx", "results.json")))


@app.command
def studio(
    *,
    runs: Annotated[Path, Parameter(help="The folder that runs lie under; new ones are made there.")] = Path("runs"),
    data_root: Annotated[
        Path | None, Parameter(help="A folder whose sub-folders and archives may be trained on; by default none.")
    ] = None,
    port: Annotated[int | None, Parameter(help="0: any that is free. By default 8765, or any if it is taken.")] = None,
    bind: Annotated[str, Parameter(help="The address to listen on; another one opens the studio to the network.")]
    = "127.0.0.1",
    host: Annotated[
        list[str] | tuple[()], Parameter(help="Names that the page is reached by, beside the loopback's.", negative=())
    ] = (),
    offline: Annotated[bool, Parameter(negative="", help="Fetch nothing, whoever asks.")] = False,
    open_page: Annotated[bool, Parameter(name="--open", negative="--no-open", help="Open the page in the browser.")]
    = True,
) -> None:  # fmt: skip
    """Open a page on which systems are played with, trained and compared (extra `studio`)."""
    try:
        from .studio.serve import serve
    except ModuleNotFoundError as error:
        raise SfumatoError(f"studio: needs {error.name}: pip install 'sfumato[studio]'") from None
    serve(runs, data_root, bind, port, tuple(host), offline=offline, show=open_page)


@data_app.command(name="list")
def data_list() -> None:
    """What can be named without a path, and whether it is here."""
    from .data.sources import SOURCES, state_of

    for name, source in SOURCES.items():
        tell(f"{name:<16}{source.about:<52}{state_of(name)}")
    tell("DIR, FILE.zip   your own pictures, class = first sub-folder; or a folder of four IDX files")
    tell("or FILE.tar     or of .tar shards, with KEY.cls beside KEY.jpg")
    tell("                with boxes: VOC, COCO or a table; with masks: VOC, CamVid, or images/ beside masks/")


@data_app.command(name="fetch")
def data_fetch(name: Annotated[str, Parameter(help="mnist or fashion-mnist")], /) -> None:
    """Download a data set, check its sums and keep it."""
    from .data.sources import fetch

    tell(fetch(name))


@data_app.command(name="check")
def data_check(
    source: Data,
    /,
    *,
    target: Annotated[
        Literal["labels", "boxes", "masks", "sides"],
        Parameter(help="What must be known of the pictures: boxes for ssd, masks, two sides for translators."),
    ] = "labels",
    out: Annotated[
        Path | None,
        Parameter(name=["--out", "-o"], help="Draw examples there: a .png, or a .html with all counts beside them."),
    ] = None,
    split: SplitOption = (),
    holdout: Holdout = None,
    seed: Seed = 0,
    strict: Strict = False,
    as_json: JSON = False,
) -> None:
    """Read every file of a data set, count what it holds, and name what cannot be used."""
    from .data.jobs import check_outside
    from .data.sources import View, open_data, path_of
    from .runs.survey import in_lines, survey, write_survey

    if out is not None:
        check_outside(out, path_of(source))
    opened = open_data(source, View(target=target, split=tuple(split), holdout=holdout, seed=seed), strict=strict)
    found = survey(opened)
    if out is not None:
        write_survey(opened, found, out)
    if as_json:
        summary = {
            "name": opened.name,
            **dict.fromkeys(("train", "valid", "test"), 0),
            **{half: counts.pictures for half, counts in found.halves.items()},
            "classes": list(opened.classes),
            "fingerprint": opened.fingerprint,
            "reading": opened.reading,
            **{key: value for key, value in asdict(found).items() if key != "shape"},
            "left_out": [{"file": item.file, "reason": item.reason} for item in opened.left_out],
        }
        _print_json(summary)
        return
    tell(f"{opened.name}: {opened.told}")
    classes = ", ".join(opened.classes[:12]) + (", ..." if len(opened.classes) > 12 else "")
    tell(f"classes: {classes or 'none'}", f"left out: {len(opened.left_out)}", f"fingerprint: {opened.fingerprint}")
    tell(*in_lines(found))
    if opened.second:
        tell(f"side B: {len(opened.second.train):,} training and {len(opened.second.test):,} test images")
    if opened.notice:
        tell(opened.notice)
    if out is not None:
        tell(out)


@data_app.command(name="convert")
def data_convert(
    source: Annotated[Path, Parameter(help="Annotated pictures in any form that is read: a folder or an archive.")],
    target: Annotated[Path, Parameter(help="The folder to make.")],
    /,
    *,
    to: Annotated[Literal["coco", "yolo", "voc"], Parameter(help="The form to write.")],
    split: SplitOption = (),
    holdout: Holdout = None,
    seed: Seed = 0,
) -> None:
    """Write boxes and outlines as other tools read them, with copies of the pictures."""
    from .data.convert import convert
    from .data.division import Division
    from .runs.survey import problem_lines, problems

    count, left_out = convert(source.expanduser(), target, to, Division(tuple(split), holdout, seed))
    tell(*problem_lines(problems(left_out)))
    tell(f"{target}: {count:,} pictures")


@app.command
def doctor(*, as_json: JSON = False) -> None:
    """Versions, device, precision, what is missing and how to mend it."""
    from .runs.doctor import examine

    findings = examine()
    if as_json:
        _print_json(findings)
        return
    wide = 2 + max(map(len, findings["facts"]))
    for name, value in findings["facts"].items():
        tell(f"{name:<{wide}}{value}")
    for advice in findings["advice"]:
        tell(f"- {advice}")
