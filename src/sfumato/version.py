"""The version of this package, known without importing anything."""

__version__ = "0.2.0"
