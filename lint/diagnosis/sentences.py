"""The sentences shared by text, notebook and picture."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from .names import BATCH_NORM, IN_ORDER, INFERENCE, PREPROCESSED, RECALIBRATED, TRAINING
from .scores import is_no_chance

if TYPE_CHECKING:
    from .batches import Data, Outliers
    from .cause import Cause
    from .report import Diagnosis
    from .scores import Score, Spread

_MOST_NAMES = 3
_NOTICEABLE = 0.9  # of the loss


def headline_of(diagnosis: Diagnosis) -> str:
    """Return a one-line summary."""
    if diagnosis.healthy:
        if not diagnosis.layers and not diagnosis.evidence.apart:
            return "Healthy: there is no batch normalization in the model"
        return "Healthy: batch normalization does the same in inference as in training"
    names = [f"{name} ({sure})" for name, sure in _strongest(diagnosis).items()]
    return f"{', '.join(names)[:1].upper()}{', '.join(names)[1:]}"


def _strongest(diagnosis: Diagnosis) -> dict[str, str]:
    """Return each cause once, with its highest certainty."""
    found: dict[str, str] = {}
    for cause in diagnosis.causes:
        found.setdefault(cause.name, cause.certainty)
    return found


def facts(diagnosis: Diagnosis) -> list[str]:
    """Return the measurements, in one sentence each."""
    evidence = diagnosis.evidence
    data = evidence.data
    said = [
        f"Measured on {data.samples:,} "
        + (f"of {data.given:,} " if data.given and data.given > data.samples else "")
        + f"samples in batches of {data.batch_size}"
        + (f", after {counted_steps(evidence.steps)}." if evidence.steps else ".")
    ]
    if data.outliers:
        said.append(f"Left out: {left_out(data.outliers)}.")
    if evidence.apart:
        said.append(
            f"Left out: {', '.join(map(printable, evidence.apart))}, frozen and behind "
            "what is trained, as a discriminator in a GAN: it judges by the statistics "
            "of its own training. Diagnose it by itself, with its own data."
        )
    if not evidence.has_loss:
        said.append(
            f"Outputs are compared instead of losses, because {evidence.no_loss}: "
            "numbers are distances from the outputs with the statistics of batches in "
            "training, in standard deviations of those outputs."
        )
    if diagnosis.healthy:
        said.append(_healthy(diagnosis))
    elif evidence.has_loss and evidence.has_gap:
        said.append(
            "Batch normalization alone makes the loss in inference "
            f"{number(evidence.gap)} higher than in training."
        )
    return said


def counted_steps(steps: int) -> str:
    """Format a number of training steps."""
    return f"{steps:,} training step{'s' * (steps != 1)}"


def left_out(outliers: Outliers) -> str:
    """Say what was left out of the data, and why."""
    far = f"{number(outliers.times)} times as far from the centre as 99% of the samples"
    far = f"up to {far}" if len(outliers.positions) > 1 else far
    return f"{named(outliers)} ({'with a sample ' * outliers.are_batches}{far})"


def named(outliers: Outliers) -> str:
    """Name what was left out, or the first of several."""
    one, *more = outliers.positions
    what = f"batch {one}" if outliers.are_batches else f"x[{one}]"
    return f"{what} and {len(more)} more" if more else what


def _healthy(diagnosis: Diagnosis) -> str:
    scores = diagnosis.scores
    text = (
        "If the model does worse than expected, batch normalization is not the cause."
    )
    if diagnosis.evidence.worse(TRAINING, INFERENCE) and (
        BATCH_NORM not in scores or diagnosis.evidence.worse(TRAINING, BATCH_NORM)
    ):
        text = (
            "Training mode does worse because of dropout and the like, as it should. "
            + text
        )
    elif diagnosis.evidence.is_poor:
        text += (
            " On these data, training mode does no better: if the log of training says "
            "so, it saw other data, or in another order."
        )
    if diagnosis.evidence.must_be_mixed:
        text += (
            " In training mode, batches must be mixed: the loss is "
            f"{number(scores[IN_ORDER].loss.mean)} if each has one label, as in the "
            "order of these data. Where only one kind is given, such as the generated "
            "samples of a GAN, call the model with training=False, or train it on "
            "batches of one kind each."
        )
    return text


def trial(diagnosis: Diagnosis) -> str:
    """Describe the trials, the last of recalibration; empty if there are no layers."""
    scores = diagnosis.scores
    if RECALIBRATED not in scores:
        return ""
    before, after = scores[INFERENCE], scores[RECALIBRATED]
    what = "loss" if diagnosis.evidence.has_loss else "distance of the outputs"
    text = "Trial: recalibrated, "
    preprocessing = diagnosis.evidence.preprocessing
    if preprocessing and PREPROCESSED in scores:
        found = _compared(before, scores[PREPROCESSED], what)
        text = f"Trial: with {preprocessing.code}, {found}. Recalibrated, "
    text += _compared(before, after, what)
    return f"{text}." if diagnosis.remedy else f"{text}: {_no_help(diagnosis)}."


def _compared(before: Score, after: Score, what: str) -> str:
    """Compare loss and metrics."""
    text = (
        f"the {what} would be {number(after.loss.mean)} instead of "
        f"{number(before.loss.mean)}"
    )
    for name, metric in after.metrics.items():
        if name in before.metrics:
            was = before.metrics[name].mean
            text += f", {name} {number(metric.mean)} instead of {number(was)}"
    return text


def _no_help(diagnosis: Diagnosis) -> str:
    """Say why recalibration is not the remedy."""
    evidence = diagnosis.evidence
    before, after = (diagnosis.scores[mode].error for mode in (INFERENCE, RECALIBRATED))
    if evidence.helps and not diagnosis.healthy:
        return "better in one and worse in the other"
    if evidence.helps:
        return (
            "dropout or the like before batch normalization makes the difference: the "
            "statistics of training include its noise, those of kerasbn.recalibrate do "
            "not"
        )
    if evidence.worse(INFERENCE, RECALIBRATED):
        return "still no better than a constant prediction"
    if after < _NOTICEABLE * before:
        if is_no_chance(diagnosis.scores[INFERENCE], diagnosis.scores[RECALIBRATED]):
            return "too little to matter"
        return "that may be chance" + _with_more(evidence.data)
    return "nothing to gain" if diagnosis.healthy else "that does not help"


def _with_more(data: Data) -> str:
    """Say how to measure on all data, if only some were used."""
    if data.given is None or data.given - data.samples < data.batch_size:
        return ""
    return f", which more of the data tell: steps={data.given // data.batch_size}"


def sentence(text: str) -> str:
    """End a text as a sentence."""
    return text if text.endswith(("?", ".")) else f"{text}."


def layers_named(cause: Cause, total: int) -> str:
    """List the layers of a cause, or the first of many."""
    if not cause.layers:
        return ""
    if len(cause.layers) == total > _MOST_NAMES:
        return f"all {total} layers"
    more = len(cause.layers) - _MOST_NAMES
    names = ", ".join(map(printable, cause.layers[:_MOST_NAMES]))
    return names + (f" and {more} more" if more > 0 else "")


def number(value: float) -> str:
    """Format a number for people."""
    return f"{value:.3g}" if isfinite(value) else str(value)


def with_spread(spread: Spread) -> str:
    """Format a mean and its deviation over batches."""
    return f"{number(spread.mean)} ± {number(spread.deviation)}"


def printable(name: str) -> str:
    """Escape characters of a name that a terminal would obey or not show."""
    return "".join(
        character
        if character.isprintable()
        else character.encode("unicode_escape").decode()
        for character in name
    )
