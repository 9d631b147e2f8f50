"""Captured steps: the bits of eager ones, one launch each, and clear words for what cannot be captured."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinynet
from bench import train_gpu
from tests.conftest import NO_CUDA
from tinynet import Trainer, metrics, nn, optim, transforms
from tinynet.callbacks import Callback
from tinynet.device import simulated
from tinynet.nn import functional as F
from tinynet.utils.data import DataLoader, Subset, TensorDataset

pytestmark = pytest.mark.skipif(NO_CUDA is not None or simulated(), reason=NO_CUDA or "the simulator has no graphs")

BATCH = 4
OPTIMIZERS: dict[str, Callable[[Any], optim.Optimizer]] = {
    "adam": optim.Adam,
    "adamw": optim.AdamW,
    "sgd": lambda params: optim.SGD(params, momentum=0.9, nesterov=True),
    "rmsprop": lambda params: optim.RMSprop(params, momentum=0.5),
}


class Task:
    """A small CNN with dropout and batch-norm, on random images that stay on the device as uint8, flipped at random."""

    def __init__(self, optimizer: str = "adam") -> None:
        tinynet.manual_seed(3)
        rng = np.random.default_rng(0)
        self.images = tinynet.from_numpy(rng.integers(0, 256, (40, 1, 12, 12), np.uint8)).to("cuda")
        self.labels = tinynet.from_numpy(rng.integers(0, 5, 40)).to("cuda")
        self.model = nn.Sequential(
            nn.Conv2d(1, 8, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(8),
            nn.Conv2d(8, 8, 3, stride=2, padding=1),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(72, 5),
        ).to("cuda")
        self.optimizer = OPTIMIZERS[optimizer](self.model.parameters())
        self.seen = tinynet.zeros(1, device="cuda")

    def step(self, indices: Any) -> Any:
        x = self.images[indices].float() / 255
        x = tinynet.where(tinynet.rand(BATCH, 1, 1, 1, device="cuda") < 0.5, x.flip(3), x)
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.model(x), self.labels[indices])
        loss.backward()
        self.optimizer.step()
        self.seen += 1
        return loss

    def run(self, step: Callable[[Any], Any], steps: int, between: Callable[[int], None] = lambda i: None) -> Any:
        tinynet.manual_seed(4)
        losses = []
        for i in range(steps):
            between(i)
            indices = (np.arange(BATCH) * 7 + i) % 40
            losses.append(step(tinynet.from_numpy(indices).to("cuda")).item())
        weights = [t.detach().cpu().numpy().tobytes() for t in self.model.state_dict().values()]
        return losses, weights, self.seen.item(), tinynet.get_rng_state().tolist()


def test_same_bits() -> None:
    eager, graphed = Task(), Task()
    wanted = eager.run(eager.step, 100)
    assert len(set(wanted[0])) == 100
    assert graphed.run(tinynet.cuda.graph(graphed.step), 100) == wanted


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_changes_between_steps(optimizer: str) -> None:
    """Learning rates, momenta, seeds, draws and steps outside the graph are seen by the replays after them."""

    def change(task: Task) -> Callable[[int], None]:
        def between(i: int) -> None:
            group = task.optimizer.param_groups[0]
            if i >= 4:
                group["lr"] *= 0.9
                group.update({"betas": (0.9 - 0.01 * i, 0.999)} if "betas" in group else {"momentum": 0.5 + 0.01 * i})
            if i == 5:
                tinynet.manual_seed(2**63 + 1)
            if i == 6:
                tinynet.rand(10), tinynet.randperm(5)
            if i == 7:
                task.step(tinynet.arange(BATCH, device="cuda"))

        return between

    tasks = Task(optimizer), Task(optimizer)
    wanted = tasks[0].run(tasks[0].step, 9, change(tasks[0]))
    assert tasks[1].run(tinynet.cuda.graph(tasks[1].step), 9, change(tasks[1])) == wanted
    saved = [task.optimizer.state_dict()["state"][0]["step"] for task in tasks]
    assert saved == [10, 10]


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_one_cycle(optimizer: str) -> None:
    """A schedule that moves the momentum against the learning rate."""

    def run(captured: bool) -> Any:
        task = Task(optimizer)
        schedule = optim.lr_scheduler.OneCycleLR(task.optimizer, max_lr=0.01, total_steps=8)
        step = tinynet.cuda.graph(task.step) if captured else task.step
        return task.run(step, 8, lambda i: schedule.step() if i else None)

    assert run(True) == run(False)


class ScaledTask(Task):
    """The same with a scaled loss, which is multiplied by an argument: infinity has the update skipped."""

    def __init__(self, optimizer: str) -> None:
        super().__init__(optimizer)
        self.scaler = tinynet.GradScaler(init_scale=64.0, growth_interval=3)

    def scaled(self, indices: Any, factor: Any) -> Any:
        loss = F.cross_entropy(self.model(self.images[indices].float() / 255), self.labels[indices])
        self.optimizer.zero_grad()
        self.scaler.scale(loss * factor).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_skipped_updates(optimizer: str) -> None:
    """Infinite gradients in eager, warming, recorded and replayed steps: nothing is written, and the step does not count."""

    def run(captured: bool) -> Any:
        task = ScaledTask(optimizer)
        step = tinynet.cuda.graph(task.scaled) if captured else task.scaled
        saved = []

        def at(i: int) -> Any:
            if i >= 6:
                task.optimizer.param_groups[0]["lr"] *= 0.9
            factor = tinynet.tensor(np.inf if i in (0, 2, 3, 7, 8, 10, 12) else 1.0, dtype=tinynet.float32).to("cuda")
            if i in (5, 10):
                task.scaled(tinynet.arange(BATCH, device="cuda"), factor)
            if i in (6, 9):
                saved.append(task.optimizer.state_dict()["state"][0]["step"])
            if i == 9:
                state = task.optimizer.state_dict(), task.scaler.state_dict()
                task.optimizer.load_state_dict(state[0])
                task.scaler.load_state_dict(state[1])
            return factor

        weights = []

        def next_step(indices: Any) -> Any:
            loss = step(indices, at(len(weights)))
            weights.append(next(task.model.parameters()).detach().cpu().numpy().tobytes())
            return loss

        figures = task.run(next_step, 14)
        scale = task.scaler.state_dict()
        return figures, weights, saved, scale, task.optimizer.state_dict()["state"][0]["step"]

    wanted = run(False)
    assert run(True) == wanted
    _, weights, saved, _, count = wanted
    assert (saved, count) == ([4, 5], 8)
    assert [a == b for a, b in itertools.pairwise(weights)] == [i in (2, 3, 7, 8, 10, 12) for i in range(1, 14)]


def test_replays_on_several_streams() -> None:
    """Each waits for the one before, on whatever stream that was: they use the same buffers."""
    import cupy

    waited: list[Any] = []

    class Stream(cupy.cuda.Stream):  # type: ignore[misc]
        def wait_event(self, event: Any) -> None:
            waited.append(self)
            super().wait_event(event)

    total = tinynet.zeros(3, device="cuda")

    @tinynet.cuda.graph
    def step(x: Any) -> Any:
        total.add_(x)
        return total * 2

    streams = [Stream(non_blocking=True) for _ in range(2)]
    one = tinynet.ones(3, device="cuda")
    for _ in range(4):
        step(one)
    for stream, waits in ((streams[0], 1), (streams[0], 1), (streams[1], 2), (streams[0], 3)):
        with stream:
            result = step(one)
        assert len(waited) == waits
        assert waited[-1] is stream
    cupy.cuda.runtime.deviceSynchronize()
    assert result.tolist() == [16, 16, 16]


def test_replay_is_one_launch() -> None:
    """Whatever a replay launches besides its graph would be recorded by a capture around it."""
    task = Task()
    step = tinynet.cuda.graph(task.step, warmup=1)
    indices = tinynet.arange(BATCH, device="cuda")
    step(indices), step(indices)
    assert train_gpu.launches(step._launch) == {"graph": 1}
    assert train_gpu.launches(lambda: task.step(indices))["kernel"] > 10


def test_memory_is_steady() -> None:
    task = Task()
    step = tinynet.cuda.graph(task.step, warmup=1)
    indices = tinynet.arange(BATCH, device="cuda")
    step(indices), step(indices)
    before = tinynet.cuda.memory_allocated()
    for _ in range(3):
        step(indices)
    assert tinynet.cuda.memory_allocated() == before


def train(
    graph: bool,
    epochs: int,
    state: Any = None,
    stop_after: int | None = None,
    held: bool = True,
    amp: str | None = None,
) -> Any:
    """A trainer after some epochs over 18 images in batches of 4, the last of 2, shuffled, augmented and with dropout."""
    tinynet.manual_seed(9)
    rng = np.random.default_rng(1)
    images = tinynet.from_numpy(rng.integers(0, 256, (22, 1, 12, 12), np.uint8))
    labels = tinynet.from_numpy(rng.integers(0, 5, 22))
    data = TensorDataset(images.to("cuda"), labels.to("cuda")) if held else TensorDataset(images, labels)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.3), nn.Linear(200, 5)
    )
    model = model.to("cuda")
    optimizer = optim.Adam(model.parameters())
    augment = transforms.Compose([transforms.RandomAffine(10, translate=(0.1, 0.1)), transforms.RandomHorizontalFlip()])

    class Stop(Callback):
        def on_step(self, trainer: Any) -> None:
            if trainer.step == stop_after:
                trainer.stop()

    trainer = Trainer(
        model,
        optimizer,
        F.cross_entropy,
        metrics={"accuracy": metrics.Accuracy()},
        callbacks=[Stop()],
        scheduler=optim.lr_scheduler.StepLR(optimizer, 1, 0.9),
        prepare=lambda batch: augment(batch.float()) / 255 if model.training else batch.float() / 255,
        ema=0.9,
        amp=amp,
        graph=graph,
    )
    if trainer.scaler is not None:
        trainer.scaler = tinynet.GradScaler(init_scale=2.0**22, growth_interval=4)  # too much for the first steps
    if state is not None:
        trainer.load_state_dict(state)
    trainer.fit(DataLoader(Subset(data, list(range(2, 20))), 4, shuffle=True), epochs, DataLoader(data, 9))
    return trainer


def figures(trainer: Any) -> Any:
    rows = [{name: value for name, value in row.items() if name != "train_seconds"} for row in trainer.history]
    return rows, [t.cpu().numpy().tobytes() for t in trainer.model.state_dict().values()], trainer.step


@pytest.mark.parametrize("held", [True, False])
def test_trainer(held: bool) -> None:
    """With the data set on the device, or batches that come from the CPU."""
    wanted = figures(train(False, 3, held=held))
    assert wanted[2] == 15
    assert len({row["train_loss"] for row in wanted[0]}) == 3
    assert figures(train(True, 3, held=held)) == wanted


def test_trainer_resumes() -> None:
    """Stopped in the middle of an epoch with a graph, and gone on with one or without."""
    wanted = figures(train(False, 3))
    for graph in (True, False):
        stopped = train(True, 3, stop_after=8)
        assert stopped.interrupted
        assert stopped.step == 8
        assert figures(train(graph, 3, stopped.state_dict())) == wanted


def test_trainer_in_float16() -> None:
    """With a loss scale that overflows at first and grows until it does again: stopped, and gone on with, in an epoch."""
    wanted = train(False, 3, amp="fp16")
    assert wanted.scaler.get_scale() < 2.0**22
    assert 1 < wanted.optimizer.state_dict()["state"][0]["step"] < wanted.step
    for stop_after in (None, 7):
        found = train(True, 3, stop_after=stop_after, amp="fp16")
        if stop_after is not None:
            found = train(True, 3, found.state_dict(), amp="fp16")
        assert figures(found) == figures(wanted)
        assert found.scaler.state_dict() == wanted.scaler.state_dict()


def test_trainer_refuses() -> None:
    model = nn.Linear(2, 2)
    data = tinynet.zeros(4, 2), tinynet.zeros(4, dtype=tinynet.int64)
    with pytest.raises(ValueError, match="the model is on cpu: graphs are for CUDA"):
        Trainer(model, optim.SGD(model.parameters()), F.cross_entropy, graph=True).fit(data)
    with pytest.raises(ValueError, match="graph is True and accumulate 2"):
        Trainer(model, optim.SGD(model.parameters()), F.cross_entropy, graph=True, accumulate=2)


def reads(x: Any) -> Any:
    return x * x.sum().item()


def branches(x: Any) -> Any:
    return x if x.sum() > 0 else -x


def prints(x: Any) -> Any:
    return str(x)


def goes_to_the_cpu(x: Any) -> Any:
    return x.cpu()


def comes_from_the_cpu(x: Any) -> Any:
    return x + tinynet.ones(3).to("cuda")


def meets_the_cpu(x: Any) -> Any:
    return x + tinynet.tensor(3.0)


def shuffles(x: Any) -> Any:
    return x[tinynet.randperm(3, device="cuda")]


def indexes(x: Any) -> Any:
    return x[np.array([2, 0])]


def waits(x: Any) -> Any:
    tinynet.cuda.synchronize()
    return x


def waits_unseen(x: Any) -> Any:
    import cupy

    cupy.cuda.get_current_stream().synchronize()
    return x


def scales(x: Any) -> Any:
    weight = tinynet.ones(3, device="cuda").requires_grad_()
    optimizer, scaler = optim.SGD([weight], 0.1), tinynet.GradScaler()
    scaler.scale((weight * x).sum()).backward()
    scaler.step(optimizer)
    return x


@pytest.mark.parametrize(
    "step, match",
    [
        (scales, r"GradScaler.scale makes its factor, .* cannot do; scale a loss before"),
        (reads, r"item\(\) waits for the device, which a captured step cannot do"),
        (branches, r"item\(\) waits for the device"),
        (prints, "printing a tensor waits for the device"),
        (goes_to_the_cpu, "a tensor moves from cuda:0 to cpu"),
        (comes_from_the_cpu, "a tensor moves from cpu to cuda:0"),
        (meets_the_cpu, "a tensor moves from cpu to cuda:0"),
        (shuffles, "the CPU draws random numbers"),
        (indexes, "an array of indices moves to the device"),
        (waits, r"synchronize\(\) waits for the device"),
        (waits_unseen, r"the step cannot be captured: cudaError.*waits for the device"),
    ],
)
def test_cannot_be_captured(step: Callable[[Any], Any], match: str) -> None:
    captured = tinynet.cuda.graph(step, warmup=1)
    x = tinynet.ones(3, device="cuda")
    captured(x)
    with pytest.raises(RuntimeError, match=match):
        captured(x)
    assert (x * 2).sum().item() == 6  # the device is as usable as before


def test_failed_capture_changes_nothing() -> None:
    task = Task()

    def step(indices: Any) -> Any:
        return task.step(indices).item()

    captured = tinynet.cuda.graph(step, warmup=1)
    indices = tinynet.arange(BATCH, device="cuda")
    captured(indices)
    before = task.optimizer.state_dict()["state"][0]["step"], tinynet.get_rng_state().tolist(), task.seen.item()
    with pytest.raises(RuntimeError, match="item"):
        captured(indices)
    assert before == (
        task.optimizer.state_dict()["state"][0]["step"],
        tinynet.get_rng_state().tolist(),
        task.seen.item(),
    )


def test_other_arguments() -> None:
    def step(x: Any, factor: float) -> Any:
        return x * factor

    captured = tinynet.cuda.graph(step, warmup=1)
    x = tinynet.ones(3, device="cuda")
    with pytest.raises(RuntimeError, match="argument 1 is a tensor on cpu"):
        captured(x.cpu(), 2.0), captured(x.cpu(), 2.0)
    assert captured(x, 2.0).tolist() == [2, 2, 2]
    assert captured(x + 1, 2.0).tolist() == [4, 4, 4]
    with pytest.raises(ValueError, match=r"argument 1 has shape \(4,\) and dtype float32, but \(3,\)"):
        captured(tinynet.ones(4, device="cuda"), 2.0)
    with pytest.raises(ValueError, match=r"argument 2 is 3\.0, but was 2.0"):
        captured(x, 3.0)
    with pytest.raises(TypeError, match="argument 1 is a float, expected a tensor"):
        captured(1.0, 2.0)
    with pytest.raises(TypeError, match="the arguments are"):
        captured(x, factor=2.0)
    assert captured(x, 2.0).tolist() == [2, 2, 2]
    with pytest.raises(ValueError, match="warmup is 0"):
        tinynet.cuda.graph(step, warmup=0)


def test_what_is_part_of_the_graph() -> None:
    task = Task()
    step = tinynet.cuda.graph(task.step, warmup=1)
    indices = tinynet.arange(BATCH, device="cuda")
    step(indices), step(indices)
    task.optimizer.param_groups[0]["eps"] = 0.5
    with pytest.raises(RuntimeError, match=r"eps of the optimizer is 0\.5, but was 1e-08"):
        step(indices)
    task.optimizer.param_groups[0]["eps"] = 1e-8
    step(indices)
    task.model.to("cpu")
    with pytest.raises(RuntimeError, match="a parameter has moved"):
        step(indices)
