// Lines of GFF3 and GTF, and the genes and transcripts they make.
// GFF3: https://github.com/The-Sequence-Ontology/Specifications/blob/master/gff3.md; GTF: https://mblab.wustl.edu/GTF22.html
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace baselake::genes {

// What is wrong with a line; the line is the reader's own, or one that came before.
struct Fault : std::runtime_error {
    std::int64_t line;
    Fault(const std::string& what, std::int64_t line) : std::runtime_error(what), line(line) {}
};

inline std::string shown(std::string_view text) {
    std::string out = "'";
    for (const char c : text.substr(0, 40)) out += c >= ' ' && c <= '~' ? c : '?';
    return out + (text.size() > 40 ? "...'" : "'");
}

struct Line {
    std::string_view contig, type;
    std::int64_t start = 0, end = 0;  // 0-based half-open
    char strand = '.';
    int phase = -1;  // -1: '.'
    std::vector<std::pair<std::string_view, std::string>> attributes;

    std::string_view get(std::string_view key) const {
        for (const auto& [name, value] : attributes)
            if (name == key) return value;
        return {};
    }
    template <class... Keys>
    std::string_view first_of(Keys... keys) const {
        for (const std::string_view key : {std::string_view(keys)...})
            if (const auto value = get(key); !value.empty()) return value;
        return {};
    }
};

enum class Flavour : std::uint8_t { unknown, gff3, gtf };

inline std::int64_t number(std::string_view text, const char* what, std::int64_t line) {
    std::int64_t value = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || stop != text.data() + text.size()) throw Fault(std::string("the ") + what + " is " + shown(text) + ", and no number", line);
    return value;
}

// GFF3 writes separators inside values as %XX.
inline std::string unescaped(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        int value = 0;
        if (text[i] == '%' && i + 2 < text.size() &&
            std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16).ptr == text.data() + i + 3) {
            out.push_back(static_cast<char>(value));
            i += 2;
        } else {
            out.push_back(text[i]);
        }
    }
    return out;
}

inline void parse_gff3(std::string_view text, Line& out, std::int64_t line) {
    while (!text.empty()) {
        const auto stop = text.find(';');
        std::string_view part = text.substr(0, stop);
        text = stop == std::string_view::npos ? std::string_view() : text.substr(stop + 1);
        while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
        if (part.empty()) continue;
        const auto sign = part.find('=');
        if (sign == std::string_view::npos || sign == 0) throw Fault("an attribute is not KEY=VALUE: " + shown(part), line);
        out.attributes.emplace_back(part.substr(0, sign), unescaped(part.substr(sign + 1)));
    }
}

inline void parse_gtf(std::string_view text, Line& out, std::int64_t line) {
    for (;;) {
        while (!text.empty() && (text.front() == ' ' || text.front() == ';')) text.remove_prefix(1);
        if (text.empty()) return;
        const auto blank = text.find(' ');
        if (blank == std::string_view::npos) throw Fault("an attribute is not KEY \"VALUE\": " + shown(text), line);
        const std::string_view key = text.substr(0, blank);
        text.remove_prefix(blank + 1);
        std::string_view value;
        if (!text.empty() && text.front() == '"') {
            const auto stop = text.find('"', 1);
            if (stop == std::string_view::npos) throw Fault("the value of " + std::string(key) + " does not end", line);
            value = text.substr(1, stop - 1);
            text.remove_prefix(stop + 1);
        } else {
            const auto stop = std::min(text.find(';'), text.size());
            value = text.substr(0, stop);
            text.remove_prefix(stop);
        }
        if (!text.empty() && text.front() != ';' && text.front() != ' ') throw Fault("text follows the value of " + std::string(key), line);
        out.attributes.emplace_back(key, value);
    }
}

// Takes a line apart; the first feature tells which of the two formats the file is of.
inline void parse(std::string_view text, Flavour& flavour, Line& out, std::int64_t line) {
    std::string_view columns[9];
    std::size_t count = 0;
    for (std::string_view rest = text;; ++count) {
        const auto tab = rest.find('\t');
        if (count < 9) columns[count] = rest.substr(0, tab);
        if (tab == std::string_view::npos) break;
        rest.remove_prefix(tab + 1);
    }
    if (++count != 9) throw Fault("the line has " + std::to_string(count) + " columns and not 9", line);
    out.contig = columns[0];
    out.type = columns[2];
    const std::int64_t first = number(columns[3], "start", line);
    out.end = number(columns[4], "end", line);
    if (first < 1 || out.end < first) throw Fault("the feature is from " + std::to_string(first) + " to " + std::to_string(out.end), line);
    out.start = first - 1;
    if (columns[6].size() != 1 || std::string_view("+-.?").find(columns[6][0]) == std::string_view::npos)
        throw Fault("the strand is " + shown(columns[6]) + ", and none of + - . ?", line);
    out.strand = columns[6][0];
    if (columns[7] != "." && columns[7] != "0" && columns[7] != "1" && columns[7] != "2")
        throw Fault("the phase is " + shown(columns[7]) + ", and none of . 0 1 2", line);
    out.phase = columns[7] == "." ? -1 : columns[7][0] - '0';
    out.attributes.clear();
    if (columns[8] == ".") return;
    if (flavour == Flavour::unknown) {
        const auto blank = columns[8].find(' '), sign = columns[8].find('=');
        flavour = sign < blank ? Flavour::gff3 : Flavour::gtf;
    }
    if (flavour == Flavour::gff3)
        parse_gff3(columns[8], out, line);
    else
        parse_gtf(columns[8], out, line);
}

}  // namespace baselake::genes
