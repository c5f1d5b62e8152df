# SPDX-License-Identifier: BSD-3-Clause
"""Two rookery processes on the PostgreSQL of tests/lib/pg.sh: the second made from the first."""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "func"))
from proc import check  # noqa: E402
from rookery import Server  # noqa: E402

DSN = os.environ["RK_TEST_PG"]
EMAIL = "owner@example.com"
PSQL = ["psql", "-Atqc"]


def sql(text, dsn=DSN):
    r = subprocess.run(PSQL + [text, dsn], capture_output=True, text=True, timeout=60)
    assert r.returncode == 0, r.stderr
    return r.stdout.strip()


def wait(what, test, seconds=60):
    """Until test() says yes; a loaded machine may take long."""
    end = time.time() + seconds
    while time.time() < end:
        got = test()
        if got:
            return got
        time.sleep(0.05)
    check(what, False, "not within %d s" % seconds)
    return None


def server(first=None, dsn=DSN, start=True, **env):
    env = dict(ROOKERY_STORE_ENGINE="postgres", ROOKERY_STORE_DSN=dsn, **env)
    if first:  # one service: agents and browsers know it by one address
        env["ROOKERY_EXPOSED_ADDRESS"] = first.env["ROOKERY_EXPOSED_ADDRESS"]
    s = Server(start=False, **{k: v for k, v in env.items() if k != "ROOKERY_EXPOSED_ADDRESS"})
    s.env.update(env)
    if start:
        s.start()
    return s


def token_file(text):
    path = "%s/node-token.%d" % (os.environ.get("TMPDIR", "/tmp"), os.getpid())
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write(text)
    return path


def join(first, second, token=None):
    """The node-join command's result."""
    if token is None:
        r = first.command("admin", "node-token")
        assert r.returncode == 0, r.stderr
        token = r.stdout
    path = token_file(token)
    r = second.command("admin", "node-join", "--token-file", path)
    os.unlink(path)
    return r


def pair(**env):
    """Two servers, set up; the second has the first one's API token, too."""
    a = server(**env)
    b = server(a, start=False, **env)
    r = join(a, b)
    assert r.returncode == 0, r.stderr
    b.start()
    a.setup()
    b.token = a.token
    return a, b
