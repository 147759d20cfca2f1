"""DSANet Lens: see what DSANet adds to I3D snippet averaging, on any video.

    import dsanet_core as dc
    analysis = dc.analyze("video.mp4", "dsa_i3d_synth")
    print(analysis.top(5))

Names are loaded on first use: records open without torch, networks build without a video decoder.
"""

from typing import TYPE_CHECKING

from dsanet_core.lazy import LazyExports

if TYPE_CHECKING:
    from dsanet_core import figures as figures
    from dsanet_core.analysis import analyze as analyze
    from dsanet_core.attribution import attribution_to_csv as attribution_to_csv
    from dsanet_core.attribution import attribution_to_json as attribution_to_json
    from dsanet_core.attribution import trust_of as trust_of
    from dsanet_core.attribution.attribute import attribute as attribute
    from dsanet_core.attribution.faithfulness import faithfulness as faithfulness
    from dsanet_core.checkpoints import Choices as Choices
    from dsanet_core.checkpoints import import_checkpoint as import_checkpoint
    from dsanet_core.checkpoints import load_imagenet as load_imagenet
    from dsanet_core.checkpoints import load_model as load_model
    from dsanet_core.checkpoints import save_checkpoint as save_checkpoint
    from dsanet_core.checkpoints import start_from as start_from
    from dsanet_core.counting import Complexity as Complexity
    from dsanet_core.counting import complexity as complexity
    from dsanet_core.datasets import open_dataset as open_dataset
    from dsanet_core.ensemble import Ensemble as Ensemble
    from dsanet_core.errors import CheckpointError as CheckpointError
    from dsanet_core.errors import DatasetError as DatasetError
    from dsanet_core.errors import LensError as LensError
    from dsanet_core.errors import ModelError as ModelError
    from dsanet_core.errors import RecordError as RecordError
    from dsanet_core.errors import RunError as RunError
    from dsanet_core.errors import VideoError as VideoError
    from dsanet_core.hooks import capture as capture
    from dsanet_core.hooks import hook_points as hook_points
    from dsanet_core.models.dsa import DSA as DSA
    from dsanet_core.models.dsa import insert_dsa as insert_dsa
    from dsanet_core.models.sda import SDA as SDA
    from dsanet_core.models.sda import insert_sda as insert_sda
    from dsanet_core.models.transfer import transfer as transfer
    from dsanet_core.records import Analysis as Analysis
    from dsanet_core.records import Attribution as Attribution
    from dsanet_core.records import Clips as Clips
    from dsanet_core.records import Effects as Effects
    from dsanet_core.records import Faithfulness as Faithfulness
    from dsanet_core.records import Familiarity as Familiarity
    from dsanet_core.records import Frames as Frames
    from dsanet_core.records import Kernel as Kernel
    from dsanet_core.records import Layers as Layers
    from dsanet_core.records import Model as Model
    from dsanet_core.records import Protocol as Protocol
    from dsanet_core.records import Run as Run
    from dsanet_core.records import RunEffects as RunEffects
    from dsanet_core.records import Sampling as Sampling
    from dsanet_core.records import Selection as Selection
    from dsanet_core.records import Trust as Trust
    from dsanet_core.records import Video as Video
    from dsanet_core.report import report_to_html as report_to_html
    from dsanet_core.report import write_report as write_report
    from dsanet_core.runs import load_effects as load_effects
    from dsanet_core.runs import load_run as load_run
    from dsanet_core.runs import mean_average_precision as mean_average_precision
    from dsanet_core.runs import run_dataset as run_dataset
    from dsanet_core.runs import run_effects as run_effects
    from dsanet_core.serialize import analysis_from_json as analysis_from_json
    from dsanet_core.serialize import analysis_to_csv as analysis_to_csv
    from dsanet_core.serialize import analysis_to_json as analysis_to_json
    from dsanet_core.serialize import dependencies_to_csv as dependencies_to_csv
    from dsanet_core.untrimmed import analyze_untrimmed as analyze_untrimmed
    from dsanet_core.untrimmed import integrate_windows as integrate_windows
    from dsanet_core.video import read_clips as read_clips
    from dsanet_core.video import to_tensor as to_tensor
    from dsanet_core.whatif import Change as Change
    from dsanet_core.whatif import parse_change as parse_change
    from dsanet_core.whatif import rank_blocks as rank_blocks
    from dsanet_core.whatif import what_if as what_if
    from dsanet_core.zoo import ModelSpec as ModelSpec
    from dsanet_core.zoo import create_model as create_model
    from dsanet_core.zoo import list_models as list_models
    from dsanet_core.zoo import model_spec as model_spec
    from dsanet_core.zoo import with_protocol as with_protocol

_exports = LazyExports(__name__, __file__)
__getattr__ = _exports.load
__all__ = sorted(_exports.module_of)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
