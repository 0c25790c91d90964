"""Bringing images into the store against a plain Pillow loop and MONAI's CacheDataset doing the same transform.

`python -m benchmarks.ingest`. Every measurement is a process of its own (its peak memory is its own), in turn, on one
core and on all; ratios are of medians. The radiographs of Kermany et al. are read from the zip that UNPERSONAL_KERMANY
names; where it names none, phantoms of the same size saved as JPEG stand in, and the output says so.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

SIZE, RUNS = 64, 3
PNGS, PNG_SIDE = 240, 1024
MONAI_SHARE = 0.2  # it is slow: a part of the images, once per number of cores
JPEGS, JPEG_SIDE = 2000, 224
METHODS = ("store", "searched", "pillow", "monai")


def main() -> None:
    """Print images/s, ratios, peak memory and how far the outputs differ."""
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(*sys.argv[2:])))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, make in (("radiographs, JPEG in a zip", radiographs), (f"PNG of {PNG_SIDE} x {PNG_SIDE}", pngs)):
            given, count = make(folder)
            report(name, given, count, folder)


def report(name: str, given: Path, count: int, folder: Path) -> None:
    """Measure every method on the images in turn, on one core and on all."""
    print(f"\n{name}: {count} images, brought to {SIZE} x {SIZE}")
    for cores in sorted({1, len(os.sched_getaffinity(0))}):
        part = int(count * MONAI_SHARE)
        found = {"monai": [apart("monai", given, cores, part, folder)], "store": [], "searched": [], "pillow": []}
        for _ in range(RUNS):
            for method in ("store", "searched", "pillow"):
                found[method].append(apart(method, given, cores, count, folder))
        rate = {method: statistics.median(run["rate"] for run in runs) for method, runs in found.items()}
        peak = {method: max(run["peak"] for run in runs) for method, runs in found.items()}
        print(f"  {cores} core(s), median of {RUNS}; MONAI once, {part} images, all of them in memory afterwards")
        for method in METHODS:
            print(f"    {method:<10}{rate[method]:8.0f} images/s   peak {peak[method]:6.0f} MiB")
        for method in METHODS[:2]:
            ratios = {other: rate[method] / rate[other] for other in METHODS[2:]}
            print(f"    {method} against Pillow {ratios['pillow']:.2f}x, MONAI {ratios['monai']:.2f}x")
    few, many = (apart("store", given, 1, number, folder)["peak"] for number in (count // 4, count))
    print(f"  peak memory of the store for {count // 4} and {count} images: {few:.0f} and {many:.0f} MiB")
    differences(folder)


def apart(method: str, given: Path, cores: int, count: int, folder: Path) -> dict[str, float]:
    """Run `measure` in a process of its own."""
    words = [method, str(given), str(cores), str(count), str(folder / f"{method}.npy")]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.ingest", "--measure", *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def measure(method: str, given: str, cores: str, count: str, out: str) -> dict[str, float]:
    """Seconds of one method (imports aside) and peak resident memory in MiB, its processes counted."""
    allowed = sorted(os.sched_getaffinity(0))[: int(cores)]
    os.sched_setaffinity(0, allowed)
    methods = {"store": store, "searched": searched, "pillow": pillow, "monai": monai}
    run: Callable[[], np.ndarray] = methods[method](Path(given), int(count))
    start = time.perf_counter()
    images = run()
    seconds = time.perf_counter() - start
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    # pages that forked processes share with their parent are counted for each: an upper bound
    np.save(out, images)
    return {"rate": len(images) / seconds, "peak": (own + int(cores) * largest) / 1024}


def searched(given: Path, count: int) -> Callable[[], np.ndarray]:
    """The pass of `init`: as `store`, and every image is searched for burned-in text."""
    return store(given, count, text=True)


def store(given: Path, count: int, *, text: bool = False) -> Callable[[], np.ndarray]:
    """Our pass: read, hash, decode, check, prepare, keep in blocks, assemble; without the search for burned-in text."""
    import pandas  # noqa: F401  (imports are not measured, here as for the others)
    import pyarrow.parquet  # noqa: F401
    import scipy.ndimage  # noqa: F401

    from unpersonal.images.archives import open_archive
    from unpersonal.images.decode import decode
    from unpersonal.images.ingest import ingest
    from unpersonal.images.picture import DecodeOptions
    from unpersonal.images.preprocess import PreprocessConfig
    from unpersonal.images.store import ImageStore

    files = open_archive(given)
    names = files.image_names()[:count]
    decode(files.open_bytes(names[0]))
    config = PreprocessConfig(size=SIZE)

    def run() -> np.ndarray:
        with tempfile.TemporaryDirectory() as temporary:
            images = ImageStore(Path(temporary), config, text=text)
            facts = ingest(names, files, DecodeOptions(), config, images)
            images.assemble(facts["content"].tolist(), 1)
            return np.load(Path(temporary) / "images.npy", mmap_mode="r")

    return run


def pillow(given: Path, count: int) -> Callable[[], np.ndarray]:
    """The loop that everybody writes: open, grey, antialiased bicubic resize, array."""
    archive = zipfile.ZipFile(given) if given.is_file() else None
    names = sorted(archive.namelist() if archive else (p.name for p in given.iterdir()))
    names = [name for name in names if name.endswith((".jpeg", ".png"))][:count]

    def run() -> np.ndarray:
        images = np.empty((len(names), 1, SIZE, SIZE), np.uint8)
        for i, name in enumerate(names):
            with archive.open(name) if archive else open(given / name, "rb") as stream, Image.open(stream) as image:
                images[i, 0] = np.asarray(image.convert("L").resize((SIZE, SIZE), Image.Resampling.BICUBIC))
        return images

    return run


def monai(given: Path, count: int) -> Callable[[], np.ndarray]:
    """MONAI's CacheDataset with a worker thread per core; a zip is unpacked before the clock starts."""
    from monai.data import CacheDataset, PILReader
    from monai.transforms import Compose, EnsureChannelFirst, LoadImage, Resize

    folder = given
    if given.is_file():
        folder = given.with_suffix(".unpacked")
        if not folder.exists():
            with zipfile.ZipFile(given) as archive:
                archive.extractall(folder)
    files = sorted(str(path) for path in folder.rglob("*") if path.suffix in (".jpeg", ".png"))[:count]
    load = LoadImage(reader=PILReader(converter=lambda image: image.convert("L")), image_only=True)
    transform = Compose(
        [load, EnsureChannelFirst(channel_dim="no_channel"), Resize((SIZE, SIZE), mode="bicubic", anti_aliasing=True)]
    )

    def run() -> np.ndarray:
        cores = len(os.sched_getaffinity(0))
        dataset = CacheDataset(files, transform, cache_rate=1.0, num_workers=cores, progress=False)
        # MONAI's Pillow reader gives columns first
        stack = np.stack([np.asarray(image).transpose(0, 2, 1) for image in dataset])
        return np.clip(np.rint(stack), 0, 255).astype(np.uint8)

    return run


def differences(folder: Path) -> None:
    """How far the three outputs of the last run differ, in grey levels of 255."""
    images = {method: np.load(folder / f"{method}.npy", mmap_mode="r").astype(np.int16) for method in METHODS}
    for method in METHODS[1:]:
        distance = np.abs(images["store"][: len(images[method])] - images[method])
        tail = np.percentile(distance, 99.9)
        print(f"  store - {method}: mean {distance.mean():.2f}, 99.9 % {tail:.0f} of 255 levels")


def radiographs(folder: Path) -> tuple[Path, int]:
    """The Kermany zip, or phantoms of its size saved as JPEG; a copy, since the original may not be written beside."""
    path = folder / "radiographs.zip"
    given = os.environ.get("UNPERSONAL_KERMANY")
    if given:
        path.symlink_to(Path(given).absolute())
        with zipfile.ZipFile(path) as archive:
            return path, sum(name.endswith(".jpeg") for name in archive.namelist())
    print("UNPERSONAL_KERMANY names no zip: phantoms stand in")
    from unpersonal.phantom import phantom_cohort

    images, _, _ = phantom_cohort(JPEGS, 0, JPEG_SIDE)
    with zipfile.ZipFile(path, "w") as archive:
        for i, image in enumerate(images[:JPEGS]):
            with archive.open(f"{i:05d}.jpeg", "w") as stream:
                Image.fromarray(image[0]).convert("RGB").save(stream, "JPEG", quality=75)
    return path, JPEGS


def pngs(folder: Path) -> tuple[Path, int]:
    """Grey 8-bit PNGs as hospitals export them: phantoms enlarged, with the noise of a detector."""
    from unpersonal.phantom import phantom_cohort

    path = folder / "png"
    path.mkdir()
    images, _, _ = phantom_cohort(PNGS, 0, PNG_SIDE // 4)
    rng = np.random.default_rng(0)
    for i, image in enumerate(images[:PNGS]):
        large = Image.fromarray(image[0]).resize((PNG_SIDE, PNG_SIDE), Image.Resampling.BICUBIC)
        noisy = np.asarray(large, np.float32) + rng.normal(0, 2, (PNG_SIDE, PNG_SIDE))
        Image.fromarray(np.clip(np.rint(noisy), 0, 255).astype(np.uint8)).save(path / f"{i:05d}.png")
    return path, PNGS


if __name__ == "__main__":
    main()
