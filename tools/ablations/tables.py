"""The papers' tables: what they print, which setting stands for a row, and what their text claims.

Figures stand as printed: top-1 and top-5 in per cent, parameters in millions, multiply-adds
("FLOPs") of one view in G; "" where a table has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from tools.ablations.settings import (
    ALL_FOUR,
    ALPHAS,
    BETAS,
    I3D,
    PAIRS,
    SDA,
    SINGLE,
    STAGES,
    TSM,
    Budget,
    dsa_name,
    sda_name,
)


@dataclass(frozen=True)
class Row:
    """setting: "" where none of ours stands for the row."""

    label: str
    setting: str
    top1: str = ""
    top5: str = ""
    params: str = ""
    macs: str = ""


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper about a table. above: pairs of settings, of which the first is said
    to be the better one in each. alike: settings that are said to differ little."""

    text: str
    above: tuple[tuple[str, str], ...] = ()
    alike: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """paper: dataset and network of the printed figures. notes: what must be known to compare."""

    name: str
    title: str
    paper: str
    budgets: tuple[Budget, ...]
    rows: tuple[Row, ...]
    claims: tuple[Claim, ...]
    notes: tuple[str, ...] = ()


def best(first: str, others: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Pairs that say that one setting is above every other one."""
    return tuple((first, other) for other in others if other != first)


MINI = "Mini-Kinetics-200"
V1 = "Something-Something V1, TSN R50, 8 frames"
DSA = dsa_name()
RES5 = {"stages": [5], "beta": 1}
POSITION = {place: dsa_name([5], beta=1, position=place) for place in ("I", "II", "III")}
ALPHA = {alpha: dsa_name([5], beta=1, alpha=alpha) for alpha in ALPHAS}
STAGE = {stage: dsa_name([stage], beta=1) for stage in STAGES}
BETA = {beta: dsa_name([5], beta=beta) for beta in BETAS}
BLOCKS: dict[tuple[int, ...], str] = {stages: dsa_name(stages) for stages in PAIRS}
HALF = (
    "beta is 1/2 here: of a quarter of the paper's channels, it aggregates as many (16 to 64 of a "
    "stage) as the paper's 1/8."
)

DSANET_TABLES = (
    Table(
        "DSANet 2a", "what DSA adds to I3D", f"{MINI}, I3D R18", (I3D,),
        (
            Row("I3D, 4x1 in training", "i3d", "72.2", "91.2", "32.3"),
            Row("I3D, 16x1 in training", "i3d_16", "73.4", "91.1", "32.3"),
            Row("TSN+I3D", "tsn_i3d", "73.0", "91.3", "32.3"),
            Row("V4D+I3D", "v4d_i3d", "75.6", "92.7", "33.1"),
            Row("DSA+I3D", DSA, "77.3", "93.9", "32.3"),
        ),
        (
            Claim("TSN adds to I3D (+0.8)", (("tsn_i3d", "i3d"),)),
            Claim("V4D adds to I3D (+3.4)", (("v4d_i3d", "i3d"),)),
            Claim("DSA adds to I3D (+5.1)", ((DSA, "i3d"),)),
            Claim("DSA is above TSN (+4.3)", ((DSA, "tsn_i3d"),)),
            Claim("DSA is above V4D (+1.7)", ((DSA, "v4d_i3d"),)),
        ),
        ("16 frames of stride 4 span a whole video of this benchmark: that row sees every order in "
         "one snippet, which the paper's, of videos of 10 seconds, does not.", HALF),
    ),
    Table(
        "DSANet 2b", "position of DSA in a block", f"{MINI}, I3D R50, res5, alpha 2, beta 1",
        (I3D,),
        (
            Row("I", POSITION["I"], "81.4", "95.4"),
            Row("II", POSITION["II"], "81.5", "95.2"),
            Row("III", POSITION["III"], "80.8", "95.2"),
            Row("IV", POSITION["III"], "81.4", "95.1"),
        ),
        (Claim("II is slightly above I and IV",
               best(POSITION["II"], [POSITION["I"], POSITION["III"]])),),
        ("A block of ResNet-18 has two convolutions: III and IV are one place, after the second, "
         "and one network here.",),
    ),
    Table(
        "DSANet 2c", "alpha, the width of the kernel MLP",
        f"{MINI}, I3D R50, position II, res5, beta 1", (I3D,),
        tuple(
            Row(f"alpha {alpha}", ALPHA[alpha], top1, top5)
            for alpha, top1, top5 in zip(ALPHAS, ("81.0", "81.5", "81.2", "81.3"),
                                         ("95.1", "95.2", "95.0", "95.0"), strict=True)
        ),
        (Claim("alpha 2 is the best", best(ALPHA[2], list(ALPHA.values()))),),
    ),
    Table(
        "DSANet 2d", "stage of the DSA blocks", f"{MINI}, I3D R50, position II, alpha 2, beta 1",
        (I3D,),
        tuple(
            Row(f"res{stage}", STAGE[stage], top1, top5)
            for stage, top1, top5 in zip(STAGES, ("81.4", "81.3", "81.3", "81.5"),
                                         ("94.7", "95.1", "95.3", "95.2"), strict=True)
        ),
        (Claim("res2, res3, res4 and res5 do similarly well", alike=tuple(STAGE.values())),),
        ("One DSA block in each setting: every second block of a stage, of which ResNet-18 has "
         "two.",),
    ),
    Table(
        "DSANet 2e", "beta, the share of channels that is aggregated",
        f"{MINI}, I3D R50, position II, alpha 2, res5", (I3D,),
        tuple(
            Row(f"beta {text}", BETA[beta], top1, top5)
            for beta, text, top1, top5 in zip(
                BETAS, ("1", "1/2", "1/4", "1/8"), ("81.5", "81.7", "81.6", "81.5"),
                ("95.2", "95.4", "95.0", "95.0"), strict=True)
        ),
        (Claim("beta has little impact", alike=tuple(BETA.values())),),
        ("Of the 128 channels of res5 here 128, 64, 32 and 16 are aggregated; of the paper's 512 "
         "512, 256, 128 and 64.",),
    ),
    Table(
        "DSANet 2f", "number of DSA blocks", f"{MINI}, I3D R50, position II, alpha 2, beta 1/8",
        (I3D,),
        tuple(
            Row(f"res{{{','.join(map(str, stages))}}}: {blocks} block{'s' if blocks > 1 else ''} "
                f"in the paper, {len(stages)} here", BLOCKS[stages], top1)
            for stages, blocks, top1 in zip(PAIRS, (1, 4, 5, 3), ("81.5", "81.5", "81.8", "81.4"),
                                            strict=True)
        ),
        (Claim("res{3,4} is the best", best(BLOCKS[3, 4], list(BLOCKS.values()))),),
        (HALF,),
    ),
    Table(
        "DSANet 2g", "DSA on a 2D and a 3D backbone", f"{MINI}, TSM R50 and I3D R50", (TSM, I3D),
        (
            Row("TSM", "tsm", "77.4", "93.4"),
            Row("DSA+TSM", "dsa_tsm", "80.4", "95.0"),
            Row("I3D", "i3d", "78.0", "93.9"),
            Row("DSA+I3D", DSA, "81.8", "95.4"),
        ),
        (
            Claim("DSA adds to TSM (+3.0)", (("dsa_tsm", "tsm"),)),
            Claim("DSA adds to I3D (+3.8)", ((DSA, "i3d"),)),
        ),
        (HALF,),
    ),
    Table(
        "DSANet 2h", "backbones, and SE in the place of DSA", f"{MINI}, I3D R18 and R50", (I3D,),
        (
            Row("I3D R18", "i3d", "72.2"),
            Row("SENet+I3D R18", "se_i3d", "73.8"),
            Row("DSA+I3D R18", DSA, "77.3"),
            Row("I3D R50", "", "78.0"),
            Row("SENet+I3D R50", "", "78.5"),
            Row("DSA+I3D R50", "", "81.8"),
        ),
        (
            Claim("SE adds to I3D (+1.6)", (("se_i3d", "i3d"),)),
            Claim("DSA is above SE (+3.5)", ((DSA, "se_i3d"),)),
        ),
        ("ResNet-50 is left out: there are no embedded weights for it to start from, and that "
         "DSA gains as much on a deeper backbone is not tested in small.", HALF),
    ),
)

LONG, SHORT = "LST+LT+LS", "S222+S144+S122"
ALONE = {name: sda_name(name) for name in (*SINGLE, LONG, SHORT, ALL_FOUR)}
BOTH = {
    (kind, reduction): sda_name(ALL_FOUR, aggregation=kind, reduction=min(reduction, 8))
    for kind, reduction in product(("avg", "sec"), (2, 4, 8, 16))
}

SDA_TABLES = (
    Table(
        "SDA 1", "dependencies", f"{V1}, r_c 4", (SDA,),
        tuple(
            Row(label, setting, top1, top5, params, macs)
            for label, setting, top1, top5, params, macs in (
                ("TSN", "tsn", "19.7", "46.6", "23.9", "32.9"),
                ("LST", ALONE["LST"], "28.0", "58.2", "24.6", "33.7"),
                ("LT", ALONE["LT"], "35.4", "67.8", "25.2", "33.8"),
                ("LS", ALONE["LS"], "37.1", "66.2", "24.7", "33.7"),
                ("LST+LT+LS (AVG)", ALONE[LONG], "46.3", "74.8", "25.5", ""),
                ("S222", ALONE["S222"], "28.2", "59.0", "24.6", "33.7"),
                ("S144", ALONE["S144"], "44.8", "74.4", "24.7", "33.7"),
                ("S122", ALONE["S122"], "45.9", "74.8", "24.7", "33.8"),
                ("S222+S144+S122 (AVG)", ALONE[SHORT], "45.1", "74.3", "25.1", ""),
                ("LST+LT+LS+S122 (AVG)", ALONE[ALL_FOUR], "46.9", "75.5", "25.8", "33.9"),
            )
        ),
        (
            Claim("every dependency adds to TSN (+8.3 to +27.2)",
                  tuple((name, "tsn") for name in ALONE.values())),
            Claim("LS is the best long-range one",
                  best(ALONE["LS"], [ALONE["LST"], ALONE["LT"]])),
            Claim("the long-range ones together are above each of them",
                  best(ALONE[LONG], [ALONE[name] for name in ("LST", "LT", "LS")])),
            Claim("S122 is the best short-range one",
                  best(ALONE["S122"], [ALONE["S144"], ALONE["S222"]])),
            Claim("a temporal convolution is above a linear projection (S144 and S122 above S222)",
                  ((ALONE["S144"], ALONE["S222"]), (ALONE["S122"], ALONE["S222"]))),
            Claim("the short-range ones together are below S122 alone",
                  ((ALONE["S122"], ALONE[SHORT]),)),
            Claim("LST, LT, LS and S122 together are the best",
                  best(ALONE[ALL_FOUR], ["tsn", *ALONE.values()])),
        ),
        ("Features of res2 to res5 are 11, 6, 3 and 2 places wide here (56, 28, 14 and 7 in the "
         "paper), and 2 are the fewest that pooling leaves: S122 pools them to 5, 3, 2 and 2, S144 "
         "to 2 in every stage, so the two differ in res2 and res3 only.",),
    ),
    Table(
        "SDA 2", "aggregation and r_c", f"{V1}", (SDA,),
        tuple(
            Row(f"{kind.upper()}, r_c {reduction}", BOTH[kind, reduction], top1, top5, params, macs)
            for reduction, kind, top1, top5, params, macs in (
                (2, "avg", "47.1", "75.6", "30.2", "35.3"),
                (2, "sec", "47.6", "75.9", "30.2", "35.4"),
                (4, "avg", "46.9", "75.5", "25.8", "33.9"),
                (4, "sec", "47.5", "75.4", "25.8", "33.9"),
                (8, "avg", "46.4", "75.2", "24.5", "33.5"),
                (8, "sec", "46.7", "75.1", "24.5", "33.5"),
                (16, "avg", "45.9", "74.6", "24.1", "33.3"),
                (16, "sec", "46.5", "74.8", "24.1", "33.3"),
            )
        ),
        (
            *(
                Claim(f"SEC is above AVG, r_c {reduction}{remark} ({gain})",
                      ((BOTH["sec", reduction], BOTH["avg", reduction]),))
                for reduction, gain, remark in ((2, "+0.5", ""), (4, "+0.6", ""), (8, "+0.3", ""),
                                                (16, "+0.6", ", the network of r_c 8"))
            ),
            Claim("a larger r_c costs little: SEC with r_c 2 to 16",
                  alike=tuple(dict.fromkeys(BOTH["sec", r] for r in (2, 4, 8, 16)))),
        ),
        ("The dependencies are modelled on max(C / r_c, 16) channels (SDA, section 4.2). Of the "
         "16, 32, 64 and 128 channels here r_c 2 leaves 16, 16, 32, 64, r_c 4 leaves 16, 16, 16, "
         "32, and r_c 8 leaves 16 in every stage, so that r_c 16 is the network of r_c 8, trained "
         "once. Of the paper's 64 to 512 channels r_c 8 and 16 leave what 2 and 4 leave here.",),
    ),
)

TABLES = (*DSANET_TABLES, *SDA_TABLES)
