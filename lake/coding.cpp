// Columns of a Parquet row group as pages of a dictionary's numbers: levels and values in Parquet's hybrid of run
// lengths and bit packing (Parquet format: Encodings.md, RLE and RLE_DICTIONARY; the levels are those of Dremel, Melnik
// et al. 2010). What rows share is told once: a run of rows costs no more than a row.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "lake/arrow_columns.h"
#include "lake/columns/bytes.h"

namespace py = pybind11;

namespace baselake {
namespace {

// Numbers that lie farther apart than this are numbered by who calls: a table of them would not stay in the cache.
constexpr std::int64_t kSpan = 1 << 18;

// Appends numbers of `width` bits each, in groups of 8: neighbouring groups of one value are a run, others bit-packed.
class Hybrid {
  public:
    Hybrid(std::string& out, int width) : out_(out), width_(width) {}

    void put(std::uint32_t value, std::size_t count) {
        for (; count && waiting_; --count) wait(value);
        if (const std::size_t whole = count / 8 * 8) run(value, whole);
        for (count %= 8; count; --count) wait(value);
    }
    void put_all(const std::uint32_t* values, std::size_t count) {
        for (; count && waiting_; --count) wait(*values++);
        for (; count >= 8; count -= 8, values += 8) group(values);
        for (; count; --count) wait(*values++);
    }
    void finish() {
        if (waiting_) {
            std::fill(group_ + waiting_, group_ + 8, 0);
            close_run();
            pack(group_);
        }
        close_run();
        close_packed();
    }

  private:
    void wait(std::uint32_t value) {
        group_[waiting_++] = value;
        if (waiting_ < 8) return;
        waiting_ = 0;
        group(group_);
    }
    void group(const std::uint32_t* values) {
        std::uint32_t differ = 0;
        for (int i = 1; i < 8; ++i) differ |= values[i] ^ values[0];
        if (!differ) return run(values[0], 8);
        close_run();
        pack(values);
    }
    void run(std::uint32_t value, std::size_t count) {
        if (count_ && value_ != value) close_run();
        close_packed();
        value_ = value;
        count_ += count;
    }
    void close_run() {
        if (!count_) return;
        columns::put_number(out_, count_ << 1);
        for (int byte = 0; byte < (width_ + 7) / 8; ++byte) out_ += static_cast<char>(value_ >> (8 * byte));
        count_ = 0;
    }
    void pack(const std::uint32_t* values) {
        char bytes[32];
        std::size_t size = 0;
        std::uint64_t bits = 0;
        int filled = 0;
        for (int i = 0; i < 8; ++i) {
            bits |= std::uint64_t{values[i]} << filled;
            for (filled += width_; filled >= 8; filled -= 8, bits >>= 8) bytes[size++] = static_cast<char>(bits);
        }
        packed_.append(bytes, size);
    }
    void close_packed() {
        if (packed_.empty()) return;
        columns::put_number(out_, packed_.size() / static_cast<std::size_t>(width_) << 1 | 1);
        out_ += packed_;
        packed_.clear();
    }
    std::string& out_;
    int width_;
    std::uint32_t value_ = 0;
    std::size_t count_ = 0;   // of the run that is open
    std::string packed_;      // groups that are not written yet, while no run is open
    std::uint32_t group_[8];  // values that do not make a group yet
    int waiting_ = 0;
};

// A step on the way from a row to its values: what may be NULL, or a list of the next step.
struct Step {
    const std::int32_t* offsets = nullptr;  // one more than there are entries; null: no list
    const bool* valid = nullptr;            // null: none is NULL
    bool nullable = true;
    std::int64_t entries = 0;
    bool holds(std::int64_t i) const { return !valid || valid[i]; }
};

// Which entry of a column each row has; `counts` neighbouring ones each.
struct Taken {
    const std::int32_t* index = nullptr;
    const std::int32_t* counts = nullptr;
    std::int64_t runs = 0;
    std::int64_t entry(std::int64_t run) const { return index ? index[run] : run; }
    std::size_t count(std::int64_t run) const { return counts ? static_cast<std::size_t>(counts[run]) : 1; }
};

int bits_for(std::size_t numbers) { return std::max(1, static_cast<int>(std::bit_width(numbers ? numbers - 1 : 0))); }

// What a page has of a column: levels, and the codes of values that are there.
struct Page {
    std::vector<std::uint32_t> codes;
    std::vector<std::uint32_t> counts;  // of each code; empty: one
    std::string repeated, defined;      // levels, encoded
    std::size_t values = 0, nulls = 0;
};

void check(const std::int32_t* numbers, std::int64_t count, std::int64_t below, const char* what) {
    std::uint32_t greatest = 0;
    for (std::int64_t i = 0; i < count; ++i) greatest = std::max(greatest, static_cast<std::uint32_t>(numbers[i]));
    if (count && greatest >= below) throw std::out_of_range(what);
}

Page flat(const Step& leaf, const std::int32_t* codes, const Taken& taken) {
    Page page;
    Hybrid defined(page.defined, 1);
    const auto runs = static_cast<std::size_t>(taken.runs);
    page.codes.resize(runs);
    std::size_t rows = runs, there = runs;
    if (taken.counts) rows = static_cast<std::size_t>(std::accumulate(taken.counts, taken.counts + runs, std::int64_t{0}));
    if (!leaf.valid) {
        for (std::size_t run = 0; run < runs; ++run)
            page.codes[run] = static_cast<std::uint32_t>(codes[taken.entry(static_cast<std::int64_t>(run))]);
        if (taken.counts) page.counts.assign(taken.counts, taken.counts + runs);
        defined.put(1, rows);
    } else {
        there = 0;
        if (taken.counts) page.counts.resize(runs);
        for (std::int64_t run = 0; run < taken.runs; ++run) {
            const std::int64_t i = taken.entry(run);
            const std::size_t count = taken.count(run);
            defined.put(leaf.valid[i], count);
            page.codes[there] = static_cast<std::uint32_t>(codes[i]);
            if (taken.counts) page.counts[there] = static_cast<std::uint32_t>(count);
            there += leaf.valid[i];
            page.nulls += leaf.valid[i] ? 0 : count;
        }
        page.codes.resize(there);
        if (taken.counts) page.counts.resize(there);
    }
    if (page.nulls && !leaf.nullable) throw std::invalid_argument("a required column has a NULL");
    page.values = rows;
    defined.finish();
    return page;
}

class Nested {
  public:
    Nested(const std::vector<Step>& steps, const std::int32_t* codes) : steps_(steps), codes_(codes) {}

    Page take(const Taken& taken) {
        for (std::int64_t run = 0; run < taken.runs; ++run)
            for (std::size_t n = taken.count(run); n; --n) walk(0, taken.entry(run), 0, 0, 0);
        std::size_t lists = 0, optional = 0;
        for (const Step& step : steps_) {
            lists += step.offsets != nullptr;
            optional += step.nullable;
        }
        page_.values = defined_.size();
        encode_levels(page_.repeated, repeated_, lists);
        encode_levels(page_.defined, defined_, lists + optional);
        return std::move(page_);
    }

  private:
    static void encode_levels(std::string& out, const std::vector<std::uint32_t>& levels, std::size_t greatest) {
        Hybrid hybrid(out, bits_for(greatest + 1));
        hybrid.put_all(levels.data(), levels.size());
        hybrid.finish();
    }
    // `lists`: how many are above this step.
    void walk(std::size_t at, std::int64_t i, std::uint32_t repeated, std::uint32_t defined, std::uint32_t lists) {
        const Step& step = steps_[at];
        if (i >= step.entries) throw std::out_of_range("a list reaches beyond its items");
        const bool there = step.holds(i);
        if (!there && !step.nullable) throw std::invalid_argument("a required column has a NULL");
        defined += there && step.nullable;
        if (there && step.offsets && step.offsets[i] < step.offsets[i + 1]) {
            for (std::int64_t item = step.offsets[i]; item < step.offsets[i + 1]; ++item)
                walk(at + 1, item, item == step.offsets[i] ? repeated : lists + 1, defined + 1, lists + 1);
            return;
        }
        repeated_.push_back(repeated);
        defined_.push_back(defined);
        if (there && !step.offsets)
            page_.codes.push_back(static_cast<std::uint32_t>(codes_[i]));
        else
            ++page_.nulls;
    }

    const std::vector<Step>& steps_;
    const std::int32_t* codes_;
    Page page_;
    std::vector<std::uint32_t> repeated_, defined_;
};

void add_level(std::string& out, const std::string& levels) {
    for (int byte = 0; byte < 4; ++byte) out += static_cast<char>(levels.size() >> (8 * byte));
    out += levels;
}

using Given = std::tuple<std::optional<In<std::int32_t>>, std::optional<In<bool>>, bool, std::int64_t>;

// (the dictionary's entries that rows have, in its order; the page's bytes; values with NULLs; NULLs)
py::tuple encode(const std::vector<Given>& given, const In<std::int32_t>& codes, std::size_t entries,
                 const std::optional<In<std::int32_t>>& index, const std::optional<In<std::int32_t>>& counts) {
    std::vector<Step> steps;
    for (const auto& [offsets, valid, nullable, length] : given)
        steps.push_back({offsets ? offsets->data() : nullptr, valid ? valid->data() : nullptr, nullable, length});
    if (steps.empty() || steps.back().offsets || codes.size() < steps.back().entries)
        throw std::invalid_argument("the last step has a code for each entry");
    const Taken taken{index ? index->data() : nullptr, counts ? counts->data() : nullptr,
                      index ? index->size() : steps[0].entries};
    if (counts && counts->size() != taken.runs) throw std::invalid_argument("a run has a count");
    std::vector<std::int32_t> used;
    std::string out;
    Page page;
    {
        py::gil_scoped_release free;
        if (index) check(taken.index, taken.runs, steps[0].entries, "a row's entry is not in the column");
        if (entries) check(codes.data(), steps.back().entries, static_cast<std::int64_t>(entries), "a code is not in the dictionary");
        page = steps.size() == 1 ? flat(steps[0], codes.data(), taken) : Nested(steps, codes.data()).take(taken);
        if (!entries && !page.codes.empty()) throw std::out_of_range("a code is not in the dictionary");
        // Only what rows have is in the page's dictionary: others would tell of what somebody else has.
        std::vector<std::uint32_t> number(entries, 0);
        for (const std::uint32_t code : page.codes) number[code] = 1;
        for (std::size_t code = 0; code < entries; ++code)
            if (number[code]) {
                number[code] = static_cast<std::uint32_t>(used.size());
                used.push_back(static_cast<std::int32_t>(code));
            }
        if (steps.size() > 1) add_level(out, page.repeated);
        if (steps.size() > 1 || steps[0].nullable) add_level(out, page.defined);
        if (!used.empty()) {
            const int width = bits_for(used.size());
            out += static_cast<char>(width);
            Hybrid values(out, width);
            for (std::uint32_t& code : page.codes) code = number[code];
            if (page.counts.empty())
                values.put_all(page.codes.data(), page.codes.size());
            else
                for (std::size_t i = 0; i < page.codes.size(); ++i) values.put(page.codes[i], page.counts[i]);
            values.finish();
        }
    }
    return py::make_tuple(to_numpy(std::move(used)), py::bytes(out), page.values, page.nulls);
}

// (a code for each number, those numbers in order); None where they lie far apart. What is NULL has any code.
template <typename T>
std::optional<py::tuple> number_codes(const In<T>& numbers, const std::optional<In<bool>>& valid) {
    const auto count = static_cast<std::size_t>(numbers.size());
    const T* values = numbers.data();
    const bool* there = valid ? valid->data() : nullptr;
    std::vector<std::int32_t> codes(count), distinct;
    {
        py::gil_scoped_release free;
        std::int64_t least = INT64_MAX, greatest = INT64_MIN;
        for (std::size_t i = 0; i < count; ++i) {
            if (there && !there[i]) continue;
            least = std::min<std::int64_t>(least, values[i]);
            greatest = std::max<std::int64_t>(greatest, values[i]);
        }
        if (least <= greatest && greatest - least >= kSpan) return std::nullopt;
        std::vector<std::int32_t> table(least <= greatest ? static_cast<std::size_t>(greatest - least + 1) : 0, -1);
        const auto place = [&](std::size_t i) { return static_cast<std::size_t>(values[i] - least); };
        for (std::size_t i = 0; i < count; ++i)
            if (!there || there[i]) table[place(i)] = 0;
        for (std::size_t i = 0; i < table.size(); ++i)
            if (table[i] == 0) {
                table[i] = static_cast<std::int32_t>(distinct.size());
                distinct.push_back(static_cast<std::int32_t>(least + static_cast<std::int64_t>(i)));
            }
        for (std::size_t i = 0; i < count; ++i) codes[i] = !there || there[i] ? table[place(i)] : 0;
    }
    return py::make_tuple(to_numpy(std::move(codes)), to_numpy(std::move(distinct)));
}

// Neighbours that are alike: (each once, how many).
py::tuple runs(const In<std::int32_t>& numbers) {
    std::vector<std::int32_t> values, counts;
    const std::int32_t* data = numbers.data();
    const py::ssize_t size = numbers.size();
    for (py::ssize_t i = 0; i < size;) {
        const py::ssize_t first = i;
        while (i < size && data[i] == data[first]) ++i;
        values.push_back(data[first]);
        counts.push_back(static_cast<std::int32_t>(i - first));
    }
    return py::make_tuple(to_numpy(std::move(values)), to_numpy(std::move(counts)));
}

}  // namespace
}  // namespace baselake

PYBIND11_MODULE(_coding, m) {
    using namespace baselake;
    m.def("encode", &encode, py::arg("steps"), py::arg("codes"), py::arg("entries"), py::arg("index"), py::arg("counts"));
    m.def("number_codes", &number_codes<std::int8_t>, py::arg("numbers").noconvert(), py::arg("valid"));
    m.def("number_codes", &number_codes<std::int32_t>, py::arg("numbers").noconvert(), py::arg("valid"));
    m.def("runs", &runs, py::arg("numbers"));
}
