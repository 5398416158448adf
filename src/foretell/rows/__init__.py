"""Rows: from bytes and tables to series, event times and features."""
