"""Finding studies behind a URL: by the names of the files, and where these say too little by the files' beginnings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from lsdc.cohort.discovery.origin import Origin
from lsdc.cohort.discovery.sources import SPLITS, Cohort, DiscoveryError
from lsdc.runtime import LsdcError, Problem
from lsdc.runtime.archives import temporary_folder
from lsdc.runtime.console import say, track
from lsdc.runtime.remote import RemoteFolder
from lsdc.runtime.remote_errors import ObjectError
from lsdc.runtime.remote_many import fetch_many, heads

HEAD_BYTES = 2**16
"""The beginning of a file that is read to find its study; headers are shorter, but for rare private ones."""
_MOST_FILES = 2_000_000
_AT_ONCE = 256
_SPLIT_FOLDERS = tuple(f"{split}_images" for split in SPLITS)
_TABLES = (".csv", ".tsv", ".txt", ".xlsx", ".xls", ".parquet")
_LONGEST_PART = 255


def discover_remote(url: str, discover: Callable[[Path], Cohort]) -> Cohort:
    """Find the studies behind a URL; no pixels are fetched.

    In the competition's layout the names of the files tell the studies, and only the tables are fetched. Of any other
    tree the first `HEAD_BYTES` of every file are.

    Parameters
    ----------
    url : str
        As `url_of` gives it: a folder, or a ZIP archive, which is fetched whole.
    discover : callable
        Finds the studies in a folder or an archive of this machine.

    Returns
    -------
    Cohort
        With studies that know where their files come from.

    Raises
    ------
    DiscoveryError
        When there is no file, or no study.
    RemoteError
        When it cannot be read.
    """
    remote = RemoteFolder(url)
    if remote.has(""):
        archive = temporary_folder("fetched") / remote.name
        remote.fetch_one("", archive)
        return discover(archive)
    base, below = (remote.parent, f"{remote.name}/") if remote.name in _SPLIT_FOLDERS else (remote, "")
    sizes = {f"{below}{name}": size for name, size in remote.sizes().items()}
    if not sizes:
        raise DiscoveryError(f"{url}: there is no such folder, or it holds no file")
    if len(sizes) > _MOST_FILES:
        raise DiscoveryError(
            f"{url}: holds {len(sizes)} files, more than {_MOST_FILES}; give a part of it at a time"
        )
    if below:
        sizes |= base.sizes(deep=False)
    root = temporary_folder(base.name)
    odd = _make_skeleton(base, sizes, root)
    try:
        cohort = discover(root / below)
    except LsdcError as error:
        raise type(error)(str(error).replace(str(root), base.url)) from error
    origin = Origin(base, root)
    studies = tuple(replace(study, origin=origin) for study in cohort.studies)
    return replace(cohort, studies=studies, problems=(*cohort.problems, *odd))


def _make_skeleton(base: RemoteFolder, sizes: Mapping[str, int], root: Path) -> list[Problem]:
    """Make files of the same names and sizes, which take no space; list those that cannot be, or be read."""
    usable = [name for name in sizes if _is_usable(name)]
    folders = {str(folder) for name in usable for folder in PurePosixPath(name).parents}
    odd = [name for name in sizes.keys() - usable if not _is_mark(name, sizes[name])]
    both = [name for name in usable if name in folders]
    names = [name for name in usable if name not in folders and not _is_hidden(name)]
    in_layout = any(name.startswith(tuple(f"{folder}/" for folder in _SPLIT_FOLDERS)) for name in names)
    tables = [name for name in names if in_layout and "/" not in name and name.lower().endswith(_TABLES)]
    unclear = [name for name in names if sizes[name] and (not in_layout or _is_loose(name))]
    megabytes = sum(sizes.values()) >> 20
    say(f"{base.url}: {len(sizes)} files of {megabytes} MiB, of which each study is fetched when it is read")
    for folder in {(root / name).parent for name in names}:
        folder.mkdir(parents=True, exist_ok=True)
    if tables:
        for error in fetch_many(base, tables, root).values():
            raise error
    for name in set(names) - set(tables):
        with (root / name).open("wb") as stream:
            stream.truncate(sizes[name])
    denied = _write_heads(base, unclear, root)
    for name in denied:
        (root / name).unlink()
    if denied and len(denied) == len(names):
        raise next(iter(denied.values()))
    no_name = "the name of the file cannot be one of a file on this machine"
    return [
        *(_problem(base, name, no_name, "rename it") for name in sorted(odd)),
        *(_problem(base, name, "a file and a folder have this name", "rename one of them") for name in both),
        *(
            _problem(base, name, error.words, "allow reading it, or leave it out")
            for name, error in denied.items()
        ),
    ]


def _write_heads(base: RemoteFolder, names: Sequence[str], root: Path) -> dict[str, ObjectError]:
    """Write the beginnings of files into those of the same names; tell which may not be read, or are gone."""
    denied = {}
    for several in track([*_chunks(names)], "reading the beginnings of files"):
        for name, head in zip(several, heads(base, several, HEAD_BYTES)):
            if isinstance(head, ObjectError):
                denied[name] = head
                continue
            with (root / name).open("r+b") as stream:
                stream.write(head)
    return denied


def _problem(base: RemoteFolder, name: str, reason: str, remedy: str) -> Problem:
    """Make the record of a file, of any name."""
    return Problem(ascii(f"{base.url}/{name}")[1:-1], reason, remedy)


def _chunks(names: Sequence[str]) -> Iterable[Sequence[str]]:
    """Deal names over lists of at most `_AT_ONCE`."""
    for start in range(0, len(names), _AT_ONCE):
        yield names[start : start + _AT_ONCE]


def _is_usable(name: str) -> bool:
    """Tell whether a name can be that of a file below a folder, and leads nowhere else."""
    parts = name.split("/")
    return (
        "\\" not in name
        and name.isprintable()  # which what is no UTF-8 is not
        and all(part not in ("", ".", "..") and len(part.encode()) <= _LONGEST_PART for part in parts)
    )


def _is_mark(name: str, size: int) -> bool:
    """Tell whether an object only stands for a folder, as consoles of providers make them."""
    return size == 0 and (not name or name.endswith("/"))


def _is_hidden(name: str) -> bool:
    """Tell whether a part of a name begins with a dot."""
    return any(part.startswith(".") for part in name.split("/"))


def _is_loose(name: str) -> bool:
    """Tell whether a file of the competition's layout lies beside the folders of series."""
    return name.count("/") == 2
