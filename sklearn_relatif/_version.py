"""The release, by which saved explainers are told apart."""

__version__ = "0.1.0"
