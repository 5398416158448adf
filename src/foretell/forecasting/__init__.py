"""Forecasting: own units in, own units out, around an engine."""
