#!/usr/bin/env python3
"""Writes the emulator's semantic vectors and docs/semantics.md, the table of what is covered by which source.

    tools/oracles/generate.py            # write them
    tools/oracles/generate.py --check    # fail when a file would change

Makes a virtual environment in target/oracles (or MI355X_ORACLE_VENV) on the first run and installs what
`requirements.txt` names: tinygrad for AMD's pseudocode, mmasim for the matrix instructions of CDNA3 (with the PyTorch
that it needs: some gigabytes). Nothing of them is copied. Needs `.rocm`, which the workspace's build fetches.
"""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
DATA = ROOT / "crates/emulator/tests/data"
USED = DATA / "used_mnemonics.txt"
PAGE = ROOT / "docs/semantics.md"
HEADER = "Written by tools/oracles/generate.py; vectors.py beside it says how to read it."


def enter_environment():
    """Runs this program again under the environment's Python."""
    folder = Path(os.environ.get("MI355X_ORACLE_VENV", ROOT / "target/oracles"))
    python, stamp = folder / "bin/python", folder / "requirements.txt"
    wanted = (HERE / "requirements.txt").read_text()
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", HERE / "requirements.txt"], check=True)
        stamp.write_text(wanted)
    os.environ["MI355X_ORACLE_INSIDE"] = "1"
    # mmasim builds a small library of its own when it is imported; it stays in the environment.
    os.environ["PATH"] = f"{folder / 'bin'}:{os.environ['PATH']}"
    os.environ["TORCH_EXTENSIONS_DIR"] = str(folder / "extensions")
    os.execv(python, [python, *sys.argv])


def used():
    return [line.split()[1] for line in USED.read_text().splitlines() if not line.startswith("#")]


def groups(mnemonics):
    """Groups by vector file."""
    import beyond
    import lanes
    import matrix
    import memory
    import scalar
    import variants

    layouts, model = matrix.groups(mnemonics)
    return {
        "valu": variants.groups(mnemonics),
        "scalar": scalar.groups(mnemonics),
        "lanes": lanes.groups(mnemonics),
        "memory": memory.groups(mnemonics),
        "matrix": layouts,
        "cdna3": model,
        "beyond": beyond.groups(set(mnemonics)),
    }


def main():
    if "MI355X_ORACLE_INSIDE" not in os.environ:
        enter_environment()
    import report
    import vectors

    mnemonics = used()
    files = groups(mnemonics)
    texts = {DATA / f"oracle_{name}.txt": vectors.render(HEADER, found) for name, found in files.items()}
    texts[PAGE] = report.render(mnemonics, files, ROOT)
    changed = [path for path, text in texts.items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv:
        for path in changed:
            print(f"{path.relative_to(ROOT)} is not what the generator writes", file=sys.stderr)
        sys.exit(bool(changed))
    for path in changed:
        path.write_text(texts[path])
    covered = {group.mnemonic for found in files.values() for group in found} & set(mnemonics)
    print(f"{len(covered)} of {len(mnemonics)} mnemonics, {sum(map(len, texts.values()))} bytes, {len(changed)} files changed")


if __name__ == "__main__":
    main()
