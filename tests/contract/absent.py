# SPDX-License-Identifier: BSD-3-Clause
"""Absent, null, [], "", 0 and {} in every field of every request: what was given is given back, by
the answer and by the GET after it, and what is absent follows the official server, whose answers are
recorded in tests/data/rest-fields.json (tests/interop/rest_verdicts.py records and compares).
Usage: absent.py RESTD FACTS.json"""
import http.client
import json
import sys

import fields
from server import Server

TOKEN = "contract-setup-token"


class Caller:
    """One kept connection."""

    def __init__(self, port, token):
        self.port, self.token, self.connection = port, token, None

    def __call__(self, method, path, body):
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": "Token " + self.token, "Content-Type": "application/json"}
        for _ in range(3):
            try:
                if not self.connection:
                    self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
                self.connection.request(method, path, data, headers)
                r = self.connection.getresponse()
                text = r.read()
                try:
                    return r.status, json.loads(text)
                except ValueError:
                    return r.status, text.decode(errors="replace")
            except (http.client.HTTPException, OSError):
                self.connection.close()
                self.connection = None
        return 0, "the connection was closed"




def restd_api(server):
    answer = server.request("POST", "/api/setup", {
        "email": "owner@example.com", "password": "Correct-horse-1", "name": "O",
        "create_pat": True}, None, {"X-Setup-Token": TOKEN})
    return fields.Api(Caller(server.port, answer.json()["personal_access_token"]),
                      lambda key: server.command("enrol %s 1" % key))


def main():
    with open(sys.argv[2], encoding="utf-8") as f:
        official = json.load(f)
    with Server(sys.argv[1], TOKEN) as server:
        ours = fields.probe_all(restd_api(server), texts=False)
    n, lines = fields.differences(official, ours)
    lines += fields.inconsistencies(ours)
    for line in lines:
        print("FAIL", line)
    print(f"{len(ours)} fields, {n} answers compared, {len(lines)} failed")
    return 1 if lines or n < 500 else 0


if __name__ == "__main__":
    sys.exit(main())
