"""`DeploymentManager`: all of the request door for a Python program."""
