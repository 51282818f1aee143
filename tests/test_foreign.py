"""Checkpoints of other people: read as data, whatever else they are, and refused in one sentence."""

import argparse
import json
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from tatslib.errors import UserError
from tatslib.foreign import is_web_page, plain, read_lightning, read_pickled
from tests.released import write_checkpoint

STATE = {"a.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.tensor([1, 2])}


@pytest.fixture
def lightning(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Any], Any]:
    """lightning(name, thing): lets `thing` be pickled as `pytorch_lightning.<name>`, until `forget` is called."""

    def pretend(name: str, thing: Any) -> Any:
        module_name, _, attribute = f"pytorch_lightning.{name}".rpartition(".")
        parts = module_name.split(".")
        for depth in range(1, len(parts) + 1):
            known = sys.modules.get(".".join(parts[:depth])) or ModuleType(".".join(parts[:depth]))
            monkeypatch.setitem(sys.modules, ".".join(parts[:depth]), known)
        setattr(sys.modules[module_name], attribute, thing)
        thing.__module__, thing.__qualname__, thing.__name__ = module_name, attribute, attribute
        return thing

    return pretend


def forget() -> None:
    """What was pretended to be installed is gone, as on a reader's machine."""
    for name in [name for name in sys.modules if name.split(".")[0] == "pytorch_lightning"]:
        del sys.modules[name]


# What loads -------------------------------------------------------------------------------------------------------


def test_a_checkpoint_of_lightning_1_5_loads_with_its_settings(tmp_path):
    args = {"n_hiddens": 32, "downsample": [4, 8, 8], "lr": 3e-5, "gpus": None}
    read = read_lightning(write_checkpoint(tmp_path / "a.ckpt", STATE, args))
    assert read.state.keys() == STATE.keys()
    assert all(torch.equal(read.state[name], tensor) for name, tensor in STATE.items())
    assert read.args == args and read.hyper_parameters["pkeep"] == 1.0
    assert (read.version, read.global_step, read.epoch) == ("1.5.4", 1234, 7)


def test_older_layouts_with_classes_for_keys_load_through_placeholders(tmp_path, lightning):
    """Up to version 1.4 the states of callbacks were stored under the classes themselves."""
    first = lightning("callbacks.model_checkpoint.ModelCheckpoint", type("ModelCheckpoint", (), {}))
    second = lightning("callbacks.early_stopping.EarlyStopping", type("EarlyStopping", (), {}))
    settings = lightning("utilities.parsing.AttributeDict", type("AttributeDict", (dict,), {}))
    plugin = first()
    plugin.anything = {"deep": [1]}
    callbacks = {first: {"best_model_score": torch.tensor(0.5)}, second: {"wait": 1}, "plugin": plugin}
    hyper = settings(args=argparse.Namespace(n_codes=5))
    path = write_checkpoint(tmp_path / "old.ckpt", STATE, None, callbacks=callbacks, hyper_parameters=hyper)
    forget()
    content = read_pickled(path)
    assert list(content["callbacks"].values())[1] == {"wait": 1}  # two classes, two keys
    assert not vars(content["callbacks"]["plugin"])
    assert read_lightning(path).args == {"n_codes": 5}
    assert "pytorch_lightning" not in sys.modules


def test_a_bare_dictionary_of_tensors_loads_too(tmp_path):
    torch.save(STATE, tmp_path / "bare.pt")
    assert torch.equal(read_pickled(tmp_path / "bare.pt")["a.weight"], STATE["a.weight"])
    with pytest.raises(UserError, match=r"has no state_dict but a\.weight, a\.bias"):
        read_lightning(tmp_path / "bare.pt")


def test_a_file_that_was_compressed_on_the_way_gives_the_same_tensors(tmp_path):
    stored, packed = tmp_path / "stored.ckpt", tmp_path / "packed.ckpt"
    write_checkpoint(stored, STATE, {})
    with zipfile.ZipFile(stored) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    assert torch.equal(read_lightning(packed).state["a.weight"], STATE["a.weight"])


def test_settings_become_plain_json(tmp_path, lightning):
    thing = lightning("loggers.base.Logger", type("Logger", (), {}))
    args = {"path": None, "betas": (0.5, 0.9), "scale": float("inf"), "score": torch.tensor(2.5), "x": torch.zeros(3)}
    path = write_checkpoint(tmp_path / "a.ckpt", STATE, {**args, "logger": thing(), "of": {1: {2}}})
    forget()
    told = json.loads(json.dumps(plain(read_lightning(path).hyper_parameters), allow_nan=False))["args"]
    assert told["betas"] == [0.5, 0.9] and told["score"] == 2.5 and told["path"] is None
    assert told["scale"] == "inf" and told["x"] == "tensor of shape (3,)" and told["of"] == {"1": "{2}"}
    assert told["logger"] == "pytorch_lightning.loggers.base.Logger"


# What is malicious ------------------------------------------------------------------------------------------------


class Runs:
    """Pickled as a call of anything with anything."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def places(evil: Any) -> dict[str, dict[str, Any]]:
    """Entries of a checkpoint with something evil at every depth."""
    namespace = argparse.Namespace(n_codes=4, inner=[{"deep": (evil,)}])
    return {
        "top": {"extra": evil},
        "state": {"state_dict": {**STATE, "b": evil}},
        "settings": {"hyper_parameters": {"args": namespace}},
        "callbacks": {"callbacks": {"x": {"best_model_score": [evil]}}},
    }


@pytest.mark.parametrize("place", ["top", "state", "settings", "callbacks"])
@pytest.mark.parametrize("kind", ["system", "exec", "popen"])
def test_a_malicious_pickle_is_refused_by_name_and_runs_nothing(tmp_path, place, kind):
    marker = tmp_path / "marker"
    shell, code = f"touch {marker}", f"open({str(marker)!r}, 'w')"
    evil, name = {
        "system": (Runs(os.system, shell), "posix.system"),
        "exec": (Runs(exec, code), "builtins.exec"),
        "popen": (Runs(subprocess.Popen, ["touch", str(marker)]), "commands.Popen"),  # its name in such old pickles
    }[kind]
    path = write_checkpoint(tmp_path / "evil.ckpt", STATE, {}, **places(evil)[place])
    with pytest.raises(UserError, match=rf"asks for {name}, .* nothing in it was executed"):
        read_lightning(path)
    assert not marker.exists()


def test_the_same_file_does_run_when_it_is_opened_without_care(tmp_path):
    marker = tmp_path / "marker"
    path = write_checkpoint(tmp_path / "evil.ckpt", STATE, {}, extra=Runs(os.system, f"touch {marker}"))
    torch.load(path, weights_only=False)
    assert marker.exists()


def test_code_that_hides_in_a_class_with_lightnings_name_is_not_run(tmp_path, lightning):
    marker = tmp_path / "marker"

    def state(self: Any) -> dict[str, str]:
        return {"file": str(marker)}

    def restore(self: Any, state: dict[str, str]) -> None:
        Path(state["file"]).touch()

    sly = lightning("sly.Sly", type("Sly", (), {"__getstate__": state, "__setstate__": restore}))
    runs = lightning("sly.runs", lambda file: Path(file).touch())
    path = write_checkpoint(tmp_path / "sly.ckpt", STATE, {}, callbacks={"a": sly(), "b": Runs(runs, str(marker))})
    assert read_lightning(path).state.keys() == STATE.keys()  # even while the class could be imported
    assert not marker.exists()
    torch.load(path, weights_only=False)
    assert marker.exists()


def test_lightnings_name_opens_no_door_to_other_functions(tmp_path, lightning):
    marker = tmp_path / "marker"
    sly = lightning("sly.Sly", type("Sly", (), {"__reduce__": lambda self: (os.system, (f"touch {marker}",))}))
    path = write_checkpoint(tmp_path / "sly.ckpt", STATE, {}, callbacks={sly: {"x": sly()}})
    with pytest.raises(UserError, match=r"asks for posix\.system"):
        read_lightning(path)
    near = lightning("sly.Near", type("Near", (), {}))
    near.__module__ = "pytorch_lightning_tools"  # the same beginning, another package
    sys.modules["pytorch_lightning_tools"] = ModuleType("pytorch_lightning_tools")
    sys.modules["pytorch_lightning_tools"].Near = near  # type: ignore[attr-defined]
    near.__qualname__ = "Near"
    path = write_checkpoint(tmp_path / "near.ckpt", STATE, {}, callbacks={near: {}})
    del sys.modules["pytorch_lightning_tools"]
    with pytest.raises(UserError, match=r"asks for pytorch_lightning_tools\.Near"):
        read_lightning(path)
    assert not marker.exists()


@pytest.mark.parametrize("protocol", [0, 4])
def test_pickles_in_another_protocol_are_refused_and_run_nothing(tmp_path, protocol):
    marker = tmp_path / "marker"
    content = {"state_dict": STATE, "extra": Runs(os.system, f"touch {marker}")}
    torch.save(content, tmp_path / "evil.ckpt", pickle_protocol=protocol)
    with pytest.raises(UserError, match="nothing in it was executed"):
        read_lightning(tmp_path / "evil.ckpt")
    assert not marker.exists()


# What is damaged or something else --------------------------------------------------------------------------------


def refusal(path: Path) -> str:
    """The sentence with which a file is refused."""
    with pytest.raises(UserError) as caught:
        read_lightning(path)
    sentence = str(caught.value)
    assert str(path) in sentence and "\n" not in sentence and sentence.endswith(".")
    return sentence


def test_what_is_no_checkpoint_is_refused_each_with_its_own_sentence(tmp_path):
    assert "There is no file" in refusal(tmp_path / "nothing.ckpt")
    path = tmp_path / "file.ckpt"
    path.write_text("\n <!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head></html>")
    assert is_web_page(path) and "is a web page, not a checkpoint" in refusal(path)
    path.write_bytes(b"")
    assert "is not a torch checkpoint" in refusal(path)
    path.write_bytes(b"RIFF and so on")
    assert "it starts with b'RIFF'" in refusal(path)
    torch.save({"state_dict": STATE}, path, _use_new_zipfile_serialization=False)
    assert "as torch before version 1.6 wrote them" in refusal(path)
    path.write_bytes(pickle.dumps(Runs(os.system, "false")))
    assert "nothing in it was executed" in refusal(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "hello")
    assert "is a zip but no checkpoint" in refusal(path)


def test_what_is_no_dictionary_or_holds_no_tensors_is_refused(tmp_path):
    path = tmp_path / "file.ckpt"
    torch.save([torch.zeros(2)], path)
    assert "holds a list, not the dict" in refusal(path)
    torch.save({"epoch": 3}, path)
    assert "has no state_dict but epoch" in refusal(path)
    torch.save({"state_dict": {"a": 1}}, path)
    assert "'a' is a int, not a tensor" in refusal(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_short_is_refused(tmp_path, share):
    path = write_checkpoint(tmp_path / "whole.ckpt", STATE, {})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert "is cut short" in refusal(path)


def test_one_changed_byte_in_a_tensor_is_found(tmp_path):
    path = write_checkpoint(tmp_path / "whole.ckpt", STATE, {})
    whole = bytearray(path.read_bytes())
    whole[whole.index(STATE["a.weight"].numpy().tobytes()) + 5] ^= 1
    path.write_bytes(whole)
    assert "does not match its checksum" in refusal(path)
