# %% [markdown]
# # A tour of DSANet Lens
#
# Every figure of the app is a function of a record, and every record comes from one call. This tour
# runs from the repository's root on the embedded networks: `python docs/tour.py`. The page
# [tour.md](tour.md) is what it shows, made by `python -m tools.tour`.

# %% [markdown]
# ## A video and what a network says of it
#
# The video is drawn by the embedded benchmark (any file path does as well). Its category can only
# be told by the order of what happens.

# %%
from pathlib import Path
from tempfile import mkdtemp

import dsanet_core as dc
from dsanet_core import synthetic
from dsanet_core.video import encode_h264

label = synthetic.CATEGORIES.index("Moving something left, then back to the right")
video = Path(mkdtemp()) / "video.mp4"
encode_h264(synthetic.make_video(99, label, size=(144, 144)).rgb, fps=16, path=video)

dsa = dc.load_model("dsa_i3d_synth")
analysis = dc.analyze(video, dsa)
for category, probability in analysis.top(3):
    print(f"{probability:7.1%}  {category}")
print(analysis.protocol.describe())

# %%
followed = [analysis.model.classes.index(category) for category, _ in analysis.top(3)]
dc.figures.snippet_timeline(analysis, followed)

# %% [markdown]
# ## The same video under a network that averages
#
# `i3d_synth` sees the same snippets, scores each on its own and averages.

# %%
averaging = dc.analyze(video, "i3d_synth")
dc.figures.compare_snippets(analysis, averaging, synthetic.CATEGORIES[label])

# %%
dc.figures.disagreement(analysis, averaging)

# %% [markdown]
# ## The dynamic kernels of DSA
#
# What a block takes from the snippet before, from the snippet itself and from the snippet after.

# %%
dc.figures.kernel_heatmap(analysis.kernels[-1])

# %%
dc.figures.kernel_distances(analysis)

# %% [markdown]
# ## The dependencies of SDA

# %%
selecting = dc.analyze(video, "sda_tsn_synth")
dc.figures.dependency_weights(selecting)

# %%
chosen = max(selecting.selections, key=lambda block: block.gate_change.mean())
print(f"Selecting changes the gate of {chosen.block} most, by {chosen.gate_change.mean():.3f}")
dc.figures.gate_over_time(selecting, chosen)

# %% [markdown]
# ## Why: what spoke for the answer
#
# Grad-CAM, on the last convolution of the network; blue speaks for the category, orange against it.

# %%
why = dc.attribute(video, dsa, "grad_cam")
dc.figures.importance(analysis, why)

# %%
dc.figures.heat_strip(analysis, why, most=dc.figures.heat_limit([why]))

# %% [markdown]
# ## What if
#
# The second half of the snippets, then the first: what happens is now the other way round.
# A network that only averaged could not notice.

# %%
swapped = dc.what_if(video, dsa, [dc.parse_change("swap_halves")])
for answer in (analysis, swapped):
    print(f"{'; '.join(answer.changes) or 'as it is'}: {answer.top(1)[0][0]}")

# %% [markdown]
# Which block the answer hangs on: each made neutral in turn.

# %%
effects = dc.rank_blocks(video, dsa)
dc.figures.block_effects(effects, analysis.model.classes)

# %% [markdown]
# ## A whole dataset: the papers' Figures 4 and 5
#
# The runs of the embedded networks come with the repository. Categories that gain most by selecting
# dependencies (SDA, Figure 4), with the attention weights beside:

# %%
def embedded_run(model):
    folders = Path("checkpoints/runs").glob(f"{model}-synth-*")
    return dc.load_run(min(folders) / "summary.parquet")


run = embedded_run("sda_tsn_synth")
table = dc.figures.compare_categories([embedded_run("tsn_synth"), run], weights_of=1)
dc.figures.category_accuracy(table, dc.figures.most_improved(table.rows, 8))

# %% [markdown]
# Attention weights through the layers, over all videos (SDA, Figure 5):

# %%
group_of = {name: group for group, names in run.groups.items() for name in names}
layers = dc.figures.layer_table(run, run.selections, [group_of[name] for name in run.classes])
dc.figures.layer_summary(dc.figures.all_videos(layers))

# %% [markdown]
# ## All of it as one file
#
# A report opens without a network; `python -m dsanet_core report VIDEO` writes the same.

# %%
report = dc.write_report(
    video.with_name("report.html"), [analysis], attributions=[why], effects=effects
)
print(report.name, f"{report.stat().st_size / 1e6:.0f} MB")
