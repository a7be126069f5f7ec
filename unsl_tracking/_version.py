"""The version, in one place: the build reads it from here too, so a bare checkout knows it."""

__version__ = "0.1.0"
