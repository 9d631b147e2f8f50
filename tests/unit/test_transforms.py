"""The transforms, on both devices, against loops over pixels and against PyTorch's sampling where it is installed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinynet
from tinynet import transforms as T
from tinynet.transforms.affine import sample

RNG = np.random.default_rng(5)


def pictures(device: str, *shape: int, dtype: str = "float32") -> tuple[Any, Any]:
    """The array and the tensor."""
    array = (RNG.random(shape) * 255).astype(dtype)
    return array, tinynet.from_numpy(array.copy()).to(device)


def draws(n: int, k: int, seed: int) -> Any:
    tinynet.manual_seed(seed)
    return tinynet.rand(n, k).cpu().numpy().astype(np.float64)


def read(image: Any, x: float, y: float, mode: str, fill: float) -> Any:
    """The pixel of one channel at (x, y), `fill` outside."""

    def pixel(i: int, j: int) -> float:
        return float(image[j, i]) if 0 <= i < image.shape[1] and 0 <= j < image.shape[0] else fill

    if mode == "nearest":
        return pixel(round(x), round(y))
    i, j = math.floor(x), math.floor(y)
    u, v = x - i, y - j
    upper = (1 - u) * pixel(i, j) + u * pixel(i + 1, j)
    lower = (1 - u) * pixel(i, j + 1) + u * pixel(i + 1, j + 1)
    return (1 - v) * upper + v * lower


def moved(image: Any, forward: Any, mode: str, fill: float) -> Any:
    """(C, H, W) of which every point p, in pixels from the corner, goes to forward @ p."""
    back = np.linalg.inv(forward)
    result = np.empty_like(image)
    for c in range(image.shape[0]):
        for y in range(image.shape[1]):
            for x in range(image.shape[2]):
                from_x, from_y, _ = back @ (x + 0.5, y + 0.5, 1)
                result[c, y, x] = read(image[c], from_x - 0.5, from_y - 0.5, mode, fill)
    return result


def shifted(x: float, y: float) -> Any:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])


def turned(degrees: float, scale: float = 1.0, shear_x: float = 0.0, shear_y: float = 0.0) -> Any:
    """Clockwise, as y points down; after shearing along y, then along x, as torchvision composes them."""
    a, sx, sy = (math.radians(v) for v in (degrees, shear_x, shear_y))
    turn = np.array([[math.cos(a), -math.sin(a), 0], [math.sin(a), math.cos(a), 0], [0, 0, 1]])
    along_y = np.array([[1, 0, 0], [-math.tan(sy), 1, 0], [0, 0, 1]])
    along_x = np.array([[1, -math.tan(sx), 0], [0, 1, 0], [0, 0, 1]])
    return turn @ along_y @ along_x @ np.diag([scale, scale, 1])


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("center", [None, (2.0, 3.5)])
def test_affine_is_a_loop_over_pixels(device: str, mode: str, center: Any) -> None:
    array, images = pictures(device, 3, 2, 6, 7)
    options = {"translate": (0.3, 0.4), "scale": (0.7, 1.4), "shear": (-20, 20, -10, 15)}
    transform = T.RandomAffine(40, **options, interpolation=mode, fill=3, center=center)
    numbers = draws(3, 6, seed=11)
    tinynet.manual_seed(11)
    result = transform(images)
    assert result.device == images.device
    middle = np.array(center or (3.5, 3.0))
    for i in range(3):
        r = numbers[i]
        shift = np.round((2 * r[1] - 1) * 0.3 * 7), np.round((2 * r[2] - 1) * 0.4 * 6)
        around = turned(-40 + 80 * r[0], 0.7 + 0.7 * r[3], -20 + 40 * r[4], -10 + 25 * r[5])
        forward = shifted(*middle) @ shifted(*shift) @ around @ shifted(*-middle)
        np.testing.assert_allclose(result[i].cpu().numpy(), moved(array[i], forward, mode, 3.0), rtol=1e-4, atol=1e-2)


def test_rotation(device: str) -> None:
    array, images = pictures(device, 4, 1, 5, 5)
    assert np.array_equal(T.RandomRotation((90, 90))(images).cpu().numpy(), np.rot90(array, 1, (2, 3)))
    assert np.array_equal(
        T.RandomRotation((-90, -90), "bilinear")(images).cpu().numpy().round(), array_rot(array).round()
    )
    assert np.array_equal(T.RandomAffine((180, 180))(images).cpu().numpy(), array[:, :, ::-1, ::-1])
    angles = draws(4, 1, seed=2)[:, 0] * 60 - 30
    tinynet.manual_seed(2)
    turned_images = T.RandomRotation(30, fill=7)(images).cpu().numpy()
    for image, angle, result in zip(array, angles, turned_images):
        forward = shifted(2.5, 2.5) @ turned(-angle) @ shifted(-2.5, -2.5)
        assert np.array_equal(result, moved(image, forward, "nearest", 7.0))


def array_rot(array: Any) -> Any:
    return np.rot90(array, -1, (2, 3))


def test_affine_leaves_alone_what_it_is_not_asked_to_change(device: str) -> None:
    array, images = pictures(device, 5, 3, 8, 6)
    for mode in T.InterpolationMode:
        assert np.array_equal(T.RandomAffine(0, interpolation=mode)(images).cpu().numpy(), array)
    tinynet.manual_seed(0)
    result = T.RandomAffine(0, translate=(0.5, 0.0))(images).cpu().numpy()
    for image, before in zip(result, array):
        fits = [dx for dx in range(-3, 4) if np.array_equal(image, np.roll(np.pad(before, PAD), dx, 2)[..., 3:-3])]
        assert len(fits) == 1


PAD = ((0, 0), (0, 0), (3, 3))


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_sampling_is_pytorchs(mode: str) -> None:
    torch = pytest.importorskip("torch")
    array = RNG.random((2, 3, 9, 6)).astype("float32")
    matrix = RNG.normal(size=(2, 2, 3)) * 0.7
    scaled = torch.tensor(matrix, dtype=torch.float32)
    scaled[:, :, 2] /= torch.tensor([6 / 2, 9 / 2])
    scaled[:, 0, 1] *= 9 / 6
    scaled[:, 1, 0] *= 6 / 9
    grid = torch.nn.functional.affine_grid(scaled, [2, 3, 9, 6], align_corners=False)
    expected = torch.nn.functional.grid_sample(torch.tensor(array), grid, mode=mode, align_corners=False).numpy()
    flat = [matrix[:, i, j] for i in range(2) for j in range(3)]
    result = sample(array, flat, T.InterpolationMode(mode), 0)
    assert np.abs(result - expected).max() < 1e-5


@pytest.mark.parametrize("padding, sides", [(None, (0, 0, 0, 0)), (2, (2,) * 4), ((1, 3), (1, 3, 1, 3))])
@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
def test_crop(device: str, padding: Any, sides: tuple[int, ...], mode: str) -> None:
    array, images = pictures(device, 40, 2, 7, 6)
    left, top, right, bottom = sides
    options: Any = {"constant_values": 9} if mode == "constant" else {}
    padded = np.pad(array, ((0, 0), (0, 0), (top, bottom), (left, right)), mode=mode, **options)
    numbers = draws(40, 2, seed=1)
    tinynet.manual_seed(1)
    result = T.RandomCrop((4, 5), padding, fill=9, padding_mode=mode)(images).cpu().numpy()
    places = set()
    for i, (r, s) in enumerate(numbers):
        y, x = int(r * (7 + top + bottom - 3)), int(s * (6 + left + right - 4))
        places.add((y, x))
        assert np.array_equal(result[i], padded[i, :, y : y + 4, x : x + 5])
    assert len(places) > 4


def test_crop_of_small_images(device: str) -> None:
    _, images = pictures(device, 3, 1, 4, 9)
    with pytest.raises(ValueError, match="img is 4 x 9 after padding, expected at least 6 x 6"):
        T.RandomCrop(6)(images)
    assert T.RandomCrop(6, pad_if_needed=True)(images).shape == (3, 1, 6, 6)


def crop_parameters(numbers: Any, places: Any, h: int, w: int, scale: Any, ratio: Any) -> tuple[int, int, int, int]:
    """(top, left, height, width), tried one after the other as in torchvision."""
    for r, s in numbers:
        area = h * w * (scale[0] + r * (scale[1] - scale[0]))
        aspect = math.exp(math.log(ratio[0]) + s * math.log(ratio[1] / ratio[0]))
        width, height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < width <= w and 0 < height <= h:
            return int(places[0] * (h - height + 1)), int(places[1] * (w - width + 1)), height, width
    if w / h < ratio[0]:
        height, width = round(w / ratio[0]), w
    elif w / h > ratio[1]:
        height, width = h, round(h * ratio[1])
    else:
        height, width = h, w
    return (h - height) // 2, (w - width) // 2, height, width


def scaled_line(line: Any, out: int, antialias: bool) -> list[float]:
    """Triangle filter around the place of each output pixel."""
    step = len(line) / out
    reach = max(step, 1.0) if antialias else 1.0
    result = []
    for i in range(out):
        weights = [max(0.0, 1 - abs(j + 0.5 - (i + 0.5) * step) / reach) for j in range(len(line))]
        result.append(sum(w * v for w, v in zip(weights, line)) / sum(weights))
    return result


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("size, ratio", [((4, 5), (0.75, 4 / 3)), (6, (3.0, 4.0))])
def test_resized_crop(device: str, antialias: bool, size: Any, ratio: Any) -> None:
    array, images = pictures(device, 6, 2, 9, 8)
    tinynet.manual_seed(4)
    numbers, places = tinynet.rand(6, 10, 2).cpu().numpy().astype(float), tinynet.rand(6, 2).cpu().numpy().astype(float)
    tinynet.manual_seed(4)
    result = T.RandomResizedCrop(size, (0.3, 1.0), ratio, antialias=antialias)(images).cpu().numpy()
    height, width = size if isinstance(size, tuple) else (size, size)
    for i in range(6):
        y, x, h, w = crop_parameters(numbers[i], places[i], 9, 8, (0.3, 1.0), ratio)
        for c in range(2):
            part = array[i, c, y : y + h, x : x + w]
            rows = np.array([scaled_line(row, width, antialias) for row in part])
            expected = np.array([scaled_line(column, height, antialias) for column in rows.T]).T
            np.testing.assert_allclose(result[i, c], expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("mode, antialias", [("bilinear", True), ("bilinear", False), ("nearest", False)])
def test_resized_crop_is_pytorchs(mode: str, antialias: bool) -> None:
    torch = pytest.importorskip("torch")
    array = RNG.random((20, 3, 17, 14)).astype("float32")
    tinynet.manual_seed(4)
    numbers, places = (
        tinynet.rand(20, 10, 2).cpu().numpy().astype(float),
        tinynet.rand(20, 2).cpu().numpy().astype(float),
    )
    tinynet.manual_seed(4)
    result = T.RandomResizedCrop((6, 11), interpolation=mode, antialias=antialias)(tinynet.tensor(array)).cpu().numpy()
    for i in range(20):
        y, x, h, w = crop_parameters(numbers[i], places[i], 17, 14, (0.08, 1.0), (3 / 4, 4 / 3))
        part = torch.tensor(array[i : i + 1, :, y : y + h, x : x + w])
        expected = torch.nn.functional.interpolate(part, (6, 11), mode=mode, antialias=antialias)
        assert np.abs(result[i] - expected.numpy()[0]).max() < 1e-5


def test_flip(device: str) -> None:
    array, images = pictures(device, 200, 1, 2, 3)
    tinynet.manual_seed(3)
    result = T.RandomHorizontalFlip()(images).cpu().numpy()
    flipped = [np.array_equal(r, a[..., ::-1]) for r, a in zip(result, array)]
    kept = [np.array_equal(r, a) for r, a in zip(result, array)]
    assert all(f != k for f, k in zip(flipped, kept))
    assert 75 < sum(flipped) < 125
    assert np.array_equal(T.RandomHorizontalFlip(1.0)(images).cpu().numpy(), array[..., ::-1])
    assert np.array_equal(T.RandomHorizontalFlip(0.0)(images).cpu().numpy(), array)


def test_erasing(device: str) -> None:
    array, images = pictures(device, 300, 2, 12, 10)
    array += 1
    images = images + 1
    tinynet.manual_seed(6)
    result = T.RandomErasing(0.5, scale=(0.1, 0.2), ratio=(0.5, 2.0), value=(0.0, -1.0))(images).cpu().numpy()
    erased = 0
    for image, before in zip(result, array):
        hole = image[0] == 0
        assert np.array_equal(image[1] == -1, hole)
        assert np.array_equal(image[0][~hole], before[0][~hole])
        if hole.any():
            erased += 1
            rows, columns = hole.any(1).nonzero()[0], hole.any(0).nonzero()[0]
            assert hole[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
            assert 0.05 < hole.mean() < 0.26
            assert 0.35 < len(rows) / len(columns) < 2.9
    assert 120 < erased < 180


def test_erasing_with_noise_and_in_place(device: str) -> None:
    array, images = pictures(device, 50, 2, 12, 10)
    noise = T.RandomErasing(1.0, (0.3, 0.3), (1.0, 1.0), "random")(images).cpu().numpy()
    values = noise[noise != array]
    assert abs(values.mean()) < 0.1
    assert abs(values.std() - 1) < 0.1
    assert np.array_equal(images.cpu().numpy(), array)
    same = T.RandomErasing(1.0, inplace=True)(images)
    assert same.data_ptr() == images.data_ptr()
    assert not np.array_equal(images.cpu().numpy(), array)


ALL = [
    T.RandomAffine(20, (0.1, 0.2), (0.8, 1.2), 10),
    T.RandomAffine(20, (0.1, 0.2), (0.8, 1.2), 10, "bilinear", fill=(1, 2, 3)),
    T.RandomRotation(45, "bilinear"),
    T.RandomCrop(6, padding=2),
    T.RandomResizedCrop(6),
    T.RandomHorizontalFlip(),
    T.RandomErasing(1.0),
]


@pytest.mark.parametrize("transform", ALL, ids=lambda t: type(t).__name__)
def test_one_seed_one_result_on_every_device(device: str, transform: Any) -> None:
    array, images = pictures(device, 5, 3, 8, 8)
    results = []
    for seed in (1, 1, 2):
        tinynet.manual_seed(seed)
        results.append(transform(images).cpu().numpy())
    assert np.array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])
    assert len({image.tobytes() for image in transform(images[:1].expand(5, -1, -1, -1)).cpu().numpy()}) > 1
    tinynet.manual_seed(1)
    on_cpu = transform(tinynet.tensor(array)).cpu().numpy()
    if isinstance(transform, T.RandomResizedCrop):  # a product of matrices, whose sums have an order
        np.testing.assert_allclose(results[0], on_cpu, rtol=1e-5)
    else:
        assert np.array_equal(results[0], on_cpu)


@pytest.mark.parametrize("transform", ALL, ids=lambda t: type(t).__name__)
def test_single_images_and_integers(device: str, transform: Any) -> None:
    _, images = pictures(device, 1, 3, 8, 8, dtype="uint8")
    results = []
    for image in (images, images[0]):
        tinynet.manual_seed(1)
        results.append(transform(image))
    assert results[1].ndim == 3
    assert np.array_equal(results[0][0].cpu().numpy(), results[1].cpu().numpy())
    assert results[0].dtype == np.uint8
    tinynet.manual_seed(1)
    exact = transform(images.float()).cpu().numpy()
    assert np.abs(exact - results[0].cpu().numpy()).max() <= 0.5


def test_images_without_channels(device: str) -> None:
    _, images = pictures(device, 8, 9)
    assert T.Compose([T.RandomCrop(6), T.RandomHorizontalFlip(), T.RandomRotation(5)])(images).shape == (6, 6)


def test_normalize(device: str) -> None:
    array, images = pictures(device, 4, 3, 5, 6)
    mean, std = np.array([1.0, 2, 3], "float32"), np.array([2.0, 4, 8], "float32")
    expected = (array - mean[:, None, None]) / std[:, None, None]
    transform = T.Normalize([1, 2, 3], [2, 4, 8])
    np.testing.assert_allclose(transform(images).cpu().numpy(), expected, rtol=1e-6)
    np.testing.assert_allclose(transform(images[0]).cpu().numpy(), expected[0], rtol=1e-6)
    np.testing.assert_allclose(T.Normalize(1.0, 2.0)(images).cpu().numpy(), (array - 1) / 2, rtol=1e-6)
    assert T.Normalize([1], [2], inplace=True)(images) is images
    np.testing.assert_allclose(images.cpu().numpy(), (array - 1) / 2, rtol=1e-6)


def test_to_tensor() -> None:
    array = RNG.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    result = T.ToTensor()(array)
    assert result.dtype == tinynet.float32
    np.testing.assert_allclose(result.cpu().numpy(), array.transpose(2, 0, 1) / 255, rtol=1e-6)
    assert T.ToTensor()(array[..., 0]).shape == (1, 5, 6)
    assert T.ToTensor()(np.stack([array] * 4)).shape == (4, 3, 5, 6)
    assert T.ToTensor()(array.astype("float64")).cpu().numpy().max() == array.max()
    assert T.ToTensor()(array > 99).cpu().numpy().tolist() == (array > 99).transpose(2, 0, 1).tolist()
    assert T.ToTensor()(result) is result
    np.testing.assert_allclose(T.ToTensor()(tinynet.tensor(array)).cpu().numpy(), array / 255, rtol=1e-6)


def test_to_tensor_of_a_pillow_image() -> None:
    image = pytest.importorskip("PIL.Image")
    array = RNG.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    assert np.array_equal(T.ToTensor()(image.fromarray(array)).cpu().numpy() * 255, array.transpose(2, 0, 1))
    assert T.ToTensor()(image.fromarray(array).convert("L")).shape == (1, 5, 6)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: T.RandomAffine(-1), "degrees is -1, expected at least 0, or two numbers"),
        (lambda: T.RandomAffine((5, -5)), "degrees is .5, -5., expected two numbers in rising order"),
        (lambda: T.RandomAffine(0, (0.5, 1.5)), "translate is .0.5, 1.5., expected two numbers from 0 to 1"),
        (lambda: T.RandomAffine(0, scale=(0, 1)), "scale is .0, 1., expected numbers above 0"),
        (lambda: T.RandomAffine(0, interpolation="cubic"), "'cubic' is not a valid InterpolationMode"),
        (lambda: T.RandomRotation(5, expand=True), "expand is True, expected False"),
        (lambda: T.RandomCrop(0), "size is 0, expected one or two integers above 0"),
        (lambda: T.RandomCrop(3, padding=(1, 2, 3)), "padding is .1, 2, 3., expected one, two or four"),
        (lambda: T.RandomCrop(3, padding_mode="wrap"), "padding_mode is 'wrap'"),
        (lambda: T.RandomResizedCrop(3, scale=(-1, 1)), "scale is .-1, 1., expected two numbers .* at least 0"),
        (lambda: T.RandomHorizontalFlip(1.5), "p is 1.5, expected a probability between 0 and 1"),
        (lambda: T.RandomErasing(value="noise"), "value is 'noise', expected 'random' or numbers"),
        (lambda: T.RandomErasing(scale=(0.5, 1.5)), "scale is .0.5, 1.5., expected at most 1"),
        (lambda: T.Normalize([0.0], [0.0]), r"std is \[0.0\], expected no 0"),
        (lambda: T.Normalize([0.0], [1.0, 2.0]), "mean has 1 values and std 2"),
        (lambda: T.Normalize([0.0] * 3, [1.0] * 3)(tinynet.zeros(1, 4, 4)), "expected 3 channels"),
        (lambda: T.RandomHorizontalFlip()(tinynet.zeros(1, 1, 1, 4, 4)), r"img has shape \(1, 1, 1, 4, 4\), expected"),
        (
            lambda: T.RandomAffine(0, fill=(1, 2))(tinynet.zeros(3, 4, 4)),
            "fill has 2 values, expected one or one for each",
        ),
    ],
)
def test_bad_arguments(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_wrong_types() -> None:
    with pytest.raises(TypeError, match="img is a ndarray, expected a Tensor; ToTensor makes one"):
        T.RandomHorizontalFlip()(np.zeros((1, 4, 4)))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="img is uint8, expected a floating-point Tensor"):
        T.Normalize(0.0, 1.0)(tinynet.tensor(np.zeros((1, 4, 4), np.uint8)))
    with pytest.raises(TypeError, match="pic is a str"):
        T.ToTensor()("image.png")
