"""Bundles: folders that say all that is needed to forecast, and nothing that runs."""
