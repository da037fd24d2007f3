"""An independent reader of a log in the C2SP tlog-tiles layout, written from the public specifications
(RFC 6962, RFC 8032, C2SP signed-note, tlog-checkpoint, tlog-tiles, tlog-cosignature, tlog-proof) with the
standard library alone.

usage: verify.py LOG_DIRECTORY VERIFIER_KEY [--witness VERIFIER_KEY] [--proof FILE INDEX]...

Checks the checkpoint's signature, every tile of every level, that every entry bundle hashes to its tile, the
root, and the proofs. Prints the size and root; exit status 1 and one line if anything does not hold.
"""

import base64
import hashlib
import pathlib
import sys

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)


def fail(what):
    sys.exit(f"rejected: {what}")


def add(a, b):
    s, t = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    u, v = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = t - s, v - u, v + u, t + s
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(n, point):
    total = (0, 1, 1, 0)
    while n:
        if n & 1:
            total = add(total, point)
        point, n = add(point, point), n >> 1
    return total


def decompress(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * SQRT_M1 % P
    if (x * x - x2) % P or y >= P:
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def recover_base():
    y = 4 * pow(5, P - 2, P) % P
    return decompress(y.to_bytes(32, "little"))


BASE = recover_base()


def ed25519_verify(public, message, signature):
    a, r = decompress(public), decompress(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L or len(signature) != 64:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    left, right = multiply(s, BASE), add(r, multiply(h, a))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (
        left[1] * right[2] - right[1] * left[2]
    ) % P == 0


def verifier(text):
    name, key_id, key = text.strip().split("+", 2)
    raw = base64.b64decode(key, validate=True)
    expected = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
    if bytes.fromhex(key_id) != expected or len(raw) != 33:
        fail("malformed verifier key")
    return name, expected, raw[0], raw[1:]


def open_note(note, key):
    """Returns the text if `key` signed it."""
    name, key_id, kind, public = key
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    for line in signatures.splitlines():
        dash, signer, encoded = line.split(" ")
        raw = base64.b64decode(encoded, validate=True)
        if dash != "\u2014":
            fail("malformed signature line")
        if signer != name or raw[:4] != key_id:
            continue
        if kind == 1:
            message, signature = text.encode(), raw[4:]
        elif kind == 4:
            time = int.from_bytes(raw[4:12], "big")
            message, signature = f"cosignature/v1\ntime {time}\n{text}".encode(), raw[12:]
        else:
            fail("unknown kind of key")
        if not ed25519_verify(public, message, signature):
            fail(f"wrong signature of {name}")
        return text
    fail(f"not signed by {name}")


def open_checkpoint(note, key):
    origin, size, root, *_ = open_note(note, key).split("\n")
    if origin != key[0] and key[2] == 1:
        fail("checkpoint of another log")
    return int(size), base64.b64decode(root, validate=True)


def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(hashes):
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return node(root_of(hashes[:k]), root_of(hashes[k:]))


def path_of(level, index, width):
    parts = [f"{index % 1000:03}"]
    while index >= 1000:
        index //= 1000
        parts.insert(0, f"x{index % 1000:03}")
    return f"tile/{level}/" + "/".join(parts) + ("" if width == 256 else f".p/{width}")


def tiles(count):
    for index in range(0, (count + 255) // 256):
        yield index, min(256, count - index * 256)


def check_log(directory, size, root):
    """Checks all levels from the bundles upwards; returns the leaves."""
    leaves, level = [], 0
    for index, width in tiles(size):
        bundle = (directory / path_of("entries", index, width)).read_bytes()
        for _ in range(width):
            length = int.from_bytes(bundle[:2], "big")
            entry, bundle = bundle[2 : 2 + length], bundle[2 + length :]
            if len(entry) != length:
                fail(f"bundle {index} is short")
            leaves.append(hashlib.sha256(b"\x00" + entry).digest())
        if bundle:
            fail(f"bundle {index} is long")
    hashes = leaves
    while hashes:
        above = []
        for index, width in tiles(len(hashes)):
            stored = (directory / path_of(level, index, width)).read_bytes()
            own = hashes[index * 256 : index * 256 + width]
            if stored != b"".join(own):
                fail(f"tile {path_of(level, index, width)} does not fit")
            if width == 256:
                above.append(root_of(own))
        hashes, level = above, level + 1
    if root_of(leaves) != root:
        fail("root does not fit")
    return leaves


def check_inclusion(leaf, index, size, path, root):
    """RFC 9162, section 2.1.3.2."""
    fn, sn, found = index, size - 1, leaf
    for sibling in path:
        if sn == 0:
            fail("inclusion proof is long")
        if fn & 1 or fn == sn:
            found = node(sibling, found)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            found = node(found, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0 or found != root:
        fail("inclusion proof does not lead to the root")


def check_proof(text, index, leaf, key):
    head, _, note = text.partition("\n\n")
    first, *lines = head.split("\n")
    if first != "c2sp.org/tlog-proof@v1":
        fail("not a proof")
    if lines[0].startswith("extra "):
        lines.pop(0)
    if lines.pop(0) != f"index {index}":
        fail("proof of another entry")
    size, root = open_checkpoint(note, key)
    check_inclusion(leaf, index, size, [base64.b64decode(line, validate=True) for line in lines], root)


def main(arguments):
    directory, key = pathlib.Path(arguments.pop(0)), verifier(arguments.pop(0))
    note = (directory / "checkpoint").read_text(encoding="utf-8")
    size, root = open_checkpoint(note, key)
    leaves = check_log(directory, size, root)
    while arguments:
        option = arguments.pop(0)
        if option == "--witness":
            seen = open_checkpoint((directory / "witnessed").read_text(encoding="utf-8"), verifier(arguments.pop(0)))
            if root_of(leaves[: seen[0]]) != seen[1]:
                fail("witnessed checkpoint does not fit")
        elif option == "--proof":
            text = pathlib.Path(arguments.pop(0)).read_text(encoding="utf-8")
            index = int(arguments.pop(0))
            check_proof(text, index, leaves[index], key)
        else:
            fail(f"unknown option {option}")
    print(size, root.hex())


main(sys.argv[1:])
