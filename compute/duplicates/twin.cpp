// Duplicate marking: keys taken from records, spilled by hash, then grouped and decided a partition at a time.
//
// What a duplicate is, and every rule of choice, stands in compute/duplicates/__init__.py.

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <limits>
#include <numeric>
#include <optional>
#include <string>
#include <tuple>

#include "lake/arrow_columns.h"
#include "lake/spill_cipher.h"

namespace py = pybind11;
using baselake::In;
using baselake::StringView;

namespace {

enum Flag : std::int32_t { UNMAPPED = 0x4, REVERSE = 0x10, LAST = 0x80, NOT_PRIMARY = 0x900, FAILED = 0x200 };
enum Mark : std::uint8_t { LIBRARY = 1, OPTICAL = 2 };
constexpr int PARTITIONS = 256;
// Picard's and samtools markdup's threshold: bases under it add nothing to a read's score.
constexpr int MIN_QUALITY = 15;

// One end of a template: (contig + 1) << 34 | (unclipped 5' position + 2^31) << 1 | reverse.
using End = std::uint64_t;

struct Spot {
    std::uint64_t lane;  // hash of the name up to the tile, and of the end that was read first; 0: not told
    std::int32_t x, y;
};

// A pair, or, with `second` 0, a fragment.
struct Candidate {
    End first, second;
    std::uint32_t library, score;
    std::int64_t templ;
    Spot spot;

    auto key() const { return std::tie(library, first, second); }
    // Groups together, the one to keep first: the best score, then the template that came first.
    bool operator<(const Candidate& other) const {
        if (key() != other.key()) return key() < other.key();
        return score != other.score ? score > other.score : templ < other.templ;
    }
};
static_assert(sizeof(Candidate) == 48);

// An end of a pair, before which a fragment at the same place gives way.
struct PairEnd {
    End end;
    std::uint64_t library;
    bool operator<(const PairEnd& other) const { return std::tie(library, end) < std::tie(other.library, other.end); }
};

std::uint64_t mix(std::uint64_t value) {  // the finaliser of splitmix64
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
    return value ^ (value >> 31);
}

int partition_of(std::uint32_t library, End first, End second) {
    return static_cast<int>(mix(mix(mix(library + 1) + first) + second) % PARTITIONS);
}

std::optional<std::int32_t> parse_number(std::string_view text) {
    std::int64_t value = 0;
    const bool negative = !text.empty() && text[0] == '-';
    if (negative) text.remove_prefix(1);
    if (text.empty() || text.size() > 9) return std::nullopt;
    for (const char c : text) {
        if (c < '0' || c > '9') return std::nullopt;
        value = value * 10 + (c - '0');
    }
    return static_cast<std::int32_t>(negative ? -value : value);
}

// Illumina names: instrument:run:flowcell:lane:tile:x:y, then perhaps a UMI; or instrument:lane:tile:x:y.
Spot parse_spot(std::string_view name) {
    std::array<std::size_t, 8> colon{};
    std::size_t fields = 0;
    for (std::size_t i = 0; i < name.size(); ++i) {
        if (name[i] != ':') continue;
        if (fields == colon.size()) return {};
        colon[fields++] = i;
    }
    ++fields;
    if (fields != 5 && fields != 7 && fields != 8) return {};
    const std::size_t tile_end = colon[fields == 5 ? 2 : 4], x_end = colon[fields == 5 ? 3 : 5];
    const std::size_t y_end = fields == 8 ? colon[6] : name.size();
    const auto x = parse_number(name.substr(tile_end + 1, x_end - tile_end - 1));
    const auto y = parse_number(name.substr(x_end + 1, y_end - x_end - 1));
    if (!x || !y) return {};
    std::uint64_t lane = 0xcbf29ce484222325ULL;  // FNV-1a
    for (const char c : name.substr(0, tile_end)) lane = (lane ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
    return {lane ? lane : 1, *x, *y};
}

// Unclipped 5' position: where the read's first sequenced base would lie had nothing been clipped.
std::int64_t five_prime(std::int64_t start, bool reverse, std::string_view cigar) {
    std::int64_t length = 0, leading = 0, trailing = 0, spanned = 0;
    for (const char c : cigar) {
        if (c >= '0' && c <= '9') {
            length = length * 10 + (c - '0');
            continue;
        }
        if (c == 'S' || c == 'H') {
            (spanned ? trailing : leading) += length;
        } else if (c == 'M' || c == 'D' || c == 'N' || c == '=' || c == 'X') {
            spanned += length;
        }
        length = 0;
    }
    return reverse ? start + spanned + trailing - 1 : start - leading;
}

End end_of(std::int32_t flag, std::int32_t contig, std::int32_t start, std::string_view cigar) {
    const bool reverse = flag & REVERSE;
    const std::int64_t position = five_prime(start, reverse, cigar);
    const auto biased = static_cast<std::uint64_t>(position - std::numeric_limits<std::int32_t>::min());
    // Contigs count from 1, so that no end is 0, which marks a fragment.
    return static_cast<std::uint64_t>(contig + 1) << 34 | biased << 1 | reverse;
}

std::uint32_t score_of(std::string_view qual) {
    std::uint32_t sum = 0;
    for (const char c : qual) sum += c - 33 >= MIN_QUALITY ? c - 33 : 0;
    return sum;
}

struct Columns {
    const std::int64_t* templ;
    const std::int32_t *library, *flag, *contig, *start;
    StringView name, cigar, qual;
    std::int64_t rows;

    End end(std::int64_t row) const { return end_of(flag[row], contig[row], start[row], cigar[row]); }
};

// Appends fixed-width values to one file a partition; files are open only while they are written.
template <typename T>
class PartitionedFile {
public:
    PartitionedFile(std::string stem, baselake::SpillCipher cipher, std::size_t buffered)
        : stem_(std::move(stem)), cipher_(std::move(cipher)), buffered_(std::max<std::size_t>(1, buffered / sizeof(T))) {}

    int append(int partition, const T& value) {
        auto& held = held_[partition];
        held.push_back(value);
        return held.size() < buffered_ ? 0 : flush(partition);
    }

    int flush_all() {
        for (int i = 0; i < PARTITIONS; ++i) {
            if (const int error = flush(i)) return error;
            held_[i].shrink_to_fit();
        }
        return 0;
    }

private:
    int flush(int partition) {
        auto& held = held_[partition];
        if (held.empty()) return 0;
        const std::string path = stem_ + std::to_string(partition);
        const std::size_t bytes = held.size() * sizeof(T);
        if (cipher_) cipher_(path, written_[partition], reinterpret_cast<std::uint8_t*>(held.data()), bytes);
        written_[partition] += bytes;
        std::FILE* file = std::fopen(path.c_str(), "ab");
        if (!file) return errno;
        const bool whole = std::fwrite(held.data(), sizeof(T), held.size(), file) == held.size();
        const int error = whole ? 0 : errno;
        const int closing = std::fclose(file) ? errno : 0;
        held.clear();
        return error ? error : closing;
    }

    std::string stem_;
    baselake::SpillCipher cipher_;
    std::size_t buffered_;
    std::array<std::uint64_t, PARTITIONS> written_{};
    std::array<std::vector<T>, PARTITIONS> held_;
};

class Spill {
public:
    Spill(const std::string& folder, std::size_t buffered, const py::object& cipher)
        : pairs_(folder + "/pairs-", baselake::spill_cipher(cipher), buffered),
          fragments_(folder + "/fragments-", baselake::spill_cipher(cipher), buffered),
          pair_ends_(folder + "/ends-", baselake::spill_cipher(cipher), buffered) {}

    // Takes rows of whole templates, a template's rows together. Returns 0 or an errno.
    int add(const In<std::int64_t>& templ, const In<std::int32_t>& library, const In<std::int32_t>& flag,
            const In<std::int32_t>& contig, const In<std::int32_t>& start,
            const std::pair<In<std::int32_t>, In<std::uint8_t>>& name,
            const std::pair<In<std::int32_t>, In<std::uint8_t>>& cigar,
            const std::pair<In<std::int32_t>, In<std::uint8_t>>& qual) {
        const Columns rows{templ.data(),
                           library.data(),
                           flag.data(),
                           contig.data(),
                           start.data(),
                           StringView(name.first, name.second),
                           StringView(cigar.first, cigar.second),
                           StringView(qual.first, qual.second),
                           flag.size()};
        for (const auto size : {templ.size(), library.size(), contig.size(), start.size()}) {
            if (size != rows.rows) throw std::invalid_argument("columns of different length");
        }
        if (rows.name.rows() != rows.rows || rows.cigar.rows() != rows.rows || rows.qual.rows() != rows.rows) {
            throw std::invalid_argument("columns of different length");
        }
        py::gil_scoped_release released;
        for (std::int64_t row = 0; row < rows.rows;) {
            std::int64_t end = row;
            while (end < rows.rows && rows.templ[end] == rows.templ[row]) ++end;
            if (const int error = add_template(rows, row, end)) return error;
            row = end;
        }
        return 0;
    }

    int flush() {
        py::gil_scoped_release released;
        if (const int error = pairs_.flush_all()) return error;
        if (const int error = fragments_.flush_all()) return error;
        return pair_ends_.flush_all();
    }

private:
    int add_template(const Columns& rows, std::int64_t from, std::int64_t to) {
        std::array<std::int64_t, 2> mapped{};
        int count = 0;
        for (std::int64_t row = from; row < to; ++row) {
            if (rows.flag[row] & NOT_PRIMARY) continue;
            if (rows.flag[row] & FAILED) return 0;
            if (rows.flag[row] & UNMAPPED) continue;
            if (count == 2) throw std::invalid_argument("a template with more than two primary records");
            mapped[count++] = row;
        }
        if (!count) return 0;
        const std::int64_t a = mapped[0];
        Candidate found{};
        found.templ = rows.templ[a];
        found.library = static_cast<std::uint32_t>(rows.library[a]);
        found.first = rows.end(a);
        found.score = score_of(rows.qual[a]);
        found.spot = parse_spot(rows.name[a]);
        if (count == 1) return fragments_.append(partition_of(found.library, found.first, 0), found);
        const std::int64_t b = mapped[1];
        found.second = rows.end(b);
        found.score += score_of(rows.qual[b]);
        const bool last_first = rows.flag[a] & LAST;
        const bool swapped = last_first ? found.first < found.second : found.second < found.first;
        if (found.second < found.first) std::swap(found.first, found.second);
        // Copies of one cluster are read from the same end: those read from the other are another molecule.
        if (found.spot.lane && swapped) found.spot.lane = std::max<std::uint64_t>(1, mix(found.spot.lane));
        for (const End end : {found.first, found.second}) {
            if (const int error = pair_ends_.append(partition_of(found.library, end, 0), {end, found.library})) {
                return error;
            }
        }
        return pairs_.append(partition_of(found.library, found.first, found.second), found);
    }

    PartitionedFile<Candidate> pairs_, fragments_;
    PartitionedFile<PairEnd> pair_ends_;
};

std::size_t root_of(std::vector<std::size_t>& parent, std::size_t i) {
    while (parent[i] != i) i = parent[i] = parent[parent[i]];
    return i;
}

// Marks the members of a sorted group but its first: optical where a chain of near spots leads to a better one.
void mark_group(const Candidate* group, std::size_t size, std::int32_t distance, std::uint8_t* marks) {
    std::vector<std::size_t> by_spot;
    for (std::size_t i = 0; i < size; ++i) {
        if (i) marks[group[i].templ] = LIBRARY;
        if (group[i].spot.lane) by_spot.push_back(i);
    }
    std::sort(by_spot.begin(), by_spot.end(), [group](std::size_t a, std::size_t b) {
        const Spot &s = group[a].spot, &t = group[b].spot;
        return std::tie(s.lane, s.x, s.y, a) < std::tie(t.lane, t.x, t.y, b);
    });
    std::vector<std::size_t> parent(size);
    std::iota(parent.begin(), parent.end(), std::size_t{0});
    for (std::size_t i = 0; i < by_spot.size(); ++i) {
        const Spot& spot = group[by_spot[i]].spot;
        for (std::size_t j = i + 1; j < by_spot.size(); ++j) {
            const Spot& other = group[by_spot[j]].spot;
            if (other.lane != spot.lane || std::int64_t{other.x} - spot.x > distance) break;
            if (std::abs(std::int64_t{other.y} - spot.y) > distance) continue;
            const std::size_t a = root_of(parent, by_spot[i]), b = root_of(parent, by_spot[j]);
            parent[std::max(a, b)] = std::min(a, b);  // the best member of a chain is its root
        }
    }
    for (std::size_t i = 1; i < size; ++i) {
        if (root_of(parent, i) != i) marks[group[i].templ] = OPTICAL;
    }
}

template <typename T>
T* records(const py::array_t<std::uint8_t>& bytes, std::size_t& size) {
    if (bytes.size() % static_cast<py::ssize_t>(sizeof(T))) throw std::invalid_argument("a partition is cut short");
    size = bytes.size() / sizeof(T);
    return reinterpret_cast<T*>(const_cast<std::uint8_t*>(bytes.data()));
}

// Sorts a partition in place and writes the marks of its templates: 0 none, 1 LB, 2 SQ.
void decide(py::array_t<std::uint8_t> pair_bytes, py::array_t<std::uint8_t> fragment_bytes,
            py::array_t<std::uint8_t> end_bytes, py::array_t<std::uint8_t> marks, std::int32_t distance) {
    std::size_t pairs, fragments, ends;
    auto* pair = records<Candidate>(pair_bytes, pairs);
    auto* fragment = records<Candidate>(fragment_bytes, fragments);
    auto* end = records<PairEnd>(end_bytes, ends);
    std::uint8_t* mark = marks.mutable_data();
    py::gil_scoped_release released;
    for (auto [from, size] : {std::pair{pair, pairs}, std::pair{fragment, fragments}}) {
        std::sort(from, from + size);
        for (std::size_t a = 0, b = 0; a < size; a = b) {
            while (b < size && from[b].key() == from[a].key()) ++b;
            if (b - a > 1) mark_group(from + a, b - a, distance, mark);
        }
    }
    if (!fragments) return;
    std::sort(end, end + ends);
    for (std::size_t i = 0; i < fragments; ++i) {
        const bool beside_pair = std::binary_search(end, end + ends, PairEnd{fragment[i].first, fragment[i].library});
        if (beside_pair && !mark[fragment[i].templ]) mark[fragment[i].templ] = LIBRARY;
    }
}

// The ends and scores of records, as the kernel of a GPU gives them.
py::tuple keys(const In<std::int32_t>& flag, const In<std::int32_t>& contig, const In<std::int32_t>& start,
               const std::pair<In<std::int32_t>, In<std::uint8_t>>& cigar, const std::pair<In<std::int32_t>, In<std::uint8_t>>& qual) {
    const StringView cigars(cigar.first, cigar.second), quals(qual.first, qual.second);
    std::vector<End> ends;
    std::vector<std::uint32_t> scores;
    for (py::ssize_t row = 0; row < flag.size(); ++row) {
        ends.push_back(end_of(flag.at(row), contig.at(row), start.at(row), cigars[row]));
        scores.push_back(score_of(quals[row]));
    }
    return py::make_tuple(baselake::to_numpy(std::move(ends)), baselake::to_numpy(std::move(scores)));
}

}  // namespace

PYBIND11_MODULE(_twin, module) {
    module.doc() = "Duplicate marking; see compute/duplicates/__init__.py.";
    module.attr("PARTITIONS") = PARTITIONS;
    py::class_<Spill>(module, "Spill")
        .def(py::init<const std::string&, std::size_t, const py::object&>(), py::arg("folder"), py::arg("buffered"),
             py::arg("cipher") = py::none())
        .def("add", &Spill::add, py::arg("template"), py::arg("library"), py::arg("flag"), py::arg("contig"),
             py::arg("start"), py::arg("name"), py::arg("cigar"), py::arg("qual"))
        .def("flush", &Spill::flush);
    module.def("keys", &keys);
    module.def("decide", &decide, py::arg("pairs"), py::arg("fragments"), py::arg("ends"), py::arg("marks"),
               py::arg("distance"));
}
