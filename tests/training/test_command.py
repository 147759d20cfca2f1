"""The command: from a folder of videos to weights that predict, and what fails before it starts."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from dsanet_core import cli
from dsanet_core.checkpoints import load_model
from dsanet_core.errors import CheckpointError, DatasetError
from dsanet_core.hooks import capture
from dsanet_core.synthetic import CATEGORIES
from dsanet_core.training import RECIPES, open_data, pipeline
from dsanet_core.training.open_data import check_dataset, dataset_label, require_writable
from dsanet_core.training.recipe import DATASETS, BatchNormMode, Optimizer, Precision
from tests.clips import save_clip
from tests.dataset_files import write_list
from tests.weights import save_tiny

command = importlib.import_module("dsanet_core.cli.train")  # a function hides it in its package
RECIPE = "dsa_i3d_synth"
NAMES = ("left", "right", "up")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("videos") / "clip.mp4", 1, seed=5, size=(48, 64))


@pytest.fixture
def folder(tmp_path: Path, clip: Path) -> Path:
    """Three categories of two training videos and one for validation, all the same clip."""
    for split, count in (("train", 2), ("val", 1)):
        for name in NAMES:
            (tmp_path / "data" / split / name).mkdir(parents=True)
            for number in range(count):
                (tmp_path / "data" / split / name / f"{number}.mp4").symlink_to(clip)
    return tmp_path / "data"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Networks of a quarter of their width, a batch of two."""
    recipe = RECIPES[RECIPE]
    monkeypatch.setitem(RECIPES, RECIPE, replace(recipe, videos_per_step=2, validate_every=1,
                                                 changes={"width": 4}))
    monkeypatch.setattr(pipeline, "CALIBRATION_VIDEOS", 4)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def call(capsys: pytest.CaptureFixture[str], *args: Any) -> tuple[int, str, str]:
    code = cli.main(["train", *map(str, args)])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_folder_of_videos_becomes_weights_that_predict(
    capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path, clip: Path
) -> None:
    out = tmp_path / "mine.safetensors"
    how = ["--data", folder, "--split", "train", "--val", "val", "--epochs", 2, "--out", out,
           "--workers", 0]
    code, printed, err = call(capsys, RECIPE, *how)
    assert (code, printed) == (0, ""), err
    said = err.splitlines()
    assert "6 videos of 3 classes, 2 to 2 of each" in said[0]
    assert "6 read as a test: 0 could not be read" in said[1]
    assert "3 videos of 3 classes" in said[2]
    assert "2 epochs of 3 steps of 2 videos, learning rate 0.1, bfloat16" in err
    assert "epoch 2/2 loss" in err and err.count("validation, one clip: top-1") == 2
    network = load_model(out, device="cpu")
    assert network.spec.classes == NAMES
    assert network.weights.trained_on == "6 videos of 3 classes (data, split train)"
    assert str(tmp_path) not in str(network.weights)
    assert network.weights.accuracy["dataset"] == "data, split val"
    assert network.weights.familiarity is not None
    assert cli.main(["predict", str(clip), "--model", str(out)]) == 0
    assert capsys.readouterr().out.count("%") >= 3

    logs = read_logs(out.with_suffix(".logs"))
    assert [step for step, _ in logs["training/loss"]] == [1, 2, 3, 4, 5, 6]
    assert "training/learning rate" in logs
    assert [step for step, _ in logs["validation, one clip/top-1"]] == [3, 6]
    assert {f"test protocol, top-1 by class/{name}" for name in NAMES} < set(logs)

    code, _, err = call(capsys, RECIPE, *how)
    assert code == 0 and "continuing after epoch 2" in err


def read_logs(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """(step, value) of every scalar by name."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder)).Reload()
    return {name: [(event.step, event.value) for event in events.Scalars(name)]
            for name in events.Tags()["scalars"]}


def test_worker_processes_read_the_same_videos(
    capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path, clip: Path
) -> None:
    for number in range(2, 7):
        (folder / "train" / "up" / f"{number}.mp4").symlink_to(clip)
    (folder / "train" / "up" / "1.mp4").unlink()
    (folder / "train" / "up" / "1.mp4").write_bytes(b"no video")
    states = []
    for workers in (0, 1):
        out = tmp_path / f"{workers}.safetensors"
        code, _, err = call(capsys, RECIPE, "--data", folder, "--split", "train", "--epochs", 2,
                            "--workers", workers, "--logs", "none", "--out", out)
        assert code == 0 and "1 could not be" in err
        assert err.count("left out 1 videos that could not be read, such as train/up/1.mp4") == 2
        states.append(torch.load(out.with_suffix(".state.pt"), weights_only=True))
    assert states[0]["losses"] == states[1]["losses"] and len(states[0]["losses"]) == 10


@pytest.mark.parametrize("lean", [False, True])
def test_dsa_starts_from_a_network_without(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, lean: bool
) -> None:
    start, out = save_tiny(tmp_path, "i3d_synth"), tmp_path / "dsa.safetensors"
    code, _, err = call(
        capsys, RECIPE, "--data", "synth:seed=1,n=8,size=72", "--init", start, "--epochs", 1,
        "--rate", 1e-9, "--norm", "frozen", "--workers", 0, "--logs", "none", "--out", out,
        *([] if lean else ["--no-lean"]),
    )
    assert code == 0, err
    assert "14 initialised at random such as layer2.1.dsa.generate.0.weight" in err
    before, after = (load_model(path, "cpu").state_dict() for path in (start, out))
    assert all(torch.allclose(after[key], value, atol=1e-5) for key, value in before.items())
    with capture() as seen, torch.inference_mode():
        load_model(out, "cpu")(torch.randn(2, 4, 3, 4, 64, 64))
    kernels = [value for name, value in seen.items() if name.endswith("dsa.hook_kernel")]
    for kernel in kernels:                                         # (N, C, L)
        assert bool((kernel[..., 0] > 0.8).all()) == lean
    assert len(kernels) == 2


EMPTY = "synth:seed=1,n=4"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["dsa_i3d_r50_kinetics400"], "--data kinetics400:FOLDER --split train --val val"),
        ([RECIPE, "--data", "@FOLDER", "--split", "test"], "no split 'test'"),
        ([RECIPE, "--data", "@ONE"], "1 class in"),
        ([RECIPE, "--data", "@FOLDER", "--split", "train", "--val", "@LIST"],
         "1 class of @LIST not among those of the training, first 'down' of 2 videos"),
        ([RECIPE, "--data", "@GONE"], "2 of 4 videos are missing, such as gone1.mp4"),
        ([RECIPE, "--data", "@BAD"], "8 of 10 tested videos cannot be read, such as"),
        ([RECIPE, "--data", "@FOLDER", "--split", "train", "--batch", 7],
         "7 videos per step of 6 in all"),
        ([RECIPE, "--data", "@FOLDER", "--split", "train", "--accumulate", 3],
         "2 videos per step for 1 processes of 3 accumulated batches; expected a multiple of 3"),
        ([RECIPE, "--data", EMPTY, "--init", "no_such_weights"], "no weights 'no_such_weights'"),
        ([RECIPE, "--data", EMPTY, "--out", "@FOLDER/train/up/0.mp4/x.safetensors"],
         "cannot be written"),
        ([RECIPE, "--data", EMPTY, "--out", "x.bin"], "suffix '.bin'"),
        ([RECIPE, "--data", EMPTY, "--precision", "float16"], "float16 on a CPU"),
        ([], "no recipe"),
    ],
)
def test_mistakes_are_told_before_the_first_epoch(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path,
    tmp_path: Path, clip: Path, args: list[Any], said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one" / "only").mkdir(parents=True)
    (tmp_path / "one" / "only" / "clip.mp4").symlink_to(clip)
    write_list(tmp_path / "list.csv", "path,label", f"{clip},down", f"{clip},down", f"{clip},up")
    write_list(tmp_path / "gone.csv", "path,label", f"{clip},a", f"{clip},b", "gone1.mp4,a",
               "gone2.mp4,b")
    for name in NAMES[:2]:
        for number in range(4):
            bad = tmp_path / "bad" / name / f"{number}.mp4"
            bad.parent.mkdir(parents=True, exist_ok=True)
            bad.write_bytes(b"no video")
    (tmp_path / "bad" / "up").symlink_to(folder / "train" / "up")
    places = {"@FOLDER": "data", "@ONE": "one", "@LIST": str(tmp_path / "list.csv"),
              "@GONE": "gone.csv", "@BAD": "bad"}
    given = [str(arg) for arg in args]
    for name, place in places.items():
        given = [arg.replace(name, place) for arg in given]
        said = said.replace(name, place)
    code, printed, err = call(capsys, *given)
    assert (code, printed) == (2, ""), err
    last = err.splitlines()[-1]
    assert last.startswith("error: ") and said in last and "expected" in last
    assert "epoch 1" not in err


def test_a_data_set_with_another_number_of_categories_than_it_has_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = RECIPES[RECIPE]
    monkeypatch.setitem(DATASETS, "synth", DATASETS["synth"]._replace(categories=24))
    with pytest.raises(DatasetError, match=r"25 classes in 'synth:seed=1,n=50'; expected 24"):
        open_data(recipe, "synth:seed=1,n=50")
    assert len(open_data(recipe, str(folder), split="train").classes) == 3


def test_a_few_missing_videos_are_counted_and_borne(tmp_path: Path, clip: Path) -> None:
    lines = [f"{clip},{'ab'[number % 2]}" for number in range(19)]
    description = write_list(tmp_path / "list.csv", "path,label", *lines, "gone.mp4,b")
    data = open_data(RECIPES[RECIPE], description)
    said = check_dataset(data.training)
    assert "20 videos of 2 classes, 10 to 10 of each" in said[0]
    assert said[1] == "  1 of 20 files are missing, such as gone.mp4"
    assert said[2] == "  19 read as a test: 0 could not be read"


def test_of_a_published_data_set_up_to_half_may_be_gone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = open_data(RECIPES[RECIPE], str(folder), split="train").training
    monkeypatch.setattr(training, "missing", ["gone"] * 6)
    assert check_dataset(training)[1] == "  6 of 12 files are missing, such as gone"
    monkeypatch.setattr(training, "missing", ["gone"] * 7)
    with pytest.raises(DatasetError, match=r"7 of 13 videos are missing.*at most 50%"):
        check_dataset(training)


def test_the_own_data_of_a_recipe_needs_no_description() -> None:
    data = open_data(RECIPES[RECIPE])
    assert (len(data.training), len(data.validation), data.classes) == (5000, 2500, CATEGORIES)


def test_a_checkpoint_names_data_without_the_folders_above(tmp_path: Path, folder: Path) -> None:
    data = open_data(RECIPES[RECIPE], str(folder), split="train")
    assert dataset_label(data.training) == "data, split train"
    assert dataset_label(open_data(RECIPES[RECIPE]).training) == "synth:seed=1,n=5000"


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="cannot be written"):
        require_writable(tmp_path / "file" / "x.safetensors")
    require_writable(tmp_path / "new" / "x.safetensors")
    assert list((tmp_path / "new").iterdir()) == []


def test_logs_without_tensorboard_are_left_out_unless_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("dsanet_core.training.validation.find_spec", lambda name: None)
    out = tmp_path / "x.safetensors"
    how = ["--data", EMPTY, "--epochs", 1, "--out", out]
    code, _, err = call(capsys, RECIPE, *how)
    assert code == 0 and "no logs: the package tensorboard is not installed" in err
    code, _, err = call(capsys, RECIPE, *how, "--logs", tmp_path / "logs")
    assert code == 2 and "Run: pip install tensorboard" in err


def test_a_changed_batch_says_what_becomes_of_the_learning_rate(
    capsys: pytest.CaptureFixture[str],
) -> None:
    parser = cli.build_parser()
    args = parser.parse_args(["train", "sda_tsn_r50_ssv1", "--batch", "9"])
    assert command.adapted(RECIPES["sda_tsn_r50_ssv1"], args).learning_rate == 0.01
    assert "stays 0.01; --scale-rate would make it 0.0025" in capsys.readouterr().err
    args = parser.parse_args(["train", "sda_tsn_r50_ssv1", "--batch", "9", "--scale-rate"])
    assert command.adapted(RECIPES["sda_tsn_r50_ssv1"], args).learning_rate == 0.0025
    assert "0.0025 instead of 0.01, in proportion" in capsys.readouterr().err


def test_recipes_are_listed_and_one_tells_its_sources(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "--list")
    assert code == 0 and all(f"\n{name} " in out for name in RECIPES)
    code, out, _ = call(capsys, "sda_tsm_r50_diving48", "--list")
    assert code == 0 and "SDA, Table 4" in out and "from SDA, section 4.2: epochs" in out


def test_choices_of_the_command_line_are_those_of_recipes() -> None:
    assert get_args(BatchNormMode) == command.NORMS and get_args(Precision) == command.PRECISIONS
    assert get_args(Optimizer) == command.OPTIMIZERS


@pytest.mark.parametrize(
    "args", [["--epochs", "0"], ["--workers", "-1"], ["--ema", "1"], ["--rate", "nan"]]
)
def test_values_out_of_range_show_the_usage(
    capsys: pytest.CaptureFixture[str], args: list[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["train", RECIPE, *args])
    assert stopped.value.code == 2 and "usage:" in capsys.readouterr().err
