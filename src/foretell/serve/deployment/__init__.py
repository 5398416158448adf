"""What is served, on how many replicas of which size, and how to get from one such state to the next."""
