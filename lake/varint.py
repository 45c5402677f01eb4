"""Numbers of variable length: 7 bits a byte, the lowest first; a set high bit: more follow (LEB128, unsigned)."""


def varint(value: int) -> bytes:
    """A number, not negative, as bytes."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data: bytes, at: int, what: str) -> tuple[int, int]:
    """The number that begins at some byte, and where it ends.

    Args:
        data: the bytes.
        at: the first of the number.
        what: they are, for the error.

    Raises:
        ValueError: the bytes end before the number does.
    """
    value = shift = 0
    while at < len(data):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
        shift += 7
    raise ValueError(f"{what} ends early")
