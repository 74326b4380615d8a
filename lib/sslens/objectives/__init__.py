"""Objectives: functions of a model's outputs. A new one is one file and one line here."""

from sslens.objectives.cross_entropy import CrossEntropy
from sslens.objectives.lowest import lowest, lowest_nt_xent
from sslens.objectives.next_character import NextCharacter
from sslens.objectives.objective import Objective
from sslens.objectives.self_distillation import SelfDistillation
from sslens.objectives.simclr import SimCLR
from sslens.objectives.simsiam import SimSiam
from sslens.objectives.squared_error import SquaredError
from sslens.objectives.vicreg import VICReg

OBJECTIVES: dict[str, type[Objective]] = {
    "simclr": SimCLR,
    "vicreg": VICReg,
    "simsiam": SimSiam,
    "self_distillation": SelfDistillation,
    "cross_entropy": CrossEntropy,
    "squared_error": SquaredError,
    "next_character": NextCharacter,
}

__all__ = [
    "OBJECTIVES",
    "CrossEntropy",
    "NextCharacter",
    "Objective",
    "SelfDistillation",
    "SimCLR",
    "SimSiam",
    "SquaredError",
    "VICReg",
    "lowest",
    "lowest_nt_xent",
]
