// The text of VCF: one data line to a Record. VCF 4.3, section 1.6, says which columns there are and what is legal.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>

#include "ingest/vcf/record.h"

namespace baselake::vcf {

class TextParser {
  public:
    TextParser(const Definitions& info, const Definitions& format,
               const std::unordered_map<std::string, std::int32_t, StringHash, std::equal_to<>>& contigs,
               std::size_t samples, bool has_format)
        : info_(info), format_(format), contigs_(contigs), samples_(samples), has_format_(has_format) {}

    // Parses a line, without its end, into a record; views point into the line.
    void parse(std::string_view line, Record& record) {
        record.clear();
        if (!is_utf8(line)) fail("the line is not UTF-8");
        std::array<std::string_view, 8> fixed;
        for (std::size_t i = 0; i < fixed.size(); ++i) {
            const auto tab = line.find('\t');
            if (tab == std::string_view::npos && i + 1 < fixed.size())
                fail("the line has " + std::to_string(i + 1) + " columns and not 8 or more, apart by tabs");
            fixed[i] = line.substr(0, tab);
            if (fixed[i].empty()) fail(std::string(kColumns[i]) + " is empty; VCF has '.' for what is missing");
            line = tab == std::string_view::npos ? std::string_view{} : line.substr(tab + 1);
            more_ = tab != std::string_view::npos;
        }
        parse_contig(fixed[0], record);
        record.start = parse_position(fixed[1]) - 1;
        if (fixed[2] != ".") {
            record.id = fixed[2];
            if (fixed[2].front() == ';' || fixed[2].back() == ';') fail("ID has an empty name: " + shown(fixed[2]));
        }
        if (fixed[2].find_first_of(" \t") != std::string_view::npos) fail("ID has a blank: " + shown(fixed[2]));
        record.ref = fixed[3];
        if (fixed[4] != ".")
            split(fixed[4], ',', [&](std::string_view alt) {
                if (alt.empty()) fail("an alternate is empty");
                record.alts.push_back(alt);
            });
        if (fixed[5] != ".") {
            record.qual = parse_float(fixed[5], "QUAL");
            if (record.qual < 0) fail("QUAL is negative: " + shown(fixed[5]));
        }
        parse_filter(fixed[6], record);
        parse_info(fixed[7], record);
        parse_samples(line, record);
    }

    // Values of INFO that were kept as text, not being of the declared type, and what is wrong with the first.
    std::int64_t misfits() const { return misfits_; }
    const std::string& misfit() const { return misfit_; }

  private:
    static constexpr std::array<const char*, 8> kColumns = {"CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"};

    void parse_contig(std::string_view name, Record& record) {
        if (name == last_name_ && record.contig >= 0) return;
        auto found = contigs_.find(name);
        // <ID> is a contig of an assembly file; it is known by its name.
        if (found == contigs_.end() && name.size() > 2 && name.front() == '<' && name.back() == '>')
            found = contigs_.find(name.substr(1, name.size() - 2));
        if (found == contigs_.end()) fail("contig " + shown(name) + " is not in the reference");
        record.contig = found->second;
        last_name_ = name;
    }

    static std::int64_t parse_position(std::string_view text) {
        std::int64_t value = 0;
        const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc() || stop != text.data() + text.size() || value < 0)
            fail("POS is not a position: " + shown(text));
        return value;
    }

    static void parse_filter(std::string_view text, Record& record) {
        if (text == ".") return;
        if (text == "PASS") {
            record.filter = Filter::pass;
            return;
        }
        record.filter = Filter::failed;
        split(text, ';', [&](std::string_view name) {
            if (name.empty() || name == "0" || name == "." || name.find(' ') != std::string_view::npos)
                fail("FILTER has no such name: " + shown(name));
            if (std::find(record.filters.begin(), record.filters.end(), name) != record.filters.end())
                fail("FILTER names " + shown(name) + " twice");
            record.filters.push_back(name);
        });
    }

    void parse_info(std::string_view text, Record& record) {
        if (text == ".") return;
        split(text, ';', [&](std::string_view entry) {
            // A semicolon at the end is not legal and common.
            if (entry.empty()) {
                if (entry.data() == text.data() + text.size() && text.size() > 1) return;
                fail("INFO has an entry without a key");
            }
            const auto equals = entry.find('=');
            const auto key = entry.substr(0, equals);
            require_key(key, "INFO");
            if (record.info(key)) fail("INFO has " + std::string(key) + " twice");
            const Definition definition = definition_of(info_, key);
            Kind kind = definition.kind;
            if (equals == std::string_view::npos) {
                record.infos.push_back({key, Kind::flag, 0, 0});
                return;
            }
            if (kind == Kind::flag) {  // a flag with a value keeps it
                kind = Kind::text;
                const auto said = entry.substr(equals + 1);
                if (definition.reserved && said != "0" && said != "1")
                    fail("INFO " + std::string(key) + " is a flag and has the value " + shown(said));
            }
            std::size_t first = pool_size(record.pools, kind);
            const auto values = entry.substr(equals + 1);
            // The specification's own are all counts and positions.
            if (definition.reserved && kind == Kind::integer && values[0] == '-')
                fail("INFO " + std::string(key) + " is negative: " + shown(values));
            try {
                parse_values(values, kind, key, record.pools);
            } catch (const Fault& fault) {
                // Files with names where the header says numbers are about, and are more useful than refused. The
                // specification's own keys are what it says, though.
                if (definition.reserved) throw;
                if (misfits_++ == 0) misfit_ = fault.what();
                if (kind == Kind::integer) record.pools.integers.resize(first);
                else record.pools.floats.resize(first);
                kind = Kind::text;
                first = pool_size(record.pools, kind);
                parse_values(values, kind, key, record.pools);
            }
            record.infos.push_back({key, kind, first, pool_size(record.pools, kind) - first});
        });
    }

    void parse_samples(std::string_view rest, Record& record) {
        if (!has_format_) {
            if (more_) fail("the line has more columns than the header names");
            return;
        }
        if (!more_) fail("the line has fewer columns than the header names");
        const auto tab = rest.find('\t');
        const auto keys = rest.substr(0, tab);
        rest = tab == std::string_view::npos ? std::string_view{} : rest.substr(tab + 1);
        bool more = tab != std::string_view::npos;
        if (keys.empty()) fail("FORMAT is empty");
        if (keys != ".") {
            split(keys, ':', [&](std::string_view key) {
                require_key(key, "FORMAT");
                if (record.format(key)) fail("FORMAT has " + std::string(key) + " twice");
                if (key == "GT" && record.format_count) fail("GT is not the first key of FORMAT");
                Kind kind = definition_of(format_, key).kind;
                if (key == "GT" || kind == Kind::flag) kind = Kind::text;
                record.add_format(key, kind);
            });
        }
        for (std::size_t sample = 0; sample < samples_; ++sample) {
            if (!more) fail("the line has " + std::to_string(sample) + " samples where the header names " + std::to_string(samples_));
            const char* begin = rest.data();
            const auto* stop = static_cast<const char*>(std::memchr(begin, '\t', rest.size()));
            more = stop != nullptr;
            std::string_view values = more ? rest.substr(0, static_cast<std::size_t>(stop - begin)) : rest;
            rest = more ? rest.substr(values.size() + 1) : std::string_view{};
            parse_sample(values, sample, record);
        }
        if (more) fail("the line has more samples than the header names");
    }

    void parse_sample(std::string_view values, std::size_t sample, Record& record) {
        if (values.empty()) fail("sample " + std::to_string(sample + 1) + " is empty; VCF has '.' for what is missing");
        bool more = true;
        for (std::size_t i = 0; i < record.format_count; ++i) {
            Format& format = record.formats[i];
            const std::size_t first = pool_size(record.pools, format.kind);
            if (more) {
                const auto colon = values.find(':');
                const auto value = values.substr(0, colon);
                more = colon != std::string_view::npos;
                if (more) values.remove_prefix(colon + 1);
                if (value.empty()) fail(std::string(format.key) + " of sample " + std::to_string(sample + 1) + " is empty");
                if (i == 0 && format.key == "GT")
                    record.pools.texts.push_back(value);
                else
                    parse_values(value, format.kind, format.key, record.pools);
            }
            format.samples.push_back({static_cast<std::uint32_t>(first),
                                      static_cast<std::uint32_t>(pool_size(record.pools, format.kind) - first)});
        }
        if (more && (record.format_count || values != "."))
            fail("sample " + std::to_string(sample + 1) + " has more values than FORMAT has keys");
    }

    static void require_key(std::string_view key, const char* column) {
        if (key.empty()) fail(std::string(column) + " has an entry without a key");
        // VCF 4.3, sections 1.6.1 and 1.6.2.
        const auto letter = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_'; };
        const auto legal = [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '.'; };
        if (key != "1000G" && (!letter(key[0]) || !std::all_of(key.begin(), key.end(), legal)))
            fail(std::string(column) + " has no such key: " + shown(key));
    }

    const Definitions& info_;
    const Definitions& format_;
    const std::unordered_map<std::string, std::int32_t, StringHash, std::equal_to<>>& contigs_;
    std::size_t samples_;
    bool has_format_;
    bool more_ = false;
    std::string last_name_;
    std::int64_t misfits_ = 0;
    std::string misfit_;
};

}  // namespace baselake::vcf
