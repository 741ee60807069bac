"""Folding: merging BN into the linear layers around it, for inference.

The modules, in the order of the flow:

    affine      what a BN does at inference: y = s * x + t
    absorb      how a linear layer absorbs that map (einsum: EinsumDense's part of it)
    carry       the layers the map passes on its way there
    conditions  the conditions for a BN to go and for a layer to absorb it
    routes      the ways for a BN to go
    plan        which BN goes which way, and why the others stay
    apply       the new configuration and weights (wide, rounded: block by block)
    optimizer   the replacement of the compiled optimizer
    proof       evidence that nothing has changed but rounding
    handover    the formats of a destination, and exports compared with the original
    outcome     the words of a result: folded, kept, proof
    report      the result: what went and what stayed (uses sizes, abridging)
    picture     the network as SVG; terminal and notebook show the result
    fold        all of it, from file to file and from model to model
"""

from kerasbn.folding.fold import fold_batch_norm, fold_file
from kerasbn.folding.report import FoldResult, NotEqualError

__all__ = ["FoldResult", "NotEqualError", "fold_batch_norm", "fold_file"]
