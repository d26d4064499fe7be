# SPDX-License-Identifier: Apache-2.0
"""Find out whether other people or machines can reach the private folder."""

import grp
import os
import re
import stat
from pathlib import Path

MOUNTS = Path('/proc/self/mountinfo')
# Types of file systems (proc(5)) that several machines share.
NETWORK = re.compile(
    r'nfs\d?|cifs|smb\w*|lustre|gpfs|beegfs|ceph|afs|9p|panfs|orangefs|fuse\.(?:sshfs|gluster\w*)'
)


def warning(private_dir: Path) -> str | None:
    """Return a sentence if the private folder is on a file system that machines share, or None.

    Its permissions hold there as long as all of them are honest about their users.
    """
    try:
        kind = file_system(private_dir, MOUNTS.read_text(encoding='utf-8', errors='replace'))
    except OSError:  # not Linux, or /proc is hidden
        return None
    if kind is None or not NETWORK.fullmatch(kind):
        return None
    return (
        f'The private folder {private_dir} shows faces and is on a network file system ({kind}): '
        'other machines and their administrators may read it. Choose a local folder with '
        '--private-dir if that matters.'
    )


def note_on_group(folder: Path) -> str | None:
    """Return a note if the group of a private folder may read it, which may be intended."""
    status = folder.stat()
    if not stat.S_IMODE(status.st_mode) & 0o070:
        return None
    try:
        group = grp.getgrgid(status.st_gid).gr_name
    except KeyError:
        group = str(status.st_gid)
    return (
        f'{folder}: the members of the group {group} may read the private folder. Run chmod 700 '
        f'{folder} if they must not.'
    )


def file_system(path: Path, mounts: str) -> str | None:
    """Return the type of the file system that holds a path, or None if it is not known.

    Parameters
    ----------
    path
        The path, which need not exist.
    mounts
        Content of ``/proc/self/mountinfo`` (proc(5)): the mount point is the fifth field, the type
        follows a hyphen.
    """
    place = Path(os.path.realpath(path))
    found: tuple[int, str] | None = None
    for line in mounts.splitlines():
        before, hyphen, after = line.partition(' - ')
        fields = before.split(' ')
        if not hyphen or len(fields) < 5:
            continue
        spelled = re.sub(r'\\(\d{3})', lambda match: chr(int(match[1], 8)), fields[4])
        point = Path(spelled)
        if place.is_relative_to(point) and (found is None or len(point.parts) >= found[0]):
            found = len(point.parts), after.split(' ')[0]  # the last mount covers earlier ones
    return found[1] if found else None
