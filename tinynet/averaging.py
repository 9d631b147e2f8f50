"""An exponential moving average of a model's weights, which often generalises better than the last ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .autograd import no_grad
from .nn import Module
from .tensor import Tensor


class EMA:
    """average = d * average + (1 - d) * weight after each step; buffers are copied.

    d is min(decay, (1 + steps) / (10 + steps)), so that the untrained weights are soon forgotten (as TensorFlow's
    ExponentialMovingAverage with num_updates; Polyak and Juditsky 1992). Raises ValueError for a decay outside [0, 1).
    """

    def __init__(self, model: Module, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay is {decay}, expected 0 to below 1")
        self.model, self.decay, self.steps = model, decay, 0
        self.average: dict[str, Tensor] = {name: t.clone() for name, t in model.state_dict().items()}

    def update(self) -> None:
        """Takes the model's present weights in."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        trained = {name for name, _ in self.model.named_parameters()}
        with no_grad():
            for name, value in self.model.state_dict().items():
                if name in trained:
                    self.average[name].mul_(decay).add_(value, alpha=1 - decay)
                else:
                    self.average[name].copy_(value)

    def adopt(self, weights: Mapping[str, Tensor]) -> None:
        """Makes these weights the average."""
        for name, value in weights.items():
            self.average[name].copy_(value)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model has the average inside, its own weights again after."""
        own = {name: t.clone() for name, t in self.model.state_dict().items()}
        self.model.load_state_dict(self.average)
        try:
            yield
        finally:
            self.model.load_state_dict(own)

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps, "average": dict(self.average)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self.steps = state_dict["steps"]
        self.adopt(state_dict["average"])
