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
# of clips, with one meaning of "length" and "stride"; five small worlds that stand in for the paper's five data sets,
# file for file, one with sound and one with a story; the counterparts of Fig. 15 and Fig. 16; and what happens to
# broken files.

# %%
import sys

if "google.colab" in sys.modules:  # Colab starts without the package; its own torch stays as it is
    import subprocess

    package = "tatslib @ git+https://github.com/long-videos-step-by-step/tats-book"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", package], check=True)

# %% [markdown]
# **What it costs.** From nothing about 2 minutes on two processor cores, most of them to write 700 videos, which are
# kept for the other chapters; 0.5 GB of memory; 300 MB of disk, the cache of decoded frames included; no GPU. What is
# there already, and what is still to be built:

# %%
from tatslib import recipes

NAMES = ("actions", "sky", "taichi", "drums", "platform")
for name in NAMES:
    print(str(recipes.plan(f"{name}/videos")).splitlines()[1])

# %%
written = {name: recipes.get(f"{name}/videos") for name in NAMES}
actions, sky, taichi, drums, platform = written.values()

# %% [markdown]
# ## Five worlds
#
# UCF-101 takes 13,320 videos from YouTube, and you may not have it. So this book brings worlds of its own: a world is
# a formula that takes a seed and a frame number and gives a picture. Nothing is stored, any frame can be asked for,
# and the same numbers give the same bytes. There is one for each data set of the paper, and each was made to be hard in
# the way in which that one is.

# %%
import numpy as np

from tatslib.viz import show_figure, show_flipbook, show_pictures, show_videos, subplots
from tatslib.worlds import actions as actions_world
from tatslib.worlds import sky as sky_world
from tatslib.worlds.drums import render as drums_frames
from tatslib.worlds.platform import render as platform_frames
from tatslib.worlds.taichi import render as taichi_frames

show_videos(
    {
        "actions: a class": actions_world.render(3, range(33), 48, action="JumpingJack", look=8),
        "sky: slow change": sky_world.render(1, range(0, 132, 4), 48),
        "taichi: slow motion": taichi_frames(3, range(0, 132, 4), 48),
        "drums: a sound": drums_frames(1, range(33), 48),
        "platform: a story": platform_frames(4, range(33), 48),
    },
    number="1.1",
    alt="Five small videos: a figure does jumping jacks; clouds drift over hills; a figure in a suit moves its arms in "
    "slow curves; four drums light up as sticks hit them; a blue figure runs over brown ground.",
    caption="The five worlds, 33 frames each; of sky and taichi every fourth is shown, because little happens between "
    "two of theirs.",
    columns=5,
    width=112,
)

# %% [markdown]
# The *actions* world has six recurrent motions, which a reader can name even at 24 pixels:

# %%
LOOKS = dict(zip(actions_world.CLASSES, (15, 8, 6, 7, 9, 17), strict=True))  # colours that differ
show_videos(
    {name: actions_world.render(1, range(68), 48, action=name, look=look) for name, look in LOOKS.items()},
    number="1.2",
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
    {f"seed {seed}": sky_world.render(seed, range(0, 240, 6), 48, width=86) for seed in (1, 3)},
    number="1.3",
    alt="Two landscapes with dark hills. White clouds drift over a blue sky, turn orange at dusk, grey-blue at night, "
    "and pink at dawn, within 240 frames.",
    caption="The sky world, every sixth frame of a day. Neighbouring frames are alike; frames 100 apart need not be.",
)

# %% [markdown]
# We come to the other three below, where each has something of its own to show. A formula is endless and exact, and
# real data are neither. That is why we do not train on formulas. The five recipes above rendered videos of limited,
# uneven length, *encoded* them, and wrote them in the layout of the real data set. From here on we forget where they
# came from.


# %%
# NBVAL_CHECK_OUTPUT
def show_tree(folder, patterns):
    """A few paths of each pattern, relative to the folder."""
    for pattern in patterns:
        found = sorted(folder.glob(pattern))
        print(f"{found[0].relative_to(folder).as_posix():78s} and {len(found) - 1} more")


show_tree(actions.folder, ["UCF-101/*/*.avi", "ucfTrainTestlist/*.txt"])
show_tree(sky.folder, ["sky_train/*/*/*.jpg", "sky_test/*/*/*.jpg"])
show_tree(taichi.folder, ["train/*.mp4", "test/*.mp4"])
show_tree(drums.folder, ["video/*/*.mp4", "stft/*/*.pickle"])
show_tree(platform.folder, ["coinrun_dataset_jsons/release/*.json", "coinrun_v2_video_data/*/*/*"])

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
    number="1.4",
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
sheets = {}
for stride in (1, 4):
    clip = videos.resize_and_crop(videos.read_frames(path, 0, 16, stride), 40)
    sheets[f"stride {stride}: {(15 * stride + 1) / 25:.2f} s"] = videos.contact_sheet(clip, columns=16, gap=1)
show_pictures(
    sheets,
    number="1.5",
    alt="Two rows of 16 frames of a pendulum. At stride 1 it makes half a swing, at stride 4 almost two full swings.",
    caption="The same 16 frames of budget. Stride 1 shows a smooth half of one swing; stride 4 almost two, "
    "but near the middle the bob jumps by almost its own width.",
    zoom=1,
    columns=1,
)

# %% [markdown]
# The paper names a stride for Taichi-HD only, where it follows earlier work and takes every fourth frame.
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
    number="1.6",
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
    number="1.7",
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
# | data set | officially at | videos (B.1) | frames each | on disk | comes with | pixels | twin |
# |---|---|---|---|---|---|---|---|
# | [UCF-101][6] | [its page][1] | 13,320; 9,537 to train | uneven | `.avi`, lists | 101 classes | 128 | `actions` |
# | [Sky Time-lapse][7] | [MD-GAN][2] | 2,647, of 5,000 announced | uneven | folders of `.jpg` | | 128 | `sky` |
# | [Taichi-HD][8] | [a script][3] | 2,668 | uneven | `.mp4`, or folders of `.png` | | 128 | `taichi` |
# | [AudioSet-Drum][9] | [Sound2Sight][4] | 6,000 and 1,000 | 90 | `.mp4`, `.pickle` | sound | 64 | `drums` |
# | [MUGEN][10] | [its page][5] | 104,796 and 11,802 | 96–602 | `.json`, `.mp4` | text | 256 | `platform` |
#
# [1]: https://www.crcv.ucf.edu/data/UCF101.php
# [2]: https://github.com/weixiong-ur/mdgan
# [3]: https://github.com/AliaksandrSiarohin/first-order-model/blob/master/data/taichi-loading/README.md
# [4]: https://github.com/merlresearch/Sound2Sight
# [5]: https://mugen-org.github.io/download
# [6]: https://github.com/long-videos-step-by-step/tats-book/blob/main/book/data_ucf101.md
# [7]: https://github.com/long-videos-step-by-step/tats-book/blob/main/book/data_sky.md
# [8]: https://github.com/long-videos-step-by-step/tats-book/blob/main/book/data_taichi.md
# [9]: https://github.com/long-videos-step-by-step/tats-book/blob/main/book/data_drums.md
# [10]: https://github.com/long-videos-step-by-step/tats-book/blob/main/book/data_mugen.md
#
# Numbers and resolutions are those of the paper, sections 3.1 and B.1. The first column leads to a page of this book
# for each data set: licence and size as far as they are stated anywhere, folders, splits, and what goes wrong. UCF-101,
# Sky Time-lapse, Taichi-HD and AudioSet-Drum are made of other people's videos from YouTube; ask their makers before
# you pass anything on. The twins are ours and as free as this text.
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
# The other four have readers of the same kind, `sky_timelapse`, `taichi`, `audioset_drum` and `mugen`, and the last
# three have something to add, to which we come next.
#
# > **Exercise 2.** Suppose each *video* were equally likely instead of each window. By what factor would a clip from
# > our shortest training video become more likely, relative to one from the longest?

# %% tags=["hide-cell"]
windows = np.array(data.frames) - 16 + 1
print(f"shortest: {windows.min()} windows, longest: {windows.max()}")
print(f"a window of the shortest would be {windows.max() / windows.min():.1f} times as likely as one of the longest")

# %% [markdown]
# ## Taichi-HD: the price of a stride
#
# Somebody who performs Taichi moves so slowly that 16 neighbouring frames are nearly one picture. So the paper takes
# every fourth frame there. A stride has a price, though: a clip spans more of its video, and a video that is shorter
# than the span gives no clip at all. Before the long runs of a real training one wants to know what is lost, and for
# that there is a check. It opens every file of a folder, says which data set it looks like, what is missing or damaged,
# and how many clips there are. In a terminal that is
#
# ```bash
# tats data check DIR --quick
# ```
#
# where `--quick` believes the lengths that files announce and decodes only first frames. This is what it prints for the
# five twins:

# %%
# NBVAL_CHECK_OUTPUT
from tatslib.datasets.check import check

reports = {name: check(world.folder, quick=True) for name, world in written.items()}
for name, report in reports.items():
    print(report.describe().replace(str(written[name].folder), f"videos/{name}"), "\n")

# %% [markdown]
# A line that begins with `!` would name a video that is missing or damaged; there is none here. The check of Taichi-HD
# takes stride 4 by itself, and all of the twin's videos are long enough for 16 frames at that stride. A number to
# predict: how many per cent are long enough for 64, the length that the hierarchical model is trained on?

# %%
# NBVAL_CHECK_OUTPUT
print(reports["taichi"].describe(length=64).replace(str(taichi.folder), "videos/taichi"))

# %% [markdown]
# We have learned not to believe announcements. So we count, by decoding, and do the sum ourselves:

# %%
# NBVAL_CHECK_OUTPUT
slow = taichi.dataset("train", resolution=24)
print("announced is counted:", sorted(slow.frames) == sorted(reports["taichi"].frames("train")))
for length, stride in ((16, 4), (64, 1), (64, 4)):
    spanned = (length - 1) * stride + 1
    kept = sum(frames >= spanned for frames in slow.frames)
    print(f"{length} frames at stride {stride} span {spanned:3d}: {kept} of {len(slow)} train videos are long enough")

# %% [markdown]
# All of them give a clip of 16 frames, which spans 61; most of them give none of 64, which spans 253. B.1 reports the
# same of the real videos, 60 % of which would be dropped, and that is why the paper goes back to stride 1 for its
# hierarchical model. Our twin was given lengths that lead to about the same share, so this is no discovery of ours; it
# is the paper's number made visible. What is left to see is what both strides show:

# %%
sheets = {}
for stride in (1, 4):
    clip = videos.read_frames(slow.paths[2], 0, 16, stride)
    change = np.abs(clip[-1].astype(float) - clip[0]).mean()
    label = f"stride {stride}: first and last frame differ by {change:.0f} grey levels"
    sheets[label] = videos.contact_sheet(videos.resize_and_crop(clip, 40), columns=16, gap=1)
show_pictures(
    sheets,
    number="1.8",
    alt="Two rows of 16 frames of a standing figure. At stride 1 the pose of the first frame can still be told in the "
    "last; at stride 4 both arms have gone from one side of the body to the other.",
    caption="16 frames of the Taichi twin at stride 1 and at stride 4, from the same frame on. Follow the hands.",
    zoom=1,
    columns=1,
)

# %% [markdown]
# ## AudioSet-Drum: a clip that is heard
#
# A drum clip has 90 frames and a sound track. It comes with a second file, a `.pickle` with one small picture for each
# frame: 64 bands of frequency by 16 moments, how loud each band is at each moment while that frame is shown (a
# *short-time Fourier transform*, STFT). A pickle can run any program when it is opened; here it is read as a plain
# array, by a reader that runs nothing. Pictures and sound come as one batch, cut from the same places:

# %%
# NBVAL_CHECK_OUTPUT
beats = drums.dataset("test", length=90)
clips, heard = beats.clips_with_sound(step=0, batch_size=2)
print("pictures", tuple(clips.shape), clips.dtype)
print("sound   ", tuple(heard.shape), heard.dtype, f"from {heard.min():.0f} to {heard.max():.0f}")

# %% [markdown]
# Switch the sound of one on; a page should not make a noise unasked. Then close your eyes. Which drum is struck when?

# %%
from tatslib.sound import RATE, read_sound

places = beats.places(step=0, count=2)
files = [beats.paths[video] for video, _ in places]
labels = ["clip A", "clip B"]
show_videos(
    dict(zip(labels, clips.numpy(), strict=True)),
    number="1.9",
    alt="Two videos of a kick drum, a snare, a hi-hat and a tom, of three seconds each. A stick comes down, the drum "
    "lights up, and in the same frame its sound is heard: the kick deep, the hi-hat a hiss.",
    caption="Two drum clips of 90 frames at 30 a second, with sound. The button under each lets it be heard: every "
    "flash is also a sound.",
    fps=30,
    sounds={label: read_sound(path)[: 3 * RATE] for label, path in zip(labels, files, strict=True)},
)

# %% [markdown]
# To a model the sound is the pickle. We put the 16 columns of each frame under that frame. Since the world is a
# formula, the strikes are known exactly, too; they are written above the frames they belong to. Where should a strike
# stand in the lower picture, if sound and picture are in step?

# %%
from einops import rearrange

from tatslib.worlds import drums as drums_world

clip = next(c for c in drums_world.collection() if (c.split, c.name) == ("test", files[0].stem))
shown = range(*(clip.strikes[4][0] - 3 + k for k in (0, 12)))
figure, (above, below) = subplots(2, 1, height=2.6, gridspec_kw={"height_ratios": [1, 1.6]}, sharex=True)
small = videos.resize_and_crop(clips[0].numpy()[shown.start : shown.stop], 40)
sheet = rearrange(small, "t h w c -> h (t w) c")
above.imshow(sheet, extent=(0, 12, 0, 1), aspect="auto", interpolation="none")
picture = rearrange(heard[0, 0, shown.start : shown.stop].numpy(), "t f m -> f (t m)")
below.imshow(picture, extent=(0, 12, 0, 6), aspect="auto", origin="lower", cmap="magma", interpolation="none")
struck = [(frame - shown.start, drum) for frame, drum in clip.strikes if frame in shown]
for frame, _ in struck:
    below.axvline(frame, color="white", linewidth=1, linestyle=":")
names = {frame: "\n".join(d for f, d in struck if f == frame) for frame, _ in struck}
for frame, name in names.items():
    above.annotate(name, (frame + 0.5, 1), xytext=(0, 2), textcoords="offset points", ha="center", va="bottom")
above.set(yticks=[])
above.tick_params(bottom=False)
below.set(xlabel=f"frames from number {shown.start} on", ylabel="kHz", xticks=range(13))
for axis in (above, below):
    axis.grid(visible=False)
show_figure(
    figure,
    number="1.10",
    alt=f"Above, twelve frames with strikes in frames {sorted(names)} of the row; below, their spectrogram, in which "
    "bright columns set in at the dotted line at the left edge of each frame with a strike.",
    caption="Twelve frames and the sound that is heard while each is shown; dotted, where a strike begins. Bright "
    "columns begin at the left edge of a frame in which a drum is fully lit, or a trace before it, because each column "
    "listens to 11 milliseconds, a third of a frame.",
)

# %% [markdown]
# We check the alignment by hand on every clip of the test split: is it louder in the frame of a strike than in the
# frame before it?

# %%
# NBVAL_CHECK_OUTPUT
steps = []
for clip in drums_world.collection():
    if clip.split == "test":
        loud = beats.sound([path.stem for path in beats.paths].index(clip.name), 0).mean(axis=(1, 2))
        steps += [loud[frame] > loud[frame - 1] for frame in {frame for frame, _ in clip.strikes if frame}]
print(f"{len(steps)} frames with a strike, louder than the frame before: {100 * np.mean(steps):.0f} %")

# %% [markdown]
# ## MUGEN: a clip that is told
#
# MUGEN's videos are recordings of a game, and beside each lies its log: where everybody was in every frame. From a log
# one can make a sentence for *any* span of frames, and on such sentences the paper trains ("auto-text"). A sentence
# about the whole video would be of no use to a model that sees 16 frames of it: most of what it says is out of sight.

# %%
games = platform.dataset("test", length=32, resolution=48)
clips, texts = games.clips_with_text(step=2, batch_size=3)
show_videos(
    dict(zip(texts, clips.numpy(), strict=True)),
    number="1.11",
    alt="Three clips of a blue figure in a platform game, each above the sentence that the reader made for it: "
    + " ".join(texts),
    caption="Three clips of 32 frames and the text of exactly these frames. Does each say what you see, and no more?",
    fps=10,
)

# %% [markdown]
# Now the third of these videos, in longer and longer spans from the same frame on. What happens to the sentence?

# %%
# NBVAL_CHECK_OUTPUT
from tatslib.worlds.story import tell

video, start = games.places(step=2, count=3)[2]
happened = games.events(video)
for length in (8, 16, 32, 64):
    print(f"{length:3d} frames: {tell(happened, range(start, start + length))}")

# %% [markdown]
# Because the log knows the truth, so does the program: it can read a sentence, whoever wrote it, and say of each
# statement in it whether it happens in these frames. That makes a measure of how well a generated video keeps to its
# text. Here we try it on a sentence that is partly made up, over the whole of the same video. Which of its four
# statements do the lines above already decide?

# %%
# NBVAL_CHECK_OUTPUT
from tatslib.worlds.story_check import check as check_text

claim = "Mugen leaps across a pit, squashes two slimes, takes nine coins, and gets killed by a worm."
for statement, true in check_text(claim, happened):
    print(f"{statement.kind:8s}{statement.count} {statement.what:6s}{true}")

# %% [markdown]
# ## If you own the real thing
#
# Then one argument changes, the folder. First look at what you have, in a terminal:
#
# ```bash
# tats data check /where/you/keep/it --figure lengths.png
# ```
#
# It prints what we printed above, and one line for each video that is missing, damaged or at odds with its log or its
# sound. With `--figure lengths.png` it also draws the next figure for your data. Without `--quick` it decodes every
# file to its end, which takes its time and finds what is damaged in the middle.
#
# What does a loss look like? We copy eight drum clips with their sound, take one video away and cut another off. What
# will the check say of the two, and of the other six?

# %%
# NBVAL_CHECK_OUTPUT
import os
import shutil

own = scratch / "my-drums"
for number in range(1, 5):
    for source in drums.folder.glob(f"*/*/{number:05}.*"):
        copy = own / source.relative_to(drums.folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, copy)
(own / "video" / "train" / "00002.mp4").unlink()
os.truncate(own / "video" / "train" / "00003.mp4", 3000)
print(check(own).describe().replace(str(own), "my-drums"))

# %% [markdown]
# The video that is gone is missed because its sound is still there. (In UCF-101 the lists know what should be there, in
# MUGEN the lists or the logs. In Sky Time-lapse and Taichi-HD nothing does, and a video that is gone without a trace is
# not missed.) Neither loss ends the check, and clips are counted of what is left.
#
# Then hand the same folder to the reader, `ucf101("/where/you/keep/it", resolution=128)`, or to `sky_timelapse`,
# `taichi`, `audioset_drum`, `mugen`. The folder is the one into which the official archives unpack. (MUGEN's have logs
# and no videos: you paint them first, as its page says.) Mind the cache: it takes $3 \cdot 128^2 \approx$ 49 kB a
# frame.
#
# ## How long are the videos? (Fig. 15 and 16 of the paper)
#
# Back to the question. For each $n$ we count the videos that have at least $n$ frames. Three marks matter: 16 frames,
# a training clip; 61, the span of 16 frames at stride 4; 253, the span of 64 frames at stride 4, which is what the
# paper's hierarchical model would have needed on Taichi-HD. Beside it stands the mean length of the videos of each
# class. Since windows are drawn evenly, a class whose videos are longer is seen more often; if classes were equal, all
# bars would be, too. What share of the other four twins would stride 4 have cost?

# %%
counts = {name: np.array(report.frames("train")) for name, report in reports.items()}
for name, frames in counts.items():
    print(f"{name:8s} {len(frames):3d} videos, mean {frames.mean():3.0f}, longest {frames.max():4d} frames;", end=" ")
    print(f"shorter than 61: {100 * (frames < 61).mean():2.0f} %, than 253: {100 * (frames < 253).mean():3.0f} %")

# %%
from tatslib.viz.lengths import draw_lengths

spans = {"16 frames": 16, "16 at stride 4": 61, "64 at stride 4": 253}
means = reports["actions"].class_means()
shortest, *_, longest = sorted(means, key=means.get)
show_figure(
    draw_lengths(counts, means, spans),
    number="1.12",
    alt="Left, five curves that stay at 1 up to the shortest video and then fall; at 253 frames they are at "
    + ", ".join(f"{(frames >= 253).mean():.2f} ({name})" for name, frames in counts.items())
    + f". Right, six bars from {means[longest]:.0f} frames for {longest} to {means[shortest]:.0f} for {shortest}.",
    caption="Counterparts of the paper's Fig. 15, for the train splits of our five worlds, and of its Fig. 16, for the "
    "classes of the actions world, both splits. Follow the drums: all of their clips have 90 frames.",
)

# %% [markdown]
# Hardly any video of ours comes near 1024 frames, and the paper calls 1024 close to the upper bound of its own. A model
# that has to produce them is not copying a long example; there is hardly one. Drum clips all have the same length, as
# the real ones do: there a long video is by definition one that nobody has recorded. Note also the price of a stride
# again: where videos are short, the span of 64 frames at stride 4 costs nearly everything. (Shares of ours beyond the
# Taichi twin say nothing about the real data sets: a world that is written in seconds has to save somewhere.)
#
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
