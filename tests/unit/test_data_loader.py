"""Workers, copying ahead, and the samplers."""

from __future__ import annotations

import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tinynet
from tinynet import Trainer, nn, optim, transforms
from tinynet.nn import functional as F
from tinynet.utils import data

RNG = np.random.default_rng(3)


class Numbers(data.Dataset):
    """Item i is (i, noise), and takes longer the smaller i is."""

    def __init__(self, length: int = 23, *, slow: float = 0.0, bad: int | None = None) -> None:
        self.length, self.slow, self.bad = length, slow, bad
        self.threads: set[str] = set()
        self.asked: list[int] = []

    def __getitem__(self, index: int) -> Any:
        self.threads.add(threading.current_thread().name)
        self.asked.append(index)
        time.sleep(self.slow * (self.length - index))
        if index == self.bad:
            raise LookupError(f"item {index} is bad")
        return np.float32(index), tinynet.rand(2)

    def __len__(self) -> int:
        return self.length


def workers_alive() -> int:
    return sum(thread.name.startswith("tinynet-data") for thread in threading.enumerate())


def everything(batches: Any) -> list[Any]:
    return [[part.cpu().numpy().tolist() for part in batch] for batch in batches]


@pytest.mark.parametrize("shuffle", [False, True])
def test_any_number_of_workers_gives_the_same_batches(shuffle: bool) -> None:
    results = []
    for workers in (0, 1, 3):
        tinynet.manual_seed(5)
        loader = data.DataLoader(Numbers(slow=3e-4), 4, shuffle, num_workers=workers)
        epochs = [everything(loader), everything(loader)]
        assert epochs[0] != epochs[1]
        results.append([*epochs, tinynet.rand(1).tolist()])
        assert workers_alive() == 0
    assert results[0] == results[1] == results[2]
    noise = np.concatenate([np.array(batch[1]) for batch in results[0][0]])
    assert len(np.unique(noise)) == noise.size  # no batch repeats the numbers of another


def test_work_is_done_by_the_workers_ahead_of_time() -> None:
    dataset = Numbers(40, slow=1e-3)
    iterator = iter(data.DataLoader(dataset, 2, num_workers=2, prefetch_factor=3))
    assert dataset.asked == []
    next(iterator)
    deadline = time.monotonic() + 10
    while len(dataset.asked) < 14 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(dataset.asked) == 14  # the batch that was asked for, and three ahead for each worker
    assert all(name.startswith("tinynet-data") for name in dataset.threads)
    assert len(dataset.threads) == 2
    iterator.close()  # type: ignore[attr-defined]
    assert workers_alive() == 0


def test_errors_come_with_the_workers_traceback() -> None:
    batches = iter(data.DataLoader(Numbers(bad=9), 4, num_workers=2))
    assert [next(batches)[0].tolist()[0] for _ in range(2)] == [0.0, 4.0]
    with pytest.raises(LookupError, match="item 9 is bad") as caught:
        next(batches)
    assert 'raise LookupError(f"item {index} is bad")' in "".join(traceback.format_exception(caught.value))
    assert workers_alive() == 0


def test_leaving_early_ends_the_workers() -> None:
    dataset = Numbers(400, slow=2.5e-4)
    for _ in data.DataLoader(dataset, 2, num_workers=2):
        break
    deadline = time.monotonic() + 10
    while workers_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert workers_alive() == 0
    assert len(dataset.asked) < 10  # of the five batches that were wanted the last was not begun


def test_persistent_workers() -> None:
    started: list[int] = []
    dataset = Numbers(slow=1e-4)
    loader = data.DataLoader(dataset, 4, num_workers=2, persistent_workers=True, worker_init_fn=started.append)
    first, second = (everything(loader) for _ in range(2))
    assert [batch[0] for batch in first] == [batch[0] for batch in second]
    assert sorted(started) == [0, 1]
    assert len(dataset.threads) == 2
    assert workers_alive() == 2
    del loader
    deadline = time.monotonic() + 10
    while workers_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert workers_alive() == 0


def test_failing_start_of_a_worker() -> None:
    def start(number: int) -> None:
        raise RuntimeError(f"worker {number} cannot start")

    with pytest.raises(RuntimeError, match="worker 0 cannot start"):
        next(iter(data.DataLoader(Numbers(), 4, num_workers=1, worker_init_fn=start)))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"num_workers": -1}, "num_workers is -1, expected at least 0"),
        ({"prefetch_factor": 2}, "prefetch_factor is 2, expected at least 1, and num_workers with it"),
        ({"prefetch_factor": 0, "num_workers": 1}, "prefetch_factor is 0"),
        ({"persistent_workers": True}, "persistent_workers needs num_workers"),
        ({"device": "tpu"}, "device is 'tpu'"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        data.DataLoader(Numbers(), **options)


class Named(data.Dataset):
    def __getitem__(self, index: int) -> Any:
        return {"x": np.full(3, index, np.float32), "name": str(index), "more": (index, np.ones(2))}

    def __len__(self) -> int:
        return 11


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_on_the_device(device: str, workers: int) -> None:
    loader = data.DataLoader(Named(), 3, num_workers=workers, device=device, pin_memory=True)
    kept = list(loader)
    assert [len(batch["name"]) for batch in kept] == [3, 3, 3, 2]
    for i, batch in enumerate(kept):
        assert batch["x"].device.type == batch["more"][1].device.type == device
        assert batch["x"].cpu().numpy()[:, 0].tolist() == [float(j) for j in range(3 * i, min(3 * i + 3, 11))]
        assert batch["more"][0].cpu().tolist() == [int(name) for name in batch["name"]]


def test_memory_of_batches_is_used_again_in_time(device: str) -> None:
    """Sums of batches that are let go at once, while the next are being copied."""
    array = RNG.random((64, 1000)).astype(np.float32)
    loader = data.DataLoader(data.TensorDataset(tinynet.tensor(array)), 4, device=device)
    sums = [batch.sum(dim=1) for (batch,) in loader]
    np.testing.assert_allclose(tinynet.cat(sums).cpu().numpy(), array.sum(1), rtol=1e-5)


def test_pinning_leaves_what_is_on_a_device(device: str) -> None:
    array = RNG.random((6, 3)).astype(np.float32)
    for target in (None, device):
        loader = data.DataLoader(
            data.TensorDataset(tinynet.tensor(array, device=device)), 4, pin_memory=True, device=target
        )
        batches = [batch for (batch,) in loader]
        assert {batch.device.type for batch in batches} == {device}
        assert np.array_equal(tinynet.cat(batches).cpu().numpy(), array)


def test_pinned_memory_without_a_device() -> None:
    batches = list(data.DataLoader(Numbers(5), 2, pin_memory=True))
    assert [batch[0].tolist() for batch in batches] == [[0.0, 1.0], [2.0, 3.0], [4.0]]


# resuming in the middle of an epoch


class Augmented(data.Dataset):
    images = RNG.random((40, 1, 8, 8)).astype(np.float32)
    transform = transforms.Compose([transforms.RandomCrop(8, 2), transforms.RandomErasing()])

    def __getitem__(self, index: int) -> Any:
        return self.transform(tinynet.tensor(self.images[index])), index % 3

    def __len__(self) -> int:
        return 40


def trained(stop: int | None, workers: int, state: Any = None) -> tuple[Trainer, list[Any]]:
    tinynet.manual_seed(1)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3))

    class Stop(tinynet.callbacks.Callback):
        def on_step(self, trainer: Trainer) -> None:
            if trainer.step == stop:
                trainer.stop()

    trainer = Trainer(model, optim.Adam(model.parameters(), 0.01), F.cross_entropy, callbacks=[Stop()])
    if state is not None:
        tinynet.manual_seed(77)
        trainer.load_state_dict(state)
    trainer.fit(data.DataLoader(Augmented(), 7, shuffle=True, num_workers=workers), 2)
    return trainer, [w.detach().numpy().tolist() for w in model.parameters()]


@pytest.mark.parametrize("step", [1, 4, 6, 9])
def test_resuming_with_workers_is_exact(step: int) -> None:
    expected = trained(None, 0)[1]
    assert trained(None, 2)[1] == expected
    for workers in (0, 2):
        stopped, _ = trained(step, 2)
        assert stopped.interrupted
        assert trained(None, workers, stopped.state_dict())[1] == expected


# samplers


def test_class_balanced_sampler() -> None:
    targets = np.array([0] * 90 + [1] * 9 + [5] * 3)
    tinynet.manual_seed(0)
    sampler = data.ClassBalancedSampler(targets)
    orders = [list(sampler), list(sampler)]
    assert orders[0] != orders[1]
    for order in orders:
        assert len(order) == len(sampler) == 102
        assert Counter(targets[order].tolist()) == {0: 34, 1: 34, 5: 34}
        assert len({i for i in order if i < 90}) == 34
        for i in range(0, 102, 3):
            assert set(targets[order[i : i + 3]].tolist()) == {0, 1, 5}
        rare = [i for i in order if i >= 99]
        assert all(set(rare[i : i + 3]) == {99, 100, 101} for i in range(0, 33, 3))
    assert len(list(data.ClassBalancedSampler(tinynet.tensor(targets), 10))) == 10
    with pytest.raises(ValueError, match=r"targets has shape \(2,\) and dtype float64"):
        data.ClassBalancedSampler([0.5, 1.0])


def test_subset_random_sampler() -> None:
    tinynet.manual_seed(0)
    sampler = data.SubsetRandomSampler([5, 7, 11, 13, 17])
    orders = [list(sampler) for _ in range(3)]
    assert all(sorted(order) == [5, 7, 11, 13, 17] for order in orders)
    assert orders[0] != orders[1] or orders[1] != orders[2]


def test_weighted_random_sampler() -> None:
    tinynet.manual_seed(0)
    counts = Counter(data.WeightedRandomSampler([1.0, 0.0, 3.0], 4000))
    assert counts[1] == 0
    assert 2850 < counts[2] < 3150
    once = list(data.WeightedRandomSampler([1.0, 0.0, 3.0], 2, replacement=False))
    assert sorted(once) == [0, 2]


class Stream(data.IterableDataset):
    def __iter__(self) -> Iterator[Any]:
        return iter(range(5))


def test_streams() -> None:
    assert [b.tolist() for b in data.DataLoader(Stream(), batch_size=2)] == [[0, 1], [2, 3], [4]]
    assert [b.tolist() for b in data.DataLoader(Stream(), batch_size=2, drop_last=True)] == [[0, 1], [2, 3]]
    assert list(data.DataLoader(Stream(), batch_size=None)) == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="IterableDataset excludes shuffle"):
        data.DataLoader(Stream(), shuffle=True)


def test_items_one_by_one() -> None:
    loader = data.DataLoader([np.ones(2), np.zeros(2)], batch_size=None)
    assert len(loader) == 2
    assert [type(x) for x in loader] == [tinynet.Tensor] * 2
    assert data.default_convert({"a": (np.float32(1), "b")}) == {"a": (tinynet.tensor(1.0), "b")}


def test_collating_like_torch() -> None:
    assert data.default_collate([1.0, 2.0]).dtype == tinynet.float64
    with pytest.raises(RuntimeError, match="items have lengths"):
        data.default_collate([[1, 2], [1]])


def test_subclasses_decide_what_the_items_are() -> None:
    """Whole batches are taken only where `batch` belongs to the class that says what an item is."""

    class Doubled(data.TensorDataset):
        def __getitem__(self, index: Any) -> tuple[Any, ...]:
            return tuple(t * 2 for t in super().__getitem__(index))

    class Shifted(data.Subset):
        def __getitem__(self, index: Any) -> tuple[Any, ...]:
            return tuple(t + 100 for t in super().__getitem__(index))

    doubled = Doubled(tinynet.arange(4))
    for dataset, expected in [
        (doubled, [0, 2, 4, 6]),
        (data.Subset(doubled, [3, 1]), [6, 2]),
        (Shifted(data.TensorDataset(tinynet.arange(4)), [3, 1]), [103, 101]),
    ]:
        assert [i for (batch,) in data.DataLoader(dataset, 3) for i in batch.tolist()] == expected


def test_random_sampler_begins_again() -> None:
    sampler = data.RandomSampler(range(4), num_samples=10)
    drawn = list(sampler)
    assert len(drawn) == len(sampler) == 10
    assert sorted(drawn[:4]) == sorted(drawn[4:8]) == [0, 1, 2, 3]
    assert len(set(drawn[8:])) == 2
    assert list(data.RandomSampler([])) == []


def test_workers_know_their_number() -> None:
    seen: dict[int, Any] = {}

    class Items(data.Dataset):
        def __len__(self) -> int:
            return 8

        def __getitem__(self, index: int) -> int:
            worker = data.get_worker_info()
            assert worker is not None
            assert worker.dataset is self
            assert worker.num_workers == 2
            seen[worker.id] = worker.seed
            return index

    started = []
    batches = data.DataLoader(
        Items(), 2, num_workers=2, worker_init_fn=lambda n: started.append((n, data.get_worker_info().id))
    )
    assert [b.tolist() for b in batches] == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert all(a == b for a, b in started)
    assert set(seen) <= {0, 1}
    assert {seed - n for n, seed in seen.items()} == {seen[n] - n for n in list(seen)[:1]}
    assert data.get_worker_info() is None


def test_poisson_draws_from_the_batch() -> None:
    """As all random numbers of items: any number of workers gives the same."""

    class Counts(data.Dataset):
        def __len__(self) -> int:
            return 24

        def __getitem__(self, index: int) -> Any:
            return tinynet.poisson(tinynet.full((3,), 50.0))

    def drawn(workers: int) -> list[Any]:
        tinynet.manual_seed(3)
        return [batch.tolist() for batch in data.DataLoader(Counts(), 4, num_workers=workers)]

    assert drawn(0) == drawn(3)


def test_what_programs_import_and_subclass() -> None:
    from tinynet.utils import data
    from tinynet.utils.data.dataloader import default_collate
    from tinynet.utils.data.dataset import Dataset
    from tinynet.utils.data.sampler import Sampler

    class Squares(Dataset[int]):
        def __len__(self) -> int:
            return 4

        def __getitem__(self, index: int) -> int:
            return index * index

    class Backwards(Sampler[int]):
        def __iter__(self) -> Iterator[int]:
            return iter(range(3, -1, -1))

        def __len__(self) -> int:
            return 4

    assert data.default_collate is default_collate
    loader = data.DataLoader(Squares(), batch_size=4, sampler=Backwards())
    assert [batch.tolist() for batch in loader] == [[9, 4, 1, 0]]
