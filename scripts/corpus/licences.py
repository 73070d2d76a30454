"""Which licence a file of a Debian package is under, and whether that is a permissive one.

Three questions, and a file has to pass them all: what debian/copyright says of its path (the last paragraph whose
pattern matches, as the format has it), what the file says of itself, and where debian/copyright names no licence
for the path, what packages.json says of the package.
"""
import fnmatch
import re

INSTALLED = re.compile(r"^usr/lib/python3(\.\d+)?/(dist-packages/)?")
SOURCE_ROOTS = ("", "src/", "lib/", "Lib/")  # where a source tree has what is installed
PERMISSIVE = re.compile(r"(?i)(bsd(-?[234]?(-clause)?)|expat|mit|apach[ae]e?(-?2(\.0)?)?"  # (one is misspelt)
                        r"|psfl?(-?2(\.0)?)?|python(-2(\.0)?)?|isc|zlib|public-domain|cc0(-1\.0)?"
                        r"|boost(-1\.0)?|bsl-1\.0|0bsd|unlicense|anaconda-bsd)$")
COPYLEFT = re.compile(r"(?i:general\s+public\s+licen[cs]e|creative\s+commons|mozilla\s+public|eclipse\s+public"
                      r"|common\s+development\s+and\s+distribution|affero|non-?commercial|gnu\s+gpl)"
                      r"|\b[AL]?GPL(v?\s?[123]|\b)|\bCC[- ]BY|\bMPL[- ]?[12]|\bEUPL\b|\bCeCILL\b")


def permissive(name):
    """Of a licence's short name: one of several to choose from is enough, all of those that hold at once."""
    choices = re.split(r"\s+or\s+", name.strip(), flags=re.I)
    return any(all(PERMISSIVE.match(part) for part in re.split(r"\s+and\s+|\s*,\s*", choice, flags=re.I))
               for choice in choices)


def paragraphs(copyright_text):
    """(patterns, licence's short name, or "" where only a text is given) of debian/copyright; none where it is
    not in the machine-readable format."""
    if not copyright_text.lstrip().startswith("Format"):
        return []
    found = []
    for block in re.split(r"\n\s*\n", copyright_text):
        files = re.search(r"(?m)^Files:((?:.*)(?:\n[ \t].*)*)", block)
        licence = re.search(r"(?m)^License:[ \t]*(.*)$", block)
        if files and licence:
            found.append((files[1].replace(",", " ").split(), licence[1]))
    return found


class Licences:
    """What a package's debian/copyright says."""

    def __init__(self, copyright_text, of_package):
        self.paragraphs, self.of_package = paragraphs(copyright_text), of_package

    def of(self, path):
        """The short name for an installed path."""
        names = [root + INSTALLED.sub("", path) for root in SOURCE_ROOTS]
        answer = self.of_package
        for patterns, licence in self.paragraphs:
            if any(fnmatch.fnmatchcase(name, p + "*" if p.endswith("/") else p) for p in patterns for name in names):
                answer = licence or self.of_package
        return answer

    def refuses(self, path, text):
        """Why a file stays out, or None."""
        if not permissive(self.of(path)):
            return "debian/copyright: " + self.of(path)
        said = COPYLEFT.search(text)
        return "says of itself: " + " ".join(said[0].split()) if said else None
