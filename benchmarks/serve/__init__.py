"""How fast the request door is, beside Python's other model servers: `python -m benchmarks.serve`."""
