"""What was measured, in lines of text: each number with its spread, its noise, its bias and its protocol."""

from typing import Any

from tatslib.evaluation.evaluate import Evaluation
from tatslib.evaluation.measures import Numbers
from tatslib.evaluation.protocol import LONG, PAIRED, Looker, Protocol

NAMES = {"fvd": "FVD", "kvd": "KVD", "is": "IS", "ssim": "SSIM", "psnr": "PSNR, dB"}
WORDS = {
    "change": "change from frame to frame, grey levels",
    "still": "share of still frames",
    "first and last frame": "colour correlation of first and last frame",
}
PIXEL_NAMES = {"motion": f"{WORDS['change']}, and {WORDS['still']}", "colour": WORDS["first and last frame"]}
SUMMARY = ("mean", "spread", "interval", "repeats")
ALONG = {  # what is measured of long videos
    "change": "change of it, percent of the first window",
    "ccs": "CCS, share of videos in the class of their first window",
    "ics": "ICS, nats",
    "area": "area under CCS",
    "nearest": "nearest real clip, grey levels",
    "motion": "change from frame to frame, grey levels",
    "colour": "mean colour against the first window, grey levels",
    "earlier": "nearest earlier part of the video, grey levels",
    "unique": "frames like no earlier one, share",
    "still": "still frames, share",
    "jump": "largest change over the median one",
    "loop": "videos that end in an exact loop",
    "period": "strongest rhythm",
    "stripes": "one wave's share of the differences at the end",
    "ends": "first against last frame",
    "real against real": "real clips against real ones",
}
OTHERS = {  # what some of these have beside a mean
    "median": "median {}",
    "still but for jumps": "share of videos that are still but for jumps {}",
    "share": "share {}",
    "frames": "median {} frames",
    "share of power": "mean share of the power {}",
    "clips": "{} of one draw against all of another",
}
ENDS = {"ssim": "SSIM", "colour": "correlation of colour histograms", "lpips": "LPIPS"}
SHOWN = 8  # windows of a curve that are printed: more of them would be lines that no screen holds


def report(evaluation: Evaluation) -> str:
    """The two sets, then each metric with its protocol below it."""
    protocol = evaluation.protocol
    lines = [*protocol.sides(), *([f"intervals  {protocol.interval}"] if protocol.interval else [])]
    for metric, numbers in evaluation.numbers.items():
        found = long_lines(numbers, protocol) if metric == LONG else _lines(metric, numbers, protocol)
        lines += ["", *found, f"  {protocol.of(metric)}"]
    return "\n".join(lines)


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """What is written to a file: the protocol once, and beside each number what it is called and a line of protocol.

    The name counts, not the key: "fvd" in other features than I3D's is no FVD.
    """
    protocol = evaluation.protocol
    beside = {
        metric: {**_names(metric, found, protocol), **found, "protocol": protocol.of(metric)}
        for metric, found in evaluation.numbers.items()
    }
    return {"protocol": protocol.model_dump(mode="json"), "metrics": beside}


def long_lines(numbers: Numbers, protocol: Protocol) -> list[str]:
    """What was measured along long videos; a curve has a column a window, its limits below it.

    Of many windows, `SHOWN` are printed, from the first to the last.
    """
    length, frames = protocol.settings.long or 0, protocol.frames
    windows = length // frames
    shown = [round(k * (windows - 1) / (min(windows, SHOWN) - 1)) for k in range(min(windows, SHOWN))]
    curves = {
        name: _rows(found, windows, shown)
        for name, found in numbers.items()
        if isinstance(found, dict) and isinstance(found.get("mean"), list)
    }
    head = [f"{frames * window + 1:,}" for window in shown]
    width = 2 + max(len(text) for rows in [{"": head}, *curves.values()] for texts in rows.values() for text in texts)
    lines = [_row("from frame", head, width)]
    if windows > SHOWN:
        lines.insert(0, f"{SHOWN} of {windows} windows of {frames} frames; --out writes all of them")
    for name, found in numbers.items():
        label = along_name(name, protocol)
        if found is None:
            reason = "every draw holds all of them" if name == "real against real" else "that of the first window is 0"
            lines.append(f"{label}: none, {reason}")
        elif not isinstance(found, dict):
            lines.append(f"{label}: {number(found)}")
        elif name in curves:
            lines += [f"{label}:", *(_row(row, texts, width) for row, texts in curves[name].items())]
        elif name == "ends":
            lines += [f"{label}, {ENDS[kind]}: {_ends(value)}" for kind, value in found.items()]
        else:
            others = [OTHERS[k].format(number(v)) for k, v in found.items() if k not in SUMMARY and v is not None]
            lines.append(f"{label}: " + "; ".join([*([_single(found)] if "mean" in found else []), *others]))
    if "ccs" not in numbers:
        lines.append("CCS, ICS: none, no classifier; add --classifier c3d")
    if protocol.settings.repeats > 1 and protocol.clips[LONG].generated == protocol.generated.videos:
        lines.append("  ± is over repeats; what has none is of the same videos in each: make more, to draw from them")
    return lines


def along_name(name: str, protocol: Protocol) -> str:
    """What is measured of long videos, in words with its unit."""
    if name == "quality":
        return f"{title('fvd', protocol.networks[name])}, window by window"
    return ALONG[name]


def title(metric: str, looker: Looker) -> str:
    """What a metric may be called: only with the logits of I3D is a distance FVD or KVD, only with C3D is IS the IS."""
    if metric in ("fvd", "kvd") and looker.name != "i3d":
        kind = "Fréchet" if metric == "fvd" else "kernel"
        return f"{kind} distance in other features than FVD's" if metric == "fvd" else f"{kind} distance, not KVD"
    return "inception score of another classifier" if metric == "is" and looker.name != "c3d" else NAMES[metric]


def _names(metric: str, numbers: Numbers, protocol: Protocol) -> dict[str, Any]:
    """The name of a metric, or those of all that is measured of long videos."""
    if metric == LONG:
        return {"names": {name: along_name(name, protocol) for name in numbers}}
    return {"name": PIXEL_NAMES.get(metric) or title(metric, protocol.networks[metric])}


def number(value: float | None) -> str:
    """Four significant digits."""
    return "none" if value is None else f"{value:.4g}"


def spread(numbers: Numbers) -> str:
    """Mean and spread of repeats."""
    after = "" if numbers["spread"] is None else f" ± {numbers['spread']:.2g}"
    return f"{number(numbers['mean'])}{after}"


def _lines(metric: str, numbers: Numbers, protocol: Protocol) -> list[str]:
    if metric in PAIRED:
        left = ", and left out" if metric == "psnr" else ""
        equal = f"; {numbers['equal']} pairs are equal{left}" if numbers["equal"] else ""
        return [f"{NAMES[metric]}: {number(numbers['mean'])} ({_between(numbers['interval'])}){equal}"]
    if "repeats" not in numbers:
        return [
            f"{WORDS[name]}: "
            + "; ".join(f"{side} {number(v['mean'])} ({_between(v['interval'])})" for side, v in sides.items())
            for name, sides in numbers.items()
        ]
    named = title(metric, protocol.networks[metric])
    found = [f"{named}: {spread(numbers)}   95 %: {_between(numbers['interval'])}"]
    count, floor = protocol.clips[metric], numbers.get("real against real")
    as_many = "as many" if count.real == count.generated else f"all {count.real:,}"
    if metric == "is":
        if count.repeats == 1 < protocol.settings.repeats:
            found.append(f"  no spread: every repeat would take all {protocol.generated.videos:,} videos; make more")
        found.append(f"  real clips, {as_many}: {number(numbers['real'])}; at most {numbers['classes']}")
    else:
        against = ": none, every draw holds all of them" if floor is None else f", as many: {spread(floor)}"
        found.append(f"  real against real{against}")
    return [*found, *_bias(numbers)]


def _bias(numbers: Numbers) -> list[str]:
    """What fewer clips would have given, if that was looked at."""
    if not (by_count := numbers.get("by count")):
        return []
    pairs = zip(by_count["clips"], by_count.get("distances") or by_count["scores"], strict=True)
    shown = ", ".join(f"{count:,} clips {number(value)}" for count, value in pairs)
    endless = by_count["extrapolated"]
    return [f"  bias: {shown}" + ("" if endless is None else f"; for endless ones {number(endless)}")]


def _between(interval: list[float] | None) -> str:
    return "no interval" if interval is None else f"{number(interval[0])} to {number(interval[1])}"


def _rows(found: Numbers, windows: int, shown: list[int]) -> dict[str, list[str]]:
    """A curve, its spread and its limits at some windows; blank where a curve begins later than the video."""
    rows: dict[str, list[Any] | None] = {"": found["mean"], "±": found["spread"]}
    if found["interval"]:
        sides = [[None if ends is None else ends[side] for ends in found["interval"]] for side in (0, 1)]
        rows |= {"95 % from": sides[0], "to": sides[1]}
    texts = {name: [*[""] * (windows - len(row)), *map(number, row)] for name, row in rows.items() if row}
    return {name: [row[window] for window in shown] for name, row in texts.items()}


def _row(name: str, texts: list[str], width: int) -> str:
    return f"  {name:10s}{''.join(f'{text:>{width}}' for text in texts)}".rstrip()


def _single(found: Numbers) -> str:
    return spread(found) + (f" ({_between(found['interval'])})" if "interval" in found else "")


def _ends(found: Numbers) -> str:
    return f"{_single(found)}, standard deviation over videos {number(found['over videos'])}"
