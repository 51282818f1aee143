"""Whose folder a training writes to: one run, one architecture, one set of settings, one set of data."""

from pathlib import Path

from tatslib.config import Config
from tatslib.distributed import from_main
from tatslib.errors import UserError
from tatslib.training.checkpoint import differences, write_text


def claim_run(run: Path, config: Config, training: Config, data: Config | None = None) -> None:
    """Make `run` the folder of this training, or see that it already is.

    Writes `config.json`, `training.json` and, where given, `data.json`. The number of steps may grow: more of the same.

    Raises:
        UserError: if a run with another architecture, other settings or other data lies there; differences are named.
    """
    from_main(lambda: _claim_run(run, config, training, data))


def _claim_run(run: Path, config: Config, training: Config, data: Config | None) -> None:
    run.mkdir(parents=True, exist_ok=True)
    for name, wanted in (("config", config), ("training", training), ("data", data)):
        path = run / f"{name}.json"
        if wanted is None:
            continue
        if path.is_file():
            there = type(wanted).from_json(path.read_text(), source=path)
            fewer = getattr(wanted, "steps", 0) < getattr(there, "steps", 0)
            if fewer or there.model_dump(exclude={"steps"}) != wanted.model_dump(exclude={"steps"}):
                raise UserError(f"{path} says otherwise: {differences(there, wanted)}; choose another folder.")
        write_text(path, wanted.to_json())
