"""Prints a digest of what every kernel writes for every sample, to compare devices, drivers, runs and orders of threads.

    python -m tests.gpu.digests [--kernel matmul] [--device cuda]

A line is a kernel, a variant, a sample, a dtype and the start of the SHA-256 of the outputs. Two runs on devices of one
kind print the same lines. Variants composed of kernels that have lines of their own have none.
"""

from __future__ import annotations

import argparse
import hashlib

from tests.kernels.test_kernels import SPECS, arguments, host, poisoned, to
from tinynet.device import simulated


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.gpu.digests", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--kernel", default="", help="only kernels whose name contains this")
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args()
    for name, spec in SPECS.items():
        if options.kernel not in name:
            continue
        for sample in spec.samples:
            if sample.bench and simulated():
                continue
            for dtype in spec.dtypes:
                args, params = arguments(spec, sample, dtype)
                moved = tuple(to(options.device, a) for a in args)
                table = spec.cpu if options.device == "cpu" else spec.cuda
                for variant in (v for v in table if v != "composed"):
                    outputs = poisoned(spec, args, params, options.device)
                    spec(*moved, out=outputs, variant=variant, **params)
                    digest = hashlib.sha256(b"".join(host(o).tobytes() for o in outputs)).hexdigest()
                    print(name, variant, sample.name, dtype, digest[:16], flush=True)


if __name__ == "__main__":
    main()
