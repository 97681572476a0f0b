"""Runs the service for a long time, with clients that behave and clients that do not.

    python3 scripts/soak_service.py ENTOPIC [MINUTES]

Four clients send texts and compare each answer with the first. Others send bodies slowly, leave in the middle of a
body, leave before the answer, read the answer slowly, send what is no HTTP, announce bodies that are too large, and
fill the queue. Each line has the minute, the good answers per second, the refusals (status 503) that filling the
queue brought, and the resident memory. It fails if an answer is wrong, a good client is refused for another reason,
the memory grows by more than a twentieth after the first fifth, or the service is not healthy in the end.
"""

import http.client
import json
import pathlib
import random
import socket
import subprocess
import sys
import threading
import time

PARTS = 15
ARTICLE = (pathlib.Path(__file__).parent.parent / "examples/data/article.txt").read_text()


class Service:
    def __init__(self, entopic):
        self.process = subprocess.Popen(
            [entopic, "serve", "--listen", "127.0.0.1:0", "--max-waiting", "48", "--timeout", "10"],
            stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if "listening on" in line:
                self.port = int(line.rsplit(":", 1)[1])
                break
        # The log is read, so that the pipe does not fill up.
        threading.Thread(target=lambda: [None for _ in self.process.stderr], daemon=True).start()

    def memory(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))

    def ask(self, connection, path, body):
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def socket(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)


class Soak:
    def __init__(self, service):
        self.service, self.stop, self.lock = service, threading.Event(), threading.Lock()
        self.good, self.full, self.faults = 0, 0, []
        texts = [ARTICLE[start:start + length] for start, length in [(0, 60), (100, 400), (0, 2000), (50, 5000)]]
        self.requests = [("/v1/tag", {"text": text}) for text in texts]
        self.requests += [("/v1/tag", {"text": text, "labels": ["sport", "law"]}) for text in texts]
        self.requests += [("/v1/entities", {"texts": texts, "groups": True}), ("/v1/html", {"text": texts[2]})]
        connection = service.connect()
        self.answers = [service.ask(connection, *request) for request in self.requests]
        assert all(status == 200 for status, _ in self.answers), self.answers

    def behave(self):
        connection = self.service.connect()
        while not self.stop.is_set():
            at = random.randrange(len(self.requests))
            try:
                status, body = self.service.ask(connection, *self.requests[at])
            except (OSError, http.client.HTTPException) as error:
                self.faults.append(f"no answer: {error!r}")
                connection = self.service.connect()
                continue
            with self.lock:
                if status == 503:
                    self.full += 1
                elif (status, body) == self.answers[at]:
                    self.good += 1
                else:
                    self.faults.append(f"status {status} for {self.requests[at][0]}: {body[:200]!r}")

    def misbehave(self):
        head = "POST /v1/tag HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
        whole = json.dumps({"text": ARTICLE}).encode()
        ways = [self.slow_body, self.cut_body, self.leave, self.slow_reader, self.no_http, self.too_large, self.fill]
        while not self.stop.is_set():
            try:
                with self.service.socket() as connection:
                    random.choice(ways)(connection, head, whole)
            except OSError:
                pass  # The service may close the connection of such a client.

    def slow_body(self, connection, head, whole):
        connection.sendall(head.format(len(whole)).encode())
        for byte in whole[:20]:
            connection.sendall(bytes([byte]))
            if self.stop.wait(0.2):
                return

    def cut_body(self, connection, head, whole):
        connection.sendall(head.format(len(whole)).encode() + whole[:len(whole) // 2])

    def leave(self, connection, head, whole):
        connection.sendall(head.format(len(whole)).encode() + whole)
        time.sleep(random.random() / 20)

    def slow_reader(self, connection, head, whole):
        connection.sendall(head.format(len(whole)).encode() + whole)
        for _ in range(20):
            if not connection.recv(16) or self.stop.wait(0.1):
                return

    def no_http(self, connection, head, whole):
        connection.sendall(random.randbytes(random.randrange(1, 5000)))
        connection.recv(100)

    def too_large(self, connection, head, whole):
        connection.sendall(head.format(1 << 40).encode() + whole)
        connection.recv(1000)

    def fill(self, connection, head, whole):
        small = json.dumps({"text": ARTICLE[:200]}).encode()
        connections = [self.service.socket() for _ in range(64)]
        for other in connections:
            other.sendall(head.format(len(small)).encode() + small)
        for other in connections:
            other.recv(1000)
            other.close()


def main(entopic, minutes=30.0):
    service = Service(entopic)
    soak = Soak(service)
    threads = [threading.Thread(target=soak.behave) for _ in range(4)]
    threads += [threading.Thread(target=soak.misbehave) for _ in range(6)]
    for thread in threads:
        thread.start()
    begun, memory = time.monotonic(), []
    part = 60 * float(minutes) / PARTS
    for _ in range(PARTS):
        before, start = (soak.good, soak.full), time.monotonic()
        time.sleep(part)
        took = time.monotonic() - start
        memory.append(service.memory())
        print(f"{(time.monotonic() - begun) / 60:6.1f} min {(soak.good - before[0]) / took:8.1f} answers/s "
              f"{soak.full - before[1]:6} refused {memory[-1]:8} KiB", flush=True)
    soak.stop.set()
    for thread in threads:
        thread.join()
    connection = service.connect()
    connection.request("GET", "/health")
    health = connection.getresponse().status
    service.process.terminate()
    status = service.process.wait(60)
    fifth = PARTS // 5
    growth = max(memory[fifth:]) / max(memory[:fifth])
    print(f"{soak.good} good answers, {soak.full} refused, {len(soak.faults)} faults; memory {growth:.3f} of the first "
          f"fifth's; health {health}, exit status {status}")
    for fault in soak.faults[:10]:
        print(fault)
    if soak.faults or growth > 1.05 or health != 200 or status != 0:
        sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
