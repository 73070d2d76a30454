#!/usr/bin/env python3
"""Writes lib/text/nfc_data.inc: what normalization form C needs, from Python's Unicode tables."""
import pathlib
import sys
import unicodedata as ud

OUT = pathlib.Path(__file__).resolve().parents[2] / "lib/text/nfc_data.inc"
HANGUL = range(0xAC00, 0xD7A4)


def canonical(c):
    """One step of canonical decomposition of a code point, as code points; nothing when there is none."""
    d = ud.decomposition(chr(c))
    return [] if not d or d.startswith("<") else [int(x, 16) for x in d.split()]


def main():
    points = [c for c in range(sys.maxunicode + 1) if not 0xD800 <= c < 0xE000 and c not in HANGUL]
    decompositions = [(c, d) for c in points if (d := canonical(c))]
    classes = [(c, ud.combining(chr(c))) for c in points if ud.combining(chr(c))]
    # A pair composes when normalization says so: singletons and excluded characters do not.
    pairs = [(d, c) for c, d in decompositions if len(d) == 2 and ud.normalize("NFC", chr(c)) == chr(c)]
    with open(OUT, "w") as out:
        out.write(f"// Written by scripts/reference/unicode_nfc.py from Unicode {ud.unidata_version}.\n")
        out.write("constexpr Decomposition kDecompositions[] = {\n")
        for c, d in decompositions:
            out.write(f"{{0x{c:X},0x{d[0]:X},0x{d[1] if len(d) == 2 else 0:X}}},\n")
        out.write("};\nconstexpr CombiningClass kCombiningClasses[] = {\n")
        for c, k in classes:
            out.write(f"{{0x{c:X},{k}}},\n")
        out.write("};\nconstexpr Decomposition kCompositions[] = {  // by pair\n")
        for (a, b), c in sorted(pairs):
            out.write(f"{{0x{c:X},0x{a:X},0x{b:X}}},\n")
        out.write("};\n")


if __name__ == "__main__":
    main()
