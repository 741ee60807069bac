"""The destination formats, chosen by name."""

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

_LABEL = "destination"


@dataclass(frozen=True)
class Format:
    """A format that can be written.

    Attributes:
        name: its name for users.
        suffix: the suffix of its files; "" if it is a folder.
        keras: its name in `model.export`; None for Keras' own format.
        runner: the module that runs it; "" for Keras' own format.
        packages: the import names of the packages that it needs; where several are
            given in one string, any of them will do.
        extra: the extra that installs them.
    """

    name: str
    suffix: str
    keras: str | None = None
    runner: str = ""
    packages: tuple[str, ...] = ()
    extra: str = ""

    @property
    def is_export(self) -> bool:
        """Whether it is a format other than Keras' own."""
        return self.keras is not None

    def check(self, destination: Path, *, force: bool) -> None:
        """Refuse to overwrite anything that must stay.

        Raises:
            UnusableFileError: if the destination exists and must stay.
        """
        if self.suffix:
            check_place(destination, force=force, label=_LABEL)
        else:
            check_folder(destination, force=force, label=_LABEL, is_one=_is_saved_model)

    def replacing(
        self, destination: Path, *, force: bool, source: Path | None = None
    ) -> AbstractContextManager[Path]:
        """Yield a temporary file or folder that replaces the destination on success."""
        if self.suffix:
            return replacing(
                destination, force=force, label=_LABEL, apart_from=source, is_last=True
            )
        return replacing_folder(
            destination, force=force, label=_LABEL, is_one=_is_saved_model, is_last=True
        )

    def check_installed(self) -> None:
        """Refuse a format whose packages are missing.

        Raises:
            UnusableFileError: if a package is missing.
        """
        missing = [
            names
            for names in self.packages
            if not any(find_spec(name) for name in names.split("|"))
        ]
        if missing:
            names = ", ".join(weight.split("|")[0] for weight in missing)
            raise UnusableFileError(
                f"Writing and running a {self.name} model needs packages that are not "
                f"installed: {names}. Install them (pip install "
                f"'kerasbn[{self.extra}]')."
            )

    def run(self, path: Path, inputs: Mapping[str, Any], structure: Any) -> list[Any]:
        """Run an exported model.

        Args:
            path: the model.
            inputs: the name of each input -> its values.
            structure: the same values in the structure of the Keras model's inputs.

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
_FILES = {layout.suffix: layout for layout in (KERAS, ONNX, LITERT)}
# Files of other programs that the standard library's table of types does not list.
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
    """Choose the format by a destination's name.

    Raises:
        UnusableFileError: if the name fits no format that can be written.
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
            f"which a SavedModel is written. Received: {destination}. If it is meant "
            f"as a folder, add a slash: {destination}/."
        )
    return SAVED_MODEL


def _is_of_a_file(suffix: str) -> bool:
    """Whether a suffix is that of a file type, so that a folder cannot be meant."""
    known = MimeTypes().types_map[True]  # Python's own table, not this machine's.
    return suffix in _OTHERS or suffix in known


def _is_saved_model(folder: Path) -> bool:
    """Whether a folder holds a SavedModel and nothing else."""
    known = {"assets", "assets.extra", "variables", "fingerprint.pb", "saved_model.pb"}
    names = {path.name for path in folder.iterdir()}
    return "saved_model.pb" in names and names <= known
