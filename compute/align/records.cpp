// SAM records from reads and their hits: clipping, mate fields, flags and tags as SAMv1 and SAMtags define them.
//
// One template after the other, in input order: the first read's primary record, its supplementary ones, then
// the second read's. Runs without the GIL.

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <string>

#include "compute/align/bases.h"
#include "lake/arrow_columns.h"

namespace py = pybind11;
using baselake::In;
using baselake::StringBuilder;
using baselake::StringView;
using baselake::to_numpy;

namespace {

// SAMv1 section 1.4, bits of FLAG.
enum Flag : std::int32_t {
    PAIRED = 0x1,
    PROPER = 0x2,
    UNMAPPED = 0x4,
    MATE_UNMAPPED = 0x8,
    REVERSE = 0x10,
    MATE_REVERSE = 0x20,
    FIRST = 0x40,
    LAST = 0x80,
    FAILED = 0x200,
    SUPPLEMENTARY = 0x800,
};

// BAM's cigar operations that mappy gives for short reads, and the clips added here.
enum Operation : std::uint32_t { MATCH = 0, INSERTION = 1, DELETION = 2, SOFT_CLIP = 4, HARD_CLIP = 5 };
constexpr char OPERATIONS[] = "MIDNSHP=X";

constexpr bool is_base(char c) { return baselake::base_code(c) >= 0; }

struct Scoring {
    int match, mismatch, open, extend, open_long, extend_long, ambiguous;

    int gap(int length) const { return std::min(open + extend * length, open_long + extend_long * length); }
};

struct InsertRange {
    std::int64_t low, high;
};

struct Contigs {
    std::vector<std::string> names;
    std::vector<std::string_view> bases;
};

struct HitView {
    const std::int32_t *read, *contig, *start, *lead;
    const std::uint8_t *reverse, *mapq;
    const std::int64_t* cigar_offsets;
    const std::uint32_t* cigar;
    std::int64_t size;
};

// One hit with all that its record and the records that name it need.
struct Placed {
    std::int32_t contig, start, end, lead, trail;
    bool reverse;
    std::uint8_t mapq;
    const std::uint32_t *cigar, *cigar_end;
    int score, differences;
    std::string md;
};

void append_cigar(std::string& text, std::uint32_t length, char operation) {
    if (length) text.append(std::to_string(length)).push_back(operation);
}

// The cigar as text with both ends clipped by `clip`.
std::string cigar_text(const Placed& hit, char clip) {
    std::string text;
    append_cigar(text, hit.lead, clip);
    for (const auto* step = hit.cigar; step != hit.cigar_end; ++step) {
        append_cigar(text, *step >> 4, OPERATIONS[*step & 0xf]);
    }
    append_cigar(text, hit.trail, clip);
    return text;
}

// Fills the end, the score and the NM and MD values: SAMtags says only A, C, G and T can match.
void compare_with_reference(Placed& hit, std::string_view oriented, std::string_view contig, const Scoring& scoring) {
    std::int64_t at = hit.start, base = hit.lead;
    int matched = 0;
    hit.score = hit.differences = 0;
    for (const auto* step = hit.cigar; step != hit.cigar_end; ++step) {
        const auto length = static_cast<int>(*step >> 4);
        switch (*step & 0xf) {
            case MATCH:
                for (int i = 0; i < length; ++i, ++at, ++base) {
                    const char r = contig[at], q = oriented[base];
                    if (r == q && is_base(r)) {
                        ++matched;
                        hit.score += scoring.match;
                        continue;
                    }
                    hit.md.append(std::to_string(matched)).push_back(r);
                    matched = 0;
                    ++hit.differences;
                    hit.score -= is_base(r) && is_base(q) ? scoring.mismatch : scoring.ambiguous;
                }
                break;
            case INSERTION:
                base += length;
                hit.differences += length;
                hit.score -= scoring.gap(length);
                break;
            case DELETION:
                hit.md.append(std::to_string(matched)).push_back('^');
                hit.md.append(contig.substr(at, length));
                matched = 0;
                at += length;
                hit.differences += length;
                hit.score -= scoring.gap(length);
                break;
            default:
                throw std::invalid_argument("mappy gave a cigar operation that no short read has");
        }
    }
    hit.md.append(std::to_string(matched));
    hit.end = static_cast<std::int32_t>(at);
}

class Tags {
public:
    explicit Tags(std::vector<std::uint8_t>& bytes) : bytes_(bytes) {}
    void integer(const char* tag, std::int64_t value) {
        // The narrowest unsigned type that holds it, as htslib does; a negative score takes four bytes.
        if (value < 0) return fixed(tag, 'i', static_cast<std::int32_t>(value));
        if (value <= UINT8_MAX) return fixed(tag, 'C', static_cast<std::uint8_t>(value));
        if (value <= UINT16_MAX) return fixed(tag, 'S', static_cast<std::uint16_t>(value));
        fixed(tag, 'I', static_cast<std::uint32_t>(value));
    }
    void text(const char* tag, std::string_view value) {
        bytes_.insert(bytes_.end(), {std::uint8_t(tag[0]), std::uint8_t(tag[1]), std::uint8_t('Z')});
        bytes_.insert(bytes_.end(), value.begin(), value.end());
        bytes_.push_back(0);
    }
    void raw(const std::uint8_t* from, const std::uint8_t* to) { bytes_.insert(bytes_.end(), from, to); }

private:
    template <typename T>
    void fixed(const char* tag, char type, T value) {
        const auto at = bytes_.size();
        bytes_.resize(at + 3 + sizeof(T));
        bytes_[at] = static_cast<std::uint8_t>(tag[0]);
        bytes_[at + 1] = static_cast<std::uint8_t>(tag[1]);
        bytes_[at + 2] = static_cast<std::uint8_t>(type);
        std::memcpy(&bytes_[at + 3], &value, sizeof(T));
    }
    std::vector<std::uint8_t>& bytes_;
};

// What an earlier alignment said of a read, which this one replaces.
bool describes_alignment(const std::uint8_t* tag) {
    static constexpr std::string_view names = "NM MD AS XS SA XA MC MQ ms DT dt do PG";
    const char wanted[2] = {static_cast<char>(tag[0]), static_cast<char>(tag[1])};
    for (std::size_t i = 0; i + 1 < names.size(); i += 3) {
        if (names.compare(i, 2, wanted, 2) == 0) return true;
    }
    return false;
}

std::size_t width_of(std::uint8_t type) {
    switch (type) {
        case 'A': case 'c': case 'C': return 1;
        case 's': case 'S': return 2;
        case 'i': case 'I': case 'f': return 4;
        default: throw std::invalid_argument("a stored tag is of no BAM type");
    }
}

// Carries over the tags a read came with (UMI, barcodes), but those of an earlier alignment.
void carry_tags(std::string_view stored, Tags& tags) {
    const auto* at = reinterpret_cast<const std::uint8_t*>(stored.data());
    const auto* const end = at + stored.size();
    while (end - at > 3) {
        const auto* next = at + 3;
        if (at[2] == 'Z' || at[2] == 'H') {
            next = std::find(next, end, 0) + 1;
        } else if (at[2] == 'B') {
            if (end - at < 8) throw std::invalid_argument("a stored array tag is cut short");
            std::uint32_t count;
            std::memcpy(&count, at + 4, 4);
            next = at + 8 + width_of(at[3]) * std::size_t{count};
        } else {
            next += width_of(at[2]);
        }
        if (next > end) throw std::invalid_argument("a stored tag is cut short");
        if (!describes_alignment(at)) tags.raw(at, next);
        at = next;
    }
}

struct Output {
    std::vector<std::int32_t> template_row, flag, contig, start, end, mapq, next_contig, next_start, tlen;
    StringBuilder name, cigar, seq, qual, tags;
};

struct Reads {
    StringView name, seq, qual, tags;
    const std::uint8_t *has_qual, *filtered;
};

// One read of a template, its hits with the primary one first, and its record's place.
struct Read {
    std::int32_t row = 0;
    std::vector<Placed> hits;
    std::string reversed;      // sequence, made when a hit is on the reverse strand
    std::string reversed_qual;
    std::string primary_cigar;

    bool mapped() const { return !hits.empty(); }
};

bool is_proper(const Placed& a, const Placed& b, const InsertRange& range) {
    if (a.contig != b.contig || a.reverse == b.reverse) return false;
    const Placed& forward = a.reverse ? b : a;
    const Placed& backward = a.reverse ? a : b;
    const std::int64_t insert = std::int64_t{backward.end} - forward.start;
    return insert >= range.low && insert <= range.high;
}

// TLEN by SAMv1: from the leftmost to the rightmost mapped base, positive for the leftmost segment.
std::int32_t template_length(const Placed& mine, const Placed& mates, bool first) {
    if (mine.contig != mates.contig) return 0;
    const std::int32_t length = std::max(mine.end, mates.end) - std::min(mine.start, mates.start);
    const bool leftmost = mine.start < mates.start || (mine.start == mates.start && first);
    return leftmost ? length : -length;
}

class Assembler {
public:
    Assembler(const Contigs& contigs, const Reads& reads, const HitView& hits, const Scoring& scoring,
              const InsertRange& range)
        : contigs_(contigs), reads_(reads), hits_(hits), scoring_(scoring), range_(range) {}

    void add(std::int32_t ordinal, std::int32_t row, bool paired, Output& out) {
        place(first_, row);
        if (!paired) {
            write(first_, nullptr, true, false, ordinal, out);
            return;
        }
        place(second_, row + 1);
        const bool proper = choose_primaries();
        write(first_, &second_, true, proper, ordinal, out);
        write(second_, &first_, false, proper, ordinal, out);
    }

private:
    void place(Read& read, std::int32_t row) {
        read.row = row;
        read.hits.clear();
        read.reversed.clear();
        const std::string_view seq = reads_.seq[row];
        for (; next_ < hits_.size && hits_.read[next_] == row; ++next_) {
            Placed hit{};
            hit.contig = hits_.contig[next_];
            hit.start = hits_.start[next_];
            hit.lead = hits_.lead[next_];
            hit.reverse = hits_.reverse[next_];
            hit.mapq = hits_.mapq[next_];
            hit.cigar = hits_.cigar + hits_.cigar_offsets[next_];
            hit.cigar_end = hits_.cigar + hits_.cigar_offsets[next_ + 1];
            std::int64_t used = hit.lead, spanned = hit.start;
            for (const auto* step = hit.cigar; step != hit.cigar_end; ++step) {
                if ((*step & 0xf) != DELETION) used += *step >> 4;
                if ((*step & 0xf) != INSERTION) spanned += *step >> 4;
            }
            const std::string_view contig = contigs_.bases.at(hit.contig);
            hit.trail = static_cast<std::int32_t>(static_cast<std::int64_t>(seq.size()) - used);
            if (hit.trail < 0 || hit.lead < 0 || spanned > static_cast<std::int64_t>(contig.size())) {
                throw std::invalid_argument("a hit reaches past its read or contig");
            }
            if (hit.reverse && read.reversed.empty()) baselake::reverse_complement(seq, read.reversed);
            compare_with_reference(hit, hit.reverse ? std::string_view(read.reversed) : seq, contig, scoring_);
            read.hits.push_back(std::move(hit));
        }
        // mappy gives a read's best part first; a tie stays as it came.
        std::stable_sort(read.hits.begin(), read.hits.end(),
                         [](const Placed& a, const Placed& b) { return a.score > b.score; });
    }

    // Puts the best proper pair of hits first; without one each read keeps its best. Tells whether it is proper.
    bool choose_primaries() {
        auto &a = first_.hits, &b = second_.hits;
        int best = -1;
        std::pair<std::size_t, std::size_t> chosen{};
        for (std::size_t i = 0; i < a.size(); ++i) {
            for (std::size_t j = 0; j < b.size(); ++j) {
                if (a[i].score + b[j].score > best && is_proper(a[i], b[j], range_)) {
                    best = a[i].score + b[j].score;
                    chosen = {i, j};
                }
            }
        }
        if (best < 0) return false;
        std::rotate(a.begin(), a.begin() + chosen.first, a.begin() + chosen.first + 1);
        std::rotate(b.begin(), b.begin() + chosen.second, b.begin() + chosen.second + 1);
        return true;
    }

    void write(Read& read, const Read* mate, bool first, bool proper, std::int32_t ordinal, Output& out) {
        std::int32_t flag = reads_.filtered[read.row] ? FAILED : 0;
        if (mate) {
            flag |= PAIRED | (first ? FIRST : LAST);
            if (proper) flag |= PROPER;
            if (!mate->mapped()) flag |= MATE_UNMAPPED;
            if (mate->mapped() && mate->hits[0].reverse) flag |= MATE_REVERSE;
        }
        if (!read.mapped()) {
            write_unmapped(read, mate, flag | UNMAPPED, ordinal, out);
            return;
        }
        // A mate without a place of its own takes this read's.
        const Placed* beside = !mate ? nullptr : mate->mapped() ? &mate->hits[0] : &read.hits[0];
        const std::int32_t tlen = mate && mate->mapped() ? template_length(read.hits[0], *beside, first) : 0;
        for (std::size_t i = 0; i < read.hits.size(); ++i) {
            const Placed& hit = read.hits[i];
            place_columns(ordinal, flag | (hit.reverse ? REVERSE : 0) | (i ? SUPPLEMENTARY : 0), hit.contig, hit.start,
                          hit.end, hit.mapq, beside, tlen, out);
            out.name.append(reads_.name[read.row]);
            out.cigar.append(cigar_text(hit, i ? 'H' : 'S'));
            write_bases(read, hit, i > 0, out);
            Tags tags(out.tags.bytes());
            tags.integer("NM", hit.differences);
            tags.text("MD", hit.md);
            if (mate && mate->mapped()) {
                tags.text("MC", cigar_text(mate->hits[0], 'S'));
                tags.integer("MQ", mate->hits[0].mapq);
            }
            tags.integer("AS", hit.score);
            if (read.hits.size() > 1) tags.text("SA", other_hits(read, i));
            carry_tags(reads_.tags[read.row], tags);
            out.tags.finish(true);
        }
    }

    void write_unmapped(const Read& read, const Read* mate, std::int32_t flag, std::int32_t ordinal, Output& out) {
        const bool placed = mate && mate->mapped();
        const Placed* beside = placed ? &mate->hits[0] : nullptr;
        place_columns(ordinal, flag, placed ? beside->contig : -1, placed ? beside->start : -1,
                      placed ? beside->start + 1 : -1, 0, beside, 0, out);
        out.name.append(reads_.name[read.row]);
        out.cigar.append_null();
        append_or_null(out.seq, reads_.seq[read.row], !reads_.seq[read.row].empty());
        append_or_null(out.qual, reads_.qual[read.row], reads_.has_qual[read.row]);
        Tags tags(out.tags.bytes());
        const std::size_t before = out.tags.bytes().size();
        if (placed) {
            tags.text("MC", cigar_text(*beside, 'S'));
            tags.integer("MQ", beside->mapq);
        }
        carry_tags(reads_.tags[read.row], tags);
        out.tags.finish(out.tags.bytes().size() > before);
    }

    static void place_columns(std::int32_t ordinal, std::int32_t flag, std::int32_t contig, std::int32_t start,
                              std::int32_t end, std::uint8_t mapq, const Placed* beside, std::int32_t tlen,
                              Output& out) {
        out.template_row.push_back(ordinal);
        out.flag.push_back(flag);
        out.contig.push_back(contig);
        out.start.push_back(start);
        out.end.push_back(end);
        out.mapq.push_back(mapq);
        out.next_contig.push_back(beside ? beside->contig : -1);
        out.next_start.push_back(beside ? beside->start : -1);
        out.tlen.push_back(tlen);
    }

    static void append_or_null(StringBuilder& column, std::string_view value, bool valid) {
        if (valid) {
            column.append(value);
        } else {
            column.append_null();
        }
    }

    // A primary record holds the whole read, a supplementary one (hard-clipped) only what it aligns.
    void write_bases(Read& read, const Placed& hit, bool clipped, Output& out) {
        std::string_view seq = reads_.seq[read.row], qual = reads_.qual[read.row];
        if (hit.reverse) {
            seq = read.reversed;
            read.reversed_qual.assign(qual.rbegin(), qual.rend());
            qual = read.reversed_qual;
        }
        if (clipped) {
            const std::size_t kept = seq.size() - hit.lead - hit.trail;
            seq = seq.substr(hit.lead, kept);
            if (reads_.has_qual[read.row]) qual = qual.substr(hit.lead, kept);
        }
        out.seq.append(seq);
        append_or_null(out.qual, qual, reads_.has_qual[read.row]);
    }

    // The SA value of hit `own`: every other hit of the read, the primary one first (SAMtags).
    std::string other_hits(const Read& read, std::size_t own) const {
        std::string text;
        for (std::size_t i = 0; i < read.hits.size(); ++i) {
            if (i == own) continue;
            const Placed& hit = read.hits[i];
            text.append(contigs_.names[hit.contig]).append(",").append(std::to_string(hit.start + 1));
            text.append(hit.reverse ? ",-," : ",+,").append(cigar_text(hit, 'S')).append(",");
            text.append(std::to_string(hit.mapq)).append(",").append(std::to_string(hit.differences)).append(";");
        }
        return text;
    }

    const Contigs& contigs_;
    const Reads& reads_;
    const HitView& hits_;
    const Scoring& scoring_;
    const InsertRange& range_;
    std::int64_t next_ = 0;
    Read first_, second_;
};

template <typename T>
const T* column(const py::dict& columns, const char* name, py::ssize_t size) {
    const py::object value = columns[name];
    // Only an array of just this type is read in place; any other would be converted to a copy that dies here.
    if (!In<T>::check_(value)) throw std::invalid_argument(std::string(name) + " is of another type");
    const auto array = py::cast<In<T>>(value);
    if (array.size() != size) throw std::invalid_argument(std::string(name) + " is of another length");
    return array.data();
}

StringView strings(const py::dict& columns, const char* name) {
    const auto pair = py::cast<py::tuple>(columns[name]);
    if (!In<std::int32_t>::check_(pair[0]) || !In<std::uint8_t>::check_(pair[1])) {
        throw std::invalid_argument(std::string(name) + " is not a pair of offsets and bytes");
    }
    return {py::cast<In<std::int32_t>>(pair[0]), py::cast<In<std::uint8_t>>(pair[1])};
}

HitView hit_view(const py::dict& hits) {
    const auto size = py::cast<py::array>(hits["read"]).size();
    const auto steps = py::cast<py::array>(hits["cigar"]).size();
    return {column<std::int32_t>(hits, "read", size),  column<std::int32_t>(hits, "contig", size),
            column<std::int32_t>(hits, "start", size), column<std::int32_t>(hits, "lead", size),
            column<std::uint8_t>(hits, "reverse", size), column<std::uint8_t>(hits, "mapq", size),
            column<std::int64_t>(hits, "cigar_offsets", size + 1), column<std::uint32_t>(hits, "cigar", steps), size};
}

py::dict assemble(const py::list& contig_bases, const std::vector<std::string>& contig_names, const py::dict& columns,
                  const In<std::int32_t>& first_rows, const py::dict& hits, const std::array<int, 7>& scoring,
                  std::pair<std::int64_t, std::int64_t> inserts) {
    Contigs contigs{contig_names, {}};
    for (const py::handle& bases : contig_bases) {
        const auto array = py::cast<In<std::uint8_t>>(bases);
        contigs.bases.emplace_back(reinterpret_cast<const char*>(array.data()), array.size());
    }
    const StringView seq = strings(columns, "seq");
    const Reads reads{strings(columns, "name"), seq, strings(columns, "qual"), strings(columns, "tags"),
                      column<std::uint8_t>(columns, "has_qual", seq.rows()),
                      column<std::uint8_t>(columns, "filtered", seq.rows())};
    const HitView view = hit_view(hits);
    const Scoring scores{scoring[0], scoring[1], scoring[2], scoring[3], scoring[4], scoring[5], scoring[6]};
    const InsertRange range{inserts.first, inserts.second};
    const std::int32_t* first = first_rows.data();
    const py::ssize_t templates = first_rows.size() - 1;
    Output out;
    {
        py::gil_scoped_release released;
        Assembler assembler(contigs, reads, view, scores, range);
        for (py::ssize_t i = 0; i < templates; ++i) {
            assembler.add(static_cast<std::int32_t>(i), first[i], first[i + 1] - first[i] == 2, out);
        }
    }
    py::dict rows;
    rows["template"] = to_numpy(std::move(out.template_row));
    rows["flag"] = to_numpy(std::move(out.flag));
    rows["contig"] = to_numpy(std::move(out.contig));
    rows["start"] = to_numpy(std::move(out.start));
    rows["end"] = to_numpy(std::move(out.end));
    rows["mapq"] = to_numpy(std::move(out.mapq));
    rows["next_contig"] = to_numpy(std::move(out.next_contig));
    rows["next_start"] = to_numpy(std::move(out.next_start));
    rows["tlen"] = to_numpy(std::move(out.tlen));
    rows["name"] = out.name.release();
    rows["cigar"] = out.cigar.release();
    rows["seq"] = out.seq.release();
    rows["qual"] = out.qual.release();
    rows["tags"] = out.tags.release();
    return rows;
}

}  // namespace

PYBIND11_MODULE(_records, module) {
    module.doc() = "SAM records from hits; see compute/align/records.py.";
    module.def("assemble", &assemble, py::arg("contig_bases"), py::arg("contig_names"), py::arg("columns"),
               py::arg("first_rows"), py::arg("hits"), py::arg("scoring"), py::arg("inserts"));
}
