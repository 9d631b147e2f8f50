"""The matrices of minimal filtering F(m, 3): m outputs of a filter of three taps, with m + 2 multiplications instead of 3 m.

    y = A' [(G g) * (B' d)]        d: m + 2 inputs, g: 3 taps, *: element by element

The m + 2 products are those of two polynomials at as many points, one of which is infinity; B' is what finds the coefficients
from the values, transposed (S. Winograd, Arithmetic Complexity of Computations, 1980; A. Lavin and S. Gray, Fast Algorithms for
Convolutional Neural Networks, 2016, arXiv:1509.09308). The points decide how large the numbers in the matrices are, and so how
much of the results rounding takes: 0, 1, -1, 2, -1/2 lose half as much for m = 4 as the usual 0, 1, -1, 2, -2 (B. Barabasz et
al., Error Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks, 2020, arXiv:1803.10986).
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

TAPS = 3
POINTS = (Fraction(0), Fraction(1), Fraction(-1), Fraction(2), Fraction(-1, 2))

Matrix = tuple[tuple[float, ...], ...]


class Minimal(NamedTuple):
    """A' (m, m + 2), G (m + 2, 3) and B' (m + 2, m + 2) of F(m, 3)."""

    output: Matrix
    filter: Matrix
    input: Matrix


@lru_cache
def minimal(m: int) -> Minimal:
    """F(m, 3) for m up to 4. All numbers are exact."""
    points = POINTS[: m + 1]
    output = [[point**i for point in points] + [Fraction(i == m - 1)] for i in range(m)]
    others = [[q for q in points if q != point] for point in points]
    filters = [[p**k / math.prod(p - q for q in rest) for k in range(TAPS)] for p, rest in zip(points, others)]
    filters.append([Fraction(k == TAPS - 1) for k in range(TAPS)])
    inputs = [[*_with_roots(rest), Fraction(0)] for rest in others] + [_with_roots(points)]
    return Minimal(*(tuple(tuple(map(float, row)) for row in rows) for rows in (output, filters, inputs)))


def transposed(matrix: Matrix) -> Matrix:
    return tuple(zip(*matrix))


def _with_roots(roots: list[Fraction] | tuple[Fraction, ...]) -> list[Fraction]:
    """The coefficients of the product of all (x - root), the constant one first."""
    result = [Fraction(1)]
    for root in roots:
        result = [shifted - root * v for shifted, v in zip([Fraction(0), *result], [*result, Fraction(0)])]
    return result
