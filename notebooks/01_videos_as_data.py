# %% [markdown]
# # Videos as data
#
# [Run this chapter in Colab](https://colab.research.google.com/github/long-videos-step-by-step/tats-book/blob/main/notebooks/01_videos_as_data.ipynb)
#
# **The question.** A model learns from clips of 16 frames, about two thirds of a second, and is then asked for 1024.
# Has it ever seen a video that long?
#
# **What the paper says.** Section 3.4: 1024 frames come close to the upper bound of the training videos. Appendix B.1
# backs this up with two pictures, the number of videos that have at least so many frames (its Fig. 15) and the mean
# number of frames of each class of UCF-101 (its Fig. 16), and with a remark that is easy to read over: for the
# version of the model that is trained on 64 frames at once, taking only every fourth frame of Taichi-HD would have cost
# 60 % of the videos.
#
# **What you will see.** What a video file is and where it misleads its reader; how a folder of files becomes a stream
# of clips, with one meaning of "length" and "stride"; two small worlds that stand in for two real data sets, file for
# file; the counterparts of Fig. 15 and Fig. 16; and what happens to broken files.

# %%
import sys

if "google.colab" in sys.modules:  # Colab starts without the package; its own torch stays as it is
    import subprocess

    package = "tatslib @ git+https://github.com/long-videos-step-by-step/tats-book"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", package], check=True)

# %% [markdown]
# **What it costs.** Under a minute on two processor cores, two thirds of it to write 335 videos, which are kept for
# the other chapters; 0.4 GB of memory; 130 MB of disk, the cache of decoded frames included; no GPU. What is
# still to be built here:

# %%
from tatslib import recipes

print(recipes.plan("actions/videos"))
print(recipes.plan("sky/videos"))

# %%
actions, sky = recipes.get("actions/videos"), recipes.get("sky/videos")

# %% [markdown]
# ## Two worlds
#
# UCF-101 takes 13,320 videos from YouTube, and you may not have it. So this book brings worlds of its own: a world is
# a formula that takes a seed and a frame number and gives a picture. Nothing is stored, any frame can be asked for,
# and the same numbers give the same bytes. The *actions* world has six recurrent motions, which a reader can name even
# at 24 pixels:

# %%
import numpy as np

from tatslib.viz import show_figure, show_flipbook, show_videos, subplots
from tatslib.worlds import actions as actions_world
from tatslib.worlds import sky as sky_world

LOOKS = dict(zip(actions_world.CLASSES, (15, 8, 6, 7, 9, 17), strict=True))  # colours that differ
show_videos(
    {name: actions_world.render(1, range(100), 64, action=name, look=look) for name, look in LOOKS.items()},
    number="1.1",
    alt="Six videos: a ball bounces, a figure does jumping jacks, a moon circles a planet, a ring swells and shrinks, "
    "a bar with a white end spins, a pendulum swings. Each motion comes round about every 33 frames.",
    caption="The six classes of the actions world. Let it run: each motion comes round about every 33 frames, yet a "
    "second, slower motion keeps it from ever repeating exactly.",
    columns=3,
)

# %% [markdown]
# The *sky* world has no classes. Clouds drift over hills while day turns into night; a day takes about 240 frames, so
# the change from one frame to the next is always small, and the change over a long video is large.

# %%
show_videos(
    {f"seed {seed}": sky_world.render(seed, range(0, 240, 2), 64, width=114) for seed in (1, 3)},
    number="1.2",
    alt="Two landscapes with dark hills. White clouds drift over a blue sky, turn orange at dusk, grey-blue at night, "
    "and pink at dawn, within 240 frames.",
    caption="The sky world, every second frame of a day. Neighbouring frames are alike; frames 100 apart need not be.",
)

# %% [markdown]
# A formula is endless and exact, and real data are neither. That is why we do not train on formulas. The two recipes
# above rendered videos of limited, uneven length, *encoded* them, and wrote them in the layout of the real data set.
# From here on we forget where they came from.


# %%
# NBVAL_CHECK_OUTPUT
def show_tree(folder, patterns):
    """A few paths of each pattern, relative to the folder."""
    for pattern in patterns:
        found = sorted(folder.glob(pattern))
        print(f"{found[0].relative_to(folder).as_posix():78s} and {len(found) - 1} more")


show_tree(actions.folder, ["UCF-101/*/*.avi", "ucfTrainTestlist/*.txt"])
show_tree(sky.folder, ["sky_train/*/*/*.jpg", "sky_test/*/*/*.jpg"])

# %% [markdown]
# ## What a video file is
#
# Three things are called "a video". The *frames* are pictures, `uint8 (T, H, W, 3)`. The *codec* (mpeg4, h264, ...)
# turns pictures into packets of bytes. The *container* (avi, mp4, ...) puts the packets in a row and adds a header
# that says how many there are and when to show them. Let us open one file and read the header.

# %%
# NBVAL_CHECK_OUTPUT
import av

path = actions.folder / "UCF-101" / "SwingingPendulum" / "v_SwingingPendulum_g08_c01.avi"
with av.open(str(path)) as container:
    stream = container.streams.video[0]
    packets = [(packet.size, packet.is_keyframe) for packet in container.demux(stream) if packet.size]
    width, height = stream.codec_context.width, stream.codec_context.height
    print(f"container {container.format.name}, codec {stream.codec_context.name}")
    print(f"{height} x {width} pixels, {stream.average_rate} frames a second, {stream.frames} frames announced")

raw = len(packets) * height * width * 3
print(f"{raw:,} bytes of pixels in a file of {path.stat().st_size:,}: 1/{raw / path.stat().st_size:.0f}")

# %% [markdown]
# How can so few bytes hold so many pictures? Make a guess before you look: are all packets about equally large?

# %%
sizes = np.array([size for size, _ in packets])
keys = np.array([key for _, key in packets])
figure, axes = subplots(height=2.4)
axes.bar(np.flatnonzero(~keys), sizes[~keys], width=0.9, label="changes only")
axes.bar(np.flatnonzero(keys), sizes[keys], width=0.9, label="whole picture")
axes.set(xlabel="packet", ylabel="bytes", ylim=(0, 1.3 * sizes.max()))
axes.legend(ncols=2)
show_figure(
    figure,
    number="1.3",
    alt=f"Every twelfth packet is a tall bar: whole pictures take {sizes[keys].mean():.0f} bytes on average, the "
    f"eleven packets between two of them {sizes[~keys].mean():.0f} bytes.",
    caption="Size of each packet of one file. Every twelfth holds a whole picture; the others say what moved.",
)

# %% [markdown]
# Only every twelfth packet can be decoded on its own. To get frame 23 the decoder has to start at frame 12 and work
# its way up. So a program that wants frame 23 has two choices: decode from the beginning, or *seek*, that is, ask the
# container where to jump. The second is faster, and here is why we never do it.
#
# We write 60 frames whose brightness *is* their number, with so-called B-frames. These are predicted from a later
# frame as well as an earlier one, so the file holds them in another order than they are shown, and AVI files found on
# the internet are full of them. Then we ask for frames the careful way: jump to the whole picture before the one we
# want, then decode until the time stamp is reached.

# %%
import tempfile
from pathlib import Path

from tatslib import videos

scratch = Path(tempfile.mkdtemp())


def write_with_b_frames(path, codec, options):
    """60 frames; frame k has the grey level 20 + 3 k."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"bf": "2", "g": "12", **options})
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for k in range(60):
            picture = np.full((32, 32, 3), 20 + 3 * k, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def seek(path, wanted):
    """The number of the frame that we get, read off its brightness."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        target = int(wanted / 25 / stream.time_base)
        container.seek(target, stream=stream)  # to the last whole picture before the target
        frame = next(frame for frame in container.decode(stream) if frame.pts >= target)
    return round((frame.to_ndarray(format="rgb24").mean() - 20) / 3)


# %%
# NBVAL_CHECK_OUTPUT
write_with_b_frames(scratch / "b.mp4", "libx264", {})
write_with_b_frames(scratch / "b.avi", "mpeg4", {"flags": "+qscale", "global_quality": "118"})
wanted = [5, 10, 23, 35, 47]
print("wanted       ", wanted)
for name in ("b.mp4", "b.avi"):
    print(f"seek in {name}", [seek(scratch / name, k) for k in wanted])

# %% [markdown]
# The mp4 is right, the avi is not. AVI has no place for the time at which a frame is *shown*, so time stamps are made
# up from the order of the packets, and B-frames make that order another one. The whole picture that is frame 12, for
# example, lies at place 10 (counted from 0), before frames 10 and 11, which are predicted from it; so it passes for
# number 10, and the two after it, which also lean on a frame before the jump, are dropped. No error, no warning; a
# clip would start a frame or two away from where the program thinks it does. For a model whose very topic is time,
# that is a bad place to be wrong. Decoding from the first frame on cannot go wrong this way:


# %%
# NBVAL_CHECK_OUTPUT
def decode(path, start, length, stride=1):
    """The smallest correct reader: from the first frame on, keeping only what is asked for."""
    with av.open(str(path)) as container:
        frames = []
        for k, frame in enumerate(container.decode(video=0)):
            if len(frames) == length:
                break
            if k >= start and (k - start) % stride == 0:
                frames.append(frame.to_ndarray(format="rgb24"))
    return np.stack(frames)


for name in ("b.mp4", "b.avi"):
    frames = [round((decode(scratch / name, k, 1).mean() - 20) / 3) for k in wanted]
    print(f"decode {name}", frames)

# %% [markdown]
# `videos.read_frames` does the same and also reads folders of images. Neither holds more than what it returns, however
# long the video is.

# %%
# NBVAL_CHECK_OUTPUT
ours, theirs = decode(path, 7, 16, 3), videos.read_frames(path, start=7, length=16, stride=3)
print(theirs.shape, theirs.dtype, "equal:", np.array_equal(ours, theirs))

# %% [markdown]
# ## A clip: length and stride
#
# Models of this kind see nothing but clips of fixed shape. A clip has a *length* $T$, the number of frames it has, and
# a *stride* $s$, the distance between two of them in the video. It *spans*
#
# $$ S = (T - 1)\,s + 1 $$
#
# frames of the video, and a video of $n$ frames holds $n - S + 1$ different clips. Obvious? The released code counts
# `sequence_length` *before* dropping frames when it reads video files, and *after* when it reads folders of frames: 16
# frames at stride 4 are written as 64 in the one case and as 16 in the other. In this book the length always counts
# the frames you get.

# %%
clips = {stride: videos.read_frames(path, 0, 16, stride) for stride in (1, 4)}
figure, axes = subplots(2, 1, height=1.6)
for axis, (stride, clip) in zip(axes, clips.items(), strict=True):
    axis.imshow(videos.contact_sheet(videos.resize_and_crop(clip, 48), columns=16, gap=1))
    axis.set_title(f"16 frames at stride {stride}: {(15 * stride + 1) / 25:.2f} s")
    axis.axis("off")
show_figure(
    figure,
    number="1.4",
    alt="Two rows of 16 frames of a pendulum. At stride 1 it makes half a swing, at stride 4 almost two full swings.",
    caption="The same 16 frames of budget. Stride 1 shows a smooth half of one swing; stride 4 almost two, "
    "but near the middle the bob jumps by almost its own width.",
)

# %% [markdown]
# The paper trains with stride 1 except on Taichi-HD, where it follows earlier work with stride 4.
#
# > **Exercise 1.** A video has 100 frames. How many different clips of 16 frames does it hold at stride 1, and at
# > stride 4? How long must it be to hold a single clip of 64 frames at stride 4?


# %% tags=["hide-cell"]
def span(length, stride):
    return (length - 1) * stride + 1


print("stride 1:", 100 - span(16, 1) + 1, "clips; stride 4:", 100 - span(16, 4) + 1, "clips")
print("64 frames at stride 4 span", span(64, 4), "frames, 10 seconds at 25 frames a second")

# %% [markdown]
# ## From any shape to a small square
#
# Our files are 64 x 86 pixels, UCF-101 has 240 x 320, Sky Time-lapse 360 x 640; the model takes squares. The shorter
# side is resized to the wanted size and the centre is cut out of the longer one. The released code resizes by looking
# at the four nearest pixels only. When 240 pixels become 64 it therefore never looks at most of them. What would you
# expect of a moving picture with fine detail?


# %%
def fence_at(t, height=240, width=320):
    """Posts three pixels apart, drifting to the right by a third of a pixel a frame."""
    posts = 130 + 80 * np.sin(2 * np.pi * (np.arange(width) - t / 3) / 3)
    return np.uint8(posts[None, :, None] * np.ones((height, 1, 1)) * [0.8, 0.9, 1.0])


fence = np.stack([fence_at(t) for t in range(36)])
small = {
    "averaged": videos.resize_and_crop(fence, 64),
    "four nearest": videos.resize_and_crop(fence, 64, antialias=False),
}
flicker = {name: np.abs(np.diff(video.astype(float), axis=0)).mean() for name, video in small.items()}
show_videos(
    small,
    number="1.5",
    alt=f"Left: an even grey. Right: broad dark and light bars that are not in the original and that flicker; pixels "
    f"change by {flicker['four nearest']:.0f} grey levels a frame, against {flicker['averaged']:.1f} on the left.",
    caption="A fence of posts 3 pixels apart, too fine for 64 pixels. Averaging (antialiasing) makes it the "
    "grey it has to be; looking at the four nearest pixels invents broad bars that flicker.",
    zoom=3,
)

# %% [markdown]
# The bars on the right are not in the data; they are made by the resizing, and a model will learn to make them. We
# average. `antialias=False` gives the released preprocessing, number for number, for those who load the released
# weights.
#
# How small may a picture get before a reader can no longer name the class? Move the slider.

# %%
frames = [actions_world.render(1, [12], 64, action=name, look=look) for name, look in LOOKS.items()]
pages = {}
for size in (64, 32, 24, 16, 12, 8):
    sheet = videos.tile([videos.resize_and_crop(frame, size) for frame in frames], columns=6, gap=1)[0]
    pages[f"{size} px"] = sheet.repeat(384 // size // 2, axis=0).repeat(384 // size // 2, axis=1)
show_flipbook(
    pages,
    number="1.6",
    alt="One frame of each of the six classes at 64, 32, 24, 16, 12 and 8 pixels. Down to 16 pixels all six can be "
    "named; at 8 pixels the figure, the moon and the pendulum are coloured blots.",
    caption="One frame of each class. The toy models of this book work at 24 pixels, where all six can still be named.",
    slider="size",
    zoom=1,
    first=2,
)

# %% [markdown]
# ## Values
#
# Outside models a video is `uint8` from 0 to 255, with colour last. Inside it is a float from −0.5 to 0.5 with colour
# first, which is the range of the released checkpoints. One module converts, `tatslib.videos`, and nothing else does;
# a range that is converted twice, or in two places that disagree, is a bug that trains without complaint.

# %%
# NBVAL_CHECK_OUTPUT
levels = np.array([0, 1, 127, 128, 254, 255], np.uint8).reshape(6, 1, 1, 1).repeat(3, axis=-1)  # (T, H, W, 3)
inside = videos.to_model(levels)  # (3, T, H, W)
print(tuple(inside.shape), [f"{value:+.4f}" for value in inside[0, :, 0, 0].tolist()])
print("there and back:", np.array_equal(videos.to_uint8(inside), levels), " a model's 0.73 becomes", end=" ")
print(videos.to_uint8(inside[:, :1] * 0 + 0.73).max())

# %% [markdown]
# ## The five data sets and their twins
#
# The paper uses five data sets. Each has a toy twin in this book, written in the *same layout*, so the reader that you
# use here is the one that reads the real thing.
#
# | data set | videos (paper, B.1) | frames on disk as | labels | paper's resolution | twin |
# |---|---|---|---|---|---|
# | UCF-101 | 13,320; 9,537 to train | `.avi` files, mpeg4 | 101 classes | 128 | `actions` |
# | Sky Time-lapse | 2,647 released, of 5,000 announced | folders of `.jpg` | none | 128 | `sky` |
# | Taichi-HD | 2,668 | video files | none | 128 | `taichi`, later |
# | AudioSet-Drum | 6,000 to train, 1,000 to test; 90 frames | video and sound files | sound | 64 | `drums`, later |
# | MUGEN | 104,796 to train, 11,802 to test; 96–602 frames | game logs, video files | text | 256 | `platform`, later |
#
# UCF-101, Sky Time-lapse, Taichi-HD and AudioSet-Drum are made of other people's videos from YouTube. The paper names
# no licence for any of the five; ask their makers before you pass anything on. The twins are ours and as free as this
# text.
#
# What does a layout say beyond names? For UCF-101, three things: which number a class has, which videos are for
# training, and which videos belong together.

# %%
# NBVAL_CHECK_OUTPUT
for name in ("classInd.txt", "trainlist01.txt", "testlist01.txt"):
    print(f"{name:16s}", (actions.folder / "ucfTrainTestlist" / name).read_text().splitlines()[:3])

# %% [markdown]
# In `v_JumpingJack_g08_c02.avi`, `g08` is the group. In UCF-101 the clips of a group look alike, with the same person
# or the same place; in our twin they share colours. The official lists put groups 1 to 7 into the test split of fold
# 1, and no group stands on both sides. Splitting clips at random instead would let a model be tested on backgrounds
# that it has learned by heart.
#
# In Sky Time-lapse a folder is a video. Frames are numbered, and the numbers decide the order, not the alphabet, in
# which `frames_10` comes before `frames_9`.

# %%
# NBVAL_CHECK_OUTPUT
folder = sorted((sky.folder / "sky_train").glob("*/*_2"))[0]
for frame in videos.frame_paths(folder)[:2]:
    print(frame.relative_to(sky.folder).as_posix())
print("...", len(videos.frame_paths(folder)), "frames")

# %% [markdown]
# ## A data set is a set of windows
#
# Now the pieces come together. `ucf101` reads the lists and gives a `ClipDataset`. Its first use decodes every video
# once, from front to back, into a cache of small squares; after that a clip is a read from disk. The cache is also
# where frame counts come from: they are counted, not believed.

# %%
# NBVAL_CHECK_OUTPUT
from tatslib.datasets.sky_timelapse import sky_timelapse
from tatslib.datasets.ucf101 import ucf101

data = ucf101(actions.folder, split="train", length=16, stride=1, resolution=24)
print(len(data), "videos,", sum(data.frames), "frames,", data.windows, "different clips")
print("by hand:", sum(n - 16 + 1 for n in data.frames))
clips, labels = data.clips(step=0, batch_size=8)
print(tuple(clips.shape), clips.dtype, [data.classes[label] for label in labels])

# %% [markdown]
# Which clips make a batch? Every window of every video is equally likely, as in the released code, so a long video
# counts in proportion to its length. And a batch is a pure function of a seed and the step: step 700 draws the same
# clips whether we got there in one go or stopped for the night at step 350. That is what makes exact resuming possible
# later, and it costs one line: a fresh generator from (seed, "clips", step). Which of these three lines print `True`?

# %%
# NBVAL_CHECK_OUTPUT
import torch

again = ucf101(actions.folder, resolution=24)
print(torch.equal(again.clips(0, 8)[0], clips))  # another object, never asked for anything before
print(torch.equal(data.clips(1, 8)[0], clips))  # the next step
shares = [data.clips(0, 4, rank=rank, world_size=2)[0] for rank in range(2)]
print(torch.equal(torch.stack(shares, dim=1).flatten(0, 1), clips))  # two processes share the batch

# %% [markdown]
# We check one clip by hand, from the file to the batch.

# %%
# NBVAL_CHECK_OUTPUT
video, start = data.places(step=0, count=8)[0]
print(data.paths[video].name, "from frame", start)
by_hand = videos.resize_and_crop(decode(data.paths[video], start, 16), 24)
print("equal to the first clip of the batch:", np.array_equal(by_hand, clips[0].numpy()))

# %% [markdown]
# If you own UCF-101, this is the whole difference: `ucf101("/where/you/keep/it", resolution=128)`. The folder is the
# one into which the two official archives unpack. Mind the cache: it takes $3 \cdot 128^2 \approx$ 49 kB a frame.
#
# > **Exercise 2.** Suppose each *video* were equally likely instead of each window. By what factor would a clip from
# > our shortest training video become more likely, relative to one from the longest?

# %% tags=["hide-cell"]
windows = np.array(data.frames) - 16 + 1
print(f"shortest: {windows.min()} windows, longest: {windows.max()}")
print(f"a window of the shortest would be {windows.max() / windows.min():.1f} times as likely as one of the longest")

# %% [markdown]
# ## How long are the videos? (Fig. 15 of the paper)
#
# Back to the question. For each $n$ we count the videos that have at least $n$ frames. Three marks matter: 16 frames,
# a training clip; 61, the span of 16 frames at stride 4; 253, the span of 64 frames at stride 4. The last is what the
# paper's hierarchical model would have needed on Taichi-HD, and what would have dropped 60 % of the videos there. What
# share do you think it would drop here?

# %%
counts = {
    "actions": np.array(ucf101(actions.folder, length=1, resolution=24).frames),
    "sky": np.array(sky_timelapse(sky.folder, length=1, resolution=24).frames),
}
lost = {name: 100 * (frames < 253).mean() for name, frames in counts.items()}
for name, frames in counts.items():
    print(f"{name:8s} {len(frames)} videos, mean {frames.mean():.0f}, longest {frames.max()} frames;", end=" ")
    print(f"shorter than 61: {100 * (frames < 61).mean():.0f} %, shorter than 253: {lost[name]:.0f} %")

# %%
figure, axes = subplots(height=3.0)
n = np.arange(1, 1101)
for name, frames in counts.items():
    axes.step(n, (frames[:, None] >= n).sum(axis=0), label=f"{name} (train split)")
for mark, text in ((16, "16"), (61, "61"), (253, "253"), (1024, "1024")):
    axes.axvline(mark, color="#818283", linewidth=0.8, linestyle=":")
    axes.annotate(text, (mark, 150), xytext=(3, 0), textcoords="offset points")
axes.set(xscale="log", xlabel="n frames", ylabel="videos with at least n frames", xlim=(8, 1300))
axes.legend(loc="center right")
show_figure(
    figure,
    number="1.7",
    alt=f"Both curves are flat up to the shortest video and then fall. At 253 frames "
    f"{(counts['actions'] >= 253).sum()} of {len(counts['actions'])} actions videos and "
    f"{(counts['sky'] >= 253).sum()} of {len(counts['sky'])} sky videos are left, at 1024 none.",
    caption="Counterpart of the paper's Fig. 15 for our two worlds, train splits, every frame counted by decoding. "
    "Dotted: a clip of 16 frames at strides 1 and 4, one of 64 at stride 4, and the length the paper generates.",
)

# %% [markdown]
# No video of ours comes near 1024 frames, and the paper calls 1024 close to the upper bound of its own. A model that
# has to produce them is not copying a long example; there is hardly one. Note also the price of a stride: at stride 4
# the span of 64 frames costs nearly everything, which is why the paper went back to stride 1 for its hierarchical
# model on Taichi-HD. (Our shares are above Taichi-HD's 60 % because our videos are shorter: a data set that is written
# in seconds has to save somewhere.)
#
# ## How long are the classes? (Fig. 16 of the paper)
#
# Since windows are drawn evenly, a class whose videos are longer is seen more often. If classes were equal, all bars
# below would be at the dashed line.

# %%
everything = [ucf101(actions.folder, split=split, length=1, resolution=24) for split in ("train", "test")]
frames = np.concatenate([part.frames for part in everything])
label = np.concatenate([part.labels for part in everything])
means = np.array([frames[label == k].mean() for k in range(6)])
errors = np.array([frames[label == k].std(ddof=1) / np.sqrt((label == k).sum()) for k in range(6)])
order = np.argsort(-means)
figure, axes = subplots(height=2.8)
axes.bar(range(6), means[order], yerr=errors[order], ecolor="#818283")
axes.axhline(frames.mean(), color="#818283", linestyle="--", linewidth=1)
axes.set_xticks(range(6), [data.classes[k] for k in order], rotation=15)
axes.set_ylabel("mean frames of a video")
shortest, longest = data.classes[order[-1]], data.classes[order[0]]
show_figure(
    figure,
    number="1.8",
    alt=f"Six bars, from {means[order[0]]:.0f} frames for {longest} down to {means[order[-1]]:.0f} for {shortest}; the "
    f"mean of all videos is {frames.mean():.0f}.",
    caption="Counterpart of the paper's Fig. 16: mean number of frames of the videos of each class, both splits, with "
    "standard errors. Dashed: mean of all videos.",
)

# %% [markdown]
# UCF-101 is uneven in the same way, over 101 classes. It matters in two places: samples conditioned on a class should
# be drawn in the same proportions when they are compared with real ones, and "the model is bad at class X" may only
# mean "class X was seen rarely".
#
# ## Bad files
#
# A real collection of ten thousand files has some that are cut off, empty, or no video at all. The released code
# catches every error, silently takes another file, and tries forever if none works. We rather want to know. Here is a
# folder with one file of each kind:

# %%
import wave

folder = scratch / "mixed"
folder.mkdir()
good = path.read_bytes()
(folder / "good.avi").write_bytes(good)
(folder / "cut_off.avi").write_bytes(good[: len(good) // 2])
(folder / "no_bytes.avi").touch()
(folder / "a_web_page.avi").write_text("<html>Quota exceeded, please try again later</html>")
with wave.open(str(folder / "sound_only.avi"), "wb") as sound:
    sound.setparams((1, 2, 8000, 0, "NONE", ""))
    sound.writeframes(bytes(16000))
videos.write_video(folder / "too_short.avi", videos.read_frames(path, 0, 10))
videos.write_video(folder / "wrong_suffix.mp4", videos.read_frames(path, 0, 40))
_ = (folder / "wrong_suffix.mp4").rename(folder / "wrong_suffix.avi")

# %% [markdown]
# Which of the seven can be used? Each that cannot is named in one line of a warning; here we collect the lines and
# print them.

# %%
# NBVAL_CHECK_OUTPUT
import logging

from tatslib.datasets.clips import ClipDataset


class PrintHere(logging.Handler):
    """Print warnings in the page, without the name of the temporary folder."""

    def emit(self, record):
        """One line a warning."""
        print(record.getMessage().replace(f"{folder}/", ""))


logging.getLogger("tatslib").addHandler(PrintHere())
logging.getLogger("tatslib").propagate = False
mixed = ClipDataset(sorted(folder.glob("*.avi")), length=16, resolution=24, cache=scratch / "cache")
print("used:", [path.name for path in mixed.paths])

# %% [markdown]
# The file with the wrong suffix is used, because its content decides. The file that was cut off can be decoded up to
# the cut; it is left out because it then holds far fewer frames than its header announces. A frame or two less is
# forgiven, since honest AVI files are often like that. So the header is good for something after all: for noticing a
# loss.
#
# When nothing is left, or a question makes no sense, the answer is one sentence that says what was looked for and
# what was found:

# %%
# NBVAL_CHECK_OUTPUT
from tatslib.errors import UserError

for wrong in ({"length": 1024}, {"split": "validation"}, {"fold": 4}):
    try:
        ucf101(actions.folder, resolution=24, **wrong)
    except UserError as error:
        print(error)

# %% [markdown]
# ## How fast?
#
# Training that waits for data is the commonest waste there is. Guess before you run: how many times faster are clips
# from the cache than clips decoded anew each time? (A clip from the middle of a video makes the decoder work through
# the half before it.)

# %%
from tatslib.datasets.benchmark import bench_data

result = bench_data(data, seconds=1.0)

# %% [markdown]
# The toy tokenizer of Chapter 0 takes fewer than a hundred clips a second, so the cache is far from being the
# bottleneck, and a single process is enough. For larger pictures the same command, `tats bench data`, tells how many
# are needed on your machine.
#
# ## Pitfalls
#
# - **Trusting a frame count.** It is a claim of the header. Count what you decode.
# - **Seeking.** Off by a frame or two in some containers, without an error. Decode from the front, once, into a cache.
# - **Sorting frames by name.** `frames_10.jpg` sorts before `frames_9.jpg`. Sort by number.
# - **"Length".** Before or after the stride? A model with the wrong answer trains on a quarter of the time span.
# - **Resizing without averaging.** It makes patterns that were never there and that flicker.
# - **Ranges.** 0 to 255, 0 to 1, −1 to 1, −0.5 to 0.5 are all in use. The perceptual loss of a later chapter expects
#   −1 to 1; the released code feeds it −0.5 to 0.5.
# - **Class numbers by folder order.** They follow the folders that happen to be there. Take them from `classInd.txt`.
# - **Random splits of grouped clips.** The test set then shares its backgrounds with the training set.
#
# > **Exercise 3.** A world can be made harder. Render the ball with `jitter=0.2`, a trembling camera. By what factor
# > does the mean change from frame to frame grow? Why is that bad news for a small tokenizer?


# %% tags=["hide-cell"]
def mean_change(**options):
    video = actions_world.render(0, range(100), 24, action="BouncingBall", **options).astype(float)
    return np.abs(np.diff(video, axis=0)).mean()


plain, harder = mean_change(), mean_change(jitter=0.2)
print(f"{plain:.2f} grey levels a frame, then {harder:.2f}: {harder / plain:.1f} times as much")
print("The additional change is everywhere and means nothing, yet the codes have to describe it.")

# %% [markdown]
# ## In two sentences
#
# No: to a model a data set is a set of windows, here of 16 frames each, and videos of 1024 frames are rare or absent
# even where the windows are cut from. Whatever holds a long video together has to be put together by the model from
# pieces of two thirds of a second, and the next chapter begins with how such a piece becomes a handful of tokens.
