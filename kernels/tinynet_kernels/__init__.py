"""Deep-learning kernels on plain arrays: NumPy on the CPU, Numba CUDA on CuPy arrays.

Every function takes arrays of either kind, runs where they live, and writes to `out=` when given. Importing this
package imports neither numba nor cupy; an implementation is imported, and compiled, at its first call.
"""

from .add import add
from .batch_norm import batch_norm, batch_norm_grad, batch_norm_stats
from .channel_sum import channel_sum, relu_grad
from .conv2d import conv2d, conv2d_input_grad, conv2d_weight_grad
from .conv2d_max_pool2d import conv2d_max_pool2d, conv2d_max_pool2d_grad
from .counted_mean import counted_mean, mean_cross_entropy
from .gelu import gelu, gelu_grad
from .layer_norm import layer_norm, layer_norm_grad
from .linear_grad import linear_grad
from .matmul import matmul
from .max_pool2d import max_pool2d, max_pool2d_gather, max_pool2d_grad
from .optimizer import adam, rmsprop, sgd
from .random import dropout, philox_normal, philox_uniform
from .recurrent import gru, gru_grad, lstm, lstm_grad
from .softmax import softmax, softmax_grad
from .softmax_cross_entropy import softmax_cross_entropy, softmax_cross_entropy_grad
from .spec import registry

__all__ = [
    "adam",
    "add",
    "batch_norm",
    "batch_norm_grad",
    "batch_norm_stats",
    "channel_sum",
    "conv2d",
    "conv2d_input_grad",
    "conv2d_max_pool2d",
    "conv2d_max_pool2d_grad",
    "conv2d_weight_grad",
    "counted_mean",
    "dropout",
    "gelu",
    "gelu_grad",
    "gru",
    "gru_grad",
    "layer_norm",
    "layer_norm_grad",
    "linear_grad",
    "lstm",
    "lstm_grad",
    "matmul",
    "max_pool2d",
    "max_pool2d_gather",
    "max_pool2d_grad",
    "mean_cross_entropy",
    "philox_normal",
    "philox_uniform",
    "registry",
    "relu_grad",
    "rmsprop",
    "sgd",
    "softmax",
    "softmax_cross_entropy",
    "softmax_cross_entropy_grad",
    "softmax_grad",
]
