"""Run as a script by the tests of a shared cache: cache_tiny.py IMAGES CACHE N [GATE].

Decodes N studies, all but the first images not before the file GATE is there; prints what it does
and a hash of the images.
"""

from __future__ import annotations

import hashlib
import itertools
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

if __name__ == "__main__":
    from tiny import find_studies, make_recipe

    from ulna.training import cache

    read = cache.read_radiograph

    images = itertools.count()

    def behind_gate(path: Path) -> object:
        while next(images) > 3 and not Path(sys.argv[4]).exists():
            time.sleep(0.01)
        return read(path)

    if len(sys.argv) > 4:
        cache.read_radiograph = behind_gate  # type: ignore[assignment]
    studies = find_studies(Path(sys.argv[1]), int(sys.argv[3]))
    images = cache.build_cache(
        studies, make_recipe(), Path(sys.argv[2]), lambda what, *_: print(what, flush=True)
    )
    print(hashlib.sha256(images.images.tobytes()).hexdigest(), flush=True)
