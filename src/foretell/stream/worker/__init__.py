"""One worker: poll, window, forecast, deliver, each row exactly once."""
