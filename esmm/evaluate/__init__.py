"""How well systems rank judged products: measures, comparison with significance, interleaving, and a report."""
