// baselake.lake.columns._sequences: the bases of alignments as what differs from the reference.
//
// A row is compared along its CIGAR (SAMv1, section 1.4.6). Bases of I and S are kept as they are; where M, = and X
// lay a base on the reference, only those that differ are kept, each with its distance from the one before in the
// read. Past the ends of the contig the reference reads N. A row that has no CIGAR, or one of another length, is kept
// whole.
#include "lake/columns/strings.h"

namespace py = pybind11;

namespace baselake::columns {
namespace {

enum RowKind : char { kWhole, kCompared };

constexpr char kOps[] = "MIDNSHP=X";
constexpr char kOrder[] = "ACGT";

int place_of(char base) {
    const char* found = base ? std::strchr(kOrder, base) : nullptr;
    return found ? static_cast<int>(found - kOrder) : -1;
}

struct Op {
    char kind;
    int64_t length;
};

bool takes_read(char kind) { return kind == 'M' || kind == '=' || kind == 'X' || kind == 'I' || kind == 'S'; }
bool on_reference(char kind) { return kind == 'M' || kind == '=' || kind == 'X'; }

// False where it is no CIGAR.
bool read_cigar(std::string_view text, std::vector<Op>& ops) {
    ops.clear();
    int64_t length = 0;
    bool digits = false;
    for (const char c : text) {
        if (c >= '0' && c <= '9') {
            length = length * 10 + (c - '0');
            digits = true;
            if (length >> 31) return false;
        } else {
            if (!digits || !c || !std::strchr(kOps, c)) return false;
            ops.push_back({c, length});
            length = 0;
            digits = false;
        }
    }
    return !digits && !ops.empty();
}

class Contig {
  public:
    explicit Contig(std::string_view bases) : bases_(bases) {}
    char operator[](int64_t position) const {
        return position < 0 || position >= static_cast<int64_t>(bases_.size()) ? 'N' : bases_[static_cast<size_t>(position)];
    }
    // Its bases from `position` on, if all of `length` lie within; else nullptr.
    const char* stretch(int64_t position, int64_t length) const {
        const auto size = static_cast<int64_t>(bases_.size());
        return position < 0 || position > size || length > size - position ? nullptr : bases_.data() + position;
    }

  private:
    std::string_view bases_;
};

// Calls visit(place in the read, place on the contig) for every base of the stretch that differs.
template <typename Visit>
void each_difference(const char* read, const Contig& contig, int64_t at, int64_t position, int64_t length, Visit visit) {
    if (const char* reference = contig.stretch(position, length)) {
        int64_t i = 0;
        for (; i + 8 <= length; i += 8) {
            if (std::memcmp(read + at + i, reference + i, 8) == 0) continue;
            for (int64_t j = i; j < i + 8; ++j)
                if (read[at + j] != reference[j]) visit(at + j, position + j);
        }
        for (; i < length; ++i)
            if (read[at + i] != reference[i]) visit(at + i, position + i);
        return;
    }
    for (int64_t i = 0; i < length; ++i)
        if (read[at + i] != contig[position + i]) visit(at + i, position + i);
}

bool comparable(std::string_view seq, const std::vector<Op>& ops, int64_t start) {
    int64_t bases = 0;
    for (const Op& op : ops) bases += takes_read(op.kind) ? op.length : 0;
    return start >= 0 && bases == static_cast<int64_t>(seq.size());
}

// What a base is beside the reference's: 0 to 2 the next of A, C, G, T in a circle, 3 an N, 4 any other.
constexpr char kOneOn = 0, kAnN = 3, kOtherBase = 4;

struct Input {
    StringView seq, cigar;
    const int64_t* starts;
    Contig contig;
};

Streams encode(const Input& in) {
    Bytes kinds, changes, others, kept, whole;
    Numbers counts, distances, lengths;
    std::vector<Op> ops;
    for (int64_t row = 0; row < in.seq.rows(); ++row) {
        const std::string_view seq = in.seq[row];
        if (!read_cigar(in.cigar[row], ops) || !comparable(seq, ops, in.starts[row])) {
            kinds.push_back(kWhole);
            lengths.push_back(static_cast<int64_t>(seq.size()));
            whole.append(seq);
            continue;
        }
        kinds.push_back(kCompared);
        int64_t at = 0, position = in.starts[row], before = 0, count = 0;
        for (const Op& op : ops) {
            if (on_reference(op.kind)) {
                each_difference(seq.data(), in.contig, at, position, op.length, [&](int64_t place, int64_t where) {
                    const char base = seq[static_cast<size_t>(place)];
                    const int here = place_of(base), there = place_of(in.contig[where]);
                    char change = here >= 0 && there >= 0 ? static_cast<char>(kOneOn + (here - there + 3) % 4) : kOtherBase;
                    if (base == 'N') change = kAnN;
                    changes.push_back(change);
                    if (change == kOtherBase) others.push_back(base);
                    distances.push_back(place - before);
                    before = place;
                    ++count;
                });
            } else if (takes_read(op.kind)) {
                kept.append(seq.substr(static_cast<size_t>(at), static_cast<size_t>(op.length)));
            }
            if (takes_read(op.kind)) at += op.length;
            if (on_reference(op.kind) || op.kind == 'D' || op.kind == 'N') position += op.length;
        }
        counts.push_back(count);
    }
    return {{true, whole}, {true, kept}, {false, pack_bytes(kinds)}, {false, pack_numbers(lengths)},
            {false, pack_numbers(counts)}, {false, pack_numbers(distances)}, {false, pack_bytes(changes)},
            {false, pack_bytes(others)}};
}

StringBuilder decode(const std::vector<std::string_view>& streams, const StringView& cigars, const int64_t* starts,
                     const Contig& contig) {
    StreamReader in(streams);
    Reader whole(in.next()), kept(in.next());
    const Bytes kinds = in.bytes();
    NumberReader lengths(in.numbers()), counts(in.numbers()), distances(in.numbers());
    const Bytes change_bytes = in.bytes(), other_bytes = in.bytes();
    Reader changes(change_bytes), others(other_bytes);
    if (static_cast<int64_t>(kinds.size()) != cigars.rows()) damaged("a block has other rows than its sequences");
    StringBuilder out;
    std::vector<Op> ops;
    for (int64_t row = 0; row < cigars.rows(); ++row) {
        std::vector<uint8_t>& bases = out.bytes();
        const size_t begin = bases.size();
        if (kinds[static_cast<size_t>(row)] == kWhole) {
            const std::string_view seq = whole.take(static_cast<size_t>(lengths.next()));
            bases.insert(bases.end(), seq.begin(), seq.end());
            out.finish(true);
            continue;
        }
        if (!read_cigar(cigars[row], ops)) damaged("a compared row has no CIGAR");
        int64_t position = starts[row];
        for (const Op& op : ops) {
            const auto length = static_cast<size_t>(op.length);
            if (on_reference(op.kind)) {
                if (const char* reference = contig.stretch(position, op.length))
                    bases.insert(bases.end(), reference, reference + length);
                else
                    for (int64_t i = 0; i < op.length; ++i) bases.push_back(static_cast<uint8_t>(contig[position + i]));
            } else if (takes_read(op.kind)) {
                const std::string_view own = kept.take(length);
                bases.insert(bases.end(), own.begin(), own.end());
            }
            if (on_reference(op.kind) || op.kind == 'D' || op.kind == 'N') position += op.length;
        }
        size_t at = begin;
        for (int64_t count = counts.next(); count > 0; --count) {
            at += static_cast<size_t>(distances.next());
            if (at < begin || at >= bases.size()) damaged("a base lies outside its read");
            const auto change = static_cast<char>(changes.byte());
            const int there = place_of(static_cast<char>(bases[at]));
            if (change == kAnN) bases[at] = 'N';
            else if (change == kOtherBase) bases[at] = others.byte();
            else if (change > kOtherBase || there < 0) damaged("a change of no base");
            else bases[at] = static_cast<uint8_t>(kOrder[(there + change - kOneOn + 1) % 4]);
        }
        out.finish(true);
    }
    return out;
}

// What a block's rows are made of, for a device that puts them together. `lengths`: bases of a row. `kept_at`: its first of
// `kept`; a row that is `whole` has all its bases there, others those of I and S. Changes are numbered row by row: where in
// the read, and what, an unusual base in the higher byte.
struct Parts {
    std::vector<int32_t> lengths;
    std::vector<uint8_t> whole, kept;
    std::vector<int64_t> kept_at, change_at{0};
    std::vector<int32_t> places;
    std::vector<uint16_t> codes;
};

Parts parts(const std::vector<std::string_view>& streams, const StringView& cigars) {
    StreamReader in(streams);
    const std::string_view whole = in.next(), kept = in.next();
    const Bytes kinds = in.bytes();
    NumberReader lengths(in.numbers()), counts(in.numbers()), distances(in.numbers());
    const Bytes change_bytes = in.bytes(), other_bytes = in.bytes();
    Reader changes(change_bytes), others(other_bytes);
    if (static_cast<int64_t>(kinds.size()) != cigars.rows()) damaged("a block has other rows than its sequences");
    Parts out;
    out.kept.assign(kept.begin(), kept.end());
    out.kept.insert(out.kept.end(), whole.begin(), whole.end());
    uint64_t kept_next = 0, whole_next = 0;
    std::vector<Op> ops;
    for (int64_t row = 0; row < cigars.rows(); ++row) {
        const bool is_whole = kinds[static_cast<size_t>(row)] == kWhole;
        int64_t length = 0, own = 0;
        if (is_whole) {
            length = lengths.next();
            if (length < 0 || static_cast<uint64_t>(length) > whole.size() - whole_next) damaged("a stream ends early");
        } else {
            if (!read_cigar(cigars[row], ops)) damaged("a compared row has no CIGAR");
            for (const Op& op : ops) {
                if (takes_read(op.kind)) length += op.length;
                if (takes_read(op.kind) && !on_reference(op.kind)) own += op.length;
            }
            if (static_cast<uint64_t>(own) > kept.size() - kept_next) damaged("a stream ends early");
        }
        if (length > INT32_MAX) damaged("a read is too long");
        out.lengths.push_back(static_cast<int32_t>(length));
        out.whole.push_back(is_whole);
        out.kept_at.push_back(static_cast<int64_t>(is_whole ? kept.size() + whole_next : kept_next));
        (is_whole ? whole_next : kept_next) += static_cast<uint64_t>(is_whole ? length : own);
        int64_t at = 0;
        for (int64_t count = is_whole ? 0 : counts.next(), left = count; left > 0; --left) {
            const int64_t distance = distances.next();
            // Two changes of one base would be done by two threads at once.
            if (distance < (left < count) || distance >= length - at) damaged("a base lies outside its read");
            at += distance;
            const uint8_t change = changes.byte();
            if (change > kOtherBase) damaged("a change of no base");
            out.places.push_back(static_cast<int32_t>(at));
            out.codes.push_back(static_cast<uint16_t>(change | (change == kOtherBase ? others.byte() << 8 : 0)));
        }
        out.change_at.push_back(static_cast<int64_t>(out.places.size()));
    }
    return out;
}

constexpr int64_t kLongDeletion = 1 << 16;  // its bases in MD are not worth spelling out to compare

// MD and NM of every row that can be compared, as samtools calmd makes them (SAMtags); NM -1 where it cannot.
std::pair<StringBuilder, std::vector<int64_t>> differences(const Input& in) {
    StringBuilder texts;
    std::vector<int64_t> distances;
    std::vector<Op> ops;
    for (int64_t row = 0; row < in.seq.rows(); ++row) {
        const std::string_view seq = in.seq[row];
        if (seq.empty() || !read_cigar(in.cigar[row], ops) || !comparable(seq, ops, in.starts[row]) ||
            std::any_of(ops.begin(), ops.end(), [](const Op& op) { return op.kind == 'D' && op.length > kLongDeletion; })) {
            texts.append_null();
            distances.push_back(-1);
            continue;
        }
        std::vector<uint8_t>& md = texts.bytes();
        int64_t at = 0, position = in.starts[row], same = 0, distance = 0;
        const auto put_same = [&] {
            const std::string count = std::to_string(same);
            md.insert(md.end(), count.begin(), count.end());
            same = 0;
        };
        for (const Op& op : ops) {
            if (on_reference(op.kind)) {
                int64_t from = at;
                const auto differs = [&](int64_t place, int64_t where) {
                    same += place - from;
                    from = place + 1;
                    put_same();
                    md.push_back(static_cast<uint8_t>(in.contig[where]));
                    ++distance;
                };
                each_difference(seq.data(), in.contig, at, position, op.length, differs);
                same += at + op.length - from;
            } else if (op.kind == 'D') {
                put_same();
                md.push_back('^');
                for (int64_t i = 0; i < op.length; ++i) md.push_back(static_cast<uint8_t>(in.contig[position + i]));
                distance += op.length;
            } else if (op.kind == 'I') {
                distance += op.length;
            }
            if (takes_read(op.kind)) at += op.length;
            if (on_reference(op.kind) || op.kind == 'D' || op.kind == 'N') position += op.length;
        }
        put_same();
        texts.finish(true);
        distances.push_back(distance);
    }
    return {std::move(texts), std::move(distances)};
}

std::string_view view(const In<std::uint8_t>& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), static_cast<size_t>(bytes.size())};
}

Input input(const In<std::int32_t>& seq_offsets, const In<std::uint8_t>& seq, const In<std::int32_t>& cigar_offsets,
            const In<std::uint8_t>& cigar, const In<std::int64_t>& starts, const In<std::uint8_t>& contig) {
    Input in{StringView(seq_offsets, seq), StringView(cigar_offsets, cigar), starts.data(), Contig(view(contig))};
    if (in.seq.rows() != in.cigar.rows() || in.seq.rows() != starts.size())
        throw std::invalid_argument("columns of different length");
    return in;
}

}  // namespace
}  // namespace baselake::columns

PYBIND11_MODULE(_sequences, module) {
    using namespace baselake;
    using namespace baselake::columns;
    using Offsets = In<std::int32_t>;
    using Data = In<std::uint8_t>;
    using Starts = In<std::int64_t>;
    module.doc() = "Bases of alignments to streams and back; lake/columns/codecs.py drives it.";
    module.def("encode", [](const Offsets& seq_offsets, const Data& seq, const Offsets& cigar_offsets, const Data& cigar,
                            const Starts& starts, const Data& contig) {
        const Input in = input(seq_offsets, seq, cigar_offsets, cigar, starts, contig);
        Streams streams;
        {
            const py::gil_scoped_release release;
            streams = encode(in);
        }
        return to_python(streams);
    });
    module.def("decode", [](const std::vector<std::string_view>& streams, const Offsets& cigar_offsets, const Data& cigar,
                            const Starts& starts, const Data& contig) {
        const StringView cigars(cigar_offsets, cigar);
        if (cigars.rows() != starts.size()) throw std::invalid_argument("columns of different length");
        StringBuilder out;
        {
            const py::gil_scoped_release release;
            out = decode(streams, cigars, starts.data(), Contig(view(contig)));
        }
        return out.release();
    });
    module.def("parts", [](const std::vector<std::string_view>& streams, const Offsets& cigar_offsets, const Data& cigar) {
        const StringView cigars(cigar_offsets, cigar);
        Parts out;
        {
            const py::gil_scoped_release release;
            out = parts(streams, cigars);
        }
        return py::make_tuple(to_numpy(std::move(out.lengths)), to_numpy(std::move(out.whole)), to_numpy(std::move(out.kept)),
                              to_numpy(std::move(out.kept_at)), to_numpy(std::move(out.change_at)), to_numpy(std::move(out.places)),
                              to_numpy(std::move(out.codes)));
    });
    module.def("differences", [](const Offsets& seq_offsets, const Data& seq, const Offsets& cigar_offsets,
                                 const Data& cigar, const Starts& starts, const Data& contig) {
        const Input in = input(seq_offsets, seq, cigar_offsets, cigar, starts, contig);
        std::pair<StringBuilder, std::vector<int64_t>> found;
        {
            const py::gil_scoped_release release;
            found = differences(in);
        }
        return py::make_tuple(found.first.release(), to_numpy(std::move(found.second)));
    });
}
