"""The slow twin of the entropy coder's decoder: what another engine has to do to read a stream of `entropy.h`."""

_RAW, _RUN, _RANS = range(3)
_LANES = 8
_LOWEST = 1 << 16


def unpack_bytes(packed: bytes) -> bytes:
    """Decode a stream, one byte after the other.

    Raises:
        ValueError: it is of no known method.
    """
    method, at = packed[0], 1
    n, at = _number(packed, at)
    if method == _RAW:
        return packed[at : at + n]
    if method == _RUN:
        return packed[at : at + 1] * n
    if method != _RANS:
        raise ValueError(f"a stream of unknown method {method}")
    symbols = packed[at + 1 : at + 2 + packed[at]]
    at += 1 + len(symbols)
    order, shift = packed[at : at + 2]
    size, at = _number(packed, at + 2)
    bits = (len(symbols) - 1).bit_length()
    frequencies = _frequencies(unpack_bytes(packed[at : at + size]), bits, order)
    return _decode(packed[at + size :], frequencies, symbols, bits, order, shift, n)


def _frequencies(plain: bytes, bits: int, order: int) -> dict[int, list[int]]:
    """Frequency of every symbol, by context in use."""
    contexts = 1 << bits * order
    bitmap = int.from_bytes(plain[: (contexts + 7) // 8], "little")
    at = (contexts + 7) // 8
    found = {}
    for context in range(contexts):
        if not bitmap >> context & 1:
            continue
        row: list[int] = []
        while len(row) < 1 << bits:
            value, at = _number(plain, at)
            row.append(value)
            if value == 0:
                more, at = _number(plain, at)
                row += [0] * more
        found[context] = row
    return found


def _decode(
    words: bytes, frequencies: dict[int, list[int]], symbols: bytes, bits: int, order: int, shift: int, n: int
) -> bytes:
    states = [int.from_bytes(words[4 * lane : 4 * lane + 4], "little") for lane in range(_LANES)]
    at = 4 * _LANES
    contexts = [0] * _LANES
    stretch = -(-n // _LANES)
    out = bytearray(n)
    for place in range(stretch):
        for lane in range(_LANES):
            if lane * stretch + place >= n:
                continue
            row = frequencies[contexts[lane]]
            slot = states[lane] & (1 << shift) - 1
            symbol = start = 0
            while slot >= start + row[symbol]:
                start += row[symbol]
                symbol += 1
            states[lane] = row[symbol] * (states[lane] >> shift) + slot - start
            if states[lane] < _LOWEST:
                states[lane] = states[lane] << 16 | int.from_bytes(words[at : at + 2], "little")
                at += 2
            out[lane * stretch + place] = symbols[symbol]
            contexts[lane] = (contexts[lane] << bits | symbol) & (1 << bits * order) - 1
    return bytes(out)


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while data[at] & 0x80:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
    return value | data[at] << shift, at + 1
