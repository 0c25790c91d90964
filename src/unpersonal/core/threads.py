"""One thread for what must give the same bytes however many processes share it.

Libraries split a sum between threads, and its last bit hangs on how many there are: oneDNN's 1×1 convolutions did, of
10 images at 1 and 2 threads. What is made in parts uses cores by several processes instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[int]:
    """PyTorch and the BLAS of NumPy compute in one thread in the block; yields how many threads PyTorch had."""
    import torch
    from threadpoolctl import threadpool_limits

    threads = torch.get_num_threads()
    with threadpool_limits(1):
        torch.set_num_threads(1)
        try:
            yield threads
        finally:
            torch.set_num_threads(threads)
