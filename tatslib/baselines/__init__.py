"""Opponents of the long videos, rebuilt small: generators that draw from noise, without tokens (paper 3.1-3.3)."""
