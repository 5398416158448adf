"""From the files that a notebook left behind to a bundle. A file is data: nothing in it is ever run."""

from foretell.importers.imported import Imported, Lack
from foretell.importers.importing import import_source
from foretell.importers.options import ImportOptions

__all__ = ["ImportOptions", "Imported", "Lack", "import_source"]
