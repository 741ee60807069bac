"""Calls of Keras 2 that Keras 3 refuses: names of weight files, resets of metrics."""

from __future__ import annotations

from .signs import Sign
from .text import without_comments

_TEXT = r"""[fr]?(?P<quote>["'])[^"'\n]*"""
_END = r"(?P=quote)"
_NO_WEIGHTS = r"(?<!\.weights\.h5)(?<!\.weights\.json)"
_WEIGHTS_ONLY = r"[^()]*\bsave_weights_only\s*=\s*True"

_SIGNS = (
    Sign(
        # Keras 3 writes weights to `.weights.h5` only. Objects of the project's own
        # may have such a method, so that the name has to be a network's.
        "save_weights(",
        rf"""^[^#\n]*(?:model|net|generator|discriminator|coder|classifier|critic)\w*
        \.save_weights\(\s*(?:filepath\s*=\s*)?(?:os\.path\.join\([^()"'\n]*)?
        {_TEXT}{_NO_WEIGHTS}{_END}\s*[,)]""",
    ),
    Sign(
        "ModelCheckpoint(",
        rf"""^[^#\n]*\bModelCheckpoint\(\s*(?:filepath\s*=\s*)?
        (?:{_TEXT}(?:\.hdf5|\.ckpt|\.tf){_END}
        |{_TEXT.replace("quote", "other")}{_NO_WEIGHTS}(?P=other){_WEIGHTS_ONLY})""",
    ),
    Sign(
        "ModelCheckpoint(",
        rf"""^[ \t]*(?P<name>\w+)[ \t]*=[ \t]*{_TEXT}
        (?:\.h5|\.hdf5|\.ckpt|\.tf){_NO_WEIGHTS}{_END}[ \t]*$
        (?s:.{{0,2000}}?)\bModelCheckpoint\(
        \s*(?:filepath\s*=\s*)?(?P=name)\b{_WEIGHTS_ONLY}""",
    ),
    Sign(
        "latest_checkpoint(",
        r"^[^#\n]*\.load_weights\(\s*tf\.train\.latest_checkpoint\(",
    ),
    Sign(
        # It is `reset_state` in Keras 3, but for recurrent layers.
        "reset_states(",
        r"""^[^#\n]*(?:loss|acc|accuracy|metrics?|auc|precision|recall|iou)
        (?:_\w+)?\.reset_states\(""",
    ),
)


def makes_refused_calls(text: str) -> bool:
    """Whether a source calls Keras in a way that Keras 3 refuses.

    Comments do not count. Most strings are blank in code alone, so that the calls are
    looked for in the text, and their words in the code.
    """
    signs = [sign for sign in _SIGNS if sign.search(text)]
    code = without_comments(text) if signs else ""
    return any(word in code for sign in signs for word in sign.words)
