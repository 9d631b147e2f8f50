"""The graph: accumulation, depth, release of memory, hooks, in-place changes, second order, custom functions."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import numpy as np
import pytest

import tinynet
from tinynet import Tensor
from tinynet.autograd import Function, grad

pytestmark = pytest.mark.usefixtures("on_device")


def leaf(*values: float) -> Tensor:
    return tinynet.tensor(values, dtype=tinynet.float64, requires_grad=True)


def test_gradients_accumulate_over_uses_and_calls() -> None:
    x = leaf(1.0, 2.0)
    (x * x + 3 * x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [5.0, 7.0]
    (x * 2).sum().backward()
    assert x.grad.tolist() == [7.0, 9.0]


def test_gradient_is_not_an_alias() -> None:
    x, flow = leaf(1.0, 2.0), tinynet.ones(2, dtype=tinynet.float64)
    (x + 0).backward(flow)
    assert x.grad is not None
    x.grad.zero_()
    assert flow.tolist() == [1.0, 1.0]


def test_gradient_is_written_where_an_arena_wants_it() -> None:
    x, arena = leaf(1.0, 2.0), tinynet.full((2,), np.nan, dtype=tinynet.float64)._array
    x._grad_view = arena
    (x * 3).sum().backward()
    (x * 3).sum().backward()
    assert arena.tolist() == [6.0, 6.0]
    assert x.grad is not None
    assert x.grad._array is arena
    x.grad = None
    (x * 5).sum().backward()
    assert arena.tolist() == [5.0, 5.0]


def test_scalar_or_gradient_needed() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="scalar only, not for shape"):
        (x * 2).backward()
    with pytest.raises(ValueError, match=r"shape \(3,\), expected \(2,\)"):
        (x * 2).backward(tinynet.ones(3))
    with pytest.raises(RuntimeError, match="does not require a gradient"):
        tinynet.ones(1).backward()


def test_graph_is_freed_unless_retained() -> None:
    x = leaf(2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad is not None
    assert x.grad.tolist() == [8.0]
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        y.backward()


def test_saved_arrays_are_released_during_the_walk() -> None:
    """When the gradient of the first operation is computed, what the later ones saved is gone already."""
    x = leaf(1.0, 2.0)
    middle = x * 2
    alive: list[bool] = []
    saved = tinynet.tensor([3.0, 4.0], dtype=tinynet.float64)
    watch = weakref.ref(saved)
    y = (middle * saved).sum()
    del saved
    assert watch() is not None
    middle.register_hook(lambda g: alive.append(watch() is not None))
    y.backward()
    assert alive == [False]


def test_graph_dies_with_its_last_tensor_without_the_garbage_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        y = tinynet.exp(x * 2).tanh()
        watch = weakref.ref(y.grad_fn)
        z = (y * y).sum()
        del y, z
        assert watch() is None
    finally:
        gc.enable()


def test_deep_graph(device: str) -> None:
    x = leaf(1.0)
    y = x
    depth = 100_000 if device == "cpu" else 20_000
    for _ in range(depth):
        y = y + 1.0
    y.backward()
    assert x.grad is not None
    assert x.grad.item() == 1.0
    assert y.item() == depth + 1.0
    del y  # destruction is not recursive either


def test_deep_graph_that_is_never_walked(device: str) -> None:
    y = leaf(1.0)
    for _ in range(100_000 if device == "cpu" else 20_000):
        y = y * 1.0
    del y


def test_wide_diamond_is_walked_once_per_node() -> None:
    """2**60 paths."""
    x = leaf(1.0)
    y = x
    for _ in range(60):
        y = y + y
    y.backward()
    assert x.grad is not None
    assert x.grad.item() == 2.0**60


def test_no_grad_and_enable_grad() -> None:
    x = leaf(1.0)
    with tinynet.no_grad():
        assert not tinynet.is_grad_enabled()
        assert not (x * 2).requires_grad
        with tinynet.enable_grad():
            assert (x * 2).requires_grad
        assert not tinynet.is_grad_enabled()
    assert (x * 2).requires_grad

    @tinynet.no_grad()
    def called() -> Tensor:
        return x * 2

    @tinynet.no_grad
    def bare() -> Tensor:
        return x * 2

    assert not called().requires_grad
    assert not bare().requires_grad
    with tinynet.set_grad_enabled(False):
        assert not (x * 2).requires_grad
    tinynet.set_grad_enabled(False)
    assert not (x * 2).requires_grad
    tinynet.set_grad_enabled(True)
    assert (x * 2).requires_grad


def test_grad_mode_survives_an_error_and_belongs_to_the_thread() -> None:
    with pytest.raises(KeyError), tinynet.no_grad():
        raise KeyError
    seen: list[bool] = []
    with tinynet.no_grad():
        thread = threading.Thread(target=lambda: seen.append(tinynet.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]
    assert tinynet.is_grad_enabled()


def test_detach_and_data() -> None:
    x = leaf(1.0, 2.0)
    assert not x.detach().requires_grad
    y = x.detach()
    y[0] = 5.0
    assert x.tolist() == [5.0, 2.0]
    x.data = tinynet.tensor([7.0, 8.0], dtype=tinynet.float64)
    assert x.tolist() == [7.0, 8.0]
    assert x.is_leaf
    assert x.requires_grad


def test_grad_function() -> None:
    x, y, z = leaf(2.0), leaf(3.0), leaf(4.0)
    out = x * x * y
    gx, gy = grad(out, (x, y), retain_graph=True)
    assert (gx.item(), gy.item()) == (12.0, 4.0)
    assert x.grad is None
    with pytest.raises(RuntimeError, match=r"do not depend on inputs\[0\]"):
        grad(out, z, retain_graph=True)
    assert grad(out, z, allow_unused=True, retain_graph=True) == (None,)
    middle = x * y
    (gm,) = grad(middle * middle, middle)
    assert gm.item() == 12.0
    with pytest.raises(RuntimeError, match=r"inputs\[0\] does not require"):
        grad(x * 2, tinynet.ones(1))


def test_grad_leaves_other_branches_alone() -> None:
    """The branch that does not lead to the input is not walked, so it is not freed either."""
    x, y = leaf(2.0), leaf(3.0)
    branch = y * y
    out = x * x + branch
    grad(out, x)
    branch.backward()
    assert y.grad is not None
    assert y.grad.item() == 6.0


def test_higher_orders() -> None:
    x = leaf(3.0)
    y, expected = x**5, [5 * 81.0, 20 * 27.0, 60 * 9.0, 120 * 3.0]
    for value in expected:
        (y,) = grad(y, x, create_graph=True)
        assert y.item() == pytest.approx(value)


def test_create_graph_through_backward() -> None:
    x = leaf(2.0)
    (x**3).backward(create_graph=True)
    assert x.grad is not None
    penalty = x.grad * x.grad
    x.grad = None
    penalty.backward()  # d/dx (3 x^2)^2 = 36 x^3
    assert x.grad is not None
    assert x.grad.item() == pytest.approx(288.0)


def test_hooks() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    seen: list[list[float]] = []
    handle = y.register_hook(lambda g: seen.append(g.tolist()))
    y.register_hook(lambda g: g * 10)
    (y * 3).sum().backward(retain_graph=True)
    assert seen == [[3.0, 3.0]]
    assert x.grad is not None
    assert x.grad.tolist() == [60.0, 60.0]
    handle.remove()
    handle.remove()
    (y * 3).sum().backward()
    assert len(seen) == 1


def test_leaf_hook_sees_the_whole_gradient_once() -> None:
    x = leaf(1.0)
    seen: list[float] = []
    handle = x.register_hook(lambda g: seen.append(g.item()))
    (x * 2 + x * 3).backward()
    assert seen == [5.0]
    handle.remove()
    x.register_hook(lambda g: g * 0)
    (x * 2).backward()
    assert seen == [5.0]
    assert x.grad is not None
    assert x.grad.item() == 5.0
    with pytest.raises(RuntimeError, match="requires a gradient"):
        tinynet.ones(1).register_hook(lambda g: None)


def test_retain_grad() -> None:
    x = leaf(1.0)
    y = x * 2
    y.retain_grad()
    (y * 3).backward()
    assert y.grad is not None
    assert y.grad.item() == 3.0


# in-place changes


def test_modified_input_is_an_error() -> None:
    x, w = leaf(1.0, 2.0), tinynet.tensor([3.0, 4.0], dtype=tinynet.float64)
    y = (x * w).sum()
    w.mul_(2)
    with pytest.raises(RuntimeError, match="gradient of Mul needs has been modified"):
        y.backward()


def test_modified_output_is_an_error() -> None:
    x = leaf(1.0, 2.0)
    y = x.exp()
    z = y.sum()
    with tinynet.no_grad():
        y.add_(1)
    with pytest.raises(RuntimeError, match="gradient of Exp needs"):
        z.backward()


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w[0].fill_(9.0),
        lambda w: w.view(2, 1).mul_(2),
        lambda w: w.detach().zero_(),
        lambda w: w.__setitem__(1, 5.0),
        lambda w: w.t().add_(1),
    ],
)
def test_modified_through_a_view_is_an_error(change: Any) -> None:
    x, w = leaf(1.0, 2.0), tinynet.tensor([3.0, 4.0], dtype=tinynet.float64)
    y = (x * w).sum()
    change(w)
    with pytest.raises(RuntimeError, match="modified in place"):
        y.backward()


@pytest.mark.parametrize("use", ["index", "gather", "where", "labels", "scatter"])
def test_modified_indices_are_an_error(use: str) -> None:
    x = tinynet.randn(3, 3, dtype=tinynet.float64, requires_grad=True)
    index = tinynet.tensor([[0], [1], [2]])
    condition = tinynet.tensor([True, False, True])
    y = {
        "index": lambda: x[index],
        "gather": lambda: x.gather(1, index),
        "where": lambda: tinynet.where(condition, x, 0.0),
        "labels": lambda: tinynet.nn.functional.cross_entropy(x, index.view(-1)),
        "scatter": lambda: x.scatter_add(1, index, tinynet.ones(3, 1, dtype=tinynet.float64, requires_grad=True)),
    }[use]()
    index.fill_(0)
    condition.fill_(False)
    with pytest.raises(RuntimeError, match="modified in place"):
        y.sum().backward()


def test_unsaved_tensors_may_be_modified() -> None:
    x = leaf(1.0, 2.0)
    w = tinynet.ones(2, dtype=tinynet.float64)
    y = (x + w).sum()
    w.zero_()
    y.backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1.0, 1.0]


def test_leaf_cannot_be_modified_but_under_no_grad() -> None:
    x = leaf(1.0, 2.0)
    for change in (lambda: x.add_(1), lambda: x.zero_(), lambda: x.__setitem__(0, 1.0), lambda: x[0].add_(1)):
        with pytest.raises(RuntimeError, match="in place"):
            change()
    with tinynet.no_grad():
        x.add_(1)
        x[0] = 7.0
    assert x.tolist() == [7.0, 3.0]


def test_in_place_operations_have_gradients() -> None:
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = x * 1
    y += w
    y.mul_(2.0).exp_().clamp_(max=1e9)
    (y / 1000).sum().backward()
    expected = 2 * np.exp(2 * np.array([4.0, 6.0])) / 1000
    assert x.grad is not None
    assert w.grad is not None
    np.testing.assert_allclose(x.grad.cpu().numpy(), expected)
    np.testing.assert_allclose(w.grad.cpu().numpy(), expected)


def test_assignment_has_gradients() -> None:
    x, w = leaf(1.0, 2.0, 3.0), leaf(5.0)
    y = x * 2
    y[1] = w[0] * 10
    assert y.tolist() == [2.0, 50.0, 6.0]
    y.sum().backward()
    assert x.grad is not None
    assert w.grad is not None
    assert x.grad.tolist() == [2.0, 0.0, 2.0]
    assert w.grad.tolist() == [10.0]
    plain = tinynet.zeros(3, dtype=tinynet.float64)
    plain[0] = w[0]
    assert plain.requires_grad


def test_copy_and_fill_route_the_gradient() -> None:
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = x * 2
    y.copy_(w)
    y.sum().backward()
    assert w.grad is not None
    assert w.grad.tolist() == [1.0, 1.0]
    assert x.grad is None
    y = x * 2
    y.zero_()
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 0.0]


def test_view_taken_before_a_modification_is_an_error() -> None:
    w = leaf(3.0, 4.0)
    y = w * 1
    view = y[:1]
    y.mul_(w)
    with pytest.raises(RuntimeError, match="take the view again"):
        view * 2
    assert (y[:1] * 2).tolist() == [18.0]
    plain = tinynet.zeros(2, dtype=tinynet.float64)
    view = plain.view(2, 1)
    plain.add_(w)
    with pytest.raises(RuntimeError, match="take the view again"):
        view.sum()


def test_expanded_tensor_cannot_be_modified() -> None:
    with pytest.raises(RuntimeError, match="expanded"):
        tinynet.zeros(3, 1).expand(3, 4).add_(1)


# custom functions


class Cube(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        assert not tinynet.is_grad_enabled()
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return 3 * x * x * gy


class Exponential(Function):
    """Saves its own output."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = tinynet.exp(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return y * gy


class Split(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        ctx.scale = scale
        order = x.argsort()
        ctx.mark_non_differentiable(order)
        return x * scale, order

    @staticmethod
    def backward(ctx: Any, gy: Tensor, _: Any) -> tuple[Any, ...]:
        assert ctx.needs_input_grad == (True, False)
        return gy * ctx.scale, None


@pytest.mark.parametrize("function", [Cube, Exponential])
def test_function(function: type[Function]) -> None:
    x = tinynet.randn(3, dtype=tinynet.float64, requires_grad=True)
    assert tinynet.autograd.gradcheck(function.apply, x)
    assert tinynet.autograd.gradgradcheck(function.apply, x)


def test_function_with_several_outputs() -> None:
    x = leaf(3.0, 1.0)
    y, order = Split.apply(x, 4.0)
    assert order.tolist() == [1, 0]
    assert not order.requires_grad
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [4.0, 4.0]


def test_function_errors() -> None:
    x = leaf(1.0)
    y = Cube.apply(x)
    y.backward()
    with pytest.raises(RuntimeError, match="retain_graph"):
        y.backward()
    y = Cube.apply(z := x * 1)
    with tinynet.no_grad():
        z.add_(1)
    with pytest.raises(RuntimeError, match="modified in place"):
        y.backward()

    class Wrong(Function):
        @staticmethod
        def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
            return a + b

        @staticmethod
        def backward(ctx: Any, gy: Tensor) -> Tensor:
            return gy

    with pytest.raises(RuntimeError, match="returned 1 gradients for 2 arguments"):
        Wrong.apply(x, x).backward()


def test_function_output_does_not_keep_itself_alive() -> None:
    gc.collect()
    gc.disable()
    try:
        y = Exponential.apply(leaf(1.0))
        watch = weakref.ref(y)
        del y
        assert watch() is None
    finally:
        gc.enable()


class Both(Function):
    """Two outputs; its context is set up apart from forward, and sees where no gradient arrived."""

    @staticmethod
    def forward(x: Any, factor: float) -> Any:
        return x * factor, x + 1

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.factor = inputs[1]
        ctx.save_for_backward(output[0])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, scaled: Any, shifted: Any) -> Any:
        (output,) = ctx.saved_tensors
        assert shifted is None
        return scaled * ctx.factor + 0 * output, None


def test_function_with_setup_context() -> None:
    x = tinynet.ones(3, requires_grad=True)
    scaled, _ = Both.apply(x, 3.0)
    scaled.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [3.0, 3.0, 3.0]


def test_the_graph_can_be_followed() -> None:
    x = tinynet.ones(3, requires_grad=True)
    node = (x * 2).exp().grad_fn
    assert node is not None
    assert node.name() == "ExpBackward0"
    (before, _), *_ = node.next_functions
    assert before is not None
    assert before.name() == "MulBackward0"
    (leaf, index), (none, _) = before.next_functions
    assert leaf.variable is x
    assert index == 0
    assert none is None
    assert Both.apply(x, 2.0)[0].grad_fn.name() == "BothBackward"


def test_hook_after_accumulation() -> None:
    x = tinynet.ones(2, requires_grad=True)
    seen: list[Any] = []
    handle = x.register_post_accumulate_grad_hook(lambda leaf: seen.append(leaf.grad.tolist()))
    (x * 2 + x * 3).sum().backward()
    assert seen == [[5.0, 5.0]]  # once, when all of it is there
    tinynet.autograd.grad((x * 2).sum(), x)
    assert len(seen) == 1
    handle.remove()
    (x * 2).sum().backward()
    assert len(seen) == 1
    with pytest.raises(RuntimeError, match="needs a leaf"):
        (x * 2).register_post_accumulate_grad_hook(print)


def test_views_can_be_modified_in_place() -> None:
    x = tinynet.arange(1.0, 7.0).view(2, 3).requires_grad_()
    w = tinynet.tensor([1.0, 10.0, 100.0], requires_grad=True)
    y = x * 1
    y[:, 0].mul_(5)  # a column: strided memory
    y[1] *= w
    y[0][2].fill_(7)  # a view of a view; what was there gets no gradient
    v = y.view(-1)[1:5]
    v.exp_()
    assert v.sum().requires_grad
    (y.sum() + v.sum()).backward()
    factors = np.array([[5, 1, 0], [5, 10, 100]])
    expected = factors.astype(float)
    values = np.array([[5, 2, 7], [20, 50, 600]], np.float64)
    expected.reshape(-1)[1:5] *= 2 * np.exp(values.reshape(-1)[1:5])
    np.testing.assert_allclose(x.grad.cpu().numpy(), expected, rtol=1e-5)  # type: ignore[union-attr]
    slopes = np.array([4 * 5, 5, 6]) * [2 * np.exp(20), 2 * np.exp(50), 1]
    np.testing.assert_allclose(w.grad.cpu().numpy(), slopes, rtol=1e-5)  # type: ignore[union-attr]


def test_views_in_place_have_second_gradients() -> None:
    def function(a: Tensor, b: Tensor) -> Any:
        y = a * a
        y[:, 1:].mul_(b)
        y[0].add_(y[1])
        turned = a.t() * b[0]  # its memory is column by column
        turned[1:].mul_(b.view(2))
        return y * y, turned.exp()

    a = tinynet.randn(2, 3, dtype=tinynet.float64, requires_grad=True)
    b = tinynet.randn(2, 1, dtype=tinynet.float64, requires_grad=True)
    assert tinynet.autograd.gradcheck(function, (a, b))
    assert tinynet.autograd.gradgradcheck(function, (a, b))


def test_a_view_writes_history_into_what_had_none() -> None:
    buffer, x = tinynet.zeros(3), tinynet.ones(2, requires_grad=True)
    buffer[1:].add_(x * 3)
    buffer.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [3.0, 3.0]
    stale = buffer[:1]
    buffer[1:].mul_(2)
    with pytest.raises(RuntimeError, match="take the view again"):
        stale + 1
    with pytest.raises(RuntimeError, match="a leaf that requires a gradient"):
        x[0].zero_()


def test_backward_for_some_inputs_only() -> None:
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (a * b).sum().backward(inputs=[a])
    assert a.grad is not None
    assert a.grad.tolist() == [3.0, 4.0]
    assert b.grad is None
    with pytest.raises(RuntimeError, match="expected leaves"):
        (a * b).sum().backward(inputs=[a * 1])


def test_views_of_memory_in_another_order() -> None:
    a = tinynet.arange(6.0).view(2, 3).requires_grad_()
    turned = a.t() * 1  # its memory is column by column
    assert not turned.is_contiguous() or turned.device.type == "cuda"
    turned[1:, 0].mul_(10)
    assert turned.tolist() == [[0.0, 3.0], [10.0, 4.0], [20.0, 5.0]]
    (turned * turned).sum().backward()
    assert a.grad is not None
    assert a.grad.tolist() == [[0.0, 200.0, 400.0], [6.0, 8.0, 10.0]]


def test_a_diagonal_is_a_view() -> None:
    plain = tinynet.ones(2, 3)
    plain.diagonal(1).fill_(7)
    assert plain.tolist() == [[1.0, 7.0, 1.0], [1.0, 1.0, 7.0]]
    x = tinynet.ones(2, 3, requires_grad=True)
    y = x * 2
    y.diagonal(-1).mul_(5)
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[2.0, 2.0, 2.0], [10.0, 2.0, 2.0]]
    with pytest.raises(ValueError, match="expected two dimensions"):
        x.diagonal(0, 1, -1)


def test_backward_may_return_none_for_defaults() -> None:
    class Scale(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, factor: float = 3.0) -> Tensor:
            ctx.factor = factor
            return x * factor

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Any:
            return grad * ctx.factor, None

    x = tinynet.ones(2, requires_grad=True)
    for args, slope in (((x,), 3), ((x, 5.0), 5)):
        (grad,) = tinynet.autograd.grad(Scale.apply(*args).sum(), x)
        assert grad.tolist() == [slope, slope]


def test_grad_of_what_is_not_used() -> None:
    x, y = tinynet.ones(2, requires_grad=True), tinynet.ones(3, requires_grad=True)
    gx, gy = tinynet.autograd.grad(x.sum(), (x, y), only_inputs=True, materialize_grads=True)
    assert gx.tolist() == [1, 1]
    assert gy.tolist() == [0, 0, 0]


def test_parts_of_a_split() -> None:
    """Views: used in part, more than once, and modified in place; and the gradient of the gradient."""
    values = np.arange(12.0).reshape(2, 6)
    x = tinynet.tensor(values, requires_grad=True)
    b = x.split([1, 3, 2], 1)[1]
    assert b.data_ptr() == x.data_ptr() + 8
    (first,) = tinynet.autograd.grad((b * b + b).sum(), x, create_graph=True)
    np.testing.assert_array_equal(first.detach().cpu().numpy()[:, 1:4], 2 * values[:, 1:4] + 1)
    (second,) = tinynet.autograd.grad((first * first).sum(), x)
    np.testing.assert_array_equal(second.cpu().numpy()[:, [0, 4, 5]], 0)
    np.testing.assert_array_equal(second.cpu().numpy()[:, 1:4], 4 * (2 * values[:, 1:4] + 1))

    y = x * 1
    left, right = y.chunk(2, 1)
    right *= 3
    (y * y).sum().backward()
    np.testing.assert_array_equal(x.grad.cpu().numpy(), values * ([2.0] * 3 + [18.0] * 3))
    with pytest.raises(RuntimeError, match="modified in place since"):
        _ = left + 1
    for sizes in ([2, 5], [-1, 7]):
        with pytest.raises(ValueError, match="expected sizes that add up to 6"):
            x.split(sizes, 1)
