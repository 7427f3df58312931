"""AWS JSON 1.1 over HTTP, driven by botocore's models. May import: service, engines, core."""
