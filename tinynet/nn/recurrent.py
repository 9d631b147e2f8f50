"""Recurrent layers and their cells: Elman's, LSTM and GRU."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import groupby
from typing import Any

from .. import ops
from ..tensor import Tensor
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter
from .utils.rnn import PackedSequence

_GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}


class RNNBase(Module):
    """What RNN, LSTM and GRU share: stacked layers over a sequence, in one or both directions.

    Layer k has weight_ih_lk (gates * H, inputs), weight_hh_lk (gates * H, H), bias_ih_lk and bias_hh_lk (gates * H,), and the
    same with `_reverse` for the direction from the last step to the first; all uniform within 1 / sqrt(H).
    """

    mode = "RNN"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if hidden_size < 1 or num_layers < 1:
            raise ValueError(f"hidden_size is {hidden_size} and num_layers {num_layers}, expected at least 1")
        if not 0.0 <= dropout <= 1.0:
            raise ValueError(f"dropout is {dropout}, expected a probability between 0 and 1")
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout, self.bidirectional = bias, batch_first, dropout, bidirectional
        directions, rows = 1 + bidirectional, _GATES[self.mode] * hidden_size
        for layer in range(num_layers):
            for direction in range(directions):
                columns = input_size if layer == 0 else hidden_size * directions
                suffix = f"l{layer}{'_reverse' if direction else ''}"
                shapes = {"weight_ih": (rows, columns), "weight_hh": (rows, hidden_size)}
                if bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}  # type: ignore[dict-item]  # of one size
                for name, shape in shapes.items():
                    value = Parameter(ops.empty(shape, dtype=dtype, device=device))
                    self.register_parameter(f"{name}_{suffix}", value)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.hidden_size)
        for param in self.parameters():
            init.uniform_(param, -bound, bound)

    def flatten_parameters(self) -> None:
        """Does nothing: an optimizer's arena holds the parameters in one piece of memory anyway."""

    def _direction(self, x: Tensor, states: list[Tensor], suffix: str, reverse: bool) -> list[Tensor]:
        """The output (T, N, H) of one layer in one direction over x (T, N, inputs), and the last states (N, H)."""
        raise TypeError(f"{type(self).__name__} does not define its recurrence")

    def _projected(self, x: Tensor, suffix: str) -> tuple[Tensor, Tensor, Tensor | None]:
        """The inputs' part of the gates at all steps, and the weight and bias of the hidden state's."""
        gates = F.linear(x, getattr(self, f"weight_ih_{suffix}"), getattr(self, f"bias_ih_{suffix}", None))
        return gates, getattr(self, f"weight_hh_{suffix}"), getattr(self, f"bias_hh_{suffix}", None)

    def _packed_direction(
        self, x: Tensor, sizes: list[int], states: list[Tensor], suffix: str, reverse: bool
    ) -> list[Tensor]:
        """`_direction` over packed sequences: over each stretch of steps at which the same sequences go on."""
        stretches = []  # first row, steps, sequences
        row = 0
        for size, alike in groupby(sizes):
            steps = len(list(alike))
            stretches.append((row, steps, size))
            row += steps * size
        outputs: list[Tensor] = []
        ended: list[list[Tensor]] = []  # the last states of the sequences that are over, the shortest ones first
        going: list[Tensor] = []
        for row, steps, size in reversed(stretches) if reverse else stretches:
            if not going:
                going = [state[:size] for state in states]
            elif reverse:  # longer sequences have been going on; the others begin at their ends
                going = [ops.cat([now, state[len(now) : size]]) for now, state in zip(going, states)]
            elif size < len(going[0]):
                ended.append([now[size:] for now in going])
                going = [now[:size] for now in going]
            rows = x[row : row + steps * size].reshape(steps, size, x.shape[-1])
            output, *going = self._direction(rows, going, suffix, reverse)
            outputs.append(output.reshape(steps * size, self.hidden_size))
        last = [ops.cat([now, *reversed(over)]) for now, over in zip(going, zip(*ended))] if ended else going
        return [ops.cat(outputs[::-1] if reverse else outputs), *last]

    def _run(self, input: Any, states: list[Tensor] | None, count: int) -> tuple[Any, list[Tensor]]:
        """The output and the `count` last states, in the layout that the caller has: batched or not, batch first or not."""
        if isinstance(input, PackedSequence):
            return self._run_packed(input, states, count)
        if input.ndim not in (2, 3) or input.shape[-1] != self.input_size:
            raise ValueError(f"input has shape {input.shape}, expected 2 or 3 dimensions ending in {self.input_size}")
        batched, directions = input.ndim == 3, 1 + self.bidirectional
        x = input if batched else input.unsqueeze(1)
        x = x.transpose(0, 1) if batched and self.batch_first else x
        expected: tuple[int, ...] = (self.num_layers * directions, x.shape[1], self.hidden_size)
        states = self._first_states(input, states, count, expected if batched else (expected[0], expected[2]))
        states = states if batched else [state.unsqueeze(1) for state in states]
        x, final_states = self._layers(x, states, self._direction)
        if not batched:
            return x.squeeze(1), [state.squeeze(1) for state in final_states]
        return (x.transpose(0, 1) if self.batch_first else x), final_states

    def _run_packed(
        self, input: PackedSequence, states: list[Tensor] | None, count: int
    ) -> tuple[PackedSequence, list[Tensor]]:
        sizes = input.batch_sizes.tolist()
        if input.data.shape[1:] != (self.input_size,):
            raise ValueError(f"input.data has shape {input.data.shape}, expected (steps, {self.input_size})")
        shape = (self.num_layers * (1 + self.bidirectional), sizes[0], self.hidden_size)
        states = self._first_states(input.data, states, count, shape)
        if input.sorted_indices is not None:
            states = [state.index_select(1, input.sorted_indices) for state in states]

        def run(x: Tensor, given: list[Tensor], suffix: str, reverse: bool) -> list[Tensor]:
            return self._packed_direction(x, sizes, given, suffix, reverse)

        data, last = self._layers(input.data, states, run)
        if input.unsorted_indices is not None:
            last = [state.index_select(1, input.unsorted_indices) for state in last]
        return input._replace(data=data), last

    def _first_states(
        self, input: Tensor, states: list[Tensor] | None, count: int, shape: tuple[int, ...]
    ) -> list[Tensor]:
        """The given states, or zeros. ValueError for another shape."""
        if states is None:
            return [ops.zeros(shape, dtype=input.dtype, device=input.device)] * count
        for name, state in zip(("h_0", "c_0"), states):
            if state.shape != shape:
                raise ValueError(f"{name} has shape {state.shape}, expected {shape} for an input {input.shape}")
        return states

    def _layers(
        self, x: Tensor, states: list[Tensor], run: Callable[[Tensor, list[Tensor], str, bool], list[Tensor]]
    ) -> tuple[Tensor, list[Tensor]]:
        """The last layer's output, and the last states of all layers and directions, each stacked."""
        directions = 1 + self.bidirectional
        last: list[list[Tensor]] = []
        for layer in range(self.num_layers):
            outputs = []
            for direction in range(directions):
                given = [state[layer * directions + direction] for state in states]
                suffix = f"l{layer}{'_reverse' if direction else ''}"
                output, *final = run(x, given, suffix, bool(direction))
                outputs.append(output)
                last.append(final)
            x = ops.cat(outputs, -1) if self.bidirectional else outputs[0]
            if layer + 1 < self.num_layers:
                x = F.dropout(x, self.dropout, self.training)
        return x, [ops.stack(parts) for parts in zip(*last)]

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        defaults = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False}
        for name, default in defaults.items():
            if getattr(self, name) != default:
                text += f", {name}={getattr(self, name)}"
        return text


def _last(output: Tensor, state: Tensor, reverse: bool) -> Tensor:
    """The hidden state after the last step; the first one if there are no steps."""
    return output[0 if reverse else -1] if output.shape[0] else state


class RNN(RNNBase):
    """h_t = nonlinearity(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh) (Elman 1990); nonlinearity "tanh" or "relu".

    `rnn(input, h_0)` of input (T, N, inputs), (N, T, inputs) if batch_first, or (T, inputs), and h_0 (layers * directions,
    N, H), zeros by default, gives the last layer's h_t for all t and the h after the last step for all layers. In training,
    `dropout` is applied between layers. A `PackedSequence` as input gives one as output. A wrong shape is a ValueError.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"nonlinearity is {nonlinearity!r}, expected 'tanh' or 'relu'")
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype)
        self.nonlinearity = nonlinearity

    def _direction(self, x: Tensor, states: list[Tensor], suffix: str, reverse: bool) -> list[Tensor]:
        gates, weight, bias = self._projected(x, suffix)
        output = ops.rnn(gates, states[0], weight, bias, self.nonlinearity, reverse)
        return [output, _last(output, states[0], reverse)]

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        output, (hidden,) = self._run(input, None if hx is None else [hx], 1)
        return output, hidden


class LSTM(RNNBase):
    """Long short-term memory (Hochreiter and Schmidhuber 1997; Gers et al. 2000), gates in the order i, f, g, o.

    `lstm(input, (h_0, c_0))` gives the output and (h_n, c_n); shapes and options are those of `RNN`.
    """

    mode = "LSTM"

    def _direction(self, x: Tensor, states: list[Tensor], suffix: str, reverse: bool) -> list[Tensor]:
        gates, weight, bias = self._projected(x, suffix)
        output, cell = ops.lstm(gates, states[0], states[1], weight, bias, reverse)
        return [output, _last(output, states[0], reverse), cell]

    def forward(self, input: Any, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Any, tuple[Tensor, Tensor]]:
        output, (hidden, cell) = self._run(input, None if hx is None else list(hx), 2)
        return output, (hidden, cell)


class GRU(RNNBase):
    """Gated recurrent units (Cho et al. 2014), gates in the order r, z, n; shapes and options are those of `RNN`."""

    mode = "GRU"

    def _direction(self, x: Tensor, states: list[Tensor], suffix: str, reverse: bool) -> list[Tensor]:
        gates, weight, bias = self._projected(x, suffix)
        output = ops.gru(gates, states[0], weight, bias, reverse)
        return [output, _last(output, states[0], reverse)]

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        output, (hidden,) = self._run(input, None if hx is None else [hx], 1)
        return output, hidden


class RNNCellBase(Module):
    """One step of one layer: weight_ih (gates * H, inputs), weight_hh (gates * H, H), bias_ih and bias_hh (gates * H,)."""

    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = num_chunks * hidden_size
        self.weight_ih = Parameter(ops.empty(rows, input_size, dtype=dtype, device=device))
        self.weight_hh = Parameter(ops.empty(rows, hidden_size, dtype=dtype, device=device))
        self.bias_ih = Parameter(ops.empty(rows, dtype=dtype, device=device)) if bias else None
        self.bias_hh = Parameter(ops.empty(rows, dtype=dtype, device=device)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0.0
        for param in self.parameters():
            init.uniform_(param, -bound, bound)

    def _start(self, input: Tensor, states: list[Tensor] | None, count: int) -> tuple[Tensor, list[Tensor]]:
        """The inputs' part of the gates, and the states: zeros by default."""
        if input.ndim not in (1, 2) or input.shape[-1] != self.input_size:
            raise ValueError(f"input has shape {input.shape}, expected (N, {self.input_size}) or ({self.input_size},)")
        wanted = (*input.shape[:-1], self.hidden_size)
        if states is None:
            states = [ops.zeros(wanted, dtype=input.dtype, device=input.device)] * count
        for name, state in zip(("hx", "cx"), states):
            if state.shape != wanted:
                raise ValueError(f"{name} has shape {state.shape}, expected {wanted} for an input {input.shape}")
        return F.linear(input, self.weight_ih, self.bias_ih), states

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class RNNCell(RNNCellBase):
    """One step of `RNN`: (N, inputs) or (inputs,) and the hidden state to the next one."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"nonlinearity is {nonlinearity!r}, expected 'tanh' or 'relu'")
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        gates, (hidden,) = self._start(input, None if hx is None else [hx], 1)
        return ops.rnn_step(gates, hidden, self.weight_hh, self.bias_hh, self.nonlinearity)


class LSTMCell(RNNCellBase):
    """One step of `LSTM`: the input and (h, c) to the next (h, c)."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        gates, (hidden, cell) = self._start(input, None if hx is None else list(hx), 2)
        return ops.lstm_step(gates, hidden, cell, self.weight_hh, self.bias_hh)


class GRUCell(RNNCellBase):
    """One step of `GRU`: the input and the hidden state to the next one."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        gates, (hidden,) = self._start(input, None if hx is None else [hx], 1)
        return ops.gru_step(gates, hidden, self.weight_hh, self.bias_hh)
