// What a change does to a transcript.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compute/annotate/hgvs.h"
#include "compute/annotate/terms.h"
#include "compute/annotate/transcript.h"

namespace baselake::annotate {

constexpr std::int64_t kNear = 5000;        // upstream and downstream, as Ensembl has it
constexpr std::int64_t kSiteBases = 2;      // splice donor and acceptor
constexpr std::int64_t kRegionExon = 3;     // splice region (SO:0001630): 1-3 bases of the exon,
constexpr std::int64_t kRegionIntron = 8;   // 3-8 of the intron
// A stop so near the last junction, or after it, does not lead to decay (Lindeboom et al. 2016, doi:10.1038/ng.3664, and
// many before: 50 to 55 bases).
constexpr std::int64_t kDecay = 50;

struct Consequence {
    Terms terms;
    std::int64_t distance = 0;  // to the transcript; 0: inside
    std::string exon, intron;   // N/M
    std::string coding_name, protein_name;
    std::int64_t cds_position = 0, protein_position = 0;  // from 1; 0: none
    std::string codons, amino_acids;
    bool loss = false;               // a term that takes the function of the product away
    std::vector<std::string> doubts;  // why it may not
};

class Evaluation {
  public:
    Evaluation(Transcript& transcript, const Change& change) : t_(transcript), v_(change), c_(change) {}

    // None: nothing of the transcript is within kNear.
    std::optional<Consequence> run() {
        if (outside()) {
            if (out_.distance > kNear) return std::nullopt;
            return std::move(out_);
        }
        if (!v_.insertion() && v_.start <= t_.start() && v_.end >= t_.end()) {
            out_.terms.add(Term::transcript_ablation);
            out_.loss = true;
            return std::move(out_);
        }
        introns();
        exons();
        out_.coding_name = coding_name(t_, v_);
        judge();
        return std::move(out_);
    }

  private:
    bool outside() {
        const std::int64_t first = t_.start(), last = t_.end();
        if (v_.insertion() ? v_.start <= first : v_.end <= first) {
            out_.terms.add(Term::upstream);
            out_.distance = first - v_.end + 1;
            return true;
        }
        if (v_.start >= last) {
            out_.terms.add(Term::downstream);
            out_.distance = v_.start - last + 1;
            return true;
        }
        return false;
    }

    void introns() {
        // Those that the change can touch, with their surroundings.
        std::size_t place = t_.exon_of(v_.start - kRegionExon - 1);
        for (place -= place ? 1 : 0; place + 1 < t_.exons.size(); ++place) {
            const std::int64_t first = t_.exons[place].end, last = t_.exons[place + 1].start;
            if (first - kRegionExon > v_.end) break;
            const std::int64_t exon_before = std::max(first - kRegionExon, t_.exons[place].start);
            const std::int64_t exon_after = std::min(last + kRegionExon, t_.exons[place + 1].end);
            const bool donor = v_.overlaps(first, std::min(first + kSiteBases, last));
            const bool acceptor = v_.overlaps(std::max(last - kSiteBases, first), last);
            if (donor) out_.terms.add(Term::splice_donor);
            if (acceptor) out_.terms.add(Term::splice_acceptor);
            if (donor || acceptor) note_utr_intron(first, last);
            bool region;
            if (v_.insertion()) {
                // Between exon and intron, or between the site and the rest of the intron, is of the region, too.
                region = (!donor && v_.overlaps(exon_before, std::min(first + kRegionIntron, last))) ||
                         (!acceptor && v_.overlaps(std::max(last - kRegionIntron, first), exon_after));
            } else {
                region = v_.overlaps(exon_before, first) || v_.overlaps(last, exon_after) ||
                         v_.overlaps(first + kSiteBases, std::min(first + kRegionIntron, last)) ||
                         v_.overlaps(std::max(last - kRegionIntron, first), last - kSiteBases);
            }
            if (region) out_.terms.add(Term::splice_region);
            const std::int64_t inner_first = first + kSiteBases, inner_last = last - kSiteBases;
            if (v_.insertion() ? inner_first <= v_.start && v_.start <= inner_last : v_.overlaps(inner_first, inner_last))
                out_.terms.add(Term::intron);
            if (v_.insertion() ? first <= v_.start && v_.start <= last : v_.overlaps(first, last)) {
                in_intron_ = true;
                number(out_.intron, place + 1, t_.exons.size() - 1);
            }
        }
    }

    void exons() {
        for (std::size_t place = t_.exon_of(v_.start - 1); place < t_.exons.size(); ++place) {
            const Exon& exon = t_.exons[place];
            if (exon.start > v_.end) break;
            if (v_.insertion() && (v_.start == exon.start || v_.start == exon.end)) {
                // Between an exon and an intron: which of them grows cannot be told.
                const std::int64_t beside = v_.start == exon.start ? exon.start : exon.end - 1;
                out_.terms.add(part_of(beside));
                if (t_.coding && beside >= t_.cds_start && beside < t_.cds_end) out_.protein_name = "p.?";
                continue;
            }
            if (!v_.overlaps(exon.start, exon.end)) continue;
            number(out_.exon, place + 1, t_.exons.size());
            if (!t_.coding) {
                out_.terms.add(Term::non_coding_exon);
                continue;
            }
            if (v_.insertion()) {
                if (v_.start <= t_.cds_start)
                    out_.terms.add(Term::utr_5);
                else if (v_.start >= t_.cds_end)
                    out_.terms.add(Term::utr_3);
                else
                    coding(std::max(exon.start, t_.cds_start), std::min(exon.end, t_.cds_end));
                continue;
            }
            if (v_.overlaps(exon.start, std::min(exon.end, t_.cds_start))) out_.terms.add(Term::utr_5);
            if (v_.overlaps(std::max(exon.start, t_.cds_end), exon.end)) out_.terms.add(Term::utr_3);
            const std::int64_t first = std::max(exon.start, t_.cds_start), last = std::min(exon.end, t_.cds_end);
            if (v_.overlaps(first, last)) coding(first, last);
        }
    }

    Term part_of(std::int64_t at) const {
        if (!t_.coding) return Term::non_coding_exon;
        return at < t_.cds_start ? Term::utr_5 : at >= t_.cds_end ? Term::utr_3 : Term::coding_sequence;
    }

    static void number(std::string& text, std::size_t place, std::size_t of) {
        // Of several the first.
        if (text.empty()) text = std::to_string(place) + "/" + std::to_string(of);
    }

    void note_utr_intron(std::int64_t first, std::int64_t last) {
        if (!t_.coding) return;
        if (last <= t_.cds_start || first >= t_.cds_end) doubt("utr_intron");
    }

    void doubt(const char* why) {
        for (const std::string& known : out_.doubts)
            if (known == why) return;
        out_.doubts.emplace_back(why);
    }

    // Bases of the transcript after the change.
    char edited(std::int64_t place) const {
        const auto size = static_cast<std::int64_t>(c_.inserted.size());
        if (place < from_) return t_.at(place);
        if (place < from_ + size) return c_.inserted[static_cast<std::size_t>(place - from_)];
        const std::int64_t old = place - c_.growth();
        return old < t_.length() ? t_.at(old) : 'N';
    }
    std::int64_t edited_length() const { return t_.length() + c_.growth(); }
    char edited_residue(std::int64_t codon) const {
        const std::int64_t first = t_.frame + 3 * codon;
        const char residue = translate(edited(first), edited(first + 1), edited(first + 2), t_.code);
        // Selenocysteine that is not touched stays so.
        const std::int64_t old = first + 2 < from_ ? codon : growth_codons_ != kShifted && first >= from_ + inserted() ? codon - growth_codons_ : -1;
        return residue == '*' && old >= 0 && old < t_.codons && t_.protein[static_cast<std::size_t>(old)] == 'U' ? 'U' : residue;
    }
    std::int64_t inserted() const { return static_cast<std::int64_t>(c_.inserted.size()); }
    bool starts_with_methionine() const { return t_.whole_start && t_.codons && t_.protein[0] == 'M'; }

    // In the part of the CDS that an exon has.
    void coding(std::int64_t first_base, std::int64_t last_base) {
        if (coded_) return;
        coded_ = true;
        t_.splice();
        const bool reaches_intron = !v_.insertion() && in_intron_;
        if (!v_.growth()) {
            // Base by base: each has its place, whatever the others are in.
            c_ = v_.within(first_base, last_base);
        } else if (reaches_intron || v_.start < t_.cds_start || v_.end > t_.cds_end) {
            over_the_edge(reaches_intron);
            return;
        }
        from_ = t_.spliced(c_.start);
        growth_codons_ = c_.growth() % 3 ? kShifted : c_.growth() / 3;
        const std::int64_t removed = c_.end - c_.start, place = from_ - t_.frame;
        out_.cds_position = from_ - t_.cds_first + 1;
        if (place < 0) {
            out_.terms.add(Term::coding_sequence);
            out_.protein_name = "p.?";
            return;
        }
        const std::int64_t first = place / 3;
        std::int64_t last = removed ? (place + removed - 1) / 3 : place % 3 ? first : first - 1;
        // Whole codons can be told of, whatever becomes of the incomplete one after them.
        if (!c_.growth() && first < t_.codons) last = std::min(last, t_.codons - 1);
        out_.protein_position = t_.residue_number(first);
        if (growth_codons_ == kShifted) {
            frameshift(first, last);
            return;
        }
        if (std::max(first, last) >= t_.codons) {
            out_.terms.add(Term::incomplete_terminal_codon);
            out_.terms.add(Term::coding_sequence);
            out_.protein_name = "p.?";
            return;
        }
        in_frame(first, last);
    }

    // A change that reaches over an end of the CDS, or over an end of an exon.
    void over_the_edge(bool reaches_intron) {
        if (reaches_intron) out_.terms.add(Term::coding_sequence);
        out_.protein_name = "p.?";
        const auto covers = [&](std::int64_t first, std::int64_t last) {
            for (const Exon& exon : t_.exons)
                if (v_.overlaps(std::max(first, exon.start), std::min(last, exon.end)) && std::max(first, exon.start) < std::min(last, exon.end))
                    return true;
            return false;
        };
        const std::int64_t start_end = axis_of(t_.cds_first + 2) + 1, stop_start = axis_of(t_.cds_last - 3);
        if (starts_with_methionine() && covers(t_.cds_start, start_end)) {
            if (!reaches_intron && v_.end <= t_.cds_end && same_start()) {
                out_.terms.add(Term::start_retained);
                out_.protein_name = "p.=";
            } else {
                out_.terms.add(Term::start_lost);
                out_.protein_name = "p." + residue(t_, 0) + "?";
            }
        } else if (v_.start < t_.cds_start && !reaches_intron) {
            out_.terms.add(Term::coding_sequence);
        }
        if (t_.has_stop() && covers(stop_start, t_.cds_end)) {
            if (!reaches_intron && v_.start >= t_.cds_start && same_end()) {
                out_.terms.add(Term::stop_retained);
                out_.protein_name = "p.=";
            } else {
                out_.terms.add(Term::stop_lost);
            }
        } else if (v_.end > t_.cds_end && !reaches_intron) {
            out_.terms.add(Term::coding_sequence);
        }
    }
    std::int64_t axis_of(std::int64_t spliced) const {
        for (const Exon& exon : t_.exons)
            if (spliced < exon.offset + exon.end - exon.start) return exon.start + spliced - exon.offset;
        return t_.end();
    }
    // Whether the bases that move to where the CDS began, or ends, are those that it had there.
    bool same_start() const {
        const std::int64_t gone = v_.end - t_.cds_start, from = t_.spliced(v_.start);
        for (std::int64_t i = 1; i <= gone; ++i) {
            const std::int64_t inserted = this->inserted() - i;
            const std::int64_t before = from + inserted;
            if (inserted < 0 && before < 0) return false;
            const char now = inserted >= 0 ? v_.inserted[static_cast<std::size_t>(inserted)] : t_.at(before);
            if (now != t_.at(t_.cds_first + gone - i)) return false;
        }
        return true;
    }
    bool same_end() {
        from_ = t_.spliced(v_.start);
        for (std::int64_t place = from_; place < t_.cds_last; ++place)
            if (place >= edited_length() || edited(place) != t_.at(place)) return false;
        return true;
    }

    void in_frame(std::int64_t first, std::int64_t last) {
        std::string before = t_.protein.substr(static_cast<std::size_t>(first), static_cast<std::size_t>(last - first + 1));
        std::string after;
        for (std::int64_t codon = first; codon <= last + growth_codons_; ++codon) after.push_back(edited_residue(codon));
        show(first, last, last + growth_codons_, before, after);
        if (starts_with_methionine() && first == 0 && edited_residue(0) != 'M') {
            out_.terms.add(Term::start_lost);
            out_.protein_name = "p." + residue(t_, 0) + "?";
            return;
        }
        const auto old_place = before.find('*');
        // Where the old stop is deleted, the next codon may be one.
        const std::int64_t next = last + growth_codons_ + 1;
        if (c_.growth() < 0 && old_place != std::string::npos && after.find('*') == std::string::npos && t_.frame + 3 * next + 3 <= edited_length() &&
            edited_residue(next) == '*')
            after.push_back('*');
        const auto new_place = after.find('*');
        // Where the old stop would stand, if it were still there.
        const bool moved = new_place != std::string::npos &&
                           (old_place == std::string::npos || before.size() - old_place != after.size() - new_place);
        if (new_place != std::string::npos) after.resize(new_place + 1);
        // What follows a new stop may have been the same residues, and then the same stop.
        const bool same_protein = before.substr(0, old_place == std::string::npos ? old_place : old_place + 1) == after ||
                                  (moved && t_.protein.compare(static_cast<std::size_t>(first), std::string::npos, after) == 0);
        if (same_protein) {
            out_.terms.add(moved || old_place != std::string::npos ? Term::stop_retained : Term::synonymous);
            out_.protein_name = c_.growth() ? "p.=" : "p." + residues(t_, first, last) + "=";
            return;
        }
        std::size_t same = 0, same_after = 0;
        const std::size_t shorter = std::min(before.size(), after.size());
        while (same < shorter && before[same] == after[same]) ++same;
        while (same + same_after < shorter && before[before.size() - 1 - same_after] == after[after.size() - 1 - same_after]) ++same_after;
        const std::string_view gone(before.data() + same, before.size() - same - same_after);
        const std::string_view come(after.data() + same, after.size() - same - same_after);
        const bool new_stop = moved, old_stop = old_place != std::string::npos && new_place == std::string::npos;
        const auto at = first + static_cast<std::int64_t>(same);
        if (c_.growth()) {
            out_.terms.add(gone.empty() ? Term::inframe_insertion : come.empty() ? Term::inframe_deletion : Term::protein_altering);
        } else if (!new_stop && !old_stop) {
            out_.terms.add(Term::missense);
        }
        if (old_stop && t_.whole_end) {
            out_.terms.add(Term::stop_lost);
            if (before[same] == '*') {
                extension(at);
            } else {
                out_.protein_name = "p.?";
            }
            return;
        }
        if (new_stop) {
            out_.terms.add(Term::stop_gained);
            const auto stop = first + static_cast<std::int64_t>(after.size()) - 1;
            decay(t_.frame + 3 * stop + 3 - std::max<std::int64_t>(0, c_.growth()));
            // Residues that come before it may be those that were there.
            std::size_t kept = 0;
            while (kept + 1 < after.size() && first + static_cast<std::int64_t>(kept) + 1 < t_.codons &&
                   after[kept] == t_.protein[static_cast<std::size_t>(first) + kept])
                ++kept;
            if (kept + 1 == after.size()) {
                out_.protein_name = "p." + residue(t_, first + static_cast<std::int64_t>(kept)) + "Ter";
                return;
            }
        }
        out_.protein_name = protein_name(t_, first, std::string_view(before).substr(0, new_stop ? old_place : std::string::npos), after);
    }

    void frameshift(std::int64_t first, std::int64_t last) {
        out_.terms.add(Term::frameshift);
        std::string changed;
        bool stopped = false;
        for (std::int64_t codon = first; t_.frame + 3 * codon + 3 <= edited_length() && !stopped; ++codon) {
            changed.push_back(edited_residue(codon));
            stopped = changed.back() == '*';
        }
        const std::string before = t_.protein.substr(std::min<std::size_t>(static_cast<std::size_t>(first), t_.protein.size()));
        show(first, std::min(last, t_.codons - 1), first - 1, before.substr(0, static_cast<std::size_t>(std::max<std::int64_t>(0, last - first + 1))), "X");
        std::size_t same = 0;
        while (same < changed.size() && same < before.size() && changed[same] == before[same] && changed[same] != '*') ++same;
        if (starts_with_methionine() && first == 0 && same == 0) {
            out_.terms.add(Term::start_lost);
            out_.protein_name = "p." + residue(t_, 0) + "?";
            return;
        }
        if (same == before.size()) {
            // Nothing of what is known of the protein changes: only its incomplete end.
            out_.protein_name = "p.?";
            return;
        }
        const std::int64_t at = first + static_cast<std::int64_t>(same);
        if (same < changed.size() && changed[same] == '*' && before[same] == '*') {
            out_.terms.remove(Term::frameshift);
            out_.terms.add(Term::stop_retained);
            out_.protein_name = "p.=";
            return;
        }
        if (before[same] == '*' && t_.has_stop()) {
            out_.terms.add(Term::stop_lost);
            extension(at);
            return;
        }
        if (t_.has_stop() && last >= t_.codons - 1) out_.terms.add(Term::stop_lost);
        // Beyond its end an incomplete transcript is not known to go on.
        if (stopped) {
            decay(t_.frame + 3 * (first + static_cast<std::int64_t>(changed.size())) - c_.growth());
        }
        if (same < changed.size() && changed[same] == '*') {
            out_.terms.add(Term::stop_gained);
            out_.protein_name = "p." + residue(t_, at) + "Ter";
            return;
        }
        if (same >= changed.size()) {
            out_.protein_name = "p.?";
            return;
        }
        out_.protein_name = "p." + residue(t_, at) + std::string(three_letters(changed[same])) + "fsTer" +
                            (stopped ? std::to_string(changed.size() - same) : "?");
    }

    // A stop codon that becomes something else: how far the protein goes on.
    void extension(std::int64_t at) {
        std::int64_t codon = at;
        bool stopped = false;
        std::string first;
        for (; t_.frame + 3 * codon + 3 <= edited_length(); ++codon) {
            const char next = edited_residue(codon);
            if (codon == at) first = three_letters(next);
            if (next == '*') {
                stopped = true;
                break;
            }
        }
        if (first.empty() || first == "Ter") {
            out_.protein_name = "p.?";
            return;
        }
        out_.protein_name = "p." + residue(t_, at) + first + "extTer" + (stopped ? std::to_string(codon - at) : "?");
    }

    // Whether a stop that ends at a place of the spliced transcript leads to decay: what is after the last junction, or
    // just before it, does not.
    void decay(std::int64_t stop_end) {
        if (t_.exons.size() == 1)
            doubt("single_exon");
        else if (stop_end > t_.exons.back().offset - kDecay)
            doubt("nmd_escape");
    }

    // Codons as VEP shows them: what changes in upper case.
    void show(std::int64_t first, std::int64_t last, std::int64_t last_after, const std::string& before, const std::string& after) {
        const auto text = [&](std::int64_t stop, std::int64_t changed_end, auto base) {
            std::string codons;
            for (std::int64_t place = t_.frame + 3 * first; place < stop; ++place) {
                const char at = base(place);
                codons.push_back(place >= from_ && place < changed_end ? at : static_cast<char>(at + 32));
            }
            return codons.empty() ? std::string("-") : codons;
        };
        const std::int64_t stop = t_.frame + 3 * (last + 1);
        const std::int64_t stop_after = growth_codons_ == kShifted ? stop + c_.growth() : t_.frame + 3 * (last_after + 1);
        if (std::max(stop, stop_after) - t_.frame - 3 * first > kShown) return;
        out_.codons = text(stop, from_ + c_.end - c_.start, [&](std::int64_t place) { return t_.at(place); }) + "/" +
                      text(std::min(stop_after, edited_length()), from_ + inserted(), [&](std::int64_t place) { return edited(place); });
        out_.amino_acids = before == after ? before : (before.empty() ? "-" : before) + "/" + (after.empty() ? "-" : after);
    }

    void judge() {
        const Terms& terms = out_.terms;
        const bool splice = terms.has(Term::splice_donor) || terms.has(Term::splice_acceptor);
        out_.loss = t_.coding && (splice || terms.has(Term::stop_gained) || terms.has(Term::frameshift) || terms.has(Term::start_lost));
        if (!out_.loss) {
            out_.doubts.clear();
            return;
        }
        if (!t_.whole_start || !t_.whole_end) doubt("incomplete_cds");
        if (!splice && !terms.has(Term::stop_gained) && !terms.has(Term::frameshift)) doubt("start_lost");
    }

    static constexpr std::int64_t kShifted = INT64_MAX;
    static constexpr std::int64_t kShown = 60;  // bases; more are not shown
    Transcript& t_;
    const Change& v_;
    Change c_;  // what of it lies in the CDS
    Consequence out_;
    bool in_intron_ = false, coded_ = false;
    std::int64_t from_ = 0;            // of the change in the spliced transcript
    std::int64_t growth_codons_ = 0;  // kShifted: the frame moves
};

}  // namespace baselake::annotate
