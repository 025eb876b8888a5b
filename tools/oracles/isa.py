"""AMD's tables, as the tinygrad wheel carries them: pseudocode and operand formats by mnemonic. Read at run
time; their text goes nowhere."""

import functools
import re

import pseudocode as pc
from tinygrad.runtime.autogen.amd.cdna.operands import OPERANDS
from tinygrad.runtime.autogen.amd.cdna.str_pcode import PCODE


def plain(name):
    return re.sub(r"_(e32|e64)$", "", name.lower())


TEXTS = {}
for _op, _text in PCODE.items():
    TEXTS.setdefault(plain(_op.name), {})[type(_op).__name__] = _text
FORMATS = {}
for _op, _fields in OPERANDS.items():
    FORMATS.setdefault(plain(_op.name), {})[type(_op).__name__] = {
        name: (fmt.name.removeprefix("FMT_NUM_").lower(), bits) for name, (fmt, bits, _) in _fields.items()
    }


@functools.cache
def tree(base, *kinds):
    """The parsed pseudocode of a base mnemonic, of the first of the microcode formats that has it."""
    texts = TEXTS[base]
    for kind in kinds:
        if kind in texts:
            return pc.parse(texts[kind])
    return pc.parse(next(iter(texts.values())))


def fields(base, *kinds):
    """Operand → (format, bits)."""
    found = FORMATS[base]
    for kind in kinds:
        if kind in found:
            return found[kind]
    return next(iter(found.values()))
