"""packaging, or (first argument) a module that holds it. Lines in: "c A B" compares, "s REQUIREMENT VERSION" asks whether it is
satisfied, all in hexadecimal. One character out for each: < = > t f, or ! where packaging refuses."""

import importlib
import sys
import warnings

warnings.simplefilter("ignore")
sys.set_int_max_str_digits(0)
packaging = sys.argv[1] if len(sys.argv) > 1 else "packaging"
version = importlib.import_module(packaging + ".version")
specifiers = importlib.import_module(packaging + ".specifiers")

print(importlib.import_module(packaging).__version__)


def answer(kind, left, right):
    if kind == "c":
        left, right = version.parse(left), version.parse(right)
        return "<" if left < right else ">" if left > right else "="
    version.Version(right)
    asked = specifiers.SpecifierSet(left)
    return "t" if asked.contains(right, prereleases=bool(asked.prereleases)) else "f"


for line in sys.stdin:
    kind, *texts = line.rstrip("\n").split(" ")
    try:
        print(answer(kind, *(bytes.fromhex(text).decode() for text in texts)))
    except Exception:
        print("!")
