# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # A transformer over video tokens
#
# [Run this chapter in Colab](https://colab.research.google.com/github/long-videos-step-by-step/tats-book/blob/main/notebooks/06_a_transformer_over_video_tokens.ipynb)
#
# **The question.** Nobody can say for certain what comes next in a video. How does a machine that always has to say it
# learn to make one?
#
# **What the paper says.** Section 2.1 unrolls the tokens of a clip "using the row-major order frame by frame" and
# trains a transformer to say, of each token, how likely it is after those before it:
#
# $$p(\mathbf z) = p(\mathbf z_0) \prod_{i=0}^{t \cdot h \cdot w - 1} p(\mathbf z_{i+1} \mid \mathbf z_{0:i}), \qquad
#   \mathcal L_{\mathrm{transformer}} = \mathbb E\,[-\log p(\mathbf z)].$$
#
# The paper's has 24 layers, 16 heads and a width of 1024 (B.2). A video is then drawn token by token, from the 2048
# likeliest at most and from no more of them than hold 80 % of the probability.
#
# **What you will see.** A clip as a sentence of 144 words. What a nat is, and who can predict video tokens how well. A
# GPT from scratch that gives the same numbers as the book's. What it looks at, what it finds hard, and what it has
# merely learned by heart. Then the drawing: what temperature, top-k and top-p do to real distributions and to videos,
# and a memory that makes it faster without changing a single token.
#
# **What it costs.** On two processor cores without a GPU: about 8 minutes and 1.6 GB of memory the first time, nearly
# all of it for a tokenizer, a transformer and a classifier that other chapters use as well; about a minute when they
# are there.

# %%
import sys

if "google.colab" in sys.modules:  # Colab starts without the package; its own torch stays as it is
    import subprocess

    package = "tatslib @ git+https://github.com/long-videos-step-by-step/tats-book"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", package], check=True)

# %%
import math
import textwrap
import time

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from tatslib import recipes, viz
from tatslib.errors import UserError
from tatslib.metrics.features import classify
from tatslib.sampling.filters import Filters, exponential_noise
from tatslib.sampling.sliding_window import sample
from tatslib.studies import draws, likelihood, results
from tatslib.training.presets import PRESETS
from tatslib.transformer.gpt import GPT, GPTConfig
from tatslib.transformer.masks import AttentionMask, causal_mask
from tatslib.videos import tile, to_uint8

# %%
for name in ("actions/gpt-replicate", "actions/classifier"):
    print(recipes.plan(name))

# %%
tokens, trained = recipes.get("actions/tokens-replicate"), recipes.get("actions/gpt-replicate")
gpt, vqgan = trained.model, recipes.get("actions/vqgan-replicate").model
clips, labels = tokens.test.tokens.long(), tokens.test.labels  # held out: (256, 4, 6, 6), (256,)
classes, K, offset = tokens.test.index.classes, gpt.config.codes, gpt.config.condition_codes
print(f"{len(clips)} held-out clips, {K} codes, {offset} class words")

# %% [markdown]
# ## A clip is a sentence
#
# The tokenizer has turned a clip into a grid of $4 \times 6 \times 6$ codes ([Chapter
# 2](02_from_video_to_tokens.ipynb)). A sentence needs an order, and the paper takes that of reading: the first latent
# frame row by row, then the second, and so forth. In front stands one more word, the class. It needs a number that no
# code has. So the six classes are words 0 to 5, and every code moves up by six: this is the *offset*, and the released
# checkpoints have it, too.


# %%
def sentence(clip, label):
    """Class word, then the codes in reading order, each moved up by the number of class words."""
    words = [int(label)]
    for frame in clip:
        for row in frame:
            words += [int(code) + offset for code in row]
    return torch.tensor(words)


pendulum = int(torch.where(labels == 5)[0][0])
words = sentence(clips[pendulum], labels[pendulum])
print(len(words), "words, the first ten:", words[:10].tolist())
sentences = torch.cat([labels[:, None], clips.flatten(1) + offset], dim=1)  # all at once: (256, 145)
print("the same in one line:", torch.equal(words, sentences[pendulum]))

# %%
with torch.inference_mode():
    video = to_uint8(vqgan.decode(clips[pendulum : pendulum + 1]))[0]  # (16, 24, 24, 3)
figure, axes = viz.subplots(1, 4, height=2.1)
for frame, axis in enumerate(axes):
    axis.imshow(video[4 * frame + 1], extent=(0, 6, 6, 0), alpha=0.45)
    for place in range(36):
        axis.text(place % 6 + 0.5, place // 6 + 0.5, 1 + 36 * frame + place, ha="center", va="center", fontsize=6.5)
    axis.set(xticks=range(7), yticks=range(7), title=f"latent frame {frame}")
    axis.tick_params(length=0, labelbottom=False, labelleft=False)
viz.show_figure(
    figure,
    number="6.1",
    alt="Four frames of a pendulum under a grid of 6 by 6 cells. They are numbered row by row, from 1 to 36 in the "
    "first latent frame, up to 144 in the last.",
    caption="Where each word of a sentence stands. Word 0, the class, is nowhere. Find the word right above number "
    "100, and the one at its place a latent frame earlier: how far back are they in the sentence?",
)

# %% [markdown]
# Neighbours in the picture are not neighbours in the sentence. The cell to the left is one word back, the cell above 6
# words, the same place a latent frame earlier 36. (In the paper's grid these are 16 and 256.) Nobody tells the
# transformer; it has to find out.
#
# ## What a nat is
#
# A chain of conditional probabilities can express *any* distribution, and in any order of words: it is the chain rule,
# no assumption is in it. All that can go wrong is the guess at each link. A guess is a whole distribution over the
# words, and it is paid by the surprise, $-\ln p$ of the word that comes: 0 nats if that had been certain, and $\ln n$
# if it was one of $n$ equally likely ones. The surprise of a clip is the sum of those of its words, because
# probabilities multiply.
#
# Before we look at what a transformer pays, who else could guess? Put these four in order:
#
# - *uniform*: each of the 512 codes alike;
# - *frequency*: as often as it occurs in training;
# - *copy*: what stands at this place one latent frame before, with a fixed probability, else by frequency;
# - *table*: look up what has followed *that* token at the same place, one latent frame later, in training.

# %%
train = tokens.train.tokens.long()
frequency = (train.flatten().bincount(minlength=K) + 1.0) / (train.numel() + K)
before, now = clips[:, :-1], clips[:, 1:]  # all guess at the same tokens: latent frames 1 to 3
stays = (train[:, 1:] == train[:, :-1]).float().mean()
table = torch.zeros(K, K).index_put_((train[:, :-1], train[:, 1:]), torch.ones(()), accumulate=True) + 10 * frequency
table /= table.sum(1, keepdim=True)
cost = likelihood.nats(gpt, clips, labels)  # (256, 4, 6, 6): the transformer
print(f"tokens that stay the same in the next latent frame: {stays:.0%}")

# %%
guesses = {
    "uniform": torch.full(now.shape, 1 / K),
    "frequency": frequency[now],
    "copy": stays * (now == before) + (1 - stays) * frequency[now],
    "table": table[before, now],
    "transformer": (-cost[:, 1:]).exp(),
    "copy, and nothing else": (now == before).float(),
}
for name, p in guesses.items():
    nats = -p.log().mean()
    print(f"{name:24s}{nats:6.2f} nats a token: as unsure as among {nats.exp():5.1f}")

# %% [markdown]
# Frequencies hardly help: a well-used codebook has no favourites, which is a virtue of the codebook. To copy helps
# less than one might think. About three tokens in four change from one latent frame to the next, even where little
# moves, because a token knows of its neighbours and of what its frames are about to do. So the table, which has learned
# *which* tokens take turns, is far ahead, and the transformer is as far ahead of the table again.
#
# The last line is a lesson of its own. Who says "certainly" and errs once pays infinitely. A good guess is never quite
# sure.
#
# ## A GPT from scratch
#
# How does the transformer combine what it has read? By *attention*. Every word, by now a vector of $D$ numbers, asks a
# question of all words before it: *query* against *key* gives a score, the scores become shares, and the answer is a
# mean of *values* with these shares:
#
# $$\mathrm{shares} = \mathrm{softmax}\big(Q K^\top / \sqrt d + M\big), \qquad M_{ij} = 0 \text{ for } j \le i,
#   \text{ else } -\infty .$$
#
# One *head* does this with $d$ numbers a word. Here is one, with the weights of the trained transformer's first layer
# put in.


# %%
def one_head(x, matrices, vectors):
    """(N, D) to (N, d): each word asks, it and the words before it answer."""
    queries, keys, values = (x @ matrix.T + vector for matrix, vector in zip(matrices, vectors, strict=True))
    scores = queries @ keys.T / keys.shape[-1] ** 0.5
    future = torch.ones(len(x), len(x)).triu(1).bool()
    return scores.masked_fill(future, -torch.inf).softmax(-1) @ values


# %%
# NBVAL_CHECK_OUTPUT
attention = gpt.blocks[0].attn
matrices = rearrange(attention.qkv.weight, "(role head d) D -> head role d D", role=3, head=4)
vectors = rearrange(attention.qkv.bias, "(role head d) -> head role d", role=3, head=4)
with torch.inference_mode():
    x = gpt.blocks[0].ln1(gpt.tok_emb(words[:-1]) + gpt.pos_emb)  # (144, 128)
    heads = [one_head(x, *head) for head in zip(matrices, vectors, strict=True)]  # four, each (144, 32)
    by_hand, package = attention.proj(torch.cat(heads, dim=1)), attention(x[None])[0]
print("four heads and a projection, as in tatslib:", torch.allclose(by_hand, package, atol=1e-5))

# %% [markdown]
# The rest is quickly said. A layer adds the answers of its heads to each word, then the output of a small network that
# looks at each word alone. Before either, the numbers of a word are brought to mean 0 and spread 1 (a *layer norm*).
# Layers are stacked. At the bottom a word's number becomes a vector, with a second vector for its *place* in the
# sentence added to it; at the top vectors become scores for the next word, the *logits*. All heads of a layer fit into
# one product.


# %%
class Layer(nn.Module):
    """(B, N, D) to (B, N, D)."""

    def __init__(self, D):
        super().__init__()
        self.norm1, self.ask, self.project = nn.LayerNorm(D), nn.Linear(D, 3 * D), nn.Linear(D, D)
        self.norm2, self.wide, self.narrow = nn.LayerNorm(D), nn.Linear(D, 4 * D), nn.Linear(4 * D, D)

    def shares(self, queries, keys, mask):
        scores = queries @ keys.mT / queries.shape[-1] ** 0.5
        return scores.masked_fill(~mask, -torch.inf).softmax(-1)

    def attend(self, queries, keys, values, mask):
        return self.shares(queries, keys, mask) @ values

    def forward(self, x, mask, heads=4):
        parts = rearrange(self.ask(self.norm1(x)), "B N (qkv heads d) -> qkv B heads N d", qkv=3, heads=heads)
        x = x + self.project(rearrange(self.attend(*parts, mask), "B heads N d -> B N (heads d)"))
        return x + self.narrow(F.gelu(self.wide(self.norm2(x))))


# %%
class SmallGPT(nn.Module):
    """Sentences (B, N) to logits (B, N, V) of the word after each."""

    def __init__(self, V, N, D, L, kind=Layer):
        super().__init__()
        self.places, self.words = nn.Parameter(torch.zeros(N, D)), nn.Embedding(V, D)
        self.layers = nn.ModuleList(kind(D) for _ in range(L))
        self.norm, self.head = nn.LayerNorm(D), nn.Linear(D, V, bias=False)

    def forward(self, words, mask=None, first=0):
        N = words.shape[1]
        x = self.words(words) + self.places[first : first + N]
        for layer in self.layers:
            x = layer(x, causal_mask(N) if mask is None else mask)
        return self.head(self.norm(x))


# %%
# NBVAL_CHECK_OUTPUT
def with_trained_weights(kind=Layer):
    """Ours in the shape of the trained one, with its weights, which come in the same order."""
    model = SmallGPT(V=offset + K, N=144, D=128, L=4, kind=kind).eval()
    model.load_state_dict(dict(zip(model.state_dict(), gpt.state_dict().values(), strict=True)))
    return model


small = with_trained_weights()
with torch.inference_mode():
    print("same logits:", torch.allclose(small(sentences[:8, :-1]), gpt(sentences[:8, :-1]), atol=1e-4))

# %% [markdown]
# ## The mask
#
# In training all 144 guesses are made in one go: the whole sentence lies there, and each word must not look at what it
# is to guess. That is the job of the $-\infty$ above. What if it is done wrong? Take two sentences that differ from
# word 80 on. What is computed *before* word 80 must be the same for both. Of these three ways, which leak?


# %%
# NBVAL_CHECK_OUTPUT
def softmax_first(layer, queries, keys, mask):
    return (queries @ keys.mT / queries.shape[-1] ** 0.5).softmax(-1) * mask


def no_mask(layer, queries, keys, mask):
    return softmax_first(layer, queries, keys, mask=torch.ones_like(mask))


other = torch.cat([sentences[:1, :80], sentences[1:2, 80:-1]], dim=1)
for name, way in {"no mask": no_mask, "softmax, then mask": softmax_first, "mask, then softmax": Layer.shares}.items():
    kind = type("Variant", (Layer,), {"shares": way})
    with torch.inference_mode():
        moved = (with_trained_weights(kind)(sentences[:1, :-1]) - with_trained_weights(kind)(other))[0, :80]
    print(f"{name:20s}what comes before word 80 changes: {bool(moved.abs().max() > 1e-3)}")

# %% [markdown]
# The one in the middle is the treacherous one. It puts zeros where they belong, but what it divides by was summed over
# the future as well, so that a little of the future comes through. What a model learns to read from that is gone when
# it writes, because then there is no future yet.
#
# Figure 6.2 shows the right mask for a very short video, the paper's Figure 14 (a), and beside it what the trained
# transformer makes of its freedom. What would you look at, to guess the next token?


# %%
class Watching(Layer):
    """A layer that keeps its shares of attention, (B, heads, N, N)."""

    def shares(self, queries, keys, mask):
        self.kept = super().shares(queries, keys, mask)
        return self.kept


watching = with_trained_weights(Watching)
with torch.inference_mode():
    watching(sentences[:64, :-1])
looks = torch.stack([layer.kept.mean(0) for layer in watching.layers])  # (4 layers, 4 heads, 144, 144)

# %%
figure, axes = viz.subplots(1, 2, height=3.4)
mask = AttentionMask("causal", condition_length=1, frames=3, frame_tokens=4)
axes[0].imshow(np.where(mask.tensor(), 1, np.nan), cmap="Blues", vmin=0, vmax=1.4)
axes[0].set(title=f"who may look ({mask.length} words)", xlabel="looked at", ylabel="looks")
shown = axes[1].imshow(np.where(causal_mask(144), looks.mean((0, 1)), np.nan), norm="log", vmin=1e-3, vmax=0.1)
axes[1].set(title="who does (144 words)", xlabel="looked at", ylabel="looks")
for axis, length, frame in ((axes[0], 12, 4), (axes[1], 144, 36)):
    axis.set(xticks=range(1, length, frame), yticks=range(1, length, frame))
    axis.grid(False)
figure.colorbar(shown, ax=axes[1], label="share of attention", shrink=0.8)
viz.show_figure(
    figure,
    number="6.2",
    alt="Left: a staircase, the causal mask of 12 words. Right: the attention of the trained transformer, averaged "
    "over layers, heads and 64 clips, fills the lower triangle, with bright diagonal stripes.",
    caption="Left, the causal mask: each row is a word that looks, blue is what it may see; ticks mark the first word "
    "of each latent frame. Right, what the transformer does with it. Where are the stripes, and what lies that far "
    "back?",
)

# %%
# NBVAL_CHECK_OUTPUT
mask = AttentionMask("causal", condition_length=1, frames=4, frame_tokens=36)
print("the mask of our sentences is the lower triangle:", torch.equal(mask.tensor(), causal_mask(144)))
print(mask.length, "words go in: the last is only ever guessed")

# %% [markdown]
# Stripes are habits: "look so many words back". To see which, we sort by where the word that is looked at lies,
# relative to the token *that is to be guessed*, and average over all tokens of the last two latent frames. In the first
# layer, before words have had a chance to exchange anything, the habits are plain.

# %%
t, y, x = np.unravel_index(np.arange(144), (4, 6, 6))
guessed, read = np.tril_indices(144, -1)  # pairs: token `read` is in sight while token `guessed` is due
apart = t[guessed] - t[read], y[read] - y[guessed], x[read] - x[guessed]  # latent frames back, rows, columns


def by_place(shares):
    """Mean share of attention by place, (4, 11, 11): latent frames back, rows and columns apart from -5 to 5."""
    sums, counts = np.zeros((2, 4, 11, 11))
    late = guessed >= 72
    where = apart[0][late], apart[1][late] + 5, apart[2][late] + 5
    np.add.at(sums, where, shares[guessed[late], read[late] + 1])  # token number j is word j + 1
    np.add.at(counts, where, 1)
    return sums / np.where(counts > 0, counts, np.nan)


# %%
habits = by_place(looks[0].mean(0).numpy())[:, 2:9, 2:9]  # first layer, all heads, up to three places away
figure, axes = viz.subplots(1, 4, height=2.2)
names = ("its own latent frame", "one before", "two before", "three before")
for axis, habit, name in zip(axes, habits, names, strict=True):
    shown = axis.imshow(habit, vmin=0, vmax=np.nanmax(habits), extent=(-3.5, 3.5, 3.5, -3.5))
    axis.plot(0, 0, "x", color=viz.COLOURS[1])
    axis.set(xticks=(-3, 0, 3), yticks=(-3, 0, 3))
    axis.set_title(name, fontsize="small")
    axis.grid(False)
figure.colorbar(shown, ax=list(axes), label="share", shrink=0.8)
above, same = habits[0, 2, 3], habits[1, 3, 3]
viz.show_figure(
    figure,
    number="6.3",
    alt="Attention of the first layer around the token to be guessed. It is strongest for the token right above it, at "
    f"{above:.0%}, and in the latent frame before it centres on the same place, at {same:.0%}; it fades with distance.",
    caption="What the first layer looks at, seen from the token to be guessed (the cross). Left, its own latent frame, "
    "of which only what was read before can be seen. Nobody told the transformer what lies next to what.",
)

# %% [markdown]
# That the sentence is a folded-up block of space and time nobody had told it. It has found out. But attention is not
# proof of use, so we also take things away. Which blindfold hurts most when the tokens of the last latent frame are to
# be guessed: not to see the rest of this latent frame, or the whole of the one before?


# %%
def blindfold(hidden):
    """The causal mask without some pairs; a word always sees itself."""
    mask = causal_mask(144)
    away = hidden & (guessed >= 108) & (read + 1 < guessed)
    mask[guessed[away], read[away] + 1] = False
    return mask


frames, rows, columns = apart
blindfolds = {"nothing": frames > 9, "the token above": (frames == 0) & (rows == -1) & (columns == 0)}
blindfolds |= {"the same place, one frame before": (frames == 1) & (rows == 0) & (columns == 0)}
blindfolds |= {"its own latent frame": frames == 0, "the one before": frames == 1, "the two before that": frames > 1}
for name, hidden in blindfolds.items():
    with torch.inference_mode():
        logits = small(sentences[:64, :-1], blindfold(hidden))[:, 108:]
    print(f"hidden: {name:34s}{F.cross_entropy(logits.mT, sentences[:64, 109:]):.2f} nats a token")

# %% [markdown]
# Its own latent frame matters most, the one before comes second, the two before that third. (The transformer was
# trained without blindfolds, so these are upper limits: one that had always worn them would cope better.)
#
# ## Training
#
# One step of training takes 16 sentences and moves the weights so that the words to come become likelier. The outputs
# are shifted by one against the inputs: after word $i$ has been read, word $i + 1$ is due. By hand:

# %%
# NBVAL_CHECK_OUTPUT
with torch.inference_mode():
    logits = small(sentences[:16, :-1])  # read all but the last
    due = sentences[:16, 1:]  # guess all but the first
    by_hand = -logits.log_softmax(-1).gather(2, due[:, :, None]).mean()
    package = gpt.loss(labels[:16, None], clips[:16])
print("as in tatslib:", torch.allclose(by_hand, package, atol=1e-5))

# %% [markdown]
# The class word is read and never guessed, but it stays among the words that could come: the softmax runs over all
# 518. The released code does the same. How much probability is lost to words that can never follow?

# %%
wasted = logits.softmax(-1)[..., :offset].sum(-1).mean()
print(f"probability on class words: {wasted:.1e} of 1")

# %% [markdown]
# Next to nothing: that they do not follow is learned at once. Now the curve, and three ways of asking how good the
# result is. The transformer can be tried on **clips that it has seen**, on **new videos**, and on something in between:
# **new windows** of the training videos that were never drawn for training. Had it learned clips by heart, they would
# cost as much as new videos. Had it learned videos by heart, as little as clips that it has seen. Which is it?

# %%
data = recipes.get("actions/videos").dataset("train", length=16, resolution=24)
left = len(likelihood.windows_never_drawn(data, len(train)))
print(f"{len(data)} training videos with {data.windows:,} windows, {data.windows - left:,} of them drawn")
levels = {
    "clips it has seen": likelihood.nats(gpt, train[:256], tokens.train.labels[:256]).mean().item(),
    "new windows, same videos": likelihood.nats(gpt, *likelihood.new_clips(seed=0)).mean().item(),
    "new videos": cost.mean().item(),
}
for name, level in levels.items():
    print(f"{name:28s}{level:.2f} nats a token")

# %%
curve = np.array([entry["loss/gpt"] for entry in trained.log])
smooth = np.convolve(curve, np.ones(25) / 25, mode="valid")
figure, axes = viz.subplots(height=2.8)
axes.plot(np.arange(25, len(curve) + 1), smooth, linewidth=1.2, label="training, mean of 25 steps")
for (name, level), colour, style in zip(levels.items(), viz.COLOURS[1:], ("--", ":", "-."), strict=False):
    axes.axhline(level, color=colour, linestyle=style, label=f"{name}, at the end")
axes.set(xlabel="training step (16 clips each)", ylabel="nats a token", ylim=(0, math.log(K)))
axes.legend(fontsize="small")
viz.show_figure(
    figure,
    number="6.4",
    alt=f"The training loss falls from {curve[0]:.1f} to {curve[-50:].mean():.2f} nats a token. At the end "
    + ", ".join(f"{name} cost {level:.2f}" for name, level in levels.items())
    + ".",
    caption="The top edge is a blind guess, ln 512. How long does the transformer take to get as good as the table "
    "above? Which gap is the wide one?",
)

# %% [markdown]
# Some of both, and more of the second. A window that it has never seen, of a video that it has, lies nearer to the
# clips of its training than to new videos. Thousands of windows sound like much. But they overlap, they lie a frame or
# two beside each other, and together they show a few dozen pendulums. So what we should wish for is not more windows
# but more videos. Is that so for other seeds?

# %%
stored = results.load("likelihood")
print(textwrap.fill(stored.protocol, 100))
print()
for key, live in zip(("seen", "new_windows", "held_out"), levels.values(), strict=True):
    print(stored.check(key, live))
for key, other in (("new_windows", "seen"), ("held_out", "new_windows")):
    difference, half = stored.difference(key, other)
    print(f"{key} - {other}: {difference:+.2f} ± {half:.2f} nats a token (95 %)")
print("\n" + textwrap.fill(stored.origin(), 100))

# %% [markdown]
# The recipe of the paper is plainer than ours, which has minutes where the paper has days. Its learning rate is 4.5e-6
# times the clips in a batch; in the released code it stays there from the first step to the last.

# %%
recipe = {scale: PRESETS[scale].transformer_training for scale in ("toy", "paper")}
rows = {
    "steps": [f"{r.steps:,}" for r in recipe.values()],
    "clips a step": [r.batch for r in recipe.values()],
    "learning rate": [f"{r.learning_rate:.2e}" for r in recipe.values()],
    "4.5e-6 times the batch": [f"{4.5e-6 * r.batch:.2e}" for r in recipe.values()],
    "warm-up, steps": [r.warmup for r in recipe.values()],
    "decay": ["cosine" if r.cosine_decay else "none" for r in recipe.values()],
    "gradient clipped at": [r.clip for r in recipe.values()],
}
print(f"{'':26s}{'toy':>12s}{'paper':>12s}")
for name, row in rows.items():
    print(f"{name:26s}{row[0]!s:>12s}{row[1]!s:>12s}")

# %% [markdown]
# One thing is in no recipe: where the sentences come from. The released code cuts its clips out of the videos in every
# step and encodes them there and then. We encoded a number of clips *once*, before the training began, and kept their
# tokens on disk. (`tats tokenize` deals them into files of some thousand clips, *shards*, which may lie on another
# machine.) A step that has to encode its own 16 clips needs no gradients for that. How much longer do you think it
# takes?

# %%
speed = results.load("token-speed")
print(textwrap.fill(speed.protocol, 100))
print("\n" + textwrap.fill(speed.origin(), 100) + "\n")
print(f"tokenised: {speed.text('clips_per_s', 1)} clips a second")
print(f"a step: {speed.text('step/shards', 4)} seconds from shards, {speed.text('step/anew', 4)} encoding anew")
print(f"that is {speed.text('ratio')} times as long")
steps, kept, drawn = recipe["toy"].steps, PRESETS["toy"].train_clips, recipe["toy"].steps * recipe["toy"].batch
once = kept / speed.mean("clips_per_s") + steps * speed.mean("step/shards")
print(f"{steps:,} steps draw {drawn:,} clips; {kept:,} were kept, each of which is drawn {drawn / kept:.1f} times")
print(f"the whole training: {once:.0f} seconds with encoding once, {steps * speed.mean('step/anew'):.0f} encoding anew")

# %% [markdown]
# Encoding once saves every repetition, so the longer a training lasts, the more it saves. The price is variety: who
# encodes anew can cut out another window each time. But what Figure 6.4 asked for was new videos, not new windows.
# Given the same windows, both ways read the same tokens, and nothing but the time differs.
#
# ## Which tokens are hard?
#
# A mean hides who pays. Before you look at Figure 6.5, predict: in which of the four latent frames are tokens most
# surprising, and where within it? And in a single pendulum?

# %%
print("nats a token, latent frames 0 to 3:", "  ".join(f"{x:.2f}" for x in cost.mean((0, 2, 3))))
print(f"the very first token: {cost[:, 0, 0, 0].mean():.2f}; the very last: {cost[:, -1, -1, -1].mean():.2f}")
figure, axes = viz.subplots(3, 4, height=5.2)
rows = {"held-out clips, mean": cost.mean(0), "one pendulum": cost[pendulum]}
for axis, (name, maps) in zip(axes, rows.items(), strict=False):
    for frame in range(4):
        shown = axis[frame].imshow(maps[frame], vmin=0, vmax=float(maps.max()))
    axis[0].set_ylabel(name)
    figure.colorbar(shown, ax=list(axis), label="nats")
for frame in range(4):
    axes[0, frame].set_title(f"latent frame {frame}")
    axes[2, frame].imshow(video[4 * frame + 1])
axes[2, 0].set_ylabel("its second frames")
for axis in axes.flat:
    axis.set(xticks=[], yticks=[])
viz.show_figure(
    figure,
    number="6.5",
    alt="Heat maps of the cost of tokens. Mean over held-out clips: highest in the upper left of latent frame 0, at "
    f"{cost[:, 0, 0, 0].mean():.1f} nats, lowest in the bottom row. One pendulum: a few bright cells where the bob is.",
    caption="What tokens cost by place, averaged over 256 held-out clips (top) and for one of them (middle), with "
    "the frames themselves (bottom). What is bright in the pendulum, and what is dark?",
)

# %% [markdown]
# The first token pays for everything that the class word does not say: the colour, the pace, where the motion stands.
# From then on each token tells of the next, and on average a corner or the bottom row is cheap: little happens there,
# and most of the frame has been read by then. In the pendulum the plain background at the top is nearly free. Much of
# what costs lies around the bob, but now and then a token of plain background surprises as well.
#
# ### What one word is worth
#
# A model that knows how likely a clip is under each class word can be used the other way round. By Bayes' rule the
# probability of a class given the clip is proportional to $p(c)\,p(\mathbf z \mid c)$. So a transformer that was never
# asked to recognise anything can name a video. How well? And how much does the right word save, in nats?

# %%
each = likelihood.under_each_word(gpt, clips[:60])  # (60, 6): log p of whole clips
share = tokens.train.labels.bincount().double() / len(train)
named = (each + share.log()).argmax(1) == labels[:60]
told = each[range(60), labels[:60]]
worth = (told - likelihood.without_word(each, share)).mean()
print(f"named right: {named.double().mean():.0%} of 60 (all 256, three seeds: {stored.text('named')})")
print(f"a clip costs {-told.mean():.0f} nats, the word saves {worth:.2f} (three seeds: {stored.text('word_worth')})")
print(f"the word can save at most what it tells: {torch.special.entr(share).sum():.2f} nats")

# %% [markdown]
# A word that tells which of six classes it is cannot save more than 1.8 nats of a clip's two hundred. That is not even
# a hundredth, and yet it is what decides whether you get the pendulum that you asked for. The paper sees a like effect
# at its scale, in another currency: class labels for UCF-101 raise its Inception Score, which rewards clips that a
# classifier is sure about and a set in which all classes occur, from 57.63 to 79.28 (Table 1). Likelihood counts
# tokens; we look at pictures.
#
# ## Drawing
#
# To write a video, guess, draw a word from the guess, append it, and guess again. Here are two guesses of our
# transformer, at a place where it is sure and at one where it is not, and what four *filters* leave of them:
#
# - **temperature** $\tau$ takes every probability to the power $1/\tau$ and makes them sum to 1 again;
# - **top-k** keeps the $k$ likeliest. The paper's 2048 are an eighth of its codes; ours are 64;
# - **top-p** keeps the likeliest words that together hold more than $p$.
#
# For each picture, how many words would you expect to survive?

# %%
with torch.inference_mode():
    guess = gpt(sentences[pendulum : pendulum + 1, :-1])[0, :, offset:]  # (144, 512) logits
entropy = torch.special.entr(guess.softmax(-1)).sum(-1)
sure, unsure = int(entropy[36:].argsort()[11]) + 36, int(entropy[36:].argmax()) + 36
shown = {
    "as it is": Filters(),
    "temperature 0.5": Filters(temperature=0.5),
    "temperature 1.5": Filters(temperature=1.5),
}
shown |= {"top-k 64": Filters(top_k=64), "top-p 0.8": Filters(top_p=0.8)}
figure, axes = viz.subplots(2, 5, height=3.4, sharex=True, sharey="row")
survivors = {}
for row, place in zip(axes, (sure, unsure), strict=True):
    for axis, (name, filters) in zip(row, shown.items(), strict=True):
        left = filters(guess[place : place + 1]).softmax(-1)[0].sort(descending=True).values
        survivors[place, name] = int((left > 0).sum())
        axis.stairs(left[:30], fill=True, alpha=0.8)
        axis.text(0.95, 0.85, f"{survivors[place, name]} left", transform=axis.transAxes, ha="right", fontsize="small")
for axis, name in zip(axes[0], shown, strict=True):
    axis.set_title(name, fontsize="small")
axes[0, 0].set_ylabel("sure")
axes[1, 0].set_ylabel("unsure")
viz.show_figure(
    figure,
    number="6.6",
    alt="Two distributions over 512 tokens under five filters, likeliest 30 shown. Top-p 0.8 leaves "
    f"{survivors[sure, 'top-p 0.8']} tokens at the sure place and {survivors[unsure, 'top-p 0.8']} at the unsure one; "
    "top-k leaves 64 at both.",
    caption="One sure and one unsure guess within one pendulum: the likeliest 30 tokens, after each filter. Which "
    "filter asks the guess how many words it needs?",
)

# %% [markdown]
# Temperature bends the whole curve and removes nothing. Top-k removes the same number everywhere. Only top-p removes
# much where the transformer is sure and little where it is not. [Chapter 7](07_past_the_training_length.ipynb) writes
# the filters by hand and lets you turn their knobs. Here we ask what becomes of *videos*. Figure 6.7 has the same luck
# in all cells; only the filter differs.

# %%
luck = exponential_noise((144, 6, K), torch.Generator().manual_seed(6))  # one draw for each token of six clips
taus, ps = (0.5, 1.0, 1.5), (0.5, 0.8, 0.92, 1.0)
grid = {}
for tau in taus:
    for p in ps:
        filters = Filters(temperature=tau, top_p=p)
        drawn = sample(gpt, torch.arange(6)[:, None], 4, filters, noise=luck, progress=False)
        with torch.inference_mode():
            grid[f"τ {tau}, p {p}"] = tile(list(to_uint8(vqgan.decode(drawn))), columns=3)
viz.show_videos(
    grid,
    number="6.7",
    alt="Twelve tiles of six generated clips each, by temperature and top-p. At temperature 0.5 shapes hold together; "
    "at 1.5 without top-p the ball, the moon and the figure break up.",
    caption="One clip of each class, 16 frames. Rows: temperature 0.5, 1, 1.5. Columns: top-p 0.5, 0.8 (the paper), "
    "0.92 (the default of the released scripts), off. Where do things fall apart? Where are they all too tame?",
    columns=4,
    width=150,
)

# %% [markdown]
# Everybody can see where it breaks. Harder to see is what a strict filter takes away, because each clip that it leaves
# looks fine: one has to compare clips *with each other*. So we measure both sides, over 240 clips for each of eleven
# settings and three seeds. *Nearest* is how much further, in grey levels, a clip is from the nearest training clip than
# a real one is. *Variety* is the difference between two clips of one class, as a share of that between two real ones.
# Two Fréchet distances to real clips look at both sides at once. Which filter should win those: none, the paper's, or
# the released one?

# %%
measured = results.load("draws")
print(textwrap.fill(measured.protocol, 100) + "\n")
titles = {"named": "named right", "nearest": "nearest", "variety": "variety"}
titles |= {"random": "Fréchet, random", "classifier": "Fréchet, class."}
print(f"{'three seeds':12s}" + "".join(f"{title:>17s}" for title in titles.values()))
for setting in draws.settings(K):
    print(f"{setting:12s}" + "".join(f"{measured.text(f'{setting}/{key}'):>17s}" for key in titles))

# %%
figure, axes = viz.subplots(width=5.5, height=3.2)
lines = {"temperature": ("tau-50", "tau-70", "tau-85", "all"), "top-p": ("p-50", "p-80", "p-92", "all")}
above, below = {"xytext": (-7, 5), "ha": "right"}, {"xytext": (7, -11), "ha": "left"}
for (name, settings), colour, marker in zip(lines.items(), viz.COLOURS, "os", strict=False):
    across, up = ([measured.mean(f"{s}/{key}") for s in settings] for key in ("variety", "nearest"))
    axes.plot(across, up, color=colour, marker=marker, label=name)
    for setting, *point in zip(settings, across, up, strict=True):
        text = setting.replace("tau-", "τ 0.").replace("p-", "p 0.").replace("all", "no filter" * (name == "top-p"))
        side = above if setting in ("tau-85", "p-80") else below
        axes.annotate(text, point, textcoords="offset points", fontsize=8, **side)
axes.set(xlabel="variety (1: as real clips)", ylabel="nearest (0: as real clips)", xlim=(0.905, 1.0), ylim=(0.5, 6))
axes.legend()
ends = {name: [measured.mean(f"{name}/{key}") for key in ("nearest", "variety")] for name in ("all", "p-80", "p-50")}
viz.show_figure(
    figure,
    number="6.8",
    alt="Distance to the nearest training clip against variety, for temperature and top-p. "
    + "; ".join(f"{name}: {nearest:.1f} grey levels, variety {kind:.2f}" for name, (nearest, kind) in ends.items()),
    caption="The price of being right: means of three seeds. Start at the top, where nothing is filtered. What do the "
    "first steps buy, and what do the last ones cost? Does one of the two filters get more for its money?",
)

# %%
live = draws.measure_settings(0, ("p-80",))["p-80"]
for key in draws.RULERS:
    print(measured.check(f"p-80/{key}", live[key]))
print(f"\n{'differences, 95 %':22s}" + "".join(f"{title:>17s}" for title in titles.values()))
for setting, other in (("p-80", "all"), ("p-50", "p-80"), ("p-80", "tau-70"), ("paper", "released"), ("paper", "p-80")):
    row = [measured.difference(f"{setting}/{key}", f"{other}/{key}") for key in titles]
    print(f"{setting:>9s} - {other:10s}" + "".join(f"{f'{d:+.2f} ± {half:.2f}':>17s}" for d, half in row))
for setting in ("likeliest", "all"):
    print(f"{setting}, classifier features, by seed:", measured.values(f"{setting}/classifier"))

# %% [markdown]
# Column by column. *Named right* is all or nearly all, whatever the filter: the question is too easy to tell filters
# apart. *Nearest* says what the eye said. Without a filter clips lie several grey levels further from training clips
# than real ones do; top-p 0.8 takes off about half of that, top-p 0.5 most of it. *Variety* says what the eye could not
# say. Down to top-p 0.8 or temperature 0.7 next to nothing is lost; at 0.5, of either, some is; and of likeliest tokens
# there is one clip a class. (Grey levels count colours and places first, so this is a coarse measure.) In Figure 6.8
# temperature even gets a little more for its money than top-p, though by less than three seeds can vouch for.
#
# The two Fréchet distances do not agree. (Below zero means: nearer to the training clips than held-out clips are. Our
# transformer knows the training videos by heart.) In random features top-p 0.5 is worse than 0.8 in every seed, by as
# much as its interval, and six clips for 240 are a disaster. In classifier features 0.5 is no worse, and the same six
# clips score better than 240 honest ones without a filter, in two seeds of three. A network that has learned to name
# classes has learned to overlook all other differences. Never trust a distance that you have not tried on a cheat.
#
# So is it the paper's 0.80 or the released 0.92? With the top-k of both, 0.80 is on average nearer to training clips,
# by less than its interval; 0.92 is more varied, by a hundredth; and the distances cannot tell the two apart. Nor does
# top-k, beside top-p, do anything that three seeds would show. We stay with top-p 0.8.

# %%
print(
    results.by_scale(
        "draws", [f"{setting}/{key}" for setting in ("paper", "released") for key in ("nearest", "random")]
    )
)

# %% [markdown]
# ## Remembering
#
# To draw a word the naive way, read the whole sentence so far; to draw the next one, read it all again. How many words
# is that for one clip, if a clip takes 144 draws?
#
# It is wasted, because of the mask. Nothing that was computed for a word depends on what comes after it. So the keys
# and values that it answers with can be kept, in every layer, and each step reads *one* new word. This is the
# *key-value cache*. In our GPT it takes a layer that keeps a list:


# %%
class Remembering(Layer):
    """A layer that is given one new word at a time and keeps what the earlier ones answer with."""

    def __init__(self, D):
        super().__init__(D)
        self.past = []

    def attend(self, queries, keys, values, mask):
        self.past.append((keys, values))
        keys, values = (torch.cat(part, dim=2) for part in zip(*self.past, strict=True))
        everything = torch.ones(1, keys.shape[2], dtype=torch.bool)  # all that is kept lies in the past
        return super().attend(queries, keys, values, everything)


# %%
@torch.inference_mode()
def write(read, label, noise):
    """Draw one clip; `read` is given the sentence so far. Also counts words read and seconds."""
    words, seen, started = torch.tensor([[label]]), 0, time.perf_counter()
    for luck in noise:
        logits, count = read(words)
        seen += count
        drawn = (logits[:, -1, offset:].softmax(-1) / luck).argmax(-1)
        words = torch.cat([words, drawn[:, None] + offset], dim=1)
    return words[0, 1:] - offset, seen, time.perf_counter() - started


fast, noise = with_trained_weights(Remembering), exponential_noise((144, 1, K), torch.Generator().manual_seed(1))
naive = write(lambda words: (small(words), words.shape[1]), 5, noise)
cached = write(lambda words: (fast(words[:, -1:], first=words.shape[1] - 1), 1), 5, noise)

# %%
# NBVAL_CHECK_OUTPUT
package = sample(gpt, torch.tensor([[5]]), 4, noise=noise, progress=False).flatten()
print("the same tokens:", torch.equal(naive[0], cached[0]), "and as tatslib:", torch.equal(naive[0], package))
print(f"words read: {naive[1]:,} and {cached[1]}, a ratio of {naive[1] / cached[1]}")

# %%
print(f"time: {naive[2] / cached[2]:.1f} times as long without a memory")

# %% [markdown]
# Token for token the same, from a seventieth of the words; in general it is $(N+1)/2$ times fewer, 512.5 at the paper's
# size. The time falls by less: with a width of 128 one word is so little work that all the rest, the calls and the
# draw, weighs more. The package keeps one buffer a layer in place of a growing list. Two things end what we relied on:
# a window that slides, whose words move to other places ([Chapter 7](07_past_the_training_length.ipynb) counts what
# that costs), and a mask that lets words see ahead
# ([Chapter 8](08_planning_ahead.ipynb)).
#
# How far does that take us from the released sampler, which has a growing list as well? It is restated in our tests.
# For this study both drew from the same random weights, in turns.

# %%
drawing = results.load("bench-sample")
print(textwrap.fill(drawing.origin(), 100) + "\n")
for videos in (1, 32):
    ours, theirs, ratio = (
        drawing.text(f"batch-{videos}/{key}", digits)
        for key, digits in (("tokens_per_s", 0), ("reference_tokens_per_s", 0), ("ratio_to_reference", 1))
    )
    print(f"{videos:2d} at once: {ours} tokens a second, in the released way {theirs}: {ratio} times as fast")
print(f"of this, for one video the step in C: {drawing.text('batch-1/gain_native', 1)} times as fast as with torch")
torch_alone = np.divide(*(drawing.values(f"batch-1/{way}tokens_per_s") for way in ("torch_", "reference_")))
print(f"one video in torch alone: {torch_alone.min():.1f} to {torch_alone.max():.1f} times as fast as the released way")

# %% [markdown]
# So the large factor is that of single videos where a C compiler is found. In torch alone ours is between two and three
# times as fast as the released way, and for 32 videos side by side about twice. All this is of a toy: the larger a
# model, the more of the time goes into products that both ways make, and the less ours gains. C is for small models
# only.
#
# ## How does it go on?
#
# A sentence can be begun by somebody else. Give the class and the first latent frame of a *held-out* video, and let the
# transformer write the rest, three times with different luck. What should the three have in common with the original,
# and what not?

# %%
begun = [int(torch.where(labels == label)[0][1]) for label in (5, 1)]
rows = [clips[begun]]
for seed in range(3):
    rows.append(
        sample(gpt, labels[begun][:, None], 4, Filters(top_p=0.8), seed=seed, start=clips[begun, :1], progress=False)
    )
with torch.inference_mode():
    futures = [to_uint8(vqgan.decode(row)) for row in rows]
names = ["real", "first try", "second try", "third try"]
viz.show_videos(
    {f"{classes[labels[b]]}, {name}": futures[k][i] for i, b in enumerate(begun) for k, name in enumerate(names)},
    number="6.9",
    alt="A pendulum and a jumping figure, each as it was and continued three times from its first latent frame.",
    caption="Left: held-out clips, through the tokenizer. Right: three continuations of their first four frames. When "
    "do they part from the original, and from each other?",
    columns=4,
    width=130,
)

# %% [markdown]
# What the start shows, colour and kind and size, they mostly share; about what comes later they disagree, each in its
# own way, and that is as it should be. One caution: this is not quite a forecast. The first latent frame was encoded
# from the whole clip, and a token sees the frames after it, too ([Chapter 2](02_from_video_to_tokens.ipynb)). So a
# given start may hold hints of the end; [Chapter 7](07_past_the_training_length.ipynb) meets them again.
#
# And does the class word rule when nothing else is given? The classifier, which knows nothing of tokens, is asked.

# %%
classifier = recipes.get("actions/classifier")
drawn = draws.draw(gpt, vqgan, Filters(top_p=0.8), seed=1, clips_a_class=10)
named = classify(classifier.model, drawn).view(6, 10)
print(f"real held-out clips named right: {classifier.scores['accuracy']:.0%}; of ten drawn clips of each class:")
for label, row in enumerate(named):
    wrong = ", ".join(classes[other] for other in row[row != label].tolist())
    print(f"{classes[label]:18s}{int((row == label).sum()):3d} {wrong and 'others: ' + wrong}")

# %% [markdown]
# ## Sizes
#
# How large is the paper's transformer, and what did it cost? Each layer has $12 D^2$ weights and some more; the words
# go in by one table and come out by another. A forward pass multiplies and adds once for each weight and word, which
# is two operations, and for the scores of attention; training takes three times that.


# %%
def weights(c, V):
    """All parameters of a transformer with a vocabulary of V words."""
    D = c.width
    return 2 * V * D + c.block_size * D + c.layers * (12 * D * D + 13 * D) + 2 * D


def operations(c, V):
    """Multiplications and additions of one forward pass, per word."""
    D, seen = c.width, (c.block_size + 1) / 2  # words that one looks at on average
    return 2 * (c.layers * 12 * D * D + V * D) + c.layers * 4 * D * seen


# %%
# NBVAL_CHECK_OUTPUT
sizes = {"ours": gpt.config, "paper, no classes": GPTConfig(condition_codes=0)}
sizes["paper, 101 classes"] = GPTConfig(condition_codes=101)
for name, config in sizes.items():
    with torch.device("meta"):  # shapes without numbers
        counted = sum(parameter.numel() for parameter in GPT(config).parameters())
    V = config.vocabulary
    print(f"{name:20s}{counted / 1e6:7.1f} M parameters, as by the formula: {counted == weights(config, V)}; ", end="")
    print(f"{operations(config, V) / 1e6:6.1f} M operations a word")

# %%
# NBVAL_CHECK_OUTPUT
config, paper = sizes["paper, no classes"], recipe["paper"]
total = 3 * operations(config, config.vocabulary) * paper.steps * paper.batch * config.block_size
each = total / (8 * 10 * 24 * 3600) / 1e12  # 8 GPUs, ten days (B.2)
print(f"{paper.steps:,} steps of {paper.batch} clips: {total:.1e} operations, {each:.1f} TFLOP/s on each of 8 GPUs")
print(f"one clip: {operations(config, config.vocabulary) * config.block_size / 1e12:.2f} T operations")

# %% [markdown]
# "Between GPT-1 and GPT-2", says Section 3.1. If 500,000 steps took the ten days that B.2 speaks of, each V100 kept up
# about a quarter of the 15.7 TFLOP/s that it has in float32, which sounds like a real training. And why do we count
# *no* extra word where there are no classes? Because the released models have none: their start word is number 0, *and
# so is code 0*. The two share one vector, and only the place tells the beginning of a clip from a patch of video. A
# model of ours gives the start a word of its own.
#
# ## Pitfalls
#
# Each of these runs without an error. What does it cost?

# %%
with torch.inference_mode():
    right = gpt(sentences[:64, :-1])
    no_offset = torch.cat([labels[:64, None], clips[:64].flatten(1)], dim=1)
    wrong = {
        "as it should be": (right, sentences[:64, 1:]),
        "offset forgotten when reading": (gpt(no_offset[:, :-1]), sentences[:64, 1:]),
        "targets not shifted": (right, sentences[:64, :-1]),
        "columns before rows": (gpt(sentences[:64, :-1]), sentences[:64, 1:]),
    }
    turned = torch.cat([labels[:64, None], clips[:64].mT.flatten(1) + offset], dim=1)
    wrong["columns before rows"] = (gpt(turned[:, :-1]), turned[:, 1:])
for name, (logits, due) in wrong.items():
    print(f"{name:32s}{F.cross_entropy(logits.mT, due):.2f} nats a token")

# %% [markdown]
# - **The offset forgotten** is worse than a blind guess, and no index is out of range. It is the first thing to check
#   when a released checkpoint writes noise.
# - **Targets not shifted.** A trained model shows it at once. A model that is *trained* so need only copy what it
#   reads, and its loss goes to 0, the loveliest curve you ever saw. Real clips are never free: a loss near 0 is an
#   alarm.
# - **Columns before rows.** The grid is square, so that no shape betrays it. Places were learned, and here everything
#   stands at another one.
# - **Numbers that are none.** Let one weight be damaged. By hand, `argmax` finds a token all the same. The package
#   refuses.

# %%
# NBVAL_CHECK_OUTPUT
broken = GPT(gpt.config)
broken.load_state_dict(gpt.state_dict())
broken.head.weight.data[100, 0] = torch.nan
print("by hand, no complaint: token", int((torch.tensor([0.1, torch.nan, 0.9]).softmax(-1) / torch.ones(3)).argmax()))
try:
    sample(broken.eval(), torch.tensor([[5]]), 1, progress=False)
except UserError as error:
    print(textwrap.fill(f"tatslib: {error}", 100))

# %% [markdown]
# ## Exercises
#
# **1. How much memory does it need?** Let every word see only the last $m$ words (and the class). How much dearer do
# the tokens of the last latent frame become for $m$ = 1, 6, 12, 36, 72?

# %% tags=["hide-cell"]
with torch.inference_mode():
    for reach in (1, 6, 12, 36, 72, 144):
        near = causal_mask(144) & ~causal_mask(144).tril(-reach)
        near[:, 0] = True
        logits = small(sentences[:64, :-1], near)[:, 108:]
        print(f"last {reach:3d} words: {F.cross_entropy(logits.mT, sentences[:64, 109:]):.2f} nats a token")

# %% [markdown]
# Upper limits again, since it was trained with all of its memory. From 12 words to 36 the place one latent frame before
# comes into sight.
#
# **2. A word against a picture.** Begin with the first latent frame of a pendulum and the class word of a pulsing
# ring. Who wins?

# %% tags=["hide-cell"]
start = clips[labels == 5][:8, :1]
fights = {}
for word in (5, 3, 4):
    condition = torch.full((8, 1), word)
    drawn = sample(gpt, condition, 4, Filters(top_p=0.8), start=start, progress=False)
    with torch.inference_mode():
        fights[classes[word]] = to_uint8(vqgan.decode(drawn))
    named = [classes[k] for k in classify(classifier.model, fights[classes[word]]).tolist()]
    print(f"word {classes[word]:18s}", ", ".join(f"{named.count(name)} x {name}" for name in sorted(set(named))))
viz.show_videos(
    {f"word: {name}": tile(list(clips_[:4]), columns=2) for name, clips_ in fights.items()},
    number="6.10",
    alt="Four clips each that begin with the first latent frame of a pendulum, continued under the words pendulum, "
    "ring and bar.",
    caption="Exercise 2. The same four beginnings under three class words. Does the word change what follows?",
    columns=3,
    width=150,
)

# %% [markdown]
# Mostly the word wins: it stands in front of every guess, and in training it has never been wrong. What comes out is a
# compromise that no video of the training set shows.
#
# **3. The likeliest video.** Always take the likeliest token (`top_k=1`), for every class. What do you get, and why is
# it not the best video?

# %% tags=["hide-cell"]
drawn = sample(gpt, torch.arange(6).repeat_interleave(2)[:, None], 4, Filters(top_k=1), progress=False)
print("two clips of one class are the same:", all(torch.equal(a, b) for a, b in drawn.view(6, 2, 4, 6, 6)))
with torch.inference_mode():
    likeliest = to_uint8(vqgan.decode(drawn[::2]))
viz.show_videos(
    dict(zip(classes, likeliest, strict=True)),
    number="6.11",
    alt="The clip of each class that is made of likeliest tokens only.",
    caption="Exercise 3. What the transformer says when it is never allowed to be surprised. Six clips, and there are "
    "no others: the same class gives the same clip, whatever the luck.",
    columns=6,
    width=104,
)
cost_of = likelihood.nats(gpt, drawn[::2], torch.arange(6)).mean()
print(f"their tokens cost {cost_of:.2f} nats each; those of real clips {cost.mean():.2f}")

# %% [markdown]
# Real videos are not made of likeliest tokens: each holds its fair share of surprise. A clip without any is *less*
# typical than one with some.
#
# ## Summary
#
# **How does a machine that cannot know what comes next make a video?** It learns to say how likely everything is that
# could come next, one token at a time, and then it draws, and what it has drawn becomes something that it knows. How
# well it guesses is measured in nats and limited by how many videos it has read; how its videos look depends as much
# on which of the unlikely tokens it is allowed to draw.
#
# So far a video ends with its 144th word. [Chapter 7](07_past_the_training_length.ipynb) goes on.
