"""Modules: hooks, names, and the helpers of nn.utils."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import tinynet
from tinynet import nn
from tinynet.nn import utils


def hooked(t: Any, record: list[Any]) -> Any:
    """A model of two layers with every hook, and what they saw."""
    model = t.nn.Sequential(t.nn.Linear(3, 2), t.nn.Tanh())
    with t.no_grad():
        model[0].weight.fill_(0.5)
        model[0].bias.fill_(0.1)
    first = model[0]
    first.register_forward_pre_hook(lambda m, args: (args[0] * 2,))
    first.register_forward_hook(lambda m, args, output: record.append(args[0]) or output + 1)
    first.register_full_backward_pre_hook(lambda m, grads: (grads[0] * 3,))
    first.register_full_backward_hook(lambda m, inputs, outputs: record.extend([*inputs, *outputs]) or (inputs[0] * 5,))
    model.register_full_backward_hook(lambda m, inputs, outputs: record.extend(outputs))
    return model


def test_hooks_are_torchs() -> None:
    torch = pytest.importorskip("torch")
    seen: list[list[Any]] = []
    for t in (tinynet, torch):
        record: list[Any] = []
        model = hooked(t, record)
        x = t.tensor([[0.1, -0.2, 0.3], [1.0, 2.0, -1.0]], requires_grad=True)
        (model(x) ** 2).sum().backward()
        seen.append([v.detach().numpy() for v in (*record, x.grad, model[0].weight.grad, model[0].bias.grad)])
    assert len(seen[0]) == len(seen[1])
    for ours, theirs in zip(*seen):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_backward_hook_by_hand(device: str) -> None:
    """y = 3 x: the gradient at the output is 2 y, at the input three times that, doubled by the hook."""
    layer = nn.Linear(1, 1, bias=False).to(device)
    layer.weight.data.fill_(3.0)
    seen: list[Any] = []
    handle = layer.register_full_backward_hook(lambda m, i, o: seen.append((i[0].item(), o[0].item())) or (i[0] * 2,))
    x = tinynet.tensor([[1.0]], device=device, requires_grad=True)
    (layer(x) ** 2).sum().backward()
    assert seen == [(18.0, 6.0)]
    assert x.grad.item() == 36.0
    handle.remove()
    (layer(x) ** 2).sum().backward()
    assert len(seen) == 1


def test_backward_hook_without_a_gradient_at_the_input() -> None:
    layer = nn.Linear(1, 1)
    seen: list[Any] = []
    layer.register_full_backward_hook(lambda m, inputs, outputs: seen.append((inputs, outputs[0].item())))
    layer(tinynet.ones(1, 1)).sum().backward()
    assert seen == [((None,), 1.0)]


def test_hooks_with_keywords_and_order() -> None:
    class Scaled(nn.Module):
        def forward(self, x: Any, *, by: float = 1.0) -> Any:
            return x * by

    module, order = Scaled(), []
    module.register_forward_pre_hook(lambda m, args, kwargs: (args, {"by": kwargs["by"] + 1}), with_kwargs=True)
    module.register_forward_hook(lambda m, args, output: order.append("second"))
    module.register_forward_hook(lambda m, a, kwargs, o: order.append(kwargs["by"]), prepend=True, with_kwargs=True)
    assert module(tinynet.ones(1), by=2.0).item() == 3.0
    assert order == [3.0, "second"]


def test_lookup_by_name() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.BatchNorm1d(2)))
    assert model.get_parameter("1.0.weight") is model[1][0].weight
    assert model.get_buffer("1.0.running_mean") is model[1][0].running_mean
    model.set_submodule("1.0", nn.Identity())
    assert type(model[1][0]) is nn.Identity
    with pytest.raises(AttributeError, match="no parameter 'scale'"):
        model.get_parameter("0.scale")


def test_clipping_by_norm() -> None:
    p, q = (tinynet.zeros(2, requires_grad=True) for _ in range(2))
    p.grad, q.grad = tinynet.tensor([3.0, 0.0]), tinynet.tensor([0.0, 4.0])
    assert utils.get_total_norm([p.grad, q.grad]).item() == 5.0
    assert utils.clip_grad_norm_((t for t in (p, q)), 1.0).item() == 5.0
    np.testing.assert_allclose(q.grad.tolist(), [0.0, 0.8], rtol=1e-5)
    utils.clip_grad_value_([p, q], 0.5)
    np.testing.assert_allclose([p.grad[0].item(), q.grad[1].item()], [0.5, 0.5])
    p.grad = tinynet.tensor([float("inf"), 0.0])
    with pytest.raises(RuntimeError, match="inf"):
        utils.clip_grad_norm_([p, q], 1.0, error_if_nonfinite=True)
    assert q.grad[1].item() == 0.5


def test_padded_sequences() -> None:
    rows = [tinynet.ones(2, 3), tinynet.ones(4, 3) * 2, tinynet.ones(1, 3)]
    padded = utils.rnn.pad_sequence(rows, padding_value=-1.0)
    assert padded.shape == (4, 3, 3)
    assert padded[:, 0, 0].tolist() == [1, 1, -1, -1]
    left = utils.rnn.pad_sequence(rows, True, 0.0, "left")
    assert left[2, :, 0].tolist() == [0, 0, 0, 1]
    for row, back in zip(rows, utils.rnn.unpad_sequence(padded, tinynet.tensor([2, 4, 1]))):
        assert tinynet.equal(row, back)
    with pytest.raises(ValueError, match="sequences have shapes"):
        utils.rnn.pad_sequence([tinynet.ones(2, 3), tinynet.ones(2, 2)])


def test_containers_as_lists_and_dictionaries() -> None:
    a, b, c = (nn.Linear(1, i) for i in (1, 2, 3))
    for kind in (nn.Sequential, nn.ModuleList):
        model = kind(a, b) if kind is nn.Sequential else kind([a, b])
        model[1] = c
        assert list(model) == [a, c]
        assert list(model.state_dict())[2:] == ["1.weight", "1.bias"]
        model.insert(1, b)
        del model[0]
        assert list(model) == [b, c]
        assert list(model.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
        assert model.pop(0) is b
        assert list(model.extend([a]).append(b)) == [c, a, b]
        assert type(model[:2]) is kind
    named = nn.ModuleDict({"x": a})
    named.update({"y": b})
    del named["x"]
    assert named.pop("y") is b
    assert len(named) == 0
    weights = nn.ParameterDict({"w": tinynet.ones(2), "v": nn.Parameter(tinynet.zeros(1))})
    weights["w"] = tinynet.zeros(3)
    assert {k: p.shape for k, p in weights.named_parameters()} == {"w": (3,), "v": (1,)}
    listed = nn.ParameterList([tinynet.ones(2)])
    listed[0] = tinynet.zeros(4)
    assert [p.shape for p in listed.extend([tinynet.ones(1)]).parameters()] == [(4,), (1,)]


def test_a_replaced_module_keeps_its_place() -> None:
    net = nn.Sequential(OrderedDict(first=nn.Linear(2, 3), second=nn.ReLU()))
    net.first = nn.Linear(2, 2)
    net.second = nn.Tanh()
    assert list(net.state_dict()) == ["first.weight", "first.bias"]
    assert [name for name, _ in net.named_children()] == ["first", "second"]
    net.first.weight = nn.Parameter(tinynet.zeros(2, 2))
    assert [name for name, _ in net.first.named_parameters()] == ["weight", "bias"]
    net.first.register_buffer("seen", tinynet.zeros(1), persistent=False)
    net.first.register_buffer("seen", tinynet.ones(1))
    assert "first.seen" in net.state_dict()


def test_what_loading_reports() -> None:
    net = nn.Sequential(nn.Linear(2, 3))
    found = net.load_state_dict({"0.weight": tinynet.ones(3, 2), "more": tinynet.ones(1)}, strict=False)
    assert (found.missing_keys, found.unexpected_keys) == (["0.bias"], ["more"])
    assert repr(found) == "IncompatibleKeys(missing_keys=['0.bias'], unexpected_keys=['more'])"
    assert str(net.load_state_dict(net.state_dict())) == "<All keys matched successfully>"
    assert net.state_dict(prefix="a.", keep_vars=True)["a.0.weight"] is net[0].weight


def test_lists_of_modules_add_up() -> None:
    layers = nn.ModuleList([nn.ReLU()])
    layers += [nn.Tanh()]
    assert [type(m) for m in layers + layers] == [nn.ReLU, nn.Tanh, nn.ReLU, nn.Tanh]
    assert [type(m) for m in nn.Sequential(nn.ReLU()) + nn.Sequential(nn.Tanh())] == [nn.ReLU, nn.Tanh]


def test_sparse_and_dirac() -> None:
    weight = nn.init.sparse_(tinynet.empty(10, 4), 0.25, std=3.0)
    assert (weight == 0).sum(0).tolist() == [3, 3, 3, 3]
    x = tinynet.randn(2, 4, 5)
    assert tinynet.equal(nn.functional.conv1d(x, nn.init.dirac_(tinynet.empty(4, 4, 3)), padding=1), x)
    grouped = nn.init.dirac_(tinynet.empty(4, 2, 3), groups=2)
    assert tinynet.equal(nn.functional.conv1d(x, grouped, padding=1, groups=2), x)


def test_shared_parameters_can_be_named_twice() -> None:
    net = nn.Sequential(nn.Embedding(4, 3), nn.Linear(3, 4, bias=False))
    net[1].weight = net[0].weight
    net.append(net[1])
    assert [n for n, _ in net.named_parameters()] == ["0.weight"]
    assert [n for n, _ in net.named_parameters(remove_duplicate=False)] == ["0.weight", "1.weight", "2.weight"]
    assert [n for n, _ in net.named_modules(remove_duplicate=False)] == ["", "0", "1", "2"]


def test_what_can_be_registered() -> None:
    """A list in place of its modules, and a tensor in place of a parameter, are found at once."""
    module = nn.Module()
    with pytest.raises(TypeError, match="module '0' is a list, expected a Module"):
        nn.Sequential([nn.ReLU()])
    with pytest.raises(TypeError, match="param 'w' is a Tensor, expected a Parameter"):
        module.register_parameter("w", tinynet.ones(1))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="tensor 'b' is a ndarray, expected a Tensor"):
        module.register_buffer("b", np.ones(1))  # type: ignore[arg-type]
    for name in ("", "a.b"):
        with pytest.raises(ValueError, match="expected a string that is not empty and has no dots"):
            module.add_module(name, nn.ReLU())
    assert not module.state_dict()
    assert not list(module.children())


def test_a_wrapped_model_runs_on_one_device() -> None:
    from tinynet.nn.parallel import data_parallel

    model = nn.Linear(2, 3)
    wrapped = nn.DataParallel(model, device_ids=[0])
    x = tinynet.ones(4, 2)
    np.testing.assert_array_equal(wrapped(x).detach(), model(x).detach())
    np.testing.assert_array_equal(data_parallel(model, (x,), range(1)).detach(), model(x).detach())
    assert wrapped.module is model
    assert list(wrapped.state_dict()) == ["module.weight", "module.bias"]
    with pytest.raises(ValueError, match="expected one device"):
        nn.DataParallel(model, device_ids=[0, 1])
    with pytest.raises(ValueError, match="expected one device"):
        data_parallel(model, x, [0], "cpu")
