"""Engines evaluate a network on blocks of windows."""
