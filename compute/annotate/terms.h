// Terms of the Sequence Ontology, the most severe first, with the impact that Ensembl gives each:
// https://www.ensembl.org/info/genome/variation/prediction/predicted_data.html
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace baselake::annotate {

enum class Term : std::uint8_t {
    transcript_ablation,
    splice_acceptor,
    splice_donor,
    stop_gained,
    frameshift,
    stop_lost,
    start_lost,
    inframe_insertion,
    inframe_deletion,
    missense,
    protein_altering,
    splice_region,
    incomplete_terminal_codon,
    start_retained,
    stop_retained,
    synonymous,
    coding_sequence,
    utr_5,
    utr_3,
    non_coding_exon,
    intron,
    upstream,
    downstream,
    intergenic,
    sequence,
};

struct TermEntry {
    std::string_view name, impact;
};

constexpr std::array<TermEntry, 25> kTerms = {{
    {"transcript_ablation", "HIGH"},
    {"splice_acceptor_variant", "HIGH"},
    {"splice_donor_variant", "HIGH"},
    {"stop_gained", "HIGH"},
    {"frameshift_variant", "HIGH"},
    {"stop_lost", "HIGH"},
    {"start_lost", "HIGH"},
    {"inframe_insertion", "MODERATE"},
    {"inframe_deletion", "MODERATE"},
    {"missense_variant", "MODERATE"},
    {"protein_altering_variant", "MODERATE"},
    {"splice_region_variant", "LOW"},
    {"incomplete_terminal_codon_variant", "LOW"},
    {"start_retained_variant", "LOW"},
    {"stop_retained_variant", "LOW"},
    {"synonymous_variant", "LOW"},
    {"coding_sequence_variant", "MODIFIER"},
    {"5_prime_UTR_variant", "MODIFIER"},
    {"3_prime_UTR_variant", "MODIFIER"},
    {"non_coding_transcript_exon_variant", "MODIFIER"},
    {"intron_variant", "MODIFIER"},
    {"upstream_gene_variant", "MODIFIER"},
    {"downstream_gene_variant", "MODIFIER"},
    {"intergenic_variant", "MODIFIER"},
    {"sequence_variant", "MODIFIER"},
}};

// A set of terms; iterated from the most severe on.
class Terms {
  public:
    void add(Term term) { bits_ |= std::uint32_t{1} << static_cast<unsigned>(term); }
    void remove(Term term) { bits_ &= ~(std::uint32_t{1} << static_cast<unsigned>(term)); }
    bool has(Term term) const { return bits_ >> static_cast<unsigned>(term) & 1; }
    bool any() const { return bits_ != 0; }
    template <class Each>
    void each(Each tell) const {
        for (std::size_t place = 0; place < kTerms.size(); ++place)
            if (bits_ >> place & 1) tell(kTerms[place]);
    }
    // Of the most severe term: terms of an impact stand together in the order above.
    std::string_view impact() const {
        for (std::size_t place = 0; place < kTerms.size(); ++place)
            if (bits_ >> place & 1) return kTerms[place].impact;
        return "MODIFIER";
    }

  private:
    std::uint32_t bits_ = 0;
};

}  // namespace baselake::annotate
