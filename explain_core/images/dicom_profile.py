"""Which elements of a DICOM file may tell who the patient is, by name and never by value.

The list is that of PS3.15, table E.1-1 (Basic Application Level Confidentiality Profile): all
elements for which the profile asks for an action, whatever the action is.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, MutableSequence
from typing import Any

from explain_core.images.dicom_files import PARSE_ERRORS

# Group, then elements, in hexadecimal.
_TABLE = """
0000: 1000 1001
0002: 0003
0004: 1511
0008: 0012 0013 0014 0015 0017 0018 0019 0020 0021 0022 0023 0024 0025 002a 0030 0031 0032 0033
  0034 0035 0050 0054 0055 0058 0080 0081 0082 0090 0092 0094 0096 009c 009d 0106 0107 0201 1000
  1010 1030 103e 1040 1041 1048 1049 1050 1052 1060 1062 1070 1072 1080 1084 1088 1110 1111 1120
  1140 1155 1195 1301 1302 1303 1304 2111 2112 3010 4000
0010: 0010 0011 0012 0013 0014 0015 0016 0020 0021 0030 0032 0040 0041 0042 0043 0044 0045 0046
  0047 0050 0101 0102 1000 1001 1002 1005 1010 1020 1030 1040 1050 1060 1080 1081 1090 1100 2000
  2110 2150 2152 2154 2155 2160 2161 2162 2180 21a0 21b0 21c0 21d0 21f0 2203 2297 2299 4000
0012: 0010 0020 0021 0022 0023 0030 0031 0032 0040 0041 0042 0043 0050 0051 0055 0060 0071 0072
  0073 0081 0082 0086 0087
0014: 407c 407e
0016: 002b 004b 004d 004e 004f 0050 0051 0070 0071 0072 0073 0074 0075 0076 0077 0078 0079 007a
  007b 007c 007d 007e 007f 0080 0081 0082 0083 0084 0085 0086 0087 0088 0089 008a 008b 008c 008d
  008e
0018: 0010 0027 0035 1000 1002 1004 1005 1007 1008 1009 100a 100b 1010 1011 1012 1014 1030 1042
  1043 1072 1073 1078 1079 11bb 1200 1201 1202 1203 1204 1205 1400 2042 4000 5011 700a 700c 700e
  9074 9151 9185 9367 9369 936a 9371 9373 937b 937f 9424 9516 9517 9623 9701 9804 9919 9937 a002
  a003
0020: 000d 000e 0010 0027 0052 0200 3401 3403 3405 3406 4000 9158 9161 9164
0028: 1199 1214 4000
0032: 0012 0032 0033 0034 0035 1000 1001 1010 1011 1020 1021 1030 1032 1033 1040 1041 1050 1051
  1060 1066 1067 1070 4000
0034: 0001 0002 0005 0007
0038: 0004 0010 0011 0014 001a 001b 001c 001d 001e 0020 0021 0030 0032 0040 0050 0060 0061 0062
  0064 0300 0400 0500 4000
003a: 0020 0203 020c 0310 0314 0329 032b
0040: 0001 0002 0003 0004 0005 0006 0007 0009 000b 0010 0011 0012 0241 0242 0243 0244 0245 0250
  0251 0253 0254 0275 0280 0310 050a 0512 0513 051a 0551 0554 0555 0556 0562 0600 0602 0610 06fa
  1001 1002 1004 1005 100a 1010 1011 1101 1102 1103 1104 1400 2001 2004 2005 2008 2009 2010 2011
  2016 2017 2400 3001 4005 4008 4010 4011 4023 4025 4027 4028 4030 4034 4035 4036 4037 4050 4051
  4052 a023 a024 a027 a030 a032 a033 a034 a035 a073 a075 a078 a07a a07c a082 a088 a110 a112 a120
  a121 a122 a123 a124 a13a a171 a172 a192 a193 a307 a352 a353 a354 a358 a402 a730 b020 b034 b036
  b03b b03f db06 db07 db0c db0d e004 e012
0042: 0011
0044: 0004 000b 0010 0104 0105
0050: 001b 0020 0021
0062: 0021
0064: 0003
0068: 6226 6270
006a: 0003 0005 0006
0070: 0001 0006 0082 0083 0084 0086 031a 1101 1102
0072: 000a 005e 005f 0061 0063 0065 0066 0068 006a 006b 006c 006d 006e 0070 0071
0074: 1234 1236
0088: 0140 0200 0904 0906 0910 0912
0100: 0420
0400: 0100 0105 0115 0310 0402 0403 0404 0550 0551 0552 0561 0562 0563 0564 0565 0600
2030: 0020
2100: 0040 0050 0070 0140
2200: 0002 0005
3002: 0121 0123
3006: 0002 0004 0006 0008 0009 0024 0026 0028 002d 002e 0038 004d 004e 0085 0088 00a6 00c2
3008: 0024 0025 0054 0056 0105 0162 0164 0166 0168 0250 0251
300a: 0002 0003 0004 0006 0007 000b 000e 0013 0016 0054 0072 0083 00b2 00c3 00dd 0196 01a6 01b2
  0216 022c 022e 02eb 0608 0609 0611 0615 0619 0623 062a 0650 0676 067c 067d 0700 0734 0736 073a
  0741 0742 0760 0783 0785 078e 0792 0794 079a
300c: 0113 0127
300e: 0004 0005 0008
3010: 0006 000b 000f 0013 0015 0017 001b 002d 0031 0033 0034 0035 0036 0037 0038 003b 0043 004c
  004d 0054 0056 005a 005c 0061 006e 006f 0077 007a 007b 007f 0081 0085
4000: 0010 4000
4008: 0040 0042 0100 0101 0102 0108 0109 010a 010b 010c 0111 0112 0113 0114 0115 0118 0119 011a
  0200 0202 0300 4000
fffa: fffa
fffc: fffc
"""
_CURVES = range(0x5000, 0x5100)
_OVERLAYS = range(0x6000, 0x6100)
_OVERLAY_DATA = (0x3000, 0x4000)
_PRIVATE = "private elements"
_MAX_ELEMENTS = 100_000


def _parse_table() -> frozenset[int]:
    tags = set()
    group = 0
    for word in _TABLE.split():
        if word.endswith(":"):
            group = int(word[:-1], 16)
        else:
            tags.add(group << 16 | int(word, 16))
    return frozenset(tags)


IDENTIFYING = _parse_table()


def identifying_names(film: Any) -> tuple[str, ...]:
    """Return the names of elements of a pydicom data set that have a value and may identify.

    Sequences are searched too; private elements are told of as one. Unique identifiers, which
    every file carries, stand last.

    Args:
        film: a `pydicom.FileDataset`, with its file meta information.
    """
    dictionary = importlib.import_module("pydicom.datadict")
    names: dict[str, bool] = {}
    for tag, kind, has_value in _elements(film, dictionary):
        if not has_value:
            continue
        if tag.is_private:
            names[_PRIVATE] = False
        elif _is_identifying(tag.group, tag.element):
            try:
                name = dictionary.dictionary_description(tag)
            except KeyError:
                name = str(tag)
            names[name] = kind == "UI"
    return tuple(sorted(names, key=lambda name: names[name]))


def _is_identifying(group: int, element: int) -> bool:
    if group in _CURVES:
        return True
    if group in _OVERLAYS:
        return element in _OVERLAY_DATA
    return group << 16 | element in IDENTIFYING


def _elements(film: Any, dictionary: Any) -> Iterator[tuple[Any, str, bool]]:
    """Yield (tag, kind, whether it has a value) of all elements, but no end of them.

    Values are not parsed, for they may be damaged; only sequences are.
    """
    waiting = [film, getattr(film, "file_meta", None) or ()]
    num_left = _MAX_ELEMENTS
    while waiting:
        level = waiting.pop(0)
        for tag in level.keys() if level else ():
            num_left -= 1
            if num_left < 0:
                return
            element = level.get_item(tag)
            kind = element.VR
            if kind in (None, "UN") and dictionary.dictionary_has_tag(tag):
                kind = dictionary.dictionary_VR(tag)
            value = element.value
            if kind == "SQ":
                value = _items(level, tag)
                waiting.extend(value)
            is_blank = isinstance(value, bytes) and not value.strip(b" \0")
            yield tag, kind, bool(value) and not is_blank


def _items(level: Any, tag: Any) -> list[Any]:
    try:
        items = level[tag].value
    except PARSE_ERRORS:
        return []
    return list(items) if isinstance(items, MutableSequence) else []
