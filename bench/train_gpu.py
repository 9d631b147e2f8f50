"""Training the CNN on a GPU: samples per second eager and as a CUDA graph, launches per step, time to 99 %.

    python -m bench.train_gpu                        both, at several batch sizes
    python -m bench.train_gpu --accuracy 0.99        and the time until the test accuracy is that

Times are of whole steps as `python -m tinynet.train` makes them: images gathered from the data set on the device, normalised,
forward, loss, backward, Adam. Launches are counted in a capture of the same step, so they are exact on any device.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import tinynet
from tinynet import Trainer, metrics, models, optim
from tinynet.datasets import MNIST
from tinynet.device import cuda_problem, simulated
from tinynet.nn import functional as F
from tinynet.utils.data import DataLoader, TensorDataset

NODES = {0: "kernel", 1: "memcpy", 2: "memset", 3: "host", 4: "graph"}
MEAN, STD = 33.3184, 78.5675  # of MNIST's training pixels, 0 to 255


def launches(step: Callable[[], Any]) -> dict[str, int]:
    """How many kernels, copies and fills the step asks of the device: counted in a capture, which does not run them."""
    import cupy
    from cuda.bindings import driver

    from tinynet_kernels.runtime.last_block import counters

    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        counters()
        stream.begin_capture()
        try:
            step()
        finally:
            graph = stream.end_capture()
    handle = driver.CUgraph(graph.graph)
    _, _, count = driver.cuGraphGetNodes(handle, 0)
    _, nodes, _ = driver.cuGraphGetNodes(handle, count)
    return dict(Counter(NODES.get(int(driver.cuGraphNodeGetType(node)[1]), "other") for node in nodes))


class Training:
    """The CNN, Adam and the images on the device."""

    def __init__(self, batch: int, samples: int | None = None) -> None:
        tinynet.manual_seed(0)
        self.sets = [_on_device(train, samples) for train in (True, False)]
        self.model = models.create("cnn").to("cuda")
        self.optimizer = optim.Adam(self.model.parameters())
        self.order = tinynet.randperm(len(self.sets[0]))
        self.batch = batch

    def indices(self, step: int) -> Any:
        first = step * self.batch % (len(self.order) - self.batch + 1)
        return self.order[first : first + self.batch].to("cuda")

    def step(self, indices: Any) -> Any:
        images, labels = self.sets[0].batch(indices._array)
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.model((images.float() - MEAN) / STD), labels)
        loss.backward()
        self.optimizer.step()
        return loss


def _on_device(train: bool, samples: int | None) -> TensorDataset:
    data = MNIST(train=train)
    return TensorDataset(data.data[:samples].unsqueeze(1).to("cuda"), data.targets[:samples].to("cuda"))


def step_launches(batch: int) -> dict[str, int]:
    """Of an eager step on a batch that is there, from `zero_grad` to the update: kernels, copies and fills."""
    training = Training(batch, 2 * batch)
    images, labels = training.sets[0].batch(training.indices(0)._array)
    images = (images.float() - MEAN) / STD

    def step() -> None:
        training.optimizer.zero_grad()
        F.cross_entropy(training.model(images), labels).backward()
        training.optimizer.step()

    step()
    return launches(step)


def seconds_per_step(batch: int, graph: bool, steps: int = 50, rounds: int = 5) -> float:
    """The median over some rounds of some steps, after a few that compile and record."""
    training = Training(batch)
    step = tinynet.cuda.graph(training.step) if graph else training.step
    for i in range(4):
        step(training.indices(i))
    indices = [training.indices(i) for i in range(steps)]
    times = []
    for _ in range(rounds):
        tinynet.cuda.synchronize()
        start = time.perf_counter()
        for chosen in indices:
            step(chosen)
        tinynet.cuda.synchronize()
        times.append((time.perf_counter() - start) / steps)
    return statistics.median(times)


def time_to(accuracy: float, graph: bool, batch: int = 64, most_epochs: int = 20) -> tuple[float, int]:
    """Seconds of training, evaluation left out, and epochs until the test accuracy; inf if it is not reached."""
    training = Training(batch)
    trainer = Trainer(
        training.model,
        training.optimizer,
        F.cross_entropy,
        metrics={"accuracy": metrics.Accuracy()},
        prepare=lambda images: (images.float() - MEAN) / STD,
        graph=graph,
    )
    train, test = training.sets
    for epoch in range(1, most_epochs + 1):
        trainer.fit(DataLoader(train, batch, shuffle=True), epoch)
        if trainer.evaluate(DataLoader(test, 500))["accuracy"] >= accuracy:
            return sum(row["train_seconds"] for row in trainer.history), epoch
    return float("inf"), most_epochs


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.train_gpu", description=__doc__.split("\n")[0])
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 256, 1024], metavar="N")
    parser.add_argument("--accuracy", type=float, metavar="X", help="also the time to this test accuracy, such as 0.99")
    parser.add_argument("--launches", action="store_true", help="count launches only, and time nothing")
    args = parser.parse_args()
    problem = "Numba's simulator times nothing and has no graphs" if simulated() else cuda_problem()
    if problem is not None:
        print(f"nothing measured: {problem}")
        return 1
    print(f"{tinynet.cuda.get_device_name()}, CNN on MNIST, float32, Adam")
    print("Times mean something on a real GPU only; launches are exact everywhere.\n")
    print("| batch | kernels, copies of an eager step | of a graph | eager samples/s | graph samples/s |")
    print("| --- | --- | --- | --- | --- |")
    for batch in args.batches:
        counted = step_launches(batch)
        others = sum(counted.values()) - counted["kernel"]
        speeds = ["-", "-"]
        if not args.launches:
            speeds = [f"{batch / seconds_per_step(batch, graph):,.0f}" for graph in (False, True)]
        print(f"| {batch} | {counted['kernel']}, {others} | 1 | {' | '.join(speeds)} |", flush=True)
    if args.accuracy is not None:
        for graph in (False, True):
            seconds, epochs = time_to(args.accuracy, graph)
            print(f"\ntime to {args.accuracy:.1%}, {'graph' if graph else 'eager'}: {seconds:.1f} s, {epochs} epochs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
