"""Judgement: a claim as something that is measured, the verdict over repetitions, and what is kept of both."""

from sslens.claims.conclusion import Conclusion, conclude
from sslens.claims.judgement import (
    MARKS,
    NOT_TESTED,
    RESULT,
    UNDER_REVIEW,
    WIDTH,
    WORDS,
    Claim,
    Verdict,
)
from sslens.claims.receipt import digest, receipt

__all__ = [
    "MARKS",
    "NOT_TESTED",
    "RESULT",
    "UNDER_REVIEW",
    "WIDTH",
    "WORDS",
    "Claim",
    "Conclusion",
    "Verdict",
    "conclude",
    "digest",
    "receipt",
]
