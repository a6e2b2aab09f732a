"""A child that a file has taken over can call nobody, start nothing and signal no one.

A seccomp filter refuses a handful of system calls that no decoder needs, for good. Where the kernel
or the machine has no filters the child goes on without: this is the second wall, not the first.
"""

import ctypes
import errno
import platform
import struct
from typing import Final

_PR_SET_SECCOMP: Final = 22
_MODE_FILTER: Final = 2
_LOAD, _EQUALS, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000 | errno.EPERM
_NUMBER_AT, _MACHINE_AT = 0, 4
_FOREIGN_NUMBERS: Final = 0x40000000  # x86's x32 names the same calls by other numbers

# name -> (x86-64, aarch64)
_REFUSED: Final = {
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "execve": (59, 221),
    "execveat": (322, 281),
    "kill": (62, 129),
    "pidfd_send_signal": (424, 424),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "io_uring_setup": (425, 425),
    "bpf": (321, 280),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
}
_MACHINES: Final = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def seal() -> bool:
    """Refuse those calls to this process from now on; whether the system could do it.

    Needs PR_SET_NO_NEW_PRIVS before.
    """
    if platform.machine() not in _MACHINES:
        return False
    column, machine = _MACHINES[platform.machine()]
    steps = _filter(machine, [numbers[column] for numbers in _REFUSED.values()])
    program = _Program(len(steps) // 8, steps)
    libc = ctypes.CDLL(None, use_errno=True)
    return not libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0)


def _filter(machine: int, refused: list[int]) -> bytes:
    """Berkeley packet filter steps; jumps count the steps that are skipped."""
    return b"".join(
        (
            _step(_LOAD, _MACHINE_AT),
            _step(_EQUALS, machine, yes=1),
            _step(_RETURN, _REFUSE),
            _step(_LOAD, _NUMBER_AT),
            _step(_AT_LEAST, _FOREIGN_NUMBERS, yes=len(refused) + 1),
            *(
                _step(_EQUALS, number, yes=len(refused) - place)
                for place, number in enumerate(refused)
            ),
            _step(_RETURN, _ALLOW),
            _step(_RETURN, _REFUSE),
        )
    )


def _step(code: int, value: int, yes: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, 0, value)
