"""Hands without a screen: notebooks run headless, kept as reports, frozen as lessons, driven from a terminal."""
