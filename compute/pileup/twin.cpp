// The pileup caller for a CPU: Arrow buffers of a region's alignments in, arrays of genotyped alleles out.
#include "compute/pileup/calling.h"
#include "lake/arrow_columns.h"

#include <optional>

namespace py = pybind11;
using namespace baselake;
using namespace baselake::pileup;

namespace {

// The arrays stay alive with the dict that holds them: every conversion to In<T> of an array of that type and
// layout is a view.
template <typename T> const T* values(const py::dict& columns, const char* name, int64_t rows) {
    const auto array = py::reinterpret_borrow<py::array>(columns[name]);
    if (!py::isinstance<In<T>>(array) || array.size() != rows) throw std::invalid_argument(std::string("column ") + name + " has another type or length");
    return static_cast<const T*>(array.data());
}

Text text(const py::dict& columns, const char* name, int64_t rows) {
    const py::tuple parts = columns[name];
    const auto offsets = py::reinterpret_borrow<py::array>(parts[0]), bytes = py::reinterpret_borrow<py::array>(parts[1]);
    if (!py::isinstance<In<int32_t>>(offsets) || offsets.size() != rows + 1) throw std::invalid_argument(std::string("column ") + name + " has another length");
    return {static_cast<const int32_t*>(offsets.data()), static_cast<const char*>(bytes.data())};
}

Alignments alignments(const py::dict& columns) {
    Alignments out;
    out.rows = py::reinterpret_borrow<py::array>(columns["start"]).size();
    out.start = values<int32_t>(columns, "start", out.rows);
    out.flag = values<int32_t>(columns, "flag", out.rows);
    out.mapq = values<int16_t>(columns, "mapq", out.rows);
    out.duplicate = values<uint8_t>(columns, "duplicate", out.rows);
    out.cigar = text(columns, "cigar", out.rows);
    out.seq = text(columns, "seq", out.rows);
    out.qual = text(columns, "qual", out.rows);
    if (columns.contains("resident")) out.seq.bytes = out.qual.bytes = nullptr;
    out.name = text(columns, "name", out.rows);
    return out;
}

Parameters parameters(const py::dict& given) {
    Parameters out;
    out.min_mapq = given["min_mapq"].cast<int>();
    out.min_base_quality = given["min_base_quality"].cast<int>();
    out.max_depth = given["max_depth"].cast<int>();
    out.heterozygosity = given["heterozygosity"].cast<double>();
    out.indel_heterozygosity = given["indel_heterozygosity"].cast<double>();
    out.min_qual = given["min_qual"].cast<double>();
    out.max_mixed_depth = given["max_mixed_depth"].cast<int>();
    out.min_fraction = given["min_fraction"].cast<double>();
    return out;
}

Contig contig_of(const In<uint8_t>& array) { return {reinterpret_cast<const char*>(array.data()), static_cast<int32_t>(array.size())}; }

// Ploidy 0: copies are many and alleles have fractions; a reference block is then as of one copy.
Region region_of(int32_t start, int32_t end, int ploidy) { return {start, end, std::max(ploidy, 1), ploidy == 0}; }

template <typename T, typename Row, typename Get> py::array_t<T> column(const std::vector<Row>& rows, Get get) {
    std::vector<T> out;
    out.reserve(rows.size());
    for (const Row& row : rows) out.push_back(static_cast<T>(get(row)));
    return to_numpy(std::move(out));
}

template <typename T, typename Row, typename Get> py::tuple ragged(const std::vector<Row>& rows, Get get) {
    std::vector<int32_t> offsets{0};
    std::vector<T> values;
    for (const Row& row : rows) {
        const auto& one = get(row);
        values.insert(values.end(), one.begin(), one.end());
        offsets.push_back(static_cast<int32_t>(values.size()));
    }
    return py::make_tuple(to_numpy(std::move(offsets)), to_numpy(std::move(values)));
}

py::dict call_columns(const std::vector<Call>& calls) {
    py::dict out;
    out["start"] = column<int32_t>(calls, [](const Call& c) { return c.start; });
    out["ref"] = ragged<uint8_t>(calls, [](const Call& c) -> const std::string& { return c.ref; });
    out["alt"] = ragged<uint8_t>(calls, [](const Call& c) -> const std::string& { return c.alt; });
    out["allele_index"] = column<int8_t>(calls, [](const Call& c) { return c.allele_index; });
    out["gt"] = ragged<int8_t>(calls, [](const Call& c) -> const std::vector<int8_t>& { return c.gt; });
    out["ps"] = column<int32_t>(calls, [](const Call& c) { return c.ps; });
    out["gq"] = column<int32_t>(calls, [](const Call& c) { return c.gq; });
    out["dp"] = column<int32_t>(calls, [](const Call& c) { return c.dp; });
    out["ad_ref"] = column<int32_t>(calls, [](const Call& c) { return c.ad_ref; });
    out["ad_alt"] = column<int32_t>(calls, [](const Call& c) { return c.ad_alt; });
    out["pl"] = ragged<int32_t>(calls, [](const Call& c) -> const std::vector<int32_t>& { return c.pl; });
    out["site_pl"] = ragged<int32_t>(calls, [](const Call& c) -> const std::vector<int32_t>& { return c.site_pl; });
    out["fraction"] = column<float>(calls, [](const Call& c) { return c.fraction; });
    out["qual"] = column<float>(calls, [](const Call& c) { return c.qual; });
    out["mq"] = column<float>(calls, [](const Call& c) { return c.mq; });
    out["sb"] = ragged<int32_t>(calls, [](const Call& c) -> const std::array<int32_t, 4>& { return c.sb; });
    out["fs"] = column<float>(calls, [](const Call& c) { return c.fs; });
    out["read_pos_rank_sum"] = column<float>(calls, [](const Call& c) { return c.read_pos_rank_sum; });
    out["base_q_rank_sum"] = column<float>(calls, [](const Call& c) { return c.base_q_rank_sum; });
    out["filters"] = column<uint32_t>(calls, [](const Call& c) { return c.filters; });
    out["simple"] = column<uint8_t>(calls, [](const Call& c) { return c.simple; });
    return out;
}

py::dict called_columns(const Called& called) {
    py::dict out = call_columns(called.calls);
    const std::vector<Block>& blocks = called.blocks;
    out["regions"] = py::make_tuple(called.regions[0], called.regions[1], called.regions[2]);
    py::dict columns_of_blocks;
    columns_of_blocks["start"] = column<int32_t>(blocks, [](const Block& b) { return b.start; });
    columns_of_blocks["end"] = column<int32_t>(blocks, [](const Block& b) { return b.end; });
    columns_of_blocks["gap"] = column<uint8_t>(blocks, [](const Block& b) { return b.gap; });
    columns_of_blocks["gq"] = column<int32_t>(blocks, [](const Block& b) { return b.gq; });
    columns_of_blocks["min_dp"] = column<int32_t>(blocks, [](const Block& b) { return b.min_dp; });
    columns_of_blocks["dp_sum"] = column<int64_t>(blocks, [](const Block& b) { return b.dp_sum; });
    out["blocks"] = columns_of_blocks;
    return out;
}

py::dict call(const py::dict& columns, const In<uint8_t>& bases, int32_t start, int32_t end, int ploidy, const py::dict& given) {
    const Alignments rows = alignments(columns);
    const Parameters limits = parameters(given);
    const Contig contig = contig_of(bases);
    Called called;
    {
        py::gil_scoped_release release;
        called = Calling(rows, contig, region_of(start, end, ploidy), limits).on_cpu();
    }
    return called_columns(called);
}

// Operations as length x 4 and M 0, I or S 1, D or N 2.
std::vector<int32_t> packed_ops(const Read& read) {
    std::vector<int32_t> ops;
    for (const Op& op : read.ops) ops.push_back(op.length << 2 | (op.kind == 'M' ? 0 : op.kind == 'D' || op.kind == 'N' ? 2 : 1));
    return ops;
}

// Usable reads as the kernels of a GPU take them.
py::dict flat_columns(const std::vector<Read>& reads) {
    py::dict out;
    out["start"] = column<int32_t>(reads, [](const Read& r) { return r.start; });
    out["end"] = column<int32_t>(reads, [](const Read& r) { return r.end; });
    out["fragment"] = column<int32_t>(reads, [](const Read& r) { return r.fragment; });
    out["ops"] = ragged<int32_t>(reads, packed_ops);
    return out;
}

// The plain reference they lie on, from `begin`.
void set_reference(py::dict& out, const Window& reference) {
    out["begin"] = reference.begin();
    const std::string window = reference.slice(reference.begin(), reference.end());
    out["reference"] = to_numpy(std::vector<uint8_t>(window.begin(), window.end()));
}

// The stages for Python; each is asked for once, in order.
class StagedCalling {
  public:
    explicit StagedCalling(Calling&& calling) : calling_(std::move(calling)) {}
    StagedCalling(py::dict columns, In<uint8_t> bases, int32_t start, int32_t end, int ploidy, const py::dict& given)
        : columns_(std::move(columns)), bases_(std::move(bases)) {
        const Alignments rows = alignments(columns_);
        const Parameters limits = parameters(given);
        const Contig contig = contig_of(bases_);
        py::gil_scoped_release release;
        calling_.emplace(rows, contig, region_of(start, end, ploidy), limits);
    }
    py::dict pairs() {
        return released<Pairs>([&] { return calling_->pairs(); });
    }
    py::dict compared(const In<float>& costs) {
        return released<Sequences>([&] { return calling_->compared(costs.data()); });
    }
    py::dict aligned(const In<int32_t>& offsets, const In<int32_t>& ops) {
        return released<Pairs>([&] { return calling_->aligned(offsets.data(), ops.data()); });
    }
    py::dict compared_again(const In<float>& costs) {
        Called called;
        {
            py::gil_scoped_release release;
            called = calling_->compared_again(costs.data());
        }
        return called_columns(called);
    }

  private:
    static py::dict arrays(Pairs&& p) {
        py::dict out;
        out["read_offsets"] = to_numpy(std::move(p.read_offsets));
        out["read_bases"] = to_numpy(std::move(p.read_bases));
        out["quality"] = to_numpy(std::move(p.quality));
        out["haplotype_offsets"] = to_numpy(std::move(p.haplotype_offsets));
        out["haplotype_bases"] = to_numpy(std::move(p.haplotype_bases));
        out["open"] = to_numpy(std::move(p.open));
        out["read"] = to_numpy(std::move(p.read));
        out["haplotype"] = to_numpy(std::move(p.haplotype));
        out["diagonal"] = to_numpy(std::move(p.diagonal));
        out["left"] = to_numpy(std::move(p.left));
        out["right"] = to_numpy(std::move(p.right));
        return out;
    }
    static py::dict arrays(Sequences&& s) {
        py::dict out;
        out["query_offsets"] = to_numpy(std::move(s.query_offsets));
        out["query_bases"] = to_numpy(std::move(s.query_bases));
        out["target_offsets"] = to_numpy(std::move(s.target_offsets));
        out["target_bases"] = to_numpy(std::move(s.target_bases));
        out["query"] = to_numpy(std::move(s.query));
        out["target"] = to_numpy(std::move(s.target));
        return out;
    }
    template <typename Flat, typename Make> static py::dict released(Make make) {
        Flat flat;
        {
            py::gil_scoped_release release;
            flat = make();
        }
        return arrays(std::move(flat));
    }

    // Reads are views of the columns, which must live as long.
    py::dict columns_;
    In<uint8_t> bases_;
    std::optional<Calling> calling_;
};

// The pileup of reads that lie on a device, for Python; each step is asked for once, in order.
class WalkedCalling {
  public:
    WalkedCalling(py::dict columns, In<uint8_t> bases, int32_t start, int32_t end, int ploidy, const py::dict& given)
        : columns_(std::move(columns)), bases_(std::move(bases)), rows_(alignments(columns_)), contig_(contig_of(bases_)),
          region_(region_of(start, end, ploidy)), parameters_(parameters(given)) {
        py::gil_scoped_release release;
        reads_ = choose_reads(rows_, parameters_, contig_.length, region_.start - PADDING, region_.end + PADDING, region_.mixed);
        order_reads(reads_, rows_);
        tied_ = tied_reads(reads_);
        if (tied_.empty()) selected();
    }
    // The reads whose order hangs on their bases.
    py::dict tied() const {
        std::vector<Read> some;
        for (int32_t r : tied_) some.push_back(reads_[static_cast<size_t>(r)]);
        return placed(some);
    }
    // Takes the bases of these, one read after the other.
    void untie(const In<uint8_t>& bases) {
        const char* at = reinterpret_cast<const char*>(bases.data());
        for (int32_t r : tied_) {
            std::string_view& seq = reads_[static_cast<size_t>(r)].seq;
            seq = {at, seq.size()};
            at += seq.size();
        }
        order_reads(reads_, rows_);
        for (Read& read : reads_) read.seq = {nullptr, read.seq.size()};
        selected();
    }
    // The reads before their gaps are moved, the plain reference from `begin`, and which of the reads overlap.
    py::dict reads() const {
        py::dict out = placed(reads_);
        set_reference(out, *reference_);
        out["first"] = column<int32_t>(overlaps_, [](const Overlap& o) { return o.first; });
        out["second"] = column<int32_t>(overlaps_, [](const Overlap& o) { return o.second; });
        out["second_keeps"] = column<int32_t>(overlaps_, [&](const Overlap& o) { return reads_[static_cast<size_t>(o.first)].hash & 1; });
        out["several"] = to_numpy(std::vector<int32_t>(several_));
        return out;
    }
    // Takes bases and qualities of the reads of several operations; gives the operations of all as they are then.
    py::tuple realigned(const In<uint8_t>& bases, const In<uint8_t>& quality) {
        {
            py::gil_scoped_release release;
            pileup_ = pileup_of(std::move(reads_), *reference_);
            bring(pileup_, several_, bases.data(), quality.data());
            collect_gaps(pileup_, several_, *reference_);
        }
        return ragged<int32_t>(pileup_.reads, packed_ops);
    }
    // Takes what the walk found; gives the reads that the calling needs.
    py::array_t<int32_t> walked(const In<int32_t>& depth, const In<int32_t>& informative, const In<int32_t>& numbers, const In<int32_t>& position,
                                const In<uint8_t>& base, const In<uint8_t>& quality) {
        {
            py::gil_scoped_release release;
            add_walked(pileup_, {{depth.data(), depth.data() + depth.size()}, {informative.data(), informative.data() + informative.size()},
                                 numbers.data(), position.data(), base.data(), quality.data()});
            calling_.emplace(Prepared{std::move(pileup_), std::move(*reference_)}, region_, parameters_);
            needed_ = calling_->needed();
        }
        return to_numpy(std::vector<int32_t>(needed_));
    }
    // Takes bases and qualities of these; the rest is as of any calling.
    StagedCalling calling(const In<uint8_t>& bases, const In<uint8_t>& quality) {
        calling_->bring(needed_, bases.data(), quality.data());
        return StagedCalling(std::move(*calling_));
    }

  private:
    // Which of the table's rows reads are, and where they lie.
    static py::dict placed(const std::vector<Read>& reads) {
        py::dict out = flat_columns(reads);
        out["row"] = column<int64_t>(reads, [](const Read& r) { return r.row; });
        out["length"] = column<int32_t>(reads, [](const Read& r) { return r.seq.size(); });
        return out;
    }
    void selected() {
        downsample(reads_, region_.mixed ? parameters_.max_mixed_depth : parameters_.max_depth);
        overlaps_ = pair_mates(reads_, rows_);
        reference_.emplace(window_of(reads_, contig_, region_));
        several_ = several(reads_);
    }

    py::dict columns_;
    In<uint8_t> bases_;
    Alignments rows_;
    Contig contig_;
    Region region_;
    Parameters parameters_;
    std::vector<Read> reads_;
    std::vector<Overlap> overlaps_;
    std::vector<int32_t> tied_;
    std::optional<Window> reference_;
    std::vector<int32_t> several_, needed_;
    Pileup pileup_;
    std::optional<Calling> calling_;
};

py::dict triage(const py::dict& columns, const In<uint8_t>& bases, int32_t start, int32_t end, const py::dict& given) {
    const Alignments rows = alignments(columns);
    const Parameters limits = parameters(given);
    const Contig contig = contig_of(bases);
    std::vector<int32_t> depth;
    std::vector<float> active;
    std::vector<ActiveRegion> regions;
    {
        py::gil_scoped_release release;
        const Prepared prepared = prepare(rows, contig, Region{start, end, 2}, limits);
        const std::vector<float> all = activity(prepared.pileup, prepared.reference, limits);
        const auto from = start - prepared.reference.begin(), to = end - prepared.reference.begin();
        active.assign(all.begin() + from, all.begin() + to);
        depth.assign(prepared.pileup.depth.begin() + from, prepared.pileup.depth.begin() + to);
        for (const ActiveRegion& region : active_regions(candidates(prepared.pileup, prepared.reference, 0), prepared.pileup, prepared.reference))
            if (region.start >= start && region.start < end) regions.push_back(region);
    }
    py::dict out;
    out["depth"] = to_numpy(std::move(depth));
    out["activity"] = to_numpy(std::move(active));
    out["start"] = column<int32_t>(regions, [](const ActiveRegion& r) { return r.start; });
    out["end"] = column<int32_t>(regions, [](const ActiveRegion& r) { return r.end; });
    out["candidates"] = column<int32_t>(regions, [](const ActiveRegion& r) { return r.last - r.first; });
    out["simple"] = column<uint8_t>(regions, [](const ActiveRegion& r) { return r.simple; });
    return out;
}

py::dict events(const py::dict& columns, const In<uint8_t>& bases, int32_t start, int32_t end, const py::dict& given) {
    const Prepared prepared = prepare(alignments(columns), contig_of(bases), Region{start, end, 2}, parameters(given));
    const std::vector<Event>& found = prepared.pileup.events;
    py::dict out;
    out["position"] = column<int32_t>(found, [](const Event& e) { return e.allele.position; });
    out["ref_length"] = column<int32_t>(found, [](const Event& e) { return e.allele.ref_length; });
    out["alt"] = ragged<uint8_t>(found, [](const Event& e) -> const std::string& { return e.allele.alt; });
    out["quality"] = column<uint8_t>(found, [](const Event& e) { return e.quality; });
    return out;
}

// Usable reads in order, with what the CPU's walk says of them.
py::dict flat_reads(const py::dict& columns, const In<uint8_t>& bases, int32_t start, int32_t end, const py::dict& given) {
    const Prepared prepared = prepare(alignments(columns), contig_of(bases), Region{start, end, 2}, parameters(given));
    const std::vector<Read>& reads = prepared.pileup.reads;
    py::dict out = flat_columns(reads);
    set_reference(out, prepared.reference);
    out["bases"] = ragged<uint8_t>(reads, [](const Read& r) { return r.seq; });
    out["quality"] = ragged<uint8_t>(reads, [](const Read& r) -> const std::vector<uint8_t>& { return r.qual; });
    out["informative"] = to_numpy(std::vector<int32_t>(prepared.pileup.informative));
    out["depth"] = to_numpy(std::vector<int32_t>(prepared.pileup.depth));
    return out;
}

py::tuple genotypes(const In<float>& costs, const In<float>& caps, const In<uint8_t>& reverse, int ploidy) {
    CostTable table;
    table.alleles = static_cast<int>(costs.shape(1));
    for (py::ssize_t f = 0; f < costs.shape(0); ++f) table.add(costs.data(f, 0), caps.at(f), reverse.at(f));
    const std::vector<Genotype> found = genotype_costs(table, ploidy);
    std::vector<int16_t> copies;
    for (const Genotype& g : found) copies.insert(copies.end(), g.begin(), g.end());
    return py::make_tuple(to_numpy(std::move(copies)), column<double>(found, [](const Genotype& g) { return g.cost; }));
}

py::tuple normalise(const In<uint8_t>& bases, int32_t position, int32_t ref_length, const std::string& alt) {
    const Contig contig = contig_of(bases);
    const Window reference(contig.bases, contig.length, 0, contig.length);
    const Spelling spelled = vcf_spelling(left_aligned({position, ref_length, alt}, reference), reference);
    return py::make_tuple(spelled.start, spelled.ref, spelled.alt);
}

}  // namespace

PYBIND11_MODULE(_twin, module) {
    module.attr("PADDING") = PADDING;
    module.attr("LONGEST_READ") = LONGEST_READ;
    module.attr("MAX_PLOIDY") = MAX_PLOIDY;
    module.attr("DEPENDENCY") = DEPENDENCY;
    module.attr("DEPENDENCY_FLOOR") = DEPENDENCY_FLOOR;
    module.attr("GQ_BANDS") = py::make_tuple(GQ_BANDS[0], GQ_BANDS[1], GQ_BANDS[2]);
    module.attr("SLACK_OF_HAPLOTYPES") = SLACK_OF_HAPLOTYPES;
    module.def("call", &call);
    py::class_<StagedCalling>(module, "StagedCalling")
        .def(py::init<py::dict, In<uint8_t>, int32_t, int32_t, int, const py::dict&>())
        .def("pairs", &StagedCalling::pairs)
        .def("compared", &StagedCalling::compared)
        .def("aligned", &StagedCalling::aligned)
        .def("compared_again", &StagedCalling::compared_again);
    py::class_<WalkedCalling>(module, "WalkedCalling")
        .def(py::init<py::dict, In<uint8_t>, int32_t, int32_t, int, const py::dict&>())
        .def("tied", &WalkedCalling::tied)
        .def("untie", &WalkedCalling::untie)
        .def("reads", &WalkedCalling::reads)
        .def("realigned", &WalkedCalling::realigned)
        .def("walked", &WalkedCalling::walked)
        .def("calling", &WalkedCalling::calling);
    module.def("triage", &triage);
    // The parts of the model that reference.py spells out, for the tests that hold the two together.
    module.def("events", &events);
    module.def("flat_reads", &flat_reads);
    module.def("genotypes", &genotypes);
    module.def("normalise", &normalise);
}
