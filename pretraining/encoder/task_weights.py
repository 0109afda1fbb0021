"""How much each task of the encoder's pretraining counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TaskWeights:
    """How much each task counts in the loss; 0 leaves it out."""

    measures: float = 1.0
    """regression of the simulator's measurements"""
    findings: float = 1.0
    """what radiologists note of a disc, and whether the image is T2-weighted"""
    level: float = 0.2
    """which disc it is"""
    grade: float = 0.5
    """grade of the stenosis that the crop shows"""
    tissues: float = 0.3
    """what each part of the crop is made of"""
    pairs: float = 0.2
    """which two crops show the same anatomy under two acquisitions (NT-Xent; Chen et al. 2020)"""
    gradings: float = 0.5
    """what readers noted of the discs of real pictures, where there are such"""
    moments: float = 0.1
    """how alike the features of simulated and of real crops are in mean and spread, where there are such"""
