# SPDX-License-Identifier: BSD-3-Clause
"""Writes small MaxMind databases (format 2.0) for tests: networks and what is known of them."""
import ipaddress
import struct

U16, U32, U64 = 5, 6, 9
MARKER = b"\xab\xcd\xefMaxMind.com"


def encode(v):
    def head(kind, size):
        first = min(size, 29)
        more = b"" if size < 29 else bytes([size - 29])
        return (bytes([kind << 5 | first]) if kind < 8 else bytes([first, kind - 7])) + more

    if isinstance(v, str):
        b = v.encode()
        return head(2, len(b)) + b
    if isinstance(v, dict):
        return head(7, len(v)) + b"".join(encode(k) + encode(x) for k, x in v.items())
    if isinstance(v, list):
        return head(11, len(v)) + b"".join(encode(x) for x in v)
    kind, number = v if isinstance(v, tuple) else (U32, v)
    b = number.to_bytes(8, "big").lstrip(b"\0")
    return head(kind, len(b)) + b


def write(path, networks, kind="GeoLite2-City"):
    """networks: {"192.0.2.0/24": (country code, country, city or "", geoname id)}, IPv4 or IPv6."""
    nodes, data, at = [[None, None]], b"", {}
    for text, (code, country, city, geoname) in networks.items():
        net = ipaddress.ip_network(text)
        v6 = net.version == 6
        bits = "{:0128b}".format(int(net.network_address))[:net.prefixlen + (0 if v6 else 96)]
        entry = {"country": {"iso_code": code, "names": {"en": country}}}
        if city:
            entry["city"] = {"geoname_id": geoname, "names": {"en": city}}
        b = encode(entry)
        if b not in at:
            at[b] = len(data)
            data += b
        node = 0
        for bit in bits[:-1]:
            if nodes[node][int(bit)] is None:
                nodes.append([None, None])
                nodes[node][int(bit)] = len(nodes) - 1
            node = nodes[node][int(bit)]
        nodes[node][int(bits[-1])] = ("data", at[b])
    n = len(nodes)

    def record(r):
        value = n if r is None else n + 16 + r[1] if isinstance(r, tuple) else r
        return struct.pack(">I", value)[1:]

    meta = {"binary_format_major_version": (U16, 2), "binary_format_minor_version": (U16, 0),
            "build_epoch": (U64, 1700000000), "database_type": kind, "description": {"en": "test"},
            "ip_version": (U16, 6), "languages": ["en"], "node_count": n, "record_size": (U16, 24)}
    with open(path, "wb") as f:
        f.write(b"".join(record(a) + record(b) for a, b in nodes) + bytes(16) + data + MARKER +
                encode(meta))
