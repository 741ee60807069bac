"""The formats of a destination, chosen by its name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from mimetypes import MimeTypes
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasbn.errors import UnusableFileError
from kerasbn.writing import check_folder, check_place, replacing, replacing_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

_WHAT = "destination"


@dataclass(frozen=True)
class Format:
    """A format that is written.

    Attributes:
        name: what it is called.
        suffix: what the names of its files end in; "" where it is a folder.
        keras: what Keras calls it in `model.export`; None for its own format.
        runner: the module that runs it; "" for Keras' own format.
        packages: the packages that it needs, each by the name under which it is
            imported; of several in one text, any will do.
        extra: what installs them.
    """

    name: str
    suffix: str
    keras: str | None = None
    runner: str = ""
    packages: tuple[str, ...] = ()
    extra: str = ""

    @property
    def is_export(self) -> bool:
        """Whether it is another than Keras' own."""
        return self.keras is not None

    def check(self, destination: Path, *, force: bool) -> None:
        """Refuse to write where something is that must stay.

        Raises:
            UnusableFileError: if there is such.
        """
        if self.suffix:
            check_place(destination, force=force, what=_WHAT)
        else:
            check_folder(destination, force=force, what=_WHAT, is_one=_is_saved_model)

    def replacing(
        self, destination: Path, *, force: bool, source: Path | None = None
    ) -> AbstractContextManager[Path]:
        """A temporary file or folder that takes its place when all went well."""
        if self.suffix:
            return replacing(
                destination, force=force, what=_WHAT, apart_from=source, is_last=True
            )
        return replacing_folder(
            destination, force=force, what=_WHAT, is_one=_is_saved_model, is_last=True
        )

    def check_installed(self) -> None:
        """Refuse a format whose packages are missing.

        Raises:
            UnusableFileError: if there are such.
        """
        missing = [
            names
            for names in self.packages
            if not any(find_spec(name) for name in names.split("|"))
        ]
        if missing:
            names = ", ".join(each.split("|")[0] for each in missing)
            raise UnusableFileError(
                f"To write a {self.name} model and to run it, packages are needed that "
                f"are not installed: {names}. Install them (pip install "
                f"'kerasbn[{self.extra}]')."
            )

    def run(self, path: Path, inputs: Mapping[str, Any], structure: Any) -> list[Any]:
        """The outputs of an exported model.

        Args:
            path: the model.
            inputs: the name of each input -> its values.
            structure: the same values in the structure that the Keras model takes.

        Returns:
            The outputs, in the order of the Keras model's.
        """
        runner = import_module(f"kerasbn.folding.handover.{self.runner}")
        outputs: list[Any] = runner.run(path, inputs, structure)
        return outputs


KERAS = Format("Keras", ".keras")
ONNX = Format(
    "ONNX", ".onnx", "onnx", "onnx", ("onnx", "tf2onnx|jax2onnx|torch", "onnxruntime"),
    "onnx",
)  # fmt: skip
LITERT = Format(
    "LiteRT", ".tflite", "litert", "litert", ("tensorflow|litert_torch",
    "ai_edge_litert|tensorflow"), "litert",
)  # fmt: skip
SAVED_MODEL = Format(
    "SavedModel", "", "tf_saved_model", "saved_model", ("tensorflow",), "tensorflow"
)
_FILES = {each.suffix: each for each in (KERAS, ONNX, LITERT)}
# Files of other programs that the standard library's table of types has not.
_OTHERS = (
    ".ckpt",
    ".hdf5",
    ".npy",
    ".npz",
    ".pb",
    ".pt",
    ".pt2",
    ".pth",
    ".safetensors",
    ".yaml",
)


def format_of(destination: str | Path) -> Format:
    """The format that a destination's name chooses.

    Raises:
        UnusableFileError: if it is none that is written.
    """
    text = os.fspath(destination)
    suffix = Path(text).suffix.lower()
    if text.endswith(("/", os.sep)):
        return SAVED_MODEL
    if suffix in _FILES:
        return _FILES[suffix]
    if _is_of_a_file(suffix) or get_close_matches(suffix, _FILES, cutoff=0.75):
        raise UnusableFileError(
            "The destination must end in .keras, .onnx or .tflite, or be a folder, in "
            f"which a SavedModel is written. Received: {destination}. If that is to be "
            f"a folder, end it with a slash: {destination}/."
        )
    return SAVED_MODEL


def _is_of_a_file(suffix: str) -> bool:
    """Whether nobody means a folder with a name that ends so."""
    known = MimeTypes().types_map[True]  # As Python has it, not as this machine.
    return suffix in _OTHERS or suffix in known


def _is_saved_model(folder: Path) -> bool:
    """Whether a folder holds a SavedModel and nothing else."""
    known = {"assets", "assets.extra", "variables", "fingerprint.pb", "saved_model.pb"}
    names = {each.name for each in folder.iterdir()}
    return "saved_model.pb" in names and names <= known
