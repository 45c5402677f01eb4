"""The slow twin of the entropy coder's decoder: what another engine has to do to read a stream of `entropy.h`."""

_RAW, _RUN, _RANS, _JOINED = range(4)
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
    if method not in (_RANS, _JOINED):
        raise ValueError(f"a stream of unknown method {method}")
    symbols = packed[at + 1 : at + 2 + packed[at]]
    at += 1 + len(symbols)
    order, shift = packed[at : at + 2]
    size, at = _number(packed, at + 2)
    bits = (len(symbols) - 1).bit_length()
    frequencies = _frequencies(unpack_bytes(packed[at : at + size]), bits, order)
    at += size
    if method == _RANS:
        return bytes(symbols[rank] for rank in _decode(packed[at:], frequencies, bits, order, shift, n))
    shift = packed[at]
    frequencies = _joined(frequencies, order, shift)
    pairs = _decode(packed[at + 1 :], frequencies, 2 * bits, (order + 1) // 2, shift, (n + 1) // 2)
    return bytes(symbols[rank] for pair in pairs for rank in (pair >> bits, pair & 3))[:n]


def _joined(single: dict[int, list[int]], order: int, shift: int) -> dict[int, list[int]]:
    """Frequencies of two symbols of 2 bits, by context, from those of one."""
    mask = (1 << 2 * order) - 1
    joined = {}
    for context in range(1 << 4 * ((order + 1) // 2)):
        row = single.get(context & mask, [0] * 4)
        products = [
            row[first] * frequency
            for first in range(4)
            for frequency in single.get((context << 2 | first) & mask, [0] * 4)
        ]
        if any(products):
            joined[context] = _normalised(products, 1 << shift)
    return joined


def _normalised(counts: list[int], wanted: int) -> list[int]:
    """Counts brought to a sum, none that was above 0 being 0."""
    total = sum(counts)
    out = [max(1, (count * wanted + total // 2) // total) if count else 0 for count in counts]
    if sum(out) <= wanted:
        out[counts.index(max(counts))] += wanted - sum(out)
    while sum(out) > wanted:
        largest = out.index(max(out))
        out[largest] -= min(sum(out) - wanted, max(1, out[largest] // 8))
    return out


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
    words: bytes, frequencies: dict[int, list[int]], bits: int, order: int, shift: int, n: int
) -> bytes:
    """The ranks of symbols."""
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
            out[lane * stretch + place] = symbol
            contexts[lane] = (contexts[lane] << bits | symbol) & (1 << bits * order) - 1
    return bytes(out)


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while data[at] & 0x80:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
    return value | data[at] << shift, at + 1
