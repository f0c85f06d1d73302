"""Score a folder of recordings: python many_files.py MODEL FOLDER.

One that is broken is named, and the others are scored. For tables, events and pictures on disk use
`oddframe.score`, which works side by side; for thousands of recordings `oddframe.score_archive`.
"""

import sys
from pathlib import Path

import oddframe

model_path, folder = sys.argv[1:3]
model = oddframe.load(model_path)

done = 0
for path in sorted(Path(folder).iterdir()):
    try:
        highest = max((score.score or 0 for score in model.scores(path)), default=0)
    except oddframe.OddframeError as error:
        # One sentence: what must hold, what was found, what to do.
        print(f"skipped: {error}")
        continue
    done += 1
    print(f"{path.name}: {highest:.2f}")
print(f"{done} recording(s)")
