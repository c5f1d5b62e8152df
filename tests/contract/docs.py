# SPDX-License-Identifier: BSD-3-Clause
"""Runs the commands of docs/api.md, one shell for all of them, against restd. Each block must
succeed, and what it prints must be an answer without an error, but for the block that shows one.
Usage: docs.py RESTD docs/api.md"""
import json
import re
import subprocess
import sys

from server import Server

TOKEN = "docs-setup-token"
MARK = "==block=="


def main():
    with open(sys.argv[2], encoding="utf-8") as f:
        blocks = re.findall(r"^```sh\n(.*?)^```$", f.read(), re.S | re.M)
    failed = 0
    with Server(sys.argv[1], TOKEN) as server:
        script = f"set -eu\nURL=http://127.0.0.1:{server.port} SETUP_TOKEN={TOKEN}\n"
        for block in blocks:
            script += block + f"\necho {MARK}\n"
        run = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=60,
                             check=False)
    outputs = run.stdout.split(MARK + "\n")[:-1]
    if run.returncode or len(outputs) != len(blocks):
        print("FAIL", run.returncode, run.stderr, run.stdout[-500:])
        failed += 1
    for block, output in zip(blocks, outputs):
        for line in filter(None, output.split("\n")):
            answer = json.loads(line)
            wrong = isinstance(answer, dict) and "code" in answer
            if wrong != ('"name":7' in block):
                print("FAIL", block, line)
                failed += 1
    print(f"{len(blocks)} blocks of commands, {failed} failed")
    return 1 if failed or not blocks else 0


if __name__ == "__main__":
    sys.exit(main())
