// What the CPU's kernel of the banded alignment and the GPU's share.
#pragma once

namespace baselake::smithwaterman {

constexpr int UNREACHABLE = -(1 << 29);
// Bits of a move: where the best score of a cell comes from, and whether its gaps go on.
constexpr unsigned char FROM_DELETION = 1, FROM_INSERTION = 2, DELETION_GOES_ON = 4, INSERTION_GOES_ON = 8;

// Scores; a gap of n bases has open + (n - 1) x extend.
struct Scores {
    int match, mismatch, open, extend;
};

}  // namespace baselake::smithwaterman
