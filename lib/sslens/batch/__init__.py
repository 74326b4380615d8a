"""Hands without a screen: notebooks run headless, kept as reports, frozen as references, driven from a terminal."""
