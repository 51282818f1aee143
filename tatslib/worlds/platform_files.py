"""The platform world as files in the layout of the MUGEN release.

Facts of the release (its download page and the code that made its files, which came with the authors' code):
`coinrun_dataset_jsons/release/train.json` and `test.json` hold `metadata` (version, type, `data_folder`, split, names
of events, verbs and characters) and `data`, a list of entries. An entry has `video` (`id`, `json_file` and `video_file`
as paths within the data folder, `world_theme_n`, `gt_characters`, `game_events`, `num_frames`) and `annotations`, each
with `text`, `characters`, `actions` and `type`, "auto" or "manual". The data folder has one folder for each player,
with `video_metadata/<id>.json`, the log of a game, beside `videos/<id>.mp4`. A log has the level as rows of letters
from the ground up (`maze`: S ground, 1 coin, 2 gem, a dot for nothing) and `frames`, each with `agent`, `monsters` and
`coins_eaten`. Videos run at 30 frames a second (96 frames are 3.2 seconds) and are square.

Ours: a name for the player; no sound, so no `audio_map_file`; levels as long as the video; whole games instead of cuts
from longer ones; and "manual" annotations that no human wrote, but which say the same facts in varied words.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tatslib.errors import UserError
from tatslib.files import refusals_in_words, replacing
from tatslib.progress import progress
from tatslib.randomness import numpy_generator
from tatslib.videos import Video, write_video
from tatslib.worlds.platform import AGENT_X, LONGEST, SHORTEST, TILES, draw_script, render, state
from tatslib.worlds.script import Script, events
from tatslib.worlds.shapes import check_size
from tatslib.worlds.story import MONSTERS, Event, facts, say, tell

FPS = 30
LISTS, DATA = "coinrun_dataset_jsons/release", "coinrun_v2_video_data"
PLAYER = "model_platform_seed"

GAME_EVENTS = {"collect": "collect_coin", "kill": "kill_monster", "killed": "killed_by_monster"}
VERBS = (
    *("jump", "collect", "walk", "run", "move", "climb", "fall", "turn"),
    *("land", "drop", "grab", "hop", "kill", "eat", "hit", "die"),
)
CHARACTERS = ("mugen", "gem", *MONSTERS, "coin")
# names of the pictures that MUGEN draws its monsters with; a monster's number counts through all three lists
MONSTER_NAMES = {
    "ground": ["sawHalf", "barnacle"],
    "walking": ["slimeBlock", "slimeBlue", "mouse", "snail", "ladybug", "wormPink", "frog"],
    "flying": ["bee"],
}
MAZE_HEIGHT, HIGH_ROW, FLOOR = 13, 3, 1.0  # rows of a level; where high coins lie; y of one who stands on the ground


@dataclass(frozen=True)
class Game:
    """One video of the collection."""

    split: str
    name: str
    player: str
    seed: int
    frames: int

    @property
    def script(self) -> Script:
        """What happens in it."""
        return draw_script(self.seed, self.frames)


def collection(train: int = 160, test: int = 32, mean_frames: int = 170, seed: int = 0) -> list[Game]:
    """What `write` writes: so the events of a file are known exactly, by its split and name."""
    rng, player = numpy_generator(seed, "worlds/platform/collection"), f"{PLAYER}_{seed}"
    games = []
    for number in range(train + test):
        frames = int(np.clip(mean_frames * rng.lognormal(-0.2, 0.6), SHORTEST, LONGEST))
        name = f"{player}_level_{number:04d}_video_frames_0000_to_{frames - 1:04d}"
        games.append(Game("train" if number < train else "test", name, player, int(rng.integers(2**31)), frames))
    return games


def write(
    folder: str | Path, *, train: int = 160, test: int = 32, mean_frames: int = 170, size: int = 64, seed: int = 0
) -> Path:
    """Write the world as files in MUGEN's own layout, and return the folder.

    Args:
        folder: where to write; must not hold these folders yet.
        train: number of videos to train on.
        test: number of videos to test on.
        mean_frames: about the mean number of frames of a video; none has less than 96 or more than 602.
        size: height and width in pixels, at least 8.
        seed: of the whole collection.

    Raises:
        UserError: for a folder that holds one already or cannot be written to, or a size below 8.
    """
    check_size(size)
    folder, size = Path(folder), size + size % 2  # h264 stores colour at half size
    with refusals_in_words(folder):
        for name in (LISTS, DATA):
            if (folder / name).exists():
                raise UserError(f"{folder / name} exists already: remove it or write somewhere else.")
        games = collection(train, test, mean_frames, seed)
        entries: dict[str, list[dict[str, Any]]] = {"train": [], "test": []}
        with replacing(folder / LISTS) as lists, replacing(folder / DATA) as data:
            lists.mkdir(parents=True)
            data.mkdir()
            for game in progress(games, "writing the platform world", unit="video"):
                entry = _entry(game)
                log = data / entry["video"]["json_file"]
                log.parent.mkdir(parents=True, exist_ok=True)
                log.write_text(json.dumps(game_log(game.script, game.seed), separators=(",", ":")))
                write_video(data / entry["video"]["video_file"], _in_pieces(game, size), FPS)
                entries[game.split].append(entry)
            for split, listed in entries.items():
                content = {"metadata": _metadata(split), "data": listed}
                (lists / f"{split}.json").write_text(json.dumps(content, indent=1))
    return folder


def _in_pieces(game: Game, size: int) -> Iterator[Video]:
    for start in range(0, game.frames, 16):
        yield from render(game.seed, range(start, min(start + 16, game.frames)), size, script=game.script)


def _metadata(split: str) -> dict[str, Any]:
    return {
        "version": "v2",
        "type": "full",
        "game_events": [*GAME_EVENTS.values(), "collect_gem"],
        "action_verbs": list(VERBS),
        "characters": list(CHARACTERS),
        "data_folder": DATA,
        "split": split,
    }


def _entry(game: Game) -> dict[str, Any]:
    script = game.script
    happened, whole = events(script), range(script.frames)
    reworded = say(facts(happened, whole), wording=numpy_generator(game.seed, "worlds/platform/wording"))
    return {
        "video": {
            "id": game.name,
            "json_file": f"{game.player}/video_metadata/{game.name}.json",
            "world_theme_n": script.theme,
            "video_file": f"{game.player}/videos/{game.name}.mp4",
            "gt_characters": _characters(script),
            "game_events": sorted({GAME_EVENTS[event.kind] for event in happened if event.kind in GAME_EVENTS}),
            "num_frames": script.frames,
        },
        "annotations": [_annotation(tell(happened, whole), "auto"), _annotation(reworded, "manual")],
    }


def _annotation(text: str, kind: str) -> dict[str, Any]:
    words = text.lower().replace(",", " ").replace(".", " ").split()
    characters = [name for name in CHARACTERS if name in words or f"{name}s" in words]
    actions = [verb for verb in VERBS if any(word.startswith(verb) for word in words)]
    return {"text": text, "characters": characters, "actions": actions, "type": kind}


def _characters(script: Script) -> list[str]:
    """Who and what can be seen in some frame."""
    t = np.arange(script.frames, dtype=np.int64)
    x = state(script, t).x

    def seen(thing: float, until: int) -> bool:
        place = AGENT_X + (thing - x) / TILES
        return bool(((place > 0) & (place < 1) & (t < until)).any())

    found = {monster.name for monster in script.monsters if seen(monster.x, monster.killed)}
    found |= {"coin" for coin in script.coins if seen(coin.x, coin.gone)}
    return ["mugen", *sorted(found)]


# ------------------------------------------------------------------------------------------------------------- the log
def game_log(script: Script, seed: int = 0) -> dict[str, Any]:
    """The log of a game in MUGEN's own form: what a JSON file of `video_metadata` holds."""
    frames = range(script.frames)
    now = state(script, frames)
    heights = np.append(now.y, now.y[-1])
    return {
        "game_id": seed,
        "level_seed": seed,
        "rl_agent_seed": 0,
        "zoom": 5.5,
        "bgzoom": 0.4,
        "world_theme_n": script.theme,
        "agent_theme_n": 0,
        "background_themes": [],
        "ground_themes": [],
        "agent_themes": [],
        "monster_names": MONSTER_NAMES,
        "video_res": 64,
        "maze_w": script.last_tile + 1,
        "maze_h": MAZE_HEIGHT,
        "maze": _maze(script),
        "frames": [
            {
                "frame_id": t,
                "file_name": "",
                "state_time": t,
                "coins_eaten": [[coin.x, _row(coin.height)] for coin in script.coins if coin.gone <= t],
                "agent": _agent(script, t, now.kind[t], float(now.x[t]), float(heights[t]), float(heights[t + 1]),
                                int(now.facing[t])),
                "monsters": [
                    {
                        "m_id": number,
                        "x": monster.x,
                        "y": FLOOR,
                        "vx": 0.0,
                        "vy": 0.0,
                        "theme": MONSTERS.index(monster.name),
                        "is_flying": False,
                        "is_walking": False,
                        "is_jumping": False,
                        "is_dead": t >= monster.killed,
                        "time": t,
                        "anim_freq": 1,
                        "monster_dying_frame_cnt": max(0, t - monster.killed + 1) if t >= monster.killed else 0,
                        "walk1_mode": t % 2 == 0,
                    }
                    for number, monster in enumerate(script.monsters)
                ],
            }
            for t in frames
        ],
    }  # fmt: skip


def _maze(script: Script) -> list[str]:
    rows = [["."] * (script.last_tile + 1) for _ in range(MAZE_HEIGHT)]
    gaps = {tile for start, stop in script.gaps for tile in range(start, stop)}
    rows[0] = ["." if tile in gaps else "S" for tile in range(script.last_tile + 1)]
    for coin in script.coins:
        rows[_row(coin.height)][coin.x] = "1"
    return ["".join(row) for row in rows]


def _row(height: float) -> int:
    return HIGH_ROW if height > 1.5 else 1


def _agent(script: Script, t: int, kind: str, x: float, height: float, following: float, facing: int) -> dict[str, Any]:
    in_air, walking = kind in ("jump", "stomp"), kind not in ("stand", "hit")
    rising = round(following - height, 4)
    return {
        "x": x,
        "y": round(FLOOR + height, 4),
        "vx": 0.25 * facing if walking else 0.0,
        "vy": (rising or -0.0001) if in_air else 0.0,  # MUGEN tells a jump from a walk by this alone
        "time_alive": t,
        "ladder": False,
        "spring": 0,
        "is_killed": kind == "hit",
        "killed_animation_frame_cnt": 0,
        "finished_level_frame_cnt": 0,
        "killed_monster": any(monster.killed == t for monster in script.monsters),
        "bumped_head": False,
        "collected_coin": any(coin.gone == t for coin in script.coins),
        "collected_gem": False,
        "power_up_mode": False,
        "anim_freq": 5,
        "is_facing_right": facing > 0,
        "walk1_mode": (t // 5) % 2 == 0,
        "pose": _pose(kind, t),
    }


def _pose(kind: str, t: int) -> str:
    if kind == "walk":
        return "walk1" if (t // 5) % 2 == 0 else "walk2"
    return {"stand": "stand", "hit": "hit"}.get(kind, "jump")


def happenings(game: Game) -> list[Event]:
    """What happens in a file of the collection, exactly."""
    return events(game.script)
