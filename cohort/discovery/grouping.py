"""From files to studies: by their UIDs, unless these were lost, shared by two patients, or given to each file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from lsdc.cohort.dicom.files import natural_key, path_text
from lsdc.cohort.discovery.file_records import FileRecord, Person, is_uid
from lsdc.cohort.discovery.sources import usable_id
from lsdc.runtime import Problem

Records = list[FileRecord]
_FEWEST_SERIES = 3
_CHECK = "check how the data were exported and anonymized"


def group_records(records: Sequence[FileRecord], root_name: str) -> tuple[dict[str, Records], list[Problem]]:
    """Group files into studies, each of one patient.

    Files belong to one study where they have one StudyInstanceUID and nothing in their headers says that they are of
    two patients, or of two days. Where that UID is missing, or is a word that was written over it, the folders decide.
    Studies of one series each that share a patient who is known, a day and a frame of reference are one.

    Parameters
    ----------
    records : sequence of FileRecord
        All files, in natural order of their paths.
    root_name : str
        Stands for the study's id where nothing else names it.

    Returns
    -------
    studies : dict of str to list of FileRecord
        By a name from which the study's id is made; files in the order given.
    problems : list of Problem
        What was split, or may have to be, without a value of a header.
    """
    problems: list[Problem] = []
    studies: list[tuple[str, Records]] = []
    for name, members in _by_name(records, root_name):
        parts = [part for person in _by_person(members) for part in _by_frame(person)]
        if len(parts) > 1:
            problems.append(_split_problem(parts))
        else:
            problems += _doubts(members)
        studies += [(name, part) for part in parts]
    studies, joined = _joined(studies)
    problems += joined
    studies.sort(key=lambda item: natural_key(item[1][0].path))
    named: dict[str, Records] = {}
    for name, members in studies:
        unique, count = name, 1
        while unique in named:
            count += 1
            unique = f"{name}-{count}"
        named[unique] = members
    return named, problems


def series_name(record: FileRecord) -> str:
    """Name the series of a file: its UID, or its folder where there is none.

    Parameters
    ----------
    record : FileRecord
        One file.

    Returns
    -------
    str
        Never empty.
    """
    if is_uid(record.series):
        return record.series
    folders = "-".join(map(usable_id, record.folders))
    if record.series:  # a word: one for each series, or one for all of them
        return f"{record.series}-{folders}" if folders else record.series
    return folders or "unnamed"


def _by_name(records: Iterable[FileRecord], root_name: str) -> list[tuple[str, Records]]:
    """Group files by StudyInstanceUID, or by their folders where there is none."""
    by_uid: dict[str, Records] = {}
    for record in records:
        by_uid.setdefault(record.study, []).append(record)
    result: list[tuple[str, Records]] = []
    for uid, members in by_uid.items():
        if is_uid(uid):
            result.append((uid, members))
        elif uid:
            result += _split_by_folder(uid, members)
        else:
            for folder, inside in _by_folder(members, 0).items():
                result += _split_by_folder(folder or root_name, inside)
    return result


def _by_folder(members: Records, depth: int) -> dict[str, Records]:
    """Group files by the folder at a depth below the root; by nothing where they lie higher."""
    found: dict[str, Records] = {}
    for record in members:
        found.setdefault(record.folders[depth] if len(record.folders) > depth else "", []).append(record)
    return found


def _split_by_folder(name: str, members: Records) -> list[tuple[str, Records]]:
    """Split files by the first folders in which they differ, where each of these looks like a whole study."""
    branches = _branches(members)
    return list(branches.items()) if _are_studies(branches.values()) else [(name, members)]


def _branches(members: Records) -> dict[str, Records]:
    """Group files by the first folder in which they differ."""
    common = 0
    depth = min(len(record.folders) for record in members)
    while common < depth and len({record.folders[common] for record in members}) == 1:
        common += 1
    return _by_folder(members, common)


def _are_studies(branches: Iterable[Records]) -> bool:
    """Judge whether folders are studies and not series: each of several shows more than one thing."""
    branches = list(branches)
    return len(branches) > 1 and all(len({record.shows for record in branch}) > 1 for branch in branches)


def _by_person(members: Records) -> list[Records]:
    """Split files by who was examined; what could be of any of several people stays apart from all of them."""
    people: list[list[Person]] = []
    belongs: dict[Person, int] = {}
    for person in sorted(
        {record.person for record in members}, key=lambda p: (-sum(map(bool, p.values)), p.values)
    ):
        fitting = [k for k, group in enumerate(people) if not any(map(person.contradicts, group))]
        if len(fitting) != 1:
            fitting = [len(people)]
            people.append([])
        people[fitting[0]].append(person)
        belongs[person] = fitting[0]
    parts: list[Records] = [[] for _ in people]
    for record in members:
        parts[belongs[record.person]].append(record)
    return [members] if _ids_of_series(parts) else parts


def _ids_of_series(parts: list[Records]) -> bool:
    """Tell whether ids were made anew for each series: at least three, in one frame of reference, of nobody else."""
    if len(parts) < _FEWEST_SERIES:
        return False
    frames = {record.frame_of_reference for part in parts for record in part}
    people = [replace(record.person, patient_id="") for part in parts for record in part[:1]]
    single = all(len({record.series for record in part}) == 1 for part in parts)
    same = not any(people[0].contradicts(other) for other in people)
    return single and same and len(frames) == 1 and is_uid(next(iter(frames)))


def _by_frame(members: Records) -> list[Records]:
    """Split files whose frames of reference each hold the same things: two examinations under one UID."""
    frames: dict[str, Records] = {}
    for record in members:
        frames.setdefault(record.frame_of_reference if is_uid(record.frame_of_reference) else "", []).append(
            record
        )
    shown = [{record.shows for record in part} for part in frames.values()]
    both = set[str].intersection(*shown) if shown else set()
    if len(frames) < 2 or "" in frames or len(both) < 2 or "sagittal t2" not in both:
        return [members]
    return list(frames.values())


def _doubts(members: Records) -> list[Problem]:
    """Record what may speak for two patients in one study, though headers do not tell them apart."""
    path = path_text(members[0].path.parent)
    remedy = f"they are read as one; if they are of two patients, {_CHECK}"
    reasons = []
    branches = list(_branches(members).values())
    images = [{record.image for record in branch} for branch in branches]
    copies = any(a & b for k, a in enumerate(images) for b in images[:k])  # the same study, exported twice
    if _are_studies(branches) and not copies:
        reasons.append(
            f"{len(branches)} folders share one StudyInstanceUID, and each looks like a whole study"
        )
    frames: dict[str, set[str]] = {}
    for record in members:
        frames.setdefault(record.shows, set()).add(record.frame_of_reference)
    if any(shows and len(found) > 1 for shows, found in frames.items()):
        reasons.append("images of one study show the same in several frames of reference")
    if _may_be_two(members):
        reasons.append("all three views are there twice, and no header says of whom")
    if len({bool(record.person.patient_id or record.person.name) for record in members}) > 1:
        reasons.append("some images of one study name a patient, and others do not")
    return [Problem(path, reason, remedy) for reason in reasons]


def _may_be_two(members: Records) -> bool:
    """Tell whether nobody is named, no frame of reference is known, and each view is there more than once."""
    if any(is_uid(record.frame_of_reference) or record.person.is_somebody for record in members):
        return False
    series: dict[str, set[str]] = {}
    for record in members:
        series.setdefault(record.shows, set()).add(series_name(record))
    return all(len(series.get(shows, ())) > 1 for shows in ("sagittal t1", "sagittal t2", "axial t2"))


def _split_problem(parts: list[Records]) -> Problem:
    path = path_text(parts[0][0].path.parent)
    reason = f"one StudyInstanceUID for {len(parts)} patients or examinations, as their headers say"
    return Problem(path, reason, f"each is read as a study of its own; {_CHECK}")


def _joined(studies: list[tuple[str, Records]]) -> tuple[list[tuple[str, Records]], list[Problem]]:
    """Join studies of one series or one file each that are parts of one examination, each with a UID of its own."""
    groups: dict[object, list[int]] = {}
    for k, (_, members) in enumerate(studies):
        first = members[0]
        alone = len({series_name(record) for record in members}) == 1
        known = (
            alone
            and first.person.is_somebody
            and bool(first.person.date)
            and is_uid(first.frame_of_reference)
        )
        same = (first.person.patient_id, first.person.birth_date, first.person.date, first.frame_of_reference)
        groups.setdefault(same if known else k, []).append(k)
    result: list[tuple[str, Records]] = []
    problems = []
    for together in groups.values():
        parts = [studies[k] for k in together]
        people = [members[0].person for _, members in parts]
        if len(parts) > 1 and not any(people[0].contradicts(other) for other in people):
            path = path_text(parts[0][1][0].path.parent)
            reason = f"{len(parts)} StudyInstanceUIDs for series of one patient, day and frame of reference"
            problems.append(Problem(path, reason, f"they are read as one study; {_CHECK}"))
            parts = [(parts[0][0], [record for _, members in parts for record in members])]
        result += parts
    return result, problems
