"""tatslib: long videos with a time-agnostic VQGAN and a time-sensitive transformer (TATS, ECCV 2022)."""

__version__ = "0.1.0"
