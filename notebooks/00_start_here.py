# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Start here: a long video in minutes
#
# [Run this chapter in Colab](https://colab.research.google.com/github/long-videos-step-by-step/tats-book/blob/main/notebooks/00_start_here.ipynb)
#
# *A model has only ever seen clips of sixteen frames, two thirds of a second each. Can it make a video that is sixty
# times longer, and still know at the end what the video was about?*
#
# The paper that this book teaches says: yes, if two things are right, what a token may know about its place in a
# clip, and how far the model can look back or plan ahead. Its model, TATS, was trained on 16-frame clips of real
# videos and produced videos of 1024 frames (its Figure 1). In this chapter we do the whole thing once, from video
# files on a disk to videos of 1024 frames, on whatever computer you have. No data and no weights are downloaded:
# everything that is used below is drawn and trained while you read.
#
# We go fast and explain only as much as is needed to follow. Each step gets a chapter of its own, where it is taken
# apart, checked by hand, and measured.
#
# **What you will see.** Six kinds of motion, drawn by a program and stored as video files. A *tokenizer* that turns a
# clip into 144 whole numbers and back. A *transformer* that writes such numbers, one after the other. And the trick
# that lets it go on writing after its training length is used up.
#
# **What it costs.** On two processor cores without a GPU: about 6 minutes, 1.4 GB of memory and 100 MB of disk (a
# cache of decoded frames included) the first time; under a minute when you come back, because everything that was
# built is kept.

# %%
import sys

if "google.colab" in sys.modules:  # Colab starts without the package; its own torch stays as it is
    import subprocess

    package = "tatslib @ git+https://github.com/long-videos-step-by-step/tats-book"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", package], check=True)

# %%
import math
import time

import numpy as np
import torch
from einops import rearrange

from tatslib import recipes, viz
from tatslib.metrics.nearest import nearest_real_distance
from tatslib.sampling.filters import Filters
from tatslib.sampling.sliding_window import sample
from tatslib.videos import to_model, to_uint8

# %% [markdown]
# ## The plan and its price
#
# Everything in this book that takes time to make has a name. `recipes.get(name)` hands it over: from the disk if it
# was built before, otherwise it is built now, with all that it needs. `recipes.plan(name)` says beforehand what that
# will take. We want the last link of the chain, a trained transformer, so let us ask for its price first.

# %%
print(recipes.plan("actions/gpt-replicate"))

# %% [markdown]
# Four artefacts, each made from the one above it: **videos**, a **tokenizer** (the paper calls it a VQGAN; ours is
# trained without the adversarial part, which comes in Chapter 5), **tokens**, and a **transformer** (a GPT). The word
# *replicate* in the names belongs to the first of the two things. A tokenizer looks at several frames at once, and at
# the ends of a clip some of them do not exist. Usually zeros are put there; *replicate* repeats the first and the
# last frame instead. It sounds like a detail. The paper finds that it decides whether long videos work at all, and
# Chapter 3 will take that finding apart.
#
# ## Step 1: videos
#
# A toy needs toy data, but toy data need not be toy *files*. A small program draws six motions that never end and
# never exactly repeat, and writes them as encoded `.avi` files in the folder structure of UCF-101, the data set of
# human actions that the paper uses most. The reader that we use below reads both. If you own UCF-101, you change one
# path.

# %%
videos = recipes.get("actions/videos")
files = sorted(videos.folder.rglob("*.avi"))
print(len(files), "files, for example:")
for file in files[:: len(files) // 4][:4]:
    print("  ", file.relative_to(videos.folder), f"{file.stat().st_size / 1000:.0f} kB")

# %% [markdown]
# Training never looks at whole videos. It looks at *clips*: 16 frames, cut from a random place of a random file,
# scaled down to 24 by 24 pixels. Here is the data set, and one clip of each class.

# %%
# NBVAL_CHECK_OUTPUT
train, test = (videos.dataset(split, length=16, resolution=24) for split in ("train", "test"))
clips, labels = train.clips(step=0, batch_size=64)
print("a batch of clips:", tuple(clips.shape), clips.dtype)
print("classes:", ", ".join(train.classes))

# %%
first_of_class = [int(torch.where(labels == label)[0][0]) for label in range(6)]
viz.show_videos(
    {name: clips[i].numpy() for name, i in zip(train.classes, first_of_class, strict=True)},
    number="0.1",
    alt="Six small videos of 16 frames: a bouncing ball, a figure doing jumping jacks, a moon that circles a planet, "
    "a ring that grows and shrinks, a spinning bar, a swinging pendulum.",
    caption="What the model learns from: one training clip of each class, 16 frames of 24 by 24 pixels. This is all "
    "it ever sees at once. A whole swing of the pendulum takes about 33 frames, twice the length of a clip.",
    columns=3,
)

# %% [markdown]
# Look at Figure 0.1 again with the question of this chapter in mind. No clip holds a whole swing of the pendulum.
# Whatever the model will know about a full period, it has to piece together from halves.
#
# ## Step 2: from video to tokens
#
# A clip has $16 \times 24 \times 24 \times 3 = 27{,}648$ numbers. A transformer that reads one number after the other
# would drown in them. So a first network, the tokenizer, shortens the clip: every block of 4 frames by 4 by 4 pixels
# becomes *one* whole number, an index into a table of 512 learned vectors, the *codebook*. A second network turns a
# grid of indices back into a clip. The two are trained together to lose as little as possible.
#
# How much is lost is told in decibels, the *peak signal-to-noise ratio* (PSNR): every 10 dB more mean a tenth of the
# squared error. At 20 dB a pixel is off by a tenth of the whole range, roughly speaking; at 30 dB by a thirtieth.
#
# Before you run the next cell, make a guess. After the compression one index stands for 192 numbers (4 frames by 4 by
# 4 pixels by 3 colours), and there are only 512 different indices. Which would you expect to survive: colour,
# position, shape, sharp edges?

# %%
vqgan = recipes.get("actions/vqgan-replicate")
print(f"reconstruction of held-out clips: {vqgan.scores['psnr']:.1f} dB (PSNR)")
print(f"codes in use: {vqgan.scores['used_codes']:.0%} of {vqgan.model.config.codes}")

# %%
held_out, held_out_labels = test.clips(step=0, batch_size=64)
chosen = [int(torch.where(held_out_labels == label)[0][0]) for label in range(6)]
with torch.inference_mode():
    tokens = vqgan.model.encode(to_model(held_out[chosen]))  # (6, 4, 6, 6)
    rebuilt = to_uint8(vqgan.model.decode(tokens))  # (6, 16, 24, 24, 3)
pairs = np.concatenate([held_out[chosen].numpy(), rebuilt], axis=2)  # original above reconstruction
viz.show_videos(
    {name: pair for name, pair in zip(train.classes, pairs, strict=True)},
    number="0.2",
    alt="Six videos, each with the original clip above and its reconstruction from tokens below, at "
    f"{vqgan.scores['psnr']:.1f} dB. Edges are softer in the reconstruction.",
    caption="Held-out clips (top) and what is left of them after they have been turned into 144 tokens and back "
    "(bottom). Look at the thin parts: limbs, the rod of the pendulum.",
    columns=6,
    width=104,
)

# %% [markdown]
# Did position, shape and colour survive? Do edges? Whatever is lost here is lost for good: the transformer never sees
# anything but the tokens. And this is what a clip looks like to the transformer, for the pendulum: four *latent
# frames* of 6 by 6 indices.

# %%
print("tokens of one clip:", tuple(tokens[5].shape), "=", tokens[5].numel(), "numbers")
print(tokens[5, 0].numpy(), "... and three more such squares")

# %% [markdown]
# One might expect a plain background to be one index over and over. Some indices do come back, but a token also knows
# a little about its neighbourhood. How such a table is learned, although "nearest entry of a table" has no gradient,
# is the subject of Chapter 2. And how long did it take to learn? Every run keeps its log.

# %%
figure, axes = viz.subplots(1, 1, height=2.6)
steps = [entry["step"] for entry in vqgan.log]
axes.plot(steps, [entry["l1"] for entry in vqgan.log], linewidth=1)
start = vqgan.training.warmup_without_codes
axes.axvline(start, linestyle=":", color="gray")
axes.annotate("codebook starts", (start, axes.get_ylim()[1] * 0.8), xytext=(6, 0), textcoords="offset points")
axes.set(xlabel="training step (8 clips each)", ylabel="mean absolute error", ylim=(0, None))
viz.show_figure(
    figure,
    number="0.3",
    alt="The reconstruction error falls steeply within the first 50 steps and slowly from then on. At step 80, where "
    "the codebook starts, the curve hardly changes.",
    caption="How the tokenizer learns. For the first 80 steps it is an ordinary autoencoder; then its latent vectors "
    "have to snap to the codebook. Would you find the place without the dotted line? The codes start as outputs of "
    "the encoder itself, so little is lost at first.",
)

# %% [markdown]
# ## Step 3: a language model for video
#
# Written in reading order, latent frame by latent frame, a clip is a sentence of 144 words from a vocabulary of 512.
# Predicting the next word of a sentence is what language models do, and a GPT does not care that its words are pieces
# of a pendulum. It learns the probability of each token given all tokens before it,
#
# $$p(\mathbf z \mid c) = \prod_{i} p(z_i \mid c, z_0, \ldots, z_{i-1}),$$
#
# by making the tokens of real clips as likely as it can. The sentence starts with one extra word $c$ that says which
# class the clip belongs to. The paper does the same for UCF-101 and finds that it helps a lot (its Table 1).

# %%
tokens_of = recipes.get("actions/tokens-replicate")
print(len(tokens_of.train), "tokenised clips to train on,", len(tokens_of.test), "held out")

# %%
transformer = recipes.get("actions/gpt-replicate")
size = sum(parameter.numel() for parameter in transformer.model.parameters())
print(f"a transformer with {size / 1e6:.2f} million parameters")
print(f"held-out tokens cost {transformer.scores['nll']:.2f} nats each; guessing would cost {math.log(512):.2f}")

# %% [markdown]
# A cost of $n$ nats means: the model was as unsure as if it had to choose among $e^n$ equally likely tokens. Guessing
# blindly, that would be 512 tokens. After training it is a handful. Some of what remains cannot be known by anyone:
# which colour a video has and where in its swing it starts is up to chance, and the first tokens of a clip have to
# bear that.

# %%
figure, axes = viz.subplots(1, 1, height=2.6)
losses = np.array([entry["loss/gpt"] for entry in transformer.log])
axes.plot(
    np.arange(20, len(losses) + 1),
    np.convolve(losses, np.ones(20) / 20, mode="valid"),
    linewidth=1.2,
    label="training, mean of 20 steps",
)
axes.axhline(transformer.scores["nll"], linestyle="--", label="held-out clips, at the end")
axes.set(xlabel="training step (16 clips each)", ylabel="nats per token", ylim=(0, None))
axes.legend()
viz.show_figure(
    figure,
    number="0.4",
    alt=f"The training loss falls from {losses[:5].mean():.1f} to {losses[-100:].mean():.2f} nats a token, fast at "
    f"first and then ever slower; held-out clips cost {transformer.scores['nll']:.2f} at the end.",
    caption="How the transformer learns. The gap between the curve and the dashed line shows that it fits the clips it "
    "was trained on better than new ones.",
)

# %% [markdown]
# ## Step 4: past the end
#
# Now let it write. For the first 16 frames, four latent frames, this is plain: give the class, draw a token, append
# it, draw the next, 144 times. But then the sentence is full. The model has learned positions 0 to 143 and nothing
# beyond, so there is no position for token 144.
#
# The way out is a *sliding window*, known from language models, which the paper takes over (Section 2.1). Keep the
# last three latent frames, drop everything before, and pretend that they are the *first* three of a new clip. There
# is room for a fourth. Draw it, slide on, and so forth, as long as you like:
#
# $$p(\mathbf z^{(t)} \mid c, \mathbf z^{(1)}, \ldots, \mathbf z^{(t-1)}),$$
#
# where $\mathbf z^{(j)}$ is the $j$-th latent frame, counted from 0, and a clip has $t = 4$ of them. The class word
# $c$ stays in front of every window, so the class cannot slide out; everything else can. The pretence is harmless
# only if three latent frames from the *middle* of a video look like three from the *beginning* of a clip. Whether
# they do is decided by the tokenizer. That is the finding of the paper, and the reason for the word *replicate*.
#
# In code, the whole of it fits in one short loop. This is not how the package does it (it remembers what it has read
# instead of reading it anew for every token), but it is what it computes.


# %%
@torch.inference_mode()
def write_slowly(model, label, latent_frames, noise):
    """Sliding window by hand: int64 (latent_frames * 36,) video tokens; noise decides every draw."""
    condition, video, offset = torch.tensor([[label]]), [], model.config.condition_codes
    for index in range(latent_frames * 36):
        start = max(0, index // 36 - 3) * 36  # the window begins three latent frames before this one
        window = torch.tensor([video[start:]], dtype=torch.int64) + offset
        logits = model(torch.cat([condition, window], dim=1))[0, -1, offset:]
        video.append(int((logits.softmax(-1) / noise[index, 0]).argmax()))
    return torch.tensor(video)


# %% [markdown]
# The last line but one draws a token: dividing probabilities by random numbers from an exponential distribution and
# taking the largest is the same as throwing a die with those probabilities, and it lets us use the same luck twice.
# Does the package's fast sampler, with the same luck, write the same tokens?

# %%
# NBVAL_CHECK_OUTPUT
noise = torch.empty(6 * 36, 1, transformer.model.config.codes)
noise.exponential_(generator=torch.Generator().manual_seed(0))
by_hand = write_slowly(transformer.model, label=5, latent_frames=6, noise=noise)
fast = sample(transformer.model, torch.tensor([[5]]), latent_frames=6, noise=noise, progress=False)
print("tokens that agree:", int((by_hand == rearrange(fast[0], "f h w -> (f h w)")).sum()), "of", by_hand.numel())

# %% [markdown]
# They agree, also in the fifth and sixth latent frame, where the window has moved. A test in the repository proves
# the same for all kinds of windows and conditions. So we can trust the fast one with the long job: six videos, one of
# each class, 1024 frames, that is 256 latent frames or 9,216 tokens each. `top_p=0.8` means: at every step, only the
# likeliest tokens that together hold 80 % of the probability may be drawn. It keeps rare mistakes from piling up, and
# it is the paper's setting (B.2).

# %%
started = time.perf_counter()
long_tokens = sample(transformer.model, torch.arange(6)[:, None], latent_frames=256, filters=Filters(top_p=0.8), seed=1)
print(f"{long_tokens.numel():,} tokens in {time.perf_counter() - started:.0f} s")

# %% [markdown]
# The tokenizer's decoder was trained on four latent frames and now gets 256. It can, because it is made of
# convolutions: they do the same at every place, however many places there are.

# %%
with torch.inference_mode():
    long_videos = [to_uint8(vqgan.model.decode(tokens[None]))[0] for tokens in long_tokens]
print(len(long_videos), "videos of shape", long_videos[0].shape)

# %% [markdown]
# Before you look at the names, a test. Figure 0.5 shows the first 256 frames of all six, 16 times as long as a
# training clip, in a shuffled order and without labels. Can you tell which is which?

# %%
order = np.random.default_rng(3).permutation(6)
viz.show_videos(
    {f"video {place}": long_videos[label][:256] for place, label in enumerate(order)},
    number="0.5",
    alt="Six generated videos of 256 frames without labels, one of each class of Figure 0.1, in shuffled order. "
    "Outlines wobble; a colour can change on the way, and a small part, such as the moon, can vanish and come back.",
    caption="Six generated videos, 256 frames each: 16 times the length of a training clip. Which class is which? "
    "The next cell knows.",
    fps=16,
    zoom=2,
    columns=3,
)

# %% tags=["hide-cell"]
for place, label in enumerate(order):
    print(f"video {place}: {train.classes[label]}")

# %% [markdown]
# And here is our counterpart of the paper's Figure 1: two videos of 1024 frames, looked at every 64 frames.

# %%
strips = {
    train.classes[label]: np.concatenate(list(long_videos[label][::64]), axis=1) for label in (5, 1)
}  # 16 frames side by side
viz.show_pictures(
    strips,
    number="0.6",
    alt="Two strips of sixteen frames each, from frame 0 to frame 960: a generated pendulum and a generated figure.",
    caption="Long videos generated by our model with 1024 frames (compare Figure 1 of the paper): every 64th frame of "
    "a pendulum and of a jumping figure. What stays, what changes?",
    columns=1,
    zoom=2,
)

# %% [markdown]
# ## Is it any good? A crude ruler
#
# Looking is necessary, but eyes are generous. Let us measure something. We cut the long videos into windows of 16
# frames, as the paper does (Section 3.3), and ask of each window: how far is the nearest of 2,000 real training
# clips? The distance is the root-mean-square difference in grey levels. On its own the number says little. So we ask
# the same of clips that *nobody generated*: held-out real clips of the same class, sent once through the tokenizer,
# because blur alone changes the distance. That is what a perfect transformer on this tokenizer would score.
#
# Two predictions are possible. If errors pile up, the distance should climb along the video. If the model stays
# within what it knows, it should stay level.


# %%
def through_tokenizer(clips):
    """Real clips with the blur of the tokenizer and nothing else done to them."""
    with torch.inference_mode():
        return to_uint8(vqgan.model.decode(vqgan.model.encode(to_model(clips))))


real = np.concatenate([train.clips(step, 250)[0].numpy() for step in range(8)])  # (2000, 16, 24, 24, 3)
reference, reference_labels = test.clips(step=1, batch_size=384)
reference_distance = nearest_real_distance(through_tokenizer(reference), real)
windows = rearrange(np.stack(long_videos), "v (n t) h w c -> (v n) t h w c", t=16)  # (6 * 64, ...)
distances = nearest_real_distance(windows, real).reshape(6, 64)

# %%
print(f"{'':18s}  window 0   first quarter    last quarter   held-out real (clips)")
drifted = []
for label, (name, row) in enumerate(zip(train.classes, distances, strict=True)):
    same = reference_distance[reference_labels.numpy() == label]
    early, late = row[:16], row[-16:]
    early_text, late_text, same_text = (f"{x.mean():5.1f} ± {x.std():4.1f}" for x in (early, late, same))
    print(f"{name:18s}  {row[0]:8.1f}  {early_text:>14s}  {late_text:>14s}   {same_text} ({len(same)})")
    if late.mean() - early.mean() > max(early.std(), late.std()):
        drifted.append(name)
print("last quarter above the first by more than a spread:", ", ".join(drifted) or "no class")

# %%
figure, axes = viz.subplots(1, 1, height=3.0)
for name, row in zip(train.classes, distances, strict=True):
    axes.plot(16 * np.arange(64), row, linewidth=1, label=name)
low, high = np.quantile(reference_distance, [0.1, 0.9])
axes.axhspan(low, high, alpha=0.2, color="gray", label="held-out real, 10 to 90 %")
axes.set(xlabel="frame", ylabel="distance to nearest real clip", ylim=(0, None))
axes.legend(ncols=3, fontsize="small")
change = distances[:, -16:].mean() - distances[:, :16].mean()
viz.show_figure(
    figure,
    number="0.7",
    alt=f"Six lines, one for each generated video, over 1024 frames, beside the range of held-out real clips, "
    f"{low:.0f} to {high:.0f} grey levels. From the first to the last quarter their mean changes by {change:+.1f}.",
    caption="How far each window of 16 frames is from the nearest real clip. One video a class and one seed: enough to "
    "see whether pictures fall apart, not enough to compare methods. Chapter 7 will do that.",
)

# %% [markdown]
# Window 0 is the only one inside the training length; all others are past it. If a class stands higher in its first
# quarter than in window 0, it lost something soon after the sliding began; if higher in its last quarter than in its
# first, it went on losing. The last column says how much of a distance is not the transformer's fault.
#
# Read Figure 0.7 with care. A ruler measures what it measures. This one would notice pictures that dissolve into
# noise. It does not know what a moon is: a planet whose moon has vanished looks to it almost like a planet with one.
# And it is one video of each class from one training run, so it cannot show that one class is easier than another, or
# that our padding is better than another one. For such sentences this book will use several seeds, a protocol that
# was fixed beforehand, and error bars.
#
# You will also have seen what is wrong. Shapes wobble, because the tokenizer is small. Now and then a thing changes
# its colour or loses a part. One unlucky draw is enough: the window holds only 12 frames of the past, and once the
# old colour has left it, nothing calls it back. Memory is the second thing that has to be right, and the second half
# of the book is about it: a sparse transformer that plans ahead and an interpolation transformer that fills in
# (Chapter 8), and conditions that remind the model of what it is telling (Chapter 9).
#
# ## What was different from the paper
#
# | | the paper (Section 3.1, B.2) | this chapter |
# |---|---|---|
# | videos | 9,537 of UCF-101 | toy motions in the same files and folders |
# | frames | 128 by 128 pixels | 24 by 24 pixels |
# | tokens of 16 frames | 4 by 16 by 16, from 16,384 codes | 4 by 6 by 6, from 512 codes |
# | transformer | 24 layers, 1024 wide | 4 layers, 128 wide |
# | training | 8 GPUs, 57 hours and 10 days | 2 processor cores, minutes |
# | adversaries, perceptual loss | yes | not yet |
# | sliding window | three latent frames of context | three latent frames of context |
#
# Ours also begins without the codebook for some steps, re-seeds codes that fall out of use (the paper uses no
# restart), adds a squared error to the absolute one, and lets the learning rate fall. These help a small model on few
# steps. All of it is settings: the same code holds the paper's column as a preset, and the adversaries are still to
# come.
#
# ## Pitfalls
#
# - **More context than the window holds.** The window has four latent frames, so at most three can be context. Ask
#   for four and `sample` answers with a sentence, not with a strange video.
# - **Decoding in pieces.** Tokens mean something only beside their neighbours. If you decode a long video in separate
#   pieces and glue the frames together, the seams may show. We decoded all 256 latent frames in one go.
# - **Judging from one sample.** Change the seed before you believe anything.
# - **Reconstructions of training clips** flatter a tokenizer that remembers them. The clips in Figure 0.2 are from
#   the test split.
#
# ## Exercises
#
# **1. Less luck.** Sample 128 frames of the pendulum with `temperature=0.5`, and with no filter at all. What happens
# to the motion in each case?

# %% tags=["hide-cell"]
pendulum = torch.full((1, 1), 5)
settings = {"temperature 0.5": Filters(temperature=0.5), "no filter": Filters(), "top_p 0.8": Filters(top_p=0.8)}
with torch.inference_mode():
    results = {
        name: to_uint8(vqgan.model.decode(sample(transformer.model, pendulum, 32, filters, seed=2, progress=False)))[0]
        for name, filters in settings.items()
    }
viz.show_videos(
    results,
    number="0.8",
    alt="Three generated pendulums of 128 frames: at temperature 0.5, without a filter, and with top-p 0.8.",
    caption="Exercise 1. A low temperature prefers whatever is most likely; without a filter, unlikely tokens get in, "
    "and the model has to live with the specks. Which of the three swings most evenly? Does another seed agree?",
    fps=16,
)

# %% [markdown]
# **2. A shorter memory.** The authors' script keeps only *one* latent frame as context, not three. Try
# `context_frames=1`. Four frames show where the pendulum is. Do they show which way it is going?

# %% tags=["hide-cell"]
with torch.inference_mode():
    results = {}
    for context in (3, 1):
        drawn = sample(
            transformer.model, pendulum, 32, Filters(top_p=0.8), context_frames=context, seed=2, progress=False
        )
        results[f"{context} latent frames of context"] = to_uint8(vqgan.model.decode(drawn))[0]
viz.show_videos(
    results,
    number="0.9",
    alt="Two generated pendulums of 128 frames, with three and with one latent frame of context.",
    caption="Exercise 2. One latent frame covers four frames: some motion is visible in it, but far less than in "
    "twelve. Chapter 7 will measure the difference over several seeds.",
    fps=16,
)

# %% [markdown]
# **3. How many different frames?** The paper notes that none of its 1024 frames is repeated exactly. Count the
# distinct frames, and the distinct latent frames, in one of ours.

# %% tags=["hide-cell"]
frames = {frame.tobytes() for frame in long_videos[5]}
latent = {tuple(frame.flatten().tolist()) for frame in long_tokens[5]}
print(f"{len(frames)} of 1024 frames and {len(latent)} of 256 latent frames of the pendulum are distinct")

# %% [markdown]
# ## Summary
#
# A tokenizer turns a clip into a short sentence of whole numbers, a transformer learns the language, and a sliding
# window lets it go on after the end of its training length. **Can a model that has only seen two thirds of a second
# make a video that is sixty times longer?** Ours did, and the class word kept it to its subject; but what the window
# forgets is lost. Why it works at all, says the paper, is that tokens from the middle of a video look like those from
# the beginning of a clip, and Chapter 3 will test that.
#
# Where to go from here: [Chapter 1](01_videos_as_data.ipynb) looks at videos as data, and at everything that can be
# wrong with a file.
