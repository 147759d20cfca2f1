"""The public names of the package, and what importing them costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import dsanet_core

PUBLIC = [
    "Analysis",
    "Attribution",
    "Change",
    "CheckpointError",
    "Choices",
    "Clips",
    "Complexity",
    "DSA",
    "DatasetError",
    "Effects",
    "Ensemble",
    "Faithfulness",
    "Familiarity",
    "Frames",
    "Kernel",
    "Layers",
    "LensError",
    "Model",
    "ModelError",
    "ModelSpec",
    "Protocol",
    "RecordError",
    "Run",
    "RunEffects",
    "RunError",
    "SDA",
    "Sampling",
    "Selection",
    "Trust",
    "Video",
    "VideoError",
    "analysis_from_json",
    "analysis_to_csv",
    "analysis_to_json",
    "analyze",
    "analyze_untrimmed",
    "attribute",
    "attribution_to_csv",
    "attribution_to_json",
    "capture",
    "complexity",
    "create_model",
    "dependencies_to_csv",
    "faithfulness",
    "figures",
    "hook_points",
    "import_checkpoint",
    "insert_dsa",
    "insert_sda",
    "integrate_windows",
    "list_models",
    "load_effects",
    "load_imagenet",
    "load_model",
    "load_run",
    "mean_average_precision",
    "model_spec",
    "open_dataset",
    "parse_change",
    "rank_blocks",
    "read_clips",
    "report_to_html",
    "run_dataset",
    "run_effects",
    "save_checkpoint",
    "start_from",
    "to_tensor",
    "transfer",
    "trust_of",
    "what_if",
    "with_protocol",
    "write_report",
]


def test_the_public_names_are_these() -> None:
    assert dsanet_core.__all__ == PUBLIC
    assert set(PUBLIC) <= set(dir(dsanet_core))


def test_every_public_name_is_what_its_module_defines() -> None:
    values = {name: getattr(dsanet_core, name) for name in PUBLIC}
    misnamed = {
        name: value.__name__
        for name, value in values.items()
        if value.__name__ not in (name, f"dsanet_core.{name}")
    }
    homes = {name: getattr(value, "__module__", value.__name__) for name, value in values.items()}
    foreign = {name: home for name, home in homes.items() if not home.startswith("dsanet_core.")}
    assert (misnamed, foreign) == ({}, {})


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'nonsense'"):
        _ = dsanet_core.nonsense


def loaded_after(statement: str) -> set[str]:
    """Heavy packages that a fresh Python has loaded after a statement."""
    code = (
        f"import sys\n{statement}\n"
        "heavy = ('torch', 'torchvision', 'av', 'cv2', 'plotly', 'streamlit', 'safetensors')\n"
        "print(*(name for name in heavy if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_package_and_its_records_open_without_anything_heavy() -> None:
    statement = (
        "import dsanet_core as dc\n"
        "dc.Analysis, dc.Protocol, dc.analysis_from_json, dc.analysis_to_json, dc.VideoError"
    )
    assert loaded_after(statement) == set()


def test_networks_build_without_a_video_decoder() -> None:
    loaded = loaded_after("import dsanet_core as dc\ndc.create_model('dsa_i3d_r18')")
    assert "torch" in loaded
    assert not loaded & {"av", "torchvision", "plotly", "streamlit"}
