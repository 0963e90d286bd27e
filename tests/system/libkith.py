# SPDX-License-Identifier: Apache-2.0
"""libkith in this process, for tests that write more records than programs could be started for.

    with Library(laptop) as kith:
        visit = kith.add("visit", participant=maria, date="2026-03-02", ...)
        kith.sign(visit)

A home is open in one program at a time: use the laptop's own commands before or after.
"""
import ctypes
import os

from lab import BIN, PASSPHRASE, Failed, Skipped

CLOCK_OK = 1


class Input(ctypes.Structure):
    _fields_ = [("field", ctypes.c_char_p), ("op", ctypes.c_char), ("value", ctypes.c_char_p)]


class Addendum(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_char_p), ("text", ctypes.c_char_p), ("changes", ctypes.POINTER(Input)),
                ("change_count", ctypes.c_size_t), ("takes_late", ctypes.c_bool)]


def inputs_of(fields):
    """Values that are lists are added one by one."""
    rows = []
    for name, value in fields.items():
        for one in value if isinstance(value, list) else [value]:
            rows.append(Input(name.encode(), b"+" if isinstance(value, list) else b"=", one.encode()))
    return (Input * len(rows))(*rows), len(rows)


class Library:
    def __init__(self, laptop):
        path = os.path.join(BIN, "libkith.so.0")
        if not os.path.exists(path):
            raise Skipped("this build has no shared libkith")
        self.home, self.handle = laptop.home, ctypes.c_void_p()
        self.lib = ctypes.CDLL(path)
        self.lib.kith_detail.restype = ctypes.c_char_p
        self.lib.kith_error_name.restype = ctypes.c_char_p

    def __enter__(self):
        self.check("open", self.lib.kith_open(self.home.encode(), PASSPHRASE.encode(), ctypes.byref(self.handle)))
        return self

    def __exit__(self, *_):
        self.lib.kith_close(ctypes.byref(self.handle))

    def check(self, what, code):
        if code:
            detail = self.lib.kith_detail(self.handle).decode() if self.handle else ""
            raise Failed("%s: %s: %s" % (what, self.lib.kith_error_name(code).decode(), detail))

    def add(self, type, **fields):
        inputs, count = inputs_of(fields)
        made = ctypes.create_string_buffer(27)
        self.check("add " + type, self.lib.kith_record_add(self.handle, type.encode(), inputs,
                                                           ctypes.c_size_t(count), made))
        return made.value.decode()

    def sign(self, visit):
        self.check("sign", self.lib.kith_visit_sign(self.handle, visit.encode(), ctypes.c_uint(CLOCK_OK)))

    def submit(self, visit):
        self.check("submit", self.lib.kith_visit_submit(self.handle, visit.encode()))

    def cosign(self, visit):
        self.check("cosign", self.lib.kith_visit_cosign(self.handle, visit.encode(), None))

    def void(self, visit, reason):
        self.check("void", self.lib.kith_visit_void(self.handle, visit.encode(), reason.encode()))

    def correct(self, visit, text, **fields):
        inputs, count = inputs_of(fields)
        addendum = Addendum(b"correction", text.encode(), inputs, count, False)
        self.check("addendum", self.lib.kith_visit_addend(self.handle, visit.encode(), ctypes.byref(addendum)))
