"""Every IP packet that comes in at an interface, a line of JSON each: wire-tap.py INTERFACE"""
import json
import socket
import sys

tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
tap.bind((sys.argv[1], 0))
print(json.dumps({"kind": "ready"}), flush=True)
while True:
    frame, (_, _, direction, _, _) = tap.recvfrom(65535)
    if direction == 4:  # our own
        continue
    ether = int.from_bytes(frame[12:14], "big")
    packet = frame[14:]
    if ether == 0x0800:
        proto, to, at = packet[9], socket.inet_ntop(socket.AF_INET, packet[16:20]), (packet[0] & 15) * 4
    elif ether == 0x86DD:
        proto, to, at = packet[6], socket.inet_ntop(socket.AF_INET6, packet[24:40]), 40
    else:
        continue
    port = int.from_bytes(packet[at + 2 : at + 4], "big") if proto in (6, 17, 132) else 0
    print(json.dumps({"kind": "packet", "proto": proto, "to": to, "port": port}), flush=True)
