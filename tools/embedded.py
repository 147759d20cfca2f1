"""Parts of the project that are made by training: weights, runs on the benchmark, tables.

    python -m tools.embedded train     # checkpoints/, and further training seeds in .cache/seeds/
    python -m tools.embedded runs      # checkpoints/runs/, of all weights that are there
    python -m tools.embedded tables    # docs/embedded.md, from checkpoints/runs/

Each resumes where it was stopped.
"""

from __future__ import annotations

import shutil
import sys
from collections import defaultdict
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from dsanet_core.checkpoints import FOLDER, load_model, write_manifest
from dsanet_core.datasets import open_dataset
from dsanet_core.datasets.synthetic import open_synthetic
from dsanet_core.records import Run
from dsanet_core.runs import load_effects, load_run, run_dataset, save_run
from dsanet_core.runs.block_ablation import measure_run
from dsanet_core.runs.summary import FILE
from dsanet_core.synthetic import GROUPS
from dsanet_core.training import RECIPES, OutputPaths, TrainingOptions, open_data, train
from dsanet_core.zoo import list_models, model_spec
from tools import markdown

CACHE = Path(".cache")
OTHER_SEEDS, STATES = CACHE / "seeds", CACHE / "training"
RUNS = FOLDER / "runs"
PAGE = Path("docs") / "embedded.md"
EMBEDDED = {name: RECIPES[name] for name in list_models() if name in RECIPES}
VALIDATION = str(EMBEDDED["dsa_i3d_synth"].validate_on)
SEEDS = dict.fromkeys(
    (
        "dsa_i3d_synth", "v4d_i3d_synth", "se_i3d_synth", "tsn_i3d_synth",
        "sda_tsn_synth", "sda_tsn_avg_synth", "tsn_synth",
    ),
    (0, 1, 2),
)
"""Three trainings of these, whose comparison asks for a spread; of the others one."""
FAMILIES = {
    "Combining snippets": (
        "dsa_i3d_synth", "v4d_i3d_synth", "se_i3d_synth", "tsn_i3d_synth", "i3d_synth",
        "dsa_tsm_synth",
    ),
    "Single frames: one dependency, average, selection": (
        "sda_tsn_synth", "sda_tsn_avg_synth", "sda_tsn_lst_synth", "sda_tsn_lt_synth",
        "sda_tsn_ls_synth", "sda_tsn_s122_synth", "tsn_synth",
    ),
    "Single frames: temporal shift": ("sda_tsm_synth", "tsm_synth"),
}
"""Title of a table -> its networks."""


def weights_of(name: str, seed: int) -> Path:
    """The file of a training: what is shipped has seed 0."""
    if seed == 0:
        return FOLDER / f"{name}.safetensors"
    return OTHER_SEEDS / f"{name}-{seed}.safetensors"


def trainings() -> list[tuple[str, int]]:
    """(network, seed) of all: first what is shipped."""
    chosen = [(name, seed) for name in EMBEDDED for seed in SEEDS.get(name, (0,))]
    return sorted(chosen, key=lambda pair: pair[1])


def train_all() -> None:
    OTHER_SEEDS.mkdir(parents=True, exist_ok=True)
    for name, seed in trainings():
        if seed == 0 or not weights_of(name, seed).exists():
            print(f"{name}, seed {seed}", flush=True)
            recipe, state = EMBEDDED[name], STATES / f"{name}-seed{seed}.pt"
            paths = OutputPaths(weights_of(name, seed), state, cache=CACHE)
            train(recipe, open_data(recipe), paths, TrainingOptions(seed=seed))
    write_manifest()


def run_all() -> None:
    """Run all weights that are there on the validation split; keep the summaries, and of networks
    with DSA or SDA which block matters for which category."""
    dataset, kept = open_dataset(VALIDATION), set()
    for name, seed in trainings():
        path = weights_of(name, seed)
        if not path.exists():
            print(f"{path} is not there: run `python -m tools.embedded train` for it")
            continue
        run = run_dataset(dataset, load_model(path), folder=CACHE / "runs")
        (RUNS / run.id).mkdir(parents=True, exist_ok=True)
        save_run(run, RUNS / run.id / FILE)
        has_blocks = run.kernels is not None or run.selections is not None
        if has_blocks and load_effects(RUNS / run.id) is None:
            measure_run(RUNS / run.id, load_model(path))
        kept.add(run.id)
        print(f"{path.name}: {run.accuracy():.1%}", flush=True)
    for folder in RUNS.iterdir():
        if folder.name not in kept:
            shutil.rmtree(folder)


def read_all() -> dict[str, list[Run]]:
    """The embedded runs of each network, by training seed: what is shipped first."""
    found = defaultdict(list)
    for path in sorted(RUNS.glob(f"*/{FILE}")):
        run = load_run(path)
        found[run.model.name].append(run)
    return {
        name: sorted(runs, key=lambda run: (len(run.model.weights), run.model.weights))
        for name, runs in found.items()
    }


def cell(values: Sequence[float]) -> str:
    """Per cent: the mean, and the spread over training seeds where there are several."""
    percent = 100 * np.array(values)
    mean = f"{percent.mean():.1f}"
    return mean if len(values) == 1 else f"{mean} ({percent.min():.1f} to {percent.max():.1f})"


def table(runs: dict[str, list[Run]], *, categories: bool = False) -> str:
    """Markdown: a column per network; rows are top-1, top-5 and groups, or categories."""
    first = next(iter(runs.values()))[0]
    rows = {
        "all, top-1": [[run.accuracy() for run in of] for of in runs.values()],
        "all, top-5": [[run.accuracy(5) for run in of] for of in runs.values()],
        **{
            group: [[run.accuracy_per_group()[group] for run in of] for of in runs.values()]
            for group in first.groups
        },
        "expected calibration error": [
            [run.calibration().error for run in of] for of in runs.values()
        ],
    }
    if categories:
        rows = {
            name: [[run.accuracy_per_class()[index] for run in of] for of in runs.values()]
            for index, name in enumerate(first.classes)
        }
    seeds = ["trainings", *(len(of) for of in runs.values())]
    return markdown.table(
        ["%", *runs], [seeds, *([name, *map(cell, cells)] for name, cells in rows.items())]
    )


def overview(
    found: dict[str, list[Run]],
    names: Sequence[str] = tuple(chain.from_iterable(FAMILIES.values())),
    groups: Sequence[str] = tuple(GROUPS),
) -> str:
    """Markdown: a row per network, top-1 of all and of each group. A part is in README.md."""
    rows = []
    for name in (name for name in names if name in found):
        shares = [run.accuracy_per_group() for run in found[name]]
        cells = [cell([run.accuracy() for run in found[name]])]
        cells += [cell([share[group] for share in shares]) for group in groups]
        rows.append([f"`{name}`", len(shares), *cells])
    return markdown.table(["top-1, %", "trainings", "all", *groups], rows)


def page(found: dict[str, list[Run]]) -> str:
    """Text of docs/embedded.md."""
    recipe = EMBEDDED["dsa_i3d_synth"]
    videos = open_synthetic(str(recipe.train_on), None)
    parts = [
        "# The embedded models on the embedded benchmark",
        "Written by `python -m tools.embedded tables` from the run summaries in "
        "`checkpoints/runs/`, which `make runs` recreates.",
        f"Every model: ResNet-18 of width 16, trained on {len(videos)} videos (seed "
        f"{videos.seed}) for {recipe.epochs} epochs, batches of {recipe.videos_per_step}, "
        f"in {recipe.precision}; measured on 2500 unseen videos (`{VALIDATION}`, 100 of each "
        "class) in float32. Mean over trainings, with the lowest and highest in brackets.",
        overview(found),
    ]
    for title, names in FAMILIES.items():
        runs = {name: found[name] for name in names if name in found}
        parts.append(f"## {title}")
        parts += [
            "\n".join(
                f"- `{name}`: {model_spec(name).description}; {of[0].model.params / 1e6:.2f} M "
                f"parameters, {of[0].model.macs / 1e6:.0f} M multiply-adds per view; "
                f"{of[0].protocol_in_words}"
                for name, of in runs.items()
            ),
            table(runs),
            "### Per class",
            table(runs, categories=True),
        ]
    return "\n\n".join(parts) + "\n"


def main(command: str) -> None:
    if command == "train":
        train_all()
    elif command == "runs":
        run_all()
    elif command == "tables":
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page(read_all()))
        print(PAGE)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]))
