"""Version of Conan 2. Lines in: "c A B", both in hexadecimal. One character out for each: < = > or ! where Conan fails."""

import sys

import conan
from conan.tools.scm import Version

print(conan.__version__)


def answer(left, right):
    left, right = Version(left), Version(right)
    return "<" if left < right else "=" if left == right else ">"


for line in sys.stdin:
    _, *texts = line.rstrip("\n").split(" ")
    try:
        print(answer(*(bytes.fromhex(text).decode() for text in texts)))
    except Exception:
        print("!")
