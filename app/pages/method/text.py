"""What the page Method says: the papers' equations, where this project differs, and the words."""

from __future__ import annotations

from app.ui import readings as dataset
from app.ui import text
from dsanet_core.records import METHOD_NAMES, SNIPPET_MIXING
from dsanet_core.report import readings

DSA_PAPER = "[DSANet (Wu et al., 2021)](https://doi.org/10.1145/3474085.3475344)"
SDA_PAPER = "[SDA (Tan et al., 2021)](https://doi.org/10.1145/3474085.3475218)"

Step = tuple[str, str, int]
"""A sentence, the equation that it explains, and its number in the paper."""

DSA_STEPS: list[Step] = [
    (
        "A network for short clips looks at $U$ snippets of a video, each with the same weights, "
        "and averages their scores: in which order they come makes no difference. DSA lets the "
        "snippets meet inside the network. In a block it squeezes every channel of every snippet "
        "to one number, $g(V)$, its mean over time and space; a small network $\\mathcal{F}$ makes "
        "of the $U$ numbers of a channel the $L = 3$ weights of a kernel, and a softmax makes them "
        "sum to 1. The kernel is *dynamic*: another video gets another one.",
        r"K = \mathrm{Softmax}(\mathcal{F}(\theta, g(V)))",
        2,
    ),
    (
        "The kernel mixes each snippet $u$ with its neighbours, channel by channel: how much of "
        "the snippet before, of itself, of the snippet after. Beyond the first and the last "
        "snippet there is nothing. A kernel $(0, 1, 0)$ leaves snippets as they are; equal weights "
        "average them.",
        r"O_{c,u,t,h,w} = \sum_{l} K_{c,l}\, V_{c,u+l,t,h,w}",
        3,
    ),
    (
        "Only the share $\\beta$ (1/8) of the channels is mixed, $V_1$; the others, $V_2$, pass as "
        "they are. So DSA costs next to nothing: the weights of a few tiny kernels.",
        r"Y_{c,u,t,h,w} = \mathrm{Concat}\Big(\sum_{l} K_{c,l}\, V_{1_{c,u+l,t,h,w}},\; V_2\Big)",
        4,
    ),
]
SDA_STEPS: list[Step] = [
    (
        "SDA asks in every block how much of each place, frame and channel shall pass. On a copy "
        "of the block's feature with $C / r_c$ channels, $\\mathbf{Y}'$, it pools along other "
        "directions and over other extents for each *dependency* ...",
        r"\mathbf{A} = \mathrm{Pool}_{avg}\big(\mathbf{Y}';\, W^{Pool}_{p_t,p_h,p_w}\big)",
        2,
    ),
    (
        "... and lets a small convolution answer what it sees.",
        r"\mathbf{R} = \mathrm{ReLU}\big(\mathrm{Conv3d}\big(\mathbf{A};\, "
        r"W^{Conv}_{c_t,c_h,c_w}\big)\big)",
        3,
    ),
    (
        "Averaging the answers is the plain way to join them (AVG) ...",
        r"\mathbf{R}_{avg} = \frac{1}{M}\sum_{i=1}^{M} \mathbf{R}_i",
        5,
    ),
    (
        "... selecting (SEC) is SDA's: the mean of each answer is its key, a learnt query "
        "$\\mathbf{q}$ meets the keys, and a softmax turns that into weights, which differ from "
        "video to video.",
        r"\mathrm{Attention}(\mathbf{q}, \mathbf{K}) = "
        r"\mathrm{softmax}\big(\mathbf{q} \times \mathbf{K}^{T}\big)",
        6,
    ),
    (
        "The weighted sum of the answers "
        "$\\mathbf{V} = [\\mathbf{R}_1; \\dots; \\mathbf{R}_M]$ ...",
        r"\mathbf{R}_{sec} = \mathrm{Attention}(\mathbf{q}, \mathbf{K}) \times \mathbf{V}",
        7,
    ),
    (
        "... becomes, at full size, a gate between 0 and 1 for every element of the feature.",
        r"\mathbf{Z} = \mathrm{Sigmoid}\big(\mathrm{Conv3d}(\mathbf{R}_{sec};\, "
        r"1\times1\times1)\big) \odot \mathbf{Y}",
        8,
    ),
]

READINGS: dict[str, list[tuple[str, str]]] = {
    "inspect": [("Scores over time", readings.timeline())],
    "compare": [
        ("Best category of each snippet", readings.compared()),
        ("Where they part ways", readings.differences("the first network", "the second one")),
    ],
    "explain": [
        ("Importance over time", readings.importance()),
        ("Maps on the frames", readings.HEAT),
        ("Insertion and deletion", readings.CURVES),
    ],
    "whatif": [("What the prediction hangs on", readings.BLOCK_EFFECTS)],
    "kernels": [
        ("Kernel and triangle", readings.KERNEL),
        ("All blocks", readings.KERNEL_DISTANCES),
    ],
    "dependencies": [
        ("Weights through the network", readings.DEPENDENCY_WEIGHTS),
        ("Gate in space", readings.GATE_MAPS),
        ("Gate over time", readings.GATE_OVER_TIME),
        ("Responses", readings.RESPONSES),
    ],
    "categories": [("Accuracy of every category", dataset.CATEGORIES)],
    "layers": [
        ("Through the network", dataset.LAYERS_SUMMARY),
        ("Category by category", dataset.LAYERS_CURVES),
        ("As a map", dataset.layers_map()),
    ],
    "errors": [("Confusion matrix", dataset.CONFUSIONS)],
    "zoo": [("Accuracy against cost", dataset.ZOO_PAPERS)],
}
"""Page -> figure and how to read it: the sentences that stand below the figures."""

DIFFERENCES = [
    ("Kernel network of DSA", "An MLP with normalisation and ReLU (section 3.2).",
     "What the paper leaves open is as in the authors' code: one MLP for all channels of a block, "
     "no biases; the squeeze and the MLP see the leading βC channels only."),
    ("More snippets than U", "8 clips at test time (section 4.2); how they meet is not said.",
     "Interleaved groups of U = 4, the scores of the groups averaged. The authors' test code "
     "orders a batch by snippet and crop and reads it as crop and snippet, so with three crops it "
     "mixes the two; here it does not."),
    ("Place of SDA in a block", "Plugged into the residual block (section 3).",
     "After the second normalisation and before its ReLU, as in the authors' code."),
    ("Short-range dependencies at full size", "By copying elements (section 3.1).",
     "By copying where the sizes divide, else by adaptive average pooling; a pooled map keeps at "
     "least 2 places along an axis. Both as in the authors' code."),
    ("SDA with 16 frames", "8 and 16 frames (section 4.2).",
     "The authors' code has 8 frames written into it and regroups 16 wrongly; here the number of "
     "frames follows the network."),
    ("Cost", "FLOPs; to go by the figures, normalisation and pooling are counted too.",
     "Multiply-adds of convolutions, linear layers, DSA, SDA and SE: about half a per cent lower."),
    ("Weights and data", "Kinetics, Something-Something, Diving48, EPIC-KITCHENS, ActivityNet.",
     "The papers' weights and data do not come with this tool: the embedded networks are small "
     "and were trained on drawn videos of 25 categories. Other weights can be loaded."),
]
"""Subject, what the paper says, what is done here."""

GLOSSARY = {
    "video": "a file, or a stretch of one.",
    "frames": "decoded pictures with their times.",
    "snippet": "the T frames of one segment; it gives one score vector. A snippet of one frame is "
    "called a frame.",
    "segment": "one of the equal parts of a video from which snippets are taken.",
    "clip": "the U snippets that one forward pass sees together.",
    "view": "one clip and crop at test time; the answers of the views are averaged.",
    "consensus": "how snippet scores become a video score: "
    + "; ".join(dict.fromkeys(SNIPPET_MIXING.values())) + ".",
    "dynamic kernel": "the K of DSA: for every aggregated channel the weights (taps) of the "
    "snippet before, of the snippet itself and of the snippet after.",
    "dependency": "one way in which an SDA block pools its feature and answers: "
    + "; ".join(f"{name}, {text.dependency_meaning(name)}" for name in ("LST", "LT", "LS", "S122"))
    + ".",
    "weights (of dependencies)": "their shares in the gate; with plain averaging all are equal.",
    "gate": "what an SDA block multiplies its feature by, 0 to 1 at every place and frame.",
    "energy": "the mean square of a dependency's response: how much it says, whatever its weight.",
    "familiarity": "how much a video looks like what the weights were trained on.",
    "attribution": "how much each part of the input speaks for a category: "
    + ", ".join(METHOD_NAMES.values()) + ".",
    "run": "one network on every video of a dataset, by one protocol.",
    "protocol": "snippets, frames, stride, crops and sizes: what a number was measured with.",
    "multiply-adds (MACs)": "multiplications with their additions; the papers say FLOPs.",
    "res2 to res5": "the stages of a ResNet; SDA calls them Residual Blocks 1 to 4.",
    "AVG, SEC": "SDA's two ways to join dependencies: averaging, and selecting by attention.",
}


def bare(reading: str) -> str:
    """A reading without the words that it begins with below a figure."""
    said = reading.removeprefix("How to read it: ")
    return said[0].upper() + said[1:]


def differences() -> str:
    """The differences as a Markdown table."""
    rows = [("", "The papers", "Here"), ("---",) * 3]
    rows += [(f"**{subject}**", paper, here) for subject, paper, here in DIFFERENCES]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
