// Names of changes by the HGVS nomenclature (den Dunnen et al. 2016, doi:10.1002/humu.22981; hgvs-nomenclature.org).
#pragma once

#include <string>
#include <string_view>

#include "compute/annotate/transcript.h"

namespace baselake::annotate {

// As far towards the end of the transcript as the same change can lie: HGVS's 3' rule. Only what is a pure insertion or
// deletion can move.
inline Change shifted(const Transcript& transcript, Change change) {
    if (!change.inserted.empty() && !change.insertion()) return change;
    const std::int64_t limit = transcript.end();
    if (change.insertion()) {
        const std::size_t size = change.inserted.size();
        std::size_t moved = 0;
        while (change.start < limit && transcript.base(change.start) == change.inserted[moved % size]) {
            ++change.start;
            ++moved;
        }
        change.end = change.start;
        std::rotate(change.inserted.begin(), change.inserted.begin() + static_cast<std::ptrdiff_t>(moved % size), change.inserted.end());
        return change;
    }
    while (change.end < limit && transcript.base(change.start) == transcript.base(change.end)) {
        ++change.start;
        ++change.end;
    }
    return change;
}

// A position of c. or n.: of introns as the nearest base of an exon and the distance to it, the middle one's after '+'.
inline std::string coding_position(const Transcript& transcript, std::int64_t at) {
    const std::size_t place = transcript.exon_of(at);
    const Exon& next = transcript.exons[place];
    std::int64_t anchor = at, offset = 0;
    if (at < next.start) {
        const std::int64_t after = at - transcript.exons[place - 1].end + 1, before = next.start - at;
        offset = after <= before ? after : -before;
        anchor = after <= before ? transcript.exons[place - 1].end - 1 : next.start;
    }
    const std::int64_t spliced = transcript.spliced(anchor);
    std::string text;
    if (!transcript.coding) {
        text = std::to_string(spliced + 1);
    } else {
        const std::int64_t first = transcript.spliced(transcript.cds_start), last = transcript.spliced(transcript.cds_end - 1);
        if (spliced < first)
            text = std::to_string(spliced - first);
        else if (spliced > last)
            text = "*" + std::to_string(spliced - last);
        else
            text = std::to_string(spliced - first + 1);
    }
    if (offset) text += (offset > 0 ? "+" : "") + std::to_string(offset);
    return text;
}

// c. or n.; empty where the change reaches beyond the transcript.
inline std::string coding_name(const Transcript& transcript, const Change& stored) {
    const Change change = shifted(transcript, stored);
    const std::int64_t first = change.insertion() ? change.start - 1 : change.start;
    const std::int64_t last = change.insertion() ? change.start : change.end - 1;
    if (first < transcript.start() || last >= transcript.end()) return {};
    const auto span = [&](std::int64_t from, std::int64_t to) {
        std::string text = coding_position(transcript, from);
        return from == to ? text : text + "_" + coding_position(transcript, to);
    };
    std::string text = transcript.coding ? "c." : "n.";
    std::string removed;
    // Long deletions are named by their ends.
    if (!change.inserted.empty())
        for (std::int64_t at = change.start; at < change.end; ++at) removed.push_back(transcript.base(at));
    if (change.insertion()) {
        const auto size = static_cast<std::int64_t>(change.inserted.size());
        bool repeats = change.start - size >= transcript.start();
        for (std::int64_t i = 0; repeats && i < size; ++i)
            repeats = transcript.base(change.start - size + i) == change.inserted[static_cast<std::size_t>(i)];
        return repeats ? text + span(change.start - size, change.start - 1) + "dup" : text + span(first, last) + "ins" + change.inserted;
    }
    if (change.inserted.empty()) return text + span(first, last) + "del";
    if (removed.size() == 1 && change.inserted.size() == 1)
        return text + span(first, last) + removed + ">" + change.inserted;
    if (removed.size() > 1 && change.inserted == reverse_complement(removed)) return text + span(first, last) + "inv";
    return text + span(first, last) + "delins" + change.inserted;
}

inline std::string_view three_letters(char residue) {
    switch (residue) {
        case 'A': return "Ala";
        case 'C': return "Cys";
        case 'D': return "Asp";
        case 'E': return "Glu";
        case 'F': return "Phe";
        case 'G': return "Gly";
        case 'H': return "His";
        case 'I': return "Ile";
        case 'K': return "Lys";
        case 'L': return "Leu";
        case 'M': return "Met";
        case 'N': return "Asn";
        case 'P': return "Pro";
        case 'Q': return "Gln";
        case 'R': return "Arg";
        case 'S': return "Ser";
        case 'T': return "Thr";
        case 'U': return "Sec";
        case 'V': return "Val";
        case 'W': return "Trp";
        case 'Y': return "Tyr";
        case '*': return "Ter";
        default: return "Xaa";
    }
}

inline std::string spelled(std::string_view residues) {
    std::string text;
    for (const char residue : residues) text += three_letters(residue);
    return text;
}

inline std::string residue(const Transcript& transcript, std::int64_t codon) {
    return std::string(three_letters(transcript.protein[static_cast<std::size_t>(codon)])) +
           std::to_string(transcript.residue_number(codon));
}

inline std::string residues(const Transcript& transcript, std::int64_t first, std::int64_t last) {
    return first == last ? residue(transcript, first) : residue(transcript, first) + "_" + residue(transcript, last);
}

// p. of residues [first, first + removed) that become `added`, in a reading frame that goes on.
inline std::string protein_name(const Transcript& transcript, std::int64_t first, std::string_view removed, std::string added) {
    auto count = static_cast<std::int64_t>(removed.size());
    const auto stop = added.find('*');
    std::size_t same = 0;
    while (same < removed.size() && same < added.size() && removed[same] == added[same] && removed[same] != '*') ++same;
    removed.remove_prefix(same);
    added.erase(0, same);
    first += static_cast<std::int64_t>(same);
    if (stop != std::string::npos && (removed.empty() || removed.find('*') == std::string_view::npos)) {
        // What follows a new stop is gone.
        added.resize(added.find('*') + 1);
        if (added.size() == 1) return "p." + residue(transcript, first) + "Ter";
        while (removed.empty() && first < transcript.codons && transcript.protein[static_cast<std::size_t>(first)] == added[0]) {
            added.erase(0, 1);
            ++first;
        }
        if (removed.empty() && (first == 0 || first >= transcript.codons)) return "p.?";
        if (removed.empty())
            return "p." + residues(transcript, first - 1, first) + "ins" + spelled(added);
        return "p." + residues(transcript, first, first + static_cast<std::int64_t>(removed.size()) - 1) + "delins" + spelled(added);
    }
    while (!removed.empty() && !added.empty() && removed.back() == added.back()) {
        removed.remove_suffix(1);
        added.pop_back();
    }
    count = static_cast<std::int64_t>(removed.size());
    if (added.empty()) {
        const std::string& protein = transcript.protein;
        while (first + count < transcript.codons && protein[static_cast<std::size_t>(first)] == protein[static_cast<std::size_t>(first + count)])
            ++first;
        return "p." + residues(transcript, first, first + count - 1) + "del";
    }
    if (removed.empty()) {
        while (first < transcript.codons && transcript.protein[static_cast<std::size_t>(first)] == added[0]) {
            std::rotate(added.begin(), added.begin() + 1, added.end());
            ++first;
        }
        const auto size = static_cast<std::int64_t>(added.size());
        if (first >= size && transcript.protein.compare(static_cast<std::size_t>(first - size), added.size(), added) == 0)
            return "p." + residues(transcript, first - size, first - 1) + "dup";
        if (first == 0 || first >= transcript.codons) return "p.?";
        return "p." + residues(transcript, first - 1, first) + "ins" + spelled(added);
    }
    if (count == 1 && added.size() == 1) return "p." + residue(transcript, first) + spelled(added);
    return "p." + residues(transcript, first, first + count - 1) + "delins" + spelled(added);
}

}  // namespace baselake::annotate
