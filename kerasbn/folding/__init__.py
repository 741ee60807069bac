"""Folding: BN taken into the linear layers around it, for inference.

The modules, in the order of the flow:

    affine    what a BN does at inference: y = s * x + t
    absorb    how a linear layer takes that in (einsum: EinsumDense's part of it)
    plan      which BN goes where, and why the others stay
    apply     the new configuration and the new weights
    optimizer what becomes of the compiled optimizer
    verify    the proof (float64 and inputs serve it)
    report    the result: what went and what stayed (sizes, abridging serve it)
    picture   the network as SVG; terminal and notebook show the result
    fold      all of it, from file to file and from model to model
"""

from kerasbn.folding.fold import fold_batch_norm, fold_file
from kerasbn.folding.report import FoldResult, NotEqualError

__all__ = ["FoldResult", "NotEqualError", "fold_batch_norm", "fold_file"]
