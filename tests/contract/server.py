# SPDX-License-Identifier: BSD-3-Clause
"""Starts tests/contract/restd on a fresh store, and speaks HTTP to it. With STORE=pg in the
environment the store is a new database of the PostgreSQL that tests/lib/pg.sh started."""
import http.client
import json
import os
import subprocess
import tempfile
import time


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)


class Server:
    """One restd process; use as a context manager."""

    def __init__(self, program, setup_token=None, env=None):
        self.dir = tempfile.TemporaryDirectory(prefix="rookery-contract-")
        self.database = None
        self.args = [program, self.store_url()]
        if setup_token:
            self.args.append(setup_token)
        self.clients = 0
        self.start(env)

    def start(self, env):
        self.process = subprocess.Popen(self.args, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env={**os.environ, **(env or {})})
        line = self.process.stdout.readline().split()
        if not line or line[0] != "port":
            raise RuntimeError("restd does not start")
        self.port = int(line[1])
        self.connection = None

    def end(self):
        if self.connection:
            self.connection.close()
        self.process.stdin.close()
        status = self.process.wait(30)
        self.process.stdout.close()
        return status

    def restart(self, env):
        """The same store, another environment."""
        status = self.end()
        if status != 0:
            raise RuntimeError(f"restd ended with {status}")
        self.start(env)

    def store_url(self):
        if os.environ.get("STORE") != "pg":
            return "sqlite:" + os.path.join(self.dir.name, "store.db")
        self.database = f"contract_{os.getpid()}"
        self.psql("CREATE DATABASE " + self.database)
        return f"{os.environ['RK_TEST_PG']} dbname={self.database}"

    def psql(self, sql):
        subprocess.run(["psql", "-qX", os.environ["RK_TEST_PG"], "-c", sql], check=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        status = self.end()
        self.dir.cleanup()
        if self.database:
            self.psql("DROP DATABASE " + self.database)
        if status != 0 and exc[0] is None:
            raise RuntimeError(f"restd ended with {status}")

    def command(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def request(self, method, path, body=None, token=None, headers=None, raw=None):
        """body: a value sent as JSON; raw: bytes sent as they are. Each request comes from another
        address (restd trusts what we say), so that limits per address do not get in the way."""
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        self.clients += 1
        sent = {"X-Forwarded-For": f"10.{self.clients >> 16 & 255}.{self.clients >> 8 & 255}."
                                   f"{self.clients & 255}"}
        sent.update(headers or {})
        if token:
            sent["Authorization"] = "Token " + token
        for attempt in (0, 1):
            if not self.connection:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                self.connection.request(method, path, data, sent)
                r = self.connection.getresponse()
                return Answer(r.status, {k.lower(): v for k, v in r.getheaders()}, r.read())
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self.connection.close()
                self.connection = None  # the server may close a kept connection at any time
                if attempt:
                    raise
                time.sleep(0.05)
