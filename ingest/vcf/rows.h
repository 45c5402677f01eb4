// Records as rows: of vcf_records, variants, genotypes and reference_blocks.
//
// Every sample has the same rows of genotypes, one for each record and alternate: what is the record's is built once
// (`site`), what is a sample's in columns that a block of neighbouring samples shares, with the number of the row of
// `site` and of the sample beside it. Genotypes that are written alike are numbers into `genotypes()`.
#pragma once

#include <span>

#include "ingest/vcf/alleles.h"
#include "ingest/vcf/genotype.h"
#include "ingest/vcf/plain.h"
#include "ingest/vcf/record.h"
#include "lake/arrow_build.h"

namespace baselake::vcf {

struct Contig {
    std::string name;
    std::string_view bases;  // upper case
};

class Rows {
  public:
    // `order`: the file's samples, by their place in it, in the order in which rows have them; `block`: so many have
    // columns in common.
    Rows(const std::vector<Contig>& contigs, const Definitions& format, std::vector<std::uint32_t> order, std::size_t block)
        : contigs_(contigs), format_(format), order_(std::move(order)), samples_(order_.size()), block_(block) {
        reset();
    }

    // Every GT so far, as its rows have it.
    const std::vector<std::string>& genotypes() const { return row_genotypes_.texts(); }
    std::size_t sites() const { return static_cast<std::size_t>(site_[0].length); }

    void add(const Record& record, std::int32_t number) {
        const Contig& contig = contigs_[static_cast<std::size_t>(record.contig)];
        check(record, contig);
        const std::int64_t end = end_of(record);
        const bool block = !record.alts.empty() && samples_ && all_unspecified();
        if (block) {
            add_blocks(record, end);
            return;
        }
        alleles_.resize(record.alts.size());
        std::size_t rows = 0;
        for (std::size_t i = 0; i < record.alts.size(); ++i)
            if (has_row(kinds_[i])) {
                allele(record, contig, i);
                add_variant(contig, i, end);
                ++rows;
            }
        add_record(record, number, end);
        if (!samples_) return;
        for (std::size_t i = 0; i < record.alts.size(); ++i)
            if (has_row(kinds_[i])) add_site(record, number, i + 1);
        if (!rows) add_site(record, number, 0);
        // Rows of a record stand sample by sample.
        if (rows > 1) sorted_ = sorted_ && same_starts();
        find_known(record);
        const auto first = static_cast<std::int32_t>(sites() - std::max<std::size_t>(rows, 1));
        add_samples(record, rows, first);
        if (record.alts.empty()) add_blocks(record, end);  // the site was seen, and is the reference
    }

    std::size_t bytes() const {
        std::size_t sum = 0;
        for (const auto* columns : {&records_, &variants_, &site_, &blocks_})
            for (const Column& column : *columns) sum += column.bytes();
        // Samples have about as much each.
        if (samples_)
            for (const Column& column : of_blocks_[0]) sum += column.bytes() * of_blocks_.size();
        return sum;
    }

    struct Part {
        std::vector<Column> records, variants, site, blocks;
        std::vector<std::vector<Column>> genotypes;  // by block
        std::int64_t first = 0, last = 0;  // least and greatest start of a genotype's row
        bool sorted = true;
    };
    Part take() {
        Part part{std::move(records_), std::move(variants_), std::move(site_), std::move(blocks_), std::move(of_blocks_),
                  first_, last_, sorted_};
        reset();
        // The next part is about as large.
        for (std::size_t block = 0; block < of_blocks_.size(); ++block)
            for (std::size_t i = 0; i < of_blocks_[block].size(); ++i)
                of_blocks_[block][i].reserve_as(part.genotypes[block][i]);
        return part;
    }
    bool empty() const { return records_[0].length == 0 && blocks_[0].length == 0; }

  private:
    static bool has_row(AlleleKind kind) {
        return kind == AlleleKind::bases || kind == AlleleKind::symbolic || kind == AlleleKind::breakend;
    }
    bool all_unspecified() const {
        return std::all_of(kinds_.begin(), kinds_.end(), [](AlleleKind kind) { return kind == AlleleKind::unspecified; });
    }

    void check(const Record& record, const Contig& contig) {
        if (!all_bases(record.ref)) fail("REF is not bases (A, C, G, T, N): " + shown(record.ref));
        kinds_.clear();
        for (const auto alt : record.alts) kinds_.push_back(kind_of(alt));
        if (record.alts.size() > 127) fail("the record has over 127 alternates");
        for (std::size_t i = 0; i < record.alts.size(); ++i) {
            if (kinds_[i] != AlleleKind::bases) continue;
            if (same(record.alts[i], record.ref)) fail("an alternate is the reference: " + shown(record.alts[i]));
            for (std::size_t j = 0; j < i; ++j)
                if (same(record.alts[i], record.alts[j])) fail("an alternate stands twice: " + shown(record.alts[i]));
        }
        const auto length = static_cast<std::int64_t>(contig.bases.size());
        const auto size = static_cast<std::int64_t>(record.ref.size());
        // Positions 0 and length + 1 are the telomeres (VCF 4.3, section 1.6.1), of which the reference has no bases.
        if (record.start == -1 || record.start == length) return;
        if (record.start < 0 || record.start + size > length)
            fail("POS and REF reach beyond " + contig.name + ", which has " + std::to_string(length) + " bases");
        for (std::size_t i = 0; i < record.ref.size(); ++i) {
            const char is = upper(record.ref[i]), should = contig.bases[static_cast<std::size_t>(record.start) + i];
            // What the reference does not know, or the record, is no contradiction.
            const bool known = should == 'A' || should == 'C' || should == 'G' || should == 'T';
            if (known && is != should && is != 'N')
                fail("REF is " + shown(record.ref) + " where the reference has " +
                     shown(contig.bases.substr(static_cast<std::size_t>(record.start), record.ref.size())));
        }
    }
    static bool same(std::string_view a, std::string_view b) {
        return a.size() == b.size() &&
               std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return upper(x) == upper(y); });
    }

    // The base after the last: END counts where an alternate does not say how far it reaches.
    std::int64_t end_of(const Record& record) const {
        const std::int64_t end = std::max<std::int64_t>(record.start, 0) + static_cast<std::int64_t>(record.ref.size());
        const bool symbolic = std::any_of(kinds_.begin(), kinds_.end(), [](AlleleKind kind) {
            return kind == AlleleKind::symbolic || kind == AlleleKind::unspecified;
        });
        const Info* said = symbolic || record.alts.empty() ? record.info("END") : nullptr;
        if (!said || said->kind != Kind::integer || said->count != 1) return end;
        return std::max<std::int64_t>(end, record.pools.integers[said->first]);
    }

    void allele(const Record& record, const Contig& contig, std::size_t i) {
        Allele& allele = alleles_[i];
        if (kinds_[i] == AlleleKind::bases) {
            normalise(record.ref, record.alts[i], record.start, contig.bases, allele);
        } else {
            allele.start = record.start;
            allele.ref.assign(record.ref);
            std::transform(allele.ref.begin(), allele.ref.end(), allele.ref.begin(), upper);
            allele.alt.assign(record.alts[i]);
            allele.type = kinds_[i] == AlleleKind::symbolic ? "symbolic" : "breakend";
        }
    }

    void variant_id(const Contig& contig, std::size_t i, std::int64_t end) {
        const Allele& allele = alleles_[i];
        text_.clear();
        text_ += contig.name;
        text_ += '-';
        text_ += std::to_string(allele.start + 1);
        text_ += '-';
        text_ += allele.ref;
        text_ += '-';
        text_ += allele.alt;
        // Symbolic alternates of one place are told apart by their ends.
        if (kinds_[i] == AlleleKind::symbolic) {
            text_ += '-';
            text_ += std::to_string(end);
        }
    }

    void add_variant(const Contig& contig, std::size_t i, std::int64_t end) {
        const Allele& allele = alleles_[i];
        if (kinds_[i] != AlleleKind::symbolic) end = allele.start + static_cast<std::int64_t>(allele.ref.size());
        variant_id(contig, i, end);
        variants_[0].add_text(text_);
        variants_[1].add(static_cast<std::int32_t>(allele.start));
        variants_[2].add(static_cast<std::int32_t>(end));
        variants_[3].add_text(allele.ref);
        variants_[4].add_text(allele.alt);
        variants_[5].add_text(allele.type);
        ids_.resize(std::max(ids_.size(), i + 1));
        ids_[i] = text_;
    }

    void add_filters(Column& column, const Record& record) {
        for (const auto name : record.filters) column.children[0]->add_text(name);
        column.close_list(record.filter != Filter::missing);
    }

    void add_record(const Record& record, std::int32_t number, std::int64_t end) {
        auto column = records_.begin();
        (column++)->add(number);
        (column++)->add(static_cast<std::int32_t>(record.start));
        (column++)->add(static_cast<std::int32_t>(end));
        add_optional(*column++, record.id);
        (column++)->add_text(record.ref);
        for (const auto alt : record.alts) column->children[0]->add_text(alt);
        (column++)->close_list(true);
        for (std::size_t i = 0; i < record.alts.size(); ++i)
            if (has_row(kinds_[i]))
                column->children[0]->add_text(ids_[i]);
            else
                column->children[0]->add_null();
        (column++)->close_list(true);
        add_float(*column++, record.qual);
        add_filters(*column++, record);
        Column& keys = *column++;
        Column &integers = *column++, &floats = *column++, &texts = *column++;
        for (const Info& info : record.infos) {
            keys.children[0]->add_text(info.key);
            if (info.kind == Kind::flag) continue;
            Column& map = info.kind == Kind::integer ? integers : info.kind == Kind::floating ? floats : texts;
            add_entry(map, info.key, record.pools, info.kind, info.first, info.count);
        }
        keys.close_list(true);
        for (Column* map : {&integers, &floats, &texts}) map->close_list(true);
        for (std::size_t i = 0; i < record.format_count; ++i) column->children[0]->add_text(record.formats[i].key);
        column->close_list(true);
    }

    // Of the specification's keys of FORMAT. Others, and those of INFO, are about with other numbers of values than their
    // header says, and are kept as they are.
    static void check_count(const Definition& definition, std::string_view key, std::size_t count, std::size_t alternates) {
        if (!count) return;
        std::size_t wanted = count;
        if (definition.number == kPerAlternate) wanted = std::max<std::size_t>(alternates, 1);
        if (definition.number == kPerAllele) wanted = alternates + 1;
        // Text of one value has commas where its writer meant none.
        if (definition.number > 0 && definition.kind != Kind::text) wanted = static_cast<std::size_t>(definition.number);
        if (count != wanted)
            fail("FORMAT " + std::string(key) + " has " + std::to_string(count) + " values and not " +
                 std::to_string(wanted));
    }

    void add_site(const Record& record, std::int32_t number, std::size_t alt) {
        const Allele* allele = alt ? &alleles_[alt - 1] : nullptr;
        const std::int64_t start = allele ? allele->start : record.start;
        if (site_[0].length == 0) first_ = last_ = start;
        sorted_ = sorted_ && start >= last_;
        first_ = std::min(first_, start);
        last_ = std::max(last_, start);
        if (alt)
            site_[0].add_text(ids_[alt - 1]);
        else
            site_[0].add_null();
        site_[1].add(static_cast<std::int32_t>(start));
        site_[2].add(static_cast<std::int8_t>(alt));
        add_filters(site_[3], record);
        add_float(site_[4], record.qual);
        site_[5].add(number);
        for (std::size_t i = 0; i < 4; ++i) {
            // A file of one sample says of the site what it says of the sample.
            const Info* info = samples_ == 1 ? record.info(kSiteKeys[i]) : nullptr;
            const bool there = info && info->kind == Kind::floating && info->count == 1;
            add_float(site_[6 + i], there ? record.pools.floats[info->first] : missing_float());
        }
    }
    bool same_starts() const {
        std::int64_t start = -2;
        for (std::size_t i = 0; i < alleles_.size(); ++i) {
            if (!has_row(kinds_[i])) continue;
            if (start != -2 && alleles_[i].start != start) return false;
            start = alleles_[i].start;
        }
        return true;
    }
    static constexpr const char* kSiteKeys[4] = {"MQ", "FS", "ReadPosRankSum", "BaseQRankSum"};

    // Keys that have columns of their own.
    void find_known(const Record& record) {
        known_.clear();
        for (std::size_t i = 0; i < record.format_count; ++i) {
            const Format& format = record.formats[i];
            const Definition definition = definition_of(format_, format.key);
            if (definition.reserved && format.key != "GT") known_.checked.emplace_back(&format, definition);
            const bool integers = format.kind == Kind::integer;
            if (format.key == "GT") known_.gt = &format;
            else if (format.key == "GQ" && integers) known_.gq = &format;
            else if (format.key == "DP" && integers) known_.dp = &format;
            else if (format.key == "AD" && integers) known_.ad = &format;
            else if (format.key == "PL" && integers) known_.pl = &format;
            else if (format.key == "PS" && integers) known_.ps = &format;
            else if (format.key == "SB" && integers) known_.sb = &format;
            else known_.rest.push_back(&format);
        }
    }

    void add_samples(const Record& record, std::size_t rows, std::int32_t site) {
        const bool plain = rows == 1 && PlainBlock::is_plain(record, known_);
        for (std::size_t begin = 0; begin < samples_; begin += block_) {
            const std::size_t end = std::min(begin + block_, samples_);
            if (plain && plain_.take(record, known_, {order_.data() + begin, end - begin}, row_genotypes_))
                plain_.append(of_blocks_[begin / block_], site, begin);
            else
                for (std::size_t number = begin; number < end; ++number) add_sample(record, number, rows, site);
        }
    }

    void add_sample(const Record& record, std::size_t number, std::size_t rows, std::int32_t site) {
        const std::size_t sample = order_[number];
        const Pools& pools = record.pools;
        const std::size_t alternates = record.alts.size();
        genotype_.there = false;
        if (known_.gt && known_.gt->samples[sample].count) parse_genotype(pools.texts[known_.gt->samples[sample].first], alternates, genotype_);
        for (const auto& [format, definition] : known_.checked) check_format(*format, definition, sample, alternates);
        std::vector<Column>& columns = of_blocks_[number / block_];
        bool first = true;
        for (std::size_t alt = rows ? 1 : 0; alt <= alternates; ++alt) {
            if (alt && !has_row(kinds_[alt - 1])) continue;
            if (!alt && !first) break;
            columns[13].add(site++);
            columns[14].add(static_cast<std::int32_t>(number));
            add_row(columns, record, sample, alt, first);
            first = false;
            if (!rows) break;
        }
    }

    void check_format(const Format& format, const Definition& definition, std::size_t sample, std::size_t alternates) {
        const std::size_t count = format.samples[sample].count;
        check_count(definition, format.key, count, alternates);
        if (!alternates || definition.number != kPerGenotype || !count || !genotype_.there) return;
        const std::size_t wanted = genotype_count(alternates + 1, genotype_.alleles.size());
        // './.' says nothing of how many copies there are; '.' neither.
        if (wanted && count != wanted && !genotype_.missing())
            fail("FORMAT " + std::string(format.key) + " of sample " + std::to_string(sample + 1) + " has " +
                 std::to_string(count) + " values and not one for each of " + std::to_string(wanted) + " genotypes");
    }

    void add_row(std::vector<Column>& columns, const Record& record, std::size_t sample, std::size_t alt, bool first) {
        const Pools& pools = record.pools;
        const bool simple = record.alts.size() == 1 && alt == 1;  // the row says all there is to say
        add_genotype(columns[0], columns[1], alt, simple);
        const auto one = [&](const Format* format) -> std::int32_t {
            if (!format || format->samples[sample].count != 1) return kMissingInt;
            return pools.integers[format->samples[sample].first];
        };
        const auto all = [&](const Format* format) -> std::span<const std::int32_t> {
            if (!format) return {};
            return {pools.integers.data() + format->samples[sample].first, format->samples[sample].count};
        };
        add_integer(columns[2], one(known_.gq));
        add_integer(columns[3], one(known_.dp));
        const auto ad = all(known_.ad);
        const bool counted = ad.size() == record.alts.size() + 1 && alt;
        add_integer(columns[4], counted ? ad[0] : kMissingInt);
        add_integer(columns[5], counted ? ad[alt] : kMissingInt);
        const auto pl = all(known_.pl);
        const bool kept = add_likelihoods(columns[6], columns[7], pl, alt, record.alts.size(), simple);
        add_integer(columns[8], one(known_.ps));
        const auto sb = all(known_.sb);
        const bool strands = simple && sb.size() == 4;
        if (strands)
            for (const auto value : sb) add_integer(*columns[9].children[0], value);
        columns[9].close_list(strands);
        // The maps hold what no column does; of several rows of a record the first has them.
        Column &integers = columns[10], &floats = columns[11], &texts = columns[12];
        bool any[3] = {false, false, false};
        const auto keep = [&](const Format* format) {
            if (!first || !format || !format->samples[sample].count) return;
            const int which = format->kind == Kind::integer ? 0 : format->kind == Kind::floating ? 1 : 2;
            add_entry(columns[10 + static_cast<std::size_t>(which)], format->key, pools, format->kind,
                      format->samples[sample].first, format->samples[sample].count);
            any[which] = true;
        };
        if (!simple) keep(known_.gt);
        for (const Format* format : {known_.gq, known_.dp, known_.ps})
            if (format && format->samples[sample].count > 1) keep(format);
        // Two missing depths are another record than none.
        if (!(simple && counted) || (is_missing(ad[0]) && is_missing(ad[1]))) keep(known_.ad);
        if (!kept) keep(known_.pl);
        if (!strands) keep(known_.sb);
        for (const Format* format : known_.rest) keep(format);
        integers.close_list(any[0]);
        floats.close_list(any[1]);
        texts.close_list(any[2]);
    }

    void add_genotype(Column& gt, Column& copies, std::size_t alt, bool simple) {
        if (!genotype_.there) {
            gt.add_null();
            copies.add_null();
            return;
        }
        int mine = 0;
        bool missing = false;
        for (const int allele : genotype_.alleles) {
            mine += alt && allele == static_cast<int>(alt);
            missing = missing || allele < 0;
        }
        if (mine || !missing)
            copies.add(static_cast<std::int8_t>(mine));
        else
            copies.add_null();
        if (simple) {
            gt.add(row_genotypes_.number_of(genotype_.text));
            return;
        }
        text_.clear();
        std::size_t place = 0;
        for (const char c : genotype_.text) {
            if (c == '/' || c == '|') {
                text_ += c;
                continue;
            }
            // One letter for each allele, however many digits its number has.
            if (!text_.empty() && text_.back() != '/' && text_.back() != '|') continue;
            const int allele = genotype_.alleles[place++];
            text_ += allele < 0 ? '.' : allele == 0 ? '0' : allele == static_cast<int>(alt) ? '1' : '2';
        }
        gt.add(row_genotypes_.number_of(text_));
    }

    // `pl` over the reference and the row's alternate, `site_pl` over all alleles of a site that has more. False where
    // the columns do not hold what the record says.
    bool add_likelihoods(Column& own, Column& site, std::span<const std::int32_t> pl, std::size_t alt,
                         std::size_t alternates, bool simple) {
        const std::size_t copies = pl.size() == genotype_count(alternates + 1, 2) ? 2 : pl.size() == alternates + 1 ? 1 : 0;
        const bool known = alt && copies && !pl.empty();
        if (known) {
            add_integer(*own.children[0], pl[0]);
            if (copies == 1) {
                add_integer(*own.children[0], pl[alt]);
            } else {
                add_integer(*own.children[0], pl[alt * (alt + 1) / 2]);
                add_integer(*own.children[0], pl[alt * (alt + 1) / 2 + alt]);
            }
        }
        own.close_list(known);
        const bool whole = alt && !simple && !pl.empty();
        if (whole)
            for (const auto value : pl) add_integer(*site.children[0], value);
        site.close_list(whole);
        return pl.empty() || whole || (simple && known);
    }

    void add_blocks(const Record& record, std::int64_t end) {
        find_known(record);
        const Format* least = record.format("MIN_DP");
        for (std::size_t number = 0; number < samples_; ++number) {
            const std::size_t sample = order_[number];
            genotype_.there = false;
            if (known_.gt && known_.gt->samples[sample].count)
                parse_genotype(record.pools.texts[known_.gt->samples[sample].first], record.alts.size(), genotype_);
            if (!genotype_.there || (!genotype_.reference() && !genotype_.missing())) continue;
            const auto one = [&](const Format* format) -> std::int32_t {
                if (!format || format->kind != Kind::integer || format->samples[sample].count != 1) return kMissingInt;
                return record.pools.integers[format->samples[sample].first];
            };
            const std::int32_t gq = one(known_.gq), dp = one(known_.dp), min_dp = one(least);
            // Nothing was read there, whatever the genotype is called.
            const bool unseen = genotype_.missing() || (dp == 0 && (is_missing(gq) || gq == 0));
            blocks_[0].add(static_cast<std::int32_t>(number));
            blocks_[1].add(static_cast<std::int32_t>(record.start));
            blocks_[2].add(static_cast<std::int32_t>(end));
            blocks_[3].add(static_cast<std::int8_t>(genotype_.alleles.size()));
            if (unseen)
                blocks_[4].add_text(dp == 0 ? "no_usable_reads" : "no_call");
            else
                blocks_[4].add_null();
            add_integer(blocks_[5], unseen ? 0 : gq);
            add_integer(blocks_[6], dp);
            add_integer(blocks_[7], is_missing(min_dp) ? dp : min_dp);
        }
    }

    static void add_integer(Column& column, std::int32_t value) {
        if (is_missing(value))
            column.add_null();
        else
            column.add(value);
    }
    static void add_float(Column& column, float value) {
        if (is_missing(value))
            column.add_null();
        else
            column.add(value);
    }
    static void add_optional(Column& column, std::string_view text) {
        if (text.empty())
            column.add_null();
        else
            column.add_text(text);
    }
    static void add_entry(Column& map, std::string_view key, const Pools& pools, Kind kind, std::size_t first, std::size_t count) {
        Column& entries = *map.children[0];
        Column& values = *entries.children[1];
        entries.children[0]->add_text(key);
        for (std::size_t i = first; i < first + count; ++i) {
            Column& item = *values.children[0];
            if (kind == Kind::integer)
                add_integer(item, pools.integers[i]);
            else if (kind == Kind::floating)
                add_float(item, pools.floats[i]);
            else
                item.add_text(pools.texts[i]);
        }
        values.close_list(count != 0);
        entries.finish();
    }

    void reset() {
        records_.clear();
        for (const char* name : {"record", "start", "end"}) records_.emplace_back(name, "i");
        records_.push_back(text_column("id"));
        records_.push_back(text_column("ref"));
        records_.push_back(list_column("alts", "u"));
        records_.push_back(list_column("variant_ids", "u"));
        records_.emplace_back("qual", "f");
        records_.push_back(list_column("filters", "u"));
        records_.push_back(list_column("info_keys", "u"));
        records_.push_back(map_column("info_integers", "i"));
        records_.push_back(map_column("info_floats", "f"));
        records_.push_back(map_column("info_strings", "u"));
        records_.push_back(list_column("format_keys", "u"));
        variants_.clear();
        variants_.push_back(text_column("variant_id"));
        for (const char* name : {"start", "end"}) variants_.emplace_back(name, "i");
        for (const char* name : {"ref", "alt", "type"}) variants_.push_back(text_column(name));
        site_.clear();
        site_.push_back(text_column("variant_id"));
        site_.emplace_back("start", "i");
        site_.emplace_back("allele_index", "c");
        site_.push_back(list_column("filters", "u"));
        site_.emplace_back("qual", "f");
        site_.emplace_back("record", "i");
        for (const char* name : {"mq", "fs", "read_pos_rank_sum", "base_q_rank_sum"}) site_.emplace_back(name, "f");
        blocks_.clear();
        for (const char* name : {"sample", "start", "end"}) blocks_.emplace_back(name, "i");
        blocks_.emplace_back("ploidy", "c");
        blocks_.push_back(text_column("gap"));
        for (const char* name : {"gq", "dp", "min_dp"}) blocks_.emplace_back(name, "i");
        of_blocks_.clear();
        of_blocks_.resize((samples_ + block_ - 1) / block_);
        for (auto& columns : of_blocks_) {
            columns.emplace_back("gt", "i");
            columns.emplace_back("alt_copies", "c");
            for (const char* name : {"gq", "dp", "ad_ref", "ad_alt"}) columns.emplace_back(name, "i");
            columns.push_back(list_column("pl", "i"));
            columns.push_back(list_column("site_pl", "i"));
            columns.emplace_back("ps", "i");
            columns.push_back(list_column("sb", "i"));
            columns.push_back(map_column("format_integers", "i"));
            columns.push_back(map_column("format_floats", "f"));
            columns.push_back(map_column("format_strings", "u"));
            for (const char* name : {"site", "sample"}) columns.emplace_back(name, "i");
        }
        first_ = last_ = 0;
        sorted_ = true;
    }

    const std::vector<Contig>& contigs_;
    const Definitions& format_;
    std::vector<std::uint32_t> order_;
    std::size_t samples_, block_;
    std::vector<Column> records_, variants_, site_, blocks_;
    std::vector<std::vector<Column>> of_blocks_;
    RowGenotypes row_genotypes_;
    std::int64_t first_ = 0, last_ = 0;
    bool sorted_ = true;
    // Of the record at hand.
    std::vector<AlleleKind> kinds_;
    std::vector<Allele> alleles_;
    std::vector<std::string> ids_;
    std::string text_;
    Genotype genotype_;
    Known known_;
    PlainBlock plain_;
};

}  // namespace baselake::vcf
