"""The result tables of the two papers: parameters, multiply-adds, accuracies, test protocols.

DSANet (Wu et al., 2021), Tables 2a, 2h, 2i and 4; SDA (Tan et al., 2021), Tables 1, 2, 3 and 6. A
row whose network this package builds has its spec; the others are figures of the paper alone.
Figures are stored as printed, so that a comparison knows the number of digits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import NamedTuple

from dsanet_core.zoo import model_spec
from dsanet_core.zoo.rows import placeholder_classes
from dsanet_core.zoo.spec import ModelSpec

KINETICS, MINI_KINETICS = "Kinetics-400", "Mini-Kinetics-200"
V1, V2 = "Something-Something V1", "Something-Something V2"

IMAGENET_HEAD = (
    "counted with the 1000 outputs of ImageNet's head, as the paper's figure must have been: with "
    "the 200 of Mini-Kinetics it would be 0.4 M less"
)
NO_COST_READ = "the available text of the paper lacks this row's multiply-adds"
GST_COUNTER = (
    "the figure is that of the GST paper, whose counter is not known: convolutions and linear "
    "layers come to 29.0 G per 8 frames, and with normalisation counted as for the 32.9 G of TSN "
    "to 29.2 G"
)


class CountedNetwork(NamedTuple):
    """A network and the input shape (N, U, 3, T, H, W) for which its cost is counted."""

    spec: ModelSpec
    input_shape: tuple[int, ...]


@dataclass(frozen=True)
class PaperRow:
    """One row of a table of a paper.

    params: in millions, macs: multiply-adds ("FLOPs") of one view in G, as printed ("" if not);
    views: number at test time, for the cost of a video; protocol: as printed. top1: percent by
    dataset. networks: those that build the row here, several for an ensemble. remark: condition of
    a comparison, or reason why the row cannot be matched.
    """

    paper: str
    table: str
    label: str
    params: str = ""
    macs: str = ""
    protocol: str = ""
    views: float = 1
    top1: Mapping[str, float] = field(default_factory=dict)
    networks: tuple[CountedNetwork, ...] = ()
    remark: str = ""

    @property
    def video_gmacs(self) -> float | None:
        """Multiply-adds of a video in G, None if not printed."""
        return float(self.macs) * self.views if self.macs else None

    @property
    def is_proposed(self) -> bool:
        """True for the network that the paper proposes, alone or in an ensemble."""
        return self.label.startswith(self.paper.removesuffix("Net"))


@cache
def paper_rows() -> tuple[PaperRow, ...]:
    """All rows in the order of the papers."""
    return (
        *_dsanet_table_2a(),
        *_dsanet_table_2h(),
        *_dsanet_table_2i(),
        *_dsanet_table_4(),
        *_sda_table_1(),
        *_sda_table_2(),
        *_sda_table_3(),
        *_sda_table_6(),
    )


def _i3d(
    name: str, snippets: int, frames: int, *, classes: int = 400
) -> tuple[CountedNetwork, ...]:
    """A row of the zoo on a clip of snippets, with a number of outputs."""
    spec = replace(model_spec(name), classes=placeholder_classes(classes))
    return (CountedNetwork(spec, (1, snippets, 3, frames, 224, 224)),)


def _clip(name: str, frames: int = 8, *, classes: int = 174) -> tuple[CountedNetwork, ...]:
    """A row of the zoo on a clip of single frames; 174: classes of Something-Something."""
    return _i3d(name, frames, 1, classes=classes)


def _sda(
    dependencies: str, *, reduction: int = 4, aggregation: str = "avg"
) -> tuple[CountedNetwork, ...]:
    """SDA-TSN of ResNet-50 with dependencies joined by "+"."""
    spec, shape = _clip("sda_tsn_r50")[0]
    sda = {
        "dependencies": dependencies.split("+"),
        "reduction": reduction,
        "aggregation": aggregation,
    }
    return (CountedNetwork(replace(spec, args=spec.args | {"sda": sda}), shape),)


def _dsanet_table_2a() -> Iterator[PaperRow]:
    for label, name, frames, snippets, protocol, top1, params in (
        ("I3D R18, T = 4", "i3d_r18", 4, 1, "4×10×3", 72.2, "32.3"),
        ("I3D R18, T = 16", "i3d_r18", 16, 1, "16×10×3", 73.4, "32.3"),
        ("TSN+I3D R18", "tsn_i3d_r18", 4, 4, "4×10×3", 73.0, "32.3"),
        ("V4D+I3D R18", "v4d_i3d_r18", 4, 4, "4×10×3", 75.6, "33.1"),
        ("DSA+I3D R18", "dsa_i3d_r18", 4, 4, "4×8×3", 77.3, "32.3"),
    ):
        yield PaperRow(
            "DSANet", "2a", label, params, protocol=protocol, top1={MINI_KINETICS: top1},
            networks=_i3d(name, snippets, frames, classes=1000), remark=IMAGENET_HEAD,
        )


def _dsanet_table_2h() -> Iterator[PaperRow]:
    for depth, accuracies in ((18, (72.2, 73.8, 77.3)), (50, (78.0, 78.5, 81.8))):
        nets = (("I3D", "i3d", 1), ("SENet+I3D", "se_i3d", 4), ("DSA+I3D", "dsa_i3d", 4))
        for (label, name, snippets), top1 in zip(nets, accuracies, strict=True):
            yield PaperRow(
                "DSANet", "2h", f"{label} R{depth}", top1={MINI_KINETICS: top1},
                networks=_i3d(f"{name}_r{depth}", snippets, 4, classes=200),
                remark="the paper prints no cost in this table",
            )


def _dsanet_table_2i() -> Iterator[PaperRow]:
    for label, name, macs in (
        ("TSN+I3D R50", "tsn_i3d_r50", "83.8"),
        ("V4D+I3D R50", "v4d_i3d_r50", "143.0"),
        ("DSA+I3D R50", "dsa_i3d_r50", "83.8"),
    ):
        yield PaperRow(
            "DSANet", "2i", label, macs=macs, protocol="4×4×224²×3",
            networks=_i3d(name, 4, 4, classes=200),
        )


def _dsanet_table_4() -> Iterator[PaperRow]:
    """Protocols are T x U x crops at test time. Figure 3 shows this table."""
    dsa4, dsa8 = _i3d("dsa_i3d_r50", 4, 4), _i3d("dsa_i3d_r50_8x8", 4, 8)
    rows: tuple[tuple[str, str, str, float, float, tuple[CountedNetwork, ...]], ...] = (
        ("TSM", "8×10×3", "33", 30, 74.1, _clip("tsm_r50", classes=400)),
        ("TEINet", "8×10×3", "33", 30, 74.9, ()),
        ("TEA", "8×10×3", "35", 30, 75.0, ()),
        ("TANet", "8×10×3", "43", 30, 76.1, ()),
        ("MVFNet", "8×10×3", "33", 30, 76.0, ()),
        ("NL+I3D, 32 frames", "32×10×3", "70.5", 30, 74.9, ()),
        ("NL+I3D, 128 frames", "128×10×3", "282", 30, 76.5, ()),
        ("X3D-L", "16×10×3", "24.8", 30, 77.5, ()),
        ("SlowFast R50, 4+32", "(4+32)×10×3", "36.1", 30, 75.6, ()),
        ("SlowFast R50, 8+32", "(8+32)×3×10", "65.7", 30, 77.0, ()),
        ("SlowFast R101, 8+32", "(8+32)×3×10", "106", 30, 77.9, ()),
        ("Slowonly", "8×10×3", "41.9", 30, 74.9, _i3d("i3d_r50", 1, 8)),
        ("V4D+I3D", "8×10×3", "286.1", 7.5, 77.4, _i3d("v4d_i3d_r50", 4, 8)),
        ("DSA+I3D, 4×8", "4×8×3", "83.8", 6, 77.7, dsa4),
        ("DSA+I3D, 8×8", "8×8×3", "167.7", 6, 78.2, dsa8),
        ("DSA+I3D, both", "(4+8)×8×3", "251.5", 6, 79.0, (*dsa4, *dsa8)),
    )
    for label, protocol, macs, views, top1, networks in rows:
        yield PaperRow(
            "DSANet", "4", label, "", macs, protocol, views, {KINETICS: top1}, networks
        )


def _sda_table_1() -> Iterator[PaperRow]:
    rows = [
        ("Original TSN", "", 19.7, "23.9", "32.9"),
        ("LST", "LST", 28.0, "24.6", "33.7"),
        ("LT", "LT", 35.4, "25.2", "33.8"),
        ("LS", "LS", 37.1, "24.7", "33.7"),
        ("LST+LT+LS (AVG)", "LST+LT+LS", 46.3, "25.5", ""),
        ("S222", "S222", 28.2, "24.6", "33.7"),
        ("S144", "S144", 44.8, "24.7", "33.7"),
        ("S122", "S122", 45.9, "24.7", "33.8"),
        ("S222+S144+S122 (AVG)", "S222+S144+S122", 45.1, "25.1", ""),
        ("LST+LT+LS+S122 (AVG)", "LST+LT+LS+S122", 46.9, "25.8", "33.9"),
    ]
    for label, dependencies, top1, params, macs in rows:
        yield PaperRow(
            "SDA", "1", label, params, macs, "8×1×1", top1={V1: top1},
            networks=_sda(dependencies) if dependencies else _clip("tsn_r50"),
            remark="" if macs else NO_COST_READ,
        )


def _sda_table_2() -> Iterator[PaperRow]:
    for reduction, params, macs, top1 in (
        (2, "30.2", ("35.3", "35.4"), (47.1, 47.6)),
        (4, "25.8", ("33.9", "33.9"), (46.9, 47.5)),
        (8, "24.5", ("33.5", "33.5"), (46.4, 46.7)),
        (16, "24.1", ("33.3", "33.3"), (45.9, 46.5)),
    ):
        for place, aggregation in enumerate(("avg", "sec")):
            networks = _sda("LST+LT+LS+S122", reduction=reduction, aggregation=aggregation)
            yield PaperRow(
                "SDA", "2", f"{aggregation.upper()}, r_c = {reduction}", params, macs[place],
                "8×1×1", top1={V1: top1[place]}, networks=networks,
            )


_TABLE_3: tuple[tuple[str, str, str, str, float | None, float | None, str], ...] = (
    ("ECO", "8×1×1", "47.5", "32", 39.6, None, ""),
    ("ECO", "16×1×1", "47.5", "64", 41.4, None, ""),
    ("I3D", "32×1×2", "28.0", "153.0", 41.6, None, ""),
    ("NLI3D", "32×1×2", "35.3", "168.0", 44.4, None, ""),
    ("NLI3D+GCN", "32×1×2", "62.2", "303.0", 46.1, None, ""),
    ("GST", "8×1×1", "21.0", "29.5", 47.0, 61.6, "gst_r50"),
    ("GST", "16×1×1", "21.0", "59.0", 48.6, 62.6, "gst_r50"),
    ("V4D", "8×10×3", "", "", 50.4, None, ""),
    ("TSM+TPN", "8×1×1", "24.3", "33.0", 49.0, 62.0, ""),
    ("TIN", "16×1×1", "24.3", "67.0", 47.0, 60.1, ""),
    ("TEINet", "8×1×1", "30.4", "33.0", 47.4, 61.3, ""),
    ("TEINet", "16×1×1", "30.4", "66.0", 49.9, 62.1, ""),
    ("RubiksNet", "8×1×2", "", "", 46.4, 61.7, ""),
    ("TAM", "8×1×1", "25.6", "33.0", 46.5, 60.5, ""),
    ("TAM", "16×1×1", "25.6", "66.0", 47.6, 62.5, ""),
    ("TEA", "8×3×10", "24.5", "35.0", 51.7, None, ""),
    ("TEA", "16×3×10", "24.5", "70.0", 52.3, None, ""),
    ("STM", "8×3×10", "24.0", "33.3", 49.2, 62.3, ""),
    ("STM", "16×3×10", "24.0", "66.5", 50.7, 64.2, ""),
    ("SmallBig", "8×3×2", "", "57.0", 48.3, 61.6, ""),
    ("SmallBig", "16×3×2", "", "114.0", 50.0, 63.8, ""),
    ("TSN", "8×1×1", "23.9", "32.9", 19.7, 30.0, "tsn_r50"),
    ("SDA-TSN", "8×1×1", "25.8", "33.9", 47.5, 60.6, "sda_tsn_r50"),
    ("SDA-TSN", "8×3×2", "25.8", "33.9", 49.5, 63.0, "sda_tsn_r50"),
    ("SDA-TSN", "16×1×1", "25.8", "67.8", 49.3, 62.4, "sda_tsn_r50"),
    ("SDA-TSN", "16×3×2", "25.8", "67.8", 50.6, 64.7, "sda_tsn_r50"),
    ("SDA-TSN En", "(16+8)×3×2", "", "101.7", 52.6, 66.1, "sda_tsn_r50"),
    ("TSM", "8×1×1", "23.9", "32.9", 45.6, 59.7, "tsm_r50"),
    ("SDA-TSM", "8×1×1", "25.8", "33.9", 48.6, 61.8, "sda_tsm_r50"),
    ("TSM", "8×1×2", "23.9", "32.9", 47.2, 61.2, "tsm_r50"),
    ("SDA-TSM", "8×1×2", "25.8", "33.9", 50.2, 63.6, "sda_tsm_r50"),
    ("SDA-TSM", "8×3×2", "25.8", "33.9", 51.1, 64.6, "sda_tsm_r50"),
    ("TSM", "16×1×1", "23.9", "65.8", 47.2, 62.0, "tsm_r50"),
    ("SDA-TSM", "16×1×1", "25.8", "67.8", 51.3, 63.3, "sda_tsm_r50"),
    ("TSM", "16×1×2", "23.9", "65.8", 48.4, 63.1, "tsm_r50"),
    ("SDA-TSM", "16×1×2", "25.8", "67.8", 52.2, 64.7, "sda_tsm_r50"),
    ("SDA-TSM", "16×3×2", "25.8", "67.8", 52.8, 65.4, "sda_tsm_r50"),
    ("SDA-TSM En", "(16+8)×3×2", "", "101.7", 54.8, 67.3, "sda_tsm_r50"),
)
"""Label, frames x crops x clips, M, G of one view, top-1 on V1 and V2, row of the zoo."""


def _sda_table_3() -> Iterator[PaperRow]:
    for label, protocol, params, macs, v1, v2, name in _TABLE_3:
        frames, crops, clips = protocol.split("×")
        counts = [int(count) for count in frames.strip("()").split("+")]
        top1 = {data: share for data, share in ((V1, v1), (V2, v2)) if share is not None}
        yield PaperRow(
            "SDA", "3", label, params, macs, protocol, int(crops) * int(clips), top1,
            tuple(member for count in counts for member in _clip(name, count)) if name else (),
            GST_COUNTER if label == "GST" else "",
        )


def _sda_table_6() -> Iterator[PaperRow]:
    """In the available text the first cells of this table are shifted: "Original TSN" has none, and
    2x2x2 has its own accuracy beside the cost that Table 1 gives for the original TSN. Both are
    corrected here; the cost of 2x2x2 is that of the same network (S222) in Table 1."""
    yield PaperRow("SDA", "6", "Original TSN", "23.9", "32.9", "8×1×1", networks=_clip("tsn_r50"))
    for kernels, top1, params, macs in (
        ("2x2x2/1x1x1", 28.2, "24.6", "33.7"),
        ("3x3x3/1x1x1", 29.8, "24.6", "33.7"),
        ("1x2x2/3x1x1", 45.9, "24.7", "33.8"),
        ("1x3x3/3x1x1", 45.6, "24.7", "33.8"),
        ("1x4x4/3x1x1", 44.8, "24.7", "33.8"),
        ("1x5x5/3x1x1", 45.0, "24.7", "33.8"),
        ("2x1x1/1x3x3", 28.5, "25.2", "34.2"),
        ("2x1x1/3x1x1", 44.6, "24.7", "33.9"),
        ("1x2x2/1x3x3", 18.1, "25.2", "33.9"),
    ):
        pool, conv = kernels.split("/")
        yield PaperRow(
            "SDA", "6", f"pool {pool}, conv {conv}", params, macs, "8×1×1", top1={V1: top1},
            networks=_sda(kernels),
        )
