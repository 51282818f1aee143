"""What was measured, in lines of text: each number with its spread, its noise, its bias and its protocol."""

from typing import Any

from tatslib.evaluation.evaluate import Evaluation
from tatslib.evaluation.measures import Numbers
from tatslib.evaluation.protocol import LONG, PAIRED, Looker, Protocol

NAMES = {"fvd": "FVD", "kvd": "KVD", "is": "IS", "motion": "motion", "colour": "colour", "ssim": "SSIM", "psnr": "PSNR"}
WORDS = {
    "change": "change from frame to frame, grey levels",
    "still": "share of still frames",
    "first and last frame": "colour correlation of first and last frame",
}
SUMMARY = ("mean", "spread", "interval", "repeats")
ALONG = {  # what is measured of long videos
    "quality": "distance of each window",
    "change": "change of it, percent of the first window",
    "ccs": "CCS",
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


def report(evaluation: Evaluation) -> str:
    """The two sets, then each metric with its protocol below it."""
    protocol = evaluation.protocol
    lines = [*protocol.sides(), *([f"intervals  {protocol.interval}"] if protocol.interval else [])]
    for metric, numbers in evaluation.numbers.items():
        found = long_lines(numbers, protocol) if metric == LONG else _lines(metric, numbers, protocol)
        lines += ["", *found, f"  {protocol.of(metric)}"]
    return "\n".join(lines)


def long_lines(numbers: Numbers, protocol: Protocol) -> list[str]:
    """What was measured along long videos; a curve is a line, in the order of time, with its limits below it."""
    lines = []
    for name, found in numbers.items():
        label = ALONG.get(name, name)
        if name == "quality":
            label = f"{title('fvd', protocol.networks[name])}, {label}"
        if found is None:
            reason = "every draw holds all of them" if name == "real against real" else "the first is 0"
            lines.append(f"{label}: none, {reason}")
        elif not isinstance(found, dict):
            lines.append(f"{label}: {number(found)}")
        elif isinstance(found.get("mean"), list):
            lines += [f"{label}:", *_curve(found)]
        elif name == "ends":
            lines += [f"{label}, {NAMES.get(kind, kind)}: {_ends(value)}" for kind, value in found.items()]
        else:
            others = [
                f"{k} {number(v)}" for k, v in found.items() if k not in ("mean", "spread", "interval", "repeats")
            ]
            lines.append(f"{label}: " + "; ".join([*([_single(found)] if "mean" in found else []), *others]))
    if "ccs" not in numbers:
        lines.append("CCS, ICS: none, no classifier; add --classifier c3d")
    if protocol.clips[LONG].generated == protocol.generated.videos:
        lines.append("  ± is over repeats; what has none is of the same videos in each: make more, to draw from them")
    return lines


def title(metric: str, looker: Looker) -> str:
    """What a metric may be called: only with the logits of I3D is a distance FVD or KVD, only with C3D is IS the IS."""
    if metric in ("fvd", "kvd") and looker.name != "i3d":
        kind = "Fréchet" if metric == "fvd" else "kernel"
        return f"{kind} distance in other features than FVD's" if metric == "fvd" else f"{kind} distance, not KVD"
    return "inception score of another classifier" if metric == "is" and looker.name != "c3d" else NAMES[metric]


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
        unit = " dB" if metric == "psnr" and numbers["mean"] is not None else ""
        return [f"{NAMES[metric]}: {number(numbers['mean'])}{unit} ({_between(numbers['interval'])}){equal}"]
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


def _curve(found: Numbers) -> list[str]:
    rows: dict[str, list[Any] | None] = {"": found["mean"], "±": found["spread"]}
    if found["interval"]:
        rows |= {"95 % from": [low for low, _ in found["interval"]], "to": [high for _, high in found["interval"]]}
    return [f"  {name:9s} {' '.join(map(number, values))}" for name, values in rows.items() if values]


def _single(found: Numbers) -> str:
    return spread(found) + (f" ({_between(found['interval'])})" if "interval" in found else "")


def _ends(found: Numbers) -> str:
    return f"{_single(found)}, standard deviation over videos {number(found['over videos'])}"
