// How likely a read is, given the haplotype it came from: the forward algorithm over match, insertion and deletion,
// in a band around the diagonal the read is expected on; eight pairs at a time in float32, what underflows again in
// float64. The model and its transitions are those of Durbin and others (1998, chapter 4) as GATK's PairHMM has them;
// `reference.py` spells it out.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "model.h"

namespace baselake::pairhmm {

// Everything by value in flat arrays, as the kernel of any device takes it. Reads and haplotypes are ragged: item i is
// [offsets[i], offsets[i + 1]). A pair's read base 0 is expected at haplotype base `diagonal`.
struct Batch {
    const int32_t* read_offsets;
    const uint8_t* read_bases;    // ASCII
    const uint8_t* base_quality;  // phred; 0: the base says nothing
    const int32_t* haplotype_offsets;
    const uint8_t* haplotype_bases;    // ASCII; N fits everything
    const uint8_t* insertion_quality;  // phred of an insertion that opens after a base
    const uint8_t* deletion_quality;   // phred of a deletion that opens with a base
    int64_t pairs;
    const int32_t *read, *haplotype, *diagonal;
    int32_t left, right;  // the band: haplotype bases [diagonal - left, diagonal + right] for read base 0
    float* cost;          // phred of the likelihood, filled in
};

inline int32_t base_code(uint8_t base) {
    switch (base) {
        case 'A': return 1;
        case 'C': return 2;
        case 'G': return 4;
        case 'T': return 8;
        case 'N': return 15;
        default: return 0;
    }
}

inline const std::array<double, 256>& error_rates() {
    static const std::array<double, 256> rates = [] {
        std::array<double, 256> out{};
        for (size_t q = 0; q < out.size(); ++q) out[q] = std::pow(10.0, -static_cast<double>(q) / 10);
        return out;
    }();
    return rates;
}

// Far from the diagonal values fall under the least normal float; denormals would be exact to no purpose and slow.
class FlushToZero {
  public:
#if defined(__SSE__)
    FlushToZero() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040); }
    ~FlushToZero() { _mm_setcsr(before_); }

  private:
    unsigned before_;
#endif
};

template <typename Real> struct Wide;
template <> struct Wide<float> {
    using Values __attribute__((vector_size(32))) = float;
    using Codes __attribute__((vector_size(32))) = int32_t;  // of comparisons
    static constexpr int LANES = 8;
};
template <> struct Wide<double> {
    using Values __attribute__((vector_size(32))) = double;
    using Codes __attribute__((vector_size(32))) = int64_t;
    static constexpr int LANES = 4;
};

// One lane a row of eight (float) or four (double) becomes one vector a column.
template <typename Real> void interleave(const Real* const* lanes, int n, typename Wide<Real>::Values* out) {
    for (int x = 0; x < n; ++x)
        for (int lane = 0; lane < Wide<Real>::LANES; ++lane) out[x][lane] = lanes[lane][x];
}

template <> inline void interleave<float>(const float* const* lanes, int n, Wide<float>::Values* out) {
    using Values = Wide<float>::Values;
    for (int x = 0; x < n; x += 8) {
        std::array<Values, 8> r, s;
        for (size_t lane = 0; lane < 8; ++lane) __builtin_memcpy(&r[lane], lanes[lane] + x, sizeof(Values));
        for (size_t i = 0; i < 8; i += 2) {
            s[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
            s[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
        }
        for (size_t i = 0; i < 8; i += 4) {
            r[i] = __builtin_shufflevector(s[i], s[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
            r[i + 1] = __builtin_shufflevector(s[i], s[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
            r[i + 2] = __builtin_shufflevector(s[i + 1], s[i + 3], 0, 1, 8, 9, 4, 5, 12, 13);
            r[i + 3] = __builtin_shufflevector(s[i + 1], s[i + 3], 2, 3, 10, 11, 6, 7, 14, 15);
        }
        for (size_t i = 0; i < 4; ++i) {
            out[x + static_cast<int>(i)] = __builtin_shufflevector(r[i], r[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
            out[x + static_cast<int>(i) + 4] = __builtin_shufflevector(r[i], r[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
        }
    }
}

// What the kernel reads, made once for each read and haplotype. Haplotypes are padded with bases that nothing fits.
template <typename Real> struct Tables {
    int longest = 0, pad_left = 0, pad_right = 0;
    std::vector<Real> base, fits, wrong;                      // of reads; bases as codes
    std::vector<Real> target, stay, open_insertion, open_deletion;  // of haplotypes

    explicit Tables(const Batch& batch) {
        int reads = 0, haplotypes = 0;
        for (int64_t p = 0; p < batch.pairs; ++p) {
            const int32_t r = batch.read[p], h = batch.haplotype[p];
            reads = std::max(reads, r + 1);
            haplotypes = std::max(haplotypes, h + 1);
            longest = std::max(longest, batch.read_offsets[r + 1] - batch.read_offsets[r]);
        }
        for (int64_t p = 0; p < batch.pairs; ++p) {
            const int32_t h = batch.haplotype[p], n = batch.haplotype_offsets[h + 1] - batch.haplotype_offsets[h];
            pad_left = std::max(pad_left, batch.left - batch.diagonal[p]);
            // Vectors are filled eight columns at a time.
            pad_right = std::max(pad_right, batch.diagonal[p] + batch.right + 1 + longest + 8 - n);
        }
        const std::array<double, 256>& error = error_rates();
        const auto bases = static_cast<size_t>(batch.read_offsets[reads] + longest + 8);
        base.assign(bases, 0);
        fits.assign(bases, 1);
        wrong.assign(bases, 1);
        for (int32_t i = 0; i < batch.read_offsets[reads]; ++i) {
            const uint8_t q = batch.base_quality[i];
            if (q == 0) continue;
            const auto c = static_cast<size_t>(i);
            base[c] = static_cast<Real>(base_code(batch.read_bases[i]));
            fits[c] = static_cast<Real>(1 - error[q]);
            wrong[c] = static_cast<Real>(error[q] / 3);
        }
        const auto places = static_cast<size_t>(batch.haplotype_offsets[haplotypes] + haplotypes * (pad_left + pad_right));
        const double outside = error[GAP_OPEN];
        target.assign(places, 0);
        open_insertion.assign(places, static_cast<Real>(outside));
        open_deletion.assign(places, static_cast<Real>(outside));
        stay.assign(places, static_cast<Real>(1 - 2 * outside));
        for (int32_t h = 0; h < haplotypes; ++h) {
            const int32_t n = batch.haplotype_offsets[h + 1] - batch.haplotype_offsets[h];
            double before = outside;
            for (int32_t j = 0; j < n; ++j) {
                const int32_t at = batch.haplotype_offsets[h] + j;
                const auto c = static_cast<size_t>(place(batch, h, j));
                const double insertion = error[batch.insertion_quality[at]], deletion = error[batch.deletion_quality[at]];
                target[c] = static_cast<Real>(base_code(batch.haplotype_bases[at]));
                open_insertion[c] = static_cast<Real>(insertion);
                open_deletion[c] = static_cast<Real>(deletion);
                stay[c] = static_cast<Real>(std::max(0.0, 1 - before - deletion));
                before = insertion;
            }
            if (pad_right) stay[static_cast<size_t>(place(batch, h, n))] = static_cast<Real>(std::max(0.0, 1 - before - outside));
        }
    }
    // Where base j of a haplotype stands; j may lie in the padding.
    int64_t place(const Batch& batch, int32_t h, int64_t j) const {
        return batch.haplotype_offsets[h] + int64_t{h} * (pad_left + pad_right) + pad_left + j;
    }
};

// Memory of one batch of lanes, kept from batch to batch.
template <typename Real> struct Scratch {
    using Values = typename Wide<Real>::Values;
    std::vector<Values> base, fits, wrong, target, stay, open_insertion, open_deletion, match, insertion, deletion;
};

// Whether a haplotype's base is a read's. Codes are small whole numbers, exact as floats; N (15) fits all four.
template <typename Real> typename Wide<Real>::Codes fitting(typename Wide<Real>::Values target, typename Wide<Real>::Values base) {
    return (target == base) | (target == typename Wide<Real>::Values{} + Real(15));
}

// Pairs which[0 .. count) of a batch, count at most LANES: likelihood x SCALE of each.
template <typename Real>
void forward_lanes(const Batch& batch, const Tables<Real>& tables, const int64_t* which, int count, Scratch<Real>& s, double* scaled) {
    using Values = typename Wide<Real>::Values;
    constexpr int LANES = Wide<Real>::LANES;
    const int width = batch.left + batch.right + 1;
    std::array<int32_t, LANES> length{};
    int rows = 0;
    std::array<const Real*, LANES> from;
    const auto spread = [&](const std::vector<Real>& values, int n, std::vector<Values>& out, auto place) {
        out.resize(static_cast<size_t>(n + 8));
        // Lanes beyond the last pair repeat the first: their results are not read.
        for (int lane = 0; lane < LANES; ++lane) from[static_cast<size_t>(lane)] = values.data() + place(which[lane < count ? lane : 0]);
        interleave<Real>(from.data(), n, out.data());
    };
    for (int lane = 0; lane < count; ++lane) {
        const int32_t r = batch.read[which[lane]];
        length[static_cast<size_t>(lane)] = batch.read_offsets[r + 1] - batch.read_offsets[r];
        rows = std::max(rows, length[static_cast<size_t>(lane)]);
    }
    const auto of_read = [&](int64_t pair) { return batch.read_offsets[batch.read[pair]]; };
    const auto of_haplotype = [&](int64_t pair) { return tables.place(batch, batch.haplotype[pair], batch.diagonal[pair] - batch.left); };
    spread(tables.base, rows, s.base, of_read);
    spread(tables.fits, rows, s.fits, of_read);
    spread(tables.wrong, rows, s.wrong, of_read);
    spread(tables.target, rows + width, s.target, of_haplotype);
    spread(tables.stay, rows + width, s.stay, of_haplotype);
    spread(tables.open_insertion, rows + width, s.open_insertion, of_haplotype);
    spread(tables.open_deletion, rows + width, s.open_deletion, of_haplotype);
    // One cell of room before the first, which nobody reads, and one behind the last that stays zero.
    for (std::vector<Values>* cells : {&s.match, &s.insertion, &s.deletion}) cells->assign(static_cast<size_t>(width) + 2, Values{});
    Values *match = s.match.data() + 1, *insertion = s.insertion.data() + 1, *deletion = s.deletion.data() + 1;
    const Values extend = Values{} + static_cast<Real>(EXTEND), close = Values{} + static_cast<Real>(1 - EXTEND);
    const auto ends = [&](int row) {
        for (int lane = 0; lane < count; ++lane)
            if (length[static_cast<size_t>(lane)] == row + 1) return true;
        return false;
    };
    const auto finish = [&](int row) {
        for (int lane = 0; lane < count; ++lane) {
            if (length[static_cast<size_t>(lane)] != row + 1) continue;
            double sum = 0;
            for (int k = 0; k < width; ++k) sum += static_cast<double>(match[k][lane]) + static_cast<double>(insertion[k][lane]);
            scaled[lane] = sum;
        }
    };
    {
        const Values start = Values{} + static_cast<Real>(Range<Real>::SCALE);
        Values left = {}, deleted = {};
        for (int k = 0; k < width; ++k) {
            const auto x = static_cast<size_t>(k);
            deleted = s.open_deletion[x] * left + extend * deleted;
            match[k] = left = (fitting<Real>(s.target[x], s.base[0]) ? s.fits[0] : s.wrong[0]) * start;
            deletion[k] = deleted;
        }
        finish(0);
    }
    // Row i - 1 stands in the arrays until it is overwritten; an insertion needs it one cell further on.
    for (int i = 1; i < rows;) {
        const Values *target = s.target.data() + i, *stay = s.stay.data() + i;
        const Values *open_insertion = s.open_insertion.data() + i, *open_deletion = s.open_deletion.data() + i;
        const auto a = static_cast<size_t>(i);
        const Values base_a = s.base[a], fits_a = s.fits[a], wrong_a = s.wrong[a];
        Values left_a = {}, deleted_a = {};
        if (i + 1 == rows || ends(i)) {
            for (int k = 0; k < width; ++k) {
                const Values here = (fitting<Real>(target[k], base_a) ? fits_a : wrong_a) * (stay[k] * match[k] + close * (insertion[k] + deletion[k]));
                deleted_a = open_deletion[k] * left_a + extend * deleted_a;
                insertion[k] = open_insertion[k] * match[k + 1] + extend * insertion[k + 1];
                deletion[k] = deleted_a;
                match[k] = left_a = here;
            }
            finish(i);
            ++i;
            continue;
        }
        // Two rows in one sweep, the second one cell behind the first: half the memory traffic, and two chains of
        // dependent additions beside one another. Both cells stand over the same haplotype base.
        const Values base_b = s.base[a + 1], fits_b = s.fits[a + 1], wrong_b = s.wrong[a + 1];
        Values left_b = {}, deleted_b = {}, match_a = {}, insertion_a = {}, deletion_a = {};
        for (int k = 0; k < width; ++k) {
            const Values here_a = (fitting<Real>(target[k], base_a) ? fits_a : wrong_a) * (stay[k] * match[k] + close * (insertion[k] + deletion[k]));
            const Values inserted_a = open_insertion[k] * match[k + 1] + extend * insertion[k + 1];
            deleted_a = open_deletion[k] * left_a + extend * deleted_a;
            left_a = here_a;
            const Values here_b = (fitting<Real>(target[k], base_b) ? fits_b : wrong_b) * (stay[k] * match_a + close * (insertion_a + deletion_a));
            deleted_b = open_deletion[k] * left_b + extend * deleted_b;
            insertion[k - 1] = open_insertion[k] * here_a + extend * inserted_a;
            deletion[k - 1] = deleted_b;
            match[k - 1] = left_b = here_b;
            match_a = here_a;
            insertion_a = inserted_a;
            deletion_a = deleted_a;
        }
        const int last = width - 1;
        match[last] = (fitting<Real>(target[width], base_b) ? fits_b : wrong_b) * (stay[width] * match_a + close * (insertion_a + deletion_a));
        deletion[last] = open_deletion[width] * left_b + extend * deleted_b;
        insertion[last] = Values{};
        finish(i + 1);
        i += 2;
    }
}

// Phred of a likelihood x SCALE.
template <typename Real> float cost_of(double scaled) {
    return static_cast<float>(-10 * (std::log10(scaled) - std::log10(Range<Real>::SCALE)));
}

// Fills in the costs. A pair's cost depends on nothing but the pair and the band.
inline void forward(const Batch& batch) {
    const FlushToZero guard;
    std::vector<int64_t> order(static_cast<size_t>(batch.pairs)), again;
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
    auto length = [&](int64_t pair) { return batch.read_offsets[batch.read[pair] + 1] - batch.read_offsets[batch.read[pair]]; };
    std::erase_if(order, [&](int64_t pair) {
        batch.cost[pair] = 0;
        return length(pair) == 0;
    });
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return length(a) < length(b); });
    auto run = [&]<typename Real>(const std::vector<int64_t>& which, Scratch<Real>& scratch, auto weak) {
        constexpr int LANES = Wide<Real>::LANES;
        const Tables<Real> tables(batch);
        for (size_t i = 0; i < which.size(); i += LANES) {
            std::array<double, LANES> scaled{};
            const int count = static_cast<int>(std::min<size_t>(LANES, which.size() - i));
            forward_lanes(batch, tables, which.data() + i, count, scratch, scaled.data());
            for (int lane = 0; lane < count; ++lane) {
                const int64_t pair = which[i + static_cast<size_t>(lane)];
                const double sum = scaled[static_cast<size_t>(lane)];
                if (sum < Range<Real>::LEAST) weak(pair);
                else batch.cost[pair] = cost_of<Real>(sum);
            }
        }
    };
    Scratch<float> single;
    run(order, single, [&](int64_t pair) { again.push_back(pair); });
    if (again.empty()) return;
    Scratch<double> twice;
    run(again, twice, [&](int64_t pair) { batch.cost[pair] = static_cast<float>(MAX_COST); });
}

}  // namespace baselake::pairhmm
