# SPDX-License-Identifier: BSD-3-Clause
"""pebble as the authority, trusted by the mount namespace that the test runs in."""
import json
import os
import socket
import subprocess

from proc import Program, certificate, clean_env, free_port

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


class Authority:
    def __init__(self, work, tls_port, http_port, life_s, reject=25):
        self.work = work
        self.cert, self.key = certificate(work, "pebble")
        with open(work + "/bundle", "w") as f:
            f.write(open(BUNDLE).read() + open(self.cert).read())
        subprocess.run(["mount", "--bind", work + "/bundle", BUNDLE], check=True)
        self.port, self.dns = free_port(), free_port(socket.SOCK_DGRAM)
        with open(work + "/pebble.json", "w") as f:
            json.dump({"pebble": {
                "listenAddress": "127.0.0.1:%d" % self.port,
                "managementListenAddress": "127.0.0.1:%d" % free_port(),
                "certificate": self.cert, "privateKey": self.key, "httpPort": http_port,
                "tlsPort": tls_port, "ocspResponderURL": "", "certificateValidityPeriod": life_s,
                "externalAccountBindingRequired": False}}, f)
        self.dns_p = subprocess.Popen(
            ["pebble-challtestsrv", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-dns01",
             "127.0.0.1:%d" % self.dns, "-http01", "", "-https01", "", "-tlsalpn01", "",
             "-management", "127.0.0.1:%d" % free_port()],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.env = clean_env(PEBBLE_VA_NOSLEEP="1", PEBBLE_WFE_NONCEREJECT=str(reject),
                             PEBBLE_AUTHZREUSE="0")
        self.url = "https://localhost:%d/dir" % self.port
        self.p = None

    def start(self):
        self.p = Program(["pebble", "-config", self.work + "/pebble.json", "-dnsserver",
                          "127.0.0.1:%d" % self.dns], self.port, self.env)

    def stop(self):
        if self.p:
            self.p.kill()

    def end(self):
        self.stop()
        self.dns_p.kill()
        self.dns_p.wait()
        subprocess.run(["umount", BUNDLE])
