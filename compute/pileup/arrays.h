// What the kernels read: Arrow buffers of alignments, a reference window, parameters. Nothing here owns a column.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace baselake::pileup {

// One Arrow string column: row r is bytes [offsets[r], offsets[r + 1]). An absent value ('*' in SAM) is empty. Where the
// bytes lie on a device, `bytes` is null, and of a row only its length is known.
struct Text {
    const int32_t* offsets = nullptr;
    const char* bytes = nullptr;

    std::string_view operator[](int64_t row) const {
        return {bytes ? bytes + offsets[row] : nullptr, static_cast<size_t>(offsets[row + 1] - offsets[row])};
    }
};

// The columns of the ALIGNMENTS table that calling needs, in any row order.
struct Alignments {
    int64_t rows = 0;
    const int32_t* start = nullptr;
    const int32_t* flag = nullptr;
    const int16_t* mapq = nullptr;
    const uint8_t* duplicate = nullptr;
    Text cigar, seq, qual, name;
};

// Thresholds; `CallParameters` in `__init__.py` documents each and holds the defaults.
struct Parameters {
    int min_mapq = 0;
    int min_base_quality = 0;
    int max_depth = 0;
    double heterozygosity = 0;
    double indel_heterozygosity = 0;
    double min_qual = 0;
    int max_mixed_depth = 0;
    double min_fraction = 0;
};

struct Region {
    int32_t start = 0;
    int32_t end = 0;
    int ploidy = 2;
    bool mixed = false;  // copies are many and may differ, as a mitochondrion's: alleles have fractions
};

// SAMv1 section 1.4: bits of FLAG.
enum Flag : int32_t {
    UNMAPPED = 0x4,
    REVERSE = 0x10,
    FIRST = 0x40,
    LAST = 0x80,
    SECONDARY = 0x100,
    VENDOR_FAILED = 0x200,
    DUPLICATE = 0x400,
    SUPPLEMENTARY = 0x800,
};

// A, C, G, T in either case; everything else, IUPAC codes included, is N and can neither match nor mismatch.
inline char plain_base(char base) {
    switch (base) {
        case 'A': case 'a': return 'A';
        case 'C': case 'c': return 'C';
        case 'G': case 'g': return 'G';
        case 'T': case 't': return 'T';
        default: return 'N';
    }
}

// The plain bases of [begin, end) of one contig; 'N' outside.
class Window {
  public:
    Window(const char* contig, int32_t contig_length, int32_t begin, int32_t end)
        : begin_(std::clamp(begin, 0, contig_length)), end_(std::clamp(end, begin_, contig_length)) {
        bases_.resize(static_cast<size_t>(end_ - begin_));
        std::transform(contig + begin_, contig + end_, bases_.begin(), plain_base);
    }
    int32_t begin() const { return begin_; }
    int32_t end() const { return end_; }
    char operator[](int32_t position) const {
        return position >= begin_ && position < end_ ? bases_[static_cast<size_t>(position - begin_)] : 'N';
    }
    const char* at(int32_t position) const { return bases_.data() + (position - begin_); }
    std::string slice(int32_t from, int32_t to) const {
        std::string out;
        for (int32_t p = from; p < to; ++p) out.push_back((*this)[p]);
        return out;
    }

  private:
    int32_t begin_, end_;
    std::string bases_;
};

}  // namespace baselake::pileup
