"""Limits at which searches of source give up, in one place.

Each is far beyond what handwritten code needs, and keeps generated code from taking for
ever.
"""

from __future__ import annotations

SOURCE_BYTES = 4_000_000
NOTEBOOK_BYTES = 100_000_000  # most of it is pictures
REQUIREMENT_BYTES = 20_000_000
REQUIREMENT_FILES = 20
SETTINGS_BYTES = 100_000
MODULES = 2_000  # that are read of a project
FILES_CALLING = 3  # of a function; their arguments are not followed if there are more
FILES_SHARING = 30  # a number that is written in one of them
FILES_STEPPING = 8  # with training steps, that call functions of one file
SUBCLASSES = 8  # of a class with a training step, each looked at for itself
FILES_REACHED = 30  # that one module's imports lead to, searched for words
FILES_SEARCHED = 1_000  # of a project, for the names in them

VALUES = 40  # more alternatives than this are not distinguished
BINDINGS = 100  # of one name, that one use of it may see
NESTING = 60  # expressions that lead to one another
STEPS = 20_000  # from one expression to the next, for one question
METHODS = 50  # that call each other
FUNCTIONS = 400  # that are followed from one module
LAYERS_INSIDE = 3  # classes of the project that hold one another
LAYERS_VISITED = 4_000  # in one network
GRAPH = 20_000  # expressions of one graph
TENSORS_VISITED = 500  # between a tensor and the input that it comes from
TENSORS_BETWEEN = 6  # a layer and one whose result nothing reads
NAMES_VISITED = 300  # between a network and where it was made

OBJECTS_HANDED = 3  # that hold one another, each passed in by another file
STEPS_CALLED = 3  # functions between a training step and the call of its network
FLAGS_HANDED = 8  # calls between a parameter and the layer it is the flag of
NUMBERS_HANDED = 4  # functions between a number and the layer that gets it
CALCULATIONS = 30  # operations that lead to one number
LARGEST_NUMBER = 1e12  # beyond that, and for NaN, nothing is calculated
VARIABLES_FOLLOWED = 3  # between a saver and the variables it is given
