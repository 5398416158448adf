"""The request door: forecasts over HTTP and gRPC on Ray Serve, urgent first, honest when full."""
