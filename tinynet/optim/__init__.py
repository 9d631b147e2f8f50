"""Optimizers under the names of `torch.optim`, `lr_scheduler` and `swa_utils`."""

from . import lr_scheduler, swa_utils
from .adaptive import Adadelta, Adagrad, Adamax, NAdam, RAdam
from .algorithms import SGD, Adam, AdamW, RMSprop
from .lbfgs import LBFGS
from .muon import Muon
from .optimizer import Optimizer

__all__ = [
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "lr_scheduler",
    "swa_utils",
]
