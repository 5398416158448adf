"""What foretell tells of itself: logs, figures, health."""
