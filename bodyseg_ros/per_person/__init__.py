"""Two stages: a second network runs on each person found by the first one.

stage_plan.py: parameters → plan. windows.py: the part of the image for each person. person_stage.py: runs the second
network. placing.py: merges its results into the whole image.
"""

from .person_stage import PersonStage, open_stage
from .stage_plan import PerPersonSettings, StagePlan, changed_stage, plan_stage, possible_parameters, stage_parameters

__all__ = [
    "PerPersonSettings",
    "PersonStage",
    "StagePlan",
    "changed_stage",
    "open_stage",
    "plan_stage",
    "possible_parameters",
    "stage_parameters",
]
