"""Guesses from the names that people choose.

No name proves anything: a hint makes a finding milder or suppresses it, and never
creates one. Names are read as words, so that `model_ids` does not mention a mode.
"""

from __future__ import annotations

import re

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

# Usual names for a flag of the phase, and words by which code checks it.
_FLAG = re.compile(r"(is|in|un|re|pre|non|on)?train|infer|phase|mode$|modes$")
_PHASE = re.compile(rf"{_FLAG.pattern}|eval|test|freez|frozen|valid|predict")
_TRAINING_FLAG = re.compile(
    r"(is|in)?_?train(ing|_?able)?(_?(flag|mode|phase|now))?|(learning_)?phase(_train)?",
    re.IGNORECASE,
)
_INFERS = re.compile(r"infer|serv(e|er|ing)$|export|predict|deploy|scor(er|ing)$")
_EVALUATES = re.compile(r"eval")

# Networks that are meant to stay frozen, or to stay in training mode.
_KEPT_STILL = re.compile(
    r"teacher|target|ema|momentum|frozen|freeze|pretrain|backbone|base|extract|vgg"
    r"|resnet|encoder_k|perceptual|reference|anchor|infer|predict",
    re.I,
)
_MEANT_RANDOM = re.compile(
    r"MC|Mc(?=[A-Z])|(^|_)mc_|[Mm]onte.?[Cc]arlo|[Bb]ayes|[Uu]ncertain|[Ss]tochastic"
    r"|[Aa]ugment|dropout|[Ss]ampl"
)
_NOISE = re.compile(
    r"gan|gener|discrim|critic|nois|corrupt|mask|student|perturb", re.IGNORECASE
)
_STEP = re.compile(
    r"(^|_)(test|eval|evaluat(ion|e)|val|valid|validat(ion|e)|predict|infer(ence)?)"
    r"_((one|on)_)?(step|batch|epoch|iteration)(_fn)?$"
)
_EVALUATION = re.compile(
    r"^_*((run|do)_)?((evaluat|validat)(e|ion)|recogni[sz]e|predict|infer|eval"
    r"|valid|val)"
    r"(_(model|network|process|epoch|one_epoch|loop|dataset|data|set|batch|fn|on(_\w+)?"
    r"|performance|accuracy|metrics?))?$"
    r"|^_*(run|do)_inference$|^_*serv(e|ing)(_(fn|default|step|model|\w*signature))?$"
    r"|^_*(compute|get|calc(ulate)?)_(val|valid|validation|test|eval)_"
    r"(loss|acc(uracy)?|metrics?|scores?)$"
    r"|^_*(compute|get|calc(ulate)?|measure)_(\w+_)?(fitness|accuracy|iou|dice|psnr|ssim)$"
)
_DATA_TO_EVALUATE = re.compile(r"val|valid|validation|test|testing|eval|evaluation|dev")
_TESTS = re.compile(r"^(test_|Test[A-Z])|(_test|Tests?|TestCase)$|^test$")
_ACTS = re.compile(
    r"polic|^act$|^action|choose"
    r"|^(?!\w*target)(get|select|pick|best|greedy|next|predict|compute|explore)"
    r"(_\w+)?_?actions?(_|$)"
)
_PART = re.compile(
    r"(?:Block|Layer|Residual|Bottleneck|Cell|Unit|Stem|Neck|Head)s?(?:V?\d\w*)?$"
)
_FUNCTION = re.compile(
    r"act|fn$|func|loss|metric|norm|transform|process|sampl|init|callable|callback"
    r"|criteri|combin|aggregat|reduc|pool|distance|kernel|wrapp|maker|factory|builder"
)
_NAMED_FOR_PHASE = re.compile(r"drop|norm|noise|bn", re.I)
_ONE_OF_ALIKE = re.compile(
    r"([a-z]|\w*views?|aug\w*|(un)?labell?ed|anchors?|pos\w*|neg\w*|query|keys?|left|right"
    r"|weak\w*|strong\w*|crops?|one|two|first|second|next|prev\w*)$"
)
_PUT_ASIDE = re.compile(r"_|unused|dummy|ignore|junk|trash")
_FREEZES = re.compile(r"(?<!un)(?<!de)freez", re.I)
_LOOKS_UP = re.compile(r"_*(load|get|read|find|list|is|has|should)(_|[A-Z])")


def words_of(text: str) -> list[str]:
    """The words that names in a text are made of: `isTraining` is `is training`."""
    return [word.lower() for word in _WORD.findall(text)]


def _has(pattern: re.Pattern[str], text: str) -> bool:
    return any(pattern.match(word) for word in words_of(text))


def is_flag_like(name: str) -> bool:
    """Whether an argument of that name may pass the phase."""
    return _has(_FLAG, name)


def is_training_flag(name: str) -> bool:
    """Whether a parameter of that name is meant for what Keras calls `training`."""
    return _TRAINING_FLAG.fullmatch(name) is not None


def speaks_of_phase(text: str) -> bool:
    """Whether a condition checks the phase, or whether something is frozen."""
    return _has(_PHASE, text)


def only_infers(name: str) -> bool:
    """Whether something of that name wraps a network that is trained elsewhere."""
    return _has(_INFERS, name)


def evaluates(name: str) -> bool:
    """Whether something of that name evaluates a network."""
    return _has(_EVALUATES, name)


def is_evaluation_step(name: str) -> bool:
    """Whether a function of that name is the step of an evaluation."""
    return _STEP.search(name) is not None


def is_evaluation(name: str) -> bool:
    """Whether a function of that name evaluates or applies a network."""
    return _EVALUATION.search(name) is not None


def is_data_to_evaluate(text: str) -> bool:
    """Whether an expression names data that a network is evaluated on."""
    words = words_of(text)
    return any(map(_DATA_TO_EVALUATE.fullmatch, words)) and "train" not in words


def acts(name: str) -> bool:
    """Whether a function of that name chooses an action, for an agent that learns."""
    return _ACTS.search(name.lower().lstrip("_")) is not None


def keeps_still(text: str) -> bool:
    """Whether a network of that name is not meant to learn."""
    return _KEPT_STILL.search(text) is not None


def is_meant_random(name: str) -> bool:
    """Whether something of that name samples from a network, or augments."""
    return _MEANT_RANDOM.search(name) is not None


def may_add_noise(name: str) -> bool:
    """Whether something of that name may drop as noise, in every phase."""
    return is_meant_random(name) or _NOISE.search(name) is not None


def is_test(name: str) -> bool:
    """Whether a function, class or file of that name tests something."""
    return _TESTS.search(name) is not None


def is_part(name: str) -> bool:
    """Whether a class of that name is hardly ever fitted by itself."""
    return _PART.search(name) is not None


def freezes(name: str) -> bool:
    """Whether a function of that name freezes what it is given."""
    return _FREEZES.search(name) is not None and not _LOOKS_UP.match(name)


def is_function(name: str) -> bool:
    """Whether something of that name that is called may well be no layer."""
    return _has(_FUNCTION, name)


def is_named_for_phase(name: str) -> bool:
    """Whether a layer of that name is there to normalize, to drop or to add noise."""
    return _NAMED_FOR_PHASE.search(name) is not None


def is_put_aside(name: str) -> bool:
    """Whether a variable of that name says that nothing will read it."""
    return _PUT_ASIDE.match(name) is not None


def is_one_of_alike(name: str) -> bool:
    """Whether data of that name is one of several of a kind, as two views are."""
    return _has(_ONE_OF_ALIKE, name)
