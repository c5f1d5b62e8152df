#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Memory, start time, idle CPU and size of our programs with nobody connected, as JSON.

footprint.py [--build BUILD] [--seconds N] [--starts N] [--official DIR] [PROGRAM...]

Programs are taken from BUILD (default: $BUILD, or the current folder); nothing is built there. With
--official the official servers in DIR (netbird-server, -signal, -relay) are measured too. Each is started
on loopback in a folder of its own, asked once over TCP, left alone for N seconds and stopped.

  start_ms     fork to the first complete answer (rookery: GET /api/instance), median and worst of
               --starts runs on an empty folder; restart_ms: the same on a folder already in use
  idle_s       how long it is left alone, after some seconds in which the start settles
  rss_kb       memory in use after the idle time; anon_kb is what no file backs, so what it costs
               the machine, file_kb the pages of programs, libraries and the database that it shares
  floor_kb     memory of a program that is linked to the same libraries and only sleeps, and what
               we use as a multiple of it (compiled here when there is a C compiler)
  cpu_ticks    1/100 s used during the idle time by all threads
  size         stripped, in bytes
"""
import argparse, base64, json, os, shutil, signal, socket, statistics, subprocess, sys, tempfile, time

OFFICIAL = ["netbird-server", "netbird-signal", "netbird-relay"]
PROGRAMS = ["rookery", "rookery-management", "rookery-signal", "rookery-relay", "rook"]
LIMIT_S = 20.0
SETTLE_S = 7.0  # what follows a start: first keys, and the trim of lib/base/trim.h


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def official_config(folder, addr):
    path = os.path.join(folder, "config.yaml")
    with open(path, "w") as f:
        f.write(f"""server:
  listenAddress: "{addr}"
  exposedAddress: "http://{addr}"
  stunPorts: [{free_port()}]
  metricsPort: {free_port()}
  healthcheckAddress: "127.0.0.1:{free_port()}"
  logLevel: error
  logFile: console
  authSecret: "only-for-this-run"
  dataDir: "{folder}"
  disableAnonymousMetrics: true
  disableGeoliteUpdate: true
  auth:
    issuer: "http://{addr}/oauth2"
  store:
    engine: sqlite
    encryptionKey: "{base64.b64encode(os.urandom(32)).decode()}"
""")
    return path


def command(build, name, folder, port):
    """Arguments, environment and what shows that it serves."""
    path = os.path.join(build, name)
    addr = f"127.0.0.1:{port}"
    env = {"PATH": os.environ["PATH"]}
    if name == "rookery":
        env.update(ROOKERY_LISTEN_ADDRESS=addr, ROOKERY_EXPOSED_ADDRESS="http://" + addr,
                   ROOKERY_DATA_DIR=folder, ROOKERY_STUN_PORTS=str(free_port()))
        return [path, "run"], env, "/api/instance"
    if name == "rookery-management":
        return [path, "--listen-address", addr, "--datadir", folder,
                "--signal", "http://" + addr], env, "/api/instance"
    alone = ["--listen-address", addr, "--metrics-port", "0", "--health-listen-address", ""]
    if name == "rookery-signal":
        return [path] + alone + ["--legacy-port", "0"], env, "/"
    if name == "rookery-relay":
        return [path] + alone + ["--exposed-address", "rel://" + addr,
                                 "--auth-secret", "only-for-this-run"], env, "/"
    if name == "netbird-signal":
        return [path, "run", "--port", str(port), "--metrics-port", str(free_port()),
                "--log-file", "console"], env, "/"
    if name == "netbird-relay":
        return [path, "--listen-address", addr, "--exposed-address", "rel://" + addr,
                "--auth-secret", "only-for-this-run", "--metrics-port", str(free_port()),
                "--health-listen-address", f"127.0.0.1:{free_port()}"], env, "/"
    if name == "netbird-server":
        return [path, "--config", official_config(folder, addr)], \
            dict(env, NB_DISABLE_GEOLOCATION="true"), "/api/instance"
    sock = os.path.join(folder, "rook.sock")
    return [path, "service", "run", "--daemon-addr", "unix://" + sock, "--state-dir", folder,
            "--disable-auto-connect"], env, sock


def answers(where, port):
    try:
        if where.endswith(".sock"):
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(where)
                return True
        with socket.create_connection(("127.0.0.1", port), 1) as s:
            s.settimeout(1)
            s.sendall(f"GET {where} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            got = s.recv(4096)
            if where != "/":
                return got.startswith(b"HTTP/1.1 200")
            return True  # signal and relay have no page there: an answer or the end will do
    except OSError:
        return False


def start(build, name, folder):
    port = free_port()
    args, env, where = command(build, name, folder, port)
    with open(os.path.join(folder, "log"), "ab") as log:
        begin = time.monotonic()
        proc = subprocess.Popen(args, env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    while not answers(where, port):
        if proc.poll() is not None or time.monotonic() - begin > LIMIT_S:
            proc.kill()
            with open(os.path.join(folder, "log"), errors="replace") as log:
                sys.exit(f"{name} does not serve:\n{log.read()}")
        time.sleep(0.0005)
    return proc, 1000 * (time.monotonic() - begin)


def stop(proc):
    proc.send_signal(signal.SIGTERM)
    try:
        proc.wait(15)
    except subprocess.TimeoutExpired:
        proc.kill()
        proc.wait()


def status_kb(pid):
    with open(f"/proc/{pid}/status") as f:
        s = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
    kb = {k: int(s[v].split()[0]) for k, v in
          (("rss_kb", "VmRSS"), ("anon_kb", "RssAnon"), ("file_kb", "RssFile"))}
    return {**kb, "threads": int(s["Threads"])}


def ticks(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def floor_kb(path, folder):
    """A sleeper with the same libraries, flags as ours."""
    cc = shutil.which(os.environ.get("CC", "cc"))
    if not cc or not shutil.which("readelf"):
        return None
    dyn = subprocess.run(["readelf", "-d", path], capture_output=True, text=True).stdout
    libs = [l.split("[")[1].split("]")[0] for l in dyn.splitlines() if "(NEEDED)" in l]
    if not libs:
        return None
    exe = os.path.join(folder, "floor")
    code = "#include <unistd.h>\nint main(void) { return write(1, \"\\n\", 1) + pause(); }\n"
    made = subprocess.run([cc, "-O2", "-fPIE", "-pie", "-Wl,-z,relro,-z,now", "-Wl,--no-as-needed",
                           "-o", exe, "-xc", "-"] + ["-l:" + l for l in libs],
                          input=code, text=True, capture_output=True)
    if made.returncode:
        return None
    proc = subprocess.Popen([exe], stdout=subprocess.PIPE)
    proc.stdout.readline()
    kb = status_kb(proc.pid)["rss_kb"]
    proc.kill()
    proc.communicate()
    return kb


def stripped(path, folder):
    out = os.path.join(folder, "stripped")
    if not shutil.which("strip") or subprocess.run(["strip", "-o", out, path]).returncode:
        return None
    return os.path.getsize(out)


def measure(build, name, seconds, starts, top):
    path = os.path.join(build, name)
    first, again = [], []
    for i in range(starts):
        folder = os.path.join(top, f"{name}.{i}")
        os.mkdir(folder)
        proc, ms = start(build, name, folder)
        first.append(ms)
        if i < starts - 1:
            stop(proc)
    time.sleep(SETTLE_S)
    before = ticks(proc.pid)
    time.sleep(seconds)
    out = {"program": name, **status_kb(proc.pid), "cpu_ticks": ticks(proc.pid) - before}
    stop(proc)
    for _ in range(starts):
        proc, ms = start(build, name, folder)
        again.append(ms)
        stop(proc)
    floor = floor_kb(path, top)
    out.update(idle_s=seconds, floor_kb=floor,
               ratio=round(out["rss_kb"] / floor, 2) if floor else None,
               start_ms=round(statistics.median(first), 1), start_worst_ms=round(max(first), 1),
               restart_ms=round(statistics.median(again), 1), size=stripped(path, top))
    return out


def main():
    p = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter,
                                description=__doc__)
    p.add_argument("--seconds", type=float, default=20)
    p.add_argument("--starts", type=int, default=5)
    p.add_argument("--build", default=os.environ.get("BUILD", "."))
    p.add_argument("--official", metavar="DIR")
    p.add_argument("programs", nargs="*", default=PROGRAMS)
    o = p.parse_args()
    with tempfile.TemporaryDirectory(prefix="rookery-footprint.") as top:
        for name in o.programs or PROGRAMS:
            print(json.dumps(measure(o.build, name, o.seconds, o.starts, top)), flush=True)
        for name in OFFICIAL if o.official else []:
            print(json.dumps(measure(o.official, name, o.seconds, o.starts, top)), flush=True)


main()
