// Rows of a record of one alternate of which columns hold everything: nearly all of a cohort's. A block of samples is
// taken together, column by column, so that no sample costs more than its values.
#pragma once

#include <span>

#include "ingest/vcf/genotype.h"
#include "ingest/vcf/record.h"
#include "lake/arrow_build.h"

namespace baselake::vcf {

// The keys of a record's FORMAT, by what becomes of them.
struct Known {
    const Format *gt = nullptr, *gq = nullptr, *dp = nullptr, *ad = nullptr, *pl = nullptr, *ps = nullptr, *sb = nullptr;
    std::vector<const Format*> rest;                               // those without a column
    std::vector<std::pair<const Format*, Definition>> checked;     // those that the specification says the number of
    void clear() {
        gt = gq = dp = ad = pl = ps = sb = nullptr;
        rest.clear();
        checked.clear();
    }
};

class PlainBlock {
  public:
    // Whether the record may be of that kind; its samples may still have more than columns hold.
    static bool is_plain(const Record& record, const Known& known) {
        return record.alts.size() == 1 && known.rest.empty() && !known.sb;
    }

    // Takes what a block's samples have, in their order. False: some have what only `Rows::add_sample` can tell.
    bool take(const Record& record, const Known& known, std::span<const std::uint32_t> samples, RowGenotypes& genotypes) {
        known_ = &known;
        resize(samples.size());
        const std::int32_t* pool = record.pools.integers.data();
        return take_genotypes(record, known.gt, samples, genotypes) && take_one(pool, known.gq, known, samples, gq_) &&
               take_one(pool, known.dp, known, samples, dp_) && take_one(pool, known.ps, known, samples, ps_) &&
               take_depths(pool, known, samples) && take_likelihoods(pool, known, samples);
    }

    // Appends what was taken: rows of one row of `site`, of samples numbered from `first` on.
    void append(std::vector<Column>& columns, std::int32_t site, std::size_t first) {
        const std::size_t count = gt_.size();
        columns[0].add_all(gt_.data(), count, kMissingInt);
        columns[1].add_all(copies_.data(), count, RowGenotypes::kMissingCopies);
        const auto add = [&](std::size_t column, const Format* format, const std::vector<std::int32_t>& values) {
            if (format)
                columns[column].add_all(values.data(), count, kMissingInt);
            else
                columns[column].add_nulls(count);
        };
        add(2, known_->gq, gq_);
        add(3, known_->dp, dp_);
        add(4, known_->ad, ad_ref_);
        add(5, known_->ad, ad_alt_);
        if (known_->pl) {
            columns[6].children[0]->add_all(pl_.data(), pl_.size(), kMissingInt);
            columns[6].add_lists(pl_sizes_.data(), count);
        } else {
            columns[6].add_nulls(count);
        }
        columns[7].add_nulls(count);
        add(8, known_->ps, ps_);
        for (const std::size_t none : {9, 10, 11, 12}) columns[none].add_nulls(count);
        numbers_.assign(count, site);
        columns[13].add_all(numbers_.data(), count, kMissingInt);
        for (std::size_t i = 0; i < count; ++i) numbers_[i] = static_cast<std::int32_t>(first + i);
        columns[14].add_all(numbers_.data(), count, kMissingInt);
    }

  private:
    void resize(std::size_t count) {
        for (auto* column : {&gt_, &gq_, &dp_, &ad_ref_, &ad_alt_, &ps_, &pl_sizes_}) column->resize(count);
        copies_.resize(count);
        ploidy_.resize(count);
    }

    // How many values each sample has to have, where the specification says so of a key; 0: any number.
    static std::size_t wanted(const Known& known, const Format* format) {
        for (const auto& [checked, definition] : known.checked) {
            if (checked != format) continue;
            if (definition.number == kPerAlternate) return 1;
            if (definition.number == kPerAllele) return 2;
            return definition.number > 0 ? static_cast<std::size_t>(definition.number) : 0;
        }
        return 0;
    }

    bool take_genotypes(const Record& record, const Format* format, std::span<const std::uint32_t> samples,
                        RowGenotypes& genotypes) {
        const char* last = nullptr;  // where its letters are, of which BCF's reader keeps one copy
        const RowGenotypes::Simple* simple = nullptr;
        for (std::size_t i = 0; i < samples.size(); ++i) {
            gt_[i] = kMissingInt;
            copies_[i] = RowGenotypes::kMissingCopies;
            ploidy_[i] = 0;
            if (!format || !format->samples[samples[i]].count) continue;
            const std::string_view text = record.pools.texts[format->samples[samples[i]].first];
            if (text.data() != last) {
                simple = genotypes.simple(text);
                last = text.data();
            }
            if (!simple) return false;
            gt_[i] = simple->number;
            copies_[i] = simple->copies;
            // './.' says nothing of how many copies there are.
            if (!simple->missing) ploidy_[i] = simple->ploidy;
        }
        return true;
    }

    static bool take_one(const std::int32_t* pool, const Format* format, const Known& known,
                         std::span<const std::uint32_t> samples, std::vector<std::int32_t>& out) {
        if (!format) return true;
        if (wanted(known, format) > 1) return false;
        for (std::size_t i = 0; i < samples.size(); ++i) {
            const Range range = format->samples[samples[i]];
            if (range.count > 1) return false;
            out[i] = range.count ? pool[range.first] : kMissingInt;
        }
        return true;
    }

    bool take_depths(const std::int32_t* pool, const Known& known, std::span<const std::uint32_t> samples) {
        if (!known.ad) return true;
        const std::size_t should = wanted(known, known.ad);
        if (should && should != 2) return false;
        for (std::size_t i = 0; i < samples.size(); ++i) {
            const Range range = known.ad->samples[samples[i]];
            ad_ref_[i] = ad_alt_[i] = kMissingInt;
            if (!range.count) continue;
            if (range.count != 2) return false;
            ad_ref_[i] = pool[range.first];
            ad_alt_[i] = pool[range.first + 1];
            // Two missing depths are another record than none.
            if (is_missing(ad_ref_[i]) && is_missing(ad_alt_[i])) return false;
        }
        return true;
    }

    bool take_likelihoods(const std::int32_t* pool, const Known& known, std::span<const std::uint32_t> samples) {
        if (!known.pl) return true;
        pl_.resize(3 * samples.size());
        std::int32_t* out = pl_.data();
        bool per_genotype = false;
        for (const auto& [checked, definition] : known.checked)
            per_genotype = per_genotype || (checked == known.pl && definition.number == kPerGenotype);
        const std::size_t should = wanted(known, known.pl);
        for (std::size_t i = 0; i < samples.size(); ++i) {
            const Range range = known.pl->samples[samples[i]];
            pl_sizes_[i] = -1;
            if (!range.count) continue;
            if ((range.count != 2 && range.count != 3) || (should && range.count != should)) return false;
            if (per_genotype && ploidy_[i] && genotype_count(2, static_cast<std::size_t>(ploidy_[i])) != range.count) return false;
            pl_sizes_[i] = static_cast<std::int32_t>(range.count);
            for (std::uint32_t j = 0; j < range.count; ++j) *out++ = pool[range.first + j];
        }
        pl_.resize(static_cast<std::size_t>(out - pl_.data()));
        return true;
    }

    const Known* known_ = nullptr;  // of the record that was taken
    std::vector<std::int32_t> gt_, gq_, dp_, ad_ref_, ad_alt_, ps_, pl_, pl_sizes_, ploidy_, numbers_;
    std::vector<std::int8_t> copies_;
};

}  // namespace baselake::vcf
