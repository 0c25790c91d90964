"""The space `closed-form`: principal components of all real images, which need no training and no weights."""

from __future__ import annotations

from ...features.pca import fit_pca
from ..extractor import COMPONENTS, Extractor, Fitting, Space


class ClosedForm(Extractor):
    """See `features.pca`."""

    takes = ""

    def size(self, argument: str) -> int:
        """As for every space that is made of the images themselves."""
        return 64

    def open(self, argument: str, fitting: Fitting) -> Space:
        """The principal components of all real images: both halves are treated alike."""
        encoder = fit_pca(fitting.real, COMPONENTS)
        return Space(encoder.transform, "principal components of the real images, each standardised", encoder.size)


EXTRACTOR = ClosedForm()
