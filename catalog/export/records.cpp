// Imported records as lines of VCF again: what is the record's from rows of vcf_records, what is a sample's from rows of
// genotypes, which come in the same order.
#include <pybind11/pybind11.h>

#include <charconv>
#include <cmath>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "catalog/export/arrow_batch.h"

namespace py = pybind11;

namespace baselake {
namespace {

void append_number(std::string& out, int32_t value) {
    char text[16];
    out.append(text, std::to_chars(text, text + sizeof text, value).ptr);
}

// The shortest text that is this float again.
void append_number(std::string& out, float value) {
    if (std::isnan(value)) {
        out += "NaN";
        return;
    }
    char text[32];
    out.append(text, std::to_chars(text, text + sizeof text, value).ptr);
}

// A list column whose items are appended with commas; nothing there, or NULL, is '.'.
template <class Append>
void append_items(std::string& out, std::pair<int64_t, int64_t> items, Append append) {
    if (items.first == items.second) out += '.';
    for (int64_t i = items.first; i < items.second; ++i) {
        if (i != items.first) out += ',';
        append(i);
    }
}

struct Integers {
    ArrowColumn list, item;
    Integers(const ArrowColumn& list) : list(list), item(list.child(0, "i")) {}
    void append(std::string& out, int64_t row) const {
        append_items(out, list.items(row), [&](int64_t i) {
            if (item.valid(i)) append_number(out, item.number<int32_t>(i));
            else out += '.';
        });
    }
};
struct Floats {
    ArrowColumn list, item;
    Floats(const ArrowColumn& list) : list(list), item(list.child(0, "f")) {}
    void append(std::string& out, int64_t row) const {
        append_items(out, list.items(row), [&](int64_t i) {
            if (item.valid(i)) append_number(out, item.number<float>(i));
            else out += '.';
        });
    }
};
struct Texts {
    ArrowColumn list, item;
    Texts(const ArrowColumn& list) : list(list), item(list.child(0, "u")) {}
    void append(std::string& out, int64_t row, char separator = ',') const {
        const auto items = list.items(row);
        if (items.first == items.second) out += '.';
        for (int64_t i = items.first; i < items.second; ++i) {
            if (i != items.first) out += separator;
            out += item.text(i);
        }
    }
};

// A map from keys to lists of values.
template <class Values>
struct Map {
    ArrowColumn map, entries, keys;
    Values values;
    explicit Map(const ArrowColumn& map)
        : map(map), entries(map.child(0, "+s")), keys(entries.child(0, "u")), values(entries.child(1, "+l")) {}
    // Appends the values of a key, if it is there.
    bool append(std::string& out, int64_t row, std::string_view key) const {
        const auto [begin, end] = map.items(row);
        for (int64_t i = begin; i < end; ++i)
            if (keys.text(i) == key) {
                values.append(out, i);
                return true;
            }
        return false;
    }
};

struct Records {
    ArrowBatch batch;
    ArrowColumn source, record, contig, start, id, ref, qual;
    Texts alts, filters, info_keys, format_keys;
    Map<Integers> integers;
    Map<Floats> floats;
    Map<Texts> texts;
    int64_t at = 0;
    explicit Records(const py::object& object)
        : batch(object), source(batch.column("source", "i")), record(batch.column("record", "i")),
          contig(batch.column("contig", "u")), start(batch.column("start", "i")), id(batch.column("id", "u")),
          ref(batch.column("ref", "u")), qual(batch.column("qual", "f")), alts(batch.column("alts", "+l")),
          filters(batch.column("filters", "+l")), info_keys(batch.column("info_keys", "+l")),
          format_keys(batch.column("format_keys", "+l")), integers(batch.column("info_integers", "+m")),
          floats(batch.column("info_floats", "+m")), texts(batch.column("info_strings", "+m")) {}
};

struct Genotypes {
    ArrowBatch batch;
    ArrowColumn source, record, sample, gt, gq, dp, ad_ref, ad_alt, ps;
    Integers pl, site_pl, sb;
    Map<Integers> integers;
    Map<Floats> floats;
    Map<Texts> texts;
    int64_t at = 0;
    explicit Genotypes(const py::object& object)
        : batch(object), source(batch.column("source", "i")), record(batch.column("record", "i")),
          sample(batch.column("sample", "i")), gt(batch.column("gt", "u")), gq(batch.column("gq", "i")),
          dp(batch.column("dp", "i")), ad_ref(batch.column("ad_ref", "i")), ad_alt(batch.column("ad_alt", "i")),
          ps(batch.column("ps", "i")), pl(batch.column("pl", "+l")), site_pl(batch.column("site_pl", "+l")),
          sb(batch.column("sb", "+l")), integers(batch.column("format_integers", "+m")),
          floats(batch.column("format_floats", "+m")), texts(batch.column("format_strings", "+m")) {}
};

class RecordLines {
  public:
    explicit RecordLines(int32_t samples) : rows_(static_cast<size_t>(samples)) {}

    void add_records(const py::object& batch) { records_.push_back(std::make_unique<Records>(batch)); }
    void add_genotypes(const py::object& batch) {
        genotypes_ = std::make_shared<Genotypes>(batch);
    }
    void end_genotypes() { ended_ = true; }

    // The lines that are whole now; then `needs_records` or `needs_genotypes` says what is to be added.
    py::tuple lines() {
        std::string out;
        int64_t count = 0;
        while (!records_.empty()) {
            Records& records = *records_.front();
            if (records.at == records.batch.rows()) {
                records_.pop_front();
                continue;
            }
            if (!gather(records)) break;
            line(out, records);
            ++records.at;
            ++count;
            for (auto& row : rows_) row.batch.reset();
        }
        return py::make_tuple(py::bytes(out), count);
    }
    bool needs_records() const { return records_.empty(); }
    bool needs_genotypes() const { return !ended_ && (!genotypes_ || genotypes_->at == genotypes_->batch.rows()); }

    // Rows that no record took.
    bool left() const { return genotypes_ && genotypes_->at != genotypes_->batch.rows(); }

  private:
    // The first row of a sample, which has what no column has.
    struct Row {
        std::shared_ptr<Genotypes> batch;
        int64_t at = 0;
    };

    // Takes the rows of the record at hand; false where more of them may come.
    bool gather(const Records& records) {
        for (;;) {
            if (!genotypes_ || genotypes_->at == genotypes_->batch.rows()) return ended_;
            const int64_t at = genotypes_->at;
            if (genotypes_->source.number<int32_t>(at) != records.source.number<int32_t>(records.at) ||
                genotypes_->record.number<int32_t>(at) != records.record.number<int32_t>(records.at))
                return true;
            const auto sample = static_cast<size_t>(genotypes_->sample.number<int32_t>(at));
            if (sample >= rows_.size()) throw std::invalid_argument("a sample of that number was not asked for");
            if (!rows_[sample].batch) rows_[sample] = {genotypes_, at};
            ++genotypes_->at;
        }
    }

    void line(std::string& out, const Records& records) {
        const int64_t at = records.at;
        out += records.contig.text(at);
        out += '\t';
        append_number(out, records.start.number<int32_t>(at) + 1);
        out += '\t';
        if (records.id.valid(at)) out += records.id.text(at);
        else out += '.';
        out += '\t';
        out += records.ref.text(at);
        out += '\t';
        records.alts.append(out, at);
        out += '\t';
        if (records.qual.valid(at)) append_number(out, records.qual.number<float>(at));
        else out += '.';
        out += '\t';
        const auto filters = records.filters.list.items(at);
        if (records.filters.list.valid(at) && filters.first == filters.second) out += "PASS";
        else records.filters.append(out, at, ';');
        out += '\t';
        info(out, records);
        if (!rows_.empty()) {
            out += '\t';
            records.format_keys.append(out, at, ':');
            for (const Row& row : rows_) {
                out += '\t';
                sample(out, records, row);
            }
        }
        out += '\n';
    }

    static void info(std::string& out, const Records& records) {
        const auto [begin, end] = records.info_keys.list.items(records.at);
        if (begin == end) out += '.';
        for (int64_t i = begin; i < end; ++i) {
            if (i != begin) out += ';';
            const auto key = records.info_keys.item.text(i);
            out += key;
            const size_t before = out.size();
            out += '=';
            if (!records.integers.append(out, records.at, key) && !records.floats.append(out, records.at, key) &&
                !records.texts.append(out, records.at, key))
                out.resize(before);  // a flag
        }
    }

    static void sample(std::string& out, const Records& records, const Row& row) {
        const auto [begin, end] = records.format_keys.list.items(records.at);
        if (begin == end || !row.batch) {
            out += '.';
            return;
        }
        for (int64_t i = begin; i < end; ++i) {
            if (i != begin) out += ':';
            value(out, *row.batch, row.at, records.format_keys.item.text(i));
        }
    }

    static void value(std::string& out, const Genotypes& rows, int64_t at, std::string_view key) {
        if (rows.texts.append(out, at, key) || rows.integers.append(out, at, key) || rows.floats.append(out, at, key)) return;
        const auto number = [&](const ArrowColumn& column) {
            if (column.valid(at)) append_number(out, column.number<int32_t>(at));
            else out += '.';
        };
        if (key == "GT" && rows.gt.valid(at)) {
            out += rows.gt.text(at);
        } else if (key == "GQ") {
            number(rows.gq);
        } else if (key == "DP") {
            number(rows.dp);
        } else if (key == "PS") {
            number(rows.ps);
        } else if (key == "AD" && (rows.ad_ref.valid(at) || rows.ad_alt.valid(at))) {
            number(rows.ad_ref);
            out += ',';
            number(rows.ad_alt);
        } else if (key == "PL" && rows.site_pl.list.valid(at)) {
            rows.site_pl.append(out, at);
        } else if (key == "PL") {
            rows.pl.append(out, at);
        } else if (key == "SB") {
            rows.sb.append(out, at);
        } else {
            out += '.';
        }
    }

    std::deque<std::unique_ptr<Records>> records_;
    std::shared_ptr<Genotypes> genotypes_;
    std::vector<Row> rows_;
    bool ended_ = false;
};

}  // namespace
}  // namespace baselake

PYBIND11_MODULE(_records, m) {
    using baselake::RecordLines;
    py::class_<RecordLines>(m, "RecordLines")
        .def(py::init<int32_t>(), py::arg("samples"))
        .def("add_records", &RecordLines::add_records, py::arg("batch"))
        .def("add_genotypes", &RecordLines::add_genotypes, py::arg("batch"))
        .def("end_genotypes", &RecordLines::end_genotypes)
        .def("lines", &RecordLines::lines)
        .def_property_readonly("left", &RecordLines::left)
        .def_property_readonly("needs_records", &RecordLines::needs_records)
        .def_property_readonly("needs_genotypes", &RecordLines::needs_genotypes);
}
