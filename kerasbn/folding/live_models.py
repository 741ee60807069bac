"""Folding of a live model: its own graph is read, and run again without BN."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from kerasbn import live
from kerasbn.folding import notes
from kerasbn.folding.apply import plan_and_apply
from kerasbn.folding.outcome import NO_PROOF, KeptBatchNorm
from kerasbn.folding.proof.live import verify_live
from kerasbn.folding.report import FoldResult, NotEqualError
from kerasbn.folding.sizes import size_after

if TYPE_CHECKING:
    from kerasbn.archive import Archive
    from kerasbn.folding.apply import FoldedModel
    from kerasbn.graph import Argument


def fold_live_model(model: Any, verify: bool) -> FoldResult:
    """Implement `fold_batch_norm`."""
    live.check_model(model)
    live.check_built(model)
    try:
        original = live.LiveModel(model)
    except live.CannotOpenError as error:
        count = len(live.batch_norms_inside(model))
        raise TypeError(
            "A subclassed model calls its layers in its own code, which cannot be "
            f"traced: {error}. Received: {type(model).__name__} {model.name!r}, which "
            f"holds {count} BN layers. Rebuild it with keras.Model(inputs, outputs), "
            "or fold the models inside it."
        ) from error
    weights = cast("Archive", live.LiveWeights(original.layers, model))
    folded = plan_and_apply(original.graph, weights)
    rebuilt = rebuild(original, folded)
    found = [
        *notes.of_penalties(folded),
        *notes.of_lost_weights(folded),
        *_shared(rebuilt),
        *live.compile_for_inference(rebuilt.model, model),
    ]
    if verify:
        proof = verify_live(folded, original, rebuilt)
    else:
        proof = NO_PROOF
        live.check_runs(rebuilt.model, model)
    message = None
    if proof.equal is False:
        message = (
            f"The folded model is not equal to the original: {proof.difference}. "
            "Please report this model."
        )
    result = FoldResult.of(
        folded,
        None,
        None,
        after=size_after(folded, None),
        proof=proof,
        notes=found,
        message=message,
    )
    hidden = [
        KeptBatchNorm(layer=layer.path, reason=layer.reason)
        for layer in original.hidden
    ]
    result = replace(result, kept=[*result.kept, *hidden])
    if message is not None:
        raise NotEqualError(message, result)
    return replace(result, model=rebuilt.model)


def rebuild(original: live.LiveModel, folded: FoldedModel) -> live.Rebuilt:
    """The folded model, with the folded weights rounded to the original's dtype."""
    gone, identities = folded.plan.gone, folded.identities
    rebuilt = live.Rebuilt(
        original,
        [path for path in gone if path not in identities],
        list(identities),
        {path: layer.config for path, layer in folded.changed.items()},
        _constants(folded),
    )
    for path, variables in folded.weights.items():
        if path not in identities:
            rebuilt.assign(path, variables)
    return rebuilt


def _constants(
    folded: FoldedModel,
) -> dict[str, dict[Argument, live.Constant]]:
    """Path of a layer -> the constants among its calls' arguments that change."""
    found: dict[str, dict[Argument, live.Constant]] = {}
    for new in (new for fold in folded.plan.folds for new in fold.constants):
        constant = live.Constant(new.value, new.dtype)
        found.setdefault(new.layer.path, {})[new.argument] = constant
    return found


def _shared(rebuilt: live.Rebuilt) -> list[str]:
    return [
        f"the layer `{layer}` shares {', '.join(names)} with the original: it cannot "
        "be copied, or is a function that reads layers"
        for layer, names in rebuilt.shared.items()
    ]
