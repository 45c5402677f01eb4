// How well a read fits a haplotype: the cost of its best gapped alignment, sixteen pairs at a time.
//
// Viterbi over match, insertion and deletion states in a band around the diagonal the read was aligned on. Free
// ends on the haplotype. Costs are phred x 2 in 16 bits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace baselake::pileup {

constexpr int LANES = 16;
constexpr int COST_SCALE = 2;
constexpr int MAX_ALIGNED = 320;      // read bases; 320 mismatches of quality 45 + 5 stay within 16 bits
constexpr int16_t UNREACHABLE = 32000;
constexpr int GAP_OPEN = 45;          // phred of an indel error outside repeats
constexpr int GAP_EXTEND = 10;
constexpr int MIN_GAP_OPEN = 8;
constexpr int MISMATCH_EXTRA = 5;     // a wrong base is one of three: 10 log10 3

using Lanes __attribute__((vector_size(32))) = int16_t;

// Sequencing and PCR slip in short tandem repeats, more so the longer the repeat: phred of a one-unit error.
inline int repeat_gap_open(int unit, int units) {
    const int first = unit == 1 ? 3 : 2;
    const double drop = unit == 1 ? 2.4 : unit == 2 ? 3.5 : 3.0;
    const int total = GAP_OPEN - static_cast<int>(drop * std::max(0, units - first));
    return std::max(MIN_GAP_OPEN, total - (units > first ? GAP_EXTEND * (unit - 1) : 0));
}

// Whether a repeat unit is not itself a repeat: AAAA is four units of one base, never one of four.
inline bool primitive(const std::string& bases, int at, int unit) {
    const std::string_view whole(bases.data() + at, static_cast<size_t>(unit));
    for (int period = 1; period < unit; ++period)
        if (unit % period == 0 && whole.substr(static_cast<size_t>(period)) == whole.substr(0, static_cast<size_t>(unit - period))) return false;
    return true;
}

// Cost of opening a gap at each base of a haplotype, by the tandem repeat (unit of 1 to 4) it lies in.
inline std::vector<uint8_t> gap_open_costs(const std::string& haplotype) {
    const auto n = static_cast<int>(haplotype.size());
    std::vector<uint8_t> open(haplotype.size(), GAP_OPEN);
    for (int unit = 1; unit <= 4; ++unit) {
        for (int i = unit; i < n;) {
            int j = i;
            while (j < n && haplotype[static_cast<size_t>(j)] == haplotype[static_cast<size_t>(j - unit)] && haplotype[static_cast<size_t>(j)] != 'N') ++j;
            const int units = (j - i + unit) / unit;
            if (units >= 2 && primitive(haplotype, i - unit, unit)) {
                const auto cost = static_cast<uint8_t>(repeat_gap_open(unit, units));
                for (int k = i - unit; k < j; ++k) open[static_cast<size_t>(k)] = std::min(open[static_cast<size_t>(k)], cost);
            }
            i = std::max(j, i + 1);
        }
    }
    return open;
}

struct Haplotype {
    std::string bases;
    std::vector<uint8_t> open;
};

// One read against one haplotype. Read base 0 is expected at haplotype base `diagonal`.
struct Pairing {
    const char* bases;
    const uint8_t* quality;
    int length;
    const Haplotype* haplotype;
    int diagonal;
    float cost;  // phred, filled in
};

// Aligns up to LANES pairings; the band is [diagonal - left, diagonal + right].
inline void align_batch(Pairing* pairs, int count, int left, int right) {
    const int width = left + right + 1;
    int rows = 0;
    for (int lane = 0; lane < count; ++lane) rows = std::max(rows, pairs[lane].length);
    std::vector<Lanes> base(static_cast<size_t>(rows), Lanes{}), wrong(static_cast<size_t>(rows), Lanes{});
    std::vector<Lanes> hap(static_cast<size_t>(rows + width), Lanes{}), open(static_cast<size_t>(rows + width), Lanes{} + GAP_OPEN * COST_SCALE);
    for (int lane = 0; lane < count; ++lane) {
        const Pairing& pair = pairs[lane];
        for (int i = 0; i < pair.length; ++i) {
            base[static_cast<size_t>(i)][lane] = pair.bases[i];
            const int q = pair.quality[i];
            wrong[static_cast<size_t>(i)][lane] = static_cast<int16_t>(q ? COST_SCALE * (q + MISMATCH_EXTRA) : 0);
        }
        const auto n = static_cast<int>(pair.haplotype->bases.size());
        for (int x = 0; x < rows + width; ++x) {
            const int j = x + pair.diagonal - left;
            if (j < 0 || j >= n) continue;
            hap[static_cast<size_t>(x)][lane] = pair.haplotype->bases[static_cast<size_t>(j)];
            open[static_cast<size_t>(x)][lane] = static_cast<int16_t>(COST_SCALE * pair.haplotype->open[static_cast<size_t>(j)]);
        }
    }
    const Lanes infinite = Lanes{} + UNREACHABLE, extend = Lanes{} + COST_SCALE * GAP_EXTEND, unknown = Lanes{} + 'N';
    auto least = [](Lanes a, Lanes b) { return a < b ? a : b; };
    std::vector<Lanes> match(static_cast<size_t>(width), Lanes{}), insertion(static_cast<size_t>(width) + 1, infinite), deletion(static_cast<size_t>(width), infinite);
    for (int i = 0; i < rows; ++i) {
        const Lanes read_base = base[static_cast<size_t>(i)], cost = wrong[static_cast<size_t>(i)];
        Lanes left_match = infinite, left_deletion = infinite;
        // `match` holds row i - 1 until it is overwritten: insertion at k needs row i - 1 at k + 1.
        for (int k = 0; k < width; ++k) {
            const auto c = static_cast<size_t>(k);
            const Lanes target = hap[static_cast<size_t>(i + k)], gap = open[static_cast<size_t>(i + k)];
            const Lanes fits = (read_base == target) | (target == unknown);
            const Lanes here = least(least(match[c], insertion[c]), deletion[c]) + (cost & ~fits);
            const Lanes above = k + 1 < width ? match[c + 1] : infinite;
            insertion[c] = least(i ? above + gap : infinite, insertion[c + 1] + extend);
            insertion[c] = least(insertion[c], infinite);
            left_deletion = least(left_match + gap, left_deletion + extend);
            left_deletion = least(left_deletion, infinite);
            deletion[c] = left_deletion;
            match[c] = left_match = here;
        }
        for (int lane = 0; lane < count; ++lane) {
            if (pairs[lane].length != i + 1) continue;
            int16_t end = UNREACHABLE;
            for (int k = 0; k < width; ++k)
                end = std::min({end, match[static_cast<size_t>(k)][lane], insertion[static_cast<size_t>(k)][lane]});
            pairs[lane].cost = static_cast<float>(end) / COST_SCALE;
        }
    }
}

}  // namespace baselake::pileup
