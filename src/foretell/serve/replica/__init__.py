"""One replica: Ray Serve's hand on it, and the lane, its own listener that callers reach."""
