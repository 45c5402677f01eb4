// baselake.catalog.export._bam: rows of `alignments` become BAM records (SAMv1, section 4.2).
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <unordered_map>
#include <vector>

#include "catalog/export/arrow_batch.h"
#include "lake/bam_format.h"

namespace py = pybind11;

namespace baselake::bam {
namespace {

constexpr uint8_t kNotABase = 16;

// ASCII -> 4-bit code.
constexpr std::array<uint8_t, 256> kCodes = [] {
    std::array<uint8_t, 256> codes{};
    codes.fill(kNotABase);
    for (uint8_t code = 0; code < 16; ++code) {
        const auto base = static_cast<uint8_t>(kBases[code]);
        codes[base] = code;
        if (base >= 'A') codes[base | 0x20] = code;
    }
    return codes;
}();

// The smallest bin of BAI's binning that holds [start, end) (SAMv1, section 5.3).
uint16_t bin_of(int64_t start, int64_t end) {
    --end;
    int64_t first = 4681;
    for (int shift = 14; shift < 29; shift += 3) {
        if (start >> shift == end >> shift) return static_cast<uint16_t>(first + (start >> shift));
        first = (first - 1) >> 3;
    }
    return 0;
}

struct Columns {
    ArrowColumn name, flag, contig, start, end, mapq, cigar, next_contig, next_start, tlen, seq, qual, tags;
    ArrowColumn read_group_id;

    explicit Columns(const ArrowBatch& batch)
        : name(batch.column("name", "u")), flag(batch.column("flag", "i")), contig(batch.column("contig", "u")),
          start(batch.column("start", "i")), end(batch.column("end", "i")), mapq(batch.column("mapq", "s")),
          cigar(batch.column("cigar", "u")), next_contig(batch.column("next_contig", "u")),
          next_start(batch.column("next_start", "i")), tlen(batch.column("tlen", "i")), seq(batch.column("seq", "u")),
          qual(batch.column("qual", "u")), tags(batch.column("tags", "z")),
          read_group_id(batch.column("read_group_id", "u")) {}
};

class Encoder {
  public:
    // contigs: of the header, in order. read_groups: @RG ID to add to the records of a read_group_id that name none.
    Encoder(const std::vector<std::string>& contigs, const std::unordered_map<std::string, std::string>& read_groups)
        : read_groups_(read_groups) {
        for (const std::string& contig : contigs) contigs_.emplace(contig, static_cast<int32_t>(contigs_.size()));
    }

    std::string encode(const Columns& columns, int64_t rows) {
        std::string out;
        for (int64_t row = 0; row < rows; ++row) add(columns, row, out);
        return out;
    }

  private:
    int32_t contig_of(const ArrowColumn& column, int64_t row) {
        if (!column.valid(row)) return -1;
        if (const std::string_view name = column.text(row); name != last_contig_) {
            const auto found = contigs_.find(std::string(name));
            if (found == contigs_.end()) throw std::invalid_argument("the header has no contig " + std::string(name));
            last_contig_ = name;
            last_id_ = found->second;
        }
        return last_id_;
    }

    void read_cigar(std::string_view text) {
        cigar_.clear();
        uint32_t count = 0;
        for (const char c : text) {
            if (c >= '0' && c <= '9') {
                count = count * 10 + static_cast<uint32_t>(c - '0');
                continue;
            }
            const char* op = std::strchr(kCigarOps, c);
            if (!op || !*op) throw std::invalid_argument("not a CIGAR: " + std::string(text.substr(0, 80)));
            cigar_.push_back(count << 4 | static_cast<uint32_t>(op - kCigarOps));
            count = 0;
        }
    }

    static bool has_read_group(std::string_view tags) {
        const auto* field = reinterpret_cast<const uint8_t*>(tags.data());
        for (const uint8_t* end = field + tags.size(); field && field != end; field = next_field(field, end))
            if (load<uint16_t>(field) == tag_code('R', 'G')) return true;
        return false;
    }

    void add(const Columns& columns, int64_t row, std::string& out) {
        const std::string_view name = columns.name.text(row), seq = columns.seq.text(row);
        const std::string_view qual = columns.qual.text(row), tags = columns.tags.text(row);
        const int32_t start = columns.start.valid(row) ? columns.start.number<int32_t>(row) : -1;
        const int32_t end = columns.start.valid(row) ? columns.end.number<int32_t>(row) : 0;
        read_cigar(columns.cigar.text(row));
        const bool stand_in = cigar_.size() > kMaxCigarField;
        const size_t fields = stand_in ? 2 : cigar_.size();
        const size_t begin = out.size();
        out.resize(begin + 4 + kFixedBytes + name.size() + 1 + 4 * fields + (seq.size() + 1) / 2 + seq.size());
        char* const fixed = out.data() + begin + 4;
        store(fixed, contig_of(columns.contig, row));
        store(fixed + 4, start);
        fixed[8] = static_cast<char>(name.size() + 1);
        fixed[9] = static_cast<char>(columns.mapq.number<int16_t>(row));
        // An unplaced record is in the bin of [-1, 0).
        store(fixed + 10, start < 0 ? uint16_t{4680} : bin_of(start, end));
        store(fixed + 12, static_cast<uint16_t>(fields));
        store(fixed + 14, static_cast<uint16_t>(columns.flag.number<int32_t>(row)));
        store(fixed + 16, static_cast<int32_t>(seq.size()));
        store(fixed + 20, contig_of(columns.next_contig, row));
        store(fixed + 24, columns.next_start.valid(row) ? columns.next_start.number<int32_t>(row) : -1);
        store(fixed + 28, columns.tlen.number<int32_t>(row));
        char* at = fixed + kFixedBytes;
        std::memcpy(at, name.data(), name.size());
        at[name.size()] = 0;
        at += name.size() + 1;
        if (stand_in) {
            store(at, static_cast<uint32_t>(seq.size()) << 4 | kSoftClip);
            store(at + 4, static_cast<uint32_t>(end - start) << 4 | kSkip);
        } else if (fields) {
            std::memcpy(at, cigar_.data(), 4 * fields);
        }
        at = pack_bases(seq, at + 4 * fields);
        if (qual.empty()) std::memset(at, kNoQuality, seq.size());
        else if (qual.size() != seq.size())
            throw std::invalid_argument("seq and qual of different length: " + std::string(name));
        for (size_t i = 0; i < qual.size(); ++i) at[i] = static_cast<char>(qual[i] - 33);
        out.append(tags);
        if (stand_in) add_cigar_tag(out);
        add_read_group(columns.read_group_id.text(row), tags, out);
        store(out.data() + begin, static_cast<uint32_t>(out.size() - begin - 4));
    }

    static char* pack_bases(std::string_view seq, char* at) {
        uint8_t worst = 0;
        const auto code = [&](size_t i) {
            const uint8_t found = kCodes[static_cast<uint8_t>(seq[i])];
            worst |= found;
            return found;
        };
        for (size_t i = 0; i + 1 < seq.size(); i += 2) {
            const uint8_t high = code(i);
            *at++ = static_cast<char>(high << 4 | code(i + 1));
        }
        if (seq.size() & 1) *at++ = static_cast<char>(code(seq.size() - 1) << 4);
        if (worst & kNotABase)
            throw std::invalid_argument("a letter that is no base in " + std::string(seq.substr(0, 80)));
        return at;
    }

    void add_cigar_tag(std::string& out) const {
        const uint32_t count = static_cast<uint32_t>(cigar_.size());
        out.append("CGBI");
        out.append(reinterpret_cast<const char*>(&count), 4);
        out.append(reinterpret_cast<const char*>(cigar_.data()), 4 * cigar_.size());
    }

    void add_read_group(std::string_view read_group_id, std::string_view tags, std::string& out) {
        if (read_groups_.empty() || has_read_group(tags)) return;
        const auto found = read_groups_.find(std::string(read_group_id));
        if (found == read_groups_.end()) return;
        out.append("RGZ").append(found->second).push_back('\0');
    }

    std::unordered_map<std::string, int32_t> contigs_;
    std::unordered_map<std::string, std::string> read_groups_;
    std::vector<uint32_t> cigar_;
    std::string last_contig_;
    int32_t last_id_ = -1;
};

}  // namespace
}  // namespace baselake::bam

PYBIND11_MODULE(_bam, module) {
    using namespace baselake::bam;
    module.doc() = "Rows of alignments to BAM records; catalog/export/bam.py drives it.";
    py::class_<Encoder>(module, "Encoder")
        .def(py::init<const std::vector<std::string>&, const std::unordered_map<std::string, std::string>&>(),
             py::kw_only(), py::arg("contigs"), py::arg("read_groups"))
        .def("encode", [](Encoder& self, const py::object& rows) {
            const baselake::ArrowBatch batch(rows);
            const Columns columns(batch);
            std::string records;
            {
                const py::gil_scoped_release release;
                records = self.encode(columns, batch.rows());
            }
            return py::bytes(records);
        });
}
