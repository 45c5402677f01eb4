// Finds unmapped mates near the reads that mapped: local alignment in the window where the library puts them.

#include <algorithm>
#include <array>
#include <string>

#include "compute/align/bases.h"
#include "lake/arrow_columns.h"

namespace py = pybind11;
using baselake::In;
using baselake::StringView;
using baselake::to_numpy;

namespace {

// Only reads that share a stretch of this length with the window are aligned: a foreign read costs little.
constexpr int SHARED = 12;
// minimap2's least score of an alignment in its short-read preset (min_dp_max): 20 bases that match.
constexpr int MIN_SCORE = 40;
// A read that maps worse than this does not tell where its mate is.
constexpr int MIN_ANCHOR_MAPQ = 20;
// An alignment of fewer matching bases than this is trusted less, in proportion.
constexpr double SURE_BASES = 50;

struct Scoring {
    int match, mismatch, open, extend;
};

struct Found {
    int score = 0, second = 0;
    std::int64_t start = 0;  // in the window
    int lead = 0;
    std::vector<std::uint32_t> cigar;
};

bool share_stretch(std::string_view read, std::string_view window, std::vector<std::uint32_t>& words) {
    constexpr std::uint32_t mask = (1U << (2 * SHARED)) - 1;
    const auto each_word = [](std::string_view text, auto&& use) {
        std::uint32_t word = 0;
        int known = 0;
        for (const char c : text) {
            const int code = baselake::base_code(c);
            known = code < 0 ? 0 : known + 1;
            word = (word << 2 | static_cast<std::uint32_t>(code & 3)) & mask;
            if (known >= SHARED && use(word)) return true;
        }
        return false;
    };
    words.clear();
    each_word(read, [&](std::uint32_t word) {
        words.push_back(word);
        return false;
    });
    std::sort(words.begin(), words.end());
    return each_word(window, [&](std::uint32_t word) { return std::binary_search(words.begin(), words.end(), word); });
}

// Local alignment with affine gaps (Gotoh); of equal scores the leftmost end in the window.
class LocalAligner {
public:
    explicit LocalAligner(const Scoring& scoring) : scoring_(scoring) {}

    Found align(std::string_view read, std::string_view window) {
        const std::size_t rows = read.size() + 1, columns = window.size() + 1;
        steps_.assign(rows * columns, 0);
        best_.assign(rows, 0);
        across_.assign(rows, LOW);
        column_best_.assign(columns, 0);
        const int first = scoring_.open + scoring_.extend;
        Found found;
        std::size_t end_row = 0, end_column = 0;
        for (std::size_t j = 1; j < columns; ++j) {
            int diagonal = 0, down = LOW;
            std::uint8_t* step = &steps_[j * rows];
            for (std::size_t i = 1; i < rows; ++i) {
                const bool same = read[i - 1] == window[j - 1] && baselake::base_code(read[i - 1]) >= 0;
                int score = diagonal + (same ? scoring_.match : -scoring_.mismatch);
                std::uint8_t from = DIAGONAL;
                diagonal = best_[i];
                const bool long_across = across_[i] - scoring_.extend > best_[i] - first;
                across_[i] = long_across ? across_[i] - scoring_.extend : best_[i] - first;
                const bool long_down = down - scoring_.extend > best_[i - 1] - first;
                down = long_down ? down - scoring_.extend : best_[i - 1] - first;
                if (across_[i] > score) score = across_[i], from = ACROSS;
                if (down > score) score = down, from = DOWN;
                if (score <= 0) score = 0, from = STOP;
                step[i] = static_cast<std::uint8_t>(from | (long_across ? LONG_ACROSS : 0) | (long_down ? LONG_DOWN : 0));
                best_[i] = score;
                column_best_[j] = std::max(column_best_[j], score);
                if (score > found.score) found.score = score, end_row = i, end_column = j;
            }
        }
        if (found.score < MIN_SCORE) return found;
        trace(found, rows, end_row, end_column);
        // The best score of an alignment that ends well away from this one.
        const auto reach = static_cast<std::size_t>(read.size() / 2);
        for (std::size_t j = 1; j < columns; ++j) {
            if (j + reach < end_column || j > end_column + reach) found.second = std::max(found.second, column_best_[j]);
        }
        return found;
    }

private:
    static constexpr int LOW = -1'000'000;
    enum : std::uint8_t { STOP = 0, DIAGONAL = 1, ACROSS = 2, DOWN = 3, LONG_ACROSS = 4, LONG_DOWN = 8 };

    void trace(Found& found, std::size_t rows, std::size_t i, std::size_t j) {
        int state = STOP;  // STOP: take what the cell says; ACROSS, DOWN: within a gap
        while (true) {
            const std::uint8_t step = steps_[j * rows + i];
            const int move = state == STOP ? step & 3 : state;
            if (move == STOP) break;
            if (move == DIAGONAL) {
                append(found.cigar, 0), --i, --j;
            } else if (move == ACROSS) {
                append(found.cigar, 2), --j;
                state = step & LONG_ACROSS ? ACROSS : STOP;
            } else {
                append(found.cigar, 1), --i;
                state = step & LONG_DOWN ? DOWN : STOP;
            }
        }
        std::reverse(found.cigar.begin(), found.cigar.end());
        found.lead = static_cast<int>(i);
        found.start = static_cast<std::int64_t>(j);
    }

    static void append(std::vector<std::uint32_t>& cigar, std::uint32_t operation) {
        if (cigar.empty() || (cigar.back() & 0xf) != operation) cigar.push_back(operation);
        cigar.back() += 1 << 4;
    }

    Scoring scoring_;
    std::vector<std::uint8_t> steps_;
    std::vector<int> best_, across_, column_best_;
};

struct Hit {
    std::int32_t read, contig, start, lead;
    std::uint8_t reverse, mapq;
    std::vector<std::uint32_t> cigar;
};

struct Anchor {
    std::int32_t contig;
    std::int64_t start, end;
    bool reverse;
    int mapq;
};

class Rescuer {
public:
    Rescuer(std::vector<std::string_view> contigs, const Scoring& scoring, std::int64_t high)
        : contigs_(std::move(contigs)), scoring_(scoring), aligner_(scoring), high_(high) {}

    // Appends the mate's hit, if there is one within an insert of the anchor.
    void find(const Anchor& anchor, std::int32_t row, std::string_view seq, std::vector<Hit>& out) {
        const auto length = static_cast<std::int64_t>(contigs_.at(anchor.contig).size());
        const std::int64_t from = anchor.reverse ? std::max<std::int64_t>(0, anchor.end - high_) : anchor.start;
        const std::int64_t to = anchor.reverse ? anchor.end : std::min(length, anchor.start + high_);
        if (to <= from) return;
        const std::string_view window = contigs_[anchor.contig].substr(from, to - from);
        const bool reverse = !anchor.reverse;
        if (reverse) baselake::reverse_complement(seq, turned_);
        const std::string_view oriented = reverse ? std::string_view(turned_) : seq;
        if (!share_stretch(oriented, window, words_)) return;
        Found found = aligner_.align(oriented, window);
        if (found.score < MIN_SCORE) return;
        const double unique = 1.0 - static_cast<double>(found.second) / found.score;
        const double sure = std::min(1.0, found.score / (scoring_.match * SURE_BASES));
        const int mapq = std::min(anchor.mapq, static_cast<int>(60 * unique * sure));
        out.push_back({row, anchor.contig, static_cast<std::int32_t>(from + found.start), found.lead, reverse,
                       static_cast<std::uint8_t>(mapq), std::move(found.cigar)});
    }

private:
    std::vector<std::string_view> contigs_;
    Scoring scoring_;
    LocalAligner aligner_;
    std::int64_t high_;
    std::string turned_;
    std::vector<std::uint32_t> words_;
};

py::dict rescue_mates(const py::list& contig_bases, const In<std::int32_t>& seq_offsets,
                      const In<std::uint8_t>& seq_bytes, const In<std::int32_t>& first_rows,
                      const In<std::int32_t>& read, const In<std::int32_t>& contig, const In<std::int32_t>& start,
                      const In<std::uint8_t>& reverse, const In<std::uint8_t>& mapq,
                      const In<std::int64_t>& cigar_offsets, const In<std::uint32_t>& cigar,
                      const std::array<int, 4>& scoring, std::int64_t high) {
    std::vector<std::string_view> contigs;
    for (const py::handle& bases : contig_bases) {
        const auto array = py::cast<In<std::uint8_t>>(bases);
        contigs.emplace_back(reinterpret_cast<const char*>(array.data()), array.size());
    }
    const StringView seq(seq_offsets, seq_bytes);
    const auto hits = read.size();
    std::vector<Hit> found;
    {
        const std::int32_t *rows = first_rows.data(), *read_of = read.data(), *contig_of = contig.data(),
                           *start_of = start.data();
        const std::uint8_t *reverse_of = reverse.data(), *mapq_of = mapq.data();
        const std::int64_t* offset_of = cigar_offsets.data();
        const std::uint32_t* steps = cigar.data();
        const auto templates = first_rows.size() - 1;
        py::gil_scoped_release released;
        Rescuer rescuer(std::move(contigs), {scoring[0], scoring[1], scoring[2], scoring[3]}, high);
        std::int64_t hit = 0;
        for (std::int64_t t = 0; t < templates; ++t) {
            const std::int64_t from = hit;
            while (hit < hits && read_of[hit] < rows[t + 1]) ++hit;
            // One read with just one hit, a mate with none.
            if (rows[t + 1] - rows[t] != 2 || hit - from != 1 || mapq_of[from] < MIN_ANCHOR_MAPQ) continue;
            std::int64_t end = start_of[from];
            for (auto step = offset_of[from]; step < offset_of[from + 1]; ++step) {
                if ((steps[step] & 0xf) != 1) end += steps[step] >> 4;
            }
            const std::int32_t mate = read_of[from] == rows[t] ? rows[t] + 1 : rows[t];
            rescuer.find({contig_of[from], start_of[from], end, reverse_of[from] != 0, mapq_of[from]}, mate,
                         seq[mate], found);
        }
    }
    std::vector<std::int32_t> reads, contig_out, starts, leads;
    std::vector<std::uint8_t> reverses, mapqs;
    std::vector<std::int64_t> offsets{0};
    std::vector<std::uint32_t> cigars;
    for (const Hit& hit : found) {
        reads.push_back(hit.read);
        contig_out.push_back(hit.contig);
        starts.push_back(hit.start);
        leads.push_back(hit.lead);
        reverses.push_back(hit.reverse);
        mapqs.push_back(hit.mapq);
        cigars.insert(cigars.end(), hit.cigar.begin(), hit.cigar.end());
        offsets.push_back(static_cast<std::int64_t>(cigars.size()));
    }
    py::dict out;
    out["read"] = to_numpy(std::move(reads));
    out["contig"] = to_numpy(std::move(contig_out));
    out["start"] = to_numpy(std::move(starts));
    out["lead"] = to_numpy(std::move(leads));
    out["reverse"] = to_numpy(std::move(reverses));
    out["mapq"] = to_numpy(std::move(mapqs));
    out["cigar_offsets"] = to_numpy(std::move(offsets));
    out["cigar"] = to_numpy(std::move(cigars));
    return out;
}

}  // namespace

PYBIND11_MODULE(_rescue, module) {
    module.doc() = "Mate rescue; see compute/align/rescue.py.";
    module.def("rescue_mates", &rescue_mates, py::arg("contig_bases"), py::arg("seq_offsets"), py::arg("seq_bytes"),
               py::arg("first_rows"), py::arg("read"), py::arg("contig"), py::arg("start"), py::arg("reverse"),
               py::arg("mapq"), py::arg("cigar_offsets"), py::arg("cigar"), py::arg("scoring"), py::arg("high"));
}
