"""The second names that PyTorch has for some functions."""

from .comparison import ge, gt, le, lt, ne
from .elementwise import abs, acos, acosh, asin, atan, atan2, div, mul, neg, sub
from .shape import concat, movedim, transpose, vstack
from .special import asinh, atanh

absolute = abs
arccos, arcsin, arctan, arctan2 = acos, asin, atan, atan2
arccosh, arcsinh, arctanh = acosh, asinh, atanh
concatenate = concat
divide, multiply, negative, subtract = div, mul, neg, sub
greater, greater_equal, less, less_equal, not_equal = gt, ge, lt, le, ne
moveaxis, swapdims, row_stack = movedim, transpose, vstack
