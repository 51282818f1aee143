# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # From video to tokens
#
# [Run this chapter in Colab](https://colab.research.google.com/github/long-videos-step-by-step/tats-book/blob/main/notebooks/02_from_video_to_tokens.ipynb)
#
# **The question.** How does a second of video become a sentence of a few hundred words, and what does each word know?
#
# **What the paper says.** Section 2.1: an encoder $f_{\mathcal E}$ turns a video
# $\mathbf x \in \mathbb R^{T \times H \times W \times 3}$ into a small grid of vectors, an operation $\mathbf q$
# replaces each vector by the index of its nearest code, and what is left is a grid of whole numbers,
#
# $$ \mathbf z = \mathbf q(f_{\mathcal E}(\mathbf x)) \in \mathbb Z^{t \times h \times w}, $$
#
# from which a decoder $f_{\mathcal G}$ draws the video again. This is a VQ-VAE, the part of the paper's VQGAN without
# adversaries; those come in Chapter 5. The paper compresses by 4 in time and by 8 in height and width, so that 16
# frames of 128 by 128 pixels become $4 \times 16 \times 16 = 1024$ words out of a vocabulary of 16,384.
#
# **What you will see.** Every part of that machine, built in cells small enough to hold in the head and compared,
# number for number, with the one that the rest of the book uses. A codebook that learns without a gradient. What
# perplexity tells and what it hides. Your own tokenizer, trained while you watch. And, at the end, the answer to the
# second half of the question, which is stranger than it looks.
#
# **What it costs.** About 3 minutes on two processor cores the first time, half of it for a tokenizer that other
# chapters use as well; 1.0 GB of memory; 100 MB of disk, the cache of decoded frames included; no GPU.

# %%
import sys

if "google.colab" in sys.modules:  # Colab starts without the package; its own torch stays as it is
    import subprocess

    package = "tatslib @ git+https://github.com/long-videos-step-by-step/tats-book"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", package], check=True)

# %%
import math
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from einops.layers.torch import Rearrange
from torch import nn

from tatslib import recipes, viz
from tatslib.videos import tile, to_model, to_uint8
from tatslib.vqgan.autoencoder import Encoder
from tatslib.vqgan.codebook import Codebook, nearest_codes, perplexity_of
from tatslib.vqgan.padding import PaddedConv3d, PaddedConvTranspose3d, Padding, same_pad
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig, receptive_field

# %%
print(recipes.plan("actions/vqgan-replicate"))

# %%
vqgan = recipes.get("actions/vqgan-replicate")
train, test = (recipes.get("actions/videos").dataset(split, length=16, resolution=24) for split in ("train", "test"))

# %% [markdown]
# How much smaller does a clip get? A pixel is three bytes. A word out of $K$ takes $\log_2 K$ bits.


# %%
# NBVAL_CHECK_OUTPUT
def compression(frames, pixels, codes, t, h, w):
    """Bytes of a clip, words in its place, and how many times fewer bytes they take."""
    before, words = 3 * frames * pixels**2, (frames // t) * (pixels // h) * (pixels // w)
    bits = math.log2(codes)
    after = words * bits / 8
    return f"{before:,} bytes -> {words} words of {bits:.0f} bits = {after:,.0f} bytes: 1/{before / after:.0f}"


print("paper:", compression(16, 128, 16384, 4, 8, 8))
print("here: ", compression(16, 24, 512, 4, 4, 4))

# %% [markdown]
# Both keep less than a hundredth of the bytes. At 25 frames a second our toy spends 225 words on a second of video.
#
# ## 1. Padding arithmetic
#
# The encoder is made of convolutions: a window of $k$ entries slides along an axis in steps of $s$, and each position
# gives one output. An axis of $n$ entries with $p$ entries added to it has room for
# $\lfloor (n + p - k) / s \rfloor + 1$ positions. We want exactly $n / s$ of them, so that sizes stay round numbers
# through any number of layers. That asks for
#
# $$ p = k - s. $$
#
# The encoder uses a kernel of 3 at stride 1, a kernel of 4 at stride 2, and, on an axis that is already small enough, a
# kernel of 4 at stride 1. The last needs three entries, and three cannot be shared fairly. The released code puts the
# odd one in front, and so do we.


# %%
# NBVAL_CHECK_OUTPUT
def pads(kernel, stride):
    """How many entries to add (in front, behind) along one axis."""
    total = kernel - stride
    return total - total // 2, total // 2


for kernel, stride in [(3, 1), (4, 2), (4, 1), (1, 1)]:
    ours, theirs = pads(kernel, stride), same_pad(kernel, stride)
    print(f"kernel {kernel}, stride {stride}: (front, back) = {ours}, tatslib the same: {ours == theirs}")

# %%
figure, axes = viz.subplots(1, 2, height=2.7)
for axis, stride in zip(axes, (2, 1), strict=True):
    front, _ = pads(4, stride)
    for out, tap in product(range(8 // stride), range(4)):
        frame = out * stride - front + tap
        axis.plot(frame, out, "s", markersize=8, color=viz.COLOURS[0 if 0 <= frame < 8 else 1])
    axis.axvspan(-0.5, 7.5, alpha=0.12, color="gray")
    axis.set(title=f"kernel 4, stride {stride}", xlabel="frame that is read", xticks=range(-2, 9, 2), xlim=(-2.6, 8.6))
    axis.set(ylabel="frame that is written", yticks=range(8 // stride), ylim=(8 // stride - 0.4, -0.6))
viz.show_figure(
    figure,
    number="2.1",
    alt="Two grids for a clip of 8 frames. With stride 2, four output frames read four input frames each; the first "
    "reads one frame before the clip, the last one behind. With stride 1, eight output frames read four each; the "
    "first reads two frames before the clip, the second one, the last one behind.",
    caption="Which frames a convolution of kernel 4 reads. The shaded clip has 8 frames; orange squares lie where "
    "there is no video. On the right it asks for two such frames in front but only for one behind.",
)

# %% [markdown]
# What stands in the orange places of Figure 2.1? Something has to. The paper's vanilla model puts zeros, and its remedy
# repeats the nearest real frame (*replicate*). Here is a "video" of eight frames with one grey value each. Before you
# run the cell: the grey value climbs steadily. In which of the two results does it still do so at both ends?

# %%
# NBVAL_CHECK_OUTPUT
greys, kernel = torch.arange(3.0, 11.0), torch.tensor([1.0, 2.0, 3.0, 4.0])
front, back = pads(4, stride=2)
for name, before, after in [("zeros", torch.zeros(1), torch.zeros(1)), ("replicate", greys[:1], greys[-1:])]:
    padded = torch.cat([before.expand(front), greys, after.expand(back)])
    windows = padded.unfold(0, 4, 2)  # (4, 4): every second window of four
    print(f"{name:10s}{(windows @ kernel).tolist()}")

# %% [markdown]
# In the middle the two agree, because the kernel never leaves the clip there. At the ends they do not: without padding
# trouble the steps would be 20 each. Zeros bend the last one downwards, replicate bends it less.
#
# The real thing does the same along three axes at once. We cut all windows, multiply, and add. Weights and pixels are
# small whole numbers here, so that no rounding can blur the comparison.


# %%
def convolve(x, weight, bias, stride, mode):
    """(B, C, T, H, W) -> (B, C', T / s, H / s, W / s), window by window."""
    size = weight.shape[-1]
    x = F.pad(x, [n for s in reversed(stride) for n in pads(size, s)], mode=mode)  # last axis first
    for axis, s in zip((2, 3, 4), stride, strict=True):
        x = x.unfold(axis, size, s)  # adds an axis of `size` entries at the end
    return torch.einsum("bcthwijk,dcijk->bdthw", x, weight) + bias[:, None, None, None]


# %%
generator = torch.Generator().manual_seed(0)
x = torch.randint(-9, 10, (2, 3, 8, 6, 6), generator=generator).float()


def compare(by_hand, layer_type):
    """The same whole-number weights in ours and in tatslib's layer; two paddings, two strides."""
    for mode, stride in product(("zeros", "replicate"), ((2, 2, 2), (2, 1, 1))):
        layer = layer_type(3, 5, 4, stride, Padding(mode, mode))
        weight, bias = (torch.randint(-3, 4, p.shape, generator=generator).float() for p in layer.parameters())
        layer.load_state_dict({"conv.weight": weight, "conv.bias": bias})
        ours = by_hand(x, weight, bias, stride, "constant" if mode == "zeros" else mode)
        print(f"{mode:10s}stride {stride}: {tuple(ours.shape)}, equal to tatslib: {torch.equal(ours, layer(x))}")


# %%
# NBVAL_CHECK_OUTPUT
compare(convolve, PaddedConv3d)

# %% [markdown]
# ## 2. The way back: transposed convolutions
#
# The decoder has to make more frames out of fewer. A *transposed* convolution does it with stamps: every input frame
# multiplies the kernel by its value and stamps the result onto the output, each stamp $s$ frames after the last; where
# stamps overlap, they add up. From $n$ stamps come $(n - 1)\,s + k$ frames, which is more than the $n\,s$ we want. So
# something has to be cut off. The usual recipe cuts one frame from either end. Watch what that does to a video in
# which nothing happens at all.


# %%
def stamp(values, kernel, stride):
    """A transposed convolution in one dimension, nothing cut off."""
    out = torch.zeros((len(values) - 1) * stride + len(kernel))
    for i, value in enumerate(values):
        out[i * stride : i * stride + len(kernel)] += value * kernel
    return out


# %%
# NBVAL_CHECK_OUTPUT
still, kernel = torch.ones(4), torch.ones(4)
print("all that was stamped ", stamp(still, kernel, 2).int().tolist())
print("one cut off each end ", stamp(still, kernel, 2)[1:-1].int().tolist())
longer = torch.cat([still[:1], still, still[-1:]])  # pad the input first, by kernel - stride in all
print("input padded, 3 cut  ", stamp(longer, kernel, 2)[3:-3].int().tolist())

# %% [markdown]
# The second line has eight frames, as wanted, but the outer two got one stamp where all others got two: a still video
# goes dim at its ends. It is zero padding again, hidden in the word "cut". In the third line the *input* is padded as
# in section 1, and then $k - 1 = 3$ frames go from either end. Padding adds $k - s$ inputs, that is $(k - s)\,s$ more
# frames, and for a kernel of 4 at stride 2, or any kernel at stride 1, exactly $n\,s$ frames are left, all of which
# got their full share. In three dimensions:


# %%
def stamp_3d(x, weight, bias, stride, mode):
    """(B, C, T, H, W) -> (B, C', T s, H s, W s), stamp by stamp."""
    size = weight.shape[-1]
    x = F.pad(x, [n for s in reversed(stride) for n in pads(size, s)], mode=mode)
    lengths = [(n - 1) * s + size for n, s in zip(x.shape[2:], stride, strict=True)]
    out = bias[:, None, None, None].expand(len(x), -1, *lengths).clone()
    for place in product(*map(range, x.shape[2:])):
        inked = torch.einsum("bc,cdijk->bdijk", x[:, :, *place], weight)
        out[:, :, *(slice(i * s, i * s + size) for i, s in zip(place, stride, strict=True))] += inked
    return out[:, :, *[slice(size - 1, 1 - size)] * 3]


# %%
# NBVAL_CHECK_OUTPUT
compare(stamp_3d, PaddedConvTranspose3d)

# %% [markdown]
# > **Exercise 1.** Which kernel at stride 2 needs no padding at all? What would such an encoder lose, what would it
# > gain for a model that must not notice where a clip begins?

# %% tags=["hide-cell"]
print("kernel 2 at stride 2: padding", pads(2, 2))
one = torch.zeros(8)
one[3] = 1.0  # how many outputs notice that frame 3 has changed?
print("noticed by", int((one.unfold(0, 2, 2).sum(1) > 0).sum()), "output with kernel 2,", end=" ")
print("by", int((F.pad(one, (1, 1)).unfold(0, 4, 2).sum(1) > 0).sum()), "with kernel 4")
print("Lost: windows touch but never overlap, so what lies beside a block cannot help to describe it.")
print("Gained: no window ever leaves the clip, so none can tell where the clip begins.")

# %% [markdown]
# ## 3. Encoder and decoder
#
# From here on PyTorch does the windows and the stamps, and we keep the padding. Replicate everywhere, as in the
# tokenizer that we have loaded.


# %%
class Conv(nn.Module):
    """Pad, then convolve: every axis is divided by its stride exactly."""

    def __init__(self, inputs, outputs, kernel, stride=(1, 1, 1)):
        super().__init__()
        self.amounts = [n for s in reversed(stride) for n in pads(kernel, s)]
        self.conv = nn.Conv3d(inputs, outputs, kernel, stride)

    def forward(self, x):
        return self.conv(F.pad(x, self.amounts, mode="replicate"))


class ConvTranspose(Conv):
    """Pad, then stamp: every axis is multiplied by its stride exactly."""

    def __init__(self, inputs, outputs, kernel, stride):
        super().__init__(inputs, outputs, kernel, stride)
        self.conv = nn.ConvTranspose3d(inputs, outputs, kernel, stride, padding=kernel - 1)  # "padding" here means cut


# %% [markdown]
# A *residual block* adds to its input what two convolutions make of it, so that it can begin as nearly nothing and
# grow. Batch norm, the paper's choice (A.1), and the activation $\mathrm{silu}(x) = x / (1 + e^{-x})$ stand before each
# convolution.


# %%
class Residual(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x)))))), width unchanged."""

    def __init__(self, width):
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm3d(width), Conv(width, width, 3)
        self.norm2, self.conv2 = nn.BatchNorm3d(width), Conv(width, width, 3)

    def forward(self, x):
        branch = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(branch)))


# %% [markdown]
# The encoder: a first convolution, then *levels*, each of which halves the axes that still have to shrink, doubles the
# width, and adds a residual block. The paper's has three levels, with strides (2, 2, 2), (2, 2, 2), (1, 2, 2). Ours
# has two: time is halved in both, height and width in the first only, because a fold of 2 by 2 pixels into channels
# before the first convolution halves them already. The fold is a liberty of the toy, and saves half of its time.


# %%
def make_encoder(n):
    """(B, 3, T, H, W) -> (B, 4 n, T / 4, H / 4, W / 4)."""
    return nn.Sequential(
        Rearrange("b c t (h p) (w q) -> b (c p q) t h w", p=2, q=2),
        Conv(12, n, 3),
        *(Conv(n, 2 * n, 4, (2, 2, 2)), Residual(2 * n)),
        *(Conv(2 * n, 4 * n, 4, (2, 1, 1)), Residual(4 * n)),
        *(nn.BatchNorm3d(4 * n), nn.SiLU()),
    )


# %% [markdown]
# The decoder goes the way back, though not in exact reverse: as in the released code it takes its strides in the order
# in which the encoder took them. (The paper's has two residual blocks a level, ours has one.) The last convolution
# stands bare; nothing bounds what comes out, which is why pictures are clamped before they are shown.


# %%
def make_decoder(n):
    """(B, 4 n, t, h, w) -> (B, 3, 4 t, 4 h, 4 w)."""
    return nn.Sequential(
        *(nn.BatchNorm3d(4 * n), nn.SiLU()),
        *(ConvTranspose(4 * n, 4 * n, 4, (2, 2, 2)), Residual(4 * n)),
        *(ConvTranspose(4 * n, 2 * n, 4, (2, 1, 1)), Residual(2 * n)),
        Conv(2 * n, 12, 3),
        Rearrange("b (c p q) t h w -> b c t (h p) (w q)", p=2, q=2),
    )


# %% [markdown]
# If ours is the same network, then the trained weights of `tatslib` fit into it tensor by tensor, in order, and it
# computes the same on real clips that neither has seen.


# %%
def copy_weights(source, target):
    """Fill `target` with the tensors of `source`, in order, whatever they are called."""
    values = [v for name, v in source.state_dict().items() if name != "codebook.initialised"]
    target.load_state_dict(dict(zip(target.state_dict(), values, strict=True)))
    return target.train(source.training)


# %%
# NBVAL_CHECK_OUTPUT
encoder = copy_weights(vqgan.model.encoder, make_encoder(16))
decoder = copy_weights(vqgan.model.decoder, make_decoder(16))
clips = to_model(test.clips(step=0, batch_size=4)[0])
with torch.inference_mode():
    latents, z = encoder(clips), vqgan.model.encoder(clips)
    print(tuple(clips.shape), "->", tuple(latents.shape), " equal:", torch.allclose(latents, z, atol=1e-5))
    frames, theirs = decoder(latents), vqgan.model.decoder(z)
    print(tuple(latents.shape), "->", tuple(frames.shape), " equal:", torch.allclose(frames, theirs, atol=1e-5))

# %% [markdown]
# ## 4. The nearest neighbour
#
# The encoder hands over 144 vectors a clip. The codebook is a table of $K$ vectors, the *codes*, and the token of a
# vector $\mathbf v$ is the number of the code that lies nearest:
#
# $$ z = \arg\min_i \lVert \mathbf v - \mathbf c_i \rVert^2
#      = \arg\min_i \left( \lVert \mathbf c_i \rVert^2 - 2\,\mathbf v \cdot \mathbf c_i \right). $$
#
# The second form leaves out $\lVert \mathbf v \rVert^2$, which is the same for every code. One matrix product does the
# rest. (The released code finds the same codes by way of a matrix of all tokens times all codes, filled with zeros and
# ones. It is in the book's ledger of differences.)


# %%
def nearest(vectors, codes):
    """Index of the nearest code for each row of `vectors` (M, D): (M,)."""
    return (codes.square().sum(1) - 2 * vectors @ codes.T).argmin(1)


# %%
# NBVAL_CHECK_OUTPUT
with torch.inference_mode():
    vectors = rearrange(vqgan.model.to_codes(z), "b d t h w -> (b t h w) d")
codes = vqgan.model.codebook.embeddings
plainly = torch.tensor([int((v - codes).norm(dim=1).argmin()) for v in vectors])
print(f"{len(vectors)} vectors of {vectors.shape[1]} numbers, {len(codes)} codes")
print("as the definition says:", torch.equal(nearest(vectors, codes), plainly), end=";  ")
print("as tatslib does:", torch.equal(nearest(vectors, codes), nearest_codes(vectors, codes)))

# %%
generator = torch.Generator().manual_seed(2)
table, points = 0.05 + 0.9 * torch.rand(9, 2, generator=generator), torch.rand(24, 2, generator=generator)
grid = torch.cartesian_prod(torch.linspace(0, 1, 300), torch.linspace(0, 1, 300))
cells = nearest(grid, table).reshape(300, 300).T  # rows are the second coordinate
figure, axes = viz.subplots(1, 1, width=5.6, height=3.6)
for code in range(9):
    axes.contour(cells == code, [0.5], extent=(0, 1, 0, 1), colors="gray", linewidths=0.6)
for point, code in zip(points, table[nearest(points, table)], strict=True):
    axes.plot(*torch.stack([point, code]).T, color=viz.COLOURS[0], linewidth=0.8)
axes.plot(*points.T, "o", markersize=4, label="vectors of the encoder")
axes.plot(*table.T, "D", markersize=7, label="codes")
axes.set(xticks=[], yticks=[], xlim=(0, 1), ylim=(0, 1), aspect="equal")
axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
used = len(set(nearest(points, table).tolist()))
viz.show_figure(
    figure,
    number="2.2",
    alt=f"A square divided into nine regions with straight borders, one around each code. A line leads from each of 24 "
    f"points to the code of its region; {used} of the 9 codes get at least one.",
    caption="A codebook in two dimensions. Whatever lies inside a cell becomes the same word; how far it had to move "
    "is lost for good. One code is nobody's nearest; section 6 will worry about such codes.",
)

# %% [markdown]
# ## 5. A step without a slope
#
# Move a point of Figure 2.2 a little: its code stays the same. Move it across a border: the code jumps. The slope is
# zero or does not exist, so nothing in front of the codebook can learn through it:

# %%
# NBVAL_CHECK_OUTPUT
v = vectors[:5].clone().requires_grad_()
chosen = codes[nearest(v, codes)]
print("is there a way back from the chosen codes to v?", chosen.requires_grad)

# %% [markdown]
# The *straight-through* estimator is a small lie. Forwards the decoder gets the code; backwards the gradient walks past
# the codebook as if nothing had been replaced:
#
# $$ \mathbf c = \mathbf v + \mathrm{sg}[\mathbf c_z - \mathbf v], $$
#
# where sg, *stop gradient*, is `detach` in PyTorch. What does the loss say to $\mathbf v$ then? Exactly what it says to
# the code.

# %%
# NBVAL_CHECK_OUTPUT
passed = v + (chosen - v).detach()
passed.retain_grad()
target = torch.randn(passed.shape, generator=generator)
(passed - target).pow(4).sum().backward()  # any loss will do
print("forwards the code (up to rounding):", torch.allclose(passed, chosen, atol=1e-6))
print("backwards, d loss / d v = d loss / d c:", torch.equal(v.grad, passed.grad))

# %% [markdown]
# The lie is harmless as long as $\mathbf v$ and its code are close. To keep them close, the loss of the paper has two
# more terms besides the reconstruction:
#
# $$ \mathcal L = \underbrace{\lVert \mathbf x - \hat{\mathbf x} \rVert_1}_{\text{reconstruction}}
#  + \underbrace{\lVert \mathrm{sg}[\mathbf v] - \mathbf c_z \rVert_2^2}_{\text{codes follow vectors}}
#  + \beta\, \underbrace{\lVert \mathrm{sg}[\mathbf c_z] - \mathbf v \rVert_2^2}_{\text{vectors commit to codes}},
#  \qquad \beta = 0.25. $$
#
# Figure 2.3 shows what a vector feels. The middle term is never computed, neither here nor in the released code;
# section 6 does its work. And where the paper prints norms, which are sums, the code takes means, so that the balance
# between the terms does not depend on how many pixels a token stands for or how wide a code is.

# %%
figure, axes = viz.subplots(1, 1, width=6.4, height=3.3)
best, scale = np.array([2.6, 0.2]), np.array([0.35, 1.4])  # a loss with its minimum at `best`
v, code = np.array([0.8, 1.1]), np.array([0.3, 0.35])
a, b = np.meshgrid(np.linspace(-0.3, 3.0, 60), np.linspace(-0.2, 1.4, 60))
axes.contour(a, b, scale[0] * (a - best[0]) ** 2 + scale[1] * (b - best[1]) ** 2, 9, colors="gray", linewidths=0.6)
step = -0.7 * scale * (code - best)  # downhill, as seen from the code
for place, move, colour, name in [
    (code, step, viz.COLOURS[1], "downhill at the code: what is computed"),
    (v, step, viz.COLOURS[0], "the same arrow at v: what v gets"),
    (v, -0.7 * scale * (v - best), viz.COLOURS[4], "downhill at v: what nobody computes"),
    (v, 0.5 * (code - v), viz.COLOURS[2], "commitment: towards the code"),
]:
    axes.quiver(*place, *move, color=colour, label=name, angles="xy", scale_units="xy", scale=1, width=0.008)
axes.plot(*v, "o", color=viz.COLOURS[0])
axes.plot(*code, "D", color=viz.COLOURS[1], markersize=7)
axes.annotate("v", v, xytext=(-14, 5), textcoords="offset points")
axes.annotate("code", code, xytext=(-14, -16), textcoords="offset points")
axes.set(xticks=[], yticks=[], aspect="equal")
axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=2, fontsize="small")
viz.show_figure(
    figure,
    number="2.3",
    alt="Level lines of a loss. The downhill arrow at the code is copied to the vector v, where the true downhill "
    "direction is a different one. A fourth arrow leads from v towards the code.",
    caption="Straight-through. Grey: lines of equal loss. Blue is a copy of orange; red would be right. The closer v "
    "is to its code, the less the two differ, and the green arrow sees to it.",
)

# %% [markdown]
# ## 6. Codes that follow
#
# The codes could learn by gradient, from the middle term of the loss. But its answer is known in advance: the best
# place for a code is the mean of the vectors it won. So each code keeps two running sums, how many vectors it wins a
# step and their total, both as exponential moving averages (EMA) with decay $\gamma$:
#
# $$ N_i \leftarrow \gamma N_i + (1 - \gamma)\, n_i, \qquad
#    \mathbf m_i \leftarrow \gamma\, \mathbf m_i + (1 - \gamma) \sum_{\mathbf v \to i} \mathbf v, \qquad
#    \mathbf c_i = \mathbf m_i / N_i. $$
#
# No learning rate, no optimiser. The released code uses $\gamma = 0.99$; our toy, which has little time, 0.97.


# %%
class Codes(nn.Module):
    """Vectors that follow the mean of what they win."""

    def __init__(self, count, width, decay=0.97):
        super().__init__()
        self.decay, self.started = decay, False
        self.register_buffer("vectors", torch.zeros(count, width))
        self.register_buffer("counts", torch.ones(count))
        self.register_buffer("sums", torch.zeros(count, width))

    def start(self, vectors):
        self.vectors, self.sums, self.counts = vectors.clone(), vectors.clone(), torch.ones(len(vectors))
        self.started = True

    def follow(self, z, tokens):
        won = torch.bincount(tokens, minlength=len(self.vectors)).float()
        total = torch.zeros_like(self.sums).index_add(0, tokens, z)
        self.counts = self.decay * self.counts + (1 - self.decay) * won
        self.sums = self.decay * self.sums + (1 - self.decay) * total
        self.vectors = self.sums / self.counts[:, None]


# %%
# NBVAL_CHECK_OUTPUT
ours, theirs = Codes(6, 2), Codebook(6, 2, decay=0.97)
ours.start(torch.randn(6, 2, generator=generator))
theirs.initialise(ours.vectors)
for update in range(1, 4):
    z = torch.randn(200, 2, generator=generator)
    ours.follow(z, nearest(z, ours.vectors))
    quantised = theirs(rearrange(z, "m d -> 1 d m 1 1"))  # in training mode it follows on the way
    print(f"update {update}: codes equal: {torch.allclose(ours.vectors, theirs.embeddings, atol=1e-5)}")
commitment = 0.25 * F.mse_loss(z, quantised.latents.reshape(2, -1).T)
print("commitment loss equal:", torch.allclose(commitment, quantised.commitment_loss))

# %% [markdown]
# One thing can go wrong, and it goes wrong often. A code that wins nothing has $n_i = 0$, so that $N_i$ and
# $\mathbf m_i$ shrink together and $\mathbf c_i$ stays where it is, out of the game. The cure is a *restart*: a code
# whose count falls below a tenth of the mean is given a random vector of the batch, and the statistics to go with it.


# %%
def pick(z, count, generator):
    """`count` random rows of z."""
    return z[torch.randperm(len(z), generator=generator)[:count]]


def restart(codes, candidates):
    """Give every code that is hardly used the candidate of the same number, and average statistics."""
    unused = (codes.counts < 0.1 * codes.counts.mean())[:, None]
    mean = codes.counts.mean()
    codes.vectors = torch.where(unused, candidates, codes.vectors)
    codes.sums = torch.where(unused, mean * candidates, codes.sums)
    codes.counts = torch.where(unused[:, 0], mean, codes.counts)


# %% [markdown]
# Below, five heaps of vectors and ten codes. The encoder has moved on since the codes were started, and all ten stand
# to the left of the heaps, where no vector lies any more. Where do you expect them after fifty updates, with and
# without restarts? (The decay is 0.9 here, to be quicker.)

# %%
generator = torch.Generator().manual_seed(2)
heaps = torch.tensor([[1.6, 0.0], [2.4, 2.6], [4.2, 1.2], [5.6, 3.0], [5.8, -0.4]])
first = torch.tensor([-0.6, 1.5]) + 0.25 * torch.randn(10, 2, generator=generator)
runs = {"no restarts": Codes(10, 2, decay=0.9), "restarts": Codes(10, 2, decay=0.9)}
history = {name: [first] for name in runs}
for codes_2d in runs.values():
    codes_2d.start(first)
for _ in range(50):
    z = heaps[torch.randint(5, (200,), generator=generator)] + 0.3 * torch.randn(200, 2, generator=generator)
    for name, codes_2d in runs.items():
        codes_2d.follow(z, nearest(z, codes_2d.vectors))
        if name == "restarts":
            restart(codes_2d, pick(z, 10, generator))
        history[name].append(codes_2d.vectors)

# %%
used = {name: [len(nearest(z, c).unique()) for c in states] for name, states in history.items()}
for name, states in history.items():
    left = (z - states[-1][nearest(z, states[-1])]).square().sum(1).mean()
    print(f"{name:12s}{used[name][-1]:3d} of 10 codes win; mean squared distance to the nearest code {left:.2f}")

# %%
pages = {}
for update in (0, 1, 2, 3, 5, 10, 20, 50):
    pages[str(update)], axes = viz.subplots(1, 2, height=2.8, sharey=True)
    for axis, (name, states) in zip(axes, history.items(), strict=True):
        axis.plot(*z[:120].T, ".", color="gray", alpha=0.5, markersize=3, rasterized=True)
        for k in range(10):
            trail = torch.stack(states[: update + 1])[:, k]
            axis.plot(*trail.T, color=viz.COLOURS[1], linewidth=0.6, alpha=0.6)
        axis.plot(*states[update].T, "D", color=viz.COLOURS[1], markersize=6)
        axis.set(title=f"{name}: {used[name][update]} of 10 codes win", xticks=[], yticks=[])
        axis.set(xlim=(-1.5, 6.9), ylim=(-1.6, 4.1))
viz.show_flipbook(
    pages,
    number="2.4",
    alt=f"Ten codes start to the left of five heaps of vectors. After 50 updates {used['no restarts'][-1]} of 10 codes "
    f"win vectors without restarts, and {used['restarts'][-1]} with restarts.",
    caption="Codes (orange, with their trails) following heaps of vectors (grey). Move the slider: without restarts a "
    "few codes run off to do all the work and the others stay where they started.",
    slider="update",
    first=7,
)

# %% [markdown]
# The paper uses no restarts (B.2), and gives its codes 30,000 steps to spread; our toy has 700 steps, and restarts. The
# released code can restart, too, but it replaces only the vector and leaves the old $N_i$ and $\mathbf m_i$ behind,
# from which the next update computes the code anew. `Codebook(restart_statistics=False)` does the same, for those who
# want to measure what it costs; the ledger lists it.
#
# > **Exercise 2.** A small floor of $10^{-7}$ keeps $N_i$ from becoming zero in the division. What happens to a code
# > that wins nothing for 2,000 updates at $\gamma = 0.99$? Guess first, then ask a `Codebook`.

# %% tags=["hide-cell"]
lonely = Codebook(2, 2, decay=0.99)
lonely.initialise(torch.tensor([[0.0, 0.0], [50.0, 0.0]]))  # the second is far from all data
for update in range(1, 2001):
    lonely(0.1 * torch.ones(1, 2, 8, 1, 1))
    if update % 500 == 0:
        print(f"after {update} updates: N = {lonely.counts[1]:.0e}, code at {lonely.embeddings[1, 0]:.1f}")
print("Once N is as small as the floor, the division shrinks the code towards zero, where the data are:")
print("a slow restart that nobody planned.")

# %% [markdown]
# ## 7. Perplexity
#
# How many words does a vocabulary really have? Counting those that occur is one answer; it treats a word used once
# like a word used all the time. *Perplexity* is the other. With $p_i$ the share of code $i$,
#
# $$ \mathrm{perplexity} = \exp\Big( -\sum_i p_i \log p_i \Big), $$
#
# the number of codes which, *if all were used equally often*, would be as hard to guess. Eight codes are in use in two
# of these three cases. Which has the smallest perplexity?


# %%
def perplexity(counts):
    """exp(entropy) of the shares."""
    p = counts[counts > 0] / counts.sum()
    return float((-p * p.log()).sum().exp())


# %%
held_out = torch.cat([test.clips(step, 32)[0] for step in range(4)])  # (128, 16, 24, 24, 3)
with torch.inference_mode():
    tokens = torch.cat([vqgan.model.encode(to_model(part)) for part in held_out.split(32)])  # (128, 4, 6, 6)
trained = torch.bincount(tokens.flatten(), minlength=512).float()
cases = {
    "eight alike": torch.full((8,), 12.0),
    "one takes most": torch.tensor([82.0, 2, 2, 2, 2, 2, 2, 2]),
    "four alike": torch.tensor([24.0, 24, 24, 24, 0, 0, 0, 0]),
    "our tokenizer, sorted": trained.sort(descending=True).values,
}

# %%
figure, axes = viz.subplots(1, 4, height=2.3, gridspec_kw={"width_ratios": [1, 1, 1, 2]})
for axis, (name, counts) in zip(axes, cases.items(), strict=True):
    axis.bar(range(len(counts)), 100 * counts / counts.sum(), width=1 if len(counts) > 8 else 0.8, rasterized=True)
    axis.set_title(f"{name}\nperplexity {perplexity(counts):.3g}", fontsize="small")
for axis in axes[:3]:
    axis.set(ylim=(0, 100), xticks=[])
axes[0].set(ylabel="share (%)")
viz.show_figure(
    figure,
    number="2.5",
    alt="Four bar charts. "
    + " ".join(
        f"{name}: {(counts > 0).sum()} of {len(counts)} codes occur, perplexity {perplexity(counts):.3g}."
        for name, counts in cases.items()
    ),
    caption="The same eight codes, three ways to use them; and the 512 codes of our trained tokenizer on 128 held-out "
    "clips. The second chart uses twice as many codes as the third and has the smaller perplexity.",
)

# %%
print(f"equal to tatslib: {math.isclose(perplexity(trained), float(perplexity_of(trained)), rel_tol=1e-4)}")
print(f"held-out clips: {int((trained > 0).sum())} of 512 codes occur, perplexity {perplexity(trained):.0f}")
print(f"taken on its own, a word tells {math.log2(perplexity(trained)):.1f} bits, of the 9 that it costs")

# %% [markdown]
# Look at both numbers: nearly all codes are in use, but not alike. And a perplexity belongs to a *set of tokens*:
# measured on one batch, as training logs do, it can never exceed the number of tokens in that batch.
#
# Which words are common? A dictionary would show for each word what it is used for. We can draw ours: the mean of all
# the blocks, 4 frames of 4 by 4 pixels, that got the same token. Guess: what do the commonest look like, and the
# rarest?

# %%
blocks = rearrange(held_out, "b (t d) (h p) (w q) c -> (b t h w) d p q c", d=4, p=4, q=4).double()
sums = torch.zeros(512, *blocks.shape[1:], dtype=torch.double).index_add(0, tokens.flatten(), blocks)
means = (sums / trained.clamp(min=1)[:, None, None, None, None]).round().to(torch.uint8).numpy()
order = trained.argsort(descending=True)[: int((trained > 0).sum())]  # from common to rare
groups = {"the 48 commonest words": order[:48], "the 48 rarest": order[-48:]}
common, rare = (float(trained[some].sum() / trained.sum()) for some in groups.values())

# %%
viz.show_videos(
    {name: tile(list(means[some]), columns=8) for name, some in groups.items()},
    number="2.6",
    alt=f"Two pages of 48 blocks each, 4 frames long. The 48 commonest words make up {common:.0%} of all tokens and "
    f"are mostly flat dark patches in three colours; the 48 rarest make up {rare:.1%}, and many of them show edges.",
    caption="Two pages of the dictionary: the mean of all blocks that got the same word, in motion. Look for words "
    "that look alike.",
    fps=4,
    zoom=6,
)

# %% [markdown]
# The first page is odd. The backgrounds of these clips have three dark colours, up to a grey level or two. Three words
# would do for them, and yet the page is full of dark squares that look the same. How many are there? We call a block
# flat if none of its pixels is further than 6 grey levels from its mean.

# %%
flat = (blocks - blocks.mean((1, 2, 3), keepdim=True)).abs().amax((1, 2, 3, 4)) < 6
flat_uses = torch.bincount(tokens.flatten()[flat], minlength=512)
print(f"{flat.double().mean():.0%} of all blocks are flat")
print(f"{int((flat_uses > 0).sum())} words are used for flat blocks,", end=" ")
print(f"{int((flat_uses > trained / 2).sum())} of them for flat blocks mostly")

# %% [markdown]
# Dozens of words for what fits into three. Either the tokenizer is wasteful, or a word says something that cannot be
# seen in its own block. We come back to this in section 9.
#
# ## 8. All together
#
# Now the parts become one model. Read `forward` against the formula of the paper; each line has been a section.


# %%
class VQVAE(nn.Module):
    """Encoder, codes, decoder. In training mode the codes learn on the way."""

    def __init__(self, n, codes=512, width=32):
        super().__init__()
        self.encoder, self.to_codes = make_encoder(n), nn.Conv3d(4 * n, width, 1)
        self.codes = Codes(codes, width)
        self.from_codes, self.decoder = nn.Conv3d(width, 4 * n, 1), make_decoder(n)

    def forward(self, x, generator=None):
        z = self.to_codes(self.encoder(x))
        vectors = rearrange(z, "b d t h w -> (b t h w) d")
        if self.training and not self.codes.started:
            self.codes.start(pick(vectors.detach(), len(self.codes.vectors), generator))
        tokens = nearest(vectors.detach(), self.codes.vectors)
        chosen = self.codes.vectors[tokens]
        commitment = 0.25 * F.mse_loss(vectors, chosen)
        passed = vectors + (chosen - vectors).detach()
        if self.training:
            self.codes.follow(vectors.detach(), tokens)
            restart(self.codes, pick(vectors.detach(), len(self.codes.vectors), generator))
        b, _, t, h, w = z.shape
        passed = rearrange(passed, "(b t h w) d -> b d t h w", b=b, t=t, h=h, w=w)
        return self.decoder(self.from_codes(passed)), tokens, commitment


# %% [markdown]
# The last comparison is the hardest: one whole training step, from the same weights, on the same clips, with the same
# luck. Reconstruction, loss, every gradient, and the codes after their first update have to agree.

# %%
# NBVAL_CHECK_OUTPUT
theirs = VQGAN(vqgan.model.config).train()
ours = copy_weights(theirs, VQVAE(16))
batch = to_model(train.clips(step=0, batch_size=8)[0])
video, tokens, commitment = ours(batch, torch.Generator().manual_seed(1))
out = theirs(batch, generator=torch.Generator().manual_seed(1))
(F.l1_loss(video, batch) + commitment).backward()
(F.l1_loss(out.reconstruction, batch) + out.commitment_loss).backward()
pairs = list(zip(ours.parameters(), theirs.parameters(), strict=True))
print("tokens equal:", torch.equal(tokens, out.tokens.flatten()))
print("reconstructions equal:", torch.allclose(video, out.reconstruction, atol=1e-5))
print(f"{len(pairs)} gradients equal:", all(torch.allclose(a.grad, b.grad, rtol=1e-3, atol=1e-5) for a, b in pairs))
print("codes equal:", torch.allclose(ours.codes.vectors, theirs.codebook.embeddings, atol=1e-5))

# %% [markdown]
# So it may learn. A smaller one, half as wide, for 250 steps of 8 clips: the first 60 as a plain autoencoder, because
# codes that start as random vectors of an *untrained* encoder would soon be as far off as those of Figure 2.4. The loss
# adds twice the squared error to the paper's absolute error, a setting of our toy.

# %%
STEPS, PLAIN = 250, 60
torch.manual_seed(0)
mine = VQVAE(8)
optimizer = torch.optim.Adam(mine.parameters(), lr=1e-3, betas=(0.9, 0.99))
schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, 2 - 2 * step / STEPS))
log = []
for step in range(STEPS):
    batch = to_model(train.clips(step, 8)[0])
    if step < PLAIN:
        video, tokens, commitment = mine.decoder(mine.from_codes(mine.to_codes(mine.encoder(batch)))), None, 0.0
    else:
        video, tokens, commitment = mine(batch, torch.Generator().manual_seed(step))
    l1 = F.l1_loss(video, batch)
    optimizer.zero_grad()
    (l1 + 2 * F.mse_loss(video, batch) + commitment).backward()
    nn.utils.clip_grad_norm_(mine.parameters(), 1.0)
    optimizer.step()
    schedule.step()
    used = perplexity(torch.bincount(tokens, minlength=512)) if step >= PLAIN else math.nan
    log.append((l1.item(), used))

# %%
figure, axes = viz.subplots(1, 2, height=2.5)
errors, perplexities = np.array(log).T
axes[0].plot(np.arange(1, STEPS + 1), errors, linewidth=1)
axes[0].set(xlabel="training step", ylabel="mean absolute error", ylim=(0, None))
axes[1].plot(np.arange(1, STEPS + 1), perplexities, linewidth=1, color=viz.COLOURS[1])
axes[1].set(xlabel="training step", ylabel="perplexity of a batch", ylim=(0, 512), xlim=(0, STEPS))
for axis in axes:
    axis.axvline(PLAIN, linestyle=":", color="gray")
viz.show_figure(
    figure,
    number="2.7",
    alt=f"The error falls from {errors[:5].mean():.2f} to {errors[-20:].mean():.3f}; at step {PLAIN} the codes "
    f"start. Perplexity is {perplexities[PLAIN]:.0f} in the first step with codes, at lowest "
    f"{np.nanmin(perplexities):.0f}, and {perplexities[-20:].mean():.0f} at the end.",
    caption="Your tokenizer learning. The dotted line is where the codes start; before it there are no words, and no "
    "perplexity. It begins high because the first codes are themselves a random sample of the vectors.",
)

# %%
held_out, labels = test.clips(step=0, batch_size=64)
target = to_model(held_out)
with torch.inference_mode():
    rebuilt = {"mine": mine.eval()(target)[0], "tatslib": vqgan.model(target).reconstruction}
for name, video in rebuilt.items():
    psnr = -10 * (video.clamp(-0.5, 0.5) - target).square().mean(dim=(1, 2, 3, 4)).log10()
    print(f"{name:8s}{psnr.mean():5.1f} dB (PSNR, mean of 64 held-out clips)")

# %%
chosen = [int(torch.where(labels == label)[0][0]) for label in range(6)]
stacks = np.concatenate([held_out[chosen].numpy(), *(to_uint8(v[chosen]) for v in rebuilt.values())], axis=2)
viz.show_videos(
    dict(zip(test.classes, stacks, strict=True)),
    number="2.8",
    alt="Six columns of three videos: a held-out clip, its reconstruction by the small model of this chapter, in which "
    "thin parts are blurred or missing, and that of the recipe, which is sharper.",
    caption="Top: clips that neither model has seen. Middle: the model you trained a moment ago. Bottom: the tokenizer "
    "of this book, twice as wide and trained for 700 steps instead of 250. What does a tokenizer learn first, shapes "
    "or colours?",
    columns=6,
    width=104,
)

# %% [markdown]
# The two differ in width and in the number of steps, not in kind: same layers, same losses, same codebook. One training
# run of each cannot say how much of the gap is due to which.
#
# ## 9. What does a word know?
#
# Now the second half of the question. A token stands for 4 frames of 4 by 4 pixels. Does it know only about those?
# No: windows overlap, and windows of windows reach further. We can walk back through the layers. Entry $i$ of an
# output reads entries $i s - p_{\text{front}}$ to $i s - p_{\text{front}} + k - 1$ of its input. Apply that rule from
# the last layer to the first, in time only:

# %%
# NBVAL_CHECK_OUTPUT
RESIDUAL = [(3, 1), (3, 1)]  # two convolutions: (kernel, stride in time)
TOY = [(3, 1), (4, 2), *RESIDUAL, (4, 2), *RESIDUAL]
PAPER = [*TOY, (4, 1), *RESIDUAL]  # a third level, which no longer halves time


def reach(layers, latent):
    """First and last frame that one latent frame sees."""
    first = last = latent
    for kernel, stride in reversed(layers):
        front, _ = pads(kernel, stride)
        first, last = first * stride - front, last * stride - front + kernel - 1
    return first, last


for name, layers, config in (("toy", TOY, vqgan.model.config), ("paper", PAPER, VQGANConfig())):
    first, last = reach(layers, 0)
    print(f"{name:6s}latent frame 0 sees frames {first} to {last}: {last - first + 1} frames;", end=" ")
    print("tatslib (frames, rows, columns):", receptive_field(config))

# %% [markdown]
# Training clips have 16 frames, and the first token asks for 64. We should not believe that without a measurement.
# A gradient tells which inputs an output depends on: if frame 20 moves a latent vector at all, the gradient there is
# not zero. The widths of the layers play no part in this, so a thin copy of the paper's encoder will do. We give it a
# clip that is long enough that nothing is cut off.


# %%
def influence(encoder, clips, place, axis):
    """Mean size of the gradient of one latent vector, along one axis of its clips (2 time, 3 height)."""
    clips = clips.clone().requires_grad_()
    encoder.eval()(clips)[:, :, *place].sum().backward()
    return clips.grad.abs().mean([a for a in range(5) if a != axis])


def noise(*shape):
    return torch.rand(1, 3, *shape, generator=torch.Generator().manual_seed(0)) - 0.5


# %%
# NBVAL_CHECK_OUTPUT
torch.manual_seed(0)
thin = Encoder(VQGANConfig(hidden=2))
seen = influence(thin, noise(96, 16, 16), (12, 1, 1), axis=2).nonzero()
print(f"latent frame 12 moves with frames {int(seen[0])} to {int(seen[-1])}; by arithmetic {reach(PAPER, 12)}")
seen = influence(thin, noise(4, 192, 192), (0, 12, 12), axis=3).nonzero()
print(f"its row 12 moves with rows {int(seen[0])} to {int(seen[-1])}: {len(seen)} rows")
seen = influence(vqgan.model.encoder, noise(64, 24, 24), (8, 3, 3), axis=2).nonzero()
print(f"toy: latent frame 8 moves with frames {int(seen[0])} to {int(seen[-1])}; by arithmetic {reach(TOY, 8)}")

# %% [markdown]
# So it is true, to the frame. (It sees four frames further back than ahead. That is the odd entry of section 1, put in
# front by a layer whose entries stand for four frames each.) Figure 2.9 unrolls it for the second latent frame of a
# 16-frame clip. Each row is a layer's output; a box is as wide as the frames it stands for. Blue boxes exist. Orange
# ones are asked for and lie outside the clip, where that layer has no numbers. Padding fills them in the cheapest way:
# each layer adds one or two entries at the ends of its own map, and these stand for everything below them.

# %%
from matplotlib.patches import Rectangle

depths = [0, 1, 2, 4, 5, 7, 8, 10]  # after how many convolutions
names = ["video", "first conv.", "halved", "residual", "halved again", "residual", "kernel 4", "latent frame 1"]
figure, axes = viz.subplots(1, 1, height=3.4)
shares = []
for row, depth in enumerate(depths):
    first, last = reach(PAPER[depth:], 1)
    scale = math.prod(stride for _, stride in PAPER[:depth])
    inside = [0 <= i < 16 // scale for i in range(first, last + 1)]
    shares.append(sum(inside) / len(inside))
    for i, real in zip(range(first, last + 1), inside, strict=True):
        colour = viz.COLOURS[0 if real else 1]
        axes.add_patch(Rectangle((i * scale, row - 0.36), scale - 0.25, 0.72, color=colour, alpha=0.85, linewidth=0))
axes.axvspan(0, 16, alpha=0.12, color="gray")
axes.set(xlim=(-29, 37), ylim=(-0.6, 7.6), xlabel="frame", xticks=[-28, -16, 0, 16, 36])
axes.set_yticks(range(8), names)
axes.grid(False)
viz.show_figure(
    figure,
    number="2.9",
    alt="A pyramid of boxes. On top one latent frame, of frames 4 to 7. Below it every layer asks for entries on both "
    f"sides of the clip; of the 64 frames at the bottom only {shares[0]:.0%} exist.",
    caption="What latent frame 1 of the paper's encoder asks for, layer by layer, from the token (top) down to the "
    "video. Shaded: the clip of 16 frames. Orange boxes would have to be made of frames that were never filmed.",
)

# %% [markdown]
# Which latent frame of a clip is safe, then? Make your guess from Figure 2.9 before you look at Figure 2.10: the first
# and the last see padding. Do the two in the middle?

# %%
figure, axes = viz.subplots(1, 1, height=2.4)
for latent in range(4):
    first, last = reach(PAPER, latent)
    axes.barh(latent, last - first + 1, left=first, height=0.55, color=viz.COLOURS[1], alpha=0.85)
    axes.barh(latent, 16, left=0, height=0.55, color=viz.COLOURS[0])
    axes.barh(latent, 4, left=4 * latent, height=0.55, color=viz.COLOURS[3])
    axes.annotate(f"{-first} before", (first, latent), xytext=(4, -3), textcoords="offset points", color="white")
    words = {"xytext": (-4, -3), "textcoords": "offset points", "ha": "right", "color": "white"}
    axes.annotate(f"{last - 15} after", (last + 1, latent), **words)
axes.set(xlabel="frame", xticks=[-32, -16, 0, 16, 32, 44], ylim=(3.6, -0.6))
axes.set_yticks(range(4), [f"latent frame {latent}" for latent in range(4)])
axes.grid(False, axis="y")
viz.show_figure(
    figure,
    number="2.10",
    alt="Four bars of 64 frames each: -32 to 31, -28 to 35, -24 to 39 and -20 to 43. Each covers the whole clip, "
    "frames 0 to 15, and reaches beyond both of its ends: 48 of the 64 frames of every bar lie outside.",
    caption="What the four latent frames of a 16-frame clip see in the paper's encoder. Violet: the frames a token "
    "stands for. Blue: the rest of the clip. Orange: what has to be made up, the same 48 frames for all, differently "
    "placed.",
)

# %% [markdown]
# None is safe. Every token of a training clip sees beyond both ends, and every token sees the whole clip. What makes
# one latent frame differ from the next is *where in its view the made-up frames lie*. (In our toy, whose view has 36
# frames, the same is true.) In space it is otherwise:

# %%
# NBVAL_CHECK_OUTPUT
SPACE = [(3, 1), *3 * [(4, 2), *RESIDUAL]]  # along height and width all three levels halve
for axis, layers, size, words in (("time", PAPER, 16, 4), ("height", SPACE, 128, 16)):
    views = [reach(layers, place) for place in range(words)]
    clean = [place for place, (first, last) in enumerate(views) if first >= 0 and last < size]
    print(f"{axis}: of {words} places, those whose view stays inside the clip: {clean}")

# %% [markdown]
# A picture of 128 pixels has a middle that is out of reach of its borders; a clip of 16 frames has none. The paper
# says that this middle is what hid the trouble from those who made images (its footnote 2).
#
# A view can be large and yet lean on its middle. We ask our trained tokenizer how much each frame matters, on held-out
# clips of 64 frames:

# %%
long_clips = recipes.get("actions/videos").dataset("test", length=64, resolution=24).clips(step=0, batch_size=16)[0]
weights = influence(vqgan.model.encoder, to_model(long_clips), (8, 3, 3), axis=2)
weights = weights / weights.sum()
own, outside = float(weights[32:36].sum()), float(weights[:32].sum())
print(f"share of the gradient: own four frames {own:.0%}, before them {outside:.0%}, after {1 - own - outside:.0%}")

# %%
figure, axes = viz.subplots(1, 1, height=2.5)
first, last = reach(TOY, 8)
axes.bar(range(first - 32, last - 31), 100 * weights[first : last + 1])
axes.axvspan(-0.5, 3.5, alpha=0.2, color=viz.COLOURS[3])
axes.set(xlabel="frame, counted from the first of the token's own four", ylabel="share of gradient (%)")
viz.show_figure(
    figure,
    number="2.11",
    alt=f"Bars that are tall in the middle and fall off to both sides over 36 frames. The token's own four frames have "
    f"{own:.0%} of the gradient, the frames before them {outside:.0%}.",
    caption="How strongly a latent vector of our trained tokenizer depends on each frame of its view. Shaded: its own "
    "four frames.",
)

# %% [markdown]
# The far ends count for little, but the frames next to a token's own count for a lot. Is this where the many dark words
# of Figure 2.6 come from, blocks that look the same beside neighbours that do not? Then a clip without neighbours worth
# mentioning, painted all over in one background colour, should need few of them. How few?

# %%
commonest = torch.unique(blocks[flat].mean((1, 2, 3)).round(), dim=0, return_counts=True)
colour = commonest[0][commonest[1].argmax()].to(torch.uint8)
painted = colour.expand(1, 16, 24, 24, 3)
grain = torch.randint(-6, 7, painted.shape, generator=torch.Generator().manual_seed(0))
grainy = (painted + grain).clamp(0, 255).to(torch.uint8)
print("144 blocks of colour", colour.tolist())
for name, clip in (("painted evenly", painted), ("with a grain of up to 6 grey levels", grainy)):
    with torch.inference_mode():
        words = vqgan.model.encode(to_model(clip))
    print(f"{name}: different words: {len(words.unique())}")

# %% [markdown]
# The blocks are those that took so many words before; only what surrounds them has changed. So the other dark words
# were about the surroundings. A word is less like a tile and more like a remark about a place.
#
# And some of its neighbours were never filmed. For the first latent frame of a clip, all that lies left of the shaded
# band has to be made up. If zeros are put there, that latent frame is told, in every clip, that it is the first.
# Whether it listens, and what becomes of a transformer that learned from such tokens, the next chapter will find out.
#
# > **Exercise 3.** How long would a clip have to be for the paper's encoder to have a single latent frame that sees no
# > padding? And how far does a token see if the residual blocks are left out?

# %% tags=["hide-cell"]
latent = next(j for j in range(100) if reach(PAPER, j)[0] >= 0)
print(f"latent frame {latent} is the first that sees nothing before the clip: frames {reach(PAPER, latent)}")
print(f"so the clip needs {reach(PAPER, latent)[1] + 1} frames, and even then one latent frame of 16 is clean")
for blocks in (0, 1, 2):
    view = receptive_field(VQGANConfig(encoder_blocks=blocks))
    print(f"{blocks} residual blocks a level: (frames, rows, columns) = {view}")
print("Even without any, the view is longer than a clip of 16 frames.")

# %% [markdown]
# ## Pitfalls
#
# - **The odd entry.** PyTorch's `padding="same"` refuses strides and puts the odd entry *behind*. With weights trained
#   for the other side the model runs, and every map is off by one.
# - **Cutting a transposed convolution.** `padding=1` on a kernel of 4 is zero padding in disguise: dim borders.
# - **Straight-through in evaluation.** $\mathbf v + (\mathbf c - \mathbf v)$ is $\mathbf c$ only up to rounding. A
#   decoder that is fed from tokens gets the exact codes; the last bits differ.
# - **The optimiser and the codebook.** Codes that follow by EMA must not be parameters as well, or two teachers pull.
# - **A codebook that starts anew.** Whether it was initialised has to be saved with the weights. In the released code
#   it is not, so that a resumed training overwrites its codes with vectors of its first batch.
# - **Perplexity of a small batch.** The paper trains with 2 clips a GPU, 2,048 tokens, and 16,384 codes. No such batch
#   can show a perplexity above 2,048, however healthy the codebook is.
# - **Losses by size.** Means and sums over a clip differ by its number of pixels. Before you copy a weight from a
#   paper, find out which one it was made for.
#
# ## In two sentences
#
# A second of video becomes a few hundred words because strided convolutions shrink it to a small grid of vectors, each
# of which is replaced by the number of its nearest code, and codes, encoder and decoder learn together although that
# last step has no gradient. Each word knows more than its own block: in the paper's encoder it looks at 64 frames, of
# which a training clip has 16, so that three quarters of what every word looks at was never filmed, and what is put
# there instead is the subject of [Chapter 3](03_zero_padding_corrupts_tokens.ipynb).
