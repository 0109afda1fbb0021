"""How many pixels a series and a study may have, counted before they are decoded."""

from __future__ import annotations

from lsdc.cohort.dicom.opening import UnreadableError

MAX_SERIES_PIXELS = 2**27
"""A series of more is not read: 512 images of 512 x 512, or 2,048 of 256 x 256; 512 MiB as they are kept."""
MAX_STUDY_PIXELS = 2**28
"""Series by which a study would have more are not read; 1 GiB as they are kept."""


class TooManyPixelsError(UnreadableError):
    """With this file, a series or study has more pixels than may be read; the series is to be left out.

    Parameters
    ----------
    what : str
        Whose pixels they are.
    most : int
        How many there may be.
    """

    def __init__(self, what: str, most: int) -> None:
        super().__init__(
            f"the {what} has more than {most:,} pixels", "leave out what is no lumbar spine, or split it"
        )


class PixelBudget:
    """Counts the pixels that are about to be decoded.

    Parameters
    ----------
    most : int
        How many there may be.
    what : str
        Whose they are, for the reason: `series` or `study`.
    whole : PixelBudget, optional
        Of the study to which the series belongs; what the series takes is also taken from it.

    Attributes
    ----------
    used : int
        Pixels so far.
    """

    def __init__(self, most: int, what: str, whole: PixelBudget | None = None) -> None:
        self.most, self.what, self.whole, self.used = most, what, whole, 0

    def take(self, pixels: int) -> None:
        """Count pixels before they are decoded.

        Parameters
        ----------
        pixels : int
            Of all frames of a file.

        Raises
        ------
        TooManyPixelsError
            When there are then too many; nothing is counted.
        """
        if self.used + pixels > self.most:
            raise TooManyPixelsError(self.what, self.most)
        if self.whole is not None:
            self.whole.take(pixels)
        self.used += pixels

    def give_back(self) -> None:
        """Forget what was counted, when the series is left out."""
        if self.whole is not None:
            self.whole.used -= self.used
        self.used = 0
