"""Kafka: the one place where clients are configured, and their troubles put in our words."""
