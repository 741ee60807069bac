"""A picture of a network in which each BN shows its outcome.

The modules, in the order of the flow:

    network   the boxes, and which of them read which
    ranks     the row of each box, and the breaks of a long picture into columns
    lanes     the order of boxes in a row, and the lines past boxes
    levels    the lines across between two rows
    layout    coordinates
    svg       the picture
"""

from kerasbn.folding.picture.network import Network
from kerasbn.folding.picture.svg import draw

__all__ = ["Network", "draw"]
