"""tinynet beside PyTorch, TensorFlow/Keras and JAX on the CPU: the same networks, weights, data and batch sizes.

    python bench/compare_cpu.py                       everything, for those of the four that are installed
    python bench/compare_cpu.py --only train-cnn      the cases whose name matches a regular expression
    python bench/compare_cpu.py --json FILE --readme README.md

Each framework runs in a process of its own with the same number of threads; while one is measured the others are stopped,
so that no idle thread spins. For each case the frameworks take turns, round after round, and the median of the rounds
counts. Networks start from the same weights and see the same batches; the losses after the warm-up are compared, so all are
known to compute the same thing. Every framework keeps its data in the layout that suits it best and
uses the fastest of its usual ways to run a step: tinynet and PyTorch eagerly, TensorFlow with tf.function, JAX with jit.

A JSON file that exists keeps the cases that this run does not measure; its table goes between the markers in the README.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from bench.sass import write_between

FRAMEWORKS = {"tinynet": "tinynet", "PyTorch": "torch", "TensorFlow": "tensorflow", "JAX": "jax"}
PACKAGES = ("tinynet-gpu", "numpy", "numba", "torch", "tensorflow", "tensorflow-cpu", "keras", "jax", "jaxlib")
BATCHES = (32, 128, 512)
WARM_UP = 5  # steps whose last loss is compared
CLOSE = 5e-3  # relative; Adam and batch normalisation enlarge the rounding errors of the first steps
Step = Callable[[], Any]

CASES = [
    *(f"train-cnn-{n}" for n in BATCHES),
    *(f"train-mlp-{n}" for n in BATCHES),
    *(f"train-resnet20-{n}" for n in BATCHES[:2]),
    *(f"infer-cnn-{n}" for n in (1, *BATCHES)),
    *(f"infer-mlp-{n}" for n in BATCHES),
    "matmul-512",
    "matmul-1024",
    *(
        f"conv-{direction}-{shape}"
        for shape in ("1x28-32", "32x13-64", "64x5-64")
        for direction in ("forward", "backward")
    ),
    "pool-forward",
    "pool-backward",
    "cross-entropy",
    "adam-1M",
]
TAKE_PART = {"train-resnet20": ("tinynet", "PyTorch")}  # in cases that begin so; in others all


def take_part(name: str, case: str) -> bool:
    return all(name in names for prefix, names in TAKE_PART.items() if case.startswith(prefix))


def weights(network: str) -> list[np.ndarray[Any, Any]]:
    """Weights and biases in PyTorch's layouts, by turns, from He's uniform distribution."""
    shapes = {
        "cnn": [(32, 1, 3, 3), (64, 32, 3, 3), (64, 64, 3, 3), (64, 576), (10, 64)],
        "mlp": [(512, 784), (512, 512), (10, 512)],
    }[network]
    rng = np.random.default_rng(0)
    arrays = []
    for shape in shapes:
        bound = (6 / np.prod(shape[1:])) ** 0.5
        arrays += [rng.uniform(-bound, bound, shape).astype("f4"), np.zeros(shape[0], "f4")]
    return arrays


def state_for(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray[Any, Any]]:
    """A state of a network with these names and shapes: He's uniform distribution, the statistics and scales of a new one."""
    rng = np.random.default_rng(0)
    state = {}
    for name, shape in sorted(shapes.items()):
        if len(shape) > 1:
            bound = (6 / np.prod(shape[1:])) ** 0.5
            state[name] = rng.uniform(-bound, bound, shape).astype("f4")
        else:
            ones = name.endswith("running_var") or (name.endswith("weight") and shape)
            state[name] = np.full(shape, 1 if ones else 0, "f4" if shape else "i8")
    return state


def data(batch: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """One batch of images (N, 1, 28, 28) and labels."""
    rng = np.random.default_rng(1)
    return rng.standard_normal((batch, 1, 28, 28)).astype("f4"), rng.integers(0, 10, batch)


def conv_arrays(case: str) -> tuple[Any, Any, Any]:
    """x, w and gy of a case such as conv-forward-32x13-64, for a batch of 128."""
    c, size, o = (int(n) for n in re.findall(r"\d+", case))
    rng = np.random.default_rng(2)
    shapes = (128, c, size, size), (o, c, 3, 3), (128, o, size - 2, size - 2)
    x, w, gy = (rng.standard_normal(shape).astype("f4") for shape in shapes)
    return x, w, gy


def pool_arrays() -> tuple[Any, Any]:
    rng = np.random.default_rng(3)
    return rng.standard_normal((128, 32, 26, 26)).astype("f4"), rng.standard_normal((128, 32, 13, 13)).astype("f4")


def loss_arrays() -> tuple[Any, Any]:
    rng = np.random.default_rng(4)
    return rng.standard_normal((512, 1000)).astype("f4"), rng.integers(0, 1000, 512)


def square(case: str) -> tuple[Any, Any]:
    n = int(case.rpartition("-")[2])
    rng = np.random.default_rng(5)
    return rng.standard_normal((n, n)).astype("f4"), rng.standard_normal((n, n)).astype("f4")


def channels_last(array: Any) -> Any:
    """(N, C, H, W) as contiguous (N, H, W, C)."""
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1))


# one function a framework: the step of a case, which returns the loss if the case trains


def tinynet_step(case: str) -> Step:
    import tinynet
    import tinynet_kernels as kernels
    from tinynet import models, optim
    from tinynet.nn import functional as F

    kind, name, *rest = case.split("-")

    def image(array: Any) -> Any:  # as the layer before leaves it: channels side by side
        return channels_last(array).transpose(0, 3, 1, 2)

    if kind in ("train", "infer"):
        x, y = (tinynet.tensor(a) for a in data(int(rest[0])))
        model = models.create(name)
        if name == "resnet20":
            state = state_for({key: tuple(t.shape) for key, t in model.state_dict().items()})
        else:
            state = dict(zip(model.state_dict(), weights(name)))
        model.load_state_dict({key: tinynet.tensor(array) for key, array in state.items()})
        if kind == "infer":
            model.eval()

            def infer() -> None:
                with tinynet.no_grad():
                    model(x)

            return infer
        optimizer = optim.Adam(model.parameters())

        def train() -> Any:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        return train
    if kind == "matmul":
        a, b = square(case)
        return lambda: kernels.matmul(a, b)
    if kind == "conv":
        x, w, gy = (image(a) if a.ndim == 4 and i != 1 else a for i, a in enumerate(conv_arrays(case)))
        if name == "forward":
            return lambda: kernels.conv2d(x, w)
        return lambda: (kernels.conv2d_input_grad(gy, w, x.shape), kernels.conv2d_weight_grad(x, gy, w.shape))
    if kind == "pool":
        x, gy = map(image, pool_arrays())
        if name == "forward":
            return lambda: kernels.max_pool2d(x, 2)
        indices = kernels.max_pool2d(x, 2)[1]
        return lambda: kernels.max_pool2d_grad(gy, indices, x.shape, 2)
    if kind == "cross":
        logits, labels = tinynet.tensor(loss_arrays()[0], requires_grad=True), tinynet.tensor(loss_arrays()[1])
        return lambda: tinynet.autograd.grad(F.cross_entropy(logits, labels), logits)
    param = tinynet.zeros(1_000_000, requires_grad=True)
    param.grad = tinynet.ones(1_000_000)
    return optim.Adam([param]).step


def torch_step(case: str) -> Step:
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.set_num_threads(threads())
    kind, name, *rest = case.split("-")

    def image(array: Any) -> Any:
        return torch.tensor(array).contiguous(memory_format=torch.channels_last)

    if kind in ("train", "infer"):
        x, y = (torch.tensor(a) for a in data(int(rest[0])))
        if name == "cnn":
            model = nn.Sequential(
                *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)),
                *(nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Flatten(), nn.Linear(576, 64), nn.ReLU(), nn.Linear(64, 10)),
            ).to(memory_format=torch.channels_last)
            x = x.contiguous(memory_format=torch.channels_last)
        elif name == "resnet20":
            model = torch_resnet20().to(memory_format=torch.channels_last)
            x = x.contiguous(memory_format=torch.channels_last)
        else:
            layers = (nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
            model = nn.Sequential(nn.Flatten(), *layers)
        if name == "resnet20":
            state = state_for({key: tuple(t.shape) for key, t in model.state_dict().items()})
        else:
            state = dict(zip(model.state_dict(), weights(name)))
        model.load_state_dict({key: torch.tensor(array) for key, array in state.items()})
        if kind == "infer":
            model.eval()

            def infer() -> None:
                with torch.inference_mode():
                    model(x)

            return infer
        optimizer = torch.optim.Adam(model.parameters(), fused=True)

        def train() -> Any:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        return train
    if kind == "matmul":
        a, b = map(torch.tensor, square(case))
        return lambda: a @ b
    if kind == "conv":
        x, w, gy = map(image, conv_arrays(case))
        if name == "forward":
            return lambda: F.conv2d(x, w)
        settings = ([0], [1, 1], [0, 0], [1, 1], False, [0, 0], 1, [True, True, False])
        return lambda: torch.ops.aten.convolution_backward(gy, x, w, *settings)
    if kind == "pool":
        x, gy = map(image, pool_arrays())
        if name == "forward":
            return lambda: F.max_pool2d(x, 2, return_indices=True)
        indices = F.max_pool2d(x, 2, return_indices=True)[1]
        settings = ([2, 2], [2, 2], [0, 0], [1, 1], False)
        return lambda: torch.ops.aten.max_pool2d_with_indices_backward(gy, x, *settings, indices)
    if kind == "cross":
        logits, labels = torch.tensor(loss_arrays()[0], requires_grad=True), torch.tensor(loss_arrays()[1])
        return lambda: torch.autograd.grad(F.cross_entropy(logits, labels), logits)
    param = torch.zeros(1_000_000, requires_grad=True)
    param.grad = torch.ones(1_000_000)
    return torch.optim.Adam([param], fused=True).step


def torch_resnet20() -> Any:
    """tinynet.models.resnet20 in PyTorch, with the same names."""
    from torch import nn

    class Block(nn.Module):
        def __init__(self, before: int, channels: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(before, channels, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(channels)
            self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(channels)
            self.downsample = None
            if stride != 1 or before != channels:
                conv = nn.Conv2d(before, channels, 1, stride, bias=False)
                self.downsample = nn.Sequential(conv, nn.BatchNorm2d(channels))

        def forward(self, x: Any) -> Any:
            shortcut = x if self.downsample is None else self.downsample(x)
            y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
            return (y + shortcut).relu()

    model = nn.Sequential()
    model.add_module("conv1", nn.Conv2d(1, 16, 3, 1, 1, bias=False))
    model.add_module("bn1", nn.BatchNorm2d(16))
    model.add_module("relu", nn.ReLU())
    before = 16
    for stage, width in enumerate((16, 32, 64), 1):
        blocks = [Block(before, width, 1 if stage == 1 else 2), Block(width, width, 1), Block(width, width, 1)]
        model.add_module(f"layer{stage}", nn.Sequential(*blocks))
        before = width
    for name, module in (("avgpool", nn.AdaptiveAvgPool2d(1)), ("flatten", nn.Flatten()), ("fc", nn.Linear(64, 10))):
        model.add_module(name, module)
    return model


def tensorflow_step(case: str) -> Step:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    if not tf.config.threading.get_intra_op_parallelism_threads():
        tf.config.threading.set_intra_op_parallelism_threads(threads())
        tf.config.threading.set_inter_op_parallelism_threads(1)
    kind, name, *rest = case.split("-")

    def compiled(function: Callable[..., Any], *arrays: Any) -> Step:
        arrays = tuple(tf.constant(a) for a in arrays)
        traced = tf.function(function)

        def run() -> Any:
            result = traced(*arrays)
            for part in tf.nest.flatten(result):
                part.numpy()
            return result

        return run

    if kind in ("train", "infer"):
        images, labels = data(int(rest[0]))
        k = tf.keras.layers
        if name == "cnn":
            layers = [
                *(k.Conv2D(32, 3, activation="relu"), k.MaxPooling2D(2), k.Conv2D(64, 3, activation="relu")),
                *(k.MaxPooling2D(2), k.Conv2D(64, 3, activation="relu"), k.Flatten()),
                *(k.Dense(64, activation="relu"), k.Dense(10)),
            ]
        else:
            layers = [k.Flatten(), k.Dense(512, activation="relu"), k.Dense(512, activation="relu"), k.Dense(10)]
        model = tf.keras.Sequential([tf.keras.Input((28, 28, 1)), *layers])
        model.set_weights([last_layout(w, name) for w in weights(name)])
        if kind == "infer":
            return compiled(lambda x: model(x, training=False), channels_last(images))
        optimizer = tf.keras.optimizers.Adam(1e-3, epsilon=1e-8)
        optimizer.build(model.trainable_variables)

        def train(x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, model(x, training=True)))
            grads = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(grads, model.trainable_variables))
            return loss

        return compiled(train, channels_last(images), labels)
    if kind == "matmul":
        return compiled(tf.matmul, *square(case))
    if kind == "conv":
        x, w, gy = conv_arrays(case)
        x, w, gy = channels_last(x), w.transpose(2, 3, 1, 0), channels_last(gy)
        if name == "forward":
            return compiled(lambda x, w: tf.nn.conv2d(x, w, 1, "VALID"), x, w)
        one = [1, 1, 1, 1]
        return compiled(
            lambda x, w, gy: (
                tf.raw_ops.Conv2DBackpropInput(
                    input_sizes=x.shape, filter=w, out_backprop=gy, strides=one, padding="VALID"
                ),
                tf.raw_ops.Conv2DBackpropFilter(
                    input=x, filter_sizes=w.shape, out_backprop=gy, strides=one, padding="VALID"
                ),
            ),
            *(x, w, gy),
        )
    if kind == "pool":
        x, gy = map(channels_last, pool_arrays())
        if name == "forward":
            return compiled(lambda x: tf.nn.max_pool2d(x, 2, 2, "VALID"), x)
        two = [1, 2, 2, 1]
        y = tf.nn.max_pool2d(x, 2, 2, "VALID")
        return compiled(
            lambda x, y, gy: tf.raw_ops.MaxPoolGrad(
                orig_input=x, orig_output=y, grad=gy, ksize=two, strides=two, padding="VALID"
            ),
            *(x, y, gy),
        )
    if kind == "cross":

        def loss_grad(logits: Any, labels: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(logits)
                loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
            return tape.gradient(loss, logits)

        return compiled(loss_grad, *loss_arrays())
    param = tf.Variable(tf.zeros(1_000_000))
    optimizer = tf.keras.optimizers.Adam(1e-3)
    optimizer.build([param])
    grad = tf.ones(1_000_000)

    @tf.function
    def update() -> None:
        optimizer.apply_gradients([(grad, param)])

    return update


def jax_step(case: str) -> Step:
    import jax
    import jax.numpy as jnp
    from jax import lax

    kind, name, *rest = case.split("-")

    def conv(x: Any, w: Any) -> Any:
        return lax.conv_general_dilated(x, w, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    def pool(x: Any) -> Any:
        return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    def cross_entropy(logits: Any, labels: Any) -> Any:
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1).mean()

    def network(params: Any, x: Any) -> Any:
        pairs = list(zip(params[::2], params[1::2]))
        for i, (w, b) in enumerate(pairs):
            if w.ndim == 4:
                x = jax.nn.relu(conv(x, w) + b)
                x = pool(x) if i < 2 else x
            else:
                x = x.reshape(len(x), -1) @ w + b
                x = jax.nn.relu(x) if i < len(pairs) - 1 else x
        return x

    def adam(params: Any, grads: Any, first: Any, second: Any, t: Any) -> Any:
        first = [0.9 * m + 0.1 * g for m, g in zip(first, grads)]
        second = [0.999 * v + 0.001 * g * g for v, g in zip(second, grads)]
        size = 1e-3 / (1 - 0.9**t)
        root = jnp.sqrt(1 - 0.999**t)
        params = [p - size * m / (jnp.sqrt(v) / root + 1e-8) for p, m, v in zip(params, first, second)]
        return params, first, second

    def compiled(function: Callable[..., Any], *arrays: Any) -> Step:
        arrays = jax.tree.map(jnp.asarray, arrays)
        traced = jax.jit(function)
        return lambda: jax.block_until_ready(traced(*arrays))

    if kind in ("train", "infer"):
        images, labels = data(int(rest[0]))
        x, y = jnp.asarray(channels_last(images)), jnp.asarray(labels)
        params = [jnp.asarray(last_layout(w, name)) for w in weights(name)]
        if kind == "infer":
            return compiled(network, params, x)

        def train(params: Any, first: Any, second: Any, t: Any, x: Any, y: Any) -> Any:
            loss, grads = jax.value_and_grad(lambda p: cross_entropy(network(p, x), y))(params)
            return loss, *adam(params, grads, first, second, t)

        traced = jax.jit(train, donate_argnums=(0, 1, 2))
        state: list[Any] = [params, [jnp.zeros_like(p) for p in params], [jnp.zeros_like(p) for p in params], 1]

        def run() -> Any:
            loss, *state[:3] = traced(*state[:3], jnp.float32(state[3]), x, y)
            state[3] += 1
            return loss.block_until_ready()

        return run
    if kind == "matmul":
        return compiled(jnp.matmul, *square(case))
    if kind == "conv":
        x, w, gy = conv_arrays(case)
        x, w, gy = channels_last(x), w.transpose(2, 3, 1, 0), channels_last(gy)
        if name == "forward":
            return compiled(conv, x, w)
        return compiled(lambda x, w, gy: jax.vjp(conv, x, w)[1](gy), x, w, gy)
    if kind == "pool":
        x, gy = map(channels_last, pool_arrays())
        if name == "forward":
            return compiled(pool, x)
        return compiled(lambda x, gy: jax.vjp(pool, x)[1](gy), x, gy)
    if kind == "cross":
        return compiled(jax.grad(cross_entropy), *loss_arrays())
    flat = [jnp.zeros(1_000_000)]
    traced = jax.jit(adam, donate_argnums=(0, 2, 3))
    grads = [jnp.ones(1_000_000)]
    states: list[Any] = [flat, [jnp.zeros(1_000_000)], [jnp.zeros(1_000_000)]]

    def update() -> None:
        states[:] = traced(states[0], grads, *states[1:], 1.0)
        jax.block_until_ready(states)

    return update


def last_layout(w: Any, network: str) -> Any:
    """A weight as channels-last frameworks want it: HWIO, (in, out); the first dense layer of the CNN sees pixels first."""
    if w.ndim == 4:
        return w.transpose(2, 3, 1, 0)
    if w.ndim == 2 and network == "cnn" and w.shape[1] == 576:
        w = w.reshape(64, 64, 3, 3).transpose(0, 2, 3, 1).reshape(64, 576)
    return w.T


STEPS = {"tinynet": tinynet_step, "PyTorch": torch_step, "TensorFlow": tensorflow_step, "JAX": jax_step}


def threads() -> int:
    return int(os.environ["OMP_NUM_THREADS"])


def peak_memory() -> float | None:
    """The most memory this process has had, in MiB; None where the system does not say."""
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def work(name: str) -> None:
    """A worker: reads one request a line, {"case": name, "seconds": s}, and answers with one line."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a framework prints is no answer
    case, step = None, None
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, Any] = {}
        if request["case"] != case:
            case, step = request["case"], STEPS[name](request["case"])
            loss = [step() for _ in range(WARM_UP)][-1]
            if case.startswith("train"):
                answer["loss"] = float(loss)
        assert step is not None
        start, count = time.perf_counter(), 0
        while count < 2 or time.perf_counter() - start < request["seconds"]:
            step()
            count += 1
        answer["seconds"] = (time.perf_counter() - start) / count
        answer["peak_mib"] = peak_memory()
        print(json.dumps(answer), file=answers, flush=True)


class Worker:
    """A framework's process, stopped while it is not asked."""

    def __init__(self, name: str, count: int) -> None:
        variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
        env = {**os.environ, **dict.fromkeys(variables, str(count)), "TF_CPP_MIN_LOG_LEVEL": "3"}
        if hasattr(os, "sched_setaffinity"):  # JAX takes all the processors that it may use
            cores = sorted(os.sched_getaffinity(0))[:count]
            setup: Any = lambda: os.sched_setaffinity(0, cores)  # noqa: E731
        else:
            setup = None
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=env,
            preexec_fn=setup,
        )
        self.name = name
        self._signal("SIGSTOP")

    def ask(self, case: str, seconds: float) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._signal("SIGCONT")
        self.process.stdin.write(json.dumps({"case": case, "seconds": seconds}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} failed in {case}: python {__file__} --worker {self.name} says why")
        self._signal("SIGSTOP")
        result: dict[str, Any] = json.loads(line)
        return result

    def close(self) -> None:
        self._signal("SIGCONT")
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()

    def _signal(self, name: str) -> None:
        if hasattr(signal, name) and self.process.poll() is None:
            self.process.send_signal(getattr(signal, name))


def measure(case: str, workers: list[Worker], rounds: int, seconds: float) -> dict[str, Any]:
    """Medians by framework, with the peak of memory and the loss after the warm-up."""
    workers = [w for w in workers if take_part(w.name, case)]
    times: dict[str, list[float]] = {w.name: [] for w in workers}
    result: dict[str, dict[str, Any]] = {w.name: {} for w in workers}
    for w in workers:  # compiles, warms up
        result[w.name] = w.ask(case, 0)
    for turn in range(rounds):
        for w in workers if turn % 2 else workers[::-1]:
            answer = w.ask(case, seconds)
            times[w.name].append(answer["seconds"])
            result[w.name]["peak_mib"] = answer["peak_mib"]
    losses = [r["loss"] for r in result.values() if "loss" in r]
    if losses and max(losses) - min(losses) > CLOSE * max(losses):
        raise RuntimeError(f"{case}: the losses after {WARM_UP} steps differ: {losses}")
    for name, seen in times.items():
        result[name]["seconds"] = statistics.median(seen)
    return result


def start_up(module: str) -> float:
    """Seconds that a new interpreter takes to import the module, less those to start: the median of three."""

    def run(code: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        return time.perf_counter() - start

    run(f"import {module}")
    return statistics.median(run(f"import {module}") - run("pass") for _ in range(3))


def installed_size(package: str) -> int:
    """Bytes of a distribution's files and of all that it needs, but for extras."""
    seen: set[str] = set()
    waiting, total = [package], 0
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop().lower())
        if name in seen:
            continue
        seen.add(name)
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        paths = (Path(str(distribution.locate_file(f))) for f in distribution.files or ())
        total += sum(p.stat().st_size for p in paths if p.is_file())
        needs = (r for r in distribution.requires or () if "extra ==" not in r)
        waiting += [re.split(r"[^A-Za-z0-9._-]", r, maxsplit=1)[0] for r in needs]
    return total


def environment(names: list[str]) -> dict[str, Any]:
    """Import time and installed size, with all that is needed, of each framework."""
    packages = {"PyTorch": ["torch"], "TensorFlow": ["tensorflow", "tensorflow-cpu"], "JAX": ["jax"]}
    found = {}
    for name in names:
        here = Path(importlib.util.find_spec(FRAMEWORKS[name]).origin).parent  # type: ignore[union-attr, arg-type]
        size = sum(installed_size(p) for p in packages.get(name, ["numpy", "numba", "safetensors", "tqdm"]))
        if name == "tinynet":
            kernels = Path(importlib.util.find_spec("tinynet_kernels").origin).parent  # type: ignore[union-attr, arg-type]
            size += sum(p.stat().st_size for d in (here, kernels) for p in d.rglob("*") if p.is_file())
        found[name] = {"import_seconds": start_up(FRAMEWORKS[name]), "installed_mb": size / 1e6}
    return found


def processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        wide = any("avx512f" in line for line in lines if line.startswith("flags"))
        return model + (", AVX-512" if wide else "")
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def table(report: dict[str, Any]) -> str:
    """The report in Markdown: samples a second, or milliseconds, and the ratio to the fastest of the others."""
    names = [n for n in FRAMEWORKS if any(n in row for row in report["cases"].values())]
    head = ["", *names, "ratio"]
    lines = [
        f"{report['processor']}, {report['threads']} threads; "
        + ", ".join(" ".join(v) for v in report["versions"].items())
    ]
    lines += ["", f"| {' | '.join(head)} |", "| --- |" + " ---: |" * (len(head) - 1)]
    for case in CASES:
        row = report["cases"].get(case)
        if row is None:
            continue
        batch = int(case.rpartition("-")[2]) if case.startswith(("train", "infer")) else None
        cells = []
        for n in names:
            seconds = row[n]["seconds"] if n in row else None
            rate = "" if seconds is None else f"{batch / seconds:,.0f}/s" if batch else f"{1e3 * seconds:.3f} ms"
            cells.append(rate)
        lines.append(f"| {case} | {' | '.join(cells)} | {ratio(row)} |")
    extra = {name: dict(report.get("environment", {}).get(name, {})) for name in names}
    for name, measured in report["cases"].get(f"train-cnn-{BATCHES[-1]}", {}).items():
        extra[name]["peak_mib"] = measured["peak_mib"]
    for title, key, form in (
        (f"peak memory, train-cnn-{BATCHES[-1]}", "peak_mib", "{:,.0f} MiB"),
        ("import", "import_seconds", "{:.2f} s"),
        ("installed, with all it needs", "installed_mb", "{:,.0f} MB"),
    ):
        if any(found.get(key) for found in extra.values()):
            cells = [form.format(found[key]) if found.get(key) else "" for found in extra.values()]
            lines.append(f"| {title} | {' | '.join(cells)} | |")
    return "\n".join(lines)


def ratio(row: dict[str, Any]) -> str:
    """How many times as fast as the fastest of the others tinynet is."""
    others = [r["seconds"] for n, r in row.items() if n != "tinynet"]
    return f"{min(others) / row['tinynet']['seconds']:.2f}" if others and "tinynet" in row else ""


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--only", default="", metavar="REGEX", help="the cases to measure; default: all")
    p.add_argument("--frameworks", nargs="+", choices=FRAMEWORKS, help="default: those that are installed")
    p.add_argument("--threads", type=int, default=processors(), help="default: one for each processor")
    p.add_argument("--rounds", type=int, default=7, help="default: 7")
    p.add_argument("--seconds", type=float, default=0.3, help="of each turn, default: 0.3")
    p.add_argument("--environment", action="store_true", help="also import time and installed size")
    p.add_argument("--json", type=Path, metavar="FILE", help="read and written")
    p.add_argument("--readme", type=Path, metavar="FILE", help="put the table between the markers of this file")
    p.add_argument("--worker", choices=FRAMEWORKS, help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.worker:
        work(args.worker)
        return
    names = args.frameworks or [n for n, module in FRAMEWORKS.items() if importlib.util.find_spec(module)]
    report: dict[str, Any] = {"cases": {}}
    if args.json is not None and args.json.exists():
        report = json.loads(args.json.read_text())
    report |= {"processor": processor(), "threads": args.threads, "versions": versions()}
    chosen = [c for c in CASES if re.search(args.only, c)]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the workers are ended below
    workers = [Worker(name, args.threads) for name in names] if chosen else []
    try:
        for case in chosen:
            row = report["cases"][case] = measure(case, workers, args.rounds, args.seconds)
            print(case, *(f"{n} {1e3 * r['seconds']:.3f} ms" for n, r in row.items()), ratio(row), sep="  ", flush=True)
    finally:
        for worker in workers:
            worker.close()
    if args.environment:
        report["environment"] = environment(names)
    print(table(report))
    if args.json is not None:
        args.json.write_text(json.dumps(report, indent=2) + "\n")
    if args.readme is not None:
        write_between(args.readme, "cpu comparison", table(report))


if __name__ == "__main__":
    main()
