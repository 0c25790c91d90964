"""Places that a large picture shares with somebody's, pixel for pixel, are found at the resolution of the files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from unpersonal.audit.reading import read_side
from unpersonal.audit.tiles import ALIKE, TILE, TileIndex, compared, measure_tiles, tiles_of

SIZE, EDGE = 32, 160


def texture(seed: int, edge: int = EDGE) -> np.ndarray:
    """A picture with detail at every place, uint8 [edge, edge]."""
    rng = np.random.default_rng(seed)
    found = gaussian_filter(rng.normal(size=(edge, edge)), 1.5) + 2 * gaussian_filter(rng.normal(size=(edge, edge)), 6)
    return np.clip(np.rint(120 + 90 * found / np.abs(found).max()), 0, 255).astype(np.uint8)


def test_tiles_are_unit_vectors_around_places_that_stand_out() -> None:
    tiles = tiles_of(texture(0))
    assert len(tiles.places) > 20 and tiles.vectors.shape == (len(tiles.places), TILE**2)
    np.testing.assert_allclose((tiles.vectors**2).sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(tiles.vectors.sum(axis=1), 0, atol=1e-4)
    row, column = tiles.places[0]
    cut = texture(0)[row - 6 : row + 6, column - 6 : column + 6].astype(float).ravel()
    assert np.corrcoef(cut, tiles.vectors[0])[0, 1] > 0.9999
    assert len(tiles_of(np.full((50, 50), 9, np.uint8)).places) == 0
    assert len(tiles_of(np.zeros((8, 8), np.uint8)).places) == 0


def test_a_pasted_piece_is_shared_at_one_displacement_and_strangers_share_nothing() -> None:
    host, person = texture(1), texture(2)
    pasted = host.copy()
    pasted[60:140, 20:100] = person[10:90, 70:150]
    index = TileIndex([tiles_of(host), tiles_of(pasted)], seed=0)
    assert index.shared(tiles_of(person)) >= 5
    assert max(index.shared(tiles_of(texture(seed))) for seed in range(3, 13)) <= 1
    noisy = person + np.random.default_rng(0).normal(scale=3, size=person.shape)
    assert index.shared(tiles_of(np.clip(noisy, 0, 255).astype(np.uint8))) >= 3
    # brighter, and with less contrast
    assert index.shared(tiles_of((0.8 * person + 30).astype(np.uint8))) >= 5
    whole = index.shared(tiles_of(host))
    assert whole == len(tiles_of(host).places) and ALIKE < 1


def write(folder: Path, pictures: list[np.ndarray]) -> Path:
    folder.mkdir()
    for number, pixels in enumerate(pictures):
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def test_train_people_who_share_more_than_others_make_it_inconclusive(tmp_path: Path) -> None:
    people = {name: [texture(first + n) for n in range(8)] for name, first in (("train", 0), ("control", 50))}
    released = [texture(100 + n) for n in range(8)]
    for n in range(6):
        released[n][30:130, 30:130] = people["train"][n][30:130, 30:130]
    sides = {name: read_side(write(tmp_path / name, given), name, "file", SIZE) for name, given in people.items()}
    sides["synthetic"] = read_side(write(tmp_path / "synthetic", released), "synthetic", "file", SIZE)
    figures, (said,) = measure_tiles(sides, "synthetic", SIZE, seed=0)
    assert figures is not None and figures.train_people == 6 and figures.pictures == 24
    assert figures.most_train >= 5 > 2 * figures.most_others and "6 train people" in said
    assert figures.chance < 0.01 and figures.other_people == 0
    clean = {**sides, "synthetic": read_side(write(tmp_path / "fresh", [texture(200)]), "synthetic", "file", SIZE)}
    figures, none = measure_tiles(clean, "synthetic", SIZE, seed=0)
    assert figures is not None and figures.train_people == 0 and none == []
    assert measure_tiles(sides, "synthetic", EDGE, seed=0) == (None, [])


def test_what_everybody_shares_is_no_finding(tmp_path: Path) -> None:
    def marked(seed: int) -> np.ndarray:
        pixels = texture(seed)
        pixels[5:75, 5:75] = texture(999)[5:75, 5:75]
        return pixels

    given = {
        name: [marked(first + n) for n in range(3)] for name, first in (("train", 0), ("control", 9), ("synthetic", 20))
    }
    sides = {name: read_side(write(tmp_path / name, each), name, "file", SIZE) for name, each in given.items()}
    figures, none = measure_tiles(sides, "synthetic", SIZE, seed=0)
    assert figures is not None and figures.most_train >= 3 and figures.most_others >= 3 and none == []


def test_one_name_for_two_people_among_the_others_hides_nobody() -> None:
    ordinary = np.array([1] * 400 + [2] * 20)
    train = np.concatenate([ordinary, [40] * 12])
    figures, (said,) = compared(train, np.concatenate([ordinary, [30]]), 900)
    assert (figures.limit, figures.train_people, figures.other_people) == (4, 12, "<5") and "12 train people" in said
    # as many on both sides, or a few on one, are no finding; one far above all others is
    both = np.concatenate([ordinary, [30] * 6])
    assert compared(both, both, 900)[1] == []
    assert compared(np.append(ordinary, 40), np.append(ordinary, 30), 900)[1] == []
    assert compared(np.append(ordinary, 40), ordinary, 900)[1] != []
    assert compared(ordinary, ordinary, 900)[1] == []
    assert compared(np.empty(0, np.int64), np.empty(0, np.int64), 0)[1] == []


def test_a_sheet_of_small_pictures_shows_the_people_on_it(tmp_path: Path) -> None:
    people = {name: [texture(first + n, 64) for n in range(40)] for name, first in (("train", 0), ("control", 300))}
    sheets = [np.block([[people["train"][n + k + 4 * i] for k in range(4)] for i in range(4)]) for n in (0, 16)]
    sides = {name: read_side(write(tmp_path / name, given), name, "file", 64) for name, given in people.items()}
    sides["synthetic"] = read_side(write(tmp_path / "synthetic", sheets), "synthetic", "file", 64)
    figures, said = measure_tiles(sides, "synthetic", 64, seed=0)
    assert figures is not None and len(said) == 1
    assert figures.most_train >= 3 > figures.most_others and figures.other_people == 0
