"""Python source as the rules see it."""

from .module import Module
from .project import Project, UnreadableSource, module_from_bytes, read_module

__all__ = [
    "Module",
    "Project",
    "UnreadableSource",
    "module_from_bytes",
    "read_module",
]
