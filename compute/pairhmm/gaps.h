// How readily insertions and deletions arise at each base of a haplotype, by the tandem repeat it lies in.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pairhmm.h"

namespace baselake::pairhmm {

constexpr int MIN_GAP_OPEN = 8;
constexpr int MAX_UNIT = 8;        // of GATK's PCR indel model
constexpr int MAX_UNITS = 20;
constexpr int MIN_PCR_GAP_OPEN = 10;

// Copies of a unit up to which a repeat slips no more than any sequence does.
inline int stable_units(int unit) { return unit == 1 ? 3 : 2; }

// Sequencing and PCR slip in short tandem repeats, more so the longer the repeat: phred of a one-unit error anywhere in
// the repeat.
inline int repeat_slip(int unit, int units) {
    const double drop = unit == 1 ? 2.4 : unit == 2 ? 3.5 : 3.0;
    return GAP_OPEN - static_cast<int>(drop * std::max(0, units - stable_units(unit)));
}

// What of it is left to the opening of the gap, each further base of a unit costing GAP_EXTEND.
inline int repeat_gap_open(int unit, int units) {
    return std::max(MIN_GAP_OPEN, repeat_slip(unit, units) - (units > stable_units(unit) ? GAP_EXTEND * (unit - 1) : 0));
}

// Whether a repeat unit is not itself a repeat: AAAA is four units of one base, never one of four.
inline bool primitive(std::string_view unit) {
    for (size_t period = 1; period < unit.size(); ++period)
        if (unit.size() % period == 0 && unit.substr(period) == unit.substr(0, unit.size() - period)) return false;
    return true;
}

// Calls visit(first base, length in bases, unit) for every maximal tandem repeat of at least two primitive units.
template <typename Visit> void each_repeat(std::string_view bases, int longest_unit, Visit visit) {
    const auto n = static_cast<int>(bases.size());
    for (int unit = 1; unit <= longest_unit; ++unit) {
        for (int i = unit; i < n;) {
            int j = i;
            while (j < n && bases[static_cast<size_t>(j)] == bases[static_cast<size_t>(j - unit)] && bases[static_cast<size_t>(j)] != 'N') ++j;
            if (j - i >= unit && primitive(bases.substr(static_cast<size_t>(i - unit), static_cast<size_t>(unit)))) visit(i - unit, j - i + unit, unit);
            i = std::max(j, i + 1);
        }
    }
}

// Phred of a gap that opens at a base. A repeat's slips may be written at any of its bases, and the forward algorithm
// adds all of them up: so each gets its share of the repeat's.
inline std::vector<uint8_t> gap_open_qualities(std::string_view haplotype) {
    constexpr uint8_t NO_REPEAT = 255;
    std::vector<uint8_t> open(haplotype.size(), NO_REPEAT);
    each_repeat(haplotype, 4, [&](int first, int length, int unit) {
        const double share = repeat_gap_open(unit, length / unit) + 10 * std::log10(static_cast<double>(length));
        const auto quality = static_cast<uint8_t>(std::lround(share));
        for (int k = first; k < first + length; ++k) open[static_cast<size_t>(k)] = std::min(open[static_cast<size_t>(k)], quality);
    });
    std::replace(open.begin(), open.end(), NO_REPEAT, static_cast<uint8_t>(GAP_OPEN));
    return open;
}

// GATK's PCR indel model (conservative): max(10, round(41 - exp(units / (3 pi)))) at each base of a tandem repeat.
inline std::vector<uint8_t> pcr_gap_open_qualities(std::string_view bases) {
    std::vector<uint8_t> open(bases.size(), GAP_OPEN);
    each_repeat(bases, MAX_UNIT, [&](int first, int length, int unit) {
        const int units = std::min(length / unit, MAX_UNITS);
        const auto quality = static_cast<uint8_t>(std::max<long>(MIN_PCR_GAP_OPEN, std::lround(41 - std::exp(units / (3 * M_PI)))));
        for (int k = first; k < first + length; ++k) open[static_cast<size_t>(k)] = std::min(open[static_cast<size_t>(k)], quality);
    });
    return open;
}

}  // namespace baselake::pairhmm
