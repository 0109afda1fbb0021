"""Who made an object, and UIDs that are the same whenever the same is made again."""

from __future__ import annotations

from importlib.metadata import version

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

MANUFACTURER = "lsdc"
"""The manufacturer of the objects: this toolkit."""


def toolkit_version() -> str:
    """Tell the version of this toolkit.

    Returns
    -------
    str
        As its package metadata has it.
    """
    return version("lsdc-toolkit")


def derived_uid(*parts: str) -> str:
    """Make a UID of what it stands for.

    Parameters
    ----------
    *parts : str
        What tells the object from others; the same parts give the same UID.

    Returns
    -------
    str
        A UID of at most 64 characters, its last part a hash of the parts and of the toolkit's version.

    Examples
    --------
    >>> derived_uid("study", "report") == derived_uid("study", "report")
    True
    """
    return str(
        generate_uid(entropy_srcs=["lsdc", toolkit_version(), *(f"{len(part)}:{part}" for part in parts)])
    )


def settle_date(made: Dataset, date: str) -> None:
    """Remove the time at which highdicom ran: the same object made again must be the same file.

    Parameters
    ----------
    made : Dataset
        What highdicom has made.
    date : str
        The day of the examination, YYYYMMDD.
    """
    for keyword in ("InstanceCreationDate", "InstanceCreationTime"):
        made.pop(keyword, None)
    for item in made.get("ContributingEquipmentSequence", []):
        if "ContributionDateTime" in item:
            item.ContributionDateTime = date
