# %% [markdown]
# # Zero padding corrupts tokens
#
# [Run this chapter in Colab](https://colab.research.google.com/github/long-videos-step-by-step/tats-book/blob/main/notebooks/03_zero_padding_corrupts_tokens.ipynb)
#
# **The question.** Why does a video model that was fine for sixteen frames fall apart at frame seventeen?
#
# **What the paper says.** Sections 2.2 and A.2: look for the culprit in the tokenizer, not in the transformer. At the
# ends of a clip a convolution asks for frames that do not exist and is given zeros. The zeros get encoded along with
# the frames, so a token says not only what is to be seen but also how far it stands from the edge. A sliding window
# then hands the transformer tokens that no training clip could ever have produced.
#
# **What you will see.** The same frames turned into different tokens; how far the zeros reach, layer by layer; the
# paper's Equation 2 tried as printed (it fails), repaired and proved; histograms of tokens by position; what a slid
# prefix costs a transformer, measured on real frames; and the same thing in pictures, where it hides so well that
# image models lived with it for years.

# %%
import sys

if "google.colab" in sys.modules:  # Colab starts without the package; its own torch stays as it is
    import subprocess

    package = "tatslib @ git+https://github.com/long-videos-step-by-step/tats-book"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", package], check=True)

# %% [markdown]
# **What it costs.** On two processor cores without a GPU: about 13 minutes and 1.6 GB of memory if nothing was built
# before, since two tokenizers and two transformers are trained, and one of each for pictures; about a minute once they
# are there.

# %%
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange

from tatslib import recipes, viz
from tatslib.metrics.divergence import jensen_shannon, token_histogram
from tatslib.metrics.equivariance import corruption_by_depth, encode_pairs, real_frames_twin, same_tokens
from tatslib.sampling.image_window import window_start
from tatslib.studies import image_border as images
from tatslib.studies import positions, results
from tatslib.videos import tile, to_model, to_uint8
from tatslib.vqgan.moved_padding import MovedPadding, pad_with_zero_frames

print(recipes.plan("actions/gpt-zeros"))
print(recipes.plan("actions/gpt-replicate"))
print(recipes.plan("sky/image-gpt-zeros"))

# %% [markdown]
# Two tokenizers of one architecture, trained on the same clips in the same order from the same initial weights. In one,
# *zeros* stand beyond every edge, as in VideoGPT, VQGAN and nearly every convolutional network. In the other the last
# real value is repeated (*replicate*). The paper calls a model with the first *vanilla* and one with the second
# *time-agnostic*.

# %%
videos = recipes.get("actions/videos")
tokenizers = {padding: recipes.get(f"actions/vqgan-{padding}") for padding in ("zeros", "replicate")}
for padding, trained in tokenizers.items():
    print(
        f"{padding:10s} {trained.scores['psnr']:.1f} dB on held-out clips, codes used: "
        f"{trained.scores['used_codes']:.0%}"
    )

# %% [markdown]
# As tokenizers of 16-frame clips they are about equally good. Whatever will go wrong cannot be seen here, and this is
# why it went unnoticed.
#
# ## The same frames, twice
#
# Take 20 consecutive frames of a video. Frames 0 to 15 are one clip, frames 4 to 19 another. Both show frames 4 to 15,
# which are *three latent frames*: numbers 1, 2, 3 of the first clip and 0, 1, 2 of the second. A convolution does the
# same everywhere, so we would expect
#
# $$[f_\mathcal{E}(\mathbf x^{(0:T-1)})]^{(1:t-1)} = [f_\mathcal{E}(\mathbf x^{(d:T+d-1)})]^{(0:t-2)},$$
#
# with $T = 16$ frames, $t = 4$ latent frames and $d = 4$ frames to a latent frame.
# The paper's Equation 1 is this line with $\neq$ in it. Before you run the next cells: the frames are identical, pixel
# by pixel. What share of the 108 tokens would you expect to come out the same?

# %%
test = videos.dataset("test", length=20, resolution=24)
clips, labels = test.clips(step=0, batch_size=64)
pendulum = int(torch.where(labels == 5)[0][0])
twenty = to_model(clips)  # (64, 3, 20, 24, 24)

pairs = {padding: encode_pairs(trained.model, twenty) for padding, trained in tokenizers.items()}
for padding, pair in pairs.items():
    same = same_tokens(*pair)
    print(
        f"{padding:10s} tokens that stay: {same[pendulum].double().mean():.0%} of this pendulum's, "
        f"{same.double().mean():.0%} of 64 clips'"
    )

# %%
frames = to_uint8(twenty[pendulum])[4:16:4]  # the first frame of each of the three shared latent frames
pictures = {"what is seen": np.concatenate(list(frames.repeat(4, 1).repeat(4, 2)), axis=1)}
for padding, pair in pairs.items():
    stays = same_tokens(*pair)[pendulum].numpy()  # (3, 6, 6)
    mask = stays.repeat(4, 1).repeat(4, 2).repeat(4, 1).repeat(4, 2)[..., None]  # to the size of the pictures
    shown = np.where(mask, frames.repeat(4, 1).repeat(4, 2), np.uint8([214, 70, 84]))
    pictures[f"{padding}: red where the token changed"] = np.concatenate(list(shown), axis=1)
viz.show_pictures(
    pictures,
    number="3.1",
    alt="Three latent frames of a pendulum, and the same with changed tokens in red: "
    + ", ".join(f"{p} {1 - float(same_tokens(*pair)[pendulum].double().mean()):.0%} red" for p, pair in pairs.items()),
    caption="Frames 4 to 15 of one video, encoded at the end of one clip and at the beginning of the next. A red "
    "square is a token that changed although nothing in the picture did.",
    columns=1,
    zoom=1,
)

# %% [markdown]
# Look at Figure 3.1 for a pattern. The background stands still, nothing moves there, and still its tokens change. With
# copies instead of zeros a good part of them stays.
#
# ## How far do the zeros reach?
#
# One might hope that only the outermost frames suffer. Let us follow a clip through the encoder. The smallest code that
# can answer is a network that forgets about pictures and keeps *one number a frame*: which share of it stems from real
# frames. Every convolution becomes an average over its kernel; a residual block has two of them and a way around.


# %%
def average(share, kernel, stride):
    """One convolution: zeros beyond the edges, then the mean over the kernel."""
    total = kernel - stride
    padded = F.pad(share, (total - total // 2, total // 2))
    return F.avg_pool1d(padded, kernel, stride)


share = torch.ones(1, 1, 16)
shares = []
for unit in tokenizers["zeros"].model.config.encoder_units:
    if unit.kind == "residual":
        share = (share + average(average(share, 3, 1), 3, 1)) / 2
    else:
        share = average(share, unit.kernel, unit.stride[0])
    shares.append(share.flatten())
    print(f"{unit.kind:12s}", " ".join(f"{value:.2f}" for value in shares[-1]))

# %% [markdown]
# Sixteen numbers go in, four come out, and none of the four is 1. Chapter 2 computed why: a token sees 36 frames, a
# clip has 16. At the paper's size it is 64 frames on clips of 16. So *no* token is free of padding. All have as many
# made-up frames in view; what differs is how near these lie and on which side, and that tells the position.
#
# That was arithmetic with averages. What happens with the real weights? We encode a clip from the middle of a longer
# video twice: once alone, with zeros beyond its ends, and once with the *real* frames around it. How far apart are the
# features after each unit, relative to their size?

# %%
twins = {padding: real_frames_twin(trained.model) for padding, trained in tokenizers.items()}
before, after = twins["zeros"].config.margins
longer = to_model(videos.dataset("test", length=before + 16 + after, resolution=24).clips(0, 64)[0])
corruption = {padding: corruption_by_depth(trained.model, longer) for padding, trained in tokenizers.items()}
print("error of the four latent frames, relative to features made from real frames")
for padding, rows in corruption.items():
    print(f"{padding:10s}", " ".join(f"{value:.2f}" for value in rows[-1]))

# %%
figure, axes = viz.subplots(1, 2, height=2.5, sharey=True)
names = ["first conv", "strided conv", "residual", "strided conv", "residual"]
for axis, (padding, rows) in zip(axes, corruption.items(), strict=True):
    table = np.stack([row.numpy().repeat(16 // len(row)) for row in rows])
    image = axis.imshow(table, vmin=0, vmax=0.45, aspect="auto", cmap="magma")
    axis.set(title=padding, xlabel="frame", xticks=[0, 4, 8, 12, 15], yticks=range(5), yticklabels=names)
    axis.grid(False)
figure.colorbar(image, ax=axes, label="relative error")
viz.show_figure(
    figure,
    number="3.2",
    alt="Error after each unit of the encoder, by frame. Zeros: it enters at the ends, moves inwards with each unit "
    f"and ends at {corruption['zeros'][-1].min():.2f} to {corruption['zeros'][-1].max():.2f} in every latent frame. "
    f"Replicate: {corruption['replicate'][-1].min():.2f} to {corruption['replicate'][-1].max():.2f}.",
    caption="How far features are from what real frames would have made of them, from the first unit (top) to the "
    "last. Follow the bright edge inwards. After the last unit no frame is dark, but the two sides of the figure do "
    "not end alike.",
)

# %% [markdown]
# Three things in Figure 3.2 deserve a second look. After the first unit only the outermost frames are wrong; each
# further unit carries the error inwards by as much as its kernel reaches, until no latent frame is free of it. It
# does not come evenly: the two outer latent frames end up several times as wrong as the two inner ones, so the error
# itself tells how far the edge is. And copies are not real frames either, the right half is not black. A repeated
# frame is wrong about motion. But it has the right colours in the right places, while zeros in *all* channels at once
# are like nothing that a video makes there.
#
# ## Equation 2, tried by hand
#
# The paper's argument in A.2 starts from a thought: take all the zeros that are padded *inside* the encoder and move
# them to its input. What is left is an encoder without padding, $\hat f_\mathcal{E}$, which is shift-equivariant and
# reads a longer video:
#
# $$f_\mathcal{E}(\mathbf x) = \hat f_\mathcal{E}([\mathbf 0^N\; \mathbf x\; \mathbf 0^N]).$$
#
# Is it true? We have both sides at hand. `real_frames_twin` gave us the trained encoder without padding in time. Let us
# feed it the clip between frames of zeros (a middle grey, in the range of our pixels) and compare tokens.

# %%
vanilla, bare = tokenizers["zeros"].model, twins["zeros"]
print("N = zero frames before and after a clip:", bare.config.margins)
clip = twenty[:, :, :16]
with torch.inference_mode():
    expected = vanilla.encode(clip)
    as_printed = bare.encode(pad_with_zero_frames(clip, *bare.config.margins)[0])
print(f"tokens that agree with Equation 2 as printed: {(as_printed == expected).double().mean():.0%}")

# %% [markdown]
# Far from it. Why? For one layer the equation is obviously right. But what leaves the first layer beyond the clip is
# not zero: a layer makes *something* of zeros, its bias at least, and next to the clip its kernel already reaches into
# real frames. The second layer of $f_\mathcal{E}$, however, finds clean zeros there, put there by its own padding. So
# moving the zeros to the input is not enough. Something has to put them back before each convolution.
#
# That something may not know absolute positions, or $\hat f_\mathcal{E}$ would no longer be shift-equivariant. A flag
# for each frame will do: "I am real". It travels with the frames, halves its length where they do, and each layer
# first clears whatever is not flagged. Here it is, unit by unit.


# %%
def next_flags(real, kernel, stride):
    """A frame of the output is real if its own stretch of the input was."""
    front = (kernel - stride) - (kernel - stride) // 2
    return real[front : len(real) - (kernel - stride) // 2][::stride]


def clear(x, real):
    return x * real[:, None, None]


def convolve(layer, x, real):
    return layer(clear(x, real)), next_flags(real, layer.kernel, layer.stride[0])


def residual(block, x, real):
    branch, inner = convolve(block.conv1, F.silu(block.norm1(x)), real)
    branch, inner = convolve(block.conv2, F.silu(block.norm2(branch)), inner)
    return x[:, :, 2:-2] + branch, inner


# %%
# NBVAL_CHECK_OUTPUT
with torch.inference_mode():
    x, real = pad_with_zero_frames(clip, *bare.config.margins)
    x = bare.encoder.fold(x)
    for unit, plan in zip(bare.encoder.units, bare.config.encoder_units, strict=True):
        x, real = (residual if plan.kind == "residual" else convolve)(unit, x, real)
    by_hand = bare.to_codes(F.silu(bare.encoder.norm(x)))
    print("latent frames:", x.shape[2], "all real:", bool(real.all()))
    print("equal to the padded encoder:", torch.allclose(by_hand, vanilla.latents(clip), atol=1e-4))
    moved = MovedPadding(vanilla)  # the package's version
    packaged = moved(*pad_with_zero_frames(clip, *moved.margins))
    print("equal to the package's:", torch.equal(packaged, by_hand))

# %% [markdown]
# Equal. So Equation 2 holds once $\hat f_\mathcal{E}$ reads flags as well as frames (the ledger of differences
# has a row for it), and flags that move with the frames leave it shift-equivariant. Let us check that, too: the same
# clip, four frames later in a longer stretch of nothing.

# %%
# NBVAL_CHECK_OUTPUT
with torch.inference_mode():
    before, after = moved.margins
    later = moved(*pad_with_zero_frames(clip, before + 4, after))
print("one latent frame more:", later.shape[2], "instead of", packaged.shape[2])
print("the last four are those of before:", torch.allclose(later[:, :, 1:], packaged, atol=1e-4))

# %% [markdown]
# Now the argument. The sliding window asks the transformer to continue $\mathbf z^{(1:t-1)}$, the tokens of a clip
# without its first latent frame, *as if they stood at the beginning*. By Equation 2 and shift-equivariance, an input
# that yields them there is
#
# $$[\mathbf 0^{N-d}\; \mathbf x^{(0:T-1)}\; \mathbf 0^{N+d}].$$
#
# (The paper prints $\mathbf x^{(d:T-1)}$ in the middle, which drops $d$ frames that all of these tokens have seen.)
# Cut it as the encoder would: *in front of* the clip stand $d$ real frames where the encoder always has zeros, and
# the clip itself *ends* with $d$ blank frames, which real videos hardly ever do. No training clip looks like this.
# The transformer is asked to go on from a sentence in a language it has not seen.
#
# ## What the tokens know
#
# If tokens did not know where they stand, the four latent frames of training clips would all use the codebook in the
# same way: clips are cut at random, so no moment of a video is more likely to come first than last. Here are the
# histograms of all training tokens, position by position. We sort the codes by how often they occur at position 0. Will
# the other three follow the same curve?

# %%
training_tokens = {padding: recipes.get(f"actions/tokens-{padding}").train for padding in tokenizers}
figure, axes = viz.subplots(1, 2, height=2.6, sharey=True)
for axis, (padding, data) in zip(axes, training_tokens.items(), strict=True):
    histograms = [token_histogram(frame, data.index.codes) for frame in data.tokens.long().unbind(1)]
    order = histograms[0].argsort(descending=True)[:64]
    for position, histogram in enumerate(histograms):
        axis.plot(100 * histogram[order], linewidth=1.2, label=f"position {position}")
    axis.set(
        title=padding, xlabel="64 commonest codes of position 0", ylabel="% of tokens" if padding == "zeros" else ""
    )
axes[0].legend(fontsize="small")
divergence = {
    padding: positions.position_divergence(data.tokens.long(), 512) for padding, data in training_tokens.items()
}
viz.show_figure(
    figure,
    number="3.3",
    alt="How often the 64 commonest codes of latent position 0 occur at each of the four positions. Zeros: positions "
    "1 and 2 do not follow the curve of position 0. Replicate: all four curves nearly coincide.",
    caption="The codebook in use, position by position. With zeros the middle of a clip speaks another dialect than "
    "its ends; with copies all four positions speak nearly the same.",
)

# %% [markdown]
# One number for how different two histograms are is the *Jensen-Shannon divergence*: the entropy of their mixture minus
# the mean of their entropies. It is 0 for equal histograms and $\log 2 = 0.69$ nats for disjoint ones. Even two halves
# of the same data do not score 0, because counts are finite; that is the floor to compare with.

# %%
p, q = histograms[0], histograms[1]  # of replicate, by hand once
mixture = (p + q) / 2
entropy = lambda h: float(torch.special.entr(h).sum())  # noqa: E731
print(
    "by hand:", round(entropy(mixture) - (entropy(p) + entropy(q)) / 2, 6), " tatslib:", round(jensen_shannon(p, q), 6)
)
for padding, table in divergence.items():
    floor = positions.floor_divergence(training_tokens[padding].tokens.long(), 512)
    print(
        f"{padding:10s} position 0 against 1, 2, 3: ",
        " ".join(f"{v:.4f}" for v in table[0, 1:]),
        f"  chance {floor:.4f}",
    )

# %% [markdown]
# That was one pair of tokenizers. The study behind it was run for three seeds, and its protocol was written down
# before the first of them. (Here and below, "a ± b" in a stored table is the mean and the standard deviation over
# seeds; a 95 % interval is always called so.)

# %%
stored = results.load("token-positions")
print(stored.protocol, "\n")
for padding in tokenizers:
    print(
        f"{padding:10s} mean over positions {stored.text(f'{padding}/mean', 4)}   chance "
        f"{stored.text(f'{padding}/chance', 4)}"
    )
print("\n" + stored.origin())
for padding, table in divergence.items():
    print(stored.check(f"{padding}/mean", float(table[0, 1:].mean()), digits=4))

# %% [markdown]
# Copies do not bring it down to chance, only to a few times chance, where zeros stand at many tens of times.
#
# ## What the transformer makes of it
#
# Tokens that know their place need not hurt. They hurt if somebody relies on them and then finds them in the wrong
# place. This is what a sliding window does: after one slide, the latent frames that were made at positions 1, 2, 3 are
# read at 0, 1, 2. After three slides *all* of them were made at the last position.
#
# We can measure what that costs without sampling a single token. Take real frames. Give the transformer the three
# latent frames before a moment in two ways, *matched* (encoded as the beginning of a clip, as in training) and *slid*
# (the same frames, encoded where a sliding window would have had them). How likely does it find the true next latent
# frame? Nothing is left to chance here: the frames are the same and so is what has to be predicted. (We take 128
# windows of held-out videos here, the stored study below took 512.)

# %%
live = {}
for padding, trained in tokenizers.items():
    transformer = recipes.get(f"actions/gpt-{padding}")
    losses = positions.prefix_losses(trained.model, transformer, clips=128)  # (3, 128) each, in nats a token
    live[padding] = losses["slid"] - losses["matched"]
    gaps = " ".join(f"{gap:+.3f}" for gap in live[padding].mean(1))
    print(f"{padding:10s} matched {losses['matched'].mean():.3f} nats a token; slid once, twice, three times: {gaps}")

# %% [markdown]
# Both pay. Did you expect copies to pay as well? Their tokens change, too, if less; but there is a second reason, and
# it has nothing to do with padding. A token sees 36 frames, *in both directions*. The matched prefix was encoded in a
# clip that also held the frames to be predicted, so it has hints about the answer; the slid prefix was encoded before
# they came. A frame that was drawn at the last position, as all are past the training length with a context of three,
# has no such hints.
#
# A third prefix tells the two apart: in its right place, but from a clip whose last four frames are frozen, so that
# the future is hidden (*blind*). What is between slid and blind is the *place*; what is between blind and matched is
# the *future*. (We added it after the first seed had been seen, and the protocol says so. *Place* still contains a
# little look-ahead: in the blind prefix the first latent frames have seen those after them, in the slid one they have
# not.)

# %%
stored = results.load("slid-prefix")
print(stored.protocol, "\n")
for padding in live:
    parts = "   ".join(f"{part} {stored.text(f'{padding}/{part}', 3)}" for part in ("gap", "place", "future"))
    print(f"{padding:10s} {parts} nats a token   (held-out loss {stored.text(f'{padding}/nll')})")
for part in ("gap", "place", "future"):
    difference, half = stored.difference(f"zeros/{part}", f"replicate/{part}")
    print(f"{part}, zeros - replicate, pairs of one seed: {difference:+.3f} ± {half:.3f} (95 % interval)")
for padding, gap in live.items():
    print(stored.check(f"{padding}/gap", float(gap.mean()), digits=3))
print(stored.origin())

# %% [markdown]
# Now read the intervals. With a context of three latent frames this link of the chain is **not shown at toy scale**:
# the transformer pays for tokens that, by Figure 3.3, belong to other places, but hardly more with zeros than with
# copies. Perhaps it reads either dialect because it has met both, at some position or other. The gap of copies is the
# larger one in all three seeds, and so is its *future* part, though neither difference is clear: their matched tokens
# seem to give more of the future away (Exercise 2). Chapter 7 repeats the measurement with shorter contexts, and
# there the paddings differ.
#
# That leaves the other half of the argument. The transformer also *writes* in the dialect of the position it believes
# to be at, and a decoder has to make pictures of that, in places where it never met this dialect. And perhaps four
# latent frames, each of them near an edge, are too mixed a company to tell place from place. In a picture there is
# more room.

# %% [markdown]
# ## Why pictures hid it for so long
#
# Image models slid windows long before video models did. The 2D VQGAN that the paper starts from draws pictures
# larger than any it was trained on, and draws them well, with zeros beyond every edge. Why did nobody complain?
# Because, says the paper (A.2, Figure 12), the token to be drawn always stands in the *centre* of its window, far
# from the zeros. Draw tokens near the *border* of the window instead, and the picture should fall apart as videos do.
#
# A picture is a clip of one frame, so our tools can put this to the test. A tokenizer turns 48 by 48 pixels of sky into
# 12 by 12 tokens and finds zeros beyond the four edges of a picture. (The study below has a second one, with the same
# initial weights, data and steps, which finds copies of the edge. We train the first one here and take the numbers of
# both from the study.) How far into the picture does an edge reach? Take pictures three times as wide, encode them
# whole, then cut out the middle third and encode that. Which of its twelve columns of tokens change?

# %%
wide = images.wide_pictures(64, resolution=48)  # (64, 48, 144, 3)
picture_vqgan = recipes.get("sky/image-vqgan-zeros").model
whole, cut = images.encode(picture_vqgan, wide), images.encode(picture_vqgan, wide[:, :, 48:96])
stay = (cut == images.middle(whole)).double().mean(dim=(0, 1))  # (12,)
print("tokens that stay, by column:", " ".join(f"{share:4.0%}" for share in stay))

# %% [markdown]
# Three columns on either side feel an edge, as far as the receptive field reaches; the six in the middle cannot. At the
# edge itself hardly a token is what the same pixels give inside a picture.
#
# Now the window. We draw pictures of 36 columns, token by token, row by row, each token inside a window of 12 columns.
# Where in its window does it stand?

# %%
# NBVAL_CHECK_OUTPUT
for position in ("centre", "border"):
    places = [column - window_start(column, 12, 36, position) for column in range(36)]
    print(f"{position:7s}", *places)

# %% [markdown]
# At the true ends of the picture the window stands still. In between, `centre` draws everything in column 6, and
# `border` everything in column 11, as a video's newest frame stands last in its window. Both get the same luck, so up
# to column 6 of the first row they even draw the same tokens. Predict four kinds of picture before you look on: zeros
# and copies, centre and border. Which of them will be broken, and from where on? Those with zeros we draw.

# %%
drawn = images.draw("zeros", seed=0, pictures=16)
live = images.measure(drawn, yardsticks=1)

# %%
pictures = {"real": images.decode(drawn.vqgan, images.encode(drawn.vqgan, wide[:16:4]))}
pictures |= {position: images.decode(drawn.vqgan, tokens[::4]) for position, tokens in drawn.tokens.items()}
viz.show_pictures(
    {label: tile(stack[:, None], columns=1)[0] for label, stack in pictures.items()},
    number="3.4",
    alt="Wide skies: real ones through the tokenizer, drawn in the centre and drawn at the border of the window. "
    "Pictures drawn at the border break at the end of the first window: bands and specks, and changes of light. "
    "Divergence of tokens from real ones: "
    + ", ".join(f"{position} {live[position]['tokens']:.2f}" for position in drawn.tokens)
    + " nats.",
    caption="Our counterpart of the paper's Figure 12, with zeros beyond the edges: every fourth picture of each kind, "
    "none chosen. Drawn at the border: look a third of the way from the left, where the window begins to move.",
    columns=3,
    zoom=2,
)

# %% [markdown]
# The first third of each broken picture is sound: there the window stands still. Then it moves, and from one column to
# the next everything is written in the dialect of the right edge. The decoder, which finds these tokens in the *middle*
# of a picture, makes specks and bands of them. The transformer has to go on from windows such as it never saw in
# training, and can lose track of the time of day.
#
# And with copies? Here is the middle third of 32 pictures of each kind in numbers, over three seeds. All of the
# protocol but *blind* was written before the first. (We drew 16, and fewer pictures diverge a little more. To see those
# with copies, call `images.draw("replicate", seed=0)`; its models take three minutes to train.)

# %%
stored = results.load("image-border")
print(stored.protocol, "\n")
columns = ("tokens", "place", "nearest", "gap", "from_position")
print(" " * 18 + "".join(f"{name:>15s}" for name in columns))
for edge, position in product(images.EDGES, ("real", "centre", "border")):
    keys = [key for key in columns if key in stored.seeds[0][edge][position]]
    cells = {key: stored.text(f"{edge}/{position}/{key}", 1 if key == "nearest" else 3) for key in keys}
    print(f"{edge:10s}{position:8s}" + "".join(f"{cells.get(key, ''):>15s}" for key in columns))
print("\n" + stored.origin())
for position, key in product(("centre", "border"), ("tokens", "matched")):
    print(stored.check(f"zeros/{position}/{key}", live[position][key], digits=3))
print(stored.check("zeros/border/gap", live["border"]["gap"], digits=3))

# %% [markdown]
# *tokens* is the divergence from real tokens inside a picture; *real* is what 32 real pictures score themselves, and
# so what few pictures cost. Even the centre costs more than that, with either edge: a transformer is not perfect, and
# `top_p` prefers plain skies. But with zeros the border costs several times as much, with copies no more than the
# centre. *place* compares with what stood in that column of the training pictures, and there the broken ones are as
# good as any: *the transformer did what it had learned*, which was to write edges.
#
# *gap* is slid minus matched, as in the section above, for windows put together of columns 6 or 11 of real pictures. In
# the centre it is next to nothing, even with zeros. At the border it is not, and with zeros hardly any of it is the
# future: *from position* is what is left when that is hidden. So what videos did not show, pictures do. With copies a
# smaller gap stays: copies are not real pixels, only near enough.
#
# One ruler is bent. By distance to the *nearest* real picture, skies drawn in the centre beat real ones, since a plain
# sky is close to many others. Do not read more into it than border against centre.
#
# So the paper's reading holds here, in one world and one small architecture: the zeros were always there, and the
# centred window never touched them. A video of sixteen frames has no such centre. Its four latent frames all feel an
# edge, wherever the window puts the new one.

# %% [markdown]
# ## Pitfalls
#
# - **Judging a tokenizer by its reconstructions alone.** Both of ours reconstruct a clip about equally well. What
#   they do to the *language* of tokens shows up only where clips are joined.
# - **Comparing histograms of few tokens.** Two finite samples always differ. Put the divergence of two halves beside
#   it.
# - **Padding the input by hand and believing that the layers see it.** Equation 2 as printed is that mistake.
# - **Taking a gap in likelihood for a gap in pictures.** A token can be unlikely and look fine, or likely and be
#   decoded, in the wrong surroundings, into something else. Chapter 7 looks at pictures.
# - **Forgetting that encoders look ahead.** A prefix of real tokens has seen frames that a prefix of tokens drawn at
#   the last position has not. Any gap that is measured with real prefixes contains this difference, unless it is
#   taken out.
#
# ## Exercises
#
# **1. Which end?** Equation 2 has zeros before and after. Let only one side have them: real frames before, zeros after.
# Which of the four latent frames then agree with those of an encoder that sees real frames on both sides?

# %% tags=["hide-cell"]
before, after = bare.config.margins
with torch.inference_mode():
    both = bare.encode(longer)
    flags = torch.ones(longer.shape[2], dtype=torch.bool)
    flags[before + 16 :] = False
    one_side = moved.encode(longer, flags)
print("agreement by position:", " ".join(f"{v:.0%}" for v in (one_side == both).double().mean(dim=(0, 2, 3))))

# %% [markdown]
# The later a token, the more it suffers. The first one sees a few of the zeros as well, but so faintly that its code
# stays.
#
# **2. Seeing the future.** A token sees 36 frames, in both directions. So the tokens of a *matched* prefix know
# something about the frames that are to be predicted. How much? Replace frames 12 to 15 of a clip by those of another
# video, and count the tokens of the first three latent frames that change.

# %% tags=["hide-cell"]
clip = twenty[:, :, :16]
other = torch.cat([clip[:, :, :12], clip.roll(1, dims=0)[:, :, 12:]], dim=2)  # another video's last four frames
for padding, trained in tokenizers.items():
    changed = trained.model.encode(clip) != trained.model.encode(other)
    print(
        f"{padding:10s} changed at positions 0 to 3:",
        " ".join(f"{v:.0%}" for v in changed.double().mean(dim=(0, 2, 3))),
    )

# %% [markdown]
# This is what the matched prefix has and a window with a context of three cannot have, whatever the padding. (What is
# drawn at an earlier position is another matter: see Chapter 7.)
#
# **3. Clues for a detective.** From a single latent frame of 36 tokens, can you tell at which position it was made?
# Let the histograms decide: sum the log-probabilities of its tokens under each position's histogram and take the
# largest.

# %% tags=["hide-cell"]
for padding in tokenizers:
    test_tokens = recipes.get(f"actions/tokens-{padding}").test.tokens.long()  # (256, 4, 6, 6)
    train_tokens = training_tokens[padding].tokens.long()
    logs = torch.stack([(token_histogram(train_tokens[:, k], 512) + 1e-6).log() for k in range(4)])  # (4, K)
    guess = logs[:, rearrange(test_tokens, "b t h w -> b t (h w)")].sum(-1).argmax(0)  # (256, 4)
    right = (guess == torch.arange(4)).double().mean()
    print(f"{padding:10s} the position is guessed correctly in {right:.0%} of cases (chance: 25 %)")

# %% [markdown]
# A single latent frame gives its place away with zeros in about two cases of three, with copies not much more often
# than by luck.
#
# ## Summary
#
# Zeros beyond the ends of a clip are encoded like everything else, they reach every token, and the tokens of one and
# the same frame differ with its place in the clip. **Why does a model that was fine for sixteen frames fall apart at
# frame seventeen?** Because, says the paper, from there on its window holds tokens made for other places, a prefix
# that no training clip could have had, and its decoder meets them where it never met them before. Of these links we
# saw the first, the corruption, beyond any doubt, and the other two in pictures of the sky. In videos, with a context
# of three latent frames, our transformers paid about the same with either padding; Chapter 7 looks at shorter
# contexts, where they do not.
#
# The cure costs one word in a config. [Chapter 4](04_equivariance_score.ipynb) measures how far it goes, and what it
# leaves.
