# %% [markdown]
# # The equivariance score
#
# [Run this chapter in Colab](https://colab.research.google.com/github/long-videos-step-by-step/tats-book/blob/main/notebooks/04_equivariance_score.ipynb)
#
# **The question.** Chapter 3 showed that tokens know where in a clip they stand. Can one number say how much they know,
# so that we can compare cures?
#
# **What the paper says.** Appendix A.3 proposes such a number, the *equivariance score* (its Eq. 3), and finds: the
# more padding is removed, the better; with all of it removed the score is 1, at a price; of the paddings that cost
# nothing, replicate is the best, better than reflect and circular. It scores 0.75 and is what TATS uses (Fig.
# 13).
#
# **What you will see.** The score in three lines; our Figure 13, trained and untrained, with seeds; an explorer that
# shows what a padding is made of; where in the encoder most of the damage is done; what each cure costs; two ways to
# fool the score; what the option `--padding_type` of the released code really does; and the decoder, which nobody had
# asked.

# %%
import sys

if "google.colab" in sys.modules:  # Colab starts without the package; its own torch stays as it is
    import subprocess

    package = "tatslib @ git+https://github.com/long-videos-step-by-step/tats-book"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", package], check=True)

# %% [markdown]
# **What it costs.** On two processor cores without a GPU: about 3 minutes and 1.6 GB of memory the first time, in which
# two small tokenizers are trained; under a minute when they are there.

# %%
import numpy as np
import torch

from tatslib import recipes, viz
from tatslib.metrics.equivariance import (
    corruption_by_depth,
    encode_pairs,
    equivariance_score,
    frames_for_pairs,
    real_frames_twin,
    same_tokens,
)
from tatslib.recipes.padding_study import variants
from tatslib.studies import padding, results
from tatslib.training.presets import PRESETS
from tatslib.viz.padding_explorer import padding_pages, stand_in
from tatslib.vqgan.vqgan import VQGANConfig

for name in ("actions/study-zeros", "actions/study-replicate"):
    print(recipes.plan(name))

# %% [markdown]
# ## The score
#
# Encode frames $0 \ldots T-1$ and frames $d \ldots T+d-1$ of a video. The frames that both clips show should give the
# same tokens. The score is the share of those that do:
#
# $$\sum_{i=1}^{t} \sum_{j=0}^{h-1} \sum_{k=0}^{w-1} \frac{\mathbf 1\big([f_\mathcal{E}(\mathbf x_{0:T})]_{i,j,k},\;
# [f_\mathcal{E}(\mathbf x_{d:T+d})]_{i-1,j,k}\big)}{t \times h \times w}.$$
#
# This is Equation 3 as printed, and it does not quite work. There are $t$ latent frames, numbered from 0, so the sum
# over $i$ must end at $t-1$, and $t-1$ latent frames are compared, not $t$. Divided by $t \times h \times w$ a
# perfect encoder of four latent frames would score $3/4$. The paper says that it scores 1, so the intended divisor is
# the number of tokens compared. (Is it a coincidence that replicate scores 0.75? We cannot know. In our own
# runs below everything is divided by what is compared.)


# %%
def score_by_hand(first, second):
    """Eq. 3 with the number of compared tokens below the line."""
    same = first[:, 1:] == second[:, :-1]
    return same.double().mean(dim=(1, 2, 3))


# %%
# NBVAL_CHECK_OUTPUT
first = torch.arange(8).view(1, 4, 1, 2)  # tokens 0..7 of a clip: four latent frames of two tokens
second = torch.tensor([2, 3, 4, 9, 6, 9, 8, 9]).view(1, 4, 1, 2)  # the next clip: two of six tokens have changed
print(
    "by hand",
    round(score_by_hand(first, second).item(), 3),
    " tatslib",
    round(equivariance_score(first, second).item(), 3),
)

# %% [markdown]
# Why a shift by exactly $d$ frames? Because the encoder walks through a clip in steps of $d$: moved by one latent
# frame, the same frames fall into the same groups of four, and a convolution has no reason to answer differently. And
# why is it a *hard* test? Every compared token changes its distance to both edges, and in two of the three
# comparisons one of the two stands *at* an edge: the last latent frame of the first clip, and the first of the
# second. The paper calls these the extreme cases.
#
# The score is also a *blunt* test. It asks whether the nearest code stayed the same, not how far the vector moved. A
# vector in the middle of its cell may be pushed a long way without changing its token; one near a border flips at a
# touch. So a score of 0.7 does not mean that 30 % of the picture is lost. Exercise 3 looks at what the changed tokens
# changed to.
#
# ## Four paddings and real frames
#
# What could stand beyond the last frame? The paper draws the candidates in its Figures 4 and 13. *Zeros*: nothing.
# *Replicate*: the last frame, frozen. *Reflect*: the video, played backwards. *Circular*: its other end. And *real*
# frames, which need no assumption at all, only a longer clip. Here is the same for a clip of ours.

# %%
videos = recipes.get("actions/videos")
films, labels = videos.dataset("test", length=32, resolution=24).clips(0, 64)
film = films[int(torch.where(labels == 0)[0][0])].numpy()  # a bouncing ball: 8 frames, the clip of 16, 8 frames
clip, nothing = film[8:24], np.full_like(film[0], 128)  # zero, in a range from -0.5 to 0.5, is a middle grey
strips = {"real": film}
for name in ("zeros", "reflect", "circular", "replicate"):
    places = [stand_in(name, k, 16) for k in range(-8, 24)]
    strips[name] = np.stack([nothing if k is None else clip[k] for k in places])
viz.show_pictures(
    {
        name: np.concatenate([np.pad(f, ((1, 1), (1, 1), (0, 0))) for f in strip[::2]], axis=1)
        for name, strip in strips.items()
    },
    number="4.1",
    alt="Five strips of 16 frames of a bouncing ball. The middle eight are the clip and the same in all. Beyond it: "
    "the ball as it really moved; grey; the ball moving backwards; frames from the other end; the ball frozen.",
    caption="Every second frame; the clip is the middle half of each strip. Beyond it stands what each padding "
    "assumes. Compare the first frames to the right of the clip with the real ones.",
    columns=1,
    zoom=2,
)

# %% [markdown]
# Rank them before you go on. Reflected frames move like real ones, if in reverse; frozen frames do not move at all.
# Which is nearer to the truth four frames on? And is a whole wrong picture (circular) better than none?
#
# The study trains one tokenizer for each. Everything but the encoder's edges *in time* is the same: data, seed, number
# of steps, the decoder, and the edges in space, so that no difference can come from there. (So these are not Chapter
# 3's two tokenizers. Those were trained longer, and the vanilla one has zeros in space and in the decoder as well.) The
# two that matter most, *zeros* and *replicate*, are trained here and scored before your eyes. The others were trained
# by the same code with `make results`, three times each, and come as numbers.

# %%
NAMES = ("zeros", "reflect", "circular", "replicate")
trained = {name: recipes.get(f"actions/study-{name}").model for name in ("zeros", "replicate")}
trained["real"] = real_frames_twin(trained["replicate"])  # these weights, with real frames in place of copies
scores = {name: padding.score(model, videos) for name, model in trained.items()}

# %%
stored = results.load("equivariance-trained")
print("           stored, three seeds    the paper    this run, one seed")
for name in (*NAMES, "real"):
    paper = {"replicate": "0.75", "real": "1"}.get(name, "")
    print(f"{name:10s} {stored.text(f'{name}/score'):>19s}{paper:>13s}", end="    ")
    row = scores.get(name)
    print(f"{row['score']:.2f} ± {row['over_clips']:.2f} over clips, {row['used_codes']} codes used" if row else "")
print("the fewest codes that any of them uses:", min(min(stored.values(f"{name}/used_codes")) for name in NAMES))

# %%
figure, axes = viz.subplots(height=2.8)
means = {name: stored.mean(f"{name}/score") for name in (*NAMES, "real")}
axes.bar(range(len(means)), means.values(), width=0.6, alpha=0.35)
for place, name in enumerate(means):
    axes.plot([place] * 3, stored.values(f"{name}/score"), "o", color=viz.COLOURS[0], markersize=4)
    if name in scores:
        axes.plot(place + 0.2, scores[name]["score"], "D", color=viz.COLOURS[1], markersize=5)
axes.plot([], [], "o", color=viz.COLOURS[0], markersize=4, label="stored, one dot a seed")
axes.plot([], [], "D", color=viz.COLOURS[1], markersize=5, label="this run")
axes.set(xticks=range(len(means)), xticklabels=means, ylabel="equivariance score", ylim=(0, 1.05))
axes.legend(fontsize="small", loc="upper left")
viz.show_figure(
    figure,
    number="4.2",
    alt="Mean equivariance score over three seeds: " + ", ".join(f"{name} {mean:.2f}" for name, mean in means.items()),
    caption="Which padding keeps tokens from knowing their place? Trained tokenizers of the toy world, three stored "
    "seeds and this run. Compare the distance between dots with the distance between bars.",
)

# %%
print(stored.protocol, "\n\n" + stored.origin())
for name in scores:
    print(stored.check(f"{name}/score", scores[name]["score"]))

# %% [markdown]
# "Real" is exactly 1, and that is no result but a theorem: a convolution without padding does the same everywhere. It
# would be 1 for any weights. (Batch norm in evaluation mode keeps it so. Group norm, the other choice in the released
# code, does not: it averages over the whole clip, so each token depends on every frame.)
#
# The spread over clips is much wider than that over seeds: not every clip is equally hard. Exercise 2 asks which are.
#
# ## What a padding is made of
#
# Pick a padding, a unit of the encoder and a position. The strip shows which frame stands where, the yellow bar what
# the feature there sees, and the last line how far it is from the feature that real frames would have made: for *zeros*
# and *replicate* measured now, for the other two by the study's first seed.

# %%
before, after = trained["real"].config.margins
longer = padding.held_out(videos, before + 16 + after, clips=64)
corruption = {name: [torch.tensor(row) for row in stored.values(f"{name}/corruption")[0]] for name in NAMES}
corruption |= {name: corruption_by_depth(trained[name], longer) for name in ("zeros", "replicate")}
viz.show_flipbook(
    padding_pages(trained["zeros"].config, corruption),
    number="4.3",
    slider=("padding", "unit", "position"),
    zoom=1,
    first=16,  # the end of the encoder
    alt="A strip of frames, with the clip's sixteen framed and the padding around it. A bar marks what one feature "
    f"sees. After the last unit a feature at the first position sees 36 frames; it is off by "
    f"{corruption['zeros'][-1][0]:.0%} with zeros and {corruption['replicate'][-1][0]:.0%} with replicate.",
    caption="The padding explorer. Go to unit 5, the end of the encoder, and move the position: how much of a token "
    "lies beyond the clip does not change. Then change the padding: how wrong it is does.",
)

# %% [markdown]
# This is the reason why a cheap cure can work at all. How *much* of a token is padding follows from the architecture
# and is the same for all four. What matters is how *wrong* the padding is, and a frozen frame is wrong about little:
# the background stands still in either case.
#
# ## Untrained encoders know it already
#
# Does any of this depend on training? Take random weights, let batch norm see some data, take random encoder outputs as
# codes, and measure. It takes seconds, so five seeds are no trouble:

# %%
fresh = results.load("equivariance-untrained")
print("untrained      " + "".join(f"{name:>16s}" for name in (*NAMES, "real")))
for blocks in (1, 2, 3):
    row = [fresh.text(f"depth-{blocks}/{name}") for name in NAMES]
    print(f"{blocks} block(s)/level" + "".join(f"{text:>16s}" for text in row) + f"{'1':>16s}")
print("\n" + fresh.origin())

# %%
config = PRESETS["toy"].vqgan
untrained = {name: padding.score(padding.untrained(variants(config)[name], videos, seed=0), videos) for name in NAMES}
for name, row in untrained.items():
    print(fresh.check(f"{name}/score", row["score"]))

# %% [markdown]
# Zeros come last without any training, so their damage is not something a network learns. It is there from the start.
# More residual blocks a level mean more padded convolutions, and every score falls. The order of the other three,
# however, is not that of the trained encoders: here circular leads, in all five seeds, and reflect is the last of the
# three. We do not know why. Training turns the order round, so a ranking from random weights says little about
# trained ones.
#
# ## Without padding, layer by layer
#
# Real frames are exact, but they have to be there. Is there something in between? The paper's *Padding-Less* family
# leaves out the padding of some units only, so that fewer extra frames are needed. From which end would you begin, if
# you could afford just one unit: where the pixels come in, or where the tokens go out?

# %%
units = len(config.encoder_units)
families = {side: ["zeros"] + [f"{side}-{k}" for k in range(1, units)] + ["real"] for side in ("first", "last")}
figure, axes = viz.subplots(1, 2, height=2.8, sharey=True)
for axis, source, title in zip(axes, (fresh, stored), ("untrained, 5 seeds", "trained, 3 seeds"), strict=True):
    for side, names in families.items():
        values = np.array([source.values(f"{name}/score") for name in names])  # (units + 1, seeds)
        axis.fill_between(range(units + 1), values.min(1), values.max(1), alpha=0.25)
        axis.plot(range(units + 1), values.mean(1), "o-", markersize=4, label=f"the {side} k units")
    axis.set(title=title, xlabel="k of the 5 units without padding", xticks=range(units + 1))
axes[0].set(ylabel="equivariance score", ylim=(0, 1.05))
axes[1].legend()
gain = stored.mean("last-1/score") - stored.mean("zeros/score")
viz.show_figure(
    figure,
    number="4.4",
    alt=f"Score against the number of units without padding. Trained, the last unit alone adds {gain:.2f}; the first "
    f"unit alone changes it by {abs(stored.mean('first-1/score') - stored.mean('zeros/score')):.2f}. Both end at 1.",
    caption="The padding-less family, counted from the input side (first) and from the output side (last). The band is "
    "the range over seeds. Which of the five units does the damage?",
)

# %% [markdown]
# The two curves look like an open-and-shut case: begin at the output, the last residual block seems to do nearly all
# the damage. Read them with care, because they are not mirror images. A unit that reads real frames needs frames to
# read. If the last one does, the clip comes with eight more frames on either side, and these pass through *all*
# units. So `last-1` not only cleans the last unit, it also pushes the zeros of the other four eight frames away from
# the clip.
#
# The other curve isolates the last unit. At $k = 4$ all units but the last are clean, and what is missing there to a
# score of 1, about a quarter, is the work of the last residual block *alone*. It is much, but not all: with zeros
# everywhere more than half is missing. The other big step is from $k = 3$ to $k = 4$, where the second strided
# convolution is cleaned. At $k = 1, 2, 3$, where the first units are clean and the later ones pad, little is gained.
# Zeros near the tokens count most: one of them stands for several frames of video, and little comes after it to average
# it away.
#
# For somebody who builds such a model the practical reading is a different one: eight real frames on either side,
# enough for the last unit, already buy most of the score.
#
# ## What it costs
#
# Fig. 13 has a second axis. Real frames must be decoded, carried along and convolved: for 16 frames of clip our encoder
# asks for 32 more. What does a training step cost, for each of the variants?

# %%
costs = results.load("padding-costs")
print(f"{'':12s}{'extra frames':>13s}{'GFLOP':>9s}{'for backward':>20s}{'time of a step':>17s}{'score, trained':>17s}")
for name in (*NAMES, "first-2", "first-4", "last-1", "last-2", "last-4", "real"):
    row = {key: costs.mean(f"{name}/{key}") for key in ("gflop", "megabytes", "milliseconds")}
    base = costs.mean("zeros/milliseconds")
    extra = sum(variants(config)[name].margins)
    print(
        f"{name:12s}{extra:13d}{row['gflop']:9.1f}{row['megabytes']:17.0f} MB{row['milliseconds'] / base:15.2f} x"
        f"{stored.text(f'{name}/score'):>17s}"
    )
print("\n" + costs.origin())

# %%
figure, axes = viz.subplots(height=3.0)
marked = {"zeros": "o", "reflect": "s", "circular": "^", "replicate": "D", "real": "*"}
for name, marker in marked.items():
    axes.plot(costs.mean(f"{name}/gflop"), stored.mean(f"{name}/score"), marker, markersize=8, label=name)
for side, names in families.items():
    x, y = ([source.mean(f"{n}/{key}") for n in names] for source, key in ((costs, "gflop"), (stored, "score")))
    axes.plot(x, y, linewidth=1, zorder=0, label=f"padding-less, {side} k", linestyle="--" if side == "first" else "-")
axes.set(xlabel="GFLOP of a training step (8 clips)", ylabel="equivariance score", ylim=(0, 1.05))
axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
ratio = costs.mean("real/gflop") / costs.mean("replicate/gflop")
viz.show_figure(
    figure,
    number="4.5",
    alt=f"Score against cost. The four paddings cost the same; replicate scores "
    f"{stored.mean('replicate/score'):.2f}. Real frames score 1 at {ratio:.2f} times the arithmetic. The padding-less "
    "curves lie between.",
    caption="Our Figure 13: what each strategy costs and what it achieves. The paper chose replicate, all the way to "
    "the left. Which point would you choose, and for which model?",
)

# %% [markdown]
# At our size the price is small: only the encoder reads real frames here, and most of the arithmetic is the
# decoder's. It grows in two ways. The paper's encoder has one level more and sees 64 frames instead of 36. And a
# decoder without padding wants real *latent* frames around its own, which want real frames in turn:

# %%
# NBVAL_CHECK_OUTPUT
both_ways, paper = config.replace(padding="valid"), VQGANConfig(padding="valid")
print("extra frames, our encoder:", sum(both_ways.margins), "  encoder and decoder:", sum(both_ways.forward_margins))
print("at the paper's size:      ", sum(paper.margins), "  encoder and decoder:", sum(paper.forward_margins))

# %% [markdown]
# And every video that is shorter than the clip with all its margins drops out of the data set, as Section 2.2 notes.
# Replicate costs nothing and asks for nothing. On the other hand, `last-1` is worth a look whenever a clip can be had a
# little longer.
#
# ## Two ways to fool the score
#
# **Use few codes.** A tokenizer that gives every patch the same token scores a perfect 1. Less extremely: any
# codebook in which fewer codes are used makes it likelier that a disturbed token stays what it was. Watch the score
# of one and the same encoder as we take codes away from it:

# %%
model = trained["zeros"]
clips = padding.held_out(videos, frames_for_pairs(model))
full = encode_pairs(model, clips)
ranking = torch.bincount(full.tokens.flatten(), minlength=512).argsort(descending=True)
everything = model.codebook.embeddings.clone()
for kept in (512, 128, 32, 8, 2):
    model.codebook.embeddings = everything[ranking[:kept]]
    pair = encode_pairs(model, clips)
    print(f"{kept:4d} codes  score {equivariance_score(*pair).mean():.2f}")
model.codebook.embeddings = everything

# %% [markdown]
# So the number of used codes stands beside every score in this book, and scores of codebooks that are used very
# differently should not be compared. **Show still videos**: the second way. A clip in which nothing moves is frozen
# already, and replicate is right about it. Exercise 2 measures how much of replicate's score is owed to that.
#
# ## What `--padding_type` of the released code does
#
# The authors' repository has an option to choose the padding, and one would think that Fig. 13 can be made with it.
# Read closely, it reaches the first convolution and the strided ones. Residual blocks always replicate, and so does the
# decoder. So what does `--padding_type constant` give: something between zeros and replicate?

# %%
rows = {
    "zeros": "zeros everywhere in the encoder",
    "released-zeros": "as released: zeros, but residual blocks replicate",
    "replicate": "replicate",
}
for name, words in rows.items():
    seeds = ", ".join(f"{value:.2f}" for value in stored.values(f"{name}/score"))
    print(f"{words:52s}{stored.text(f'{name}/score')}   seeds {seeds}")
difference, half = stored.difference("released-zeros/score", "zeros/score")
print(f"released - zeros, pairs of one seed: {difference:+.2f} ± {half:.2f} (95 % interval)")

# %% [markdown]
# It stays near zeros. The two convolutions that shrink time still have them, and that is enough to spoil the tokens;
# copies in the residual blocks then spread what is spoilt already. Which of the two ends up lower depends on the
# seed. So the released option does not make the vanilla model that its name suggests, and a reader of its code would
# not guess it, but by this score it makes one that is about as corrupted. The ledger of differences has the
# row.
#
# ## The decoder pads as well
#
# One may wonder why the same latent frame decodes differently inside another window. Here is why: the decoder, too,
# finds nothing beyond its last latent frame and makes something up. Eq. 3 looks at the encoder only, so let us do the
# same experiment on the other side: decode latent frames 0 to 3, and 1 to 4, and compare the twelve frames that both
# show.

# %%
windows = results.load("decoder-windows")
for name in ("zeros", "replicate"):
    equal = 100 * windows.mean(f"{name}/same_pixels")
    grey = windows.text(f"{name}/grey_levels", 1)
    print(f"{name:10s} frames differ by {grey} grey levels (RMS), {equal:.0f} % of the values are equal")
print("\n" + windows.protocol, "\n" + windows.origin())

# %%
figure, axes = viz.subplots(height=2.4)
for name in ("zeros", "replicate"):
    curves = np.array(windows.values(f"{name}/by_frame"))  # (seeds, 12)
    axes.fill_between(range(4, 16), curves.min(0), curves.max(0), alpha=0.25)
    axes.plot(range(4, 16), curves.mean(0), "o-", markersize=4, label=name)
axes.set(xlabel="frame of the first window", ylabel="difference, grey levels", xticks=range(4, 16), ylim=(0, None))
axes.legend()
ends = {name: np.array(windows.values(f"{name}/by_frame")).mean(0)[[0, 5, -1]] for name in ("zeros", "replicate")}
viz.show_figure(
    figure,
    number="4.6",
    alt="Difference between two decodings of the same tokens, by frame. At the first, a middle and the last shared "
    "frame: "
    + "; ".join(f"{name} " + ", ".join(f"{v:.1f}" for v in values) for name, values in ends.items())
    + " grey levels.",
    caption="The same latent frames, decoded inside two windows. Frame 4 is the first of the second window, frame 15 "
    "the last of the first one: there the decoder had padding beside it in one of the two.",
)

# %% [markdown]
# The paper does not discuss this side. The released decoder always replicates, which by the numbers above helps only
# a little; but it decodes a whole video at once, so that there are no seams. It is the other half of what a sliding
# window does: the transformer draws tokens that belong at the end of a clip, and the decoder finds them in the middle
# of a long video. With zeros, tokens of the end and tokens of the middle are different dialects, as Chapter 3 showed,
# and the decoder was taught each in its place.
#
# So a long video is best decoded in one go, as Chapter 0 did, or in windows that overlap by what the decoder sees.
# If a video is decoded in pieces laid end to end, there is a seam at each joint; with zeros it is worse.
#
# ## At a larger scale
#
# Is this a matter of 24 pixels and a minute of training? The same study has a recipe for one data-centre GPU: 64 by 64
# pixels, wider networks, a trembling camera and textured backgrounds, so that a frozen frame is less often right.

# %%
print(results.by_scale("equivariance-trained", [f"{name}/score" for name in (*NAMES, "real")]))

# %% [markdown]
# ## Pitfalls
#
# - **A score without the number of used codes** says little; see above.
# - **A score in training mode.** Batch norm then averages over the clips at hand, and even an encoder without padding
#   scores below 1. Call `eval()` first.
# - **A shift by less than a latent frame.** Eq. 3 moves the clip by $d = 4$ frames. Move it by one and the encoder sees
#   other groups of four; a low score would say nothing about padding.
# - **A score from before the adversaries.** Trained on with those of [Chapter 5](05_adversaries.ipynb), the encoder
#   with copies scores 0.027 ± 0.016 less than after as many steps without them. Theirs are zeros, but judges with
#   copies leave it no higher, as far as three seeds show.
# - **Short clips.** Reflect needs more frames than it mirrors. Eight-frame clips leave two latent frames at the last
#   level, and the config refuses them with a sentence, where the released code would crash inside a layer.
# - **Reading 0.75 as "a quarter of the tokens is broken".** A changed token may be a neighbour of the right one. What
#   changed tokens cost is a question for Chapter 7.
#
# ## Exercises
#
# **1. By position.** Eq. 3 averages over three latent frames. Which of them would you expect to score best with zeros?
# With an encoder that sees 36 frames, is any of them safe?

# %% tags=["hide-cell"]
by_position = {name: row["by_position"] for name, row in scores.items()}
for name in ("reflect", "circular", "released-zeros"):
    by_position[f"{name}, stored"] = np.mean(stored.values(f"{name}/by_position"), axis=0)
for name, row in by_position.items():
    print(f"{name:24s}", " ".join(f"position {k} against {k - 1}: {value:.2f}" for k, value in enumerate(row, 1)))

# %% [markdown]
# The middle comparison pits position 2 against position 1, both inside; the outer two pit an inner position against
# one at an edge. None is safe.
#
# **2. Still videos.** Sort the clips by how much moves in them (mean absolute difference of neighbouring frames).
# What do zeros and replicate score on the stillest and on the liveliest quarter?

# %% tags=["hide-cell"]
clips = padding.held_out(videos, 20)
motion = (clips[:, :, 1:] - clips[:, :, :-1]).abs().mean(dim=(1, 2, 3, 4))
order = motion.argsort()
for name in ("zeros", "replicate"):
    each = equivariance_score(*encode_pairs(trained[name], clips))
    still, lively = each[order[:64]].mean(), each[order[-64:]].mean()
    print(f"{name:10s} stillest quarter {still:.2f}, liveliest quarter {lively:.2f}")

# %% [markdown]
# Stillness is worth something to replicate, as expected. Zeros score *worse* on still clips: a plain grey is wrong
# about the background, too.
#
# **3. Near misses.** When a token changes, is the new code vector close to the old one? Compare the distance between
# old and new code with the distance between two codes drawn at random.

# %% tags=["hide-cell"]
for name in ("zeros", "replicate"):
    model = trained[name]
    pair = encode_pairs(model, clips)
    changed = ~same_tokens(*pair)
    codes = model.codebook.embeddings
    old, new = pair.tokens[:, 1:][changed], pair.shifted[:, :-1][changed]
    moved = (codes[old] - codes[new]).norm(dim=1).mean()
    random = (codes[old] - codes[new[torch.randperm(len(new))]]).norm(dim=1).mean()
    print(f"{name:10s} a changed token moves {moved:.2f}; a random one would move {random:.2f}")

# %% [markdown]
# With zeros a changed token moves less than half as far as a random one would, with copies about a quarter as far: many
# are near misses.
#
# ## Summary
#
# The share of tokens that survive a shift by one latent frame says how much an encoder's tokens know about their
# place in time, provided it stands beside the number of codes in use and the clips are lively. **Can one number
# compare the cures?** It can: zeros come last everywhere, real frames reach 1 at a price, copies of the last frame
# come nearest to them for nothing once the encoder is trained, and zeros in the last two units alone undo nearly all
# that clean units before them could gain.
#
# What remains open is whether a better score makes better long videos. That is what
# [Chapter 7](07_past_the_training_length.ipynb) tests.
