"""What a saved model means: typed layers in an order in which they can be evaluated."""

from foretell.importers.keras.meaning.graph import Graph, Node
from foretell.importers.keras.meaning.topology import graph_of

__all__ = ["Graph", "Node", "graph_of"]
