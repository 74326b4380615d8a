"""sslens: look inside small self-supervised models."""

__version__ = "0.1.0"
