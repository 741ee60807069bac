"""A picture of a network in which each BN shows its outcome.

The modules, in the order of the flow:

    network   what there is to see: boxes, and who reads whom
    ranks     which row a box stands in, and where a long picture breaks into columns
    lanes     what stands beside what in a row, and where lines run past boxes
    levels    where lines run across between two rows
    layout    coordinates
    svg       the picture
"""

from kerasbn.folding.picture.network import Network
from kerasbn.folding.picture.svg import draw

__all__ = ["Network", "draw"]
