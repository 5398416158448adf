"""Pickle and joblib files, read as data: no class is imported, nothing in the file is called."""

from foretell.importers.unpickle.machine import read_pickle
from foretell.importers.unpickle.stand_ins import Global, Instance

__all__ = ["Global", "Instance", "read_pickle"]
