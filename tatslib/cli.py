"""The command line: `tats data | train | tokenize | sample | evaluate | download | convert | recipes | bench`.

Thin: each command is one call, in `tatslib.commands`. Mistakes come back as one sentence on stderr and exit status 2;
Ctrl-C as 130.
"""

import importlib
import logging
import sys
from typing import NoReturn

import torch
import tyro
from pydantic import ValidationError

from tatslib.commands.tree import app
from tatslib.config import explain
from tatslib.distributed import Echo
from tatslib.errors import UserError, one_line
from tatslib.training.loop import Interrupted

for module in (
    "data",
    "train",
    "train_sound",
    "tokenize",
    "sample",
    "evaluate",
    "models",
    "bench",
):  # in the order in which help lists them
    importlib.import_module(f"tatslib.commands.{module}")


def main() -> None:
    """Run the command that was typed; a mistake that a user can mend is one sentence, without a traceback."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    try:
        app.cli(prog="tats", config=(tyro.conf.OmitArgPrefixes,))
    except Echo:  # process 0 says it and fails; torchrun would end it before, were this one the first to fail
        sys.exit(0)
    except Interrupted as stop:
        fail(str(stop), status=130)
    except KeyboardInterrupt:
        fail("stopped by Ctrl-C", status=130)
    except ValidationError as error:
        fail(explain(error))
    except (UserError, OSError) as error:
        fail(str(error))
    except RuntimeError as error:
        if not ran_out_of_memory(error):
            raise
        fail(
            f"memory ran out ({error}): ask for less at once, such as a smaller --batch, a larger --accumulate, or "
            "fewer --gaps-at-once, as far as the command has them."
        )


def ran_out_of_memory(error: RuntimeError) -> bool:
    """Whether a GPU, or the allocator of the processor, had no more to give."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def fail(sentence: str, status: int = 2) -> NoReturn:
    """Say what went wrong and end with `status`."""
    print(f"tats: {one_line(sentence)}", file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main()
