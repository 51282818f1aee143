"""What was measured, in lines of text: each number with its spread, its noise, its bias and its protocol."""

from tatslib.evaluation.evaluate import Evaluation
from tatslib.evaluation.measures import Numbers
from tatslib.evaluation.protocol import Looker

NAMES = {"fvd": "FVD", "kvd": "KVD", "is": "IS", "motion": "motion", "colour": "colour"}
WORDS = {
    "change": "change from frame to frame, grey levels",
    "still": "share of still frames",
    "first and last frame": "colour correlation of first and last frame",
}


def report(evaluation: Evaluation) -> str:
    """The two sets, then each metric with its protocol below it."""
    protocol = evaluation.protocol
    lines = [*protocol.sides(), f"intervals  {protocol.interval}"]
    if "long" in evaluation.numbers:
        return "\n".join([*lines[:2], "", *long_lines(evaluation.numbers["long"]), f"  {protocol.of('fvd')}"])
    for metric, numbers in evaluation.numbers.items():
        lines += ["", *_lines(metric, numbers, protocol.networks[metric]), f"  {protocol.of(metric)}"]
    return "\n".join(lines)


def long_lines(numbers: Numbers, above: str = "") -> list[str]:
    """What was measured along long videos: a line for each curve, in the order of time, and for each single number."""
    lines = []
    for name, value in numbers.items():
        if isinstance(value, dict):
            lines += long_lines(value, f"{above}{name} ")
        else:
            values = value if isinstance(value, list) else [value]
            lines.append(f"{above + name:18s} {' '.join(map(number, values))}")
    return lines


def title(metric: str, looker: Looker) -> str:
    """What a metric may be called: only with the logits of I3D is a distance FVD or KVD, only with C3D is IS the IS."""
    if metric in ("fvd", "kvd") and looker.name != "i3d":
        kind = "Fréchet" if metric == "fvd" else "kernel"
        return f"{kind} distance in other features than FVD's" if metric == "fvd" else f"{kind} distance, not KVD"
    return "inception score of another classifier" if metric == "is" and looker.name != "c3d" else NAMES[metric]


def number(value: float) -> str:
    """Four significant digits."""
    return f"{value:.4g}"


def spread(numbers: Numbers) -> str:
    """Mean and spread of repeats."""
    after = "" if numbers["spread"] is None else f" ± {numbers['spread']:.2g}"
    return f"{number(numbers['mean'])}{after}"


def _lines(metric: str, numbers: Numbers, looker: Looker) -> list[str]:
    if "repeats" not in numbers:
        return [
            f"{WORDS[name]}: "
            + "; ".join(f"{side} {number(v['mean'])} ({_between(v['interval'])})" for side, v in sides.items())
            for name, sides in numbers.items()
        ]
    found = [f"{title(metric, looker)}: {spread(numbers)}   95 %: {_between(numbers['interval'])}"]
    if metric == "is":
        return [*found, f"  real clips, as many: {number(numbers['real'])}; at most {numbers['classes']}"]
    found.append(f"  real against real, as many: {spread(numbers['real against real'])}")
    if by_count := numbers.get("by count"):
        pairs = zip(by_count["clips"], by_count["distances"], strict=True)
        shown = ", ".join(f"{count:,} clips {number(value)}" for count, value in pairs)
        endless = by_count["extrapolated"]
        found.append(f"  bias: {shown}" + ("" if endless is None else f"; for endless ones {number(endless)}"))
    return found


def _between(interval: list[float]) -> str:
    return f"{number(interval[0])} to {number(interval[1])}"
