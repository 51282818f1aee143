"""Commands that get models: released ones by `tats download` and `tats convert`, our own by `tats recipes`."""

import sys
from contextlib import redirect_stdout
from pathlib import Path

from tyro.conf import Positional

from tatslib import recipes
from tatslib.commands.tree import app, recipe
from tatslib.downloads import RELEASED, released_file
from tatslib.errors import UserError
from tatslib.training.convert import convert


@app.command(name="download")
def download_command(name: Positional[str], out: Path | None = None) -> None:
    """Download a checkpoint that the authors released, or say which there are.

    Args:
        name: of the file, or list.
        out: folder to put it in; absent, released under TATS_HOME.
    """
    if name == "list":
        width = max(map(len, RELEASED))
        print("\n".join(f"{name:{width}}  {released.what}" for name, released in RELEASED.items()))
        return
    path = released_file(name, out)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB; its SHA-256 stands in {path.name}.sha256, none was published")


@app.command(name="convert")
def convert_command(
    file: Positional[Path], out: Path | None = None, vqgan: Path | None = None, sound_vqgan: Path | None = None
) -> None:
    """Turn a checkpoint of the authors into models of this package; nothing in it is executed.

    Args:
        file: a VQGAN's or a transformer's checkpoint.
        out: a new folder, which gets vqgan and transformer, whichever are in the file; absent, it stands beside the
            file and has its name without the ending.
        vqgan: file or folder of the VQGAN, for a transformer's file that leaves it out or its settings open.
        sound_vqgan: the same of the VQGAN of its sound.
    """
    if out is None and not file.suffix:
        raise UserError(f"{file} has no ending that could be left off: say with --out which folder to make.")
    print("\n".join(convert(file, out or file.with_suffix(""), vqgan, sound_vqgan)))


@recipe.command(name="plan")
def recipes_plan(name: Positional[str], seed: int = 0) -> None:
    """Say what building an artefact would take.

    Args:
        name: such as actions/gpt-replicate.
        seed: of the models.
    """
    print(recipes.plan(name, seed))


@recipe.command(name="get")
def recipes_get(name: Positional[str], seed: int = 0) -> None:
    """Build an artefact, and all it needs, unless it is there; print its folder.

    Args:
        name: such as actions/gpt-replicate.
        seed: of the models.
    """
    with redirect_stdout(sys.stderr):  # standard output holds the folder and nothing else
        artefact = recipes.get(name, seed)
    print(artefact.folder)
