"""The places of a layer's weights in a `.keras` file, in the order of a legacy `.h5`.

A legacy file lists the weights of a layer as `trainable_weights` and then
`non_trainable_weights`, whatever objects inside it own them. A `.keras` file has a
group for each of these objects, named after the attribute that holds it, such as the
cell of an RNN. They follow from the layer's class and configuration.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from kerasbn.archive.numbering import layer_groups
from kerasbn.config_tree import LayerEntry, is_graph, layer_entries, snake_case

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Entry = Mapping[str, Any]


class Slot(NamedTuple):
    """A place for one weight.

    Attributes:
        places: its paths below the layer's group; Keras stores some twice.
        name: the variable's own name, such as `kernel`.
        trained: whether it is among the layer's trainable weights.
    """

    places: tuple[str, ...]
    name: str
    trained: bool = True

    def below(self, group: str, trained: bool = True) -> Slot:
        """Return the slot below another group."""
        places = tuple(f"{group}/{place}" for place in self.places)
        return Slot(places, self.name, self.trained and trained)


# The variables of the layers that own theirs directly, in the order of their numbers.
_CONVOLUTIONS = (
    *(f"Conv{rank}D" for rank in (1, 2, 3)),
    *(f"Conv{rank}DTranspose" for rank in (1, 2, 3)),
)
_CELLS = ("LSTMCell", "GRUCell", "SimpleRNNCell", "ConvLSTMCell")
_VARIABLES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_CONVOLUTIONS, ("kernel", "bias")),
    **dict.fromkeys(_CELLS, ("kernel", "recurrent_kernel", "bias")),
    **{
        f"SeparableConv{rank}D": ("depthwise_kernel", "pointwise_kernel", "bias")
        for rank in (1, 2)
    },
    **{f"DepthwiseConv{rank}D": ("kernel", "bias") for rank in (1, 2)},
    "Dense": ("kernel", "bias"),
    "EinsumDense": ("kernel", "bias"),
    "Embedding": ("embeddings",),
    "PReLU": ("alpha",),
    "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "LayerNormalization": ("gamma", "beta"),
    "GroupNormalization": ("gamma", "beta"),
    "RMSNormalization": ("scale",),
    "Normalization": ("mean", "variance", "count"),
    "Attention": ("scale", "concat_score_weight"),
    "AdditiveAttention": ("scale",),
}
_NOT_TRAINED = {"moving_mean", "moving_variance", "mean", "variance", "count"}
_NAMED_BEFORE = {"kernel": "depthwise_kernel"}  # In Keras 2, of a DepthwiseConv.
# Variable -> the argument without which it does not exist.
_SWITCHES = {"bias": "use_bias", "gamma": "scale", "beta": "center"}
_RECURRENT = {
    **{kind: f"{kind}Cell" for kind in ("LSTM", "GRU", "SimpleRNN")},
    **{f"ConvLSTM{rank}D": "ConvLSTMCell" for rank in (1, 2, 3)},
}
# Layers that store nothing, as far as they occur in models inside a wrapper.
_WEIGHTLESS = re.compile(
    r"(InputLayer|Activation|.*ReLU|ELU|Softmax|.*Dropout(\dD)?|GaussianNoise|Masking"
    r"|Flatten|Reshape|Permute|RepeatVector|Identity|Lambda|Add|Subtract|Multiply"
    r"|Average|Maximum|Minimum|Concatenate|Dot|ZeroPadding\dD|Cropping\dD"
    r"|UpSampling\dD|.*Pooling\dD|Rescaling|Resizing|UnitNormalization"
    r"|TFOpLambda|SlicingOpLambda)"
)
_ATTENTION_PARTS = ("query_dense", "key_dense", "value_dense", "output_dense")


def legacy_layout(entry: Entry) -> list[Slot] | None:
    """Return the places of a layer's weights, in the order of a legacy file.

    Args:
        entry: the layer's entry in a configuration.

    Returns:
        The places; None for a layer whose class does not determine them.
    """
    slots = _slots(entry)
    return None if slots is None else sorted(slots, key=lambda slot: not slot.trained)


def assign(slots: Sequence[Slot], names: Sequence[str]) -> list[int] | None:
    """Assign the stored weights to the places by their names.

    Those of a frozen layer are not in the order of `legacy_layout`.

    Returns:
        For each place the number of a stored weight; None if they do not match.
    """
    if len(slots) != len(names):
        return None
    free = dict(enumerate(_own_name(name) for name in names))
    found: list[int] = []
    for slot in slots:
        known = (slot.name, _NAMED_BEFORE.get(slot.name))
        number = next((n for n, name in free.items() if name in known), None)
        if number is None:
            return None
        found.append(number)
        del free[number]
    return found


def _own_name(name: str) -> str:
    """Convert `cell/kernel_1` to `kernel`; TensorFlow 1 numbered repeated names."""
    return re.sub(r"_\d+$", "", name.split("/")[-1])


def _slots(entry: Entry) -> list[Slot] | None:
    kind, config = str(entry.get("class_name")), entry.get("config") or {}
    if is_graph(entry):
        return _of_model(entry)
    if kind in _VARIABLES:
        return list(_own(kind, config))
    if kind in _RECURRENT:
        cell = {"class_name": _RECURRENT[kind], "config": config}
        return _below({"cell": cell})
    if kind == "RNN":
        return _below({"cell": config.get("cell")})
    if kind == "StackedRNNCells":
        return _below(_numbered("cells", config.get("cells")))
    if kind == "TimeDistributed":
        return _below({"layer": config.get("layer")})
    if kind == "Bidirectional":
        forward = config.get("layer")
        backward = config.get("backward_layer") or forward
        return _below({"forward_layer": forward, "backward_layer": backward})
    if kind == "MultiHeadAttention":
        return _attention(config, "")
    if kind == "GroupQueryAttention":
        return _attention(config, "_")
    if kind == "SpectralNormalization":
        return _spectral(config)
    return None


def _own(kind: str, config: Entry) -> Iterator[Slot]:
    number = 0
    for name in _VARIABLES[kind]:
        if not _is_there(kind, name, config):
            continue
        yield Slot((f"vars/{number}",), name, name not in _NOT_TRAINED)
        number += 1


def _is_there(kind: str, name: str, config: Entry) -> bool:
    if kind == "EinsumDense" and name == "bias":
        return config.get("bias_axes") is not None
    if kind == "Attention":
        return bool(
            config.get("use_scale")
            if name == "scale"
            else config.get("score_mode") == "concat"
        )
    if kind == "AdditiveAttention":
        return bool(config.get("use_scale", True))
    if kind == "Normalization":
        return config.get("mean") is None
    if kind == "LayerNormalization" and name == "beta" and config.get("rms_scaling"):
        return False
    return bool(config.get(_SWITCHES.get(name, ""), True))


def _below(parts: Mapping[str, Any]) -> list[Slot] | None:
    """Return the weights of objects inside a layer, by their groups there."""
    found: list[Slot] = []
    for group, entry in parts.items():
        slots = _slots(entry) if isinstance(entry, dict) else None
        if slots is None:
            return None
        trained = _is_trainable(entry)
        found += [slot.below(group, trained) for slot in slots]
    return found


def _numbered(group: str, entries: Any) -> dict[str, Any]:
    """Return the objects of a list by their groups, numbered within a class."""
    found: dict[str, Any] = {}
    numbers: Counter[str] = Counter()
    for entry in entries if isinstance(entries, list) else ():
        stem = snake_case(str(entry["class_name"]))
        number = numbers[stem]
        numbers[stem] += 1
        found[f"{group}/{stem}_{number}" if number else f"{group}/{stem}"] = entry
    return found


def _attention(config: Entry, prefix: str) -> list[Slot] | None:
    dense = {"class_name": "Dense", "config": {"use_bias": config.get("use_bias")}}
    return _below({f"{prefix}{part}": dense for part in _ATTENTION_PARTS})


def _spectral(config: Entry) -> list[Slot] | None:
    """Return the slots of a wrapper that stores the wrapped layer's kernel again."""
    slots = _below({"layer": config.get("layer")})
    if slots is None:
        return None
    kernel = next((s for s in slots if s.name in ("kernel", "embeddings")), None)
    if kernel is None:
        return None
    slots[slots.index(kernel)] = kernel._replace(places=(*kernel.places, "vars/0"))
    return [*slots, Slot(("vars/1",), "vector_u", trained=False)]


def _of_model(model: Entry) -> list[Slot] | None:
    groups = layer_groups(model)
    found: list[Slot] = []
    frozen: set[str] = set()
    for entry in layer_entries(model):
        if not _is_trainable(entry.raw) or entry.parent in frozen:
            frozen.add(entry.path)
        if entry.is_model or entry.path not in groups:
            continue
        slots = _slots(entry.raw)
        if slots is None:
            if not _WEIGHTLESS.fullmatch(entry.class_name):
                return None
            continue
        trained = entry.path not in frozen
        found += [slot.below(groups[entry.path], trained) for slot in slots]
    return found


def _is_trainable(entry: Entry) -> bool:
    config = entry.get("config")
    return bool(config.get("trainable", True)) if isinstance(config, dict) else True


def of_entry(entry: LayerEntry) -> list[Slot] | None:
    """Return `legacy_layout` of an entry whose class Keras ships, else None."""
    return legacy_layout(entry.raw) if entry.is_builtin else None
